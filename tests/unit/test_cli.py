"""The command line: every verb explains itself, quickly and without torch."""

import ast
import errno
import os
import subprocess
import sys

import pytest

from babelmix import cli
from babelmix.resources import ROOT

HEAVY = {"pretrain-base", "prepare-model", "train", "answer"}
PACKAGE = ROOT / "workflow" / "babelmix"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "babelmix", *arguments], capture_output=True, text=True, cwd=ROOT
    )


def test_help_lists_every_verb() -> None:
    text = run("--help").stdout
    assert all(verb in text for verb in cli.VERBS)


@pytest.mark.parametrize("verb", list(cli.VERBS))
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main([verb, "--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert f"python -m babelmix {verb}" in text
    assert len(text.splitlines()) > 4


def test_an_unknown_verb_is_refused() -> None:
    result = run("tranlate")
    assert result.returncode == 2
    assert "invalid choice: 'tranlate'" in result.stderr


def test_no_verb_module_imports_torch_or_snakemake_at_import() -> None:
    code = (
        "import importlib, sys\n"
        "from babelmix.cli import VERBS\n"
        "for module, _ in VERBS.values(): importlib.import_module('babelmix.' + module)\n"
        "print(sorted({m.split('.')[0] for m in sys.modules} & "
        "{'torch', 'transformers', 'trl', 'deepspeed', 'datasets', 'openai', "
        "'altair', 'snakemake'}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_only_train_and_answer_name_torch() -> None:
    for file in PACKAGE.rglob("*.py"):
        station = file.relative_to(PACKAGE).parts[0]
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            roots = {name.split(".")[0] for name in names}
            assert "snakemake" not in roots, file
            if station not in {"train", "answer", "translate"}:
                assert not roots & {"torch", "transformers", "trl", "deepspeed"}, file


@pytest.mark.parametrize(
    ("number", "told"),
    [(errno.ENOSPC, "disk is full"), (errno.EROFS, "read-only"), (errno.EACCES, "permissions")],
)
def test_errors_of_the_machine_are_one_paragraph(
    number: int, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(args: object) -> None:
        raise OSError(number, os.strerror(number), "results/x.parquet")

    monkeypatch.setattr("babelmix.plan.cost.run", fail)
    assert cli.main(["plan", "--config", "x"]) == 2
    words = capsys.readouterr().err
    assert "results/x.parquet" in words
    assert told in words
    assert "Traceback" not in words


def test_other_errors_of_the_system_are_bugs_and_show_where(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(args: object) -> None:
        raise OSError(errno.ECHILD, "no children")

    monkeypatch.setattr("babelmix.plan.cost.run", fail)
    with pytest.raises(OSError, match="no children"):
        cli.main(["plan", "--config", "x"])
