"""Speed: ours and its peers on one model, one after the other in small turns."""

from __future__ import annotations

import importlib.util
import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

from .runner import Context
from .shapes import LARGE, TINY, build, half_precision, lengths_of, rows_of

Batch = dict[str, Any]


class Variant:
    """One way to train: an endless stream of micro-batches, and what runs one."""

    def __init__(
        self, name: str, batches: Iterator[Batch], run: Callable[[Batch], Any], attention: str
    ) -> None:
        self.name, self.batches, self.run, self.attention = name, batches, run, attention
        self.useful = self.slots = 0
        self.spent = self.flops = 0.0
        self.peak, self.problem = 0.0, ""


class Bench:
    """A model with its optimizer, shared by the variants: their speeds differ, not their work."""

    def __init__(self, context: Context) -> None:
        import torch

        from babelmix.train.memory import ModelShape, peak_flops

        self.context, self.torch = context, torch
        self.shape = LARGE if context.on_gpu else TINY
        self.length = 2048 if context.on_gpu else 64
        self.model = build(context, self.shape)
        self.model.train()
        self.rows = rows_of(lengths_of(256, self.length), self.shape["vocab_size"])
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-5, fused=context.on_gpu)
        name = torch.cuda.get_device_name() if context.on_gpu else ""
        self.peak_flops = peak_flops(name)
        self.parameters = sum(p.numel() for p in self.model.parameters())
        self.model_shape = ModelShape(
            self.parameters,
            self.shape["vocab_size"],
            self.shape["hidden_size"],
            self.shape["intermediate_size"],
            self.shape["num_hidden_layers"],
        )

    def clock(self) -> float:
        """Seconds, once the device has done what it was given."""
        if self.context.on_gpu:
            self.torch.cuda.synchronize()
        return time.perf_counter()

    def measure(self, variants: list[Variant], *, turns: int, tokens: int) -> list[dict[str, Any]]:
        """Let the variants take turns of about so many useful tokens and one optimizer step."""
        for variant in variants:  # the first of anything is slow
            self._turn(variant, 1, warm=True)
        for _ in range(turns):
            for variant in variants:
                if not variant.problem:
                    self._turn(variant, tokens)
        return [self._line(variant) for variant in variants]

    def _turn(self, variant: Variant, tokens: int, *, warm: bool = False) -> None:
        torch = self.torch
        self.model.set_attn_implementation(variant.attention)
        if self.context.on_gpu:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        useful = slots = 0
        flops = 0.0
        start = self.clock()
        try:
            while useful < tokens:
                batch = next(variant.batches)
                variant.run(batch).backward()
                useful, slots = useful + batch["useful"], slots + batch["input_ids"].numel()
                flops += batch["flops"]
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
        except torch.OutOfMemoryError:
            variant.problem = "out of memory"
        self.optimizer.zero_grad(set_to_none=True)
        spent = self.clock() - start
        if warm or variant.problem:
            return
        variant.useful, variant.slots = variant.useful + useful, variant.slots + slots
        variant.flops, variant.spent = variant.flops + flops, variant.spent + spent
        if self.context.on_gpu:
            variant.peak = max(variant.peak, torch.cuda.max_memory_allocated() / 1e9)

    def _line(self, variant: Variant) -> dict[str, Any]:
        if variant.problem or not variant.spent:
            return {"variant": variant.name, "tokens_per_s": variant.problem or "not measured"}
        line: dict[str, Any] = {
            "variant": variant.name,
            "tokens_per_s": round(variant.useful / variant.spent, 1),
            "slots_used": f"{100 * variant.useful / variant.slots:.0f} %",
        }
        if self.peak_flops is not None:
            line["mfu"] = round(variant.flops / variant.spent / self.peak_flops, 3)
        if variant.peak:
            line["peak_gb"] = round(variant.peak, 1)
        return line

    def _ready(self, batch: Batch, rows: list[dict[str, Any]]) -> Batch:
        import numpy as np

        lengths = np.array([len(row["input_ids"]) for row in rows])
        trained = np.array([int((row["labels"] != -100).sum()) for row in rows])
        flops = float(self.model_shape.training_flops(lengths, trained).sum())
        moved = {k: v.to(self.context.device) if hasattr(v, "to") else v for k, v in batch.items()}
        return moved | {"useful": int(lengths.sum()), "flops": flops}

    def ours(self, name: str = "ours: packing: true", *, fused: bool = False) -> Variant:
        """Our collator, attention and loss, as a recipe with `packing: true` trains."""
        from babelmix.train.attention import fastest_attention
        from babelmix.train.batches import Collator, attention_for
        from babelmix.train.loss import TokenLoss
        from babelmix.train.schedule import best_fit

        half = self.context.on_gpu
        own = attention_for(self.model.config, packed=True, longest=self.length)
        attention = fastest_attention(own, self.model.config, packed=True, half=half, on_gpu=half)
        collator, loss = Collator(0, packed=True), TokenLoss(self.model, fused=fused)
        groups = self._packed(best_fit, 4 * self.length)

        def batches() -> Iterator[Batch]:
            while True:
                for rows in groups:
                    yield self._ready(collator([rows]), rows)

        def run(batch: Batch) -> Any:
            inputs = {k: v for k, v in batch.items() if k not in ("useful", "flops")}
            with half_precision(self.context):
                total, count = loss(self.model, inputs)
            return total / count.clamp(min=1)

        return Variant(name, batches(), run, attention or "sdpa")

    def _packed(self, best_fit: Any, room: int) -> list[list[dict[str, Any]]]:
        import numpy as np

        order = sorted(self.rows, key=lambda row: -len(row["input_ids"]))
        lengths = np.array([len(row["input_ids"]) for row in order])
        return [[order[i] for i in group] for group in best_fit(lengths, room)]

    def _plain(self, batch: Batch) -> Any:
        """Transformers' own loss on whole logits."""
        names = ("input_ids", "labels", "attention_mask", "position_ids")
        inputs = {k: v for k, v in batch.items() if k in names}
        with half_precision(self.context):
            return self.model(**inputs, use_cache=False).loss

    def packed_peer(self, size: int) -> Variant:
        """TRL's packing as published (best fit into rows of the longest length, ``size`` of them
        flattened into one, apart by position ids), as a plain loop."""
        from babelmix.train.batches import Collator
        from babelmix.train.schedule import best_fit

        collator, packed = Collator(0, packed=True), self._packed(best_fit, self.length)
        groups = [
            list(itertools.chain.from_iterable(packed[at : at + size]))
            for at in range(0, len(packed), size)
        ]

        def batches() -> Iterator[Batch]:
            while True:
                for rows in groups:
                    batch = collator([rows])
                    kept = {k: batch[k] for k in ("input_ids", "labels", "position_ids")}
                    yield self._ready(kept, rows)

        name = f"TRL's way, packed, batch {size}: plain loop"
        return Variant(name, batches(), self._plain, "sdpa")

    def padded_peer(self, name: str, size: int, width: int | None) -> Variant:
        """Rows in batches, padded to the longest of each or to a fixed width."""
        import torch

        def batches() -> Iterator[Batch]:
            while True:
                for at in range(0, len(self.rows) - size + 1, size):
                    rows = self.rows[at : at + size]
                    longest = width or max(len(row["input_ids"]) for row in rows)
                    ids = torch.zeros((size, longest), dtype=torch.long)
                    labels = torch.full_like(ids, -100)
                    mask = torch.zeros_like(ids)
                    for i, row in enumerate(rows):
                        n = len(row["input_ids"])
                        ids[i, :n] = torch.from_numpy(row["input_ids"].astype("int64"))
                        labels[i, :n] = torch.from_numpy(row["labels"].astype("int64"))
                        mask[i, :n] = 1
                    batch = {"input_ids": ids, "labels": labels, "attention_mask": mask}
                    yield self._ready(batch, rows)

        return Variant(name, batches(), self._plain, "sdpa")


