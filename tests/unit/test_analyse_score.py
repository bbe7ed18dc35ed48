"""Scores without a judge: an empty answer fails, a short one is no evidence."""

import argparse
from pathlib import Path

import pytest
from tests.options import as_options

from babelmix.analyse import score
from babelmix.analyse.language import answer_language
from babelmix.errors import BabelmixError
from babelmix.io import read_records, write_records
from babelmix.records import Answer, Score
from babelmix.specs import ScoreSpec

FIVE = ["en", "de", "fr", "it", "es"]
GERMAN = "Der Zug nach Hamburg fährt heute leider erst um halb neun ab."


def answer(text: str, **changes: object) -> Answer:
    values = {
        "question_id": "q1",
        "lang": "de",
        "category": "writing",
        "turn": 1,
        "run": "tiny.de.short.s0",
        "question": "?",
        "text": text,
        "finish_reason": "stop",
        "n_prompt_tokens": 3,
        "n_tokens": 9,
        "prompt_sha": "0",
    }
    return Answer(**(values | changes))  # type: ignore[arg-type]


def spec(**changes: object) -> ScoreSpec:
    values = {
        "version": 1,
        "run": "tiny.de.short.s0",
        "benchmark": "bench",
        "languages": ["de", "en"],
        "all_languages": FIVE,
    }
    return ScoreSpec.model_validate(values | changes)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GERMAN, (1.0, None)),
        ("The train to Hamburg leaves only at half past eight today.", (0.0, "other language: en")),
        ("", (0.0, "empty")),
        ("  \n ", (0.0, "empty")),
        ("Um neun.", (None, "short")),
        ("```python\nfor value in values:\n    print(value)\n```", (None, "short")),
        (
            f"{GERMAN}\n```python\nfor every_value in all_values: print(every_value)\n```",
            (1.0, None),
        ),
        ("42", (None, "short")),
    ],
)
def test_answer_language(text: str, expected: tuple[float | None, str | None]) -> None:
    assert answer_language(text, "de", FIVE) == expected


def test_a_language_unknown_to_the_identifier_is_not_judged() -> None:
    value, reason = answer_language(GERMAN, "xx", FIVE)
    assert value is None
    assert reason is not None
    assert "unknown" in reason


def test_regions_of_a_language_count_as_one() -> None:
    portuguese = "O comboio para Lisboa parte hoje só às oito e meia da noite."
    assert answer_language(portuguese, "pt-BR", ["en", "pt-BR"]) == (1.0, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b c d e f g", 0.0),
        ("x x x x x x x x", 0.8),
        ("too short", None),
        ("", None),
        ("我喜欢猫我喜欢猫我喜欢猫我喜欢猫", 9 / 13),
    ],
)
def test_repetition(text: str, expected: float | None) -> None:
    found = score.repetition(text)
    assert found == (None if expected is None else pytest.approx(expected))


def test_every_turn_gives_every_metric_once() -> None:
    answers = [answer(GERMAN, turn=2), answer("", finish_reason="length"), answer("x", lang="en")]
    scores = score.score_answers(answers, spec())
    assert len(scores) == 3 * len(score.METRICS)
    by_metric = {(s.lang, s.turn, s.metric): s.value for s in scores}
    assert by_metric["de", 1, "empty"] == 1.0
    assert by_metric["de", 1, "cut"] == 1.0
    assert by_metric["de", 1, "answer_language"] == 0.0
    assert by_metric["de", 2, "length_chars"] == len(GERMAN)
    assert by_metric["en", 1, "answer_language"] is None
    assert all((s.value is None) <= (s.reason is not None) for s in scores)


@pytest.mark.parametrize(
    "answers",
    [
        [answer("x"), answer("y")],
        [answer("x", run="tiny.other.short.s0")],
        [answer("x", lang="fr")],
    ],
)
def test_rows_that_do_not_belong_are_refused(answers: list[Answer]) -> None:
    with pytest.raises(BabelmixError, match="unexpected row"):
        score.score_answers(answers, spec())


def test_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_records(tmp_path / "answers.parquet", [answer(GERMAN)], Answer)
    parser = argparse.ArgumentParser()
    score.add_arguments(parser)
    options = [
        *as_options(spec().model_dump_json()),
        "--answers",
        str(tmp_path / "answers.parquet"),
    ]
    score.run(parser.parse_args([*options, "--output", str(tmp_path / "scores.parquet")]))
    assert len(read_records(tmp_path / "scores.parquet", Score)) == len(score.METRICS)
    assert capsys.readouterr().out.count("\n") == 1
