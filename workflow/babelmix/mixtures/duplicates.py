"""Duplicates within and across pools, and among held-out rows: groups of ids, and what to do.

Two ids are duplicates when their conversations are equal (or nearly) in one of the languages that
the mixture looks at. Groups are transitive: what is near to one of a group belongs to it. The
first of a group, in the order of a union's parts and then of the pool, is the one that stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..config.selection import Deduplication
from ..errors import BabelmixError
from ..specs import MixtureSpec
from .fingerprints import SKETCH, Print, read_print
from .select import Candidates

#: Chance with which a pair at the threshold itself must be compared.
_RECALL = 0.98
SHOWN = 10


@dataclass(frozen=True)
class Prints:
    """Fingerprints by (dataset, language), and the groups of ids that they make.

    Ids are numbered over all pools, in the order in which the pools are given.
    """

    files: Mapping[tuple[str, str], Print]

    @cached_property
    def ids(self) -> dict[str, pa.Array]:
        """Ids by dataset: one list where its languages are parallel, else one after the other."""
        found: dict[str, list[pa.Array]] = {}
        for (dataset, _), one in self.files.items():
            known = found.setdefault(dataset, [])
            if not any(one.ids.equals(other) for other in known):
                known.append(one.ids)
        return {dataset: pa.concat_arrays(arrays) for dataset, arrays in found.items()}

    @cached_property
    def offsets(self) -> dict[str, int]:
        """Number of each dataset's first id."""
        starts = np.cumsum([0, *(len(ids) for ids in self.ids.values())])
        return {dataset: int(start) for dataset, start in zip(self.ids, starts, strict=False)}

    @property
    def total(self) -> int:
        """How many ids there are."""
        return sum(len(ids) for ids in self.ids.values())

    def numbers(self, dataset: str, ids: pa.Array) -> np.ndarray:
        """Numbers of some ids of a dataset.

        Raises:
            BabelmixError: where one has no fingerprint.
        """
        known = self.ids.get(dataset, pa.array([], pa.string()))
        if ids.equals(known):
            return self.offsets[dataset] + np.arange(len(ids))
        places = pc.index_in(ids, value_set=known)
        if places.null_count:
            raise BabelmixError(
                f"dataset '{dataset}': {places.null_count} ids of its index have no fingerprint. "
                "Delete its files below fingerprints/ and run again."
            )
        return self.offsets[dataset] + places.to_numpy(zero_copy_only=False)

    def name(self, number: int) -> str:
        """An id by its number, with its dataset."""
        dataset = [d for d, start in self.offsets.items() if start <= number][-1]
        return f"{dataset}/{self.ids[dataset][number - self.offsets[dataset]].as_py()}"

    @cached_property
    def exact(self) -> np.ndarray:
        """Group of each id by equal texts."""
        return _components(self._exact_edges(), self.total)

    def near(self, similarity: float) -> np.ndarray:
        """Group of each id by texts that are equal or at least so similar."""
        edges = [*self._exact_edges()]
        for mine in self._by_language().values():
            numbers = np.concatenate([n for n, _ in mine])
            keys = np.concatenate([one.exact for _, one in mine])
            sketch = np.concatenate([one.sketch for _, one in mine])
            first = np.unique(keys, return_index=True)[1]  # equal texts are together already
            edges += [
                (numbers[first][a], numbers[first][b]) for a, b in _near(sketch[first], similarity)
            ]
        return _components(edges, self.total)

    def _by_language(self) -> dict[str, list[tuple[np.ndarray, Print]]]:
        found: dict[str, list[tuple[np.ndarray, Print]]] = {}
        for (dataset, lang), one in self.files.items():
            found.setdefault(lang, []).append((self.numbers(dataset, one.ids), one))
        return found

    def _exact_edges(self) -> list[tuple[np.ndarray, np.ndarray]]:
        edges = []
        for mine in self._by_language().values():
            numbers = np.concatenate([n for n, _ in mine])
            keys = np.concatenate([one.exact for _, one in mine])
            _, first, group = np.unique(keys, return_index=True, return_inverse=True)
            edges.append((numbers[first[group]], numbers))
        return edges


