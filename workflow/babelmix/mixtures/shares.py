"""How much of each pool a mixture takes: budgets, shares, nested unions -> a number per leaf.

Pure arithmetic over what each leaf offers; `plan` uses it with estimates, `build-mixture` with the
indexes. A part's budget applies to the mixture that it names: `fraction: 1.0` of a mixture of 40
rows is 40 rows, whatever its pool holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from ..errors import BabelmixError
from ..specs import MixtureSpec, Take


class Offer(Protocol):
    """What one leaf can give. A unit is an id, or an (id, language) pair where pairs are drawn."""

    @property
    def units(self) -> int:
        """Units of the leaf without a budget."""

    @property
    def limit(self) -> int:
        """Most units that can be had without repeating one."""

    @property
    def times(self) -> int:
        """Rows per unit."""

    def tokens(self, of: int, first: int) -> int:
        """Tokens of the ``first`` units of a draw of ``of``."""


@dataclass(frozen=True)
class Draw:
    """Units of one leaf: ``distinct`` ones, repeated in their order until there are ``units``.

    ``limit``: how many distinct ones the mixture's own definition has.
    """

    distinct: int
    units: int
    limit: int

    def cut(self, units: int) -> Draw:
        """As many units of the same draw; those above the limit are repeats."""
        return Draw(min(units, self.limit), units, self.limit)


#: A leaf's offer with what is drawn from it.
Drawn = list[tuple[Offer, Draw]]


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


def resolve(spec: MixtureSpec, offers: Sequence[Offer]) -> list[Draw]:
    """What is drawn from each leaf of a mixture, in the order of ``spec.leaves``.

    Raises:
        BabelmixError: where a budget or a share is more than there is.
    """
    return [draw for _, draw in _resolve(spec, iter(offers))]


def _resolve(spec: MixtureSpec, offers: Iterator[Offer]) -> Drawn:
    if spec.parts:
        children = [_resolve(part, offers) for part in spec.parts]
        if spec.by_size or any(part.take and part.take.weight for part in spec.parts):
            children = _shared(spec, children)
        drawn = [one for child in children for one in child]
        if spec.fraction is not None:
            drawn = _take(spec, drawn, Take(fraction=spec.fraction))
    else:
        offer = next(offers)
        drawn = [(offer, Draw(offer.units, offer.units, offer.limit))]
        own = Take(rows=spec.rows, fraction=spec.fraction, tokens=spec.tokens)
        if own != Take():
            drawn = _take(spec, drawn, own)
        else:
            drawn = [(offer, Draw(offer.units, offer.units, offer.units))]
    if spec.take is not None and spec.take.weight is None:
        drawn = _take(spec, drawn, spec.take)
    return drawn


def _rows(drawn: Drawn) -> int:
    return sum(draw.units * offer.times for offer, draw in drawn)


def _tokens_of(offer: Offer, draw: Draw) -> int:
    if not draw.distinct:
        return 0
    whole, rest = divmod(draw.units, draw.distinct)
    found = whole * offer.tokens(draw.distinct, draw.distinct)
    return found + (offer.tokens(draw.distinct, rest) if rest else 0)


def _tokens(drawn: Drawn) -> int:
    return sum(_tokens_of(offer, draw) for offer, draw in drawn)


def _take(spec: MixtureSpec, drawn: Drawn, take: Take) -> Drawn:
    """Apply one budget to what a mixture draws."""
    alone = len(drawn) == 1
    there = drawn[0][1].units if alone else _rows(drawn)
    if take.tokens is not None:
        if (whole := _most_tokens(drawn)) < take.tokens and not spec.repeat:
            raise BabelmixError(
                f"mixture '{spec.name}': `tokens: {take.tokens}` is more than the {whole} tokens "
                f"that its rows of dataset '{spec.dataset}' have. Lower it, leave it out to take "
                "all, or repeat rows with a `fraction` above 1."
            )
        return _settled(_scaled_tokens(spec, drawn, take.tokens))
    if take.rows is not None:
        most = drawn[0][1].limit if alone else there
        if take.rows > max(most, there) and not (spec.repeat and most):
            raise BabelmixError(
                f"mixture '{spec.name}': `rows: {take.rows}` is more than the {max(most, there)} "
                f"training rows that dataset '{spec.dataset}' offers it. Lower `rows`, leave it "
                "out to take all, or repeat rows with a `fraction` above 1."
            )
        wanted = take.rows
    else:
        wanted = half_up(take.fraction or 0.0, there)
    if alone:
        offer, draw = drawn[0]
        return _settled([(offer, draw.cut(wanted))])
    return _settled(_scaled(drawn, wanted))


def _settled(drawn: Drawn) -> Drawn:
    """What was drawn becomes the limit of what a union can take of it without repeats."""
    return [(offer, Draw(draw.distinct, draw.units, draw.distinct)) for offer, draw in drawn]


def _most_tokens(drawn: Drawn) -> int:
    return sum(
        max(_tokens_of(offer, draw), offer.tokens(draw.limit, draw.limit)) for offer, draw in drawn
    )


def _scaled(drawn: Drawn, rows: int) -> Drawn:
    """The same leaves in the same shares, with so many rows (by largest remainder)."""
    names = [str(i) for i in range(len(drawn))]
    sizes = {n: draw.units * offer.times for n, (offer, draw) in zip(names, drawn, strict=True)}
    if not any(sizes.values()):
        return drawn
    parts = largest_remainder(rows, sizes, names)
    return [
        (offer, draw.cut(parts[n] // offer.times))
        for n, (offer, draw) in zip(names, drawn, strict=True)
    ]


def _scaled_tokens(spec: MixtureSpec, drawn: Drawn, budget: int) -> Drawn:
    """The same leaves in the same shares, with at most so many tokens."""
    names = [str(i) for i in range(len(drawn))]
    sizes = {n: _tokens_of(*one) for n, one in zip(names, drawn, strict=True)}
    if not any(sizes.values()):
        return drawn
    parts = largest_remainder(budget, sizes, names)
    return [
        (offer, _fill(spec, offer, draw, parts[n]))
        for n, (offer, draw) in zip(names, drawn, strict=True)
    ]


def _fill(spec: MixtureSpec, offer: Offer, draw: Draw, budget: int) -> Draw:
    """As many units as stay within a budget of tokens; one more would not."""

    def spent(units: int) -> int:
        return _tokens_of(offer, draw.cut(units))

    if not draw.limit or budget <= 0:
        return draw.cut(0)
    whole = offer.tokens(draw.limit, draw.limit)
    high = draw.limit * (1 + budget // max(whole, 1))
    found = _most(spent, budget, high)
    if found == 0:
        raise BabelmixError(
            f"mixture '{spec.name}': `tokens: {budget}` is less than its first row takes."
        )
    return draw.cut(found)


def _most(spent: Callable[[int], int], budget: int, high: int) -> int:
    """The greatest number up to ``high`` that spends no more than the budget."""
    if spent(high) <= budget:
        return high
    low = 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if spent(middle) <= budget else (low, middle)
    return low


def _shared(spec: MixtureSpec, children: list[Drawn]) -> list[Drawn]:
    """Parts with weights, each with its share of the union's rows or tokens."""
    in_tokens = spec.tokens is not None
    sizes = [_tokens(child) if in_tokens else _rows(child) for child in children]
    names = [str(i) for i in range(len(children))]
    weights = part_weights(spec, sizes)
    whole = sum(Fraction(w) for w in weights.values())
    total = spec.tokens or spec.rows
    if total is None:
        total = int(min(Fraction(sizes[int(n)]) * whole / Fraction(w) for n, w in weights.items()))
    quotas = largest_remainder(total, weights, [n for n in names if n in weights])
    found = []
    for name, part, child, size in zip(names, spec.parts, children, sizes, strict=True):
        quota = quotas.get(name, 0)
        if quota > size and not spec.repeat:
            unit = "tokens" if in_tokens else "rows"
            own = f" (dataset '{part.dataset}' in '{part.languages[0]}')"
            raise BabelmixError(
                f"mixture '{spec.name}': the share of its part '{part.name}'"
                f"{own if part.by_language else ''} is {quota} {unit}, and it has {size}. Lower "
                f"`{unit}: {total}` of the mixture, give the part less weight, or set `repeat: "
                "true` to repeat its rows."
            )
        if not size or not quota:
            found.append([(offer, draw.cut(0)) for offer, draw in child])
        elif in_tokens:
            found.append(_scaled_tokens(spec, child, quota))
        else:
            found.append(_scaled(child, quota))
    return found


def part_weights(spec: MixtureSpec, sizes: Sequence[int]) -> dict[str, float]:
    """Weight of each part by its place, in nine digits, so that every machine agrees.

    Raises:
        BabelmixError: where no part has a row.
    """
    given = [
        float(n) if spec.by_size else _weight(p) for n, p in zip(sizes, spec.parts, strict=True)
    ]
    raised = {
        str(i): float(f"{weight ** (1 / (spec.temperature or 1.0)):.9g}")
        for i, weight in enumerate(given)
        if weight
    }
    if not raised:
        raise BabelmixError(f"mixture '{spec.name}': none of its parts has a row to weigh.")
    return raised


def _weight(part: MixtureSpec) -> float:
    return (part.take.weight if part.take else None) or 0.0
