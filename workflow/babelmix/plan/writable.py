"""Folders that a run must write to, looked at before Snakemake tries to."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import BabelmixError


def require_working_folder(folder: Path) -> None:
    """Refuse a working folder in which Snakemake cannot keep its records.

    Raises:
        BabelmixError: naming the folder, and where else to run.
    """
    place = nearest(folder / ".snakemake")
    if not os.access(place, os.W_OK | os.X_OK):
        raise BabelmixError(
            f"Permission denied: {place}. Snakemake keeps its records in {folder}/.snakemake, and "
            "this folder cannot be written to (read-only, or another user's). Run in a folder of "
            f"your own: snakemake --snakefile {Path(__file__).resolve().parents[3]}/Snakefile "
            "--directory FOLDER --configfile CONFIG (with absolute paths in the configuration)."
        )


def require_results_folder(root: Path) -> None:
    """Refuse a results folder that cannot be written to, before the first job.

    Raises:
        BabelmixError: naming the folder and the fix.
    """
    for place in (nearest(root), *(p for p in root.glob("*") if p.is_dir())):
        if not os.access(place, os.W_OK | os.X_OK):
            raise BabelmixError(
                f"Permission denied: {place}. Results are written to {root}. Fix the permissions, "
                "or choose another results folder (another `study_set`, or `--directory`). Nothing "
                "was started."
            )


def nearest(path: Path) -> Path:
    """The path itself, or its nearest parent that is there."""
    path = path.absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    return path
