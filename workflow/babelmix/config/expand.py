"""Families of mixtures -> named mixtures, each defined once.

Two definitions that select the same rows (study 2's P = 100 and the even sample, P = 0 and the
monolingual mixture) become one mixture with two names, so that nothing is trained twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import BabelmixError
from ..specs import MixtureSpec
from ..stages import STAGE_VERSIONS
from .mixtures import (
    Family,
    KLanguages,
    Monolingual,
    Nine,
    Pairs,
    Parallel,
    Pinch,
    Sampled,
)
from .root import Config


@dataclass
class Expansion:
    """All mixtures of a configuration, by canonical name, and every name's canonical one."""

    mixtures: dict[str, MixtureSpec] = field(default_factory=dict)
    canonical: dict[str, str] = field(default_factory=dict)
    families: dict[str, list[str]] = field(default_factory=dict)

    def resolve(self, name: str) -> list[str]:
        """Canonical names of a family's or a single mixture's name, without repeats, in order."""
        names = self.families.get(name) or ([name] if name in self.canonical else [])
        return list(dict.fromkeys(self.canonical[n] for n in names))

    def aliases(self, canonical: str) -> list[str]:
        """The other names of a mixture."""
        return [n for n, c in self.canonical.items() if c == canonical and n != canonical]


def seeded_order(items: Sequence[str], seed: int, purpose: str) -> list[str]:
    """A permutation that depends on the seed and each item alone, the same on every machine."""

    def rank(item: str) -> tuple[bytes, str]:
        return hashlib.sha256(f"{purpose}:{seed}:{item}".encode()).digest(), item

    return sorted(items, key=rank)


def expand(config: Config) -> Expansion:
    """Expand every family of the configuration."""
    result = Expansion()
    by_definition: dict[Any, str] = {}
    for family_name, family in config.mixtures.items():
        names = []
        for name, definition in _members(family_name, family, list(config.languages)):
            if name in result.canonical:
                raise BabelmixError(
                    f"mixtures.{family_name}: the name '{name}' is made twice. "
                    "Rename the family, or leave out the doubled value."
                )
            spec = MixtureSpec(
                version=STAGE_VERSIONS["mixture"],
                name=name,
                dataset=family.dataset,
                rows=family.rows,
                seed=family.seed,
                **definition,
            )
            key = spec.model_copy(update={"name": ""}).model_dump_json()
            first = by_definition.setdefault(key, name)
            result.canonical[name] = first
            if first == name:
                result.mixtures[name] = spec
            names.append(name)
        result.families[family_name] = names
    return result


def _blocks(languages: Sequence[str], order: list[str], **extra: Any) -> dict[str, Any]:
    definition: dict[str, Any] = {
        "kind": "blocks",
        "languages": [c for c in order if c in set(languages)],
        "main": None,
        "mixed_percent": None,
        "mixed_rows": None,
        "weights": None,
    }
    return definition | extra


def _joined(languages: Sequence[str]) -> str:
    return "".join(code.upper() for code in languages)


def _members(name: str, family: Family, order: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (name, definition) of each mixture of a family."""
    if isinstance(family, Monolingual):
        for code in family.languages:
            yield f"{name}-{code.upper()}", _blocks([code], order)
    elif isinstance(family, Parallel):
        yield f"{name}-{_joined(family.languages)}", _parallel(family.languages, order)
    elif isinstance(family, Sampled):
        yield (
            f"{name}-{_joined(family.languages)}-sampled",
            _blocks(family.languages, order, weights=family.weights),
        )
    elif isinstance(family, Nine):
        yield from _nine(name, family, order)
    elif isinstance(family, Pinch):
        yield from _pinch(name, family, order)
    elif isinstance(family, KLanguages):
        yield from _k_languages(name, family, order)
    elif isinstance(family, Pairs):
        for first, second in _pairs(family):
            yield f"{name}-{first.upper()}-{second.upper()}", _blocks([first, second], order)


def _parallel(languages: Sequence[str], order: list[str]) -> dict[str, Any]:
    return _blocks(languages, order, kind="parallel")


def _nine(name: str, family: Nine, order: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    for code in family.languages:
        yield f"{name}-{code.upper()}", _blocks([code], order)
    for languages in (family.languages, family.languages[1:]):
        yield f"{name}-{_joined(languages)}", _parallel(languages, order)
        yield f"{name}-{_joined(languages)}-sampled", _blocks(languages, order)


def _pinch(name: str, family: Pinch, order: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    for percent in family.percent:
        label = f"{percent:g}".replace(".", "_")
        if percent == 0:
            definition = _blocks([family.main], order)
        elif percent == 100:
            definition = _blocks(family.languages, order)
        else:
            definition = _blocks(family.languages, order, main=family.main, mixed_percent=percent)
        yield f"{name}-p{label}", definition
    for rows in family.pinch_rows:
        definition = (
            _blocks(family.languages, order, main=family.main, mixed_rows=rows)
            if rows
            else _blocks([family.main], order)
        )
        yield f"{name}-{rows}{'row' if rows == 1 else 'rows'}", definition


def _k_languages(
    name: str, family: KLanguages, order: list[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
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


def _pairs(family: Pairs) -> list[tuple[str, str]]:
    if family.pairs:
        return list(family.pairs)
    candidates = [
        f"{a} {b}" for i, a in enumerate(family.languages) for b in family.languages[i + 1 :]
    ]
    if family.count > len(candidates):
        raise BabelmixError(f"mixtures: only {len(candidates)} pairs exist, `count` asks for more.")
    drawn = seeded_order(candidates, family.seed, "pairs")[: family.count]
    return [(a, b) for a, b in (pair.split() for pair in drawn)]
