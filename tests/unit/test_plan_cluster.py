"""`check` on a login node: what it asks SLURM, and what it says. SLURM's programs are stand-ins."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.study import ROOT, mini_config

from babelmix.config.load import build_config
from babelmix.errors import BabelmixError
from babelmix.plan import Plan, cluster

PROFILE = ROOT / "workflow" / "profiles" / "slurm"

SCONTROL = """
case "$*" in
  "show config") echo "MinJobAge = $AGE sec"; echo "AccountingStorageType = x" ;;
  "show partition cpu") echo "PartitionName=cpu PreemptMode=OFF State=UP" ;;
  "show partition gpu") echo "PartitionName=gpu PreemptMode=$GPU_PREEMPT State=UP" ;;
  "write batch_script 7 -") echo "snakemake 'results/mini/a' 'results/mini/b'" ;;
  "write batch_script 8 -") echo "snakemake 'results/other/a'" ;;
  "write batch_script 9 -") echo "snakemake 'resources/x'" ;;
  *) exit 1 ;;
esac
"""
SINFO = """
case "$*" in
  *%R*) printf 'cpu\\ngpu\\n' ;;
  *"-p gpu"*) echo "gpu:a100:4(S:0-1)|64|512000" ;;
  *) echo "(null)|32|128000+" ;;
esac
"""


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH of stand-ins; returns their folder."""
    folder = tmp_path / "slurm-bin"
    folder.mkdir()
    bodies = {"scontrol": SCONTROL, "sinfo": SINFO, "sbatch": "", "squeue": "", "srun": ""}
    for name, body in bodies.items():
        write(folder / name, body)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("AGE", "300")
    monkeypatch.setenv("GPU_PREEMPT", "OFF")
    monkeypatch.setattr(cluster.importlib.util, "find_spec", lambda name: object())
    return folder


def write(file: Path, body: str) -> None:
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)


def plan(**model: Any) -> Plan:
    config = mini_config()
    config["models"]["tiny"] |= model
    return Plan(build_config(config))


def profile(**default: Any) -> dict[str, Any]:
    read = yaml.safe_load((PROFILE / "config.yaml").read_text(encoding="utf-8"))
    read["default-resources"] |= {"slurm_account": "study", **default}
    return read


def test_a_fitting_cluster_has_no_problems(slurm: Path) -> None:
    assert cluster.cluster_problems(plan(device="cuda", gpus=4), profile()) == []


def test_the_shipped_profile_asks_for_an_account(slurm: Path) -> None:
    (problem,) = cluster.cluster_problems(plan(), cluster.read_profile(PROFILE))
    assert "names no account yet" in problem


def test_without_slurm_it_says_where_to_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    (problem,) = cluster.cluster_problems(plan(), profile())
    assert "login node" in problem


def test_a_silent_controller(slurm: Path) -> None:
    write(slurm / "scontrol", "echo 'Unable to contact slurm controller' >&2; exit 1")
    (problem,) = cluster.cluster_problems(plan(), profile())
    assert "Unable to contact" in problem


def test_the_executor_is_missing(slurm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster.importlib.util, "find_spec", lambda name: None)
    (problem,) = cluster.cluster_problems(plan(), profile())
    assert "requirements-slurm.txt" in problem
    assert (ROOT / "requirements-slurm.txt").is_file()


