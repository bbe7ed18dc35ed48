"""Verb ``translate``: one shard of a pool into one language."""

from __future__ import annotations

import argparse
from collections import Counter
from contextlib import ExitStack
from typing import Any

from tqdm import tqdm

from ..errors import BabelmixError
from ..io import Journal, read_records, write_json, write_records
from ..records import Conversation
from ..specs import TranslateSpec
from .backends import make_backend
from .cost import estimate
from .engine import TRANSLATED, Translations, in_shard, translate_rows, unique_segments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("--spec", required=True, help="TranslateSpec as JSON")
    parser.add_argument("--input", required=True, help="normalised conversations of the pivot")
    parser.add_argument("--journal", required=True, help="JSONL of finished segments; grows")
    parser.add_argument("--output", required=True, help="parquet of translated conversations")
    parser.add_argument("--manifest", required=True, help="JSON with the counts")


def run(args: argparse.Namespace) -> None:
    """Translate the shard's rows, write them and the counts."""
    spec = TranslateSpec.model_validate_json(args.spec)
    rows = [
        r for r in read_records(args.input, Conversation) if in_shard(r.id, spec.shard, spec.shards)
    ]
    wrong = next((r.lang for r in rows if r.lang != spec.pivot), None)
    if wrong is not None:
        raise BabelmixError(f"{args.input}: holds '{wrong}', not the pivot '{spec.pivot}'.")
    translated, manifest = translate_shard(rows, spec, args.journal)
    write_records(args.output, translated, Conversation)
    write_json(args.manifest, manifest)
    print(
        f"translate {spec.dataset}.{spec.lang} shard {spec.shard + 1}/{spec.shards}: "
        f"{len(translated)} rows, {manifest['passed']} pass all checks, "
        f"{manifest['reused']} of {manifest['segments']} segments from the journal"
    )


def translate_shard(
    rows: list[Conversation], spec: TranslateSpec, journal_path: str
) -> tuple[list[Conversation], dict[str, Any]]:
    """Pivot rows of one shard -> translated rows and the manifest.

    In the manifest ``characters`` are those of the unique segments, ``cost`` is their price in
    dollars (whether bought in this run or an earlier one), ``sent_characters`` and ``reused`` tell
    what this run did. Raises BabelmixError when the backend cannot go on.
    """
    backend = make_backend(spec)
    segments = unique_segments(rows, backend.whole_texts)
    with ExitStack() as stack:
        journal = stack.enter_context(Journal(journal_path)) if backend.journalled else None
        bar = stack.enter_context(tqdm(total=len(segments), unit="segment", disable=None))
        translations = Translations(backend, spec.pivot, spec.lang, journal, bar.update)
        translated = translate_rows(rows, translations, spec.translator_name)
    assert len(translated) == len(rows), "rows are lost"
    characters = sum(map(len, translations.results))
    failed = Counter(c.name for row in translated for c in row.checks if not c.ok)
    reasons = Counter(
        c.detail for r in translated for c in r.checks if c.name == TRANSLATED and not c.ok
    )
    return translated, {
        "dataset": spec.dataset,
        "lang": spec.lang,
        "shard": spec.shard,
        "shards": spec.shards,
        "translator": spec.translator_name,
        "rows_in": len(rows),
        "rows_out": len(translated),
        "passed": sum(all(c.ok for c in row.checks) for row in translated),
        "failed_by_check": dict(failed),
        "failed_by_reason": dict(reasons),
        "segments": len(translations.results),
        "reused": translations.reused,
        "characters": characters,
        "sent_characters": translations.sent_chars,
        "cost": round(estimate(characters, spec.translator), 6),
    }
