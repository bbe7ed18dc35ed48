"""Checkpoints that a killed training resumes from: whole ones only.

Neither DeepSpeed's nor transformers' checkpoints are written atomically. Ours count once a manifest
with the size and digest of every file lies in them, written last; anything else is a torn one and
is skipped. Digests are compared once, before a training goes on.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import BabelmixError
from ..folders import changed_files, file_digests, sync_tree
from ..io import read_json, write_json

MANIFEST = "whole.json"
_NAME = re.compile(r"checkpoint-(\d+)")


def mark_whole(folder: Path, *, step: int, devices: int, training: str) -> None:
    """Write the manifest of a finished checkpoint; ``training`` is its digest."""
    sync_tree(folder)
    digests = file_digests(folder)
    sizes = {name: (folder / name).stat().st_size for name in digests}
    record = {"step": step, "devices": devices, "training": training}
    record |= {"files": sizes, "sha256": digests}
    write_json(folder / MANIFEST, record)


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


def newest_whole(work: Path, *, training: str, devices: int) -> tuple[int, Path] | None:
    """The newest whole checkpoint of this very training, as its step and folder.

    Torn ones and those of another training (its settings or rows have changed) are passed over.
    Raises BabelmixError where the newest was written by another number of devices.
    """
    for step, path, record in _whole(work):
        if record["training"] != training:
            continue
        if record["devices"] != devices:
            raise BabelmixError(
                f"{path}: written by a training on {record['devices']} device(s), and this one has "
                f"{devices}. Run it on {record['devices']} again, or delete {work} to start afresh."
            )
        return step, path
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
