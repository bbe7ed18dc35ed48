"""Results of other settings are found wherever they lie, and nothing else is taken for them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from babelmix import provenance
from babelmix.cli import main
from babelmix.config.load import build_config
from babelmix.errors import BabelmixError
from babelmix.io import read_json, write_json
from babelmix.plan import Jobs, Plan, write_expected
from babelmix.plan.layout import Result, results
from babelmix.plan.verify import compares_settings, guard_results, refuse_unseen_changes, verify
from babelmix.resources import ROOT


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(provenance.EXPECTED, "")
    (tmp_path / "resources").symlink_to(ROOT / "resources")
    found: dict[str, Any] = yaml.safe_load((ROOT / "config/demo.yaml").read_text(encoding="utf-8"))
    return found


def jobs_of(raw: dict[str, Any]) -> Jobs:
    return Jobs(Plan(build_config(raw)))


def make(result: Result, *read: str) -> None:
    """Make a result as its job would: it says what made it, and what it read is kept."""
    assert result.settings is not None
    provenance.begin(result.verb, result.settings, [result.path])
    for path in read:
        read_json(path)
    write_json(result.path, {"n": 1})
    provenance.finish()
    provenance.end()


def model_and_fetched(jobs: Jobs) -> tuple[Result, Result]:
    """Two results in JSON."""
    found = {r.path.split("/")[2]: r for r in results(jobs) if r.path.endswith(".json")}
    return found["models"], found["raw"]


@pytest.mark.parametrize("study_set", ["demo", "answers", "counts", "scores", "models"])
def test_a_replaced_input_is_found_whatever_the_study_set_is_called(
    raw: dict[str, Any], study_set: str
) -> None:
    raw["study_set"] = study_set
    jobs = jobs_of(raw)
    write_expected(jobs)
    guard_results(jobs, raw, None)
    model, fetched = model_and_fetched(jobs)
    make(fetched)
    make(model, fetched.path)
    assert verify(jobs).stale == {}
    held = read_json(fetched.path)
    Path(fetched.path).write_text(
        json.dumps(held | {"made_by": {"verb": fetched.verb, "settings": fetched.settings}})
    )
    place = fetched.path.removeprefix(f"{jobs.root}/")
    assert verify(jobs).stale == {model.path: f"made from an earlier or unfit {place}"}


@pytest.mark.parametrize("link", ["results", "results/demo", "results/demo/models"])
def test_what_was_read_is_kept_where_a_folder_is_a_link(
    raw: dict[str, Any], tmp_path: Path, link: str
) -> None:
    """Results often lie on a larger disk."""
    disk = tmp_path / "disk"
    disk.mkdir()
    (tmp_path / link).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / link).symlink_to(disk)
    jobs = jobs_of(raw)
    write_expected(jobs)
    guard_results(jobs, raw, None)
    model, fetched = model_and_fetched(jobs)
    make(fetched)
    make(model, fetched.path)
    found = verify(jobs)
    assert (found.checked, found.inputs_unknown, found.stale) == (2, 0, {})
    kept = json.loads(
        (Path(jobs.root) / f"made_by/models/{Path(model.path).name}.json").read_text()
    )
    assert list(kept["inputs"]) == [fetched.path.removeprefix("results/demo/")]


@pytest.mark.parametrize(
    ("words", "compares"),
    [
        (["--cores", "2"], True),
        (["--cores", "2", "--touch"], False),
        (["-t"], False),
        (["--rerun-triggers", "mtime", "--cores", "2"], False),
        (["--rerun-triggers=mtime"], False),
        (["--rerun-triggers", "mtime", "params", "-n"], True),
        (["--rerun-triggers", "params", "input"], True),
    ],
)
def test_whether_snakemake_compares_settings(words: list[str], compares: bool) -> None:
    assert compares_settings(words) is compares


def test_the_refusal_names_a_configuration_that_holds_all_options(
    raw: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Several files, or `--config scale=0.5`, make one configuration that no file holds."""
    raw["scale"] = 0.5
    jobs = jobs_of(raw)
    model, _ = model_and_fetched(jobs)
    assert model.settings is not None
    make(Result(model.path, model.verb, model.settings | {"version": 0}))
    with pytest.raises(BabelmixError) as refused:
        refuse_unseen_changes(jobs, raw, records=True)
    command = str(refused.value).partition("babelmix verify ")[2].split("`")[0].split()
    assert main(["verify", *command]) == 0
    assert "deleted 1;" in capsys.readouterr().out
    assert not Path(model.path).exists()


