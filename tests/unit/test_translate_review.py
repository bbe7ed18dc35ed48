"""Human corrections and review sheets: what goes out comes back, and nothing stale is applied."""

import csv
import datetime
import json
import os
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook
from tests.options import as_options

from babelmix.cli import main
from babelmix.config.audit import policy_of
from babelmix.errors import BabelmixError
from babelmix.io import read_json, read_records, write_records
from babelmix.records import Check, Conversation, Message, Question
from babelmix.specs import CollectSpec
from babelmix.translate.corrections import (
    correct_questions,
    question_corrections,
    read_overlay,
    text_sha,
)
from babelmix.translate.sheets import read_sheet, write_sheet

EN = ["What is the capital of France, and how many people live there?", "Paris; 2 million."]
DE = ["Was ist die Hauptstadt von Frankreich, und wie viele leben dort?", "Paris; 2 Millionen."]


def row(row_id: str, lang: str, texts: list[str], checks: list[Check] | None = None) -> Any:
    roles = ["user", "assistant"]
    messages = [Message(r, t) for r, t in zip(roles, texts, strict=True)]
    return Conversation(row_id, lang, "d", "s", messages, checks=checks or [])


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """Three rows in English and German; the second is left in English."""
    write_records(tmp_path / "en.parquet", [row(i, "en", EN) for i in "abc"], Conversation)
    german = [row("a", "de", DE), row("b", "de", EN), row("c", "de", DE)]
    write_records(tmp_path / "de.parquet", german, Conversation)
    return tmp_path


