"""Does held-out likelihood rank mixtures as a judge does, and would it pick the same winner?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from .frames import ITEM, aligned
from .likelihoods import Texts
from .significance import correlation
from .statistics import Bootstrap, Estimate
from .study import ALL, StudySet, Variant
from .table import ESTIMATE_COLUMNS, Table

if TYPE_CHECKING:
    import pandas as pd

    from .language_tables import Estimator, Measure


def rank_correlation(
    x: Sequence[float], y: Sequence[float], confidence: float = 0.95
) -> Estimate | None:
    """Spearman's ρ with the interval of Bonett and Wright (2000, doi 10.1007/BF02294183).

    Its standard error on Fisher's scale is √((1 + ρ²/2) / (n − 3)). None where ρ is not defined;
    no interval for fewer than four points, or where both orders are the same.
    """
    from scipy.stats import rankdata

    found = correlation(rankdata(x).tolist(), rankdata(y).tolist(), confidence)
    if found is None or found.value is None or found.low is None:
        return found
    rho, n = found.value, found.clusters
    se = math.sqrt((1 + rho**2 / 2) / (n - 3))
    half = NormalDist().inv_cdf(0.5 + confidence / 2) * se
    low, high = (math.tanh(math.atanh(rho) + sign * half) for sign in (-1, 1))
    return Estimate(rho, low, high, n, n, se, found.note)


def agreement_table(
    study: StudySet, found: Sequence[Texts], measures: Sequence[Measure], bootstrap: Bootstrap
) -> Table:
    """Rank correlation of bits per byte with every other measure, over the mixtures of a model."""
    table = Table(
        "likelihood_agreement",
        "Held-out likelihood against judged and other measures",
        "Spearman's ρ over the mixtures of one base model between few bits per byte of held-out "
        "answers and a high value of the measure (1: the same order), and what it costs to pick "
        "the mixture of fewest bits in place of the measure's own best. The interval of ρ is over "
        "mixtures, that of the cost over questions; neither allows for picking the best in the "
        "same data.",
        {
            "held_out": "Held-out texts.",
            "measure": "`grade:` or `score:` evaluation, `answer_language:` benchmark.",
            "model": "Base model.",
            "language": "Language, or `all` that both have.",
            "mixtures": "Mixtures (with their recipes), n.",
            "rho": "Spearman's ρ.",
            "low": "Lower end of its interval.",
            "high": "Upper end.",
            "picked": "The mixture of fewest bits per byte.",
            "best": "The mixture of the highest value of the measure.",
            "same": "Whether they are the same.",
            "rank": "Rank of the picked mixture by the measure, 1 is the best.",
            "cost": "The measure of the best less that of the picked one.",
            "cost_low": "Lower end of its interval.",
            "cost_high": "Upper end.",
            "questions": "Questions behind the cost.",
            "interval_note": ESTIMATE_COLUMNS["interval_note"],
        },
        ("held_out", "measure", "model", "language"),
    )
    for texts in found:
        for name, frame, estimator in measures:
            for model in dict.fromkeys(v.model for v in study.variants.values()):
                cells = {"held_out": texts.held_out, "measure": name, "model": model}
                variants = [
                    v for v in study.variants.values() if v.model == model and v.mixture is not None
                ]
                for row in _rows(texts, variants, frame, estimator, bootstrap):
                    table.rows.append(cells | row)
    return table


def _rows(
    texts: Texts,
    variants: Sequence[Variant],
    frame: pd.DataFrame,
    estimator: Estimator,
    bootstrap: Bootstrap,
) -> Iterator[dict[str, Any]]:
    """One row a language that both measures have, and one of their mean."""
    measured = set(frame["variant"])
    both = [v for v in variants if v.name in texts.bits and v.name in measured]
    shared = [c for c in texts.languages if c in set(frame["lang"])]
    if len(both) < 3 or not texts.ids:
        return
    for lang, codes in [(ALL, shared), *((c, [c]) for c in shared)] if shared else []:
        of = frame[frame["lang"].isin(codes)]
        values = {v.name: estimator(bootstrap, of[of["variant"] == v.name]).value for v in both}
        bits = {v.name: texts.per_byte(bootstrap, v.name, codes).value for v in both}
        known = [v for v in both if values[v.name] is not None and bits[v.name] is not None]
        rho = rank_correlation(
            [-(bits[v.name] or 0.0) for v in known],
            [values[v.name] or 0.0 for v in known],
            bootstrap.confidence,
        )
        if rho is None or len(known) < 3:
            continue
        yield (
            {"language": lang, "mixtures": rho.clusters, "rho": rho.value}
            | {"low": rho.low, "high": rho.high}
            | _picked(known, bits, values, of, bootstrap, rho.note)
        )


def _picked(
    known: Sequence[Variant],
    bits: dict[str, float | None],
    values: dict[str, float | None],
    of: pd.DataFrame,
    bootstrap: Bootstrap,
    note: str,
) -> dict[str, Any]:
    """Which mixture each measure would choose, and what the cheap choice costs."""
    picked = min(known, key=lambda v: (bits[v.name] or 0.0, v.name))
    best = max(known, key=lambda v: (values[v.name] or 0.0, v.name == picked.name, v.name))
    higher = sum((values[v.name] or 0.0) > (values[picked.name] or 0.0) for v in known)
    row: dict[str, Any] = {
        "picked": picked.label,
        "best": best.label,
        "same": picked is best,
        "rank": 1 + higher,
        "cost": (values[best.name] or 0.0) - (values[picked.name] or 0.0),
        "interval_note": note,
    }
    if picked is best:
        return row
    items = aligned(of[["variant", *ITEM, "value"]], best.name, picked.name)
    cost = bootstrap.difference(items["left"], items["right"], items["question_id"], items["lang"])
    notes = {"rho": note, "cost": cost.note}
    joined = " | ".join(f"[{name}] {text}" for name, text in notes.items() if text)
    return row | {
        "cost": cost.value,
        "cost_low": cost.low,
        "cost_high": cost.high,
        "questions": cost.clusters,
        "interval_note": joined,
    }
