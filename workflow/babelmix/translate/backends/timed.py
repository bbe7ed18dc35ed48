"""A limit on the whole of a reply, for httpx's synchronous client. Imports httpx.

Its own time-out begins anew with each byte: a server that drips would never meet it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2


class _Timed(httpx2.SyncByteStream):
    """A response's bytes, for so many seconds."""

    def __init__(self, stream: Any, seconds: float) -> None:
        self._stream, self._seconds = stream, seconds
        self._end = time.monotonic() + seconds

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._stream:
            if time.monotonic() > self._end:
                raise httpx2.ReadTimeout(f"not whole within {self._seconds:g} s")
            yield piece

    def close(self) -> None:
        self._stream.close()


def whole_within(seconds: float) -> Callable[[httpx2.Response], None]:
    """A hook for ``event_hooks``: completions must be whole in time (files of a batch need not)."""

    def hook(response: httpx2.Response) -> None:
        if response.request.url.path.endswith("/completions"):
            response.stream = _Timed(response.stream, seconds)

    return hook
