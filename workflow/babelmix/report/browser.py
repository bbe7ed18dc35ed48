"""Data of the answers browser: questions, answers and judgements, compact and within a budget."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from ..analyse.study import StudySet
from ..io import read_table
from ..records import Answer, Judgement, Question, from_table

#: A judge's text is shown up to this many characters; the files hold all of it.
RAW_CHARS = 1500

#: Characters of a question in the list of questions.
_START = 70
#: Questions are packed together up to about this size, which the page unpacks at once.
_BLOCK_BYTES = 250_000
#: Bytes of one answer or judgement besides its text.
_FRAME_BYTES = 120

#: (question id, language)
Item = tuple[str, str]
Read = TypeVar("Read", Question, Answer, Judgement)


def browser_data(
    study: StudySet,
    questions: Sequence[Path],
    answers: Sequence[Path],
    judgements: Sequence[Path],
    budget: int,
) -> dict[str, Any]:
    """Everything the browser needs, as plain JSON, in about ``budget`` bytes at most.

    A question comes whole (all languages, runs and judgements) or not at all; which ones stay
    depends on their ids alone. How many were left out is part of the data.
    """
    benchmarks = []
    asked = _by_benchmark(questions, lambda path: path.name.split(".")[0])
    answered = _by_benchmark(answers, lambda path: path.parent.name)
    for name in sorted(asked):
        verdicts = [
            path for path in judgements if study.evaluations[path.parent.name]["benchmark"] == name
        ]
        files = asked[name], answered.get(name, []), verdicts
        sizes = _sizes(*files)
        kept = _within(sizes, budget // len(asked))
        benchmarks.append({"name": name, "total": len(sizes), "items": _items(*files, kept)})
    return {
        "runs": [_run(study, run) for run in study.runs],
        "languages": [[code, study.language_name(code)] for code in study.languages],
        "benchmarks": benchmarks,
    }


def packed(browser: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The browser's data as a small index and numbered blocks (JSON, gzip, base64) of questions.

    The page unpacks a block when a question of it is looked at: it opens as fast with a million
    words as with a few, and is a third as large.
    """
    blocks: list[str] = []
    benchmarks = []
    for benchmark in browser["benchmarks"]:
        texts: list[bytes] = []
        index = []
        for item in benchmark["items"]:
            if sum(map(len, texts)) > _BLOCK_BYTES:
                blocks.append(_block(texts))
                texts = []
            texts.append(_json(item))
            shown = {name: item[name] for name in ("id", "lang", "category")}
            index.append(shown | {"start": item["turns"][0][:_START], "block": len(blocks)})
        blocks.append(_block(texts))
        runs = {run for item in benchmark["items"] for run in item["answers"]}
        benchmarks.append(benchmark | {"runs": sorted(runs), "items": index})
    return browser | {"benchmarks": benchmarks}, blocks


def _json(item: dict[str, Any]) -> bytes:
    text = json.dumps(item, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    # A lone surrogate (a model's broken output) has no UTF-8: replaced.
    return text.encode("utf-8", "replace")


def _block(texts: Sequence[bytes]) -> str:
    data = gzip.compress(b"[" + b",".join(texts) + b"]", compresslevel=6, mtime=0)
    return base64.b64encode(data).decode("ascii")


def _by_benchmark(paths: Iterable[Path], name: Any) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in sorted(paths):
        found.setdefault(name(path), []).append(path)
    return found


def _run(study: StudySet, run: str) -> dict[str, Any]:
    variant = study.variants[study.variant_of_run[run]]
    seed = study.raw["runs"][run].get("seed")
    label = f"{variant.label} · seed {seed}" if len(variant.runs) > 1 else variant.label
    return {"run": run, "label": label, "mixed": len(variant.languages) > 1}


def _sizes(
    questions: Sequence[Path], answers: Sequence[Path], judgements: Sequence[Path]
) -> dict[str, int]:
    """About how many bytes each question takes with all that belongs to it.

    Read column by column: the texts of a large study do not fit into memory all at once.
    """
    sizes: dict[str, int] = {}
    for path in questions:
        for question_id in read_table(path, ["question_id"])["question_id"].to_pylist():
            sizes.setdefault(question_id, 0)
    for paths, column, longest in ((answers, "text", None), (judgements, "raw", RAW_CHARS)):
        for path in paths:
            table = read_table(path, ["question_id", column])
            lengths = pc.utf8_length(table[column]).to_pylist()
            for question_id, length in zip(table["question_id"].to_pylist(), lengths, strict=True):
                if question_id in sizes:
                    sizes[question_id] += _FRAME_BYTES + min(length, longest or length)
    return sizes


def _within(sizes: dict[str, int], budget: int) -> set[str]:
    """Questions up to the budget, in the order of their ids' digests; one at least."""
    kept: set[str] = set()
    used = 0
    for question_id in sorted(sizes, key=lambda i: hashlib.sha256(i.encode()).hexdigest()):
        if kept and used + sizes[question_id] > budget:
            break
        kept.add(question_id)
        used += sizes[question_id]
    return kept


def _read(path: Path, record_type: type[Read], kept: set[str]) -> list[Read]:
    """The records of the kept questions."""
    table = read_table(path)
    wanted = pa.array(sorted(kept), table["question_id"].type)
    return from_table(table.filter(pc.is_in(table["question_id"], wanted)), record_type)


def _items(
    questions: Sequence[Path], answers: Sequence[Path], judgements: Sequence[Path], kept: set[str]
) -> list[dict[str, Any]]:
    """One entry a kept question and language, sorted; further samples are ``more`` of the first."""
    items: dict[Item, dict[str, Any]] = {}
    held: dict[tuple[str, str, str, int, int], dict[str, Any]] = {}
    for path in questions:
        for question in _read(path, Question, kept):
            items[question.question_id, question.lang] = {
                "id": question.question_id,
                "lang": question.lang,
                "category": question.category,
                "turns": question.turns,
                "reference": question.reference,
                "answers": {},
            }
    for path in answers:
        for answer in _read(path, Answer, kept):
            item = items.get((answer.question_id, answer.lang))
            if item is not None:
                shown = {"text": answer.text, "finish": answer.finish_reason}
                held[_place(answer)] = shown
                turns = item["answers"].setdefault(answer.run, {})
                first = turns.setdefault(str(answer.turn), shown)
                if first is not shown:
                    first.setdefault("more", []).append(shown)
    for path in judgements:
        for judgement in _read(path, Judgement, kept):
            if found := held.get(_place(judgement)):
                found.setdefault("judgements", []).append(_judgement(judgement, path.parent.name))
    return [items[key] for key in sorted(items)]


def _place(one: Answer | Judgement) -> tuple[str, str, str, int, int]:
    return one.question_id, one.lang, one.run, one.turn, one.sample


def _judgement(judgement: Judgement, evaluation: str) -> dict[str, Any]:
    shown: dict[str, Any] = {"evaluation": evaluation, "raw": judgement.raw[:RAW_CHARS]}
    if judgement.score is not None:
        shown["score"] = judgement.score
    if judgement.verdict is not None:
        shown["verdict"] = judgement.verdict
    if judgement.unscored_reason:
        shown["reason"] = judgement.unscored_reason
    if judgement.order:
        shown |= {"order": judgement.order, "baseline": judgement.baseline}
    return shown
