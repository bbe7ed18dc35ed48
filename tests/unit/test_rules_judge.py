"""The rules judge, outcomes of pairs, and what judging costs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from babelmix.config.evaluation import OpenAIJudge, RulesJudge
from babelmix.judge.cost import estimate_calls, expected_calls
from babelmix.judge.rules import RulesReferee, repetition
from babelmix.judge.tasks import Task
from babelmix.judge.verdict import parse_preference, parse_rating
from babelmix.outcome import outcome
from babelmix.records import Answer, Question

LANGUAGES = ["en", "de", "fr", "it", "es"]
GERMAN = "Die Hauptstadt von Frankreich ist Paris, und sie liegt an der Seine."
ENGLISH = "The capital of France is Paris, and it lies on the river Seine."


def answer(text: str, lang: str = "de", finish: str = "stop") -> Answer:
    return Answer("q", lang, "c", 1, "r", "Frage?", text, finish, 1, 1, "")


def rate(text: str, reference: str = "", finish: str = "stop", lang: str = "de") -> float:
    question = Question("q", lang, "c", ["Was ist?"], [reference] if reference else [])
    raw = RulesReferee(LANGUAGES).judge(
        Task(question, 1, answers=(answer(text, lang, finish),)), "single"
    )
    value = parse_rating(raw).value
    assert value is not None, raw
    return value


def prefer(mine: str, other: str, order: str, protocol: str = "pairwise") -> str:
    question = Question("q", "de", "c", ["Was ist?"])
    task = Task(question, 1, order, (answer(mine),), "b", (answer(other),))
    return str(parse_preference(RulesReferee(LANGUAGES).judge(task, protocol)).value)


def test_an_empty_answer_is_the_worst() -> None:
    for text in ("", "  \n", "…!?"):
        assert rate(text) == 1


def test_the_language_counts_most() -> None:
    assert rate(GERMAN) > rate(ENGLISH) + 3
    assert rate(ENGLISH, lang="en") > rate(GERMAN, lang="en") + 3


def test_code_says_nothing_about_the_language() -> None:
    code = "```python\nfor the_line in open('the file'): print(the_line)\n```\n"
    assert rate(code + GERMAN) > rate(ENGLISH)


def test_loops_stubs_and_cut_answers_cost() -> None:
    loop = " ".join([GERMAN] * 12)
    assert rate(GERMAN) > rate(loop)
    assert rate(GERMAN) > rate("Paris.")
    assert rate(GERMAN) > rate(GERMAN, finish="length")


def test_overlap_with_the_reference_counts() -> None:
    other = "Der Hund des Nachbarn bellt am Morgen immer sehr laut im Garten."
    assert rate(GERMAN, reference=GERMAN) > rate(other, reference=GERMAN) + 2
    assert rate("Paris.", reference="Paris.") > rate("Rom.", reference="Paris.")


def test_the_raw_text_names_its_parts() -> None:
    question = Question("q", "de", "c", ["Was ist?"], [GERMAN])
    task = Task(question, 1, answers=(answer(GERMAN),))
    raw = RulesReferee(LANGUAGES).judge(task, "single")
    assert raw == "language de ok; 12 words; repetition 0.00; chrF 100 → Rating: [[10]]"
    assert raw == RulesReferee(LANGUAGES).judge(task, "single")


def test_preferences_follow_the_ratings_in_both_orders() -> None:
    assert prefer(GERMAN, ENGLISH, "AB") == "A"
    assert prefer(GERMAN, ENGLISH, "BA") == "B"
    assert prefer(GERMAN, GERMAN, "AB") == "tie"
    assert prefer("", "", "AB") == "both_bad"
    assert prefer("", "", "AB", "side_by_side") == "tie"


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=300))
def test_any_answer_gets_a_rating_on_the_scale(text: str) -> None:
    assert 1 <= rate(text) <= 10


def test_repetition() -> None:
    assert repetition([]) == 0
    assert repetition(["a", "b", "c", "d"]) == 0
    assert repetition(["a"] * 100) > 0.9


@pytest.mark.parametrize(
    ("ab", "ba", "result", "consistent", "favoured"),
    [
        ("A", "B", "win", True, None),
        ("B", "A", "loss", True, None),
        ("A", "A", "tie", False, "first"),
        ("B", "B", "tie", False, "second"),
        ("tie", "tie", "tie", True, None),
        ("both_bad", "both_bad", "tie", True, None),
        ("tie", "both_bad", "tie", True, None),
        ("A", "tie", "tie", False, None),
        ("both_bad", "A", "tie", False, None),
    ],
)
def test_outcomes(ab: str, ba: str, result: str, consistent: bool, favoured: str | None) -> None:
    found = outcome(ab, ba)
    assert (found.result, found.consistent, found.favoured) == (result, consistent, favoured)
    assert found.both_bad == (ab == ba == "both_bad")


def test_an_unscored_order_makes_the_pair_unscored() -> None:
    assert outcome(None, "A").result is None
    assert outcome("A", None).points is None
    assert outcome("A", "B").points == 1
    assert outcome("A", "A").points == 0.5
    assert outcome("B", "A").points == 0


@given(st.sampled_from(["A", "B", "tie", "both_bad"]), st.sampled_from(["A", "B", "tie"]))
def test_swapping_run_and_baseline_mirrors_the_outcome(ab: str, ba: str) -> None:
    mirrored = {"win": "loss", "loss": "win", "tie": "tie"}
    assert outcome(ba, ab).result == mirrored[str(outcome(ab, ba).result)]


def test_expected_calls_are_mt_bench_x_s() -> None:
    assert expected_calls(80, 2, 5, "single") == 800
    assert expected_calls(80, 2, 5, "pairwise") == 1600
    assert expected_calls(617, 1, 12, "side_by_side") == 2 * 617 * 12


def test_cost_estimate() -> None:
    judge = OpenAIJudge(engine="openai", model="m", price_in=10.0, price_out=30.0)
    single = estimate_calls(judge, "single", expected_calls(80, 2, 5, "single"), 2)
    pairs = estimate_calls(judge, "pairwise", expected_calls(80, 2, 5, "pairwise"), 2)
    assert single.calls == 800
    assert single.dollars == pytest.approx((single.tokens_in * 10 + single.tokens_out * 30) / 1e6)
    assert pairs.tokens_in > 2 * single.tokens_in
    assert estimate_calls(RulesJudge(engine="rules"), "single", 800, 2).dollars == 0
