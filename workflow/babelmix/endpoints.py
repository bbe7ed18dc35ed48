"""Which web addresses are on this machine: those need no key and may do without TLS."""

from __future__ import annotations

from urllib.parse import urlsplit


def is_loopback(url: str | None) -> bool:
    """True for an address on this machine, by its exact host name."""
    return url is not None and urlsplit(url).hostname in {"127.0.0.1", "localhost", "::1"}
