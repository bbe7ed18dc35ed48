"""New and never-seen control tokens: distinct rows, trained under LoRA, merged into the export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tiny_model
from tiny_model import SMALL

from babelmix.config.training import Model
from babelmix.io import read_json, write_json, write_table
from babelmix.records import Conversation, Message
from babelmix.resources import RESOURCES
from babelmix.train.chat import Formatter
from babelmix.train.prepare import prepare_model
from babelmix.train.tokenise import to_table, tokenise
from babelmix.train.vocabulary import untrained_rows

#: Names and ties of the vocabulary's matrices differ; Gemma's input rows are scaled as they pass.
SHAPES: dict[str, dict[str, Any]] = {
    "llama": {"tie_word_embeddings": False},
    "gpt_neox": {"num_key_value_heads": None},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256},
    "gemma3_text": {"head_dim": 8},
}


def random_model(kind: str, folder: Path) -> Path:
    """A random model of an architecture, with the tiny tokenizer."""
    import torch
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    settings = {k: v for k, v in (SMALL | SHAPES[kind]).items() if v is not None}
    if kind == "gpt2":
        settings = {k: v for k, v in settings.items() if k[:2] == "n_" or "token_id" in k} | {
            "vocab_size": 400
        }
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(CONFIG_MAPPING[kind](**settings))
    model.save_pretrained(folder)
    tiny_model.tokenizer().save_pretrained(folder)
    return folder


def train(base: Path, out: Path, rows: int = 32, **recipe: Any) -> dict[str, Any]:
    """Prepare for chatml and train with adapters on `say X` -> `X`; the prepared model's record."""
    import pyarrow as pa

    model = out / "models" / "tiny"
    record = prepare_model("tiny", Model(path=str(base), chat_template="chatml"), model)
    write_json(out / "models" / "tiny.json", record)
    chats = [
        [
            {"role": "user", "content": f"say {tiny_model.WORDS[i % 12]}"},
            {"role": "assistant", "content": tiny_model.WORDS[i % 12]},
        ]
        for i in range(rows)
    ]
    conversations = [
        Conversation(f"c-{i}", "en", "d", "s", [Message(**m) for m in chat])
        for i, chat in enumerate(chats)
    ]
    encoded = tokenise(conversations, Formatter.load(model), 64)
    write_table(out / "d.en.parquet", to_table(conversations, encoded))
    ids = [conversation.id for conversation in conversations]
    mixture = pa.table({"id": ids, "lang": ["en"] * rows, "split": ["train"] * rows})
    write_table(out / "mixture.parquet", mixture)
    study: dict[str, Any] = {
        "model": model,
        "tokenised": [out / "d.en.parquet"],
        "mixture": out / "mixture.parquet",
    }
    settings = {"lora": {"rank": 8}, "batch_size": 16, "micro_batch_size": 16} | recipe
    tiny_model.train_in_this_process(study, out / "run", tiny_model.recipe(**settings))
    return record


def matrices(folder: Path) -> list[Any]:
    """Input and output rows of a model, in float32."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return [layer.weight for layer in (model.get_input_embeddings(), model.get_output_embeddings())]


def test_adapters_on_chatml_learn_to_stop(tmp_path: Path) -> None:
    """The demo's base has no ChatML tokens: before, 0 of 20 answers stopped."""
    import torch
    from transformers import AutoModelForCausalLM

    record = train(RESOURCES / "demo" / "base", tmp_path, rows=64, max_steps=60, learning_rate=3e-3)
    assert record["vocab_size"] % 64 == 0
    result = tmp_path / "run" / "result"
    form = Formatter.load(result)
    stops = form.end_of_turn_ids()
    model = AutoModelForCausalLM.from_pretrained(result).eval()
    stopped = 0
    for number in range(20):
        word = tiny_model.WORDS[number % 12]
        prompt = form.render([{"role": "user", "content": f"say {word}"}], prompt=True)
        ids = torch.tensor([form.tokens(prompt)])
        written = model.generate(
            ids, max_new_tokens=12, do_sample=False, eos_token_id=stops, pad_token_id=0
        )
        stopped += int(written[0, -1]) in stops
    assert stopped == 20


@pytest.mark.parametrize("kind", SHAPES)
def test_only_the_new_rows_move_and_the_export_has_them(kind: str, tmp_path: Path) -> None:
    record = train(random_model(kind, tmp_path / "base"), tmp_path, max_steps=3)
    new = record["new_tokens"]
    assert read_json(tmp_path / "models" / "tiny" / "babelmix.json")["trainable_tokens"] == new
    before = matrices(tmp_path / "models" / "tiny")
    after = matrices(tmp_path / "run" / "result")
    for old, now in zip(before, after, strict=True):
        moved = (now - old).abs().sum(1)
        assert all(moved[token] > 0.01 for token in new)
        assert moved.sum() - moved[new].sum() < 1e-4


def test_new_rows_are_distinct_and_the_same_every_time(tmp_path: Path) -> None:
    import torch

    base = random_model("llama", tmp_path / "base")
    model = Model(path=str(base), chat_template="chatml")
    first = prepare_model("m", model, tmp_path / "a")
    assert prepare_model("m", model, tmp_path / "b")["files"] == first["files"]
    start, end = first["new_tokens"]
    rows, old = matrices(tmp_path / "a"), matrices(base)
    for new, was in zip(rows, old, strict=True):
        assert torch.equal(new[: min(start, end)], was[: min(start, end)])
        assert torch.dist(new[start], new[end]) > 0.05 * was.std(0).norm()
    assert not torch.equal(rows[0][end], rows[1][end])


def test_tokens_that_the_vocabulary_has_already_stop_too(tmp_path: Path) -> None:
    base = random_model("llama", tmp_path / "base")
    file = base / "tokenizer.json"
    tokenizer = json.loads(file.read_text())
    tokenizer["added_tokens"] += [
        {
            "id": 380 + number,
            "content": token,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": False,
        }
        for number, token in enumerate(("<|im_start|>", "<|im_end|>"))
    ]
    file.write_text(json.dumps(tokenizer))
    record = prepare_model("m", Model(path=str(base), chat_template="chatml"), tmp_path / "m")
    assert record["new_tokens"] == []
    assert record["end_of_turn"] == "<|im_end|>"


def test_reserved_rows_that_no_text_ever_trained_are_found(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    base = random_model("llama", tmp_path / "base")
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
    user, assistant, end = tiny_model.tokenizer().convert_tokens_to_ids(
        ["<|user|>", "<|assistant|>", "<|end|>"]
    )
    with torch.no_grad():
        model.get_input_embeddings().weight[end] = 0
        model.get_output_embeddings().weight[user] = model.get_output_embeddings().weight[assistant]
    model.save_pretrained(base)
    assert untrained_rows(base, [user, assistant, end]) == sorted([user, assistant, end])
    assert untrained_rows(base, [assistant, 50, 51]) == []
    record = prepare_model("m", Model(path=str(base)), tmp_path / "m")
    assert record["untrained_tokens"] == sorted([user, assistant, end])
    assert read_json(tmp_path / "m" / "babelmix.json")["trainable_tokens"] == sorted(
        [user, assistant, end]
    )
