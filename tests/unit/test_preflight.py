"""What a job would refuse is said by `check` and `plan`, before anything is trained or paid."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.loopback import Action, ScriptedServer, error, text
from tests.unit import tiny_model

from babelmix.cli import main
from babelmix.config.load import build_config, read_yaml
from babelmix.errors import BabelmixError
from babelmix.plan import Plan
from babelmix.plan.checks import unconfirmed
from babelmix.plan.cost import by_payer, cost_lines
from babelmix.plan.preflight import refusals
from babelmix.plan.probe import probe_services
from babelmix.resources import ROOT


def demo(tmp_path: Path, **changes: dict[str, Any]) -> dict[str, Any]:
    """The demo's configuration with entries of sections laid over it."""
    raw = read_yaml(ROOT / "config" / "demo.yaml")
    raw["study_set"] = f"preflight-{tmp_path.name}".replace("_", "-")
    for section, entries in changes.items():
        for name, fields in entries.items():
            raw[section][name] = {**raw[section].get(name, {}), **fields}
    return raw


def plan_of(tmp_path: Path, **changes: dict[str, Any]) -> Plan:
    return Plan(build_config(demo(tmp_path, **changes)), str(tmp_path / "results"))


def said(tmp_path: Path, **changes: dict[str, Any]) -> str:
    return "\n".join(refusals(plan_of(tmp_path, **changes))[0])


def lines(path: Path, *rows: Any) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def test_the_demo_has_nothing_to_refuse(tmp_path: Path) -> None:
    assert refusals(plan_of(tmp_path)) == ([], [])


# --- sources ---


def test_an_mt_bench_file_in_a_dataset_is_refused_with_its_right_use(tmp_path: Path) -> None:
    source = {"adapter": "mt_bench", "path": "resources/demo/benchmark.jsonl"}
    with pytest.raises(BabelmixError, match=r"demo.sources: .* holds questions") as error:
        plan_of(tmp_path, sources={"demo-instructions": {**source, "languages": ["en"]}})
    assert "the `source` of a benchmark" in str(error.value)


def test_conversations_as_a_benchmarks_source_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BabelmixError, match=r"demo-bench.source: .* no benchmark"):
        plan_of(
            tmp_path,
            sources={"demo-benchmark": {"adapter": "alpaca", "path": "x.{lang}.jsonl"}},
        )


def test_a_wrong_csv_column_is_named_with_those_that_there_are(tmp_path: Path) -> None:
    table = tmp_path / "faq.csv"
    table.write_text("Frage,Antwort\nWie?,So.\nWann?,Bald.\n", encoding="utf-8")
    fields = {"prompt": "Frage", "answer": "antwort"}
    source = {"adapter": "fields", "fields": fields, "path": str(table), "languages": ["en"]}
    found = said(tmp_path, sources={"demo-instructions": source})
    assert "sources.demo-instructions" in found
    assert "antwort is missing: 2" in found
    assert "Its first row has: Frage, Antwort" in found