def read_prints(paths: Sequence[Path]) -> Prints:
    """Files named ``{dataset}.{lang}.parquet``."""
    files = {}
    for path in dict.fromkeys(paths):
        dataset, lang = path.name.removesuffix(".parquet").split(".", 1)
        files[(dataset, lang)] = read_print(path)
    return Prints(files)


def _components(edges: Sequence[tuple[np.ndarray, np.ndarray]], total: int) -> np.ndarray:
    """Label of each number's connected component."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not total:
        return np.zeros(0, dtype=np.int32)
    start = np.concatenate([a for a, _ in edges])
    end = np.concatenate([b for _, b in edges])
    graph = coo_array((np.ones(len(start), dtype=np.int8), (start, end)), shape=(total, total))
    labels: np.ndarray = connected_components(graph, directed=False)[1]
    return labels


def band_rows(similarity: float) -> int:
    """Numbers per band: as many as still compare nearly every pair at the threshold."""
    for rows in (16, 8, 4, 2):
        if 1 - (1 - similarity**rows) ** (SKETCH // rows) >= _RECALL:
            return rows
    return 1


def _near(sketch: np.ndarray, similarity: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of rows whose sketches agree in at least ``similarity`` of their numbers.

    Rows are compared where a band of their sketches is equal: each with the first of its band's
    group, and with the one before it.
    """
    rows = band_rows(similarity)
    odd = np.random.default_rng(0).integers(1, 2**62, rows, dtype=np.uint64) * np.uint64(
        2
    ) + np.uint64(1)
    seen: list[tuple[np.ndarray, np.ndarray]] = []
    for start in range(0, SKETCH, rows):
        with np.errstate(over="ignore"):
            keys = (sketch[:, start : start + rows].astype(np.uint64) * odd).sum(axis=1)
        order = np.argsort(keys, kind="stable")
        ranked = keys[order]
        fresh = np.concatenate([[True], ranked[1:] != ranked[:-1]]) if len(order) else ranked == 0
        heads = np.flatnonzero(fresh)[np.cumsum(fresh) - 1]
        later = np.flatnonzero(~fresh)
        for other in (heads[later], later - 1):
            seen.append((order[other], order[later]))
    if not seen:
        return []
    pairs = np.unique(
        np.stack([np.concatenate(side) for side in zip(*seen, strict=True)], 1), axis=0
    )
    found = []
    for chunk in np.array_split(pairs, max(1, len(pairs) // 100_000)):
        same = (sketch[chunk[:, 0]] == sketch[chunk[:, 1]]).mean(axis=1)
        near = chunk[same >= similarity]
        found.append((near[:, 0], near[:, 1]))
    return found


def without_duplicates(
    offers: Sequence[Candidates], spec: MixtureSpec, prints: Prints
) -> list[Candidates]:
    """What remains of a mixture's candidates; parts go by their own policy, then by the union's.

    Raises:
        BabelmixError: where duplicates are an error; it names up to ten.
    """
    found = list(offers)
    start = 0
    for part in spec.parts:
        end = start + len(part.leaves)
        if part.deduplicate is not None or part.parts:
            found[start:end] = without_duplicates(found[start:end], part, prints)
        start = end
    policy = spec.deduplicate or Deduplication()
    numbers = [prints.numbers(o.pool.dataset, o.pool.ids) for o in found]
    for kind, what in (("exact", policy.exact), ("near", policy.near)):
        if what != "keep":
            groups = prints.exact if kind == "exact" else prints.near(policy.similarity)
            found = _first_only(found, numbers, groups, spec, kind, what, prints)
    if policy.held_out != "keep" and any(len(o.dev) for o in found):
        groups = prints.exact if policy.near == "keep" else prints.near(policy.similarity)
        found = _unseen_only(found, numbers, groups, spec, policy.held_out, prints)
    return found


def _first_only(
    offers: list[Candidates],
    numbers: list[np.ndarray],
    groups: np.ndarray,
    spec: MixtureSpec,
    kind: str,
    what: str,
    prints: Prints,
) -> list[Candidates]:
    """Of each group of ids to train on the first."""
    there = np.unique(np.concatenate([n[o.ids] for o, n in zip(offers, numbers, strict=True)]))
    first = there[np.unique(groups[there], return_index=True)[1]]
    lost = np.setdiff1d(there, first)
    if len(lost) and what == "error":
        _complain(spec, kind, lost, first, groups, prints)
    return [
        o.less(np.isin(n, lost), f"{kind} duplicates") for o, n in zip(offers, numbers, strict=True)
    ]


def _unseen_only(
    offers: list[Candidates],
    numbers: list[np.ndarray],
    groups: np.ndarray,
    spec: MixtureSpec,
    what: str,
    prints: Prints,
) -> list[Candidates]:
    """Held-out ids that no id to train on equals."""
    trained = np.concatenate([n[o.ids] for o, n in zip(offers, numbers, strict=True)])
    dev = np.concatenate([n[o.dev] for o, n in zip(offers, numbers, strict=True)])
    lost = np.unique(dev[np.isin(groups[dev], groups[trained])])
    if len(lost) and what == "error":
        _complain(spec, "held-out", lost, trained, groups, prints)
    return [
        o.less(np.isin(n, lost) & o.pool.dev, "held out, but trained on")
        for o, n in zip(offers, numbers, strict=True)
    ]


def _complain(
    spec: MixtureSpec,
    kind: str,
    lost: np.ndarray,
    others: np.ndarray,
    groups: np.ndarray,
    prints: Prints,
) -> None:
    twin = dict(zip(groups[others].tolist(), others.tolist(), strict=True))
    shown = ", ".join(
        f"{prints.name(n)} = {prints.name(twin[int(groups[n])])}" for n in lost[:SHOWN].tolist()
    )
    more = ", …" if len(lost) > SHOWN else ""
    raise BabelmixError(
        f"mixture '{spec.name}': {len(lost)} {kind} duplicates ({shown}{more}). Set `deduplicate: "
        "leave_out` to drop all but the first of each, `keep` to train on them (they are counted), "
        "or raise its `similarity`."
    )


def count_duplicates(rows: pa.Table, prints: Prints, similarity: float) -> dict[str, Any]:
    """Duplicates among the ids of a built mixture.

    ``exact`` and ``near``: ids to train on that repeat another one's text (``near`` counts those
    of ``exact`` too); ``across``: of the near ones, those whose group holds several pools;
    ``held_out_exact``, ``held_out_near``: held-out ids whose text is trained on.
    """
    numbers: dict[str, list[np.ndarray]] = {"train": [], "dev": []}
    for dataset in prints.ids:
        for split, found in numbers.items():
            here = pc.and_(pc.equal(rows["dataset"], dataset), pc.equal(rows["split"], split))
            ids = pc.unique(rows.filter(here)["id"])
            found.append(prints.numbers(dataset, ids))
    train, dev = (
        np.concatenate(numbers[split] or [np.zeros(0, int)]) for split in ("train", "dev")
    )
    train, dev = train.astype(int), dev.astype(int)
    near = prints.near(similarity)
    pools = np.searchsorted(np.array(list(prints.offsets.values())), train, side="right")
    pairs = np.unique(np.stack([near[train], pools], axis=1), axis=0)
    return {
        "exact": len(train) - len(np.unique(prints.exact[train])),
        "near": len(train) - len(np.unique(near[train])),
        "across": len(pairs) - len(np.unique(pairs[:, 0])),
        "held_out_exact": int(np.isin(prints.exact[dev], prints.exact[train]).sum()),
        "held_out_near": int(np.isin(near[dev], near[train]).sum()),
        "similarity": similarity,
        "looked_at": [f"{dataset}.{lang}" for dataset, lang in prints.files],
    }
