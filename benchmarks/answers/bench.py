#!/usr/bin/env python3
"""Answering on the CPU: ours, one prompt at a time, plain batches, transformers' own scheduler.

    python benchmarks/answers/bench.py --model FOLDER --questions question.jsonl

The same greedy prompts (first turns of a question file, in the model's chat template) through all
four, one after the other in one process, in fp32, one thread; the scheduler is `generate_batch`
(continuous batching). Prints tokens a second, the ratio to one at a time, and how many of the texts
are the same.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "workflow"))


def generate(model: Any, rows: list[list[int]], stops: list[int], new: int) -> list[list[int]]:
    """One call of `generate` on left-padded rows; each row cut at its first stop token."""
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


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--model", required=True, type=Path)
    parser.add_argument("--questions", required=True, type=Path)
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--batch", type=int, default=8)
    args = parser.parse_args()
    from babelmix.answer.batches import Prompt
    from babelmix.answer.engine import TransformersEngine
    from babelmix.config.evaluation import Generation
    from babelmix.train.chat import Formatter, load_tokenizer

    formatter, tokenizer = Formatter.load(args.model), load_tokenizer(args.model)
    stops = sorted({formatter.end_of_turn_id(), tokenizer.eos_token_id})
    lines = args.questions.read_text(encoding="utf-8").splitlines()
    asked = [json.loads(line)["turns"][0] for line in lines]
    chats = [[{"role": "user", "content": text}] for text in asked[:: len(asked) // args.count]]
    rows = [formatter.tokens(formatter.render(chat, prompt=True)) for chat in chats[: args.count]]

    def decode(ids: list[int]) -> str:
        return str(tokenizer.decode(ids, skip_special_tokens=True)).strip()

    settings = Generation(max_new_tokens=args.new_tokens, batch_tokens=4096)
    engine = TransformersEngine(args.model, settings, stops, decode, device="cpu")
    engine.model.float()
    generate(engine.model, rows[:1], stops, 4)  # warm

    def single() -> list[tuple[str, int]]:
        found = [generate(engine.model, [row], stops, args.new_tokens)[0] for row in rows]
        return [(decode(ids), len(ids)) for ids in found]

    def plain() -> list[tuple[str, int]]:
        found = []
        for at in range(0, len(rows), args.batch):
            found += generate(engine.model, rows[at : at + args.batch], stops, args.new_tokens)
        return [(decode(ids), len(ids)) for ids in found]

    def continuous() -> list[tuple[str, int]]:
        from transformers import GenerationConfig

        config = GenerationConfig(
            max_new_tokens=args.new_tokens,
            do_sample=False,
            eos_token_id=stops,
            pad_token_id=stops[0],
        )
        done = engine.model.generate_batch(inputs=rows, generation_config=config)
        order = sorted(done.values(), key=lambda o: int(o.request_id.rpartition("_")[2]))
        found = [[t for t in o.generated_tokens if t not in stops] for o in order]
        return [(decode(ids), len(ids)) for ids in found]

    def ours() -> list[tuple[str, int]]:
        done = engine.complete([Prompt(row) for row in rows], lambda n: None)
        return [(c.text, c.n_tokens) for c in done]

    first: list[tuple[str, int]] = []
    ways = {"one at a time": single, "plain batches": plain, "babelmix": ours}
    for name, way in (ways | {"continuous batching": continuous}).items():
        wall, cpu = time.monotonic(), time.process_time()
        found = way()
        wall, cpu = time.monotonic() - wall, time.process_time() - cpu
        tokens = sum(n for _, n in found)
        first = first or [(name, tokens / cpu), *found]  # type: ignore[list-item]
        print(
            json.dumps(
                {
                    "way": name,
                    "prompts": len(found),
                    "tokens": tokens,
                    "wall_s": round(wall, 1),
                    "cpu_s": round(cpu, 1),
                    "tokens_a_cpu_second": round(tokens / cpu, 1),
                    "ratio": round(tokens / cpu / first[0][1], 2),
                    "same_texts": sum(a[0] == b[0] for a, b in zip(found, first[1:], strict=True)),
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
