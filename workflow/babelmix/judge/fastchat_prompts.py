"""FastChat's and MT-Bench-X's own judge prompts, from where the user has them.

For a faithful reproduction: the same system and user text that the published study sent. They know
one or two turns, and a reference or none. Text is put in once, never by ``.format``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import BabelmixError
from ..files.readers import read_rows
from ..langid import base_code
from .prompts import Messages

_MARKER = re.compile(r"\{\{|\}\}|\{([a-z_0-9]+)\}")
_NAMES = {
    ("single", False): "single",
    ("single", True): "single-math",
    ("pairwise", False): "pair",
    ("pairwise", True): "pair-math",
}


@dataclass(frozen=True, slots=True)
class FastChatPrompts:
    """The prompts of one file, by name without their version: ``pair-math-multi-turn``."""

    path: str
    prompts: Mapping[str, Mapping[str, Any]]

    def single(
        self, questions: Sequence[str], answers: Sequence[str], reference: Sequence[str] = ()
    ) -> Messages:
        """Messages that ask for a grade of the last answer."""
        values = _numbered("answer", answers) | {"answer": answers[0]}
        return self._messages("single", questions, values, reference)

    def pair(
        self,
        protocol: str,
        questions: Sequence[str],
        answers_a: Sequence[str],
        answers_b: Sequence[str],
        reference: Sequence[str] = (),
    ) -> Messages:
        """Messages that ask which last answer is better."""
        if protocol != "pairwise":
            raise BabelmixError(f"{self.path}: FastChat's prompts know no protocol `{protocol}`.")
        values = _numbered("answer_a", answers_a) | _numbered("answer_b", answers_b)
        values |= {"answer_a": answers_a[0], "answer_b": answers_b[0]}
        return self._messages("pairwise", questions, values, reference)

    def _messages(
        self, kind: str, questions: Sequence[str], values: dict[str, str], reference: Sequence[str]
    ) -> Messages:
        if len(questions) > 2:
            raise BabelmixError(f"{self.path}: FastChat's prompts know two turns, not more.")
        later = len(questions) == 2
        referenced = len([text for text in reference if text.strip()]) >= len(questions)
        name = _NAMES[kind, referenced] + ("-multi-turn" if later else "")
        prompt = self.prompts.get(name)
        if prompt is None:
            raise BabelmixError(f"{self.path}: holds no prompt `{name}`.")
        values |= _numbered("question", questions) | {"question": questions[0]}
        values |= _numbered("ref_answer", reference)
        user = _fill(str(prompt["prompt_template"]), values, f"{self.path}: {name}")
        return [
            {"role": "system", "content": str(prompt["system_prompt"])},
            {"role": "user", "content": user},
        ]


def _numbered(name: str, texts: Sequence[str]) -> dict[str, str]:
    return {f"{name}_{number}": text for number, text in enumerate(texts, start=1)}


def _fill(template: str, values: Mapping[str, str], where: str) -> str:
    """Replace the markers in one pass; doubled braces are the template's way to write one."""

    def put(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0][0]
        if match[1] not in values:
            raise BabelmixError(f"{where}: unknown marker {{{match[1]}}}.")
        return values[match[1]]

    return _MARKER.sub(put, template)


def load_fastchat_prompts(pattern: str, lang: str) -> FastChatPrompts:
    """The prompts of a language; ``{lang}`` in the path is its code, ``{LANG}`` in capitals."""
    code = base_code(lang)
    return _load(pattern.replace("{lang}", code).replace("{LANG}", code.upper()))


@lru_cache(maxsize=64)
def _load(path: str) -> FastChatPrompts:
    if not Path(path).is_file():
        raise BabelmixError(f"{path}: no such file of judge prompts (`prompts` of the judge).")
    found = {}
    for row in read_rows(path):
        if not {"name", "system_prompt", "prompt_template"} <= set(row):
            raise BabelmixError(f"{path}: not a file of FastChat's judge prompts.")
        found[re.sub(r"-v\d+", "", row["name"])] = row
    return FastChatPrompts(path, found)
