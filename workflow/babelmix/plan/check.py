"""Verb ``check``: say what this machine lacks to run a configuration, before anything runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..config.load import read_yaml
from ..errors import BabelmixError
from . import load_jobs
from .checks import count_gpus
from .graph import Plan


def preflight(plan: Plan, *, gpus_here: int | None, others: list[str] | None = None) -> None:
    """Raise one error that lists everything missing.

    Raises:
        BabelmixError: one paragraph a problem, each with its mend.
    """
    problems = plan.problems(gpus_here=gpus_here) + (others or [])
    if problems:
        raise BabelmixError("nothing was started:\n\n" + "\n\n".join(problems))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument("--config", required=True, type=Path, help="configuration (YAML or JSON)")
    parser.add_argument(
        "--jobs-run-elsewhere",
        action="store_true",
        help="do not count this machine's GPUs: the jobs run on a cluster; refuse while jobs of an "
        "earlier run are alive there",
    )
    parser.add_argument(
        "--cluster",
        action="store_true",
        help="on a login node: also ask SLURM whether the profile fits this cluster",
    )
    parser.add_argument(
        "--slurm-profile",
        type=Path,
        default=Path("workflow/profiles/slurm"),
        help="the profile that --cluster reads",
    )
    parser.add_argument(
        "--try-nodes",
        type=int,
        metavar="SECONDS",
        help="with --cluster: run a small job in each partition, waiting this long for a place",
    )


def run(args: argparse.Namespace) -> None:
    """Check and say so."""
    plan = load_jobs(read_yaml(args.config)).plan
    elsewhere = args.cluster or args.jobs_run_elsewhere
    others: list[str] = []
    if elsewhere:
        from . import cluster

        others = cluster.leftovers(plan.root, Path.cwd())
        if args.cluster:
            profile = cluster.read_profile(args.slurm_profile)
            others += cluster.cluster_problems(plan, profile)
            if args.try_nodes and not others:
                others = cluster.try_nodes(profile, args.try_nodes)
    preflight(plan, gpus_here=None if elsewhere else count_gpus(), others=others)
    print(f"{args.config}: ready to run {len(plan.runs)} runs of {len(plan.studies)} studies")
