"""Pieces within a line that translation must keep: code, addresses, formulas, tags, placeholders.

Each kind has a sign that all of its pieces hold. A line is searched for the kinds alone whose
signs it has, and no kind looks at a stretch of text more than a few times: time grows with length.
"""

from __future__ import annotations

import re
from functools import lru_cache

_FILE_TYPES = (
    "py|ipynb|js|jsx|ts|tsx|c|h|cc|cpp|hpp|cs|java|rb|go|rs|php|sh|bat|sql|html?|css|scss|json|"
    "jsonl|ya?ml|toml|xml|csv|tsv|txt|md|pdf|docx?|xlsx?|pptx?|png|jpe?g|gif|svg|zip|gz|tar|exe|"
    "dll|ini|cfg|conf|log|tex"
)
_DOTTED = r"[\w-]++(?:\.[\w-]++)*+"

#: Sign and pattern of each kind; at one place the first that fits wins.
_KINDS: tuple[tuple[str, str], ...] = (
    ("`", r"(?<!`)(?P<tick>`{1,3})(?!`).+?(?<!`)(?P=tick)(?!`)"),  # inline code
    # Target of a Markdown link.
    ("](", r"""(?<=\])\((?:[^()\s]|\([^()\s]*\))+(?:[ ]"[^"\n]*")?\)"""),
    # URL without closing marks.
    ("://", r"""(?:https?|ftp)://[^\s<>"`|]*[^\s<>"`|.,;:!?')\]}]"""),
    ("www.", r"""www\.[^\s<>"`|]*[^\s<>"`|.,;:!?')\]}]"""),
    ("@", r"(?<![\w.+-])[\w.+-]++@[\w-]++(?:\.[\w-]++)+"),  # e-mail address
    # LaTeX: \( \), $ $, commands.
    ("\\(", r"\\\((?:(?!\\\().)+?\\\)"),
    ("$", r"(?<![\\$\w])\$(?=[^\s$])(?:\\.|[^\\$\n])*?(?<=[^\s\\])\$(?![\d$\w])"),
    (":\\", r"""\b[A-Za-z]:\\[^\s:*?"<>|]*[^\s:*?"<>|.,;)]"""),  # Windows path
    ("\\", r"\\[A-Za-z]+\*?(?:\[[^\[\]\n]*\])?(?:\{[^{}\n]*\})*"),
    ("<", r"</?[A-Za-z][A-Za-z0-9-]*(?:\s[^<>\n]*)?/?>"),  # HTML tag
    ("&", r"&(?:\#\d+|\#x[0-9A-Fa-f]+|[A-Za-z]{2,8});"),  # HTML entity
    ("{", r"\{\{[^{}\n]+\}\}|\$?\{[A-Za-z_][\w.-]*\}"),  # placeholders
    ("%", r"%\([A-Za-z_]\w*\)[sdif]|(?<![\w%])%[sdif]\b"),
    ("[[", r"\[\[[A-Za-z0-9_.-]{1,12}\]\]"),  # verdict and rating marks
    ("/", r"(?<![\w./<~])(?:~|\.{1,2})/[\w./-]*[\w/]"),  # ~/x, ./x, ../x
    ("/", r"(?<![\w./<])/(?=[\w.-]*[A-Za-z])[\w.-]+(?:/[\w.-]*[\w])+/?"),  # /etc/hosts
    # File names, with folders before them; a dotted word is looked at from its beginning alone.
    (
        ".",
        rf"(?<![\w/-])(?<![\w/-]\.)(?:{_DOTTED}/)*+"
        rf"[\w-]+(?:\.[\w-]+)*\.(?:{_FILE_TYPES})\b(?![/\w])",
    ),
    ("XQ", r"XQ\d+X"),  # a look-alike of our masks
)
#: A full stop is in most lines: one of a file name has a type behind it.
_FILE = re.compile(rf"\.(?:{_FILE_TYPES})\b")
_ANY = re.compile(
    "|".join(re.escape(sign) for sign, _ in _KINDS if sign != ".") + f"|{_FILE.pattern}"
)


def piece_spans(line: str) -> list[tuple[int, int]]:
    """Start and end of each piece of a line, in order."""
    if not _ANY.search(line):
        return []
    signs = tuple(
        sign in line and (sign != "." or _FILE.search(line) is not None) for sign, _ in _KINDS
    )
    return [match.span() for match in _pattern(signs).finditer(line)]


@lru_cache(maxsize=1024)
def _pattern(signs: tuple[bool, ...]) -> re.Pattern[str]:
    """The kinds whose signs are there."""
    there = zip(signs, _KINDS, strict=True)
    return re.compile("|".join(pattern for seen, (_, pattern) in there if seen))
