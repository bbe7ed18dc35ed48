"""Training speed against peers: steps interleaved in one process, same model, rows and labels.

    make bench-train                      (or python -m tests.bench.training --data DATA)

Needs trl, in a virtual environment of its own so that this project's pins stay, and the folder of
real data. On a CPU the clock is processor time and there is one thread: other work on the machine
then moves all variants alike.

Every variant sees the same rows as often; compared are forward and backward passes over its own
micro-batches, with an AdamW step after about as many useful tokens in each (useful: tokens of rows,
not padding).
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments
from trl import SFTConfig, SFTTrainer

from babelmix.config.training import Recipe
from babelmix.resources import RESOURCES
from babelmix.train.attention import fastest_attention
from babelmix.train.batches import Collator, Scheduled, attention_for
from babelmix.train.chat import Formatter, load_tokenizer
from babelmix.train.data import Rows
from babelmix.train.loop import MixtureTrainer, training_arguments
from babelmix.train.quiet import quieten
from babelmix.train.schedule import plan_schedule, total_steps
from babelmix.train.settings import lay_out
from tests.peak import peak_mb

LENGTH = 2048
BATCH = 8
RATE = 1e-3
ON_GPU = torch.cuda.is_available()
SCRATCH = "/tmp/bench-train"
Batches = Iterator[dict[str, Any]]


def read_rows(data: Path, each: int, seed: int) -> tuple[list[dict[str, list[int]]], Any]:
    """``each`` rows of LIMA, Alpaca and Dolly, tokenised and masked by our own template."""
    names = (
        "lima/train.llamafactory.json",
        "alpaca/alpaca_5k.alpagasus_claude_t45.json",
        "dolly/dolly_3k.alpagasus.json",
    )
    tokenizer = load_tokenizer(RESOURCES / "demo/base")
    formatter = Formatter(tokenizer)
    rng = np.random.default_rng(seed)
    chosen = []
    for source in (json.loads((data / name).read_text(encoding="utf-8")) for name in names):
        kept: list[dict[str, list[int]]] = []
        for i in rng.permutation(len(source)):
            encoded = formatter.encode(chat_of(source[i]), LENGTH, "token")
            if len(kept) < each and not encoded.note.startswith("refused"):
                kept.append({"input_ids": encoded.input_ids, "labels": encoded.labels})
        chosen += kept
    return [chosen[i] for i in rng.permutation(len(chosen))], tokenizer


def chat_of(row: dict[str, Any]) -> list[dict[str, str]]:
    """Messages of an Alpaca-shaped row; LIMA's earlier turns are under ``history``."""
    question = "\n\n".join(part for part in (row["instruction"], row.get("input")) if part)
    pairs = [*row.get("history", []), (question, row["output"])]
    names = ("user", "assistant")
    return [{"role": n, "content": t} for pair in pairs for n, t in zip(names, pair, strict=True)]


