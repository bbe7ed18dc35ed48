"""The table of judges against judges: a jury among itself, or a judge against people's labels."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from typing import TYPE_CHECKING, Any

from .agreement import Ballots, cohen_kappa, group_agreement
from .frames import ANSWER
from .statistics import Bootstrap
from .study import StudySet
from .table import ESTIMATE_COLUMNS, Table, estimate_cells

if TYPE_CHECKING:
    import pandas as pd

_ITEM = ["run", "baseline", *ANSWER]
#: Every vote is set against the other judge's verdict on the same item; most judges have one.
_VOTE = [*_ITEM, "vote"]
_RESULT = {"A": "win", "B": "loss", "tie": "tie", "both_bad": "tie"}
_SWAPPED = {"win": "loss", "loss": "win"}
#: Two grades that differ by no more are the same.
SAME_GRADE = 0.5


def judge_agreement_table(
    study: StudySet, judgements: pd.DataFrame, pairs: pd.DataFrame, bootstrap: Bootstrap
) -> Table:
    """Every judge against every other of the same benchmark, and against itself after the swap."""
    table = Table(
        "judge_agreement",
        "Agreement of judges",
        "The same answers under two judges (or under one judge and people's labels). Pairs: the "
        "judge says the same as the other's outcome, joined (`outcome`: orders that contradict "
        "each other are a tie) and, against votes without an order, in each order alone (`AB`, "
        "`BA`) and in both at once (`both`). `swap`: a judge against itself with the answers "
        "exchanged. `votes`: several people's votes under one name against each other, every pair "
        "of votes on the same item once. Each vote counts by itself. Grades (`grade`): they "
        f"differ by at most {SAME_GRADE:g}. Only items that both have scored.",
        {
            "benchmark": "Benchmark.",
            "protocol": "`single` or a pairwise one.",
            "judge": "Judge.",
            "against": "Judge compared with; the same one under `swap` and `votes`.",
            "reading": "`AB`, `BA`, `both`, `outcome`, `swap`, `votes` or `grade`.",
            "items": "Pairs of verdicts on the same item, where both are scored.",
            "same": "Items on which they say the same.",
            "share": "Share of those.",
        }
        | ESTIMATE_COLUMNS
        | {"kappa": "Cohen's kappa, by chance of each judge's own shares."},
        ("benchmark", "protocol", "judge", "against", "reading"),
    )
    for place, readings in _readings(study, judgements, pairs):
        for (left, mine), (right, theirs) in permutations(readings.items(), 2):
            for reading in mine:
                other = "grade" if reading == "grade" else "outcome"
                # One order alone is set against votes that know no order.
                alike = reading in ("outcome", "grade") or "AB" not in theirs
                if reading != "swap" and alike and other in theirs:
                    cells = place | {"judge": left, "against": right, "reading": reading}
                    table.rows += _row(cells, mine[reading], theirs[other], bootstrap)
        for judge, mine in readings.items():
            if "swap" in mine:
                cells = place | {"judge": judge, "against": judge, "reading": "swap"}
                table.rows += _row(cells, mine["AB"], mine["swap"], bootstrap)
            if "outcome" in mine:
                cells = place | {"judge": judge, "against": judge, "reading": "votes"}
                table.rows += _votes_row(cells, mine["outcome"], bootstrap)
    return table


def _readings(
    study: StudySet, judgements: pd.DataFrame, pairs: pd.DataFrame
) -> Iterator[tuple[dict[str, Any], dict[str, dict[str, pd.Series]]]]:
    """By benchmark and protocol: each judge's readings, each a series over items."""
    found: dict[tuple[str, str], dict[str, dict[str, list[pd.Series]]]] = {}
    for (evaluation, protocol), rows in judgements.groupby(["evaluation", "protocol"]):
        spec = study.evaluations[str(evaluation)]
        held = found.setdefault((spec["benchmark"], str(protocol)), {})
        mine = held.setdefault(spec["judge"], {})
        of = pairs[pairs["evaluation"] == evaluation]
        for reading, series in _of_judge(rows, of, str(protocol)).items():
            if len(series):
                mine.setdefault(reading, []).append(series)
    for (benchmark, protocol), judges in found.items():
        yield (
            {"benchmark": benchmark, "protocol": protocol},
            {judge: _joined(mine) for judge, mine in judges.items()},
        )


def _joined(readings: dict[str, list[pd.Series]]) -> dict[str, pd.Series]:
    import pandas as pd

    return {reading: pd.concat(parts) for reading, parts in readings.items()}


def _of_judge(rows: pd.DataFrame, pairs: pd.DataFrame, protocol: str) -> dict[str, pd.Series]:
    """One judge's readings of one evaluation; results are in the run's terms."""
    if protocol == "single":
        return {"grade": rows.set_index(_VOTE)["score"].dropna()}
    by_order = {
        order: part.set_index(_VOTE)["verdict"].map(_RESULT).dropna()
        for order, part in rows.groupby("order")
    }
    readings = {"outcome": pairs.set_index(_VOTE)["outcome"].dropna()}
    if "AB" in by_order and "BA" in by_order:
        readings["AB"] = by_order["AB"]
        readings["BA"] = by_order["BA"].map(lambda result: _SWAPPED.get(result, result))
        readings["swap"] = readings["BA"]
        # What both orders say, and a value that equals nothing where they contradict each other.
        both = readings["AB"].where(readings["AB"] == readings["BA"].reindex(readings["AB"].index))
        readings["both"] = both.fillna("contradiction")
    return readings


def _votes_row(
    cells: dict[str, Any], votes: pd.Series, bootstrap: Bootstrap
) -> list[dict[str, Any]]:
    """Votes of several people under one name against each other; no row where none has two."""
    verdicts = {"win": "A", "loss": "B", "tie": "tie"}
    by_item = {item: [verdicts[result] for result in of] for item, of in votes.groupby(level=_ITEM)}
    several = {item: of for item, of in by_item.items() if len(of) > 1}
    if not several:
        return []
    at = _ITEM.index("question_id")
    clusters = {item: item[at] for item in several}
    estimate = group_agreement(Ballots(several, clusters), bootstrap=bootstrap)
    pairs = sum(len(of) * (len(of) - 1) // 2 for of in several.values())
    return [
        cells
        | {"items": pairs, "same": round((estimate.value or 0.0) * pairs)}
        | estimate_cells(estimate, "share")
        | {"kappa": None}
    ]


def _row(
    cells: dict[str, Any], left: pd.Series, right: pd.Series, bootstrap: Bootstrap
) -> list[dict[str, Any]]:
    """One row, or none where the judges share no item."""
    if cells["judge"] != cells["against"]:
        left, right = left.droplevel("vote"), right.droplevel("vote")
    both = left.rename("left").to_frame().join(right.rename("right"), how="inner")
    if both.empty:
        return []
    if cells["reading"] == "grade":
        same = (both["left"] - both["right"]).abs() <= SAME_GRADE
        kappa = None
    else:
        same = both["left"] == both["right"]
        kappa = cohen_kappa(list(both["left"]), list(both["right"]))
    clusters = both.index.get_level_values("question_id").to_numpy()
    estimate = bootstrap.share(same.to_numpy().astype(float), clusters)
    return [
        cells
        | {"items": len(both), "same": int(same.sum())}
        | estimate_cells(estimate, "share")
        | {"kappa": kappa}
    ]
