"""Models of real shapes with random weights, and rows: nothing is read from outside this checkout.

On a CPU the same things are tiny. Functions import torch and transformers themselves.
"""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .runner import Context

BASE = Path("resources/demo/base")
#: Llama-3.2-1B's shape, and SmolLM2-135M's.
LARGE = {
    "vocab_size": 128_256,
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_hidden_layers": 16,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 64,
}
SMALL = {
    "vocab_size": 49_152,
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "head_dim": 64,
}
TINY = {
    "vocab_size": 4096,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
}


def config_of(shape: dict[str, int], length: int = 2048) -> Any:
    """A Llama's configuration, its output layer tied as in the small models of that family."""
    from transformers import LlamaConfig

    return LlamaConfig(
        **shape,
        max_position_embeddings=length,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )


def build(context: Context, shape: dict[str, int], dtype: str = "float32", **given: Any) -> Any:
    """The same random model every time, made on the device."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, dtype))
    try:
        with torch.device(context.device):
            model = AutoModelForCausalLM.from_config(config_of(shape), **given)
    finally:
        torch.set_default_dtype(before)
    model.config.use_cache = False
    return model


def lengths_of(count: int, longest: int, seed: int = 0) -> list[int]:
    """Lengths as instruction data has them: a sixth of the longest in the median, a long tail."""
    rng = random.Random(seed)
    drawn = (int(longest / 6 * rng.lognormvariate(0.0, 0.9)) for _ in range(count))
    return [max(8, min(longest, length)) for length in drawn]


def rows_of(lengths: list[int], vocabulary: int, seed: int = 0) -> list[dict[str, Any]]:
    """Random rows whose second half is trained on."""
    import numpy as np

    rng, rows = np.random.default_rng(seed), []
    for length in lengths:
        ids = rng.integers(3, vocabulary, length).astype(np.int32)
        labels = ids.copy()
        labels[: length // 2] = -100
        rows.append({"input_ids": ids, "labels": labels})
    return rows


def relative(found: Any, wanted: Any) -> float:
    """L2 norm of a difference in norms of what is wanted."""
    found, wanted = found.detach().float(), wanted.detach().float()
    return float((found - wanted).norm() / wanted.norm().clamp(min=1e-12))


def verb(*words: object) -> None:
    """Run one verb of the command line in this process."""
    from babelmix.cli import main

    status = main([str(word) for word in words])
    if status:
        raise RuntimeError(f"{words[0]} ended with status {status}")


def verb_command(*words: object) -> list[str]:
    """The command line of one verb as a process of its own."""
    return [sys.executable, "-m", "babelmix", *(str(word) for word in words)]


def settings_of(spec: dict[str, Any]) -> list[str]:
    """A job's settings as a rule passes them."""
    from babelmix.options import as_options

    return ["--set", *as_options(spec).values()]


def run_verb(*words: object, seconds: float) -> None:
    """Run one verb as a process of its own; its output goes to the step's log."""
    subprocess.run(verb_command(*words), check=True, timeout=seconds, stdin=subprocess.DEVNULL)


