"""Rows that are nobody's translation are in the language that their pool declares."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.options import as_options

from babelmix.cli import main
from babelmix.io import read_json, read_records, write_records
from babelmix.records import Conversation, Message
from babelmix.specs import CollectSpec, IndexSpec
from babelmix.translate.collect import audit_report, audit_rows

ENGLISH = ("Why does the library close early today?", "Because the staff meet on Fridays at noon.")
GERMAN = ("Warum schließt die Bibliothek heute früher?", "Weil sich das Personal freitags trifft.")
PORTUGUESE = (
    "Por que a biblioteca fecha mais cedo hoje?",
    "Porque os funcionários se reúnem à tarde.",
)
TRANSLATE = ("Translate into German: the library closes early today.", GERMAN[1])


def row(number: int, texts: tuple[str, str], lang: str = "en") -> Conversation:
    roles = ("user", "assistant")
    messages = [Message(role, text) for role, text in zip(roles, texts, strict=True)]
    return Conversation(f"r{number:03}", lang, "d", "s", messages)


def spec(lang: str = "en", **more: Any) -> CollectSpec:
    given = {"version": 1, "dataset": "d", "lang": lang, "pivot": "en", "on_failed_check": "keep"}
    return CollectSpec.model_validate(given | more)


def test_half_of_an_english_pool_is_german() -> None:
    rows = [row(n, GERMAN if n % 2 else ENGLISH) for n in range(20)]
    audit_rows(rows, rows, spec())
    report = audit_report(rows, spec())
    assert report["passed"] == report["failed"] == 10
    assert report["failed_by_check"] == {"language": 10}
    assert report["languages_found"] == {"de": 10}
    assert report["examples"]["language"][0] == {"id": "r001", "detail": "found de"}


def test_native_rows_of_another_language_fail_too() -> None:
    pivot = [row(n, ENGLISH) for n in range(4)]
    held = [row(n, (GERMAN, PORTUGUESE)[n // 2], "de") for n in range(4)]
    native = spec("de", as_translation=False)
    audit_rows(pivot, held, native)
    assert audit_report(held, native)["languages_found"] == {"pt": 2}


def test_an_order_to_translate_is_kept_and_counted() -> None:
    rows = [row(0, TRANSLATE), row(1, ENGLISH), row(2, ("OK?", "Yes."))]
    audit_rows(rows, rows, spec())
    report = audit_report(rows, spec())
    assert report["failed"] == 0
    assert report["partly_in_another_language"] == 1
    assert [r.checks[0].detail[:12] for r in rows] == ["partly de in", "", "not measured"]


@pytest.mark.parametrize(
    ("policy", "out"), [("keep", 0), ("quarantine", 10), ("quarantine_all", 10)]
)
def test_the_pools_policy_decides_and_the_log_and_manifest_count(
    policy: str, out: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [row(n, GERMAN if n % 2 else ENGLISH) for n in range(20)]
    files = {name: str(tmp_path / name) for name in ("in", "out", "audit", "index", "manifest")}
    write_records(Path(files["in"]), rows, Conversation)
    collect = spec(on_failed_check={"language": policy})
    done = main(
        [
            "collect",
            *as_options(collect.model_dump_json()),
            "--pivot",
            files["in"],
            "--shards",
            files["in"],
            "--output",
            files["out"],
            "--audit",
            files["audit"],
        ]
    )
    assert done == 0
    assert "10 are not in 'en' (de 10)" in capsys.readouterr().out
    assert read_json(Path(files["audit"]))["languages_found"] == {"de": 10}
    index = IndexSpec.model_validate(
        {"version": 1, "dataset": "d", "lang": "en", "on_failed_check": {"language": policy}}
        | {"dev_rows": 0, "seed": 0}
    )
    done = main(
        [
            "index-language",
            *as_options(index.model_dump_json()),
            "--conversations",
            files["out"],
            "--output",
            files["index"],
            "--manifest",
            files["manifest"],
        ]
    )
    assert done == 0
    counts = json.loads(Path(files["manifest"]).read_text())
    assert counts["failed_by_check"] == {"language": 10}
    assert counts["out_in_this_language"] + counts["out_in_all"] == out
    assert len(read_records(Path(files["out"]), Conversation)) == 20
