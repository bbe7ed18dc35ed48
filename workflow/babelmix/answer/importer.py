"""Verb ``import-answers``: bring in answers that others published, as answers of our own runs.

| format | one row |
|---|---|
| fastchat | FastChat's and MT-Bench-X's ``model_answer``: all turns; choices are samples |
| alpaca-eval | AlpacaEval's ``model_outputs.json``: one instruction and its output |
| records | JSON lines or CSV with our own names: ``question_id``, ``turn``, ``text`` … |
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import BabelmixError
from ..io import read_records, write_json, write_records
from ..judge.published.entry import Fields, category_of, is_failure, numbered, split_id, text_id
from ..judge.published.settle import UNKNOWN, file_name, printable
from ..judge.published.tabular import read_tabular, rename_fields
from ..records import Answer, Question
from ..resources import language_catalogue
from ..sources.readers import read_rows

FORMATS = ("fastchat", "alpaca-eval", "records")


@dataclass(frozen=True, slots=True)
class Given:
    """What the command line says of all rows. ``choice`` is FastChat's: which of several; None
    takes them all, as samples."""

    lang: str = "en"
    run: str | None = None
    choice: int | None = None


def read_answers(
    rows: list[Any], path: str, format_name: str, given: Given
) -> Iterator[Answer | str]:
    """The answers of a file's rows, and the reason of each that is left out."""
    reader = {"fastchat": _fastchat, "alpaca-eval": _alpaca_eval, "records": _record}[format_name]
    for row in numbered(rows, path):
        yield from reader(row, given)


def recognise(rows: list[Any], path: str) -> str:
    """The format of a file by the fields of its first row."""
    first = set(rows[0]) if rows and isinstance(rows[0], dict) else set()
    for name, signs in (
        ("fastchat", {"question_id", "choices"}),
        ("alpaca-eval", {"instruction", "output"}),
        ("records", {"question_id", "text"}),
    ):
        if signs <= first:
            return name
    raise BabelmixError(
        f"{path}: its rows are of no form that we know (fields: {', '.join(sorted(first))}). Name "
        f"it by --format ({', '.join(FORMATS)}), with `--map ours=theirs` for other names."
    )


def _fastchat(row: Fields, given: Given) -> Iterator[Answer | str]:
    choices = row.items("choices")
    if given.choice is not None and given.choice >= len(choices):
        raise BabelmixError(f"{row.where}: has {len(choices)} choices, not {given.choice + 1}.")
    for number, choice in enumerate(choices):
        turns = Fields(choice, f"{row.where}, choice {number + 1}").items("turns")
        for turn, text in enumerate(turns, start=1):
            if given.choice not in (None, number):
                yield "another choice of the same question"
                continue
            answer = _answer(row, given, row.text("question_id"), turn, text, "model_id")
            answer.sample = number if given.choice is None else 0
            yield answer


def _alpaca_eval(row: Fields, given: Given) -> Iterator[Answer | str]:
    instruction = row.text("instruction")
    question_id = str(row.get("question_id") or text_id(instruction))
    answer = _answer(row, given, question_id, 1, row.need("output"), "generator")
    answer.question = printable(instruction)
    answer.category = str(row.get("dataset") or answer.category)
    yield answer


def _record(row: Fields, given: Given) -> Iterator[Answer | str]:
    answer = _answer(row, given, row.text("question_id"), row.turn(), row.get("text") or "", "run")
    answer.sample = row.number("sample", 0)
    yield answer


def _answer(row: Fields, given: Given, raw_id: str, turn: int, text: Any, run_field: str) -> Answer:
    question_id, lang = split_id(raw_id, set(language_catalogue()))
    words = printable(str(text))
    failed = is_failure(words)
    finish = str(row.get("finish_reason") or "stop")
    return Answer(
        question_id=question_id,
        lang=str(row.get("lang") or lang or given.lang),
        category=str(row.get("category") or category_of(question_id) or UNKNOWN),
        turn=turn,
        run=file_name(given.run or row.text(run_field, "model", "run")),
        question=printable(str(row.get("question") or "")),
        text="" if failed else words,
        finish_reason="error" if failed else finish,
        n_prompt_tokens=0,
        n_tokens=0,
        prompt_sha="",
    )


