"""Parts of a training that need no training: presets, ROUGE-L, estimates, cards, shown masks."""

from __future__ import annotations

import argparse
import dataclasses
import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_model
from hypothesis import given, settings
from hypothesis import strategies as st

from babelmix.config.load import read_yaml
from babelmix.config.training import Recipe
from babelmix.errors import BabelmixError
from babelmix.io import write_json, write_records
from babelmix.plan import show_training
from babelmix.records import Conversation, Message
from babelmix.resources import ROOT
from babelmix.specs import TrainSpec
from babelmix.train import memory, show_mask
from babelmix.train.card import loss_plot, model_card
from babelmix.train.memory import ModelShape, memory_advice, memory_needs, wants_checkpointing
from babelmix.train.rouge import common_length, rouge_l, words
from babelmix.train.settings import lay_out

SHAPE = ModelShape.like_llama(7_000_000_000)


def test_presets_are_the_published_recipes() -> None:
    lima = Recipe(preset="lima")  # type: ignore[call-arg]
    assert (lima.epochs, lima.batch_size, lima.learning_rate) == (15, 32, 1e-5)
    assert (lima.min_learning_rate, lima.weight_decay, lima.adam_beta2) == (1e-6, 0.1, 0.95)
    vicuna = Recipe(preset="fastchat-vicuna", batch_size=64)  # type: ignore[call-arg]
    assert (vicuna.epochs, vicuna.batch_size, vicuna.warmup_ratio) == (3, 64, 0.03)
    pinch = Recipe(preset="pinch", select="last")  # type: ignore[call-arg]
    assert (pinch.max_steps, pinch.epochs, pinch.dropout, pinch.select) == (
        2000,
        None,
        0.05,
        "last",
    )
    short = Recipe(preset="lima", max_steps=3)  # type: ignore[call-arg]
    assert (short.max_steps, short.epochs) == (3, None)
    for recipe in (lima, vicuna, pinch, short):
        assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"preset": "alpaca"}, "fastchat-vicuna"),
        ({"preset": "lima", "max_steps": 3, "epochs": 2}, "exactly one"),
        ({"preset": "lima", "keep_epochs": [5]}, "select: listed"),
        ({"preset": "lima", "select": "listed", "keep_epochs": [5]}, "select_epoch"),
        ({"preset": "lima", "select": "listed", "keep_epochs": [50]}, "between 0 and"),
        ({"preset": "pinch", "select": "listed", "keep_epochs": [5]}, "needs `epochs`"),
        ({"preset": "lima", "micro_batch_tokens": 4096}, "packing: true"),
        ({}, "batch_size"),
    ],
)
def test_contradictions_of_a_recipe(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Recipe.model_validate(changes)


def test_words_of_any_script() -> None:
    assert words("Größe: 7 µm, déjà-vu!") == ["grösse", "7", "μm", "déjà", "vu"]
    assert words("यह एक परीक्षा है") == ["यह", "एक", "परीक्षा", "है"]
    assert words("זה מבחן.") == ["זה", "מבחן"]
    assert words("这是test 3。") == ["这", "是", "test", "3"]
    assert words("... !") == []


def slow_common_length(first: list[int], second: list[int]) -> int:
    """The textbook table."""
    table = np.zeros((len(first) + 1, len(second) + 1), int)
    for i, x in enumerate(first, 1):
        for j, y in enumerate(second, 1):
            best = max(table[i - 1, j], table[i, j - 1])
            table[i, j] = table[i - 1, j - 1] + 1 if x == y else best
    return int(table[-1, -1])


@given(st.lists(st.integers(0, 4), max_size=25), st.lists(st.integers(0, 4), max_size=25))
@settings(max_examples=150, deadline=None)
def test_common_subsequence(first: list[int], second: list[int]) -> None:
    texts = [[str(x) for x in side] for side in (first, second)]
    assert common_length(*texts) == slow_common_length(first, second)


def test_rouge_l() -> None:
    assert rouge_l("the cat sat", "the cat sat") == 1.0
    assert rouge_l("The cat sat on it", "the dog sat") == pytest.approx(2 * 2 / 8)
    assert rouge_l("", "the dog") == rouge_l("the dog", "...") == 0.0


def test_memory_follows_the_recipe() -> None:
    base = {"precision": "bf16", "max_length": 2048, "batch_size": 32, "packing": True}

    def needs(devices: int = 8, checkpointing: bool = False, **changes: Any) -> memory.Needs:
        recipe = tiny_model.recipe(**base, **changes)
        layout = lay_out(recipe, devices, "r")
        return memory_needs(SHAPE, recipe, layout, checkpointing=checkpointing)

    two, three = needs(deepspeed={"stage": 2}), needs(deepspeed={"stage": 3})
    assert two.weights == 2 * 7e9
    assert three.weights == two.weights / 8
    assert two.optimizer == three.optimizer == 12 * 7e9 / 8
    assert needs(checkpointing=True).activations < needs().activations / 5
    assert needs().optimizer == 8 * 7e9  # plain: float32 weights, no second copy
    moved = needs(deepspeed={"stage": 2, "offload_optimizer": True})
    assert (moved.optimizer, moved.host) == (0, two.optimizer)
    adapters = needs(lora={"rank": 16})
    assert adapters.optimizer < needs().optimizer / 50
    assert needs(lora={"quantise": "nf4"}).weights < adapters.weights / 3
    assert "optimizer 56.0" in str(needs())


def test_activations_are_computed_twice_where_memory_says_so() -> None:
    chosen = tiny_model.recipe(max_length=2048, micro_batch_size=8)
    layout = lay_out(chosen, 1, "r")
    assert wants_checkpointing(SHAPE, chosen, layout, 80e9)
    assert not wants_checkpointing(SHAPE, chosen, layout, 1e15)
    assert not wants_checkpointing(SHAPE, chosen, layout, None)
    never = tiny_model.recipe(max_length=2048, micro_batch_size=8, gradient_checkpointing=False)
    assert not wants_checkpointing(SHAPE, never, layout, 1.0)


def test_advice_names_what_is_left_to_change() -> None:
    plain = tiny_model.recipe()
    said = memory_advice(SHAPE, plain, lay_out(plain, 4, "r"), False)
    assert "`micro_batch_size: 2`; `gradient_checkpointing: true`; `deepspeed: {stage: 2}`" in said
    least = tiny_model.recipe(packing=True, micro_batch_tokens=64, lora={})
    said = memory_advice(SHAPE, least, lay_out(least, 1, "r"), True)
    assert "best first: more GPUs" in said


def test_a_full_disk_is_said_before_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = memory.check_disk(ModelShape.like_llama(10_000_000), tiny_model.recipe(), tmp_path, "r")
    assert "GB are free" in said
    usage = type("Usage", (), {"free": 1e9})
    monkeypatch.setattr(memory.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(
        BabelmixError, match=r"252\.0 GB below .*1\.0 GB are free.*keep_checkpoints"
    ):
        memory.check_disk(SHAPE, tiny_model.recipe(), tmp_path, "r")


def test_flops_of_a_known_shape() -> None:
    shape = ModelShape(parameters=1000, vocabulary=10, hidden=10, intermediate=40, layers=2)
    lengths, trained, attention = np.array([5]), np.array([3]), 6 * 2 * 10 * 25
    head = 100 * 3  # logits are made at trained tokens alone
    assert shape.training_flops(lengths, trained) == [6 * (900 * 5 + head) + attention]
    frozen = shape.training_flops(lengths, trained, frozen=True)
    assert frozen == [4 * (900 * 5 + head) + attention]
    untied = dataclasses.replace(shape, tied=False)
    assert untied.training_flops(lengths, trained) == [6 * (800 * 5 + head) + attention]
    assert memory.peak_flops("NVIDIA H100 80GB HBM3") == 989e12
    assert memory.peak_flops("NVIDIA H100 PCIe") == 756e12
    assert memory.peak_flops("a toaster") is None


def test_the_loss_plot_is_an_image() -> None:
    rows = [{"step": s, "loss": 3.0 / s} for s in range(1, 9)] + [{"step": 8, "dev_loss": 2.0}]
    tree = ET.fromstring(loss_plot(rows))
    assert len(tree.find(".//{*}polyline").get("points").split()) == 8  # type: ignore[union-attr]
    assert len(tree.findall(".//{*}circle")) == 1
    ET.fromstring(loss_plot([{"step": 1, "loss": 2.0}]))  # one step, one height


def show(words: list[str]) -> None:
    """Run the show-mask verb."""
    parser = argparse.ArgumentParser()
    show_mask.add_arguments(parser)
    show_mask.run(parser.parse_args(words))


def test_a_mask_can_be_seen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_model.tokenizer().save_pretrained(tmp_path / "model")
    rows = [
        Conversation(f"c-{i}", "en", "d", "s", [Message(**m) for m in tiny_model.chat(i, 2)])
        for i in range(3)
    ]
    write_records(tmp_path / "in.parquet", rows, Conversation)
    words_ = ["--model", str(tmp_path / "model"), "--conversations", str(tmp_path / "in.parquet")]
    show([*words_, "--id", "c-2"])
    said = capsys.readouterr().out
    answers = [m["content"] for m in tiny_model.chat(2, 2) if m["role"] == "assistant"]
    assert said.startswith("# c-2: ")
    assert all(f"«{answer}<|end|>»" in said for answer in answers)
    assert said.count("«") == 2
    show([*words_, "--rows", "2", "--colour", "always", "--max-length", "40"])
    said = capsys.readouterr().out
    assert said.count("# c-") == 2
    assert "\x1b[30;42m" in said
    with pytest.raises(BabelmixError, match="no row of id 'x'"):
        show([*words_, "--id", "x"])


def test_a_training_can_be_seen_before_it_runs(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    show_training.add_arguments(parser)
    config = ["--config", str(ROOT / "config" / "config.yaml")]
    show_training.run(parser.parse_args([*config, "--recipe", "lima", "--nodes", "2"]))
    shown = json.loads(capsys.readouterr().out)
    assert shown["devices"] == 16
    assert shown["deepspeed"]["zero_optimization"]["stage"] == shown["zero_stage"] == 1
    assert shown["memory_gb"]["optimizer"] == pytest.approx(12 * 7.45 / 16, abs=0.1)
    with pytest.raises(BabelmixError, match="llama-2-7b with pinch"):
        show_training.run(parser.parse_args([*config, "--recipe", "none"]))


def test_the_card_names_every_dataset_its_translator_and_its_licences(tmp_path: Path) -> None:
    spec = TrainSpec.model_validate(
        {
            "version": 1,
            "run": "r",
            "model_name": "tiny",
            "model": {"path": "base", "licence": "MIT"},
            "mixture": "m",
            "recipe": tiny_model.recipe().model_dump(),
            "seed": 1,
        }
    )
    cells = [
        {"dataset": "lima-x", "language": "de", "rows": 3},
        {"dataset": "lima-x", "language": "en", "rows": 4},
        {"dataset": "bactrian-x", "language": "en", "rows": 5},
    ]
    mixture = {"cells": cells, "rows_by_language": {"de": 3, "en": 9}, "rows_digest": "abc"}
    write_json(tmp_path / "m.json", mixture | {"definition": {"kind": "union"}})
    write_json(tmp_path / "c.json", read_yaml(ROOT / "config" / "config.yaml"))
    names = ("train_rows", "cut_train_rows", "dev_rows", "trained_tokens", "train_tokens")
    record = dict.fromkeys((*names, "steps", "selected_step"), 7) | {"refused": {}}
    record |= {"dev_loss": None, "final_loss": 1.0, "template_digest": "d"}
    card = model_card(spec, record, tmp_path / "m.json", tmp_path / "c.json")
    assert 'language: ["de", "en"]' in card
    assert "| rows of dataset `lima-x` by language | de 3, en 4 |" in card
    assert '| translator of `lima-x` | "deepl" |' in card
    assert "| licence of source `lima` | CC BY-NC-SA" in card
    assert "; non-commercial |" in card
    assert "| to be cited for `lima` | Zhou et al. 2023" in card
    assert "| licence of source `bactrian-x` | " in card
    assert "not stated" not in card
    assert "| licence of the base model | MIT |" in card
    assert '"kind": "union"' in card
