"""Published files as they really are: odd encodings, columns, names, orders and scales."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import Any

import pytest
from published_files import write_lines
from scipy import stats

from babelmix.cli import main
from babelmix.io import read_json, read_records
from babelmix.records import Judgement

Row = dict[str, Any]


def grade(number: int, score: object, **more: Any) -> Row:
    return {"question_id": number, "model": "m", "judge": "j", "score": score} | more


def vote(number: int, first: str, second: str, winner: object, **more: Any) -> Row:
    pair = {"model_a": first, "model_b": second, "winner": winner, "judge": "j"}
    return {"question_id": number} | pair | more


def bring(folder: Path, *words: object, code: int = 0) -> None:
    out = ("--output", folder / "out")
    assert main([str(word) for word in ("import-judgements", *words, *out)]) == code


def rows_of(folder: Path) -> list[Judgement]:
    found = sorted((folder / "out" / "judgements").rglob("*.parquet"))
    return [row for path in found for row in read_records(path, Judgement)]


def table(folder: Path, name: str, *words: str) -> list[dict[str, str]]:
    place = folder / "tables"
    made = ["judgement-tables", str(folder / "out" / "judgements"), "--folder", str(place)]
    assert main([*made, "--samples", "50", *words]) == 0
    if not (place / f"{name}.csv").is_file():
        return []
    with (place / f"{name}.csv").open(encoding="utf-8", newline="") as handle:
        return [row for row in csv.DictReader(handle) if row.get("language", "all") == "all"]


def counts(row: dict[str, str]) -> tuple[int, int, int]:
    return int(row["wins"]), int(row["ties"]), int(row["losses"])


HEADER = "question_id,model,judge,score\n"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-8"])
@pytest.mark.parametrize("zipped", [False, True])
def test_a_table_is_read_in_the_encodings_of_spreadsheets(
    tmp_path: Path, encoding: str, zipped: bool
) -> None:
    data = f'{HEADER}1,mü,j,7\r\n2,mü,j,"8,5"\r\n3,mü,j,\r\n'.encode(encoding)
    path = tmp_path / ("x.csv.gz" if zipped else "x.csv")
    path.write_bytes(gzip.compress(data) if zipped else data)
    bring(tmp_path, path, "--format", "records")
    assert [row.score for row in rows_of(tmp_path)] == [7, 8.5, None]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEADER.replace("model", "mod\xe8le"), "is not UTF-8 (byte 0xe8). Convert the file"),
        (HEADER.strip() + ",score\n1,m,j,5,6\n", "names the column 'score' twice"),
        (HEADER + "1,m,j,5\n2,m\n", "line 3 has fewer cells than the header"),
        (HEADER + "1,m,j,5,6\n", "line 2 has more cells than the header"),
    ],
)
def test_a_broken_table_is_an_error(
    tmp_path: Path, text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.csv").write_bytes(text.encode("cp1252"))
    bring(tmp_path, tmp_path / "x.csv", "--format", "records", code=2)
    assert said in capsys.readouterr().err


def test_text_that_opens_as_utf16_and_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.csv").write_bytes(b"\xff\xfea")
    bring(tmp_path, tmp_path / "x.csv", code=2)
    assert "opens as UTF-16 and is not" in capsys.readouterr().err


def test_ids_that_a_column_with_holes_wrote_as_decimals(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", [vote(n, "m", "b", "model_a") for n in range(3)])
    pair = "m,b,model_a,k"
    (tmp_path / "b.csv").write_text(
        "question_id,model_a,model_b,winner,judge\n" + "".join(f"{n}.0,{pair}\n" for n in range(3))
    )
    bring(tmp_path, tmp_path / "a.jsonl", tmp_path / "b.csv")
    agreed = {(r["judge"], r["items"], r["same"]) for r in table(tmp_path, "judge_agreement")}
    assert agreed == {("j", "3", "3"), ("k", "3", "3")}


@pytest.mark.parametrize(
    ("scores", "scale", "ends"),
    [
        ([1, 1, 1, 1], (0, 1), tuple(stats.binomtest(4, 4).proportion_ci())),
        ([0, 0, 0], (0, 1), tuple(stats.binomtest(0, 3).proportion_ci())),
        ([1, 5], (1, 5), (1, 5)),
        ([70, 80, 90], (0, 100), (80 - 24.84137712, 100)),
    ],
)
def test_intervals_of_grades_keep_to_their_own_scale(
    tmp_path: Path, scores: list[int], scale: tuple[int, int], ends: tuple[float, float]
) -> None:
    path = write_lines(tmp_path / "x.jsonl", [grade(n, s) for n, s in enumerate(scores)])
    bring(tmp_path, path, "--format", "records", "--scale", *scale)
    row = table(tmp_path, "grades")[0]
    assert (float(row["low"]), float(row["high"])) == pytest.approx(ends, abs=1e-4)
    assert row["interval_note"]
    category = table(tmp_path, "grades_by_category")[0]
    assert (category["low"], category["high"]) == (row["low"], row["high"])


def test_the_scale_of_judgements_without_an_import(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "x.jsonl", [grade(n, 1) for n in range(4)])
    bring(tmp_path, path, "--format", "records", "--scale", 0, 1)
    (tmp_path / "out" / "import.json").unlink()
    assert float(table(tmp_path, "grades")[0]["high"]) > 1
    assert float(table(tmp_path, "grades", "--scale", "0", "1")[0]["high"]) == 1


def test_true_and_false_are_grades_of_0_to_1_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [grade(n, value) for n, value in enumerate([True, False, "True", None])]
    path = write_lines(tmp_path / "x.jsonl", rows)
    bring(tmp_path, path, "--format", "records", code=2)
    assert "--verdict-map 'True=10'" in capsys.readouterr().err
    bring(tmp_path, path, "--format", "records", "--scale", 0, 1)
    assert [row.score for row in rows_of(tmp_path)] == [1, 0, 1, None]


def test_votes_that_name_either_model_first_are_one_comparison(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        vote(1, "m", "b", "model_a"),
        vote(2, "b", "m", "model_a"),
        vote(3, "b", "m", "tie"),
        vote(1, "b", "m", "model_b", judge="k"),
        vote(2, "m", "b", "model_b", judge="k"),
    ]
    bring(tmp_path, write_lines(tmp_path / "x.jsonl", rows))
    assert "3 votes turned round" in capsys.readouterr().out
    found = {row["judge"]: counts(row) for row in table(tmp_path, "preferences")}
    assert found == {"j": (1, 1, 1), "k": (1, 0, 1)}
    agreed = {(r["judge"], r["items"], r["same"]) for r in table(tmp_path, "judge_agreement")}
    assert agreed == {("j", "2", "2"), ("k", "2", "2")}
    later = write_lines(tmp_path / "y.jsonl", [vote(4, "b", "m", "model_b")])
    bring(tmp_path, later)
    assert {(row.run, row.baseline) for row in rows_of(tmp_path)} == {("m", "b")}


def test_replies_without_an_order_are_never_turned_by_themselves(tmp_path: Path) -> None:
    rows = [
        {"question_id": 1, "model_a": "m", "model_b": "b", "judge": "j", "raw": "[[A]]"},
        {"question_id": 2, "model_a": "b", "model_b": "m", "judge": "j", "raw": "[[A]]"},
    ]
    path = write_lines(tmp_path / "x.jsonl", rows)
    bring(tmp_path, path, "--format", "records")
    assert {(row.run, row.verdict) for row in rows_of(tmp_path)} == {("m", "A"), ("b", "A")}


@pytest.mark.parametrize("words", [("--run", "m"), ("--baseline", "b")])
def test_a_told_model_takes_its_side(tmp_path: Path, words: tuple[str, str]) -> None:
    rows = [
        vote(1, "b", "m", "model_a"),
        vote(2, "m", "b", "model_a"),
        vote(3, "b", "m", "tie"),
    ]
    bring(tmp_path, write_lines(tmp_path / "x.jsonl", rows), *words)
    assert [counts(row) for row in table(tmp_path, "preferences")] == [(1, 1, 1)]
    assert {(row.run, row.baseline) for row in rows_of(tmp_path)} == {("m", "b")}


def test_a_told_model_takes_its_side_in_both_orders(tmp_path: Path) -> None:
    """FastChat's pairs: model_2 wins in both orders, and is the told run."""
    game = {"question_id": 81, "model_1": "a", "model_2": "c", "judge": ["gpt-4", "pair-v2"]}
    game |= {"g1_winner": "model_2", "g2_winner": "model_2", "turn": 1}
    game |= {"g1_judgment": "[[B]]", "g2_judgment": "[[A]]"}
    path = write_lines(tmp_path / "x.jsonl", [game])
    bring(tmp_path, path, "--run", "c")
    assert [counts(row) for row in table(tmp_path, "preferences")] == [(1, 0, 0)]
    assert {(row.run, row.order, row.verdict) for row in rows_of(tmp_path)} == {
        ("c", "BA", "B"),
        ("c", "AB", "A"),
    }


