"""What a reader must know of a selection of rows: sizes, shares, digests, what was left out."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..config.base import languages_of
from ..specs import MixtureSpec
from .pool import Pool
from .select import Selection


def pool_name(spec: MixtureSpec) -> str:
    """Key of a leaf's pool: in one that is not parallel each language stands for itself."""
    return f"{spec.dataset}.{spec.languages[0]}" if spec.by_language else spec.dataset


@dataclass
class Cell:
    """Rows of one pool and language: keys of their ids (training), characters, held-out rows."""

    keys: np.ndarray
    characters: int = 0
    dev_rows: int = 0


def cells_of(parts: Sequence[Selection], pools: Mapping[str, Pool]) -> dict[tuple[str, str], Cell]:
    """What each (pool, language) gives to a mixture, in order; those that give nothing left out."""
    cells: dict[tuple[str, str], Cell] = {}
    for part in parts:
        pool = pools[pool_name(part.spec)]
        for place, code in enumerate(part.spec.own_languages):
            mine = part.train.ids[part.train.langs == place]
            cell = cells.setdefault((pool.dataset, code), Cell(pool.keys[:0]))
            cell.keys = np.concatenate([cell.keys, pool.keys[mine]])
            cell.characters += int(pool.languages[code].characters[mine].sum())
            cell.dev_rows += int((part.dev.langs == place).sum())
    return {place: c for place, c in sorted(cells.items()) if len(c.keys) or c.dev_rows}


