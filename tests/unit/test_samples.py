"""Several samples of a question: drawn, judged and averaged, and never counted as questions."""

from __future__ import annotations

import argparse
import csv
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import fake_study
import pyarrow.parquet as pq
import pytest
import tiny_model
from tests.loopback import Request, ScriptedServer, text
from tests.options import as_options
from tests.study import mini_config

from babelmix.analyse.score import score_answers
from babelmix.analyse.study import load_study
from babelmix.analyse.tables import build_tables
from babelmix.answer import answer as answer_verb
from babelmix.answer.answer import answer_questions
from babelmix.answer.batches import Prompt, drawn_by, plan_batches
from babelmix.answer.engine import Completion
from babelmix.answer.resume import ResumingEngine
from babelmix.cli import main
from babelmix.config.load import build_config
from babelmix.errors import BabelmixError
from babelmix.io import Journal, digest, read_json, read_records, write_json, write_records
from babelmix.judge import jury, pairs, single
from babelmix.plan import Jobs, Plan, sizes
from babelmix.plan.cost import evaluation_calls
from babelmix.records import Answer, Judgement, Question
from babelmix.report.browser import browser_data
from babelmix.specs import AnswerSpec, ScoreSpec
from babelmix.train.chat import Formatter, template_digest

LANGUAGES = ["de", "en"]


def questions() -> list[Question]:
    return [
        Question("q1", "de", "writing", ["eins", "zwei"]),
        Question("q1", "en", "writing", ["one", "two"]),
        Question("q2", "en", "math", ["only"]),
    ]


def spec(samples: int = 1, **generation: Any) -> AnswerSpec:
    value: dict[str, Any] = {"version": 1, "run": "r", "benchmark": "b", "languages": LANGUAGES}
    value |= {"device": "cpu", "trust_remote_code": False, "system_prompts": {}}
    drawn = {"temperature_by_category": {"writing": 1.0}, "max_new_tokens": 8, "batch_tokens": 512}
    return AnswerSpec.model_validate(
        value | {"generation": drawn | generation | {"samples": samples}}
    )


# --- configuration -------------------------------------------------------------------------------


def benchmark(**generation: Any) -> dict[str, Any]:
    config = mini_config()
    for section in config["benchmarks"].values():
        section["generation"] = section.get("generation", {}) | generation
    return config


def test_samples_that_would_all_be_the_same_are_refused() -> None:
    cold: dict[str, Any] = {"temperature": 0.0, "temperature_by_category": {"math": 0.0}}
    with pytest.raises(BabelmixError, match=r"samples: 3.*`temperature` above 0"):
        build_config(benchmark(samples=3, **cold))
    with pytest.raises(BabelmixError, match="samples"):
        build_config(benchmark(samples=0))
    build_config(benchmark(samples=3, temperature=0.7))
    build_config(benchmark(samples=3, temperature_by_category={"writing": 0.7}))


def test_one_sample_leaves_every_spec_as_it_was() -> None:
    assert "samples" not in spec(1).model_dump_json()
    assert AnswerSpec.model_validate_json(spec(1).model_dump_json()) == spec(1)
    assert json.loads(spec(3).model_dump_json())["generation"]["samples"] == 3
    one, said, three = (
        Jobs(Plan(build_config(benchmark(temperature=0.7, **more))))
        for more in ({}, {"samples": 1}, {"samples": 3})
    )
    job = one.plan.answer_sets()[0]
    assert one.answer(*job) == said.answer(*job) != three.answer(*job)
    assert one.description_digest() == said.description_digest()


def test_plans_and_time_limits_count_every_sample() -> None:
    one, three = (Plan(build_config(benchmark(temperature=1.0, samples=n))) for n in (1, 3))
    for name in one.evaluations:
        assert evaluation_calls(three, name) == 3 * evaluation_calls(one, name) > 0
    for name in one.benchmarks:
        assert sizes.turns_of(three, name) == 3 * sizes.turns_of(one, name)


# --- answers -------------------------------------------------------------------------------------


