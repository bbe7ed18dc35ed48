"""Pure selection of rows: a pool's columns -> (row, language) pairs, in whole arrays.

The order of ids and of languages comes from hashes of the seed and the item alone, so that the same
seed gives the same rows on every machine, and one mixture's rows never depend on another mixture.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..config.members import seeded_order
from ..errors import BabelmixError
from ..specs import MixtureSpec
from .pool import ID_OUT, KEEP, ROW_OUT, Pool, seeded_rank
from .shares import Draw, half_up, largest_remainder, resolve

#: Reason of ids that another part of the same union has.
IN_ANOTHER_PART = "in another part"


@dataclass(frozen=True)
class Rows:
    """Rows of one pool: place of the id in the pool, and place of the language in the spec.

    ``copies``: 0 for a row's first time, 1 for its second, and so on; None where none is repeated.
    """

    ids: np.ndarray
    langs: np.ndarray
    copies: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def where(self, keep: np.ndarray) -> Rows:
        """Those of the rows that a mask names."""
        copies = None if self.copies is None else self.copies[keep]
        return Rows(self.ids[keep], self.langs[keep], copies)


@dataclass(frozen=True)
class Selection:
    """Training and held-out rows of one pool, and ids (``pairs``: rows) left out by reason."""

    spec: MixtureSpec
    train: Rows
    dev: Rows
    left_out: dict[str, int]
    left_out_pairs: int
    draw: Draw | None = None


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


@dataclass(frozen=True)
class Candidates:
    """What one pool can give to one leaf of a mixture (an ``Offer``; see ``shares``).

    ``ids`` may be trained on, ``dev`` may be held out; ``counts`` are tokens of each row by
    language; ``left_out`` counts other ids by reason.
    """

    pool: Pool
    spec: MixtureSpec
    ids: np.ndarray
    dev: np.ndarray
    rows_out: Mapping[str, np.ndarray]
    left_out: Mapping[str, int]
    counts: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def units(self) -> int:
        """Ids; also where pairs are drawn, so that they are as many as a monolingual mixture's."""
        return len(self.ids)

    @property
    def limit(self) -> int:
        """Most ids, or pairs, that can be had without repeating one."""
        return len(self._pairs.ids) if self.spec.kind == "pairs" else len(self.ids)

    @property
    def times(self) -> int:
        """Rows per unit."""
        return len(self.spec.languages) if self.spec.kind == "parallel" else 1

    def less(self, mask: np.ndarray, reason: str, *, dev_only: bool = False) -> Candidates:
        """Less the ids that a mask of the pool names; they are counted by a reason."""
        ids = self.ids if dev_only else self.ids[~mask[self.ids]]
        dev = self.dev[~mask[self.dev]]
        lost = len(self.ids) + len(self.dev) - len(ids) - len(dev)
        left_out = dict(self.left_out)
        if lost:
            left_out[reason] = left_out.get(reason, 0) + lost
        return Candidates(self.pool, self.spec, ids, dev, self.rows_out, left_out, self.counts)

    def with_share_of_dev(self, share: float) -> Candidates:
        """With a share of the held-out ids, the rest left to other parts of a union."""
        order = seeded_rank(self.pool.keys[self.dev], self.spec.rows_seed, "dev-share")
        others = np.zeros(len(self.pool), dtype=bool)
        others[self.dev[order[half_up(share, len(order)) :]]] = True
        return self.less(others, IN_ANOTHER_PART, dev_only=True)

    @cached_property
    def ranked(self) -> np.ndarray:
        """The ids in the order that all mixtures with a budget share."""
        return self.ids[seeded_rank(self.pool.keys[self.ids], self.spec.rows_seed, "budget")]

    @cached_property
    def _pairs(self) -> Rows:
        """Every (id, language) pair that may be trained on, in random order."""
        pool, spec = self.pool, self.spec
        ids, langs, keys = [], [], []
        for place, code in enumerate(spec.own_languages):
            mine = self.ids[pool.languages[code].verdict[self.ids] == KEEP]
            salt = hashlib.sha256(f"language:{code}".encode()).digest()[:8]
            ids.append(mine)
            langs.append(np.full(len(mine), place, dtype=np.int16))
            keys.append(pool.keys[mine] ^ np.uint64(int.from_bytes(salt)))
        order = seeded_rank(np.concatenate(keys), spec.seed, "pairs")
        return Rows(np.concatenate(ids)[order], np.concatenate(langs)[order])

    def rows(self, distinct: int) -> Rows:
        """The rows of the first so many units, each once: places in the pool."""
        if self.spec.kind == "pairs":
            return self._pairs.where(np.arange(distinct))
        taken = self.ids
        if distinct < len(taken):
            taken = np.sort(self.ranked[:distinct])
        rows = assign(self.pool.keys[taken], self.spec)
        return Rows(taken[rows.ids], rows.langs)

    def first(self, rows: Rows, units: int) -> np.ndarray:
        """Which of the rows belong to the first so many units."""
        if self.spec.kind == "pairs":
            return np.arange(len(rows)) < units
        mine = np.zeros(len(self.pool), dtype=bool)
        mine[self.ranked[:units]] = True
        return mine[rows.ids]

    def tokens(self, of: int, first: int) -> int:
        """Tokens of the ``first`` units of a draw of ``of``."""
        rows = self.rows(of)
        if first < of:
            rows = rows.where(self.first(rows, first))
        table = np.stack([self.counts[code] for code in self.spec.own_languages])
        return int(table[rows.langs, rows.ids].sum())


