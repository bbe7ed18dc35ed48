"""Verb ``likelihood``: bits of held-out texts under one run's weights, language by language.

One forward pass over the answers (and prompts) that no run was trained on: no judge, no generation.
Every turn of every text gives one row, scored or with the reason why not.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BabelmixError
from ..io import read_json, write_json, write_records
from ..options import add_settings, read_settings
from ..records import Conversation, Likelihood
from ..specs import LikelihoodSpec
from .held_out import HeldOut, leave_out_trained, read_held_out
from .segments import ANSWER, TokenRow, token_row
from .tokenise import as_chat

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from .chat import Formatter
    from .scorer import Scorer

_TOO_LONG = "longer than the model's context"
_NOT_FINITE = "not finite"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    add_settings(parser, LikelihoodSpec)
    parser.add_argument(
        "--texts",
        required=True,
        nargs="+",
        type=Path,
        help="conversations or questions (parquet), one file a language, in the spec's order",
    )
    parser.add_argument(
        "--indexes", nargs="*", default=[], type=Path, help="a pool's indexes, in the same order"
    )
    parser.add_argument(
        "--mixture",
        nargs="*",
        default=[],
        type=Path,
        help="what the run was trained on; none: base",
    )
    parser.add_argument(
        "--fingerprints", nargs="*", default=[], type=Path, help="of the mixture's languages"
    )
    parser.add_argument("--checkpoint", required=True, type=Path, help="folder of the model")
    parser.add_argument(
        "--completed", required=True, type=Path, help="JSON written when the folder was complete"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of torch")
    parser.add_argument("--output", required=True, type=Path, help="bits of each turn (parquet)")
    parser.add_argument("--manifest", required=True, type=Path, help="counts (JSON)")


def run(args: argparse.Namespace) -> None:
    """Score the texts under one checkpoint."""
    spec = read_settings(args, LikelihoodSpec)
    _check_files(spec, args)
    held = read_held_out(spec, args.texts, args.indexes)
    mixture = args.mixture[0] if args.mixture else None
    leave_out_trained(held, spec.shared_ids, mixture, args.fingerprints)
    formatter, tokenizer = _formatter(args.checkpoint, args.completed)
    rows = token_rows(held, spec, formatter, tokenizer.unk_token_id)
    opens = opens_with_start_token(rows, tokenizer.bos_token_id)
    if opens is False:
        print(
            f"warning: {args.checkpoint}: its chat template does not open with the tokenizer's "
            f"start token {tokenizer.bos_token!r}, which many models need; their bits mean little",
            file=sys.stderr,
        )
    with _device(args.device) as device:
        scorer = _scorer(spec, args.checkpoint, device, args.threads)
        records = score(held, rows, spec, scorer)
        batches = scorer.mode or "alone"
    manifest = summary(records, spec, held) | {"batches": batches, "opens_with_start_token": opens}
    write_records(args.output, records, Likelihood)
    write_json(args.manifest, manifest)
    print(_sentence(manifest))


def _check_files(spec: LikelihoodSpec, args: argparse.Namespace) -> None:
    """Refuse files that do not go with the spec, before a model is loaded."""
    files = {"--texts": args.texts}
    if spec.kind == "dataset":
        files["--indexes"] = args.indexes
    for option, given in files.items():
        if len(given) != len(spec.languages):
            raise BabelmixError(
                f"{option}: {len(given)} files for {len(spec.languages)} languages "
                f"({', '.join(spec.languages)}). Give one for each, in this order."
            )
    if len(args.mixture) > 1:
        raise BabelmixError("--mixture: a run is trained on one mixture; give one file.")


def opens_with_start_token(rows: Sequence[TokenRow], start: int | None) -> bool | None:
    """Whether every text opens with the start token; None where there is none, or no text."""
    first = {row.ids[0] for row in rows if row.ids}
    return None if start is None or not first else first == {start}


def _formatter(checkpoint: Path, completed: Path) -> tuple[Formatter, PreTrainedTokenizerFast]:
    """The checkpoint's template and tokenizer; the files must be those that the record tells of."""
    from ..folders import check_model
    from .chat import Formatter, load_tokenizer, template_digest

    tokenizer = load_tokenizer(checkpoint)
    formatter = Formatter(tokenizer)
    expected, found = read_json(completed).get("template_digest"), template_digest(tokenizer)
    if expected != found:
        raise BabelmixError(
            f"{checkpoint}: its chat template ({found[:12]}…) is not the one that {completed} "
            f"names ({str(expected)[:12]}…). The folder was changed after training: delete both "
            "and run the training again."
        )
    check_model(checkpoint, completed)
    return formatter, tokenizer


@contextlib.contextmanager
def _device(wanted: str) -> Iterator[str]:
    """The device to compute on; a GPU is held, so that no other job of ours takes it."""
    from .devices import claim_gpus, gpu_count

    there = wanted != "cpu" and gpu_count() > 0
    if wanted == "cuda" and not there:
        raise BabelmixError(
            "This model's `device` is cuda, but there is no GPU here. Run on a machine with one, "
            "or set `device: cpu` for a small model."
        )
    with claim_gpus(int(there), wait_s=600):
        yield "cuda" if there else "cpu"


