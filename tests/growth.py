"""Whether the time of some work grows with the length of its text, on a machine with other work."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Four times the length may take nine times as long; a square would take sixteen.
ALLOWED = 9
#: Shorter times are noise.
LEAST_S = 0.02
#: Another process can slow one measurement; work that is quadratic fails all of them.
TRIES = 6


def grows_with_length(work: Callable[[str], object], short: str, long: str) -> bool:
    """Say whether ``work`` took at most nine times as long on a text of four times the length.

    Processor time; each try has a text of its own, since some of the work is cached.
    """
    best_short = best_long = float("inf")
    for number in range(TRIES):
        best_short = min(best_short, _seconds(work, f"{short}{number}"))
        best_long = min(best_long, _seconds(work, f"{long}{number}"))
        if best_long <= ALLOWED * max(best_short, LEAST_S):
            return True
    return False


def _seconds(work: Callable[[str], object], text: str) -> float:
    began = time.process_time()
    work(text)
    return time.process_time() - began
