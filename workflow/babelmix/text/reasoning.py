"""Take a model's reasoning off its reply: what stands between thinking marks is not the answer.

Servers return reasoning inside the reply when their parser misses it. The marks are those of the
models' chat templates (DeepSeek, Qwen, Mistral, Kimi, Seed, MiniMax, LongCat, Cohere, EXAONE,
Gemma, Granite, OpenThinker, gpt-oss) and of prompts that ask for reasoning in tags.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

#: Names of tags that enclose reasoning, and the kind that they open and close.
_TAGS = {
    "think": "think",
    "thinking": "think",
    "longcat_think": "think",
    "thought": "thought",
    "thoughts": "thought",
    "thought_process": "thought",
    "reasoning": "reasoning",
    "reflection": "reflection",
    "scratchpad": "scratchpad",
    "analysis": "analysis",
    "inner_monologue": "monologue",
}
_TAG_NAMES = "|".join(sorted(_TAGS, key=len, reverse=True))
_MARK = re.compile(
    r"(?:<|&lt;)[ ]?(?P<tag_close>/?)(?:[a-z]{1,8}:)?"
    rf"(?P<tag>{_TAG_NAMES})(?:[ \t][^<>\n]{{0,80}})?(?P<self_close>/?)[ ]?(?:>|&gt;)"
    r"|\[(?P<square_close>/?)think(?:ing)?\]"
    r"|◁(?P<kimi_close>/?)think(?:ing)?▷"
    r"|<\|?(?P<special>(?:start|begin|end)_(?:of_)?(?:thinking|thought)|inner_(?:prefix|suffix))\|?>"
    r"|<(?P<gemma>unused9[45])>(?:thought\b)?"
    r"|(?P<channel_open><\|channel>)|(?P<channel_close><channel\|>)"
    r"|(?P<details><details[ ][^<>\n]{0,80}reasoning[^<>\n]{0,80}>)|(?P<details_close></details>)"
    r"|(?P<solar><\|(?:think|thinking)\|>)"
    r"|(?P<harmony>(?:<\|end\|>\s{0,4})?(?:<\|start\|>\s{0,4}\w{0,20}\s{0,4})?<\|channel\|>\s{0,4}"
    r"(?P<channel>\w{1,20})[^<\n]{0,100}(?:<\|constrain\|>[^<\n]{0,40})?<\|message\|>)"
    r"|(?P<stop><\|(?:end|return|call)\|>)"
    r"|(?P<granite>\AHere(?: is|'s) my (?:thought process|reasoning):)"
    r"|(?P<granite_close>Here(?: is|'s) my response:)",
    re.IGNORECASE,
)
#: gpt-oss whose control tokens were dropped: "analysisWe need …assistantfinalRating: [[8]]".
_BARE_ANALYSIS = re.compile(r"\s{0,9}analysis(?=[A-Z])")
_BARE_FINAL = "assistantfinal"
_OPENING_QUOTES = "`'\"“‘«„「『"
_CLOSING_QUOTES = "`'\"”’»“」』"
#: Kinds whose lone closing mark says that all text before it is reasoning.
_LONE = {"think", "thought", "reasoning", "special", "inner", "gemma", "channel", "harmony"}


@dataclass(frozen=True, slots=True)
class VisibleText:
    """The parts of a reply that are no reasoning.

    ``spans``: their (start, end) in the reply, in order. ``unclosed``: the reply ends within its
    reasoning, so that what it was to say is missing.
    """

    spans: tuple[tuple[int, int], ...]
    unclosed: bool

    def join(self, text: str, separator: str = "\n") -> str:
        """Join the parts of ``text``."""
        return separator.join(text[start:end] for start, end in self.spans)


@dataclass(frozen=True, slots=True)
class _Mark:
    """A mark of reasoning. ``stop`` ends reasoning of any model that writes control tokens."""

    start: int
    end: int
    kind: str
    action: Literal["open", "close", "stop"]


def visible_text(text: str) -> VisibleText:
    """Find what a reply says outside of its reasoning, in time linear in its length.

    A closing mark without an opening one ends reasoning too: servers may leave the opening one
    out. A mark in quotes or backticks is only spoken of.
    """
    kept: list[tuple[int, int]] = []
    position = 0
    inside: str | None = None
    for mark in _marks(text):
        if mark.action == "stop":
            if inside in ("harmony", "solar"):
                inside, position = None, mark.end
            elif inside is None:  # a token that was left in: no part of the text
                kept.append((position, mark.start))
                position = mark.end
        elif inside is None and mark.action == "open":
            kept.append((position, mark.start))
            inside = mark.kind
        elif inside == mark.kind and mark.action == "close":
            inside, position = None, mark.end
        elif inside is None and mark.kind in _LONE:
            kept.clear()
            position = mark.end
    if inside is None:
        kept.append((position, len(text)))
    return VisibleText(tuple(span for span in kept if span[0] < span[1]), inside is not None)


def without_reasoning(text: str) -> str:
    """Return the reply without its reasoning; empty if it ends within it."""
    seen = visible_text(text)
    return "" if seen.unclosed else seen.join(text).strip()


def _marks(text: str) -> list[_Mark]:
    """Return all marks of a text, in order."""
    marks: list[_Mark] = []
    if bare := _BARE_ANALYSIS.match(text):
        marks.append(_Mark(0, bare.end(), "bare", "open"))
        if (final := text.rfind(_BARE_FINAL)) >= 0:
            marks.append(_Mark(final, final + len(_BARE_FINAL), "bare", "close"))
    elif text.startswith(_BARE_FINAL):
        marks.append(_Mark(0, len(_BARE_FINAL), "harmony", "close"))
    for match in _MARK.finditer(text):
        if not _is_mentioned(text, match) and (mark := _mark(match)) is not None:
            marks.append(mark)
    return sorted(marks, key=lambda mark: mark.start)


def _mark(match: re.Match[str]) -> _Mark | None:
    """Classify one match of ``_MARK``."""
    kind, closes = "think", False
    if match["stop"]:
        return _Mark(*match.span(), "stop", "stop")
    if match["tag"]:
        if match["self_close"]:
            return None
        kind, closes = _TAGS[match["tag"].lower()], bool(match["tag_close"])
    elif match["special"]:
        name = match["special"].lower()
        kind = "inner" if name.startswith("inner") else "special"
        closes = name.startswith("end") or name.endswith("suffix")
    elif match["gemma"]:
        kind, closes = "gemma", match["gemma"].endswith("5")
    elif match["channel_open"] or match["channel_close"]:
        kind, closes = "channel", bool(match["channel_close"])
    elif match["details"] or match["details_close"]:
        kind, closes = "details", bool(match["details_close"])
    elif match["solar"]:
        kind = "solar"
    elif match["harmony"]:
        kind, closes = "harmony", match["channel"].lower() == "final"
    elif match["granite"] or match["granite_close"]:
        kind, closes = "granite", bool(match["granite_close"])
    else:
        closes = bool(match["square_close"] or match["kimi_close"])
    return _Mark(*match.span(), kind, "close" if closes else "open")


def _is_mentioned(text: str, match: re.Match[str]) -> bool:
    """Tell whether quotes or backticks enclose the mark alone: it is only spoken of."""
    before, after = (
        text[max(0, match.start() - 1) : match.start()],
        text[match.end() : match.end() + 1],
    )
    return bool(before and after) and before in _OPENING_QUOTES and after in _CLOSING_QUOTES
