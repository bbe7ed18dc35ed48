"""Verdicts in the shapes that are not prose: a JSON object, a lone name, code to be left aside."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from typing import Any

from .folding import fold

# What stands between backticks: a fenced block, or a span within a line.
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]{1,2000}`", re.DOTALL)
_FENCE = re.compile(r"```[a-z]{0,12}[ \t]*\n?")
#: Letters of other alphabets that stand for A and B ("В" and "С" look like Latin ones and are not).
_ALIKE = str.maketrans({"а": "a", "α": "a", "б": "b", "β": "b", "ა": "a", "ბ": "b"})


class JsonReply:
    """The top-level fields of a reply that is one JSON object, by folded name."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self.fields = fields

    def values(self, labels: str) -> list[str]:
        """The distinct values under names that are labels; only numbers and texts."""
        wanted = re.compile(rf"(?:final[_ ]?)?(?:{labels})", re.IGNORECASE)
        found = [
            str(value).strip()
            for name, value in self.fields.items()
            if wanted.fullmatch(name)
            and isinstance(value, int | float | str)
            and not isinstance(value, bool)
        ]
        return list(dict.fromkeys(found))


def read_json_reply(text: str) -> JsonReply | None:
    """The reply as a JSON object, bare or in a code fence; None where it is none."""
    content = text.strip()
    if content.startswith("```"):
        content = content.strip("`").removeprefix("json").strip()
    if not (content.startswith("{") and content.endswith("}")):
        return None
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return JsonReply({fold(str(name)): held for name, held in value.items()})


def latin_letter(content: str) -> str:
    """A lone letter of another alphabet as the Latin one that it stands for."""
    return content.translate(_ALIKE) if len(content) == 1 else content


class CodeSpans:
    """Where a text is code: a verdict's form in there, among other code, is no verdict."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._spans = [match.span() for match in _CODE.finditer(text)] if "`" in text else []
        self._starts = [start for start, _ in self._spans]

    def hold(self, start: int, end: int) -> bool:
        """Whether ``text[start:end]`` stands in code together with something else."""
        at = bisect_right(self._starts, start) - 1
        if at < 0 or self._spans[at][1] < end:
            return False
        first, last = self._spans[at]
        before = _FENCE.sub("", self._text[first:start]).strip("` \t\n")
        return bool(before or self._text[end:last].strip("` \t\n.;,"))
