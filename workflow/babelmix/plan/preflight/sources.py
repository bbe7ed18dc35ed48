"""Local files: does the adapter read them, are the columns there, do the languages fit together?"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from ...config.sources import QUESTION_ADAPTERS, Source
from ...corrections import read_overlays
from ...errors import BabelmixError
from ...files.readers import read_all_rows, read_rows
from ...records import Question
from ...sources.benchmark import choose_questions
from ...sources.fetch import BESIDE
from ...sources.questions import questions
from ...sources.reading import open_source
from ...specs import BenchmarkSpec, NormaliseSpec
from ..checks import language_files
from ..graph import Plan
from ..jobs import Jobs

#: Usable rows that are read of a pool's file; a smaller file is read whole.
ROWS = 1000
#: Share of the rows read above which leaving them out is worth a note.
_MANY = 0.5


def source_findings(plan: Plan) -> tuple[list[str], list[str]]:
    """Return what reading the local files of pools and benchmarks would refuse, and notes."""
    jobs = Jobs(plan)
    problems: list[str] = []
    notes: list[str] = []
    for dataset in plan.datasets:
        for name, lang in _read_by(plan, dataset):
            try:
                notes += _read_pool(jobs, dataset, name, lang)
            except BabelmixError as error:
                problems.append(f"sources.{name}: {error}")
    for benchmark in plan.benchmarks:
        try:
            _read_benchmark(jobs, benchmark)
        except BabelmixError as error:
            problems.append(f"benchmarks.{benchmark}: {error}")
    return problems + _overlay_problems(jobs), notes


def _read_by(plan: Plan, dataset: str) -> Iterator[tuple[str, str]]:
    """(source, language) of each local file that a pool reads."""
    pool = plan.dataset(dataset)
    for name in pool.sources:
        section = plan.sources[name]
        if section.path is not None and dataset not in plan.question_pools:
            yield from ((name, c) for c in pool.languages if c in section.languages)


def _read_pool(jobs: Jobs, dataset: str, name: str, lang: str) -> list[str]:
    """Read the head of one file as `normalise` will; notes on rows that it leaves out."""
    spec = NormaliseSpec.model_validate_json(jobs.normalise(dataset, lang))
    section = jobs.plan.sources[name]
    reading = open_source(spec, name, language_files(name, section, lang), lang)
    usable = sum(1 for _ in itertools.islice(reading.first(), ROWS))
    parsed = reading.parsed
    # What `where` leaves out is meant so.
    lost = Counter({r: n for r, n in parsed.left_out.items() if "`where`" not in r})
    if usable and lost.total() > _MANY * parsed.read:
        reason, count = lost.most_common(1)[0]
        return [
            f"sources.{name}: of the first {parsed.read:,} rows in '{lang}' {lost.total():,} are "
            f"left out, most often ({count:,}): {reason}."
        ]
    return []


def _read_benchmark(jobs: Jobs, benchmark: str) -> None:
    """Read and choose the questions of a benchmark's local source, as `benchmark` will."""
    section = jobs.config.benchmarks[benchmark]
    if section.source is None or jobs.plan.sources[section.source].path is None:
        return
    source = jobs.plan.sources[section.source]
    held = [c for c in section.languages if c in source.languages]
    found = {c: read_questions(section.source, source, c) for c in held}
    if found:
        spec = BenchmarkSpec.model_validate_json(jobs.benchmark(benchmark, held[0]))
        choose_questions(found, spec)


def read_questions(name: str, source: Source, lang: str) -> list[Question]:
    """Read a local source's questions in one language, with the references beside them."""
    files = language_files(name, source, lang)
    references = None
    if source.adapter in QUESTION_ADAPTERS:
        beside = Path(files[0]).parent / BESIDE[source.adapter]["references"]
        references = read_rows(str(beside)) if beside.is_file() else None
    return questions(read_all_rows(files), references, source, lang, ", ".join(files))


def _overlay_problems(jobs: Jobs) -> list[str]:
    plan, problems = jobs.plan, []
    for dataset in plan.datasets:
        for lang in plan.dataset(dataset).languages:
            files = jobs.corrections_file(dataset, lang)
            problems += _unreadable(files, f"datasets.{dataset}.corrections")
    for benchmark in plan.benchmarks:
        overlays = jobs.benchmark_input(benchmark).get("corrections", [])
        problems += _unreadable(overlays, f"benchmarks.{benchmark}.corrections")
    return problems + [
        f"human_labels: the file '{file}' is missing. Write it with `import-human`, or take it out."
        for file in plan.config.human_labels
        if not Path(file).is_file()
    ]


def _unreadable(files: Iterable[str], where: str) -> list[str]:
    """What is wrong with overlays of corrections."""
    files = list(files)
    if lost := [file for file in files if not Path(file).is_file()]:
        return [
            f"{where}: the file '{lost[0]}' is missing. Write it with `import-review`, correct the "
            "path, or take `corrections` out."
        ]
    try:
        read_overlays(files)
    except BabelmixError as error:
        return [f"{where}: {error}"]
    return []
