"""Line language, detector errors, verdicts by language, length, consistency across languages."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from built_study import built
from fake_study import LANGUAGES, PAIRS, SINGLE, TEXT

from babelmix.analyse.agreement_tables import Voter, agreement_table
from babelmix.analyse.language import line_language
from babelmix.analyse.length_tables import fit
from babelmix.analyse.statistics import Bootstrap
from babelmix.analyse.table import ReadTable, read_tables

QUICK = Bootstrap(samples=200)


@pytest.fixture(scope="module")
def made() -> dict[str, ReadTable]:
    return read_tables(built().root / "tables" / "index.json")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{TEXT['de']}\n{TEXT['de']}", (1.0, None)),
        (f"{TEXT['de']}\n\n{TEXT['en']}", (0.0, "other language: en in 1 of 2 lines")),
        (f"{TEXT['de']}\n```\nthe code speaks English all the time\n```", (1.0, None)),
        ("Ja.\nNein.", (None, "short")),
        ("  \n", (0.0, "empty")),
    ],
)
def test_lines_are_looked_at_one_by_one(text: str, expected: Any) -> None:
    assert line_language(text, "de", list(LANGUAGES)) == expected


def test_the_detector_is_tried_on_the_questions(made: dict[str, ReadTable]) -> None:
    rows = made["detector_errors"].rows
    assert {row["language"] for row in rows} == set(LANGUAGES)
    turns = {code: sum(r["questions"] for r in rows if r["language"] == code) for code in LANGUAGES}
    assert set(turns.values()) == {12}


def test_verdicts_by_language_count_every_scored_answer(made: dict[str, ReadTable]) -> None:
    rows = [r for r in made["verdicts_by_language"].rows if r["evaluation"] == SINGLE]
    of = [r for r in rows if r["variant"] == "tiny.mono-EN.short" and r["language"] == "all"]
    assert {r["answer_in"] for r in of} <= {"asked", "other", "empty", "unsure", "not judged"}
    assert sum(r["answers"] for r in of) == 6 * 2 * 3 * 2 - 4  # German q00 of both seeds unscored
    assert sum(r["share"] for r in of) == pytest.approx(1, abs=1e-3)
    pairs = [r for r in made["verdicts_by_language"].rows if r["evaluation"] == PAIRS]
    assert all(r["wins"] + r["ties"] + r["losses"] == r["answers"] for r in pairs)


def test_scores_fall_when_other_languages_are_penalised(made: dict[str, ReadTable]) -> None:
    rows = [
        r
        for r in made["scores_by_fidelity"].rows
        if r["language"] == "all" and r["evaluation"] == SINGLE
    ]
    by = {(r["variant"], r["answers"]): r for r in rows}
    for variant in {r["variant"] for r in rows}:
        assert by[variant, "penalised"]["mean"] <= by[variant, "all"]["mean"]
        if (variant, "asked") in by:
            assert by[variant, "asked"]["values"] <= by[variant, "all"]["values"]


def grades_by_length(slope: float) -> pd.DataFrame:
    draw = np.random.default_rng(1)
    rows = []
    for question in range(60):
        hard = draw.normal(0, 2)
        for variant, longer in (("short", 0.0), ("long", 1.0)):
            length = 8 - hard + longer + draw.normal(0, 0.7)
            value = 5 - hard + slope * length + draw.normal(0, 0.2)
            rows.append((variant, f"q{question}", "en", "c", 1, value, length))
    columns = ["variant", "question_id", "lang", "category", "turn", "value", "length"]
    return pd.DataFrame(rows, columns=columns)


@pytest.mark.parametrize("slope", [0.0, 0.8])
def test_the_slope_of_length_is_found_and_taken_off(slope: float) -> None:
    """Hard questions get long answers and low grades: that is no dislike of length."""
    found = fit(grades_by_length(slope), True, QUICK)
    assert found is not None
    assert found.slope.value == pytest.approx(slope, abs=0.12)
    assert found.slope.low is not None
    assert found.slope.high is not None
    assert found.slope.low < slope < found.slope.high
    assert found.adjusted["long"] - found.adjusted["short"] == pytest.approx(0, abs=0.2)
    assert found.excess["long"] - found.excess["short"] == pytest.approx(1, abs=0.3)
    same = grades_by_length(0).assign(length=8.0)
    assert fit(same, True, QUICK) is None


def test_length_tables_name_every_judged_variant(made: dict[str, ReadTable]) -> None:
    assert {row["evaluation"] for row in made["length_bias"].rows} >= {SINGLE, PAIRS}
    pairs = next(row for row in made["length_bias"].rows if row["evaluation"] == PAIRS)
    assert 0 <= pairs["longer_preferred"] <= 1
    rows = [row for row in made["length_adjusted"].rows if row["evaluation"] == SINGLE]
    grades = {row["variant"]: row for row in rows}
    assert len(grades) == 8
    excess = [row["doublings"] for row in grades.values()]
    assert sum(excess) == pytest.approx(0, abs=1e-2)


def test_languages_are_raters_of_the_same_question(made: dict[str, ReadTable]) -> None:
    rows = made["cross_language"].rows
    grades = {row["languages"] for row in rows if row["evaluation"] == SINGLE}
    assert grades == {"all", "de-en", "de-fr", "en-fr"}
    kappa = next(r for r in rows if r["evaluation"] == PAIRS and r["languages"] == "all")
    assert kappa["measure"] == "kappa"
    assert kappa["low"] <= kappa["value"] <= kappa["high"]


def test_judges_are_compared_with_each_other(made: dict[str, ReadTable]) -> None:
    rows = made["agreement"].rows
    assert any({r["left"], r["right"]} == {SINGLE, PAIRS} for r in rows)
    items = [("b", "x", "y", f"q{i}", "en", 1 + i % 2) for i in range(10)]
    left = Voter("l", {i: ["A"] for i in items})
    right = Voter("r", {i: ["A" if i[5] == 1 else "tie"] for i in items})
    table = agreement_table([left, right], QUICK)
    whole = next(row for row in table.rows if row["turn"] == "all")
    assert (whole["s1"], whole["s2"], whole["tie_discounted"]) == (0.5, 1.0, 0.75)
    assert (whole["s2_votes"], whole["kappa"]) == (5, 0.0)
    assert {row["turn"] for row in table.rows} == {"all", 1, 2}