def test_weighted_preferences_are_turned_with_their_lengths(tmp_path: Path) -> None:
    row = {"instruction": "q", "generator_1": "m", "generator_2": "base", "preference": 1.2}
    row |= {"output_1": "four", "output_2": "seven77", "annotator": "w"}
    bring(tmp_path, write_lines(tmp_path / "x.jsonl", [row]), "--run", "m")
    (found,) = rows_of(tmp_path)
    assert (found.run, found.baseline, found.verdict) == ("m", "base", "A")
    assert found.weight == pytest.approx(0.8)
    assert (found.length_a, found.length_b) == (4, 7)


def test_one_name_never_stands_for_several_models_or_judges(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = [grade(1, 5), grade(1, 9, model="c"), grade(2, 8, model="c")]
    path = write_lines(tmp_path / "m.jsonl", models)
    bring(tmp_path, path, "--format", "records", "--run", "mine", code=2)
    assert "--run gives one name to c, m" in capsys.readouterr().err
    bring(tmp_path, path, "--format", "records", "--run", "mine", "--rows", "model=c")
    assert "left out 1 of the rows: model is not c (--rows)" in capsys.readouterr().out
    assert [(row.run, row.score) for row in rows_of(tmp_path)] == [("mine", 9), ("mine", 8)]
    judges = write_lines(tmp_path / "j.jsonl", [grade(1, 5), grade(1, 9, judge="k")])
    bring(tmp_path, judges, "--format", "records", "--judge", "people", code=2)
    assert "--judge gives one name to j, k" in capsys.readouterr().err
    pairs = [vote(1, "m", "b", "model_a"), vote(2, "c", "b", "model_a")]
    path = write_lines(tmp_path / "p.jsonl", pairs)
    bring(tmp_path, path, "--run", "m", code=2)
    assert "--run gives one name to c, m" in capsys.readouterr().err
    bring(tmp_path, path, "--run", "b", "--baseline", "b", code=2)
    assert "both 'b'" in capsys.readouterr().err


def test_rows_of_a_log_are_chosen_and_the_others_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"spec": {"eval_name": "x"}},
        {"type": "metrics", "sample_id": "s.1", "data": {"score": 1.0}},
        {"type": "sampling", "sample_id": "s.1", "data": {"sampled": ["x"]}},
        {"type": "metrics", "sample_id": "s.2", "data": {"score": 0.0}},
        {"final_report": {"accuracy": 0.5}},
    ]
    path = write_lines(tmp_path / "log.jsonl", rows)
    words = ("--map", "question_id=sample_id", "score=data.score", "--run", "m", "--judge", "e")
    bring(tmp_path, path, "--format", "records", *words, "--scale", 0, 1, "--rows", "type=metrics")
    assert "2 of 5 rows; left out 3 of the rows: type is not metrics" in capsys.readouterr().out
    assert table(tmp_path, "grades")[0]["mean"] == "0.5000"
    bring(tmp_path, path, "--rows", "type=no", code=2)
    assert "no row fits --rows type=no" in capsys.readouterr().err
    bring(tmp_path, path, "--rows", "type", code=2)
    assert "write FIELD=VALUE" in capsys.readouterr().err