def sound_ids(
    pool: Pool, spec: MixtureSpec, out: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, int]]:
    """Which ids may be taken, rows to leave out by language, and ids left out by reason.

    ``out`` are ids that are left out for other reasons than their checks. A verdict ``ID_OUT`` in
    a language of the mixture or of ``sound_in`` puts the id out. A row that is out in its language
    alone takes its id with it from a mixture that gives each id once (so that size and shares stay
    exact); a parallel mixture, or one of random pairs, leaves out the row.
    """
    verdicts = {code: language.verdict for code, language in pool.languages.items()}
    pairwise = spec.kind in ("parallel", "pairs")
    reasons = {"failed checks": np.zeros(len(pool), dtype=bool)}
    for code in [*spec.sound_in, *spec.own_languages]:
        least = ID_OUT if pairwise or code in spec.sound_in else ROW_OUT
        reasons["failed checks"] |= verdicts[code] >= least
    reasons["filtered"] = ~_passes_filters(pool, spec)
    reasons |= out
    lost = np.zeros(len(pool), dtype=bool)
    counts = {}
    for reason, mask in reasons.items():
        counts[reason] = int((mask & ~lost).sum())
        lost |= mask
    rows_out = {c: verdicts[c] == ROW_OUT for c in spec.own_languages} if pairwise else {}
    return ~lost, rows_out, counts


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


def candidates(
    pool: Pool,
    spec: MixtureSpec,
    counts: Mapping[str, np.ndarray] | None = None,
    out: Mapping[str, np.ndarray] | None = None,
) -> Candidates:
    """What a pool can give to a leaf, once its checks have spoken."""
    none = {"contaminated": np.zeros(len(pool), dtype=bool)}
    usable, rows_out, left_out = sound_ids(pool, spec, none | dict(out or {}))
    ids, dev = np.flatnonzero(usable & ~pool.dev), np.flatnonzero(usable & pool.dev)
    return Candidates(pool, spec, ids, dev, rows_out, left_out, counts or {})


def select(
    pool: Pool,
    spec: MixtureSpec,
    counts: Mapping[str, np.ndarray] | None = None,
    out: Mapping[str, np.ndarray] | None = None,
) -> Selection:
    """The rows of one mixture from one pool; its invariants hold, or it is an error."""
    offer = candidates(pool, spec, counts, out)
    return draw_rows(offer, resolve(spec, [offer])[0])


