"""Raw rows as published -> conversations and questions. Pure functions, one a shape.

A row that cannot be used raises ``BadRow`` inside its adapter; the caller counts it under its
reason. Nothing is repaired: text is kept character for character.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from ..config.sources import Source
from ..errors import BabelmixError, unknown_name
from ..records import Conversation, Message, Question

#: Row numbers kept for each reason in a manifest.
EXAMPLES = 10


class BadRow(Exception):
    """A row that is left out; the message is the reason, the same text for the same defect."""


@dataclass
class Parsed:
    """Usable conversations of one file; ``read`` = ``len(rows)`` + the sum of ``left_out``."""

    read: int
    rows: list[Conversation] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[int]] = field(default_factory=dict)
    #: Id -> reason of the rows that were left out but had an id.
    bad_ids: dict[str, str] = field(default_factory=dict)

    def leave_out(self, number: int, reason: str, row_id: str | None = None) -> None:
        """Count a row (by its number, from 0) under a reason."""
        self.left_out[reason] += 1
        examples = self.examples.setdefault(reason, [])
        if len(examples) < EXAMPLES:
            examples.append(number)
        if row_id is not None:
            self.bad_ids[row_id] = reason


def conversations(
    raw: list[Any], source: Source, source_name: str, lang: str, dataset: str, place: str
) -> Parsed:
    """Raw rows of one file -> conversations in ``lang``.

    ``place`` names the file in errors. Raises BabelmixError for duplicate ids, for an adapter
    that reads no conversations, for an unknown subset, and when no row at all is usable.
    """
    if source.adapter in ("mt_bench", "mt_bench_x"):
        raise BabelmixError(
            f"source '{source_name}': `{source.adapter}` holds questions, not conversations. "
            "Use it in `benchmarks`, not in `datasets`."
        )
    _check_subsets(raw, source, source_name)
    if source.adapter == "oasst":
        raw = _oasst_threads(raw)
    parsed = Parsed(read=len(raw))
    for number, row in enumerate(raw):
        row_id: str | None = None
        try:
            row_id = _row_id(row, source, number)
            messages = _READERS[source.adapter](row, lang, source)
            _check_turns(messages, source)
        except BadRow as bad:
            parsed.leave_out(number, str(bad), row_id)
            continue
        parsed.rows.append(Conversation(row_id, lang, dataset, source_name, messages))
    refuse_duplicates((c.id for c in parsed.rows), place)
    if not parsed.rows:
        reasons = "; ".join(f"{r}: {n}" for r, n in parsed.left_out.most_common(3))
        raise BabelmixError(
            f"{place}: no usable row for adapter `{source.adapter}` in '{lang}' "
            f"({reasons or 'the file is empty'}). Does the adapter fit the file?"
        )
    return parsed


def refuse_duplicates(ids: Iterable[str], place: str) -> None:
    """Raise BabelmixError when an id occurs more than once, naming the first few."""
    twice = sorted(i for i, n in Counter(ids).items() if n > 1)
    if twice:
        named = ", ".join(twice[:5]) + (", …" if len(twice) > 5 else "")
        raise BabelmixError(
            f"{place}: {len(twice)} id(s) occur more than once: {named}. Ids make sets parallel; "
            "rename or remove the copies, or give the sources different `id_prefix`es."
        )


def _row_id(row: Any, source: Source, number: int) -> str:
    if not isinstance(row, dict):
        raise BadRow("row is not an object")
    value = row.get("message_id" if source.adapter == "oasst" else "id")
    if value is None or value == "":
        return f"{source.id_prefix}{number}"
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise BadRow("id is neither text nor a whole number")
    return str(value)


def text_of(value: Any, what: str, empty: bool = False) -> str:
    """A text that can be stored: a str, not blank (unless ``empty``), no lone surrogates."""
    if not isinstance(value, str):
        raise BadRow(f"{what} is missing" if value is None else f"{what} is not text")
    if not empty and not value.strip():
        raise BadRow(f"{what} is empty")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise BadRow(f"{what} holds broken Unicode") from None
    return value


def _check_turns(messages: list[Message], source: Source) -> None:
    turns = messages[1:] if messages[0].role == "system" else messages
    if source.adapter == "alpaca_eval":
        return
    expected = ["user", "assistant"] * (len(turns) // 2 + 1)
    if any(m.role != role for m, role in zip(turns, expected, strict=False)):
        raise BadRow("roles do not alternate between user and assistant")
    if not turns or len(turns) % 2:
        raise BadRow("odd number of turns")
    if source.single_turn_only and len(turns) > 2:
        raise BadRow("more than one turn pair")


def _instruction(row: dict[str, Any]) -> str:
    """Instruction and optional input, joined by a blank line (studies: unpublished, ours)."""
    instruction = text_of(row.get("instruction"), "instruction")
    given = row.get("input")
    given = "" if given is None else text_of(given, "input", empty=True)
    return f"{instruction}\n\n{given}" if given.strip() else instruction


def _read_alpaca(row: dict[str, Any], lang: str, source: Source) -> list[Message]:
    user = _instruction(row)
    return [Message("user", user), Message("assistant", text_of(row.get("output"), "output"))]


def _read_lima(row: dict[str, Any], lang: str, source: Source) -> list[Message]:
    if "conversations" in row:
        turns = row["conversations"]
        if not isinstance(turns, list):
            raise BadRow("conversations is not a list")
        if not turns:
            raise BadRow("turn is missing")
        roles = ("user", "assistant")
        return [Message(roles[i % 2], text_of(t, "turn")) for i, t in enumerate(turns)]
    messages = []
    history = row.get("history")
    if history is not None and not isinstance(history, list):
        raise BadRow("history is not a list of pairs")
    for pair in history or []:
        if not isinstance(pair, list) or len(pair) != 2:
            raise BadRow("history is not a list of pairs")
        messages.append(Message("user", text_of(pair[0], "turn")))
        messages.append(Message("assistant", text_of(pair[1], "turn")))
    return messages + _read_alpaca(row, lang, source)


def _read_messages(row: dict[str, Any], lang: str, source: Source) -> list[Message]:
    turns = _objects(row.get("messages"), "messages")
    messages = []
    for n, turn in enumerate(turns):
        role = turn.get("role")
        if role not in ("system", "user", "assistant") or (role == "system" and n):
            raise BadRow("role is not user or assistant (or system, in the first place)")
        messages.append(Message(role, text_of(turn.get("content"), "turn")))
    return messages


def _read_parallel(row: dict[str, Any], lang: str, source: Source) -> list[Message]:
    turns = _objects(row.get("turns"), "turns")
    messages = []
    for turn in turns:
        if turn.get("role") not in ("user", "assistant"):
            raise BadRow("role is not user or assistant")
        messages.append(Message(turn["role"], text_of(turn.get(lang), f"turn in {lang}")))
    return messages


def _read_alpaca_eval(row: dict[str, Any], lang: str, source: Source) -> list[Message]:
    if row.get("dataset") in source.exclude_subsets:
        raise BadRow(f"subset {row['dataset']} is excluded")
    return [Message("user", text_of(row.get("instruction"), "instruction"))]


def _read_oasst(row: dict[str, Any], lang: str, source: Source) -> list[Message]:
    """First turn in ``lang`` and the answer its readers ranked first (rank 0)."""
    if row.get("role") != "prompter":
        raise BadRow("first message is not a prompter's")
    if row.get("lang") != lang:
        raise BadRow(f"first message is not in {lang}")
    if row.get("deleted"):
        raise BadRow("first message was deleted")
    best = [a for a in row["_answers"] if a.get("rank") == 0 and not a.get("deleted")]
    best = [a for a in best if a.get("lang") == lang and a.get("role") == "assistant"]
    if not best:
        raise BadRow(f"no answer of rank 0 in {lang}")
    if len(best) > 1:
        raise BadRow("several answers of rank 0")
    user = text_of(row.get("text"), "first message")
    return [Message("user", user), Message("assistant", text_of(best[0].get("text"), "answer"))]


def _oasst_threads(raw: list[Any]) -> list[Any]:
    """Flat messages -> one row a first message, with its direct answers under ``_answers``."""
    answers: dict[str, list[dict[str, Any]]] = {}
    for row in raw:
        if isinstance(row, dict) and row.get("parent_id") is not None:
            answers.setdefault(str(row["parent_id"]), []).append(row)
    threads = []
    for row in raw:
        if not isinstance(row, dict):
            threads.append(row)
        elif row.get("parent_id") is None:
            threads.append({**row, "_answers": answers.get(str(row.get("message_id")), [])})
    return threads


def _objects(value: Any, what: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not value or not all(isinstance(v, dict) for v in value):
        raise BadRow(f"{what} is not a list of objects")
    return value


def _check_subsets(raw: list[Any], source: Source, source_name: str) -> None:
    present = {str(r.get("dataset")) for r in raw if isinstance(r, dict)}
    for subset in source.exclude_subsets:
        if subset not in present:
            where = f"sources.{source_name}.exclude_subsets"
            raise unknown_name("subset", subset, present, where)


_READERS: dict[str, Callable[[dict[str, Any], str, Source], list[Message]]] = {
    "lima": _read_lima,
    "alpaca": _read_alpaca,
    "messages": _read_messages,
    "parallel": _read_parallel,
    "oasst": _read_oasst,
    "alpaca_eval": _read_alpaca_eval,
}


def questions(
    raw: list[Any], references: list[Any] | None, source: Source, lang: str, place: str
) -> list[Question]:
    """Raw rows of a benchmark file -> questions in ``lang``, in file order.

    ``references``: rows of ``reference_answer/gpt-4.jsonl``; where given, they are the only
    references. A benchmark is small and curated, so a bad row is an error (BabelmixError).
    """
    if source.adapter not in ("mt_bench", "mt_bench_x", "parallel"):
        raise BabelmixError(
            f"{place}: adapter `{source.adapter}` holds no benchmark questions. Use its rows as a "
            "dataset, and the dataset as the benchmark's `dataset`."
        )
    answers = _reference_answers(references or [], lang, place)
    found = []
    for number, row in enumerate(raw, start=1):
        try:
            question = _question(row, lang, source.adapter == "parallel")
        except BadRow as bad:
            raise BabelmixError(f"{place}: row {number}: {bad}.") from None
        if references is not None:
            question.reference = answers.pop(question.question_id, [])
        found.append(question)
    refuse_duplicates((q.question_id for q in found), place)
    if answers:
        named = ", ".join(sorted(answers)[:5])
        raise BabelmixError(f"{place}: references for unknown questions: {named}.")
    if not found:
        raise BabelmixError(f"{place}: the file holds no question.")
    return found


def _question(row: Any, lang: str, parallel: bool) -> Question:
    if not isinstance(row, dict):
        raise BadRow("row is not an object")
    question_id = _question_id(row.get("question_id"), lang)
    category = text_of(row.get("category"), "category")
    turns = row.get("turns")
    if not isinstance(turns, list) or not turns:
        raise BadRow("turns is not a list")
    reference = row.get("reference") or []
    if parallel:
        turns = [t.get(lang) for t in _objects(turns, "turns")]
        reference = [t.get(lang) for t in _objects(reference, "reference")] if reference else []
    texts = [text_of(t, f"turn in {lang}") for t in turns]
    if not isinstance(reference, list):
        raise BadRow("reference is not a list")
    # An empty text stands for "no reference for this turn"; the list stays one text a turn.
    given = [text_of(t, "reference", empty=True) for t in reference]
    if given and len(given) != len(texts):
        raise BadRow(f"{len(given)} references for {len(texts)} turns")
    return Question(question_id, lang, category, texts, given)


def _question_id(value: Any, lang: str) -> str:
    """``81`` or ``81_DE`` -> ``81``: the same question has the same id in every language."""
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise BadRow("question_id is neither text nor a whole number")
    return str(value).removesuffix(f"_{lang.upper()}")


def _reference_answers(rows: list[Any], lang: str, place: str) -> dict[str, list[str]]:
    """Rows of a FastChat answer file -> question id -> one text a turn."""
    answers = {}
    for number, row in enumerate(rows, start=1):
        try:
            key = _question_id(row.get("question_id"), lang)
            answers[key] = [text_of(t, "reference") for t in row["choices"][0]["turns"]]
        except (BadRow, KeyError, IndexError, TypeError, AttributeError) as error:
            raise BabelmixError(f"{place}: reference {number} is malformed ({error!r}).") from None
    return answers
