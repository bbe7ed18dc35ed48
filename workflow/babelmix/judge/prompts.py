"""The judge's prompts: one file a language in resources/judge_prompts, filled in once.

Questions and answers are only ever values of a single pass over the template's markers, so braces,
markers and verdicts inside them stay text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from ..errors import BabelmixError
from ..langid import base_code
from ..resources import RESOURCES

FOLDER = RESOURCES / "judge_prompts"
FALLBACK = "en"

_MARKER = re.compile(r"\{([a-z_]+)\}")
#: Markers that each template must hold, exactly.
_MARKERS: dict[tuple[str, str], set[str]] = {
    ("system", "single"): {"hints", "label"},
    ("system", "pairwise"): {"hints", "label"},
    ("system", "side_by_side"): {"hints", "label"},
    ("hints", "reference"): set(),
    ("hints", "last_answer"): set(),
    ("hints", "last_answers"): set(),
    ("user", "exchange"): {"question", "speaker", "answer"},
    ("user", "reference"): {"reference"},
    ("user", "single_first"): {"question", "reference", "answer"},
    ("user", "single_later"): {"reference", "answer"},
    ("user", "pair_first"): {"question", "reference", "answer_a", "answer_b"},
    ("user", "pair_later"): {"reference", "answer_a", "answer_b"},
}
_SPEAKERS = {"single", "a", "b", "reference"}

Messages = list[dict[str, str]]


def fill(template: str, values: Mapping[str, str]) -> str:
    """Replace the ``{markers}`` in one pass; what is put in is never looked at again."""
    return _MARKER.sub(lambda match: values[match[1]], template)


@dataclass(frozen=True, slots=True)
class Prompts:
    """The prompts of one language."""

    lang: str
    labels: dict[str, str]
    system: dict[str, str]
    hints: dict[str, str]
    user: dict[str, str]
    speakers: dict[str, str]

    def single(
        self, questions: Sequence[str], answers: Sequence[str], reference: Sequence[str] = ()
    ) -> Messages:
        """Messages that ask for a grade of the last answer.

        ``questions`` and ``answers`` hold all turns up to the graded one; ``reference`` may hold
        fewer (it is shown as far as it goes) or none.
        """
        reference = list(reference)[: len(questions)]
        later = len(questions) > 1
        hints = [*(["reference"] if reference else []), *(["last_answer"] if later else [])]
        values = {
            "question": questions[0],
            "reference": self._reference(questions, reference),
            "answer": self._dialogue(questions, answers, "single") if later else answers[0],
        }
        template = self.user["single_later" if later else "single_first"]
        return self._messages("single", "rating", hints, template, values)

    def pair(
        self,
        protocol: str,
        questions: Sequence[str],
        answers_a: Sequence[str],
        answers_b: Sequence[str],
        reference: Sequence[str] = (),
    ) -> Messages:
        """Messages that ask which last answer is better; ``protocol`` is a pairwise one."""
        reference = list(reference)[: len(questions)]
        later = len(questions) > 1
        hints = [*(["reference"] if reference else []), *(["last_answers"] if later else [])]
        values = {
            "question": questions[0],
            "reference": self._reference(questions, reference),
            "answer_a": self._dialogue(questions, answers_a, "a") if later else answers_a[0],
            "answer_b": self._dialogue(questions, answers_b, "b") if later else answers_b[0],
        }
        template = self.user["pair_later" if later else "pair_first"]
        return self._messages(protocol, "verdict", hints, template, values)

    def _messages(
        self, kind: str, label: str, hints: list[str], template: str, values: dict[str, str]
    ) -> Messages:
        told = "".join(self.hints[hint] for hint in hints)
        system = fill(self.system[kind], {"hints": told, "label": self.labels[label]})
        if not values["reference"]:
            # No empty lines where the reference would stand.
            template = re.sub(r"\{reference\}\n*", "", template)
        return [
            {"role": "system", "content": system},
            {"role": "user", "content": fill(template, values)},
        ]

    def _reference(self, questions: Sequence[str], reference: Sequence[str]) -> str:
        """The reference block, or nothing."""
        if not reference:
            return ""
        if len(questions) == 1:
            text = reference[0]
        else:
            text = self._dialogue(questions[: len(reference)], reference, "reference")
        return fill(self.user["reference"], {"reference": text})

    def _dialogue(self, questions: Sequence[str], answers: Sequence[str], speaker: str) -> str:
        """All turns of one conversation."""
        return "\n\n".join(
            fill(
                self.user["exchange"],
                {"question": question, "speaker": self.speakers[speaker], "answer": answer},
            )
            for question, answer in zip(questions, answers, strict=True)
        )


def available() -> list[str]:
    """Languages that have prompts of their own."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def has_prompts(lang: str) -> bool:
    """Whether a language, or its base language (``zh`` for ``zh-Hans``), has prompts of its own."""
    return not {lang, base_code(lang)}.isdisjoint(available())


def load_prompts(lang: str) -> Prompts:
    """Prompts of a language; of its base language, else English."""
    for code in (lang, base_code(lang)):
        if (FOLDER / f"{code}.yaml").is_file():
            return _load(FOLDER / f"{code}.yaml")
    return _load(FOLDER / f"{FALLBACK}.yaml")


@lru_cache(maxsize=64)
def _load(path: Path) -> Prompts:
    """Read and check one file."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        user = dict(raw["user"])
        speakers = user.pop("speakers")
        prompts = Prompts(path.stem, raw["labels"], raw["system"], raw["hints"], user, speakers)
        _check(prompts, path)
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise BabelmixError(f"{path}: not a file of judge prompts ({error!r}).") from None
    return prompts


def _check(prompts: Prompts, path: Path) -> None:
    """Every template is there and holds exactly its markers."""
    sections: dict[str, dict[str, Any]] = {
        "system": prompts.system,
        "hints": prompts.hints,
        "user": prompts.user,
    }
    for (section, name), wanted in _MARKERS.items():
        found = set(_MARKER.findall(sections[section][name]))
        if found != wanted:
            raise BabelmixError(
                f"{path}: {section}.{name} must hold the markers {sorted(wanted)}, "
                f"it holds {sorted(found)}."
            )
    if set(prompts.speakers) != _SPEAKERS or set(prompts.labels) != {"rating", "verdict"}:
        raise BabelmixError(f"{path}: `labels` or `user.speakers` is not as in en.yaml.")
