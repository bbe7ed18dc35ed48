"""What a training would refuse is said by `check`, before data are translated for it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from babelmix.cli import main

DEMO = yaml.safe_load(Path("config/demo.yaml").read_text(encoding="utf-8"))


def check(
    tmp_path: Path, recipe: dict[str, Any], model: dict[str, Any] | None = None, *words: str
) -> int:
    """Run the verb on the demo's configuration with other settings."""
    config = copy.deepcopy(DEMO)
    config["training"]["quick"] |= recipe
    config["models"]["tiny"] |= model or {}
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return main(["check", "--no-probe", *words, "--config", str(path)])


@pytest.mark.parametrize(
    ("recipe", "model", "message"),
    [
        ({"precision": "fp16"}, {}, "`precision: fp16` needs a GPU"),
        ({"lora": {}, "deepspeed": {"stage": 3}}, {}, "LoRA with ZeRO-3 is not supported"),
        ({"lora": {"quantise": "nf4"}, "deepspeed": {}}, {}, "train without DeepSpeed"),
        ({}, {"chat_template": "alpaca"}, "unknown chat template 'alpaca'"),
        ({"learning_rate": float("inf")}, {}, "learning_rate"),
        ({"max_grad_norm": float("inf")}, {}, "max_grad_norm"),
        ({"lora": {"target_modules": []}}, {}, "target_modules"),
    ],
)
def test_what_a_training_would_refuse(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    recipe: dict[str, Any],
    model: dict[str, Any],
    message: str,
) -> None:
    assert check(tmp_path, recipe, model) == 2
    assert message in capsys.readouterr().err


def test_devices_without_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = {"device": "auto", "gpus": 8, "nodes": 2}
    assert check(tmp_path, {"deepspeed": "auto"}, model, "--jobs-run-elsewhere") == 2
    assert "leaves some of 16 devices without rows" in capsys.readouterr().err


def test_what_works_on_the_other_machine_is_not_refused(tmp_path: Path) -> None:
    recipe = {"precision": "fp16", "deepspeed": "auto"}
    assert check(tmp_path, recipe, {"device": "auto"}, "--jobs-run-elsewhere") == 0
