"""Sources: fetch raw files, read their shapes, choose rows and questions."""
