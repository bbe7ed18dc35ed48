"""Verb ``reparse``: re-read the verdicts of judgements from their raw text. No call is made.

A judgement that has no raw text (its call failed, or nothing was asked) stays as it is, and so does
one that was taken as others published it. That a reply was cut off is not in its text: it is taken
from the judgement's reason, and from the journal of its calls. The journal of
``SET/judgements/EVALUATION/RUN.parquet`` is ``SET/journals/judge/EVALUATION/RUN.jsonl``; others are
named by ``--journals``.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path

from ..io import read_journal, read_records, write_records
from ..records import Judgement
from .verdict import SCALE, TRUNCATED, parse_preference, parse_rating


def reparse(
    judgements: Iterable[Judgement],
    scale: tuple[float, float] = SCALE,
    truncated: Collection[str] = (),
) -> tuple[list[Judgement], Counter[str]]:
    """Return the judgements with the verdicts of today's parser, and how they changed.

    ``truncated``: keys of the calls whose reply was cut off.
    """
    kept: list[Judgement] = []
    changes: Counter[str] = Counter()
    for old in judgements:
        new = _again(old, scale, old.key in truncated)
        kept.append(new)
        changes[_change(old, new)] += 1
    return kept, changes


def _again(old: Judgement, scale: tuple[float, float], truncated: bool) -> Judgement:
    if not old.raw or old.origin == "published":
        return old
    cut = truncated or (old.unscored_reason or "").startswith(TRUNCATED)
    finish_reason = "length" if cut else None
    if old.protocol == "single":
        rating = parse_rating(old.raw, scale, finish_reason)
        return replace(old, score=rating.value, verdict=None, unscored_reason=rating.reason)
    read = parse_preference(old.raw, finish_reason)
    return replace(
        old,
        score=None,
        verdict=read.value,
        strength=read.strength or "",
        unscored_reason=read.reason,
    )


def _change(old: Judgement, new: Judgement) -> str:
    before, after = (row.score if row.protocol == "single" else row.verdict for row in (old, new))
    if before == after:
        return "unchanged"
    if before is None:
        return "newly scored"
    return "no longer scored" if after is None else "another verdict"


def truncated_calls(journals: Iterable[Path]) -> set[str]:
    """Return the keys of the calls whose replies were cut off, of all these journals."""
    return {
        key
        for path in journals
        for key, entry in read_journal(path).items()
        if entry.get("truncated")
    }


def journal_of(path: Path) -> Path | None:
    """Return the journal of a study's judgements, if it is where the workflow puts it."""
    place = path.absolute().parents
    if len(place) < 3:
        return None
    journal = place[2] / "journals" / "judge" / path.parent.name / f"{path.stem}.jsonl"
    return journal if journal.is_file() else None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("files", nargs="+", type=Path, help="judgements (parquet)")
    parser.add_argument("--output", type=Path, help="folder to write to; left out, only counts")
    parser.add_argument("--scale", nargs=2, type=float, default=list(SCALE), help="of grades")
    parser.add_argument(
        "--journals", nargs="+", type=Path, default=[], help="journals of the calls, beside its own"
    )


def run(args: argparse.Namespace) -> None:
    """Run the verb."""
    low, high = args.scale
    named = truncated_calls(args.journals)
    for path in args.files:
        own = journal_of(path)
        truncated = named | truncated_calls([own] if own else [])
        judgements, changes = reparse(read_records(path, Judgement), (low, high), truncated)
        said = ", ".join(f"{count} {name}" for name, count in sorted(changes.items()))
        if own is None and not args.journals:
            said += "; no journal: a cut reply that was scored is not known (name it: --journals)"
        print(f"{path}: {said or 'no judgement'}")
        if args.output:
            write_records(args.output / path.parent.name / path.name, judgements, Judgement)
