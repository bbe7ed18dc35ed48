"""Families of mixtures -> named mixtures, each defined once.

Two definitions that select the same rows (study 2's P = 100 and the even sample, P = 0 and the
monolingual mixture) become one mixture with two names, so that nothing is trained twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..errors import BabelmixError, unknown_name
from ..specs import MixtureSpec, Take
from ..stages import STAGE_VERSIONS
from .base import languages_of
from .members import members
from .mixtures import CodeSwitched, Monolingual, Pinch, PoolFamily, Random, Sampled, Union
from .native import as_union, refuse_parallel
from .root import Config
from .selection import Deduplication


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
        """Canonical name of a single mixture: by any of its names, its family's where the family
        makes no other, or its spelling alone.

        Raises:
            BabelmixError: where several families make a mixture of that spelling.
        """
        if name in self.canonical:
            return self.canonical[name]
        if len(members := self.families.get(name, [])) == 1:
            return self.canonical[members[0]]
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


def expand(config: Config) -> Expansion:
    """Expand every family of the configuration; unions last, each after those that it names."""
    result = Expansion(families={name: [] for name in config.mixtures})
    for name, family in config.mixtures.items():
        if not isinstance(family, Union):
            for spec in _family(name, family, config):
                result.add(name, spec)
    for name in _unions_in_order(config):
        family = config.mixtures[name]
        assert isinstance(family, Union)
        result.add(name, _union(name, family, result))
    return result


def _unions_in_order(config: Config) -> list[str]:
    """Unions, each after the unions that are its parts.

    Raises:
        BabelmixError: for unions that hold each other.
    """
    unions = {name: f for name, f in config.mixtures.items() if isinstance(f, Union)}
    ordered: list[str] = []
    while len(ordered) < len(unions):
        ready = [
            name
            for name, family in unions.items()
            if name not in ordered
            and all(p.mixture not in unions or p.mixture in ordered for p in family.parts)
        ]
        if not ready:
            ring = [name for name in unions if name not in ordered]
            raise BabelmixError(
                f"mixtures.{ring[0]}.parts: the unions {', '.join(ring)} hold each other. "
                "Take one of them out of the other's `parts`."
            )
        ordered += ready
    return ordered


def _family(name: str, family: PoolFamily, config: Config) -> Iterator[MixtureSpec]:
    """The mixtures of one family."""
    dataset = config.datasets[family.dataset]
    by_language = not getattr(dataset, "parallel", True)
    repeat = getattr(family, "repeat", False)
    if by_language:
        refuse_parallel(name, family)
    elif repeat:
        raise BabelmixError(
            f"mixtures.{name}.repeat: dataset '{family.dataset}' is parallel, and each of its ids "
            "comes once, whatever its language. Use a `fraction` above 1 to repeat rows."
        )
    order = list(config.languages)
    main = [family.main] if isinstance(family, Pinch | CodeSwitched) else []
    everywhere = dataset.on_failed_check == "quarantine_all" or bool(family.filter)
    over = family.parallel_over or ([*family.languages, *main] if everywhere else [])
    budget = family.model_dump(include={"rows", "fraction", "tokens", "tokenizer", "rows_seed"})
    for member, definition in members(name, family, config):
        fields = budget | _rows_by_language(family, definition) | definition
        spec = MixtureSpec(
            version=STAGE_VERSIONS["mixture"],
            name=member,
            dataset=family.dataset,
            seed=family.seed,
            on_contamination=dataset.on_contamination,
            filters=family.filter,
            order=family.order,
            deduplicate=_unusual(family.deduplicate),
            **fields,
        )
        if by_language:
            size = isinstance(family, Random) or _by_size(family)
            raised = getattr(family, "temperature", 1.0)
            yield as_union(spec, size=size, temperature=raised, repeat=repeat)
            continue
        own = {c for code in spec.own_languages for c in languages_of(code)}
        lead = next((c for c in (spec.main, dataset.pivot) if c in spec.languages), None)
        turns = spec.kind == "blocks" and spec.weights is None and len(spec.languages) > 1
        yield spec.model_copy(
            update={
                "sound_in": [c for c in order if c in set(over) - own],
                "lead": lead if turns else None,
            }
        )


def _unusual(policy: Deduplication) -> Deduplication | None:
    return None if policy == Deduplication() else policy


def _by_size(family: PoolFamily) -> bool:
    return isinstance(family, Sampled) and family.weights == "size"


def _rows_by_language(family: PoolFamily, definition: dict[str, Any]) -> dict[str, Any]:
    """Budget and weights of a family whose `rows` are given by language."""
    rows = family.rows
    if not isinstance(rows, dict):
        return {}
    if isinstance(family, Monolingual):
        return {"rows": rows[definition["languages"][0]]}
    weights = {c: float(rows[c]) for c in definition["languages"]}
    definition.pop("weights", None)
    return {"rows": sum(rows.values()), "weights": weights}


def _union(name: str, family: Union, expansion: Expansion) -> MixtureSpec:
    """A union's parts are the named mixtures, each with what the union takes of it."""
    parts: list[MixtureSpec] = []
    named: dict[str, str] = {}
    for part in family.parts:
        canonical = expansion.named(part.mixture)
        spec = expansion.mixtures.get(canonical or "")
        if spec is None:
            raise unknown_name(
                "mixture", part.mixture, expansion.mixtures, f"mixtures.{name}.parts"
            )
        if spec.name in named:
            also = f", as '{named[spec.name]}'" if named[spec.name] != part.mixture else ""
            raise BabelmixError(
                f"mixtures.{name}.parts: the mixture '{part.mixture}' is there twice{also}. Name "
                "it once; a `fraction` above 1 repeats its rows."
            )
        named[spec.name] = part.mixture
        take = Take(
            **part.model_dump(include={"rows", "fraction", "tokens", "weight"}),
            tokenizer=family.tokenizer if part.tokens is not None else None,
        )
        parts.append(spec.model_copy(update={"take": None if take == Take() else take}))
    codes = list(dict.fromkeys(c for p in parts for c in p.own_languages))
    held = dict.fromkeys(c for code in codes for c in languages_of(code))
    for lang in family.order.languages if family.order else []:
        if lang not in held:
            raise unknown_name("language", lang, held, f"mixtures.{name}.order.languages")
    made = MixtureSpec(
        version=STAGE_VERSIONS["mixture"],
        name=name,
        dataset="+".join(dict.fromkeys(d for p in parts for d in p.datasets)),
        kind="union",
        languages=codes,
        parts=parts,
        rows=family.rows,
        tokens=family.tokens,
        tokenizer=family.tokenizer if family.tokens is not None else None,
        by_size=family.weights == "size",
        temperature=family.temperature if family.temperature != 1 else None,
        repeat=family.repeat,
        repeated_ids=family.ids == "any",
        order=family.order,
        deduplicate=_unusual(family.deduplicate),
    )
    counting = list(dict.fromkeys(t for t, _, _ in made.counted))
    if len(counting) > 1:
        raise BabelmixError(
            f"mixtures.{name}: its `tokens` and its parts' are counted by different tokenizers "
            f"({', '.join(counting)}). Name one `tokenizer` for all."
        )
    return made
