"""Files that must agree with each other, and rules of the house that a test can see."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from babelmix.cli import VERBS
from babelmix.resources import ROOT
from babelmix.stages import STAGE_VERSIONS


def pins(lines: list[str]) -> dict[str, str]:
    found = (re.match(r"^\s*-?\s*([A-Za-z0-9_.-]+)==(\S+)", line) for line in lines)
    return {m[1].lower(): m[2] for m in found if m}


LOCK = pins((ROOT / "requirements.lock").read_text().splitlines())


@pytest.mark.parametrize("name", ["data", "seq2seq", "torch"])
def test_conda_environments_hold_the_locks_pins(name: str) -> None:
    found = pins((ROOT / "workflow" / "envs" / f"{name}.yaml").read_text().splitlines())
    assert found
    assert {k: LOCK.get(k) for k in found} == found


def test_torch_is_pinned_without_a_local_version() -> None:
    assert LOCK["torch"] == "2.13.0"
    assert not [v for v in LOCK.values() if "+" in v]


def test_the_containers_hold_the_locks_pins_with_digests() -> None:
    text = (ROOT / "container" / "requirements.txt").read_text()
    found = pins(text.splitlines())
    assert found.items() >= LOCK.items()
    for entry in re.split(r"^(?=[A-Za-z0-9])", text, flags=re.M)[1:]:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry.splitlines()[0]
    environment = yaml.safe_load((ROOT / "workflow" / "envs" / "torch.yaml").read_text())
    (python,) = [d for d in environment["dependencies"] if str(d).startswith("python=")]
    for recipe in ("Dockerfile", "babelmix.def"):
        words = (ROOT / "container" / recipe).read_text()
        assert f"python:{python.removeprefix('python=')}-" in words
        assert "--require-hashes -r /opt/requirements.txt" in words


RULE_FILES = sorted((ROOT / "workflow" / "rules").glob("*.smk"))


@pytest.mark.parametrize("file", RULE_FILES, ids=lambda f: f.name)
def test_rules_open_with_a_contract_and_call_one_verb(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert re.match(r"# \w+.*\n#\n# Needs: ", text), "the file must open with its contract"
    assert "# Makes: " in text
    assert "# Steps: " in text
    assert len(text.splitlines()) <= 200
    assert not re.search(r"^\s*(run|script|checkpoint)\b *\w*:$", text, flags=re.M)
    for rule in re.split(r"^rule ", text, flags=re.M)[1:]:
        name = rule.split(":")[0]
        for directive in (
            "output",
            "log",
            "benchmark",
            "conda",
            "threads",
            "resources",
            "params",
            "shell",
        ):
            assert re.search(rf"^    {directive}:", rule, flags=re.M), f"{name} has no {directive}"
        verbs = re.findall(r"python -m babelmix (\S+)\"", rule)
        assert len(verbs) == 1, f"{name} must call one verb"
        assert verbs[0] in VERBS
        assert re.search(r"spec=|version=|digest=", rule), f"{name} names no version in params"


def test_the_snakefile_is_short() -> None:
    assert len((ROOT / "Snakefile").read_text().splitlines()) <= 105


def test_modules_are_short() -> None:
    for file in (ROOT / "workflow" / "babelmix").rglob("*.py"):
        assert len(file.read_text(encoding="utf-8").splitlines()) <= 400, file


def test_every_stage_version_is_a_positive_number() -> None:
    assert all(isinstance(v, int) and v > 0 for v in STAGE_VERSIONS.values())


def test_known_languages_are_complete() -> None:
    catalogue = yaml.safe_load((ROOT / "resources" / "languages.yaml").read_text(encoding="utf-8"))
    for code, fields in catalogue.items():
        assert {"name", "iso639_3", "family"} <= set(fields), code
        assert len(fields["iso639_3"]) == 3


def test_real_data_and_results_are_not_committed() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split("\0")
    assert not [f for f in listed if f.startswith(("results/", "data/", ".venv/"))]


def test_the_page_of_differences_is_that_of_the_configuration() -> None:
    studies = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())["studies"]
    listed = [d for study in studies.values() for d in study.get("deviations", [])]
    rows = {f"| {d['what']} | {d['paper']} | {d['ours']} | {d['mark']} |" for d in listed}
    page = (ROOT / "docs" / "differences-from-papers.md").read_text().splitlines()
    here = {line for line in page if re.search(r"\| [CIR?] \|$", line)}
    assert rows
    assert here == rows
