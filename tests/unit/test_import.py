"""Published judgements and answers brought in, and the tables made from them alone."""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import Any

import pytest

from babelmix.analyse import judgement_tables
from babelmix.answer import importer as answer_importer
from babelmix.errors import BabelmixError
from babelmix.io import read_json, read_records, write_records
from babelmix.judge import reparse
from babelmix.judge.published import importer
from babelmix.records import Answer, Judgement, Question


def call(module: Any, *words: object) -> None:
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    module.run(parser.parse_args([str(word) for word in words]))


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def judgements(folder: Path) -> list[Judgement]:
    files = sorted((folder / "judgements").rglob("*.parquet"))
    return [row for path in files for row in read_records(path, Judgement)]


def table(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def grade(question_id: str, text: str | None, score: float, **more: Any) -> dict[str, Any]:
    row = {"question_id": question_id, "model": "m/1", "judge": ["gpt-4", "single-v1"], "turn": 1}
    return row | {"judgment": text, "score": score} | more


# --- judgements ----------------------------------------------------------------------------------


def test_grades_are_read_anew_and_differences_are_named(tmp_path: Path) -> None:
    rows = [
        grade("81_DE", "Bewertung: [[7,5]]", -1),
        grade("82_DE", "Rating: [[8]]", 8),
        grade("83", "$ERROR$", -1),
        grade("131", "no verdict", -1, turn=2),
        grade("84", "The example '[[5]]'. Rating: [[8]]", 5),
    ]
    call(importer, lines(tmp_path / "a.jsonl", rows), "--output", tmp_path, "--benchmark", "mtb")
    found = {row.question_id: row for row in judgements(tmp_path)}
    assert [found[i].score for i in ("81", "82", "83", "131", "84")] == [7.5, 8, None, None, 8]
    assert [found[i].lang for i in ("81", "83")] == ["de", "en"]
    assert (found["81"].category, found["131"].category) == ("writing", "extraction")
    assert (found["81"].run, found["81"].judge, found["131"].turn) == ("m-1", "gpt-4", 2)
    assert "$ERROR$" in str(found["83"].unscored_reason)
    held = read_json(tmp_path / "import.json")["files"][0]
    assert held["judgements"] == 5
    assert held["scored"] == 3
    assert held["read_as_published"] == 1 + 2  # the two failures are none in both
    assert [row["read"] for row in held["read_otherwise"]] == [7.5, 8]


def test_a_file_without_texts_gives_its_scores(tmp_path: Path) -> None:
    rows = [grade("81", None, 8), grade("82", None, -1), grade("83", None, 85)]
    for row in rows:
        del row["judgment"]
    call(importer, lines(tmp_path / "a.jsonl", rows), "--output", tmp_path)
    assert [row.score for row in judgements(tmp_path)] == [8, None, None]
    assert all(r.unscored_reason for r in judgements(tmp_path)[1:])


def test_pairs_of_fastchat_keep_their_orders(tmp_path: Path) -> None:
    pair = {"question_id": 81, "model_1": "a", "model_2": "b", "judge": ["gpt-4", "pair-v2"]}
    rows = [
        pair
        | {"g1_winner": "model_1", "g1_judgment": "[[A]]", "turn": 1}
        | {"g2_winner": "model_1", "g2_judgment": "[[B]]"},
        pair
        | {"g1_winner": "model_2", "g1_judgment": "[[B]]", "turn": 2}
        | {"g2_winner": "error", "g2_judgment": "$ERROR$"},
    ]
    call(importer, lines(tmp_path / "a.jsonl", rows), "--output", tmp_path, "--benchmark", "mtb")
    found = judgements(tmp_path)
    assert [(r.turn, r.order, r.verdict) for r in found] == [
        (1, "AB", "A"),
        (1, "BA", "B"),
        (2, "AB", "B"),
        (2, "BA", None),
    ]
    held = read_json(tmp_path / "import.json")["files"][0]
    assert held["read_otherwise"] == []
    call(judgement_tables, tmp_path / "judgements", "--folder", tmp_path / "t", "--samples", 50)
    row = table(tmp_path / "t", "preferences")[0]
    assert [row[name] for name in ("wins", "ties", "losses", "unscored")] == ["1", "0", "0", "1"]
    assert table(tmp_path / "t", "coverage")[0]["coverage"] == "0.7500"


def test_an_answer_judged_several_times_counts_once_with_its_last_score(tmp_path: Path) -> None:
    rows = [grade("81", "$ERROR$", -1), grade("81", "[[4]]", 4), grade("81", "[[6]]", 6)]
    rows += [grade("81", "$ERROR$", -1)]
    call(importer, lines(tmp_path / "a.jsonl", rows), "--output", tmp_path)
    assert len(judgements(tmp_path)) == 4
    call(judgement_tables, tmp_path / "judgements", "--folder", tmp_path / "t", "--samples", 50)
    assert table(tmp_path / "t", "grades")[0]["mean"] == "6.0000"
    assert table(tmp_path / "t", "coverage")[0]["coverage"] == "0.5000"


def test_alpaca_eval_and_arena_hard_and_votes(tmp_path: Path) -> None:
    annotation = {"output_1": "x", "output_2": "y", "generator_1": "base", "generator_2": "mine"}
    rows = [
        annotation | {"instruction": f"Do {i}", "preference": value, "annotator": "gpt4"}
        for i, value in enumerate([2, 1, 1.5, None, 1.93, 0, float("nan")])
    ]
    place = tmp_path / "annotations.json"
    place.write_text(json.dumps(rows), encoding="utf-8")
    call(importer, place, "--output", tmp_path / "a")
    found = [r.verdict for r in judgements(tmp_path / "a")]
    assert found == ["A", "B", "tie", None, "A", "tie", None]
    games = [{"judgment": "My verdict: [[B>>A]]", "score": "B>>A"}, {"judgment": "[[A=B]]"}]
    row = {"question_id": "x1", "model": "mine", "judge": "gpt", "games": games}
    call(importer, lines(tmp_path / "h.jsonl", [row]), "--output", tmp_path / "h")
    assert [(r.order, r.verdict) for r in judgements(tmp_path / "h")] == [
        ("BA", "B"),
        ("AB", "tie"),
    ]
    vote = {"question_id": 81, "model_a": "a", "model_b": "b", "judge": "author_1", "turn": 1}
    rows = [vote | {"winner": "model_b"}, vote | {"turn": 2, "winner": "tie (inconsistent)"}]
    call(importer, lines(tmp_path / "v.jsonl", rows), "--output", tmp_path / "v")
    assert [(r.order, r.verdict, r.baseline) for r in judgements(tmp_path / "v")] == [
        ("", "B", "b"),
        ("", "tie", "b"),
    ]


def test_a_csv_with_other_names(tmp_path: Path) -> None:
    place = tmp_path / "x.csv"
    place.write_text(
        'question_id;lang;model_name;judge;reply\n7;fr;m;j;"Note : [[8]]\nbien"\n8;fr;m;j;\n',
        encoding="utf-8",
    )
    call(
        importer, place, "--output", tmp_path, "--format", "records", "--map", "raw=reply",
        "run=model_name",
    )  # fmt: skip
    assert [(r.lang, r.score) for r in judgements(tmp_path)] == [("fr", 8), ("fr", None)]


def test_what_a_user_can_mend(tmp_path: Path) -> None:
    place = lines(tmp_path / "a.jsonl", [{"x": 1}])
    with pytest.raises(BabelmixError, match="no form that we know"):
        call(importer, place, "--output", tmp_path)
    bad = grade("82", "", 1)
    del bad["model"]
    place = lines(tmp_path / "b.jsonl", [grade("81", "", 1), bad])
    with pytest.raises(BabelmixError, match="row 2: no field `model`"):
        call(importer, place, "--output", tmp_path)
    with pytest.raises(BabelmixError, match="no row has a field `nope`"):
        call(importer, place, "--output", tmp_path, "--map", "run=nope")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BabelmixError, match="No judgement file"):
        call(judgement_tables, tmp_path / "empty", "--folder", tmp_path / "t")


