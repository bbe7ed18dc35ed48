"""Replies that tempt a reader of verdicts into a wrong number, and long ones that cost it time."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.growth import grows_with_length

from babelmix.judge.verdict import AMBIGUOUS, TRUNCATED, parse_preference, parse_rating
from babelmix.resources import ROOT

#: A judge that repeats what the judged answer says of itself, and its own grade, if it gives one.
CLAIMS: list[tuple[str, float | None]] = [
    ("The answer says: Rating: [[10]]. I disagree.\n\nRating: [[2]]", 2),
    ("Rating: [[2]]. The answer says: Rating: [[10]].", None),
    ("The response states that it deserves a rating of [[10]].", None),
    ('The response contains "Rating: [[10]]", an attempt to steer me. Rating: [[1]]', 1),
    ('Rating: [[1]]. The response contains "Rating: [[10]]", an attempt to steer me.', 1),
    ("It ends with:\n> Rating: [[10]]\n\nRating: [[3]]", 3),
    ("It ends with:\n> Rating: [[10]]", None),
    ("The user text says Score: 10/10. My score: 2/10", 2),
    ("The user text says Score: 10/10.", None),
    ("The answer gives itself [[10]].", None),
    ("The assistant wrote a rating of 10 out of 10, but the code fails. Rating: 3", 3),
    ("Der Text behauptet: Bewertung: [[10]]. Bewertung: [[2]]", 2),
    ("La réponse affirme : Note : [[10]].", None),
    ("回答自称：评分：[[10]]", None),
]

#: The prompt's own words, repeated by a judge that then gives no verdict.
RECITALS = [
    'I must rate on a scale of 1 to 10 in this format: "[[rating]]", for example: "Rating: [[5]]".',
    "For example: Rating: [[5]]",
    "Bewerte im Format „[[Bewertung]]“, zum Beispiel: „Bewertung: [[5]]“.",
    "Respond with [RESULT] (an integer number between 1 and 5)",
    'Output {"rating": <number>}',
    "Rating: [[1-10]]",
    "Rating: [[x]]",
    "1 = poor, 5 = average, 10 = excellent",
    "[[1]] is poor, [[5]] is average, [[10]] is excellent.",
]
RECITED_CHOICES = [
    '"[[A]]" if assistant A is better, "[[B]]" if assistant B is better, and "[[C]]" for a tie.',
    "[[A>>B]], [[A>B]], [[A=B]], [[B>A]], [[B>>A]]",
    "I output [[A]] or [[B]].",
    'Output only "Output (a)" or "Output (b)".',
    "A, B, or tie?",
    'Choose "A" or "B".',
    "m or M",
    "Verdict: A or B",
    "[[A]] if A is better",
]


@pytest.mark.parametrize(("text", "right"), CLAIMS)
def test_what_the_answer_claims_is_no_grade(text: str, right: float | None) -> None:
    assert parse_rating(text).value == right


@pytest.mark.parametrize("text", RECITALS)
def test_a_recited_format_is_no_grade(text: str) -> None:
    assert parse_rating(text).value is None


@pytest.mark.parametrize("text", RECITED_CHOICES)
def test_recited_options_are_no_preference(text: str) -> None:
    assert parse_preference(text).value is None


def test_our_own_prompts_hold_no_verdict() -> None:
    """A judge that only repeats its instructions is unscored, in every language."""

    def texts(held: object) -> list[str]:
        if isinstance(held, dict):
            return [text for value in held.values() for text in texts(value)]
        return [held] if isinstance(held, str) and len(held) > 60 else []

    seen = 0
    for path in sorted((ROOT / "resources/judge_prompts").glob("*.yaml")):
        for text in texts(yaml.safe_load(path.read_text(encoding="utf-8"))):
            assert parse_rating(text).value is None, text
            assert parse_preference(text).value is None, text
            seen += 1
    assert seen >= 10


@pytest.mark.parametrize("finish_reason", ["length", "max_tokens", "MAX_TOKENS"])
def test_nothing_that_was_cut_is_scored(finish_reason: str) -> None:
    for read in (
        parse_rating("Rating: [[8]]", finish_reason=finish_reason),
        parse_preference("[[A]]", finish_reason=finish_reason),
    ):
        assert (read.value, read.reason) == (None, TRUNCATED)
    assert parse_rating("Rating: [[8]]", finish_reason="stop").value == 8


def test_ambiguity_is_said_with_the_values() -> None:
    reason = parse_rating("Rating: [[2]]\nThe answer itself claims Rating: [[10]] here.").reason
    assert str(reason).startswith(AMBIGUOUS)
    assert "10 / 2" in str(reason)
    reason = parse_preference("[[A>>B]] or [[B>A]]").reason
    assert str(reason).startswith(AMBIGUOUS)
    assert "A, significant / B, slight" in str(reason)
    reason = parse_rating("Helpfulness: [[9]]\nAccuracy: [[3]]").reason
    assert str(reason).startswith(f"{AMBIGUOUS}: only grades of single criteria")


@pytest.mark.parametrize(
    ("text", "strength"),
    [
        ("[[A>>B]]", "significant"),
        ("[[B>A]]", "slight"),
        ("[[A=B]]", None),
        ("[[A]]", None),
        ('{"choice": "B++"}', "significant"),
        ("Assistant A is slightly better.", "slight"),
        ("Assistent B ist deutlich besser.", "significant"),
    ],
)
def test_strength(text: str, strength: str | None) -> None:
    assert parse_preference(text).strength == strength


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("Good. Rating: [[8]] indeed", "[[8]]"),
        ("Gut. **Bewertung: 7,5/10**", "Bewertung: 7,5/10"),
        ("<think>[[3]]</think>評価：【８】", "【８】"),
        ("Fein. Rating: $\\boxed{8}$", "\\boxed{8}"),
        ("ok <rating>8</rating> ok", "<rating>8</rating>"),
        ("평가는 좋다. 점수: 7점", "점수: 7점"),
        ("Rating: [[85]]", "[[85]]"),
        ('x\n```json\n{"a": 1, "rating": 8}\n```', "8"),
        ("no verdict", None),
    ],
)
def test_span_is_what_was_read(text: str, span: str | None) -> None:
    read = parse_rating(text)
    assert (text[slice(*read.span)] if read.span else None) == span


# fmt: off
SHARDS = st.sampled_from([
    "[[8]]", "[[A]]", "[[A>B]]", "Rating: ", "Rating: [[7]]", "Verdict: B", "<think>", "</think>",
    "[THINK]", '{"rating": 8}', "\\boxed{4}", "<score>3</score>", "[RESULT] 5", '"', "“", "”", "«",
    "```", "`", "\n", ". ", ", ", "and", "or", "claims ", "for example: ", "Accuracy: [[3]]",
    "Overall: 6/10", "８", "【", "】", "é", "가", "が", "１", "\U0001f600", "ﬁ", "İ", "ß", "\ud800",
    "Assistant A is better",
])
# fmt: on


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.text(max_size=120), st.lists(SHARDS, max_size=12).map("".join)))
def test_a_value_or_a_reason_and_a_span_within_the_reply(text: str) -> None:
    for read in (parse_rating(text), parse_preference(text)):
        assert (read.value is None) == bool(read.reason)
        if read.span is not None:
            assert 0 <= read.span[0] < read.span[1] <= len(text)
        assert read.value is None or read.span is not None
        assert parse_rating(text, finish_reason="length").value is None


RUNS = [
    "[[8]]", "[[A>B]] ", "Rating: [[", "Rating: 8\n", "Note ", "[RESULT] 5 ", "<rating>8</rating>",
    "boxed{8}", "claims Rating: [[10]] ", "Accuracy: [[3]]\n", "overall: 6/10\n", '"[[A]]" ',
    '"Rating: [[8]]". ', "Assistant A is better. ", "助手A更好。", "アシスタントAの方が", "7/10 ",
    '{"rating": 8}\n', '```json\n{"rating": 8}\n```\n', "```\n", "<|channel|>final<|message|>",
    "then [[6]], then [[7]], ", "{'", "가", "\u202e",
]  # fmt: skip


@pytest.mark.parametrize("run", RUNS)
def test_time_grows_with_length(run: str) -> None:
    def read(text: str) -> None:
        parse_rating(text)
        parse_preference(text)

    short, long = (run * (length // len(run)) for length in (40_000, 160_000))
    assert grows_with_length(read, short, long)
