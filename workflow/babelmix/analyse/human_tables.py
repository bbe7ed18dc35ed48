"""Tables of the human study: ratings, raters' consistency, judge scores corrected by labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..records import HumanLabel, schema_of
from .agreement import cohen_kappa, fleiss_kappa
from .agreement_tables import PAIR
from .frames import ITEM, languages_of, over_seeds, read_frame
from .pairs import WORTH
from .ppi import corrected_mean
from .statistics import Bootstrap
from .study import StudySet
from .table import (
    ESTIMATE_COLUMNS,
    EVALUATION_COLUMNS,
    VARIANT_COLUMNS,
    Table,
    estimate_cells,
    evaluation_cells,
    joined_notes,
    variant_cells,
)

if TYPE_CHECKING:
    import pandas as pd

RATINGS = ("excellent", "pass", "fail")
_VOTE_WORTH = {"A": WORTH["win"], "B": WORTH["loss"], "tie": 50.0, "both_bad": 50.0}
_RATING_WORTH = {"excellent": 100.0, "pass": 50.0, "fail": 0.0}
#: The judge's lowest and highest grade, which become 0 and 100 beside people's ratings.
_GRADES = (1.0, 10.0)


def load_labels(paths: Sequence[Path]) -> pd.DataFrame:
    """Human labels of several files; a label that stands twice counts once."""
    frame = read_frame(paths, schema_of(HumanLabel).names, HumanLabel)
    return frame.drop_duplicates([*PAIR, "rater", "repeat"]).reset_index(drop=True)


def ratings_table(study: StudySet, labels: pd.DataFrame) -> Table:
    """Excellent, pass, fail by model and language (study 2's figure 2)."""
    table = Table(
        "human_ratings",
        "Human ratings",
        "Single answers rated excellent, pass or fail by people. κ is Fleiss' among the raters of "
        "the same answers.",
        {"benchmark": "Benchmark."}
        | VARIANT_COLUMNS
        | {"language": "Language, or `all`."}
        | {name: f"Ratings `{name}`." for name in RATINGS}
        | {"raters": "Raters.", "answers": "Answers rated.", "kappa": "Fleiss' κ."},
        ("benchmark", "variant", "language"),
    )
    rated = labels[labels["rating"].notna() & (labels["repeat"] == 0)]
    names = {run: study.variant_for_run(run, "human labels").name for run in rated["run"].unique()}
    for (benchmark, name), frame in rated.groupby(["benchmark", rated["run"].map(names)]):
        for lang, rows in languages_of(frame):
            by_answer = rows.groupby(PAIR)["rating"].agg(list)
            counts = {rating: int((rows["rating"] == rating).sum()) for rating in RATINGS}
            table.rows.append(
                {"benchmark": benchmark, "language": lang}
                | variant_cells(study.variants[str(name)])
                | counts
                | {"raters": rows["rater"].nunique(), "answers": len(by_answer)}
                | {"kappa": fleiss_kappa(by_answer).value}
            )
    return table


def raters_table(labels: pd.DataFrame) -> Table:
    """How consistent each rater is with itself."""
    table = Table(
        "human_raters",
        "Raters",
        "Some items were shown twice to the same rater, in the other order and unmarked.",
        {
            "rater": "Rater.",
            "labels": "Items labelled.",
            "repeats": "Items seen twice.",
            "same": "Share of them labelled the same.",
            "kappa": "Cohen's κ between first and second time.",
        },
        ("rater",),
    )
    marked = labels.assign(label=labels["vote"].fillna(labels["rating"]))
    for rater, rows in marked.groupby("rater"):
        wide = rows.pivot_table(index=PAIR, columns="repeat", values="label", aggfunc="first")
        cells: dict[str, Any] = {"rater": rater, "labels": len(wide), "repeats": 0}
        if {0, 1} <= set(wide.columns):
            both = wide.dropna(subset=[0, 1])
            cells["repeats"] = len(both)
            if len(both):
                cells["same"] = float((both[0] == both[1]).mean())
                cells["kappa"] = cohen_kappa(list(both[0]), list(both[1]))
        table.rows.append(cells)
    return table


def corrected_table(
    study: StudySet,
    judged: pd.DataFrame,
    pairs: pd.DataFrame,
    labels: pd.DataFrame,
    bootstrap: Bootstrap,
) -> Table:
    """Scores as people would give them, from the judge's and some of theirs.

    ``judged``: the judgements, of which the single grades are corrected by people's ratings;
    ``pairs``: their outcomes, corrected by people's votes.
    """
    table = Table(
        "corrected_scores",
        "Judge scores corrected by human labels",
        "PPI++ (arXiv 2311.01453): the judge's score over all items, moved by what people said "
        "beyond it on the items they labelled. Holds where those were drawn at random, as "
        "`export-human` does. Every item weighs the same here. All scores are 0 to 100: pairs as "
        "in `preferences`; of single answers the judge's grade (1 is 0, 10 is 100) and people's "
        "rating (fail 0, pass 50, excellent 100).",
        EVALUATION_COLUMNS
        | VARIANT_COLUMNS
        | {
            "judge_score": "The judge's score alone, 0 to 100.",
            "human_score": "The people's score on the labelled items alone.",
            "human_low": "Lower end of its interval.",
            "human_high": "Upper end.",
            "corrected": "Corrected score.",
        }
        | ESTIMATE_COLUMNS
        | {"labelled": "Labelled items.", "weight": "Weight λ of the judge, 0 to 1."},
        ("evaluation", "variant"),
    )
    said = _worth(labels)
    single = judged[judged["protocol"] == "single"].assign(baseline="")
    low, high = _GRADES
    single = single.assign(value=100.0 * (single["score"].astype(float) - low) / (high - low))
    for frame in (single, pairs):
        for (evaluation, name), rows in frame.groupby(["evaluation", "variant"]):
            cells = evaluation_cells(study, str(evaluation))
            # People saw the first sample; the judge's value is the mean over all of them.
            items = over_seeds(rows, ["run", "baseline", *ITEM])
            of = items.assign(benchmark=cells["benchmark"]).merge(said, "left", on=PAIR)
            found = corrected_mean(of["value"], of["human"], list(of["question_id"]), bootstrap)
            if found is not None:
                notes = {"corrected": found.estimate, "human_score": found.human}
                table.rows.append(
                    cells
                    | variant_cells(study.variants[str(name)])
                    | {
                        "judge_score": float(of["value"].mean()),
                        "human_score": found.human.value,
                        "human_low": found.human.low,
                        "human_high": found.human.high,
                    }
                    | estimate_cells(found.estimate, "corrected")
                    | {"interval_note": joined_notes(notes)}
                    | {"labelled": found.labelled, "weight": found.weight}
                )
    return table


def _worth(labels: pd.DataFrame) -> pd.DataFrame:
    """What people said of each pair or answer, 0 to 100, the raters' mean; PAIR and ``human``."""
    votes, ratings = (labels[name] for name in ("vote", "rating"))
    points = votes.map(_VOTE_WORTH).fillna(ratings.map(_RATING_WORTH)).astype(float)
    first = labels.assign(human=points)[(labels["repeat"] == 0) & points.notna()]
    found: pd.DataFrame = first.groupby(PAIR)["human"].mean().reset_index()
    return found
