"""Reading JSON, JSONL and gzip; errors name file and line."""

import contextlib
import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from babelmix.errors import BabelmixError
from babelmix.sources.readers import read_rows

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


def test_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_bytes(b"\xef\xbb\xbf" + b'{"a": 1}\n')
    assert read_rows(tmp_path / "r.jsonl") == [{"a": 1}]


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("r.jsonl", b'{"a": 1}\n{"a": \n', "r.jsonl: line 2 is not valid JSON"),
        ("r.json", b'[{"a": 1},\n {"a": }\n]', "r.json: line 2 is not valid JSON"),
        ("r.jsonl", b'{"a": 1}\n{"a": "\xff"}\n', "r.jsonl: line 2 is not UTF-8 (byte 0xff)"),
        ("r.json.gz", b"not gzip", "not a whole gzip file"),
        ("r.json.gz", gzip.compress(b"[1, 2, 3]")[:-9], "not a whole gzip file"),
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
