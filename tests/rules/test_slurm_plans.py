"""Every configuration is planned with the SLURM profile: no group closes a circle."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.rules.test_translated_benchmark import config_of
from tests.study import ROOT, mini_config

PROFILE = ROOT / "workflow" / "profiles" / "slurm"
EXECUTOR = importlib.util.find_spec("snakemake_executor_plugin_slurm") is not None
STANDALONE = [
    Path("config/config.yaml"),
    Path("config/demo.yaml"),
    Path("config/small.yaml"),
    *sorted(p.relative_to(ROOT) for p in (ROOT / "config" / "examples").glob("*.yaml")),
]


def as_on_slurm() -> list[str]:
    """The profile itself where its executor is installed, else what it says of the graph."""
    if EXECUTOR:
        return ["--workflow-profile", str(PROFILE)]
    profile = yaml.safe_load((PROFILE / "config.yaml").read_text(encoding="utf-8"))
    options = ["--workflow-profile", "none", "--cores", str(profile["cores"]), "--groups"]
    options += [f"{rule}={group}" for rule, group in profile["groups"].items()]
    options += ["--group-components"]
    options += [f"{group}={n}" for group, n in profile["group-components"].items()]
    options += ["--resources", *(f"{name}={n}" for name, n in profile["resources"].items())]
    return options


def dry_run(files: list[Path | str], folder: Path = ROOT, *targets: str) -> str:
    keys = {"HF_TOKEN", "OPENAI_API_KEY", "DEEPL_AUTH_KEY", "GOOGLE_API_KEY"}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")),
            *("--directory", str(folder), "--dry-run", "--forceall", "--nolock"),
            *("--profile", "none", *as_on_slurm(), *targets, "--configfile", *map(str, files)),
        ],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if k not in keys},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


def total(output: str) -> int:
    return int(re.findall(r"^total\s+(\d+)$", output.split("Job stats:")[-1], flags=re.M)[0])


@pytest.mark.parametrize("config", STANDALONE, ids=lambda path: path.stem)
def test_a_shipped_configuration_is_planned(
    config: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    files: list[Path | str] = [config]
    if config.stem == "portuguese":  # an addition to the demo
        files = ["config/demo.yaml", config]
    if config.stem == "small":
        real = request.getfixturevalue("real_data")
        monkeypatch.setenv("BABELMIX_DATA_ROOT", str(real))
    assert total(dry_run(files)) > 20


def in_folder(tmp_path: Path, config: dict[str, Any]) -> list[Path | str]:
    (tmp_path / "resources").symlink_to(ROOT / "resources")
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return [path]


def test_a_benchmark_of_a_dataset_that_is_trained_on_is_planned(tmp_path: Path) -> None:
    config = mini_config()
    bench = config["benchmarks"]["demo-bench"]
    bench |= {"source": None, "dataset": "demo"}
    config["datasets"]["demo"]["audit"] = {"round_trip": True}
    assert total(dry_run(in_folder(tmp_path, config), tmp_path)) > 20


def test_a_translated_benchmark_is_planned(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    assert total(dry_run(in_folder(tmp_path, config), tmp_path)) > 20


def test_judges_of_two_services_take_limits_of_their_own(tmp_path: Path) -> None:
    config = mini_config()
    config["judges"]["a"] = {"engine": "openai", "model": "m"}
    config["judges"]["b"] = {"engine": "openai", "model": "m", "key_env": "OTHER_KEY"}
    first = config["studies"]["demo"]["evaluations"][0]
    both = [first | {"judge": name} for name in ("a", "b")]
    config["studies"]["demo"]["evaluations"] = both
    output = dry_run(in_folder(tmp_path, config), tmp_path)
    blocks = re.findall(r"^rule judge_single:\n((?:    .*\n)+)", output, re.M)
    jobs = [(re.findall(r"demo-bench\.(\w)\.single", block)[0], block) for block in blocks]
    assert {judge for judge, _ in jobs} == {"a", "b"}
    own = {"a": "judge_openai_api_key_api_openai_com", "b": "judge_other_key_api_openai_com"}
    for judge, block in jobs:
        for name, resource in own.items():
            assert f"{resource}={int(name == judge)}" in block


def test_the_limit_of_the_profile_is_each_keys(tmp_path: Path) -> None:
    config = mini_config()
    for name, key in (("a", "ONE_KEY"), ("b", "OTHER_KEY")):
        config["judges"][name] = {"engine": "openai", "model": "m", "key_env": key}
    first = config["studies"]["demo"]["evaluations"][0]
    both = [first | {"judge": name} for name in ("a", "b")]
    config["studies"]["demo"]["evaluations"] = both
    in_folder(tmp_path, config)
    (tmp_path / "Snakefile").write_text(
        f"include: {str(ROOT / 'Snakefile')!r}\n"
        "import json\n"
        "limits = {n: r.value for n, r in workflow.global_resources.items() if 'judge' in n}\n"
        "print('LIMITS', json.dumps(limits))\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--snakefile", str(tmp_path / "Snakefile")),
            *("--directory", str(tmp_path), "--dry-run", "--profile", "none"),
            *("--workflow-profile", "none", "--cores", "1", "--resources", "judge=1"),
            *("--configfile", str(tmp_path / "config.yaml")),
        ],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    line = next(line for line in done.stdout.splitlines() if line.startswith("LIMITS "))
    assert json.loads(line.removeprefix("LIMITS ")) == {
        "judge": 1,
        "judge_one_key_api_openai_com": 1,
        "judge_other_key_api_openai_com": 1,
    }
