"""Which rows of a pool's pivot language are kept: limits first, then the seeded draw."""

from __future__ import annotations

import hashlib
import heapq
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np

from ..errors import BabelmixError
from ..records import Conversation
from ..specs import NormaliseSpec
from .ids import Ids
from .reading import Reading


def rank(row_id: str, seed: int) -> bytes:
    """Where an id stands in the draw: the same on every machine."""
    return hashlib.sha256(f"{seed}:{row_id}".encode()).digest()


def draw(ids: list[str], count: int, seed: int) -> set[str]:
    """The ``count`` ids with the lowest rank."""
    return set(sorted(ids, key=lambda i: rank(i, seed))[:count])


def n_chars(row: Conversation) -> int:
    """Characters of a conversation's messages."""
    return sum(len(m.content) for m in row.messages)


class Chooser:
    """Chooses rows in the order of the sources and of their files, and counts.

    Without a draw rows pass through; of ``rows`` the chosen ones are in memory; of ``fraction``
    ranks alone, and the files are read twice.
    """

    def __init__(self, spec: NormaliseSpec, readings: Mapping[str, Reading]) -> None:
        self.spec, self.readings = spec, readings
        self.kept: Counter[str] = Counter()
        self.left_out: Counter[tuple[str, str]] = Counter()
        self.characters = 0
        self._usable = 0

    def rows(self) -> Iterator[Conversation]:
        """The chosen rows.

        Raises:
            BabelmixError: for an id in two rows, and when fewer than ``rows`` rows are left.
        """
        spec = self.spec
        if spec.fraction is not None:
            chosen = self._share(spec.fraction)
        elif spec.rows is not None:
            chosen = self._lowest(spec.rows)
        else:
            chosen = self._short(counted=True)
        for row in chosen:
            self.kept[row.source] += 1
            self.characters += n_chars(row)
            yield row
        if not self.kept:
            raise BabelmixError(
                f"dataset '{spec.dataset}': no row in '{spec.lang}' is left; raise `max_chars`."
            )

    def _short(self, counted: bool) -> Iterator[Conversation]:
        """Rows within ``max_chars``; ids are looked at and rows counted in the first pass."""
        ids, limit = Ids(), self.spec.max_chars
        for reading in self.readings.values():
            reading.parsed.wanted = frozenset()  # other languages ask for bad ids, not the pivot
            for row in reading.first() if counted else reading.again():
                if counted:
                    ids.add(row.id)
                if limit is not None and n_chars(row) > limit:
                    if counted:
                        self.left_out[row.source, f"longer than max_chars ({limit})"] += 1
                    continue
                self._usable += counted
                yield row
        if counted:
            place = f"dataset '{self.spec.dataset}'"
            ids.refuse_doubled(self._every_id, place)

    def _every_id(self) -> Iterator[str]:
        return (row.id for reading in self.readings.values() for row in reading.again())

    def _lowest(self, wanted: int) -> Iterator[Conversation]:
        """The rows of the lowest ranks, in order."""
        spec, reason = self.spec, f"not drawn (rows: {wanted})"
        heap: list[tuple[int, int, Conversation]] = []
        for place, row in enumerate(self._short(counted=True)):
            entry = (-int.from_bytes(rank(row.id, spec.seed)), place, row)
            if len(heap) < wanted:
                heapq.heappush(heap, entry)
            else:
                self.left_out[heapq.heappushpop(heap, entry)[2].source, reason] += 1
        if len(heap) < wanted:
            own = "" if spec.parallel else f" in '{spec.lang}'"
            instead = "" if spec.parallel else " and give a mixture `rows` by language"
            raise BabelmixError(
                f"datasets.{spec.dataset}.rows asks for {wanted} rows, but only {len(heap)} are "
                f"usable{own}. Ask for at most {len(heap)}, or leave `rows` out to take "
                f"all{instead}."
            )
        return (row for _, _, row in sorted(heap, key=lambda entry: entry[1]))

    def _share(self, fraction: float) -> Iterator[Conversation]:
        """A share of the rows, by rank, in order."""
        seed, ranks = self.spec.seed, array("Q")
        for row in self._short(counted=True):
            ranks.append(int.from_bytes(rank(row.id, seed)[:8]))
        wanted = max(1, round(fraction * self._usable)) if self._usable else 0
        order = np.sort(np.frombuffer(ranks, np.uint64)) if ranks else np.zeros(0, np.uint64)
        highest = int(order[wanted - 1]) if wanted else 0
        for row in self._short(counted=False):
            if int.from_bytes(rank(row.id, seed)[:8]) <= highest:
                yield row
            else:
                self.left_out[row.source, f"not drawn (rows: {wanted})"] += 1