def test_pairs_shown_in_one_order_each_are_scored(tmp_path: Path) -> None:
    """Studies shuffle the order: win, loss, win and tie of the run."""
    shown = [("A", "AB"), ("A", "BA"), ("B", "BA"), ("tie", "BA")]
    rows = [
        {"question_id": n, "run": "m", "baseline": "b", "judge": "j", "verdict": v, "order": o}
        for n, (v, o) in enumerate(shown)
    ]
    bring(tmp_path, write_lines(tmp_path / "x.jsonl", rows))
    (row,) = table(tmp_path, "preferences")
    assert (counts(row), row["order_rule"], row["unscored"]) == ((2, 1, 1), "one_order", "0")
    assert row["flipped"] == ""
    both = write_lines(tmp_path / "y.jsonl", [rows[0] | {"order": "BA", "verdict": "B"}])
    bring(tmp_path, both)
    (row,) = table(tmp_path, "preferences")
    assert (counts(row), row["order_rule"], row["unscored"]) == ((1, 0, 0), "strict", "3")


def test_a_run_against_itself_is_left_out_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [vote(1, "m", "m", "tie"), vote(2, "m", "b", "model_a"), vote(3, "m", "m", "model_a")]
    bring(tmp_path, write_lines(tmp_path / "x.jsonl", rows))
    assert "2 of a model against itself (no table compares them)" in capsys.readouterr().out
    assert read_json(tmp_path / "out" / "import.json")["files"][0]["against_itself"] == 2
    assert [counts(row) for row in table(tmp_path, "preferences")] == [(1, 0, 0)]
    assert "votes.j.pairwise.m: left out 2 judgements of m on itself" in capsys.readouterr().out