def test_results_of_a_record_count_where_snakemake_does_not_look_at_it(
    raw: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = jobs_of(raw)
    model, _ = model_and_fetched(jobs)
    assert model.settings is not None
    make(Result(model.path, model.verb, model.settings | {"version": 0}))
    monkeypatch.setattr("babelmix.plan.verify.has_record", lambda path, folder: True)
    guard_results(jobs, raw, ["--cores", "1"])
    with pytest.raises(BabelmixError, match="not to compare settings"):
        guard_results(jobs, raw, ["--cores", "1", "--touch"])


def rename_judge(raw: dict[str, Any]) -> None:
    raw["judges"]["grader"] = raw["judges"].pop("rules")
    for evaluation in raw["studies"]["demo"]["evaluations"]:
        evaluation["judge"] = "grader"


def rename_study(raw: dict[str, Any]) -> None:
    raw["studies"]["demo"]["title"] = "Another title"


@pytest.mark.parametrize("change", [rename_judge, rename_study])
def test_a_report_of_another_study_set_is_not_taken_for_this_one(
    raw: dict[str, Any], change: Callable[[dict[str, Any]], None]
) -> None:
    """Nothing that is there has other settings; what the plan asks for is missing."""
    study = Path("results/demo/study.json")
    write_json(study, jobs_of(raw).plan.describe() | {"code_version": "0.0.1"})
    refuse_unseen_changes(jobs_of(raw), raw, records=True)
    change(raw)
    with pytest.raises(BabelmixError, match=r"study\.json: describes other .*studies"):
        refuse_unseen_changes(jobs_of(raw), raw, records=True)
    assert main(["verify", "--config", "results/demo/config.refused.json", "--discard"]) == 0
    assert not study.exists()


def test_nothing_is_discarded_while_a_run_is_at_work(
    raw: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = jobs_of(raw)
    model, _ = model_and_fetched(jobs)
    assert model.settings is not None
    make(Result(model.path, model.verb, model.settings | {"version": 0}))
    Path(".snakemake/locks").mkdir(parents=True)
    Path(".snakemake/locks/0.input.lock").touch()
    Path("config.yaml").write_text(yaml.safe_dump(raw))
    assert main(["verify", "--config", "config.yaml", "--discard"]) == 2
    assert "holds this folder" in capsys.readouterr().err
    assert Path(model.path).exists()


def test_only_results_are_discarded(raw: dict[str, Any]) -> None:
    """Never a journal, a ledger, a file of the user's, or a link's target."""
    jobs = jobs_of(raw)
    Path("config.yaml").write_text(yaml.safe_dump(raw))
    model, fetched = model_and_fetched(jobs)
    make(fetched)
    assert model.settings is not None
    make(Result(model.path, model.verb, model.settings | {"version": 0}), fetched.path)
    target = Path("elsewhere.json")
    Path(model.path).rename(target)
    Path(model.path).symlink_to(target.resolve())
    root = Path(jobs.root)
    others = ["journals/judge/a.b/x.jsonl", "journals/spending/judges.a.jsonl", "notes.json"]
    for name in others:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("{}\n")
    before = {p for p in Path().rglob("*") if not p.is_dir()}
    assert main(["verify", "--config", "config.yaml", "--discard"]) == 0
    after = {p for p in Path().rglob("*") if not p.is_dir()}
    assert {os.fspath(p) for p in before - after} == {model.path}
