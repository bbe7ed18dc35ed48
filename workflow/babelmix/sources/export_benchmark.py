"""Verb ``export-benchmark``: a study set's benchmark as MT-Bench-X's own files.

One folder per language, ``mt_bench_{LANG}``: ``question.jsonl`` (ids as ``81_PT``),
``reference_answer/gpt-4.jsonl`` where there are references, and, of a translated language that
people corrected, ``question_original.jsonl`` and ``corrections.jsonl`` (which questions they
changed). FastChat reads them, and `adapter: mt_bench_x` does.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..errors import BabelmixError
from ..folders import whole_folder
from ..io import digest, read_records, write_text
from ..records import Conversation, Question
from .benchmark import as_question, cut_turns, natural_key

#: FastChat looks for references under the name of the model that wrote them.
REFERENCE_MODEL = "gpt-4"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("--results", required=True, type=Path, help="folder of the study set")
    parser.add_argument("--benchmark", required=True, help="its name in the configuration")
    parser.add_argument("--languages", nargs="+", help="left out: all that are there")
    parser.add_argument("--output", required=True, type=Path, help="folder to write")


def run(args: argparse.Namespace) -> None:
    """Write one folder per language, whole or not at all."""
    held = sorted((args.results / "benchmarks").glob(f"{args.benchmark}.*.parquet"))
    there = {path.name.split(".")[-2]: path for path in held}
    wanted = args.languages or list(there)
    if lost := [lang for lang in wanted if lang not in there]:
        raise BabelmixError(
            f"export-benchmark: {args.results} has no questions of '{args.benchmark}' in "
            f"{', '.join(lost)} (there are: {', '.join(there) or 'none'}). Make them first: "
            f"snakemake {args.results}/benchmarks/{args.benchmark}.{lost[0]}.parquet"
        )
    if not wanted:
        raise BabelmixError(
            f"export-benchmark: {args.results}/benchmarks holds nothing of '{args.benchmark}'."
        )
    with whole_folder(args.output) as fresh:
        for lang in wanted:
            found = read_records(there[lang], Question)
            before = originals(args.results, args.benchmark, lang, found)
            corrected = export_language(fresh, lang, found, before)
            print(
                f"export-benchmark: {args.output}/{_folder(lang)}: {len(found)} questions, "
                f"{sum(bool(q.reference) for q in found)} with references, {corrected} corrected"
            )


def originals(
    results: Path, benchmark: str, lang: str, questions: Sequence[Question]
) -> list[Question] | None:
    """The questions as the translator gave them; None where the language is no translation."""
    shards = sorted((results / "translations" / f"{benchmark}.{lang}").glob("*.parquet"))
    if not shards:
        return None
    rows = {r.id: r for shard in shards for r in read_records(shard, Conversation)}
    lost = [q.question_id for q in questions if q.question_id not in rows]
    if lost:
        raise BabelmixError(
            f"export-benchmark: the translations of '{benchmark}' into '{lang}' lack question "
            f"{lost[0]}: they are of other settings. Run the workflow, then export again."
        )
    found = []
    for question in questions:
        before = cut_turns(as_question(rows[question.question_id]), len(question.turns))
        before.category = question.category
        found.append(before)
    return found


def export_language(
    folder: Path, lang: str, questions: Sequence[Question], before: Sequence[Question] | None
) -> int:
    """Write one language's files below ``folder``; how many questions people changed.

    ``corrections.jsonl`` lists those whose turns changed, as MT-Bench-X's does; a reference that
    was corrected is counted, not listed.
    """
    place = folder / _folder(lang)
    (place / "reference_answer").mkdir(parents=True)
    ordered = sorted(questions, key=lambda q: natural_key(q.question_id))
    _write(place / "question.jsonl", (_row(q) for q in ordered))
    references = [_reference(q) for q in ordered if any(map(str.strip, q.reference))]
    _write(place / "reference_answer" / f"{REFERENCE_MODEL}.jsonl", references)
    if before is None:
        return 0
    old = {q.question_id: q for q in before}
    changed = [q for q in ordered if q.turns != old[q.question_id].turns]
    _write(place / "question_original.jsonl", (_row(old[q.question_id]) for q in ordered))
    named = ({"question_id": _id(q), "category": q.category} for q in changed)
    _write(place / "corrections.jsonl", named)
    return sum(_texts(q) != _texts(old[q.question_id]) for q in ordered)


def _folder(lang: str) -> str:
    return f"mt_bench_{lang.upper()}"


def _id(question: Question) -> str:
    return f"{question.question_id}_{question.lang.upper()}"


def _row(question: Question) -> dict[str, Any]:
    return {
        "question_id": _id(question),
        "category": question.category,
        "turns": question.turns,
        "reference": question.reference,
    }


def _reference(question: Question) -> dict[str, Any]:
    return {
        "question_id": _id(question),
        "answer_id": digest([_id(question), question.reference])[:22],
        "model_id": REFERENCE_MODEL,
        "choices": [{"index": 0, "turns": question.reference}],
    }


def _texts(question: Question) -> tuple[list[str], list[str]]:
    return question.turns, question.reference


def _write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
