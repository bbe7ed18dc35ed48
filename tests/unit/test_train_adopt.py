"""A training that was done under another name is taken over; any other is trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tiny_model

from babelmix.cli import main
from babelmix.folders import changed_files


def train(study: dict[str, Any], folder: Path, name: str, *more: str, **recipe: Any) -> str:
    """Train under a name, files as the rule names them; returns what the run said."""
    place = folder / "checkpoints" / name
    words = tiny_model.train_arguments(study, folder / name, tiny_model.recipe(**recipe))
    words += ["--folder", str(place), "--completed", f"{place}.json"]
    words += ["--metrics", f"{place}.metrics.jsonl", *more]
    assert main(["train", *words]) == 0
    return (place.parent / f"{name}.json").read_text()


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return tiny_model.write_study(tmp_path_factory.mktemp("study"))


def test_a_renamed_run_is_not_trained_again(
    study: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(study, tmp_path, "old")
    capsys.readouterr()
    record = json.loads(train(study, tmp_path, "new"))
    assert "the same training as old; its weights are taken over" in capsys.readouterr().err
    assert (record["run"], record["taken_from"]) == ("new", "old")
    old, new = (tmp_path / "checkpoints" / name for name in ("old", "new"))
    assert changed_files(new, record["files"]) == []
    weights = "model.safetensors"
    assert (new / weights).read_bytes() == (old / weights).read_bytes()
    assert "new" in (new / "README.md").read_text()
    metrics = [(new.parent / f"{n}.metrics.jsonl").read_text() for n in ("old", "new")]
    assert metrics[0] == metrics[1]
    assert record["made_by"]["settings"]["run"] == "new"


def test_other_settings_or_damaged_weights_are_trained(
    study: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(study, tmp_path, "old")
    assert "taken_from" not in json.loads(train(study, tmp_path, "faster", learning_rate=0.02))
    weights = tmp_path / "checkpoints" / "old" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert "taken_from" not in json.loads(train(study, tmp_path, "again"))
    assert "taken over" not in capsys.readouterr().err


def test_the_choice_of_weights_is_a_setting(study: dict[str, Any], tmp_path: Path) -> None:
    """Two runs that keep other weights of one training share its digest, not its result."""
    kept: dict[str, Any] = {"select": "listed", "keep_epochs": [1, 2], "epochs": 2}
    train(study, tmp_path, "first", **kept, select_epoch=1)
    assert "taken_from" not in json.loads(train(study, tmp_path, "second", **kept, select_epoch=2))