def test_jobs_forgotten_too_soon(slurm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGE", "30")
    (problem,) = cluster.cluster_problems(plan(), profile())
    assert "to 10 at most" in problem


def test_sacct_is_refused(slurm: Path) -> None:
    (problem,) = cluster.cluster_problems(plan(), profile() | {"slurm-status-command": "sacct"})
    assert "waits for ever" in problem


def test_a_partition_that_cancels(slurm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU_PREEMPT", "CANCEL")
    (problem,) = cluster.cluster_problems(plan(), profile())
    assert "PreemptMode=CANCEL" in problem
    assert "gpu" in problem


def test_an_unknown_partition_names_those_there_are(slurm: Path) -> None:
    (problem,) = cluster.cluster_problems(plan(), profile(slurm_partition="fast"))
    assert "There are: cpu, gpu" in problem


@pytest.mark.parametrize(
    ("model", "fits"),
    [
        ({"gpus": 4, "threads": 64}, True),
        ({"gpus": 8}, False),
        ({"gpus": 4, "threads": 65}, False),
        ({"gpus": 4, "parameters_b": 100}, False),
        ({"gpus": 4, "nodes": 2}, False),  # there is one such node
    ],
)
def test_a_training_must_fit_a_node(slurm: Path, model: dict[str, Any], fits: bool) -> None:
    problems = cluster.cluster_problems(plan(device="cuda", **model), profile())
    assert (problems == []) == fits
    assert fits or "models.tiny" in problems[0]


def test_slurms_own_refusal_is_passed_on(slurm: Path) -> None:
    write(slurm / "sbatch", "echo 'Invalid account or account/partition combination' >&2; exit 1")
    problems = cluster.cluster_problems(plan(), profile())
    assert len(problems) == 2
    assert "Invalid account" in problems[0]


def test_jobs_of_an_earlier_run_are_found_and_others_left_alone(
    slurm: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    lines = [
        f"7|RUNNING|{folder}|babelmix_1-2|rule_train_wildcards_x",
        f"8|RUNNING|{folder}|babelmix_3-4|of another study set",
        f"9|PENDING|{folder}|babelmix_5-6|names no results",
        f"10|RUNNING|{folder}|something else|foreign",
        f"11|RUNNING|{tmp_path}|babelmix_7-8|of another folder",
    ]
    write(slurm / "squeue", "cat <<'L'\n" + "\n".join(lines) + "\nL")
    assert [job for job, _, _ in cluster.living_jobs("results/mini", folder)] == ["7", "9"]
    (problem,) = cluster.leftovers("results/mini", folder)
    assert "scancel 7 9" in problem
    assert "rule_train_wildcards_x" in problem
    write(slurm / "squeue", "")
    assert cluster.leftovers("results/mini", folder) == []


def test_without_squeue_nothing_is_left_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    assert cluster.leftovers("results/mini", Path()) == []


def test_trial_jobs_must_write_where_this_machine_sees_it(
    slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(cluster.try_nodes(profile(), 5)) == 2  # srun "worked" and wrote nothing
    write(slurm / "srun", 'while [ "$1" != -c ]; do shift; done; touch .babelmix-check-$PPID')
    assert cluster.try_nodes(profile(), 5) == []
    assert list(tmp_path.glob(".babelmix-check*")) == []
    write(slurm / "srun", "echo 'no such file' >&2; exit 127")
    assert "shared file system" in cluster.try_nodes(profile(), 5)[0]


def test_a_profile_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BabelmixError, match="--slurm-profile"):
        cluster.read_profile(tmp_path)


def test_the_profile_names_real_rules_and_comments_every_setting() -> None:
    text = (PROFILE / "config.yaml").read_text(encoding="utf-8")
    rules = " ".join(f.read_text() for f in (ROOT / "workflow" / "rules").glob("*.smk"))
    read = yaml.safe_load(text)
    for rule in [*read["set-resources"], *read["groups"]]:
        assert f"rule {rule}:" in rules
    lines = text.splitlines()
    for above, line in itertools.pairwise(lines):
        if line and not line.startswith((" ", "#")):
            assert above.startswith("#"), f"{line}: no comment above"


def test_both_profiles_agree_on_what_decides_a_rerun() -> None:
    default = yaml.safe_load((PROFILE.parent / "default" / "config.yaml").read_text())
    slurm_profile = yaml.safe_load((PROFILE / "config.yaml").read_text())
    for key in ("scheduler", "max-checksum-file-size", "rerun-incomplete"):
        assert default[key] == slurm_profile[key]
    assert "retries" in slurm_profile
    assert not [
        f for f in (ROOT / "workflow" / "rules").glob("*.smk") if "retries:" in f.read_text()
    ]


@pytest.mark.parametrize(("parallel", "fits"), [(4, True), (8, False)])
def test_a_job_of_answers_must_fit_a_node(slurm: Path, parallel: int, fits: bool) -> None:
    config = mini_config()
    config["models"]["tiny"] |= {"device": "cuda", "gpus": 4}
    for benchmark in config["benchmarks"].values():
        benchmark["generation"] |= {"engine": "vllm-server", "data_parallel": parallel}
    problems = cluster.cluster_problems(Plan(build_config(config)), profile())
    assert (problems == []) == fits
    assert all("a job of answers of tiny asks for 1 node(s), each with 8" in p for p in problems)
