"""Data of the answers browser: questions, answers and judgements, compact and within a budget."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..analyse.study import StudySet
from ..io import canonical_json, read_records
from ..records import Answer, Judgement, Question

#: A judge's text is shown up to this many characters; the files hold all of it.
RAW_CHARS = 1500

#: (question id, language)
Item = tuple[str, str]


@dataclass
class BenchmarkAnswers:
    """What the page shows of one benchmark. ``total``: its questions; ``items``: those included."""

    name: str
    total: int
    items: list[dict[str, Any]] = field(default_factory=list)


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
        benchmark = _benchmark(name, asked[name], answered.get(name, []), verdicts)
        benchmarks.append(_within(benchmark, budget // len(asked)))
    return {
        "runs": [_run(study, run) for run in study.runs],
        "languages": [[code, study.language_name(code)] for code in study.languages],
        "benchmarks": [{"name": b.name, "total": b.total, "items": b.items} for b in benchmarks],
    }


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


def _benchmark(
    name: str, questions: list[Path], answers: list[Path], judgements: list[Path]
) -> BenchmarkAnswers:
    items: dict[Item, dict[str, Any]] = {}
    for path in questions:
        for question in read_records(path, Question):
            items[question.question_id, question.lang] = {
                "id": question.question_id,
                "lang": question.lang,
                "category": question.category,
                "turns": question.turns,
                "reference": question.reference,
                "answers": {},
            }
    for path in answers:
        for answer in read_records(path, Answer):
            item = items.get((answer.question_id, answer.lang))
            if item is not None:
                turns = item["answers"].setdefault(answer.run, {})
                turns[str(answer.turn)] = {"text": answer.text, "finish": answer.finish_reason}
    for path in judgements:
        for judgement in read_records(path, Judgement):
            item = items.get((judgement.question_id, judgement.lang))
            turn = item and item["answers"].get(judgement.run, {}).get(str(judgement.turn))
            if turn:
                turn.setdefault("judgements", []).append(_judgement(judgement, path.parent.name))
    chosen = [items[key] for key in sorted(items)]
    return BenchmarkAnswers(name, len({item["id"] for item in chosen}), chosen)


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


def _within(benchmark: BenchmarkAnswers, budget: int) -> BenchmarkAnswers:
    """Keep whole questions, in the order of their ids' digests, up to the budget; one at least."""
    sizes: dict[str, int] = {}
    for item in benchmark.items:
        size = len(canonical_json(item).encode("utf-8", "surrogatepass"))
        sizes[item["id"]] = sizes.get(item["id"], 0) + size
    kept: set[str] = set()
    used = 0
    for question_id in sorted(sizes, key=lambda i: hashlib.sha256(i.encode()).hexdigest()):
        if kept and used + sizes[question_id] > budget:
            break
        kept.add(question_id)
        used += sizes[question_id]
    items = [item for item in benchmark.items if item["id"] in kept]
    return BenchmarkAnswers(benchmark.name, benchmark.total, items)
