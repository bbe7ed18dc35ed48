"""What a job of answers asks for: one copy of the model, not what its training takes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from babelmix.config.evaluation import Generation
from babelmix.config.load import build_config, read_yaml
from babelmix.errors import BabelmixError
from babelmix.plan.graph import Plan
from babelmix.plan.jobs import Jobs
from babelmix.train import devices

ROOT = Path(__file__).resolve().parents[2]
RUN, BENCHMARK = "llama-2-7b.e1-EN.pinch.s0", "pinch-prompts"


def jobs(**generation: Any) -> Jobs:
    """The full reproduction, its second benchmark answered as told."""
    raw = read_yaml(ROOT / "config" / "config.yaml")
    raw["benchmarks"][BENCHMARK]["generation"] |= generation
    return Jobs(Plan(build_config(raw)))


def test_81_jobs_take_81_gpus_where_their_trainings_take_8_each() -> None:
    full = jobs()
    sets = full.plan.answer_sets()
    assert len(sets) == 81
    assert {full.gpus(run) for _, run in sets} == {8}
    assert sum(full.answer_gpus(b, run) for b, run in sets) == 81
    # Eight jobs side by side ask for no more cores and less memory than one training's node has.
    assert {full.answer_threads(b, run) for b, run in sets} == {16 // 8}
    assert all(8 * full.answer_memory(b, run) < 300_000 for b, run in sets)


@pytest.mark.parametrize(
    ("generation", "gpus"),
    [
        ({}, 1),
        ({"tensor_parallel": 2}, 2),
        ({"engine": "vllm", "tensor_parallel": 4}, 4),
        ({"engine": "vllm-server", "data_parallel": 4, "tensor_parallel": 2}, 8),
        ({"engine": "openai", "base_url": "http://127.0.0.1:1/v1"}, 0),
    ],
)
def test_gpus_by_engine(generation: dict[str, Any], gpus: int) -> None:
    asked = jobs(**generation)
    assert asked.answer_gpus(BENCHMARK, RUN) == gpus
    assert asked.answer_threads(BENCHMARK, RUN) == max(1, 2 * gpus)


def test_a_model_without_gpus_is_answered_with_all_its_threads() -> None:
    raw = read_yaml(ROOT / "config" / "demo.yaml")
    small = Jobs(Plan(build_config(raw)))
    for benchmark, run in small.plan.answer_sets():
        assert small.answer_gpus(benchmark, run) == 0
        assert small.answer_threads(benchmark, run) == small.threads(run)


def test_a_dry_run_asks_snakemake_for_one_gpu_per_job() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", "--cores", "1", "--config",
         'only_studies=["lima-x"]', "--until", "answer"],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT / "workflow")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    asked = re.findall(r"rule answer:.*?\n    resources: ([^\n]*)", done.stdout, re.DOTALL)
    assert len(asked) == 9
    assert all("gpu=1," in resources for resources in asked)


def test_where_and_on_how_much_changes_no_job_text() -> None:
    named = {"tensor_parallel": 2, "engine": "vllm-server"}
    plain = jobs(engine="vllm-server").answer(BENCHMARK, RUN)
    placed = named | {"data_parallel": 4, "gpu_memory_utilization": 0.8, "server_ready_s": 60}
    assert jobs(**placed, server_command=["/opt/vllm", "serve"]).answer(BENCHMARK, RUN) == plain
    assert jobs(**named, max_model_len=4096).answer(BENCHMARK, RUN) != plain
    assert "parallel" not in jobs().answer(BENCHMARK, RUN)


@pytest.mark.parametrize(
    ("generation", "gpus_here", "words"),
    [
        ({"engine": "vllm"}, 8, "needs the package vllm in this environment"),
        (
            {"engine": "vllm-server", "server_command": ["/nowhere/vllm", "serve"]},
            8,
            "`/nowhere/vllm` is not on this machine's PATH",
        ),
        ({"engine": "vllm-server", "server_command": ["sh"], "data_parallel": 9}, 8, "9 GPUs"),
        ({"engine": "vllm-server", "server_command": ["sh"], "data_parallel": 8}, 8, ""),
        ({"engine": "vllm-server", "server_command": ["/nowhere/vllm"]}, None, ""),
    ],
)
def test_what_an_engine_lacks_is_said_before_anything_is_spent(
    generation: dict[str, Any], gpus_here: int | None, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "x")
    told = [p for p in jobs(**generation).plan.problems(gpus_here=gpus_here) if "bench" in p]
    assert len(told) == bool(words)
    assert words in "".join(told)


@pytest.mark.parametrize(
    ("generation", "words"),
    [
        ({"data_parallel": 2}, "`data_parallel` is not read by `engine: transformers`"),
        ({"engine": "vllm", "data_parallel": 2}, "`data_parallel` is not read by `engine: vllm`"),
        ({"engine": "openai", "tensor_parallel": 2}, "`tensor_parallel` is not read"),
        ({"max_model_len": 4096}, "`max_model_len` is not read"),
        ({"engine": "vllm-server", "base_url": "http://h/v1"}, "leave `base_url` out"),
        ({"engine": "vllm", "vllm_options": {"seed": 3}}, "`vllm_options` holds `seed`: set"),
    ],
)
def test_keys_that_an_engine_would_not_read_are_refused(
    generation: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        Generation.model_validate(generation)


def test_jobs_in_one_allocation_take_different_gpus_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "_physical_gpus", lambda: 8)
    monkeypatch.setattr(devices.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    with devices.claim_gpus(1) as first:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")  # as another process would see it
        with devices.claim_gpus(1) as second:
            assert {*first, *second} == {"0", "1"}
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
            with pytest.raises(BabelmixError, match="free GPU"), devices.claim_gpus(1, wait_s=0):
                pass
            # SLURM numbers the GPUs of another of its jobs from 0 again.
            monkeypatch.setenv("SLURM_JOB_ID", "8")
            with devices.claim_gpus(1) as other:
                assert other == ["0"]
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0,1"