def fill_questions(
    answers: Sequence[Answer], questions: Sequence[Question]
) -> tuple[list[Answer], Counter[str]]:
    """The answers with their questions' text and category; those to no question are left out."""
    known = {(q.lang, q.question_id): q for q in questions}
    by_text = {(q.lang, q.turns[0].strip()): q for q in questions}
    kept: list[Answer] = []
    left_out: Counter[str] = Counter()
    for answer in answers:
        question = known.get((answer.lang, answer.question_id))
        question = question or by_text.get((answer.lang, answer.question.strip()))
        if question is None:
            left_out["not a question of the benchmark"] += 1
        elif answer.turn > len(question.turns):
            left_out["a turn that the question has not"] += 1
        else:
            answer.question_id, answer.category = question.question_id, question.category
            answer.question = question.turns[answer.turn - 1]
            kept.append(answer)
    return kept, left_out


def by_run(answers: Sequence[Answer]) -> dict[str, list[Answer]]:
    """Answers of each run, sorted; one that stands twice is an error."""
    runs: dict[str, dict[tuple[str, str, int, int], Answer]] = defaultdict(dict)
    for answer in answers:
        slot = (answer.lang, answer.question_id, answer.sample, answer.turn)
        if slot in runs[answer.run]:
            raise BabelmixError(
                f"Run {answer.run} answers question {slot[1]} ({slot[0]}) turn {slot[3]} twice. "
                "Name each run's file once, or give them names of their own by --run."
            )
        runs[answer.run][slot] = answer
    return {run: [held[slot] for slot in sorted(held)] for run, held in sorted(runs.items())}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("files", nargs="+", type=Path, help="answer files (JSON, JSONL, CSV)")
    parser.add_argument("--format", default="auto", choices=["auto", *FORMATS], help="their form")
    parser.add_argument("--output", required=True, type=Path, help="folder for {run}.parquet")
    parser.add_argument(
        "--questions", nargs="*", default=[], type=Path, help="the benchmark's questions (parquet)"
    )
    parser.add_argument("--lang", default="en", help="language of rows that do not name theirs")
    parser.add_argument("--run", help="name of the run, in place of the file's")
    parser.add_argument(
        "--choice", type=int, help="which of several choices; left out, all, as samples"
    )
    parser.add_argument(
        "--map", nargs="*", default=[], metavar="OURS=THEIRS", help="fields called otherwise"
    )


def run(args: argparse.Namespace) -> None:
    """Run the verb."""
    given = Given(args.lang, args.run, args.choice)
    answers: list[Answer] = []
    left_out: Counter[str] = Counter()
    for path in args.files:
        rows = read_tabular(path) if path.suffix in (".csv", ".tsv") else read_rows(path)
        rows = rename_fields(rows, dict(pair.partition("=")[::2] for pair in args.map))
        name = recognise(rows, str(path)) if args.format == "auto" else args.format
        for found in read_answers(rows, str(path), name, given):
            if isinstance(found, str):
                left_out[found] += 1
            else:
                answers.append(found)
    read = len(answers) + left_out.total()
    if args.questions:
        questions = [q for path in args.questions for q in read_records(path, Question)]
        answers, unknown = fill_questions(answers, questions)
        left_out += unknown
    runs = by_run(answers)
    assert read == sum(map(len, runs.values())) + left_out.total()
    for name, held in runs.items():
        write_records(args.output / f"{name}.parquet", held, Answer)
    counts: Mapping[str, Any] = {
        "read": read,
        "answers": {name: len(held) for name, held in runs.items()},
        "left_out": dict(left_out),
    }
    write_json(args.output / "import.json", counts)
    out = "".join(f"; left out {n}: {why}" for why, n in left_out.items())
    print(f"{len(answers)} of {read} answers of {len(runs)} runs in {args.output}{out}")
