"""Trainings that cannot come to a good end are refused before their first step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tiny_architectures
import tiny_model
from transformers import AutoModelForCausalLM, BertConfig, LlamaConfig, LlamaForCausalLM

from babelmix.cli import main
from babelmix.config.training import Lora
from babelmix.errors import BabelmixError
from babelmix.folders import only_one
from babelmix.train.adapters import check_positions, check_targets
from babelmix.train.architectures import probe


def model(*, tied: bool = True) -> Any:
    """A random Llama in memory."""
    config = LlamaConfig(
        vocab_size=64,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=32,
        tie_word_embeddings=tied,
    )
    return LlamaForCausalLM(config)


@pytest.mark.parametrize(
    ("targets", "tied", "tokens", "words"),
    [
        ("q_proj", True, [], r"no layer .* 'q_proj' \(a list: `\[q_proj\]`\?\). It has down_proj"),
        (["q_proj", "nope"], True, [], "no layer of this model: 'nope'"),
        ("[", True, [], r"no layer of this model: '\['"),
        (["q_proj", "lm_head"], True, [], "share their weights"),
        (["q_proj", "embed_tokens"], True, [5], "share their weights"),
        (["q_proj", "embed_tokens"], False, [5], "trained in full already"),
    ],
)
def test_adapters_that_cannot_be(targets: Any, tied: bool, tokens: list[int], words: str) -> None:
    with pytest.raises(BabelmixError, match=words):
        check_targets(model(tied=tied), Lora(target_modules=targets), tokens, "run")


@pytest.mark.parametrize(
    "targets", ["all-linear", ["q_proj", "v_proj"], r".*\.layers\.1\..*_proj", ["self_attn.q_proj"]]
)
def test_adapters_that_can_be(targets: Any) -> None:
    check_targets(model(), Lora(target_modules=targets), [5], "run")


@pytest.mark.parametrize("target", ["lm_head", "embed_tokens"])
def test_an_untied_matrix_takes_an_adapter(target: str, tmp_path: Path) -> None:
    study = tiny_model.write_study(tmp_path / "study")
    base = AutoModelForCausalLM.from_pretrained(study["model"])
    base.lm_head.weight = type(base.lm_head.weight)(base.lm_head.weight.detach().clone() + 0.01)
    base.config.tie_word_embeddings = False
    base.save_pretrained(study["model"])
    (tmp_path / "study" / "models" / "tiny.json").unlink()
    recipe = tiny_model.recipe(max_steps=2, lora={"target_modules": ["q_proj", target]})
    tiny_model.train_in_this_process(study, tmp_path / "out", recipe)


@pytest.mark.parametrize("kind", ["gpt2", "opt", "gpt_neo", "gptj", "gpt_bigcode"])
def test_rows_beyond_a_table_of_positions_are_refused(kind: str) -> None:
    built = AutoModelForCausalLM.from_config(tiny_architectures.config(kind))
    assert check_positions(built, 256, "run") == ""
    with pytest.raises(BabelmixError, match=r"257 tokens.*256 positions. Set `max_length: 256`"):
        check_positions(built, 257, "run")


def test_rows_beyond_rotary_positions_are_told_of() -> None:
    assert check_positions(model(), 32, "run") == ""
    assert "33 tokens, and the model knows 32 positions" in check_positions(model(), 33, "run")


def test_a_model_that_sees_what_follows_is_refused() -> None:
    config = BertConfig(
        vocab_size=64,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
    )
    with pytest.raises(BabelmixError, match="`bert` is not causal"):
        probe(config, tiny_model.recipe(), "run")
    config.is_decoder = True
    probe(config, tiny_model.recipe(), "run")


def test_two_trainings_in_one_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = tiny_model.write_study(tmp_path / "study")
    work = tmp_path / "out" / "work"
    work.mkdir(parents=True)
    arguments = tiny_model.train_arguments(study, tmp_path / "out", tiny_model.recipe(max_steps=1))
    with only_one(work, "first"):
        assert main(["train", *arguments]) == 2
    assert "another process is at work in" in capsys.readouterr().err
    assert not list(work.iterdir())
    tiny_model.train_in_this_process(study, tmp_path / "out", tiny_model.recipe(max_steps=1))


@pytest.mark.parametrize(
    "words",
    [
        ["show-training", "--config", "config/config.yaml", "--parameters-b", "0"],
        ["show-training", "--config", "config/config.yaml", "--parameters-b", "nan"],
        ["show-training", "--config", "config/config.yaml", "--gpu-memory-gb", "-5"],
        ["show-mask", "--model", "m", "--tokenised", "t", "--rows", "-1"],
        ["show-mask", "--model", "m", "--tokenised", "t", "--rows", "0"],
    ],
)
def test_numbers_that_mean_nothing(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(words)
    assert f"argument {words[-2]}" in capsys.readouterr().err


def test_no_row_is_longer_than_the_recipe_allows(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["show-training", "--config", "config/config.yaml", "--recipe", "lima"]
    assert main([*words, "--row-tokens", "100000"]) == 2
    assert "cut at the recipe's `max_length`, 2048" in capsys.readouterr().err


def test_no_time_is_estimated_for_an_unknown_gpu(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["show-training", "--config", "config/config.yaml", "--recipe", "lima"]
    assert main([*words, "--gpu", "H99"]) == 2
    assert "H100" in capsys.readouterr().err
