"""Rows that published files do hold: huge, in no encoding, with ids that no file could be named."""

from __future__ import annotations

import gzip
import json
import resource
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from tests.options import as_options
from tests.study import ROOT

from babelmix.cli import main
from babelmix.config.load import build_config
from babelmix.config.sources import Source
from babelmix.errors import BabelmixError
from babelmix.io import read_records
from babelmix.plan import Plan
from babelmix.plan.check import remarks
from babelmix.records import Conversation
from babelmix.sources.fetch import fetch
from babelmix.sources.readers import read_rows
from babelmix.specs import FetchSpec, NormaliseSpec

MB = 1_000_000


def normalised(folder: Path, rows: str | bytes, **options: Any) -> tuple[int, Path]:
    """(status, output) of `normalise` on a file of rows in English."""
    file = folder / "rows.jsonl"
    file.write_bytes(rows if isinstance(rows, bytes) else rows.encode())
    given = {"adapter": "alpaca", "path": str(file), "languages": ["en"], "licence": "CC0"}
    source = Source.model_validate(given)
    record = fetch(FetchSpec(version=1, name="s", source=source), folder)
    (folder / "s.json").write_text(json.dumps(record))
    spec = NormaliseSpec(
        **{"version": 1, "dataset": "d", "lang": "en", "pivot": "en", "sources": {"s": source}}
        | {"rows": None, "fraction": None, "max_chars": None, "seed": 0}
        | options
    )
    words = ["--records", str(folder / "s.json"), "--output", str(folder / "o.parquet")]
    words += ["--manifest", str(folder / "o.json"), *as_options(spec.model_dump_json())]
    return main(["normalise", *words]), folder / "o.parquet"


def row(text: str, **more: Any) -> str:
    return json.dumps({"instruction": text, "input": "", "output": "An answer.", **more}) + "\n"


def test_a_row_of_a_hundred_megabytes_is_read_or_left_out_by_its_length(tmp_path: Path) -> None:
    huge = "word " * (20 * MB)
    rows = row("short", id="a") + row(huge, id="b")
    status, output = normalised(tmp_path, rows)
    assert status == 0
    assert [len(r.messages[0].content) for r in read_records(output, Conversation)] == [
        5,
        100 * MB,
    ]
    status, output = normalised(tmp_path, rows, max_chars=10_000)
    assert status == 0
    assert [r.id for r in read_records(output, Conversation)] == ["a"]
    left_out = json.loads((tmp_path / "o.json").read_text())["left_out"]
    assert left_out == {"longer than max_chars (10000)": 1}
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak_mb:.0f} MB")


def test_a_row_that_is_not_utf_8_is_named_by_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = row("fine").encode() + '{"instruction": "Grüße", "output": "x"}\n'.encode("latin-1")
    status, output = normalised(tmp_path, data)
    assert status == 2
    assert "rows.jsonl: line 2 is not UTF-8 (byte 0xfc)" in capsys.readouterr().err
    assert not output.exists()
    (tmp_path / "r.jsonl.gz").write_bytes(gzip.compress(data))
    with pytest.raises(BabelmixError, match="line 2 is not UTF-8"):
        read_rows(tmp_path / "r.jsonl.gz")


def test_a_text_of_parquet_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    offsets = pa.py_buffer(b"\0\0\0\0\2\0\0\0\4\0\0\0")
    texts = pa.StringArray.from_buffers(2, offsets, pa.py_buffer(b"ok\xff\xfe"))
    pq.write_table(pa.table({"instruction": texts}), tmp_path / "r.parquet")
    with pytest.raises(BabelmixError, match=r"r\.parquet: a text in it is not UTF-8"):
        read_rows(tmp_path / "r.parquet")


IDS = [
    "a/b",
    "../../up",
    "it's",
    'say "hi"',
    "two words",
    "🙂",
    "{lang}",
    "$HOME",
    "a\nb",
    "x" * 999,
]


