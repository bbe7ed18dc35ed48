"""Raw rows of a benchmark -> questions with their reference answers.

A benchmark is small and curated, so a bad row is an error and not a row left out.
"""

from __future__ import annotations

from typing import Any

from ..config.sources import QUESTION_ADAPTERS, Source
from ..errors import BabelmixError
from ..records import Question
from .fields import at, in_language, question_parts, row_id
from .languages import LanguageColumn
from .rows import BadRow, id_of, objects, refuse_duplicates, text_of
from .where import fits


def questions(
    raw: list[Any], references: list[Any] | None, source: Source, lang: str, place: str
) -> list[Question]:
    """Raw rows of a benchmark file -> questions in ``lang``, in file order.

    ``references``: rows of ``reference_answer/gpt-4.jsonl``; where given, they are the only
    references. Raises BabelmixError for a bad row and for references of unknown questions.
    """
    if source.adapter not in (*QUESTION_ADAPTERS, "parallel", "fields"):
        raise BabelmixError(
            f"{place}: adapter `{source.adapter}` holds no benchmark questions. Use its rows as a "
            "dataset, and the dataset as the benchmark's `dataset`."
        )
    answers = reference_answers(references or [], lang, place)
    column = LanguageColumn(source) if source.language_column else None
    found = []
    for number, row in enumerate(raw, start=1):
        if not is_asked(row, source, column, lang):
            continue
        try:
            if source.fields is not None:
                question = _mapped_question(row, lang, source, number)
            else:
                question = _question(row, lang, source.adapter == "parallel")
        except BadRow as bad:
            raise BabelmixError(f"{place}: row {number}: {bad}.{_held(row)}") from None
        if references is not None:
            question.reference = answers.pop(question.question_id, [])
            given, turns = len(question.reference), len(question.turns)
            if given not in (0, turns):
                raise BabelmixError(
                    f"{place}: row {number}: {given} references for {turns} turns (in "
                    "reference_answer/gpt-4.jsonl)."
                )
        found.append(question)
    refuse_duplicates((q.question_id for q in found), place)
    if answers:
        named = ", ".join(sorted(answers)[:5])
        raise BabelmixError(f"{place}: references for unknown questions: {named}.")
    if not found:
        raise BabelmixError(f"{place}: the file holds no question.")
    return found


def is_asked(row: Any, source: Source, column: LanguageColumn | None, lang: str) -> bool:
    """Whether a row is in the language and as `where` asks; others are no questions of ours."""
    if not isinstance(row, dict):
        return True  # said to be a bad row by its reader
    if column is not None:
        try:
            column.check(row, lang)
        except BadRow:
            return False
    where = source.fields.where if source.fields is not None else {}
    return all(fits(at(row, in_language(p, lang)), wanted, lang) for p, wanted in where.items())


def _held(row: Any) -> str:
    """The columns of a bad row, for its error."""
    return f" It has: {', '.join(map(str, list(row)[:20]))}." if isinstance(row, dict) else ""


def _mapped_question(row: Any, lang: str, source: Source, number: int) -> Question:
    """A question of a file of its own shape, by its map of fields."""
    if not isinstance(row, dict):
        raise BadRow("row is not an object")
    assert source.fields is not None
    category, turns, reference = question_parts(row, lang, source.fields)
    own = id_of(row_id(row, source.fields, lang), source.id_prefix, number - 1)
    return Question(question_id(own, lang), lang, category, turns, reference)


def _question(row: Any, lang: str, parallel: bool) -> Question:
    if not isinstance(row, dict):
        raise BadRow("row is not an object")
    found_id = question_id(row.get("question_id"), lang)
    category = text_of(row.get("category"), "category")
    turns = row.get("turns")
    if not isinstance(turns, list) or not turns:
        raise BadRow("turns is not a list")
    reference = row.get("reference") or []
    if parallel:
        turns = [t.get(lang) for t in objects(turns, "turns")]
        reference = [t.get(lang) for t in objects(reference, "reference")] if reference else []
    texts = [text_of(t, f"turn in {lang}") for t in turns]
    if not isinstance(reference, list):
        raise BadRow("reference is not a list")
    # An empty text stands for "no reference for this turn"; the list stays one text a turn.
    given = [text_of(t, "reference", empty=True) for t in reference]
    if given and len(given) != len(texts):
        raise BadRow(f"{len(given)} references for {len(texts)} turns")
    return Question(found_id, lang, category, texts, given)


def question_id(value: Any, lang: str) -> str:
    """``81`` or ``81_DE`` -> ``81``: the same question has the same id in every language."""
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise BadRow("question_id is neither text nor a whole number")
    return str(value).removesuffix(f"_{lang.upper()}")


def reference_answers(rows: list[Any], lang: str, place: str) -> dict[str, list[str]]:
    """Rows of a FastChat answer file -> question id -> one text a turn."""
    found = []
    for number, row in enumerate(rows, start=1):
        try:
            if not isinstance(row, dict):
                raise BadRow("row is not an object")
            first = objects(row.get("choices"), "choices")[0]
            turns = first.get("turns")
            if not isinstance(turns, list):
                raise BadRow("choices.0.turns is not a list")
            texts = [text_of(t, "reference") for t in turns]
            found.append((question_id(row.get("question_id"), lang), texts))
        except BadRow as bad:
            raise BabelmixError(
                f"{place}: row {number} of reference_answer/gpt-4.jsonl beside it: {bad}."
            ) from None
    refuse_duplicates((key for key, _ in found), f"{place}: reference_answer/gpt-4.jsonl beside it")
    return dict(found)