class Numbered:
    """Says which sample it was asked for, and how long the prompt was."""

    def __init__(self) -> None:
        self.asked: list[Prompt] = []

    def complete(
        self, prompts: Sequence[Prompt], on_done: Callable[[int], object]
    ) -> list[Completion]:
        self.asked += prompts
        on_done(len(prompts))
        return [Completion(f"s{p.sample} n{len(p.ids)}", "stop", 1) for p in prompts]


class Plain:
    """Renders a chat as roles and texts, one token a character."""

    @property
    def control_tokens(self) -> list[str]:
        return []

    def render(self, messages: list[dict[str, str]], *, prompt: bool = False) -> str:
        return "".join(f"{m['role'][0]}:{m['content']};" for m in messages)

    def tokens(self, words: str) -> list[int]:
        return [ord(char) for char in words]


def test_each_sample_is_a_dialogue_of_its_own() -> None:
    engine = Numbered()
    answers = answer_questions(spec(3), questions(), Plain(), engine)
    assert len(answers) == 3 * 5
    held = {(a.lang, a.question_id, a.sample, a.turn): a for a in answers}
    assert list(held) == sorted(held)
    assert len(held) == len(answers)
    for lang, first in (("de", "eins"), ("en", "one")):
        seen = [p.text for p in engine.asked if p.text.startswith(f"u:{first};a:")]
        assert [t.split(";")[1].split()[0] for t in seen] == ["a:s0", "a:s1", "a:s2"]
        assert {held[lang, "q1", k, 2].text[:2] for k in range(3)} == {"s0", "s1", "s2"}
    # Greedy, so asked once: its answer stands for all samples.
    assert sum(p.temperature == 0 for p in engine.asked) == 1
    assert {held["en", "q2", k, 1].text for k in range(3)} == {held["en", "q2", 0, 1].text}
    alone = answer_questions(spec(1), questions(), Plain(), Numbered())
    assert [a for a in answers if a.sample == 0] == alone


def test_batches_and_seeds_of_the_first_sample_know_of_no_other() -> None:
    lengths = [3, 30, 7, 12, 90, 5]
    alone = [Prompt([1] * n, 1.0) for n in lengths]
    both = [Prompt([1] * n, 1.0, sample=k) for n in lengths for k in (0, 1)]
    first, _ = plan_batches(alone, 8, None, 128)
    batches, _ = plan_batches(both, 8, None, 128)
    mine = [batch for batch in batches if batch.sample == 0]
    assert [[both[i] for i in b.indices] for b in mine] == [
        [alone[i] for i in b.indices] for b in first
    ]
    assert all({both[i].sample for i in b.indices} == {b.sample} for b in batches)
    assert drawn_by(7, [[1]], 0) == digest([7, [[1]]])
    assert len({drawn_by(7, [[1]], k) for k in range(4)}) == 4


def test_more_samples_go_on_from_the_journal_of_fewer(tmp_path: Path) -> None:
    few, more = Numbered(), Numbered()
    with Journal(tmp_path / "j.jsonl") as journal:
        answer_questions(spec(2), questions(), Plain(), ResumingEngine(few, journal, "id", 60, 8))
    with Journal(tmp_path / "j.jsonl") as journal:
        resumed = ResumingEngine(more, journal, "id", 60, 8)
        answers = answer_questions(spec(3), questions(), Plain(), resumed)
    assert {p.sample for p in more.asked} == {2}
    assert resumed.reused == len(few.asked)
    assert Counter(a.sample for a in answers) == {0: 5, 1: 5, 2: 5}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model.build(tmp_path_factory.mktemp("tiny"))


def test_the_first_sample_is_what_one_sample_gives(folder: Path, tmp_path: Path) -> None:
    write_records(tmp_path / "q.parquet", questions(), Question)
    template = Formatter.load(folder).template
    write_json(tmp_path / "done.json", {"template_digest": template_digest(template)})

    def answered(samples: int, name: str) -> list[Answer]:
        words = [*as_options(spec(samples).model_dump_json()), "--checkpoint", str(folder)]
        words += ["--completed", str(tmp_path / "done.json"), "--threads", "1"]
        words += ["--questions", str(tmp_path / "q.parquet"), "--output", str(tmp_path / name)]
        words += ["--journal", str(tmp_path / f"{name}.jsonl")]
        parser = argparse.ArgumentParser()
        answer_verb.add_arguments(parser)
        answer_verb.run(parser.parse_args(words))
        return read_records(tmp_path / name, Answer)

    one, three = answered(1, "one.parquet"), answered(3, "three.parquet")
    assert [a for a in three if a.sample == 0] == one
    by_sample = [
        [a.text for a in three if a.sample == k and a.category == "writing"] for k in range(3)
    ]
    assert by_sample[0] != by_sample[1] != by_sample[2] != by_sample[0]
    assert answered(3, "again.parquet") == three


