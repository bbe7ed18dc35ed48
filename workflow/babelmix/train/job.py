"""One training as the processes that run it are told it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..config.base import Section
from ..io import digest, file_digest, read_json
from ..specs import TrainSpec


class Job(Section):
    """Everything a training process needs; passed between processes as JSON."""

    spec: TrainSpec
    manifest: Path | None
    config: Path | None
    rows: Path
    model: Path
    work: Path
    folder: Path
    metrics: Path
    completed: Path
    threads: int
    devices: int
    on_gpu: bool
    made_by: dict[str, Any] | None = None


def model_digest(folder: Path) -> str:
    """Digest of a prepared model's files, from its record where there is one."""
    record = folder.parent / f"{folder.name}.json"
    if record.is_file():
        return digest(read_json(record)["files"])
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    return digest({name: file_digest(folder / name) for name in names})
