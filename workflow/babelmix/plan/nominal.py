"""How many rows a mixture will have, by estimates of its pools."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..errors import BabelmixError
from ..mixtures.shares import Draw, resolve
from ..specs import MixtureSpec


@dataclass(frozen=True)
class Estimate:
    """What a leaf may offer (an ``Offer``; see ``mixtures.shares``)."""

    units: int
    times: int
    languages: int
    row_tokens: float

    @property
    def limit(self) -> int:
        """Ids, or pairs of ids and languages."""
        return self.units * self.languages

    def tokens(self, of: int, first: int) -> int:
        """Tokens of so many units."""
        return round(first * self.times * self.row_tokens)


def nominal_rows(
    spec: MixtureSpec, ids: Callable[[MixtureSpec], int], row_tokens: Callable[[MixtureSpec], float]
) -> int:
    """Estimate the training rows of a mixture: ids that a leaf's pool has, and tokens per row.

    A budget above the estimate (rows of a gated source, say) counts as it is asked for.
    """
    offers = estimates(spec, ids, row_tokens)
    try:
        draws = resolve(spec, offers)
    except BabelmixError:  # the estimate is too low: `build-mixture` will say whether it is so
        draws = [Draw(offer.units, offer.units, offer.units) for offer in offers]
    return sum(draw.units * offer.times for offer, draw in zip(offers, draws, strict=True))


def estimates(
    spec: MixtureSpec, ids: Callable[[MixtureSpec], int], row_tokens: Callable[[MixtureSpec], float]
) -> list[Estimate]:
    """What the pools of a mixture may offer it, leaf by leaf."""
    return [
        Estimate(
            ids(leaf),
            len(leaf.languages) if leaf.kind == "parallel" else 1,
            len(leaf.languages) if leaf.kind == "pairs" else 1,
            row_tokens(leaf),
        )
        for leaf in spec.leaves
    ]
