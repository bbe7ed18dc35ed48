"""Code that stands in a text without fences, as most of Alpaca's and Dolly's does.

Protection masks fenced and inline code; lines that only look like code go through the backend, so
the audit compares them: a translated keyword or name makes a program that does not run.
"""

from __future__ import annotations

import re
from collections import Counter

from ..code_lines import code_names

_NAME = re.compile(r"[A-Za-z_]\w*")
#: The same where Chinese or Japanese words stand right after it.
_NAME_ALONE = re.compile(r"[A-Za-z_]\w*", re.ASCII)
#: Names that stand in prose: snake_case, camelCase (not ``iPhone``), calls (``len(x)``; not
#: ``item(s)``).
_IDENTIFIER = re.compile(
    r"\b[A-Za-z]\w*(?:_[A-Za-z0-9]+)+\b|\b[a-z]{2,}[a-z0-9]*(?:[A-Z][a-z0-9]{2,})+\b"
    r"|\b[A-Za-z_]\w{2,}(?=\((?:\)|[\"'][^\"'\n]*[\"']\)|[\w.]*[=,._\d][\w.,= \"']*\)))"
)
#: Options of commands: ``--verbose``. Two hyphens are a dash where a text has them elsewhere.
_OPTION = re.compile(r"(?<!\S)--[a-z][a-z0-9-]*[a-z0-9](?![\w-])")
_DASH = re.compile(r"\w--|--(?:\s|$)")
#: Keys of JSON and of Python's dicts.
_KEY = re.compile(r"""[{,]\s*(["'])([^"'\n{}:,]{1,60})\1\s*:""")


def lost_names(source: str, target: str) -> Counter[str]:
    """Keywords and names of the source's code lines that the translation does not have.

    Of prose: identifiers and calls in it, and the keys of JSON.
    """
    names = Counter(code_names(source)) | Counter[str](_IDENTIFIER.findall(source))
    lost = names - (Counter(_NAME.findall(target)) | Counter(_NAME_ALONE.findall(target)))
    if "--" in source and not _DASH.search(source):
        lost += Counter[str](_OPTION.findall(source)) - Counter[str](_OPTION.findall(target))
    keys = Counter(f'"{key}"' for _, key in _KEY.findall(source))
    if keys:
        lost += keys - Counter(f'"{key}"' for _, key in _KEY.findall(target))
    return lost
