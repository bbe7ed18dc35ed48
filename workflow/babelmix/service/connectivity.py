"""Whether anything answers at an address at all: asked once, before the first call."""

from __future__ import annotations

import socket
import time
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from ..endpoints import is_loopback
from ..errors import BabelmixError

_TRIES = 3
_TIMEOUT_S = 5.0


def check_reachable(base_url: str, pause_s: float = 1.0) -> None:
    """Raise BabelmixError where nothing listens at the address, after a few tries.

    Behind a proxy nothing can be told: the proxy would answer for it.
    """
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BabelmixError(
            f"`base_url` {base_url}: not an address. Give one like https://host/v1."
        )
    proxied = parts.scheme in getproxies() and not proxy_bypass(parts.hostname)
    if proxied and not is_loopback(base_url):
        return
    port = parts.port or (443 if parts.scheme == "https" else 80)
    problem = ""
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(pause_s)
        try:
            socket.create_connection((parts.hostname, port), timeout=_TIMEOUT_S).close()
            return
        except OSError as error:
            problem = error.strerror or type(error).__name__
    raise BabelmixError(
        f"No server answers at {base_url} ({problem}; tried {_TRIES} times). Is it started, and is "
        "`base_url` right? Nothing was asked."
    )
