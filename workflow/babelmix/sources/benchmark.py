"""Verb ``benchmark``: the questions of one benchmark in one language.

Which questions are asked is decided over all languages of the benchmark, so that every language
has the same ones.
"""

from __future__ import annotations

import argparse
import dataclasses
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..config.sources import QUESTION_ADAPTERS
from ..errors import BabelmixError, unknown_name
from ..io import read_json, read_records, write_json, write_records
from ..options import add_settings, read_settings
from ..records import ABSENT_CHECKS, Conversation, Question
from ..specs import BenchmarkSpec
from .overlays import PIVOT, corrected
from .question_files import QuestionFiles


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    add_settings(parser, BenchmarkSpec)
    parser.add_argument("--record", help="record of the fetched source")
    parser.add_argument(
        "--conversations",
        nargs="+",
        help="a pool's file for each language; with --record, of the source's questions as "
        "translated",
    )
    parser.add_argument(
        "--corrections", nargs="+", default=[], help="overlays of human corrections (JSONL or CSV)"
    )
    parser.add_argument("--output", required=True, help="parquet of questions")
    parser.add_argument("--manifest", help="JSON with the counts; left out: the output with .json")


def run(args: argparse.Namespace) -> None:
    """Read all languages, choose the questions, write those of one language."""
    spec = read_settings(args, BenchmarkSpec)
    if args.record is None and not args.conversations:
        raise BabelmixError("benchmark: give --record, --conversations, or both.")
    if args.corrections and args.conversations:
        raise BabelmixError("--corrections goes with --record: a pool is corrected by `collect`.")
    if args.record is not None and args.conversations:
        rows = [read_records(path, Conversation) for path in args.conversations]
        by_lang, manifest = from_translated(spec, read_json(args.record), rows)
    elif args.record is not None:
        by_lang, manifest = from_record(spec, read_json(args.record), args.corrections)
    else:
        rows = [read_records(path, Conversation) for path in args.conversations]
        by_lang, manifest = from_conversations(rows, spec)
    ids, left_out = choose_questions(by_lang, spec)
    chosen = {q.question_id: q for q in by_lang[spec.lang]}
    written = [cut_turns(chosen[i], spec.turns) for i in ids]
    write_records(args.output, written, Question)
    manifest |= {
        "benchmark": spec.name,
        "lang": spec.lang,
        "read": len(chosen),
        "kept": len(written),
        "left_out": dict(left_out),
        "categories": dict(Counter(q.category for q in written)),
    }
    assert len(chosen) == len(written) + left_out.total(), "questions are lost"
    write_json(args.manifest or str(Path(args.output).with_suffix(".json")), manifest)
    for warning in manifest.get("warnings", []):
        print(f"babelmix benchmark: warning: {warning}", file=sys.stderr)
    print(f"benchmark {spec.name}.{spec.lang}: {len(written)} of {len(chosen)} questions")


def from_record(
    spec: BenchmarkSpec, record: dict[str, Any], corrections: Sequence[str] = ()
) -> tuple[dict[str, list[Question]], dict[str, Any]]:
    """The questions of a fetched source in every language, and what is known of ``spec.lang``'s.

    For MT-Bench and MT-Bench-X that is: the defects found (see ``defects``), what people
    corrected, and the published judge prompts, which the pipeline's own stand in for. Overlays of
    ``corrections`` go over what was published: the defects are those of the published texts.
    """
    source = spec.source
    if source is None:
        raise BabelmixError(
            f"benchmark '{spec.name}' is made from a dataset: give --conversations."
        )
    files = QuestionFiles(record, source)
    by_lang = {lang: files.questions(lang) for lang in spec.languages}
    found = by_lang[spec.lang]
    manifest: dict[str, Any] = {"source": record["source"], "warnings": []}
    if passed_over := files.rows(spec.lang) - len(found):
        manifest["other_rows"] = passed_over  # in another language, or not as `where` asks
    if source.expected_rows not in (None, len(found)):
        manifest["warnings"].append(
            f"source '{record['source']}' gives {len(found)} questions in '{spec.lang}', "
            f"{source.expected_rows} are expected. Is the copy whole, and the one that is meant?"
        )
    if source.adapter in QUESTION_ADAPTERS:
        by_lang[spec.lang], facts = files.examine(found, spec.lang)
        manifest |= facts
    if corrections:
        english = files.questions(PIVOT) if PIVOT in record["files"] else []
        by_lang, done = corrected(by_lang, english, corrections, spec.lang)
        manifest["overlay"] = done["overlay"]
        manifest["warnings"] += [f"benchmark '{spec.name}': {w}" for w in done["warnings"]]
    return by_lang, manifest


