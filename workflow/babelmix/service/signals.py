"""Ctrl-C, and the SIGTERM by which Snakemake, SLURM and containers end jobs: stop in order."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator

from ..errors import BabelmixError

#: Signals this close together are one wish: a terminal tells all processes, a parent tells again.
_SAME_S = 1.0


class StoppedBySignalError(BabelmixError):
    """A signal ended the job; its exit status is the one that shells give."""

    def __init__(self, number: signal.Signals, where: str) -> None:
        super().__init__(
            f"{where}: stopped by {number.name}. What was paid for is in the journal; run again to "
            "go on."
        )
        self.exit_code = 128 + number


@contextlib.contextmanager
def stopping_in_order(where: str, stop: Callable[[Exception], None]) -> Iterator[None]:
    """Call ``stop`` with an error at the first SIGINT or SIGTERM; end at once at the second.

    For a running event loop. Signals that the parent has told us to ignore stay ignored. Only a
    process's main thread gets signals: in another, nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    first: list[float] = []

    def on_signal(number: signal.Signals) -> None:
        if not first:
            first.append(time.monotonic())
            print(
                f"\n{where}: {number.name}: nothing more is asked; calls under way are paid "
                "for and waited for. A second signal ends at once.",
                file=sys.stderr,
                flush=True,
            )
            stop(StoppedBySignalError(number, where))
        elif time.monotonic() - first[0] > _SAME_S:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    ours = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    for number in ours:
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield
    finally:
        for number in ours:
            loop.remove_signal_handler(number)
            signal.signal(number, before[number])
