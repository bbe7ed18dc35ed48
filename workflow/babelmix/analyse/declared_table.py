"""The contrasts that a study declares: paired, tested, corrected for one another alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .frames import ITEM, metric
from .gain_tables import add_holm
from .grade_tables import SCORES, grade_scale
from .intervals import Scale
from .significance import detectable, sign_flip_p
from .statistics import Bootstrap
from .study import StudySet
from .table import ESTIMATE_COLUMNS, TEST_COLUMNS, Table, estimate_cells

if TYPE_CHECKING:
    import pandas as pd

_UNITS = {"grade": "grade points", "score": "score points", "answer_language": "% of answers"}


@dataclass(frozen=True)
class _Measure:
    """A measure of a study: ``name`` as in the curves, its items, and their scale."""

    name: str
    items: pd.DataFrame
    scale: Scale | None

    @property
    def unit(self) -> str:
        return _UNITS[self.name.partition(":")[0]]


def declared_table(
    study: StudySet,
    grades: pd.DataFrame,
    pairs: pd.DataFrame,
    scores: pd.DataFrame,
    bootstrap: Bootstrap,
) -> Table:
    """What was to be compared before anything was seen: each contrast under each measure."""
    table = Table(
        "declared",
        "Declared contrasts",
        "The comparisons that the configuration names (`contrasts` of a study), paired by question "
        "over the languages that it names. A side of several mixtures is their mean, question by "
        "question; only questions that are scored for all of them count. With `against` the value "
        "is a difference of differences. p values are corrected for the study's declared contrasts "
        "under the same measure, and for nothing else.",
        {
            "study": "Study.",
            "contrast": "Its name in the configuration.",
            "question": "What it answers.",
            "measure": "`grade:` or `score:` evaluation, `answer_language:` benchmark.",
            "unit": "Unit of the values.",
            "model": "Base model.",
            "recipe": "Recipe.",
            "left": "One side.",
            "right": "The other side.",
            "against": "For an interaction: the difference that is taken away; else empty.",
            "languages": "Languages, each weighing the same; `all`: every one that was asked.",
            "left_mean": "Mean of the left side (of an interaction: left − right).",
            "right_mean": "Mean of the right side (of an interaction: the difference taken away).",
            "difference": "Left − right, or the difference of the differences.",
        }
        | ESTIMATE_COLUMNS
        | {"left_out": "Items that are not scored on all sides."}
        | TEST_COLUMNS,
        ("study", "contrast", "model", "recipe", "measure"),
    )
    for name, spec in study.studies.items():
        for measure in _measures(study, spec, grades, pairs, scores):
            rows = []
            for contrast in spec.get("contrasts", []):
                cells = {"study": name, "measure": measure.name, "unit": measure.unit}
                rows.append(cells | _row(study, contrast, measure, bootstrap))
            add_holm(rows)
            table.rows += rows
    return table


def _measures(
    study: StudySet,
    spec: dict[str, Any],
    grades: pd.DataFrame,
    pairs: pd.DataFrame,
    scores: pd.DataFrame,
) -> Iterator[_Measure]:
    """Judged measures in the study's order, then the language of the answers."""
    if not spec.get("contrasts"):
        return
    for evaluation in spec["evaluations"]:
        if study.evaluations[evaluation]["protocol"] == "single":
            items = grades[grades["evaluation"] == evaluation].assign(baseline="")
            values = items["value"].to_numpy(dtype=float)
            yield _Measure(f"grade:{evaluation}", items, grade_scale(values))
        else:
            voted = pairs[pairs["evaluation"] == evaluation]
            voted = voted.assign(
                baseline=voted["baseline"].map(lambda run: study.variant_of_run.get(run, run))
            )
            keys = ["variant", "baseline", *ITEM]
            mean = voted.astype({"value": float}).groupby(keys, sort=True)["value"].mean()
            yield _Measure(f"score:{evaluation}", mean.reset_index(), SCORES)
    fluent = metric(scores, "answer_language")
    for benchmark in dict.fromkeys(study.evaluations[e]["benchmark"] for e in spec["evaluations"]):
        items = fluent[fluent["benchmark"] == benchmark].assign(baseline="")
        items = items.assign(value=100.0 * items["value"])
        yield _Measure(f"answer_language:{benchmark}", items, (0.0, 100.0))


def _row(
    study: StudySet, contrast: dict[str, Any], measure: _Measure, bootstrap: Bootstrap
) -> dict[str, Any]:
    sides = [list(dict.fromkeys(study.variant_of_run[r] for r in s)) for s in contrast["sides"]]
    wanted = contrast["languages"]
    items = measure.items
    if wanted:
        items = items[items["lang"].isin(wanted)]
    own = items[items["variant"].isin([name for side in sides for name in side])]
    wide = _side_by_side(own, sides)
    complete = wide.dropna()
    left, right, scale = _compared(complete, len(sides), measure.scale)
    at = complete["question_id"].to_numpy(), complete["lang"].to_numpy()
    difference = bootstrap.difference(left, right, *at, scale=scale)
    labels = contrast["labels"]
    return (
        {
            "contrast": contrast["name"],
            "question": contrast["question"],
            "model": contrast["model"],
            "recipe": contrast["recipe"],
            "left": labels[0],
            "right": labels[1],
            "against": f"{labels[2]} − {labels[3]}" if len(labels) > 2 else "",
            "languages": ", ".join(wanted) if wanted else "all",
            "left_mean": bootstrap.mean(left, *at).value,
            "right_mean": bootstrap.mean(right, *at).value,
            "left_out": len(wide) - len(complete),
        }
        | estimate_cells(difference, "difference")
        | {
            "detectable": _within(detectable(difference, bootstrap.confidence), scale),
            "p": sign_flip_p(left, right, *at),
        }
    )


def _within(size: float | None, scale: Scale | None) -> float | None:
    """A detectable difference; None where it is larger than the scale lets one be."""
    if size is None or scale is None:
        return size
    return size if size <= scale[1] - scale[0] else None


def _compared(
    rows: pd.DataFrame, sides: int, scale: Scale | None
) -> tuple[np.ndarray, np.ndarray, Scale | None]:
    """The two series that are compared: two sides, or two differences of sides."""
    of = [rows[number].to_numpy(dtype=float) for number in range(sides)]
    if sides == 2:
        return of[0], of[1], scale
    width = None if scale is None else scale[1] - scale[0]
    return of[0] - of[1], of[2] - of[3], None if width is None else (-width, width)


def _side_by_side(items: pd.DataFrame, sides: Sequence[Sequence[str]]) -> pd.DataFrame:
    """Items with a column per side (0, 1, …): the mean of its variants, NaN where one lacks it.

    Scores count only where every variant was compared with one and the same baseline.
    """
    import pandas as pd

    keys = ["baseline", *ITEM]
    wide = items.set_index([*keys, "variant"])["value"].astype(float).unstack("variant")
    columns = {
        number: wide.reindex(columns=list(side)).mean(axis=1, skipna=False)
        for number, side in enumerate(sides)
    }
    return pd.DataFrame(columns, index=wide.index).reset_index()