def from_conversations(
    files: list[list[Conversation]], spec: BenchmarkSpec
) -> tuple[dict[str, list[Question]], dict[str, Any]]:
    """A pool's user turns as questions; the answers, where there are any, as references.

    A row that is absent in any language (``ABSENT_CHECKS``) is not asked in any; ``absent`` counts
    them. Rows that failed another check are asked, and ``flagged`` counts them: dropping them
    would take away questions for the sake of one language. The category is the row's source.
    """
    by_lang = {rows[0].lang: rows for rows in files if rows}
    missing = [lang for lang in spec.languages if lang not in by_lang]
    if missing or len(by_lang) != len(files):
        raise BabelmixError(
            f"benchmark '{spec.name}': --conversations hold {sorted(by_lang)}; one file for each "
            f"of {spec.languages} is needed."
        )
    failed = [
        (r.id, c.name)
        for lang in spec.languages
        for r in by_lang[lang]
        for c in r.checks
        if not c.ok
    ]
    absent = {row_id for row_id, name in failed if name in ABSENT_CHECKS}
    flagged = {row_id for row_id, _ in failed} - absent
    found = {
        lang: [as_question(row) for row in by_lang[lang] if row.id not in absent]
        for lang in spec.languages
    }
    counts: dict[str, Any] = {"absent": len(absent), "flagged": len(flagged)}
    if absent and spec.source is not None:
        counts["absent_ids"] = sorted(absent, key=natural_key)
    return found, counts


def from_translated(
    spec: BenchmarkSpec, record: dict[str, Any], files: list[list[Conversation]]
) -> tuple[dict[str, list[Question]], dict[str, Any]]:
    """A source's questions where some languages are translations of them.

    Categories are the source's. A question that could not be translated into some language is not
    asked in any; ``warnings`` name it.
    """
    source = spec.source
    assert source is not None, "a translated benchmark has a source"
    published = QuestionFiles(record, source)
    categories = {q.question_id: q.category for q in published.questions(source.pivot)}
    by_lang, counts = from_conversations(files, spec)
    for found in by_lang.values():
        for question in found:
            question.category = categories[question.question_id]
    manifest: dict[str, Any] = {"source": record["source"], "warnings": [], **counts}
    manifest["translated"] = sum(row.origin == "translated" for rows in files for row in rows)
    if counts["absent"]:
        manifest["warnings"].append(
            f"benchmark '{spec.name}': {counts['absent']} questions could not be translated into "
            f"some language and are asked in none: {', '.join(counts['absent_ids'][:5])}. Correct "
            "them (`export-review`), or take another translator"
        )
    if spec.lang in source.languages and source.adapter in QUESTION_ADAPTERS:
        _, facts = published.examine(published.questions(spec.lang), spec.lang)
        manifest |= facts
    return by_lang, manifest


def as_question(row: Conversation) -> Question:
    """A pool's row as a question: its user turns, and after each its reference, if it has one.

    Where a turn has several answers (calls of tools) there is no telling which is the reference.
    """
    turns: list[str] = []
    answers: list[list[str]] = []
    for message in row.messages:
        if message.role == "user":
            turns.append(message.content)
            answers.append([])
        elif message.role == "assistant" and turns:
            answers[-1].append(message.content)
    clear = any(answers) and all(len(given) < 2 for given in answers)
    reference = [given[0] if given else "" for given in answers] if clear else []
    return Question(row.id, row.lang, row.source, turns, reference)


