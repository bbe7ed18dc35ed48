"""The mini study runs the whole DAG for real; then every kind of change reruns what it must."""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.study import ROOT, Study, mini_config

from babelmix.io import read_records, read_table
from babelmix.records import Answer, Judgement

pytestmark = [pytest.mark.mini, pytest.mark.xdist_group("mini")]

RUNS = 3
#: What hangs on one mixture.
CHAIN = {
    "train": 1,
    "answer": 1,
    "score_answers": 1,
    "judge_single": 1,
    "judge_pairs": 1,
    "make_tables": 1,
    "make_figures": 1,
    "make_report": 1,
}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    made = Study(tmp_path_factory.mktemp("mini"), mini_config())
    done = made.run()
    assert done.returncode == 0, done.stdout[-6000:]
    return made


@pytest.fixture
def changed(study: Study) -> Iterator[Study]:
    """The finished study with a configuration that the test may change."""
    yield Study(study.folder, copy.deepcopy(study.config))
    Study(study.folder, study.config).command()


def test_everything_is_there_and_adds_up(study: Study) -> None:
    results = study.results
    for lang in ("en", "de"):
        pool = json.loads((results / "pools" / f"demo.{lang}.json").read_text())
        assert (pool["ids"], pool["train"], pool["dev"]) == (24, 20, 4)
    for answers in (results / "answers" / "demo-bench").glob("*.parquet"):
        records = read_records(answers, Answer)
        assert len(records) == 4 * 2 * 2  # questions × turns × languages
        assert {(a.lang, a.turn) for a in records} == {(c, t) for c in ("en", "de") for t in (1, 2)}
    graded = list((results / "judgements" / "demo-bench.rules.single").glob("*.parquet"))
    assert len(graded) == RUNS
    for file in graded:
        judgements = read_records(file, Judgement)
        assert len(judgements) == 16
        for j in judgements:
            assert (j.score is None) == (j.unscored_reason is not None)
            assert j.score is None or 1 <= j.score <= 10
    page = (results / "report" / "index.html").read_text(encoding="utf-8")
    assert "Not a measure of quality" in page


def test_mixtures_obey_their_definitions(study: Study) -> None:
    manifest = json.loads((study.results / "mixtures" / "pinch-p50.manifest.json").read_text())
    assert sum(manifest["rows_by_language"].values()) == manifest["rows"] == manifest["ids"]
    rows = read_table(study.results / "mixtures" / "mono-DE.parquet")
    assert set(rows["lang"].to_pylist()) == {"de"}
    splits = rows.to_pylist()
    train = {r["id"] for r in splits if r["split"] == "train"}
    assert not train & {r["id"] for r in splits if r["split"] == "dev"}


def test_a_second_run_does_nothing(study: Study) -> None:
    assert study.planned() == {}


def test_a_touched_input_with_the_same_content_does_nothing(study: Study) -> None:
    os.utime(study.results / "conversations" / "demo.de.parquet")
    assert study.planned() == {}


def test_one_mixture_changed_reruns_its_chain_alone(changed: Study) -> None:
    changed.config["mixtures"]["pinch"]["percent"] = [25]
    assert changed.planned() == CHAIN | {
        "build_mixture": 1,
        "describe_study": 1,
        "choose_baseline": 1,
    }


def test_a_mixture_added_makes_its_chain_alone(changed: Study) -> None:
    changed.config["mixtures"]["pinch"]["percent"] = [50, 75]
    assert changed.planned() == CHAIN | {
        "build_mixture": 1,
        "describe_study": 1,
        "choose_baseline": 1,
    }


def test_an_unrelated_key_reruns_the_report_only(changed: Study) -> None:
    changed.config["description"] = "another"
    planned = changed.planned()
    assert set(planned) == {"describe_study", "make_tables", "make_figures", "make_report"}


def test_threads_rerun_nothing(changed: Study) -> None:
    changed.config["models"]["tiny"]["threads"] = 2
    assert changed.planned() == {}


def test_a_recipe_changed_retrains_everything_and_translates_nothing(changed: Study) -> None:
    changed.config["training"]["quick"]["learning_rate"] = 5.0e-4
    planned = changed.planned()
    assert planned["train"] == RUNS
    assert not {"translate_shard", "build_mixture", "tokenise", "normalise_dataset"} & set(planned)


def test_a_comment_reruns_nothing_and_a_bumped_stage_what_follows(
    study: Study, tmp_path: Path
) -> None:
    shutil.copytree(
        ROOT / "workflow", tmp_path / "workflow", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(ROOT / "Snakefile", tmp_path / "Snakefile")
    (tmp_path / "resources").symlink_to(ROOT / "resources")
    copy_of = Study(study.folder, study.config, root=tmp_path)
    with (tmp_path / "workflow" / "babelmix" / "mixtures" / "select.py").open("a") as handle:
        handle.write("\n# A comment.\n")
    assert copy_of.planned() == {}
    stages = tmp_path / "workflow" / "babelmix" / "stages.py"
    stages.write_text(stages.read_text().replace('"answer": 1', '"answer": 999'))
    planned = copy_of.planned()
    assert planned["answer"] == RUNS
    assert planned["judge_single"] == RUNS
    assert not {"train", "build_mixture", "tokenise"} & set(planned)


def test_an_error_in_the_configuration_is_one_paragraph(changed: Study) -> None:
    changed.config["training"]["quick"]["epoch"] = 3
    done = changed.run("--dry-run")
    assert done.returncode != 0
    assert "training.quick.epoch: unknown key. Did you mean 'epochs'?" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_missing_gpu_stops_the_run_before_any_job(changed: Study) -> None:
    changed.config["study_set"] = "mini-gpu"
    changed.config["models"]["tiny"] |= {"device": "cuda", "gpus": 9}
    done = changed.run()
    assert done.returncode != 0
    assert "needs 9 GPU(s)" in done.stdout
    assert "device: cpu" in done.stdout
    assert not (changed.results / "raw").exists()