def test_judges_with_nothing_in_common_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [vote(1, "m", "b", "model_a"), vote(2, "m", "b", "model_a", judge="k")]
    bring(tmp_path, write_lines(tmp_path / "x.jsonl", rows))
    assert not table(tmp_path, "judge_agreement")
    assert "2 pairwise judges, and no answer that two of them judged" in capsys.readouterr().out


def test_more_votes_all_count_and_repeated_grades_do_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    votes = [vote(1, "m", "b", winner) for winner in ("model_a", "model_a", "model_b")]
    bring(tmp_path, write_lines(tmp_path / "x.jsonl", votes))
    said = capsys.readouterr().out
    assert "2 vote on what another row votes on too (all count)" in said
    assert "the last scored one counts" not in said
    assert counts(table(tmp_path, "preferences")[0]) == (2, 0, 1)
    grades = write_lines(tmp_path / "y.jsonl", [grade(1, 5), grade(1, 7)])
    bring(tmp_path, grades, "--format", "records")
    assert "1 judge what another row judges too (the last scored one" in capsys.readouterr().out


def test_a_weight_beyond_its_share_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = {"question_id": 1, "model_a": "m", "model_b": "b", "judge": "j", "weight": 1.7}
    bring(tmp_path, write_lines(tmp_path / "x.jsonl", [pair]), "--format", "records", code=2)
    assert "`weight` is 1.7; it is to be the run's share, 0 to 1" in capsys.readouterr().err
    rows = [
        pair | {"weight": value, "question_id": n} for n, value in enumerate([0.25, None, "nan"])
    ]
    bring(tmp_path, write_lines(tmp_path / "y.jsonl", rows), "--format", "records")
    assert [row.weight for row in rows_of(tmp_path)] == [0.25, None, None]


@pytest.mark.parametrize("same", ["AAB", "ABBB"])
def test_letters_that_name_models_are_hinted_without_replies(
    tmp_path: Path, same: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = {"model_a": "m", "model_b": "b", "judge": "j"}
    rows = [
        {"question_id": n, "verdict_ab": letter, "verdict_ba": letter} | pair
        for n, letter in enumerate(same)
    ]
    bring(tmp_path, write_lines(tmp_path / "x.jsonl", rows), "--format", "records")
    assert "see --letters models" in capsys.readouterr().out
    places = [row | {"verdict_ba": "AB"[row["verdict_ab"] == "A"]} for row in rows]
    out = write_lines(tmp_path / "y.jsonl", places)
    bring(tmp_path, out, "--format", "records", "--replace")
    assert "see --letters models" not in capsys.readouterr().out


def test_grades_on_two_scales_are_no_mean(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    share = write_lines(tmp_path / "share.jsonl", [grade(1, 1)])
    percent = write_lines(tmp_path / "percent.jsonl", [grade(2, 80)])
    bring(tmp_path, share, "--format", "records", "--scale", 0, 1)
    bring(tmp_path, percent, "--format", "records", "--scale", 0, 100, code=2)
    assert "grades of j on a scale of 0 to 100; those of" in capsys.readouterr().err
    assert len(rows_of(tmp_path)) == 1
    bring(tmp_path, percent, "--format", "records", "--scale", 0, 100, "--judge", "k")
    ends = {row["judge"]: row["interval_note"] for row in table(tmp_path, "grades")}
    assert set(ends) == {"j", "k"}
    bring(tmp_path, share, "--format", "records", "--scale", 1, 0, code=2)
    assert "write the lowest grade, then the highest" in capsys.readouterr().err
    words = ["judgement-tables", str(tmp_path / "out"), "--folder", str(tmp_path / "t")]
    assert main([*words, "--scale", "10", "1"]) == 2
