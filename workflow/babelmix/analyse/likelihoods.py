"""Likelihoods of held-out texts as arrays: bits and bytes by text and language, for every variant.

Compared are only turns that are scored under every run and in every language, so that each cell of
a table is of the same texts. A text with all its turns is what intervals resample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import BabelmixError
from ..records import Likelihood
from .frames import read_frame
from .intervals import Floats
from .statistics import Bootstrap, Estimate
from .study import StudySet, Variant

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = [
    "run",
    "held_out",
    "id",
    "lang",
    "part",
    "turn",
    "n_tokens",
    "n_bytes",
    "bits",
    "reason",
]
_TURN = ["id", "turn"]


def load_likelihoods(paths: Sequence[Path], study: StudySet) -> pd.DataFrame:
    """Every turn under every run, with ``variant``.

    Raises:
        BabelmixError: for a file of texts that the study set does not know.
    """
    frame = read_frame(paths, _COLUMNS, Likelihood)
    known = study.raw.get("likelihoods", {})
    for name in frame["held_out"].unique():
        if name not in known:
            raise BabelmixError(
                f"likelihoods/{name}: '{name}' is no likelihood of this study set. The files are "
                "left over from another configuration: delete them and run again."
            )
    where = str(paths[0].parent.parent) if paths else "analysis"
    names = {run: study.variant_for_run(run, where).name for run in frame["run"].unique()}
    frame["variant"] = frame["run"].map(names).astype(object)
    return frame.drop_duplicates(["run", "held_out", "part", "lang", *_TURN]).reset_index(drop=True)


@dataclass(frozen=True)
class Texts:
    """Held-out texts, ``part`` answer or prompt: ``n_bytes`` is texts × languages, and so are the
    ``bits`` of each variant, averaged over its seeds."""

    held_out: str
    part: str
    languages: list[str]
    ids: list[str]
    turns: int
    n_bytes: Floats
    bits: dict[str, Floats]

    def per_byte(self, bootstrap: Bootstrap, variant: str, languages: Sequence[str]) -> Estimate:
        """Bits per byte of a variant, mean over languages (each weighs the same)."""
        return self._estimate(bootstrap, [variant], languages, lambda rates: rates[0])

    def difference(
        self, bootstrap: Bootstrap, left: str, right: str, languages: Sequence[str]
    ) -> Estimate:
        """Paired difference in bits per byte, left − right."""
        return self._estimate(bootstrap, [left, right], languages, lambda r: r[0] - r[1])

    def saving(
        self, bootstrap: Bootstrap, cells: Sequence[tuple[str, Sequence[str]]], base: str
    ) -> Estimate:
        """Bits saved against the base, in percent; of several (variant, languages) the mean."""
        names = [base, *dict.fromkeys(variant for variant, _ in cells if variant != base)]
        of = [(names.index(variant), self._at(codes)) for variant, codes in cells]

        def combine(totals: Floats) -> Floats:
            rates = self._rates(totals, len(names))
            saved = [100 * (1 - rates[n, at].mean(0) / rates[0, at].mean(0)) for n, at in of]
            return np.asarray(np.mean(saved, axis=0))

        return bootstrap.statistic(
            self._sums(names), combine, self.turns * sum(len(at) for _, at in of)
        )

    def _estimate(
        self,
        bootstrap: Bootstrap,
        names: Sequence[str],
        languages: Sequence[str],
        combine: Callable[[Floats], Floats],
    ) -> Estimate:
        """A statistic of the variants' rates, each the mean over the languages."""
        at = self._at(languages)

        def of(totals: Floats) -> Floats:
            return combine(self._rates(totals, len(names))[:, at].mean(1))

        return bootstrap.statistic(self._sums(names), of, self.turns * len(at))

    def _at(self, languages: Sequence[str]) -> list[int]:
        return [self.languages.index(lang) for lang in languages]

    def _sums(self, names: Sequence[str]) -> Floats:
        """Bits of each variant and language, then bytes of each language: quantities × texts."""
        return np.vstack([*(self.bits[name].T for name in names), self.n_bytes.T])

    def _rates(self, totals: Floats, count: int) -> Floats:
        """Bits per byte from totals: variants × languages × …"""
        size = len(self.languages)
        bits = totals[: count * size].reshape(count, size, *totals.shape[1:])
        return np.asarray(bits / totals[count * size :])


def comparable_texts(frame: pd.DataFrame, held_out: str, part: str) -> Texts | None:
    """The turns that are scored under every run and in every language; None where there are none
    at all of this part."""
    own = frame[(frame["held_out"] == held_out) & (frame["part"] == part)]
    if own.empty:
        return None
    wanted = own["run"].nunique() * own["lang"].nunique()
    scored = own[own["bits"].notna()]
    counts = scored.groupby(_TURN).size()
    common = counts.index[counts == wanted]
    kept = scored.set_index(_TURN).loc[common].reset_index()
    languages = list(dict.fromkeys(own["lang"]))
    ids = sorted(kept["id"].unique())
    n_runs = max(1, own["run"].nunique())
    sizes = kept.pivot_table(
        index="id", columns="lang", values="n_bytes", aggfunc="sum", observed=True
    ).reindex(index=ids, columns=languages)
    bits = {}
    for name, rows in kept.groupby("variant"):
        table = rows.pivot_table(index="id", columns="lang", values="bits", aggfunc="sum")
        seeds = rows["run"].nunique()
        bits[str(name)] = table.reindex(index=ids, columns=languages).to_numpy(float) / seeds
    for name in own["variant"].unique():
        bits.setdefault(str(name), np.zeros((0, len(languages))))
    n_bytes = sizes.to_numpy(float) / n_runs
    return Texts(held_out, part, languages, ids, len(common), n_bytes, bits)


def base_of(study: StudySet, variant: Variant) -> Variant | None:
    """The untuned model of a variant; None for one that is untuned itself."""
    if variant.mixture is None:
        return None
    untuned = (v for v in study.variants.values() if v.mixture is None and v.model == variant.model)
    return next(untuned, None)
