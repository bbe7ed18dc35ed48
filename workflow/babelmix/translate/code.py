"""Code that stands in a text without fences, as most of Alpaca's and Dolly's does.

Protection masks fenced and inline code; lines that only look like code go through the backend, so
the audit compares them: a translated keyword or name makes a program that does not run.
"""

from __future__ import annotations

import re
from collections import Counter

_START = re.compile(
    r"""\s*(?:
        (?:async\ )?def\ \w+\s*\( | class\ \w+\s*[:({] |
             import\ [\w.{*]+(?:\ as\ \w+)?\s*(?:;|$|,|\ from)
      | from\ [\w.]+\ import\b | return\b.*[;()\[\]=+*/-] | return\ \w+\s*$
      | (?:if|elif|while|for|with|except|switch|catch)\b.*[:{]\s*$ | (?:else|try|
            finally)\s*[:{]\s*$
      | \#include\b | (?:public|private|protected|static|final)\ .*[({;]
      | (?:var|let|const|int|float|double|char|string|bool|void|auto)\ \w+.*[=;({]
      | function\b\s*\w*\s*\( | (?:print|printf|println|console\.log|System\.out\.\w+|echo)\s*\(
      | (?:SELECT|INSERT\ INTO|UPDATE|DELETE\ FROM|CREATE\ (?:TABLE|VIEW|INDEX)|
            ALTER\ TABLE)\ .*(?:FROM|SET|VALUES|\(|;)
      | (?:FROM|WHERE|GROUP\ BY|ORDER\ BY|INNER\ JOIN|LEFT\ JOIN|HAVING)\ [\w.*`"]+
      | [\w.\[\]"']+\s*(?:=|\+=|-=|\*=|:=)\s*[^=\s].*[\w)\]}"';,]\s*;?\s*$
      | [\w.]+\([^()]*\)\s*;?\s*$ | \}\s*(?:else|catch|while)?.*[{;]?\s*$ | \$\w+\s*=
    )""",
    re.VERBOSE,
)
_STRONG = re.compile(
    r"[;{}]\s*$|\)\s*:\s*$|==|!=|=>|->|\+\+|\+=|&&|\|\||::|\w\(\)|\w\[\w*\]|\w\.\w+\("
)
#: Words in strings and comments may be translated.
_SAID = re.compile(r"\"[^\"\n]*\"|'[^'\n]*'|#.*|//.*|--.*|/\*.*?\*/")
_NAME = re.compile(r"[A-Za-z_]\w*")
_HINT = re.compile(r"[(){}\[\]=;:<>_$#]|\b(?:SELECT|FROM|WHERE|return|else|import)\b")
_BLOCK_LINE = re.compile(r"[=()<>\[\]].*[;{]\s*$")
_PROSE = re.compile(r"(?:\b[a-z]{2,} ){3}[a-z]{2,}\b")
#: Longer lines are prose, or data.
_LONGEST = 400


#: Names that stand in prose: snake_case, and calls (``len(x)``; not ``item(s)``).
_IDENTIFIER = re.compile(
    r"\b[A-Za-z]\w*(?:_[A-Za-z0-9]+)+\b"
    r"|\b[A-Za-z_]\w{2,}(?=\((?:\)|[\"'][^\"'\n]*[\"']\)|[\w.]*[=,._\d][\w.,= \"']*\)))"
)
#: Keys of JSON and of Python's dicts.
_KEY = re.compile(r"""[{,]\s*(["'])([^"'\n{}:,]{1,60})\1\s*:""")


def lost_names(source: str, target: str) -> Counter[str]:
    """Keywords and names of the source's code lines that the translation does not have.

    Of prose: identifiers and calls in it, and the keys of JSON.
    """
    names = Counter(code_names(source)) | Counter[str](_IDENTIFIER.findall(source))
    lost = names - Counter(_NAME.findall(target)) if names else names
    keys = Counter(f'"{key}"' for _, key in _KEY.findall(source))
    if keys:
        lost += keys - Counter(f'"{key}"' for _, key in _KEY.findall(target))
    return lost


def code_names(prose: str) -> list[str]:
    """Keywords and names in the code lines of a text, in order; of prose, none."""
    if _HINT.search(prose) is None:
        return []
    found: list[str] = []
    for line in prose.split("\n"):
        if len(line) <= _LONGEST and _HINT.search(line):
            bare = _SAID.sub(" ", line)
            if _is_code(bare):
                found += _NAME.findall(bare)
    return found


def _is_code(bare: str) -> bool:
    """Whether a line, its strings and comments taken out, is code."""
    if _PROSE.search(bare):
        return False
    if _START.match(bare):
        return bool(_STRONG.search(bare) or re.search(r"[=(]|^\s*return ", bare))
    return len(bare.split()) <= 12 and bool(_BLOCK_LINE.search(bare))
