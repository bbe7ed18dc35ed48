"""Read a judge's verdict out of its reply; ``verdict`` holds the rules."""
