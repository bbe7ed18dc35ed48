"""The measuring scripts of the docs run: on a few rows here, on real data by hand."""

from pathlib import Path

from tests.bench import lima, overhead

from babelmix.io import write_records
from babelmix.records import Conversation, Message

ROWS = [
    Conversation(
        f"r{n}", "en", "d", "s", [Message("user", f"Say {n}."), Message("assistant", "Ok")]
    )
    for n in range(5)
]


def test_overhead(tmp_path: Path) -> None:
    write_records(tmp_path / "pivot.parquet", ROWS, Conversation)
    for audited in (True, False):
        seen = overhead.ours(tmp_path / "pivot.parquet", tmp_path, audited)
        assert seen["same_text"]
        assert seen["texts"] == 6  # equal ones count once


def test_lima_audit() -> None:
    made = [Conversation(r.id, "es", "d", "s", list(r.messages)) for r in ROWS]
    report = lima.audited(ROWS, made, "es")
    assert (report["rows"], report["failed"]) == (5, 0)
    made[0].messages[0] = Message("user", "Di 8.")
    assert lima.audited(ROWS, made, "es")["failed_by_check"] == {"numbers": 1}
