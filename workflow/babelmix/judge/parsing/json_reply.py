"""Verdicts in JSON: the reply is an object, or it ends in one (bare, fenced, or in Python's way).

Only names that are labels count. Names of the whole ("overall_score") go with the labels; values
that differ are two verdicts.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .labels import OVERALLS
from .normalise import fold

_FENCED = re.compile(r"```(?:json5?|python|JSON)?[ \t]*\n?(?=[{\[])")
#: Longer objects are not looked for.
_MOST = 100_000
#: Names of a preference that are no labels in prose.
_CHOICES = (
    r"answer|better|best|preferred|preferredanswer|betteranswer|betterresponse|pairwisechoice"
)
_RANKED = {
    "model1": "A",
    "model2": "B",
    "m": "A",
    "a": "A",
    "b": "B",
    "output1": "A",
    "output2": "B",
}


@dataclass(frozen=True, slots=True)
class JsonReply:
    """A value in JSON and its place in the reply."""

    value: Any
    start: int
    end: int

    def values(self, labels: str, choices: bool = False) -> list[str]:
        """Return the distinct values under names that are labels; only numbers and texts.

        The top level goes first; an object within it is looked into only if that has none.
        """
        held = self.value if isinstance(self.value, dict) else {}
        patterns = [rf"(?:(?:{OVERALLS})[ -]?)?(?:{labels})|(?:{OVERALLS})"]
        patterns += [_CHOICES] if choices else []
        nested = [inner for inner in held.values() if isinstance(inner, dict)]
        for level in ([held], nested):
            for pattern in patterns:
                found = list(dict.fromkeys(_labelled(level, re.compile(pattern))))
                if found:
                    return found
        return []

    def ranking(self) -> str | None:
        """Return ``A``, ``B`` or ``tie`` where the reply ranks two answers (AlpacaEval)."""
        if not (isinstance(self.value, list) and len(self.value) == 2):
            return None
        ranks: dict[str, Any] = {}
        for row in self.value:
            if isinstance(row, dict) and "rank" in row and "model" in row:
                name = str(row["model"])
                letter = "B" if name == "M" else _RANKED.get(fold(name).replace(" ", ""))
                if letter:
                    ranks[letter] = row["rank"]
        if set(ranks) != {"A", "B"} or not all(isinstance(rank, int) for rank in ranks.values()):
            return None
        if ranks["A"] == ranks["B"]:
            return "tie"
        return "A" if ranks["A"] < ranks["B"] else "B"


def _labelled(objects: list[dict[Any, Any]], wanted: re.Pattern[str]) -> Iterator[str]:
    for held in objects:
        for name, value in held.items():
            folded = fold(str(name)).strip()
            spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", str(name))
            if not (wanted.fullmatch(folded) or wanted.fullmatch(fold(spaced).strip())):
                continue
            if isinstance(value, int | float | str) and not isinstance(value, bool):
                yield str(value).strip()


def read_json_reply(text: str) -> JsonReply | None:
    """Parse the reply as one JSON object or list, bare or fenced. Return None if it is none."""
    start, end = _stripped(text)
    if text.startswith("```", start):
        fence = _FENCED.match(text, start)
        if fence is None or not text.endswith("```", start + 3, end):
            return None
        start, end = fence.end(), end - 3
    start, end = _stripped(text, start, end)
    if end <= start or (text[start], text[end - 1]) not in (("{", "}"), ("[", "]")):
        return None
    value = _load(text[start:end])
    return JsonReply(value, start, end) if isinstance(value, dict | list) else None


def trailing_json(text: str) -> JsonReply | None:
    """Parse the JSON object that prose ends in, or the last one in a fence."""
    fences = list(_FENCED.finditer(text, max(0, len(text) - _MOST)))
    for fence in reversed(fences[-3:]):
        end = text.find("```", fence.end())
        held = text[fence.end() : end if end >= 0 else len(text)]
        value = _load(held.strip())
        if isinstance(value, dict):
            return JsonReply(value, fence.end(), fence.end() + len(held.rstrip()))
    _, end = _stripped(text)
    if text[end - 1 : end] != "}":
        return None
    starts = [m.start() for m in re.finditer(r"\{", text[max(0, end - _MOST) : end])][-8:]
    for start in starts:  # the outermost that can be read
        start += max(0, end - _MOST)
        value = _load(text[start:end])
        if isinstance(value, dict):
            return JsonReply(value, start, end)
    return None


def _stripped(text: str, start: int = 0, end: int | None = None) -> tuple[int, int]:
    end = len(text) if end is None else end
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _load(content: str) -> Any:
    """The value, or None; strings may hold line breaks, and Python's quotes are read too."""
    try:
        return json.loads(content, strict=False)
    except (ValueError, RecursionError):
        pass
    if len(content) > _MOST or not content.startswith(("{'", '{"', "[{'", "{\n")):
        return None
    try:
        return ast.literal_eval(content)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None
