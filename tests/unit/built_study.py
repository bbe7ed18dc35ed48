"""The fake study set, taken through the verbs that the analysis consists of."""

from __future__ import annotations

import argparse
import atexit
import functools
import shutil
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from fake_study import FakeStudy, make

from babelmix.analyse import figures, tables
from babelmix.analyse.table import ReadTable, read_tables
from babelmix.io import read_json


def run_verb(verb: ModuleType, *options: str) -> None:
    """Call a verb's module as the command line does."""
    parser = argparse.ArgumentParser()
    verb.add_arguments(parser)
    verb.run(parser.parse_args(options))


def make_tables(study: FakeStudy, folder: Path) -> dict[str, ReadTable]:
    """Run ``tables`` on a study set; the tables as read back."""
    places = ("--folder", str(folder), "--output", str(folder / "index.json"))
    lists = ("scores", "judgements", "manifests", "audits", "metrics", "questions", "humans")
    run_verb(tables, *study.options(*lists), *places)
    return read_tables(folder / "index.json")


def make_figures(study: FakeStudy, folder: Path) -> list[dict[str, Any]]:
    """Run ``figures`` on a study set that has its tables; the index's entries."""
    inputs = ("--study", str(study.study), "--tables", str(study.root / "tables/index.json"))
    places = ("--folder", str(folder), "--output", str(folder / "index.json"))
    run_verb(figures, *inputs, *places)
    entries: list[dict[str, Any]] = read_json(folder / "index.json")["figures"]
    return entries


@functools.cache
def built() -> FakeStudy:
    """A study set with its tables and figures, built once for all tests of this process.

    Not to be changed by a test.
    """
    root = Path(tempfile.mkdtemp(prefix="fake-study-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    study = make(root)
    make_tables(study, root / "tables")
    make_figures(study, root / "figures")
    return study
