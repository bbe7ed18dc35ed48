"""judge-single, judge-pairs and choose-baseline as verbs, with a kill in the middle."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.loopback import Action, Request, ScriptedServer, error, text
from tests.options import as_options

from babelmix.errors import BabelmixError
from babelmix.io import Journal, read_json, read_records, write_records
from babelmix.judge import baseline, pairs, single
from babelmix.records import Answer, Judgement, Question
from babelmix.service import CapReachedError, IncompleteError, Ledger

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = ["de", "en"]
RULES = {"engine": "rules"}
SENTENCES = {"de": "Das ist eine gute Antwort auf die Frage.", "en": "This is a good answer to it."}


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("babelmix.service.retry.WAIT_SCALE", 0.001)


def make_questions(count: int = 3) -> list[Question]:
    return [
        Question(f"q{i}", lang, "math", [f"Q{i} {lang} first {{answer}}", "second"], ["R1", "R2"])
        for lang in LANGUAGES
        for i in range(count)
    ]


def make_answers(run: str, questions: list[Question], **special: tuple[str, str]) -> list[Answer]:
    """Answers of a run; ``special`` gives text and finish reason by question id and turn (q0_1)."""
    rows = []
    for q in questions:
        for turn, asked in enumerate(q.turns, start=1):
            said = f"{SENTENCES[q.lang]} {run} {q.question_id} {turn}"
            words, finish = special.get(f"{q.question_id}_{turn}", (said, "stop"))
            place = (q.question_id, q.lang, q.category, turn)
            rows.append(Answer(*place, run, asked, words, finish, 1, 1, ""))
    return rows


def spec(judge: dict[str, Any], run: str = "mine", **changes: Any) -> str:
    value = {"version": 1, "run": run, "benchmark": "b", "languages": LANGUAGES}
    value |= {"protocol": "single", "judge_name": "j", "judge": judge, "baseline": None}
    return json.dumps(value | {"all_languages": LANGUAGES} | changes)


def openai(server: ScriptedServer, **changes: Any) -> dict[str, Any]:
    named = {"engine": "openai", "model": "m", "base_url": server.base_url}
    named |= {"price_in": 0.0, "price_out": 10.0}
    return named | {"concurrency": 2, "max_retries": 1} | changes


class Study:
    """Files of a little study in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.questions = make_questions()
        self.files = []
        for lang in LANGUAGES:
            self.files.append(str(folder / f"b.{lang}.parquet"))
            write_records(self.files[-1], [q for q in self.questions if q.lang == lang], Question)
        self.write("mine")

    def write(self, run: str, **special: tuple[str, str]) -> str:
        path = self.folder / f"{run}.parquet"
        write_records(path, make_answers(run, self.questions, **special), Answer)
        return str(path)

    def words(self, spec_: str, run: str = "mine", *more: str) -> list[str]:
        words = [*as_options(spec_), "--answers", str(self.folder / f"{run}.parquet")]
        words += ["--questions", *self.files, "--journal", str(self.folder / "j.jsonl")]
        words += ["--output", str(self.folder / "out.parquet")]
        return [*words, "--manifest", str(self.folder / "out.json"), *more]

    def judge(self, module: Any, spec_: str, run: str = "mine", *more: str) -> list[Judgement]:
        parser = argparse.ArgumentParser()
        module.add_arguments(parser)
        module.run(parser.parse_args(self.words(spec_, run, *more)))
        return read_records(self.folder / "out.parquet", Judgement)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path)


# --- single --------------------------------------------------------------------------------------


