"""Tables of single grades: means and categories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .frames import languages_of
from .intervals import Floats, Scale
from .statistics import Bootstrap, Estimate, coverage
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


#: Lowest and highest grade of a single answer.
GRADES: Scale = (1.0, 10.0)
#: Lowest and highest preference score.
SCORES: Scale = (0.0, 100.0)


def grade_scale(*values: Floats, scale: Scale = GRADES) -> Scale | None:
    """Return the scale of grades, None where a value lies outside it (published grades may)."""
    for of in values:
        if ((of < scale[0]) | (of > scale[1])).any():
            return None
    return scale


def mean_grade(bootstrap: Bootstrap, frame: pd.DataFrame, scale: Scale = GRADES) -> Estimate:
    """Mean of ``value`` over languages (each weighs the same), with interval."""
    values = np.asarray(frame["value"], dtype=float)
    at = frame["question_id"].to_numpy(), frame["lang"].to_numpy()
    return bootstrap.mean(values, *at, scale=grade_scale(values, scale=scale))


def mean_score(bootstrap: Bootstrap, frame: pd.DataFrame) -> Estimate:
    """Mean preference score, 0 to 100, over languages (each weighs the same), with interval."""
    at = frame["question_id"].to_numpy(), frame["lang"].to_numpy()
    return bootstrap.share(frame["value"].to_numpy(), *at, scale=SCORES)


def grades_table(
    study: StudySet, judgements: pd.DataFrame, grades: pd.DataFrame, bootstrap: Bootstrap
) -> Table:
    """Mean grade of each variant and language, and over all languages."""
    table = Table(
        "grades",
        "Mean grade by mixture and language",
        "Single grades, 1 to 10 (imported ones on their own scale). Unscored answers never enter a "
        "mean: see coverage.",
        EVALUATION_COLUMNS
        | VARIANT_COLUMNS
        | {"seeds": "Training seeds.", "language": "Language, or `all`.", "mean": "Mean grade."}
        | ESTIMATE_COLUMNS
        | {"coverage": "Share of the asked grades that were scored."},
        ("evaluation", "variant", "language"),
    )
    single = judgements[judgements["protocol"] == "single"]
    asked = dict(iter(single.groupby(["evaluation", "variant"])))
    for (evaluation, name), frame in grades.groupby(["evaluation", "variant"]):
        variant = study.variants[name]
        all_asked = asked[evaluation, name]
        scale = study.grade_scale(str(evaluation))
        for lang, rows in languages_of(frame):
            of = all_asked if lang == ALL else all_asked[all_asked["lang"] == lang]
            table.rows.append(
                evaluation_cells(study, evaluation)
                | variant_cells(variant)
                | {"seeds": len(variant.runs), "language": lang}
                | estimate_cells(mean_grade(bootstrap, rows, scale), "mean")
                | {"coverage": coverage(int(of["scored"].sum()), len(of))}
            )
    return table


def category_table(study: StudySet, grades: pd.DataFrame, bootstrap: Bootstrap) -> Table:
    """Mean grade by category, turn and language."""
    table = Table(
        "grades_by_category",
        "Mean grade by category",
        "As the table of grades, for each category of the benchmark and each turn.",
        EVALUATION_COLUMNS
        | VARIANT_COLUMNS
        | {
            "category": "Category of the question.",
            "turn": "Turn, or `all`.",
            "language": "Language, or `all`.",
            "mean": "Mean grade.",
        }
        | ESTIMATE_COLUMNS,
        ("evaluation", "variant", "category", "turn", "language"),
    )
    for (evaluation, name, category), frame in grades.groupby(
        ["evaluation", "variant", "category"]
    ):
        cells = evaluation_cells(study, evaluation) | variant_cells(study.variants[name])
        scale = study.grade_scale(str(evaluation))
        turns: list[tuple[Any, pd.DataFrame]] = [(ALL, frame)]
        if frame["turn"].nunique() > 1:
            turns += [(int(turn), rows) for turn, rows in frame.groupby("turn")]
        for turn, of_turn in turns:
            for lang, rows in languages_of(of_turn):
                table.rows.append(
                    cells
                    | {"category": category, "turn": turn, "language": lang}
                    | estimate_cells(mean_grade(bootstrap, rows, scale), "mean")
                )
    return table
