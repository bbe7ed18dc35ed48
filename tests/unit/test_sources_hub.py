"""Sources of the hub by name, configuration and split, against a hub on loopback."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.hub import READ, Hub
from tests.options import as_options

from babelmix.cli import main
from babelmix.io import read_json, read_records
from babelmix.records import Conversation
from babelmix.sources.readers import read_rows
from babelmix.specs import FetchSpec

ROOT = Path(__file__).parents[2]
CARD = b"""---
license: apache-2.0
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*
  - split: test
    path: data/test-*
- config_name: demographics
  data_files:
  - split: train
    path: demographics/train-*
dataset_info:
- config_name: default
  features:
  - {name: inputs, dtype: string}
  - {name: targets, dtype: string}
  - {name: language_code, dtype: string}
---
"""


def parquet(rows: list[dict[str, Any]], group: int = 1000) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer, row_group_size=group)
    return buffer.getvalue()


def aya(code: str, n: int, start: int = 0) -> list[dict[str, Any]]:
    return [
        {"inputs": f"{code} question {i}", "targets": f"{code} answer {i}", "language_code": code}
        for i in range(start, start + n)
    ]


FILES = {
    "README.md": CARD,
    "data/train-00000-of-00002.parquet": parquet(aya("eng", 6) + aya("deu", 4)),
    "data/train-00001-of-00002.parquet": parquet(aya("arb", 3) + aya("eng", 2, 6)),
    "data/test-00000-of-00001.parquet": parquet(aya("eng", 1)),
    "demographics/train-00000-of-00001.parquet": parquet([{"user_id": "x"}]),
}


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as server:
        server.add("datasets", "CohereLabs/aya_dataset", FILES)
        yield server


def fetch(server: Hub, folder: Path, token: str = "", **source: Any) -> tuple[int, str, Any]:
    """Run the verb in a process of its own: the libraries read the endpoint when imported."""
    fields = {"prompt": "inputs", "answer": "targets"}
    given = {"adapter": "fields", "fields": fields, "licence": "Apache-2.0", "split": "train"}
    given |= {"hub": "CohereLabs/aya_dataset"} | source
    spec = FetchSpec.model_validate({"version": 1, "name": "aya", "source": given})
    place = {
        "HF_HUB_OFFLINE": "0",
        "HF_ENDPOINT": server.endpoint,
        "HF_HOME": str(folder / "home"),
        "HF_TOKEN": token,
    }
    done = subprocess.run(
        [
            *(sys.executable, "-m", "babelmix", "fetch", *as_options(spec.model_dump_json())),
            *("--folder", str(folder / "raw"), "--output", str(folder / "aya.json")),
        ],
        env=os.environ | place | {"PYTHONPATH": str(ROOT / "workflow")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    record = read_json(folder / "aya.json") if done.returncode == 0 else None
    return done.returncode, done.stderr, record


def test_a_name_a_configuration_and_a_split(hub: Hub, tmp_path: Path) -> None:
    code, said, record = fetch(hub, tmp_path, config="default")
    assert code == 0, said
    names = [Path(part["path"]).name for part in record["files"]["*"]]
    assert names == ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"]
    assert record["commit"] == hub.repos["datasets", "CohereLabs/aya_dataset"].at("main")
    assert record["features"]["*"]["language_code"] == "Value('string')"
    assert "not pinned" in record["warnings"][0]
    assert sum(len(read_rows(part["path"])) for part in record["files"]["*"]) == 15
    got = [path for method, path, _ in hub.requests if method == "GET" and "resolve" in path]
    assert not [path for path in got if "test-0" in path or "demographics" in path]


def test_a_revision_is_kept_when_the_branch_moves_on(hub: Hub, tmp_path: Path) -> None:
    repo = hub.repos["datasets", "CohereLabs/aya_dataset"]
    old = repo.at("main")
    hub.add("datasets", repo.name, FILES | {"data/train-00001-of-00002.parquet": parquet([{}])})
    code, said, record = fetch(hub, tmp_path, revision=old)
    assert code == 0, said
    assert (record["commit"], record["pinned"], record["warnings"]) == (old, "commit", [])
    assert sum(len(read_rows(part["path"])) for part in record["files"]["*"]) == 15


def test_the_first_rows_are_streamed(hub: Hub, tmp_path: Path) -> None:
    big = [{"inputs": os.urandom(3000).hex(), "targets": "a"} for _ in range(2000)]
    files = {f"data/train-0000{n}-of-00003.parquet": parquet(big, 100) for n in range(3)}
    card = CARD.split(b"dataset_info")[0] + b"---\n"
    kept = {name: body for name, body in FILES.items() if "test" in name or "demog" in name}
    hub.add("datasets", "CohereLabs/aya_dataset", {"README.md": card} | files | kept)
    code, said, record = fetch(hub, tmp_path, take=50)
    assert code == 0, said
    (part,) = record["files"]["*"]
    assert [row["inputs"] for row in read_rows(part["path"])] == [r["inputs"] for r in big[:50]]
    assert part["bytes"] < 1e6
    assert hub.sent < sum(map(len, files.values())) / 2  # at most the first file, in pieces


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"split": "dev"}, "no split 'dev' in its configuration 'default'; it has train, test"),
        ({"config": "wrong"}, "configuration 'wrong' not found. Available: ['default', 'demogr"),
        ({"hub": "CohereLabs/nothing"}, "no dataset CohereLabs/nothing (or it is private"),
        ({"revision": "v9"}, "has no revision 'v9'"),
    ],
)
def test_what_is_not_there_is_said(
    hub: Hub, tmp_path: Path, source: dict[str, Any], said: str
) -> None:
    code, error, _ = fetch(hub, tmp_path, **source)
    assert (code, said in error) == (2, True), error
    assert "Traceback" not in error


def test_gated_in_words(hub: Hub, tmp_path: Path) -> None:
    repo = hub.repos["datasets", "CohereLabs/aya_dataset"]
    repo.gated = True
    code, said, _ = fetch(hub, tmp_path)
    assert (code, "is gated, and HF_TOKEN holds no token" in said) == (2, True), said
    code, said, _ = fetch(hub, tmp_path, token=READ)
    assert (code, "access to CohereLabs/aya_dataset is not granted" in said) == (2, True), said
    assert "Traceback" not in said
    assert READ not in said
    repo.granted.add(READ)
    code, said, _ = fetch(hub, tmp_path, token=READ)
    assert code == 0, said
    # The store of large files answers 400 to a token, so none was sent there.
    assert hub.asked("/lfs/")


def test_a_rate_limit_is_waited_out(hub: Hub, tmp_path: Path) -> None:
    hub.limits = {"/datasets/*/resolve/*train-00000*": 2}
    code, said, _ = fetch(hub, tmp_path)
    assert code == 0, said


def test_one_file_with_a_column_of_languages(hub: Hub, tmp_path: Path) -> None:
    """Aya as a pool that is not parallel: codes of ISO 639-3, each language its own rows."""
    more = {"language_column": "language_code", "languages": ["en", "de", "ar"]}
    code, said, _ = fetch(hub, tmp_path, **more)
    assert code == 0, said
    source = {"adapter": "fields", "fields": {"prompt": "inputs", "answer": "targets"}} | more
    for lang, rows in (("en", 8), ("de", 4), ("ar", 3)):
        spec = {"version": 1, "dataset": "d", "lang": lang, "pivot": lang, "seed": 0}
        spec |= {"parallel": False, "rows": None, "max_chars": None}
        spec |= {"sources": {"aya": source | {"path": "x", "licence": "x"}}}
        out = str(tmp_path / f"d.{lang}")
        assert not main(
            [
                *(
                    "normalise",
                    *as_options(json.dumps(spec)),
                    "--records",
                    str(tmp_path / "aya.json"),
                ),
                *("--output", f"{out}.parquet", "--manifest", f"{out}.json"),
            ]
        )
        made = read_records(f"{out}.parquet", Conversation)
        assert len(made) == rows
        assert all(row.id.startswith(f"{lang}:") for row in made)
        manifest = read_json(f"{out}.json")
        assert manifest["left_out"] == {"in another language": 15 - rows}
        raw = manifest["sources"]["aya"]["raw"]
        assert raw == {"language en": 8, "language de": 4, "language ar": 3}
