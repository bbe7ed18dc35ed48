"""Read verdicts out of judges' replies: what the rest of the package imports."""

from .parsing.readers import SCALE, Preference, Strength, Verdict
from .parsing.verdict import AMBIGUOUS, TRUNCATED, parse_preference, parse_rating

__all__ = [
    "AMBIGUOUS",
    "SCALE",
    "TRUNCATED",
    "Preference",
    "Strength",
    "Verdict",
    "parse_preference",
    "parse_rating",
]