# --- judging -------------------------------------------------------------------------------------


def said(run: str, samples: int, alike: bool = False) -> list[Answer]:
    """A run's answers; ``alike``: all samples of a turn say the same."""
    found = []
    for q in questions():
        for k in range(samples):
            for turn, asked in enumerate(q.turns, start=1):
                words = f"{run} {q.lang} {q.question_id} {turn} says {0 if alike else k}."
                answer = Answer(
                    q.question_id, q.lang, q.category, turn, run, asked, words, "stop", 1, 1, "", k
                )
                found.append(answer)
    return found


def judged(module: Any, tmp_path: Path, judge: dict[str, Any], *more: str) -> list[Judgement]:
    value = {"version": 1, "run": "mine", "benchmark": "b", "languages": LANGUAGES, "judge": judge}
    protocol = "single" if module is single else "pairwise"
    value |= {"protocol": protocol, "judge_name": "j", "baseline": None, "all_languages": LANGUAGES}
    write_records(tmp_path / "q.parquet", questions(), Question)
    words = [*as_options(json.dumps(value)), "--answers", str(tmp_path / "mine.parquet")]
    words += ["--questions", str(tmp_path / "q.parquet"), "--journal", str(tmp_path / "j.jsonl")]
    words += ["--output", str(tmp_path / "out.parquet"), *more]
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    module.run(parser.parse_args(words))
    return read_records(tmp_path / "out.parquet", Judgement)


def served(server: ScriptedServer) -> dict[str, Any]:
    return {
        "engine": "openai",
        "model": "m",
        "base_url": server.base_url,
        "price_in": 0.0,
        "price_out": 10.0,
    }


def test_every_sample_is_graded_and_the_same_words_are_paid_once(tmp_path: Path) -> None:
    write_records(tmp_path / "mine.parquet", said("mine", 3), Answer)
    with ScriptedServer(lambda r: text("Rating: [[7]]")) as server:
        rows = judged(single, tmp_path, served(server))
        assert len(server.requests) == 15
    assert Counter((r.question_id, r.lang, r.turn, r.sample) for r in rows) == Counter(
        (a.question_id, a.lang, a.turn, a.sample) for a in said("mine", 3)
    )
    write_records(tmp_path / "mine.parquet", said("mine", 3, alike=True), Answer)
    with ScriptedServer(lambda r: text("Rating: [[7]]")) as server:
        rows = judged(single, tmp_path, served(server))
        assert not server.requests  # sample 0's words were judged before
    assert len(rows) == 15
    assert sum(row.cost > 0 for row in rows) == 5


def against(tmp_path: Path, samples: int) -> list[str]:
    write_records(tmp_path / "theirs.parquet", said("theirs", samples), Answer)
    named = json.dumps(dict.fromkeys(LANGUAGES, "theirs"))
    return ["--baseline-map", named, "--baseline-answers", str(tmp_path / "theirs.parquet")]


def test_a_sample_meets_the_baseline_s_of_its_number(tmp_path: Path) -> None:
    def script(request: Request) -> Any:
        numbers = {k for k in range(3) if f"says {k}." in request.prompt}
        return text("[[A]]" if len(numbers) == 1 else "two samples in one prompt")

    write_records(tmp_path / "mine.parquet", said("mine", 3), Answer)
    with ScriptedServer(script) as server:
        rows = judged(pairs, tmp_path, served(server), *against(tmp_path, 3))
    assert len(rows) == 2 * 15
    assert all(row.verdict is not None for row in rows)
    assert Counter(row.sample for row in rows) == {0: 10, 1: 10, 2: 10}


