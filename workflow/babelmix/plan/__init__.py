"""The plan: what the configuration asks for, as the jobs that make it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..config.load import build_config, read_yaml
from ..io import write_json, write_text
from .graph import Plan
from .jobs import Jobs
from .layout import EXPECTED_FILE, results
from .lists import write_lists
from .writable import require_results_folder

__all__ = [
    "Jobs",
    "Plan",
    "export_environment",
    "load_jobs",
    "restore_studies",
    "write_resolved",
]


def restore_studies(raw: dict[str, Any], files: Sequence[str | Path]) -> None:
    """`--config studies=[pinch.E2]` names a part: it must not replace the section of that name."""
    named = raw.get("studies")
    if not isinstance(named, str | list):
        return
    given: dict[str, Any] = {}
    for file in files:
        given |= read_yaml(file).get("studies") or {}
    raw |= {"studies": given, "only_studies": named}


def load_jobs(raw: Mapping[str, Any]) -> Jobs:
    """Check a configuration as Snakemake merges it, and plan its jobs.

    A missing local source or model is an error here already, before anything runs.
    """
    jobs = Jobs(Plan(build_config(raw)))
    for source in jobs.plan.sources:
        jobs.local_files(source)
    for model in jobs.plan.models:
        jobs.model_files(model)
    return jobs


def export_environment() -> None:
    """Let every job find this package and this Python, whatever shell it runs in."""
    package_root = str(Path(__file__).resolve().parents[2])
    for name, first in (("PYTHONPATH", package_root), ("PATH", str(Path(sys.executable).parent))):
        places = [p for p in os.environ.get(name, "").split(os.pathsep) if p and p != first]
        os.environ[name] = os.pathsep.join([first, *places])


def write_expected(jobs: Jobs) -> None:
    """Write the settings that the plan expects of each result, for the jobs that will read them."""
    wanted = {result.path: result.digest for result in results(jobs) if result.digest}
    write_json(jobs.path(EXPECTED_FILE), wanted)


def write_resolved(raw: Mapping[str, Any], jobs: Jobs) -> None:
    """Write the configuration as it was merged, and the long lists of files, before any job.

    In the order given: of two mixtures with the same rows the first gives the name.

    Raises:
        BabelmixError: where the results cannot be written.
    """
    require_results_folder(Path(jobs.root))
    text = json.dumps(dict(raw), indent=2, ensure_ascii=False)
    write_text(jobs.path("config.resolved.json"), f"{text}\n")
    write_expected(jobs)
    write_lists(jobs)
