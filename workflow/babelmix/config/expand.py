"""Families of mixtures -> named mixtures, each defined once.

Two definitions that select the same rows (study 2's P = 100 and the even sample, P = 0 and the
monolingual mixture) become one mixture with two names, so that nothing is trained twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import BabelmixError, unknown_name
from ..specs import MixtureSpec
from ..stages import STAGE_VERSIONS
from .mixtures import (
    KLanguages,
    Monolingual,
    Nine,
    Pairs,
    Parallel,
    Pinch,
    PoolFamily,
    Sampled,
    Union,
)
from .root import Config

#: Members of a family: (name, fields of the MixtureSpec that the policy decides).
Members = Iterator[tuple[str, dict[str, Any]]]


@dataclass
class Expansion:
    """All mixtures of a configuration, by canonical name, and every name's canonical one."""

    mixtures: dict[str, MixtureSpec] = field(default_factory=dict)
    canonical: dict[str, str] = field(default_factory=dict)
    families: dict[str, list[str]] = field(default_factory=dict)
    _by_definition: dict[str, str] = field(default_factory=dict)

    def resolve(self, name: str) -> list[str]:
        """Canonical names of a family's or a single mixture's name, without repeats, in order."""
        if name in self.families:
            return list(dict.fromkeys(self.canonical[n] for n in self.families[name]))
        single = self.named(name)
        return [single] if single else []

    def named(self, name: str) -> str | None:
        """Canonical name of a single mixture, by any of its names or its spelling alone.

        Raises:
            BabelmixError: where several families make a mixture of that spelling.
        """
        if name in self.canonical:
            return self.canonical[name]
        spelled = self.spelled(name)
        if len(spelled) > 1:
            raise BabelmixError(
                f"the mixture '{name}' is made by several families: {', '.join(spelled)}. "
                "Give its whole name."
            )
        return spelled[0] if spelled else None

    def spelled(self, spelling: str) -> list[str]:
        """Canonical names of every family's mixture of a paper's spelling, ENDEFRITES-sampled."""
        names = (f"{family}-{spelling}" for family in self.families)
        return list(dict.fromkeys(self.canonical[n] for n in names if n in self.canonical))

    def definition(self, name: str) -> MixtureSpec:
        """A mixture by the name that its files bear; an error tells it of its other names."""
        if name not in self.mixtures and name in self.canonical:
            raise BabelmixError(
                f"the mixture '{name}' is the same as '{self.canonical[name]}', and its files bear "
                "that name."
            )
        if name not in self.mixtures:
            raise unknown_name("mixture", name, self.mixtures, "mixtures")
        return self.mixtures[name]

    def aliases(self, canonical: str) -> list[str]:
        """The other names of a mixture."""
        return [n for n, c in self.canonical.items() if c == canonical and n != canonical]

    def add(self, family: str, spec: MixtureSpec) -> None:
        """Add a mixture; one that is there already under another name gets a second name."""
        if spec.name in self.canonical:
            raise BabelmixError(
                f"mixtures.{family}: the name '{spec.name}' is made twice. "
                "Rename the family, or leave out the doubled value."
            )
        key = spec.model_copy(update={"name": "x"}).model_dump_json()
        first = self._by_definition.setdefault(key, spec.name)
        self.canonical[spec.name] = first
        if first == spec.name:
            self.mixtures[spec.name] = spec
        self.families[family].append(spec.name)


def seeded_order(items: Sequence[str], seed: int, purpose: str) -> list[str]:
    """A permutation that depends on the seed and each item alone, the same on every machine."""

    def rank(item: str) -> tuple[bytes, str]:
        return hashlib.sha256(f"{purpose}:{seed}:{item}".encode()).digest(), item

    return sorted(items, key=rank)


def expand(config: Config) -> Expansion:
    """Expand every family of the configuration; unions last, as they name other mixtures."""
    result = Expansion(families={name: [] for name in config.mixtures})
    for name, family in config.mixtures.items():
        if not isinstance(family, Union):
            for spec in _family(name, family, config):
                result.add(name, spec)
    for name, family in config.mixtures.items():
        if isinstance(family, Union):
            result.add(name, _union(name, family, result))
    return result


