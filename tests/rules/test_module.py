"""Babelmix as a module of somebody else's workflow."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml
from tests.study import ROOT, mini_config

WORKFLOW = f"""
configfile: "mine.yaml"


module babelmix:
    snakefile: "{ROOT}/Snakefile"
    config: config


use rule * from babelmix as babelmix_*


rule paper:
    default_target: True
    input: f"results/{{config['study_set']}}/report/index.html"
    output: "paper.html"
    shell: "cp {{input}} {{output}}"
"""


def snakemake(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--cores", "1", "--workflow-profile", "none"),
            *options,
        ],
        cwd=folder,
        env=clean,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_another_workflow_uses_it_as_a_module(tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text(WORKFLOW)
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(mini_config(), sort_keys=False))
    (tmp_path / "resources").symlink_to(ROOT / "resources")
    planned = snakemake(tmp_path, "--dry-run")
    assert planned.returncode == 0, planned.stdout[-3000:]
    assert "babelmix_train" in planned.stdout
    # A job that needs the merged configuration, which `onstart` writes where there is one.
    done = snakemake(tmp_path, "--", "results/mini/study.json")
    assert done.returncode == 0, done.stdout[-3000:]
    assert (tmp_path / "results" / "mini" / "study.json").is_file()
