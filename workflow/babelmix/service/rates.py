"""Rates that belong to a key: shared by all jobs that use it, through a small locked file."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from ..io import digest
from .ledger import locked

_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?")
_SECONDS = {"ms": 0.001, "s": 1.0, None: 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

#: Seconds before it begins that a turn may be taken: what a job that is killed leaves unused.
_AHEAD_S = 0.25
#: Seconds that a turn may lie ahead; more is a clock that was set back.
_LONGEST_S = 3600.0


class RateLimiter:
    """Spaces calls out evenly, so that nothing passes its limit per minute.

    ``per_minute``: limits by name (requests, tokens, characters); None is no limit. The file holds
    the time from which on each may go on; it lies in a folder that all jobs of a study set share.
    The time is the file system's own, so that machines whose clocks differ agree.
    """

    def __init__(
        self, folder: Path | None, url: str, key: str, per_minute: Mapping[str, float | None]
    ) -> None:
        self._per_minute = {name: most for name, most in per_minute.items() if most}
        place = digest([urlsplit(url).hostname, urlsplit(url).port, key])[:16]
        self._path = folder / f"rate.{place}.json" if folder else None
        self._next: dict[str, float] = {}
        self._turn = threading.Lock()

    def claim(self, **amounts: float) -> tuple[bool, float]:
        """Take a turn for so many requests, tokens, characters if it is nearly due.

        Return whether it was taken, and the seconds until it begins; if it was not, the seconds
        after which to ask again. So a job that is killed holds nobody up.
        """
        if not self._per_minute:
            return True, 0.0
        if self._path is None:
            return self._claim(amounts, time.monotonic())
        with locked(self._path) as handle:
            handle.seek(0)
            try:
                held = json.loads(handle.read() or b"{}")
                self._next = {str(name): float(at) for name, at in held.items()}
            except (ValueError, AttributeError, TypeError):
                self._next = {}  # torn by a kill: the next turn is now
            os.utime(self._path)
            found = self._claim(amounts, os.fstat(handle.fileno()).st_mtime)
            handle.truncate(0)
            handle.write(json.dumps(self._next).encode())
        return found

    def wait(self, **amounts: float) -> None:
        """Sleep until there is a turn; threads come one after the other."""
        with self._turn:
            while True:
                taken, seconds_left = self.claim(**amounts)
                if taken:
                    break
                time.sleep(seconds_left)
        time.sleep(seconds_left)

    def _claim(self, amounts: Mapping[str, float], now: float) -> tuple[bool, float]:
        self._next = {name: min(at, now + _LONGEST_S) for name, at in self._next.items()}
        named = [name for name in amounts if name in self._per_minute]
        start = max([now, *(self._next.get(name, 0.0) for name in named)])
        if start - now > _AHEAD_S:
            return False, start - now - _AHEAD_S
        for name in named:
            self._next[name] = start + 60.0 * amounts[name] / self._per_minute[name]
        return True, start - now


def seconds(text: str) -> float | None:
    """Parse ``1s``, ``6m0s``, ``120ms``, ``3`` as seconds; None for anything else."""
    parts = list(_SPAN.finditer(text.strip()))
    if not parts or "".join(part[0] for part in parts) != text.strip():
        return None
    return sum(float(part[1]) * _SECONDS[part[2]] for part in parts)


def rate_wait(headers: Mapping[str, str], tokens: int) -> float:
    """Return the seconds until the server takes a request of that many tokens, by its headers."""
    waits = [0.0]
    for kind, need in (("requests", 1), ("tokens", tokens)):
        left, reset = (headers.get(f"x-ratelimit-{name}-{kind}") for name in ("remaining", "reset"))
        if left is None or reset is None or not left.isdecimal() or int(left) >= need:
            continue
        waits.append(seconds(reset) or 0.0)
    return max(waits)
