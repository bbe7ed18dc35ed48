"""How many requests are under way at once, and how fast they start: found out, not configured.

The window rises with every reply. A refusal (HTTP 429) above what has been served only ends the
search, for a while; one at the edge of it takes a small step back, each next one in a row a step
twice as long. Any other sign that there are too many (a refusal far below, an overload, a time-out)
halves it.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

#: Requests at once to begin with, and seconds until a refused size is tried again (then doubled).
START = 32
FIRST_HOLD_S = 5.0
LONGEST_HOLD_S = 300.0
#: Share of the proven size from which on a refusal is at its edge. The proof is not exact: replies
#: on their way count here as under way, and no more at the server.
_EDGE = 0.75

_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?")
_SECONDS = {"ms": 0.001, "s": 1.0, None: 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True, slots=True)
class Ticket:
    """One request under way: how many there were with it, and since which refusal."""

    level: int
    epoch: int


class Window:
    """Admits requests, first come, first served. Not for several event loops."""

    def __init__(
        self, most: int, start: int = START, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.most = most
        self.start = min(start, most)
        self.size = float(self.start)
        self.under_way = 0
        self._clock = clock
        self._proven = 0
        self._ceiling = float(most)
        self._epoch = 0
        self._hold = FIRST_HOLD_S
        self._probe_at = 0.0
        self._advance = self._retreat = 1
        self._fruitless = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def fruitless(self) -> int:
        """Refusals in a row, those of one moment counted once, since a reply came (at least 1)."""
        return max(1, self._fruitless)

    @property
    def found(self) -> int:
        """How many at once the server takes, as far as is known by now."""
        return int(self.size) if self._epoch else max(self.start, self._proven)

    async def enter(self) -> Ticket:
        """Wait for a place."""
        if self._waiting or self.under_way >= int(self.size):
            place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(place)
            await place
        else:
            self.under_way += 1
        return Ticket(self.under_way, self._epoch)

    def leave(self) -> None:
        """Give a place back."""
        self.under_way -= 1
        self._admit()

    def served(self, ticket: Ticket) -> None:
        """A reply came: that many at once are fine, and one more may be.

        Above a refused size: a step, once the size before it is proven; then one twice as long.
        """
        self._fruitless = 0
        self._proven = max(self._proven, ticket.level)
        if self.size >= self._ceiling <= self._proven and self._clock() >= self._probe_at:
            self._ceiling = min(float(self.most), self._ceiling + self._advance)
            self._advance *= 2
        self.size = min(self.size + 1, self._ceiling)
        self._admit()

    def refused(self, ticket: Ticket, overload: bool = False) -> None:
        """The server took it not; ``overload``: for another reason than one request too many."""
        if ticket.epoch != self._epoch:
            return  # sent before the last refusal was heard of
        self._epoch += 1
        self._fruitless += 1
        now = self._clock()
        if now >= self._probe_at:
            self._retreat = 1
        self._ceiling = float(max(1, ticket.level - 1))
        if overload or ticket.level < _EDGE * self._proven:
            self.size /= 2
        elif ticket.level > self._proven:
            self.size = max(self.size / 2, self._proven)
        else:
            self._ceiling = float(max(1, ticket.level - self._retreat))
            self._retreat *= 2
        self.size = max(1.0, min(self.size, self._ceiling))
        self._proven = min(self._proven, int(self.size))
        self._advance = 1
        self._probe_at = now + self._hold
        self._hold = min(LONGEST_HOLD_S, 2 * self._hold)

    def _admit(self) -> None:
        while self._waiting and self.under_way < int(self.size):
            place = self._waiting.popleft()
            if not place.done():
                self.under_way += 1
                place.set_result(None)


class Pace:
    """Starts no more requests and prompt tokens a minute than allowed; evenly, without bursts."""

    def __init__(self, requests: int | None, tokens: int | None) -> None:
        self._spacing = 60.0 / requests if requests else 0.0
        self._per_token = 60.0 / tokens if tokens else 0.0
        self._next = 0.0

    async def wait(self, tokens: int) -> None:
        """Wait for this request's turn."""
        if not self._spacing and not self._per_token:
            return
        now = time.monotonic()
        start = max(now, self._next)
        self._next = start + max(self._spacing, tokens * self._per_token)
        if start > now:
            await asyncio.sleep(start - now)


def seconds(text: str) -> float | None:
    """``1s``, ``6m0s``, ``120ms``, ``3`` -> seconds; None for anything else."""
    parts = list(_SPAN.finditer(text.strip()))
    if not parts or "".join(part[0] for part in parts) != text.strip():
        return None
    return sum(float(part[1]) * _SECONDS[part[2]] for part in parts)


def rate_wait(headers: Mapping[str, str], tokens: int) -> float:
    """Seconds until the server takes a request of that many tokens, by its rate headers."""
    waits = [0.0]
    for kind, need in (("requests", 1), ("tokens", tokens)):
        left, reset = (headers.get(f"x-ratelimit-{name}-{kind}") for name in ("remaining", "reset"))
        if left is None or reset is None or not left.isdecimal() or int(left) >= need:
            continue
        waits.append(seconds(reset) or 0.0)
    return max(waits)
