"""The mini study runs the whole DAG for real; then every kind of change reruns what it must."""

from __future__ import annotations

import copy
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import loopback
from tests.loopback import ScriptedServer, text
from tests.study import ROOT, Study, mini_config

from babelmix.io import read_records, read_table, write_records
from babelmix.records import Answer, Conversation, Judgement

pytestmark = [pytest.mark.mini]

RUNS = 4
#: What hangs on one mixture.
CHAIN = {
    "build_mixture": 1,
    "mixture_manifest": 1,
    "train": 1,
    "answer": 1,
    "score_answers": 1,
    "judge_single": 1,
    "choose_baseline": 1,
    "judge_pairs": 1,
}
#: The same where the run is there already: the candidates for its baseline are as they were.
IN_PLACE = {rule: n for rule, n in CHAIN.items() if rule != "choose_baseline"}
#: The same where it is new: it waits for the search for benchmark questions.
NEW = CHAIN | {"clear_mixture": 1}
#: What reads the description of the study set.
REPORT = {
    "describe_study": 1,
    "describe_sources": 1,
    "make_tables": 1,
    "make_figures": 1,
    "make_report": 1,
}


def rerun_config() -> dict[str, Any]:
    """The mini study with a weighted mixture; a failed row leaves its own language alone."""
    config = mini_config()
    config["datasets"]["demo"]["on_failed_check"] = "quarantine"
    config["mixtures"]["mix"] = {
        "policy": "sampled",
        "dataset": "demo",
        "languages": ["en", "de"],
        "weights": {"en": 3, "de": 1},
    }
    config["studies"]["demo"]["runs"][0]["mixtures"].append("mix")
    return config


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    made = Study(tmp_path_factory.mktemp("mini"), rerun_config())
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


def test_an_input_rewritten_with_the_same_content_does_nothing(study: Study) -> None:
    for file in (
        study.results / "conversations" / "demo.de.parquet",
        study.results / "mixtures" / "mix-ENDE-sampled.parquet",
    ):
        content = file.read_bytes()
        file.unlink()
        file.write_bytes(content)
    assert study.planned() == {}


def test_one_weight_changed_reruns_one_chain(changed: Study) -> None:
    changed.config["mixtures"]["mix"]["weights"]["en"] = 2
    assert changed.planned() == IN_PLACE | REPORT


def test_one_percent_changed_reruns_one_chain(changed: Study) -> None:
    changed.config["mixtures"]["pinch"]["percent"] = [25]
    assert changed.planned() == NEW | REPORT


def test_the_seed_of_a_mixture_changed_reruns_one_chain(changed: Study) -> None:
    changed.config["mixtures"]["mix"]["seed"] = 7
    assert changed.planned() == {
        rule: n for rule, n in (IN_PLACE | REPORT).items() if not rule.startswith("describe")
    }


def test_the_seed_of_the_trainings_changed_trains_anew_on_the_same_mixtures(changed: Study) -> None:
    changed.config["studies"]["demo"]["runs"][0]["seeds"] = [2]
    runs = {rule: RUNS for rule in CHAIN if rule not in {"build_mixture", "mixture_manifest"}}
    assert changed.planned() == runs | REPORT


def test_a_mixture_added_makes_its_chain_alone(changed: Study) -> None:
    changed.config["mixtures"]["pinch"]["percent"] = [50, 75]
    assert changed.planned() == NEW | REPORT


def test_a_mixture_removed_leaves_orphans_and_rewrites_the_report_alone(changed: Study) -> None:
    assert changed.prune().startswith("0 orphans")
    changed.config["studies"]["demo"]["runs"][0]["mixtures"].remove("mix")
    assert changed.planned() == REPORT
    listed = changed.prune()
    assert "nothing was deleted" in listed
    assert "mixtures/mix-ENDE-sampled.parquet" in listed
    assert "checkpoints/tiny.mix-ENDE-sampled.quick.s1" in listed
    assert (changed.results / "mixtures" / "mix-ENDE-sampled.parquet").exists()


