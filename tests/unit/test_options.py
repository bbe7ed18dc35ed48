"""Settings as options: every setting of every job reads back as it was; wrong ones are named."""

from __future__ import annotations

import argparse
import importlib
import json
import re
import shlex
import subprocess

import pytest
from pydantic import BaseModel, TypeAdapter

from babelmix.cli import RULES, main
from babelmix.config.load import build_config, load_config, read_yaml
from babelmix.errors import BabelmixError
from babelmix.options import _kind, add_settings, as_options, read_settings
from babelmix.plan import Jobs, Plan
from babelmix.plan.layout import SETTINGS, AtDefault, results, settings_of
from babelmix.resources import ROOT
from babelmix.specs import BenchmarkSpec, ContaminationSpec


def settings_class(verb: str) -> type[BaseModel]:
    parser = argparse.ArgumentParser()
    importlib.import_module(f"babelmix.{RULES[verb][0]}").add_arguments(parser)
    found: type[BaseModel] = parser.get_default("settings_class")
    return found


def read(cls: type[BaseModel], *words: str) -> BaseModel:
    parser = argparse.ArgumentParser()
    add_settings(parser, cls)
    return read_settings(parser.parse_args(["--set", *words]), cls)


EXAMPLES = (ROOT / "config/examples").glob("*.yaml")
#: All but the one that is added to the demo.
CONFIGS = [
    "config/demo.yaml",
    "config/config.yaml",
    *sorted(f"config/examples/{p.name}" for p in EXAMPLES if p.stem != "portuguese"),
]


@pytest.mark.parametrize("config", CONFIGS)
def test_every_setting_of_every_job_reads_back(config: str) -> None:
    jobs = Jobs(Plan(load_config(ROOT / config)))
    for result in results(jobs):
        if result.settings is not None:
            cls = settings_class(result.verb)
            back = read(cls, *as_options(result.settings).values())
            assert back.model_dump(mode="json", exclude_defaults=True) == result.settings
            assert back == cls.model_validate_json(json.dumps(result.settings))


def test_no_setting_is_ambiguous() -> None:
    """A list of names is written with commas: only a type that is a list may be read so."""
    for verb in SETTINGS:
        for name, field in settings_class(verb).model_fields.items():
            if _kind(field.annotation) == "json":
                schema = json.dumps(TypeAdapter(field.annotation).json_schema())
                assert '"type": "array", "items": {"type": "string"' not in schema, (verb, name)


def test_each_rule_names_all_its_settings_and_passes_them() -> None:
    text = "".join(p.read_text() for p in sorted((ROOT / "workflow/rules").glob("*.smk")))
    rules = re.split(r"(?m)^rule ", text)[1:]
    seen = set()
    for rule in rules:
        verb = re.search(r"python -m babelmix ([a-z-]+)", rule)
        if verb is None or verb[1] not in SETTINGS:
            continue
        seen.add(verb[1])
        wanted = list(settings_class(verb[1]).model_fields)
        listed = re.findall(rf'(\w+)=setting\("{verb[1]}", "(\w+)"\)', rule)
        assert listed == [(name, name) for name in wanted], verb[1]
        passed = re.search(r"--set((?:\"\s*\"| \{params\.\w+\})+)", rule)
        assert passed is not None
        # An option of files may follow that the planner writes whole.
        assert re.findall(r"params\.(\w+)", passed[1])[: len(wanted)] == wanted, verb[1]
    assert seen == set(SETTINGS)


def test_a_parameter_is_its_name_and_value_or_nothing() -> None:
    jobs = Jobs(Plan(load_config(ROOT / "config/demo.yaml")))
    setting = settings_of(jobs)
    wildcards = {"dataset": "demo"}
    assert setting("find-contamination", "similarity")(wildcards) == "similarity=0.7"
    assert setting("find-contamination", "languages")(wildcards) == "languages=en,de,fr,it,es"
    run = {"run": "tiny.demo-EN.quick.s1"}
    assert str(setting("train", "recipe")(run)).startswith('\'recipe={"batch_size": 8')
    left_out = setting("normalise", "fraction")({"dataset": "demo", "lang": "en"})
    assert isinstance(left_out, AtDefault)
    assert f"{left_out}" == ""


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("similarty=0.7", "NAME one of version, dataset, languages"),
        ("similarity", "expected NAME=VALUE"),
        ("similarity=near", "similarity: Input should be a valid number"),
        ("languages=english", "languages"),
    ],
)
def test_a_wrong_setting_is_named(word: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["version=1", "dataset=d", "languages=en", "on_contamination=error", "similarity=0.7"]
    files = ["--conversations", "a", "--questions", "b", "--output", "c", "--manifest", "d"]
    given = ["--set", *words, "shared_ids=", word]
    assert main(["find-contamination", *given, *files]) == 2
    assert said in capsys.readouterr().err


HOSTILE = [
    *(
        "",
        "null",
        "[1]",
        "{a}",
        "{{x}} {params.version}",
        'it\'s "q"',
        "a=b,c",
        "-x",
        "--set",
        "@f",
    ),
    *(
        "line 1\nline 2\n",
        "\ttab",
        "$HOME `id` \\ ",
        "🙂 é",
        "%s",
        " led ",
        "a\u2028b",
        "NaN",
        "\x07",
    ),
]


@pytest.mark.parametrize("text", HOSTILE)
def test_any_text_goes_through_the_shell_as_it_is(text: str) -> None:
    none = dict.fromkeys(["source", "questions", "turns", "max_question_chars", "dataset"])
    name = {"version": 1, "name": "b", "lang": "en", "languages": ["en"]}
    given = BenchmarkSpec.model_validate({**name, **none, "categories": [text]})
    words = as_options(given.model_dump(mode="json", exclude_defaults=True)).values()
    line = f"printf '%s\\0' {' '.join(map(shlex.quote, words))}"
    came = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True).stdout
    assert read(BenchmarkSpec, *came.split("\0")[:-1]) == given


def test_settings_that_no_command_line_holds_are_refused_before_a_job_starts() -> None:
    raw = read_yaml(ROOT / "config/demo.yaml")
    raw["benchmarks"]["demo-bench"]["categories"] = ["x" * 130_000]
    setting = settings_of(Jobs(Plan(build_config(raw))))
    with pytest.raises(BabelmixError, match=r"benchmark demo-bench, en: .* categories takes 130,0"):
        setting("benchmark", "version")({"benchmark": "demo-bench", "lang": "en"})


def test_a_missing_setting_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    files = ["--conversations", "a", "--questions", "b", "--output", "c", "--manifest", "d"]
    assert main(["find-contamination", "--set", "version=1", *files]) == 2
    assert "dataset: Field required" in capsys.readouterr().err


def test_texts_keep_their_signs() -> None:
    words = ["version=1", "dataset=d", "on_contamination=error", "similarity=0.7"]
    spec = read(ContaminationSpec, *words, "languages=en", "shared_ids=a,b")
    assert spec.model_dump()["shared_ids"] == ["a", "b"]
    given = ["version=1", "name=b", "lang=en", "languages=en,de", "source=null", "questions=3"]
    given += ["turns=null", "max_question_chars=null", 'categories=["a b","c, d"]', "dataset="]
    spec = read(BenchmarkSpec, *given)
    assert spec.model_dump()["categories"] == ["a b", "c, d"]
    assert spec.model_dump()["dataset"] is None