def _turns(context: Context) -> dict[str, int]:
    return {"turns": 4, "tokens": 16_000} if context.on_gpu else {"turns": 2, "tokens": 300}


def training(context: Context) -> dict[str, Any]:
    """Tokens per second, MFU and peak memory of ours, TRL's and FastChat's ways, interleaved."""
    bench = Bench(context)
    variants = [
        bench.ours(),
        *trl_packed(bench),
        bench.packed_peer(1),
        bench.packed_peer(4),
        bench.padded_peer("TRL's way, padded, batch 8: plain loop", 8, None),
        bench.padded_peer(f"FastChat's way: padded to {bench.length:,}, batch 2", 2, bench.length),
    ]
    table = bench.measure(variants, **_turns(context))
    speeds = [row["tokens_per_s"] for row in table if isinstance(row["tokens_per_s"], float)]
    best = max(speeds[1:], default=0.0)
    return {
        "parameters": bench.parameters,
        "attention": variants[0].attention,
        "ours_over_best_peer": round(speeds[0] / best, 2) if best else None,
        "table": table,
    }


def trl_packed(bench: Bench) -> list[Variant]:
    """TRL's own trainer, packed, where it is installed: its batches, its loss."""
    if importlib.util.find_spec("trl") is None or importlib.util.find_spec("datasets") is None:
        return []
    from babelmix.train.chat import load_tokenizer

    from ..bench.training import trl_variant
    from .shapes import BASE

    rows = [{k: row[k].tolist() for k in ("input_ids", "labels")} for row in bench.rows]
    changes = {"packing": True, "packing_strategy": "bfd", "per_device_train_batch_size": 1}
    made = trl_variant(
        "packed (bfd)", rows, bench.model, load_tokenizer(BASE), max_length=bench.length, **changes
    )

    def batches() -> Iterator[Batch]:
        while True:
            for batch in made.one_pass():
                useful = batch["input_ids"].numel()
                share = useful / sum(len(row["input_ids"]) for row in bench.rows)
                flops = share * bench._ready({}, bench.rows)["flops"]
                yield batch | {"useful": useful, "flops": flops}

    def run(batch: Batch) -> Any:
        inputs = {k: v for k, v in batch.items() if k not in ("useful", "flops")}
        with made.trainer.compute_loss_context_manager():
            return made.trainer.compute_loss(bench.model, inputs)

    return [Variant("TRL: packed (bfd), its own trainer", batches(), run, "sdpa")]


