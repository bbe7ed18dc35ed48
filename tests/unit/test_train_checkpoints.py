"""Checkpoints of several devices: who hashes what, conversion, clocks, and what is refused."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import tiny_model

from babelmix.errors import BabelmixError
from babelmix.folders import changed_files
from babelmix.io import read_json
from babelmix.train import checkpoints, launch, selection, universal, watch
from babelmix.train.memory import ModelShape
from babelmix.train.settings import lay_out


def checkpoint(folder: Path, devices: int = 4) -> Path:
    """Files of a ZeRO checkpoint: one shard per device, and the large files of none."""
    shards = folder / "global_step6"
    shards.mkdir(parents=True)
    for rank in range(devices):
        (shards / f"bf16_zero_pp_rank_{rank}_mp_rank_00_optim_states.pt").write_bytes(
            bytes([rank]) * 4000
        )
        (folder / f"rng_state_{rank}.pth").write_bytes(b"r" * 10)
    (shards / "mp_rank_00_model_states.pt").write_bytes(b"m" * 9000)
    for number in range(8):
        (folder / f"shared-{number}.bin").write_bytes(bytes([number]) * 2000)
    return folder


def test_every_device_hashes_its_own_files_and_a_like_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = checkpoint(tmp_path / "checkpoint-6")
    read: dict[int, int] = dict.fromkeys(range(4), 0)
    digest = checkpoints.digests_of
    rank = 0

    def counted(where: Path, names: list[str]) -> dict[str, str]:
        read[rank] += sum((where / name).stat().st_size for name in names)
        return digest(where, names)

    monkeypatch.setattr(checkpoints, "digests_of", counted)
    for rank in range(4):
        checkpoints.digest_own(folder, rank)
    assert set(read.values()) == {4010}  # its own, before anybody waits
    for rank in range(4):
        checkpoints.digest_share(folder, rank, 4)
    assert max(read.values()) < 1.5 * sum(read.values()) / 4
    before = sum(read.values())
    checkpoints.mark_whole(folder, step=6, devices=4, training="t")
    assert sum(read.values()) == before  # the first device reads nothing again
    record = read_json(folder / checkpoints.MANIFEST)
    assert len(record["files"]) == 4 + 4 + 1 + 8
    assert not changed_files(folder, record["sha256"])
    assert not list(folder.glob("*.part"))
    found = checkpoints.newest_whole(tmp_path, training="t")
    assert found is not None
    assert (found.step, found.devices) == (6, 4)


def test_a_file_that_no_device_noted_is_read_by_the_first(tmp_path: Path) -> None:
    """A shared disk may show a file late to some nodes."""
    folder = checkpoint(tmp_path / "checkpoint-6")
    checkpoints.digest_own(folder, 1)
    checkpoints.mark_whole(folder, step=6, devices=4, training="t")
    record = read_json(folder / checkpoints.MANIFEST)
    assert len(record["sha256"]) == 17
    assert not changed_files(folder, record["sha256"])


def test_a_conversion_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = checkpoint(tmp_path / "checkpoint-6")
    (folder / "latest").write_text("global_step6")
    asked: list[list[str]] = []

    def tool(command: list[str], **_: Any) -> Any:
        asked.append(command)
        (folder / "latest_universal").write_text("half of it")  # as DeepSpeed's tool does
        return subprocess.CompletedProcess(command, 1, "", "…\nRuntimeError: no room")

    monkeypatch.setattr(universal.subprocess, "run", tool)
    with pytest.raises(BabelmixError, match=r"converted .*RuntimeError: no room.*as many devices"):
        universal.to_universal(folder, 2, 3, "r")
    assert not (folder / "latest_universal").exists()
    assert "--inject_missing_state" in asked[0]
    assert asked[0][asked[0].index("--num_extract_workers") + 1] == "3"
    (folder / "latest_universal").write_text("global_step6_universal")
    universal.to_universal(folder, 3, 1, "r")
    assert len(asked) == 1  # made already


def test_the_clock_waits_for_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels are queued: without waiting a step's work would not count as its time."""
    monkeypatch.setattr(watch.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(watch.torch.cuda, "synchronize", lambda: time.sleep(0.05))
    recorder: Any = object.__new__(watch.Recorder)
    recorder._spent, recorder.bar, recorder.after_step = 0.0, None, lambda _: None
    state: Any = type("State", (), {"global_step": 1})
    for _ in range(3):
        recorder.on_step_begin(None, state, None)
        recorder.on_step_end(None, state, None)
    assert recorder._spent >= 0.15


def test_devices_wait_for_as_long_as_the_recipe_says(tmp_path: Path) -> None:
    from babelmix.train.loop import training_arguments

    assert tiny_model.recipe().collective_timeout_minutes == 60
    longer = tiny_model.recipe(collective_timeout_minutes=90)
    assert training_arguments(longer, 1, 1, 0, tmp_path, use_cpu=True).ddp_timeout == 5400
    assert longer.essence() == tiny_model.recipe().essence()  # trains nothing again


def test_answers_need_room_for_the_whole_weights() -> None:
    shape = ModelShape.like_llama(7_000_000_000)
    settings: dict[str, Any] = {"precision": "bf16", "deepspeed": {"stage": 3}}
    chosen = tiny_model.recipe(select="best_dev_rouge_l", **settings)
    layout = lay_out(chosen, 8, "r")
    selection.check_gathering(shape, chosen, layout, 80e9, "r")
    with pytest.raises(BabelmixError, match=r"takes 28 GB .*`select: best_dev_loss`"):
        selection.check_gathering(shape, chosen, layout, 40e9, "r")
    for other in (tiny_model.recipe(**settings), tiny_model.recipe(select="best_dev_rouge_l")):
        selection.check_gathering(shape, other, layout, 1e9, "r")


def test_what_is_settled_before_the_start_can_complain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job: Any = type("Job", (), {"work": tmp_path, "on_gpu": True, "threads": 1})()
    job.spec = type("Spec", (), {"run": "r"})()
    job.model_copy = lambda update: job
    job.model_dump_json = lambda: "{}"
    monkeypatch.setattr(launch, "_supervise", lambda *_: 1)
    with pytest.raises(BabelmixError, match="r: it could not be prepared"):
        launch.get_ready(job)
    monkeypatch.setattr(launch, "node_rank", lambda: 1)
    launch.get_ready(job)  # the first node does it
