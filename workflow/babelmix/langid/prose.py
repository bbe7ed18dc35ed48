"""The prose of a text: code, addresses and numbers say nothing about the language it is in."""

from __future__ import annotations

import re

#: Texts in Latin script with fewer letters are not judged: many are names.
MIN_LETTERS = 16
#: An ideograph or syllable sign carries about as much as this many alphabetic letters.
_DENSE_WEIGHT = 3
_DENSE = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]")

#: What is not prose, each with a sign that it cannot do without (most texts have none of them).
_NON_PROSE = (
    # Fenced code; a fence that an answer cut short never closes runs to the end.
    ("```", re.compile(r"(?s)```.*?(?:```|\Z)")),
    ("~~~", re.compile(r"(?ms)^[ \t]*~~~.*?(?:^[ \t]*~~~|\Z)")),
    ("`", re.compile(r"`[^`\n]+`")),
    ("$$", re.compile(r"(?s)\$\$.*?\$\$")),
    ("\\[", re.compile(r"(?s)\\\[(?:(?!\\\[).)*?\\\]")),
    ("\\(", re.compile(r"(?s)\\\((?:(?!\\\().)*?\\\)")),
    ("://", re.compile(r"\bhttps?://\S+", re.IGNORECASE)),
    (".", re.compile(r"\bwww\.\S+", re.IGNORECASE)),
    ("@", re.compile(r"(?<![\w.+-])[\w.+-]++@[\w-]++\.[\w.-]+")),
    ("<", re.compile(r"</?[A-Za-z][^<>\n]*>")),
)
#: Numbers with the units, signs and separators that cling to them.
_NUMBERS = re.compile(r"[+\-−]?\d[\d.,:/%°^*]*")
_BLANKS = re.compile(r"[^\S\n]+")


def strip_non_prose(text: str) -> str:
    """Take code, formulas, URLs, mail addresses, tags and numbers out; keep the prose."""
    for sign, pattern in _NON_PROSE:
        if sign in text:
            text = pattern.sub(" ", text)
    return _BLANKS.sub(" ", _NUMBERS.sub(" ", text)).strip()


def count_letters(text: str) -> int:
    """Letters of a text; a CJK, kana or hangul sign counts as three."""
    dense = len(_DENSE.findall(text))
    return sum(map(str.isalpha, text)) + (_DENSE_WEIGHT - 1) * dense
