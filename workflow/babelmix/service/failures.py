"""Failures of a call by what a user can do about them, in the server's own words.

Three kinds. This call: the prompt was refused or filtered, and would be again; it stays without a
reply, with the reason. Later: a rate limit, an outage, a reply that is none; waited for, tried
again, and asked again by the next run. Never: the key, the account, the model, the address; the job
stops at once, with what to do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..endpoints import retry_after
from ..errors import BabelmixError

if TYPE_CHECKING:
    from ..config.service import PaidService
    from .replies import Usage

_PASSING = {408, 409, 425, 429}
#: After these the server may still have done the work, and may bill it.
_MAYBE_BILLED = {408, 504, 522, 524}
#: Seconds that a server may ask to wait; for more the job stops and says so.
LONGEST_WAIT_S = 600.0

_CREDIT = re.compile(
    r"insufficient[_ ](?:quota|funds|balance|credits?)|credit balance|out of credits?|"
    r"no credits?\b|exceeded your current quota|requires more credits|billing_(?:hard_limit|not)|"
    r"(?<!token )(?<!thinking )budget[_ ](?:has been )?exceeded|exceeded[_ ]?(?:their )?budget|"
    r"over[_ ]budget|billing hard limit|account is not active|payment required|"
    r"balance is (?:too low|not enough)"
)
_DAILY = re.compile(r"per[ _-]?day|\bdaily\b|\brpd\b|\btpd\b")
_TOO_LARGE = re.compile(
    r"request too large|too large for|context[_ ]length|maximum context|prompt is too long|"
    r"too many (?:input )?tokens|string[_ ]above[_ ]max"
)
_FLAGGED = re.compile(
    r"flagged|moderation|content[_ ](?:management )?policy|content[_ ]filter|safety|"
    r"responsibleai|inappropriate|data_inspection|prohibited content|usage polic"
)
_LIMIT_NAME = re.compile(r"max_completion_tokens")
_SYSTEM = re.compile(
    r"system (?:role|message|prompt|instruction)s?\b.{0,60}\b(?:not|un)|developer instruction|"
    r"(?:not support|unsupported|unknown|invalid).{0,60}(?:\brole\b.{0,20})?['\"`]?\bsystem\b|"
    r"roles? must alternate|only user and assistant"
)
_SAMPLING = re.compile(r"temperature|top_p|reasoning_effort|\bseed\b")
_UNSUPPORTED = re.compile(
    r"unsupported|not support|only the default|not allowed|deprecated|unrecognized|not permitted"
)


class ServiceStoppedError(BabelmixError):
    """What ends the whole job: nothing more is asked."""


class IncompleteError(BabelmixError):
    """More calls failed for passing reasons than the configuration accepts."""

    exit_code = 4


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a request has no reply; ``retryable``: the next run may get one."""

    reason: str
    retryable: bool


