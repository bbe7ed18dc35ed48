"""Download of one file: whole or not at all, resumed where it was cut off, even by a kill.

The bytes that came lie beside the target (``.{name}.part``) with a note of which version of the
file they belong to. A version is what the caller knows the content by (a hub file's commit and
digest), else the server's strong ETag; without either a download starts anew.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BabelmixError
from ..io import sync_directory

if TYPE_CHECKING:
    import httpx2

#: Tries of an address, and the first wait between two, in seconds.
TRIES = 5
WAIT_S = 1.0
TIMEOUT_S = 60.0


def download(
    address: str,
    target: Path,
    where: str,
    *,
    headers: dict[str, str] | None = None,
    version: str | None = None,
) -> bool:
    """One file from the web -> ``target``; False when the server has none (404).

    Rate limits, server errors and lost connections are tried again a few times, each time from
    where the last one stopped. ``where`` names the key of the configuration in errors, ``headers``
    go to the address's own host only. Raises BabelmixError for anything else that goes wrong.
    """
    import httpx2
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

    retrying = Retrying(
        retry=retry_if_exception_type(httpx2.TransportError),
        stop=stop_after_attempt(TRIES),
        wait=wait_exponential(multiplier=WAIT_S, max=30),
        reraise=True,
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        status = retrying(_try, address, target, headers or {}, version)
    except httpx2.HTTPError as error:
        reason = str(error) or type(error).__name__
        raise BabelmixError(
            f"{where}: {address} could not be fetched: {reason}. Check the network and run again "
            "(what came is kept); or download the file elsewhere and give it as `path`."
        ) from None
    if status not in (200, 206, 404):
        mend = (
            "The server lets nobody in without an account: download the file yourself and give it "
            "as `path`."
            if status in (401, 403)
            else "Check the address and its revision."
        )
        raise BabelmixError(f"{where}: {address} could not be fetched: HTTP {status}. {mend}")
    return status != 404


def _part_of(target: Path) -> tuple[Path, Path]:
    """Where the bytes that came and the note of their version lie."""
    part = target.with_name(f".{target.name}.part")
    return part, part.with_name(f"{part.name}.version")


def _try(address: str, target: Path, headers: dict[str, str], version: str | None) -> int:
    """One try; returns the HTTP status. The target is there after 200 and 206 only."""
    import httpx2

    part, note = _part_of(target)
    noted = note.read_text(encoding="utf-8") if note.is_file() else ""
    usable = bool(noted) and (version is None or noted == version)
    have = part.stat().st_size if usable and part.is_file() else 0
    asked = {"accept-encoding": "identity"} | headers
    if have:
        asked["range"] = f"bytes={have}-"
        if version is None:
            asked["if-range"] = noted
    with httpx2.stream(
        "GET", address, headers=asked, follow_redirects=True, timeout=TIMEOUT_S
    ) as response:
        status = int(response.status_code)
        if status == 429 or status >= 500:
            raise httpx2.TransportError(f"HTTP {status}")
        wrong_range = status == 206 and not _continues(response, have)
        if status == 416 or wrong_range:
            part.unlink(missing_ok=True)
            raise httpx2.TransportError(f"HTTP {status}: not the part that was asked for")
        if status not in (200, 206):
            return status
        if status == 200:
            note.write_text(version or _strong_etag(response), encoding="utf-8")
        with part.open("ab" if status == 206 else "wb") as handle:
            for chunk in response.iter_bytes():
                handle.write(chunk)
            handle.flush()
            os.fsync(handle.fileno())
    part.replace(target)
    note.unlink(missing_ok=True)
    sync_directory(target.parent)
    return status


def _continues(response: httpx2.Response, have: int) -> bool:
    """Whether a partial response begins where the bytes at hand end."""
    return str(response.headers.get("content-range", "")).startswith(f"bytes {have}-")


def _strong_etag(response: httpx2.Response) -> str:
    """The ETag when it vouches for the bytes as they are counted here, else nothing."""
    etag = str(response.headers.get("etag", ""))
    plain = response.headers.get("content-encoding", "identity") == "identity"
    return etag if plain and etag.startswith('"') else ""


def forget(target: Path) -> None:
    """Delete a fetched file that turned out wrong, with all that belongs to it."""
    for path in (target, *_part_of(target)):
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
