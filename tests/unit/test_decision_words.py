"""The decision in words: when one is chosen, when nothing can be told, what is not known."""

from typing import Any

import pytest

from babelmix.analyse.decision import decisions, questions_needed
from babelmix.analyse.decision_figure import decision_figures
from babelmix.analyse.decision_words import listed
from babelmix.analyse.study import StudySet, Variant
from babelmix.analyse.table import ReadTable

EMPTY = dict.fromkeys(
    [
        "low",
        "high",
        "rank_low",
        "rank_high",
        "gap_low",
        "gap_high",
        "detectable",
        "main_difference",
        "main_low",
        "main_high",
        "main_kept",
        "fidelity",
        "fidelity_low",
        "fidelity_high",
        "main_fidelity",
        "interval_note",
    ]
)


def row(label: str, rank: int, value: float, **more: Any) -> dict[str, Any]:
    found = EMPTY | {"study": "s", "basis": "e", "criterion": "grade", "main": "en", "model": "m"}
    found |= {
        "others": 4.0,
        "variant": label,
        "label": label,
        "mixture": label,
        "aliases": "",
        "candidate": "yes",
    }
    found |= {"rank": float(rank), "value": value, "low": value - 0.5, "high": value + 0.5}
    found |= {"se": 0.2, "rank_low": 1.0, "rank_high": 3.0, "p_best": 0.5, "gap": 0.0}
    found |= {"may_be_best": "yes", "detectable": 0.6, "grade": value, "main_value": 6.0}
    found |= {"reference": "en-only", "rows": 80.0, "rows_other": 64.0, "characters_other": 9000.0}
    found |= {"questions": 60.0, "values": 240.0, "asked": 240.0, "seeds": 1.0}
    return found | more


LOST = {"main_difference": -3.1, "main_low": -3.9, "main_high": -2.2, "main_kept": "lost"}
KEPT = {
    "main_difference": 0.01,
    "main_low": -0.4,
    "main_high": 0.4,
    "main_kept": "no loss shown",
}


def study(engine: str = "openai") -> StudySet:
    spec = {"benchmark": "b", "judge": "j", "engine": engine, "protocol": "single"}
    raw = {
        "evaluations": {"e": spec},
        "confidence": 0.95,
        "languages": {"en": {"name": "English"}},
        "studies": {"s": {"runs": ["v"], "evaluations": ["e"]}},
    }
    variant = Variant("v", "v", "m", "v", "r", "d", "blocks", None, {"en": 1.0}, ("v",))
    return StudySet(raw, {"v": variant}, {"v": "v"})


def decide(*rows: dict[str, Any], engine: str = "openai") -> Any:
    (found,) = decisions(study(engine), "s", ReadTable({"name": "decision"}, list(rows)))
    return found


def test_a_clear_best_that_keeps_the_main_language_is_chosen() -> None:
    found = decide(row("x", 1, 7.0, **KEPT), row("y", 2, 5.0, may_be_best="no", **KEPT))
    assert found.headline == "Choose x."
    assert "x has the highest mean grade in languages other than English: 7.00;" in found.reason
    assert "allowed for" in found.reason
    assert "no loss of the English grade is shown, 5.99 → 6.00" in found.reason
    assert found.cost.startswith("x: 64 of its 80 rows are not in English (9\u202f000 characters")


def test_a_best_that_loses_the_main_language_has_an_unless() -> None:
    """The pinch's all-rows point: most in the other languages, and half of the English grade."""
    found = decide(
        row("all", 1, 7.0, main_value=3.15, **LOST),
        row("ten", 2, 6.5, may_be_best="no", main_value=6.26, rows_other=8.0, **KEPT),
        row("en-only", 3, 3.0, may_be_best="no", main_value=6.25, rows_other=0.0),
    )
    assert found.headline == "Choose all unless English must stay as good: then ten."
    assert (
        "the English grade falls, 6.25 → 3.15 (95\u202f%: −3.90\u00a0…\u00a0−2.20)" in found.reason
    )
    assert "With ten, no loss of the English grade is shown, 6.25 → 6.26" in found.reason
    assert "ten: 8 of its 80 rows" in found.cost
    nobody = decide(row("x", 1, 7.0, **LOST), row("y", 2, 5.0, may_be_best="no", **LOST))
    assert nobody.headline == "Choose x unless English must stay as good; no mixture here keeps it."


