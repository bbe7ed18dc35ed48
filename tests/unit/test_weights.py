"""Base models that are not whole, not trainable or not matched: said when they are prepared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tiny_model
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from babelmix.config.training import Model
from babelmix.errors import BabelmixError
from babelmix.io import read_json, write_json
from babelmix.train.prepare import prepare_model


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tiny_model.build(tmp_path / "base")


def prepare(base: Path, **settings: Any) -> dict[str, Any]:
    """Prepare the model beside its base."""
    return prepare_model("tiny", Model(path=str(base), **settings), base.parent / "prepared")


def change(path: Path, **values: Any) -> None:
    """Set keys of a JSON file."""
    write_json(path, read_json(path) | values)


def without(base: Path, name: str) -> None:
    """Take one weight out of the file."""
    weights = load_file(base / "model.safetensors")
    del weights[name]
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})


def pointer(base: Path) -> None:
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    (base / "model.safetensors").write_text(text, encoding="utf-8")


def halved(base: Path) -> None:
    content = (base / "model.safetensors").read_bytes()
    (base / "model.safetensors").write_bytes(content[: len(content) // 2])


def encoder(base: Path) -> None:
    change(base / "config.json", model_type="t5", architectures=["T5ForConditionalGeneration"])


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda b: without(b, "model.layers.1.mlp.up_proj.weight"), "up_proj.weight is missing"),
        (lambda b: change(b / "config.json", tie_word_embeddings=False), "lm_head.weight is miss"),
        (lambda b: change(b / "config.json", intermediate_size=48), "another shape"),
        (halved, "not whole"),
        (lambda b: (b / "model.safetensors").write_bytes(b""), "no safetensors file"),
        (lambda b: (b / "model.safetensors").write_bytes(b"<html>nothing</html>" * 9), "no safet"),
        (pointer, "git lfs pull"),
        (encoder, "no causal language model"),
        (
            lambda b: change(b / "config.json", quantization_config={"quant_method": "gptq"}),
            r"quantised \(gptq\)",
        ),
        (lambda b: (b / "tokenizer.json").write_text("{}"), "tokenizer files cannot be read"),
        (
            lambda b: change(b / "tokenizer_config.json", eos_token=None),
            "models.tiny: its tokenizer names no end-of-sequence",
        ),
    ],
)
def test_a_base_that_cannot_be_trained_is_refused(base: Path, damage: Any, words: str) -> None:
    damage(base)
    with pytest.raises(BabelmixError, match=words):
        prepare(base)
    assert not (base.parent / "prepared").exists()


def test_tokens_without_a_row_get_one(base: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(base)
    rows = tiny_model.VOCABULARY
    tokenizer.add_tokens([f"<spare_{i}>" for i in range(rows - len(tokenizer))])
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    tokenizer.save_pretrained(base)
    record = prepare(base)
    assert record["new_tokens"] == [rows] == [record["pad_token_id"]]
    weights = load_file(base.parent / "prepared" / "model.safetensors")
    assert weights["model.embed_tokens.weight"].shape[0] == 448
    assert "1 token(s) more than the model has rows" in capfd.readouterr().err


def test_another_models_tokenizer_is_refused(base: Path) -> None:
    weights = load_file(base / "model.safetensors")
    weights["model.embed_tokens.weight"] = weights["model.embed_tokens.weight"][:64].clone()
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    change(base / "config.json", vocab_size=64)
    with pytest.raises(BabelmixError, match="tokenizer is another model's"):
        prepare(base)


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        (("default", "tool_use"), True),
        (("default", "tool_use", "rag"), True),
        (("DE", "EN", "default"), False),
    ],
)
def test_the_template_for_plain_chats_is_taken(
    base: Path, names: tuple[str, ...], taken: bool
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(base)
    own, other = tokenizer.chat_template, "{{ raise_exception('not this one') }}"
    tokenizer.chat_template = {n: own if n == "default" else other for n in names}
    tokenizer.save_pretrained(base)
    if taken:
        prepare(base)
        found = AutoTokenizer.from_pretrained(base.parent / "prepared").chat_template
        assert found == own
        return
    with pytest.raises(BabelmixError, match=rf"several \({', '.join(sorted(names))}\)"):
        prepare(base)


def test_a_trained_model_keeps_its_cache_for_generation(tmp_path: Path) -> None:
    study = tiny_model.write_study(tmp_path / "study")
    for name, lora in (("full", None), ("adapters", {})):
        recipe = tiny_model.recipe(max_steps=1, lora=lora)
        tiny_model.train_in_this_process(study, tmp_path / name, recipe)
        config = json.loads((tmp_path / name / "result" / "config.json").read_text())
        assert config.get("use_cache", True), name
