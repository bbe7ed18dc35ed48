"""How far a job is: rows a second, US dollars so far, time left; quiet where nobody watches."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..progress import Progress


class RowProgress(Progress):
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
        super().__init__("translate", len(rows), "row", done=sum(not n for n in self._open))

    def note(self, texts: list[str]) -> None:
        """Note results."""
        done = 0
        for text in texts:
            for number in self._rows_of.pop(text, ()):
                self._open[number] -= 1
                done += not self._open[number]
        dollars = self._spent()
        self.update(done, f"${dollars:.4f}" if dollars else "")
