"""Verb ``import-answers``: bring in answers that others published, as answers of our own runs.

| format | one row |
|---|---|
| fastchat | FastChat's and MT-Bench-X's ``model_answer``: all turns; choices are samples |
| alpaca-eval | AlpacaEval's ``model_outputs.json``: one instruction and its output |
| fasteval | FastEval's ``answers.json``, one JSON object: all turns by question id |
| logickor | LogicKor's ``generated`` and ``evaluated`` files: all turns |
| records | JSON, JSON lines or CSV with our own names: ``question_id``, ``turn``, ``text`` … |

An import adds to its folder. The same answer twice is an error, or replaced with ``--replace``.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import BabelmixError
from ..io import file_digest, read_json, read_records, write_json, write_records
from ..judge.published.entry import Fields, Hints, category_of, is_failure, split_id, text_id
from ..judge.published.fastchat import model_folder
from ..judge.published.languages import language_code, parse_lang
from ..judge.published.settle import UNKNOWN, file_name, printable
from ..judge.published.tabular import (
    find_published,
    names_in_path,
    parse_renamed,
    read_published,
    rename_fields,
)
from ..records import Answer, Question
from ..resources import language_catalogue

FORMATS = ("fastchat", "alpaca-eval", "fasteval", "logickor", "records")
SUMMARY = "import.json"
_KNOWN_FIELDS = (
    r"question_id|id|key|run|model|model_id|turn|sample|text(_turn_?\d+)?|lang|language|category|"
    "question|questions|finish_reason|instruction|output|outputs|generator|dataset|choices|values"
)


@dataclass(frozen=True, slots=True)
class Given:
    """What the command line and a file's path say of its rows. ``choice`` is FastChat's: which of
    several; None takes them all, as samples. ``row_lang`` is the language that a row's field gives.
    """

    lang: str = "en"
    run: str | None = None
    choice: int | None = None
    row_lang: str | None = None
    lang_said: bool = False


def read_row(row: Fields, format_name: str, given: Given) -> Iterator[Answer | str]:
    """The answers of a row, and the reason of each that is left out."""
    readers = {
        "fastchat": _fastchat,
        "alpaca-eval": _alpaca_eval,
        "fasteval": _fasteval,
        "logickor": _logickor,
        "records": _record,
    }
    yield from readers[format_name](row, given)


def recognise(rows: list[Any], path: str) -> str:
    """The format of a file by the fields of its first row."""
    first = set(rows[0]) if rows and isinstance(rows[0], dict) else set()
    for name, signs in (
        ("fastchat", {"question_id", "choices"}),
        ("logickor", {"id", "outputs"}),
        ("fasteval", {"key", "values"}),
        ("alpaca-eval", {"instruction", "output"}),
        ("records", {"question_id", "text"}),
        ("records", {"question_id", "text_turn1"}),
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


def _fasteval(row: Fields, given: Given) -> Iterator[Answer | str]:
    for turn, text in enumerate(row.items("values"), start=1):
        yield _answer(row, given, row.text("question_id"), turn, text, "run")


def _logickor(row: Fields, given: Given) -> Iterator[Answer | str]:
    questions = row.get("questions") or []
    told = given if given.lang_said else replace(given, lang="ko")
    for turn, text in enumerate(row.items("outputs"), start=1):
        answer = _answer(row, told, row.text("id"), turn, text, "run")
        if turn <= len(questions):
            answer.question = printable(str(questions[turn - 1] or ""))
        yield answer


def _record(row: Fields, given: Given) -> Iterator[Answer | str]:
    turns = [(name, re.fullmatch(r"text_turn_?(\d+)", str(name))) for name in row.row]
    texts = [(int(match[1]), row.get(name)) for name, match in turns if match]
    for turn, text in texts or [(row.turn(), row.get("text") or "")]:
        if text is None:
            yield f"no answer on turn {turn}"
            continue
        answer = _answer(row, given, row.text("question_id"), turn, text, "run")
        answer.sample = row.number("sample", 0)
        yield answer


def _answer(row: Fields, given: Given, raw_id: str, turn: int, text: Any, run_field: str) -> Answer:
    question_id, lang = split_id(raw_id, set(language_catalogue()))
    words = printable("" if text is None else str(text))
    failed = is_failure(words)
    finish = str(row.get("finish_reason") or "stop")
    return Answer(
        question_id=question_id,
        lang=given.row_lang or lang or given.lang,
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


def slot_of(answer: Answer) -> tuple[str, str, int, int]:
    """What an answer of a run answers."""
    return answer.lang, answer.question_id, answer.sample, answer.turn


def by_run(
    answers: Sequence[Answer], folder: Path, replace_old: bool = False
) -> tuple[dict[str, list[Answer]], int]:
    """Answers of each run joined with the folder's, sorted, and how many were replaced.

    The same answer twice among the new ones is an error; one that the folder has already is too, or
    is replaced.
    """
    runs: dict[str, dict[tuple[str, str, int, int], Answer]] = defaultdict(dict)
    for answer in answers:
        slot = slot_of(answer)
        if slot in runs[answer.run]:
            raise BabelmixError(
                f"Run {answer.run} answers question {slot[1]} ({slot[0]}) turn {slot[3]} twice. "
                "Name each run's file once, or give them names of their own by --run."
            )
        runs[answer.run][slot] = answer
    replaced = 0
    for run, new in runs.items():
        path = folder / f"{run}.parquet"
        old = {slot_of(one): one for one in read_records(path, Answer)} if path.is_file() else {}
        same = sorted(old.keys() & new.keys())
        if same and not replace_old:
            lang, question_id, _, turn = same[0]
            raise BabelmixError(
                f"{path} has {len(same)} of these answers already (first: question {question_id} "
                f"({lang}) turn {turn}). `--replace` takes the new ones and counts them; --run "
                "gives them a name of their own. Nothing was written."
            )
        replaced += len(same)
        runs[run] = old | new
    joined = {run: [held[slot] for slot in sorted(held)] for run, held in sorted(runs.items())}
    return joined, replaced


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument(
        "files", nargs="+", type=Path, help="answer files (JSON, JSONL, CSV), or their folders"
    )
    parser.add_argument("--format", default="auto", choices=["auto", *FORMATS], help="their form")
    parser.add_argument("--output", required=True, type=Path, help="folder for {run}.parquet")
    parser.add_argument(
        "--questions", nargs="*", default=[], type=Path, help="the benchmark's questions (parquet)"
    )
    parser.add_argument(
        "--lang",
        help="language of rows that do not name theirs (left out: en): CODE, field:NAME, or "
        "path:PATTERN with {lang}",
    )
    parser.add_argument(
        "--from-path", metavar="PATTERN", help="names in the files' paths: {run}, {lang}"
    )
    parser.add_argument("--run", help="name of the run, in place of the file's")
    parser.add_argument(
        "--choice", type=int, help="which of several choices; left out, all, as samples"
    )
    parser.add_argument(
        "--map",
        nargs="*",
        action="extend",
        default=[],
        metavar="OURS=THEIRS",
        help="fields called otherwise; theirs may be a path, as text=outputs.0",
    )
    parser.add_argument(
        "--replace", action="store_true", help="replace answers that were imported before"
    )


@dataclass(slots=True)
class _ReadFile:
    """The answers of one file, and its rows counted."""

    path: Path
    format: str
    rows: int
    answers: list[Answer]
    left_out: Counter[str]


def read_files(args: argparse.Namespace) -> list[_ReadFile]:
    """The answers of all files; turns that count from 0 anywhere count from 1 then."""
    wanted = "answers.json" if args.format == "fasteval" else ""
    files = [_read_file(path, args) for path in find_published(args.files, wanted)]
    for name in {file.format for file in files}:
        same = [file for file in files if file.format == name]
        if any(answer.turn == 0 for file in same for answer in file.answers):
            for answer in (one for file in same for one in file.answers):
                answer.turn += 1
            print(f"{name}: turns counted from 0 now count from 1")
    return files


def _read_file(path: Path, args: argparse.Namespace) -> _ReadFile:
    renamed = parse_renamed(args.map, _KNOWN_FIELDS)
    lang = parse_lang(args.lang)
    rows = rename_fields(read_published(path), renamed)
    name = recognise(rows, str(path)) if args.format == "auto" else args.format
    placed = names_in_path(path, args.from_path) if args.from_path else {}
    run = args.run or placed.get("run")
    if run is None and name == "fasteval":
        run = model_folder(Hints(path=path))
    if run is None and name == "logickor" and "run" not in renamed:
        run = path.stem
    code = language_code(placed["lang"], str(path)) if "lang" in placed else lang.of_file(path)
    given = Given(code, run, args.choice, lang_said=lang.said or "lang" in placed)
    found = _ReadFile(path, name, len(rows), [], Counter())
    for number, row in enumerate(rows, start=1):
        fields = Fields(row, f"{path}: row {number}", number)
        own = replace(
            given,
            row_lang=lang.of_row(fields.row, fields.where)
            or lang.own_of_row(fields.row, fields.where),
            run=str(row["run"]) if "run" in renamed and row.get("run") else given.run,
        )
        for one in read_row(fields, name, own):
            if isinstance(one, str):
                found.left_out[one] += 1
            else:
                found.answers.append(one)
    return found


def run(args: argparse.Namespace) -> None:
    """Run the verb."""
    files = read_files(args)
    answers = [answer for file in files for answer in file.answers]
    left_out = sum((file.left_out for file in files), Counter[str]())
    read = len(answers) + left_out.total()
    if args.questions:
        questions = [q for path in args.questions for q in read_records(path, Question)]
        answers, unknown = fill_questions(answers, questions)
        left_out += unknown
    runs, replaced = by_run(answers, args.output, args.replace)
    if read != len(answers) + left_out.total():
        raise AssertionError(f"{args.output}: answers lost")
    for name, held in runs.items():
        write_records(args.output / f"{name}.parquet", held, Answer)
    _write_summary(args.output, files, read, runs, left_out, replaced)
    out = "".join(f"; left out {n}: {why}" for why, n in left_out.items())
    out += f"; {replaced} replaced" if replaced else ""
    rows = sum(file.rows for file in files)
    print(
        f"{len(answers)} of {read} answers of {len(runs)} runs, from {rows} rows, in "
        f"{args.output}{out}"
    )


def _write_summary(
    folder: Path,
    files: Sequence[_ReadFile],
    read: int,
    runs: dict[str, list[Answer]],
    left_out: Counter[str],
    replaced: int,
) -> None:
    """Add this import to the folder's summary. Counts are of all imports, answers as they are."""
    path = folder / SUMMARY
    before = read_json(path) if path.is_file() else {}
    these = [
        {
            "file": file.path.name,
            "sha256": file_digest(file.path),
            "format": file.format,
            "rows": file.rows,
            "answers": len(file.answers),
            "left_out": dict(file.left_out),
        }
        for file in files
    ]
    write_json(
        path,
        {
            "read": before.get("read", 0) + read,
            "answers": before.get("answers", {}) | {name: len(held) for name, held in runs.items()},
            "left_out": dict(Counter(before.get("left_out", {})) + left_out),
            "replaced": before.get("replaced", 0) + replaced,
            "files": [*before.get("files", []), *these],
        },
    )
