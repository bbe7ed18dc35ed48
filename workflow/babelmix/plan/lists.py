"""Argument files: the inputs of verbs that gather many files.

One argument of a shell command holds 128 KB at most, which the file names of a few hundred runs
fill. Such a verb is given ``@file`` in their place: one argument a line, as argparse reads it. The
files are written at the start of a run, before the first job; rules name their inputs themselves.
"""

from __future__ import annotations

from pathlib import Path

from ..io import write_text
from .jobs import Jobs


def gathered(jobs: Jobs) -> dict[str, dict[str, list[str]]]:
    """Options and files by verb (and by what it makes, where it is called several times)."""
    found = {
        "tables": {
            "--scores": jobs.all_scores(),
            "--judgements": jobs.all_judgements(),
            "--manifests": jobs.all_manifests(),
            "--audits": jobs.all_audits(),
            "--metrics": jobs.all_metrics(),
            "--questions": jobs.all_questions(),
            "--humans": jobs.human_labels(),
            "--likelihoods": jobs.all_likelihoods(),
        },
        "report": {
            "--answers": jobs.all_answers(),
            "--questions": jobs.all_questions(),
            "--judgements": jobs.all_judgements(),
            "--manifests": jobs.all_manifests(),
        },
    }
    for dataset in jobs.plan.datasets:
        for lang in jobs.plan.dataset(dataset).languages:
            shards = jobs.shards(dataset, lang)
            found[f"collect/{dataset}.{lang}"] = {"--shards": shards}
    return found


def former_journals(jobs: Jobs) -> list[str]:
    """Journals of judges that the plan does not name any more: renamed, or taken out of it."""
    planned = {
        jobs.path(f"journals/judge/{name}/{run}.jsonl")
        for name, plan in jobs.plan.evaluations.items()
        for run in plan.languages_by_run
    }
    root = Path(jobs.path("journals/judge"))
    held = sorted(str(file) for file in root.glob("*/*.jsonl"))
    return [file for file in held if file not in planned and not file.endswith(".batches.jsonl")]


def write_lists(jobs: Jobs) -> None:
    """Write every argument file of a plan below ``lists/``; one that is right already stays."""
    written = {
        name: [line for option, files in options.items() if files for line in [option, *files]]
        for name, options in gathered(jobs).items()
    }
    written["former_journals"] = former_journals(jobs)
    for name, lines in written.items():
        path = Path(jobs.path(f"lists/{name}.txt"))
        text = "".join(f"{line}\n" for line in lines)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_text(path, text)
