"""Folders that appear whole or not at all, the digests of what is in them, and failed writes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .errors import BabelmixError
from .io import file_digest, read_json, sync_directory, umask

#: Files of a model's folder that decide nothing: a person may edit them.
_FOR_PEOPLE = (".md", ".png", ".svg")


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
                path.chmod(0o666 & ~umask())
        sync_tree(fresh)
        if target.exists():
            target.rename(stale)
        fresh.rename(target)
        sync_directory(target.parent)
    finally:
        for leftover in (fresh, stale):
            shutil.rmtree(leftover, ignore_errors=True)


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
    return digests_of(folder, names)


def digests_of(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """SHA-256 of some files of a folder, several at once (hashing holds no lock of Python's)."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return dict(zip(names, pool.map(lambda n: file_digest(folder / n), names), strict=True))


def changed_files(folder: Path, digests: dict[str, str]) -> list[str]:
    """The files that are missing or whose bytes are not the recorded ones."""
    there = [name for name in digests if (folder / name).is_file()]
    found = digests_of(folder, there)
    return [name for name in digests if found.get(name) != digests[name]]


def check_model(folder: Path, record: Path) -> None:
    """A model's folder must hold what its record says, to the byte, before anything is spent on it.

    Raises BabelmixError, naming the file, for one that is torn, damaged, or was changed.
    """
    recorded: dict[str, str] = read_json(record).get("files", {})
    changed = changed_files(
        folder, {n: sha for n, sha in recorded.items() if not n.endswith(_FOR_PEOPLE)}
    )
    if changed:
        raise BabelmixError(
            f"{folder / changed[0]}: not the file that {record} tells of (missing, torn, damaged, "
            f"or changed by hand). Delete {record} and run again: it is made anew."
        )


@contextlib.contextmanager
def only_one(folder: Path, what: str) -> Iterator[None]:
    """Be the only process that works in a folder; the lock ends with the process that holds it."""
    handle = os.open(folder, os.O_RDONLY)  # the folder itself: no file is left behind
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise BabelmixError(
            f"{what}: another process is at work in {folder}. Wait for it, or end it; both would "
            "spoil each other's files."
        ) from None
    except OSError:
        pass  # a file system without locks: Snakemake's own lock must do
    try:
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def failed_writes(folder: Path) -> Iterator[None]:
    """Turn what torch and safetensors make of a failed write into the OSError that it was."""
    try:
        yield
    except Exception as error:
        if number := re.search(r"\(os error (\d+)\)", str(error)):  # safetensors' own error
            raise OSError(int(number[1]), os.strerror(int(number[1])), str(folder)) from error
        if "inline_container" in str(error):  # torch's, which does not say why
            try_to_write(folder)
        raise


def try_to_write(folder: Path, size: int = 1 << 20) -> None:
    """Write a file of so many bytes and delete it; raises the OSError that a write meets there."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".try.") as handle:
        handle.write(bytes(size))
        handle.flush()
        os.fsync(handle.fileno())
