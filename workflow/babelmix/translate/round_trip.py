"""Verb ``round-trip``: translations, translated back, compared with the pivot by chrF.

It measures both ways at once: a poor way back makes good translations look bad, and a backend that
copies its input gets them all right. What it tells apart is rows of one language among themselves.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from ..errors import BabelmixError
from ..io import read_records, write_json
from ..options import add_settings, read_settings
from ..records import Conversation
from ..specs import RoundTripSpec, TranslateSpec
from .collect import assemble
from .engine import TRANSLATED
from .measures import comparable, measure_json, worst
from .quality import collected
from .shard import translate_shard, with_runtime

CHECK = "round_trip"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    add_settings(parser, RoundTripSpec)
    parser.add_argument(
        "--config",
        help="configuration (JSON) whose host, price, cap and speed of the translator are taken",
    )
    parser.add_argument("--pivot", required=True, help="normalised conversations of the pivot")
    parser.add_argument(
        "--shards", required=True, nargs="+", help="translated shards, or the normalised file"
    )
    parser.add_argument("--corrections", help="overlay of human corrections (JSONL or CSV)")
    parser.add_argument("--journal", required=True, help="JSONL of finished texts; grows")
    parser.add_argument("--output", required=True, help="JSON: the chrF of each row")


def run(args: argparse.Namespace) -> None:
    """Translate the rows back, as people corrected them, and write how near they come."""
    spec = with_runtime(read_settings(args, RoundTripSpec), args.config)
    pivot = read_records(args.pivot, Conversation)
    rows, _ = assemble(pivot, args.shards, collected(spec), args.corrections)
    values, facts = round_trip(pivot, rows, spec, args.journal)
    write_json(args.output, measure_json(CHECK, values, facts))
    known = sum(value is not None for value in values.values())
    print(f"round-trip {spec.dataset}.{spec.lang}: {known} of {len(rows)} rows compared")


def way_back(spec: RoundTripSpec) -> TranslateSpec:
    """The job of translating a pool's language into its pivot."""
    given = spec.model_dump() | {"lang": spec.pivot, "pivot": spec.lang}
    given |= {"lang_name": spec.pivot_name, "pivot_name": spec.lang_name}
    return TranslateSpec.model_validate(given)


def round_trip(
    pivot: Sequence[Conversation],
    rows: Sequence[Conversation],
    spec: RoundTripSpec,
    journal: str,
) -> tuple[dict[str, float | None], dict[str, Any]]:
    """Row id -> chrF of its worst message (0 to 100), and what the way back did.

    None for rows that are not there, and for those that could not be translated back (counted).
    Raises what translating raises: a missing key or mode, a cap that is used up.
    """
    sources = {row.id: row for row in pivot}
    there = [row for row in rows if comparable(sources[row.id], row)]
    back, manifest = translate_shard(there, way_back(spec), journal)
    values: dict[str, float | None] = {row.id: None for row in rows}
    failed = 0
    for row in back:
        if any(c.name == TRANSLATED and not c.ok for c in row.checks):
            failed += 1
            continue
        values[row.id] = worst(
            [
                chrf(b.content, a.content)
                for a, b in zip(sources[row.id].messages, row.messages, strict=True)
            ]
        )
    known = sum(value is not None for value in values.values())
    if known + failed + len(rows) - len(there) != len(rows):
        raise BabelmixError(f"round-trip {spec.dataset}.{spec.lang}: rows are lost.")
    told = ("translator", "characters", "cost")
    return values, {key: manifest[key] for key in told} | {"not_translated_back": failed}


def chrf(text: str, reference: str) -> float:
    """Sentence chrF (sacrebleu's defaults: order 6, beta 2), 0 to 100."""
    from sacrebleu import sentence_chrf

    return float(sentence_chrf(text, [reference]).score)
