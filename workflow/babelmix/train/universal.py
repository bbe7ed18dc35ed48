"""DeepSpeed checkpoints for another number of devices: conversion to its universal format.

DeepSpeed's own checkpoints hold one part per device and load on as many devices only. Its tool
``ds_to_universal`` makes one folder per weight out of them, which any number of devices reads. No
torch here: the tool runs in a process of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from ..errors import BabelmixError
from ..io import sync_directory, write_text

_LATEST = "latest_universal"


def to_universal(checkpoint: Path, stage: int, threads: int, run: str) -> None:
    """Convert a whole checkpoint, beside its own parts; a finished conversion is kept.

    Raises BabelmixError with the tool's own last words where it fails.
    """
    if (checkpoint / _LATEST).is_file():
        return
    tag = (checkpoint / "latest").read_text(encoding="utf-8").strip()
    target, fresh = checkpoint / f"{tag}_universal", checkpoint / f".{tag}_universal.new"
    for leftover in (target, fresh):
        shutil.rmtree(leftover, ignore_errors=True)
    command = [sys.executable, "-m", "deepspeed.checkpoint.ds_to_universal"]
    command += ["--input_folder", str(checkpoint / tag), "--output_folder", str(fresh)]
    command += ["--num_extract_workers", str(threads), "--num_merge_workers", str(threads)]
    if stage < 3:  # its names of the weights are not in a checkpoint of these stages
        command += ["--inject_missing_state"]
    quiet = {"DS_ACCELERATOR": "cpu", "CUDA_VISIBLE_DEVICES": ""}
    made = subprocess.run(
        command, env=os.environ | quiet, capture_output=True, text=True, check=False
    )
    # The tool names its result in a file beside the input, whether or not it is whole.
    (checkpoint / _LATEST).unlink(missing_ok=True)
    if made.returncode != 0 or not fresh.is_dir():
        shutil.rmtree(fresh, ignore_errors=True)
        said = (made.stderr.strip().splitlines() or ["no message"])[-1]
        raise BabelmixError(
            f"{run}: {checkpoint} cannot be converted for another number of devices ({said}). Run "
            f"on as many devices as before, or delete {checkpoint.parent} to start again."
        )
    fresh.rename(target)
    sync_directory(checkpoint)
    write_text(checkpoint / _LATEST, target.name)
