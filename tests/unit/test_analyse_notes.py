"""Which interval stands there, or why none, is said in every place that shows one."""

import dataclasses
from pathlib import Path
from typing import Any

import built_study
import fake_study
import pytest

from babelmix.analyse.agreement import fleiss_kappa, krippendorff_alpha
from babelmix.analyse.figure import interval_text, notes_words
from babelmix.analyse.latex import main_latex
from babelmix.analyse.statistics import Bootstrap, Estimate
from babelmix.analyse.study import load_study
from babelmix.analyse.table import Table, joined_notes, read_tables
from babelmix.analyse.wording import difference_sentence, interval, note_of
from babelmix.cli import main
from babelmix.io import write_records
from babelmix.records import HumanLabel
from babelmix.report.views import estimate

FEW = "t interval: 3 questions; a bootstrap needs 10"
ONE = "no interval: one question"
GOT = Estimate(1.0, 0.5, 1.5, 3, 3, 0.2, FEW)
LONE = Estimate(2.0, None, None, 1, 1, note=ONE)


def test_notes_of_one_row_keep_their_columns() -> None:
    both = joined_notes({"gain": GOT, "difference": LONE})
    assert note_of(both, "gain") == FEW
    assert note_of(both, "difference") == ONE
    assert note_of(both, "other") == ""
    assert joined_notes({"gain": GOT, "difference": GOT}) == FEW
    assert note_of(FEW, "anything") == FEW
    assert joined_notes({"gain": Estimate(1.0, 0.0, 2.0, 20, 20)}) == ""


def test_words_tooltips_and_cells() -> None:
    assert interval(0.95, None, None, ".1f", ONE) == ONE
    sentence = difference_sentence("a", "b", LONE, "points", 0.95)
    assert "+2.00 points (no interval: one question)" in sentence
    row = {"value": 1.0, "low": 0.5, "high": 1.5, "interval_note": FEW}
    lone = {"value": 2.0, "low": None, "high": None, "interval_note": ONE}
    assert interval_text(row) == "0.5 … 1.5 (t interval: 3 questions)"
    assert interval_text(lone) == ONE
    usual = row | {"interval_note": None}
    assert notes_words([row, lone, usual], "value") == (
        " Not the usual interval in 2 of 3 values (no interval: 1, t interval: 1)."
    )
    assert notes_words([usual], "value") == ""
    shown = estimate(row, "value", ".1f")
    assert shown.small == "0.5 … 1.5 (t interval)"
    assert shown.title == "t interval: 3 questions"
    assert estimate(lone, "value", ".1f").small == ONE


def test_an_unknown_difference_is_no_missing_question() -> None:
    found = Estimate(None, None, None, 3, 3, note="no value: 1 of 3 values are infinite")
    words = difference_sentence("a", "b", found, "points", 0.95)
    assert words == "The difference of a and b is unknown (no value: 1 of 3 values are infinite)."


def test_latex_marks_it(tmp_path: Path) -> None:
    study = fake_study.make(tmp_path, questions=3, pairs=False, seeds=(0,), only=fake_study.FEW)
    tables = built_study.make_tables(study, tmp_path / "tables")
    rows = tables["grades"].rows
    notes = {row["interval_note"] for row in rows} - {None}
    assert FEW in notes
    text = (tmp_path / "tables" / "grades.tex").read_text(encoding="utf-8")
    for note in notes:
        assert note.replace("%", r"\%") in text
    assert "$^{a}$" in text
    empty = Table("grades", "t", "a", {"mean": "m"}, ("mean",))
    assert main_latex(empty, load_study(study.study)) is None


def test_every_table_with_an_interval_has_the_column() -> None:
    """A table that shows ends of intervals without the note would hide what they are."""
    index = read_tables(built_study.built().root / "tables" / "index.json")
    for name, table in index.items():
        columns = {column["name"] for column in table.entry["columns"]}
        if any(column == "low" or column.endswith("_low") for column in columns):
            assert "interval_note" in columns, name


def test_compare_names_the_interval(capsys: pytest.CaptureFixture[str]) -> None:
    results = str(built_study.built().root)
    assert main(["compare", "all-ENDEFR", "mono-EN", "--results", results]) == 0
    assert "t interval: 6 questions; a bootstrap needs 10" in capsys.readouterr().out


def test_agreement_says_why_there_is_no_interval(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fixed: dict[str, Any] = dict.fromkeys(f.name for f in dataclasses.fields(HumanLabel))
    fixed |= {"benchmark": "mt", "run": "x", "baseline": "y", "question_id": "81", "lang": "en"}
    fixed |= {"turn": 1, "repeat": 0, "vote": "A", "category": "writing", "comment": ""}
    rows = [HumanLabel(**(fixed | {"rater": rater})) for rater in ("first", "second")]
    labels = tmp_path / "people.parquet"
    write_records(labels, rows, HumanLabel)
    assert main(["agreement", str(labels)]) == 0
    shown = capsys.readouterr().out
    assert "[s1] no interval: one question" in shown
    assert "[alpha] no value: fewer than two different labels" in shown


def test_full_agreement_is_no_interval_of_one_to_one() -> None:
    """κ and α of 1: all resamples say 1, and no scale says how far the next question may go."""
    rated = [("win", "win"), ("loss", "loss")] * 8
    kappa = fleiss_kappa(rated, bootstrap=Bootstrap(samples=200))
    alpha = krippendorff_alpha(list(zip(*rated, strict=True)), bootstrap=Bootstrap(samples=200))
    for found in (kappa, alpha):
        assert found.value == pytest.approx(1.0)
        assert (found.low, found.note) == (
            None,
            "no interval: all questions give the same value",
        )
