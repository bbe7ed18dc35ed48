"""The table of weighted preferences (AlpacaEval 2): win rates, plain and at equal length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import BabelmixError
from ..io import read_json
from .frames import languages_of
from .grade_tables import SCORES
from .length_control import FULL, MINIMAL, GamedBaselines, length_controlled, read_gamed
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


@dataclass(frozen=True)
class Published:
    """What AlpacaEval's own rate needs: its ``df_gamed.csv``, and each instruction's index."""

    gamed: GamedBaselines | None = None
    index: Mapping[str, int] = field(default_factory=dict)


def read_published(gamed: Path | None, instructions: Path | None) -> Published:
    """Read both files; None of them gives the regression without difficulties.

    ``instructions``: AlpacaEval's evaluation set, or any model's outputs, in the published order.
    """
    from ..judge.published.entry import text_id

    if gamed is None and instructions is None:
        return Published()
    if gamed is None or instructions is None:
        raise BabelmixError(
            "--gamed-baselines and --instructions belong together: the one says how hard each "
            "instruction is by its index, the other which instruction that is. Give both or none."
        )
    rows = read_json(instructions)
    if not isinstance(rows, list) or not all(
        isinstance(r, dict) and "instruction" in r for r in rows
    ):
        raise BabelmixError(
            f"{instructions}: not a list of objects with `instruction`. Give AlpacaEval's "
            "evaluation set, or any model's outputs on it."
        )
    return Published(
        read_gamed(gamed), {text_id(str(r["instruction"])): i for i, r in enumerate(rows)}
    )


def weighted_table(
    study: StudySet, judged: pd.DataFrame, bootstrap: Bootstrap, published: Published | None = None
) -> Table:
    """Win rates of the judgements that have a weight, by evaluation, variant and language."""
    table = Table(
        "weighted_preferences",
        "Win rates of weighted preferences",
        "Judgements that say how much they prefer an answer (AlpacaEval 2). Win rate: their mean, "
        "in percent; discrete: each counts for the side that it leans to, ½ for a tie. At equal "
        "length: AlpacaEval's logistic regression with the length term set to 0 (arXiv 2404.04475; "
        f"`{FULL}` with its difficulties of instructions, `{MINIMAL}` without). Each judgement "
        "weighs the same.",
        EVALUATION_COLUMNS
        | VARIANT_COLUMNS
        | {
            "baseline": "Model compared with; `several` where it differs.",
            "language": "Language, or `all`.",
            "win_rate": "Mean preference in percent.",
        }
        | ESTIMATE_COLUMNS
        | {
            "standard_error": "As AlpacaEval publishes it: of the mean of independent values.",
            "discrete_win_rate": "100 · (wins + ½ ties) / judgements.",
            "length_controlled": "Win rate at equal length, in percent.",
            "length_controlled_by": "Which regression.",
            "lc_standard_error": "As AlpacaEval publishes it: spread of the predictions alone, "
            "without the uncertainty of the fit; no interval is made of it.",
            "characters": "Mean length of the answers.",
            "baseline_characters": "The same of the baseline's.",
        },
        ("evaluation", "variant", "language"),
    )
    rows = judged[judged["weight"].notna() & (judged["run"] != judged["baseline"])]
    for (evaluation, name), frame in rows.groupby(["evaluation", "variant"]):
        for lang, of in languages_of(frame):
            table.rows.append(
                evaluation_cells(study, str(evaluation))
                | variant_cells(study.variants[str(name)])
                | {"language": lang}
                | _cells(_of_run(of), bootstrap, published or Published())
            )
    return table


def _of_run(rows: pd.DataFrame) -> pd.DataFrame:
    """Preference for the run and both lengths, whichever was shown first."""
    second = (rows["order"] == "BA").to_numpy()
    weight = rows["weight"].astype(float).to_numpy()
    first, other = (rows[name].astype(float).to_numpy() for name in ("length_a", "length_b"))
    return rows.assign(
        preference=np.where(second, 1.0 - weight, weight),
        own=np.where(second, other, first),
        others=np.where(second, first, other),
    )


def _cells(rows: pd.DataFrame, bootstrap: Bootstrap, published: Published) -> dict[str, Any]:
    preference = rows["preference"].to_numpy()
    rate = bootstrap.share(100.0 * preference, rows["question_id"].to_numpy(), scale=SCORES)
    baselines = sorted(rows["baseline"].unique())
    known = rows[rows["own"].notna() & rows["others"].notna()]
    n = len(preference)
    cells: dict[str, Any] = {"baseline": baselines[0] if len(baselines) == 1 else "several"}
    cells |= estimate_cells(rate, "win_rate") | {
        "standard_error": float(100.0 * preference.std(ddof=1) / np.sqrt(n)) if n > 1 else None,
        "discrete_win_rate": float(50.0 * (1.0 + np.sign(preference - 0.5).mean())),
        "characters": float(known["own"].mean()) if len(known) else None,
        "baseline_characters": float(known["others"].mean()) if len(known) else None,
    }
    if len(known) < n:
        why = f"no value: {n - len(known)} of {n} judgements lack the lengths of the answers"
        return cells | _noted(rate.note, why)
    at = np.array([published.index.get(question, -1) for question in rows["question_id"]])
    # In the published order, so that the same rows fall into the same folds.
    order = np.argsort(at, kind="stable")
    longer = (rows["others"] - rows["own"]).to_numpy()
    found = length_controlled(preference[order], longer[order], at[order].tolist(), published.gamed)
    cells |= {
        "length_controlled": found.rate,
        "length_controlled_by": found.by_name,
        "lc_standard_error": found.se,
    }
    return cells | _noted(rate.note, found.note)


def _noted(own: str, why: str) -> dict[str, Any]:
    """The row's note: of the win rate's interval, and why there is no rate at equal length."""
    parts = [f"[win_rate] {own}" if own else "", f"[length_controlled] {why}" if why else ""]
    return {"interval_note": " | ".join(part for part in parts if part)}