def test_a_baseline_with_fewer_samples_leaves_the_others_unscored(tmp_path: Path) -> None:
    write_records(tmp_path / "mine.parquet", said("mine", 2), Answer)
    rows = judged(pairs, tmp_path, {"engine": "rules"}, *against(tmp_path, 1))
    reasons = {(row.sample, row.unscored_reason) for row in rows if row.turn == 1}
    assert reasons == {(0, None), (1, "baseline: no answer to turn 1")}


def test_a_jury_joins_each_sample_by_itself(tmp_path: Path) -> None:
    write_records(tmp_path / "mine.parquet", said("mine", 2), Answer)
    rows = judged(single, tmp_path, {"engine": "rules"})
    other = [replace(row, judge="k", score=10.0 if row.sample else 1.0) for row in rows]
    joint = jury.combine("all", {"j": rows, "k": other})
    assert len(joint) == len(rows)
    for made, row, second in zip(joint, rows, other, strict=True):
        assert made.score == pytest.approx(((row.score or 0) + (second.score or 0)) / 2)


def test_scores_of_every_sample() -> None:
    asked = ScoreSpec(
        version=1, run="r", benchmark="b", languages=LANGUAGES, all_languages=LANGUAGES
    )
    scores = score_answers(said("r", 2), asked)
    assert Counter(score.sample for score in scores) == {0: 40, 1: 40}
    with pytest.raises(BabelmixError, match="unexpected row"):
        score_answers([*said("r", 2), *said("r", 1)], asked)


# --- analysis ------------------------------------------------------------------------------------

#: Columns that count rows, and so grow with the samples; and those of Krippendorff's α, which
#: corrects for the number of values.
COUNTS = {
    "suspected_injections",
    "wins", "ties", "losses", "unscored", "asked", "scored", "judgements", "tokens_in",
    "tokens_out", "dollars", "answers", "abstained", "empty", "values", "preferences", "items",
    "same", "s1_votes", "s2_votes", "tie_discounted_votes", "decided", "right", "wrong", "unsure",
    "not_judged", "judged", "left_out",
}  # fmt: skip


def tables(study: fake_study.FakeStudy) -> dict[str, list[dict[str, Any]]]:
    made = build_tables(
        study.study, study.scores, study.judgements, study.manifests, study.audits, study.metrics,
        humans=study.humans,
    )  # fmt: skip
    return {table.name: table.rows for table in made}


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> fake_study.FakeStudy:
    return fake_study.make(tmp_path_factory.mktemp("once"), questions=5, only=fake_study.FEW)


def test_the_same_again_as_another_sample_changes_no_mean_and_no_interval(
    once: fake_study.FakeStudy, tmp_path: Path
) -> None:
    twice = fake_study.make(tmp_path, questions=5, only=fake_study.FEW)
    fake_study.sample_twice(twice)
    before, after = tables(once), tables(twice)
    assert before.keys() == after.keys()
    compared = 0
    for name, rows in before.items():
        assert len(rows) == len(after[name])
        for row, again in zip(rows, after[name], strict=True):
            for column, value in row.items():
                found = again[column]
                if isinstance(value, float) and column not in COUNTS:
                    near = 0.1 if name == "cross_language" or column.startswith("alpha") else 1e-9
                    assert found == pytest.approx(value, rel=near, abs=near), (name, column)
                    compared += 1
                elif column in COUNTS and found != value:
                    assert found == pytest.approx(2 * value), (name, column)
                elif column not in COUNTS and column != "reasons":
                    assert found == value, (name, column)
    assert compared > 1000
    asked = [sum(row["asked"] for row in held["coverage"]) for held in (before, after)]
    assert asked[1] == 2 * asked[0]


