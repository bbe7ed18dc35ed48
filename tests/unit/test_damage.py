"""Damaged weights, checkpoints and configurations: noticed, named, never used."""

from __future__ import annotations

import argparse
import errno
import random
from pathlib import Path
from typing import Any

import pytest
import tiny_model
import yaml
from tests.options import as_options
from tests.study import ROOT

from babelmix.answer import answer
from babelmix.config.evaluation import Generation
from babelmix.config.load import load_config
from babelmix.errors import BabelmixError, explain_os_error
from babelmix.folders import check_model, failed_writes, file_digests
from babelmix.io import read_json, write_json, write_records
from babelmix.plan import Plan
from babelmix.records import Question
from babelmix.specs import AnswerSpec
from babelmix.train import train
from babelmix.train.checkpoints import drop_damaged, mark_whole, newest_whole, read_whole


def flip(path: Path, place: float = 0.5) -> None:
    """Flip one bit."""
    data = bytearray(path.read_bytes())
    data[int(place * (len(data) - 1))] ^= 4
    path.write_bytes(data)


def cut(path: Path) -> None:
    """Leave the first half."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.fixture
def study(tmp_path: Path) -> dict[str, Any]:
    return tiny_model.write_study(tmp_path / "study", rows=4, dev=1)


DAMAGE = {
    "first-bit": lambda f: flip(f / "model.safetensors", 0.0),
    "a-weight": lambda f: flip(f / "model.safetensors"),
    "torn": lambda f: cut(f / "model.safetensors"),
    "gone": lambda f: (f / "model.safetensors").unlink(),
    "tokenizer": lambda f: flip(f / "tokenizer.json"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_model_is_named_before_it_is_used(
    kind: str, study: dict[str, Any], tmp_path: Path
) -> None:
    folder = Path(study["model"])
    record = folder.parent / "tiny.json"
    (folder / "README.md").write_text("Notes of a person.")
    check_model(folder, record)
    DAMAGE[kind](folder)
    out = tmp_path / "out"
    parser = argparse.ArgumentParser()
    train.add_arguments(parser)
    words = tiny_model.train_arguments(study, out, tiny_model.recipe(max_steps=1))
    with pytest.raises(BabelmixError, match="not the file that") as told:
        train.run(parser.parse_args(words))
    assert str(folder) in str(told.value)
    assert "Delete" in str(told.value)
    assert not (out / "result").exists()


def test_a_damaged_checkpoint_answers_nothing(study: dict[str, Any], tmp_path: Path) -> None:
    folder = Path(study["model"])
    flip(folder / "model.safetensors")
    question = Question("q", "en", "c", ["Who?"], [])
    write_records(tmp_path / "q.parquet", [question], Question)
    spec = AnswerSpec(
        version=1,
        run="r",
        benchmark="b",
        languages=["en"],
        system_prompts={},
        generation=Generation(max_new_tokens=2),
        trust_remote_code=False,
        device="cpu",
    )
    parser = argparse.ArgumentParser()
    answer.add_arguments(parser)
    words = ["--questions", str(tmp_path / "q.parquet"), "--checkpoint", str(folder)]
    words += ["--completed", str(folder.parent / "tiny.json")]
    words += ["--output", str(tmp_path / "a.parquet"), *as_options(spec.model_dump_json())]
    with pytest.raises(BabelmixError, match=r"model\.safetensors: not the file"):
        answer.run(parser.parse_args(words))
    assert not (tmp_path / "a.parquet").exists()


def checkpoint(work: Path, step: int) -> Path:
    folder = work / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    (folder / "optimizer.pt").write_bytes(random.Random(step).randbytes(4096))
    mark_whole(folder, step=step, devices=1, training="t")
    return folder


def test_a_training_goes_on_from_the_newest_sound_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    older, newer, newest = (checkpoint(tmp_path, step) for step in (5, 10, 15))
    flip(newest / "optimizer.pt")  # the right size: only its digest tells
    flip(newer / "optimizer.pt", 1.0)
    assert read_whole(newest) is not None
    drop_damaged(tmp_path)
    found = newest_whole(tmp_path, training="t")
    assert found is not None
    assert (found.step, found.folder) == (5, older)
    said = capsys.readouterr().err
    assert str(newest / "optimizer.pt") in said
    assert str(newer / "optimizer.pt") in said
    drop_damaged(tmp_path)
    assert capsys.readouterr().err == ""
    # One of an older version, without digests, counts by its sizes.
    record = read_json(older / "whole.json")
    del record["sha256"]
    write_json(older / "whole.json", record)
    drop_damaged(tmp_path)
    assert read_whole(older) is not None


def test_digests_of_a_folder_are_of_its_files(tmp_path: Path) -> None:
    for name in ("a", "b/c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    first = file_digests(tmp_path)
    assert sorted(first) == ["a", "b/c"]
    flip(tmp_path / "a")
    assert file_digests(tmp_path)["a"] != first["a"]
    assert file_digests(tmp_path)["b/c"] == first["b/c"]


@pytest.mark.parametrize(
    "raised",
    [
        RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
        OSError(errno.ENOSPC, "No space left on device"),
    ],
)
def test_a_failed_write_of_a_library_is_a_full_disk(raised: Exception, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left") as told, failed_writes(tmp_path):
        raise raised
    assert "disk is full" in str(explain_os_error(told.value))


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    for raised in (RuntimeError("shapes differ"), RuntimeError("inline_container.cc: torn")):
        with pytest.raises(RuntimeError, match=str(raised)), failed_writes(tmp_path):
            raise raised


def test_a_torn_or_flipped_configuration_is_refused_in_words(tmp_path: Path) -> None:
    """Whatever its bytes: a configuration, or an error that a person can read."""
    whole = (ROOT / "config" / "demo.yaml").read_bytes()
    rng = random.Random(8)
    refused = []
    for number in range(24):
        data = bytearray(whole[: rng.randrange(len(whole))] if number % 2 else whole)
        for _ in range(0 if number % 4 == 1 else 3):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        (tmp_path / "c.yaml").write_bytes(data)
        try:
            Plan(load_config(tmp_path / "c.yaml"))
        except BabelmixError as error:
            refused.append(str(error))
    assert len(refused) >= 12
    assert all(text.strip() for text in refused)


def test_a_torn_merged_configuration_is_refused(tmp_path: Path) -> None:
    config = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text(encoding="utf-8"))
    write_json(tmp_path / "c.json", config)
    whole = (tmp_path / "c.json").read_bytes()
    for part in (0.0, 0.1, 0.5, 0.9, 0.999):
        (tmp_path / "c.json").write_bytes(whole[: int(part * len(whole))])
        with pytest.raises(BabelmixError, match=r"c\.json"):
            load_config(tmp_path / "c.json")
