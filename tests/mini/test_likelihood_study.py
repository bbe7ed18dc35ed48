"""Held-out likelihood through the whole workflow: asked for later, it makes nothing else again."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from tests.study import Study, mini_config

from babelmix.analyse.table import read_tables
from babelmix.io import read_records
from babelmix.records import Likelihood, Question

pytestmark = [pytest.mark.mini]

RUNS = 3
#: What reads the likelihoods, and what reads the description of the study set.
REPORT = {"make_tables": 1, "make_figures": 1, "make_report": 1}
DESCRIBED = REPORT | {"describe_study": 1, "describe_sources": 1}


def config() -> dict[str, Any]:
    made = mini_config()
    made["datasets"]["demo"]["dev_rows"] = 10
    made["studies"]["demo"]["evaluations"] = made["studies"]["demo"]["evaluations"][:1]
    return made


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    made = Study(tmp_path_factory.mktemp("likelihood"), config())
    done = made.run()
    assert done.returncode == 0, done.stdout[-6000:]
    assert not (made.results / "likelihoods").exists()
    return made


def test_it_is_added_to_a_finished_study_and_nothing_is_trained_again(study: Study) -> None:
    with_likelihood = copy.deepcopy(study.config)
    with_likelihood["studies"]["demo"]["likelihood"] = {"dataset": "demo"}
    later = Study(study.folder, with_likelihood)
    # The base model is scored too, though no study asks it anything.
    assert later.planned() == DESCRIBED | {"score_likelihood": RUNS + 1}
    done = later.run()
    assert done.returncode == 0, done.stdout[-6000:]
    assert later.planned() == {}
    files = sorted((later.results / "likelihoods" / "demo.dev").glob("*.parquet"))
    assert len(files) == RUNS + 1
    for file in files:
        records = read_records(file, Likelihood)
        assert len({r.id for r in records}) == 10
        assert {(r.lang, r.part) for r in records} == {
            (lang, part) for lang in ("en", "de") for part in ("answer", "prompt")
        }
        assert all(r.bits is not None and r.bits > 0 for r in records)
    tables = read_tables(later.results / "tables" / "index.json")
    cells = {(r["mixture"], r["language"]): r for r in tables["likelihood"].rows}
    assert {lang for _, lang in cells} == {"all", "en", "de"}
    # Even three steps on one language help that language more than the other.
    for mixture, own, other in (("mono-EN", "en", "de"), ("mono-DE", "de", "en")):
        assert cells[mixture, own]["saved"] > cells[mixture, other]["saved"]
    page = (later.results / "report" / "index.html").read_text(encoding="utf-8")
    assert "Held-out likelihood" in page
    assert later.prune().startswith("0 orphans")
    assert later.verify().returncode == 0

    later.config["models"]["tiny"]["threads"] = 2  # where it runs is no part of the result
    assert later.planned() == {}
    later.config["studies"]["demo"]["likelihood"]["rows"] = 4
    assert later.planned() == REPORT | {"score_likelihood": RUNS + 1}

    without = Study(study.folder, study.config)
    assert without.planned() == DESCRIBED
    listed = without.prune()
    assert "likelihoods/demo.dev" in listed


def test_references_of_a_benchmark_are_scored(study: Study) -> None:
    asked = copy.deepcopy(study.config)
    asked["studies"]["demo"]["likelihood"] = [{"benchmark": "demo-bench", "prompts": False}]
    later = Study(study.folder, asked)
    done = later.run()
    assert done.returncode == 0, done.stdout[-6000:]
    manifest = later.results / "likelihoods/demo-bench.references/tiny.untuned.json"
    counts = json.loads(manifest.read_text(encoding="utf-8"))
    assert counts["answers"] == 4 * 2 * 2  # questions × languages × turns
    files = (later.results / "benchmarks").glob("demo-bench.*.parquet")
    held = sum(len(q.reference) for file in files for q in read_records(file, Question))
    assert counts["scored"] == held > 0  # some questions have no reference: counted, not scored
    assert counts["prompts_scored"] == 0


def test_a_study_needs_no_judge(study: Study) -> None:
    alone = copy.deepcopy(study.config)
    del alone["studies"]["demo"]["evaluations"]
    del alone["benchmarks"], alone["judges"], alone["sources"]["demo-benchmark"]
    alone["studies"]["demo"]["likelihood"] = {"dataset": "demo"}
    later = Study(study.folder, alone)
    done = later.run()
    assert done.returncode == 0, done.stdout[-6000:]
    page = (later.results / "report" / "index.html").read_text(encoding="utf-8")
    assert "tuning on one language" in page
