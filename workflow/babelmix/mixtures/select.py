"""Pure selection of rows: a pool's columns -> (row, language) pairs, in whole arrays.

The order of ids and of languages comes from hashes of the seed and the item alone, so that the same
seed gives the same rows on every machine, and one mixture's rows never depend on another mixture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ..config.expand import seeded_order
from ..errors import BabelmixError
from ..specs import MixtureSpec
from .pool import ID_OUT, ROW_OUT, Pool, seeded_rank


@dataclass(frozen=True)
class Rows:
    """Rows of one pool: place of the id in the pool, and place of the language in the spec."""

    ids: np.ndarray
    langs: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def where(self, keep: np.ndarray) -> Rows:
        """Those of the rows that a mask names."""
        return Rows(self.ids[keep], self.langs[keep])


@dataclass(frozen=True)
class Selection:
    """Training and held-out rows of one pool, and ids (``pairs``: rows) left out by reason."""

    spec: MixtureSpec
    train: Rows
    dev: Rows
    left_out: dict[str, int]
    left_out_pairs: int


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


def half_up(share: float, total: int, percent: bool = False) -> int:
    """``share`` of ``total`` as written in decimals, rounded half up."""
    exact = Fraction(str(share)) * total / (100 if percent else 1)
    return int(exact + Fraction(1, 2))


def mixed_count(n_ids: int, spec: MixtureSpec) -> int:
    """How many of ``n_ids`` rows are spread over the languages (the rest take ``spec.main``)."""
    if spec.main is None:
        return n_ids
    if spec.mixed_rows is None:
        return half_up(spec.mixed_percent or 0.0, n_ids, percent=True)
    if spec.mixed_rows > n_ids:
        raise BabelmixError(
            f"mixture '{spec.name}': `pinch_rows` asks for {spec.mixed_rows} rows, "
            f"but the pool has {n_ids}."
        )
    return spec.mixed_rows


def turn_order(spec: MixtureSpec) -> list[str]:
    """The languages in seeded order, the leading one first.

    Going round in this order gives the main language the larger share of an uneven split: 1 % of
    4,390 rows over twelve languages is 4 English rows and 40 others, as by largest remainder.
    """
    order = seeded_order(spec.languages, spec.seed, "languages")
    return sorted(order, key=lambda code: code != spec.lead)


def assign(keys: np.ndarray, spec: MixtureSpec, purpose: str = "rows") -> Rows:
    """Give each id (by its key) its language (``blocks``) or every language (``parallel``).

    Even shares go round the languages, so that the rows of a smaller pinch are among those of a
    larger one; weighted shares are cut by largest remainder. ``purpose`` separates draws that must
    not depend on each other (training rows and held-out rows).
    """
    order = seeded_rank(keys, spec.seed, f"{purpose}:{spec.salt}")
    if spec.kind == "parallel":
        n = len(spec.languages)
        return Rows(np.repeat(order, n), np.tile(np.arange(n, dtype=np.int16), len(order)))
    place = {code: i for i, code in enumerate(spec.own_languages)}
    languages = turn_order(spec)
    turns = np.array([place[code] for code in languages], dtype=np.int16)
    n_mixed = mixed_count(len(order), spec)
    langs = np.full(len(order), place.get(spec.main or "", 0), dtype=np.int16)
    if spec.weights is None:
        langs[:n_mixed] = np.resize(turns, n_mixed)
    else:
        parts = largest_remainder(n_mixed, spec.weights, languages)
        langs[:n_mixed] = np.repeat(turns, [parts[code] for code in languages])
    return Rows(order, langs)


def draw_ids(
    ids: np.ndarray, pool: Pool, spec: MixtureSpec, counts: Mapping[str, np.ndarray] | None
) -> np.ndarray:
    """The ids of a mixture with a budget: the first of an order that all mixtures share.

    ``counts`` are tokens of each row by language, for a budget in tokens: the longest prefix is
    found whose rows stay within it.
    """
    if spec.rows is None and spec.fraction is None and spec.tokens is None:
        return ids
    ranked = ids[seeded_rank(pool.keys[ids], spec.rows_seed, "budget")]
    if spec.tokens is not None:
        return np.sort(ranked[: _token_prefix(ranked, pool, spec, counts or {})])
    wanted = spec.rows or half_up(spec.fraction or 0.0, len(ids))
    if wanted > len(ids):
        raise BabelmixError(
            f"mixture '{spec.name}': `rows: {wanted}` is more than the {len(ids)} training rows "
            f"that dataset '{spec.dataset}' offers. Lower `rows`, or leave it out to take all."
        )
    return np.sort(ranked[:wanted])


def _token_prefix(
    ranked: np.ndarray, pool: Pool, spec: MixtureSpec, counts: Mapping[str, np.ndarray]
) -> int:
    """How many ids of a ranked list fill, and do not exceed, the budget in tokens."""
    budget = spec.tokens or 0
    table = np.stack([counts[code] for code in spec.own_languages])

    def spent(n: int) -> int:
        rows = assign(pool.keys[ranked[:n]], spec)
        return int(table[rows.langs, ranked[:n][rows.ids]].sum())

    if (whole := spent(len(ranked))) < budget:
        raise BabelmixError(
            f"mixture '{spec.name}': `tokens: {budget}` is more than the {whole} tokens that its "
            f"rows of dataset '{spec.dataset}' have. Lower it, or leave it out to take all."
        )
    low, high = 0, len(ranked)
    if whole == budget:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if spent(middle) <= budget else (low, middle)
    if low == 0:
        raise BabelmixError(
            f"mixture '{spec.name}': `tokens: {budget}` is less than its first row takes."
        )
    return low


def sound_ids(
    pool: Pool, spec: MixtureSpec, contaminated: np.ndarray
) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, int]]:
    """Which ids may be taken, rows to leave out by language, and ids left out by reason.

    A verdict ``ID_OUT`` in a language of the mixture or of ``sound_in`` puts the id out. A row that
    is out in its language alone takes its id with it from a mixture that gives each id once (so
    that size and shares stay exact); a parallel mixture leaves out the row.
    """
    verdicts = {code: language.verdict for code, language in pool.languages.items()}
    pairwise = spec.kind == "parallel"
    reasons = {"failed checks": np.zeros(len(pool), dtype=bool)}
    for code in [*spec.sound_in, *spec.own_languages]:
        least = ID_OUT if pairwise or code in spec.sound_in else ROW_OUT
        reasons["failed checks"] |= verdicts[code] >= least
    reasons["filtered"] = ~_passes_filters(pool, spec)
    reasons["contaminated"] = contaminated
    out = np.zeros(len(pool), dtype=bool)
    counts = {}
    for reason, mask in reasons.items():
        counts[reason] = int((mask & ~out).sum())
        out |= mask
    rows_out = {c: verdicts[c] == ROW_OUT for c in spec.own_languages} if pairwise else {}
    return ~out, rows_out, counts


def _passes_filters(pool: Pool, spec: MixtureSpec) -> np.ndarray:
    """Ids whose measured values lie within every filter's bounds, in every language looked at."""
    passes = np.ones(len(pool), dtype=bool)
    looked_at = list(pool.languages.values())
    for wanted in spec.filters:
        found = [p.measures[wanted.check] for p in looked_at if wanted.check in p.measures]
        if not found:
            known = sorted({name for p in looked_at for name in p.measures})
            raise BabelmixError(
                f"mixture '{spec.name}': `filter` names the check '{wanted.check}', which measured "
                f"no row of {list(pool.languages)}; measured here: {', '.join(known) or 'none'}."
            )
        for values in found:
            if wanted.min is not None:
                passes &= ~(values < wanted.min)
            if wanted.max is not None:
                passes &= ~(values > wanted.max)
    return passes


