"""Whether a failed call is tried again, and when: one policy for threads and for event loops."""

from __future__ import annotations

import os
import random
import re
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from ..config.service import PaidService
from .failures import CallFailedError, ServiceStoppedError

T = TypeVar("T")

#: Scale of the waits that we choose ourselves; tests set it near 0.
WAIT_SCALE = float(os.environ.get("BABELMIX_WAIT_SCALE", "1"))
_LONGEST_BACKOFF_S = 60.0
#: Refusals in the same unknown words, in a row, after which they are not the prompts' fault.
ALIKE = 8
#: What differs between two refusals for the same reason: numbers, ids.
_VARYING = re.compile(r"[\w-]*\d[\w-]*")
#: Tries beyond the first for services without a `max_retries` of their own.
_RETRIES = 6


class RetryPolicy:
    """Patience of one job.

    One call is tried ``max_retries`` + 1 times; rate limits are no tries. All in all it lasts at
    most that many times ``timeout_s``, waits included. A wait that a server asks for holds back
    every call of the job. When many calls in a row (as many as run at once, 5 to 32) failed by the
    server's fault, or the first so many failed for whatever reason, the job stops. So it does when
    many (8 to 32) in a row were refused in the same words, which no rule knows.
    ``may_be_refused``: so many of these the configuration accepts.
    """

    may_be_refused = 0

    def __init__(self, settings: PaidService, where: str) -> None:
        self.where = where
        self.retries: int = getattr(settings, "max_retries", _RETRIES)
        self.total_s = (self.retries + 1) * settings.timeout_s
        self._in_a_row = max(5, min(settings.concurrency, 32))
        self._not_before = 0.0
        self._given_up = 0
        self._refused = 0
        self._refusal = ""
        self._any_success = False

    def wait_after(
        self, failure: CallFailedError, tries: int, rejections: int, began: float
    ) -> float:
        """Return the seconds until another try; raise the failure where there is none."""
        most = min(self.retries + 1, failure.tries or self.retries + 1)
        if not failure.passing or (not failure.limited and tries >= most):
            raise failure
        wait = failure.retry_after
        if wait is None:
            wait = backoff(max(1, rejections if failure.limited else tries), failure.limited)
        else:
            self.hold_back(wait)
        if time.monotonic() - began + wait > self.total_s:
            raise failure
        return wait

    def hold_back(self, wait_s: float) -> None:
        """Start no call for that long, or for as long as our patience lasts."""
        until = time.monotonic() + min(wait_s, self.total_s)
        self._not_before = max(self._not_before, until)

    def held_back(self) -> float:
        """Seconds for which the server has asked anyone to wait."""
        return max(0.0, self._not_before - time.monotonic())

    def succeeded(self) -> None:
        """Note that a call came through."""
        self._given_up = self._refused = 0
        self._any_success = True

    def gave_up(self, failure: CallFailedError) -> None:
        """Note a call that was given up; raises ServiceStoppedError after many in a row."""
        if failure.passing or not self._any_success:
            self._given_up += 1
        if self._given_up >= self._in_a_row:
            raise ServiceStoppedError(
                f"{self.where}: {self._given_up} calls in a row failed; the last: "
                f"{failure.reason}. Fix what it names, or lower `concurrency`, and run again: what "
                "was paid for is kept."
            )
        if failure.unknown:
            words = _VARYING.sub("", failure.reason)
            self._refused = self._refused + 1 if words == self._refusal else 1
            self._refusal = words
            if self._refused > max(ALIKE - 1, self._in_a_row - 1, self.may_be_refused):
                raise ServiceStoppedError(
                    f"{self.where}: {self._refused} calls in a row were refused in the same words: "
                    f"{failure.reason}. Fix what they name and run again: what was paid for is "
                    "kept. If it is these prompts that it refuses, `accept_failures` is the share "
                    "of calls that may go without a reply."
                )

    def run(self, call: Callable[[], T], lock: threading.Lock) -> T:
        """Run a call in this thread until it succeeds or is given up, when its failure is raised.

        ``lock`` guards this policy among threads.
        """
        tries, rejections, began = 0, 0, time.monotonic()
        while True:
            time.sleep(self.held_back())
            try:
                result = call()
            except CallFailedError as failure:
                tries += not failure.limited
                rejections += failure.limited
                with lock:
                    try:
                        wait = self.wait_after(failure, tries, rejections, began)
                    except CallFailedError:
                        self.gave_up(failure)
                        raise
                time.sleep(wait)
            else:
                with lock:
                    self.succeeded()
                return result


def backoff(attempt: int, limited: bool = False) -> float:
    """Seconds before another try: 1, 2, 4 … (a quarter of it after a rate limit), with jitter."""
    first = 0.25 if limited else 1.0
    longest = min(_LONGEST_BACKOFF_S, first * 2.0 ** (attempt - 1))
    return float(longest * random.uniform(0.5, 1.0)) * WAIT_SCALE