def natural_key(question_id: str) -> list[tuple[int, int, str]]:
    """Order of ids: numbers in them by value (``9``, ``81``, ``100``), the rest as text."""
    parts = re.split(r"([0-9]+)", question_id)
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts if p]


def cut_turns(question: Question, turns: int | None) -> Question:
    """The first ``turns`` turns, with their references."""
    if turns is None:
        return question
    return dataclasses.replace(
        question, turns=question.turns[:turns], reference=question.reference[:turns]
    )


def choose_questions(
    by_lang: dict[str, list[Question]], spec: BenchmarkSpec
) -> tuple[list[str], Counter[str]]:
    """Ids to ask, in id order, and how many of ``spec.lang`` are left out for which reason.

    Left out are other categories, questions with a (kept) turn over ``max_question_chars`` in any
    language, and what exceeds ``questions`` when these are spread evenly over the categories, the
    first ids of each first. Raises BabelmixError when the languages hold different questions.
    """
    _same_ids(by_lang, spec.name)
    questions_here = sorted(by_lang[spec.lang], key=lambda q: natural_key(q.question_id))
    left_out: Counter[str] = Counter()
    if spec.categories is not None:
        present = {q.category for q in questions_here}
        for category in spec.categories:
            if category not in present:
                where = f"benchmarks.{spec.name}.categories"
                raise unknown_name("category", category, present, where)
        kept = [q for q in questions_here if q.category in spec.categories]
        left_out["other category"] = len(questions_here) - len(kept)
        questions_here = kept
    if spec.max_question_chars is not None:
        longest = _longest_turns(by_lang, spec.turns)
        kept = [q for q in questions_here if longest[q.question_id] <= spec.max_question_chars]
        left_out["longer than max_question_chars"] = len(questions_here) - len(kept)
        questions_here = kept
    ids = spread(questions_here, spec.questions)
    left_out["more than `questions`"] = len(questions_here) - len(ids)
    if not ids:
        raise BabelmixError(
            f"benchmark '{spec.name}': no question is left; loosen `categories` or "
            "`max_question_chars`."
        )
    return ids, +left_out


def spread(ordered: list[Question], count: int | None) -> list[str]:
    """``count`` ids taken in turn from the categories (as they first occur), kept in order."""
    if count is None or count >= len(ordered):
        return [q.question_id for q in ordered]
    ranks: Counter[str] = Counter()
    place = {c: n for n, c in enumerate(dict.fromkeys(q.category for q in ordered))}
    order: list[tuple[int, int, int]] = []
    for index, question in enumerate(ordered):
        order.append((ranks[question.category], place[question.category], index))
        ranks[question.category] += 1
    chosen = sorted(index for _, _, index in sorted(order)[:count])
    return [ordered[index].question_id for index in chosen]


def _longest_turns(by_lang: dict[str, list[Question]], turns: int | None) -> dict[str, int]:
    longest: dict[str, int] = {}
    for question in (q for part in by_lang.values() for q in part):
        size = max(map(len, question.turns[:turns]))
        longest[question.question_id] = max(longest.get(question.question_id, 0), size)
    return longest


def _same_ids(by_lang: dict[str, list[Question]], name: str) -> None:
    first, *others = by_lang
    expected = {q.question_id: (q.category, len(q.turns)) for q in by_lang[first]}
    for lang in others:
        found = {q.question_id: (q.category, len(q.turns)) for q in by_lang[lang]}
        if found != expected:
            odd = sorted(dict(expected.items() ^ found.items()), key=natural_key)
            raise BabelmixError(
                f"benchmark '{name}': '{first}' and '{lang}' differ in questions, categories or "
                f"turns: {', '.join(odd[:5])}. The files are not parallel."
            )
