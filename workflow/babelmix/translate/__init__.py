"""Translation: protect -> segment -> backend -> restore -> audit."""
