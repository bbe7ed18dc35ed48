"""Pools that are not parallel in the plan: no pivot, no translation, every language its own."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from babelmix.config.load import build_config, read_yaml
from babelmix.errors import BabelmixError
from babelmix.plan import Jobs, Plan
from babelmix.resources import ROOT

DEMO = ROOT / "config" / "demo.yaml"


@pytest.fixture
def raw() -> dict[str, Any]:
    """The demo with an Aya-like pool that a study trains on."""
    given = copy.deepcopy(read_yaml(DEMO))
    given["sources"]["aya"] = {
        "hub": "CohereLabs/aya_dataset",
        "split": "train",
        "adapter": "fields",
        "fields": {"prompt": "inputs", "answer": "targets"},
        "language_column": "language_code",
        "languages": ["de", "fr"],
        "licence": "Apache-2.0",
    }
    pool = {"sources": ["aya"], "languages": ["de", "fr"], "parallel": False, "rows": 9}
    given["datasets"]["aya"] = pool
    given["mixtures"]["aya"] = {"policy": "monolingual", "dataset": "aya", "languages": ["de"]}
    (study,) = given["studies"].values()
    study["runs"][0]["mixtures"] = ["aya"]
    return given


def jobs(raw: dict[str, Any]) -> Jobs:
    return Jobs(Plan(build_config(raw, str(DEMO))))


def test_each_language_is_its_own_pivot(raw: dict[str, Any]) -> None:
    made = jobs(raw)
    for lang in ("de", "fr"):
        spec = json.loads(made.normalise("aya", lang))
        assert (spec["pivot"], spec["parallel"], spec["rows"]) == (lang, False, 9)
        assert spec["sources"]["aya"]["language_column"] == "language_code"
        assert made.pivot_file("aya", lang) == []
        assert json.loads(made.collect("aya", lang))["pivot"] == lang
        assert not made.plan.is_translated("aya", lang)
    assert made.searched("aya") == ["de"]
    assert [p.rsplit("/", 1)[1] for p in made.pivot_manifests() if "aya" in p] == [
        "aya.de.json",
        "aya.fr.json",
    ]


def test_a_parallel_pool_s_job_is_told_nothing_new(raw: dict[str, Any]) -> None:
    """Keys at their defaults stay out of a job's text, so that it does not run again for them."""
    text = json.loads(jobs(read_yaml(DEMO)).normalise("demo", "en"))
    assert "parallel" not in text
    new = {"split", "config", "take", "language_column", "language_values", "tool_turns"}
    new |= {"odd_ends", "duplicate_ids", "alignment"}
    assert not new & set(text["sources"]["demo-instructions"])


def test_a_language_that_no_source_holds(raw: dict[str, Any]) -> None:
    raw["datasets"]["aya"]["languages"].append("it")
    with pytest.raises(BabelmixError, match="no source holds 'it'"):
        jobs(raw)


def test_no_benchmark_of_other_questions_in_each_language(raw: dict[str, Any]) -> None:
    benchmark = next(iter(raw["benchmarks"].values()))
    benchmark.pop("source")
    benchmark |= {"dataset": "aya", "languages": ["de"]}
    with pytest.raises(BabelmixError, match="is not parallel, but a benchmark asks the same"):
        jobs(raw)