def select(
    pool: Pool,
    spec: MixtureSpec,
    counts: Mapping[str, np.ndarray] | None = None,
    contaminated: np.ndarray | None = None,
) -> Selection:
    """The rows of one mixture from one pool; its invariants hold, or it is an error."""
    hits = np.zeros(len(pool), dtype=bool) if contaminated is None else contaminated
    usable, rows_out, left_out = sound_ids(pool, spec, hits)
    offered = np.flatnonzero(usable & ~pool.dev)
    taken = draw_ids(offered, pool, spec, counts)
    if not len(taken):
        raise BabelmixError(
            f"mixture '{spec.name}': no row of dataset '{spec.dataset}' is left ({left_out}). Look "
            "at the translation audit for why rows failed."
        )
    held_out = np.flatnonzero(usable & pool.dev)
    # Held-out rows follow the mixture's shares; an absolute pinch of rows does not apply to them.
    shares = spec if spec.mixed_rows is None else spec.model_copy(update={"mixed_rows": 0})
    train, dev = (
        Rows(ids[rows.ids], rows.langs)
        for ids, rows in (
            (taken, assign(pool.keys[taken], spec)),
            (held_out, assign(pool.keys[held_out], shares, "dev")),
        )
    )
    check_invariants(train, taken, pool, spec)
    left_out["not drawn"] = len(offered) - len(taken)
    if len(taken) + len(held_out) + sum(left_out.values()) != len(pool):
        raise AssertionError(f"{spec.name}: {len(pool)} ids in, {len(taken)} and {left_out} out")
    kept = [_without(rows, spec, rows_out) for rows in (train, dev)]
    pairs = len(train) + len(dev) - len(kept[0]) - len(kept[1])
    return Selection(spec, kept[0], kept[1], left_out, pairs)


def _without(rows: Rows, spec: MixtureSpec, rows_out: Mapping[str, np.ndarray]) -> Rows:
    if not rows_out:
        return rows
    bad = np.stack([rows_out[code] for code in spec.own_languages])
    return rows.where(~bad[rows.langs, rows.ids])


def check_invariants(rows: Rows, ids: np.ndarray, pool: Pool, spec: MixtureSpec) -> None:
    """Assert what the policy promises: exact size, each id as often as it says, none held out.

    Raises:
        BabelmixError: naming up to ten rows that break it.
    """
    times = len(spec.languages) if spec.kind == "parallel" else 1
    pairs = rows.ids.astype(np.int64) * (len(spec.own_languages) + 1) + rows.langs
    unique, how_often = np.unique(pairs, return_counts=True)
    doubled = unique[how_often > 1] // (len(spec.own_languages) + 1)
    counts = np.bincount(rows.ids, minlength=len(pool))
    wanted = np.zeros(len(pool), dtype=np.int64)
    wanted[ids] = times
    wrong = np.flatnonzero((counts != wanted) | ((counts > 0) & pool.dev))
    if len(doubled) or len(wrong) or len(rows) != times * len(ids):
        named = pool.ids.take(wrong[:10]).to_pylist()
        twice = pool.ids.take(doubled[:10]).to_pylist()
        raise BabelmixError(
            f"mixture '{spec.name}' breaks its own rules: {len(rows)} rows for {len(ids)} ids, "
            f"doubled {twice}, wrong count or held out {named}."
        )
