"""The page on verdicts tells the truth: every row of its table is read as it says."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from babelmix.judge.verdict import Verdict, parse_preference, parse_rating
from babelmix.resources import ROOT

PAGE = (ROOT / "docs/verdicts.md").read_text(encoding="utf-8")
TABLE = PAGE.partition("<!-- verdicts: begin -->")[2].partition("<!-- verdicts: end -->")[0]
ROW = re.compile(
    r"^\| (?P<protocol>.+?) \| (?P<kind>rating|preference) \| (?P<reply>.+) \| (?P<value>.+?) \|$"
)
ROWS = [match for line in TABLE.splitlines() if (match := ROW.match(line))]


def shown(read: Verdict[float] | Verdict[str]) -> str:
    if read.value is None:
        return "unscored"
    value = f"{read.value:g}" if isinstance(read.value, float) else read.value
    return f"{value} ({read.strength})" if read.strength else value


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["reply"][:40])
def test_row(row: re.Match[str]) -> None:
    reply = row["reply"].strip()
    reply = (reply[2:-2].strip() if reply.startswith("``") else reply[1:-1]).replace("⏎", "\n")
    read = parse_rating(reply) if row["kind"] == "rating" else parse_preference(reply)
    assert shown(read) == row["value"]  # type: ignore[arg-type]


def test_the_table_names_at_least_twelve_protocols() -> None:
    assert len(ROWS) == TABLE.count("\n| ") - 1
    assert len({row["protocol"] for row in ROWS}) >= 12


def test_the_example_prints_what_the_page_shows() -> None:
    command = re.search(r"echo '(.+)' \| python -m babelmix (.+)\n(.+)", PAGE)
    assert command
    done = subprocess.run(
        [sys.executable, "-m", "babelmix", *command[2].split()],
        input=command[1] + "\n", capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout) == json.loads(command[3])
