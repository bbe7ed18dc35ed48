"""The hard cap of a translator: a call is made only if the most it can cost still fits.

What was spent stands in a ledger, a file beside the journals that all shards and languages of the
translator share. With a cap, a call's worst case is promised there before it is made and its real
cost put in its place after it; a promise that a kill leaves behind stays, because the call was
under way and may have been billed.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ..errors import BabelmixError
from .cost import Price

#: Dollars below this are rounding.
_DUST = 1e-12


class CapReachedError(BabelmixError):
    """The next call does not fit under `max_cost`."""

    exit_code = 3


@dataclass
class Bill:
    """What one call turns out to cost, in US dollars."""

    cost: float = 0.0


class Ledger:
    """An append-only file of amounts, one a line, shared by processes through a file lock."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._read = 0
        self._total = 0.0

    def total(self) -> float:
        """US dollars spent or promised so far."""
        with self.path.open("a+b") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            return self._catch_up(handle)

    def add(self, amount: float, cap: float | None = None) -> bool:
        """Note an amount; with a cap only if the new total stays within it, else False."""
        with self.path.open("a+b") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            total = self._catch_up(handle)
            if cap is not None and total + amount > cap + _DUST:
                return False
            handle.write(json.dumps({"dollars": amount}).encode() + b"\n")
        return True

    def _catch_up(self, handle: IO[bytes]) -> float:
        """Read what others have added; a torn line (a killed writer's) is ended, counts nothing."""
        handle.seek(self._read)
        data = handle.read()
        if data and not data.endswith(b"\n"):
            handle.write(b"\n")
            data += b"\n"
        for line in data.splitlines():
            with contextlib.suppress(ValueError, KeyError, TypeError):
                self._total += float(json.loads(line)["dollars"])
        self._read += len(data)
        return self._total


class Budget:
    """One job's way to spend: thread-safe, and across processes through the ledger."""

    def __init__(
        self, where: str, price: Price | None, cap: float | None, ledger: Ledger | None
    ) -> None:
        if cap is not None and (price is None or price == Price()):
            raise BabelmixError(
                f"{where}: has a `max_cost` but no price is known, so no cost is. Set its price "
                "(`price_per_million_chars`, or `price_in` and `price_out`), or leave the cap out."
            )
        self.price = price or Price()
        self.known = price is not None
        self.cap = cap
        self.spent = 0.0
        self._where = where
        self._ledger = ledger
        self._promised = 0.0
        self._under_way = 0
        self._changed = threading.Condition()

    def total(self) -> float:
        """US dollars spent so far by all jobs and runs of this translator."""
        return self._ledger.total() if self._ledger else self.spent

    @contextlib.contextmanager
    def call(self, worst: float) -> Iterator[Bill]:
        """Around one call that costs at most ``worst``; its real cost goes into the Bill.

        Raises CapReachedError before the call when it does not fit.
        """
        self._reserve(worst)
        bill = Bill()
        try:
            yield bill
        finally:
            self._settle(worst, bill.cost)

    def commit(self, amount: float) -> None:
        """Count an amount as spent before a call that cannot be taken back, such as a batch."""
        with self._changed:
            if not self._fits(amount):
                raise self._cap_reached()
            if self._ledger is not None and self.cap is None:
                self._ledger.add(amount)
            self._promised -= amount if self._ledger is None and self.cap is not None else 0.0
            self.spent += amount

    def refund(self, amount: float) -> None:
        """Take back from what was spent: a promise was larger than the bill."""
        with self._changed:
            self.spent -= amount
            if self._ledger is not None and amount:
                self._ledger.add(-amount)

    def _reserve(self, worst: float) -> None:
        with self._changed:
            while not self._fits(worst):
                if not self._under_way:
                    raise self._cap_reached()
                self._changed.wait()
            self._under_way += 1

    def _cap_reached(self) -> CapReachedError:
        return CapReachedError(
            f"{self._where}: stopped before a call that could cost more than is left of its "
            f"`max_cost` of {self.cap:g} US dollars ({self.total():.4f} are spent or promised). "
            "What is done is kept in the journal; raise the cap and run again to go on."
        )

    def _fits(self, worst: float) -> bool:
        if self.cap is None:
            return True
        if self._ledger is not None:
            return self._ledger.add(worst, self.cap)
        if self.spent + self._promised + worst > self.cap + _DUST:
            return False
        self._promised += worst
        return True

    def _settle(self, worst: float, cost: float) -> None:
        with self._changed:
            self._under_way -= 1
            self.spent += cost
            promised = worst if self.cap is not None else 0.0
            if self._ledger is None:
                self._promised -= promised
            elif cost != promised:
                self._ledger.add(cost - promised)
            self._changed.notify_all()
