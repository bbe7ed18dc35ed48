"""Judgements that others published, read into our own records."""
