"""What weakens the judging is raised to the findings; few answers are marked."""

from typing import Any

import pytest

from babelmix.analyse.figure import few_words, with_value
from babelmix.analyse.study import StudySet, Variant
from babelmix.analyse.table import ReadTable
from babelmix.analyse.thin import most_values, thin
from babelmix.report.caveats import caveats
from babelmix.report.cells import pivot
from babelmix.report.translation_views import audit_view

ENDS = {"low": 0.1, "high": 0.3, "questions": 20.0, "values": 400.0, "interval_note": ""}
COVERAGE = {
    "evaluation": "e",
    "run": "v.s1",
    "label": "v",
    "language": "all",
    "asked": 100.0,
    "scored": 100.0,
    "coverage": 1.0,
    "reasons": "",
    "models": "gpt-x (100)",
}
FLIPS = {"evaluation": "e", "category": "all", "turn": "all", "language": "all"}
FINE: dict[str, list[dict[str, Any]]] = {
    "coverage": [COVERAGE],
    "position_bias": [FLIPS | ENDS | {"flipped": 0.1, "first_preferred": 0.5}],
    "cross_language": [
        ENDS | {"evaluation": "e", "languages": "all", "measure": "alpha", "value": 0.7}
    ],
    "length_bias": [ENDS | {"evaluation": "e", "slope": 0.05, "low": -0.1, "high": 0.2}],
}


def study() -> StudySet:
    raw = {
        "evaluations": {
            "e": {"benchmark": "b", "judge": "j", "engine": "openai", "protocol": "single"}
        },
        "confidence": 0.95,
        "benchmarks": {"b": {"languages": ["en", "it"]}},
        "languages": {"en": {"name": "English"}, "it": {"name": "Italian"}},
        "studies": {"s": {"runs": ["v.s1"], "evaluations": ["e"]}},
    }
    variant = Variant("v", "v", "m", "v", "r", "d", "blocks", None, {"en": 1.0}, ("v.s1",))
    return StudySet(raw, {"v": variant}, {"v.s1": "v"})


def told(**changed: list[dict[str, Any]]) -> list[str]:
    tables = {name: ReadTable({"name": name}, rows) for name, rows in (FINE | changed).items()}
    return [f"{one.text} {one.note}" for one in caveats(study(), "s", tables)]


def test_a_sound_judge_gives_no_caveat() -> None:
    assert told() == []


def test_a_judge_that_changed_in_mid_run_is_told() -> None:
    (text,) = told(coverage=[COVERAGE | {"models": "gpt-x (60); gpt-y, new (40)"}])
    assert "The judge changed during the study: 2 models replied" in text
    assert "gpt-x (60), gpt-y, new (40)" in text
    other = COVERAGE | {"run": "w.s1", "models": "gpt-z (9)"}
    assert told(coverage=[COVERAGE, other]) == []


def test_many_flips_low_agreement_and_a_length_slope_are_told() -> None:
    flips = FINE["position_bias"][0] | {"flipped": 0.31, "first_preferred": 0.64}
    agreement = FINE["cross_language"][0] | {"value": 0.21}
    slope = FINE["length_bias"][0] | {"slope": -0.46, "low": -0.6, "high": -0.3}
    found = told(position_bias=[flips], cross_language=[agreement], length_bias=[slope])
    assert len(found) == 3
    assert "contradicts itself in 31\u202f% of the pairs" in found[0]
    assert "64\u202f% are for the answer shown first" in found[0]
    assert "Low agreement across languages: α 0.21" in found[1]
    assert "−0.46 points per doubling" in found[2]
    assert "shorter answers fare better" in found[2]


def test_many_missing_verdicts_are_told_with_the_mixture_that_misses_most() -> None:
    bad = {"scored": 80.0, "coverage": 0.8, "reasons": "HTTP 500 (20)"}
    (text,) = told(coverage=[COVERAGE | bad])
    assert "20\u202f% of the judgements have no verdict" in text
    assert "most are missing of v" in text
    assert "HTTP 500 (20)" in text


def cell(lang: str, values: float, share: float = 1.0) -> dict[str, Any]:
    row = {"variant": "v", "label": "v", "language": lang, "share": share, "values": values}
    return row | {"low": 0.5, "high": 1.0, "se": 0.1, "questions": values, "interval_note": ""}


@pytest.mark.parametrize(("values", "few"), [(1, True), (9, True), (15, True), (16, False)])
def test_few_answers_are_few_beside_what_other_mixtures_have(values: float, few: bool) -> None:
    assert thin(cell("it", values), {"it": 32.0}) is few
    assert not thin(cell("it", 0), {"it": 32.0})


def test_one_of_32_answers_is_marked_in_the_table_and_in_the_figure() -> None:
    rows = [cell("all", 33, 0.9), cell("en", 32), cell("it", 1)]
    assert most_values(rows) == {"all": 33, "en": 32, "it": 1}
    view = pivot(study(), ["v"], rows, "share", ".0f", "Shares", "answer_language", 100)
    assert view.columns[1:4] == ["mean", "English", "Italian"]
    name, mean, english, italian, error, questions, turns = view.rows[0]
    assert name.text == "v"
    assert [c.warn for c in (mean, english, italian)] == [False, False, True]
    assert "n\u202f=\u202f1" in italian.small
    assert italian.title == "1 question, 1 answered turn, standard error 0.1"
    assert (error.text, questions.text, turns.text) == ("10", "33", "33")
    assert "one of few answers too" in view.note
    drawn = with_value(rows, "share")
    assert [row.get("few", False) for row in drawn] == [False, False, True]
    assert few_words(drawn).startswith(" * Marked")
    assert few_words(drawn[:2]) == ""


def test_checks_that_no_row_failed_are_named_and_take_no_column() -> None:
    shared = {"dataset": "d", "language": "de", "translators": "t", "rows": 80.0, "share": 0.0}
    rows = [
        shared | {"check": check, "failed": failed, "policy": "drop"}
        for check, failed in (("any", 2.0), ("length_ratio", 2.0), ("numbers", 0.0))
    ]
    view = audit_view({"translation_audit": ReadTable({"name": "translation_audit"}, rows)})
    assert "length ratio" in view.columns
    assert "numbers" not in view.columns
    assert view.note == "No row failed: numbers."
