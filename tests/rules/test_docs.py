"""The commands and configurations in the docs, run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.study import ROOT

from babelmix.config.load import build_config
from babelmix.plan import Plan

DOCS = ROOT / "docs"


def blocks(page: str, kind: str) -> list[str]:
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{kind}\n(.*?)^```$", text, flags=re.M | re.S)


@pytest.mark.parametrize("number", range(len(blocks("how-to.md", "yaml"))))
def test_each_piece_of_configuration_fits_the_demo(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    config = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text(encoding="utf-8"))
    for section, entries in yaml.safe_load(blocks("how-to.md", "yaml")[number]).items():
        config[section] |= entries
    assert Plan(build_config(config)).runs


def test_the_tutorials_commands_work(tmp_path: Path) -> None:
    for name in ("Snakefile", "workflow", "resources", "profiles"):
        (tmp_path / name).symlink_to(ROOT / name)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, command in (("python", ""), ("snakemake", "-m snakemake")):
        (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} {command} "$@"\n')
        (programs / name).chmod(0o755)
    environment = os.environ | {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "workflow"),
    }
    (study,) = blocks("tutorial.md", "yaml")
    commands = blocks("tutorial.md", "sh")
    assert len(commands) == 3
    for number, block in enumerate(commands):
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        if number == 0:
            (tmp_path / "my" / "study.yaml").write_text(study)
    assert "files there" in done.stdout


def test_links_between_pages_lead_somewhere() -> None:
    for page in [*DOCS.glob("*.md"), ROOT / "README.md", ROOT / "config" / "README.md"]:
        for target in re.findall(r"\]\(([^)#\s]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"
