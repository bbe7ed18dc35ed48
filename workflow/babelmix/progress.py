"""How far a long job is: a bar on a terminal; else a line now and then.

A rule's standard error is its log: a line there every half minute. Its standard output is the
terminal that Snakemake was started on: a line there every five minutes, so that a job of hours is
seen to live, and short ones say nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tqdm import tqdm

LOG_EVERY_S = 30.0
TERMINAL_EVERY_S = 300.0


class Teller:
    """Passes a line on to the log, and more rarely to the terminal."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._log = self._terminal = clock()

    def tell(self, line: Callable[[], str], *, last: bool = False) -> None:
        """Write the line where one is due; ``last``: to the log in any case."""
        now = self._clock()
        if last or now - self._log >= LOG_EVERY_S:
            self._log = now
            print(line(), file=sys.stderr, flush=True)
        if now - self._terminal >= TERMINAL_EVERY_S:
            self._terminal = now
            print(line(), flush=True)


class Progress:
    """Counts what is done of a total, in a bar or by lines with the time that is left."""

    def __init__(
        self,
        what: str,
        total: int,
        unit: str,
        done: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.what, self.total, self.unit, self.done = what, total, unit, done
        self._clock, self._before = clock, done
        self._began = clock()
        self._teller = Teller(clock)
        self._bar = tqdm(
            total=total, initial=done, desc=what, unit=unit, disable=None, file=sys.stderr
        )

    def update(self, count: int = 1, note: str = "") -> None:
        """So many more are done; ``note`` stands at the end (dollars, say)."""
        self.done += count
        if not self._bar.disable:
            self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(count)
            return
        self._teller.tell(lambda: self._line(note))

    def _line(self, note: str) -> str:
        speed = (self.done - self._before) / max(1e-9, self._clock() - self._began)
        left = f", {(self.total - self.done) / speed / 60:.0f} min left" if speed else ""
        counted = f"{self.done:,} of {self.total:,} {self.unit}s{left}"
        return f"{self.what}: {counted}{f', {note}' if note else ''}"

    def seconds(self) -> float:
        """Time since the start."""
        return self._clock() - self._began

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()
