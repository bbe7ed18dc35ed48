"""What a training decides before torch is loaded: schedule, layout, settings, checkpoints."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tiny_model
from hypothesis import given, settings
from hypothesis import strategies as st

from babelmix.config.training import Model
from babelmix.errors import BabelmixError
from babelmix.io import write_table
from babelmix.train import launch
from babelmix.train.checkpoints import mark_whole, newest_whole, prune, read_whole
from babelmix.train.data import FILLER, Rows, load_mixture, plan_schedule, total_steps
from babelmix.train.settings import (
    Layout,
    check_recipe,
    deepspeed_config,
    evaluation_steps,
    lay_out,
    rate_factor,
)
from babelmix.train.tokenise import SCHEMA

recipe = tiny_model.recipe


def make_rows(lengths: list[int]) -> Rows:
    """Rows of the given lengths; all but the first token of each is trained."""
    offsets = np.cumsum([0, *lengths])
    ids = np.arange(offsets[-1], dtype=np.int32)
    labels = ids.copy()
    labels[offsets[:-1]] = -100
    return Rows(ids, labels, offsets)


@given(
    lengths=st.lists(st.integers(2, 50), min_size=1, max_size=60),
    shape=st.sampled_from([(8, 1, 4), (8, 2, 2), (8, 4, 2), (12, 3, 4), (5, 1, 1)]),
    seed=st.integers(0, 99),
    packed=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_each_epoch_sees_each_row_once(
    lengths: list[int], shape: tuple[int, int, int], seed: int, packed: bool
) -> None:
    rows, layout = make_rows(lengths), Layout(*shape)
    steps = total_steps(len(rows), 3, None, layout.batch_size)
    schedule = plan_schedule(rows, steps, layout, seed, packed=packed)
    assert schedule.shape == (steps, layout.batch_size)
    for epoch in np.split(schedule, 3):
        assert sorted(epoch[epoch != FILLER]) == list(range(len(rows)))


@given(lengths=st.lists(st.integers(2, 50), min_size=1, max_size=60), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_a_steps_rows_do_not_depend_on_the_devices(lengths: list[int], seed: int) -> None:
    rows = make_rows(lengths)
    steps = total_steps(len(rows), 2, None, 8)
    plans = [
        plan_schedule(rows, steps, Layout(8, devices, micro), seed, packed=packed)
        for devices, micro, packed in [(1, 8, False), (1, 2, True), (2, 2, False), (4, 1, True)]
    ]
    for plan in plans[1:]:
        assert np.array_equal(np.sort(plan, 1), np.sort(plans[0], 1))


def test_packed_micro_batches_are_of_like_size() -> None:
    rows = make_rows([40, 39, 3, 2])
    step = plan_schedule(rows, 1, Layout(4, 1, 2), 0, packed=True)[0]
    sums = rows.lengths[step].reshape(2, 2).sum(1)
    assert sums.tolist() == [42, 42]
    padded = plan_schedule(rows, 1, Layout(4, 1, 2), 0, packed=False)[0]
    assert rows.lengths[padded].tolist() == [40, 39, 3, 2]


def test_steps() -> None:
    assert total_steps(33, 2, None, 8) == 10
    assert total_steps(33, 0.5, None, 8) == 3
    assert total_steps(1, 0.1, None, 8) == 1
    assert total_steps(33, None, 7, 8) == 7
    assert evaluation_steps(33, 10, Layout(8, 1, 8)) == {5, 10}
    assert evaluation_steps(33, 7, Layout(8, 1, 8), 3) == {3, 5, 6, 7}


def test_layout_keeps_the_batch() -> None:
    assert lay_out(recipe(batch_size=32, micro_batch_size=8), 2, "r") == Layout(32, 2, 8)
    assert lay_out(recipe(batch_size=32, micro_batch_size=16), 4, "r").micro == 8
    assert lay_out(recipe(batch_size=24, micro_batch_size=8), 4, "r") == Layout(24, 4, 6)
    for devices in (1, 2, 4, 8):
        layout = lay_out(recipe(batch_size=32, micro_batch_size=8), devices, "r")
        assert layout.devices * layout.micro * layout.accumulation == 32
    with pytest.raises(BabelmixError, match="multiple of the number of devices"):
        lay_out(recipe(), 3, "r")


@pytest.mark.parametrize("shape", ["constant", "linear", "cosine"])
def test_learning_rate(shape: str) -> None:
    rates = recipe(schedule=shape, warmup_ratio=0.1, learning_rate=1e-3, min_learning_rate=1e-4)
    factor = rate_factor(rates, 100)
    values = [factor(step) for step in range(101)]
    assert 0 < values[0] < values[9] < values[10] == 1.0
    assert values[10:] == sorted(values[10:], reverse=True)
    assert values[100] == pytest.approx(1.0 if shape == "constant" else 0.1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"precision": "fp16"}, "needs a GPU"),
        ({"precision": "bf16", "deepspeed": {"stage": 0}}, "master weights"),
        ({"deepspeed": {"stage": 0, "offload_optimizer": True}}, "stage of 1"),
        ({"deepspeed": {"stage": 3}, "lora": {}}, "stage: 2"),
    ],
)
def test_what_cannot_work_is_refused_early(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BabelmixError, match=message):
        check_recipe(recipe(**changes), Model(path="x"), "run", gpus=0)


def test_deepspeed_json() -> None:
    chosen = recipe(deepspeed={"stage": 3, "offload_optimizer": True}, precision="bf16")
    config = deepspeed_config(chosen, Layout(32, 2, 4))
    assert config["gradient_accumulation_steps"] == 4
    assert config["zero_optimization"]["stage3_gather_16bit_weights_on_model_save"]
    assert config["zero_force_ds_cpu_optimizer"] is False
    assert "auto" not in json.dumps(config)


def tokenised(path: Path, rows: list[tuple[str, str, int, str]]) -> Path:
    """A tokenised file of (id, language, tokens, note)."""
    ids = [list(range(n)) for _, _, n, _ in rows]
    labels = [[-100, *row[1:]] if row else [] for row in ids]
    columns = {
        "id": [r[0] for r in rows],
        "lang": [r[1] for r in rows],
        "input_ids": ids,
        "labels": labels,
        "n_tokens": [len(row) for row in ids],
        "n_trained": [max(0, len(row) - 1) for row in ids],
        "note": [r[3] for r in rows],
    }
    write_table(path, pa.table(columns, schema=SCHEMA))
    return path


def mixture(path: Path, rows: list[tuple[str, str, str]]) -> Path:
    """A mixture file."""
    names = ("id", "lang", "split")
    write_table(path, pa.table({n: [r[i] for r in rows] for i, n in enumerate(names)}))
    return path


def test_a_mixture_is_looked_up_in_its_own_order(tmp_path: Path) -> None:
    files = [
        tokenised(tmp_path / "en", [("a", "en", 3, ""), ("b", "en", 4, "cut"), ("c", "en", 5, "")]),
        tokenised(tmp_path / "de", [("a", "de", 6, ""), ("b", "de", 0, "refused: because")]),
    ]
    wanted = [("b", "en", "train"), ("a", "de", "train"), ("b", "de", "train"), ("a", "en", "dev")]
    train, dev, counts = load_mixture(mixture(tmp_path / "m", wanted), files)
    assert train.lengths.tolist() == [4, 6]
    assert train[1]["input_ids"].tolist() == [0, 1, 2, 3, 4, 5]
    assert train.trained.tolist() == [3, 5]
    assert dev.lengths.tolist() == [3]
    assert counts == {
        "mixture_rows": 4,
        "train_rows": 2,
        "dev_rows": 1,
        "refused": {"refused: because": 1},
        "cut_train_rows": 1,
        "train_tokens": 10,
        "trained_tokens": 8,
    }


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ([("x", "en", "train")], "in none of the tokenised files"),
        ([("a", "de", "train")], "in none of the tokenised files"),
        ([("a", "en", "train")] * 2, "in it twice"),
        ([("a", "en", "test")], "is not train or dev"),
        ([("a", "en", "dev")], "no row is left to train on"),
    ],
)
def test_mixture_errors(tmp_path: Path, wanted: list[tuple[str, str, str]], message: str) -> None:
    file = tokenised(tmp_path / "en", [("a", "en", 3, "")])
    with pytest.raises(BabelmixError, match=message):
        load_mixture(mixture(tmp_path / "m", wanted), [file])


def checkpoint(work: Path, step: int, training: str = "t", devices: int = 1) -> Path:
    """A whole checkpoint."""
    folder = work / f"checkpoint-{step}"
    (folder / "part").mkdir(parents=True)
    (folder / "part" / "weights").write_bytes(b"12345")
    mark_whole(folder, step=step, devices=devices, training=training)
    return folder


def test_only_whole_checkpoints_count(tmp_path: Path) -> None:
    for step in (5, 10, 15, 20):
        checkpoint(tmp_path, step)
    checkpoint(tmp_path, 25, training="another")
    (tmp_path / "checkpoint-30").mkdir()
    (tmp_path / "checkpoint-20" / "part" / "weights").write_bytes(b"123")
    (tmp_path / "checkpoint-15" / "part" / "weights").unlink()
    (tmp_path / "checkpoint-10" / "whole.json").write_text('{"step": 1')
    assert read_whole(tmp_path / "checkpoint-10") is None
    found = newest_whole(tmp_path, training="t", devices=1)
    assert found == (5, tmp_path / "checkpoint-5")
    prune(tmp_path, keep=found[1])
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint-5"]
    assert newest_whole(tmp_path / "nothing", training="t", devices=1) is None


def test_another_number_of_devices_is_refused(tmp_path: Path) -> None:
    checkpoint(tmp_path, 5, devices=2)
    with pytest.raises(BabelmixError, match=r"on 2 device\(s\), and this one has 1"):
        newest_whole(tmp_path, training="t", devices=1)


def test_command_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLURM_PROCID", "SLURM_NNODES", "SLURM_NODEID"):
        monkeypatch.delenv(name, raising=False)
    line = launch.command(tmp_path / "job.json", 4)
    assert "--standalone" in line
    assert "--nproc-per-node=4" in line
    assert line[-2:] == ["babelmix.train.worker", str(tmp_path / "job.json")]
    for name, value in {
        "PROCID": "1",
        "NNODES": "2",
        "NODEID": "1",
        "JOB_NODELIST": "n[1-2]",
    }.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    monkeypatch.setattr(
        launch.subprocess, "run", lambda *_, **__: SimpleNamespace(stdout="n1\nn2\n")
    )
    line = launch.command(tmp_path / "job.json", 4)
    assert {"--nnodes=2", "--node-rank=1", "--master-addr=n1"} <= set(line)
