"""Rows of a shape of one's own, read by a map of fields."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from babelmix.config.sources import FieldMap, Source
from babelmix.errors import BabelmixError
from babelmix.sources.adapters import Parsed, conversations
from babelmix.sources.fields import MISSING, at


def parse(fields: str, rows: list[Any], lang: str = "en", **more: Any) -> Parsed:
    """``fields`` as it would stand in the YAML."""
    given = {"adapter": "fields", "path": "x", "licence": "CC0", "fields": yaml.safe_load(fields)}
    return conversations(rows, Source.model_validate(given | more), "s", lang, "d", "x")


def turns(parsed: Parsed) -> list[list[tuple[str, str]]]:
    return [[(m.role, m.content) for m in row.messages] for row in parsed.rows]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a", [{"b": "x"}, {"b": "y"}]),
        ("a.0.b", "x"),
        ("a.-1.b", "y"),
        ("a.2.b", MISSING),
        ("a.b", MISSING),
        ("a.0.b.c", MISSING),
        ("with.dots", "z"),
        ("none", None),
        ("none.x", MISSING),
    ],
)
def test_paths(path: str, value: Any) -> None:
    row = {"a": [{"b": "x"}, {"b": "y"}], "with.dots": "z", "none": None}
    assert at(row, path) == value


def test_prompt_of_several_parts_and_a_nested_answer() -> None:
    rows = [
        {"key": 7, "q": {"task": "Sum up."}, "text": "Long.", "answers": [{"text": "L."}]},
        {"key": "x", "q": {"task": "Hi"}, "text": " ", "answers": [{"text": "Ho"}, {"text": "?"}]},
        {"key": "y", "q": {"task": "Hi"}, "answers": []},
    ]
    parsed = parse("{id: key, prompt: [q.task, text], answer: answers.0.text}", rows)
    assert turns(parsed) == [
        [("user", "Sum up.\n\nLong."), ("assistant", "L.")],
        [("user", "Hi"), ("assistant", "Ho")],
    ]
    assert [r.id for r in parsed.rows] == ["7", "x"]
    assert parsed.left_out == {"answers.0.text is missing": 1}


def test_turns_with_roles_of_their_own() -> None:
    rows = [
        {"sys": "Be kind.", "log": [{"who": "Kunde", "t": "q"}, {"who": "Berater", "t": "a"}]},
        {"sys": "", "log": [{"who": "human", "t": "q"}, {"who": "GPT", "t": "a"}]},
        {"log": [{"who": "Chef", "t": "q"}]},
        {"log": []},
    ]
    fields = "{turns: log, role: who, content: t, system: sys, "
    fields += "roles: {Kunde: user, Berater: assistant}}"
    parsed = parse(fields, rows, id_prefix="r")
    assert turns(parsed) == [
        [("system", "Be kind."), ("user", "q"), ("assistant", "a")],
        [("user", "q"), ("assistant", "a")],
    ]
    assert [r.id for r in parsed.rows] == ["r0", "r1"]
    assert parsed.left_out == {
        "who is neither of user and assistant (or system, first)": 1,
        "log is not a list of turns": 1,
    }


def test_bare_texts_take_turns() -> None:
    assert turns(parse("{turns: t}", [{"t": ["q", "a"]}])) == [[("user", "q"), ("assistant", "a")]]


def test_where_keeps_rows_and_counts_the_others() -> None:
    rows = [
        {"q": "a", "a": "b", "lang": "en", "ok": True, "score": 5},
        {"q": "c", "a": "d", "lang": "de", "ok": True, "score": 5},
        {"q": "e", "a": "f", "lang": "en", "ok": "true", "score": "4"},
        {"q": "g", "a": "h", "lang": "en", "ok": False, "score": 4},
        {"q": "i", "a": "j", "lang": "en", "ok": True, "score": 3},
        {"q": "k", "a": "l", "lang": "en", "ok": 1, "score": 4},
    ]
    fields = '{prompt: q, answer: a, where: {lang: "{lang}", ok: true, score: [4, 5]}}'
    parsed = parse(fields, rows)
    assert [r.id for r in parsed.rows] == ["0", "2"]
    assert parsed.left_out == {
        "lang is not as `where` asks": 1,
        "ok is not as `where` asks": 2,
        "score is not as `where` asks": 1,
    }


def test_one_file_with_a_column_a_language() -> None:
    rows = [{"n": 1, "q_en": "Hi", "a_en": "Ho", "q_de": "Hallo", "a_de": "Na"}]
    fields = "{id: n, prompt: 'q_{lang}', answer: 'a_{lang}'}"
    parsed = parse(fields, rows, "de", languages=["en", "de"])
    assert turns(parsed) == [[("user", "Hallo"), ("assistant", "Na")]]
    assert parsed.rows[0].id == "1"


def test_an_id_that_is_named_is_never_a_row_number() -> None:
    """A misspelt id would pair rows of two languages by their place in the files."""
    rows = [{"n": 1, "q": "Hi", "a": "Ho"}, {"n": None, "q": "Hi", "a": "Ho"}]
    parsed = parse("{id: n, prompt: q, answer: a}", rows)
    assert [r.id for r in parsed.rows] == ["1"]
    assert parsed.left_out == {"n is missing": 1}
    with pytest.raises(BabelmixError, match=r"m is missing: 2.*Its first row has: n, q, a\."):
        parse("{id: m, prompt: q, answer: a}", rows)


def test_a_system_prompt_is_kept_or_the_row_is_not() -> None:
    rows = [{"q": "Hi", "a": "Ho", "s": s} for s in ("S", "", None, {"text": "S"})]
    parsed = parse("{prompt: q, answer: a, system: s}", rows)
    assert [len(t) for t in turns(parsed)] == [3, 2, 2]
    assert parsed.left_out == {"system is not text": 1}


def test_whole_numbers_with_a_fraction() -> None:
    rows = [{"q": "Hi", "a": "Ho", "n": n} for n in (4.0, 4, "4", 5, True, None)]
    parsed = parse("{prompt: q, answer: a, where: {n: 4}}", rows)
    assert [r.id for r in parsed.rows] == ["0", "1", "2"]


def test_prompts_alone() -> None:
    parsed = parse("{prompt: q}", [{"q": "Hi"}, {"q": ""}])
    assert turns(parsed) == [[("user", "Hi")]]
    assert parsed.left_out == {"q is empty": 1}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "give either `prompt`"),
        ({"prompt": "q", "turns": "t"}, "give either `prompt`"),
        ({"turns": "t", "answer": "a"}, "`turns` holds the answers itself"),
        ({"prompt": "q", "roles": {"x": "boss"}}, "Input should be 'system', 'user'"),
    ],
)
def test_maps_that_cannot_be(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        FieldMap.model_validate(fields)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"adapter": "fields"}, "go together"),
        ({"adapter": "alpaca", "fields": {"prompt": "q"}}, "go together"),
        ({"adapter": "alpaca", "threads": "best_path"}, "`threads` is for `adapter: oasst` only"),
        ({"adapter": "lima", "mend_references": True}, "`mend_references` is for"),
        ({"adapter": "fields", "fields": {"prompt": "q"}, "languages": ["en", "de"]}, "several"),
    ],
)
def test_options_that_would_do_nothing_are_errors(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Source.model_validate({"path": "x", "licence": "CC0"} | given)