def test_the_published_verdict_may_stand_in(tmp_path: Path) -> None:
    place = lines(tmp_path / "a.jsonl", [grade("81", "eight of ten", 8)])
    call(importer, place, "--output", tmp_path / "ours")
    call(importer, place, "--output", tmp_path / "theirs", "--trust-published")
    assert [r.score for r in judgements(tmp_path / "ours")] == [None]
    assert [r.score for r in judgements(tmp_path / "theirs")] == [8]


def test_half_surrogates_and_nuls_are_written(tmp_path: Path) -> None:
    place = tmp_path / "a.jsonl"
    row = json.dumps(grade("81", "x \ud800 \x00 {answer} Rating: [[7]]", 7))
    place.write_text(row + "\n", encoding="utf-8")
    call(importer, place, "--output", tmp_path)
    assert [r.score for r in judgements(tmp_path)] == [7]


def test_reparse_reads_the_raw_text_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = lines(tmp_path / "a.jsonl", [grade("81", "Rating: [[8]]", 8), grade("82", "", -1)])
    call(importer, place, "--output", tmp_path)
    file = next((tmp_path / "judgements").rglob("*.parquet"))
    stale = read_records(file, Judgement)
    stale[0].score, stale[0].unscored_reason = None, "an older parser"
    write_records(file, stale, Judgement)
    call(reparse, file, "--output", tmp_path / "new")
    assert "1 newly scored, 1 unchanged" in capsys.readouterr().out
    again = read_records(tmp_path / "new" / file.parent.name / file.name, Judgement)
    assert [(r.score, r.unscored_reason) for r in again] == [(8, None), (None, "empty reply")]


