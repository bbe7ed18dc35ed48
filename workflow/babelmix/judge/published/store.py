"""A folder of imported judgements: an import adds to it, and never silently replaces."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ...errors import BabelmixError
from ...io import read_records, write_records
from ...records import Judgement
from .entry import LABELS


class Slot(NamedTuple):
    """What a judgement judges; its judge, run and baseline are those of its file."""

    question_id: str
    lang: str
    turn: int
    sample: int
    order: str


@dataclass(frozen=True, slots=True)
class Imported:
    """One judgement to add: the file that it comes from (its SHA-256 tells copies), and whether
    several of it are votes."""

    row: Judgement
    path: Path
    sha256: str
    is_vote: bool

    @property
    def source(self) -> str:
        """What tells the rows of one file from those of another."""
        return str(self.path)


@dataclass(slots=True)
class Added:
    """What an import does to a folder. ``replaced`` counts rows that were there, or came from an
    earlier file of the import; ``same_labels`` labels that were there already, which are left out;
    ``more_votes`` things that had votes from elsewhere before."""

    files: dict[Path, list[Judgement]] = field(default_factory=dict)
    added: int = 0
    replaced: int = 0
    same_labels: int = 0
    more_votes: int = 0
    per_source: Counter[str] = field(default_factory=Counter)


def evaluation_name(benchmark: str, judgement: Judgement) -> str:
    """As the workflow names evaluations: benchmark, judge, protocol, and the opponent of a pair."""
    parts = [benchmark, judgement.judge, judgement.protocol]
    return ".".join([*parts, judgement.baseline] if judgement.baseline else parts)


def known_pairs(folder: Path) -> list[tuple[str, str]]:
    """Run and baseline of the pairs that a folder holds."""
    found = sorted((folder / "judgements").glob("*.pairwise.*/*.parquet"))
    return [(path.stem, path.parent.name.partition(".pairwise.")[2]) for path in found]


def add_judgements(
    folder: Path,
    benchmark: str,
    new: Iterable[Imported],
    replace: bool = False,
    imported_before: frozenset[str] = frozenset(),
) -> Added:
    """Join new judgements with those of a folder; nothing is written.

    The same thing judged twice, in the folder and in a file or in two files, is an error, or with
    ``replace`` a replacement by the later one. Several rows of one file on the same thing stay, as
    published. Votes add up; votes of a file that was imported before are an error.
    """
    found = Added()
    places: dict[Path, list[Imported]] = defaultdict(list)
    for one in new:
        place = folder / "judgements" / evaluation_name(benchmark, one.row)
        places[place / f"{one.row.run}.parquet"].append(one)
    clashes: list[str] = []
    for path, rows in sorted(places.items()):
        before = read_records(path, Judgement) if path.is_file() else []
        _Joining(found, path, replace, imported_before, clashes).join(before, rows)
    if clashes:
        raise BabelmixError(
            f"{len(clashes)} of these judgements are there already (first: {clashes[0]}). "
            "`--replace` takes the later ones and counts them; --benchmark, --judge or --run gives "
            f"them a name of their own. Nothing was written to {folder}."
        )
    return found


@dataclass(slots=True)
class _Joining:
    found: Added
    path: Path
    replace: bool
    imported_before: frozenset[str]
    clashes: list[str]
    shas: dict[str, str] = field(default_factory=dict)

    def join(self, before: Sequence[Judgement], new: Sequence[Imported]) -> None:
        """The rows of one file of the folder after the import."""
        held: dict[Slot, list[tuple[str, Judgement]]] = defaultdict(list)
        for row in before:
            held[slot_of(row)].append(("", row))
        voted: set[Slot] = set()
        for one in new:
            self.shas[one.source] = one.sha256
            rows = held[slot_of(one.row)]
            others = [source for source, _ in rows if source != one.source]
            if one.row.judge == LABELS and any(row.verdict == one.row.verdict for _, row in rows):
                if others:
                    self.found.same_labels += 1
                    continue
            elif others and self._is_clash(one, others):
                if not self.replace:
                    self.clashes.append(self._said(one, others))
                    continue
                kept = [held_ for held_ in rows if self._stays(held_[0], one)]
                self.found.replaced += len(rows) - len(kept)
                rows[:] = kept
            elif others and one.is_vote:
                voted.add(slot_of(one.row))
            one.row.vote = self._vote(one, rows)
            rows.append((one.source, one.row))
            self.found.added += 1
            self.found.per_source[one.source] += 1
        self.found.more_votes += len(voted)
        self.found.files[self.path] = [row for rows in held.values() for _, row in rows]

    def _is_clash(self, one: Imported, others: Sequence[str]) -> bool:
        """Votes of other files add up; with ``replace`` they take the place of the folder's."""
        if not one.is_vote:
            return True
        if any(self.shas.get(other) == one.sha256 for other in others):
            return True
        return "" in others and (self.replace or one.sha256 in self.imported_before)

    def _stays(self, source: str, one: Imported) -> bool:
        """Of what a row replaces: its own file stays, and all of the import's votes."""
        if source == one.source:
            return True
        return one.is_vote and source != "" and self.shas.get(source) != one.sha256

    def _vote(self, one: Imported, rows: Sequence[tuple[str, Judgement]]) -> int:
        return 1 + max((row.vote for _, row in rows), default=-1) if one.is_vote else one.row.vote

    def _said(self, one: Imported, others: Sequence[str]) -> str:
        row = one.row
        against = f" against {row.baseline}" if row.baseline else ""
        where = "the folder" if others[-1] == "" else "an earlier file"
        return (
            f"{one.path}: {row.judge} on {row.run}{against}, question {row.question_id} "
            f"({row.lang}), turn {row.turn}; also in {where}"
        )


def slot_of(row: Judgement) -> Slot:
    """What a judgement judges."""
    return Slot(row.question_id, row.lang, row.turn, row.sample, row.order)


def write_added(added: Added) -> list[Path]:
    """Write the joined files, as the workflow lays them out: one per evaluation and run."""
    for path, rows in added.files.items():
        write_records(path, rows, Judgement)
    return sorted(added.files)
