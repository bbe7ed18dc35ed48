"""How much memory and time a job may take: what rules ask of a cluster.

Generous limits, not predictions: a job that runs into one is started again with more (`attempt`).
The rates are far below what current hardware does, so that a limit is met by a job that is stuck
and not by a slow one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from ..judge.cost import CHARS_PER_TOKEN
from ..specs import MixtureSpec
from .checks import language_path
from .graph import Plan
from .nominal import nominal_rows
from .quantities import CHARS_PER_ROW, PUBLISHED_ROWS

#: Memory that a job needs for Snakemake's own two processes within it, MB.
SNAKEMAKE_MB = 300
#: Minutes of any job: queueing for a GPU lock, imports, a slow file system.
LEAST_MINUTES = 60
#: Seven days: no partition is known to give more.
MOST_MINUTES = 7 * 24 * 60
#: Sustained arithmetic of training, FLOP/s: a GPU at a tenth of an A100's bf16 peak; a CPU thread.
GPU_FLOPS = 3e13
THREAD_FLOPS = 1e10
#: Generation, billions of parameters × tokens per second of one row: a 7B model at 50; 135M at 10.
GPU_GENERATION = 350.0
CPU_GENERATION = 1.35
#: Rows of a batch that a GPU answers in the time of one, at most: its memory is the bottleneck.
ROWS_AT_ONCE = 16
#: Seconds of one judge call among `concurrency` others, retries included.
CALL_SECONDS = 30.0


def memory(inputs: Iterable[str], attempt: int, least: int, per_mb: float = 20.0) -> int:
    """Memory of a job, MB: ``per_mb`` times its inputs (parquet unpacks to Python objects).

    Raises FileNotFoundError while an input is still to be made; Snakemake asks again later.
    """
    held = sum(Path(file).stat().st_size for file in inputs) / 1e6
    return math.ceil(attempt * max(least, SNAKEMAKE_MB + per_mb * held))


def minutes(seconds: float, attempt: int) -> int:
    """A time limit from an estimate: three times as long, within bounds, more at each attempt."""
    return min(MOST_MINUTES, attempt * max(LEAST_MINUTES, math.ceil(3 * seconds / 60)))


def train_minutes(plan: Plan, run: str, attempt: int) -> int:
    """Time limit of a training; 12 hours where the model's size is not given."""
    job = plan.runs[run]
    model, recipe = plan.config.models[job.model], plan.config.training[job.recipe or ""]
    if model.parameters_b is None:
        return min(MOST_MINUTES, 720 * attempt)
    spec = plan.expansion.mixtures[job.mixture or ""]
    epochs_rows = (recipe.epochs or 1) * mixture_rows(plan, spec)
    rows = recipe.max_steps * recipe.batch_size if recipe.max_steps else epochs_rows
    row_tokens = min(CHARS_PER_ROW / CHARS_PER_TOKEN, recipe.max_length)
    speed = model.nodes * model.gpus * GPU_FLOPS or model.threads * THREAD_FLOPS
    return minutes(6e9 * model.parameters_b * rows * row_tokens / speed, attempt)


def answer_minutes(plan: Plan, benchmark: str, run: str, attempt: int) -> int:
    """Time limit of one run's answers; 4 hours where the model's size is not given."""
    model = plan.config.models[plan.runs[run].model]
    if model.parameters_b is None:
        return min(MOST_MINUTES, 240 * attempt)
    turns = len(plan.answer_languages(benchmark, run)) * turns_of(plan, benchmark)
    generation = plan.config.benchmarks[benchmark].generation
    tokens = turns * generation.max_new_tokens
    row = generation.max_new_tokens + CHARS_PER_ROW / CHARS_PER_TOKEN
    at_once = min(ROWS_AT_ONCE, max(1, int(generation.batch_tokens / row)))
    speed = GPU_GENERATION * at_once if model.gpus else CPU_GENERATION
    return minutes(tokens * model.parameters_b / speed, attempt)


def likelihood_tokens(plan: Plan, held_out: str) -> float:
    """Tokens of held-out texts in all their languages, about."""
    held = plan.likelihoods[held_out]
    if held.section.benchmark is not None:
        rows = turns_of(plan, held.section.benchmark)
    else:
        pool = plan.dataset(held.section.dataset or "")
        whole = pool_rows(plan, held.section.dataset or "")
        rows = min(pool.dev_rows, whole) if held.section.split == "dev" else whole
    rows = min(rows, held.section.rows or rows)
    return rows * len(held.languages) * CHARS_PER_ROW / CHARS_PER_TOKEN


def likelihood_minutes(plan: Plan, held_out: str, run: str, attempt: int) -> int:
    """Time limit of a forward pass over held-out texts; 4 hours where the size is not given."""
    model = plan.config.models[plan.runs[run].model]
    if model.parameters_b is None:
        return min(MOST_MINUTES, 240 * attempt)
    speed = GPU_FLOPS if model.gpus else model.threads * THREAD_FLOPS
    return minutes(2e9 * model.parameters_b * likelihood_tokens(plan, held_out) / speed, attempt)


def judge_minutes(plan: Plan, evaluation: str, run: str, attempt: int) -> int:
    """Time limit of judging one run."""
    planned = plan.evaluations[evaluation]
    turns = turns_of(plan, planned.evaluation.benchmark) * len(planned.languages_by_run[run])
    orders = 1 if planned.evaluation.protocol == "single" else 2
    judge = plan.config.judges[planned.evaluation.judge]
    at_once = getattr(judge, "concurrency", None)
    if at_once is None:  # the rules judge asks nobody
        return minutes(0.1 * orders * turns, attempt)
    return minutes(CALL_SECONDS * orders * turns / at_once, attempt)


def mixture_rows(plan: Plan, spec: MixtureSpec) -> int:
    """At most this many rows in a mixture, without opening a file."""
    row_tokens = CHARS_PER_ROW / CHARS_PER_TOKEN
    return nominal_rows(spec, lambda leaf: pool_rows(plan, leaf.dataset), lambda _: row_tokens)


def pool_rows(plan: Plan, dataset: str) -> int:
    """At most this many rows in a pool, by `rows`, published sizes, or the bytes of local files."""
    pool = plan.dataset(dataset)
    return pool.rows or sum(_source_rows(plan, source) for source in pool.sources)


def turns_of(plan: Plan, benchmark: str) -> int:
    """At most this many answers a language: questions × samples × two turns."""
    section = plan.config.benchmarks[benchmark]
    if section.questions is not None:
        questions = section.questions
    elif section.source:
        questions = _source_rows(plan, section.source)
    else:
        questions = pool_rows(plan, section.dataset or "")
    return questions * section.generation.samples * (section.turns or 2)


def _source_rows(plan: Plan, name: str) -> int:
    source = plan.sources[name]
    if source.path is None:
        rows = PUBLISHED_ROWS.get(source.adapter, 100_000)
        # Bactrian-X: alpaca's and dolly's rows together, in every language.
        return 67_017 if source.adapter == "alpaca" and len(source.languages) > 1 else rows
    path = Path(language_path(source.path, source.languages[0]))
    return max(100, path.stat().st_size // 100) if path.is_file() else 100_000
