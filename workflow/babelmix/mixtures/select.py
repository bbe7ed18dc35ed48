"""Pure selection of rows: ids of a pool -> (id, language) pairs.

The order of ids and of languages comes from hashes of the seed and the item alone, so that the same
seed gives the same rows on every machine, and one mixture's rows never depend on another mixture.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction

from ..config.expand import seeded_order
from ..errors import BabelmixError
from ..specs import MixtureSpec

Rows = list[tuple[str, str]]


def largest_remainder(
    total: int, weights: Mapping[str, float], order: Sequence[str]
) -> dict[str, int]:
    """Split ``total`` by ``weights``; what is left over goes to the largest remainders.

    Ties are broken by ``order``. The parts add up to ``total`` exactly.
    """
    whole = sum(Fraction(w) for w in weights.values())
    quotas = {code: Fraction(weights[code]) * total / whole for code in order}
    parts = {code: int(q) for code, q in quotas.items()}
    left = total - sum(parts.values())
    by_remainder = sorted(order, key=lambda c: (-(quotas[c] - parts[c]), order.index(c)))
    for code in by_remainder[:left]:
        parts[code] += 1
    return parts


def mixed_count(n_ids: int, spec: MixtureSpec) -> int:
    """How many of ``n_ids`` rows are spread over the languages (the rest take ``spec.main``)."""
    if spec.main is None:
        return n_ids
    if spec.mixed_rows is not None:
        if spec.mixed_rows > n_ids:
            raise BabelmixError(
                f"mixture '{spec.name}': `pinch_rows` asks for {spec.mixed_rows} rows, "
                f"but the pool has {n_ids}."
            )
        return spec.mixed_rows
    share = Fraction(str(spec.mixed_percent)) / 100
    return int(share * n_ids + Fraction(1, 2))


def assign(ids: Sequence[str], spec: MixtureSpec, purpose: str = "rows") -> Rows:
    """Give each id its language (``blocks``) or every language (``parallel``).

    Even shares go round the languages in seeded order, so that the rows of a smaller pinch are
    among those of a larger one; weighted shares are cut by largest remainder. ``purpose`` separates
    draws that must not depend on each other (training rows and dev rows).
    """
    ordered = seeded_order(ids, spec.seed, f"{purpose}:{spec.dataset}")
    if spec.kind == "parallel":
        return [(i, code) for i in ordered for code in spec.languages]
    languages = seeded_order(spec.languages, spec.seed, "languages")
    n_mixed = mixed_count(len(ordered), spec)
    if spec.weights is None:
        chosen = [languages[rank % len(languages)] for rank in range(n_mixed)]
    else:
        parts = largest_remainder(n_mixed, spec.weights, languages)
        chosen = [code for code in languages for _ in range(parts[code])]
    rest = [spec.main or ""] * (len(ordered) - n_mixed)
    return list(zip(ordered, chosen + rest, strict=True))


def take_ids(ids: Sequence[str], spec: MixtureSpec) -> list[str]:
    """The ids of a mixture with a budget of rows: the first of a seeded order, the same for all."""
    if spec.rows is None:
        return list(ids)
    if spec.rows > len(ids):
        raise BabelmixError(
            f"mixture '{spec.name}': `rows: {spec.rows}` is more than the {len(ids)} training rows "
            f"that dataset '{spec.dataset}' offers. Lower `rows`, or leave it out to take all."
        )
    return seeded_order(ids, spec.seed, f"budget:{spec.dataset}")[: spec.rows]


def check_invariants(rows: Rows, ids: Sequence[str], spec: MixtureSpec) -> None:
    """Assert what the policy promises: exact size, each id as often as it says.

    Raises:
        BabelmixError: naming up to ten rows that break it.
    """
    times = len(spec.languages) if spec.kind == "parallel" else 1
    doubled = [r for r, n in Counter(rows).items() if n > 1]
    counts = Counter(i for i, _ in rows)
    wrong = [i for i in ids if counts[i] != times] + [i for i in counts if i not in set(ids)]
    if doubled or wrong or len(rows) != times * len(ids):
        raise BabelmixError(
            f"mixture '{spec.name}' breaks its own rules: {len(rows)} rows for {len(ids)} ids, "
            f"doubled {doubled[:10]}, wrong count {wrong[:10]}."
        )
