"""Verb ``check``: say what this machine lacks to run a configuration, before anything runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..config.load import read_yaml
from ..errors import BabelmixError
from . import load_jobs
from .checks import count_gpus
from .graph import Plan


def preflight(plan: Plan, *, gpus_here: int | None) -> None:
    """Raise one error that lists everything missing.

    Raises:
        BabelmixError: one paragraph a problem, each with its mend.
    """
    problems = plan.problems(gpus_here=gpus_here)
    if problems:
        raise BabelmixError("nothing was started:\n\n" + "\n\n".join(problems))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument("--config", required=True, type=Path, help="configuration (YAML or JSON)")
    parser.add_argument(
        "--jobs-run-elsewhere",
        action="store_true",
        help="do not count this machine's GPUs: the jobs run on a cluster",
    )


def run(args: argparse.Namespace) -> None:
    """Check and say so."""
    plan = load_jobs(read_yaml(args.config)).plan
    preflight(plan, gpus_here=None if args.jobs_run_elsewhere else count_gpus())
    print(f"{args.config}: ready to run {len(plan.runs)} runs of {len(plan.studies)} studies")