def liger(context: Context) -> dict[str, Any]:
    """Ours with Liger's fused loss, norms and feed-forward layers, against ours without."""
    import liger_kernel  # noqa: F401

    from babelmix.train.fused import fuse_layers

    bench = Bench(context)
    table = bench.measure([bench.ours("ours, plain layers")], **_turns(context))
    fuse_layers(bench.model)
    table += bench.measure([bench.ours("ours, Liger", fused=True)], **_turns(context))
    return {"table": table}


def compiled(context: Context) -> dict[str, Any]:
    """Ours through torch.compile, layer by layer: tried, and its time to compile recorded."""
    if not context.on_gpu:
        from .runner import Skip

        raise Skip("torch.compile is tried on a GPU alone")
    bench = Bench(context)
    plain = bench.measure([bench.ours("ours")], **_turns(context))
    for layer in bench.model.model.layers:
        layer.compile(dynamic=True)
    start = time.perf_counter()
    variant = bench.ours("ours, compiled")
    for _ in range(3):  # compiles for what changes from batch to batch
        bench._turn(variant, 1, warm=True)
    seconds = time.perf_counter() - start
    table = plain + bench.measure([variant], **_turns(context))
    return {"seconds_to_compile": round(seconds, 1), "table": table}


def answering(context: Context) -> dict[str, Any]:
    """Tokens per second of answers: batches against one prompt at a time."""
    import numpy as np

    from babelmix.answer.batches import Prompt
    from babelmix.answer.engine import TransformersEngine
    from babelmix.config.evaluation import Generation

    shape = LARGE if context.on_gpu else TINY
    folder = context.folder / "model"
    build(context, shape, "bfloat16" if context.on_gpu else "float32").save_pretrained(folder)
    new = 128 if context.on_gpu else 16
    settings = Generation(max_new_tokens=new, batch_tokens=65_536 if context.on_gpu else 1024)
    engine = TransformersEngine(folder, settings, [2], lambda ids: " ".join(map(str, ids)),
                                device=context.device)  # fmt: skip
    rng = np.random.default_rng(0)
    lengths = lengths_of(64 if context.on_gpu else 8, 512 if context.on_gpu else 48)
    prompts = [Prompt(rng.integers(3, shape["vocab_size"], n).tolist()) for n in lengths]
    engine.complete(prompts[:2], lambda _: None)
    table = []
    few = prompts[: 4 if context.on_gpu else 3]
    for name, groups in (("batches", [prompts]), ("one at a time", [[p] for p in few])):
        start = time.perf_counter()
        found = [c for group in groups for c in engine.complete(group, lambda _: None)]
        spent = time.perf_counter() - start
        tokens = sum(c.n_tokens for c in found)
        speed = round(tokens / spent, 1)
        table.append({"way": name, "prompts": len(found), "tokens_per_s": speed})
    return {"table": table}