def _family(name: str, family: PoolFamily, config: Config) -> Iterator[MixtureSpec]:
    """The mixtures of one family."""
    dataset = config.datasets[family.dataset]
    order = list(config.languages)
    main = [family.main] if isinstance(family, Pinch) else []
    everywhere = dataset.on_failed_check == "quarantine_all" or bool(family.filter)
    over = family.parallel_over or ([*family.languages, *main] if everywhere else [])
    for member, definition in _members(name, family, config):
        spec = MixtureSpec(
            version=STAGE_VERSIONS["mixture"],
            name=member,
            dataset=family.dataset,
            seed=family.seed,
            on_contamination=dataset.on_contamination,
            filters=family.filter,
            **family.model_dump(include={"rows", "fraction", "tokens", "tokenizer", "rows_seed"}),
            **definition,
        )
        own = set(spec.own_languages)
        lead = next((c for c in (spec.main, dataset.pivot) if c in spec.languages), None)
        turns = spec.kind == "blocks" and spec.weights is None and len(spec.languages) > 1
        yield spec.model_copy(
            update={
                "sound_in": [c for c in order if c in set(over) - own],
                "lead": lead if turns else None,
            }
        )


def _blocks(languages: Sequence[str], order: list[str], **extra: Any) -> dict[str, Any]:
    return {"kind": "blocks", "languages": [c for c in order if c in set(languages)], **extra}


def _parallel(languages: Sequence[str], order: list[str]) -> dict[str, Any]:
    return _blocks(languages, order) | {"kind": "parallel"}


def _joined(languages: Sequence[str]) -> str:
    return "".join(code.upper() for code in languages)


def _members(name: str, family: PoolFamily, config: Config) -> Members:
    """Yield (name, definition) of each mixture of a family."""
    order = list(config.languages)
    if isinstance(family, Monolingual):
        for code in family.languages:
            yield f"{name}-{code.upper()}", _blocks([code], order)
    elif isinstance(family, Parallel):
        yield f"{name}-{_joined(family.languages)}", _parallel(family.languages, order)
    elif isinstance(family, Sampled):
        weights = _weights(name, family, config)
        label = f"{name}-{_joined(family.languages)}-sampled"
        yield label, _blocks(family.languages, order, weights=weights)
    elif isinstance(family, Nine):
        yield from _nine(name, family, order)
    elif isinstance(family, Pinch):
        yield from _pinch(name, family, order)
    elif isinstance(family, KLanguages):
        yield from _k_languages(name, family, order)
    elif isinstance(family, Pairs):
        for first, second in _pairs(name, family):
            yield f"{name}-{first.upper()}-{second.upper()}", _blocks([first, second], order)


def _weights(name: str, family: Sampled, config: Config) -> dict[str, float] | None:
    """Shares that add up to 1, in nine digits (so that every machine agrees); None when even."""
    given = family.weights
    if given == "pretraining_share":
        shares = {c: config.languages[c].pretraining_share for c in family.languages}
        lost = [c for c, share in shares.items() if not share]
        if lost:
            raise BabelmixError(
                f"mixtures.{name}.weights: no `pretraining_share` is known of {', '.join(lost)}. "
                "Give it under `languages`, or write the weights out."
            )
        given = {c: share for c, share in shares.items() if share}
    if given is None or len(set(given.values())) == 1:
        return None
    raised = {c: given[c] ** (1 / family.temperature) for c in family.languages}
    whole = sum(raised.values())
    return {c: float(f"{weight / whole:.9g}") for c, weight in raised.items()}


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


def _union(name: str, family: Union, expansion: Expansion) -> MixtureSpec:
    """A union's parts are the named mixtures, with the parts' budgets in place of their own."""
    parts = []
    for part in family.parts:
        canonical = expansion.named(part.mixture)
        spec = expansion.mixtures.get(canonical or "")
        if spec is None or spec.kind == "union":
            known = [m for m, s in expansion.mixtures.items() if s.kind != "union"]
            raise unknown_name("mixture", part.mixture, known, f"mixtures.{name}.parts")
        budget = part.model_dump(include={"rows", "fraction", "tokens"})
        tokenizer = family.tokenizer if part.tokens is not None else None
        parts.append(spec.model_copy(update=budget | {"tokenizer": tokenizer}))
    return MixtureSpec(
        version=STAGE_VERSIONS["mixture"],
        name=name,
        dataset="+".join(dict.fromkeys(p.dataset for p in parts)),
        kind="union",
        languages=list(dict.fromkeys(c for p in parts for c in p.own_languages)),
        parts=parts,
    )
