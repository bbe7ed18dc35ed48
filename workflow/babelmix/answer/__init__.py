"""Answers: a checkpoint answers a benchmark's questions, turn by turn."""
