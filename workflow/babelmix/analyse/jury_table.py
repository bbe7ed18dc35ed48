"""The table of juries: how far the members of each agree."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

from .agreement import cohen_kappa, fleiss_kappa, krippendorff_alpha
from .frames import ANSWER, languages_of
from .judge_agreement_table import SAME_GRADE
from .statistics import Bootstrap
from .study import ALL, StudySet
from .table import ESTIMATE_COLUMNS, EVALUATION_COLUMNS, Table, evaluation_cells

if TYPE_CHECKING:
    import pandas as pd

_KEYS = ["run", "baseline", *ANSWER]


def jury_tables(
    study: StudySet, judged: pd.DataFrame, pairs: pd.DataFrame, bootstrap: Bootstrap
) -> list[Table]:
    """The table of a study set with juries; of one without, none."""
    juries = {name: e["members"] for name, e in study.evaluations.items() if e.get("members")}
    if not juries:
        return []
    table = Table(
        "jury_agreement",
        "Agreement of a jury's members",
        "The same answers under the judges of a jury: all of them, and every two. Grades: "
        f"Krippendorff's α (interval); the same where they differ by at most {SAME_GRADE:g}. "
        "Pairs: win, tie and loss (orders that contradict each other are a tie); Fleiss' κ of all, "
        "Cohen's of two, and α (nominal). Only what two of them or more have scored.",
        EVALUATION_COLUMNS
        | {
            "between": "Judges, or `all` of the jury.",
            "language": "Language, or `all`.",
            "items": "Answers, or pairs of answers, that two of them or more have scored.",
            "same": "Share of those on which all that scored say the same.",
            "kappa": "κ; pairs only.",
            "alpha": "α: 1 is full agreement, 0 is chance.",
            "low": "Lower end of its interval (bootstrap over questions).",
            "high": "Upper end.",
            "questions": "Questions.",
            "interval_note": ESTIMATE_COLUMNS["interval_note"],
        },
        ("evaluation", "between", "language"),
    )
    for jury, members in juries.items():
        grades = study.evaluations[jury]["protocol"] == "single"
        frame, column = (judged, "score") if grades else (pairs, "outcome")
        wide = _side_by_side(frame, column, members, jury)
        for of in [members, *combinations(members, 2)] if len(members) > 2 else [members]:
            names = [study.evaluations[m]["judge"] for m in of]
            cells = evaluation_cells(study, jury)
            cells["between"] = ALL if len(of) == len(members) else " · ".join(names)
            for lang, rows in languages_of(wide):
                found = _agreement(rows, list(of), grades, bootstrap)
                table.rows += [cells | {"language": lang} | found] if found else []
    return [table]


def _side_by_side(frame: pd.DataFrame, column: str, members: list[str], jury: str) -> pd.DataFrame:
    """What each member says, a column each, of what the jury was asked."""
    asked = frame.loc[frame["evaluation"] == jury, _KEYS]
    for member in members:
        mine = frame.loc[frame["evaluation"] == member, [*_KEYS, column]]
        mine = mine.rename(columns={column: member})
        asked = asked.merge(mine, on=_KEYS, how="left", validate="1:1")
    return asked


def _agreement(
    rows: pd.DataFrame, members: list[str], grades: bool, bootstrap: Bootstrap
) -> dict[str, Any] | None:
    """Cells of one row; None where no two have scored the same."""
    said = rows[rows[members].notna().sum(axis=1) > 1]
    if said.empty:
        return None
    values = said[members]
    questions = list(said["question_id"])
    raters = [list(values[m]) for m in members]
    if grades:
        same = values.max(axis=1) - values.min(axis=1) <= SAME_GRADE
        kappa = None
    else:
        same = values.nunique(axis=1) == 1
        if len(members) == 2:
            kappa = cohen_kappa(raters[0], raters[1])
        else:
            kappa = fleiss_kappa(zip(*raters, strict=True)).value
    alpha = krippendorff_alpha(raters, "interval" if grades else "nominal", questions, bootstrap)
    return {
        "items": len(said),
        "same": float(same.mean()),
        "kappa": kappa,
        "alpha": alpha.value,
        "low": alpha.low,
        "high": alpha.high,
        "questions": len(set(questions)),
        "interval_note": alpha.note,
    }
