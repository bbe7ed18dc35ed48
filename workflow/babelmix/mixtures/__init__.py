"""Mixtures: which rows of a parallel pool, in which language, a model is tuned on."""
