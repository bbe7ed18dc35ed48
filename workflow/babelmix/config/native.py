"""Mixtures of a pool whose languages are not parallel: unions of what each language has.

Each language of such a pool has ids of its own, so "each id once" holds by itself, and a mixture of
several languages is a union of monolingual parts with the shares that its policy says.
"""

from __future__ import annotations

from typing import Any

from ..errors import BabelmixError
from ..specs import MixtureSpec, Take
from .mixtures import CodeSwitched, CrossLingual, Nine, Parallel, PoolFamily


def refuse_parallel(name: str, family: PoolFamily) -> None:
    """Policies that need the same ids in several languages.

    Raises:
        BabelmixError: for a family of one of them, or one that looks at other languages.
    """
    where = f"mixtures.{name}: dataset '{family.dataset}' is not parallel (`parallel: false`)"
    if isinstance(family, Parallel | Nine | CrossLingual | CodeSwitched):
        raise BabelmixError(
            f"{where}, and `policy: {family.policy}` needs the same ids in several languages. Use "
            "`monolingual`, `sampled`, `pinch`, `k_languages`, `pairs`, `random` or a `union`."
        )
    if family.parallel_over:
        raise BabelmixError(f"{where}: leave `parallel_over` out; ids have one language only.")


def as_union(
    spec: MixtureSpec, *, size: bool, temperature: float = 1.0, repeat: bool = False
) -> MixtureSpec:
    """Return a mixture of several languages as a union; one of a single language stays as it is.

    ``size``: weigh the languages by the rows that they have (or the tokens, where the budget is in
    tokens), to the power 1/``temperature``. ``repeat``: a language may have fewer than its share.
    """
    own = spec.own_languages
    plain: dict[str, Any] = {
        "kind": "blocks",
        "main": None,
        "lead": None,
        "mixed_percent": None,
        "weights": None,
    }
    plain |= {"mixed_rows": None, "rows": None, "fraction": None, "tokens": None, "salt": ""}
    plain |= {"tokenizer": None, "order": None, "deduplicate": None, "by_language": True}
    plain |= {"repeat": repeat}
    if len(own) == 1:
        return spec.model_copy(update={"by_language": True, "kind": "blocks", "repeat": repeat})
    takes = _takes(spec, size=size)
    parts = []
    for c in own:
        name = f"{spec.name[:50]}-{c.upper()}"
        mine = {"name": name, "languages": [c], "take": takes[c]}
        parts.append(spec.model_copy(update=plain | mine))
    shared = any(take is None or take.weight is not None for take in takes.values())
    whole = ("rows", "fraction", "tokens", "tokenizer") if shared else ()
    return MixtureSpec(
        version=spec.version,
        name=spec.name,
        dataset=spec.dataset,
        kind="union",
        languages=own,
        seed=spec.seed,
        parts=parts,
        by_size=size,
        temperature=temperature if size and temperature != 1 else None,
        repeat=repeat,
        order=spec.order,
        deduplicate=spec.deduplicate,
        **{name: getattr(spec, name) for name in whole},
    )


def _takes(spec: MixtureSpec, *, size: bool) -> dict[str, Take | None]:
    """What a mixture takes of each of its languages."""
    if size:
        return dict.fromkeys(spec.own_languages)
    if spec.mixed_rows is not None:
        return _pinch_of_rows(spec)
    mixed = 1.0 if spec.mixed_percent is None else spec.mixed_percent / 100
    weights = spec.weights or dict.fromkeys(spec.languages, 1.0)
    whole = sum(weights.values())
    shares = {c: mixed * weight / whole for c, weight in weights.items()}
    if spec.main is not None:
        shares[spec.main] = shares.get(spec.main, 0.0) + 1.0 - mixed
    return {c: Take(weight=float(f"{shares[c]:.9g}")) for c in spec.own_languages}


def _pinch_of_rows(spec: MixtureSpec) -> dict[str, Take | None]:
    """A pinch of a fixed number of rows: the languages in turn, the rest in the main one."""
    ordered = sorted(spec.languages, key=lambda c: c != spec.main)
    n, extra = divmod(spec.mixed_rows or 0, len(ordered))
    rows = {c: n + (place < extra) for place, c in enumerate(ordered)}
    found: dict[str, Take | None] = {
        c: Take(rows=k) if k else Take(fraction=0.0) for c, k in rows.items()
    }
    rest = Take(fraction=1.0)
    if spec.rows is not None:
        rest = Take(rows=spec.rows - (spec.mixed_rows or 0) + rows.get(spec.main or "", 0))
    found[spec.main or ""] = rest
    return {c: found[c] for c in spec.own_languages}
