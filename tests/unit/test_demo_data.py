"""The demo's data: parallel, natural in form, and right where that can be computed."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import pytest

from babelmix.langid import identify
from babelmix.resources import RESOURCES

LANGUAGES = ["en", "de", "fr", "it", "es"]


def rows(name: str) -> list[dict[str, Any]]:
    lines = (RESOURCES / "demo" / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


INSTRUCTIONS = rows("instructions.jsonl")
BENCHMARK = rows("benchmark.jsonl")


def protected(text: str) -> Counter[str]:
    pieces = r"```.*?```|`[^`\n]+`|\{\w+\}|https?://\S+|[\w.]+@[\w.]+\w"
    return Counter(re.findall(pieces, text, flags=re.S))


def digits(text: str) -> Counter[str]:
    return Counter(re.sub(r"\D", "", number) for number in re.findall(r"\d[\d.,:]*", text))


def test_there_is_enough_of_it() -> None:
    assert len(INSTRUCTIONS) >= 64
    assert sum(len(row["turns"]) == 4 for row in INSTRUCTIONS) >= 12
    assert len({row["id"] for row in INSTRUCTIONS}) == len(INSTRUCTIONS)
    categories = Counter(q["category"] for q in BENCHMARK)
    assert len(categories) == 8
    assert set(categories.values()) == {2}


@pytest.mark.parametrize("row", INSTRUCTIONS, ids=lambda row: row["id"])
def test_conversations_are_parallel(row: dict[str, Any]) -> None:
    assert [t["role"] for t in row["turns"]] == ["user", "assistant"] * (len(row["turns"]) // 2)
    for turn in row["turns"]:
        assert all(turn[lang].strip() for lang in LANGUAGES)
        for lang in LANGUAGES[1:]:
            assert protected(turn[lang]) == protected(turn["en"])
            assert sum(digits(turn[lang]).values()) >= sum(digits(turn["en"]).values())
            assert turn[lang].count("\n") == turn["en"].count("\n")


@pytest.mark.parametrize("question", BENCHMARK, ids=lambda q: q["question_id"])
def test_questions_are_in_their_languages_with_references_where_due(
    question: dict[str, Any],
) -> None:
    assert len(question["turns"]) == 2
    due = question["category"] in {"reasoning", "math", "coding"}
    assert len(question["reference"]) == (2 if due else 0)
    for turn in question["turns"]:
        for lang in LANGUAGES:
            assert identify(turn[lang]).language == lang


def test_no_benchmark_question_is_a_training_prompt() -> None:
    asked = {t[lang] for q in BENCHMARK for t in q["turns"] for lang in LANGUAGES}
    trained = {t[lang] for row in INSTRUCTIONS for t in row["turns"] for lang in LANGUAGES}
    assert not asked & trained


def test_no_prompt_stands_twice() -> None:
    firsts = [row["turns"][0]["en"] for row in INSTRUCTIONS]
    assert len(set(firsts)) == len(firsts)
