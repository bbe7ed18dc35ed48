"""Held-out texts in several languages, the same ids in each, and which of them may be scored.

Nothing is dropped here: a row that may not be scored under a run keeps its place and its reason.
No torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.compute as pc

from ..errors import BabelmixError
from ..io import read_records, read_table
from ..mixtures.fingerprints import exact_key, plain
from ..mixtures.pool import KEEP
from ..records import Conversation, Message, Question
from ..specs import LikelihoodSpec

#: Why a row is not scored, as the tables count it.
FAILED, TRAINED, EQUAL = "failed its checks", "trained on", "equal to a row trained on"
NO_REFERENCE = "no reference answer"


@dataclass
class HeldOut:
    """Conversations by language, in the same order of ids; ``reasons`` why an id is not scored.

    ``passed_over``: ids beyond the wanted number of rows.
    """

    by_lang: dict[str, list[Conversation]]
    reasons: dict[str, str] = field(default_factory=dict)
    passed_over: int = 0

    @property
    def ids(self) -> list[str]:
        """The ids, in order."""
        return [row.id for row in next(iter(self.by_lang.values()))]


def read_held_out(spec: LikelihoodSpec, texts: Sequence[Path], indexes: Sequence[Path]) -> HeldOut:
    """Read the held-out texts of a pool or the references of a benchmark.

    Raises:
        BabelmixError: where the languages do not hold the same ids, or nothing is held out.
    """
    held = _references(spec, texts) if spec.kind == "benchmark" else _rows(spec, texts, indexes)
    first, *others = held.by_lang
    for lang in others:
        if [row.id for row in held.by_lang[lang]] != held.ids:
            raise BabelmixError(
                f"likelihood '{spec.held_out}': '{lang}' does not hold the ids of '{first}'. The "
                "files are not parallel: delete those of both languages and run again."
            )
    if not held.ids:
        raise BabelmixError(
            f"likelihood '{spec.held_out}': no row is held out. Give the dataset `dev_rows`, or "
            "set `split: all` for a pool that no mixture trains on."
        )
    return held


def _rows(spec: LikelihoodSpec, texts: Sequence[Path], indexes: Sequence[Path]) -> HeldOut:
    """A pool's rows of the split, by language; ids that failed a check in one language say so."""
    held = HeldOut({})
    sound: list[str] = []
    for lang, index in zip(spec.languages, indexes, strict=True):
        table = read_table(index, ["id", "dev", "verdict"])
        if spec.split == "dev":
            table = table.filter(table["dev"])
        ids, verdicts = table["id"].to_pylist(), table["verdict"].to_pylist()
        for row_id, verdict in zip(ids, verdicts, strict=True):
            if verdict != KEEP:
                held.reasons.setdefault(row_id, f"{FAILED} in {lang}")
        sound = sound or ids
    sound = [row_id for row_id in sound if row_id not in held.reasons]
    beyond = set(sound[spec.rows :]) if spec.rows else set()
    held.passed_over = len(beyond)
    for lang, path, index in zip(spec.languages, texts, indexes, strict=True):
        wanted = set(_split_ids(index, spec.split)) - beyond
        rows = [row for row in read_records(path, Conversation) if row.id in wanted]
        _check_lang(rows, lang, path)
        held.by_lang[lang] = rows
    return held


def _split_ids(index: Path, split: str) -> list[str]:
    table = read_table(index, ["id", "dev"])
    ids: list[str] = (table.filter(table["dev"]) if split == "dev" else table)["id"].to_pylist()
    return ids


def _references(spec: LikelihoodSpec, texts: Sequence[Path]) -> HeldOut:
    """A benchmark's questions with their reference answers as conversations."""
    held = HeldOut({})
    for lang, path in zip(spec.languages, texts, strict=True):
        questions = read_records(path, Question)
        rows = [_as_conversation(question, spec.held_out) for question in questions]
        _check_lang(rows, lang, path)
        held.by_lang[lang] = rows
        for question in questions:
            if len(question.reference) < len(question.turns) or not all(
                text.strip() for text in question.reference
            ):
                held.reasons.setdefault(question.question_id, NO_REFERENCE)
    sound = [row_id for row_id in held.ids if row_id not in held.reasons]
    beyond = set(sound[spec.rows :]) if spec.rows else set()
    held.passed_over = len(beyond)
    for lang, rows in held.by_lang.items():
        held.by_lang[lang] = [row for row in rows if row.id not in beyond]
    return held


def _as_conversation(question: Question, name: str) -> Conversation:
    messages = []
    for place, turn in enumerate(question.turns):
        reference = question.reference[place] if place < len(question.reference) else ""
        messages += [Message("user", turn), Message("assistant", reference)]
    return Conversation(question.question_id, question.lang, name, name, messages)


def _check_lang(rows: Sequence[Conversation], lang: str, path: Path) -> None:
    for row in rows:
        if row.lang != lang:
            raise BabelmixError(f"{path}: row {row.id} is in '{row.lang}', not '{lang}'.")


def leave_out_trained(
    held: HeldOut, shared_ids: bool, mixture: Path | None, fingerprints: Sequence[Path]
) -> None:
    """Mark what a run was trained on: by id (in any language), and by equal texts.

    Ids of a benchmark that has a source of its own say nothing about ids of a pool; its texts do.
    """
    if mixture is None:
        return
    table = read_table(mixture, ["id", "split"])
    trained = table.filter(pc.equal(table["split"], "train"))["id"].combine_chunks()
    if shared_ids:
        known = set(trained.to_pylist())
        for row_id in held.ids:
            if row_id in known:
                held.reasons[row_id] = TRAINED
    keys: set[int] = set()
    for path in fingerprints:
        prints = read_table(path, ["id", "exact"])
        mine = pc.is_in(prints["id"], value_set=trained)
        keys.update(prints.filter(mine)["exact"].to_pylist())
    for rows in held.by_lang.values():
        for row in rows:
            if row.id not in held.reasons and _key(row) in keys:
                held.reasons[row.id] = EQUAL


def _key(row: Conversation) -> int:
    return exact_key((message.role, plain(message.content)) for message in row.messages)