def test_a_language_added_trains_its_own_mixture_alone(changed: Study) -> None:
    changed.config["languages"].append("fr")
    changed.config["datasets"]["demo"]["languages"].append("fr")
    changed.config["mixtures"]["mono"]["languages"].append("fr")
    runs = RUNS + 1
    assert changed.planned() == REPORT | {
        "translate_shard": 1,
        "collect_language": 1,
        "index_language": 1,
        "fingerprint_language": 1,
        "tokenise": 1,
        "find_contamination": 1,
        "build_mixture": 1,
        "clear_mixture": 1,
        "train": 1,
        "answer": 1,
        # The manifests say what was looked for, and the best baseline has a new candidate.
        "mixture_manifest": runs,
        "score_answers": runs,
        "judge_single": runs,
        "choose_baseline": runs,
        "judge_pairs": runs,
    }


def test_a_translated_row_corrected_trains_what_contains_its_language(study: Study) -> None:
    file = study.results / "conversations" / "demo.de.parquet"
    before = file.read_bytes()
    rows = read_records(file, Conversation)
    rows[3].messages[1].content += " So ist es."
    write_records(file, rows, Conversation)
    try:
        planned = study.planned()
    finally:
        file.write_bytes(before)
    in_german = RUNS - 1  # all but mono-EN
    assert planned == {
        "index_language": 1,
        "fingerprint_language": 1,
        "find_contamination": 1,
        "tokenise": 1,
        "build_mixture": in_german,
        "train": in_german,
        "answer": in_german,
        "score_answers": in_german,
        "judge_single": in_german,
        "mixture_manifest": RUNS,
        "choose_baseline": RUNS,  # mono-DE is a candidate everywhere
        "judge_pairs": RUNS,
        "make_tables": 1,
        "make_figures": 1,
        "make_report": 1,
    }
    assert study.planned() == {}


def test_a_benchmark_changed_trains_nothing(changed: Study) -> None:
    changed.config["benchmarks"]["demo-bench"]["questions"] = 5
    planned = changed.planned()
    assert planned["find_contamination"] == 1
    assert planned["answer"] == RUNS
    assert not {"train", "build_mixture", "tokenise"} & set(planned)


def test_a_weight_changed_beside_a_benchmark_is_not_overlooked(changed: Study) -> None:
    changed.config["benchmarks"]["demo-bench"]["questions"] = 5
    changed.config["mixtures"]["mix"]["weights"]["en"] = 2
    planned = changed.planned()
    assert (planned["find_contamination"], planned["train"]) == (1, 1)
    assert "clear_mixture" not in planned


def test_a_benchmark_question_in_the_pool_stops_before_any_training(tmp_path: Path) -> None:
    config = mini_config()
    asked = config["benchmarks"]["demo-bench"]
    config["benchmarks"]["leaked"] = {
        "dataset": "demo",
        "languages": ["en"],
        "generation": asked["generation"],
    }
    config["studies"]["demo"]["evaluations"].append(
        {"benchmark": "leaked", "judge": "rules", "protocol": "single", "languages": ["en"]}
    )
    study = Study(tmp_path / "study", config)
    done = study.run("results/mini/checkpoints/tiny.mono-EN.quick.s1.json")
    assert done.returncode != 0
    assert "24 of its ids hold, or nearly hold, questions" in done.stdout
    assert "leaked question" in done.stdout
    assert "`on_contamination: leave_out`" in done.stdout
    assert "Finished jobid" in done.stdout
    assert "rule train:" not in done.stdout
    assert not (study.results / "work" / "train").exists()
    assert not (study.results / "mixtures" / "mono-EN.cleared.json").exists()


