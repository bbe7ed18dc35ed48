"""Verdicts read from a judge's text: every row of the published failures, and many more."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from babelmix.judge.parsing.labels import RATING_LABELS
from babelmix.judge.parsing.normalise import fold
from babelmix.judge.verdict import parse_preference, parse_rating

# What FastChat, MT-Bench-X, OpenCompass and others get wrong, and the right answer.
PUBLISHED = [
    ("Rating: [[8]]", 8),
    ("Bewertung: [[8]]", 8),
    ("Rating: [[7,5]]", 7.5),
    ("Rating: [[8/10]]", 8),
    ("Rating: [[ 8 ]]", 8),
    ("**Rating:** 8", 8),
    ("arr[0] is wrong. 9/10", None),
    ("The example '[[5]]' is the format. Rating: [[8]]", 8),
    ("Rating: [[85]]", None),
    ("Rating: [[8]] out of [[10]]", 8),
    ("Rating: [[0]]", None),
    ("[[8]] … Correction: … Rating: [[3]]", 3),
]

LOCALISED = [
    ("Note : [[7]]", 7),
    ("Valutazione: [[7]]", 7),
    ("Punteggio: 7/10", 7),
    ("Calificación: [[7]]", 7),
    ("CALIFICACIÓN: 7", 7),
    ("Puntuación: 7 sobre 10", 7),
    ("Gesamtbewertung: 7 von 10", 7),
    ("Оценка: [[7]]", 7),
    ("評分：【8】", 8),
    ("评分:8/10", 8),
    ("評価: ［［８］］", 8),
    ("Puntuación final: 6/10", 6),
    ("Note finale : 7,5", 7.5),
    ("Bewertung: 8 von 10 Punkten", 8),
    ("El puntaje es 8.", 8),
    ("La note est de 8/10", 8),
    ("Ich gebe eine Bewertung von 8/10.", 8),
    ("평가: [[8]]", 8),
    ("التقييم: [[٨]]", 8),
    ("मूल्यांकन: [[८]]", 8),
    ("ציון: [[8]]", 8),
    ("Arvosana: 8", 8),
    ("Hodnocení: 8.", 8),
    ("Ukadiriaji: [[8]]", 8),
]

WRITTEN = [
    ('{"rating": 8}', 8),
    ('{"explanation": "x[[5]]", "score": 7.5}', 7.5),
    ('```json\n{"Bewertung": "8/10"}\n```', 8),
    ('{"rating": "[[8]]"}', 8),
    ("Rating: (8)", 8),
    ("Rating - 8", 8),
    ("Rating (1-10): 8", 8),
    ("Rating: [[8]]\x00", 8),
    ("\u202eRating: [[8]]\u202c", 8),
    ("Rating: [[𝟖]]", 8),
    ("```\nRating: [[5]]\n```", 5),
    ("`[[5]]`", 5),
    ("Rating: ［［８］］", 8),
    ("Rating: [[８]]", 8),
    (r"Rating: \[\[8\]\]", 8),
    ("Rating: **[[8]]**", 8),
    ("**Rating: [[8]]**", 8),
    ("Rating: `[[8]]`", 8),
    ("Rating: __8__", 8),
    ("rating - [[8]]", 8),
    ("My rating is 8.", 8),
    ("I would give it a rating of [[8]].", 8),
    ("Rating (1 to 10): [[8]]", 8),
    ("Rating:\n\n[[8]]", 8),
    ("## Rating:\n8", 8),
    ("Rating: [8]", 8),
    ("Rating: [[8]", 8),
    ("Rating: [[[8]]]", 8),
    ("Rating: [[8 points]]", 8),
    ("Bewertung: [[8 Punkte]]", 8),
    ("[[Rating: 8]]", 8),
    ("Rating: [[8.5]]", 8.5),
    ("Rating: 7½", 7.5),
    ("Rating: [[10]]", 10),
    ("Rating: [[1]].", 1),
    ("Rating: 8 (good)", 8),
    ("Score: 8 out of 10.", 8),
    ("[[8]]", 8),
    ("[[8]]/[[10]]", 8),
    ("8", 8),
    ("8/10", 8),
    ("[8]", 8),
    ("Fine.\n[[8]]", 8),
    ("<think>Rating: [[5]]</think>Rating: [[8]]", 8),
    ("so it may be [[5]]</think>\n\nRating: [[8]]", 8),
]

CHOSEN = [
    ("```python\nprint([[5]])\n```\nRating: [[8]]", 8),
    ("`x = [[5]]` is wrong. [[8]]", 8),
    ("[[8]], and never `x = [[5]]`.", 8),
    ("The index x[[1]] is off. [[7]]", 7),
    ("Rating: [[8]], as df[[2]] shows.", 8),
    ("[[4]] at first, then [[6]]", 6),
    ("Rating: [[8]]\nRating: [[6]]", 6),
    ("Rating: [[8]]. (Depth rating: 3)", 8),
    ("Rating: [[8]]. Korrektur: Bewertung: 3", 3),
    ("Rating: [[8]]. Correction: [[3]]", 3),
    ("Rating: [[8]], on a scale from [[1]] to [[10]].", 8),
    ('Rating: "[[6]]"', 6),
    ('That is all.\n"Rating: [[5]]"', 5),
    ("Rating: [[8]] and again: Rating: [[8]]", 8),
]

UNSCORED = [
    "",
    " \n",
    "$ERROR$",
    "Rating:",
    "Rating: [[rating]]",
    "Rating: [[n]]",
    "Rating: [[-3]]",
    "Rating: [[11]]",
    "Rating: [[10.5]]",
    "Rating: [[1000]]",
    "Rating: [[4/5]]",
    "Rating: [[80/100]]",
    "Rating: [[80%]]",
    "Rating: [[7-8]]",
    "Rating: 7-8",
    "Rating: [[7]] or [[8]]",
    "[[7]] [[8]]",
    "Note: 3 of the facts are wrong.",
    "A footnote: 3",
    "It deserves a 9.",
    "In [8] the claim is refuted.",
    "The matrix [[1, 2], [3, 4]] is wrong.",
    "The list x[[1]] is wrong.",
    'The format is "Rating: [[5]]".',
    "Write '[[5]]' at the end.",
    "<think>Rating: [[5]]",
    "Rating: eight",
    "Rating: [[NaN]]",
    "Rating: [[inf]]",
    "Rating: [[1e1]]",
    "Rating -3",
    '{"rating": 80}',
    '{"rating": true}',
    '{"rating": 8, "score": 3}',
    '{"rating": {"value": 8}}',
    "{" * 5000,
    "`x = [[8]]`",
    "```\nfor i in [[8]]: pass\n```",
    "It cannot get a rating of 10.",
]


@pytest.mark.parametrize(("text", "right"), PUBLISHED + LOCALISED + WRITTEN + CHOSEN)
def test_rating(text: str, right: float | None) -> None:
    verdict = parse_rating(text)
    assert verdict.value == right, verdict
    assert (verdict.reason is None) == (right is not None)


@pytest.mark.parametrize("text", UNSCORED)
def test_unscored_rating_says_why(text: str) -> None:
    verdict = parse_rating(text)
    assert verdict.value is None
    assert verdict.reason


def test_reasons_tell_failures_apart() -> None:
    assert "out of range" in str(parse_rating("Rating: [[85]]").reason)
    assert "another scale" in str(parse_rating("Rating: [[4/5]]").reason)
    assert "side by side" in str(parse_rating("[[7]] [[8]]").reason)
    assert "quoted example" in str(parse_rating("Write '[[5]]'.").reason)
    assert "empty" in str(parse_rating(" ").reason)
    assert "reasoning" in str(parse_rating("<think>[[5]]").reason)


def test_another_scale() -> None:
    assert parse_rating("Rating: [[4/5]]", (1, 5)).value == 4
    assert parse_rating("Rating: [[8]]", (1, 5)).value is None
    assert parse_rating("Rating: [[0]]", (0, 5)).value == 0


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("[[A]]", "A"),
        ("[[B]]", "B"),
        ("Output (a)", "A"),
        ("Output (b).", "B"),
        ("Assistant B", "B"),
        ("Verdict: tie", "tie"),
        ("Verdict: (B)", "B"),
        ('{"reason": "[[A]] is short", "verdict": "B"}', "B"),
        ("Вердикт: [[А]]", "A"),
        ("```python\nx = a[[A]]\n```\nVerdict: [[B]]", "B"),
        ("`y = [[A]]` is wrong, so [[B]]", "B"),
        ("`y = [[A]]` is wrong", None),
        ("Output (a) is better than output (b)", "A"),
        ("[[C]]", "tie"),
        ("[[D]]", "both_bad"),
        ("Urteil: [[ b ]]", "B"),
        ("Verdict : **[[A]]**", "A"),
        ("Veredicto: 【Ａ】", "A"),
        ("Verdetto: [B]", "B"),
        ("Verdict: A", "A"),
        ("Final verdict: B.", "B"),
        ("[[Assistant B]]", "B"),
        ("[[tie]]", "tie"),
        ("[[Gleichstand]]", "tie"),
        ("A", "A"),
        ("[[A]] at first; on reflection [[B]]", "B"),
        ("Verdict: [[A]]. Correction: [[B]]", "B"),
        ('"[[A]]" if assistant A is better, "[[B]]" if B is. Verdict: [[B]]', "B"),
        ("[[A]] if A is better, [[B]] if B is better, [[C]] for a tie. [[D]]", "both_bad"),
        (r"\[\[A\]\]", "A"),
        ("A is good, B is better: [[B]]", "B"),
        ("Assistant A is better.", "A"),
        ("[[A>>B]]", "A"),
        ("[[E]]", None),
        ("[[A]] [[B]]", None),
        ("[[A]] or [[B]]", None),
        ("[[A]] if A is better, [[B]] if B is better, [[C]] for a tie", None),
        ("Verdict: A better answer would name the city.", None),
        ("", None),
        ("[[7]]", None),
    ],
)
def test_preference(text: str, right: str | None) -> None:
    verdict = parse_preference(text)
    assert verdict.value == right, verdict
    assert (verdict.reason is None) == (right is not None)


# fmt: off
PIECES = st.sampled_from([
    "[", "]", "[[", "]]", "8", "10", "0", "-", ",", ".", "/", " ", "\n", "Rating", ":", "A", "B",
    "'", '"', "**", "Bewertung", "if", "out of", "Correction", "<think>", "</think>", "【", "８",
])
# fmt: on


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=30).map("".join)))
def test_never_crashes_and_never_leaves_the_scale(text: str) -> None:
    rating = parse_rating(text)
    assert rating.value is None or 1 <= rating.value <= 10
    assert (rating.value is None) == (rating.reason is not None)
    preference = parse_preference(text)
    assert preference.value in (None, "A", "B", "tie", "both_bad")
    assert (preference.value is None) == (preference.reason is not None)


#: What judges write, and what breaks parsers: code, other scripts, marks, control characters.
SHARDS = """
[[8]]|[[A]]|[[B]]|[[C]]|[[11]]|[[0]]|[[-1]]|[[8/10]]|[[7,5]]|[8]|[[|]]|[|]|8|10|8/10|9.5|A|B|tie|
Rating:|Bewertung:|Note :|Valutazione|Calificación:|评分：|التقييم|Verdict:|Urteil:|score|**|__|`|
```|```python|{answer}|{|}|{"rating": 8}|"rating"|<think>|</think>|if|or|oder|out of|von|(|)|'|"|«|
Correction:|x[[1]]|»|“|”|/|-|–|:|.|,|;|!|=|%|$ERROR$|is|est de|٨|८|８|【|】|é|The assistant wrote|
Die Antwort ist gut|כן|1e9|NaN|99999999|½|א|न""".replace("\n", "").split("|")
SHARDS += "\n\t\r\x00\\\u202e\u200f\u2028\ud800\u0301\ufeff😀"


def generated_replies(count: int) -> Iterator[str]:
    """Texts made of such pieces, and of any characters at all; the same ones every time."""
    draw = random.Random(20)
    for _ in range(count):
        if draw.random() < 0.9:
            joint = draw.choice(["", " ", "\n"])
            yield joint.join(draw.choices(SHARDS, k=draw.randint(1, 12)))
        else:
            yield "".join(chr(draw.randrange(0x110000)) for _ in range(draw.randint(0, 30)))


def test_a_hundred_thousand_replies_and_no_number_off_the_scale() -> None:
    scored = preferred = 0
    for text in generated_replies(100_000):
        rating = parse_rating(text)
        assert rating.value is None or 1 <= rating.value <= 10, (text, rating)
        assert (rating.value is None) == bool(rating.reason), (text, rating)
        preference = parse_preference(text)
        assert preference.value in (None, "A", "B", "tie", "both_bad"), (text, preference)
        assert (preference.value is None) == bool(preference.reason), (text, preference)
        scored += rating.value is not None
        preferred += preference.value is not None
    # Both are read out of some texts, and left unread in most: the generator reaches both sides.
    assert 5_000 < scored < 80_000
    assert 5_000 < preferred < 80_000


@settings(max_examples=50, deadline=None)
@given(st.integers(10, 100), st.text(alphabet=st.characters(categories=["L", "P", "Zs"])))
def test_the_form_asked_for_is_read_after_any_prose(tenths: int, prose: str) -> None:
    rating = parse_rating(f"{prose.replace('<', '')}\nRating: [[{tenths / 10}]]")
    assert rating.value == tenths / 10


@pytest.mark.parametrize(
    "piece",
    [
        "[",
        "]",
        "[[8]]",
        "[[8]] ",
        "Rating: ",
        "Rating: [[",
        "Note ",
        "é",
        "<think>",
        "x=\n",
        "`",
        "```",
        "`[[8]]",
        "{",
        '{"rating":',
        "Rating (",
        "Rating of 8",
        "\x00",
        "\u202e",
        "א",
        "final ",
    ],
)
def test_a_megabyte_costs_no_time(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    start = time.process_time()
    parse_rating(text)
    parse_preference(text)
    assert time.process_time() - start < 30  # quadratic work would take hours


def test_folding() -> None:
    assert fold("Évaluation: 【８】 **bold** \\[x\\]") == "evaluation: [[8]] bold [x]"
    assert "calificacion" in RATING_LABELS


@pytest.mark.real
def test_real_gpt4_judgements_of_mt_bench_x(real_data: Path) -> None:
    rows = []
    for code in ("EN", "DE"):
        path = real_data / f"mt_bench_x/mt_bench_{code}/model_judgment/gpt-4_single.jsonl"
        rows += [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 36
    errors = [row for row in rows if row["judgment"] == "$ERROR$"]
    assert len(errors) == 4
    for row in rows:
        expected = None if row in errors else row["score"]
        assert parse_rating(row["judgment"]).value == expected


@pytest.mark.real
def test_real_pairwise_verdicts_of_llmbar(real_data: Path) -> None:
    """1,600 replies of GPT-4 and ChatGPT; where the pair was swapped, (a) is the second output."""
    seen = 0
    for path in sorted(real_data.glob("llmbar/mt_bench_200/*/*/result.json")):
        for row in json.loads(path.read_text(encoding="utf-8")):
            for order, published in row["results"][-1].items():
                first, second = ("2", "1") if order.endswith("True") else ("1", "2")
                winner = {"A": first, "B": second}.get(
                    str(parse_preference(published["completion"][0]).value)
                )
                assert winner == published["winner"]
                seen += 1
    assert seen == 1600
