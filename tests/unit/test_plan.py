"""The plan: what is trained, asked and judged, each once; what a machine lacks."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
from tests.options import as_options

from babelmix.config.evaluation import OpenAIJudge
from babelmix.config.load import build_config, load_config, read_yaml
from babelmix.config.training import Model
from babelmix.config.translators import (
    ApertiumTranslator,
    AzureTranslator,
    DeepLTranslator,
    GoogleTranslator,
    IdentityTranslator,
    LibreTranslateTranslator,
    MemoryTranslator,
    OpenAITranslator,
    Seq2SeqTranslator,
)
from babelmix.endpoints import is_loopback
from babelmix.errors import BabelmixError
from babelmix.io import write_json
from babelmix.judge.single import read_spec
from babelmix.plan import Jobs, Plan, load_jobs, write_resolved
from babelmix.plan.check import remarks
from babelmix.plan.checks import count_gpus, low_caps
from babelmix.plan.cost import cost_lines, evaluation_calls, render
from babelmix.resources import ROOT
from babelmix.specs import TrainSpec


@pytest.fixture(scope="module")
def full() -> Plan:
    return Plan(load_config(ROOT / "config" / "config.yaml"))


def test_the_full_reproduction_has_the_papers_sizes(full: Plan) -> None:
    study1 = [r for r in full.runs.values() if r.model == "teuken-7b"]
    assert len(study1) == 27  # nine mixtures × Lima-X, Bactrian-X, Bactrian-X-small
    e1 = [r for r in full.runs.values() if "pinch-e1" in r.studies and r.mixture]
    assert len(e1) == 12
    single = next(n for n in full.evaluations if n.endswith(".single"))
    assert evaluation_calls(full, single) == 27 * 800  # 80 × 2 × 5 calls a model
    pairs = next(n for n in full.evaluations if ".side_by_side." in n)
    assert 0.65e6 < evaluation_calls(full, pairs) < 0.75e6  # STUDIES.md: about 0.70 M


def test_study_2_plans_the_papers_57_trainings_less_those_that_are_one(full: Plan) -> None:
    names = {f"e{i}": full.expansion.families[f"e{i}"] for i in range(1, 7)}
    assert [len(n) for n in names.values()] == [12, 11, 11, 12, 6, 7]
    canonical = full.expansion.canonical
    # E6 counts five new ones; of E4's twelve the monolingual ones are E1's, all six E3's P = 100.
    slavic = {"e6-RU": "e1-RU", "e6-CS": "e1-CS"}
    assert {n: canonical[n] for n in names["e6"] if canonical[n] != n} == slavic
    twins = {n: canonical[n] for n in names["e4"] if canonical[n] != n}
    assert sorted(twins.values()) == ["e1-FI", "e1-RU", "e1-SW", "e3-p100"]
    trained = {r.mixture for r in full.runs.values() if r.model == "llama-2-7b" and r.mixture}
    assert len(trained) == 57 - len(twins) == 53


def test_a_run_of_several_studies_is_planned_once(full: Plan) -> None:
    shared = full.runs["llama-2-7b.e1-EN.pinch.s0"]
    assert {"pinch-e1", "pinch-e2", "pinch-e3", "pinch-e4", "pinch-e5"} <= set(shared.studies)


def test_each_language_is_compared_with_its_own_monolingual_model(full: Plan) -> None:
    pairs = next(n for n in full.evaluations if ".side_by_side." in n)
    baselines = full.baselines(pairs, "llama-2-7b.e1-EN.pinch.s0")
    assert baselines["fi"] == "llama-2-7b.e1-FI.pinch.s0"


def test_specs_hold_what_matters_and_nothing_else(full: Plan) -> None:
    jobs = Jobs(full)
    train = json.loads(jobs.train("teuken-7b.lima-x-EN.lima.s0"))
    assert train["recipe"]["epochs"] == 15
    assert "gpus" not in train["model"]  # a place, not a result: it must not trigger a rerun
    normalise = json.loads(jobs.normalise("lima-x", "en"))
    assert normalise["sources"]["lima"]["licence"] == ""


def test_a_job_text_without_its_defaults_reads_back_equal(full: Plan) -> None:
    text = Jobs(full).train("teuken-7b.lima-x-EN.lima.s0")
    spec = TrainSpec.model_validate_json(text)
    assert TrainSpec.model_validate_json(spec.model_dump_json()) == spec
    assert len(text) < len(spec.model_dump_json()) / 2


def test_the_cost_table_is_printed_before_anything_is_paid(full: Plan) -> None:
    text = render(cost_lines(full))
    assert "teuken-7b" in text
    assert "700,9" in text
    assert text.splitlines()[-1].startswith("total")


def test_a_pinch_over_one_language_is_planned_and_its_empty_steps_are_told() -> None:
    raw = read_yaml(ROOT / "config" / "demo.yaml")
    raw["mixtures"]["pinch"] |= {"languages": ["de"], "percent": [0.1, 50, 100]}
    plan = Plan(build_config(raw))
    steps = {m: plan.expansion.mixtures[m] for m in plan.mixtures if m.startswith("pinch-")}
    assert {m: (s.main, s.languages) for m, s in steps.items()} == {
        "pinch-p0_1": ("en", ["de"]),
        "pinch-p50": ("en", ["de"]),
        "pinch-p100": (None, ["de"]),
        "pinch-1row": ("en", ["de"]),
    }
    told = [line for line in remarks(plan) if "pinch" in line]
    assert told == ["mixture 'pinch-p0_1': 0 rows for 1 language (de): it gets none."]


def test_only_studies_narrows_the_plan() -> None:
    raw = read_yaml(ROOT / "config" / "config.yaml")
    raw["only_studies"] = ["lima-x"]
    plan = Plan(build_config(raw))
    assert len(plan.runs) == 9
    assert set(plan.sources) == {"lima", "mt-bench-x"}


def problems(changes: dict[str, dict[str, Any]], gpus_here: int | None = 0) -> str:
    raw = read_yaml(ROOT / "config" / "demo.yaml")
    for section, values in changes.items():
        for name, fields in values.items():
            raw[section][name] = {**raw[section].get(name, {}), **fields}
    return "\n".join(Plan(build_config(raw)).problems(gpus_here=gpus_here))


def test_a_gpu_model_without_a_gpu_says_how_to_mend_it() -> None:
    text = problems({"models": {"tiny": {"device": "cuda", "gpus": 2}}})
    assert "models.tiny: needs 2 GPU(s), this machine shows 0" in text
    assert "device: cpu" in text
    assert not problems({"models": {"tiny": {"device": "cuda", "gpus": 2}}}, gpus_here=None)


def test_a_gated_source_without_a_token_names_page_and_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    gated = {"path": None, "hub": {"repo": "GAIR/lima", "gated": True}, "file": "train.jsonl"}
    change = {"sources": {"demo-instructions": {**gated, "adapter": "lima"}}}
    text = problems(change)
    assert "datasets/GAIR/lima" in text
    assert "HF_TOKEN" in text
    monkeypatch.setenv("HF_TOKEN", "x")
    assert not problems(change)


def test_a_judge_without_a_key_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    judge = {"engine": "openai", "model": "m", "key_env": "MY_KEY"}
    assert "MY_KEY" in problems({"judges": {"rules": judge}})
    local = judge | {"base_url": "http://127.0.0.1:1/v1"}
    assert not problems({"judges": {"rules": local}})


def test_a_missing_local_file_is_named_before_anything_runs() -> None:
    raw = read_yaml(ROOT / "config" / "demo.yaml")
    raw["sources"]["demo-instructions"]["path"] = "nowhere/x.jsonl"
    with pytest.raises(BabelmixError, match=r"sources\.demo-instructions.*'nowhere/x\.jsonl'"):
        load_jobs(raw)


def test_a_path_with_data_root_needs_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BABELMIX_DATA_ROOT", raising=False)
    raw = read_yaml(ROOT / "config" / "demo.yaml")
    raw["sources"]["demo-instructions"]["path"] = "{data_root}/x.jsonl"
    with pytest.raises(BabelmixError, match="BABELMIX_DATA_ROOT"):
        load_jobs(raw)


def test_loopback_and_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_loopback("http://localhost:8000/v1")
    assert not is_loopback("http://127.0.0.1.example.com/v1")
    assert not is_loopback(None)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert count_gpus() == 0


def test_where_and_for_how_much_a_judge_is_asked_is_no_part_of_its_spec(tmp_path: Path) -> None:
    raw = read_yaml(ROOT / "config" / "config.yaml")
    before = Jobs(Plan(build_config(raw)))
    run, evaluation = "teuken-7b.lima-x-EN.lima.s0", "mt-bench-x.gpt-4.single"
    moved = {"base_url": "http://127.0.0.1:9/v1", "concurrency": 3, "max_cost": 1, "price_in": 9}
    raw["judges"]["gpt-4"] |= moved
    after = Jobs(Plan(build_config(raw)))
    assert after.judge(evaluation, run) == before.judge(evaluation, run)
    raw["judges"]["gpt-4"]["temperature"] = 0.5
    assert Jobs(Plan(build_config(raw))).judge(evaluation, run) != before.judge(evaluation, run)
    # The verb takes them from the configuration as it is when the job runs.
    write_json(tmp_path / "config.json", raw)
    words = as_options(before.judge(evaluation, run))[1:]
    given = argparse.Namespace(settings=words, config=tmp_path / "config.json")
    asked = read_spec(given).judge
    assert isinstance(asked, OpenAIJudge)
    assert (asked.base_url, asked.concurrency, asked.max_cost) == ("http://127.0.0.1:9/v1", 3, 1)
    assert asked.temperature == 0.0
    raw["judges"].pop("gpt-4")
    write_json(tmp_path / "config.json", raw)
    with pytest.raises(BabelmixError, match="no judge 'gpt-4'"):
        read_spec(given)


#: What decides a verdict, a translation or a checkpoint. The rest says where, how fast, how dear.
DECIDING = {
    OpenAIJudge: "engine model temperature max_tokens top_p seed reasoning_effort extra_body"
    " prompt_language prompts structured",
    MemoryTranslator: "backend path",
    IdentityTranslator: "backend",
    ApertiumTranslator: "backend modes",
    Seq2SeqTranslator: "backend family model revision engine tokenizer dtype beams unit max_tokens"
    " max_chars",
    OpenAITranslator: "backend model temperature max_tokens top_p seed reasoning_effort extra_body"
    " unit max_chars prompt",
    DeepLTranslator: "backend glossaries formality",
    GoogleTranslator: "backend",
    LibreTranslateTranslator: "backend",
    AzureTranslator: "backend category",
    Model: "repo path revision packaged chat_template template_args template_date"
    " trust_remote_code",
}


@pytest.mark.parametrize("section", DECIDING, ids=lambda section: section.__name__)
def test_each_key_of_a_client_either_reruns_its_jobs_or_nothing(section: Any) -> None:
    """A new key belongs in ``EXECUTION_ONLY`` (it changes no output) or in ``DECIDING``."""
    deciding = set(DECIDING[section].split())
    assert set(section.EXECUTION_ONLY) | deciding == set(section.model_fields)
    assert not set(section.EXECUTION_ONLY) & deciding


def translated(**runtime: Any) -> Jobs:
    raw = read_yaml(ROOT / "config" / "small.yaml")
    raw["translators"]["chat"] = {"backend": "openai", "model": "m"} | runtime
    raw["datasets"]["lima"]["translator"] = "chat"
    raw["data_root"] = "unused"
    return Jobs(Plan(build_config(raw)))


def test_host_price_cap_and_speed_rerun_no_translation() -> None:
    plain = translated().translate("lima", "es", 0)
    runtime = {"base_url": "http://127.0.0.1:9/v1", "concurrency": 64, "price_in": 1.0}
    runtime |= {"price_out": 2.0, "max_cost": 3.0, "mode": "batch", "key_env": "OTHER"}
    assert translated(**runtime).translate("lima", "es", 0) == plain
    assert translated(temperature=0.5).translate("lima", "es", 0) != plain


def test_what_a_translation_job_asks_of_a_cluster() -> None:
    jobs = translated(mode="batch")
    assert jobs.translation_minutes("lima", "es") > 24 * 60, "a batch may take a day"
    assert jobs.translation_minutes("alpaca-dolly", "es") == 240
    raw = read_yaml(ROOT / "config" / "small.yaml") | {"data_root": "unused"}
    local = {"backend": "seq2seq", "family": "nllb", "model": "m", "device": "cuda"}
    raw["translators"]["apertium"] = local
    on_gpu = Jobs(Plan(build_config(raw)))
    assert on_gpu.translation_gpus("lima", "es") == 1
    assert on_gpu.translation_env("lima", "es") == "../envs/seq2seq.yaml"
    assert jobs.translation_gpus("lima", "es") == 0
    assert jobs.translation_env("lima", "es") == "../envs/data.yaml"


def test_the_plan_prices_translation_as_the_verb_does() -> None:
    plan = translated(price_in=2.0, price_out=8.0).plan
    line = next(n for n in cost_lines(plan) if n.stage == "translate" and "lima" in n.what)
    half = translated(price_in=2.0, price_out=8.0, mode="batch").plan
    other = next(n for n in cost_lines(half) if n.stage == "translate" and "lima" in n.what)
    assert line.dollars
    assert other.dollars == pytest.approx(line.dollars / 2)
    unknown = next(n for n in cost_lines(translated().plan) if "lima" in n.what)
    assert "no price known: chat" in unknown.amount


def test_a_copy_at_scale_warns_and_shrinks_everything(full: Plan) -> None:
    raw = read_yaml(ROOT / "config" / "config.yaml") | {"scale": 0.02}
    small = Plan(build_config(raw))
    assert set(small.studies) == set(full.studies)
    assert "numbers say nothing about the study" in small.config.note
    assert small.config.study_set == "full-scale-0_02"
    assert small.config.training["pinch"].max_steps == 40
    assert small.config.datasets["bactrian-x"].fraction == 0.02
    assert small.config.datasets["pinch"].dev_rows == 5
    assert small.config.benchmarks["mt-bench-x"].questions == 4
    assert len(small.config.languages) < len(full.config.languages)
    assert {e.evaluation.protocol for e in small.evaluations.values()} == {
        e.evaluation.protocol for e in full.evaluations.values()
    }
    assert small.expansion.families["lima-x"][-1] == "lima-x-DEFR-sampled"


def test_baselines_are_trained_on_the_whole_pool(full: Plan) -> None:
    raw = read_yaml(ROOT / "config" / "config.yaml")
    raw["mixtures"]["few"] = raw["mixtures"]["e1"] | {"rows": 100}
    raw["studies"]["pinch-e1"]["runs"][0]["mixtures"] = ["few", "e1"]
    plan = Plan(build_config(raw))
    pairs = next(n for n in plan.evaluations if ".side_by_side." in n)
    baselines = plan.baselines(pairs, "llama-2-7b.few-EN.pinch.s0")
    assert baselines["fi"] == "llama-2-7b.e1-FI.pinch.s0"


def test_a_resolved_configuration_names_mixtures_as_the_given_one(tmp_path: Path) -> None:
    raw = read_yaml(ROOT / "config" / "demo.yaml")
    # Of two names for the same rows the first counts, and it comes later in the alphabet.
    alone = {"policy": "monolingual", "dataset": "demo", "languages": ["en"]}
    alone["parallel_over"] = ["en", "de", "fr", "it", "es"]
    raw["mixtures"] = {"z": alone, **raw["mixtures"]}
    raw["studies"]["demo"]["runs"][0]["mixtures"] = ["z", "demo", "pinch"]
    jobs = Jobs(Plan(build_config(raw), results=str(tmp_path)))
    write_resolved(raw, jobs)
    again = Plan(build_config(read_yaml(Path(jobs.path("config.resolved.json")))))
    assert jobs.plan.expansion.canonical == again.expansion.canonical
    assert list(again.runs) == list(jobs.plan.runs)
    assert again.expansion.canonical["demo-EN"] == "z-EN"


def test_check_says_where_shares_are_not_what_they_seem() -> None:
    raw = read_yaml(ROOT / "config" / "demo.yaml")
    two = {"policy": "sampled", "dataset": "demo", "languages": ["en", "de"], "weights": "size"}
    raw["mixtures"]["two"] = two
    raw["mixtures"]["pinch"]["pinch_rows"] = [2]
    said = remarks(Plan(build_config(raw)))
    assert "mixture 'pinch-2rows': 2 rows for 4 languages (de, fr, it, es): some get none." in said
    assert any(line.startswith("mixtures.two: dataset 'demo' is parallel") for line in said)


def test_a_cap_below_the_estimate_is_said_before_the_run(full: Plan) -> None:
    config = full.config
    assert low_caps(config, {"judges.gpt-4": 3380.0, "judges.pinch-judge": 207.0}) == []
    (said,) = low_caps(config, {"judges.gpt-4": 5000.0, "translators.deepl": 120.0})
    assert "judges.gpt-4" in said
    assert "`max_cost: 4000` is below the estimate of 5,000.00" in said
