"""Known defects of MT-Bench's and MT-Bench-X's files: found, listed, and on request mended.

Nothing is changed unless `mend_references` asks for it, because published numbers were made with
the files as they are. Questions themselves are never changed.
"""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass
from typing import Any

from ..errors import BabelmixError
from ..langid import identify, strip_non_prose
from ..records import Question

#: References that are wrong in every language, by question, and what is wrong.
WRONG_REFERENCES = {
    "111": "the reference says the triangle has no area; it is 3, and the circle's is 5π",
}
KEPT = "kept as published"
_FENCE = re.compile(r"```.*?```", re.DOTALL)
_DELIMITER = re.compile(r"<\|[^|\n]*\|>|^\[[^\]\n]*\]$", re.MULTILINE)
#: What MT-Bench-X's ids end in: `81_DE`, `81_PT-BR`.
_LANGUAGE = re.compile(r"_[A-Z]{2,3}(-[A-Z0-9]+)?$")
_MARKER = re.compile(r"\{[a-z_0-9]+\}")


@dataclass(frozen=True)
class Defect:
    """One defect: what it is, where (a question and its turn, or a file), what was done."""

    kind: str
    where: str
    detail: str
    done: str = KEPT


def examine(
    found: list[Question],
    english: list[Question] | None,
    own_references: dict[str, list[str]],
    mend: bool,
) -> tuple[list[Question], list[Defect]]:
    """Questions of one language -> the same (with references mended where asked), and defects.

    ``english``: the English questions where the language is another one, to compare with;
    ``own_references``: the answers in the question file itself, by id.
    """
    by_id = {q.question_id: q for q in english or []}
    questions, defects = [], []
    for question in found:
        source = by_id.get(question.question_id)
        if source is not None:
            defects += untranslated(question, source)
            question, more = _code(question, source, mend)
            defects += more
        question, more = _wrong(question, own_references.get(question.question_id, []), mend)
        defects += more
        questions.append(question)
    return questions, defects


def untranslated(question: Question, english: Question) -> list[Defect]:
    """Turns that are the English file's text, and in English."""
    found = []
    for turn, (text, source) in enumerate(zip(question.turns, english.turns, strict=True), start=1):
        # Recognised among all languages: the text may be in a third one, on purpose.
        if text == source and identify(strip_non_prose(text)).language == "en":
            where = f"{question.question_id}, turn {turn}"
            found.append(Defect("untranslated turn", where, "the turn is the English text"))
    return found


def _code(question: Question, english: Question, mend: bool) -> tuple[Question, list[Defect]]:
    """Code in a translated reference that is not the English reference's."""
    if len(question.reference) != len(english.reference):
        return question, []
    texts, defects = [], []
    for turn, (text, source) in enumerate(
        zip(question.reference, english.reference, strict=True), start=1
    ):
        here, there = _FENCE.findall(text), _FENCE.findall(source)
        if here != there:
            where = f"{question.question_id}, reference {turn}"
            lost = f"{len(here)} code blocks, the English one has {len(there)}"
            detail = "its code was translated" if len(here) == len(there) else lost
            done = KEPT
            if mend:
                text, done = _with_code(text, source, there if len(here) == len(there) else None)
            defects.append(Defect("translated code in a reference", where, detail, done))
        texts.append(text)
    return dataclasses.replace(question, reference=texts), defects


def _with_code(text: str, english: str, blocks: list[str] | None) -> tuple[str, str]:
    """The text with its code blocks replaced in order, or the English text where they differ."""
    if blocks is None:
        return english, "the English reference is used"
    left = iter(blocks)
    return _FENCE.sub(lambda _: next(left), text), "the English code was put back"


def _wrong(question: Question, own: list[str], mend: bool) -> tuple[Question, list[Defect]]:
    """A reference that is known to be wrong, and the question file's own answer in its place."""
    reason = WRONG_REFERENCES.get(question.question_id)
    if reason is None or not question.reference or question.reference == own:
        return question, []
    usable = mend and len(own) == len(question.turns)
    done = "the question's own answer is used" if usable else KEPT
    defect = Defect("wrong reference", question.question_id, reason, done)
    return dataclasses.replace(question, reference=own) if usable else question, [defect]


def compare_corrections(
    listed: list[Any], corrected: list[Question], original: list[Question]
) -> dict[str, Any]:
    """What people changed: the published list against the two versions of the questions."""
    before = {q.question_id: q.turns for q in original}
    changed = [q.question_id for q in corrected if before.get(q.question_id) != q.turns]
    ids = [
        _LANGUAGE.sub("", str(row.get("question_id"))) for row in listed if isinstance(row, dict)
    ]
    return {
        "listed": len(ids),
        "changed": len(changed),
        "listed_but_the_same": sorted(set(ids) - set(changed), key=_by_number),
        "changed_but_not_listed": sorted(set(changed) - set(ids), key=_by_number),
    }


def _by_number(question_id: str) -> tuple[int, str]:
    return (int(question_id) if question_id.isdecimal() else -1, question_id)


def read_judge_prompts(text: str, file: str) -> tuple[list[dict[str, Any]], list[Defect]]:
    """Published judge prompts (JSONL), read past stray text before a prompt, which is listed."""
    prompts, defects = [], []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        stray, brace, rest = line.partition("{")
        try:
            prompts.append(json.loads(brace + rest))
        except json.JSONDecodeError as error:
            raise BabelmixError(f"{file}: line {number} is no judge prompt ({error}).") from None
        if stray.strip():
            detail = f"line {number} opens with stray text: {stray.strip()!r}"
            defects.append(Defect("stray text", file, detail, "read past it"))
    return prompts, defects


def judge_prompt_defects(
    prompts: list[dict[str, Any]], english: list[dict[str, Any]], file: str
) -> list[Defect]:
    """Markers that a translated prompt lost, and delimiters that were left in English or lost."""
    by_name = {p.get("name"): str(p.get("prompt_template", "")) for p in english}
    defects = []
    for prompt in prompts:
        template, source = str(prompt.get("prompt_template", "")), by_name.get(prompt.get("name"))
        if source is None or source == template:
            continue
        where = f"{file}, {prompt.get('name')}"
        lost = sorted(set(_MARKER.findall(source)) - set(_MARKER.findall(template)))
        if lost:
            defects.append(Defect("lost marker", where, ", ".join(lost)))
        here, there = _DELIMITER.findall(template), _DELIMITER.findall(source)
        if len(here) != len(there):
            detail = f"{len(here)} delimiters, the English prompt has {len(there)}"
            defects.append(Defect("uneven delimiters", where, detail))
        # One word may well be the same in two languages ("[Question]").
        same = [d for d in here if d in there and " " in d]
        if same:
            defects.append(Defect("untranslated delimiter", where, ", ".join(same)))
    return defects
