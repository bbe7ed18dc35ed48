"""Train the tiny five-language base model of the demo from Tatoeba sentences (`pretrain-base`).

`pretrain_base` reads the text, trains a tokenizer and a Llama of two to four million parameters
for a given number of minutes on a CPU, measures held-out bits per byte on the rounded weights and
writes a model folder with its card, whole or not at all. An interrupted run goes on from its last
checkpoint when it is started again with the same arguments.

torch and transformers are imported inside the functions: importing this module is cheap.
"""

from __future__ import annotations

import argparse
import json
import logging
import platform
import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BabelmixError
from ..folders import whole_folder
from ..io import digest, file_digest, write_json
from . import base_data, base_fit
from .base_card import write_card
from .base_fit import BaseSettings

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

log = logging.getLogger(__name__)

DEFINITION = (
    "minus log2 of the probability of each held-out sentence's tokens given `<s>`, summed over "
    "the sentences of a language and divided by the sum of their UTF-8 bytes; `bpb` leaves out "
    "the `</s>` after the sentence, `bpb_with_eos` counts it over the same bytes; measured on the "
    "saved (rounded) weights, computed in float32"
)
MAX_BYTES = 8_000_000
QUESTIONS = {
    "en": "The weather", "de": "Ich habe", "fr": "Je ne", "it": "Non ho", "es": "Me gusta",
}  # fmt: skip


def pretrain_base(
    data_dir: Path,
    out_dir: Path,
    *,
    minutes: float,
    seed: int = 0,
    threads: int = 1,
    work_dir: Path | None = None,
    settings: BaseSettings | None = None,
    max_steps: int | None = None,
    checkpoint_seconds: float = 120.0,
) -> dict[str, Any]:
    """Train the base model and write it to `out_dir`; return its metrics.

    Args:
        data_dir: folder of Tatoeba pairs (or the one above it).
        out_dir: the model folder; an older one is replaced at the very end.
        minutes: training time on the clock, evaluations included, reading and writing excluded.
        seed: of weights and text order. The split does not depend on it.
        threads: processor threads of torch.
        work_dir: where checkpoint and tokenizer stay until the run is complete; by default a
            hidden folder beside `out_dir`.
        settings: shape of model and training.
        max_steps: also stop after so many steps; then the result no longer depends on the clock.
        checkpoint_seconds: training time between two checkpoints.
    """
    if minutes <= 0:
        raise BabelmixError(f"minutes: {minutes} leaves no time to train; give more than 0.")
    import torch

    settings = settings or BaseSettings()
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    files = base_data.find_files(data_dir)
    digests = {
        f"{path.parent.name}/{path.name}": file_digest(path)
        for path in sorted({path for paths in files.values() for path in paths})
    }
    split = base_data.split_sentences(
        base_data.read_sentences(files),
        share=settings.heldout_share,
        least=settings.heldout_least,
        dev=settings.dev,
    )
    run = digest([asdict(settings), digests, seed, minutes, max_steps])[:16]
    work = (work_dir or out_dir.parent / f".{out_dir.name}.work") / run
    work.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer(work / "tokenizer.json", split, settings, seed)
    stream = base_data.DocumentStream(
        tokenizer,
        split.train,
        seed=seed,
        context=settings.context,
        balance=settings.balance,
        single=settings.single,
        switch=settings.switch,
    )
    model = base_fit.build_model(settings, tokenizer)
    progress, history = base_fit.train_model(
        model,
        tokenizer,
        stream,
        split.dev,
        settings,
        minutes=minutes,
        max_steps=max_steps,
        checkpoint=work / "checkpoint.pt",
        checkpoint_seconds=checkpoint_seconds,
    )
    base_fit.place_special_tokens(model, tokenizer)
    base_fit.round_weights(model, settings.dtype)
    metrics: dict[str, Any] = {
        "definition": DEFINITION,
        "languages": {
            lang: _measure(model, tokenizer, split, lang) for lang in base_data.LANGUAGES
        },
        "parameters": sum(p.numel() for p in model.parameters()),
        "tokens_seen": progress.tokens,
        "train_tokens": stream.tokens,
        "epochs": stream.epochs(),
        "steps": progress.step,
        "best_step": progress.best_step,
        "dev_bpb": round(progress.best, 4),
        "minutes_budget": minutes,
        "minutes_trained": round(progress.seconds / 60, 1),
        "threads": threads,
        "seed": seed,
        "machine": f"{platform.system()} {platform.machine()}, CPU",
        "versions": {name: version(name) for name in ("torch", "transformers", "tokenizers")},
        "settings": asdict(settings),
        "files_sha256": digests,
        "history": history,
    }
    samples = {lang: complete(model, tokenizer, start) for lang, start in QUESTIONS.items()}
    _write_folder(out_dir, model, tokenizer, metrics, samples, settings.dtype)
    shutil.rmtree(work)
    if not any(work.parent.iterdir()):
        work.parent.rmdir()
    return metrics


