"""Verb ``agreement``: how far groups of raters agree on pairs, from files of labels alone.

Works on any labels that ``import-human`` wrote, MT-Bench's published votes among them; no study set
is needed. Each file is a group of raters; every two groups are compared, and each within itself.
"""

from __future__ import annotations

import argparse
from collections.abc import Hashable, Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from ..analyse.agreement_tables import Voter, agreement_table
from ..analyse.statistics import Bootstrap
from ..errors import BabelmixError
from ..io import read_records
from ..records import HumanLabel


def group(path: Path) -> tuple[Voter, str]:
    """All first votes of a file, by pair of answers, and a line that counts them."""
    votes: dict[Hashable, list[str | None]] = {}
    empty = again = 0
    for one in read_records(path, HumanLabel):
        if one.vote is None:
            empty += 1
        elif one.repeat:
            again += 1
        else:
            item = (one.benchmark, one.run, one.baseline, one.question_id, one.lang, one.turn)
            votes.setdefault(item, []).append(one.vote)
    if not votes:
        raise BabelmixError(f"{path}: no votes on pairs (ratings have no agreement table).")
    said = f"{path.stem}: {sum(map(len, votes.values()))} votes on {len(votes)} pairs of answers"
    said += f"; left out {empty} without a vote" if empty else ""
    said += f"; left out {again} on a pair seen for the second time" if again else ""
    return Voter(path.stem, votes), said


def in_common(voters: Sequence[Voter]) -> Iterator[str]:
    """Say on how many pairs of answers every two groups can be compared."""
    for left, right in combinations(voters, 2):
        both = left.votes.keys() & right.votes.keys()
        either = left.votes.keys() | right.votes.keys()
        yield f"{left.name} and {right.name}: {len(both)} of {len(either)} pairs in common"


def lines(rows: list[dict[str, Any]], confidence: float) -> Iterator[str]:
    """The table as text."""
    yield f"{'left':<22} {'right':<22} {'language':<9} {'turn':<5} setting         agreement"
    for row in rows:
        head = f"{row['left']:<22} {row['right']:<22} {row['language']:<9} {row['turn']!s:<5}"
        for setting in ("s1", "s2", "tie_discounted"):
            value, low, high = (row[f"{setting}{end}"] for end in ("", "_low", "_high"))
            if value is not None:
                ends = "" if low is None else f" ({confidence:.0%}: {low:.1%} … {high:.1%})"
                yield f"{head} {setting:<14} {value:6.1%}{ends}, {row[f'{setting}_votes']} votes"
        for name in ("kappa", "alpha"):
            if row[name] is not None:
                low, high = (row.get(f"{name}{end}") for end in ("_low", "_high"))
                ends = "" if low is None else f" ({confidence:.0%}: {low:.3f} … {high:.3f})"
                ends = " (given without an interval)" if name == "kappa" else ends
                yield f"{head} {name:<14} {row[name]:6.3f}{ends}"
        if row["interval_note"]:
            yield f"{head} note: {row['interval_note']}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``agreement``."""
    parser.add_argument("labels", nargs="+", type=Path, help="Files of labels, one a group.")
    parser.add_argument("--confidence", type=float, default=0.95, help="Of the intervals.")


def run(args: argparse.Namespace) -> None:
    """Print the agreement of every two groups."""
    groups = [group(path) for path in args.labels]
    voters = [voter for voter, _ in groups]
    print("\n".join([*(said for _, said in groups), *in_common(voters)]))
    table = agreement_table(voters, Bootstrap(args.confidence), within=True)
    print("\n".join(lines(table.rows, args.confidence)))
