"""Verb ``tokenise``: one language of a pool as token ids and labels, once per model and recipe.

Every conversation of the file becomes one row, in its order. A row that was cut says so; a row
whose trained tokens cannot be proved (see ``chat``) keeps its place with no tokens and its reason.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..errors import BabelmixError
from ..io import read_records, write_json, write_table
from ..options import add_settings, read_settings
from ..provenance import note_file
from ..records import Conversation
from ..specs import TokeniseSpec
from .chat import Encoded, Formatter, template_digest
from .templates import rendered_digest

_IDS = pa.list_(pa.field("item", pa.int32(), nullable=False))
#: Columns of a tokenised file; ``input_ids`` and ``labels`` are empty in a refused row.
SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("lang", pa.string(), nullable=False),
        pa.field("input_ids", _IDS, nullable=False),
        pa.field("labels", _IDS, nullable=False),
        pa.field("n_tokens", pa.int32(), nullable=False),
        pa.field("n_trained", pa.int32(), nullable=False),
        pa.field("note", pa.string(), nullable=False),
    ]
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    add_settings(parser, TokeniseSpec)
    parser.add_argument(
        "--conversations", required=True, type=Path, help="parquet of conversations in one language"
    )
    parser.add_argument("--model", required=True, type=Path, help="folder made by prepare-model")
    parser.add_argument(
        "--output", required=True, type=Path, help="parquet of token ids and labels"
    )
    parser.add_argument("--manifest", required=True, type=Path, help="JSON of counts")


def run(args: argparse.Namespace) -> None:
    """Tokenise one file of conversations."""
    spec = read_settings(args, TokeniseSpec)
    conversations = read_records(args.conversations, Conversation)
    for row in conversations:
        if row.lang != spec.lang:
            raise BabelmixError(
                f"{args.conversations}: row {row.id} is in '{row.lang}', not '{spec.lang}'."
            )
    note_file(args.model.parent / f"{args.model.name}.json")
    formatter = Formatter.load(args.model)
    rows = tokenise(conversations, formatter, spec.max_length, spec.system_prompt, spec.truncation)
    manifest = summarise(rows, len(conversations))
    manifest |= {
        "dataset": spec.dataset,
        "lang": spec.lang,
        "max_length": spec.max_length,
        "template_digest": template_digest(formatter.template),
        "rendered_digest": rendered_digest(formatter),
    }
    write_table(args.output, to_table(conversations, rows))
    write_json(args.manifest, manifest)
    print(
        f"tokenise {spec.dataset}.{spec.lang}: {manifest['rows']} rows, "
        f"{manifest['tokens']} tokens ({manifest['trained_tokens']} trained), "
        f"{manifest['cut']} cut, {manifest['refused']} refused"
    )
    for reason, count in sorted(manifest["refused_by_reason"].items(), key=lambda r: -r[1])[:3]:
        print(f"  refused {count}: {reason}", file=sys.stderr)


def tokenise(
    conversations: Iterable[Conversation],
    formatter: Formatter,
    max_length: int,
    system_prompt: str = "",
    truncation: str = "turn",
) -> list[Encoded]:
    """Encode conversations in order; a system prompt opens those that have none of their own."""
    from tqdm import tqdm

    encoded = []
    for row in tqdm(list(conversations), desc="tokenise", unit="row", disable=None, leave=False):
        chat = as_chat(row, system_prompt)
        encoded.append(formatter.encode(chat, max_length, truncation))
    return encoded


def as_chat(row: Conversation, system_prompt: str) -> list[dict[str, Any]]:
    """A conversation's messages, opened by the system prompt unless it has one of its own.

    Turns that are context only say so: ``train`` is False.
    """
    messages: list[dict[str, Any]] = []
    for m in row.messages:
        mask = {} if m.train else {"train": False}
        messages.append({"role": m.role, "content": m.content, **mask})
    if system_prompt and messages and messages[0]["role"] != "system":
        messages.insert(0, {"role": "system", "content": system_prompt})
    return messages


def summarise(rows: Sequence[Encoded], expected: int) -> dict[str, Any]:
    """Counts for the manifest: rows in = rows with tokens + rows refused, by reason."""
    refused = Counter(row.note for row in rows if row.note.startswith("refused"))
    kept = sum(not row.note.startswith("refused") for row in rows)
    if kept + sum(refused.values()) != expected:
        raise AssertionError(f"{expected} rows in, {kept} + {sum(refused.values())} out")
    return {
        "rows": expected,
        "kept": kept,
        "cut": sum(row.note.startswith("cut") for row in rows),
        "cut_within_a_turn": sum(row.note == "cut: tokens" for row in rows),
        "refused": sum(refused.values()),
        "refused_by_reason": {note.removeprefix("refused: "): n for note, n in refused.items()},
        "tokens": sum(len(row.input_ids) for row in rows),
        "trained_tokens": sum(row.trained for row in rows),
        "longest": max((len(row.input_ids) for row in rows), default=0),
        "tokens_digest": _tokens_digest(rows),
    }


def _tokens_digest(rows: Sequence[Encoded]) -> str:
    """SHA-256 of all rows' ids: whether two days, or two machines, rendered the same."""
    content = hashlib.sha256()
    for row in rows:
        content.update(json.dumps(row.input_ids).encode())
    return content.hexdigest()


def to_table(conversations: Sequence[Conversation], rows: Sequence[Encoded]) -> pa.Table:
    """The tokenised file's table: one row a conversation, in order."""
    columns: dict[str, list[Any]] = {
        "id": [row.id for row in conversations],
        "lang": [row.lang for row in conversations],
        "input_ids": [row.input_ids for row in rows],
        "labels": [row.labels for row in rows],
        "n_tokens": [len(row.input_ids) for row in rows],
        "n_trained": [row.trained for row in rows],
        "note": [row.note for row in rows],
    }
    return pa.table(columns, schema=SCHEMA)