def test_a_question_s_value_is_the_mean_of_its_samples(
    once: fake_study.FakeStudy, tmp_path: Path
) -> None:
    raised = fake_study.make(tmp_path, questions=5, only=fake_study.FEW)
    for path in raised.judgements:
        rows = read_records(path, Judgement)
        more = [replace(r, sample=1, score=None if r.score is None else r.score + 1) for r in rows]
        write_records(path, [*rows, *more], Judgement)
    for row, again in zip(tables(once)["grades"], tables(raised)["grades"], strict=True):
        assert again["mean"] == pytest.approx(row["mean"] + 0.5)
        # Five questions have a t interval, cut at the ends of the scale.
        if row["low"] > 1:
            assert again["low"] == pytest.approx(row["low"] + 0.5)
        if again["high"] < 10:
            assert again["high"] == pytest.approx(row["high"] + 0.5)
        assert row["low"] > 1 or again["high"] < 10
        assert (again["questions"], again["values"]) == (row["questions"], row["values"])


def test_files_of_before_samples_hold_the_first(once: fake_study.FakeStudy, tmp_path: Path) -> None:
    old = fake_study.make(tmp_path, questions=5, only=fake_study.FEW)
    for path in [*old.scores, *old.judgements, *old.answers]:
        pq.write_table(pq.read_table(path).drop_columns(["sample"]), path)
    assert read_records(old.answers[0], Answer) == read_records(once.answers[0], Answer)
    assert tables(old) == tables(once)


def test_people_see_the_first_sample_and_the_page_shows_all(tmp_path: Path) -> None:
    study = fake_study.make(tmp_path, questions=4, only=fake_study.FEW)
    for path in study.answers:
        rows = read_records(path, Answer)
        more = [replace(row, sample=1, text="SECOND") for row in rows]
        write_records(path, [*rows, *more], Answer)
    output = tmp_path / "human"
    words = ["export-human", "--results", str(study.root), "--benchmark", "bench", "--output"]
    pair = "tiny.all-ENDEFR.short.s0:tiny.mono-EN.short.s0"
    assert main([*words, str(output), "--runs", pair, "--questions", "2", "--turns", "1", "2"]) == 0
    assert "SECOND" not in (output / "sheet.csv").read_text(encoding="utf-8")
    with (output / "sheet.csv").open(encoding="utf-8", newline="") as handle:
        assert len(list(csv.DictReader(handle))) > 0

    for path in study.judgements:
        rows_ = read_records(path, Judgement)
        seconds = [replace(row, sample=1, raw="of the second") for row in rows_]
        write_records(path, [*rows_, *seconds], Judgement)
    files = study.questions, study.answers, study.judgements
    (shown,) = browser_data(load_study(study.study), *files, budget=10**9)["benchmarks"]
    for item in shown["items"]:
        for turns in item["answers"].values():
            for first in turns.values():
                (second,) = first["more"]
                assert second["text"] == "SECOND" != first["text"]
                assert len(second["judgements"]) == len(first["judgements"])
                assert {j["raw"] for j in second["judgements"]} == {"of the second"}


# --- import --------------------------------------------------------------------------------------


def test_choices_of_fastchat_are_samples(tmp_path: Path) -> None:
    choices = [{"index": k, "turns": [f"a{k}", f"b{k}"]} for k in range(3)]
    row = {"question_id": 81, "model_id": "m", "choices": choices}
    (tmp_path / "m.jsonl").write_text(json.dumps(row), encoding="utf-8")
    words = ["import-answers", str(tmp_path / "m.jsonl"), "--output", str(tmp_path)]
    assert main(words) == 0
    found = read_records(tmp_path / "m.parquet", Answer)
    assert [(a.sample, a.turn, a.text) for a in found] == [
        (k, turn, f"{letter}{k}") for k in range(3) for turn, letter in ((1, "a"), (2, "b"))
    ]
    assert main([*words[:-1], str(tmp_path / "one"), "--choice", "2"]) == 0
    found = read_records(tmp_path / "one" / "m.parquet", Answer)
    assert [(a.sample, a.text) for a in found] == [(0, "a2"), (0, "b2")]
    counts = read_json(tmp_path / "one" / "import.json")
    assert counts["left_out"] == {"another choice of the same question": 4}
    (tmp_path / "t.csv").write_text("question_id,run,sample,text\n1,c,0,x\n1,c,1,y\n")
    assert main(["import-answers", str(tmp_path / "t.csv"), "--output", str(tmp_path)]) == 0
    assert [a.sample for a in read_records(tmp_path / "c.parquet", Answer)] == [0, 1]
