"""Questions of one's own: MT-Bench's shape by a map of fields, tables, categories, references."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.options import as_options
from tests.unit.test_preflight import lines, plan_of

from babelmix.cli import main
from babelmix.config.sources import Source
from babelmix.errors import BabelmixError
from babelmix.files.readers import read_rows
from babelmix.io import read_json, read_records
from babelmix.records import Question
from babelmix.sources.adapters import conversations
from babelmix.sources.fetch import fetch
from babelmix.sources.questions import questions
from babelmix.specs import BenchmarkSpec, FetchSpec

MT = {"question_id": 81, "category": "writing", "turns": ["Write a post.", "Now shorter."]}
HUB = {"prompt_id": 81, "category": "writing", "prompt": ["Write.", "Shorter."], "reference": []}


def mapped(**fields: Any) -> Source:
    languages = fields.pop("languages", ["en"])
    return Source.model_validate(
        {
            "adapter": "fields",
            "fields": fields,
            "path": "x",
            "licence": "x",
            "languages": languages,
        }
    )


@pytest.mark.parametrize(
    ("row", "fields"),
    [
        (MT, {"id": "question_id", "turns": "turns"}),
        (HUB, {"id": "prompt_id", "turns": "prompt"}),
        ({**MT, "turns": json.dumps(MT["turns"])}, {"turns": "turns"}),  # as a table has it
    ],
)
def test_the_second_question_is_not_taken_for_the_answer(
    row: dict[str, Any], fields: dict[str, Any]
) -> None:
    with pytest.raises(BabelmixError, match="are they all the user's") as error:
        conversations([row], mapped(**fields), "s", "en", "d", "f")
    assert "speakers: user" in str(error.value)
    assert "adapter: mt_bench" in str(error.value)


def test_dialogues_of_bare_texts_are_read_as_before() -> None:
    row = {"id": 1, "category": "chat", "turns": ["Hi?", "Ho."]}
    (made,) = conversations([row], mapped(turns="turns"), "s", "en", "d", "f").rows
    assert [m.role for m in made.messages] == ["user", "assistant"]
    source = mapped(turns="turns", speakers="alternate")
    (made,) = conversations([MT], source, "s", "en", "d", "f").rows
    assert [m.role for m in made.messages] == ["user", "assistant"]


def test_questions_by_a_map_keep_turns_categories_and_references() -> None:
    source = mapped(
        id="question_id",
        turns="turns",
        speakers="user",
        category="category",
        reference="reference",
    )
    rows = [MT, {**MT, "question_id": "82_EN", "reference": ["First.", "Second."]}]
    first, second = questions(rows, None, source, "en", "f")
    assert (first.question_id, first.category, first.reference) == ("81", "writing", [])
    assert first.turns == MT["turns"]
    assert (second.question_id, second.reference) == ("82", ["First.", "Second."])


def test_a_source_of_questions_in_a_dataset_is_refused(tmp_path: Path) -> None:
    fields = {"turns": "turns", "speakers": "user"}
    source = {"adapter": "fields", "fields": fields, "path": "x.jsonl", "languages": ["en"]}
    with pytest.raises(BabelmixError, match="holds questions"):
        plan_of(tmp_path, sources={"demo-instructions": source})


def test_turns_with_answers_are_no_questions(tmp_path: Path) -> None:
    source = {"adapter": "fields", "fields": {"turns": "turns"}, "path": "x.{lang}.jsonl"}
    with pytest.raises(BabelmixError, match="holds answers as well"):
        plan_of(tmp_path, sources={"demo-benchmark": source})


TABLE = """nr;Sparte;Frage 1;Frage 2;Antwort 1;Antwort 2;Sprache
1;Mathe;Was ist 2 + 3?;Und mal 2?;5;10;de
2;Alltag;Wie koche ich Reis?;;;;de
3;Alltag;How do I boil rice?;;;;en
"""
COLUMNS = {
    "id": "nr",
    "category": "Sparte",
    "turns": ["Frage 1", "Frage 2"],
    "speakers": "user",
    "reference": ["Antwort 1", "Antwort 2"],
}


def test_a_table_of_ones_own_questions_with_categories(tmp_path: Path) -> None:
    path = tmp_path / "fragen.csv"
    path.write_text(TABLE, encoding="utf-8")
    source = mapped(**COLUMNS, where={"Sprache": "{lang}"}, languages=["de"])
    found = questions(read_rows(str(path)), None, source, "de", str(path))
    assert [(q.question_id, q.category, q.turns) for q in found] == [
        ("1", "Mathe", ["Was ist 2 + 3?", "Und mal 2?"]),
        ("2", "Alltag", ["Wie koche ich Reis?"]),
    ]
    assert [q.reference for q in found] == [["5", "10"], []]


def test_the_verb_reads_the_table_and_counts_its_other_rows(tmp_path: Path) -> None:
    path = tmp_path / "fragen.csv"
    path.write_text(TABLE, encoding="utf-8")
    source = mapped(**COLUMNS, where={"Sprache": "{lang}"}, languages=["de"])
    source = source.model_copy(update={"path": str(path)})
    record = fetch(FetchSpec(version=1, name="own", source=source), tmp_path / "raw")
    (tmp_path / "own.json").write_text(json.dumps(record), encoding="utf-8")
    spec = BenchmarkSpec(
        version=1, name="b", lang="de", source=source, dataset=None, languages=["de"],
        questions=None, turns=None, max_question_chars=None, categories=["Mathe"],
    )  # fmt: skip
    files = ["--record", str(tmp_path / "own.json"), "--output", str(tmp_path / "b.parquet")]
    assert main(["benchmark", *as_options(spec.model_dump_json()), *files]) == 0
    (asked,) = read_records(tmp_path / "b.parquet", Question)
    assert asked.turns == ["Was ist 2 + 3?", "Und mal 2?"]
    manifest = read_json(tmp_path / "b.json")
    assert manifest["other_rows"] == 1
    assert manifest["left_out"] == {"other category": 1}


def test_a_wrong_column_of_questions_is_named_with_those_that_there_are(tmp_path: Path) -> None:
    source = mapped(**{**COLUMNS, "category": "Thema"}, languages=["de"])
    path = tmp_path / "fragen.csv"
    path.write_text(TABLE, encoding="utf-8")
    with pytest.raises(BabelmixError, match="row 1: Thema is missing") as error:
        questions(read_rows(str(path)), None, source, "de", str(path))
    assert "It has: nr, Sparte, Frage 1" in str(error.value)


def test_files_by_language_need_an_id(tmp_path: Path) -> None:
    fields = {"prompt": "q", "category": "c"}
    lines(tmp_path / "q.en.jsonl", {"q": "a", "c": "b"})
    source = {"adapter": "fields", "fields": fields, "path": f"{tmp_path}/q.{{lang}}.jsonl"}
    with pytest.raises(BabelmixError, match="name the `id` of a question"):
        plan_of(tmp_path, sources={"demo-benchmark": source})
