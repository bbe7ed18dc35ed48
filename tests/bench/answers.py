#!/usr/bin/env python3
"""Answers on a CPU: ours, one prompt at a time, plain batches, transformers' continuous batching.

    python -m tests.bench.answers [--model FOLDER] [--prompts 32] [--rounds 3] [--bf16]

The same greedy prompts through all four ways, in turns within one process (so that other work on
the machine meets all alike), one thread. Prompts are token ids; ``equal``: all of one length, all
answers of one length; ``skewed``: lengths of 5 to 244, and stop tokens that end answers early.
Without ``--model`` the model is a random Llama of 46 M parameters. Prints, per way, the median of
tokens per processor second, its ratio to one at a time, and how many answers are the same ids.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from babelmix.answer.batches import Prompt
from babelmix.answer.engine import TransformersEngine
from babelmix.config.evaluation import Generation

Ids = list[list[int]]


def generate(model: Any, rows: Ids, stops: list[int], new: int) -> Ids:
    """Call `generate` once on left-padded rows; cut each row at its first stop token."""
    import torch
    from transformers import GenerationConfig

    width = max(map(len, rows))
    ids = torch.tensor([[stops[0]] * (width - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
    settings = GenerationConfig(
        max_new_tokens=new, do_sample=False, eos_token_id=stops, pad_token_id=stops[0]
    )
    with torch.inference_mode():
        out = model.generate(input_ids=ids, attention_mask=mask, generation_config=settings)
    cut = []
    for row in out[:, width:].tolist():
        ends = [i for i, token in enumerate(row) if token in stops]
        cut.append(row[: ends[0]] if ends else row)
    return cut


def continuous(model: Any, rows: Ids, stops: list[int], new: int) -> Ids:
    """Answer by `ContinuousBatchingManager`, with a cache that just holds all rows."""
    from transformers import ContinuousBatchingConfig, GenerationConfig

    page = 32
    blocks = sum(-(-(len(row) + new) // page) for row in rows) + 8
    settings = GenerationConfig(
        max_new_tokens=new, do_sample=False, eos_token_id=stops, pad_token_id=stops[0]
    )
    config = ContinuousBatchingConfig(page_size=page, num_blocks=blocks, max_batch_tokens=256)
    done = model.generate_batch(
        inputs=rows, generation_config=settings, continuous_batching_config=config
    )
    order = sorted(done.values(), key=lambda o: int(o.request_id.rpartition("_")[2]))
    return [[token for token in o.generated_tokens if token not in stops] for o in order]


def random_llama(folder: Path) -> Path:
    """Save a random Llama of 46 M parameters."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=8192, hidden_size=512, intermediate_size=1408, num_hidden_layers=12,
        num_attention_heads=8, num_key_value_heads=4, max_position_embeddings=2048,
        bos_token_id=1, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--model", type=Path)
    parser.add_argument("--prompts", type=int, default=32)
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=8, help="rows of a plain batch")
    parser.add_argument("--bf16", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.model or random_llama(Path(scratch))
        for shape in ("equal", "skewed"):
            compare(folder, shape, args)


def compare(folder: Path, shape: str, args: argparse.Namespace) -> None:
    """Run all ways in turns on prompts of one shape; print one JSON line per way."""
    import torch

    rng = random.Random(0)
    settings = Generation(max_new_tokens=args.new_tokens, batch_tokens=4096)
    engine = TransformersEngine(folder, settings, [2], lambda ids: json.dumps(ids), device="cpu")
    engine.model.to(torch.bfloat16 if args.bf16 else torch.float32)
    size = engine.model.config.get_text_config().vocab_size
    # Random weights rarely end an answer: one token of 40 does, so that lengths spread.
    engine.stop_ids = sorted({2, *range(0, size, 40)}) if shape == "skewed" else [2]
    lengths = [48 if shape == "equal" else rng.randint(5, 244) for _ in range(args.prompts)]
    rows = [[rng.randrange(3, size) for _ in range(length)] for length in lengths]
    stops, new = engine.stop_ids, args.new_tokens

    def plain() -> Ids:
        parts = [rows[at : at + args.batch] for at in range(0, len(rows), args.batch)]
        return [ids for part in parts for ids in generate(engine.model, part, stops, new)]

    ways: dict[str, Callable[[], Ids]] = {
        "one at a time": lambda: [generate(engine.model, [row], stops, new)[0] for row in rows],
        "plain batches": plain,
        "babelmix": lambda: [
            json.loads(c.text) for c in engine.complete([Prompt(r) for r in rows], lambda n: None)
        ],
        "continuous batching": lambda: continuous(engine.model, rows, stops, new),
    }
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    same: dict[str, int] = {}
    right: Ids = []
    generate(engine.model, rows[:1], stops, 2)  # warm
    for _ in range(args.rounds):
        for name, way in ways.items():
            began = time.process_time()
            found = way()
            speeds[name].append(sum(map(len, found)) / (time.process_time() - began))
            right = right or found
            same[name] = sum(a == b for a, b in zip(found, right, strict=True))
    first = statistics.median(speeds["one at a time"])
    for name, values in speeds.items():
        value = statistics.median(values)
        line = {"shape": shape, "way": name, "tokens_per_cpu_s": round(value, 1)}
        line |= {"ratio": round(value / first, 2), "tokens": sum(map(len, right))}
        print(json.dumps(line | {"same": same[name], "of": len(rows)}), flush=True)


if __name__ == "__main__":
    main()