def collect(pool: Path, overlay: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """Run the verb; returns the audit."""
    spec = CollectSpec(version=1, dataset="d", lang="de", pivot="en", on_failed_check="keep")
    options = ["--pivot", str(pool / "en.parquet"), "--shards", str(pool / "de.parquet")]
    options += ["--output", str(pool / "out.parquet"), "--audit", str(pool / "audit.json")]
    if overlay is not None:
        lines = "".join(json.dumps(line) + "\n" for line in overlay)
        (pool / "overlay.jsonl").write_text(lines, encoding="utf-8")
        options += ["--corrections", str(pool / "overlay.jsonl")]
    assert main(["collect", *as_options(spec.model_dump_json()), *options]) == 0
    found: dict[str, Any] = read_json(pool / "audit.json")
    return found


def corrections(**more: Any) -> list[dict[str, Any]]:
    return [
        {"id": "b", "lang": "de", "field": "messages.0", "text": DE[0], "by": "Ada"} | more,
        {"id": "b", "lang": "de", "field": "messages.1", "text": DE[1], "by": "Ada"},
        {"id": "zz", "lang": "de", "field": "messages.1", "text": "x", "by": "Ada"},
        {"id": "b", "lang": "fr", "field": "messages.1", "text": "x", "by": "Ada"},
    ]


def test_corrections_are_applied_audited_and_counted(pool: Path) -> None:
    assert collect(pool)["failed_by_check"] == {"language": 1, "untranslated": 1}
    report = collect(pool, corrections())
    assert report["failed_by_check"] == {}
    assert report["rows"] == report["passed"] + report["failed"] == 3
    assert report["corrections"]["texts"] == 2
    assert report["corrections"]["by"] == {"Ada": 2}
    assert report["corrections"]["unknown_id"] == {"count": 1, "first": ["zz messages.1"]}
    assert len(report["corrections"]["sha256"]) == 64
    made = read_records(pool / "out.parquet", Conversation)[1]
    assert [m.content for m in made.messages] == DE
    assert [c.detail for c in made.checks if c.name == "corrected"] == ["Ada"]


def test_a_stale_correction_is_not_applied_and_the_row_says_so(pool: Path) -> None:
    assert collect(pool, corrections(source_sha=text_sha(EN[0])))["corrections"]["texts"] == 2
    report = collect(pool, corrections(source_sha=text_sha("another source")))
    assert report["corrections"]["stale"] == {"count": 1, "first": ["b messages.0"]}
    assert report["failed_by_check"]["correction"] == 1
    assert read_records(pool / "out.parquet", Conversation)[1].messages[0].content == EN[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"field": "messages.7"}, "has no messages.7; it has messages.0 to messages.1"),
        ({"field": "message 1"}, "names no text"),
        ({"text": " "}, "text is missing, empty or not text"),
        ({"txt": "x"}, "unknown column"),
        ({"field": "messages.1"}, "corrected more than once: b de messages.1"),
    ],
)
def test_broken_overlays_are_refused(
    pool: Path, change: dict[str, Any], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(AssertionError):
        collect(pool, corrections(**change))
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_a_sheet_goes_out_is_filled_and_comes_back(
    pool: Path, ending: str, capsys: pytest.CaptureFixture[str]
) -> None:
    collect(pool)
    (pool / "out.parquet").rename(pool / "pool.de.parquet")
    files = ["--pivot", str(pool / "en.parquet")]
    files += ["--conversations", str(pool / "pool.de.parquet")]
    sheet = pool / f"sheet.{ending}"
    assert main(["export-review", *files, "--rows", "2", "--output", str(sheet)]) == 0
    lines = read_sheet(sheet)
    assert [(line["id"], line["field"]) for line in lines[:2]] == [
        ("b", "messages.0"),
        ("b", "messages.1"),
    ]
    assert len(lines) == 4
    assert "language: found en" in lines[0]["why"]
    lines[0] |= {"text": DE[0], "by": "Ada"}
    lines[1] |= {"text": "=1+1\nüber «zwei» Zeilen", "by": "Ada", "note": "@ 2"}
    write_sheet(sheet, list(lines[0]), lines)
    overlay = pool / "overlay.jsonl"
    asked = ["import-review", "--sheet", str(sheet), *files, "--output", str(overlay)]
    assert main(asked) == 0
    assert "fails `answered`" not in capsys.readouterr().err
    found = read_overlay(overlay).corrections
    assert [(c.field, c.text, c.by) for c in found] == [
        ("messages.0", DE[0], "Ada"),
        ("messages.1", "=1+1\nüber «zwei» Zeilen", "Ada"),
    ]
    assert found[1].note == "@ 2"
    before = overlay.read_bytes()
    assert main(asked) == 0
    assert overlay.read_bytes() == before


def test_a_sheet_of_another_pool_is_refused(pool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    collect(pool)
    files = ["--pivot", str(pool / "en.parquet"), "--conversations", str(pool / "out.parquet")]
    sheet = pool / "sheet.csv"
    assert main(["export-review", *files, "--output", str(sheet)]) == 0
    lines = read_sheet(sheet)
    for change, message in (
        ({"id": "nobody"}, "the pool has no nobody"),
        ({"source_sha": "0" * 16}, "is not the one that was exported"),
    ):
        odd = [lines[0] | {"text": "x"} | change]
        write_sheet(sheet, list(odd[0]), odd)
        asked = ["import-review", "--sheet", str(sheet), *files, "--output", str(pool / "o.jsonl")]
        assert main(asked) == 2
        assert message in capsys.readouterr().err
    assert not (pool / "o.jsonl").exists()


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_formulas_are_text_and_every_text_comes_back(tmp_path: Path, ending: str) -> None:
    texts = ["=cmd|'/c calc'!A1", "+1", "-1", "@x", "\tx", "\rx", "'x", "'=x", "a\r\nb\rc", " x "]
    texts += ["_x000D_", "x\u2028y", '"q"', "1.10", "", "é" * 32_767]
    rows = [{"id": str(n), "text": text} for n, text in enumerate(texts)]
    path = tmp_path / f"s.{ending}"
    write_sheet(path, ["id", "text"], rows)
    assert read_sheet(path) == rows
    if ending == "csv":
        cells = [cell for line in csv.reader(path.open(newline="")) for cell in line]
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)
    else:
        page = load_workbook(path).worksheets[0]
        assert {(c.data_type, c.number_format) for c in page["B"][1:] if c.value} == {("s", "@")}


def test_a_date_in_a_workbook_and_a_torn_table_are_refused(tmp_path: Path) -> None:
    book = Workbook()
    book.worksheets[0].append(["id", "text"])
    book.worksheets[0].append(["a", datetime.date(2024, 2, 1)])
    book.save(tmp_path / "s.xlsx")
    with pytest.raises(BabelmixError, match=r"line 2: `text` holds .*Format the cell as text"):
        read_sheet(tmp_path / "s.xlsx")
    for line, said in (("a,one, two", "row 1 has more cells"), ('a,"x', "line 2 is broken")):
        (tmp_path / "s.csv").write_text(f"id,text\n{line}\n")
        with pytest.raises(BabelmixError, match=said):
            read_sheet(tmp_path / "s.csv")


def test_an_overlay_that_a_spreadsheet_program_saved(tmp_path: Path) -> None:
    """With semicolons, a mark at the beginning, and a text longer than the csv module's limit."""
    text = "ü; " * 50_000
    lines = f'\ufeffid;lang;field;text\r\na;de;messages.0;"{text}"\r\nb;de;messages.1;\'=x\r\n'
    (tmp_path / "o.csv").write_text(lines, encoding="utf-8", newline="")
    found = read_overlay(tmp_path / "o.csv").corrections
    assert [(c.id, c.text) for c in found] == [("a", text), ("b", "=x")]


def test_sheets_of_unknown_kinds_and_texts_too_long_for_a_cell(tmp_path: Path) -> None:
    with pytest.raises(BabelmixError, match=r"ends in \.csv or \.xlsx"):
        write_sheet(tmp_path / "a.ods", ["id"], [])
    with pytest.raises(BabelmixError, match="too long for a workbook's cell"):
        write_sheet(tmp_path / "a.xlsx", ["id"], [{"id": "x" * 40_000}])
    assert not (tmp_path / "a.xlsx").exists()


@pytest.mark.parametrize(
    ("policy", "check", "expected"),
    [
        ("keep", "numbers", "keep"),
        ("quarantine", "numbers", "quarantine"),
        ("quarantine_all", "task", "keep"),
        ({"default": "keep", "language": "quarantine"}, "language", "quarantine"),
        ({"default": "keep", "language": "quarantine"}, "numbers", "keep"),
        ({"language": "quarantine"}, "numbers", "quarantine_all"),
        ({"task": "quarantine_all"}, "task", "quarantine_all"),
        ({"default": "quarantine_all"}, "task", "keep"),
    ],
)
def test_policies_by_check(policy: Any, check: str, expected: str) -> None:
    assert policy_of(check, policy) == expected


def test_questions_are_corrected_from_one_version_to_the_other() -> None:
    before = [Question("81", "de", "writing", ["eins", "zwei"], ["r", ""])]
    after = [Question("81", "de", "writing", ["eins", "ZWEI"], ["R", ""])]
    english = {"81": Question("81", "en", "writing", ["one", "two"], ["x", "y"])}
    found = question_corrections(before, after, english, by="us")
    assert [(c.field, c.text, c.source_sha) for c in found] == [
        ("turns.1", "ZWEI", text_sha("two")),
        ("reference.0", "R", text_sha("x")),
    ]


@pytest.mark.real
@pytest.mark.parametrize("lang", ["de", "es", "fr", "it"])
def test_the_overlay_makes_mt_bench_x_questions_of_its_originals(lang: str, tmp_path: Path) -> None:
    """The model case: published originals + overlay = published corrected questions."""
    from tests.audit_figures import jsonl

    from babelmix.translate.import_review import overlay_text

    data = Path(os.environ["BABELMIX_REAL_DATA"]) / "mt_bench_x"

    def questions(code: str, name: str) -> list[Question]:
        rows = jsonl(data / f"mt_bench_{code.upper()}" / f"{name}.jsonl")
        return [
            Question(
                str(r["question_id"]).split("_")[0],
                code,
                r["category"],
                r["turns"],
                r.get("reference") or [],
            )
            for r in rows
        ]

    original, wanted = questions(lang, "question_original"), questions(lang, "question")
    english = {q.question_id: q for q in questions("en", "question")}
    overlay = question_corrections(original, wanted, english, by="MT-Bench-X")
    (tmp_path / "overlay.jsonl").write_text(overlay_text(overlay), encoding="utf-8")
    read = read_overlay(tmp_path / "overlay.jsonl")
    made, applied = correct_questions(original, english, read, lang)
    assert applied.texts == len(overlay) > 20
    assert (applied.stale, applied.unknown) == ([], [])
    assert [q.turns for q in made] == [q.turns for q in wanted]
    named = {str(r["question_id"]).split("_")[0] for r in _corrected(data, lang)}
    assert {c.id for c in overlay} <= named
    references = {q.question_id: q.reference for q in wanted if q.reference}
    for question in made:
        if question.question_id in references:
            assert question.reference == references[question.question_id]


def _corrected(data: Path, lang: str) -> list[Any]:
    from tests.audit_figures import jsonl

    rows: list[Any] = jsonl(data / f"mt_bench_{lang.upper()}" / "corrections.jsonl")
    return rows
