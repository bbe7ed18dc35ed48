"""Results say what made them: without Snakemake's records nothing stale is taken for new."""

from __future__ import annotations

import copy
import json
import re
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.study import Study, mini_config

from babelmix.io import read_table, write_records
from babelmix.provenance import read_provenance
from babelmix.records import Answer

pytestmark = [pytest.mark.mini]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    config = mini_config()
    del config["mixtures"]["pinch"]
    config["studies"]["demo"]["runs"][0]["mixtures"] = ["mono"]
    made = Study(tmp_path_factory.mktemp("verify"), config)
    done = made.run()
    assert done.returncode == 0, done.stdout[-6000:]
    return made


@pytest.fixture
def copied(study: Study, tmp_path: Path) -> Study:
    """The results alone, in another folder: Snakemake has no records of them."""
    other = Study(tmp_path / "else where", copy.deepcopy(study.config))
    shutil.copytree(study.folder / "results", other.folder / "results")
    return other


def test_every_result_of_a_run_fits(study: Study) -> None:
    said = study.verify()
    assert said.returncode == 0, said.stdout
    fit, stale, *unknown = map(int, re.findall(r"\b(\d+)\b", said.stdout.splitlines()[-1]))
    assert [stale, *unknown] == [0, 0, 0, 0]
    assert fit > 40


def test_a_dry_run_says_which_setting_changed(study: Study) -> None:
    changed = Study(study.folder, copy.deepcopy(study.config))
    changed.config["datasets"]["demo"]["similarity"] = 0.8
    try:
        said = changed.run("--dry-run").stdout
    finally:
        study.command()
    assert re.search(r"before: .*similarity=0\.7.*now: .*similarity=0\.8", said, flags=re.S), said
    assert "Params have changed" in said


def test_copied_results_are_taken_as_they_are(copied: Study) -> None:
    assert copied.planned() == {}
    assert copied.verify().returncode == 0


def test_a_learning_rate_changed_without_snakemakes_records_is_seen(copied: Study) -> None:
    copied.config["training"]["quick"]["learning_rate"] = 0.02
    refused = copied.run("--dry-run")
    assert refused.returncode != 0
    assert "recipe.learning_rate was" in refused.stdout
    assert "now 0.02" in refused.stdout
    assert "verify --config" in refused.stdout
    assert copied.verify().returncode == 2
    discarded = copied.verify("--discard")
    assert discarded.returncode == 0
    planned = copied.planned()
    assert planned["train"] == 2
    assert planned["judge_single"] == 2
    assert "build_mixture" not in planned
    assert "translate_shard" not in planned


def test_a_benchmark_changed_without_snakemakes_records_is_seen(copied: Study) -> None:
    copied.config["benchmarks"]["demo-bench"]["questions"] = 3
    refused = copied.run("--dry-run")
    assert refused.returncode != 0
    assert "benchmarks/demo-bench.de.parquet: questions was 4, now 3" in refused.stdout
    assert "checkpoints/" not in refused.stdout


def test_a_judge_of_another_name_is_seen_without_snakemakes_records(copied: Study) -> None:
    """The report is there, so Snakemake would say that nothing is to be done."""
    copied.config["judges"]["grader"] = copied.config["judges"].pop("rules")
    for evaluation in copied.config["studies"]["demo"]["evaluations"]:
        evaluation["judge"] = "grader"
    refused = copied.run("--dry-run")
    assert refused.returncode != 0
    assert "study.json: describes other evaluations" in refused.stdout
    assert copied.verify("--discard").returncode == 0
    planned = copied.planned()
    assert (planned["judge_single"], planned["make_report"]) == (2, 1)
    assert "train" not in planned


def test_a_result_of_other_settings_is_not_read(study: Study, tmp_path: Path) -> None:
    """A file that was put there by hand, with Snakemake's record beside it."""
    changed = Study(study.folder, copy.deepcopy(study.config))
    changed.config["training"]["quick"]["max_steps"] = 2
    kept = next((study.results / "checkpoints").glob("*EN*.json"))
    old = kept.read_bytes()
    assert changed.run("--until", "train").returncode == 0
    try:
        kept.write_bytes(old)
        assert "checkpoints/" in changed.verify().stdout
        for option in (["--rerun-triggers", "mtime"], ["--touch"]):
            refused = changed.run(*option)
            assert refused.returncode != 0
            assert "was told not to compare settings" in refused.stdout
        done = changed.run("--forcerun", "answer")
        assert done.returncode != 0
        assert "with settings" in done.stdout
        assert "the configuration asks for" in done.stdout
    finally:
        assert Study(study.folder, study.config).run().returncode == 0


def test_weights_that_are_gone_are_named(copied: Study) -> None:
    record = next((copied.results / "checkpoints").glob("*EN*.json"))
    (record.with_suffix("") / "model.safetensors").unlink()
    said = copied.verify()
    assert said.returncode == 2
    assert f"no weights    results/mini/checkpoints/{record.name}: model.safetensors" in said.stdout


def test_results_of_an_earlier_release_are_counted(copied: Study) -> None:
    answers = next((copied.results / "answers" / "demo-bench").glob("*.parquet"))
    write_records(answers, [], Answer)
    record = next((copied.results / "models").glob("*.json"))
    held = json.loads(record.read_text())
    assert held.pop("made_by")["verb"] == "prepare-model"
    record.write_text(json.dumps(held))
    assert read_provenance(record) is None
    assert "2 results do not say what made them" in copied.verify().stdout


def test_an_input_put_in_anothers_place_is_named(copied: Study) -> None:
    """The same settings, other content: translations that were bought again, say."""
    de, en = (copied.results / "answers" / "demo-bench").glob("*.parquet")
    table = read_table(de)
    pq.write_table(table.slice(1).replace_schema_metadata(pq.read_schema(de).metadata), de)
    said = copied.verify()
    assert said.returncode == 2
    assert f"made from an earlier or unfit answers/demo-bench/{de.name}" in said.stdout
    assert f"answers/demo-bench/{en.name}" not in said.stdout
