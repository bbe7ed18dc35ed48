"""A made-up study set on disk: what tables, figures and the report are tested with.

The numbers are drawn from a seeded generator with a built-in truth: mixtures with more languages
are graded higher and answer in the asked language more often; the judge leaves one answer unscored.
"""

from __future__ import annotations

import dataclasses
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from babelmix.io import digest, read_records, write_json, write_records, write_text
from babelmix.records import Answer, Judgement, Question, Score
from babelmix.specs import ScoreSpec

LANGUAGES = {
    "en": {"name": "English", "family": "Germanic", "script": "Latin", "pretraining_share": 0.7},
    "de": {"name": "German", "family": "Germanic", "script": "Latin", "pretraining_share": 0.1},
    "fr": {"name": "French", "family": "Romance", "script": "Latin", "pretraining_share": 0.1},
}
CATEGORIES = ("writing", "math")
TEXT = {
    "en": "The harbour was quiet that morning, and nobody had seen the ferry leave.",
    "de": "Der Hafen war an diesem Morgen still, und niemand hatte die Fähre gesehen.",
    "fr": "Le port était calme ce matin-là, et personne n'avait vu partir le bateau.",
}
HOSTILE = "<script>alert('x')</script> {{ 7*7 }} {answer} </script> <!-- & \u2028"
SINGLE, PAIRS, SIDE = (
    "bench.judge.single",
    "bench.judge.pairwise.best_monolingual",
    "bench.judge.side_by_side.language_monolingual",
)


@dataclass
class FakeStudy:
    """Paths of a fake study set, as the verbs take them."""

    root: Path
    scores: list[Path] = field(default_factory=list)
    judgements: list[Path] = field(default_factory=list)
    answers: list[Path] = field(default_factory=list)
    questions: list[Path] = field(default_factory=list)
    manifests: list[Path] = field(default_factory=list)
    audits: list[Path] = field(default_factory=list)
    metrics: list[Path] = field(default_factory=list)
    humans: list[Path] = field(default_factory=list)

    @property
    def study(self) -> Path:
        return self.root / "study.json"

    def options(self, *names: str) -> list[str]:
        """Command-line options for some of the file lists."""
        given: list[str] = ["--study", str(self.study)]
        for name in names:
            given += [f"--{name}", *map(str, getattr(self, name))]
        return given


#: The mixtures of a smaller study, where a test needs no more.
FEW = ("mono-EN", "mono-DE", "mono-FR", "all-ENDEFR")


