"""A tiny random Llama with a tokenizer, made in a second: what the training tests train."""

from __future__ import annotations

import functools
import json
import random
from pathlib import Path
from typing import Any

from babelmix.config.training import Recipe
from babelmix.train.base_data import train_tokenizer

WORDS = "the a cat dog runs sees blue green house tree and or river little big says hello".split()
VOCABULARY = 400


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
