"""The check of the GPU path, rehearsed on the CPU, and what it does with steps that go wrong."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.gpu.report import markdown
from tests.gpu.runner import Outcome

from babelmix.resources import ROOT


def check(out: Path, *words: str, timeout: int = 600) -> tuple[int, dict[str, Any], str]:
    """Run the check; its exit status, its JSON and what it printed."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.gpu", "--device", "cpu", *words],
        cwd=ROOT,
        env=os.environ | {"OUT": str(out)},
        capture_output=True,
        text=True,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    shown: dict[str, Any] = json.loads((out / "gpu-check.json").read_text(encoding="utf-8"))
    return run.returncode, shown, run.stdout + run.stderr


@pytest.mark.parametrize("way", [[], ["--fresh"]])
def test_a_step_that_goes_wrong_takes_nothing_along(tmp_path: Path, way: list[str]) -> None:
    status, shown, said = check(tmp_path, "--steps", "tests.gpu.faulty", *way)
    assert status == 1
    assert shown["complete"] is True
    steps = {step["name"]: step for step in shown["steps"]}
    assert {name: step["status"] for name, step in steps.items()} == {
        "fine": "passed",
        "broken": "failed",
        "hanging": "cut",
        "killed": "failed",
        "lacking": "skipped",
        "mistaken": "failed",
        "left-out": "skipped",
        "last": "passed",
    }
    assert steps["broken"]["reason"] == "AssertionError: the losses differ by 3.0e-01"
    assert "about to fail" in "\n".join(steps["broken"]["log"])
    assert steps["hanging"]["reason"].startswith("cut after ")
    assert steps["hanging"]["seconds"] < 30
    assert steps["killed"]["reason"] == "its process was killed by signal 9"
    assert steps["lacking"]["reason"] == "trl is not installed"
    assert steps["left-out"]["reason"] == "needs two cards"
    assert "| a\\|b | 1,234 |" in said
    strays = [
        path
        for path in Path("/proc").glob("[0-9]*/environ")
        if b"BABELMIX_GPU_CHECK_STEP" in _bytes(path) and b"hanging" in _bytes(path)
    ]
    assert not strays


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_when_the_time_is_up_the_rest_is_skipped_and_said(tmp_path: Path) -> None:
    status, shown, _ = check(tmp_path, "--steps", "tests.gpu.faulty", "--budget", "7")
    steps = {step["name"]: step for step in shown["steps"]}
    assert status == 1
    assert steps["hanging"]["status"] == "cut"
    assert steps["last"]["status"] in ("skipped", "passed")
    status, shown, _ = check(
        tmp_path, "--steps", "tests.gpu.faulty", "--only", "fine", "last", "--budget", "1"
    )
    assert status == 0
    assert [step["reason"] for step in shown["steps"]] == ["no time is left"] * 2


def test_a_run_cut_off_says_what_was_not_run() -> None:
    done = [Outcome("varlen", "correctness", "a = b", "passed", 3.0, figures={"bound": 0.02})]
    assert "| zero3 | not run |" in markdown(done, ["zero3"])
    assert "| varlen: a = b | passed | 3 | bound 0.02 |" in markdown(done, ["zero3"])


def test_the_rehearsal_on_a_cpu(tmp_path: Path) -> None:
    """All of the check with tiny shapes; about a minute of processor time."""
    _, shown, said = check(tmp_path, "--budget", "800", timeout=850)
    steps = {step["name"]: step for step in shown["steps"]}
    assert shown["complete"] is True
    assert shown["device"] == "cpu"
    assert steps["environment"]["figures"]["torch"]
    # Adapters learn to stop under chatml only once they train the rows of its control tokens.
    known = set() if importlib.util.find_spec("babelmix.train.vocabulary") else {"lora-stops"}
    for name, step in steps.items():
        if name not in known:
            assert step["status"] in ("passed", "skipped"), (name, step["reason"], step["log"])
        assert bool(step["reason"]) == (step["status"] != "passed")
    passed = {name for name, step in steps.items() if step["status"] == "passed"}
    assert passed | known >= {
        *("environment", "varlen", "packed", "soft-cap", "answers", "export", "zero3", "resume"),
        *("lora-stops", "training-speed", "answer-speed"),
    }
    rows = steps["training-speed"]["figures"]["table"]
    assert rows[0]["variant"].startswith("ours")
    assert len(rows) >= 5
    assert all(row["tokens_per_s"] > 0 for row in rows)
    assert steps["resume"]["figures"]["largest_difference_of_losses"] == 0
    assert "| variant | tokens_per_s |" in said
    assert (tmp_path / "gpu-check.md").read_text(encoding="utf-8") in said
