"""Which failures of a call pass, which concern one call, and which stop the whole job."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Any

from ..config.evaluation import OpenAIJudge
from ..endpoints import retry_after
from ..errors import BabelmixError

if TYPE_CHECKING:
    from tenacity import RetryCallState

_RETRYABLE_STATUS = {408, 409, 425, 429}
_LONGEST_BACKOFF = 60.0


class CallFailedError(Exception):
    """One call came to nothing. ``passing``: worth another try, after ``retry_after`` seconds if
    the server named a time. ``limited``: it was refused for being one too many, and costs no try.
    ``overload``: fewer at once may help. ``server``: the server's fault, not the prompt's.
    ``unsupported``: the parameter that the server refused."""

    def __init__(
        self,
        reason: str,
        *,
        passing: bool = False,
        retry_after: float | None = None,
        limited: bool = False,
        overload: bool = False,
        server: bool = False,
        unsupported: str | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.passing = passing
        self.retry_after = retry_after
        self.limited = limited
        self.overload = limited or overload
        self.server = server
        self.unsupported = unsupported


def is_retryable(error: BaseException) -> bool:
    """Whether tenacity should try again."""
    return isinstance(error, CallFailedError) and error.passing


def classify(error: Exception, judge: OpenAIJudge) -> CallFailedError:
    """Turn the client's exception into a failure of one call; raise BabelmixError if it is fatal.

    The text of a server's error is shown; a key is never part of what is shown.
    """
    import openai

    if isinstance(error, (openai.APITimeoutError, TimeoutError)):
        return CallFailedError(
            f"no reply within {judge.timeout_s:g} s", passing=True, overload=True
        )
    if isinstance(error, openai.APIStatusError):
        return _classify_status(error, judge)
    if isinstance(error, openai.APIConnectionError):
        return CallFailedError(
            f"connection failed ({type(error.__cause__).__name__})", passing=True
        )
    # A reply that is not what the protocol says: bad JSON, no choices, no message.
    if isinstance(error, (openai.APIError, ValueError, AttributeError, TypeError, LookupError)):
        return CallFailedError(f"malformed reply ({type(error).__name__})", passing=True)
    raise error


def _classify_status(error: Any, judge: OpenAIJudge) -> CallFailedError:
    status = error.status_code
    code = str(getattr(error, "code", None) or getattr(error, "type", None) or "")
    detail = _message(error)
    where = f"judge {judge.model} at {judge.base_url or 'the default endpoint'}"
    if (status == 429 and ("quota" in code or "billing" in code)) or status == 402:
        raise BabelmixError(
            f"{where}: the account has no credit left ({detail}). Top it up and run "
            "again: what was paid for is kept."
        )
    if status in (401, 403):
        raise BabelmixError(
            f"{where}: the key in {judge.key_env} was refused (HTTP {status}: {detail})."
        )
    if status == 404 or (status == 400 and "model" in code):
        raise BabelmixError(
            f"{where}: no such model or endpoint (HTTP {status}: {detail}). Mend `model` or "
            "`base_url` of the judge."
        )
    if status in _RETRYABLE_STATUS or status >= 500:
        return CallFailedError(
            f"HTTP {status}",
            passing=True,
            retry_after=retry_after(error.response.headers),
            limited=status == 429,
            overload=status in (503, 529),
        )
    if status == 400 and code.startswith("unsupported"):
        parameter = str(getattr(error, "param", None) or "")
        if parameter == "max_tokens":
            return CallFailedError(f"HTTP 400: {detail}", unsupported=parameter)
        raise BabelmixError(f"{where}: it does not take `{parameter}` as configured ({detail}).")
    return CallFailedError(f"HTTP {status}: {detail}", server=300 <= status < 400)


def _message(error: Any) -> str:
    """The server's own words, short and on one line."""
    body = error.body if isinstance(error.body, dict) else {}
    return " ".join(str(body.get("message") or error.message).split())[:200]


class Patience:
    """How long a job goes on trying.

    One call is tried ``max_retries`` + 1 times; refusals for being one too many (HTTP 429) are no
    tries. All in all it lasts at most that many times ``timeout_s``, waits included. A wait that a
    server asks for holds back every call of the job. When many calls in a row (as many as run at
    once, 5 to 32) failed by the server's fault, or the first so many failed for whatever reason,
    the job stops: nothing would be judged.
    """

    def __init__(self, judge: OpenAIJudge) -> None:
        self.judge = judge
        self.total_s = (judge.max_retries + 1) * judge.timeout_s
        self._not_before = 0.0
        self._given_up = 0
        self._any_success = False

    def is_over(self, state: RetryCallState) -> bool:
        """For tenacity: no tries left, or the next wait would last too long."""
        if state.attempt_number > self.judge.max_retries:
            return True
        elapsed = state.seconds_since_start or 0.0
        asked = _asked_wait(state)
        return elapsed + (asked or 0.0) > self.total_s

    def next_wait(self, state: RetryCallState) -> float:
        """For tenacity: what the server asked for, else 1, 2, 4 … seconds with jitter."""
        asked = _asked_wait(state)
        if asked is not None:
            self.hold_back(asked)
            return asked
        return self.backoff(state.attempt_number)

    def backoff(self, attempt: int, first: float = 1.0) -> float:
        """``first``, twice that, four times that … seconds, with jitter."""
        longest = min(_LONGEST_BACKOFF, self.judge.timeout_s)
        return float(min(longest, first * 2.0 ** (attempt - 1)) * random.uniform(0.5, 1.0))

    def hold_back(self, wait_s: float) -> None:
        """Start no call for that long, or for as long as our patience lasts."""
        until = time.monotonic() + min(wait_s, self.total_s)
        self._not_before = max(self._not_before, until)

    async def wait_for_server(self) -> None:
        """Hold back while the server has asked anyone to wait."""
        while (left := self._not_before - time.monotonic()) > 0:
            await asyncio.sleep(left)

    def succeeded(self) -> None:
        """A call came through."""
        self._given_up = 0
        self._any_success = True

    def gave_up(self, failure: CallFailedError) -> None:
        """A call was given up; many in a row end the job."""
        if failure.server or not self._any_success:
            self._given_up += 1
        if self._given_up >= max(5, min(self.judge.concurrency, 32)):
            raise BabelmixError(
                f"judge {self.judge.model} at {self.judge.base_url or 'the default endpoint'}: "
                f"{self._given_up} calls in a row failed; the last: {failure.reason}. Mend what it "
                "names and run again: what was paid for is kept."
            )


def _asked_wait(state: RetryCallState) -> float | None:
    """The wait that the last failure's server asked for."""
    error = state.outcome.exception() if state.outcome else None
    return error.retry_after if isinstance(error, CallFailedError) else None