def _scorer(spec: LikelihoodSpec, checkpoint: Path, device: str, threads: int) -> Scorer:
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ["OMP_NUM_THREADS"] = str(threads)  # read when torch is first imported
    from .quiet import quieten
    from .scorer import Scorer

    quieten()
    return Scorer(
        checkpoint,
        device=device,
        precision=spec.precision,
        threads=threads,
        trust_remote_code=spec.trust_remote_code,
    )


def token_rows(
    held: HeldOut, spec: LikelihoodSpec, formatter: Formatter, unknown: int | None = None
) -> list[TokenRow]:
    """Token ids and segments of every text, language by language; what may not be scored says so.

    Args:
        unknown: Id of the tokenizer's unknown token, if it has one.
    """
    rows = []
    for conversation in _conversations(held):
        chat = as_chat(conversation, spec.system_prompts.get(conversation.lang, ""))
        row = token_row(chat, formatter, unknown, prompts=spec.prompts)
        if reason := held.reasons.get(conversation.id):
            for segment in row.segments:
                segment.reason = reason
            row.refuse(reason)
        rows.append(row)
    return rows


def _conversations(held: HeldOut) -> list[Conversation]:
    return [row for rows in held.by_lang.values() for row in rows]


def score(
    held: HeldOut, rows: Sequence[TokenRow], spec: LikelihoodSpec, scorer: Scorer
) -> list[Likelihood]:
    """Bits of every turn, in the rows' order; a row over the model's context is not scored."""
    for row in rows:
        if scorer.context is not None and len(row.ids) > scorer.context:
            row.refuse(f"{_TOO_LONG} ({scorer.context} tokens)")
    ready = [row for row in rows if any(not segment.reason for segment in row.segments)]
    bits = dict(zip(map(id, ready), scorer.bits(ready), strict=True))
    return [
        record
        for conversation, row in zip(_conversations(held), rows, strict=True)
        for record in _records(conversation, row, bits.get(id(row)), spec)
    ]


def _records(
    conversation: Conversation, row: TokenRow, bits: Any, spec: LikelihoodSpec
) -> Iterator[Likelihood]:
    for segment in row.segments:
        value, reason = None, segment.reason or None
        if reason is None:
            value = float(bits[segment.start : segment.end].sum())
            if value != value or value in (float("inf"), float("-inf")):
                value, reason = None, _NOT_FINITE
        yield Likelihood(
            run=spec.run,
            held_out=spec.held_out,
            id=conversation.id,
            lang=conversation.lang,
            part=segment.part,
            turn=segment.turn,
            n_tokens=segment.end - segment.start,
            n_bytes=segment.n_bytes,
            bits=value,
            reason=reason,
        )


def summary(records: Sequence[Likelihood], spec: LikelihoodSpec, held: HeldOut) -> dict[str, Any]:
    """Counts for the manifest: turns = turns scored + turns not scored, by reason.

    Raises:
        BabelmixError: where not a single answer could be scored.
    """
    answers = [r for r in records if r.part == ANSWER]
    scored = [r for r in answers if r.bits is not None]
    reasons = Counter(r.reason for r in answers if r.bits is None)
    if len(scored) + reasons.total() != len(answers):
        raise AssertionError(f"{len(answers)} answers in, {len(scored)} + {reasons} out")
    if not scored and set(reasons) - {"trained on", "equal to a row trained on"}:
        why = "; ".join(f"{n} {reason}" for reason, n in reasons.most_common(3))
        raise BabelmixError(
            f"likelihood of '{spec.held_out}' under {spec.run}: none of {len(answers)} answers "
            f"could be scored ({why})."
        )
    by_lang = {
        lang: {
            "answers": sum(r.lang == lang for r in answers),
            "scored": sum(r.lang == lang for r in scored),
            "bits": sum(r.bits or 0.0 for r in scored if r.lang == lang),
            "bytes": sum(r.n_bytes for r in scored if r.lang == lang),
            "tokens": sum(r.n_tokens for r in scored if r.lang == lang),
        }
        for lang in spec.languages
    }
    return {
        "run": spec.run,
        "held_out": spec.held_out,
        "precision": spec.precision,
        "ids": len(held.ids),
        "passed_over": held.passed_over,
        "answers": len(answers),
        "scored": len(scored),
        "not_scored_by_reason": {str(reason): n for reason, n in sorted(reasons.items())},
        "prompts_scored": sum(r.part != ANSWER and r.bits is not None for r in records),
        "by_language": by_lang,
    }


def _sentence(manifest: dict[str, Any]) -> str:
    """The verb's one line."""
    found = {
        lang: counts["bits"] / counts["bytes"]
        for lang, counts in manifest["by_language"].items()
        if counts["bytes"]
    }
    shown = ", ".join(f"{lang} {value:.3f}" for lang, value in found.items()) or "nothing"
    left = manifest["answers"] - manifest["scored"]
    why = "; ".join(f"{n} {r}" for r, n in manifest["not_scored_by_reason"].items())
    return (
        f"likelihood {manifest['run']} on {manifest['held_out']}: answers' bits per byte {shown} "
        f"({manifest['scored']} answers scored, {left} not{f': {why}' if why else ''})"
    )