# --- answers -------------------------------------------------------------------------------------


def test_answers_of_fastchat_with_their_questions(tmp_path: Path) -> None:
    questions = [Question("81", "de", "writing", ["Erst?", "Dann?"])]
    write_records(tmp_path / "q.parquet", questions, Question)
    rows = [
        {
            "question_id": f"{number}_DE",
            "model_id": "m",
            "choices": [{"index": 0, "turns": ["a", "$ERROR$"]}, {"index": 1, "turns": ["c", "d"]}],
        }
        for number in (81, 82)
    ]
    place = lines(tmp_path / "m.jsonl", rows)
    options = ("--output", tmp_path, "--questions", tmp_path / "q.parquet", "--choice", 0)
    call(answer_importer, place, *options)
    found = read_records(tmp_path / "m.parquet", Answer)
    assert [(a.turn, a.text, a.finish_reason, a.question) for a in found] == [
        (1, "a", "stop", "Erst?"),
        (2, "", "error", "Dann?"),
    ]
    counts = read_json(tmp_path / "import.json")
    assert counts["read"] == 8
    assert counts["left_out"] == {
        "another choice of the same question": 4,
        "not a question of the benchmark": 2,
    }


def test_answers_of_alpaca_eval_and_csv_and_doubles(tmp_path: Path) -> None:
    output = {"instruction": "Say {x}", "output": "x", "generator": "g", "dataset": "koala"}
    place = tmp_path / "o.json"
    place.write_text(json.dumps([output]), encoding="utf-8")
    call(answer_importer, place, "--output", tmp_path)
    (answer,) = read_records(tmp_path / "g.parquet", Answer)
    assert (answer.category, answer.question, answer.text) == ("koala", "Say {x}", "x")
    table_ = tmp_path / "t.csv"
    table_.write_text('question_id,turn,run,text\n1,2,r,"a, b"\n', encoding="utf-8")
    call(answer_importer, table_, "--output", tmp_path, "--lang", "sw")
    (answer,) = read_records(tmp_path / "r.parquet", Answer)
    assert (answer.lang, answer.turn, answer.text) == ("sw", 2, "a, b")
    with pytest.raises(BabelmixError, match="twice"):
        call(answer_importer, table_, table_, "--output", tmp_path)
    torn = {"question_id": 81, "model_id": "m", "choices": [{"turns": "one text"}]}
    with pytest.raises(BabelmixError, match="row 1, choice 1: `turns` is to be a list, found str"):
        call(answer_importer, lines(tmp_path / "c.jsonl", [torn]), "--output", tmp_path)


# --- real files ----------------------------------------------------------------------------------


@pytest.mark.real
def test_llmbar_s_published_figures_are_recomputed(real_data: Path, tmp_path: Path) -> None:
    for path in sorted(real_data.glob("llmbar/mt_bench_200/*/*/result.json")):
        call(importer, path, "--output", tmp_path / path.parts[-3] / path.parts[-2])
    folders = sorted(tmp_path.glob("*/*/judgements"))
    call(judgement_tables, *folders, "--folder", tmp_path / "t", "--samples", 50)
    same = {
        (r["judge"], r["against"], r["reading"]): (int(r["same"]), int(r["items"]), r["kappa"])
        for r in table(tmp_path / "t", "judge_agreement")
    }
    for path in sorted(real_data.glob("llmbar/mt_bench_200/*/*/statistics.json")):
        judge = f"{path.parts[-3]}.{path.parts[-2]}"
        published = read_json(path)
        for name, reading in (("False", "AB"), ("True", "BA"), ("both", "both")):
            right = int(published[f"correct_{name}"].split("/")[0])
            assert same[judge, "labels", reading][:2] == (right, 200)
        found, items, kappa = same[judge, judge, "swap"]
        assert (found, items) == (int(published["equal"].split("/")[0]), 200)
        assert float(kappa) == pytest.approx(published["kappa_agreement"], abs=1e-4)
    assert same["GPT-4.Vanilla_NoRules", "labels", "AB"][0] == 159
    assert same["GPT-4.Vanilla_NoRules", "labels", "BA"][0] == 165
    assert same["GPT-4.Vanilla_NoRules", "GPT-4.Vanilla_NoRules", "swap"][0] == 174


@pytest.mark.real
def test_mt_bench_x_s_judgements(real_data: Path, tmp_path: Path) -> None:
    files = sorted(real_data.glob("mt_bench_x/*/model_judgment/*.jsonl"))
    call(importer, *files, "--format", "mt-bench-x", "--output", tmp_path)
    found = judgements(tmp_path)
    assert len(found) == 36
    assert sum(row.score is None for row in found) == 4
    assert {row.lang for row in found} == {"de", "en"}
    for held in read_json(tmp_path / "import.json")["files"]:
        assert held["read_otherwise"] == []
