"""How much a plan works on: rows, characters, questions, by what is here or as published."""

from __future__ import annotations

import functools
import itertools
from pathlib import Path
from typing import TYPE_CHECKING

from ..config.builtin import catalogue
from ..config.sources import QUESTION_ADAPTERS, Source
from ..errors import BabelmixError
from ..files.readers import iter_rows, read_rows
from ..judge.cost import CHARS_PER_TOKEN
from ..mixtures.shares import half_up
from ..sources.adapters import columns_of, conversations, stream
from ..sources.questions import questions
from ..sources.rows import Parsed
from ..specs import MixtureSpec
from .benchmark_checks import language_path
from .nominal import nominal_rows

if TYPE_CHECKING:
    from .graph import Plan

#: Rows of a source where no `rows` says how many: as published (docs of each source).
PUBLISHED_ROWS = {
    "lima": 1030,
    "alpaca": 52002,
    "oasst": 3640,
    "alpaca_eval": 805,
    "mt_bench": 80,
    "mt_bench_x": 80,
}
#: Characters of a conversation and of an answer, where nothing better is known.
CHARS_PER_ROW = 1200


@functools.cache
def _measure(source_json: str, path: str, lang: str, asked: bool) -> tuple[int, float]:
    """Conversations (or ``asked``: questions) of a file in one language, and characters of one.

    What they are read as depends on their use, not on what a row looks like: rows of a pool may
    have a `question_id` as well.
    """
    source = Source.model_validate_json(source_json)
    if asked:
        raw = read_rows(path)
        found = questions(raw, None, source, lang, path)
        texts = (t for q in found for t in (*q.turns, *q.reference))
        return len(found), sum(map(len, texts)) / len(found)
    count = characters = 0
    columns = columns_of(source, lang)
    some = itertools.islice(iter_rows(path, columns), source.take)
    for row in stream(some, source, "", lang, "", path, Parsed()):
        count += 1
        characters += sum(len(m.content) for m in row.messages)
    if not count:  # say what the file holds in place of usable rows
        conversations(itertools.islice(iter_rows(path, columns), 100), source, "", lang, "", path)
    return count, characters / max(count, 1)


def _local(plan: Plan, source: str, lang: str | None = None) -> tuple[int, float] | None:
    """What a source's local file holds (in its first language); None where it cannot be read.

    What is wrong with it is said by `preflight`; an estimate need not die of it.
    """
    section = plan.sources[source]
    if section.path is None:
        return None
    lang = lang or section.languages[0]
    path = language_path(section.path, lang)
    asked = source in {plan.config.benchmarks[b].source for b in plan.benchmarks}
    try:
        there = Path(path).is_file()
        found = _measure(section.model_dump_json(), path, lang, asked) if there else None
    except BabelmixError:
        return None
    return found if found and found[0] else None


def pool_rows(plan: Plan, dataset: str, lang: str | None = None) -> int:
    """Rows per language of a pool, from `rows`, or from what its sources hold.

    ``lang``: of a pool that is not parallel, whose languages have different numbers of rows.
    """
    if benchmark := plan.question_pools.get(dataset):
        return n_questions(plan, benchmark)
    pool = plan.dataset(dataset)
    holding = [s for s in pool.sources if lang is None or lang in plan.sources[s].languages]
    held = sum(_source_rows(plan, s, lang) for s in holding)
    if pool.fraction is not None:
        return half_up(pool.fraction, held)
    return min(pool.rows, held) if pool.rows else held


def pool_chars(plan: Plan, dataset: str) -> float:
    """Characters of one conversation of a pool."""
    pool = plan.dataset(dataset)
    measured = [m for s in pool.sources if (m := _local(plan, s))]
    rows = sum(n for n, _ in measured)
    mean = sum(n * chars for n, chars in measured) / rows if rows else CHARS_PER_ROW
    return min(mean, pool.max_chars or mean)


def known_rows(plan: Plan, dataset: str) -> int | None:
    """The most rows per language that a pool's files can give; None where some are not here."""
    measured = [_local(plan, s) for s in plan.dataset(dataset).sources]
    return None if None in measured else sum(m[0] for m in measured if m)


def _source_rows(plan: Plan, source: str, lang: str | None = None) -> int:
    section = plan.config.sources[source]
    measured = _local(plan, source, lang)
    if measured is not None:
        return measured[0]
    if section.take is not None:
        return section.take
    if section.expected_rows is not None:
        return section.expected_rows
    entry = catalogue().get(section.builtin or "")
    if entry is not None and entry.rows is not None:
        return entry.rows
    if section.adapter == "lima" and section.single_turn_only:
        return 1000
    if section.adapter == "alpaca_eval" and "oasst" in section.exclude_subsets:
        return 617
    if section.adapter == "alpaca" and len(section.languages) > 1:
        return 67017
    return PUBLISHED_ROWS.get(section.adapter, 1000)


def mixture_rows(plan: Plan, spec: MixtureSpec) -> int:
    """Training rows of a mixture."""
    return nominal_rows(
        spec,
        lambda leaf: training_ids(plan, leaf),
        lambda leaf: pool_chars(plan, leaf.dataset) / CHARS_PER_TOKEN,
    )


def training_ids(plan: Plan, leaf: MixtureSpec) -> int:
    """Ids that a pool offers a mixture, the held-out ones taken off."""
    lang = leaf.languages[0] if leaf.by_language else None
    return max(0, pool_rows(plan, leaf.dataset, lang) - plan.dataset(leaf.dataset).dev_rows)


def n_questions(plan: Plan, benchmark: str) -> int:
    """Questions a language."""
    section = plan.config.benchmarks[benchmark]
    if section.source:
        whole = _source_rows(plan, section.source)
    else:
        whole = pool_rows(plan, section.dataset or "")
    return min(section.questions or whole, whole)


def n_dialogues(plan: Plan, benchmark: str) -> int:
    """Dialogues that a run holds a language: the samples of all questions."""
    samples = plan.config.benchmarks[benchmark].generation.samples
    return n_questions(plan, benchmark) * samples


def n_turns(plan: Plan, benchmark: str) -> int:
    """Turns a question: two in the MT-Bench shapes, else one."""
    section = plan.config.benchmarks[benchmark]
    whole = 1
    if section.source is not None:
        source = plan.config.sources[section.source]
        if source.fields is not None:
            listed = 2 if source.fields.turns else 1
            whole = max(listed, len(source.fields.turn_paths()))
        elif source.adapter in (*QUESTION_ADAPTERS, "parallel"):
            whole = 2
    return min(section.turns or whole, whole)
