"""How far a job is: rows a second, US dollars so far, time left; quiet where nobody watches."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from types import TracebackType

from tqdm import tqdm


class Progress:
    """Counts a row as done when each of its texts has a first result."""

    def __init__(self, rows: Sequence[Sequence[str]], spent: Callable[[], float]) -> None:
        self._rows_of: dict[str, list[int]] = {}
        self._open = []
        for number, texts in enumerate(rows):
            unique = set(texts)
            self._open.append(len(unique))
            for text in unique:
                self._rows_of.setdefault(text, []).append(number)
        self._spent = spent
        self.started = time.monotonic()
        self._bar = tqdm(total=len(rows), unit="row", disable=None, file=sys.stderr)
        self._bar.update(sum(not n for n in self._open))

    def __call__(self, texts: list[str]) -> None:
        """Note results."""
        done = 0
        for text in texts:
            for number in self._rows_of.pop(text, ()):
                self._open[number] -= 1
                done += not self._open[number]
        if not self._bar.disable:
            dollars = self._spent()
            self._bar.set_postfix_str(f"${dollars:.4f}" if dollars else "", refresh=False)
        self._bar.update(done)

    def seconds(self) -> float:
        """Wall time since the start."""
        return time.monotonic() - self.started

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()
