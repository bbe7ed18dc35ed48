"""What `plan` says of GPU hours, disk and prices that nobody knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.study import mini_config

from babelmix.cli import main
from babelmix.config.load import build_config
from babelmix.config.training import Model
from babelmix.errors import BabelmixError
from babelmix.plan import Plan
from babelmix.plan.cost import Line, cost_lines, render
from babelmix.plan.hardware import Hours, answering_hours, disk_words, peak_of, training_hours

SEVEN = Model(repo="a/b", gpus=8, parameters_b=7.0)
A100 = peak_of("A100")


def test_training_takes_six_operations_a_weight_and_token() -> None:
    hours = training_hours("m", SEVEN, 1e9, False, A100)
    assert hours.hours == pytest.approx(6 * 7e9 * 1e9 / (0.4 * 312e12) / 3600, rel=1e-6)
    lora = training_hours("m", SEVEN, 1e9, True, A100)
    assert lora.hours == pytest.approx(hours.hours * 4 / 6)
    assert training_hours("m", SEVEN, 1e9, False, peak_of("H100")).hours < hours.hours / 3


def test_answers_read_all_weights_at_each_step() -> None:
    one = answering_hours("m", SEVEN, 1e6, 1200, A100)
    assert answering_hours("m", SEVEN, 1e6, 12000, A100).hours == pytest.approx(one.hours / 10)
    # 14 GB at half of about 1 TB/s: some 27 ms a token, one dialogue at a time.
    assert 0.02 < one.hours * 3600 / 1e6 < 0.04


def test_a_model_of_unknown_size_is_unknown_and_a_cpu_takes_no_gpu() -> None:
    unsized = Model(repo="a/b", gpus=1)
    assert str(training_hours("models.m", unsized, 1e9, False, A100)) == "unknown for models.m"
    assert training_hours("m", Model(repo="a/b", device="cpu"), 1e9, False, A100) == Hours()
    both = training_hours("models.m", unsized, 1, False, A100) + Hours(12.0)
    assert str(both) == "≈ 12 and unknown for models.m"


def test_an_unknown_gpu_is_refused() -> None:
    with pytest.raises(BabelmixError, match="--gpu Voodoo2: unknown"):
        peak_of("Voodoo2")


def test_a_price_that_nobody_knows_is_no_zero() -> None:
    unknown = Line("judge", "a", 1, "10 calls", None, True)
    assert render([unknown]).splitlines()[-1].split()[-1] == "unknown"
    priced = Line("judge", "b", 1, "10 calls", 2.5)
    assert render([unknown, priced]).splitlines()[-1].endswith("2.50 + unknown")
    assert render([Line("translate", "c", 1, "x", 0.0)]).splitlines()[-1].endswith("0.00")


def sized(**model: Any) -> dict[str, Any]:
    config = mini_config()
    given = {"path": None, "repo": "a/b", "device": "cuda", "gpus": 2, "parameters_b": 7.0}
    config["models"]["tiny"] |= given | model
    return config


def test_disk_is_what_stays_and_the_most_on_the_way() -> None:
    plan = Plan(build_config(sized()))
    words = disk_words(plan)
    assert "checkpoints ≈ 84 GB" in words  # three trainings in float32
    assert "base models ≈ 14 GB" in words
    assert "more while one trains" in words
    assert "unknown" not in words
    assert "unknown for models.tiny" in disk_words(Plan(build_config(sized(parameters_b=None))))


def test_the_verb_says_all_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(sized()), encoding="utf-8")
    assert main(["plan", "--config", str(path), "--gpu", "H100"]) == 0
    out = capsys.readouterr().out
    assert "GPU hours: ≈ " in out
    assert "H100s (989 TFLOP/s, 40% of it used" in out
    assert "Disk: checkpoints ≈ 84 GB" in out
    lines = [line for line in cost_lines(Plan(build_config(sized()))) if line.stage == "train"]
    assert all("GPU hours" in line.amount for line in lines)