class Study:
    """A prepared model, tokenised rows and a mixture, made by the verbs."""

    def __init__(
        self,
        context: Context,
        shape: dict[str, int] | None,
        *,
        template: str = "own",
        rows: int = 48,
        dev: int = 8,
        max_length: int = 256,
        chats: list[tuple[str, str]] | None = None,
    ) -> None:
        self.context, self.root, self.max_length = context, context.folder, max_length
        base = BASE
        if shape is not None:
            base = self.root / "base"
            build(context, shape).to("cpu").save_pretrained(base)
            for path in [*BASE.glob("tokenizer*"), BASE / "chat_template.jinja"]:
                shutil.copyfile(path, base / path.name)
        self.model = {"path": str(base), "chat_template": template, "device": context.device}
        self.prepared = self.root / "models" / "m"
        spec = {"version": 1, "name": "m", "model": self.model}
        verb("prepare-model", *settings_of(spec), "--folder", self.prepared, "--output",
             self.root / "models" / "m.json")  # fmt: skip
        self._write_rows(chats or demo_chats(rows), dev)

    def _write_rows(self, chats: list[tuple[str, str]], dev: int) -> None:
        import pyarrow as pa

        from babelmix.io import write_records, write_table
        from babelmix.records import Conversation, Message

        rows = [
            Conversation(f"c-{i}", "en", "d", "s", [Message("user", q), Message("assistant", a)])
            for i, (q, a) in enumerate(chats)
        ]
        write_records(self.root / "d.en.parquet", rows, Conversation)
        spec = {"version": 1, "dataset": "d", "lang": "en", "system_prompt": ""}
        spec |= {"max_length": self.max_length, "truncation": "token"}
        verb("tokenise", *settings_of(spec), "--conversations", self.root / "d.en.parquet",
             "--model", self.prepared, "--output", self.root / "tokenised.parquet",
             "--manifest", self.root / "tokenised.json")  # fmt: skip
        ids = [row.id for row in rows]
        split = ["dev" if i < dev else "train" for i in range(len(ids))]
        table = pa.table({"id": ids, "lang": ["en"] * len(ids), "split": split})
        write_table(self.root / "mixture.parquet", table)

    def words(self, name: str, **recipe: Any) -> list[object]:
        """Command line of a training called ``name``."""
        settings: dict[str, Any] = {
            "batch_size": 8,
            "micro_batch_size": 4,
            "learning_rate": 1e-3,
            "max_length": self.max_length,
            "precision": "fp32",
            "packing": True,
            "checkpoint_steps": 1000,
            "fused_kernels": False,
        }
        out = self.root / name
        model = self.model | {"gpus": int(self.context.on_gpu)}
        spec = {"version": 1, "run": name, "model_name": "m", "model": model, "mixture": "m"}
        spec |= {"recipe": settings | recipe, "seed": 3}
        return [
            "train", *settings_of(spec), "--mixture", self.root / "mixture.parquet",
            "--tokenised", self.root / "tokenised.parquet", "--model", self.prepared,
            "--work", out / "work", "--folder", out / "result",
            "--metrics", out / "metrics.jsonl", "--completed", out / "done.json",
        ]  # fmt: skip

    def metrics(self, name: str) -> list[dict[str, Any]]:
        """A training's metrics."""
        text = (self.root / name / "metrics.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    def losses(self, name: str) -> list[float]:
        """A training's losses, one per step."""
        return [row["loss"] for row in self.metrics(name) if "loss" in row]

    def answer(self, name: str, questions: list[str], **generation: Any) -> list[Any]:
        """The answers of a training's result, by the verb."""
        from babelmix.io import read_records, write_records
        from babelmix.records import Answer, Question

        asked = [Question(f"q-{i:03}", "en", "c", [text]) for i, text in enumerate(questions)]
        write_records(self.root / "questions.parquet", asked, Question)
        engine = generation.get("engine", "transformers")
        output = self.root / f"{name}.{engine}.parquet"
        spec = {"version": 1, "run": name, "benchmark": "b", "languages": ["en"]}
        spec |= {"device": self.context.device, "trust_remote_code": False, "system_prompts": {}}
        spec |= {"generation": {"temperature": 0.0, **generation}}
        verb("answer", *settings_of(spec), "--questions", self.root / "questions.parquet",
             "--checkpoint", self.root / name / "result",
             "--completed", self.root / name / "done.json", "--output", output)  # fmt: skip
        return sorted(read_records(output, Answer), key=lambda answer: answer.question_id)


def demo_chats(count: int) -> list[tuple[str, str]]:
    """Questions and answers of the demo's own data, in five languages."""
    lines = Path("resources/demo/instructions.jsonl").read_text(encoding="utf-8").splitlines()
    pairs = []
    for row in map(json.loads, lines):
        question, answer = row["turns"][:2]
        pairs += [(question[code], answer[code]) for code in ("en", "de", "fr", "it", "es")]
    random.Random(0).shuffle(pairs)
    return [pairs[i % len(pairs)] for i in range(count)]


@contextlib.contextmanager
def half_precision(context: Context) -> Iterator[None]:
    """Autocast to bfloat16, as a recipe without DeepSpeed trains."""
    import torch

    with torch.autocast(context.device, torch.bfloat16):
        yield
