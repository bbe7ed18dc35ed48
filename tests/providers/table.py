"""The table: rows, each a behaviour of providers and what Babelmix must make of it."""

from __future__ import annotations

import contextlib
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .driver import Desk
from .server import Provider, Simulator

#: What a ledger may differ from a bill by, in US dollars.
CENT = 0.005


@dataclass(frozen=True)
class Row:
    """One behaviour. ``point``: what it proves; ``quick``: part of `make test`; ``source``: where
    it was seen; ``still_open``: why it does not hold yet, if it does not."""

    name: str
    point: str
    play: Callable[[Bench], None]
    quick: bool
    source: str
    still_open: str = ""


@dataclass
class Result:
    """What a row showed."""

    row: Row
    calls: int = 0
    billed: float = 0.0
    ledger: float = 0.0
    journalled: int = 0
    scored: str = "-"
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether all was as it must be."""
        return not self.problems

    @property
    def verdict(self) -> str:
        """pass, FAIL, or open: a row that is known not to hold yet."""
        if self.row.still_open:
            return "PASS: no longer open" if self.passed else "open"
        return "pass" if self.passed else "FAIL"


ROWS: list[Row] = []


def row(
    point: str, name: str, *, quick: bool = False, source: str = "", still_open: str = ""
) -> Callable[[Callable[[Bench], None]], Callable[[Bench], None]]:
    """Register a function as a row."""

    def register(play: Callable[[Bench], None]) -> Callable[[Bench], None]:
        ROWS.append(Row(name, point, play, quick, source, still_open))
        return play

    return register


class Bench(Desk):
    """A row's place of work: a study set's folder, simulators, and checks that are collected."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        super().__init__(folder)
        self.simulators: list[Simulator] = []
        self.problems: list[str] = []
        self.scored = "-"
        self._stack = stack

    def serve(self, provider: Provider, **options: Any) -> Simulator:
        """Start a simulator; it ends with the row."""
        simulator = self._stack.enter_context(Simulator(provider, **options))
        self.simulators.append(simulator)
        bill = getattr(provider, "bill", None)  # a Batches has one already
        if bill is not None:
            simulator.bill = bill
        return simulator

    def check(self, holds: bool, words: str) -> None:
        """Note a problem where something does not hold."""
        if not holds:
            self.problems.append(words)

    def equal(self, found: Any, wanted: Any, what: str) -> None:
        """Note a problem where two values differ."""
        self.check(found == wanted, f"{what}: {found}, not {wanted}")

    def says(self, run: Any, *words: str) -> None:
        """The user must read these words (in any case)."""
        for word in words:
            self.check(
                word.lower() in run.said.lower(), f"says nothing of {word!r}: {run.said[-600:]}"
            )

    def calls(self) -> int:
        """Paid requests, and lines of batches."""
        lines = [getattr(s.provider, "lines", []) for s in self.simulators]
        return sum(len(s.posts()) for s in self.simulators) + sum(map(len, lines))

    def billed(self) -> float:
        """US dollars on all bills."""
        for simulator in self.simulators:
            simulator.settle()
        return sum(simulator.bill.dollars for simulator in self.simulators)

    def exact(self) -> None:
        """The ledger is the bill to the cent."""
        billed, ledger = self.billed(), self.ledger()
        self.check(abs(billed - ledger) <= CENT, f"billed {billed:.4f}, ledger {ledger:.4f}")

    def covered(self, times: float | None = None) -> None:
        """The ledger is at least the bill, and no more than so many times it."""
        billed, ledger = self.billed(), self.ledger()
        self.check(ledger >= billed - CENT, f"billed {billed:.4f}, ledger {ledger:.4f} is less")
        if times is not None:
            self.check(ledger <= times * billed + CENT, f"billed {billed:.4f}, ledger {ledger:.4f}")

    def none_twice(self, allowed: int = 0) -> None:
        """No usable reply was bought twice; every one is in a journal."""
        twice = sum(s.bill.bought_twice() for s in self.simulators)
        self.check(twice <= allowed, f"bought twice: {twice}")
        usable = sum(s.bill.usable() for s in self.simulators)
        held = self.journalled()
        self.check(held >= usable - allowed, f"lost: {usable} replies came, {held} are journalled")


def play(row: Row) -> Result:
    """Play a row in a folder of its own."""
    result = Result(row)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="provider-") as name, contextlib.ExitStack() as stack:
        bench = Bench(Path(name) / "set", stack)
        try:
            row.play(bench)
            result.calls, result.billed = bench.calls(), bench.billed()
            result.ledger, result.journalled = bench.ledger(), bench.journalled()
            for leak in bench.leaks():
                bench.check(False, f"the key is in {leak}")
        except Exception:
            bench.problems.append(traceback.format_exc(limit=-3))
        result.problems, result.scored = bench.problems, str(bench.scored)
    result.seconds = time.monotonic() - began
    return result


def chosen(names: list[str], quick: bool) -> Iterator[Row]:
    """Rows of the points that are named, and those whose name holds one of the other words."""
    points = {found.point for found in ROWS}
    for found in ROWS:
        wanted = not names or any(
            n == found.point if n in points else n in found.name for n in names
        )
        if wanted and (found.quick or not quick):
            yield found
