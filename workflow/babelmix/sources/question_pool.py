"""A benchmark's questions as the rows of a pool, so that they are translated like any dialogue.

Each turn becomes a user's message, each reference the assistant's message after it; a turn without
a reference has none. The category is no text to translate: it is taken from the source again when
the benchmark is read.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from ..errors import BabelmixError
from ..records import Conversation, Message, Question
from ..specs import NormaliseSpec
from .benchmark import choose_questions, cut_turns
from .question_files import QuestionFiles
from .rows import Parsed


def as_conversation(question: Question, dataset: str, source: str) -> Conversation:
    """A question as a row of a pool."""
    messages = []
    references = question.reference or [""] * len(question.turns)
    for turn, reference in zip(question.turns, references, strict=True):
        messages.append(Message("user", turn))
        if reference.strip():
            messages.append(Message("assistant", reference))
    return Conversation(question.question_id, question.lang, dataset, source, messages)


def asked_rows(
    spec: NormaliseSpec, record: dict[str, Any]
) -> tuple[list[Conversation], Parsed, Counter[str]]:
    """The questions that are asked, as rows in ``spec.lang``; counts read, and left out by reason.

    Which ones is decided over all languages that the source holds, so that every language has the
    same. References are mended where the source's section says so.
    """
    choice = spec.choice
    assert choice is not None
    (name,) = spec.sources
    source = spec.sources[name]
    if spec.lang not in source.languages:
        raise BabelmixError(
            f"benchmark '{choice.name}': its source '{name}' does not hold '{spec.lang}'."
        )
    files = QuestionFiles(record, source)
    by_lang = {
        lang: files.questions(lang) for lang in dict.fromkeys([*choice.languages, spec.lang])
    }
    chosen, left_out = choose_questions(by_lang, choice)
    found = by_lang[spec.lang]
    if source.adapter.startswith("mt_bench"):
        found, _ = files.examine(found, spec.lang)
    by_id = {question.question_id: question for question in found}
    kept = [cut_turns(by_id[i], choice.turns) for i in chosen]
    parsed = Parsed(read=len(found))
    return [as_conversation(q, spec.dataset, name) for q in kept], parsed, left_out
