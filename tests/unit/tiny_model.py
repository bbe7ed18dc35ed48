"""A tiny random Llama with a tokenizer, made in a second: what the training tests train."""

from __future__ import annotations

import functools
import json
import random
import sys
from pathlib import Path
from typing import Any

from tests.options import as_options

from babelmix.config.training import Recipe
from babelmix.train.base_data import train_tokenizer

WORDS = ("the", "a", "cat", "dog", "runs", "sees", "blue", "house", "tree", "and", "or", "river")
VOCABULARY = 400


#: Sizes of a tiny model of any architecture, with the special tokens of `tokenizer`.
SMALL: dict[str, Any] = {
    "vocab_size": 400,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}


@functools.cache
def tokenizer() -> Any:
    """A byte-level BPE tokenizer of 400 tokens with the base model's template."""
    rng = random.Random(0)
    texts = [" ".join(rng.choices(WORDS, k=12)) + ". Grüße: 12\n" for _ in range(200)]
    return train_tokenizer(texts, vocab_size=VOCABULARY, context=256)


def build(folder: Path, template: str | None = None, seed: int = 0) -> Path:
    """Save the random model and its tokenizer into ``folder``."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    if template is not None:
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    return folder


def sentence(rng: random.Random, least: int = 3, most: int = 10) -> str:
    """A few random words."""
    return " ".join(rng.choices(WORDS, k=rng.randint(least, most)))


def chat(seed: int, turns: int = 1) -> list[dict[str, str]]:
    """A conversation of ``turns`` questions and answers."""
    rng = random.Random(seed)
    messages = []
    for _ in range(turns):
        messages.append({"role": "user", "content": sentence(rng)})
        messages.append({"role": "assistant", "content": sentence(rng)})
    return messages


def write_study(
    folder: Path, rows: int = 40, dev: int = 8, langs: tuple[str, ...] = ("en", "de"), **build_: Any
) -> dict[str, Path | list[Path]]:
    """A prepared model, tokenised files and a mixture: what the train verb reads."""
    import pyarrow as pa

    from babelmix.config.training import Model
    from babelmix.io import write_json, write_table
    from babelmix.records import Conversation, Message
    from babelmix.train.chat import Formatter
    from babelmix.train.prepare import prepare_model
    from babelmix.train.tokenise import to_table, tokenise

    build(folder / "base", **build_)
    record = prepare_model("tiny", Model(path=str(folder / "base")), folder / "models" / "tiny")
    write_json(folder / "models" / "tiny.json", record)
    formatter = Formatter.load(folder / "models" / "tiny")
    files = []
    for number, lang in enumerate(langs):
        conversations = [
            Conversation(
                f"c-{i}", lang, "d", "s", [Message(**m) for m in chat(1000 * number + i, 1 + i % 2)]
            )
            for i in range(rows)
        ]
        files.append(folder / f"d.{lang}.parquet")
        write_table(files[-1], to_table(conversations, tokenise(conversations, formatter, 64)))
    mixture = {
        "id": [f"c-{i}" for i in range(rows)],
        "lang": [langs[i % len(langs)] for i in range(rows)],
        "split": ["dev" if i < dev else "train" for i in range(rows)],
    }
    write_table(folder / "mixture.parquet", pa.table(mixture))
    return {
        "model": folder / "models" / "tiny",
        "tokenised": files,
        "mixture": folder / "mixture.parquet",
    }


def train_arguments(study: dict[str, Any], out: Path, recipe_: Recipe, *more: str) -> list[str]:
    """Command line of one training of a study, after the verb's name."""
    spec = {
        "version": 1,
        "run": out.name,
        "model_name": "tiny",
        "model": {"path": "base", "device": "cpu"},
        "mixture": "m",
        "recipe": recipe_.model_dump(mode="json"),
        "seed": 3,
    }
    words = [*as_options(json.dumps(spec)), "--mixture", str(study["mixture"])]
    words += ["--tokenised", *map(str, study["tokenised"]), "--model", str(study["model"])]
    words += ["--work", str(out / "work"), "--folder", str(out / "result")]
    words += ["--metrics", str(out / "metrics.jsonl"), "--completed", str(out / "done.json")]
    return [*words, *more]


def train_in_this_process(study: dict[str, Any], out: Path, recipe_: Recipe) -> None:
    """Run the verb `train` beside other tests.

    The verb hides PEFT from its process where it needs none. A process that has asked transformers
    for it before, as other tests may, cannot do without any more.
    """
    from babelmix.cli import main

    if sys.modules.get("peft", "") is None:
        del sys.modules["peft"]
    import peft  # noqa: F401

    assert main(["train", *train_arguments(study, out, recipe_)]) == 0


def recipe(**changes: Any) -> Recipe:
    """A recipe for a few steps on the tiny model."""
    settings: dict[str, Any] = {
        "epochs": 2,
        "batch_size": 8,
        "micro_batch_size": 4,
        "learning_rate": 3e-3,
        "max_length": 64,
        "precision": "fp32",
        "checkpoint_steps": 100,
    }
    settings |= changes
    if settings.get("max_steps"):
        settings.pop("epochs")
    return Recipe.model_validate_json(json.dumps(settings))
