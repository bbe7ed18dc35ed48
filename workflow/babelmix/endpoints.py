"""Which keys go to which web addresses, and how long a server asks to wait."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit


def is_loopback(url: str | None) -> bool:
    """True for an address on this machine, by its exact host name: needs no key and no TLS."""
    return url is not None and urlsplit(url).hostname in {"127.0.0.1", "localhost", "::1"}


#: Keys with a name that everybody knows, and the hosts that they belong to (with all below them).
KNOWN_KEYS = {
    "OPENAI_API_KEY": ("openai.com",),
    "ANTHROPIC_API_KEY": ("anthropic.com",),
    "GEMINI_API_KEY": ("googleapis.com",),
    "GOOGLE_API_KEY": ("googleapis.com",),
    "MISTRAL_API_KEY": ("mistral.ai",),
    "DEEPSEEK_API_KEY": ("deepseek.com",),
    "OPENROUTER_API_KEY": ("openrouter.ai",),
    "GROQ_API_KEY": ("groq.com",),
    "TOGETHER_API_KEY": ("together.xyz", "together.ai"),
    "HF_TOKEN": ("huggingface.co", "hf.co"),
    "DEEPL_AUTH_KEY": ("deepl.com",),
    "AZURE_TRANSLATOR_KEY": ("microsofttranslator.com", "azure.com", "azure.us", "azure.cn"),
}


def foreign_key(key_env: str, url: str | None) -> str | None:
    """Why a key must not be sent to an address; None where it may.

    A key under a name that belongs to one service goes to that service and to this machine only: a
    ``base_url`` changed without its ``key_env`` would hand the key to somebody else.
    """
    owners = KNOWN_KEYS.get(key_env)
    if owners is None or url is None or is_loopback(url):
        return None
    host = (urlsplit(url).hostname or "").lower().rstrip(".")
    if any(host == owner or host.endswith(f".{owner}") for owner in owners):
        return None
    return (
        f"`base_url` is on the host '{host}', and {key_env} is the key of {' or '.join(owners)}: "
        "it is not sent elsewhere. Put that host's own key into a variable of its own "
        "(MY_HOST_KEY, say) and name it with `key_env`."
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait (``retry-after-ms``, ``retry-after`` in either form).

    A date counts from the time that the server itself says it is: our clock may be another. None
    where nothing is asked, or nothing that can be read.
    """
    try:
        if headers.get("retry-after-ms"):
            wait = float(headers["retry-after-ms"]) / 1000
        elif not (value := (headers.get("retry-after") or "").strip()):
            return None
        elif value.replace(".", "", 1).isdecimal():
            wait = float(value)
            if wait > 1e9:  # a time, as seconds since 1970
                now = headers.get("date")
                wait -= parsedate_to_datetime(now).timestamp() if now else time.time()
        else:
            now = headers.get("date")
            asked = parsedate_to_datetime(value).timestamp()
            wait = asked - (parsedate_to_datetime(now).timestamp() if now else time.time())
    except (TypeError, ValueError, OverflowError):
        return None
    return max(wait, 0.0) if math.isfinite(wait) else None
