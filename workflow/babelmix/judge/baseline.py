"""Verb ``choose-baseline``: the monolingual run with the highest mean single grade."""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean
from typing import Any

from ..errors import BabelmixError
from ..io import read_records, write_json
from ..options import add_settings, read_settings
from ..records import Judgement
from ..specs import BaselineSpec


def choose_baseline(spec: BaselineSpec, judgements: Iterable[Judgement]) -> dict[str, Any]:
    """The run with the highest mean, all means, and the share of turns that were scored.

    A run's mean is that of its languages' means, so that unscored turns of one language do not
    shift the weight of another. Equal means: the first in the order of ``spec.runs``.
    """
    scores: dict[str, dict[str, list[float]]] = {run: defaultdict(list) for run in spec.runs}
    asked = dict.fromkeys(spec.runs, 0)
    for judgement in judgements:
        if judgement.run not in scores or judgement.protocol != "single":
            continue
        asked[judgement.run] += 1
        if judgement.score is not None:
            scores[judgement.run][judgement.lang].append(judgement.score)
    empty = [run for run in spec.runs if not scores[run]]
    if empty:
        raise BabelmixError(
            f"choose-baseline: no scored grade of {', '.join(empty)} by {spec.judge_name} on "
            f"{spec.benchmark}. Look at the unscored reasons of its judgements."
        )
    means = {
        run: fmean(fmean(values) for _, values in sorted(scores[run].items())) for run in spec.runs
    }
    coverage = {run: sum(map(len, scores[run].values())) / asked[run] for run in spec.runs}
    best = max(spec.runs, key=lambda run: means[run])
    return {"run": best, "means": means, "coverage": coverage}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    add_settings(parser, BaselineSpec)
    parser.add_argument(
        "--judgements", required=True, nargs="+", type=Path, help="single grades of the runs"
    )
    parser.add_argument("--output", required=True, type=Path, help="the choice (JSON)")


def run(args: argparse.Namespace) -> None:
    """Run the verb."""
    spec = read_settings(args, BaselineSpec)
    judgements = [row for path in args.judgements for row in read_records(path, Judgement)]
    choice = choose_baseline(spec, judgements)
    write_json(args.output, choice)
    mean = choice["means"][choice["run"]]
    print(f"baseline: {choice['run']} (mean grade {mean:.3f}, best of {len(spec.runs)} runs)")