def _tokenizer(
    path: Path, split: base_data.Split, settings: BaseSettings, seed: int
) -> PreTrainedTokenizerFast:
    """Train the tokenizer, or take up the one an interrupted run left."""
    if path.exists():
        return base_data.wrap_tokenizer(path.read_text(encoding="utf-8"), settings.context)
    tokenizer = base_data.train_tokenizer(
        base_data.tokenizer_sample(split.train, seed),
        vocab_size=settings.vocab_size,
        context=settings.context,
    )
    partial = path.with_suffix(".partial")
    partial.write_text(tokenizer.backend_tokenizer.to_str(), encoding="utf-8")
    partial.replace(path)
    return tokenizer


def _measure(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    split: base_data.Split,
    lang: str,
) -> dict[str, float]:
    """Return the held-out figures of one language."""
    texts = split.heldout[lang]
    without, with_eos = base_fit.bits_per_byte(model, tokenizer, texts)
    size = sum(len(text.encode()) for text in texts)
    tokens = sum(map(len, base_data.encode_all(tokenizer, texts)))
    return {
        "bpb": round(without, 4),
        "bpb_with_eos": round(with_eos, 4),
        "heldout_sentences": len(texts),
        "heldout_bytes": size,
        "bytes_per_token": round(size / tokens, 3),
        "train_sentences": len(split.train[lang]),
        "dev_sentences": len(split.dev[lang]),
    }


def complete(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, start: str, tokens: int = 40
) -> str:
    """Return a greedy completion of a text, up to the end of the first sentence."""
    import torch

    generator: Any = model
    ids = tokenizer(start, return_tensors="pt")
    model.eval()
    with torch.no_grad():
        out = generator.generate(
            **ids,
            max_new_tokens=tokens,
            do_sample=False,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    return str(tokenizer.decode(out[0], skip_special_tokens=True)).split("\n")[0]


def _write_folder(
    out_dir: Path,
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    metrics: Mapping[str, Any],
    samples: Mapping[str, str],
    dtype: str,
) -> None:
    """Write the model folder beside its place, check its size, put it there with a rename."""
    import torch
    from transformers.utils.logging import disable_progress_bar

    if not sys.stderr.isatty():
        disable_progress_bar()
    end = tokenizer.convert_tokens_to_ids(base_data.END)
    model.generation_config.bos_token_id = tokenizer.bos_token_id
    model.generation_config.eos_token_id = [tokenizer.eos_token_id, end]
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.config.use_cache = True
    with whole_folder(out_dir) as partial:
        model.to(getattr(torch, dtype)).save_pretrained(partial)
        tokenizer.save_pretrained(partial)
        # Stored in 16 bits, computed in 32: processors without 16-bit arithmetic are much slower
        # with it, and tuning from 16-bit weights loses small updates.
        _change_json(partial / "config.json", dtype="float32")
        # The name that every version of transformers knows.
        _change_json(partial / "tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast")
        write_json(partial / "metrics.json", metrics)
        write_card(partial / "README.md", metrics, samples)
        size = sum(path.stat().st_size for path in partial.rglob("*") if path.is_file())
        if size > MAX_BYTES:
            raise BabelmixError(
                f"{out_dir}: the model would take {size} bytes, more than {MAX_BYTES}; "
                f"give it fewer parameters (--set hidden_size=192)."
            )


def _change_json(path: Path, **values: Any) -> None:
    """Put values into a JSON object's file."""
    write_json(path, json.loads(path.read_text(encoding="utf-8")) | values)


def parse_settings(pairs: list[str]) -> BaseSettings:
    """Return the default settings with `name=value` pairs put in."""
    known = {field.name: field for field in fields(BaseSettings)}
    settings = BaseSettings()
    for pair in pairs:
        name, _, text = pair.partition("=")
        if name not in known:
            raise BabelmixError(f"--set {pair}: no such setting. Known: {', '.join(known)}.")
        kind = type(getattr(settings, name))
        try:
            settings = replace(settings, **{name: kind(text)})
        except ValueError:
            raise BabelmixError(f"--set {pair}: expected {name}=<{kind.__name__}>.") from None
    return settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb `pretrain-base`."""
    parser.add_argument(
        "--data", type=Path, required=True, help="folder of Tatoeba pairs, or the one above it"
    )
    parser.add_argument("--out", type=Path, required=True, help="model folder to write")
    parser.add_argument("--minutes", type=float, default=24.0, help="training time on the clock")
    parser.add_argument("--seed", type=int, default=0, help="of weights and text order")
    parser.add_argument("--threads", type=int, default=1, help="processor threads")
    parser.add_argument("--work", type=Path, help="folder of the checkpoint of an unfinished run")
    parser.add_argument("--max-steps", type=int, help="also stop after so many steps")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change one field of BaseSettings (may be repeated)",
    )


def run(args: argparse.Namespace) -> int:
    """Run the verb `pretrain-base`."""
    metrics = pretrain_base(
        args.data,
        args.out,
        minutes=args.minutes,
        seed=args.seed,
        threads=args.threads,
        work_dir=args.work,
        settings=parse_settings(args.set),
        max_steps=args.max_steps,
    )
    for lang, row in metrics["languages"].items():
        print(f"{lang}  {row['bpb']:.3f} bits a byte ({row['bpb_with_eos']:.3f} with the end)")
    return 0
