"""Which language a text is in: one answer for the audit, the judge, the scores and the pools.

A text is recognised among all languages that two models know (py3langid's 140 and fastText's
lid.176), never among a study's own. Its script is evidence before either model is asked. Below
``THRESHOLD`` nothing is said. docs/language-identification.md has the measured error rates.
"""

from .codes import base_code, identifier_code, is_known, supported
from .decide import THRESHOLD, Found, identify, identify_all, spelled
from .prose import MIN_LETTERS, count_letters, strip_non_prose
from .verdict import RIGHT, UNSURE, WRONG, Verdict, compare

__all__ = [
    "MIN_LETTERS",
    "RIGHT",
    "THRESHOLD",
    "UNSURE",
    "WRONG",
    "Found",
    "Verdict",
    "base_code",
    "compare",
    "count_letters",
    "identifier_code",
    "identify",
    "identify_all",
    "is_known",
    "spelled",
    "strip_non_prose",
    "supported",
]
