"""Study 2's E5 and E7: two languages against either alone; transfer against pre-training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .frames import ITEM, aligned, over_seeds
from .grade_tables import SCORES
from .significance import correlation, detectable, sign_flip_p
from .statistics import Bootstrap
from .study import StudySet, Variant
from .table import (
    ESTIMATE_COLUMNS,
    EVALUATION_COLUMNS,
    TEST_COLUMNS,
    VARIANT_COLUMNS,
    Table,
    estimate_cells,
    evaluation_cells,
    joined_notes,
    variant_cells,
)

if TYPE_CHECKING:
    import pandas as pd


def bilingual_table(study: StudySet, pairs: pd.DataFrame, bootstrap: Bootstrap) -> Table:
    """Mixtures of two languages beside the two monolingual ones, on all other languages."""
    table = Table(
        "bilingual",
        "Two languages against either alone",
        "Preference scores on the languages that are in neither mixture, paired by question and "
        "language against the same baselines.",
        EVALUATION_COLUMNS
        | VARIANT_COLUMNS
        | {
            "order_rule": "How both orders became one outcome (as in `preferences`).",
            "alone": "Language of the monolingual mixture that it is compared with.",
            "score": "Mean score of the mixture of two.",
            "score_low": "Lower end of its interval.",
            "score_high": "Upper end.",
            "score_alone": "Mean score of the monolingual one.",
            "score_alone_low": "Lower end of its interval.",
            "score_alone_high": "Upper end.",
            "languages": "Languages that both are scored on here.",
            "difference": "Score of the two less that of the one.",
        }
        | ESTIMATE_COLUMNS
        | {name: TEST_COLUMNS[name] for name in ("detectable", "p")},
        ("evaluation", "variant", "alone"),
    )
    for evaluation, frame in pairs.groupby("evaluation"):
        if study.evaluations[str(evaluation)]["baseline"] != "language_monolingual":
            continue
        items = over_seeds(frame, ["variant", *ITEM])
        present = {str(name): study.variants[str(name)] for name in items["variant"].unique()}
        for variant in present.values():
            if len(variant.languages) == 2 and variant.main is None:
                for single in _alone(variant, present):
                    row = _compared(items, variant, single, bootstrap)
                    if row is not None:
                        cells = evaluation_cells(study, str(evaluation))
                        cells["order_rule"] = study.order_rules[str(evaluation)]
                        table.rows.append(cells | row)
    return table


def _alone(variant: Variant, present: dict[str, Variant]) -> list[Variant]:
    """The monolingual variants of its two languages."""
    peers = [v for v in present.values() if v.comparable == variant.comparable]
    return [v for v in peers if v.monolingual and v.languages[0] in variant.languages]


def _compared(
    items: pd.DataFrame, variant: Variant, single: Variant, bootstrap: Bootstrap
) -> dict[str, Any] | None:
    both = aligned(items, variant.name, single.name).dropna()
    both = both[~both["lang"].isin(variant.languages)]
    if both.empty:
        return None
    left, right = both["left"].to_numpy(), both["right"].to_numpy()
    at = both["question_id"].to_numpy(), both["lang"].to_numpy()
    difference = bootstrap.difference(left, right, *at, scale=SCORES)
    means = {
        "score": bootstrap.share(left, *at, scale=SCORES),
        "score_alone": bootstrap.share(right, *at, scale=SCORES),
    }
    return (
        variant_cells(variant)
        | {
            "alone": single.languages[0],
            "languages": both["lang"].nunique(),
            "detectable": detectable(difference, bootstrap.confidence),
            "p": sign_flip_p(left, right, *at),
        }
        | {
            f"{name}{end}": value
            for name, mean in means.items()
            for end, value in (("", mean.value), ("_low", mean.low), ("_high", mean.high))
        }
        | estimate_cells(difference, "difference")
        | {"interval_note": joined_notes(means | {"difference": difference})}
    )


def correlation_table(study: StudySet, transfer: Table) -> Table:
    """Pearson's r between a language's transfer and its share of pre-training."""
    table = Table(
        "transfer_correlation",
        "Transfer against pre-training share",
        "Pearson's r over languages with Fisher's interval; from the table of transfer.",
        {"study": "Study."}
        | EVALUATION_COLUMNS
        | {
            "model": "Base model.",
            "r": "Pearson's r.",
            "low": "Lower end of its interval.",
            "high": "Upper end.",
            "languages": "Languages, n.",
            "interval_note": "Why there is no interval; else empty.",
        },
        ("study", "evaluation", "model"),
    )
    known = [row for row in transfer.rows if row["pretraining_share"] is not None]
    for key in dict.fromkeys((row["study"], row["evaluation"], row["model"]) for row in known):
        rows = [r for r in known if (r["study"], r["evaluation"], r["model"]) == key]
        found = correlation(
            [r["pretraining_share"] for r in rows], [r["score"] for r in rows], study.confidence
        )
        if found is not None:
            table.rows.append(
                {"study": key[0], "model": key[2]}
                | evaluation_cells(study, key[1])
                | {"r": found.value, "low": found.low, "high": found.high}
                | {"languages": found.clusters, "interval_note": found.note}
            )
    return table