def test_another_judge_judges_again_and_nothing_else(changed: Study) -> None:
    changed.config["judges"]["rules"] = {"engine": "openai", "model": "m", "key_env": "NO_KEY"}
    assert changed.planned() == REPORT | {
        "judge_single": RUNS,
        "choose_baseline": RUNS,
        "judge_pairs": RUNS,
    }


def test_another_host_of_the_judge_judges_nothing_again(
    changed: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loopback, "LIFETIME_S", 600.0)
    run = "tiny.mono-EN.quick.s1"
    target = f"results/mini/judgements/demo-bench.far.single/{run}.parquet"
    evaluations = changed.config["studies"]["demo"]["evaluations"]
    evaluations.append({"benchmark": "demo-bench", "judge": "far", "protocol": "single"})
    judge = {"engine": "openai", "model": "stand-in", "prompt_language": "en"}
    with ScriptedServer(lambda request: text("Rating: [[7]]")) as server:
        changed.config["judges"]["far"] = judge | {"base_url": server.base_url}
        done = changed.run(target)
        assert done.returncode == 0, done.stdout[-3000:]
    assert changed.planned(target) == {}
    changed.config["judges"]["far"] |= {
        "base_url": "https://elsewhere.example/v1",
        "key_env": "OTHER_KEY",
        "concurrency": 2,
        "price_in": 3.0,
        "price_out": 6.0,
        "max_cost": 1.0,
    }
    assert changed.planned(target) == {}
    changed.config["judges"]["far"]["temperature"] = 1.0
    assert changed.planned(target) == {"judge_single": 1}


def test_an_unrelated_key_reruns_the_report_only(changed: Study) -> None:
    changed.config["description"] = "another"
    planned = changed.planned()
    assert planned == REPORT


def test_where_and_how_a_training_runs_reruns_nothing(changed: Study) -> None:
    changed.config["models"]["tiny"]["threads"] = 2
    changed.config["training"]["quick"] |= {
        "micro_batch_size": 3,
        "micro_batch_tokens": 500,
        "gradient_checkpointing": True,
        "checkpoint_steps": 7,
        "keep_checkpoints": 3,
    }
    assert changed.planned() == {}


def test_a_recipe_changed_retrains_everything_and_translates_nothing(changed: Study) -> None:
    changed.config["training"]["quick"]["learning_rate"] = 5.0e-4
    planned = changed.planned()
    assert planned["train"] == RUNS
    assert not {"translate_shard", "build_mixture", "tokenise", "normalise_dataset"} & set(planned)


@pytest.fixture
def copy_of(study: Study, tmp_path: Path) -> Study:
    """The finished study under another copy of the workflow, which the test may change."""
    shutil.copytree(
        ROOT / "workflow", tmp_path / "workflow", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(ROOT / "Snakefile", tmp_path / "Snakefile")
    (tmp_path / "resources").symlink_to(ROOT / "resources")
    return Study(study.folder, study.config, root=tmp_path)


def test_a_new_key_at_its_default_in_every_section_reruns_nothing(copy_of: Study) -> None:
    base = copy_of.root / "workflow" / "babelmix" / "config" / "base.py"
    new = "    of_a_later_release: int = 7\n    also_new: tuple[str, ...] = ()\n"
    base.write_text(base.read_text() + new)  # the file ends with `Section`, which all inherit from
    assert copy_of.planned() == {}


def test_a_comment_reruns_nothing_and_a_bumped_stage_what_follows(copy_of: Study) -> None:
    tmp_path = copy_of.root
    with (tmp_path / "workflow" / "babelmix" / "mixtures" / "select.py").open("a") as handle:
        handle.write("\n# A comment.\n")
    assert copy_of.planned() == {}
    stages = tmp_path / "workflow" / "babelmix" / "stages.py"
    stages.write_text(re.sub(r'"answer": \d+', '"answer": 999', stages.read_text()))
    again = ("answer", "score_answers", "judge_single", "choose_baseline", "judge_pairs")
    assert copy_of.planned() == dict.fromkeys(again, RUNS) | REPORT


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
