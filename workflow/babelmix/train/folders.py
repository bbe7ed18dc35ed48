"""Folders that appear whole or not at all, and the digests of what is in them."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from ..io import file_digest, sync_directory


@contextlib.contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside ``target``; on success it is synced and takes its place.

    A leftover of a killed attempt is removed first; an error removes the new folder and leaves the
    old one as it was.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.parent / f".{target.name}.new"
    stale = target.parent / f".{target.name}.old"
    for leftover in (fresh, stale):
        shutil.rmtree(leftover, ignore_errors=True)
    fresh.mkdir()
    try:
        yield fresh
        for path in fresh.rglob("*"):
            if path.is_file():  # some libraries leave files that only their owner may read
                path.chmod(0o666 & ~_umask())
        sync_tree(fresh)
        if target.exists():
            target.rename(stale)
        fresh.rename(target)
        sync_directory(target.parent)
    finally:
        for leftover in (fresh, stale):
            shutil.rmtree(leftover, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def sync_tree(folder: Path) -> None:
    """Bring a folder's files to the disk, so that a later rename cannot name empty ones."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as handle:
                os.fsync(handle.fileno())
    sync_directory(folder)


def file_digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder, by relative name."""
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    return {name: file_digest(folder / name) for name in names}
