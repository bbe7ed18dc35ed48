"""Verb ``plan``: what a configuration would cost, by stage, before anything is spent.

Numbers that only data can tell (rows of a source that is not here, tokens of an answer) are
estimates, and the table says from what. Local files are counted; nothing is fetched and no key is
read.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path

from ..config.evaluation import OpenAIJudge
from ..config.load import load_config
from ..judge.cost import CHARS_PER_TOKEN, VERDICT_TOKENS, estimate_calls, expected_calls
from ..service.budget import estimate_calls as estimate_service
from ..translate.cost import estimate as translation_estimate
from .graph import Plan
from .hardware import GPU, UTILISATION, Hours, answering_hours, disk_words, peak_of, training_hours
from .quantities import (
    CHARS_PER_ROW,
    mixture_rows,
    n_dialogues,
    n_questions,
    n_turns,
    pool_chars,
    pool_rows,
)

#: Texts of a row that a chat model is asked to translate: its messages.
TEXTS_PER_ROW = 2
#: Characters of a prompt of a benchmark, and tokens of an answer.
CHARS_PER_PROMPT = 1500
ANSWER_TOKENS = 375


@dataclass
class Line:
    """One line of the plan. ``dollars``: None where nothing is paid, or no price is known
    (``unknown``); ``payers``: what it adds to the bill of each, None for an unknown price."""

    stage: str
    what: str
    jobs: int
    amount: str
    dollars: float | None = None
    unknown: bool = False
    payers: dict[str, float | None] = field(default_factory=dict)
    hours: Hours = field(default_factory=Hours)


def _translations(plan: Plan) -> list[Line]:
    lines = []
    for dataset in plan.datasets:
        pool = plan.dataset(dataset)
        there = {
            c: plan.translator_of(dataset, c)
            for c in pool.languages
            if plan.is_translated(dataset, c)
        }
        back = {
            c: plan.back_translator_of(dataset, c)
            for c in pool.languages
            if plan.goes_back(dataset, c)
        }
        what = f"{dataset} into {', '.join(there)}"
        lines += _translation(plan, dataset, "translate", what, there, pool.shards)
        what = f"{dataset} back from {', '.join(back)}"
        lines += _translation(plan, dataset, "round_trip", what, back, 1)
    return lines


def _translation(
    plan: Plan, dataset: str, stage: str, what: str, names: dict[str, str], jobs: int
) -> list[Line]:
    """The line of a pool's translations (``names``: language -> translator), if there are any."""
    if not names:
        return []
    rows = pool_rows(plan, dataset)
    chars = round(rows * pool_chars(plan, dataset))
    found = {
        name: translation_estimate(
            plan.config.translators[name], chars, TEXTS_PER_ROW * rows
        ).dollars
        for name in names.values()
    }
    known = [found[name] for name in names.values()]
    dollars = sum(each or 0.0 for each in known)
    amount = f"≈ {chars * len(names) / 1e6:.2f} M characters"
    unknown = sorted(name for name, each in found.items() if each is None)
    if unknown:
        amount += f" (no price known: {', '.join(unknown)})"
    payers: dict[str, float | None] = {}
    for name, each in zip(names.values(), known, strict=True):
        payer = f"translators.{name}"
        payers[payer] = None if each is None else each + (payers.get(payer) or 0.0)
    shown = dollars or (None if unknown else 0.0)
    return [Line(stage, what, jobs * len(names), amount, shown, bool(unknown), payers)]


def _trainings(plan: Plan, peak: float) -> list[Line]:
    lines = []
    for model in plan.models:
        trained = [r for r in plan.runs.values() if r.model == model and r.mixture and r.recipe]
        tokens = 0.0
        hours = Hours()
        size = plan.config.models[model].parameters_b
        for run in trained:
            recipe = plan.config.training[run.recipe or ""]
            spec = plan.expansion.mixtures[run.mixture or ""]
            rows = mixture_rows(plan, spec)
            seen = (
                recipe.max_steps * recipe.batch_size
                if recipe.max_steps
                else rows * (recipe.epochs or 1)
            )
            chars = sum(pool_chars(plan, d) for d in spec.datasets) / len(spec.datasets)
            row_tokens = chars / CHARS_PER_TOKEN
            of_run = seen * min(row_tokens, recipe.max_length)
            frozen = recipe.lora is not None
            hours += training_hours(
                f"models.{model}", plan.config.models[model], of_run, frozen, peak
            )
            tokens += of_run
        flops = 6 * size * 1e9 * tokens if size else None
        amount = f"≈ {tokens / 1e6:,.1f} M tokens"
        if flops:
            amount += f", {flops / 1e18:,.3g} EFLOP"
        amount += _hours_words(hours)
        lines.append(Line("train", model, len(trained), amount, hours=hours))
    return lines


