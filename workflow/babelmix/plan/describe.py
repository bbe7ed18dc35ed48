"""Verb ``describe``: what the tables, figures and the report must know of a study set."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..config.evaluation import Study
from ..config.training import Recipe
from ..io import write_json
from ..specs import MixtureSpec
from ..stages import STAGE_VERSIONS
from .runs import EvaluationPlan, Run

if TYPE_CHECKING:
    from .graph import Plan


def shares(spec: MixtureSpec) -> dict[str, float]:
    """Nominal share of each language in a mixture's rows (counts are in its manifest)."""
    if spec.kind == "union":
        return {}
    weights = spec.weights or dict.fromkeys(spec.languages, 1.0)
    whole = sum(weights.values())
    mixed = 1.0 if spec.main is None else (spec.mixed_percent or 0.0) / 100
    parts = {code: mixed * weight / whole for code, weight in weights.items()}
    if spec.main is not None:
        parts[spec.main] = parts.get(spec.main, 0.0) + 1.0 - mixed
    return parts


def _run(plan: Plan, run: Run) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "model": run.model,
        "mixture": run.mixture,
        "recipe": run.recipe,
        "seed": run.seed,
        "studies": run.studies,
        "label": run.mixture or f"{run.model} (untuned)",
        "dataset": None,
        "kind": "untuned",
        "languages": [],
        "shares": {},
        "main": None,
        "mixed_percent": None,
        "mixed_rows": None,
        "aliases": [],
    }
    if run.mixture is None:
        return shown
    spec = plan.expansion.mixtures[run.mixture]
    if len(plan.models) > 1:
        shown["label"] = f"{run.mixture} · {run.model}"
    fields = {"dataset", "kind", "languages", "main", "mixed_percent", "mixed_rows"}
    shown |= spec.model_dump(include=fields)
    shown |= {"shares": shares(spec), "aliases": plan.expansion.aliases(run.mixture)}
    return shown


def _study(plan: Plan, name: str, study: Study) -> dict[str, Any]:
    families = dict.fromkeys(f for s in study.runs for f in s.mixtures)
    # Only where there are some: another study's description stays as it was.
    declared = {"contrasts": plan.contrasts[name]} if plan.contrasts[name] else {}
    return declared | {
        "title": study.title,
        "question": study.question,
        "deviations": [d.model_dump(exclude_defaults=True) for d in study.deviations],
        "runs": [r.name for r in plan.runs.values() if name in r.studies],
        "evaluations": [e.name for e in plan.evaluations.values() if name in e.studies],
        "families": [
            {
                "name": family,
                "policy": section.policy,
                "mixtures": [
                    plan.expansion.canonical[m] for m in plan.expansion.families.get(family, [])
                ],
                "names": plan.expansion.families.get(family, []),
            }
            for family in families
            if (section := plan.config.mixtures.get(family)) is not None
        ],
    }


def _evaluation(plan: Plan, planned: EvaluationPlan) -> dict[str, Any]:
    """What is judged; of a jury also its members' evaluations."""
    wanted = planned.evaluation
    shown = {
        "benchmark": wanted.benchmark,
        "judge": wanted.judge,
        "engine": plan.config.judges[wanted.judge].engine,
        "protocol": wanted.protocol,
        "baseline": wanted.baseline,
        "languages": sorted({c for langs in planned.languages_by_run.values() for c in langs}),
    }
    if wanted.order_rule != "strict":
        shown["order_rule"] = wanted.order_rule
    return shown | ({"members": planned.members} if planned.members else {})


def _dataset(plan: Plan, name: str) -> dict[str, Any]:
    """Sources of a pool, and the translators that it may use."""
    pool = plan.dataset(name)
    used = pool.translator.values() if isinstance(pool.translator, dict) else [pool.translator]
    found = {"sources": list(pool.sources), "translators": sorted({t for t in used if t})}
    return found if pool.parallel else found | {"parallel": False}


def _likelihoods(plan: Plan) -> dict[str, Any]:
    """Held-out texts; nothing where none are scored, so that such study sets stay as they were."""
    found = {
        name: {
            "dataset": held.section.dataset,
            "benchmark": held.section.benchmark,
            "languages": held.languages,
            "studies": held.studies,
        }
        for name, held in plan.likelihoods.items()
    }
    return {"likelihoods": found} if found else {}


def describe(plan: Plan) -> dict[str, Any]:
    """The study set as plain JSON."""
    config = plan.config
    return _likelihoods(plan) | {
        "study_set": config.study_set,
        "description": config.description,
        "note": config.note,
        "confidence": config.confidence,
        "bootstrap_samples": config.bootstrap_samples,
        "languages": {
            code: language.model_dump(include={"name", "family", "script", "pretraining_share"})
            for code, language in config.languages.items()
        },
        "runs": {run.name: _run(plan, run) for run in plan.runs.values()},
        "evaluations": {name: _evaluation(plan, e) for name, e in plan.evaluations.items()},
        "studies": {name: _study(plan, name, study) for name, study in plan.studies.items()},
        # Without defaults: a key of a later release must not make the report again.
        "benchmarks": {
            b: config.benchmarks[b].model_dump(exclude_defaults=True) for b in plan.benchmarks
        },
        "models": {
            m: config.models[m].model_dump(include={"path", "repo", "revision", "licence"})
            for m in plan.models
        },
        "recipes": {
            name: config.training[name].model_dump(
                exclude={*Recipe.EXECUTION_ONLY, "deepspeed"}, exclude_defaults=True
            )
            for name in dict.fromkeys(r.recipe for r in plan.runs.values() if r.recipe)
        },
        "sources": {
            name: source.model_dump(include={"licence", "non_commercial", "citation"})
            for name, source in plan.sources.items()
        },
        "datasets": {name: _dataset(plan, name) for name in plan.datasets},
        "code_version": __version__,
        "stage_versions": STAGE_VERSIONS,
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument("--config", required=True, type=Path, help="configuration (YAML or JSON)")
    parser.add_argument("--output", required=True, type=Path, help="study.json")


def run(args: argparse.Namespace) -> None:
    """Write the description."""
    from ..config.load import load_config
    from .graph import Plan

    plan = Plan(load_config(args.config))
    write_json(args.output, plan.describe())
    print(f"study set {plan.config.study_set}: {len(plan.runs)} runs, {len(plan.studies)} studies")
