"""What a training decides before torch is loaded: schedule, layout, settings, checkpoints."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tiny_model
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.options import as_options
from tests.study import mini_config

from babelmix.config.load import build_config
from babelmix.config.training import Model
from babelmix.errors import BabelmixError
from babelmix.io import write_table
from babelmix.plan import Jobs, Plan
from babelmix.train import launch, train
from babelmix.train.checkpoints import Found, mark_whole, newest_whole, prune, read_whole, seals
from babelmix.train.data import Rows, lay_rows, map_rows
from babelmix.train.schedule import (
    FILLER,
    best_fit,
    evaluation_schedule,
    plan_schedule,
    total_steps,
)
from babelmix.train.settings import (
    Layout,
    check_recipe,
    deepspeed_config,
    evaluation_steps,
    lay_out,
    listed_steps,
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


LAYOUTS = st.sampled_from(
    [
        (8, 1, 4),
        (8, 2, 2),
        (8, 4, 2),
        (12, 3, 4),
        (5, 1, 1),
        (9, 2, 4),
        (8, 2, 8, 60),
        (7, 3, 1, 51),
    ]
)


@given(
    lengths=st.lists(st.integers(2, 50), min_size=1, max_size=60),
    shape=LAYOUTS,
    seed=st.integers(0, 99),
)
@settings(max_examples=80, deadline=None)
def test_each_epoch_sees_each_row_once(
    lengths: list[int], shape: tuple[int, ...], seed: int
) -> None:
    rows, layout = make_rows(lengths), Layout(*shape)
    steps = total_steps(len(rows), 3, None, layout.batch_size)
    schedule = plan_schedule(rows, steps, layout, seed)
    assert schedule.places.shape[:2] == (steps, schedule.rounds * layout.devices)
    for epoch in np.split(schedule.places, 3):
        assert sorted(epoch[epoch != FILLER]) == list(range(len(rows)))
    assert all(len(schedule.step(step)) <= layout.batch_size for step in range(steps))
    assert schedule.sums(rows.lengths).sum() == 3 * sum(lengths)


@given(
    lengths=st.lists(st.integers(2, 50), min_size=1, max_size=60),
    shape=LAYOUTS,
    seed=st.integers(0, 99),
)
@settings(max_examples=80, deadline=None)
def test_no_micro_batch_is_larger_than_allowed(
    lengths: list[int], shape: tuple[int, ...], seed: int
) -> None:
    rows, layout = make_rows(lengths), Layout(*shape)
    plans = [plan_schedule(rows, 4, layout, seed), evaluation_schedule(rows, layout)]
    for plan in plans:
        for group in plan.places.reshape(-1, plan.places.shape[2]):
            real = group[group != FILLER]
            if layout.tokens is None:
                assert len(real) <= layout.micro
            else:
                assert rows.lengths[real].sum() <= layout.tokens
    assert sorted(plans[1].step(0)) == list(range(len(rows)))


@given(lengths=st.lists(st.integers(2, 50), min_size=1, max_size=60), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_a_steps_rows_do_not_depend_on_the_devices(lengths: list[int], seed: int) -> None:
    rows = make_rows(lengths)
    steps = total_steps(len(rows), 2, None, 8)
    plans = [
        plan_schedule(rows, steps, Layout(8, *shape), seed)
        for shape in [(1, 8), (1, 2, 70), (2, 2), (4, 1, 50), (3, 1)]
    ]
    for plan in plans[1:]:
        for step in range(steps):
            assert np.array_equal(np.sort(plan.step(step)), np.sort(plans[0].step(step)))


def test_packed_micro_batches_are_of_like_size() -> None:
    rows = make_rows([40, 39, 3, 2])
    packed = plan_schedule(rows, 1, Layout(4, 2, 2, 60), 0)
    groups = [group[group != FILLER] for group in packed.places[0]]
    assert [int(rows.lengths[group].sum()) for group in groups] == [42, 42]
    assert packed.rounds == 1
    padded = plan_schedule(rows, 1, Layout(4, 1, 2), 0)
    assert rows.lengths[padded.places[0]].tolist() == [[40, 39], [3, 2]]


@given(lengths=st.lists(st.integers(1, 100), max_size=80))
@settings(max_examples=80, deadline=None)
def test_best_fit_wastes_little(lengths: list[int]) -> None:
    ranked = np.array(sorted(lengths, reverse=True), dtype=np.int64)
    groups = best_fit(ranked, 100)
    assert sorted(place for group in groups for place in group) == list(range(len(lengths)))
    assert all(ranked[group].sum() <= 100 for group in groups)
    assert len(groups) <= -(-11 * max(1, -(-sum(lengths) // 100)) // 9) + sum(
        length > 50 for length in lengths
    )


def test_steps() -> None:
    assert total_steps(33, 2, None, 8) == 10
    assert total_steps(33, 0.5, None, 8) == 3
    assert total_steps(1, 0.1, None, 8) == 1
    assert total_steps(33, None, 7, 8) == 7
    assert evaluation_steps(33, 10, recipe()) == {5, 10}
    best = recipe(select="best_dev_loss", checkpoint_steps=3)
    assert evaluation_steps(33, 7, best) == {3, 5, 6, 7}
    listed = recipe(select="listed", keep_epochs=[0.5, 2], select_epoch=2)
    assert listed_steps(33, listed) == {3: 0.5, 10: 2}
    assert evaluation_steps(33, 10, listed) == {3, 5, 10}


def test_layout_keeps_the_batch() -> None:
    assert lay_out(recipe(batch_size=32, micro_batch_size=8), 2, "r") == Layout(32, 2, 8)
    packed = recipe(batch_size=32, micro_batch_size=8, packing=True)
    assert lay_out(packed, 2, "r") == Layout(32, 2, 8, 8 * 64)
    tokens = recipe(batch_size=32, packing=True, micro_batch_tokens=100)
    assert lay_out(tokens, 2, "r").tokens == 100
    with pytest.raises(BabelmixError, match="without rows"):
        lay_out(recipe(), 9, "r")


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
        ({"deepspeed": {"stage": 2, "offload_parameters": True}}, "stage 3"),
        ({"deepspeed": {"stage": 2}, "lora": {"quantise": "nf4"}}, "without DeepSpeed"),
        ({"deepspeed": {"overrides": {"bf16": {"enabled": True}}}}, "may not set bf16"),
        ({"deepspeed": {"overrides": {"zero_optimization": {"stage": 1}}}}, "not in `overrides`"),
    ],
)
def test_what_cannot_work_is_refused_early(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BabelmixError, match=message):
        check_recipe(recipe(**changes), Model(path="x"), "run", gpus=0)


def test_deepspeed_json() -> None:
    settings = {"offload_optimizer": True, "offload_parameters": True}
    overrides = {"zero_optimization": {"reduce_bucket_size": 7}, "wall_clock_breakdown": True}
    chosen = recipe(
        deepspeed={"stage": 3, "overrides": overrides, **settings}, precision="bf16", batch_size=32
    )
    config = deepspeed_config(chosen, devices=2, rounds=4)
    assert config["gradient_accumulation_steps"] == 4
    assert config["train_batch_size"] == 8  # micro-batches, whatever they hold
    zero = config["zero_optimization"]
    assert zero["stage3_gather_16bit_weights_on_model_save"]
    assert (zero["stage"], zero["reduce_bucket_size"]) == (3, 7)
    assert zero["offload_optimizer"] == zero["offload_param"] == {"device": "cpu"}
    assert config["wall_clock_breakdown"] is True
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
        tokenised(
            tmp_path / "en", [("a", "en", 3, ""), ("b", "en", 4, "cut: turns"), ("c", "en", 5, "")]
        ),
        tokenised(tmp_path / "de", [("a", "de", 6, ""), ("b", "de", 0, "refused: because")]),
    ]
    wanted = [("b", "en", "train"), ("a", "de", "train"), ("b", "de", "train"), ("a", "en", "dev")]
    lay_rows(mixture(tmp_path / "m", wanted), files, tmp_path / "rows")
    laid = map_rows(tmp_path / "rows")
    train, dev = laid.train, laid.dev
    assert train.lengths.tolist() == [4, 6]
    assert train[1]["input_ids"].tolist() == [0, 1, 2, 3, 4, 5]
    assert train.trained.tolist() == [3, 5]
    assert dev.lengths.tolist() == [3]
    assert dev[0]["input_ids"].tolist() == [0, 1, 2]
    assert isinstance(train.ids, np.memmap)  # processes share the pages
    assert not train.ids.flags.writeable
    assert laid.counts == {
        "mixture_rows": 4,
        "train_rows": 2,
        "dev_rows": 1,
        "refused": {"refused: because": 1},
        "cut_train_rows": 1,
        "train_tokens": 10,
        "trained_tokens": 8,
    }


def test_repeated_rows_and_stages_of_a_curriculum_are_laid_as_they_are(tmp_path: Path) -> None:
    rows = [("a", "en", 3, ""), ("b", "en", 0, "refused: because"), ("c", "en", 5, "")]
    files = [
        tokenised(tmp_path / "en", rows),
        tokenised(tmp_path / "x", [("a", "de_to_en", 4, "")]),
    ]
    wanted = [("a", "en"), ("c", "en"), ("b", "en"), ("a", "de_to_en"), ("a", "en"), ("c", "en")]
    columns = {
        "id": [i for i, _ in wanted],
        "lang": [c for _, c in wanted],
        "split": ["train"] * 5 + ["dev"],
        "copy": [0, 0, 0, 0, 1, 1],
        "stage": [2, 1, 1, 0, 2, 0],
    }
    write_table(tmp_path / "m", pa.table(columns))
    lay_rows(tmp_path / "m", files, tmp_path / "rows")
    laid = map_rows(tmp_path / "rows")
    assert laid.train.lengths.tolist() == [3, 5, 4, 3]
    assert laid.train.stages is not None
    assert laid.train.stages.tolist() == [2, 1, 0, 2]
    assert laid.train[3]["input_ids"].tolist() == laid.train[0]["input_ids"].tolist()
    assert laid.dev.lengths.tolist() == [5]
    assert laid.counts["mixture_rows"] == 6
    schedule = plan_schedule(laid.train, 2, Layout(2, 1, 2), 0)
    first, second = (sorted(r for r in step.ravel().tolist() if r >= 0) for step in schedule.places)
    assert (first, second) == ([1, 2], [0, 3])
    columns["copy"] = [0, 0, 0, 0, 0, 1]
    write_table(tmp_path / "m2", pa.table(columns))
    with pytest.raises(BabelmixError, match="is in it twice"):
        lay_rows(tmp_path / "m2", files, tmp_path / "rows2")


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
        lay_rows(mixture(tmp_path / "m", wanted), [file], tmp_path / "rows")
    assert not (tmp_path / "rows").exists()


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
    found = newest_whole(tmp_path, training="t")
    assert found == Found(5, tmp_path / "checkpoint-5", 1)
    known = seals(tmp_path)
    checkpoint(tmp_path, 3)
    # The clock was set back: made later all the same.
    os.utime(tmp_path / "checkpoint-3" / "whole.json", (1e9, 1e9))
    assert seals(tmp_path) - known == {("checkpoint-3", 10**18)}
    # Those of another training go, however far it had come: they must not push ours out.
    prune(tmp_path, "t", keep=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint-3", "checkpoint-5"]
    prune(tmp_path)
    assert not list(tmp_path.iterdir())
    assert seals(tmp_path) == set()
    assert newest_whole(tmp_path / "nothing", training="t") is None


def test_a_checkpoint_says_how_many_devices_wrote_it(tmp_path: Path) -> None:
    checkpoint(tmp_path, 5, devices=2)
    assert newest_whole(tmp_path, training="t") == Found(5, tmp_path / "checkpoint-5", 2)


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


def test_a_lone_worker_needs_no_launcher_unless_deepspeed_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("SLURM_NNODES", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    job = tmp_path / "job.json"
    assert "torch.distributed.run" not in launch.command(job, 1, deepspeed=False)
    assert "torch.distributed.run" in launch.command(job, 1, deepspeed=True)
    assert "torch.distributed.run" in launch.command(job, 2, deepspeed=False)


def test_what_changes_no_result_is_in_no_spec_and_still_reaches_the_verb() -> None:
    def jobs(model: dict[str, Any], quick: dict[str, Any]) -> Jobs:
        raw = mini_config()
        raw["models"]["tiny"] |= model
        raw["training"]["quick"] |= quick
        return Jobs(Plan(build_config(raw)))

    before, run = jobs({}, {"deepspeed": {"stage": 2}}), "tiny.mono-EN.quick.s1"
    given = {
        "micro_batch_size": 3,
        "micro_batch_tokens": 500,
        "gradient_checkpointing": True,
        "checkpoint_steps": 7,
        "keep_checkpoints": 3,
    }
    spread = {"stage": 3, "offload_optimizer": True, "offload_parameters": True}
    place = {"device": "cuda", "gpus": 4, "nodes": 2, "threads": 8}
    after = jobs(place, given | {"deepspeed": spread})
    assert after.train(run) == before.train(run)
    assert after.description_digest() == before.description_digest()
    words_ = ["--runtime", after.train_runtime(run), "--device", after.device(run), "--gpus", "4"]
    files = ["mixture", "tokenised", "model", "work", "folder", "metrics", "completed"]
    parser = argparse.ArgumentParser()
    train.add_arguments(parser)
    paths = [word for name in files for word in (f"--{name}", "x")]
    spec = train.read_spec(parser.parse_args([*as_options(after.train(run)), *words_, *paths]))
    assert spec.recipe == after.config.training["quick"]
    assert (spec.model.device, spec.model.gpus) == ("cuda", 4)
    # Where the best checkpoint is chosen, their steps decide which there are to choose from.
    best = [jobs({}, {"select": "best_dev_loss", "checkpoint_steps": n}) for n in (5, 7)]
    assert best[0].train(run) != best[1].train(run)
