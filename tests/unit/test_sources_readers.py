"""Reading JSON, JSONL, CSV, TSV and parquet; errors name file and line."""

import contextlib
import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from babelmix.errors import BabelmixError
from babelmix.files.readers import read_all_rows, read_rows

ROWS = [{"a": 1}, {"a": "ü\u2028x"}]


@pytest.mark.parametrize("name", ["r.json", "r.jsonl", "r.json.gz", "r.jsonl.gz"])
def test_all_shapes_read_alike(tmp_path: Path, name: str) -> None:
    if ".jsonl" in name:
        text = "\n\n".join(json.dumps(r, ensure_ascii=False) for r in ROWS) + "\n"
    else:
        text = json.dumps(ROWS, indent=1, ensure_ascii=False)
    data = text.encode("utf-8")
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert read_rows(tmp_path / name) == ROWS


TABLE = [{"id": "1", "q": 'a "b", c', "a": "two\nlines"}, {"id": "2", "q": "ü", "a": ""}]


@pytest.mark.parametrize("name", ["r.csv", "r.tsv", "r.csv.gz", "r.tsv.gz"])
def test_tables(tmp_path: Path, name: str) -> None:
    text = io.StringIO(newline="")
    separator = "," if ".csv" in name else "\t"
    writer = csv.DictWriter(text, ["id", "q", "a"], delimiter=separator)
    writer.writeheader()
    writer.writerows(TABLE)
    data = text.getvalue().encode("utf-8")
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert read_rows(tmp_path / name) == TABLE


def test_parquet_with_lists_of_objects(tmp_path: Path) -> None:
    rows = [{"m": [{"role": "user", "n": 1}], "rank": None}, {"m": [], "rank": 0}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "r.parquet")
    assert read_rows(tmp_path / "r.parquet") == rows
    (tmp_path / "x.parquet").write_bytes(b"not parquet")
    with pytest.raises(BabelmixError, match=r"x\.parquet: cannot be read as parquet"):
        read_rows(tmp_path / "x.parquet")


@pytest.mark.parametrize("kind", [pa.ipc.new_stream, pa.ipc.new_file])
def test_what_datasets_saves(tmp_path: Path, kind: Any) -> None:
    table = pa.Table.from_pylist(ROWS[1:])
    with kind(str(tmp_path / "data-00000-of-00001.arrow"), table.schema) as writer:
        writer.write_table(table)
    assert read_rows(tmp_path / "data-00000-of-00001.arrow") == ROWS[1:]


def test_the_content_tells_the_kind_where_the_name_does_not(tmp_path: Path) -> None:
    lines = "".join(json.dumps(row) + "\r\n" for row in ROWS).encode()
    pq.write_table(pa.Table.from_pylist(ROWS[1:]), tmp_path / "parquet.json")
    assert read_rows(tmp_path / "parquet.json") == ROWS[1:]
    for name, data in (
        ("gzip.jsonl", gzip.compress(lines, mtime=0)),
        ("LINES.JSONL.GZ", gzip.compress(lines, mtime=0)),
        ("lines.csv", lines),
        ("lines.txt", lines),
    ):
        (tmp_path / name).write_bytes(data)
        assert read_rows(tmp_path / name) == ROWS, name
    (tmp_path / "T.CSV").write_bytes(b"\xef\xbb\xbfa\r\n1\r\n")
    assert read_rows(tmp_path / "T.CSV") == [{"a": "1"}]


def test_parts_follow_each_other(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n')
    (tmp_path / "b.json").write_text('[{"a": 2}]')
    assert read_all_rows([tmp_path / "a.jsonl", tmp_path / "b.json"]) == [{"a": 1}, {"a": 2}]


def test_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_bytes(b"\xef\xbb\xbf" + b'{"a": 1}\n')
    assert read_rows(tmp_path / "r.jsonl") == [{"a": 1}]


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("r.jsonl", b'{"a": 1}\n{"a": \n', "r.jsonl: line 2 is not valid JSON"),
        ("r.json", b'[{"a": 1},\n {"a": }\n]', "r.json: line 2 is not valid JSON"),
        ("r.jsonl", b'{"a": 1}\n{"a": "\xff"}\n', "r.jsonl: line 2 is not UTF-8 (byte 0xff)"),
        ("r.csv", b"a,b\n1,2,3\n", "line 2 has 3 columns, line 1 names 2"),
        ("r.csv", b'a,b\n1,"x\n', "r.csv: line 2 is broken"),
        ("r.csv", b"a,a\n1,2\n", "must name the columns"),
        ("r.jsonl", b'{"id": ' + b"9" * 5000 + b"}", "line 1 is not valid JSON (Exceeds the limit"),
        ("r.jsonl", b"PK\x03\x04\xff", "is a zip archive or workbook. Give it as JSON"),
        ("r.jsonl.zst", b"\x28\xb5\x2f\xfd", "is compressed with zstd"),
        ("r.jsonl", b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        ("r.arrow", b"ARROW1\0\0torn", "cannot be read as Arrow"),
        ("r.arrow", b"", "cannot be read as Arrow"),
        ("r.json.gz", b"not gzip", "not a whole gzip file"),
        ("r.json.gz", gzip.compress(b"[1, 2, 3]", mtime=0)[:-9], "not a whole gzip file"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, name: str, data: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(BabelmixError) as error:
        read_rows(tmp_path / name)
    assert said in str(error.value)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BabelmixError, match=r"nowhere\.json: cannot be read"):
        read_rows(tmp_path / "nowhere.json")


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.write_bytes(data)
    with contextlib.suppress(BabelmixError):
        read_rows(path)
