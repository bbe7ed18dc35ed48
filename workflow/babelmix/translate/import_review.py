"""Verb ``import-review``: what people wrote into a sheet -> an overlay of corrections."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path

from ..corrections import Correction, correct_rows, read_overlay
from ..files.sheets import read_sheet
from ..io import read_records, write_text
from ..records import Conversation
from .audit import audit
from .review import corrections_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("--sheet", required=True, type=Path, help="filled sheet, .csv or .xlsx")
    parser.add_argument("--pivot", required=True, help="pool's file of the pivot language")
    parser.add_argument("--conversations", required=True, help="pool's file the sheet is from")
    parser.add_argument("--output", required=True, type=Path, help="overlay (JSONL), added to")


def run(args: argparse.Namespace) -> None:
    """Check the sheet, put its corrections into the overlay, say what the audit thinks of them."""
    pivot = read_records(args.pivot, Conversation)
    rows = read_records(args.conversations, Conversation)
    new = corrections_of(read_sheet(args.sheet), pivot, rows, str(args.sheet))
    known = read_overlay(args.output).corrections if args.output.exists() else []
    merged = {(c.id, c.lang, c.field): c for c in [*known, *new]}
    write_text(args.output, overlay_text(merged.values()))
    overlay = read_overlay(args.output)
    correct_rows(rows, pivot, overlay, rows[0].lang if rows else "")
    print(
        f"import-review: {len(new)} corrections from {args.sheet}, {len(overlay.corrections)} now "
        f"in {args.output}. Name it in the dataset's `corrections`."
    )
    by_id, sources = {row.id: row for row in rows}, {row.id: row for row in pivot}
    for row_id in dict.fromkeys(c.id for c in new):
        row, source = by_id[row_id], sources[row_id]
        checks = audit(source.messages, row.messages, source.lang, row.lang)
        for check in (c for c in checks if not c.ok):
            print(f"  {row_id}: the corrected row fails `{check.name}`: {check.detail}")


def overlay_text(corrections: Iterable[Correction]) -> str:
    """The overlay's JSONL: sorted, one correction a line, empty fields left out."""
    lines = []
    for correction in sorted(corrections, key=lambda c: (c.lang, c.id, c.field)):
        values = {k: v for k, v in dataclasses.asdict(correction).items() if v}
        lines.append(json.dumps(values, ensure_ascii=False))
    return "".join(f"{line}\n" for line in lines)