def test_ids_are_only_text(tmp_path: Path) -> None:
    """They come back as they were, and no file bears their name."""
    before = sorted(p.name for p in tmp_path.parent.iterdir())
    status, output = normalised(tmp_path, "".join(row(f"text {i}", id=i) for i in IDS))
    assert status == 0
    assert [r.id for r in read_records(output, Conversation)] == IDS
    assert sorted(p.name for p in tmp_path.parent.iterdir()) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        *("o.json", "o.parquet", "rows.jsonl", "s.json")
    ]


@pytest.mark.parametrize("name", ["a/b", "..", "it's", "two words", "🙂", "a.b", "-x", "x" * 65])
@pytest.mark.parametrize("section", ["mixtures", "models", "sources", "judges", "benchmarks"])
def test_names_that_reach_paths_are_plain(section: str, name: str) -> None:
    config = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text(encoding="utf-8"))
    config[section][name] = next(iter(config[section].values()))
    with pytest.raises(BabelmixError, match=section):
        build_config(config)


@pytest.mark.parametrize("code", ["../x", "e n", "EN", "englisch!", "🙂"])
def test_language_codes_that_reach_paths_are_plain(code: str) -> None:
    config = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text(encoding="utf-8"))
    config["languages"] = {c: {} for c in config["languages"]}
    config["languages"][code] = {"name": "Other", "iso639_3": "oth"}
    with pytest.raises(BabelmixError, match="languages"):
        build_config(config)


def test_a_language_without_prompts_is_spoken_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    config = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text(encoding="utf-8"))
    config["languages"] = {c: {} for c in config["languages"]}
    (pinch,) = remarks(Plan(build_config(config)))  # the demo's pinch of one row is meant so
    assert pinch.startswith("mixture 'pinch-1row': 1 row for 4 languages")
    config["languages"]["it"] = {"system_prompt": ""}
    config["training"]["quick"]["system_prompt"] = True
    config["benchmarks"]["demo-bench"]["system_prompt"] = True
    said, _ = remarks(Plan(build_config(config)))
    assert said.startswith("languages.it: no system prompt, although benchmarks.demo-bench,")


def test_chats_that_would_open_differently_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A language that we have no system prompt of, in a study that uses them."""
    monkeypatch.chdir(ROOT)
    config = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text(encoding="utf-8"))
    config["languages"] = {c: {} for c in config["languages"]} | {"ja": {}}
    config["benchmarks"]["demo-bench"]["system_prompt"] = True
    Plan(build_config(config))  # nothing asks in Japanese
    config["sources"]["demo-benchmark"]["languages"].append("ja")
    config["benchmarks"]["demo-bench"]["languages"].append("ja")
    with pytest.raises(BabelmixError, match=r"benchmarks.demo-bench: .* and ja has none\. Write"):
        Plan(build_config(config))
    for prompt in ("", "これはテストです。"):
        config["languages"]["ja"] = {"system_prompt": prompt}
        Plan(build_config(config))


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (False, 'write the code of Norwegian in quotes, "no"'),  # `no: {}` in YAML
        ("iw", "'he' is the usual code of that language"),
        ("in", "'id' is the usual code of that language"),
        ("deu", "'de' is the usual code of that language"),
        ("nb", "Or define it: `nb: {name: …, iso639_3: …}`"),
    ],
)
def test_a_code_that_is_not_known_is_explained(code: Any, said: str) -> None:
    config = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text(encoding="utf-8"))
    config["languages"] = [*config["languages"], code]
    with pytest.raises(BabelmixError) as error:
        build_config(config)
    assert said in str(error.value)


def test_norwegian_without_quotes_in_a_list() -> None:
    config = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text(encoding="utf-8"))
    config["datasets"]["demo"]["languages"] = [*config["datasets"]["demo"]["languages"], False]
    with pytest.raises(BabelmixError, match="write the code of Norwegian in quotes"):
        build_config(config)