def test_an_adapter_that_does_not_fit_the_file_is_named(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", {"instruction": "Hi", "output": "Ho"})
    source = {"adapter": "messages", "path": path, "languages": ["en"]}
    assert "no usable row for adapter `messages`" in said(
        tmp_path, sources={"demo-instructions": source}
    )


def test_rows_with_a_question_id_are_planned_by_their_use(tmp_path: Path) -> None:
    rows = ({"question_id": n, "instruction": f"Hi {n}", "output": "Ho"} for n in range(30))
    path = lines(tmp_path / "a.jsonl", *rows)
    source = {"adapter": "alpaca", "path": path, "languages": ["en"]}
    plan = plan_of(tmp_path, sources={"demo-instructions": source})
    assert cost_lines(plan)
    assert refusals(plan)[0] == []


def test_a_source_that_cannot_be_read_does_not_end_the_plan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = lines(tmp_path / "a.jsonl", {"instruction": "Hi", "output": "Ho"})
    source = {"adapter": "messages", "path": path, "languages": ["en"]}
    raw = demo(tmp_path, sources={"demo-instructions": source})
    config = tmp_path / "c.yaml"
    config.write_text(yaml.safe_dump(raw), encoding="utf-8")
    assert main(["plan", "--config", str(config)]) in (0, None)
    out = capsys.readouterr().out
    assert "US dollars" in out
    assert "Jobs would refuse this" in out
    assert "no usable row for adapter `messages`" in out


def test_questions_that_are_not_parallel_are_named_before_the_run(tmp_path: Path) -> None:
    for lang, ids in (("en", (81, 82)), ("de", (81, 83))):
        rows = [{"question_id": i, "category": "math", "turns": ["a", "b"]} for i in ids]
        lines(tmp_path / f"q.{lang}.jsonl", *rows)
    source = {"adapter": "mt_bench", "path": f"{tmp_path}/q.{{lang}}.jsonl"}
    found = said(
        tmp_path,
        sources={"demo-benchmark": {**source, "languages": ["en", "de"]}},
        benchmarks={"demo-bench": {"languages": ["en", "de"]}},
    )
    assert "'en' and 'de' differ in questions" in found


def test_rows_left_out_by_the_hundred_are_noted(tmp_path: Path) -> None:
    rows = [{"instruction": "Hi", "output": "" if n else "Ho"} for n in range(10)]
    source = {
        "adapter": "alpaca",
        "path": lines(tmp_path / "a.jsonl", *rows),
        "languages": ["en"],
    }
    _, notes = refusals(plan_of(tmp_path, sources={"demo-instructions": source}))
    assert any("9 are left out, most often (9): output is empty" in note for note in notes), notes


def test_a_missing_overlay_is_named(tmp_path: Path) -> None:
    found = said(tmp_path, datasets={"demo": {"corrections": "none/{lang}.jsonl"}})
    assert "datasets.demo.corrections: the file 'none/" in found


@pytest.mark.parametrize(
    ("section", "change", "told"),
    [
        ("datasets", {"demo": {"rows": 5000}}, "datasets.demo.rows asks for 5000 rows, and its"),
        ("datasets", {"demo": {"rows": 8, "dev_rows": 8}}, "leave none for training"),
        ("mixtures", {"pinch": {"pinch_rows": [900]}}, "`pinch_rows` asks for 900 rows"),
    ],
)
def test_more_rows_than_the_files_have_are_refused(
    tmp_path: Path, section: str, change: dict[str, Any], told: str
) -> None:
    assert told in said(tmp_path, **{section: change})


# --- translators ---


def test_a_memory_without_the_language_is_named(tmp_path: Path) -> None:
    path = lines(tmp_path / "m.jsonl", {"turns": [{"role": "user", "en": "a", "de": "b"}]})
    found = said(
        tmp_path,
        translators={"only-german": {"backend": "memory", "path": path}},
        datasets={"demo": {"translator": "only-german"}},
    )
    assert "translators.only-german" in found
    assert "holds no text in both 'en' and 'fr'" in found
    assert "'en' and 'de'" not in found


def test_an_apertium_chain_that_is_not_configured_is_named(tmp_path: Path) -> None:
    found = said(
        tmp_path,
        translators={"ap": {"backend": "apertium", "modes": {"es": ["eng-spa"]}}},
        datasets={"demo": {"translator": "ap"}},
    )
    assert "translators.ap.modes: no chain for 'de' (there are: es)" in found
    assert "no chain for 'es'" not in found


def test_a_missing_translation_model_is_named(tmp_path: Path) -> None:
    nllb = {"backend": "seq2seq", "family": "nllb", "model": "/no/such/folder"}
    found = said(
        tmp_path,
        translators={"nllb": nllb},
        datasets={"demo": {"translator": "nllb"}},
    )
    assert "translators.nllb.model: the folder '/no/such/folder' is missing" in found


# --- models, recipes and engines ---

UNMASKABLE = "{% for m in messages %}{{ m['content'] | upper }}</s>{% endfor %}"
NO_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model.build(tmp_path_factory.mktemp("model"))


def with_template(model: Path, tmp_path: Path, template: str | None) -> str:
    folder = tmp_path / "model"
    folder.mkdir()
    for file in model.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    if template is not None:
        old = (folder / "chat_template.jinja").read_text(encoding="utf-8")
        new = template + old if template == NO_SYSTEM else template
        (folder / "chat_template.jinja").write_text(new, encoding="utf-8")
    return str(folder)


def test_a_template_that_cannot_be_masked_is_refused(model: Path, tmp_path: Path) -> None:
    path = with_template(model, tmp_path, UNMASKABLE)
    found = said(tmp_path, models={"tiny": {"path": path, "chat_template": "own"}})
    assert "models.tiny: chat template:" in found
    assert "`study1`, `chatml`" in found


def test_a_template_without_a_system_role_is_refused_where_one_is_used(
    model: Path, tmp_path: Path
) -> None:
    path = with_template(model, tmp_path, NO_SYSTEM)
    change = {"tiny": {"path": path, "chat_template": "own"}}
    found = said(tmp_path, models=change, training={"quick": {"system_prompt": True}})
    assert "a dialogue with a system prompt is refused" in found
    assert "training.quick.system_prompt" in found
    off = {"quick": {"system_prompt": False}}
    quiet = {"demo-bench": {"system_prompt": False}}
    assert said(tmp_path, models=change, training=off, benchmarks=quiet) == ""


def test_a_template_that_is_not_there_or_not_known_is_refused(model: Path, tmp_path: Path) -> None:
    folder = Path(with_template(model, tmp_path, None))
    (folder / "chat_template.jinja").unlink()
    found = said(tmp_path, models={"tiny": {"path": str(folder), "chat_template": "own"}})
    assert "`chat_template: own`, but the tokenizer" in found
    found = said(tmp_path, models={"tiny": {"path": str(folder), "chat_template": "chatlm"}})
    assert "chatml" in found
    assert "models.tiny.chat_template" in found


def test_what_a_hub_model_is_like_is_said_to_be_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "none"))
    plan = plan_of(tmp_path, models={"tiny": {"path": None, "repo": "a/b", "chat_template": "own"}})
    problems, notes = refusals(plan)
    assert problems == []
    assert any("the tokenizer is not on this machine" in note for note in notes)


