"""Orphans are found, named, and deleted only when told; argument files hold what rules gather."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from babelmix.cli import main
from babelmix.config.load import build_config, read_yaml
from babelmix.errors import BabelmixError
from babelmix.plan import Jobs, Plan
from babelmix.plan.lists import gathered, write_lists
from babelmix.plan.prune import orphans, stems
from babelmix.resources import ROOT


@pytest.fixture
def raw() -> dict[str, Any]:
    return read_yaml(ROOT / "config" / "demo.yaml")


def build(raw: dict[str, Any], root: Path) -> None:
    """Files of a finished study, empty, and some that are not its own."""
    for stem in stems(Plan(build_config(raw))):
        path = root / f"{stem}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    (root / "checkpoints" / "tiny.demo-EN.quick.s1").mkdir()
    (root / "checkpoints" / "tiny.demo-EN.quick.s1" / "model.safetensors").write_text("xx")
    (root / "notes.txt").write_text("mine")
    (root / "tables").mkdir()
    (root / "tables" / "old.csv").write_text("x")


def test_a_finished_study_has_no_orphans(raw: dict[str, Any], tmp_path: Path) -> None:
    build(raw, tmp_path)
    assert orphans(Plan(build_config(raw)), tmp_path) == []


def test_what_hangs_on_a_removed_mixture_is_an_orphan(raw: dict[str, Any], tmp_path: Path) -> None:
    build(raw, tmp_path)
    raw["mixtures"]["pinch"]["pinch_rows"] = []
    found = {o.path.as_posix() for o in orphans(Plan(build_config(raw)), tmp_path)}
    run = "tiny.pinch-1row.quick.s1"
    evaluation = "demo-bench.rules.single"
    assert found == {
        "mixtures/pinch-1row.parquet",
        f"checkpoints/{run}.parquet",
        f"work/train/{run}.parquet",
        f"answers/demo-bench/{run}.parquet",
        f"scores/demo-bench/{run}.parquet",
        f"judgements/{evaluation}/{run}.parquet",
        f"journals/judge/{evaluation}/{run}.parquet",
        f"journals/answer/demo-bench/{run}.parquet",
    }


def test_what_was_spent_is_no_orphan(raw: dict[str, Any], tmp_path: Path) -> None:
    """Without the ledgers a cap would count from nothing again."""
    build(raw, tmp_path)
    for name in ("spending/judges.gpt.jsonl", "judge/probes.jsonl"):
        (tmp_path / "journals" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "journals" / name).write_text("{}\n")
    assert orphans(Plan(build_config(raw)), tmp_path) == []


def test_nothing_is_deleted_untold_and_journals_never_by_the_way(
    raw: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "resources").symlink_to(ROOT / "resources")
    root = tmp_path / "results" / "demo"
    build(raw, root)
    raw["mixtures"]["pinch"]["pinch_rows"] = []
    raw["only_studies"] = ["demo"]
    Path("config.yaml").write_text(yaml.safe_dump(raw))
    before = sorted(root.rglob("*"))
    assert main(["prune", "--config", "config.yaml"]) == 0
    assert sorted(root.rglob("*")) == before
    assert "8 orphans" in capsys.readouterr().out
    assert main(["prune", "--config", "config.yaml", "--delete"]) == 0
    gone = set(before) - set(root.rglob("*"))
    assert {p.name for p in gone if p.suffix} == {
        "pinch-1row.parquet",
        "tiny.pinch-1row.quick.s1.parquet",
    }
    journal = root / "journals/judge/demo-bench.rules.single/tiny.pinch-1row.quick.s1.parquet"
    assert journal.exists()
    assert (root / "notes.txt").exists()
    assert main(["prune", "--config", "config.yaml", "--delete", "--journals"]) == 0
    assert not journal.exists()


def test_a_running_study_is_not_pruned(
    raw: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".snakemake/locks").mkdir(parents=True)
    Path(".snakemake/locks/0.input.lock").write_text("")
    Path("config.yaml").write_text(yaml.safe_dump(raw))
    assert main(["prune", "--config", "config.yaml", "--delete"]) == 2
    assert "holds this folder" in capsys.readouterr().err


def test_argument_files_say_what_is_gathered(
    raw: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    jobs = Jobs(Plan(build_config(raw)))
    write_lists(jobs)
    written = Path("results/demo/lists/tables.txt").read_text().splitlines()
    filled = [option for option, files in gathered(jobs)["tables"].items() if files]
    assert [line for line in written if line.startswith("--")] == filled
    assert set(jobs.all_scores()) <= set(written)
    before = Path("results/demo/lists/tables.txt").stat().st_mtime_ns
    write_lists(jobs)
    assert Path("results/demo/lists/tables.txt").stat().st_mtime_ns == before


def test_a_verb_reads_its_arguments_from_a_file(tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "list.txt"
    file.write_text("--config\nno such file.yaml\n")
    assert main(["plan", f"@{file}"]) == 2
    assert "no such file.yaml: no such configuration file" in capsys.readouterr().err


def test_a_missing_mixture_is_an_error_and_no_orphans(raw: dict[str, Any]) -> None:
    raw["studies"]["demo"]["runs"][0]["mixtures"].append("gone")
    with pytest.raises(BabelmixError, match="unknown mixture 'gone'"):
        stems(Plan(build_config(raw)))
