"""Cut replies are never scored: where judgements are made, where they are re-read, and imported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.loopback import ScriptedServer, text

from babelmix.cli import main
from babelmix.config.evaluation import OpenAIJudge
from babelmix.errors import BabelmixError
from babelmix.io import Journal, read_journal, read_records, write_records
from babelmix.judge.calls import call_key, judge_tasks
from babelmix.judge.published.entry import Entry
from babelmix.judge.published.settle import Setting, read_text
from babelmix.judge.reparse import journal_of, reparse
from babelmix.judge.tasks import Task
from babelmix.records import Answer, Judgement, Question
from babelmix.specs import JudgeSpec


def spec(base_url: str, protocol: str = "single") -> JudgeSpec:
    judge = {"engine": "openai", "model": "m", "base_url": base_url, "structured": "never"}
    baseline = None if protocol == "single" else "other"
    return JudgeSpec.model_validate(
        {"version": 1, "run": "r", "benchmark": "b", "languages": ["en"], "protocol": protocol}
        | {"judge_name": "j", "judge": judge, "baseline": baseline, "all_languages": []}
    )


def tasks() -> list[Task]:
    question = Question("q", "en", "math", ["What is it?"], [])
    answer = Answer("q", "en", "math", 1, "r", "What is it?", "It is.", "stop", 1, 1, "")
    other = Answer("q", "en", "math", 1, "other", "What is it?", "It was.", "stop", 1, 1, "")
    pair: dict[str, Any] = {"baseline": "other", "baseline_answers": (other,), "order": "AB"}
    return [Task(question, 1, answers=(answer,)), Task(question, 1, answers=(answer,), **pair)]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study's folder whose judge answered `[[8]]` and was cut."""
    journal = tmp_path / "journals/judge/b.j.single/r.jsonl"
    with ScriptedServer(lambda request: text("Rating: [[8]]\n\nThe reply is", "length")) as server:
        rows, _ = judge_tasks(spec(server.base_url), tasks()[:1], journal)
    write_records(tmp_path / "judgements/b.j.single/r.parquet", rows, Judgement)
    return tmp_path


def test_a_cut_reply_is_unscored_though_a_grade_stands_in_it(study: Path) -> None:
    (row,) = read_records(study / "judgements/b.j.single/r.parquet", Judgement)
    assert (row.score, row.unscored_reason) == (None, "reply cut off at max_tokens")
    assert row.raw.startswith("Rating: [[8]]")


def test_an_older_judgement_is_re_read_with_its_journal(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = study / "judgements/b.j.single/r.parquet"
    (row,) = read_records(path, Judgement)
    row.score, row.unscored_reason = 8.0, None  # as before cut replies were refused
    write_records(path, [row], Judgement)
    assert journal_of(path) == study / "journals/judge/b.j.single/r.jsonl"
    assert main(["reparse", str(path), "--output", str(study / "new")]) == 0
    assert "1 no longer scored" in capsys.readouterr().out
    (again,) = read_records(study / "new/b.j.single/r.parquet", Judgement)
    assert (again.score, again.unscored_reason) == (None, "reply cut off at max_tokens")


def test_a_judgement_elsewhere_says_that_it_has_no_journal(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (row,) = read_records(study / "judgements/b.j.single/r.parquet", Judgement)
    row.score, row.unscored_reason = 8.0, None
    path = study / "apart.parquet"
    write_records(path, [row], Judgement)
    main(["reparse", str(path)])
    assert "no journal" in capsys.readouterr().out
    journal = study / "journals/judge/b.j.single/r.jsonl"
    main(["reparse", str(path), "--journals", str(journal)])
    assert "1 no longer scored" in capsys.readouterr().out


def test_the_reason_of_an_older_version_keeps_a_cut_reply_unscored() -> None:
    old = Judgement(
        "k", "q", "en", "math", 1, "r", "", "single", "", "j", None, None,
        "reply cut off at max_tokens; no verdict found", "Rating: [[8]]", 1, 1, 0.0,
    )  # fmt: skip
    (again,), _ = reparse([old])
    assert (again.score, again.unscored_reason) == (None, "reply cut off at max_tokens")


def test_an_old_journal_is_re_read_without_a_call(tmp_path: Path) -> None:
    """Entries of before: Arena's tie, which counted as a win, and a reply that was cut."""
    judge = spec("http://127.0.0.1:9/v1", "pairwise")
    assert isinstance(judge.judge, OpenAIJudge)
    from babelmix.judge.calls import render

    (task,) = tasks()[1:]
    key = call_key(judge.judge, render(task, "pairwise", judge.judge.prompt_language))
    for reply, cut, expected in (
        ("My final verdict is tie: [[A=B]]", False, ("tie", "", None)),
        ("Assistant A is much better: [[A>>B]]", False, ("A", "significant", None)),
        ("[[B]] because", True, (None, "", "reply cut off at max_tokens")),
    ):
        path = tmp_path / f"{cut}{len(reply)}.jsonl"
        entry = {"key": key, "text": reply, "truncated": cut, "tokens_in": 1, "tokens_out": 1}
        with Journal(path) as journal:
            journal.append(entry | {"cost": 0.0, "model": "m"})
        (row,), tally = judge_tasks(judge, [task], path)
        assert (row.verdict, row.strength, row.unscored_reason) == expected
        assert (tally.asked, tally.reused) == (0, 1)


def test_a_published_reply_that_says_it_was_cut_is_unscored() -> None:
    entry = Entry("q", "r", "j", text="Rating: [[8]]", finish_reason="length")
    assert read_text(entry, Setting()).value is None
    assert read_text(Entry("q", "r", "j", text="Rating: [[8]]"), Setting()).value == 8


def test_strength_of_files_without_the_column_is_empty(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    row = Judgement("k", "q", "en", "math", 1, "r", "o", "pairwise", "AB", "j", None, "A", None,
                    "[[A>B]]", 1, 1, 0.0, strength="slight")  # fmt: skip
    write_records(tmp_path / "new.parquet", [row], Judgement)
    table = pq.read_table(tmp_path / "new.parquet")
    pq.write_table(table.drop_columns(["strength"]), tmp_path / "old.parquet")
    assert read_records(tmp_path / "new.parquet", Judgement)[0].strength == "slight"
    assert read_records(tmp_path / "old.parquet", Judgement)[0].strength == ""


def test_a_damaged_journal_is_named(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"key": "a", "truncated": true}\nnonsense\n', encoding="utf-8")
    with pytest.raises(BabelmixError, match="line 2 is damaged"):
        read_journal(path)
    path.write_text('{"key": "a", "truncated": true}\n{"key": "b"', encoding="utf-8")
    assert set(read_journal(path)) == {"a"}
