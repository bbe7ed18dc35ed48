"""The mixtures that a family of one pool makes: names, and what its policy decides of each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

from ..errors import BabelmixError
from .mixtures import (
    CodeSwitched,
    CrossLingual,
    KLanguages,
    Monolingual,
    Nine,
    Pairs,
    Parallel,
    Pinch,
    PoolFamily,
    Random,
    Sampled,
)
from .root import Config

#: Members of a family: (name, fields of the MixtureSpec that the policy decides).
Members = Iterator[tuple[str, dict[str, Any]]]


def seeded_order(items: Sequence[str], seed: int, purpose: str) -> list[str]:
    """A permutation that depends on the seed and each item alone, the same on every machine."""

    def rank(item: str) -> tuple[bytes, str]:
        return hashlib.sha256(f"{purpose}:{seed}:{item}".encode()).digest(), item

    return sorted(items, key=rank)


def _blocks(languages: Sequence[str], order: list[str], **extra: Any) -> dict[str, Any]:
    return {"kind": "blocks", "languages": [c for c in order if c in set(languages)], **extra}


def _parallel(languages: Sequence[str], order: list[str]) -> dict[str, Any]:
    return _blocks(languages, order) | {"kind": "parallel"}


def _joined(languages: Sequence[str]) -> str:
    return "".join(code.upper() for code in languages)


def members(name: str, family: PoolFamily, config: Config) -> Members:
    """Yield (name, definition) of each mixture of a family."""
    order = list(config.languages)
    if isinstance(family, Monolingual):
        for code in family.languages:
            yield f"{name}-{code.upper()}", _blocks([code], order)
    elif isinstance(family, Parallel):
        yield f"{name}-{_joined(family.languages)}", _parallel(family.languages, order)
    elif isinstance(family, Sampled):
        yield from _sampled(name, family, config)
    elif isinstance(family, Random):
        label = f"{name}-{_joined(family.languages)}-random"
        yield label, _blocks(family.languages, order) | {"kind": "pairs"}
    elif isinstance(family, CrossLingual):
        yield name, {"kind": "blocks", "languages": _crossed(family, order)}
    elif isinstance(family, CodeSwitched):
        others = [c for c in order if c in family.languages]
        codes = [f"{family.main}_with_{c}" for c in others]
        yield name, {"kind": "blocks", "languages": codes}
    elif isinstance(family, Nine):
        yield from _nine(name, family, order)
    elif isinstance(family, Pinch):
        yield from _pinch(name, family, order)
    elif isinstance(family, KLanguages):
        yield from _k_languages(name, family, order)
    elif isinstance(family, Pairs):
        for first, second in _pairs(name, family):
            yield f"{name}-{first.upper()}-{second.upper()}", _blocks([first, second], order)


def _sampled(name: str, family: Sampled, config: Config) -> Members:
    """One mixture, or one for each weighting of a grid."""
    order = list(config.languages)
    if not family.is_grid:
        weights = _weights(name, family, config)
        left = family.languages if weights is None else list(weights)
        label = f"{name}-{_joined(family.languages)}-sampled"
        yield label, _blocks(left, order, weights=_uneven(weights))
        return
    for given in family.grid:
        weights = _raised(family.named_weights(given), family.temperature)
        shares = "-".join(
            f"{code.upper()}{100 * weights.get(code, 0.0):.3g}".replace(".", "_")
            for code in family.languages
        )
        yield f"{name}-{shares}", _blocks(list(weights), order, weights=_uneven(weights))


def _uneven(weights: dict[str, float] | None) -> dict[str, float] | None:
    """Weights, where they are not all the same."""
    return weights if weights and len(set(weights.values())) > 1 else None


def _raised(given: dict[str, float], temperature: float) -> dict[str, float]:
    """Shares that add up to 1, in nine digits (so that every machine agrees)."""
    raised = {c: weight ** (1 / temperature) for c, weight in given.items()}
    whole = sum(raised.values())
    return {c: float(f"{weight / whole:.9g}") for c, weight in raised.items()}


def _weights(name: str, family: Sampled, config: Config) -> dict[str, float] | None:
    """Shares by language; None where they are equal, or found when the mixture is built."""
    if family.weights == "pretraining_share":
        shares = {c: config.languages[c].pretraining_share for c in family.languages}
        lost = [c for c, share in shares.items() if not share]
        if lost:
            raise BabelmixError(
                f"mixtures.{name}.weights: no `pretraining_share` is known of {', '.join(lost)}. "
                "Give it under `languages`, or write the weights out."
            )
        given = {c: share for c, share in shares.items() if share}
    elif family.grid:
        given = family.named_weights(family.grid[0])
    else:
        return None
    return _raised(given, family.temperature)


def _crossed(family: CrossLingual, order: list[str]) -> list[str]:
    """Codes of the rows of a cross-lingual mixture, in the order of the languages."""
    known = [c for c in order if c in family.languages]
    pairs = family.pairs or [(a, b) for a in known for b in known if a != b]
    word = "to" if family.prompt == "whole" else "on"
    return list(dict.fromkeys(a if a == b else f"{a}_{word}_{b}" for a, b in pairs))


def _nine(name: str, family: Nine, order: list[str]) -> Members:
    for code in family.languages:
        yield f"{name}-{code.upper()}", _blocks([code], order)
    for languages in (family.languages, family.languages[1:]):
        yield f"{name}-{_joined(languages)}", _parallel(languages, order)
        yield f"{name}-{_joined(languages)}-sampled", _blocks(languages, order)


def _pinch(name: str, family: Pinch, order: list[str]) -> Members:
    """P = 0 is the main language alone and P = 100 the even sample: no pinch is left to draw."""
    for percent in family.percent:
        label = f"{name}-p{percent:g}".replace(".", "_")
        salt = "" if family.nested else f"p{percent:g}"
        if percent == 0:
            yield label, _blocks([family.main], order)
        elif percent == 100:
            yield label, _blocks(family.languages, order)
        else:
            extra = {"main": family.main, "mixed_percent": percent, "salt": salt}
            yield label, _blocks(family.languages, order, **extra)
    for rows in family.pinch_rows:
        salt = "" if family.nested else f"{rows}rows"
        extra = {"main": family.main, "mixed_rows": rows, "salt": salt}
        definition = _blocks(family.languages, order, **extra)
        yield (
            f"{name}-{rows}{'row' if rows == 1 else 'rows'}",
            definition if rows else _blocks([family.main], order),
        )


def _k_languages(name: str, family: KLanguages, order: list[str]) -> Members:
    orders = family.orders or [
        seeded_order(family.languages, family.seed, f"permutation-{i}")
        for i in range(family.permutations)
    ]
    seen = set()
    for permutation in orders:
        for k in family.k:
            chosen = [c for c in order if c in set(permutation[:k])]
            label = f"{name}-{'-'.join(c.upper() for c in chosen)}"
            if label not in seen:
                seen.add(label)
                yield label, _blocks(chosen, order)


def _pairs(name: str, family: Pairs) -> list[tuple[str, str]]:
    if family.pairs:
        return list(family.pairs)
    candidates = [
        f"{a} {b}" for i, a in enumerate(family.languages) for b in family.languages[i + 1 :]
    ]
    if family.count > len(candidates):
        raise BabelmixError(
            f"mixtures.{name}: only {len(candidates)} pairs exist, `count` asks for more."
        )
    drawn = seeded_order(candidates, family.seed, "pairs")[: family.count]
    return [(a, b) for a, b in (pair.split() for pair in drawn)]
