"""Verb ``translate``: one shard of a pool into one language."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

from ..config.load import build_config
from ..config.translators import Service
from ..errors import BabelmixError
from ..io import Journal, read_json, read_records, write_json, write_records
from ..options import add_settings, read_settings
from ..records import Conversation
from ..service import Failure as CallFailure
from ..service import Ledger, require_complete, spending_folder
from ..service.budget import require_confirmation, require_price, spoken_price
from ..specs import TranslateSpec
from .backends import Failure, make_backend
from .cost import estimate, price_of
from .engine import TRANSLATED, in_shard, nodes_of, plan_rows, translate_rows, unique_texts
from .progress import RowProgress
from .store import Translations

Spec = TypeVar("Spec", bound=TranslateSpec)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    add_settings(parser, TranslateSpec)
    parser.add_argument(
        "--config",
        help="configuration (JSON) whose host, price, cap and speed of the translator are taken",
    )
    parser.add_argument("--input", required=True, help="normalised conversations of the pivot")
    parser.add_argument("--journal", required=True, help="JSONL of finished texts; grows")
    parser.add_argument("--output", required=True, help="parquet of translated conversations")
    parser.add_argument("--manifest", required=True, help="JSON with the counts")


def run(args: argparse.Namespace) -> None:
    """Translate the shard's rows, write them and the counts."""
    spec = with_runtime(read_settings(args, TranslateSpec), args.config)
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
        f"{_name(spec)}: {len(translated)} rows, {manifest['passed']} translated, "
        f"{manifest['reused']} of {manifest['texts']} texts from the journal"
    )


def with_runtime(spec: Spec, path: str | None) -> Spec:
    """The spec, its translator with host, price, cap and speed as the configuration now has them.

    They are not in a rule's spec: its ``params`` must not change with them. ``path``: None where a
    spec given by hand is taken as it is.
    """
    named = build_config(read_json(path)).translators.get(spec.translator_name) if path else None
    if named is None or named.backend != spec.translator.backend:
        return spec
    return spec.model_copy(update={"translator": spec.translator.with_runtime(named)})


def translate_shard(
    rows: list[Conversation], spec: TranslateSpec, journal_path: str
) -> tuple[list[Conversation], dict[str, Any]]:
    """Pivot rows of one shard -> translated rows and the manifest.

    In the manifest ``characters`` are those of the unique texts, ``cost`` is their estimated price
    in US dollars (whether bought in this run or an earlier one; null where no price is known);
    ``sent_characters``, ``reused`` and ``spent`` tell what this run did. Raises BabelmixError when
    the backend cannot go on, CapReachedError when `max_cost` is used up, IncompleteError when more
    texts than accepted got no answer.
    """
    journal_file = Path(journal_path)
    if isinstance(spec.translator, Service):
        require_price(spec.translator, price_of(spec.translator), _payer(spec))
    backend = make_backend(spec, spending_folder(journal_file))
    ledger: Ledger | None = getattr(backend, "ledger", None)
    if ledger is not None:
        ledger.take_over(journal_file.parent / f"{spec.translator_name}.spent.jsonl")
    plans = plan_rows(rows, backend, spec.pivot)
    texts = unique_texts(plans)
    with ExitStack() as stack:
        journal = stack.enter_context(Journal(journal_file)) if backend.journalled else None
        progress = stack.enter_context(
            RowProgress(
                [[n.masked.text for n in nodes_of(p)] for p in plans],
                lambda: ledger.spent_now if ledger else 0.0,
            )
        )
        others = _other_journals(journal_file, spec.lang) if journal else []
        store = Translations(backend, spec.pivot, spec.lang, journal, others, progress.note)
        _announce(spec, store, list(texts), ledger)
        translated = translate_rows(rows, plans, store, spec.translator_name)
        if isinstance(spec.translator, Service):
            failed_calls = {
                text: CallFailure(result.reason, retryable=True)
                for text, result in store.results.items()
                if isinstance(result, Failure) and not result.content
            }
            require_complete(spec.translator, failed_calls, len(store.results), _payer(spec))
        seconds = progress.seconds()
    assert len(translated) == len(rows), "rows are lost"
    characters = sum(map(len, store.results))
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
        "texts": len(store.results),
        "reused": store.reused,
        "characters": characters,
        "sent_characters": store.sent_chars,
        "cost": estimate(spec.translator, characters, len(store.results)).dollars,
        "spent": round(ledger.spent_now, 6) if ledger else 0.0,
        "seconds": round(seconds, 2),
    }


def _name(spec: TranslateSpec) -> str:
    return f"translate {spec.dataset}.{spec.lang} shard {spec.shard + 1}/{spec.shards}"


def _payer(spec: TranslateSpec) -> str:
    return f"translators.{spec.translator_name}"


def _other_journals(journal: Path, lang: str) -> list[Path]:
    """Journals of the same language: other shards, other pools, other numbers of shards."""
    found = journal.parent.glob(f"*.{lang}.*.jsonl")
    return sorted(p for p in found if p != journal and p.is_file())


def _announce(
    spec: TranslateSpec, store: Translations, texts: list[str], ledger: Ledger | None
) -> None:
    """Say what is about to be sent and what that will cost; stop where that is not agreed to."""
    todo = store.missing(texts)
    chars = sum(map(len, todo))
    parts = [f"{chars:,} characters in {len(todo):,} texts to translate"]
    parts.append(f"{len(texts) - len(todo):,} texts in the journal")
    if isinstance(spec.translator, Service):
        found, price = estimate(spec.translator, chars, len(todo)), price_of(spec.translator)
        spent = ledger.total() if ledger else 0.0
        require_confirmation(spec.translator, found, price, _payer(spec), spent)
        parts.append(f"≈ {found.dollars or 0.0:.2f} US dollars ({spoken_price(price)})")
        cap = spec.translator.max_cost
        of = "" if cap is None else f" of {cap:g}"
        parts.append(f"{spent:.2f}{of} US dollars spent")
    print(f"{_name(spec)}: {', '.join(parts)}", file=sys.stderr, flush=True)
