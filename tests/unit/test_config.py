"""The configuration: closed, described, explained when it is wrong, documented in sync."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from babelmix.config.document import COMMAND, documents
from babelmix.config.load import _models_in, build_config, load_config, read_yaml
from babelmix.config.root import Config
from babelmix.errors import BabelmixError
from babelmix.plan import Jobs, Plan
from babelmix.resources import ROOT

DEMO = ROOT / "config" / "demo.yaml"


@pytest.fixture
def raw() -> dict[str, Any]:
    return copy.deepcopy(read_yaml(DEMO))


@pytest.mark.parametrize("name", ["demo", "small", "config"])
def test_shipped_configurations_are_valid(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BABELMIX_DATA_ROOT", "/data")
    plan = Plan(load_config(ROOT / "config" / f"{name}.yaml"))
    assert plan.runs
    assert plan.sources


def test_generated_files_are_in_sync() -> None:
    for path, wanted in documents().items():
        found = path.read_text(encoding="utf-8") if path.exists() else ""
        diff = "\n".join(
            difflib.unified_diff(
                found.splitlines(), wanted.splitlines(), "committed", "generated", lineterm="", n=1
            )
        )
        assert found == wanted, f"{path} is out of date; run `{COMMAND}`\n{diff[:3000]}"


def sections(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        for inner in _models_in(field.annotation):
            yield from sections(inner)


def test_every_section_is_closed_and_every_field_described() -> None:
    for section in sections(Config):
        assert section.model_config["extra"] == "forbid", f"{section.__name__} is open"
        for key, field in section.model_fields.items():
            assert field.description, f"{section.__name__}.{key} has no description"


def explained(raw: dict[str, Any]) -> str:
    with pytest.raises(BabelmixError) as caught:
        Plan(build_config(raw))
    return str(caught.value)


def test_a_misspelt_key_names_the_right_one(raw: dict[str, Any]) -> None:
    raw["training"]["quick"]["learning_rat"] = 1
    message = explained(raw)
    assert "training.quick.learning_rat: unknown key. Did you mean 'learning_rate'?" in message


def test_a_misspelt_section_names_the_right_one(raw: dict[str, Any]) -> None:
    raw["mixture"] = {}
    assert "mixture: unknown key. Did you mean 'mixtures'?" in explained(raw)


def test_a_misspelt_key_in_a_union_names_the_keys_of_its_member(raw: dict[str, Any]) -> None:
    raw["mixtures"]["pinch"]["percents"] = [1]
    message = explained(raw)
    assert "Did you mean 'percent'?" in message
    assert "permutations" not in message


def test_an_unknown_language_lists_the_known_ones(raw: dict[str, Any]) -> None:
    raw["languages"].append("xx")
    message = explained(raw)
    assert "unknown language 'xx'" in message
    assert "de, en" in message
    assert "name: …, iso639_3: …" in message


def test_a_language_of_ones_own_needs_no_code(raw: dict[str, Any]) -> None:
    raw["languages"] = {c: {} for c in raw["languages"]}
    raw["languages"]["gsw"] = {"name": "Swiss German", "iso639_3": "gsw"}
    assert build_config(raw).languages["gsw"].name == "Swiss German"


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("studies.demo.runs.0.models", ["tinny"], "unknown model 'tinny'. Did you mean 'tiny'?"),
        ("studies.demo.runs.0.mixtures", ["dmeo"], "unknown mixture 'dmeo'. Did you mean 'demo'?"),
        ("studies.demo.runs.0.recipe", "quik", "unknown recipe 'quik'. Did you mean 'quick'?"),
        ("mixtures.pinch.main", "pt", "unknown language 'pt'"),
        ("datasets.demo.translator", "memry", "unknown translator 'memry'"),
        ("datasets.demo.translator", None, "no `translator` is given for it"),
        ("datasets.demo.pivot", "cs", "unknown language 'cs'"),
        ("training.quick.epochs", 5, "exactly one of `epochs` and `max_steps`"),
        ("training.quick.micro_batch_tokens", 100, "must hold one row"),
        ("only_studies", ["x"], "unknown study 'x'"),
        ("benchmarks.demo-bench.languages", ["cs"], "unknown language 'cs'"),
        ("judges.rules.engine", "rulez", "rules"),
        ("study_set", "a/b", "study_set: "),
    ],
)
def test_errors_name_key_value_and_mend(
    raw: dict[str, Any], path: str, value: Any, expected: str
) -> None:
    *way, last = path.split(".")
    node: Any = raw
    for part in way:
        node = node[int(part)] if part.isdigit() else node[part]
    node[last] = value
    if "translator` is given" in expected:
        with pytest.raises(BabelmixError, match="translator"):
            Jobs(Plan(build_config(raw))).plan.translators  # noqa: B018
        return
    assert expected in explained(raw)


def test_a_key_given_twice_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("study_set: a\nstudy_set: b\n")
    with pytest.raises(BabelmixError, match="'study_set' stands twice"):
        read_yaml(file)


def test_a_missing_file_and_broken_yaml_are_named(tmp_path: Path) -> None:
    with pytest.raises(BabelmixError, match="no such configuration file"):
        read_yaml(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("a: [")
    with pytest.raises(BabelmixError, match="not valid YAML"):
        read_yaml(tmp_path / "bad.yaml")


def test_the_environment_goes_before_data_root(
    raw: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    raw["data_root"] = "here"
    monkeypatch.setenv("BABELMIX_DATA_ROOT", "/there")
    assert build_config(raw).data_root == "/there"


def test_pairwise_needs_a_baseline_and_best_needs_single_grades(raw: dict[str, Any]) -> None:
    evaluations = raw["studies"]["demo"]["evaluations"]
    evaluations[0]["protocol"] = "pairwise"
    assert "needs a `baseline`" in explained(raw)
    evaluations[0]["baseline"] = "best_monolingual"
    assert "chosen by single grades" in explained(raw)
