"""How many requests are under way at once: found out, not configured.

As inspect_ai does it: cut on a rate limit, wait for a while, then grow slowly. Before the first
cut it grows quickly. The cut is small at first, as a server that takes only so many at once rejects
just those beyond; rejections that go on cut deeper.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

#: Requests at once until the first replies have shown that they are replies.
START = 16
#: Replies by which the search is quick, and how many more each of them lets in.
TRIAL, TRIAL_STEP = 8, 6
COOLDOWN_S = 2.0


@dataclass(frozen=True, slots=True)
class Slot:
    """A request under way: how many there were with it, and after which cut it was sent."""

    level: int
    cut: int


class ConcurrencyLimiter:
    """Admits requests, first come, first served. For one event loop."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = most
        self.limit = float(min(START, most))
        self.under_way = 0
        self._clock = clock
        self._served = 0
        self._cuts = 0
        self._rejections = 0
        self._grow_at = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def rejections(self) -> int:
        """Cuts in a row since a reply came."""
        return self._rejections

    async def acquire(self) -> Slot:
        """Wait for a place."""
        if self._waiting or self.under_way >= int(self.limit):
            place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(place)
            await place
        else:
            self.under_way += 1
        return Slot(self.under_way, self._cuts)

    def release(self) -> None:
        """Give a place back."""
        self.under_way -= 1
        self.admit()

    def admit(self, everyone: bool = False) -> None:
        """Let in those for whom there is a place; ``everyone``: the job is over."""
        while self._waiting and (everyone or self.under_way < int(self.limit)):
            place = self._waiting.popleft()
            if not place.done():
                self.under_way += 1
                place.set_result(None)

    def on_success(self) -> None:
        """A reply came: one more may be, or after a cut one more per round of replies."""
        self._served += 1
        self._rejections = 0
        if not self._cuts:
            step = float(TRIAL_STEP if self._served <= TRIAL else 1)
        elif self._clock() >= self._grow_at:
            step = 1.0 / self.limit
        else:
            return
        self.limit = min(float(self.most), self.limit + step)
        self.admit()

    def on_reject(self, slot: Slot, overload: bool = False) -> None:
        """Cut after a rejection; ``overload``: the server is overloaded, which halves the limit.

        Those sent before the last cut say nothing new.
        """
        if slot.cut != self._cuts:
            return
        self._cuts += 1
        self._rejections += 1
        level = min(int(self.limit), slot.level - 1)
        deep = overload or self._rejections > 2
        self.limit = float(max(1, level // 2 if deep else level - level // 32))
        self._grow_at = self._clock() + COOLDOWN_S
