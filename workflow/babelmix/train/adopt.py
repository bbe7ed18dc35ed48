"""A training that was done before under another name: its weights are taken over.

A mixture or a run that is renamed has other files, but the same rows, recipe, seed and base model:
training it again would cost GPU hours for the same weights.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from .. import provenance
from ..errors import BabelmixError
from ..folders import changed_files, file_digests, whole_folder
from ..io import read_json, write_json, write_text
from .card import model_card
from .job import Job

#: Settings of a training that only name it.
_NAMES = {"run", "mixture", "model_name"}
_CARD = "README.md"


def adopt(job: Job, training: str) -> bool:
    """Take over a finished training of another name; says whether there was one.

    ``training``: digest of all that the weights depend on. The settings must be equal as well but
    for names, and every file of the checkpoint must be as its record says. Nothing is taken where
    the record does not say what made it.
    """
    for file in sorted(job.completed.parent.glob("*.json")):
        if file == job.completed or not _is_same(file, job, training):
            continue
        record, folder = read_json(file), file.with_suffix("")
        if not folder.is_dir() or changed_files(folder, record["files"]):
            continue
        _take(job, record, folder)
        print(
            f"{job.spec.run}: the same training as {record['run']}; its weights are taken over",
            file=sys.stderr,
        )
        return True
    return False


def _is_same(file: Path, job: Job, training: str) -> bool:
    origin = provenance.read_provenance(file)
    if origin is None or origin.verb != "train" or job.made_by is None:
        return False
    try:
        record = read_json(file)
    except BabelmixError:
        return False
    return record.get("training") == training and _unnamed(origin.settings) == _unnamed(
        job.made_by["settings"]
    )


def _unnamed(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in _NAMES}


def _take(job: Job, record: dict[str, Any], folder: Path) -> None:
    """Link (or copy) the checkpoint, with a record and a card of its own."""
    record = record | {"run": job.spec.run, "taken_from": record["run"]}
    with whole_folder(job.folder) as fresh:
        for name in record["files"]:
            if name != _CARD:
                (fresh / name).parent.mkdir(parents=True, exist_ok=True)
                _link(folder / name, fresh / name)
        write_text(fresh / _CARD, model_card(job.spec, record, job.manifest, job.config))
        record["files"] = file_digests(fresh)
    metrics = folder.with_name(f"{folder.name}.metrics.jsonl")
    write_text(job.metrics, metrics.read_text(encoding="utf-8") if metrics.is_file() else "")
    write_json(job.completed, record)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(source, target)
