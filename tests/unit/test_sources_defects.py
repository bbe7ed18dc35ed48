"""Defects of MT-Bench's files: found and listed; mended only where asked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from babelmix.errors import BabelmixError
from babelmix.records import Question
from babelmix.sources.defects import (
    KEPT,
    compare_corrections,
    examine,
    judge_prompt_defects,
    read_judge_prompts,
)

CODE = "```python\nprint('sum')  # the sum\n```"
ENGLISH_TURN = "Please rearrange the equations and use other names for the variables."


def question(number: str, lang: str, turns: list[str], reference: list[str]) -> Question:
    return Question(number, lang, "coding", turns, reference)


ENGLISH = [
    question("121", "en", ["Write it.", ENGLISH_TURN], [f"So:\n{CODE}", "No code."]),
    question("111", "en", ["What is the area?"], ["It is 0."]),
    question("95", "en", ["Ich verstehe nur Bahnhof, mein lieber Freund."], []),
]
ITALIAN = [
    question(
        "121",
        "it",
        ["Scrivilo.", ENGLISH_TURN],
        [f"Così:\n{CODE.replace('sum', 'somma')}", "Niente codice."],
    ),
    question("111", "it", ["Qual è l'area?"], ["È 0."]),
    question("95", "it", ["Ich verstehe nur Bahnhof, mein lieber Freund."], []),
]
OWN = {"111": ["È 3."], "121": []}


def test_listed_and_kept_unless_asked() -> None:
    kept, defects = examine(ITALIAN, ENGLISH, OWN, mend=False)
    assert kept == ITALIAN
    # 95 quotes German on purpose: the same text as in English is no defect there.
    assert [(d.kind, d.where, d.done) for d in defects] == [
        ("untranslated turn", "121, turn 2", KEPT),
        ("translated code in a reference", "121, reference 1", KEPT),
        ("wrong reference", "111", KEPT),
    ]


def test_mended_references() -> None:
    kept, defects = examine(ITALIAN, ENGLISH, OWN, mend=True)
    assert kept[0].reference == [f"Così:\n{CODE}", "Niente codice."]
    assert kept[0].turns == ITALIAN[0].turns
    assert kept[1].reference == ["È 3."]
    assert [d.done for d in defects] == [
        KEPT,
        "the English code was put back",
        "the question's own answer is used",
    ]


def test_lost_code_blocks_take_the_english_reference() -> None:
    without = [question("121", "it", ITALIAN[0].turns, ["Così: print()", "Niente codice."])]
    kept, defects = examine(without, ENGLISH, OWN, mend=True)
    assert kept[0].reference == [f"So:\n{CODE}", "Niente codice."]
    assert defects[1].detail == "0 code blocks, the English one has 1"


def test_english_has_the_wrong_reference_too() -> None:
    kept, defects = examine(ENGLISH, None, {"111": ["Area is 3"]}, mend=True)
    assert [d.where for d in defects] == ["111"]
    assert kept[1].reference == ["Area is 3"]
    _, defects = examine(ENGLISH, None, {}, mend=True)
    assert [d.done for d in defects] == [KEPT]


def test_corrections() -> None:
    def made(*turns: str) -> list[Question]:
        return [question(str(n), "de", [t], []) for n, t in enumerate(turns, start=9)]

    listed = [{"question_id": "9_DE"}, {"question_id": "10_DE"}]
    assert compare_corrections(listed, made("a", "b", "c"), made("a", "x", "y")) == {
        "listed": 2,
        "changed": 2,
        "listed_but_the_same": ["9"],
        "changed_but_not_listed": ["11"],
    }


def test_stray_text_before_a_judge_prompt() -> None:
    text = 'gewählt un{"name": "a"}\n\n{"name": "b"}\n'
    prompts, defects = read_judge_prompts(text, "p.jsonl")
    assert [p["name"] for p in prompts] == ["a", "b"]
    assert [(d.detail, d.done) for d in defects] == [
        ("line 1 opens with stray text: 'gewählt un'", "read past it")
    ]
    with pytest.raises(BabelmixError, match=r"p\.jsonl: line 1 is no judge prompt"):
        read_judge_prompts("nothing", "p.jsonl")


def prompt(template: str) -> dict[str, Any]:
    return json.loads(json.dumps({"name": "pair", "prompt_template": template}))


def test_delimiters_and_markers_of_judge_prompts() -> None:
    english = [prompt("[User Question]\n{question}\n<|The End|>\n[Question]\n{answer_a}")]
    french = [prompt("[User Question]\n{question}\n[Question]\n")]
    found = judge_prompt_defects(french, english, "p.jsonl")
    assert [(d.kind, d.detail) for d in found] == [
        ("lost marker", "{answer_a}"),
        ("uneven delimiters", "2 delimiters, the English prompt has 3"),
        ("untranslated delimiter", "[User Question]"),
    ]
    assert judge_prompt_defects(english, english, "p.jsonl") == []
