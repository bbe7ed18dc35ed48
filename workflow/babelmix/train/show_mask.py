"""Verb ``show-mask``: print rows as they are trained on, the trained tokens in colour.

With ``--tokenised`` it shows the rows of a tokenised file, which is what a training reads; with
``--conversations`` it tokenises rows again, to try a model's template or a length.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import BabelmixError
from ..io import read_records, read_table
from ..records import Conversation
from .chat import IGNORED, Encoded, Formatter, load_tokenizer
from .tokenise import as_chat

_COLOUR, _PLAIN = "\033[30;42m", "\033[0m"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("--model", required=True, type=Path, help="folder made by prepare-model")
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--tokenised", type=Path, help="parquet made by tokenise")
    given.add_argument("--conversations", type=Path, help="parquet of conversations")
    parser.add_argument("--id", help="show the row of this id (default: the first rows)")
    parser.add_argument("--rows", type=_positive, default=1, help="how many rows, without --id")
    parser.add_argument("--max-length", type=int, help="with --conversations: cut there")
    parser.add_argument("--system-prompt", default="", help="with --conversations: opens each row")
    parser.add_argument(
        "--colour", choices=["auto", "always", "never"], default="auto", help="or brackets: «…»"
    )


def run(args: argparse.Namespace) -> None:
    """Print the rows asked for."""
    tokenizer = load_tokenizer(args.model)
    colour = args.colour == "always" or (
        args.colour == "auto" and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    )
    shown = 0
    for name, encoded in _rows(args):
        if args.id is None and shown == args.rows:
            break
        if args.id not in (None, name):
            continue
        shown += 1
        note = f", {encoded.note}" if encoded.note else ""
        print(f"# {name}: {len(encoded.input_ids)} tokens, {encoded.trained} trained{note}")
        print(render(encoded, tokenizer.backend_tokenizer, colour=colour))
    if not shown:
        raise BabelmixError(f"no row of id '{args.id}' there." if args.id else "no rows there.")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number}: 1 or more")
    return number


def _rows(args: argparse.Namespace) -> Iterator[tuple[str, Encoded]]:
    if args.tokenised is not None:
        table = read_table(args.tokenised, ["id", "input_ids", "labels", "note"])
        for row in table.to_pylist():
            yield row["id"], Encoded(row["input_ids"], row["labels"], row["note"])
        return
    formatter = Formatter.load(args.model)
    for conversation in read_records(args.conversations, Conversation):
        chat = as_chat(conversation, args.system_prompt)
        yield conversation.id, formatter.encode(chat, args.max_length)


def render(encoded: Encoded, backend: Any, *, colour: bool) -> str:
    """A row's text; runs of trained tokens stand out."""
    opening, closing = (_COLOUR, _PLAIN) if colour else ("«", "»")
    text, at = "", 0
    ids, labels = encoded.input_ids, encoded.labels
    while at < len(ids):
        trained, end = labels[at] != IGNORED, at
        while end < len(ids) and (labels[end] != IGNORED) == trained:
            end += 1
        piece = backend.decode(ids[at:end], skip_special_tokens=False)
        if trained and colour:  # a colour that runs over a line's end stains the whole line
            piece = piece.replace("\n", f"{closing}\n{opening}")
        text += f"{opening}{piece}{closing}" if trained else piece
        at = end
    return text
