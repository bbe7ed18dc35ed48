"""Checkpoints that a killed training resumes from: whole ones only.

Neither DeepSpeed's nor transformers' checkpoints are written atomically. Ours count once a manifest
with the size and digest of every file lies in them, written last; anything else is a torn one and
is skipped. Digests are compared once, before a training goes on.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import BabelmixError
from ..folders import changed_files, digests_of
from ..io import read_json, sync_directory, write_json

MANIFEST = "whole.json"
_NAME = re.compile(r"checkpoint-(\d+)")
#: Digests that one device has noted, until the manifest takes them over.
_PART = "digests.{}.{}.part"
#: Files of one device: DeepSpeed's shards, and states of random numbers.
_OWN = re.compile(r"(?:zero_pp_rank_|rng_state_)(\d+)")


def digest_own(folder: Path, rank: int) -> None:
    """Bring a device's own files of a checkpoint to the disk and note their digests.

    Every device calls it as soon as it has written them, before it waits for the others.
    """
    _note(folder, rank, [path for path in _files(folder) if _owner(path) == rank], "own")


def digest_share(folder: Path, rank: int, devices: int) -> None:
    """Do the same for this device's share of the files that no device owns.

    Every device calls it once all files are written; shares are about equal in bytes, counting the
    devices' own files.
    """
    files = _files(folder)
    loads = dict.fromkeys(range(devices), 0)
    shared = []
    for path in files:
        owner = _owner(path)
        if owner in loads:
            loads[owner] += path.stat().st_size
        elif owner is None:
            shared.append(path)
    mine = []
    for path in sorted(shared, key=lambda p: (-p.stat().st_size, p.name)):
        least = min(loads, key=lambda n: (loads[n], n))
        loads[least] += path.stat().st_size
        if least == rank:
            mine.append(path)
    _note(folder, rank, mine, "share")


def mark_whole(folder: Path, *, step: int, devices: int, training: str) -> None:
    """Write the manifest of a finished checkpoint; ``training`` is its digest.

    Digests that the devices have noted are taken over; files without one are read here.
    """
    noted: dict[str, str] = {}
    for part in sorted(folder.glob(_PART.format("*", "*"))):
        noted |= read_json(part)
        part.unlink()
    names = [path.relative_to(folder).as_posix() for path in _files(folder)]
    left = [name for name in names if name not in noted]
    noted |= _synced_digests(folder, [folder / name for name in left])
    sync_directory(folder)
    digests = {name: noted[name] for name in sorted(names)}
    sizes = {name: (folder / name).stat().st_size for name in digests}
    record = {"step": step, "devices": devices, "training": training}
    record |= {"files": sizes, "sha256": digests}
    write_json(folder / MANIFEST, record)


def _files(folder: Path) -> list[Path]:
    """A checkpoint's files, without notes of their digests."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return sorted(p for p in files if not p.match(_PART.format("*", "*")) and p.name != MANIFEST)


def _owner(path: Path) -> int | None:
    """The device that wrote a file, by its name; None for one of all devices."""
    match = _OWN.search(path.name)
    return int(match[1]) if match else None


def _note(folder: Path, rank: int, files: list[Path], kind: str) -> None:
    write_json(folder / _PART.format(kind, rank), _synced_digests(folder, files))


def _synced_digests(folder: Path, files: list[Path]) -> dict[str, str]:
    """SHA-256 by relative name, of files that are brought to the disk."""
    for path in files:
        with path.open("rb") as handle:
            os.fsync(handle.fileno())
    return digests_of(folder, [path.relative_to(folder).as_posix() for path in files])


def read_whole(folder: Path) -> dict[str, Any] | None:
    """The manifest of a whole checkpoint; None for a torn one."""
    manifest = folder / MANIFEST
    if not manifest.is_file():
        return None
    try:
        record: dict[str, Any] = read_json(manifest)
    except BabelmixError:
        return None
    for name, size in record["files"].items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != size:
            return None
    return record


def _numbered(work: Path) -> list[tuple[int, Path]]:
    found = []
    for path in work.glob("checkpoint-*"):
        match = _NAME.fullmatch(path.name)
        if match and path.is_dir():
            found.append((int(match[1]), path))
    return sorted(found)


@dataclass(frozen=True, slots=True)
class Found:
    """A whole checkpoint: its step, its folder, and the number of devices that wrote it."""

    step: int
    folder: Path
    devices: int


def newest_whole(work: Path, *, training: str) -> Found | None:
    """The newest whole checkpoint of this very training.

    Torn ones and those of another training (its settings or rows have changed) are passed over.
    """
    for step, path, record in _whole(work):
        if record["training"] == training:
            return Found(step, path, record["devices"])
    return None


def _whole(work: Path) -> Iterator[tuple[int, Path, dict[str, Any]]]:
    """Whole checkpoints of any training, the newest first: step, folder, manifest."""
    for step, path in reversed(_numbered(work)):
        record = read_whole(path)
        if record is not None:
            yield step, path, record


def drop_damaged(work: Path) -> None:
    """Break the seals of damaged checkpoints: of each training, down to its newest sound one."""
    sound: set[str] = set()
    for _, path, record in list(_whole(work)):
        if record["training"] in sound:
            continue
        damaged = changed_files(path, record.get("sha256", {}))
        if not damaged:
            sound.add(record["training"])
            continue
        print(f"{path / damaged[0]}: damaged; the checkpoint is not used", file=sys.stderr)
        (path / MANIFEST).unlink()


def seals(work: Path) -> set[tuple[str, int]]:
    """Whole checkpoints by name and time: one was made since, where the set has a new member.

    Times are only told apart, never ordered: a clock may be set back in mid-training.
    """
    return {(path.name, (path / MANIFEST).stat().st_mtime_ns) for _, path, _ in _whole(work)}


def prune(work: Path, training: str = "", keep: int = 0) -> None:
    """Delete all checkpoints but the ``keep`` newest whole ones of a training."""
    own = [path for _, path, record in _whole(work) if record["training"] == training]
    for _, path in _numbered(work):
        if path not in own[:keep]:
            shutil.rmtree(path)