def keys_digest(keys: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of named sets of ids' keys (see ``pool.id_keys``), each in ascending order."""
    whole = hashlib.sha256()
    for name, some in keys.items():
        whole.update(f"{name}\t{len(some)}\n".encode())
        whole.update(np.sort(some).astype(">u8").tobytes())
    return whole.hexdigest()


def summary(
    spec: MixtureSpec,
    parts: Sequence[Selection],
    pools: Mapping[str, Pool],
    parents: Mapping[str, str],
) -> dict[str, Any]:
    """What a reader must know of a selection: sizes by language and pool, digests, definition."""
    cells = cells_of(parts, pools)
    rows: Counter[str] = Counter()
    characters: Counter[str] = Counter()
    for (_, code), cell in cells.items():
        rows[code] += len(cell.keys)
        characters[code] += cell.characters
    ids = np.unique(np.concatenate([cell.keys for cell in cells.values()]))
    return {
        "mixture": spec.name,
        "dataset": spec.dataset,
        "definition": spec.model_dump(exclude={"version", "name"}, exclude_defaults=True)
        | {"kind": spec.kind},
        "seed": sorted({part.spec.seed for part in parts}),
        "rows": rows.total(),
        "ids": len(ids),
        "rows_by_language": {c: n for c, n in sorted(rows.items()) if n},
        "characters_by_language": {c: n for c, n in sorted(characters.items()) if rows[c]},
        "cells": [
            {
                "dataset": dataset,
                "language": code,
                "rows": len(cell.keys),
                "characters": cell.characters,
                "dev_rows": cell.dev_rows,
            }
            for (dataset, code), cell in cells.items()
        ],
        "dev_rows": sum(cell.dev_rows for cell in cells.values()),
        "left_out_ids": {
            reason: sum(part.left_out.get(reason, 0) for part in parts)
            for reason in dict.fromkeys(r for part in parts for r in part.left_out)
        },
        "left_out_rows": sum(part.left_out_pairs for part in parts),
        "ids_digest": keys_digest({"ids": ids}),
        "rows_digest": keys_digest({f"{d}.{c}": cell.keys for (d, c), cell in cells.items()}),
        "parents": dict(parents),
    } | _rare_facts(spec, parts, rows)


def _rare_facts(
    spec: MixtureSpec, parts: Sequence[Selection], rows: Mapping[str, int]
) -> dict[str, Any]:
    """What only some mixtures have; others' records stay as they are."""
    facts: dict[str, Any] = {}
    repeated = sum(int((p.train.copies > 0).sum()) for p in parts if p.train.copies is not None)
    if repeated:
        facts["repeated_rows"] = repeated
    if any(len(languages_of(code)) > 1 for code in rows):
        facts["rows_by_turn"] = rows_by_turn(rows)
    if spec.parts:
        facts["parts"] = [_part(part) for part in parts]
    return facts


def token_budget(
    spec: MixtureSpec,
    parts: Sequence[Selection],
    counts: Mapping[tuple[str, str, str], np.ndarray],
) -> dict[str, Any]:
    """Count what a budget in tokens was spent on, by language; repeated rows count each time.

    ``shares`` says what the languages' shares are of. Where ids are drawn first and each then takes
    its language (a parallel pool), they are shares of rows; where each part has a quota of its own,
    of tokens.
    """
    spent: Counter[str] = Counter()
    tokenizer = ""
    for part in parts:
        for place, code in enumerate(part.spec.own_languages):
            for (name, dataset, lang), tokens in counts.items():
                if (dataset, lang) == (part.spec.dataset, code):
                    tokenizer = name
                    mine = part.train.ids[part.train.langs == place]
                    spent[code] += int(tokens[mine].sum())
    return {
        "tokenizer": tokenizer,
        "asked": spec.tokens,
        "tokens": spent.total(),
        "tokens_by_language": dict(sorted(spent.items())),
        "shares": "tokens" if spec.parts and spec.tokens is not None else "rows",
    }


def rows_by_turn(rows: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Rows by the languages of their questions and of their answers.

    `en_on_de` counts as asked in both; a code-switched question counts in both, too.
    """
    asked: Counter[str] = Counter()
    answered: Counter[str] = Counter()
    for code, n in rows.items():
        first, *other = languages_of(code)
        kind = code.split("_")[1] if other else ""
        answered[other[0] if kind in ("to", "on") else first] += n
        for lang in {first} if kind in ("", "to") else {first, *other}:
            asked[lang] += n
    return {"asked": dict(sorted(asked.items())), "answered": dict(sorted(answered.items()))}


def _part(part: Selection) -> dict[str, Any]:
    """What became of one leaf of a union."""
    distinct = len(part.train) if part.train.copies is None else int((part.train.copies == 0).sum())
    return {
        "mixture": part.spec.name,
        "dataset": part.spec.dataset,
        "rows": len(part.train),
        "different_rows": distinct,
        "epochs": round(len(part.train) / distinct, 4) if distinct else 0.0,
        "dev_rows": len(part.dev),
    }


def languages_without_rows(made: Mapping[str, Any]) -> list[str]:
    """Languages of a selection's definition in which it has no row."""

    def own(definition: Mapping[str, Any]) -> list[str]:
        if parts := definition.get("parts"):
            return [code for part in parts for code in own(part)]
        return [*definition.get("languages", []), *filter(None, [definition.get("main")])]

    return [
        c for c in dict.fromkeys(own(made["definition"])) if not made["rows_by_language"].get(c)
    ]


def lost_by_duplicates(made: Mapping[str, Any]) -> int:
    """Ids that a selection leaves out because of duplicates, of any kind."""
    reasons = ("exact duplicates", "near duplicates", "held out, but trained on")
    return sum(made["left_out_ids"].get(reason, 0) for reason in reasons)


def remarks(made: Mapping[str, Any]) -> list[str]:
    """What somebody might overlook in a selection, one line each."""
    found = []
    without = languages_without_rows(made)
    if without:
        found.append(f"no row falls to {', '.join(without)}: there are too few for all languages")
    if repeated := made.get("repeated_rows"):
        found.append(f"{repeated} of its rows are repeats")
    if lost := made["left_out_ids"].get("held out, but trained on"):
        found.append(f"{lost} held-out rows are trained on elsewhere; they are not held out")
    for kind in ("exact", "near"):
        if lost := made["left_out_ids"].get(f"{kind} duplicates"):
            found.append(f"{lost} {kind} duplicates are left out")
    copies = made.get("duplicates", {})
    for kind in ("exact", "near"):
        if n := copies.get(kind, 0) - (copies.get("exact", 0) if kind == "near" else 0):
            found.append(f"{n} of its ids are {kind} duplicates of others that it trains on")
    for kind in ("exact", "near"):
        if n := copies.get(f"held_out_{kind}", 0):
            found.append(f"{n} held-out ids are trained on, by {kind} duplicates")
    if budget := made.get("budget"):
        spent = ", ".join(f"{c} {n}" for c, n in budget["tokens_by_language"].items())
        found.append(
            f"{budget['tokens']} tokens of `{budget['tokenizer']}` ({spent}); languages share "
            f"{budget['shares']}"
        )
    own = {f"{made['mixture'][:50]}-{code.upper()}" for code in without}
    for part in made.get("parts", []):
        if not part["rows"] and part["mixture"] not in own:
            found.append(f"no row falls to its part '{part['mixture']}'")
    return found