def mixtures(questions: int, only: tuple[str, ...] | None = None) -> dict[str, dict[str, int]]:
    """Rows by language of each mixture; ``questions`` only scales them."""
    rows = max(questions, 3) * 10
    third = rows // 3
    found = {
        "mono-EN": {"en": rows},
        "mono-DE": {"de": rows},
        "mono-FR": {"fr": rows},
        "pinch-p10": {"en": rows - rows // 10, "de": rows // 20, "fr": rows // 10 - rows // 20},
        "pinch-1row": {"en": rows - 1, "de": 1},
        "even-ENDEFR": {"de": third, "en": rows - 2 * third, "fr": third},
        "all-ENDEFR": {"en": rows, "de": rows, "fr": rows},
    }
    return {name: found[name] for name in only or found}


def describe(
    questions: int, pairs: bool, seeds: tuple[int, ...], only: tuple[str, ...] | None
) -> dict[str, Any]:
    """A ``study.json`` like the one of the ``describe`` verb."""
    runs: dict[str, Any] = {}
    for mixture, rows in mixtures(questions, only).items():
        main = "en" if mixture.startswith("pinch") else None
        for seed in seeds:
            runs[f"tiny.{mixture}.short.s{seed}"] = {
                "model": "tiny",
                "mixture": mixture,
                "recipe": "short",
                "seed": seed,
                "studies": ["polyglot"],
                "label": f"{mixture} · tiny",
                "dataset": "pool",
                "kind": "parallel" if mixture.startswith("all") else "blocks",
                "languages": list(rows),
                "shares": {"en": 1.0}
                if main
                else {c: n / sum(rows.values()) for c, n in rows.items()},
                "main": main,
                "mixed_percent": 10.0 if mixture == "pinch-p10" else None,
                "mixed_rows": 1 if mixture == "pinch-1row" else None,
                "aliases": {"mono-EN": ["pinch-p0"], "even-ENDEFR": ["pinch-p100"]}.get(
                    mixture, []
                ),
            }
    runs["tiny.untuned"] = {
        "model": "tiny",
        "mixture": None,
        "recipe": None,
        "seed": 0,
        "studies": ["polyglot"],
        "label": "tiny (untuned)",
        "dataset": None,
        "kind": "untuned",
        "languages": [],
        "shares": {},
        "main": None,
        "aliases": [],
    }
    common = {"benchmark": "bench", "judge": "judge", "engine": "rules", "languages": [*LANGUAGES]}
    evaluations = {SINGLE: {**common, "protocol": "single", "baseline": None}}
    if pairs:
        evaluations[PAIRS] = {**common, "protocol": "pairwise", "baseline": "best_monolingual"}
        evaluations[SIDE] = {
            **common,
            "protocol": "side_by_side",
            "baseline": "language_monolingual",
        }
    return {
        "study_set": "fake",
        "description": "A made-up study set for tests.",
        "note": "Demo: made-up numbers, not a measure of quality.",
        "confidence": 0.95,
        "bootstrap_samples": 200,
        "languages": LANGUAGES,
        "runs": runs,
        "evaluations": evaluations,
        "studies": {
            "polyglot": {
                "title": "Do polyglot models need polyglot instructions?",
                "question": "Which language mixture makes the model answer best in all languages?",
                "deviations": [
                    {"what": "model", "paper": "7B", "ours": "tiny <b>one</b>", "mark": "C"},
                    {"what": "seed", "paper": "unpublished", "ours": "0", "mark": "?"},
                ],
                "runs": list(runs),
                "evaluations": list(evaluations),
                "families": [
                    {"name": "mono", "policy": "monolingual", "mixtures": ["mono-EN", "mono-DE"]},
                    {
                        "name": "pinch",
                        "policy": "pinch",
                        "mixtures": ["pinch-1row", "pinch-p10", "even-ENDEFR"],
                    },
                ],
            }
        },
        "benchmarks": {"bench": {"languages": [*LANGUAGES], "questions": questions}},
        "models": {"tiny": {"repo": "nobody/tiny", "revision": "abc", "licence": "Apache-2.0"}},
        "recipes": {"short": {"epochs": 1.0, "learning_rate": 0.001}},
        "sources": {
            "open": {"licence": "CC0-1.0", "non_commercial": False, "citation": ""},
            "closed": {"licence": "CC BY-NC 4.0", "non_commercial": True, "citation": "Doe 2024"},
        },
        "code_version": "0.1.0",
        "stage_versions": {"score": 1, "tables": 1},
    }


def _skill(rows: dict[str, int], lang: str) -> float:
    """The built-in truth, 0 … 1: own rows help a little, more languages help a little more."""
    if not rows:
        return 0.1
    own = rows.get(lang, 0) / sum(rows.values())
    return min(1.0, 0.35 + 0.3 * (own > 0) + 0.05 * own + 0.1 * len(rows))


def make(
    root: Path,
    *,
    questions: int = 6,
    pairs: bool = True,
    seeds: tuple[int, ...] = (0, 1),
    unscored: tuple[str, ...] = ("q00",),
    only: tuple[str, ...] | None = None,
) -> FakeStudy:
    """Write the study set under ``root``. ``unscored``: questions whose German grade failed."""
    study = FakeStudy(root)
    described = describe(questions, pairs, seeds, only)
    write_json(study.study, described)
    asked = _write_questions(study, questions)
    by_mixture = mixtures(questions, only)
    for run, spec in described["runs"].items():
        rows = by_mixture.get(spec["mixture"] or "", {})
        answers = _answers(run, rows, asked)
        path = root / "answers" / "bench" / f"{run}.parquet"
        write_records(path, answers, Answer)
        study.answers.append(path)
        path = root / "scores" / "bench" / f"{run}.parquet"
        write_records(path, _scores(run, answers), Score)
        study.scores.append(path)
        _write_judgements(study, run, rows, answers, described, unscored)
        if spec["mixture"]:
            _write_metrics(study, run)
    _write_inputs(study, by_mixture)
    return study


def sample_twice(study: FakeStudy) -> None:
    """Every answer, score and judgement a second time, as another sample."""
    kinds = ((study.answers, Answer), (study.scores, Score), (study.judgements, Judgement))
    for paths, kind in kinds:
        for path in paths:
            rows: list[Any] = read_records(path, kind)
            more = [dataclasses.replace(row, sample=1) for row in rows]
            write_records(path, [*rows, *more], kind)


def _write_questions(study: FakeStudy, count: int) -> list[Question]:
    asked: list[Question] = []
    for lang in LANGUAGES:
        own = [
            Question(
                question_id=f"q{i:02}",
                lang=lang,
                category=CATEGORIES[i % 2],
                turns=[f"({lang}) First question {i}?", f"({lang}) And then {i}?"],
                reference=["42", "43"] if i % 2 else [],
            )
            for i in range(count)
        ]
        path = study.root / "benchmarks" / f"bench.{lang}.parquet"
        write_records(path, own, Question)
        study.questions.append(path)
        asked += own
    return asked


def _answers(run: str, rows: dict[str, int], asked: list[Question]) -> list[Answer]:
    found = []
    for question in asked:
        for turn, text in enumerate(question.turns, start=1):
            draw = random.Random(f"{run}{question.question_id}{question.lang}{turn}")
            speaks = question.lang if draw.random() < _skill(rows, question.lang) else "en"
            reply = f"{TEXT[speaks]} {HOSTILE if question.question_id == 'q01' else ''}"
            found.append(
                Answer(
                    question_id=question.question_id,
                    lang=question.lang,
                    category=question.category,
                    turn=turn,
                    run=run,
                    question=text,
                    text="" if draw.random() < 0.03 else reply.strip(),
                    finish_reason="length" if draw.random() < 0.1 else "stop",
                    n_prompt_tokens=20,
                    n_tokens=15,
                    prompt_sha=digest(text),
                )
            )
    return found


def _scores(run: str, answers: list[Answer]) -> list[Score]:
    from babelmix.analyse.score import score_answers

    langs = list(LANGUAGES)
    spec = ScoreSpec(version=1, run=run, benchmark="bench", languages=langs, all_languages=langs)
    return score_answers(answers, spec)


def _write_judgements(
    study: FakeStudy,
    run: str,
    rows: dict[str, int],
    answers: list[Answer],
    described: dict[str, Any],
    unscored: tuple[str, ...],
) -> None:
    for evaluation, spec in described["evaluations"].items():
        if spec["protocol"] == "single":
            found = [_grade(a, _skill(rows, a.lang), unscored) for a in answers]
        else:
            found = []
            for answer in answers:
                seed = run.rsplit(".", 1)[-1] if rows else "s0"
                own = "EN" if spec["baseline"] == "best_monolingual" else answer.lang.upper()
                baseline = f"tiny.mono-{own}.short.{seed}"
                if baseline != run:
                    found += _votes(answer, _skill(rows, answer.lang), baseline, spec["protocol"])
        path = study.root / "judgements" / evaluation / f"{run}.parquet"
        write_records(path, found, Judgement)
        study.judgements.append(path)


def _judgement(answer: Answer, protocol: str, order: str, baseline: str) -> Judgement:
    key = digest([answer.run, answer.question_id, answer.lang, answer.turn, protocol, order])
    return Judgement(
        key=key,
        question_id=answer.question_id,
        lang=answer.lang,
        category=answer.category,
        turn=answer.turn,
        run=answer.run,
        baseline=baseline,
        protocol=protocol,
        order=order,
        judge="judge",
        score=None,
        verdict=None,
        unscored_reason=None,
        raw="Rating: [[7]] <b>bold</b>",
        tokens_in=100,
        tokens_out=10,
        cost=0.001,
    )


def _grade(answer: Answer, skill: float, unscored: tuple[str, ...]) -> Judgement:
    found = _judgement(answer, "single", "", "")
    if answer.lang == "de" and answer.question_id in unscored:
        return dataclasses.replace(found, unscored_reason="no verdict in the judge's text")
    draw = random.Random(f"grade{found.key}")
    question = random.Random(f"difficulty{answer.question_id}").uniform(-1.5, 1.5)
    grade = round(2 + 6 * skill + question + draw.gauss(0, 0.8))
    return dataclasses.replace(found, score=float(min(10, max(1, grade))))


def _votes(answer: Answer, skill: float, baseline: str, protocol: str) -> list[Judgement]:
    draw = random.Random(f"vote{answer.run}{answer.question_id}{answer.lang}{answer.turn}")
    better = draw.random() < skill
    found = []
    for order in ("AB", "BA"):
        shown_first = "A" if better == (order == "AB") else "B"
        verdict = shown_first if draw.random() < 0.8 else "A"
        judgement = _judgement(answer, protocol, order, baseline)
        found.append(dataclasses.replace(judgement, verdict=verdict))
    return found


def _write_metrics(study: FakeStudy, run: str) -> None:
    draw = random.Random(run)
    lines = [
        f'{{"step": {s}, "loss": {4 - s / 20 + draw.random() / 10:.4f}, "tokens": {s * 512}, '
        f'"trained_tokens": {s * 300}, "grad_norm": null, "seconds": {s * 0.5}}}'
        for s in range(1, 31)
    ]
    lines.append('{"step": 30, "dev_loss": 2.9, "seconds": 15.5}')
    path = study.root / "checkpoints" / f"{run}.metrics.jsonl"
    write_text(path, "\n".join(lines) + "\n")
    study.metrics.append(path)


def _write_inputs(study: FakeStudy, by_mixture: dict[str, dict[str, int]]) -> None:
    for mixture, rows in by_mixture.items():
        kind = "parallel" if mixture.startswith("all") else "blocks"
        path = study.root / "mixtures" / f"{mixture}.manifest.json"
        manifest = {
            "mixture": mixture,
            "dataset": "pool",
            "definition": {"kind": kind, "languages": list(rows)},
            "rows": sum(rows.values()),
            "ids": max(rows.values()) if kind == "parallel" else sum(rows.values()),
            "rows_by_language": rows,
            "characters_by_language": {lang: 80 * n for lang, n in rows.items()},
            "dev_rows": 4,
            "left_out_ids": {"failed checks": 1, "filtered": 0, "contaminated": 0, "not drawn": 0},
            "left_out_rows": 0,
            "rows_digest": digest(rows),
            "parents": {"pool.parquet": digest("pool")},
        }
        write_json(path, manifest)
        study.manifests.append(path)
    for lang in LANGUAGES:
        failed = 0 if lang == "en" else 2
        by_check = {} if lang == "en" else {"length_ratio": 1, "language": 1}
        path = study.root / "conversations" / f"pool.{lang}.audit.json"
        audit = {"rows": 60, "passed": 60 - failed, "failed": failed, "failed_by_check": by_check}
        audit |= {"dataset": "pool", "lang": lang, "translators": ["memory"] if failed else []}
        write_json(path, audit)
        study.audits.append(path)
