"""Answer language against verdicts, line by line, and the language detector's own errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..io import read_records
from ..langid import RIGHT, compare, identify_all, is_known, spelled, strip_non_prose
from ..records import Question
from .frames import ANSWER, ITEM, languages_of, metric, over_seeds
from .grade_tables import mean_grade, mean_score
from .language import UNSURE
from .language_tables import answered, share
from .statistics import Bootstrap
from .study import ALL, StudySet
from .table import (
    ESTIMATE_COLUMNS,
    EVALUATION_COLUMNS,
    VARIANT_COLUMNS,
    Table,
    estimate_cells,
    evaluation_cells,
    variant_cells,
)

if TYPE_CHECKING:
    import pandas as pd

#: Where an answer is, seen from its question.
ASKED, OTHER, NOTHING, SILENT = "asked", "other", "empty", "not judged"


def line_table(study: StudySet, scores: pd.DataFrame, bootstrap: Bootstrap) -> Table:
    """Share of answers without a line in another language."""
    table = Table(
        "line_language",
        "Answers without a line in another language",
        "As the table of answer languages, line by line: an answer passes when no line of it is "
        "certainly in another language than the question. Short and uncertain lines say nothing.",
        {"benchmark": "Benchmark."}
        | VARIANT_COLUMNS
        | {"language": "Language asked in, or `all`.", "share": "Share, 0 to 1."}
        | ESTIMATE_COLUMNS,
        ("benchmark", "variant", "language"),
    )
    for (benchmark, name), frame in metric(scores, "line_language").groupby(
        ["benchmark", "variant"]
    ):
        for lang, rows in languages_of(frame):
            table.rows.append(
                {"benchmark": benchmark, "language": lang}
                | variant_cells(study.variants[name])
                | estimate_cells(share(bootstrap, rows), "share")
            )
    return table


def detector_table(study: StudySet, questions: Sequence[Path]) -> Table:
    """The language detector on the questions, whose language is known."""
    table = Table(
        "detector_errors",
        "The language detector's own errors",
        "What the identifier says of the benchmark's questions themselves, recognised among all "
        "languages as the answers are. Pairs of languages that it confuses here are confused among "
        "the answers too.",
        {
            "benchmark": "Benchmark.",
            "language": "Language of the question.",
            "detected": "Language found, `unsure`, or `not judged` (too short, or unknown to it).",
            "questions": "Turns of questions.",
            "share": "Share of the judged turns in that language; of all turns if there is none.",
        },
        ("benchmark", "language", "detected"),
    )
    codes = list(study.raw["languages"])
    for path in sorted(questions):
        benchmark, lang = path.name.split(".")[:2]
        turns = [turn for q in read_records(path, Question) for turn in q.turns]
        found = Counter(_detected(turns, lang, codes))
        silent = {SILENT, UNSURE}
        judged = sum(count for name, count in found.items() if name not in silent)
        for detected, count in found.items():
            of = len(turns) if detected in silent else judged
            table.rows.append(
                {"benchmark": benchmark, "language": lang, "detected": detected}
                | {"questions": count, "share": count / of}
            )
    return table


def _detected(turns: Sequence[str], lang: str, codes: Sequence[str]) -> Iterator[str]:
    for found in identify_all([strip_non_prose(turn) for turn in turns]):
        if found.short or not is_known(lang):
            yield SILENT
        elif compare(found, lang) == RIGHT:
            yield lang
        else:
            yield spelled(found, codes) or UNSURE


def _place(value: float, reason: Any) -> str:
    """Asked, other, empty, unsure or not judged."""
    where = answered(ASKED, value, reason)
    return where if where in (ASKED, NOTHING, UNSURE, SILENT) else OTHER


def with_place(judged: pd.DataFrame, scores: pd.DataFrame, study: StudySet) -> pd.DataFrame:
    """Judged values (columns evaluation, run, ANSWER …) with ``place`` of their answers."""
    languages = scores[scores["metric"] == "answer_language"]
    places = languages[["run", "benchmark", *ANSWER]].assign(
        place=[
            _place(value, reason)
            for value, reason in zip(languages["value"], languages["reason"], strict=True)
        ]
    )
    benchmark = judged["evaluation"].map(
        {name: spec["benchmark"] for name, spec in study.evaluations.items()}
    )
    keys = ["run", "benchmark", *ANSWER]
    joined: pd.DataFrame = judged.assign(benchmark=benchmark.astype(object)).merge(
        places, on=keys, how="inner"
    )
    return joined


def verdict_language_table(study: StudySet, placed: pd.DataFrame) -> Table:
    """Verdicts by the language of the answer: does the judge punish the wrong language?"""
    table = Table(
        "verdicts_by_language",
        "Verdict and language of the answer",
        "Judged answers by whether they are in the asked language: how many, and what they scored. "
        "Equal means for `asked` and `other` say that the judge does not mind the language.",
        EVALUATION_COLUMNS
        | VARIANT_COLUMNS
        | {
            "language": "Language asked in, or `all`.",
            "answer_in": "`asked`, `other`, `empty`, `unsure` or `not judged`.",
            "answers": "Scored answers of all seeds and samples.",
            "share": "Share of the scored answers.",
            "mean": "Mean grade, or preference score (0 to 100).",
            "wins": "Pairs won (pairwise judging).",
            "ties": "Pairs tied.",
            "losses": "Pairs lost.",
        },
        ("evaluation", "variant", "language", "answer_in"),
    )
    for (evaluation, name), frame in placed.groupby(["evaluation", "variant"]):
        cells = evaluation_cells(study, str(evaluation)) | variant_cells(study.variants[name])
        for lang, rows in languages_of(frame[frame["value"].notna()]):
            for place, of in rows.groupby("place"):
                table.rows.append(
                    cells
                    | {"language": lang, "answer_in": place, "answers": len(of)}
                    | {"share": len(of) / len(rows), "mean": float(of["value"].mean())}
                    | _outcomes(of)
                )
    return table


def _outcomes(rows: pd.DataFrame) -> dict[str, int]:
    if "outcome" not in rows or rows["outcome"].isna().all():
        return {}
    found = rows["outcome"].tolist()
    names = {"wins": "win", "ties": "tie", "losses": "loss"}
    return {column: found.count(outcome) for column, outcome in names.items()}


def fidelity_table(study: StudySet, placed: pd.DataFrame, bootstrap: Bootstrap) -> Table:
    """Scores with and without the answers that are in another language."""
    table = Table(
        "scores_by_fidelity",
        "Scores with and without off-language answers",
        "`all`: every scored answer. `asked`: without answers in another language and empty ones. "
        "`penalised`: those count as the worst score (grade 1, or a loss).",
        EVALUATION_COLUMNS
        | VARIANT_COLUMNS
        | {
            "language": "Language, or `all`.",
            "answers": "`all`, `asked` or `penalised`.",
            "mean": "Mean grade, or preference score.",
        }
        | ESTIMATE_COLUMNS,
        ("evaluation", "variant", "language", "answers"),
    )
    off = placed["place"].isin([OTHER, NOTHING])
    for (evaluation, name), frame in placed.groupby(["evaluation", "variant"]):
        single = study.evaluations[str(evaluation)]["protocol"] == "single"
        worst, measure = (1.0, mean_grade) if single else (0.0, mean_score)
        cells = evaluation_cells(study, str(evaluation)) | variant_cells(study.variants[name])
        for which, rows in _selections(frame, off.loc[frame.index], worst):
            for lang, items in languages_of(over_seeds(rows, ITEM)):
                if len(items):
                    table.rows.append(
                        cells
                        | {"language": lang, "answers": which}
                        | estimate_cells(measure(bootstrap, items), "mean")
                    )
    return table


def _selections(
    frame: pd.DataFrame, off: pd.Series, worst: float
) -> Iterator[tuple[str, pd.DataFrame]]:
    yield ALL, frame
    yield ASKED, frame[~off]
    punished: Any = frame["value"].mask(off & frame["value"].notna(), worst)
    yield "penalised", frame.assign(value=punished)
