"""Verb ``quality``: the score that a function of the user's gives each translated row."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..errors import BabelmixError
from ..io import read_records, write_json
from ..options import add_settings, read_settings
from ..records import Conversation
from ..specs import CollectSpec, QualitySpec
from .collect import assemble
from .measures import comparable, finite, measure_json, worst

#: (source, translation)
Pair = tuple[str, str]
Scorer = Callable[[list[Pair], str, str], Sequence[float]]
CHECK = "quality"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    add_settings(parser, QualitySpec)
    parser.add_argument("--pivot", required=True, help="normalised conversations of the pivot")
    parser.add_argument(
        "--shards", required=True, nargs="+", help="translated shards, or the normalised file"
    )
    parser.add_argument("--corrections", help="overlay of human corrections (JSONL or CSV)")
    parser.add_argument("--output", required=True, help="JSON: the score of each row")


def run(args: argparse.Namespace) -> None:
    """Score the rows as people corrected them, and write the scores."""
    spec = read_settings(args, QualitySpec)
    scorer = load_function(spec.function)
    pivot = read_records(args.pivot, Conversation)
    rows, _ = assemble(pivot, args.shards, collected(spec), args.corrections)
    values = quality_of(pivot, rows, scorer, spec)
    facts = {"function": spec.function, "version": spec.function_version}
    write_json(args.output, measure_json(CHECK, values, facts))
    known = sum(value is not None for value in values.values())
    print(f"quality {spec.dataset}.{spec.lang}: {known} of {len(rows)} rows scored")


def collected(spec: Any) -> CollectSpec:
    """What ``assemble`` must know of the language whose rows a measure looks at."""
    return CollectSpec(
        version=spec.version,
        dataset=spec.dataset,
        lang=spec.lang,
        pivot=spec.pivot,
        on_failed_check="keep",
    )


def load_function(name: str) -> Scorer:
    """``module:function``, also of a module in the working directory.

    Raises BabelmixError when it cannot be imported, for whatever reason, or cannot be called.
    """
    module_name, _, function_name = name.partition(":")
    if str(Path.cwd()) not in sys.path and "" not in sys.path:
        sys.path.append(str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # a module of the user's may raise anything
        raise BabelmixError(
            f"quality function '{name}': '{module_name}' cannot be imported "
            f"({type(error).__name__}: {error}). Put {module_name.replace('.', '/')}.py into the "
            "folder you start from, or install what it needs into this environment."
        ) from None
    function = getattr(module, function_name, None)
    if not callable(function):
        raise BabelmixError(
            f"quality function '{name}': '{module_name}' ({getattr(module, '__file__', None)}) "
            f"has no function '{function_name}'."
        )
    made: Scorer = function
    return made


def quality_of(
    pivot: Sequence[Conversation], rows: Sequence[Conversation], scorer: Scorer, spec: QualitySpec
) -> dict[str, float | None]:
    """Row id -> the score of its worst message; None for rows that are not there.

    The function sees every pair once, all of them in one call, so that it can make its batches.
    Raises BabelmixError when it fails, or gives another number of scores or one that is none.
    """
    pairs = {
        row.id: [(a.content, b.content) for a, b in zip(source.messages, row.messages, strict=True)]
        if comparable(source, row)
        else []
        for source, row in zip(pivot, rows, strict=True)
    }
    unique = list(dict.fromkeys(pair for found in pairs.values() for pair in found))
    scores = dict(zip(unique, _scores(scorer, unique, spec), strict=True))
    return {row_id: worst([scores[pair] for pair in found]) for row_id, found in pairs.items()}


def _scores(scorer: Scorer, pairs: list[Pair], spec: QualitySpec) -> list[float]:
    if not pairs:
        return []
    where = f"quality function '{spec.function}' ({spec.dataset}.{spec.lang})"
    try:
        found = list(scorer(pairs, spec.pivot, spec.lang))
    except Exception as error:
        raise BabelmixError(f"{where} failed: {type(error).__name__}: {error}") from error
    if len(found) != len(pairs):
        raise BabelmixError(f"{where}: gave {len(found)} scores for {len(pairs)} pairs.")
    return [finite(value, where) for value in found]
