"""Verb ``reparse``: read the verdicts of judgements again from their raw text. No call is made.

A judgement that has no raw text (its call failed, or nothing was asked) stays as it is, and so does
one that was taken as others published it.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from ..io import read_records, write_records
from ..records import Judgement
from .verdict import SCALE, parse_preference, parse_rating


def reparse(
    judgements: Iterable[Judgement], scale: tuple[float, float] = SCALE
) -> tuple[list[Judgement], Counter[str]]:
    """The same judgements with the verdicts of today's parser, and how they changed."""
    kept: list[Judgement] = []
    changes: Counter[str] = Counter()
    for old in judgements:
        new = _again(old, scale)
        kept.append(new)
        changes[_change(old, new)] += 1
    return kept, changes


def _again(old: Judgement, scale: tuple[float, float]) -> Judgement:
    if not old.raw or old.origin == "published":
        return old
    if old.protocol == "single":
        rating = parse_rating(old.raw, scale)
        reason = _kept_prefix(old, rating.reason)
        return replace(old, score=rating.value, verdict=None, unscored_reason=reason)
    verdict = parse_preference(old.raw)
    reason = _kept_prefix(old, verdict.reason)
    return replace(old, score=None, verdict=verdict.value, unscored_reason=reason)


def _kept_prefix(old: Judgement, reason: str | None) -> str | None:
    """That a reply was cut off is not in its text: it stays said."""
    first, joint, _ = (old.unscored_reason or "").partition("; ")
    return f"{first}{joint}{reason}" if reason and joint else reason


def _change(old: Judgement, new: Judgement) -> str:
    before, after = (row.score if row.protocol == "single" else row.verdict for row in (old, new))
    if before == after:
        return "unchanged"
    if before is None:
        return "newly scored"
    return "no longer scored" if after is None else "another verdict"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("files", nargs="+", type=Path, help="judgements (parquet)")
    parser.add_argument("--output", type=Path, help="folder to write to; left out, only counts")
    parser.add_argument("--scale", nargs=2, type=float, default=list(SCALE), help="of grades")


def run(args: argparse.Namespace) -> None:
    """Run the verb."""
    low, high = args.scale
    for path in args.files:
        judgements, changes = reparse(read_records(path, Judgement), (low, high))
        said = ", ".join(f"{count} {name}" for name, count in sorted(changes.items()))
        print(f"{path}: {said or 'no judgement'}")
        if args.output:
            write_records(args.output / path.parent.name / path.name, judgements, Judgement)
