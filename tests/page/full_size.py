"""A page as large as the full study: 80 questions × 2 turns × 5 languages × 18 runs.

``python tests/page/full_size.py FOLDER`` writes ``FOLDER/report/index.html`` and says how large it
is and how long each verb took. Answers are made-up words, graded and compared in both orders.
"""

from __future__ import annotations

import itertools
import random
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

import fake_study
from built_study import make_figures, make_tables, run_verb

from babelmix.io import write_json, write_records
from babelmix.records import Answer, Judgement, Question, Score
from babelmix.report import report

CODES = ("en", "de", "fr", "it", "es")
CATEGORIES = (
    "writing", "roleplay", "reasoning", "math", "coding", "extraction", "stem", "humanities",
)  # fmt: skip
HOSTILE = (
    "<script>document.title = 'run'</script></textarea>",
    '{"$schema": "vega", "signal": "1"}',
)
SINGLE, PAIRS = "bench.judge.single", "bench.judge.pairwise.best_monolingual"


def vocabulary(size: int = 20_000) -> tuple[list[str], list[float]]:
    """Made-up words and how often each has been met up to it (Zipf's law)."""
    draw = random.Random(0)
    made = ["".join(draw.choices("etaoinshrdlucmfwyp", k=draw.randint(2, 9))) for _ in range(size)]
    return made, list(itertools.accumulate(1 / (rank + 3) for rank in range(size)))


WORDS, WEIGHTS = vocabulary()


def words(draw: random.Random, count: int) -> str:
    """Made-up text; gzip leaves 0.41 of its bytes, of LIMA's 0.36."""
    return " ".join(draw.choices(WORDS, cum_weights=WEIGHTS, k=count))


def mixtures() -> dict[str, dict[str, int]]:
    """The nine mixtures of two pools, by rows a language."""
    found: dict[str, dict[str, int]] = {}
    for pool, rows in (("small", 1030), ("large", 67017)):
        for code in CODES:
            found[f"{pool}-{code.upper()}"] = {code: rows}
        for name, codes in (("ENDEFRITES", CODES), ("DEFRITES", CODES[1:])):
            found[f"{pool}-{name}"] = dict.fromkeys(codes, rows)
            found[f"{pool}-{name}-sampled"] = dict.fromkeys(codes, rows // len(codes))
    return found


def described(by_mixture: dict[str, dict[str, int]]) -> dict[str, Any]:
    """A study.json of that size, from the fake study's."""
    made = fake_study.describe(80, True, (0,), fake_study.FEW)
    template = made["runs"]["tiny.mono-EN.short.s0"]
    runs = {}
    for mixture, rows in by_mixture.items():
        shares = {code: n / sum(rows.values()) for code, n in rows.items()}
        runs[f"tiny.{mixture}.short.s0"] = template | {
            "mixture": mixture, "label": mixture, "dataset": mixture.split("-")[0],
            "languages": list(rows), "shares": shares, "aliases": [],
        }  # fmt: skip
    names = {"en": "English", "de": "German", "fr": "French", "it": "Italian", "es": "Spanish"}
    made["languages"] = {c: {"name": n, "pretraining_share": None} for c, n in names.items()}
    made["runs"] = runs
    made["evaluations"] = {
        k: v | {"languages": list(CODES)} for k, v in made["evaluations"].items()
    }
    del made["evaluations"]["bench.judge.side_by_side.language_monolingual"]
    study = made["studies"]["polyglot"]
    study |= {"runs": list(runs), "evaluations": list(made["evaluations"]), "families": []}
    made["benchmarks"] = {"bench": {"languages": list(CODES), "questions": 80}}
    return made | {"bootstrap_samples": 2000}


def fill(root: Path, chars: int = 1100) -> fake_study.FakeStudy:
    """Write questions, answers, scores and judgements of every run."""
    from babelmix.analyse.score import METRICS

    by_mixture = mixtures()
    study = fake_study.FakeStudy(root)
    made = described(by_mixture)
    write_json(study.study, made)
    asked = [
        Question(f"{81 + i}", code, CATEGORIES[i // 10], [f"({code}) Question {i}?", "And then?"])
        for code in CODES
        for i in range(80)
    ]
    for code in CODES:
        path = root / "benchmarks" / f"bench.{code}.parquet"
        write_records(path, [q for q in asked if q.lang == code], Question)
        study.questions.append(path)
    baseline = next(iter(made["runs"]))
    for run, spec in made["runs"].items():
        draw = random.Random(run)
        answers = [_answer(draw, run, q, turn, chars) for q in asked for turn in (1, 2)]
        if run == baseline:
            answers[0].text = "\n".join(HOSTILE)
            answers[1].text = "x" * 1_000_000
        _write(study.answers, root / "answers/bench" / f"{run}.parquet", answers, Answer)
        scores = [
            Score(run, "bench", a.question_id, a.lang, a.category, a.turn, m, "", float(
                len(a.text) if m == "length_chars" else m.endswith("language")))
            for a in answers for m in METRICS
        ]  # fmt: skip
        _write(study.scores, root / "scores/bench" / f"{run}.parquet", scores, Score)
        better = len(spec["languages"]) / 5
        grades = [_verdict(draw, a, "single", "", "", better) for a in answers]
        _write(study.judgements, root / "judgements" / SINGLE / f"{run}.parquet", grades, Judgement)
        if run != baseline:
            votes = [
                _verdict(draw, a, "pairwise", order, baseline, better)
                for a in answers
                for order in ("AB", "BA")
            ]
            path = root / "judgements" / PAIRS / f"{run}.parquet"
            _write(study.judgements, path, votes, Judgement)
        fake_study._write_metrics(study, run)
    fake_study._write_inputs(study, by_mixture)
    return study


def _write(paths: list[Path], path: Path, records: list[Any], record_type: type) -> None:
    write_records(path, records, record_type)
    paths.append(path)


def _answer(draw: random.Random, run: str, q: Question, turn: int, chars: int) -> Answer:
    text = words(draw, max(20, int(draw.gauss(chars, chars / 3) / 6.5)))
    asked = q.turns[turn - 1]
    return Answer(
        q.question_id, q.lang, q.category, turn, run, asked, text, "stop", 50, 250, "0" * 64
    )


def _verdict(
    draw: random.Random, a: Answer, protocol: str, order: str, baseline: str, better: float
) -> Judgement:
    made = fake_study._judgement(a, protocol, order, baseline)
    made.raw = words(draw, 60)
    if protocol == "single":
        made.score = float(min(10, max(1, round(draw.gauss(4 + 2 * better, 2)))))
    else:
        made.verdict = draw.choice(["A", "B", "tie"])
    return made


def main() -> None:
    """Build the page, printing sizes and times."""
    root = Path(sys.argv[1])
    started = time.perf_counter()

    def lap(what: str) -> None:
        nonlocal started
        print(f"{what}: {time.perf_counter() - started:.1f} s", flush=True)
        started = time.perf_counter()

    study = fill(root)
    lap("records written")
    make_tables(study, root / "tables")
    lap("tables")
    make_figures(study, root / "figures")
    lap("figures")
    options = study.options("answers", "questions", "judgements", "manifests")
    for name in ("tables", "figures"):
        options += [f"--{name}", str(root / name / "index.json")]
    run_verb(report, *options, "--output", str(root / "report" / "index.html"))
    lap("report")


if __name__ == "__main__":
    main()