def draw_rows(offer: Candidates, draw: Draw, *, may_be_empty: bool = False) -> Selection:
    """The rows of one leaf, as many as ``draw`` says.

    Raises:
        BabelmixError: where none is left, or an invariant is broken.
    """
    pool, spec = offer.pool, offer.spec
    if draw.distinct > offer.limit:
        raise BabelmixError(
            f"mixture '{spec.name}': it needs {draw.distinct} ids of dataset '{spec.dataset}', and "
            f"the parts before it leave {offer.limit}: parts of one pool share no id. Take less of "
            "them, or set `ids: any` for the union."
        )
    if not draw.distinct and not may_be_empty:
        raise BabelmixError(
            f"mixture '{spec.name}': no row of dataset '{spec.dataset}' is left "
            f"({dict(offer.left_out)}). Look at the translation audit for why rows failed, or give "
            "it a larger budget."
        )
    train = offer.rows(draw.distinct)
    # Held-out rows follow the mixture's shares; an absolute pinch of rows does not apply to them.
    shares = spec if spec.mixed_rows is None else spec.model_copy(update={"mixed_rows": 0})
    once = shares.model_copy(update={"kind": "blocks"}) if spec.kind == "pairs" else shares
    held_out = assign(pool.keys[offer.dev], once, "dev")
    dev = Rows(offer.dev[held_out.ids], held_out.langs)
    check_invariants(train, draw, pool, spec)
    left_out = dict(offer.left_out)
    unique = len(np.unique(train.ids)) if spec.kind == "pairs" else draw.distinct
    left_out["not drawn"] = len(offer.ids) - unique
    if unique + len(offer.dev) + sum(left_out.values()) != len(pool):
        raise AssertionError(f"{spec.name}: {len(pool)} ids in, {unique} and {left_out} out")
    kept = [_without(rows, spec, offer.rows_out) for rows in (train, dev)]
    pairs = len(train) + len(dev) - len(kept[0]) - len(kept[1])
    return Selection(spec, _repeated(kept[0], offer, draw), kept[1], left_out, pairs, draw)


def _repeated(rows: Rows, offer: Candidates, draw: Draw) -> Rows:
    """The rows as often as the draw repeats them; the remainder goes to the first units."""
    if draw.units <= draw.distinct or not len(rows):
        return rows
    whole, rest = divmod(draw.units, draw.distinct)
    times = np.full(len(rows), whole, dtype=np.int64)
    if rest:
        times[offer.first(rows, rest)] += 1
    most = int(times.max())
    layers = [np.flatnonzero(times > n) for n in range(most)]
    copies = np.repeat(np.arange(most, dtype=np.int32), [len(layer) for layer in layers])
    places = np.concatenate(layers)
    return Rows(rows.ids[places], rows.langs[places], copies)


def _without(rows: Rows, spec: MixtureSpec, rows_out: Mapping[str, np.ndarray]) -> Rows:
    if not rows_out:
        return rows
    bad = np.stack([rows_out[code] for code in spec.own_languages])
    return rows.where(~bad[rows.langs, rows.ids])


def check_invariants(rows: Rows, draw: Draw, pool: Pool, spec: MixtureSpec) -> None:
    """Assert what the policy promises: exact size, each id as often as it says, none held out.

    Raises:
        BabelmixError: naming up to ten rows that break it.
    """
    times = len(spec.languages) if spec.kind == "parallel" else 1
    pairs = rows.ids.astype(np.int64) * (len(spec.own_languages) + 1) + rows.langs
    unique, how_often = np.unique(pairs, return_counts=True)
    doubled = unique[how_often > 1] // (len(spec.own_languages) + 1)
    counts = np.bincount(rows.ids, minlength=len(pool))
    wrong = (counts > 0) & pool.dev
    if spec.kind != "pairs":
        wrong |= (counts > 0) & (counts != times)
    if len(doubled) or wrong.any() or len(rows) != times * draw.distinct:
        named = pool.ids.take(np.flatnonzero(wrong)[:10]).to_pylist()
        twice = pool.ids.take(doubled[:10]).to_pylist()
        raise BabelmixError(
            f"mixture '{spec.name}' breaks its own rules: {len(rows)} rows for {draw.distinct} "
            f"ids, doubled {twice}, wrong count or held out {named}."
        )