def build_model(hidden: int, layers: int, vocabulary: int) -> Any:
    """The same random Llama every time."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=8 * hidden // 3 // 16 * 16,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 64,
        num_key_value_heads=max(1, hidden // 128),
        max_position_embeddings=LENGTH,
        tie_word_embeddings=True,
        use_cache=False,
    )
    config._attn_implementation = "sdpa"
    return LlamaForCausalLM(config)


class Variant:
    """One way to train: a trainer, its micro-batches of some passes, and what they cost."""

    def __init__(self, name: str, trainer: Any, batches: Callable[[], Batches]) -> None:
        self.name, self.trainer, self.one_pass = name, trainer, batches
        self.batches: Batches = iter(())
        self.model = trainer.model
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=RATE, weight_decay=0.0, fused=True
        )
        trainer.optimizer = self.optimizer
        trainer.current_gradient_accumulation_steps = 1
        self.useful = self.slots = 0
        self.spent = 0.0

    def begin(self, passes: int) -> None:
        """Go through all rows so many times from now on."""
        self.batches = itertools.chain.from_iterable(self.one_pass() for _ in range(passes))

    def run(self, batch: dict[str, Any], tokens: int) -> None:
        """Forward and backward of one micro-batch of a step of about ``tokens``."""
        # A loss per trained token of the step, in every variant: about half of the tokens.
        self.trainer.training_step(self.model, batch, torch.tensor(max(1, tokens // 2)))

    def step(self, tokens: int) -> float | None:
        """One optimizer step over at least ``tokens`` useful tokens, or those that are left;
        returns useful tokens/s, None when no rows are left."""
        start, useful = clock(), 0
        for batch in self.batches:
            self.run(batch, tokens)
            useful += useful_tokens(batch)
            self.slots += batch["input_ids"].numel()
            if useful >= tokens:
                break
        if not useful:
            return None
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        spent = clock() - start
        self.useful, self.spent = self.useful + useful, self.spent + spent
        return useful / spent


def clock() -> float:
    """Processor seconds on a CPU, seconds on a GPU."""
    if ON_GPU:
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def useful_tokens(batch: dict[str, Any]) -> int:
    """Tokens of rows; padding is not work."""
    mask = batch.get("attention_mask")
    return int(mask.sum()) if mask is not None else batch["input_ids"].numel()


def trl_variant(name: str, rows: list[Any], model: Any, tokenizer: Any, **changes: Any) -> Variant:
    """SFTTrainer as published, given our token ids and labels; its own batches and loss."""
    settings: dict[str, Any] = {
        "output_dir": SCRATCH,
        "per_device_train_batch_size": BATCH,
        "max_length": LENGTH,
        "use_cpu": not ON_GPU,
        "bf16": ON_GPU,
        "gradient_checkpointing": False,
        "report_to": "none",
        "disable_tqdm": True,
        "seed": 1,
    }
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(**settings | changes),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
    )
    return Variant(f"TRL: {name}", trainer, lambda: iter(trainer.get_train_dataloader()))


def fastchat_variant(rows: list[Any], model: Any, pad: int) -> Variant:
    """Study 1's trainer: transformers' own, every row padded to 2,048 on the right."""

    def collate(batch: list[Any]) -> dict[str, torch.Tensor]:
        def filled(name: str, value: int) -> torch.Tensor:
            return torch.tensor([r[name] + [value] * (LENGTH - len(r[name])) for r in batch])

        ids, labels = filled("input_ids", pad), filled("labels", -100)
        lengths = torch.tensor([len(r["labels"]) for r in batch])
        mask = (torch.arange(LENGTH) < lengths[:, None]).long()
        return {"input_ids": ids, "labels": labels, "attention_mask": mask}

    arguments = TrainingArguments(
        output_dir=SCRATCH,
        per_device_train_batch_size=2,
        use_cpu=not ON_GPU,
        bf16=ON_GPU,
        remove_unused_columns=False,
        report_to=[],
        disable_tqdm=True,
    )
    trainer = Trainer(model=model, args=arguments, train_dataset=rows, data_collator=collate)
    name = "FastChat's way: padded to 2,048, batch 2"
    return Variant(name, trainer, lambda: iter(trainer.get_train_dataloader()))


def our_variant(rows: list[Any], model: Any, pad: int) -> Variant:
    """The trainer of this project, as a recipe with packing sets it up."""
    settings = {"epochs": 1, "batch_size": 32, "learning_rate": RATE, "max_length": LENGTH}
    settings |= {"packing": True, "precision": "bf16" if ON_GPU else "fp32"}
    recipe = Recipe.model_validate(settings)
    arrays = Rows(
        np.concatenate([np.array(r["input_ids"], np.int32) for r in rows]),
        np.concatenate([np.array(r["labels"], np.int32) for r in rows]),
        np.cumsum([0, *(len(r["input_ids"]) for r in rows)]),
    )
    own = attention_for(model.config, packed=True, longest=recipe.max_length)
    model.set_attn_implementation(
        fastest_attention(own, model.config, packed=True, half=ON_GPU, on_gpu=ON_GPU)
    )
    steps = total_steps(len(rows), 1, None, recipe.batch_size)
    schedule = plan_schedule(arrays, steps, lay_out(recipe, 1, "bench"), 1)
    trainer = MixtureTrainer(
        recipe=recipe,
        steps=steps,
        model=model,
        args=training_arguments(recipe, 1, steps, 1, Path(SCRATCH), use_cpu=not ON_GPU),
        train_dataset=Scheduled(arrays, schedule.places, pad),
        data_collator=Collator(pad, packed=True),
    )
    return Variant("ours: packing: true", trainer, lambda: iter(trainer.get_train_dataloader()))


def peak_memory(work: Callable[[], object]) -> float:
    """MB that a piece of work adds at most to what is held before it."""
    if ON_GPU:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        work()
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    return peak_mb(work)


def held_out_loss(model: Any, rows: list[Any]) -> float:
    """Loss per trained token, row by row: the same sum for every variant."""
    total, count, attention = 0.0, 0, model.config._attn_implementation
    model.set_attn_implementation("sdpa")
    model.eval()
    with torch.no_grad():
        for row in rows:
            ids = torch.tensor([row["input_ids"]], device=model.device)
            target = torch.tensor(row["labels"], device=model.device)[1:]
            logits = model(input_ids=ids, use_cache=False).logits[0, :-1].float()
            total += float(torch.nn.functional.cross_entropy(logits, target, reduction="sum"))
            count += int((target != -100).sum())
    model.train()
    model.set_attn_implementation(attention)
    return total / count


def make_variants(args: argparse.Namespace, rows: list[Any], tokenizer: Any) -> dict[str, Variant]:
    """All variants, each with a model of its own that begins with the same weights."""

    def model() -> Any:
        return build_model(args.hidden, args.layers, len(tokenizer))

    def trl(name: str, **changes: Any) -> Variant:
        return trl_variant(name, rows, model(), tokenizer, **changes)

    packed = {"packing": True, "packing_strategy": "bfd"}
    makers = {
        "fastchat": lambda: fastchat_variant(rows, model(), tokenizer.pad_token_id),
        "default": lambda: trl("padded, batch 8 (its default)"),
        "grouped": lambda: trl(
            "grouped by length, batch 8", train_sampling_strategy="group_by_length"
        ),
        "bfd-2": lambda: trl("packed (bfd), batch 2", per_device_train_batch_size=2, **packed),
        "bfd-1": lambda: trl("packed (bfd), batch 1", per_device_train_batch_size=1, **packed),
        "padding-free": lambda: trl("padding-free, batch 8", padding_free=True, max_length=None),
        "ours": lambda: our_variant(rows, model(), tokenizer.pad_token_id),
    }
    return {name: make() for name, make in makers.items() if name not in args.without}


def main() -> None:
    """Measure, and print a table; figures in full go to a JSON file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of real data")
    parser.add_argument("--each", type=int, default=10, help="rows of each of three sources")
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=2000, help="useful tokens of one step")
    parser.add_argument("--passes", type=int, default=1, help="over all rows")
    parser.add_argument("--dev", type=int, default=8, help="rows held out")
    parser.add_argument(
        "--without",
        nargs="*",
        default=[],
        choices=["fastchat", "grouped", "bfd-2", "bfd-1", "padding-free"],
        help="peers to leave out, of a large model",
    )
    parser.add_argument("--output", type=Path, help="JSON of the figures")
    args = parser.parse_args()
    torch.set_num_threads(1)
    quieten()
    rows, tokenizer = read_rows(args.data, args.each, seed=1)
    rows, dev = rows[: -args.dev], rows[-args.dev :]
    lengths = [len(r["input_ids"]) for r in rows]
    variants = make_variants(args, rows, tokenizer)
    size = sum(p.numel() for p in variants["ours"].model.parameters())
    print(
        f"{len(rows)} rows, {sum(lengths)} tokens, median {statistics.median(lengths):.0f}, "
        f"longest {max(lengths)}; {size / 1e6:.1f} M parameters",
        flush=True,
    )
    memory = {}
    for variant in variants.values():  # in no variant's time: the first pass of anything is slow
        first = next(variant.one_pass())
        memory[variant.name] = peak_memory(lambda v=variant, b=first: v.run(b, args.tokens))
        variant.optimizer.zero_grad()
        variant.begin(args.passes)
    left = list(variants.values())
    while left:
        for variant in list(left):
            speed = variant.step(args.tokens)
            if speed is None:
                left.remove(variant)
            else:
                print(f"{variant.name}: {speed:.0f} useful tokens/s", flush=True)
    report(variants, memory, dev, args.output)


def report(
    variants: dict[str, Variant], memory: dict[str, float], dev: list[Any], output: Path | None
) -> None:
    """The table, in ratios to TRL's default."""
    base = variants["default"].useful / variants["default"].spent
    table = {}
    for name, v in variants.items():
        speed = v.useful / v.spent
        line = {
            "variant": v.name,
            "tokens_per_s": round(speed, 1),
            "ratio": round(speed / base, 2),
            "slots_used": round(v.useful / v.slots, 3),
            "peak_mb": round(memory[v.name]),
            "useful_tokens": v.useful,
            "dev_loss": round(held_out_loss(v.model, dev), 4),
        }
        table[name] = line
        print("| " + " | ".join(str(x) for x in line.values()) + " |", flush=True)
    ours = table["ours"]["tokens_per_s"]
    for name, line in table.items():
        if name != "ours":
            print(f"ours: {ours / line['tokens_per_s']:.2f} x {line['variant']}")
    if output is not None:
        output.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
