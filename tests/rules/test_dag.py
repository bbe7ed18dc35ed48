"""The graph of each shipped configuration, by dry runs of the real Snakemake."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.study import ROOT, Study, mini_config

from babelmix.config.load import load_config
from babelmix.plan import Plan
from babelmix.plan.prune import orphans


def snakemake(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    # No key and no GPU: planning needs none.
    hidden = {"HF_TOKEN", "OPENAI_API_KEY", "DEEPL_AUTH_KEY", "GOOGLE_API_KEY", "PYTHONPATH"}
    clean = {k: v for k, v in os.environ.items() if k not in hidden}
    return subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2", "--nolock", *options],
        cwd=ROOT,
        env=clean | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def planned(output: str) -> dict[str, int]:
    rows = re.findall(r"^([a-z_]+)\s+(\d+)$", output.split("Job stats:")[-1], flags=re.M)
    return {rule: int(n) for rule, n in rows}


def test_the_full_reproduction_is_planned_without_network_gpu_or_key() -> None:
    done = snakemake("--dry-run", "--forceall")
    assert done.returncode == 0, done.stdout[-3000:]
    jobs = planned(done.stdout)
    assert jobs["train"] == 80
    assert jobs["judge_pairs"] == 27 + 54
    assert jobs["judge_single"] == jobs["choose_baseline"] == 27
    assert jobs["answer"] == jobs["score_answers"] == 81


def test_the_full_reproduction_is_planned_with_the_groups_of_the_slurm_profile() -> None:
    profile = yaml.safe_load((ROOT / "workflow/profiles/slurm/config.yaml").read_text())
    groups = [f"{rule}={group}" for rule, group in profile["groups"].items()]
    components = [f"{group}={n}" for group, n in profile["group-components"].items()]
    grouped = ["--groups", *groups, "--group-components", *components]
    done = snakemake("--dry-run", "--forceall", *grouped)
    assert done.returncode == 0, done.stdout[-3000:]
    assert planned(done.stdout)["total"] == 911


def test_the_demo_has_its_mixtures(tmp_path: Path) -> None:
    done = snakemake("--dry-run", "--forceall", "--configfile", "config/demo.yaml")
    assert done.returncode == 0, done.stdout[-3000:]
    jobs = planned(done.stdout)
    # Nine mixtures, and a pinch series whose ends are among them.
    assert jobs["train"] == jobs["build_mixture"] == 11
    assert jobs["translate_shard"] == 4
    # Snakemake looks for profiles beside the Snakefile: the link there must lead to ours.
    assert "workflow specific profile" in done.stdout


def test_a_part_of_the_full_reproduction() -> None:
    done = snakemake("--dry-run", "--forceall", "--config", "only_studies=[lima-x]")
    assert done.returncode == 0, done.stdout[-3000:]
    assert planned(done.stdout)["train"] == 9


@pytest.mark.parametrize("name", ["ENDEFRITES-sampled", "demo-ENDEFRITES-sampled"])
def test_one_mixture_is_a_target_by_its_name(name: str) -> None:
    done = snakemake(name, "--dry-run", "--forceall", "--configfile", "config/demo.yaml")
    assert done.returncode == 0, done.stdout[-3000:]
    jobs = planned(done.stdout)
    assert jobs["build_mixture"] == jobs["train"] == jobs["judge_single"] == 1
    assert "make_report" not in jobs


@pytest.mark.parametrize("part", ["studies=[pinch.E2]", "only_studies=pinch-e2"])
def test_a_part_is_named_as_in_the_paper(part: str) -> None:
    done = snakemake("--dry-run", "--forceall", "--config", part)
    assert done.returncode == 0, done.stdout[-3000:]
    assert planned(done.stdout)["train"] == 23  # eleven shares and twelve baselines, one is both


def test_a_copy_at_scale_keeps_the_shape_in_a_folder_of_its_own() -> None:
    done = snakemake("--dry-run", "--forceall", "--config", "scale=0.02")
    assert done.returncode == 0, done.stdout[-3000:]
    jobs = planned(done.stdout)
    assert 30 <= jobs["train"] < 80
    assert "results/full-scale-0_02/report/index.html" in done.stdout
    assert "results/full/" not in done.stdout


def test_the_example_adds_a_language_a_dataset_and_mixtures_without_code() -> None:
    files = ("config/demo.yaml", "config/examples/portuguese.yaml")
    done = snakemake("--dry-run", "--forceall", "--configfile", *files)
    assert done.returncode == 0, done.stdout[-3000:]
    jobs = planned(done.stdout)
    assert jobs["train"] == jobs["build_mixture"] == 4
    assert "mixtures/harbour-PT.parquet" in done.stdout
    assert "mixtures/iberian.parquet" in done.stdout


def test_the_small_study_names_the_missing_data_root() -> None:
    done = snakemake("--dry-run", "--configfile", "config/small.yaml", BABELMIX_DATA_ROOT="/none")
    assert done.returncode != 0
    assert "the file '/none/alpaca/alpaca_5k.alpagasus_claude_t45.json' is missing" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_jury_is_asked_member_by_member_and_joined_once_a_run(tmp_path: Path) -> None:
    config = mini_config()
    for name in ("a", "b"):
        config["judges"][name] = {"engine": "openai", "model": name}
    config["judges"]["panel"] = {"engine": "jury", "members": ["a", "b", "rules"]}
    for evaluation in config["studies"]["demo"]["evaluations"]:
        evaluation["judge"] = "panel"
    jobs = Study(tmp_path / "study", config).planned()
    runs = jobs["answer"]
    assert jobs["judge_single"] == jobs["judge_pairs"] == 3 * runs
    assert jobs["judge_jury"] == 2 * runs
    assert jobs["choose_baseline"] == runs  # by the jury's grades, for all members


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("languages", ["en", "de", "xx"]), "unknown language 'xx'"),
        (("sources.demo-instructions.path", "none.jsonl"), "the file 'none.jsonl' is missing"),
        (("models.tiny.path", "none"), "holds no safetensors weights"),
        (("jugdes", {}), "jugdes: unknown key. Did you mean 'judges'?"),
    ],
)
def test_errors_are_one_paragraph_before_anything_runs(
    change: tuple[str, object], expected: str, tmp_path: Path
) -> None:
    config = mini_config()
    *way, last = change[0].split(".")
    node = config
    for part in way:
        node = node[part]
    node[last] = change[1]
    study = Study(tmp_path / "study", config)
    done = study.run()
    assert done.returncode != 0
    assert expected in done.stdout
    assert "Traceback" not in done.stdout
    assert not study.results.exists()


def test_a_gated_source_without_a_token_stops_before_any_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    config = mini_config()
    config["sources"]["demo-instructions"] = {
        "adapter": "lima",
        "hub": {"repo": "GAIR/lima", "gated": True},
        "file": "train.jsonl",
        "licence": "x",
    }
    study = Study(tmp_path / "study", config)
    done = study.run()
    assert done.returncode != 0
    assert "huggingface.co/datasets/GAIR/lima" in done.stdout
    assert "HF_TOKEN" in done.stdout
    assert not (study.results / "raw").exists()


@pytest.mark.parametrize("config", ["config/demo.yaml", "config/config.yaml"])
def test_nothing_that_the_workflow_makes_is_an_orphan(config: str, tmp_path: Path) -> None:
    """The files are Snakemake's own list of outputs, not the planner's."""
    done = snakemake("--dry-run", "--forceall", "--configfile", config)
    assert done.returncode == 0, done.stdout[-3000:]
    plan = Plan(load_config(ROOT / config))
    listed = re.findall(r"^    output: (.+)$", done.stdout, flags=re.M)
    files = {file for line in listed for file in line.split(", ")}
    assert len(files) > 150
    for file in files:
        path = tmp_path / file.removeprefix(f"{plan.root}/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert orphans(plan, tmp_path) == []
    extra = tmp_path / "checkpoints" / "tiny.gone.quick.s1.json"
    extra.touch()
    assert [o.path.name for o in orphans(plan, tmp_path)] == [extra.name]
