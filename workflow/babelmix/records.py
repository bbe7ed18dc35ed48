"""The record types that flow through the pipeline, and their Arrow schemas.

Nothing else defines columns: every parquet file of the pipeline holds one of these records (a few
stages append columns that they name in their own module). ``Question`` is the benchmark's
counterpart of ``Conversation``: the user turns of a dialogue that is yet to be held.
"""

from __future__ import annotations

import dataclasses
import functools
import types
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import pyarrow as pa


@dataclass(slots=True)
class Message:
    """One turn. ``role`` is ``system``, ``user``, ``assistant`` or ``tool`` (a tool's result).

    ``train`` is False for an assistant turn that is context only: its tokens get no loss.
    """

    role: str
    content: str
    train: bool = True


def is_verbatim(message: Message) -> bool:
    """Whether a message is a tool's, or a call of one: the same in every language."""
    return message.role == "tool" or message.content.startswith(TOOL_CALL)


@dataclass(slots=True)
class Check:
    """One audit result of a row: its name, whether it passed, a measured value, a detail."""

    name: str
    ok: bool
    value: float | None = None
    detail: str = ""


#: Checks that a row fails when its language does not have it: its text is then the pivot's own.
ABSENT_CHECKS = frozenset({"present", "translated"})

#: What calls of tools open with, and definitions of tools; neither is ever translated.
TOOL_CALL, TOOLS = "<tool_call>", "<tools>"

#: The flag of a row whose task does not survive translation (its value: kinds of such tasks). The
#: check passes all the same: the translation need not be bad.
TASK_FLAG = "task"


@dataclass(slots=True)
class Conversation:
    """One training dialogue in one language.

    ``id`` is the English source's and the same in every language: what makes sets parallel.
    ``origin`` is ``source`` (as published) or ``translated``; ``translator`` names the configured
    translator of a translated row. ``source_sha`` is the digest of the pivot row it was made from.
    """

    id: str
    lang: str
    dataset: str
    source: str
    messages: list[Message]
    origin: str = "source"
    translator: str | None = None
    source_sha: str = ""
    checks: list[Check] = field(default_factory=list)


@dataclass(slots=True)
class Question:
    """One benchmark item in one language; ``reference`` is empty or has one text a turn.

    ``question_id`` is the same in every language (MT-Bench-X's ``81_DE`` becomes ``81``).
    """

    question_id: str
    lang: str
    category: str
    turns: list[str]
    reference: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Answer:
    """One answered turn (``turn`` counts from 1) of one ``sample`` (from 0) of its question.

    The turns of a sample are one dialogue. Files without the column hold sample 0.
    ``finish_reason`` is ``stop``, ``length`` or ``error``; ``prompt_sha`` is the digest of the
    rendered prompt that the model saw.
    """

    question_id: str
    lang: str
    category: str
    turn: int
    run: str
    question: str
    text: str
    finish_reason: str
    n_prompt_tokens: int
    n_tokens: int
    prompt_sha: str
    sample: int = 0


@dataclass(slots=True)
class Judgement:
    """One verdict. ``score`` (single grade) or ``verdict`` (pairwise) is None when unscored, and
    then ``unscored_reason`` says why. ``order`` is ``""`` for single grades, else ``AB`` (the run's
    answer shown first) or ``BA``. ``key`` is the digest of judge, sampling parameters and rendered
    messages; never of host, port or secret. ``cost`` is in US dollars (0 where no price is known).
    ``sample`` is the judged answer's, and the baseline's. ``strength`` of a preference is
    ``significant`` or ``slight`` where the protocol tells them apart (``[[A>>B]]``), else empty.

    ``origin`` is ``reply`` where the verdict was read from ``raw``, ``published`` where it was
    taken from a file as others published it (``raw`` may then be an explanation without a verdict).
    ``vote`` numbers several verdicts of one judge on the same thing, such as people's under one
    name: from 0, and all of them count. The rest is what published files say beyond the verdict,
    None where they do not: ``weight`` is what a weighted preference gives to ``A``, the answer
    shown first (the run's where there is no order), 0 to 1; ``score_a`` and ``score_b`` are the
    grades of the answers shown first and second; ``length_a`` and ``length_b`` are those answers'
    lengths in characters.

    ``model`` and ``fingerprint`` are the server's own words of the reply; ``finish_reason`` is in
    OpenAI's words, whatever the server calls it.
    ``neutralised`` counts the delimiters of the judge's prompt that the answers held: more than 0
    is a suspected injection.
    """

    key: str
    question_id: str
    lang: str
    category: str
    turn: int
    run: str
    baseline: str
    protocol: str
    order: str
    judge: str
    score: float | None
    verdict: str | None
    unscored_reason: str | None
    raw: str
    tokens_in: int
    tokens_out: int
    cost: float
    sample: int = 0
    strength: str = ""
    origin: str = "reply"
    vote: int = 0
    weight: float | None = None
    score_a: float | None = None
    score_b: float | None = None
    length_a: int | None = None
    length_b: int | None = None
    finish_reason: str = ""
    model: str = ""
    fingerprint: str = ""
    neutralised: int = 0


@dataclass(slots=True)
class Score:
    """One measured value of one answered turn, judged or computed.

    ``metric`` is a stable name such as ``answer_language``, ``empty`` or ``length_chars``;
    ``value`` is None when it could not be measured, and ``reason`` then says why.
    """

    run: str
    benchmark: str
    question_id: str
    lang: str
    category: str
    turn: int
    metric: str
    judge: str
    value: float | None
    reason: str | None = None
    sample: int = 0