class CallFailedError(Exception):
    """A call that failed. ``passing``: worth another try, after ``retry_after`` seconds if the
    server named a time. ``limited``: rejected by a rate limit, which costs no try. ``overload``:
    fewer at once may help. ``unsupported``: what of the request's form the server does not take.
    ``tries``: at most so many, as each may be billed. ``unknown``: refused in words that say
    nothing of the prompt: many alike in a row are no accident. ``usage``: what it is billed for;
    True where it may be billed and the server does not say."""

    def __init__(
        self,
        reason: str,
        *,
        passing: bool = False,
        retry_after: float | None = None,
        limited: bool = False,
        overload: bool = False,
        unsupported: str | None = None,
        tries: int | None = None,
        unknown: bool = False,
        usage: Usage | bool | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.passing = passing
        self.retry_after = retry_after
        self.limited = limited
        self.overload = limited or overload
        self.unsupported = unsupported
        self.tries = tries
        self.unknown = unknown
        self.usage = usage


def words(content: Any, most: int = 300) -> tuple[str, str, str]:
    """Return the code, the parameter and the server's own words in an error's body."""
    text = content.decode("utf-8", "replace") if isinstance(content, bytes) else content
    if isinstance(text, str):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            bare = re.sub(r"(?s)<(script|style)\b.*?</\1>|<[^>]*>", " ", text)
            return "", "", _line(bare)[:most]
    else:
        value = text
    held = value.get("error", value) if isinstance(value, dict) else value
    if isinstance(held, list) and held:
        held = held[0].get("error", held[0]) if isinstance(held[0], dict) else held[0]
    if not isinstance(held, dict):
        return "", "", _line(str(held))[:most]
    found = held.get("message") or held.get("detail") or held
    told = found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
    more = held.get("metadata") or held.get("details")
    if more:
        told += f" {more if isinstance(more, str) else json.dumps(more, ensure_ascii=False)}"
    code = " ".join(str(held.get(name) or "") for name in ("code", "type", "status"))
    return _line(code), str(held.get("param") or ""), _line(told)[:most]


def _line(text: str) -> str:
    """Text on one line, without the signs that a terminal would obey."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _as_bytes(content: Any) -> bytes:
    return content if isinstance(content, bytes) else str(content).encode()


def empty(usage: Usage | None) -> CallFailedError:
    """The failure of a reply that ends without a word; it is billed, so it is tried twice more."""
    return CallFailedError("empty reply", passing=True, tries=3, usage=usage or True)


def interrupted(error: Any, usage: Usage | None) -> CallFailedError:
    """The failure of a reply that an error ended."""
    said = f": {words(error)[2]}" if error else ""
    reason = f"the server broke off the reply{said}"
    return CallFailedError(reason, passing=True, tries=3, usage=usage or True)


def malformed(content: Any, usage: Usage | None) -> CallFailedError:
    """The failure of a 200 that is no completion: an error in it, HTML, an event stream."""
    code, _, told = words(content)
    try:
        held = json.loads(content) if isinstance(content, bytes) else content
        error = held.get("error") if isinstance(held, dict) else None
    except (ValueError, RecursionError):
        error = None
    reason = f"the server sent no completion: {told or 'nothing'}"
    if error:
        status = int(code.split()[0]) if code.split()[:1] and code.split()[0].isdecimal() else 500
        return _InsideError(reason, status=status, content=content, usage=usage)
    return CallFailedError(reason, passing=True, tries=3, usage=usage or True)


class _InsideError(CallFailedError):
    """An error that came with status 200."""

    def __init__(self, reason: str, *, status: int, content: Any, usage: Usage | None) -> None:
        super().__init__(reason, passing=True, usage=usage)
        self.status, self.content = status, content


def classify(error: Exception, settings: PaidService, where: str) -> CallFailedError:
    """Turn an exception of a call into its failure.

    Raises ServiceStoppedError for what stops the job; what is no failure of a call is raised as it
    is. A key is never part of what is shown.
    """
    import httpx2
    import openai

    if isinstance(error, _InsideError):
        return classify_status(error.status, error.content, {}, settings, where)
    if isinstance(error, CallFailedError):
        return error
    if isinstance(error, openai.APITimeoutError | TimeoutError | httpx2.TimeoutException):
        cause = error.__cause__ if isinstance(error, openai.APITimeoutError) else error
        sent = not isinstance(cause, httpx2.ConnectTimeout | httpx2.PoolTimeout)
        reason = f"no reply within {settings.timeout_s:g} s"
        return CallFailedError(reason, passing=True, overload=True, usage=sent)
    if isinstance(error, openai.APIStatusError):
        response = error.response
        return classify_status(
            response.status_code, response.content, response.headers, settings, where
        )
    if isinstance(error, openai.APIConnectionError | httpx2.TransportError):
        return _broken(error.__cause__ or error, where)
    if isinstance(error, ValueError | AttributeError | TypeError | LookupError | openai.APIError):
        reason = f"the server sent no completion ({type(error).__name__}: {str(error)[:200]})"
        return CallFailedError(reason, passing=True, tries=3, usage=True)
    raise error


def _broken(cause: BaseException, where: str) -> CallFailedError:
    import httpx2

    told = " ".join(str(cause).split())[:300]
    if "CERTIFICATE" in told.upper() or "SSL" in told.upper():
        raise ServiceStoppedError(
            f"{where}: no secure connection ({told}). If the server's certificate is of your own "
            "making, name its authority in the environment variable SSL_CERT_FILE."
        )
    reason = f"connection failed ({type(cause).__name__}{f': {told}' if told else ''})"
    # What never reached the server is not billed.
    sent = not isinstance(cause, httpx2.ConnectError)
    return CallFailedError(reason, passing=True, usage=sent)


def classify_status(
    status: int, content: Any, headers: Mapping[str, str], settings: PaidService, where: str
) -> CallFailedError:
    """Turn an HTTP error into its failure; see ``classify``."""
    code, parameter, told = words(content)
    low = f"{code} {told}".lower()
    said = f"HTTP {status}: {told}" if told else f"HTTP {status}"
    wait = retry_after(headers)
    by_the_minute = re.search(r"per[ _-]?min", low) is not None
    if status == 402 or (_CREDIT.search(low) and not by_the_minute and not _DAILY.search(low)):
        raise ServiceStoppedError(
            f"{where}: the account has no credit left ({said}). Top it up and run again: what was "
            "paid for is kept."
        )
    if status == 429 and _TOO_LARGE.search(low):
        return CallFailedError(f"refused by the server ({said})")
    if status == 429 and (_DAILY.search(low) or (wait or 0.0) > LONGEST_WAIT_S):
        asked = f", which asks to wait {wait / 60:.0f} minutes" if wait else ""
        raise ServiceStoppedError(
            f"{where}: a quota of the server is used up{asked} ({said}). Run again when it is "
            "renewed: what was paid for is kept."
        )
    if status in (400, 403, 422, 451) and _FLAGGED.search(low):
        return CallFailedError(f"content filter: {said}")
    if status == 403 and b"<html" in _as_bytes(content)[:2000].lower():
        # not the provider's own words
        return CallFailedError(f"refused by a firewall ({said})", unknown=True)
    if status in (401, 403):
        raise ServiceStoppedError(f"{where}: the key in {settings.key_env} was refused ({said}).")
    if status == 404 or (status == 400 and "model" in code.lower()):
        raise ServiceStoppedError(
            f"{where}: no such model or endpoint ({said}). Check `model` and `base_url`."
        )
    if status == 500 and _SYSTEM.search(low):  # a chat template's words, from some servers
        return CallFailedError(said, unsupported="system")
    if status in _PASSING or status >= 500:
        return CallFailedError(
            said,
            passing=True,
            retry_after=wait,
            limited=status == 429,
            overload=status in (503, 529),
            usage=status in _MAYBE_BILLED,
        )
    if 300 <= status < 400:
        raise ServiceStoppedError(
            f"{where}: the server sends on to another address ({said}), which is not followed: the "
            "key would go with it. Check `base_url`."
        )
    return _refused(low, code, parameter, said, where)


def _refused(low: str, code: str, parameter: str, said: str, where: str) -> CallFailedError:
    """A refusal of the request's form, which can be changed for all, or of this prompt."""
    if _LIMIT_NAME.search(low) or (parameter == "max_tokens" and code.startswith("unsupported")):
        return CallFailedError(said, unsupported="max_tokens")
    if _SYSTEM.search(low):
        return CallFailedError(said, unsupported="system")
    if code.startswith("unsupported") or _UNSUPPORTED.search(low):
        found = _SAMPLING.search(f"{parameter} {low}")
        named = code.startswith("unsupported") and parameter
        if found or (named and not parameter.startswith(("messages", "response_format"))):
            name = found[0] if found else parameter
            fix = "Set `temperature: null`" if name == "temperature" else f"Leave `{name}` out"
            raise ServiceStoppedError(
                f"{where}: it does not take `{name}` as configured ({said}). {fix} in the "
                "configuration."
            )
    return CallFailedError(said, unknown=not _TOO_LARGE.search(low))