def test_a_model_that_is_prepared_is_not_looked_at_again(model: Path, tmp_path: Path) -> None:
    path = with_template(model, tmp_path, UNMASKABLE)
    plan = plan_of(tmp_path, models={"tiny": {"path": path, "chat_template": "own"}})
    done = Path(plan.root, "models", "tiny.json")
    done.parent.mkdir(parents=True)
    done.write_text("{}", encoding="utf-8")
    assert refusals(plan) == ([], [])


def test_vllm_that_is_not_installed_is_named(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, benchmarks={"demo-bench": {"generation": {"engine": "vllm"}}})
    found = "\n".join(plan.problems(gpus_here=0))
    assert "benchmarks.demo-bench.generation: `engine: vllm` needs the package vllm" in found


def test_a_served_engine_needs_its_address_and_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SERVED_KEY", raising=False)
    generation = {"engine": "openai", "key_env": "SERVED_KEY"}
    assert "needs a `base_url`" in said(
        tmp_path, benchmarks={"demo-bench": {"generation": generation}}
    )
    generation["base_url"] = "https://models.example.org/v1"
    assert "SERVED_KEY" in said(tmp_path, benchmarks={"demo-bench": {"generation": generation}})


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        ({"precision": "fp16"}, "`precision: fp16` needs a GPU"),
        ({"select": "best_dev_loss"}, "needs held-out rows"),
        ({"precision": "bf16", "deepspeed": {"stage": 0}}, "DeepSpeed stage 0"),
    ],
)
def test_a_recipe_that_cannot_work_is_named(
    tmp_path: Path, recipe: dict[str, Any], told: str
) -> None:
    found = said(
        tmp_path,
        training={"quick": recipe},
        datasets={"demo": {"dev_rows": 0}},
        models={"tiny": {"device": "cpu"}},
    )
    assert told in found


