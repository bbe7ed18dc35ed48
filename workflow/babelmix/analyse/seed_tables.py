"""What the training seed alone does to a score: A/A comparisons, and its share of the variance."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .frames import ITEM, aligned, over_seeds
from .grade_tables import SCORES, grade_scale
from .significance import seed_spread
from .statistics import Bootstrap
from .study import StudySet
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


def _judged(judgements: pd.DataFrame, pairs: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """(evaluation, frame with variant, run, ITEM, value) of grades, then of pairs; samples
    averaged."""
    single = judgements[judgements["protocol"] == "single"].rename(columns={"score": "value"})
    for frame in (single, pairs):
        of_runs = over_seeds(frame, ["evaluation", "variant", "run", *ITEM])
        for evaluation, rows in of_runs.groupby("evaluation"):
            yield str(evaluation), rows


def noise_table(
    study: StudySet, judgements: pd.DataFrame, pairs: pd.DataFrame, bootstrap: Bootstrap
) -> Table:
    """A/A comparisons: two seeds of one variant, whose difference is noise."""
    table = Table(
        "seed_noise",
        "Noise of the training seed",
        "Two seeds of one mixture, compared as two mixtures would be: what a difference without "
        "any cause looks like.",
        EVALUATION_COLUMNS
        | VARIANT_COLUMNS
        | {
            "run": "One seed.",
            "other_run": "The other seed.",
            "difference": "Mean grade or score of the one minus that of the other.",
        }
        | ESTIMATE_COLUMNS,
        ("evaluation", "run", "other_run"),
    )
    for evaluation, frame in _judged(judgements, pairs):
        single = study.evaluations[evaluation]["protocol"] == "single"
        for name, of in frame.groupby("variant"):
            runs = sorted(of["run"].unique())
            by_run = of.assign(variant=of["run"])
            for left, right in ((a, b) for i, a in enumerate(runs) for b in runs[i + 1 :]):
                both = aligned(by_run, left, right)
                left_side, right_side = both["left"].to_numpy(), both["right"].to_numpy()
                at = both["question_id"].to_numpy(), both["lang"].to_numpy()
                scale = grade_scale(left_side, right_side) if single else SCORES
                difference = bootstrap.difference(left_side, right_side, *at, scale=scale)
                table.rows.append(
                    evaluation_cells(study, evaluation)
                    | variant_cells(study.variants[str(name)])
                    | {"run": left, "other_run": right}
                    | estimate_cells(difference, "difference")
                )
    return table


def seed_table(study: StudySet, judgements: pd.DataFrame, pairs: pd.DataFrame) -> Table:
    """How far seeds scatter, pooled over the variants that have several."""
    table = Table(
        "seed_variance",
        "Spread of the seeds",
        "The intervals of the other tables answer for the choice of questions, not for the seed. "
        "This is what the seed (of training and of generation) adds, pooled over all mixtures with "
        "two seeds or more. A difference below the noise floor may come from the seed alone.",
        EVALUATION_COLUMNS
        | {
            "variants": "Mixtures with two seeds or more.",
            "runs": "Their runs.",
            "noise_floor": "Difference that 95 % of pairs of single seeds of one mixture stay "
            "below (at the study set's confidence).",
            "seed_sd": "Standard deviation that the seed causes beyond the chance of each "
            "question (variance component; 0 where that chance explains it all).",
        },
        ("evaluation",),
    )
    for evaluation, frame in _judged(judgements, pairs):
        grids = [
            rows.pivot_table(index="run", columns=ITEM, values="value", dropna=False).to_numpy()
            for _, rows in frame.groupby("variant")
            if rows["run"].nunique() > 1
        ]
        found = seed_spread(grids, study.confidence)
        if found is not None:
            table.rows.append(
                evaluation_cells(study, evaluation)
                | {
                    "variants": found.variants,
                    "runs": found.runs,
                    "noise_floor": found.floor,
                    "seed_sd": found.component,
                }
            )
    return table
