"""Which rooms of the package import which: stations stand on common ground, not on each other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from babelmix.resources import ROOT

PACKAGE = ROOT / "workflow" / "babelmix"
STATIONS = {
    *("sources", "translate", "mixtures", "train", "answer", "judge", "analyse", "report"),
    *("human", "plan"),
}
#: What a station may import of others, and why.
ALLOWED = {
    ("report", "analyse"): "the page shows the analysis's tables and figures",
    ("human", "analyse"): "people's labels are compared with the same statistics",
    ("train", "mixtures"): "held-out texts are told from those that a mixture trained on",
    ("answer", "train"): "a checkpoint is asked through the tokenizer that it was trained with",
    ("answer", "judge"): "answers published by others come in the files of their judgements",
    ("analyse", "judge"): "texts of published judgements are told by the importer's digest",
    # The plan calls the stations to say what a study costs and what a job would refuse.
    **dict.fromkeys([("plan", s) for s in STATIONS - {"plan"}], "estimates and checks"),
}


def imports(file: Path) -> Iterator[tuple[str, ...]]:
    """Modules of the package that a file imports, by their path below it."""
    folder = file.relative_to(PACKAGE).parts[:-1]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = folder[: len(folder) - (node.level - 1)]
            if node.module:
                yield (*base, *node.module.split("."))
            else:
                yield from ((*base, name.name) for name in node.names)


def crossings() -> set[tuple[str, str]]:
    """(importing room, imported room) of all imports between rooms."""
    found = set()
    for file in PACKAGE.rglob("*.py"):
        here = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
        found |= {(here, there[0]) for there in imports(file) if there and there[0] != here}
    return found


def test_a_station_imports_no_other_but_those_that_are_listed() -> None:
    between = {(a, b) for a, b in crossings() if a in STATIONS and b in STATIONS}
    assert between <= ALLOWED.keys(), sorted(between - ALLOWED.keys())
    unused = {pair for pair in ALLOWED if pair[0] != "plan"} - between
    assert not unused


def test_common_ground_imports_no_station() -> None:
    ground = {room for room, _ in crossings()} - STATIONS - {"cli", "__main__"}
    assert not {(a, b) for a, b in crossings() if a in ground and b in STATIONS}
