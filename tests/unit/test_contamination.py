"""Benchmark questions in training data: found in any language, near or inside, and listed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.options import as_options

from babelmix.cli import main
from babelmix.io import read_json, read_table, write_json, write_records
from babelmix.mixtures.contamination import normalised
from babelmix.records import Conversation, Message, Question
from babelmix.specs import ContaminationSpec

EN = "Compose an engaging travel blog post about a recent trip to Hawaii, with cultural sights."
DE = "Verfasse einen spannenden Reisebericht über deine letzte Reise nach Hawaii, mit Kultur."
ZH = "请写一篇关于最近夏威夷之旅的精彩旅游博客文章，突出文化体验和必看景点。"


def conversation(row_id: str, lang: str, text: str, more: str = "") -> Conversation:
    messages = [Message("user", text), Message("assistant", "An answer.")]
    if more:
        messages += [Message("user", more), Message("assistant", "Another.")]
    return Conversation(row_id, lang, "d", "s", messages)


def search(
    tmp_path: Path, rows: dict[str, list[Conversation]], **changes: Any
) -> tuple[int, list[dict[str, Any]], dict[str, Any]]:
    questions = [
        *(tmp_path / f"bench.{lang}.parquet" for lang in ("en", "de", "zh")),
        tmp_path / "pool.en.parquet",
    ]
    for file, lang, text in zip(
        questions, ("en", "de", "zh", "en"), (EN, DE, ZH, "Hi!"), strict=True
    ):
        write_records(file, [Question("81", lang, "c", [text, "Why?"])], Question)
    files = []
    for lang, conversations in rows.items():
        files.append(tmp_path / f"d.{lang}.parquet")
        write_records(files[-1], conversations, Conversation)
    fields = {
        "version": 1,
        "dataset": "d",
        "languages": list(rows),
        "on_contamination": "keep",
        "similarity": 0.7,
        "shared_ids": [],
    }
    spec = ContaminationSpec(**(fields | changes))
    status = main(
        [
            *("find-contamination", *as_options(spec.model_dump_json())),
            *("--conversations", *map(str, files), "--questions", *map(str, questions)),
            *("--output", str(tmp_path / "hits.parquet"), "--manifest", str(tmp_path / "m.json")),
        ]
    )
    if status:
        return status, [], {}
    return status, read_table(tmp_path / "hits.parquet").to_pylist(), read_json(tmp_path / "m.json")


def test_copies_are_found_in_every_language_and_turn(tmp_path: Path) -> None:
    rows = {
        "en": [conversation("a", "en", "Hello there", EN.upper()), conversation("b", "en", "Fine")],
        "de": [conversation("a", "de", "Guten Tag"), conversation("b", "de", DE)],
        "zh": [conversation("a", "zh", "你好"), conversation("b", "zh", f"任务：{ZH}谢谢。")],
    }
    _, hits, manifest = search(tmp_path, rows)
    found = {(h["id"], h["lang"], h["question_lang"]) for h in hits}
    assert found == {("a", "en", "en"), ("b", "de", "de"), ("b", "zh", "zh")}
    assert manifest["ids"] == ["a", "b"]
    assert manifest["ids_by_benchmark"] == {"bench": 2}


def test_near_copies_and_questions_inside_longer_turns_are_found(tmp_path: Path) -> None:
    near = EN.replace("recent trip", "recent journey")
    inside = f"You are a writer. {EN} Keep it under three hundred words, and add a title to it."
    other = "Compose an engaging poem about a walk in the hills of Rome, with a rhyme or two."
    rows = {
        "en": [conversation(i, "en", t) for i, t in zip("abc", (near, inside, other), strict=True)]
    }
    _, hits, _ = search(tmp_path, rows)
    assert {h["id"]: round(h["similarity"], 2) for h in hits} == {"a": 0.77, "b": 1.0}
    _, hits, _ = search(tmp_path, rows, similarity=0.8)
    assert {h["id"] for h in hits} == {"b"}


def test_questions_in_answers_and_system_prompts_are_found(tmp_path: Path, capsys: Any) -> None:
    def turns(row_id: str, system: str, user: str, answer: str) -> Conversation:
        texts = (("system", system), ("user", user), ("assistant", answer))
        return Conversation(row_id, "en", "d", "s", [Message(r, t) for r, t in texts if t])

    rows = {
        "en": [
            turns("a", "", "Give me a writing task.", f"Here is one. {EN} Good luck with it!"),
            turns("b", f"The user was asked before: {EN}", "Go on.", "As you like."),
            turns("c", "Be kind.", EN, "Aloha!"),
            turns("d", "Be kind.", "Where is Hawaii?", "In the Pacific, far from any continent."),
        ]
    }
    _, hits, manifest = search(tmp_path, rows)
    assert {(h["id"], h["role"]) for h in hits} == {
        ("a", "assistant"),
        ("b", "system"),
        ("c", "user"),
    }
    assert manifest["ids_by_role"] == {"assistant": 1, "system": 1, "user": 1}
    search(tmp_path, rows, on_contamination="error")
    said = capsys.readouterr().err
    assert "a (en, in an answer): bench question 81 (en), 100%" in said
    assert "b (en, in a system prompt): bench question 81" in said


def test_short_questions_are_found_only_where_they_are_all_of_a_turn(tmp_path: Path) -> None:
    rows = {"en": [conversation("a", "en", "Why, then?"), conversation("b", "en", "why")]}
    _, hits, _ = search(tmp_path, rows)
    assert {h["id"] for h in hits} == {"b"}


def test_an_id_that_is_a_question_of_a_pool_is_found_whatever_its_text(tmp_path: Path) -> None:
    rows = {"en": [conversation("81", "en", "Nothing alike"), conversation("82", "en", "Nor this")]}
    assert search(tmp_path, rows)[1] == []
    _, hits, _ = search(tmp_path, rows, shared_ids=["pool"])
    assert {(h["id"], h["benchmark"]) for h in hits} == {("81", "pool")}


def test_a_breach_is_an_error_that_lists_the_rows(tmp_path: Path, capsys: Any) -> None:
    rows = {"en": [conversation(f"row-{i}", "en", EN) for i in range(12)]}
    status, _, _ = search(tmp_path, rows, on_contamination="error")
    said = capsys.readouterr().err
    assert status == 2
    assert not (tmp_path / "hits.parquet").exists()
    assert "12 of its ids" in said
    assert "row-0 (en): bench question 81 (en), 100%" in said
    assert "`on_contamination: leave_out`" in said


@pytest.mark.parametrize(
    ("policy", "ids", "status"), [("error", [], 0), ("keep", ["a"], 0), ("error", ["a"], 2)]
)
def test_a_mixture_is_cleared_unless_a_pool_holds_what_it_must_not(
    policy: str, ids: list[str], status: int, tmp_path: Path, capsys: Any
) -> None:
    search = {"dataset": "d", "on_contamination": policy, "questions": 80, "ids": ids}
    write_json(tmp_path / "d.json", search)
    record = tmp_path / "m.cleared.json"
    command = ["clear-mixture", "--mixture", "m", "--searches", str(tmp_path / "d.json")]
    assert main([*command, "--output", str(record)]) == status
    if status:
        assert not record.exists()
        assert "dataset 'd' holds 1 benchmark questions (a)" in capsys.readouterr().err
    else:
        assert read_json(record) == {"mixture": "m", "searches": [search]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("It's  3 o'clock!", "it s 3 o clock"), ("日本語 text", "日 本 語 text"), ("¿Qué?", "qué")],
)
def test_words_alone_are_compared(text: str, expected: str) -> None:
    assert normalised(text) == expected
