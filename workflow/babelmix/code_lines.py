"""Lines of code that stand in a text without fences."""

from __future__ import annotations

import re

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
#: Lines that are code where others are: imports, several names given values at once.
_BESIDE_CODE = re.compile(
    r"\s*(?:import [\w.]+(?: as \w+)?|from [\w.]+ import [\w., *()]+"
    r"|\w+(?:, \w+)+ = [\w.]+\(.*\))\s*;?\s*$"
)
#: Longer lines are prose, or data.
_LONGEST = 400


def code_names(prose: str) -> list[str]:
    """Keywords and names in the code lines of a text, in order; of prose, none."""
    if _HINT.search(prose) is None:
        return []
    found: list[str] = []
    for line in prose.split("\n"):
        if (bare := _code_of(line)) is not None:
            found += _NAME.findall(bare)
    return found


def without_code_lines(text: str) -> str:
    """Take the lines of code out of a text: their words are no prose."""
    if _HINT.search(text) is None:
        return text
    lines = text.split("\n")
    prose = [line for line in lines if _code_of(line) is None]
    if len(prose) < len(lines):  # imports have no sign of code: they count beside other code
        prose = [line for line in prose if not _BESIDE_CODE.match(line)]
    return "\n".join(prose)


def _code_of(line: str) -> str | None:
    """Return a line of code without its strings and comments, or None of prose."""
    if len(line) > _LONGEST or _HINT.search(line) is None:
        return None
    bare = _SAID.sub(" ", line)
    return bare if _is_code(bare) else None


def _is_code(bare: str) -> bool:
    """Whether a line, its strings and comments taken out, is code."""
    if _PROSE.search(bare):
        return False
    if _START.match(bare):
        return bool(_STRONG.search(bare) or re.search(r"[=(]|^\s*return ", bare))
    return len(bare.split()) <= 12 and bool(_BLOCK_LINE.search(bare))
