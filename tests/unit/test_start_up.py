"""What goes wrong before the first job is said in one paragraph, without a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.study import mini_config

from babelmix.config.load import build_config, read_yaml
from babelmix.errors import BabelmixError
from babelmix.plan import Jobs, Plan, write_resolved
from babelmix.plan.writable import require_results_folder, require_working_folder
from babelmix.resources import ROOT


def with_no(tmp_path: Path, section: str, name: str | None, change: dict[str, Any]) -> str:
    """What is said of a configuration in which a bare `no` stands where ``NO`` is written."""
    config = mini_config()
    if name is None:
        config |= change
    else:
        config[section][name] |= change
    text = yaml.safe_dump(config).replace("NORWEGIAN", "no")
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BabelmixError) as error:
        build_config(read_yaml(path))
    return str(error.value)


@pytest.mark.parametrize(
    ("section", "name", "change"),
    [
        ("", None, {"languages": ["en", "de", "NORWEGIAN"]}),
        ("", None, {"languages": {"en": {}, "de": {}, "NORWEGIAN": {}}}),
        ("datasets", "demo", {"languages": ["en", "NORWEGIAN"]}),
        ("datasets", "demo", {"translator": {"NORWEGIAN": "memory"}}),
        ("mixtures", "pinch", {"main": "NORWEGIAN"}),
        ("sources", "demo-benchmark", {"languages": ["NORWEGIAN"]}),
    ],
)
def test_a_bare_no_is_norwegian_and_said_so(
    tmp_path: Path, section: str, name: str | None, change: dict[str, Any]
) -> None:
    assert 'write the code of Norwegian in quotes, "no"' in with_no(tmp_path, section, name, change)


def test_false_elsewhere_is_no_norwegian(tmp_path: Path) -> None:
    said = with_no(tmp_path, "datasets", "demo", {"corrections": "NORWEGIAN"})
    assert "Norwegian" not in said


def test_a_quoted_no_is_a_language() -> None:
    languages = {"en": {}, "de": {}, "no": {"name": "Norwegian", "iso639_3": "nor"}}
    assert "no" in build_config(mini_config() | {"languages": languages}).languages


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make folders read-only for `os.access`, also where the tests run as root."""

    def lock(*folders: Path) -> None:
        locked = {f.resolve() for f in folders}
        real = os.access

        def access(path: Any, mode: int) -> bool:
            return Path(path).resolve() not in locked and real(path, mode)

        monkeypatch.setattr(os, "access", access)

    return lock


def test_a_read_only_working_folder_is_named_with_another_way(
    tmp_path: Path, read_only: Any
) -> None:
    require_working_folder(tmp_path)
    read_only(tmp_path)
    with pytest.raises(BabelmixError) as error:
        require_working_folder(tmp_path)
    assert str(tmp_path) in str(error.value)
    assert f"--snakefile {ROOT}/Snakefile --directory" in str(error.value)
    (tmp_path / ".snakemake").mkdir()
    require_working_folder(tmp_path)  # its records can be kept: that is all Snakemake needs


@pytest.mark.parametrize("which", ["", "raw"])
def test_read_only_results_are_refused_before_the_first_job(
    tmp_path: Path, read_only: Any, which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "resources").symlink_to(ROOT / "resources")
    config = mini_config()
    jobs = Jobs(Plan(build_config(config)))
    root = tmp_path / "results" / "mini"
    (root / "raw").mkdir(parents=True)
    write_resolved(config, jobs)
    read_only(root / which)
    with pytest.raises(BabelmixError, match="Nothing was started") as error:
        write_resolved(config, jobs)
    assert "Permission denied" in str(error.value)


def test_results_that_are_not_there_yet_need_a_writable_parent(
    tmp_path: Path, read_only: Any
) -> None:
    require_results_folder(tmp_path / "results" / "mini")
    read_only(tmp_path)
    with pytest.raises(BabelmixError, match="Permission denied"):
        require_results_folder(tmp_path / "results" / "mini")


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone may run as somebody else")
def test_snakemake_says_it_in_one_paragraph() -> None:
    """As another user, in a folder that is root's (pytest's own are closed to others)."""
    with tempfile.TemporaryDirectory() as folder:
        tmp_path = Path(folder)
        tmp_path.chmod(0o755)
        try:
            _refused_for_nobody(tmp_path)
        except PermissionError:
            pytest.skip("this Python is closed to others")


def _refused_for_nobody(tmp_path: Path) -> None:
    (tmp_path / "resources").symlink_to(ROOT / "resources")
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(mini_config()), encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--directory", str(tmp_path), "--cores", "1", "--configfile", str(config)]
    done = subprocess.run(
        [*command, "--profile", "none", "--workflow-profile", "none"],
        user=65534,
        group=65534,
        env=os.environ | {"HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode != 0
    assert "cannot be written to (read-only, or another user's)" in done.stdout
    assert "Traceback" not in done.stdout
