"""Ids that occur again: found in little memory, and treated as the source says."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterable
from typing import Literal

import numpy as np

from .rows import Parsed, refuse_duplicates


def short_digest(text: str) -> int:
    """64 bits of a text's digest: two of a billion ids are alike with a chance of 3 %."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


class IdPolicy:
    """Admits ids in order; what occurs again is an error, left out, or numbered."""

    def __init__(
        self, policy: Literal["error", "keep_first", "number"], place: str, parsed: Parsed
    ) -> None:
        self.policy, self.place, self.parsed = policy, place, parsed
        self._seen: dict[int, int] = {}

    def admit(self, row_id: str) -> str | None:
        """The id that a row gets; None where the row is left out."""
        if self.policy == "error":
            return row_id  # all ids of a pool are looked at together, see `Ids`
        key = short_digest(row_id)
        times = self._seen.get(key, 0)
        self._seen[key] = times + 1
        if times == 0:
            return row_id
        if self.policy == "keep_first":
            return None
        numbered = f"{row_id}-{times + 1}"
        while short_digest(numbered) in self._seen:
            times += 1
            numbered = f"{row_id}-{times + 1}"
        self._seen[key] = times + 1
        self._seen[short_digest(numbered)] = 1
        self.parsed.changed["ids that occur again numbered"] += 1
        return numbered

    def finish(self) -> None:
        """Forget the ids."""
        self._seen = {}


class Ids:
    """All ids of a pool as digests of 8 bytes; tells whether one occurs more than once."""

    def __init__(self) -> None:
        self._digests = array("Q")

    def add(self, row_id: str) -> None:
        """Take one id."""
        self._digests.append(short_digest(row_id))

    def doubled(self) -> set[int]:
        """Digests that occur more than once."""
        found, counts = np.unique(np.frombuffer(self._digests, np.uint64), return_counts=True)
        return set(found[counts > 1].tolist())

    def refuse_doubled(self, again: Callable[[], Iterable[str]], place: str) -> None:
        """Raise BabelmixError for ids that occur more than once; ``again`` gives all once more."""
        doubled = self.doubled()
        if not doubled:
            return
        refuse_duplicates((row_id for row_id in again() if short_digest(row_id) in doubled), place)