def test_rules_grade_every_turn(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    rows = study.judge(single, spec(RULES))
    assert len(rows) == 12
    assert all(row.score is not None and 1 <= row.score <= 10 for row in rows)
    assert len({row.key for row in rows}) == 12
    assert {(row.order, row.baseline, row.cost) for row in rows} == {("", "", 0.0)}
    assert len(capsys.readouterr().out.splitlines()) == 1
    first = (study.folder / "out.parquet").read_bytes()
    study.judge(single, spec(RULES))
    assert (study.folder / "out.parquet").read_bytes() == first


def test_a_model_grades_in_the_tested_language(study: Study) -> None:
    with ScriptedServer(lambda r: text("Bewertung: [[7,5]]")) as server:
        rows = study.judge(single, spec(openai(server)))
    assert [row.score for row in rows] == [7.5] * 12
    assert sum(row.cost for row in rows) == pytest.approx(12 * 20 * 10 / 1e6)
    systems = [request.body["messages"][0]["content"] for request in server.requests]
    assert sum("unparteiisch" in system for system in systems) == 6
    assert sum("{answer}" in request.prompt for request in server.requests) == 12
    assert all("R1" in request.prompt for request in server.requests)


def test_english_prompts_if_wanted(study: Study) -> None:
    with ScriptedServer(lambda r: text("Rating: [[7]]")) as server:
        study.judge(single, spec(openai(server, prompt_language="en")))
    assert all("impartial" in r.body["messages"][0]["content"] for r in server.requests)


def test_nothing_is_bought_twice_whatever_the_port(study: Study) -> None:
    with ScriptedServer(lambda r: text("Rating: [[7]]")) as server:
        study.judge(single, spec(openai(server)))
    first = (study.folder / "out.parquet").read_bytes()
    with ScriptedServer(lambda r: text("Rating: [[2]]")) as other:
        study.judge(single, spec(openai(other, key_env="OTHER", timeout_s=9.0)))
        assert not other.requests
        assert (study.folder / "out.parquet").read_bytes() == first
        study.judge(single, spec(openai(other, temperature=0.5)))
        assert len(other.requests) == 12
        study.judge(single, spec(openai(other, max_tokens=7)))
        assert len(other.requests) == 24
        study.write("mine", q0_2=("Changed.", "stop"))
        study.judge(single, spec(openai(other)))
        # The second turn of one question in two languages.
        assert len(other.requests) == 26


def test_failed_calls_fail_the_job_and_only_they_are_asked_again(study: Study) -> None:
    def flaky(request: Request) -> Action:
        return error(500) if "Q1 en" in request.prompt else text("Rating: [[7]]")

    with ScriptedServer(flaky) as server:
        with pytest.raises(IncompleteError, match="2 of 12 calls got no reply") as caught:
            study.judge(single, spec(openai(server)))
        assert caught.value.exit_code == 4
        assert not (study.folder / "out.parquet").exists()
        with pytest.raises(IncompleteError):
            study.judge(single, spec(openai(server, accept_failures=0.16)))
        rows = study.judge(single, spec(openai(server, accept_failures=0.17)))
    failed = [row for row in rows if row.score is None]
    assert {(row.question_id, row.lang) for row in failed} == {("q1", "en")}
    assert all("gave up after 2 tries" in str(row.unscored_reason) for row in failed)
    with ScriptedServer(lambda r: text("Rating: [[7]]")) as server:
        rows = study.judge(single, spec(openai(server)))
    assert len(server.requests) == 2
    assert all(row.score == 7 for row in rows)


def test_unreadable_replies_are_unscored_kept_and_not_asked_again(study: Study) -> None:
    with ScriptedServer(lambda r: text("I like it. Rating: [[9]]", "length")) as server:
        rows = study.judge(single, spec(openai(server)))
        study.judge(single, spec(openai(server)))
    assert len(server.requests) == 12
    assert {row.score for row in rows} == {None}
    assert all("cut off at max_tokens" in str(row.unscored_reason) for row in rows)
    assert rows[0].raw == "I like it. Rating: [[9]]"
    counts = read_json(study.folder / "out.json")
    assert counts["judgements"] == 12
    assert counts["scored"] == 0


def test_a_better_parser_costs_no_call(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    from babelmix.judge.verdict import Verdict

    with ScriptedServer(lambda r: text("Eight!")) as server:
        assert study.judge(single, spec(openai(server)))[0].score is None
        monkeypatch.setattr("babelmix.judge.calls.parse_rating", lambda raw, **more: Verdict(8.0))
        assert study.judge(single, spec(openai(server)))[0].score == 8
    assert len(server.requests) == 12


def test_errors_and_missing_answers_are_unscored_and_empty_ones_judged(study: Study) -> None:
    study.write("mine", q0_1=("", "error"), q0_2=("", "error"), q1_1=("", "stop"))
    rows = study.judge(single, spec(RULES))
    by_place = {(row.lang, row.question_id, row.turn): row for row in rows}
    assert "turn 1 was an error" in str(by_place["de", "q0", 1].unscored_reason)
    assert "turn 1 was an error" in str(by_place["de", "q0", 2].unscored_reason)
    assert by_place["de", "q1", 1].score == 1
    held = read_records(study.folder / "mine.parquet", Answer)
    write_records(study.folder / "mine.parquet", held[1:], Answer)
    rows = study.judge(single, spec(RULES))
    assert len(rows) == 12
    assert sum("no answer to turn 1" in str(row.unscored_reason) for row in rows) == 2


def test_doubled_or_foreign_answers_and_unknown_languages_are_errors(study: Study) -> None:
    held = read_records(study.folder / "mine.parquet", Answer)
    write_records(study.folder / "mine.parquet", [*held, held[0]], Answer)
    with pytest.raises(BabelmixError, match="twice"):
        study.judge(single, spec(RULES))
    with pytest.raises(BabelmixError, match="Expected answers of run other"):
        study.judge(single, spec(RULES, run="other"))
    with pytest.raises(BabelmixError, match="No questions in fr"):
        study.judge(single, spec(RULES, languages=["fr"]))
    with pytest.raises(BabelmixError, match="protocol"):
        study.judge(single, spec(RULES, protocol="pairwise"))


def test_a_cap_stops_cleanly_and_a_higher_one_goes_on(study: Study) -> None:
    money = {
        "price_in": 0,
        "price_out": 1e6,
        "max_tokens": 20,
        "confirm_cost": 500.0,
    }  # 20 dollars a call
    with ScriptedServer(lambda r: text("Rating: [[7]]")) as server:
        with pytest.raises(CapReachedError, match=r"raise `judges\.j\.max_cost`"):
            study.judge(single, spec(openai(server, max_cost=100.0, **money)))
        assert len(server.requests) == 5
        assert not (study.folder / "out.parquet").exists()
        rows = study.judge(single, spec(openai(server, max_cost=1000.0, **money)))
    assert all(row.score == 7 for row in rows)
    assert len(server.requests) == 12


def test_a_job_that_costs_more_than_agreed_asks_nothing(study: Study) -> None:
    money = {"price_in": 0, "price_out": 1e5, "max_tokens": 20}  # 2 dollars a call, 24 in all
    with ScriptedServer(lambda r: text("[[7]]")) as server:
        for agreed in ({}, {"confirm_cost": 23.0}):
            with pytest.raises(BabelmixError, match=r"confirm_cost` to at least 24\.00"):
                study.judge(single, spec(openai(server, **money, **agreed)))
        assert not server.requests
        # A job that the cap stops before that needs no more than the cap.
        with pytest.raises(CapReachedError):
            study.judge(single, spec(openai(server, **money, max_cost=4.5)))
        assert len(server.requests) == 2
        study.judge(single, spec(openai(server, **money, confirm_cost=24.0)))
    assert len({request.prompt for request in server.requests}) == 12


def test_a_judge_that_only_fails_leaves_no_number(study: Study) -> None:
    with ScriptedServer(lambda r: text("[[7]]") if r.number < 6 else error(422)) as server:
        rows = study.judge(single, spec(openai(server, concurrency=1)))
    scores = [row.score for row in rows if row.score is not None]
    assert scores == [7.0] * 6
    assert all(row.unscored_reason == "HTTP 422: no" for row in rows if row.score is None)


def test_what_one_job_has_spent_counts_for_the_next(study: Study) -> None:
    """The cap is one over the study set: over all jobs of a judge, and over restarts."""
    money = {"price_in": 0, "price_out": 1e6, "max_tokens": 20, "confirm_cost": 1e4}
    with ScriptedServer(lambda r: text("Rating: [[7]]")) as server:
        study.judge(single, spec(openai(server, max_cost=300.0, **money)))
        words = study.words(spec(openai(server, max_cost=300.0, temperature=0.5, **money)))
        words[words.index("--journal") + 1] = str(study.folder / "another.jsonl")
        parser = argparse.ArgumentParser()
        single.add_arguments(parser)
        with pytest.raises(CapReachedError, match=r"300\.0000 are spent"):
            single.run(parser.parse_args(words))
    assert len(server.requests) == 15
    assert Ledger(study.folder / "spending", "judges.j").total() == 300.0


def test_a_fatal_error_keeps_what_was_bought(study: Study) -> None:
    def script(request: Request) -> Action:
        return error(401) if request.number == 4 else text("Rating: [[7]]")

    with (
        ScriptedServer(script) as server,
        pytest.raises(BabelmixError, match="refused"),
    ):
        study.judge(single, spec(openai(server, concurrency=1)))
    assert not (study.folder / "out.parquet").exists()
    assert len(Journal(study.folder / "j.jsonl").entries) == 4


def test_killed_in_the_middle_no_call_is_bought_twice(study: Study) -> None:
    half = threading.Event()

    def script(request: Request) -> Action:
        if request.number == 6:
            half.set()
        return text("Rating: [[7]]", wait_s=0.05)

    with ScriptedServer(script) as server:
        code = "from babelmix.judge import single as s; import argparse, sys\n"
        code += (
            "p = argparse.ArgumentParser(); s.add_arguments(p); s.run(p.parse_args(sys.argv[1:]))"
        )
        words = study.words(spec(openai(server, concurrency=1)))
        process = subprocess.Popen(
            [sys.executable, "-c", code, *words],
            env=os.environ | {"PYTHONPATH": str(ROOT / "workflow")},
            stdin=subprocess.DEVNULL,
        )
        assert half.wait(60)
        process.send_signal(signal.SIGKILL)
        process.wait()
        journal = study.folder / "j.jsonl"
        bought = {json.loads(line)["key"] for line in journal.read_bytes().splitlines()}
        assert 5 <= len(bought) < 12
        with journal.open("ab") as handle:
            handle.write(b'{"key": "torn')  # as a kill in the middle of a write leaves it
        rows = study.judge(single, spec(openai(server, concurrency=1)))
    assert all(row.score == 7 for row in rows)
    counts = Counter(str(request.body["messages"]) for request in server.finished)
    # What was journalled is never asked again; the call in flight at the kill may be.
    assert len(counts) == 12
    assert sum(counts.values()) <= 13


# --- pairs ---------------------------------------------------------------------------------------

PAIRWISE = {"protocol": "pairwise", "baseline": "language_monolingual"}


def first_is(run: str, other: str) -> Any:
    """A judge that always picks one run, wherever it stands."""

    def script(request: Request) -> Action:
        mine, theirs = (request.prompt.index(f" {name} q") for name in (run, other))
        return text("Verdict: [[A]]" if mine < theirs else "Verdict: [[B]]")

    return script


def test_both_orders_are_asked_and_recorded(study: Study) -> None:
    other = study.write("other")
    options = ["--baseline-map", '{"de": "other", "en": "other"}', "--baseline-answers", other]
    with ScriptedServer(first_is("mine", "other")) as server:
        rows = study.judge(pairs, spec(openai(server), **PAIRWISE), "mine", *options)
    assert len(rows) == len(server.requests) == 24
    verdicts = Counter((row.order, row.verdict) for row in rows if row.turn == 1)
    assert verdicts == {("AB", "A"): 6, ("BA", "B"): 6}
    assert {row.baseline for row in rows} == {"other"}


def test_side_by_side_by_rules_and_the_diagonal(study: Study) -> None:
    german = study.write("german", q0_1=("", "stop"))
    options = ["--baseline-map", '{"de": "german", "en": "mine"}', "--baseline-answers", german]
    wanted = spec(RULES, protocol="side_by_side", baseline="language_monolingual")
    rows = study.judge(pairs, wanted, "mine", *options)
    # English is the run's own language: nothing is asked there.
    assert {row.lang for row in rows} == {"de"}
    assert len(rows) == 12
    picks = {row.order: row.verdict for row in rows if (row.question_id, row.turn) == ("q0", 1)}
    assert picks == {"AB": "A", "BA": "B"}
    wanted = spec(RULES, protocol="side_by_side", baseline="x")
    assert (
        study.judge(pairs, wanted, "mine", "--baseline-map", '{"de": "mine", "en": "mine"}') == []
    )


def test_the_chosen_baseline_is_read_from_its_file(study: Study) -> None:
    files = [study.write("a"), study.write("b")]
    (study.folder / "choice.json").write_text('{"run": "b"}')
    options = ["--baseline-json", str(study.folder / "choice.json"), "--baseline-map", "{}"]
    options += ["--baseline-answers", *files]
    wanted = spec(RULES, protocol="pairwise", baseline="best_monolingual")
    rows = study.judge(pairs, wanted, "mine", *options)
    assert {row.baseline for row in rows} == {"b"}
    assert len(rows) == 24


def test_a_pair_with_an_error_is_unscored_in_both_orders(study: Study) -> None:
    other = study.write("other", q2_2=("", "error"))
    options = ["--baseline-map", '{"de": "other", "en": "other"}', "--baseline-answers", other]
    rows = study.judge(pairs, spec(RULES, **PAIRWISE), "mine", *options)
    unscored = [row for row in rows if row.verdict is None]
    assert len(unscored) == 4
    assert {row.unscored_reason for row in unscored} == {
        "baseline: the answer to turn 2 was an error"
    }


def test_a_missing_baseline_is_an_error(study: Study) -> None:
    with pytest.raises(BabelmixError, match="no baseline for en"):
        study.judge(pairs, spec(RULES, **PAIRWISE), "mine", "--baseline-map", '{"de": "x"}')
    with pytest.raises(BabelmixError, match="not among the files"):
        study.judge(
            pairs, spec(RULES, **PAIRWISE), "mine", "--baseline-map", '{"de": "x", "en": "x"}'
        )
    with pytest.raises(BabelmixError, match="not valid JSON"):
        study.judge(pairs, spec(RULES, **PAIRWISE), "mine", "--baseline-map", "{")


# --- choose-baseline -----------------------------------------------------------------------------


def graded(run: str, scores: dict[str, list[float | None]]) -> list[Judgement]:
    return [
        Judgement(
            *(f"{run}{lang}{i}", f"q{i}", lang, "c", 1, run, "", "single", "", "j", score, None),
            *(None if score is not None else "no verdict found", "", 0, 0, 0.0),
        )
        for lang, values in scores.items()
        for i, score in enumerate(values)
    ]


def test_the_best_mean_over_languages_is_chosen(tmp_path: Path) -> None:
    # Unscored turns neither count as a grade nor shift the weight of a language.
    write_records(
        tmp_path / "a", graded("a", {"de": [8.0, None, None], "en": [4.0] * 3}), Judgement
    )
    write_records(tmp_path / "b", graded("b", {"de": [5.0] * 3, "en": [6.0] * 3}), Judgement)
    chosen = json.dumps({"version": 1, "benchmark": "b", "judge_name": "j", "runs": ["b", "a"]})
    parser = argparse.ArgumentParser()
    baseline.add_arguments(parser)
    files = [str(tmp_path / "a"), str(tmp_path / "b")]
    words = [*as_options(chosen), "--judgements", *files, "--output", str(tmp_path / "out.json")]
    baseline.run(parser.parse_args(words))
    choice = read_json(tmp_path / "out.json")
    assert choice["run"] == "a"
    assert choice["means"] == {"a": 6.0, "b": 5.5}
    assert choice["coverage"] == {"a": pytest.approx(4 / 6), "b": 1.0}


def test_a_run_without_a_grade_cannot_be_weighed() -> None:
    value = {"version": 1, "benchmark": "b", "judge_name": "j", "runs": ["a", "b"]}
    wanted = baseline.BaselineSpec.model_validate(value)
    rows = graded("a", {"de": [8.0]}) + graded("b", {"de": [None]})
    with pytest.raises(BabelmixError, match="no scored grade of b"):
        baseline.choose_baseline(wanted, rows)
