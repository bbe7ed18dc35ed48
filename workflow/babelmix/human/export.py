"""Verb ``export-human``: a blind, balanced sample of answers for people to judge.

In: a study set's folder. Out: a folder with Label Studio tasks and interface, CSV and XLSX (all
without the names of runs), and ``key.json``, which raters must not see and ``import-human`` needs.
Of several samples of a question the first is shown.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..analyse.compare import find_side
from ..analyse.study import StudySet, load_study
from ..errors import BabelmixError, unknown_name
from ..io import read_json, read_records, write_json, write_text
from ..records import Answer, Question
from .draw import Item, Kind, Place, Task, draw_questions, items_of, tasks_of
from .forms import CHOICES, interface, label_studio_tasks, write_csv, write_xlsx

Answers = dict[str, dict[Place, Answer]]


def read_sides(study: StudySet, kind: Kind, named: Sequence[str]) -> list[tuple[str, str]]:
    """``A:B`` (pairs) or ``A`` (ratings) -> runs; a variant or mixture stands for its first run."""
    found = []
    for text in named:
        parts = text.split(":")
        if len(parts) != (2 if kind == "pairs" else 1):
            form = "RUN:BASELINE" if kind == "pairs" else "RUN"
            raise BabelmixError(f"export-human: '{text}' is not of the form {form}.")
        runs = [find_side(study, part).runs[0] for part in parts]
        found.append((runs[0], runs[1] if kind == "pairs" else ""))
    return found


def read_answers(results: Path, benchmark: str, runs: Sequence[str]) -> Answers:
    """Answers by run and place: the first sample of each."""
    found: Answers = {}
    for run in dict.fromkeys(runs):
        path = results / "answers" / benchmark / f"{run}.parquet"
        if not path.exists():
            raise BabelmixError(f"export-human: {path} is not there; {run} has not answered yet.")
        first = (a for a in read_records(path, Answer) if a.sample == 0)
        found[run] = {(a.question_id, a.lang, a.turn): a for a in first}
    return found


def shown(
    task: Task, questions: dict[tuple[str, str], Question], answers: Answers
) -> dict[str, str]:
    """What a rater sees of a task."""
    item = task.item
    question = questions[item.question_id, item.lang]
    row = {"task": task.id, "language": item.lang, "question": question.turns[item.turn - 1]}
    if not item.baseline:
        return row | {"answer": _conversation(item, item.run, question, answers)}
    runs = (item.baseline, item.run) if task.swapped else (item.run, item.baseline)
    texts = [_conversation(item, run, question, answers) for run in runs]
    return row | {"answer_a": texts[0], "answer_b": texts[1]}


def _conversation(item: Item, run: str, question: Question, answers: Answers) -> str:
    """The answer; for a later turn with all that the model and the user said before it."""
    parts = []
    for turn in range(1, item.turn + 1):
        answer = answers[run].get((item.question_id, item.lang, turn))
        if turn > 1:
            parts.append(f"— {question.turns[turn - 1]}")
        parts.append((answer.text if answer else "").strip() or "(empty answer)")
    return "\n\n".join(parts)


def export(args: argparse.Namespace, study: StudySet) -> tuple[list[Task], list[dict[str, str]]]:
    """Tasks in their order, and what raters see of each."""
    spec = study.raw["benchmarks"].get(args.benchmark)
    if spec is None:
        raise unknown_name("benchmark", args.benchmark, study.raw["benchmarks"], "export-human")
    languages = args.languages or spec["languages"]
    for lang in languages:
        if lang not in spec["languages"]:
            raise unknown_name("language", lang, spec["languages"], "export-human")
    sides = read_sides(study, args.kind, args.runs)
    answers = read_answers(args.results, args.benchmark, [r for s in sides for r in s if r])
    questions: dict[tuple[str, str], Question] = {}
    for lang in languages:
        path = args.results / "benchmarks" / f"{args.benchmark}.{lang}.parquet"
        questions |= {(q.question_id, q.lang): q for q in read_records(path, Question)}
    chosen = draw_questions(questions.values(), languages, args.questions, args.seed)
    items = items_of(chosen, languages, args.turns, sides, answers)
    if not items:
        raise BabelmixError("export-human: the chosen runs answered none of the chosen questions.")
    tasks = tasks_of(items, args.repeats, args.seed)
    return tasks, [shown(task, questions, answers) for task in tasks]


def write_key(path: Path, kind: Kind, benchmark: str, tasks: Sequence[Task]) -> None:
    """What each task was; kept from the raters."""
    entries: dict[str, Any] = {
        task.id: asdict(task.item) | {"swapped": task.swapped, "repeat": task.repeat}
        for task in tasks
    }
    write_json(path, {"kind": kind, "benchmark": benchmark, "tasks": entries})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``export-human``."""
    parser.add_argument("--results", required=True, type=Path, help="Folder of the study set.")
    parser.add_argument("--benchmark", required=True, help="Benchmark.")
    parser.add_argument("--kind", choices=list(CHOICES), default="pairs", help="What is asked.")
    parser.add_argument(
        "--runs",
        required=True,
        nargs="+",
        help="RUN:BASELINE pairs, or RUN for ratings; variants and mixtures stand for their first.",
    )
    parser.add_argument("--questions", type=int, default=20, help="Questions to draw.")
    parser.add_argument("--languages", nargs="*", default=[], help="Of these; default all.")
    parser.add_argument("--turns", nargs="+", type=int, default=[1], help="Turns to show.")
    parser.add_argument("--repeats", type=float, default=0.1, help="Share shown twice, 0 to 0.5.")
    parser.add_argument("--seed", type=int, default=0, help="Seed of the draw and of the order.")
    parser.add_argument("--output", required=True, type=Path, help="Folder to write.")


def run(args: argparse.Namespace) -> None:
    """Write the forms and their key."""
    path = args.results / "study.json"
    if not path.exists():
        raise BabelmixError(f"export-human: {path} is not there. Name a finished study set.")
    if not 0 <= args.repeats <= 0.5:
        raise BabelmixError("export-human: --repeats is a share of 0 to 0.5.")
    key = args.output / "key.json"
    tasks, rows = export(args, load_study(path))
    if key.exists() and set(read_json(key)["tasks"]) != {task.id for task in tasks}:
        raise BabelmixError(
            f"export-human: {key} belongs to another sample; its labels could not be read any "
            "more. Choose another folder, or delete it."
        )
    write_key(key, args.kind, args.benchmark, tasks)
    write_json(args.output / "label_studio.tasks.json", label_studio_tasks(rows))
    write_text(args.output / "label_studio.interface.xml", interface(args.kind))
    write_csv(args.output / "sheet.csv", args.kind, rows)
    write_xlsx(args.output / "sheet.xlsx", args.kind, rows)
    again = sum(task.repeat for task in tasks)
    print(
        f"export-human: {len(tasks)} tasks ({again} of them repeats) in {args.output}. Keep "
        "key.json from the raters."
    )
