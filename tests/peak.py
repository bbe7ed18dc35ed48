"""The memory that a piece of work takes at most, on Linux."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path


def peak_mb(work: Callable[[], object]) -> float:
    """MB that ``work`` adds at its peak to what this process holds before it."""
    ctypes.CDLL(None).malloc_trim(0)  # what is freed and kept would hide as much
    Path("/proc/self/clear_refs").write_text("5")  # the recorded peak starts anew
    before = _status_kb("VmRSS")
    work()
    return (_status_kb("VmHWM") - before) / 1e3


def _status_kb(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(name))