def test_without_a_clear_best_it_names_those_that_may_be_and_the_cheapest() -> None:
    found = decide(
        row("x", 1, 7.0, **KEPT),
        row("y", 2, 6.9, gap=-0.1, rows_other=8.0, **KEPT),
        row("z", 3, 6.8, gap=-0.2, rows_other=2.0, **LOST),
        row("w", 4, 4.0, may_be_best="no", **KEPT),
    )
    assert found.headline == "We cannot tell x, y and z apart. If you must choose now: y."
    assert "With 60 questions, a true difference of 0.60 grade points" in " ".join(found.unknown)
    # (0.6 / 0.1)² times as many questions.
    assert "about 2\u202f200 questions" in " ".join(found.unknown)
    assert "allows for choosing the best of 4" in found.reason
    assert found.reason.endswith("With z, the English grade falls.")


def test_where_any_may_be_the_best_it_says_no_more() -> None:
    found = decide(row("x", 1, 7.0, **KEPT), row("y", 2, 6.9, gap=-0.1, **KEPT))
    assert found.headline == "We cannot tell: any of the 2 mixtures may be the best."


def test_no_interval_is_no_choice() -> None:
    rows = [
        row("x", 1, 7.0, may_be_best=None, p_best=None, low=None, questions=1.0),
        row("y", 2, 6.0, may_be_best=None, p_best=None, low=None, questions=1.0),
    ]
    found = decide(*rows)
    assert found.headline.startswith("We cannot tell which mixture to choose")
    assert any("Only 1 question:" in text for text in found.unknown)


def test_rules_make_no_claim_of_quality() -> None:
    shared = {"basis": "language:b", "criterion": "language", "detectable": 0.1}
    found = decide(
        row("x", 1, 0.92, **shared, **LOST),
        row("y", 2, 0.5, **shared, may_be_best="no", **KEPT),
        engine="rules",
    )
    assert "nothing here says which answers are better" in found.unknown[0]
    assert "x answers most often in the language of the question: 92\u202f% in" in found.reason
    assert "English grade by rules" in found.reason
    words = " ".join([found.headline, found.reason])
    assert "better" not in words
    silent = decide(row("x", 1, 0.9, **shared, grade=None), row("y", 2, 0.8, **shared, grade=None))
    assert silent.unknown[0].startswith("No judge scored an answer")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seeds": 1.0}, "One training seed"),
        ({"seeds": 3.0}, "3 training seeds are averaged"),
        ({"questions": 12.0}, "Only 12 questions"),
        ({"values": 120.0}, "50\u202f% of those of"),
    ],
)
def test_what_is_not_known_is_said(change: dict[str, float], said: str) -> None:
    found = decide(*(row(n, i, 7.0 - i, **(KEPT | change)) for i, n in enumerate("xyz", start=1)))
    assert any(said in text for text in found.unknown)


def test_one_that_is_not_ranked_is_named() -> None:
    note = "not ranked: nothing scored in fr"
    lone = row("z", 0, 5.0, interval_note=note) | {"rank": None, "may_be_best": None}
    found = decide(row("x", 1, 7.0), row("y", 2, 6.0, may_be_best="no"), lone)
    assert f"z is {note}." in found.unknown
    assert [r["label"] for r in found.rows] == ["x", "y", "z"]
    nothing = decide(lone)
    assert nothing.headline.startswith("Nothing can be recommended")
    alone = decide(row("x", 1, 7.0))
    assert alone.headline == "There is nothing to choose: x is the only mixture with scores."


def test_questions_grow_with_the_square() -> None:
    assert questions_needed(row("x", 2, 1.0, gap=-0.3)) == 240
    assert questions_needed(row("x", 2, 1.0, gap=0.0)) is None
    assert questions_needed(row("x", 2, 1.0, gap=-0.3, detectable=None)) is None


def test_many_names_are_counted() -> None:
    assert listed(["a"]) == "a"
    assert listed(list("ab")) == "a and b"
    assert listed(list("abcdef")) == "a, b, c and 3 more"


def test_the_figure_says_what_it_shows() -> None:
    rows = [
        row("all", 1, 7.0, main_value=3.15, **LOST),
        row("ten", 2, 6.5, may_be_best="no", main_value=6.26, **KEPT),
    ]
    (figure,) = decision_figures(study(), "s", ReadTable({"name": "decision"}, rows))
    assert figure.title == (
        "all does best in the other languages (7.00; ten 6.50) and loses English −3.10; "
        "ten keeps it"
    )
    assert "60 questions, 240 answered turns, 1 training seed" in figure.caption
    drawn = figure.chart.to_dict()["data"]["values"]
    assert {r["state"] for r in drawn} == {
        "may be the best",
        "shown not to be the best",
        "loses English",
    }
