"""A mini study in a folder of its own, driven through the real Snakemake."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]


def mini_config() -> dict[str, Any]:
    """The demo, made small: two languages, three mixtures, four questions, three steps."""
    config = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text(encoding="utf-8"))
    config["study_set"] = "mini"
    config["languages"] = ["en", "de"]
    config["datasets"]["demo"] |= {"languages": ["en", "de"], "rows": 24, "dev_rows": 4}
    config["sources"]["demo-benchmark"]["languages"] = ["en", "de"]
    config["mixtures"] = {
        "mono": {"policy": "monolingual", "dataset": "demo", "languages": ["en", "de"]},
        "pinch": {
            "policy": "pinch",
            "dataset": "demo",
            "main": "en",
            "languages": ["en", "de"],
            "percent": [50],
        },
    }
    config["training"]["quick"] |= {"max_steps": 3, "max_length": 192}
    config["benchmarks"]["demo-bench"] |= {"languages": ["en", "de"], "questions": 4}
    config["benchmarks"]["demo-bench"]["generation"]["max_new_tokens"] = 8
    config["studies"]["demo"]["runs"][0]["mixtures"] = ["mono", "pinch"]
    config["studies"]["demo"]["evaluations"].append(
        {
            "benchmark": "demo-bench",
            "judge": "rules",
            "protocol": "pairwise",
            "baseline": "best_monolingual",
        }
    )
    config["bootstrap_samples"] = 200
    return config


class Study:
    """A folder with a configuration and a way to run Snakemake on it.

    ``package`` may name another copy of ``workflow/`` and the Snakefile (a stage bumped, say).
    """

    def __init__(self, folder: Path, config: dict[str, Any], root: Path = ROOT) -> None:
        self.folder = folder
        self.root = root
        self.config = config
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "resources").exists():
            (folder / "resources").symlink_to(ROOT / "resources")

    @property
    def results(self) -> Path:
        return self.folder / "results" / self.config["study_set"]

    def command(self, *options: str) -> list[str]:
        file = self.folder / "config.yaml"
        file.write_text(yaml.safe_dump(self.config, sort_keys=False), encoding="utf-8")
        return [
            *(sys.executable, "-m", "snakemake"),
            *("--snakefile", str(self.root / "Snakefile"), "--directory", str(self.folder)),
            *("--configfile", str(file), "--cores", "2"),
            *("--profile", "none", "--workflow-profile"),
            *(str(ROOT / "workflow" / "profiles" / "default"), *options),
        ]

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(self.root / "workflow")}

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*options),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        )

    def prune(self, *options: str) -> str:
        """What the verb `prune` says of the folder."""
        self.command()
        done = subprocess.run(
            [sys.executable, "-m", "babelmix", "prune", "--config", "config.yaml", *options],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert done.returncode == 0
        return done.stdout

    def verify(self, *options: str) -> subprocess.CompletedProcess[str]:
        """What the verb `verify` says of the folder."""
        self.command()
        return subprocess.run(
            [sys.executable, "-m", "babelmix", "verify", "--config", "config.yaml", *options],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def planned(self, *targets: str) -> dict[str, int]:
        """Jobs by rule that a run would do now (an empty dict: nothing)."""
        done = self.run("--dry-run", *targets)
        assert done.returncode == 0, done.stdout[-3000:]
        if "Nothing to be done" in done.stdout:
            return {}
        table = done.stdout.split("Job stats:")[-1]
        rows = re.findall(r"^([a-z_]+)\s+(\d+)$", table, flags=re.M)
        return {rule: int(n) for rule, n in rows if rule not in {"all", "total"}}


def kill_group(process: subprocess.Popen[str]) -> None:
    """kill -9 of a process and all that it started."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
