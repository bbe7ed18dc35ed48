"""Verb ``check``: say what this machine lacks to run a configuration, before anything runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..config.evaluation import OpenAIJudge
from ..config.load import read_yaml
from ..config.mixtures import Sampled
from ..errors import BabelmixError
from ..mixtures.shares import half_up
from . import load_jobs
from .checks import count_gpus, low_caps, unconfirmed
from .cost import by_payer, cost_lines
from .graph import Plan
from .preflight import refusals
from .probe import probe_services
from .quantities import mixture_rows


def preflight(plan: Plan, *, gpus_here: int | None, others: list[str] | None = None) -> None:
    """Raise one error that lists everything missing.

    Raises:
        BabelmixError: one paragraph per problem, each with its fix.
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

    parser.add_argument(
        "--no-probe",
        action="store_true",
        help="do not ask each judge and chat translator one small question, which finds out "
        "what it does not take",
    )


def small_pinches(plan: Plan) -> list[str]:
    """Mixtures with fewer rows to spread than languages to spread them over, by estimate."""
    found = []
    for name in plan.mixtures:
        for leaf in plan.expansion.mixtures[name].leaves:
            asked = leaf.mixed_percent or leaf.mixed_rows
            if leaf.kind != "blocks" or (len(leaf.languages) < 2 and not asked):
                continue  # a pinch over one language may round to no row at all
            rows = leaf.mixed_rows
            if rows is None:
                percent = 100.0 if leaf.main is None else leaf.mixed_percent or 0.0
                rows = half_up(percent, mixture_rows(plan, leaf), percent=True)
            if rows < len(leaf.languages):
                found.append(
                    f"mixture '{leaf.name}': {rows} {'row' if rows == 1 else 'rows'} for "
                    f"{_counted(leaf.languages)}: "
                    f"{'some get none' if len(leaf.languages) > 1 else 'it gets none'}."
                )
    return found


def _counted(languages: list[str]) -> str:
    noun = "language" if len(languages) == 1 else "languages"
    return f"{len(languages)} {noun} ({', '.join(languages)})"


def remarks(plan: Plan) -> list[str]:
    """What may be meant so and is easily overlooked, one line each."""
    from ..judge.prompts import has_prompts

    config = plan.config
    using: dict[str, set[str]] = {}
    for _, recipe, dataset in plan.recipes_by_model():
        if config.training[recipe].system_prompt:
            for lang in plan.languages_trained_on(dataset):
                using.setdefault(lang, set()).add(f"training.{recipe}")
    for name in plan.benchmarks:
        if config.benchmarks[name].system_prompt:
            for lang in config.benchmarks[name].languages:
                using.setdefault(lang, set()).add(f"benchmarks.{name}")
    found = [
        f"languages.{lang}: no system prompt, although {', '.join(sorted(places))} use one: its "
        "chats open without."
        for lang, places in sorted(using.items())
        if not config.languages[lang].system_prompt
    ]
    found += low_caps(config, by_payer(cost_lines(plan)))
    found += small_pinches(plan)
    found += [
        f"mixtures.{name}: dataset '{family.dataset}' is parallel, so its languages are of one "
        "size: `weights: size` gives equal shares."
        for name, family in config.mixtures.items()
        if isinstance(family, Sampled) and family.weights == "size"
        if getattr(config.datasets[family.dataset], "parallel", True)
    ]
    for planned in plan.evaluations.values():
        name = planned.evaluation.judge
        judge = config.judges[name]
        if isinstance(judge, OpenAIJudge) and judge.prompt_language == "tested":
            asked = config.benchmarks[planned.evaluation.benchmark].languages
            found += [
                f"judges.{name}: no prompts in '{lang}': it is asked in English there."
                for lang in planned.evaluation.languages or asked
                if not has_prompts(lang)
            ]
    return list(dict.fromkeys(found))


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
    others += unconfirmed(plan.config, by_payer(cost_lines(plan)), Path(plan.root))
    refused, found_out = refusals(plan)
    others += refused
    here = None if elsewhere else count_gpus()
    notes = remarks(plan) + found_out
    if not args.no_probe and not others and not plan.problems(gpus_here=here):
        found, told = probe_services(plan.config, plan.judges, plan.translators, Path(plan.root))
        others, notes = others + found, notes + told
    preflight(plan, gpus_here=here, others=others)
    for remark in notes:
        print(f"note: {remark}")
    print(f"{args.config}: ready to run {len(plan.runs)} runs of {len(plan.studies)} studies")