def test_a_batch_smaller_than_the_devices_is_named(tmp_path: Path) -> None:
    found = said(
        tmp_path,
        training={"quick": {"batch_size": 4}},
        models={"tiny": {"device": "cuda", "gpus": 8}},
    )
    assert "leaves some of 8 devices without" in found


# --- judges and money ---

JUDGE = {"engine": "openai", "model": "m", "temperature": 0.0}


def judged(tmp_path: Path, judge: dict[str, Any], protocol: str = "single") -> Plan:
    raw = demo(tmp_path)
    raw["judges"]["model"] = JUDGE | judge
    evaluation = {"benchmark": "demo-bench", "judge": "model", "protocol": protocol}
    if protocol != "single":
        evaluation["baseline"] = "language_monolingual"
    raw["studies"]["demo"]["evaluations"] = [evaluation]
    return Plan(build_config(raw), str(tmp_path / "results"))


def test_published_prompts_that_are_not_there_or_know_no_protocol_are_named(tmp_path: Path) -> None:
    found = "\n".join(refusals(judged(tmp_path, {"prompts": "none/{lang}.jsonl"}))[0])
    assert "judges.model.prompts, in 'de': none/de.jsonl: no such file" in found
    kinds = [
        {"name": name, "system_prompt": "s", "prompt_template": "{question}"}
        for name in ("single-v1", "pair-v2")
    ]
    path = lines(tmp_path / "prompts.jsonl", *kinds)
    found = "\n".join(refusals(judged(tmp_path, {"prompts": path}, "side_by_side"))[0])
    assert "know no protocol `side_by_side`" in found


def test_a_cap_without_a_price_is_refused_before_the_first_call(tmp_path: Path) -> None:
    plan = judged(tmp_path, {"base_url": "http://127.0.0.1:9/v1", "max_cost": 5})
    found = unconfirmed(plan.config, by_payer(cost_lines(plan)), Path(plan.root))
    assert any("judges.model: a `max_cost` but no price is known" in one for one in found)


def no_temperature(request: Any) -> Action:
    if "temperature" in request.body:
        said = "Unsupported value: 'temperature' does not support 0.0 with this model."
        return error(400, "unsupported_value", said, "temperature")
    return text("Good")


def test_a_judge_and_a_translator_that_take_no_temperature_are_found_by_one_call(
    tmp_path: Path,
) -> None:
    with ScriptedServer(no_temperature) as server:
        raw = demo(tmp_path)
        raw["judges"]["model"] = JUDGE | {"base_url": server.base_url}
        chat = {"backend": "openai", "model": "m", "base_url": server.base_url, "temperature": 0.0}
        raw["translators"]["chat"] = chat
        config = build_config(raw)
        problems, _ = probe_services(config, ["model"], ["chat"], tmp_path)
        assert len(server.requests) == 2
        assert len(problems) == 2
        for where, problem in zip(("judges.model", "translators.chat"), problems, strict=True):
            assert problem.startswith(where)
            assert "Set `temperature: null`" in problem
        raw["translators"]["chat"]["temperature"] = None
        config = build_config(raw)
        assert probe_services(config, [], ["chat"], tmp_path)[0] == []
        assert probe_services(config, [], ["chat"], tmp_path)[0] == []
        assert len(server.requests) == 3  # what was found is not asked again


def test_check_says_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from babelmix.plan import check

    raw = demo(tmp_path, benchmarks={"demo-bench": {"generation": {"engine": "vllm"}}})
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    given = argparse.Namespace(
        config=path, jobs_run_elsewhere=False, cluster=False, try_nodes=None, no_probe=True
    )
    with pytest.raises(BabelmixError, match="engine: vllm"):
        check.run(given)
