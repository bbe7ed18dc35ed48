"""Rates that are kept, and failures of a service that pass: shared by the threads of a job."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt
from tenacity import wait_random_exponential as exponential

from ...endpoints import retry_after
from ...errors import BabelmixError

T = TypeVar("T")

#: Tries of one call; waits double from ``FIRST_WAIT_S`` up to a minute.
TRIES = 7
FIRST_WAIT_S = 1.0
#: So many calls given up in a row, none succeeding, stop the job: the service answers nobody.
GIVE_UP_AFTER = 5
_LONGEST_WAIT_S = 600.0


@dataclass
class ServiceError(Exception):
    """A call that failed: why, whether it may pass, and how long the service asks to wait."""

    reason: str
    passing: bool = True
    wait_s: float | None = None


class Pace:
    """Spaces calls out so that neither requests nor characters a minute exceed their limits."""

    def __init__(self, requests_per_minute: float | None, chars_per_minute: float | None) -> None:
        self._request_s = 60 / requests_per_minute if requests_per_minute else 0.0
        self._char_s = 60 / chars_per_minute if chars_per_minute else 0.0
        self._next_request = 0.0
        self._next_chars = 0.0
        self._held_until = 0.0
        self._lock = threading.Lock()

    def wait(self, chars: int) -> None:
        """Sleep until a call of so many characters may go out."""
        while (pause := self._claim(chars)) > 0:
            time.sleep(pause)

    def _claim(self, chars: int) -> float:
        """0 and a place taken, or the seconds to sleep before asking again."""
        with self._lock:
            now = time.monotonic()
            start = max(self._next_request, self._next_chars, self._held_until)
            if start > now:
                return start - now
            self._next_request = now + self._request_s
            self._next_chars = now + chars * self._char_s
            return 0.0

    def hold(self, seconds: float) -> None:
        """Let no call out for some seconds: the service asked for it."""
        with self._lock:
            self._held_until = max(self._held_until, time.monotonic() + seconds)


class Patience:
    """Tries a call again while its failures may pass; stops a job whose service is down."""

    def __init__(self, where: str, pace: Pace) -> None:
        self._where = where
        self._pace = pace
        self._given_up = 0
        self._backoff = exponential(multiplier=FIRST_WAIT_S, max=60 * FIRST_WAIT_S)

    def run(self, call: Callable[[], T], chars: int) -> T:
        """The call's result. Raises its last ServiceError when it never succeeds."""

        def paced() -> T:
            self._pace.wait(chars)
            return call()

        retrying = Retrying(
            retry=retry_if_exception(lambda e: isinstance(e, ServiceError) and e.passing),
            stop=stop_after_attempt(TRIES),
            wait=self._wait,
            reraise=True,
        )
        try:
            result = retrying(paced)
        except ServiceError as error:
            self._gave_up(error)
            raise
        self._given_up = 0
        return result

    def _wait(self, state: RetryCallState) -> float:
        """What the service asks for holds every thread; else each waits longer by itself."""
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, ServiceError) and error.wait_s is not None:
            self._pace.hold(error.wait_s)
            return 0.0
        return self._backoff(state)

    def _gave_up(self, error: ServiceError) -> None:
        if not error.passing:
            return
        self._given_up += 1
        if self._given_up >= GIVE_UP_AFTER:
            raise BabelmixError(
                f"{self._where}: {self._given_up} texts in a row got no answer in {TRIES} tries "
                f"each ({error.reason}). Check the service, the account's limits and credit, or "
                "lower `concurrency`. What is done is kept in the journal; run again to go on."
            ) from None


def asked_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds that a service asks to wait, at most ten minutes."""
    wait = retry_after(headers)
    return None if wait is None else min(wait, _LONGEST_WAIT_S)
