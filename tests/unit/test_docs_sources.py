"""docs/sources.md says what is so: its table is the catalogue's, its examples can be used."""

from __future__ import annotations

import csv
import gzip
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from babelmix.config.builtin import catalogue, fill_sources
from babelmix.config.sources import Source
from babelmix.files.readers import read_rows
from babelmix.resources import ROOT
from babelmix.sources.adapters import Parsed, conversations
from babelmix.sources.listing import facts

PAGE = (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
LANGUAGES = ["en", "de", "fr", "it", "es"]


def examples() -> dict[str, Source]:
    """Every source of the page's examples."""
    found = {}
    for block in BLOCKS:
        filled = fill_sources(yaml.safe_load(block).get("sources", {}), LANGUAGES, "docs")
        found |= {name: Source.model_validate(given) for name, given in filled.items()}
    return found


def test_the_table_is_the_catalogues() -> None:
    rows = re.findall(r"^\| (`[a-z].*?) \|.*?\| *(\S+) \| (.*?) \| (\w+) \| (.*?) \|$", PAGE, re.M)
    named = {}
    for names, number, languages, pinned, licence in rows:
        for name in re.findall(r"`(.*?)`", names):
            if name in catalogue():
                named[name] = (number, languages, pinned, licence)
    assert set(named) == set(catalogue())
    for name, (number, languages, pinned, licence) in named.items():
        known = facts(name, catalogue()[name])
        assert number == (f"{known['rows']:,}" if known["rows"] else "–"), name
        assert languages in (" ".join(known["languages"]), str(len(known["languages"]))), name
        assert pinned == (known["pinned"] or "nothing"), name
        if licence != "the same":
            assert ("non-commercial" in licence) == known["non_commercial"], name


def test_every_example_is_a_source() -> None:
    found = examples()
    assert len(found) == 23
    assert found["bactrian-x"].languages == ["en", "de", "fr"]
    assert found["oasst-threads"].threads == "best_path"
    assert found["mt-bench-x"].hub is None


def parse(name: str, path: Path, lang: str = "en") -> Parsed:
    return conversations(read_rows(path), examples()[name], name, lang, "d", str(path))


def test_the_table_and_the_turns_of_the_examples(tmp_path: Path) -> None:
    with (tmp_path / "support.csv").open("w", newline="", encoding="utf-8") as handle:
        lines = csv.writer(handle)
        names = "ticket question_en answer_en question_de answer_de approved"
        lines.writerow(names.split())
        lines.writerow(["7", "Hi?", "Ho.", "Hallo?", "Na.", "true"])
        lines.writerow(["8", "x", "y", "x", "y", "false"])
    german = parse("support", tmp_path / "support.csv", "de")
    assert [(r.id, r.messages[0].content) for r in german.rows] == [("7", "Hallo?")]
    assert german.left_out == {"approved is not as `where` asks": 1}
    log = [{"who": "Kunde", "text": "q"}, {"who": "Berater", "text": "a"}]
    row: dict[str, Any] = {"briefing": "Be kind.", "log": log}
    (tmp_path / "chats.jsonl.gz").write_bytes(gzip.compress(json.dumps(row).encode()))
    (made,) = parse("chats", tmp_path / "chats.jsonl.gz").rows
    assert [m.role for m in made.messages] == ["system", "user", "assistant"]


@pytest.mark.real
def test_the_examples_on_real_data() -> None:
    data = Path(os.environ["BABELMIX_REAL_DATA"])
    assert len(parse("seeds", data / "alpaca" / "seed_tasks.jsonl").rows) == 175
    ids = {}
    for lang in LANGUAGES[1:]:
        file = data / "vicuna_bench" / lang / "question.jsonl"
        ids[lang] = [row.id for row in parse("vicuna", file, lang).rows]
    assert all(len(found) == 80 and found == ids["de"] for found in ids.values())
