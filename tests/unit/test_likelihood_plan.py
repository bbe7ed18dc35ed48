"""Likelihood in the configuration and the plan: names, merging, refusals, and what reruns."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
import yaml

from babelmix.config.load import build_config
from babelmix.errors import BabelmixError
from babelmix.plan import Jobs, Plan
from babelmix.plan.cost import cost_lines
from babelmix.plan.layout import results
from babelmix.plan.lists import gathered
from babelmix.plan.prune import stems
from babelmix.resources import ROOT


def demo(*likelihood: dict[str, Any], dev: int = 8) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "config/demo.yaml").read_text(encoding="utf-8"))
    found["datasets"]["demo"]["dev_rows"] = dev
    if likelihood:
        found["studies"]["demo"]["likelihood"] = list(likelihood)
    return found


def jobs(config: dict[str, Any]) -> Jobs:
    return Jobs(Plan(build_config(config)))


def settings(config: dict[str, Any]) -> dict[str, str]:
    return {r.path: json.dumps([r.verb, r.settings]) for r in results(jobs(config))}


def test_it_is_off_by_default_and_adds_only_its_own_jobs() -> None:
    before, after = settings(demo()), settings(demo({"dataset": "demo"}))
    assert not [path for path in before if "likelihood" in path]
    assert {path for path in after if after[path] != before.get(path)} == {
        f"results/demo/likelihoods/demo.dev/{run}.{kind}"
        for run in jobs(demo({"dataset": "demo"})).plan.runs
        for kind in ("parquet", "json")
    }
    assert "likelihoods" not in jobs(demo()).plan.describe()


def test_one_section_or_a_list() -> None:
    one = demo()
    one["studies"]["demo"]["likelihood"] = {"dataset": "demo"}
    assert settings(one) == settings(demo({"dataset": "demo"}))


def test_every_run_and_its_base_are_scored_and_the_base_is_asked_nothing() -> None:
    made = jobs(demo({"dataset": "demo"}))
    assert made.plan.runs["tiny.untuned"].studies == []
    assert made.plan.likelihoods["demo.dev"].runs == list(made.plan.runs)
    assert ("demo-bench", "tiny.untuned") not in made.plan.answer_sets()
    spec = json.loads(made.likelihood("demo.dev", "tiny.untuned"))
    assert spec["languages"] == ["en", "de", "fr", "it", "es"]
    assert made.likelihood_input("demo.dev", "tiny.untuned")["mixture"] == []
    trained = made.likelihood_input("demo.dev", "tiny.demo-DE.quick.s1")
    assert trained["mixture"] == ["results/demo/mixtures/demo-DE.parquet"]
    assert trained["fingerprints"]


def test_a_key_at_its_default_is_not_in_a_job_s_text() -> None:
    text = jobs(demo({"dataset": "demo"})).likelihood("demo.dev", "tiny.untuned")
    for key in ("precision", "prompts", "rows", "split", "system_prompts", "device"):
        assert key not in text


def test_it_is_listed_where_results_are_listed() -> None:
    made = jobs(demo({"dataset": "demo"}, {"benchmark": "demo-bench", "languages": ["de"]}))
    files = made.all_likelihoods()
    assert len(files) == 2 * len(made.plan.runs)
    assert gathered(made)["tables"]["--likelihoods"] == files
    kept = stems(made.plan)
    assert {f.removeprefix("results/demo/").removesuffix(".parquet") for f in files} <= kept
    assert "pools/demo.it" in kept
    lines = {line.what: line for line in cost_lines(made.plan) if line.stage == "likelihood"}
    assert set(lines) == {"demo.dev", "demo-bench.references"}
    assert all(line.dollars is None and not line.unknown for line in lines.values())
    targets = made.targets()["demo-DE"]
    assert "results/demo/likelihoods/demo.dev/tiny.demo-DE.quick.s1.parquet" in targets


def test_a_benchmark_that_is_only_scored_is_looked_for_in_the_pools() -> None:
    config = demo({"benchmark": "demo-bench"})
    config["studies"]["demo"]["evaluations"] = []
    made = jobs(config)
    assert made.plan.benchmarks_of_dataset("demo") == ["demo-bench"]
    spec = json.loads(made.likelihood("demo-bench.references", "tiny.untuned"))
    assert spec["shared_ids"] is False
    assert made.plan.answer_sets() == []
    assert not [line for line in cost_lines(made.plan) if line.stage in ("answer", "judge")]


def test_two_studies_share_what_they_ask_alike() -> None:
    config = demo({"dataset": "demo", "languages": ["de"]})
    second = copy.deepcopy(config["studies"]["demo"])
    second["runs"][0] |= {"mixtures": ["demo-EN"]}
    second["likelihood"] = [{"dataset": "demo", "languages": ["en"]}]
    config["studies"]["other"] = second
    held = Plan(build_config(config)).likelihoods["demo.dev"]
    assert held.languages == ["en", "de"]
    assert held.studies == ["demo", "other"]
    second["likelihood"][0]["rows"] = 3
    with pytest.raises(BabelmixError, match=r"`rows` of 'demo.dev' is both `None` and `3`"):
        Plan(build_config(config))


def test_the_system_prompt_is_the_recipes() -> None:
    config = demo({"dataset": "demo"})
    config["training"]["quick"]["system_prompt"] = True
    made = jobs(config)
    prompts = json.loads(made.likelihood("demo.dev", "tiny.untuned"))["system_prompts"]
    assert set(prompts) == {"en", "de", "fr", "it", "es"}
    config["training"]["plain"] = {**config["training"]["quick"], "system_prompt": False}
    more = {"models": ["tiny"], "mixtures": ["demo-EN"], "recipe": "plain"}
    config["studies"]["demo"]["runs"].append(more)
    with pytest.raises(BabelmixError, match="Set `system_prompt` to true or false"):
        jobs(config)
    config["studies"]["demo"]["likelihood"][0]["system_prompt"] = False
    assert "system_prompts" not in jobs(config).likelihood("demo.dev", "tiny.untuned")


@pytest.mark.parametrize(
    ("section", "dev", "message"),
    [
        ({}, 8, "exactly one of `dataset` and `benchmark`"),
        ({"dataset": "demo", "benchmark": "demo-bench"}, 8, "exactly one of"),
        ({"benchmark": "demo-bench", "split": "all"}, 8, "`split` goes with `dataset`"),
        ({"dataset": "demo"}, 0, "holds out no rows .*dev_rows"),
        ({"dataset": "dmeo"}, 8, "dmeo.*demo"),
        ({"benchmark": "bench"}, 8, "bench.*demo-bench"),
        ({"dataset": "demo", "languages": ["pt"]}, 8, "languages.*pt"),
        ({"dataset": "demo", "languages": []}, 8, "names no language"),
        ({"dataset": "demo", "split": "train"}, 8, "dev.*all"),
        ({"dataset": "demo", "rows": 0}, 8, "rows"),
        ({"dataset": "demo", "precision": "fp16"}, 8, "fp32.*bf16"),
        ({"dataset": "demo", "row": 3}, 8, "row"),
    ],
)
def test_what_is_wrong_is_said_with_its_remedy(
    section: dict[str, Any], dev: int, message: str
) -> None:
    with pytest.raises(BabelmixError, match=f"(?s){message}"):
        Plan(build_config(demo(section, dev=dev)))


def test_a_pool_whose_languages_are_not_parallel_is_refused() -> None:
    config = demo({"dataset": "native"})
    config["datasets"]["native"] = {
        "sources": ["demo-benchmark"],
        "languages": ["en", "de"],
        "parallel": False,
        "dev_rows": 2,
    }
    with pytest.raises(BabelmixError, match="'native' is not parallel"):
        Plan(build_config(config))


def test_a_study_is_measured_somehow() -> None:
    config = demo()
    config["studies"]["demo"]["evaluations"] = []
    with pytest.raises(BabelmixError, match=r"give `evaluations`.*`likelihood`, or both"):
        build_config(config)


def test_a_small_copy_keeps_it() -> None:
    config = demo({"dataset": "demo", "rows": 40, "languages": ["es", "en"]}) | {"scale": 0.1}
    held = Plan(build_config(config)).likelihoods["demo.dev"]
    assert (held.section.rows, held.languages[0]) == (4, "en")
