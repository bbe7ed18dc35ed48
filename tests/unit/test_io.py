"""Files appear whole or not at all; journals survive a kill; digests are stable."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelmix.errors import BabelmixError
from babelmix.io import (
    Journal,
    atomic_path,
    canonical_json,
    digest,
    read_json,
    read_records,
    read_table,
    write_json,
    write_records,
    write_table,
)
from babelmix.records import Check, Conversation, Message, Question

CONVERSATION = Conversation(
    id="a/1 'x' 🙂",
    lang="de",
    dataset="d",
    source="s",
    messages=[Message("user", "Hallo {name}"), Message("assistant", "Tag")],
    origin="translated",
    translator="memory",
    source_sha="0",
    checks=[Check("language", True, 0.9), Check("numbers", False, None, "7 lost")],
)


def test_records_round_trip(tmp_path: Path) -> None:
    file = tmp_path / "c.parquet"
    assert write_records(file, [CONVERSATION], Conversation) == 1
    assert read_records(file, Conversation) == [CONVERSATION]


def test_no_records_still_have_their_schema(tmp_path: Path) -> None:
    file = tmp_path / "q.parquet"
    write_records(file, [], Question)
    assert read_records(file, Question) == []
    assert "turns" in read_table(file).column_names


def test_equal_records_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_records(tmp_path / name, [CONVERSATION], Conversation)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_wrong_record_type_is_named(tmp_path: Path) -> None:
    write_records(tmp_path / "q.parquet", [], Question)
    with pytest.raises(BabelmixError, match="not a file of Conversation records"):
        read_records(tmp_path / "q.parquet", Conversation)


def test_torn_parquet_is_named(tmp_path: Path) -> None:
    file = tmp_path / "c.parquet"
    write_records(file, [CONVERSATION], Conversation)
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(BabelmixError, match=r"c\.parquet: cannot be read"):
        read_table(file)


def test_torn_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"a": ')
    with pytest.raises(BabelmixError, match=r"x\.json: not valid JSON"):
        read_json(tmp_path / "x.json")


def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    target = tmp_path / "x.json"
    write_json(target, {"old": 1})

    def fail_half_way() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert read_json(target) == {"old": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_written_files_obey_the_umask(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {})
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "x.json").stat().st_mode & 0o777 == 0o666 & ~mask


@given(st.dictionaries(st.text(), st.integers() | st.text(), max_size=5))
def test_digest_does_not_depend_on_key_order(value: dict[str, object]) -> None:
    assert digest(value) == digest(dict(reversed(list(value.items()))))


@given(
    st.lists(st.tuples(st.text(max_size=8), st.text(max_size=30)), max_size=8), st.integers(0, 40)
)
def test_a_torn_journal_keeps_every_whole_entry(
    tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[str, str]], cut: int
) -> None:
    file = tmp_path_factory.mktemp("journal") / "j.jsonl"
    with Journal(file) as journal:
        for key, value in entries:
            journal.append({"key": key, "value": value})
    data = file.read_bytes()
    whole = data[: max(0, len(data) - cut)]
    file.write_bytes(whole)
    lines = [json.loads(line) for line in whole.split(b"\n")[:-1]]
    kept = {e["key"]: {k: v for k, v in e.items() if k != "_crc"} for e in lines}
    with Journal(file) as journal:
        assert journal.entries == kept
        journal.append({"key": "new", "value": 1})
    with Journal(file) as journal:
        assert journal.get("new") == {"key": "new", "value": 1}
        assert "new" in journal


def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path) -> None:
    file = tmp_path / "j.jsonl"
    file.write_bytes(b'{"key":"a"}\n\x00\x00garbage\n{"key":"b"}\n')
    with pytest.raises(BabelmixError, match="line 2 is damaged"):
        Journal(file)


def test_kill_9_loses_no_synced_entry(tmp_path: Path) -> None:
    file = tmp_path / "j.jsonl"
    code = (
        "import sys; from babelmix.io import Journal\n"
        "j = Journal(sys.argv[1])\n"
        "for i in range(10**6):\n"
        "    j.append({'key': str(i)}); print(i, flush=True)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(file)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    for _ in range(50):
        last = int(child.stdout.readline())
    child.send_signal(signal.SIGKILL)
    child.communicate()
    with Journal(file) as journal:
        assert {str(i) for i in range(last + 1)} <= set(journal.entries)


def test_canonical_json_keeps_lone_surrogates() -> None:
    assert digest(canonical_json({"x": "\ud800"}))


@given(st.integers(0, 10**6), st.integers(0, 7))
def test_a_flipped_bit_in_a_journal_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, place: int, bit: int
) -> None:
    file = tmp_path_factory.mktemp("journal") / "j.jsonl"
    with Journal(file) as journal:
        for number in range(3):
            journal.append({"key": str(number), "raw": "Rating: [[7]]"})
        written = dict(journal.entries)
    data = bytearray(file.read_bytes())
    data[place % len(data)] ^= 1 << bit
    file.write_bytes(data)
    found: dict[str, dict[str, object]] = {}
    # Noticed; or the last line's end was hit (its work is done again), or the first's checksum.
    with contextlib.suppress(BabelmixError), Journal(file) as journal:
        found = journal.entries
    for key, entry in found.items():
        assert {k: entry.get(k) for k in written[key]} == written[key]


def test_a_journal_without_checksums_is_read(tmp_path: Path) -> None:
    file = tmp_path / "j.jsonl"
    file.write_text('{"key":"a","value":1}\n')
    with Journal(file) as journal:
        assert journal.get("a") == {"key": "a", "value": 1}


def test_a_journal_has_one_writer(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.jsonl") as first:
        first.append({"key": "a"})
        with pytest.raises(BabelmixError, match="another process is writing"):
            Journal(tmp_path / "j.jsonl")
    with Journal(tmp_path / "j.jsonl") as second:
        assert "a" in second


@given(st.integers(0, 10**6), st.integers(0, 7))
def test_a_flipped_bit_in_parquet_pages_is_noticed_or_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, place: int, bit: int
) -> None:
    file = tmp_path_factory.mktemp("parquet") / "t.parquet"
    table = pa.table({"id": [f"r{i}" for i in range(50)], "text": ["größer"] * 50})
    write_table(file, table)
    data = bytearray(file.read_bytes())
    # Pages carry checksums; the footer (names, types, places) has none in the format.
    footer = int.from_bytes(data[-8:-4], "little") + 8
    data[place % (len(data) - footer)] ^= 1 << bit
    file.write_bytes(data)
    found = table
    with contextlib.suppress(BabelmixError):
        found = read_table(file)
    assert found.equals(table)


def test_a_torn_parquet_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "t.parquet"
    write_table(file, pa.table({"id": ["a"] * 1000}))
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(BabelmixError, match=r"t\.parquet.*delete it and run again"):
        read_table(file)
