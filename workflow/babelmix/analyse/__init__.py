"""Scores, statistics, tables and figures: from answers and judgements to numbers with intervals."""