def _hours_words(hours: Hours) -> str:
    return f", {hours} GPU hours" if hours != Hours() else ""


def _answers(plan: Plan, peak: float) -> list[Line]:
    lines = []
    for benchmark in plan.benchmarks:
        sets = [(b, r) for b, r in plan.answer_sets() if b == benchmark]
        if not sets:  # its references alone are scored
            continue
        of_run = {r: len(plan.answer_languages(benchmark, r)) for _, r in sets}
        per_language = n_dialogues(plan, benchmark) * n_turns(plan, benchmark)
        turns = sum(of_run.values()) * per_language
        line = Line("answer", benchmark, len(sets), f"{turns:,} answers")
        lines.append(line)
        generation = plan.config.benchmarks[benchmark].generation
        if generation.engine != "openai":
            size = min(ANSWER_TOKENS, generation.max_new_tokens) * per_language
            for run, languages in of_run.items():
                model = plan.runs[run].model
                section = plan.config.models[model]
                line.hours += answering_hours(
                    f"models.{model}", section, languages * size, generation.batch_tokens, peak
                )
            line.amount += _hours_words(line.hours)
            continue
        model = generation.served_model or ""
        tokens_out = turns * min(ANSWER_TOKENS, generation.max_new_tokens)
        taken = estimate_service(generation, turns, turns * CHARS_PER_PROMPT, tokens_out, model)
        line.dollars, line.unknown = taken.dollars, taken.dollars is None
        line.payers = {f"benchmarks.{benchmark}.generation": taken.dollars}
        line.amount += ", no price known" if line.unknown else ""
    return lines


def evaluation_calls(plan: Plan, evaluation: str) -> int:
    """Judge calls of an evaluation; a run is never compared with itself."""
    planned = plan.evaluations[evaluation]
    benchmark = planned.evaluation.benchmark
    asked = n_dialogues(plan, benchmark), n_turns(plan, benchmark)
    protocol = planned.evaluation.protocol
    if protocol == "single":
        return expected_calls(*asked, sum(map(len, planned.languages_by_run.values())), protocol)
    calls = 0
    for run, languages in planned.languages_by_run.items():
        baselines = plan.baselines(evaluation, run)
        for lang in languages:
            calls += expected_calls(*asked, int(baselines.get(lang) != run), protocol)
    return calls


def _judgements(plan: Plan) -> list[Line]:
    lines = []
    for name, planned in plan.evaluations.items():
        judge = plan.config.judges[planned.evaluation.judge]
        if planned.members:
            joined = f"joined from {len(planned.members)} judges"
            lines.append(Line("judge", name, len(planned.languages_by_run), joined))
            continue
        calls = evaluation_calls(plan, name)
        if not isinstance(judge, OpenAIJudge):
            lines.append(Line("judge", name, len(planned.languages_by_run), f"{calls:,} by rules"))
            continue
        benchmark = planned.evaluation.benchmark
        limit = plan.config.benchmarks[benchmark].generation.max_new_tokens
        taken = estimate_calls(
            judge,
            planned.evaluation.protocol,
            calls,
            n_turns(plan, benchmark),
            answer_chars=min(1500.0, limit * CHARS_PER_TOKEN),
        )
        amount = f"{calls:,} calls, ≈ {(taken.tokens_in + taken.tokens_out) / 1e6:,.1f} M tokens"
        unknown = taken.dollars is None
        amount += ", no price known" if unknown else ""
        payer = {f"judges.{planned.evaluation.judge}": taken.dollars}
        jobs = len(planned.languages_by_run)
        lines.append(Line("judge", name, jobs, amount, taken.dollars, unknown, payer))
    return lines


