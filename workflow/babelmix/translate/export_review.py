"""Verb ``export-review``: a sheet (CSV, XLSX) of the rows most in need of a human."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..files.sheets import write_sheet
from ..io import read_records
from ..records import Conversation
from .review import COLUMNS, ranked, sheet


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("--pivot", required=True, help="pool's file of the pivot language")
    parser.add_argument("--conversations", required=True, help="pool's file of one language")
    parser.add_argument("--rows", type=int, default=100, help="rows to hand out, neediest first")
    parser.add_argument(
        "--failed-only", action="store_true", help="only rows that fail a check, all of them"
    )
    parser.add_argument("--output", required=True, type=Path, help="sheet, .csv or .xlsx")


def run(args: argparse.Namespace) -> None:
    """Rank the rows and write the sheet."""
    needy = ranked(
        read_records(args.pivot, Conversation), read_records(args.conversations, Conversation)
    )
    failed = [one for one in needy if one.why]
    chosen = failed if args.failed_only else needy[: args.rows]
    lines = sheet(chosen)
    write_sheet(args.output, COLUMNS, lines)
    print(
        f"export-review: {len(chosen)} of {len(needy)} rows ({len(failed)} fail a check), "
        f"{len(lines)} texts in {args.output}. Fill `text` (the whole corrected text), `by` and "
        "`note`; leave the other columns as they are."
    )