@dataclass(slots=True)
class Likelihood:
    """Bits that one run needs for one turn of a held-out text.

    ``part`` is ``answer`` or ``prompt``; ``turn`` counts exchanges from 1. ``n_bytes`` are the
    UTF-8 bytes of the turn's text, ``n_tokens`` the tokens that stand for it (those of the
    template, such as the end of the turn, apart). ``bits`` is None where it was not scored, and
    ``reason`` says why.
    """

    run: str
    held_out: str
    id: str
    lang: str
    part: str
    turn: int
    n_tokens: int
    n_bytes: int
    bits: float | None
    reason: str | None = None


@dataclass(slots=True)
class HumanLabel:
    """What a person said of a pair of answers (``vote``) or of one answer (``rating``).

    ``vote`` is ``A`` (the run's answer is better), ``B`` (the baseline's), ``tie`` or ``both_bad``;
    ``rating`` is ``excellent``, ``pass`` or ``fail``, and ``baseline`` then is empty. ``repeat`` is
    0 for the first time that this rater saw the item, 1 for the hidden second time.
    """

    benchmark: str
    question_id: str
    lang: str
    category: str
    turn: int
    run: str
    baseline: str
    rater: str
    repeat: int
    vote: str | None
    rating: str | None
    comment: str = ""


#: Columns that files of before them lack, and the value that such files stand for.
LATER_COLUMNS: dict[str, Any] = {
    "sample": 0,
    "strength": "",
    "origin": "reply",
    "vote": 0,
    **dict.fromkeys(("weight", "score_a", "score_b", "length_a", "length_b")),
    "finish_reason": "",
    "model": "",
    "fingerprint": "",
    "neutralised": 0,
}
#: Member of a message that is written only where a row needs it; without it all turns are trained.
MASK = "train"

_ARROW = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
Record = TypeVar("Record")


def _arrow_type(hint: Any) -> tuple[pa.DataType, bool]:
    """Arrow type and nullability of a dataclass field's type hint."""
    if get_origin(hint) in (Union, types.UnionType):
        inner = next(a for a in get_args(hint) if a is not type(None))
        return _arrow_type(inner)[0], True
    if get_origin(hint) is list:
        item, nullable = _arrow_type(get_args(hint)[0])
        return pa.list_(pa.field("item", item, nullable=nullable)), False
    if dataclasses.is_dataclass(hint):
        return pa.struct(list(schema_of(hint))), False  # type: ignore[arg-type]
    return _ARROW[hint], False


def schema_of(record_type: type, masked: bool = False) -> pa.Schema:
    """Return the Arrow schema of a record type; the field order is the declaration order.

    ``masked``: messages say whether they are trained on. Files without such messages lack the
    member, so that they are the same bytes as before there was one.
    """
    hints = get_type_hints(record_type)
    fields = []
    for f in dataclasses.fields(record_type):
        if record_type is Message and f.name == MASK and not masked:
            continue
        hint = hints[f.name]
        if masked and hint == list[Message]:
            struct = pa.struct(list(schema_of(Message, True)))
            arrow, nullable = pa.list_(pa.field("item", struct, nullable=False)), False
        else:
            arrow, nullable = _arrow_type(hint)
        fields.append(pa.field(f.name, arrow, nullable=nullable))
    return pa.schema(fields)


def is_masked(records: Iterable[Any]) -> bool:
    """Whether some message of the records is not to be trained on."""
    return any(not m.train for r in records for m in getattr(r, "messages", ()))


def to_table(records: Iterable[Any], record_type: type, masked: bool | None = None) -> pa.Table:
    """Build an Arrow table with the record type's schema (also when there are no records).

    ``masked`` as in ``schema_of``; left out, the records decide.
    """
    rows = list(records)
    if masked is None:
        masked = record_type is Conversation and is_masked(rows)
    return pa.Table.from_pylist([_plain(r) for r in rows], schema=schema_of(record_type, masked))


def with_mask(table: pa.Table) -> pa.Table:
    """The table with messages that say that they are trained on, where they say nothing."""
    place = table.schema.get_field_index("messages")
    field = schema_of(Conversation, True).field("messages")
    if table.schema.field(place).type == field.type:
        return table
    lists = table["messages"].combine_chunks()
    members = [lists.values.field("role"), lists.values.field("content")]
    members.append(pa.array([True] * len(lists.values), pa.bool_()))
    struct = field.type.value_type
    values = pa.StructArray.from_arrays(members, fields=list(struct))
    made = pa.ListArray.from_arrays(lists.offsets, values, type=field.type)
    return table.set_column(place, field, made)


@functools.cache
def _names(record_type: type) -> tuple[str, ...]:
    return tuple(f.name for f in dataclasses.fields(record_type))


def _plain(value: Any) -> Any:
    """A record as nested dicts: `dataclasses.asdict` without its deep copies."""
    kind = type(value)
    if kind is list:
        return [_plain(item) for item in value]
    if kind in _ARROW or not dataclasses.is_dataclass(kind):
        return value
    return {name: _plain(getattr(value, name)) for name in _names(kind)}


def from_table(table: pa.Table, record_type: type[Record]) -> list[Record]:
    """Arrow table -> records; columns that the type does not know are left out."""
    names = [f.name for f in dataclasses.fields(record_type)]  # type: ignore[arg-type]
    rows = table.select([n for n in names if n in table.column_names]).to_pylist()
    return [_build(record_type, row) for row in rows]


def _build(record_type: type[Record], row: dict[str, Any]) -> Record:
    if record_type is Conversation:
        row = dict(row)
        row["messages"] = [Message(**m) for m in row["messages"]]
        row["checks"] = [Check(**c) for c in row.get("checks") or []]
    return record_type(**row)