def _likelihoods(plan: Plan) -> list[Line]:
    """Forward passes over held-out texts: nothing is paid."""
    lines = []
    for name, held in plan.likelihoods.items():
        dataset, benchmark = held.section.dataset, held.section.benchmark
        rows = n_questions(plan, benchmark) if benchmark else pool_rows(plan, dataset or "")
        if dataset and held.section.split == "dev":
            rows = min(rows, plan.dataset(dataset).dev_rows)
        chars = pool_chars(plan, dataset) if dataset else CHARS_PER_PROMPT
        passes = min(rows, held.section.rows or rows) * len(held.languages) * len(held.runs)
        amount = f"≈ {passes * chars / CHARS_PER_TOKEN / 1e6:,.2f} M tokens read"
        lines.append(Line("likelihood", name, len(held.runs), amount))
    return lines


def cost_lines(plan: Plan, gpu: str = GPU) -> list[Line]:
    """The whole plan, by stage; GPU hours for a GPU of this name."""
    peak = peak_of(gpu)
    mixtures = Line("mix", ", ".join(plan.datasets), len(plan.mixtures), "—")
    run = [*_trainings(plan, peak), *_answers(plan, peak), *_likelihoods(plan)]
    return [*_translations(plan), mixtures, *run, *_judgements(plan)]


def by_payer(lines: list[Line]) -> dict[str, float | None]:
    """US dollars of each judge, translator and served model over the study set; None: unknown."""
    found: dict[str, float | None] = {}
    for line in lines:
        for payer, dollars in line.payers.items():
            before = found.get(payer, 0.0)
            found[payer] = None if dollars is None or before is None else before + dollars
    return found


def render(lines: list[Line]) -> str:
    """The plan as an aligned table with a total."""
    rows = [("stage", "what", "jobs", "amount", "US dollars")]
    for line in lines:
        dollars = "" if line.dollars is None else f"{line.dollars:,.2f}"
        if line.unknown:
            dollars = f"{dollars} + unknown".removeprefix(" + ")
        rows.append((line.stage, line.what, f"{line.jobs:,}", line.amount, dollars))
    total = f"{sum(line.dollars or 0 for line in lines):,.2f}"
    if any(line.unknown for line in lines):
        total = "unknown" if total == "0.00" else f"{total} + unknown"
    rows.append(("total", "", f"{sum(line.jobs for line in lines):,}", "", total))
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    text = []
    for row in rows:
        left = [row[0].ljust(widths[0]), row[1].ljust(widths[1]), row[2].rjust(widths[2])]
        text.append("  ".join([*left, row[3].ljust(widths[3]), row[4].rjust(widths[4])]).rstrip())
    text.insert(1, "-" * max(len(line) for line in text))
    return "\n".join(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument("--config", required=True, type=Path, help="configuration (YAML or JSON)")
    parser.add_argument("--gpu", default=GPU, help="GPU that hours are estimated for, e.g. H100")


def run(args: argparse.Namespace) -> None:
    """Print the plan, and what its jobs would refuse."""
    from .preflight import refusals

    plan = Plan(load_config(args.config))
    lines = cost_lines(plan, args.gpu)
    print(render(lines))
    hours = sum((line.hours for line in lines), Hours())
    if hours != Hours():
        print(
            f"\nGPU hours: {hours}, of {args.gpu}s ({peak_of(args.gpu) / 1e12:.0f} TFLOP/s, "
            f"{UTILISATION:.0%} of it used; answers by memory bandwidth). `--gpu` names another."
        )
    print(f"Disk: {disk_words(plan)}.")
    print(
        f"\n{len([r for r in plan.runs.values() if r.mixture])} trainings in "
        f"{len(plan.studies)} studies. Estimates assume {CHARS_PER_TOKEN:g} characters a token and "
        f"{VERDICT_TOKENS} tokens a verdict; for sources that are not here their published "
        f"size and {CHARS_PER_ROW} characters a row."
    )
    refused, notes = refusals(plan)
    for note in notes:
        print(f"note: {note}")
    if refused:
        print("\nJobs would refuse this (`check` says what this machine lacks, too):")
        print("\n".join(f"- {problem}" for problem in refused))
