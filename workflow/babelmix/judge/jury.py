"""Verb ``judge-jury``: a jury's verdicts, from its members' judgements. No call is made.

A grade is the mean of the members' grades; a preference is what more than half of the members with
a verdict say, and a tie where no verdict has so many. Where no more than half of the members have a
verdict there is none, with the reason. Tokens and cost stay with the members.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from ..errors import BabelmixError
from ..io import digest, read_records, write_records
from ..options import add_settings, read_settings
from ..records import Judgement
from ..specs import JurySpec

NOT_JUDGED = "not among its judgements"
_TOO_FEW = "too few members of the jury have a verdict"


class Slot(NamedTuple):
    """What a verdict is about, whoever gives it. The baseline is no part: it must be the same."""

    run: str
    protocol: str
    lang: str
    question_id: str
    turn: int
    order: str
    sample: int


def combine(jury: str, members: Mapping[str, Sequence[Judgement]]) -> list[Judgement]:
    """One judgement of ``jury`` for everything that some member was asked.

    ``members``: judgements by the member's name, of one run under one protocol. Of several verdicts
    of one member on the same thing the last with a verdict counts. Members that compared a turn
    with different baselines are an error: their preferences are about different things.
    """
    held = {name: _by_slot(rows) for name, rows in members.items()}
    slots = dict.fromkeys(slot for rows in held.values() for slot in rows)
    return [
        _joint(jury, slot, {name: rows.get(slot) for name, rows in held.items()}) for slot in slots
    ]


def joint_preference(verdicts: Sequence[str]) -> str:
    """What more than half say (``A``, ``B``, ``tie``, ``both_bad``), else ``tie``."""
    verdict, votes = Counter(verdicts).most_common(1)[0]
    return verdict if 2 * votes > len(verdicts) else "tie"


def _by_slot(rows: Sequence[Judgement]) -> dict[Slot, Judgement]:
    found: dict[Slot, dict[int, Judgement]] = {}
    for row in rows:
        place = (row.lang, row.question_id, row.turn, row.order, row.sample)
        votes = found.setdefault(Slot(row.run, row.protocol, *place), {})
        if row.vote not in votes or row.unscored_reason is None:
            votes[row.vote] = row
    return {slot: _of_votes(list(votes.values())) for slot, votes in found.items()}


def _of_votes(votes: Sequence[Judgement]) -> Judgement:
    """One member's verdict of its votes: the mean grade, or what more than half of them say."""
    scored = [row for row in votes if row.unscored_reason is None]
    if len(scored) < 2:
        return scored[0] if scored else votes[0]
    if scored[0].protocol == "single":
        return replace(scored[0], score=fmean(row.score for row in scored if row.score is not None))
    return replace(scored[0], verdict=joint_preference([row.verdict or "tie" for row in scored]))


def _joint(jury: str, slot: Slot, rows: Mapping[str, Judgement | None]) -> Judgement:
    asked = [row for row in rows.values() if row is not None]
    baselines = sorted({row.baseline for row in asked})
    if len(baselines) > 1:
        raise BabelmixError(
            f"jury '{jury}': on question {slot.question_id} ({slot.lang}) the members compared "
            f"{slot.run} with different baselines ({', '.join(baselines)}), as each judge's own "
            "grades choose them. Name one mixture as the `baseline` of all members."
        )
    scored = [row for row in asked if row.unscored_reason is None]
    made = replace(
        asked[0],
        key=digest(["jury", *sorted((name, row.key) for name, row in rows.items() if row)]),
        judge=jury,
        score=None,
        verdict=None,
        unscored_reason=None,
        strength="",
        origin="reply",
        vote=0,
        weight=None,
        score_a=None,
        score_b=None,
        raw="",  # nobody wrote this verdict: there is no text for `reparse` to read
        tokens_in=0,
        tokens_out=0,
        cost=0.0,
        finish_reason="",
        model="",
        fingerprint="",
    )
    if 2 * len(scored) <= len(rows):
        return replace(made, unscored_reason=_too_few(rows, len(scored)))
    if slot.protocol == "single":
        return replace(made, score=fmean(row.score for row in scored if row.score is not None))
    return replace(made, verdict=joint_preference([row.verdict or "tie" for row in scored]))


def _too_few(rows: Mapping[str, Judgement | None], scored: int) -> str:
    reasons = (
        f"{name}, {row.unscored_reason if row else NOT_JUDGED}"
        for name, row in rows.items()
        if row is None or row.unscored_reason is not None
    )
    return f"{_TOO_FEW}: {scored} of {len(rows)} ({'; '.join(reasons)})"


def read_member(path: Path, member: str) -> list[Judgement]:
    """A member's judgements; those of another judge are an error."""
    rows = read_records(path, Judgement)
    if others := sorted({row.judge for row in rows} - {member}):
        raise BabelmixError(f"{path}: judgements of {', '.join(others)}, not of '{member}'.")
    return rows


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    add_settings(parser, JurySpec)
    parser.add_argument(
        "--judgements", required=True, nargs="+", type=Path, help="the members', in their order"
    )
    parser.add_argument("--output", required=True, type=Path, help="the jury's (parquet)")


def run(args: argparse.Namespace) -> None:
    """Run the verb."""
    spec = read_settings(args, JurySpec)
    if len(args.judgements) != len(spec.members):
        raise BabelmixError(
            f"judge-jury: {len(args.judgements)} files of {len(spec.members)} members "
            f"({', '.join(spec.members)}). Give one file for each, in this order."
        )
    members = {
        name: [row for row in read_member(path, name) if row.lang in spec.languages]
        for name, path in zip(spec.members, args.judgements, strict=True)
    }
    rows = combine(spec.judge_name, members)
    write_records(args.output, rows, Judgement)
    scored = sum(row.unscored_reason is None for row in rows)
    print(f"{spec.judge_name}: {scored} of {len(rows)} judged by {', '.join(spec.members)}")
