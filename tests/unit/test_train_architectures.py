"""What each architecture allows: packed, padded, refused; and its own dropout."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import tiny_architectures
import tiny_model

from babelmix.errors import BabelmixError
from babelmix.io import read_json, write_json
from babelmix.resources import ROOT
from babelmix.train import architectures, train
from babelmix.train.architectures import Batching, probe
from babelmix.train.batches import PACKED_ATTENTION
from babelmix.train.models import set_dropout

PACKED = tiny_model.recipe(packing=True)


@pytest.mark.parametrize("kind", tiny_architectures.OURS)
def test_packed_by_our_attention(kind: str) -> None:
    assert probe(tiny_architectures.config(kind), PACKED, "r") == Batching(
        "packed", PACKED_ATTENTION
    )


@pytest.mark.parametrize("kind", tiny_architectures.MASKED)
def test_packed_by_their_own_attention(kind: str) -> None:
    assert probe(tiny_architectures.config(kind), PACKED, "r") == Batching("packed", None)


@pytest.mark.parametrize("kind", tiny_architectures.PADDED)
def test_padded_where_packed_rows_would_see_each_other(kind: str) -> None:
    found = probe(tiny_architectures.config(kind), PACKED, "r")
    assert (found.way, found.attention) == ("padded", None)
    assert re.match(rf"{kind}: rows are not packed, but padded: its code does not ", found.note)
    leak = re.search(r"change by up to (\S+) of", found.note)
    if leak:
        assert float(leak[1]) > 5 * architectures.BOUND  # nowhere near rounding
    asked = tiny_model.recipe(packing=True, micro_batch_tokens=300)
    fitted = found.fit(asked)
    assert not fitted.packing
    assert (fitted.micro_batch_tokens, fitted.micro_batch_size) == (None, 4)


def test_the_table_in_the_docs_is_what_is_found() -> None:
    text = (ROOT / "docs" / "architectures.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([\w]+)` \| (packed, masked|packed|padded)", text, re.M))
    wanted = dict.fromkeys(tiny_architectures.OURS, "packed")
    wanted |= dict.fromkeys(tiny_architectures.MASKED, "packed, masked")
    wanted |= dict.fromkeys(tiny_architectures.PADDED, "padded")
    assert rows == wanted


def test_windows_and_chunks_are_looked_beyond() -> None:
    """A window shorter than the training's rows is shorter than the trial's; others are left."""
    config = tiny_architectures.config("mistral")
    long = tiny_model.recipe(packing=True, max_length=8192)
    for window, recipe, attention in (
        (4096, long, None),
        (4096, PACKED, PACKED_ATTENTION),
        (48, PACKED, None),
    ):
        config.sliding_window = window
        assert probe(config, recipe, "r") == Batching("packed", attention)
    chunked = tiny_architectures.config("llama4_text")
    chunked.attention_chunk_size = 8192
    assert probe(chunked, PACKED, "r").attention == PACKED_ATTENTION
    longer = tiny_model.recipe(packing=True, max_length=16384)
    assert probe(chunked, longer, "r").attention is None


def test_a_large_model_is_tried_on_its_first_layers() -> None:
    from transformers import CONFIG_MAPPING

    large = CONFIG_MAPPING["llama"](
        hidden_size=8192,
        intermediate_size=28672,
        num_hidden_layers=80,
        num_attention_heads=64,
        num_key_value_heads=8,
    )
    small: Any = next(architectures._variants(large, 64))
    assert (small.num_hidden_layers, small.vocab_size, small.hidden_size) == (2, 256, 512)
    assert (small.num_attention_heads, small.num_key_value_heads) == (4, 2)
    mixed = CONFIG_MAPPING["lfm2"](num_hidden_layers=16, full_attn_idxs=[5, 9])
    assert next(architectures._variants(mixed, 64)).num_hidden_layers == 6
    assert probe(mixed, PACKED, "r").way == "padded"


def test_a_model_that_cannot_be_tried_is_not_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(architectures, "_small_model", lambda *_: None)
    found = probe(tiny_architectures.config("llama"), PACKED, "r")
    assert found.way == "padded"
    assert "no small model of this configuration can be made" in found.note
    assert probe(tiny_architectures.config("llama"), tiny_model.recipe(), "r") == Batching("padded")


def test_rows_go_one_by_one_where_padding_changes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(architectures._Small, "difference", lambda *_: "its code does not")
    found = probe(tiny_architectures.config("llama"), PACKED, "r")
    assert found.way == "single"
    fitted = found.fit(tiny_model.recipe(packing=True, micro_batch_size=8))
    assert (fitted.packing, fitted.micro_batch_size) == (False, 1)


def test_arithmetic_that_a_model_cannot_do_is_refused_before_it_trains() -> None:
    half = tiny_model.recipe(precision="bf16", deepspeed={"stage": 2})
    with pytest.raises(BabelmixError, match=r"xlstm cannot be trained in bf16.*`precision: fp32`"):
        probe(tiny_architectures.config("xlstm"), half, "r")


@pytest.mark.parametrize(
    "kind", ["lfm2", "falcon_h1", "gptj", "falcon", "mpt", "mixtral", "llama4_text"]
)
def test_they_train_and_export(
    kind: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import argparse

    from babelmix.config.training import Model
    from babelmix.train.prepare import prepare_model
    from babelmix.train.worker import work

    monkeypatch.setattr(train, "train_here", work)
    study = tiny_model.write_study(tmp_path / "study")
    base = tiny_architectures.build(tmp_path / "base", kind)
    folder = tmp_path / "models" / "tiny"
    write_json(
        tmp_path / "models" / "tiny.json",
        prepare_model("tiny", Model(path=str(base), device="cpu"), folder),
    )
    parser = argparse.ArgumentParser()
    train.add_arguments(parser)
    for number, changes in enumerate(({"packing": True}, {"lora": {"rank": 2}})):
        out = tmp_path / str(number)
        out.mkdir()
        chosen = tiny_model.recipe(precision="bf16", max_steps=2, **changes)
        words = tiny_model.train_arguments(study | {"model": folder}, out, chosen)
        train.run(parser.parse_args(words))
    way = "padded" if kind in tiny_architectures.PADDED else "packed"
    done = read_json(tmp_path / "0" / "done.json")
    assert done["batching"]["way"] == way
    said = capfd.readouterr().err
    lines = [line for line in said.splitlines() if "rows are not packed, but padded" in line]
    assert len(lines) == (way == "padded")
    card = (tmp_path / "0" / "result" / "README.md").read_text()
    assert ("| not as the recipe asks |" in card) == (way == "padded")


@pytest.mark.parametrize("kind", ["gpt2", "opt", "xglm", "gpt_bigcode", "biogpt", "seed_oss"])
def test_a_model_brings_no_dropout_of_its_own(kind: str) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    config = tiny_architectures.config(kind)
    assert set_dropout(config, 0.0, "r")
    model = AutoModelForCausalLM.from_config(config).train()
    ids = torch.arange(3, 60)[None]
    assert torch.equal(model(ids).logits, model(ids).logits)
    config = tiny_architectures.config(kind)
    set_dropout(config, 0.5, "r")
    rates = {m.p for m in AutoModelForCausalLM.from_config(config).modules() if hasattr(m, "p")}
    assert rates <= {0.0, 0.5}


def test_dropout_of_a_nested_configuration_is_set_too() -> None:
    config = tiny_architectures.config("mpt")
    config.resid_pdrop = config.emb_pdrop = 0.2
    config.attn_config.attn_pdrop = 1
    changed = set_dropout(config, 0.0, "r")
    assert sorted(changed) == ["attn_config.attn_pdrop 1", "emb_pdrop 0.2", "resid_pdrop 0.2"]
    assert (config.attn_config.attn_pdrop, config.resid_pdrop, config.emb_pdrop) == (0, 0.0, 0.0)
    with pytest.raises(BabelmixError, match=r"mpt takes no `attn_pdrop` of 0.1.*`dropout: 0`"):
        set_dropout(config, 0.1, "r")
    with pytest.raises(BabelmixError, match="has no dropout to set"):
        set_dropout(tiny_architectures.config("rwkv"), 0.1, "r")
