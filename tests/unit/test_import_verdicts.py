"""What published files say of a verdict: spellings, votes, orders, turns, as published or read."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from published_files import write_json, write_lines

from babelmix.cli import main
from babelmix.io import read_json, read_records, write_records
from babelmix.judge.published.spellings import Reading, Unknown, ambiguous, read_spelling
from babelmix.records import Judgement

Row = dict[str, Any]


def bring(place: Path, *options: object, output: str = "out") -> list[Judgement]:
    """Import a file by the verb; all judgements of the folder, in the order of their questions."""
    folder = place.parent / output
    assert main(["import-judgements", str(place), "--output", str(folder), *map(str, options)]) == 0
    return held(folder)


def held(folder: Path) -> list[Judgement]:
    rows = [
        row
        for p in (folder / "judgements").rglob("*.parquet")
        for row in read_records(p, Judgement)
    ]
    return sorted(rows, key=lambda r: (r.judge, r.question_id, r.lang, r.turn, r.order, r.vote))


def refused(capsys: pytest.CaptureFixture[str], place: Path, *options: object) -> str:
    """The message of an import that must stop, and that it wrote nothing."""
    folder = place.parent / "refused"
    words = ["import-judgements", str(place), "--output", str(folder), *map(str, options)]
    assert main(words) == 2
    assert not folder.exists()
    return capsys.readouterr().err


def table(folder: Path, name: str) -> list[dict[str, str]]:
    words = ["judgement-tables", str(folder / "judgements"), "--folder", str(folder / "t")]
    assert main([*words, "--samples", "50"]) == 0
    with (folder / "t" / f"{name}.csv").open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def pair(number: int, verdict: Any, **more: Any) -> Row:
    row = {"question_id": f"q{number}", "run": "mine", "baseline": "theirs", "judge": "j"}
    return row | {"verdict": verdict} | more


# --- spellings -----------------------------------------------------------------------------------

SPELLINGS: dict[str, tuple[Any, ...]] = {
    "A": (
        *(
            "A",
            "a",
            1,
            "1",
            1.0,
            "[[A]]",
            "**A**",
            "(a)",
            "A>B",
            "A>>B",
            "A > B",
            "B<A",
            "a++",
            "A+",
        ),
        *(
            "1>2",
            "first",
            "left",
            "Assistant A",
            "Response 1",
            "Output (a)",
            "assistant a is better",
        ),
        *(
            "Winner: Assistant 1",
            "win",
            "Win",
            "won",
            "model_a",
            "model_1",
            "Model A",
            "model_a_wins",
        ),
        *("Mine", "mine wins", "Sieg", "gewonnen", "victoire", "victoria", "vittoria", "vitória"),
        *("победа", "胜", "勝ち", "승리", "wygrana", "galibiyet"),
    ),
    "B": (
        *(
            "B",
            "b",
            2,
            "2",
            2.0,
            "[[B]]",
            '"B"',
            "B>A",
            "B>>A",
            "A<B",
            "b+",
            "2>1",
            "second",
            "right",
        ),
        *("Response 2", "Output (b)", "assistant_b", "loss", "lose", "lost", "model_b", "Theirs"),
        *(
            "Niederlage",
            "défaite",
            "derrota",
            "sconfitta",
            "поражение",
            "负",
            "負け",
            "패",
            "baseline",
        ),
    ),
    "tie": (
        *("c", "C", "[[C]]", "tie", "Tie", "draw", "Draw.", "equal", "both", "same", "A=B", "B=A"),
        *(
            "tie (inconsistent)",
            "inconsistent",
            "1.5",
            "unentschieden",
            "égalité",
            "empate",
            "pareggio",
        ),
        *("ничья", "平局", "引き分け", "무승부", "berabere", "remis"),
    ),
    "both_bad": ("D", "d", "neither", "both_bad", "tie (bothbad)", "Both bad", "equally bad"),
    "none": (None, "", "null", "NaN", float("nan"), "error", "$ERROR$", "N/A", "garbage", "skip"),
}


@pytest.mark.parametrize(
    ("value", "side"), [(value, side) for side, values in SPELLINGS.items() for value in values]
)
def test_spellings_are_read(value: Any, side: str) -> None:
    found = read_spelling(value, ("mine", "theirs"))
    assert isinstance(found, Reading)
    assert found.side == side


@pytest.mark.parametrize("value", ["E", "maybe", True, "yes", "A>A", "A/B", "-1", "3", "ab", "[8]"])
def test_other_spellings_are_unknown(value: Any) -> None:
    assert isinstance(read_spelling(value, ("mine", "theirs")), Unknown)


def test_a_name_that_is_the_other_side_s_spelling_is_unknown() -> None:
    assert isinstance(read_spelling("model_a", ("model_b", "model_a")), Unknown)
    assert read_spelling("A", ("A", "B")) == Reading("A")  # the place, as everywhere


@pytest.mark.parametrize(
    ("values", "open_"),
    [
        (["0", 1, 1], {"0", "1"}),
        ([0, 1, 2], set()),
        (["0"], {"0"}),
        (["A", 0], set()),
        ([1, 2], set()),
    ],
)
def test_0_and_1_without_2_may_be_two_things(values: list[Any], open_: set[str]) -> None:
    assert ambiguous(values) == open_


def test_a_a_c_scores_what_it_says(tmp_path: Path) -> None:
    rows = [pair(n, word) for n, word in enumerate("aac")]
    found = bring(write_lines(tmp_path / "v.jsonl", rows), "--benchmark", "b")
    assert [r.verdict for r in found] == ["A", "A", "tie"]
    (row,) = (r for r in table(tmp_path / "out", "preferences") if r["language"] == "all")
    assert [row[name] for name in ("wins", "ties", "losses", "unscored")] == ["2", "1", "0", "0"]
    assert float(row["score"]) == pytest.approx(100 * 2.5 / 3, abs=1e-3)


def test_an_unknown_spelling_stops_the_import(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [pair(n, word) for n, word in enumerate(["A", "better", "worse", "better"])]
    place = write_lines(tmp_path / "v.jsonl", rows)
    said = refused(capsys, place)
    assert "'better' (2), 'worse' (1)" in said
    assert "--verdict-map 'better=A'" in said
    found = bring(place, "--verdict-map", "better=win", "worse=loss")
    assert [r.verdict for r in found] == ["A", "A", "B", "A"]
    for wrong in ("better", "better=good", "=A="):
        assert "--verdict-map" in refused(capsys, place, "--verdict-map", wrong)


def test_a_word_for_a_grade_stops_the_import(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["8", "7,5", "9/10", "excellent", 6, None, -1, "N/A"]
    rows = [{"question_id": n, "run": "m", "score": word} for n, word in enumerate(words)]
    place = write_lines(tmp_path / "g.jsonl", rows)
    assert "'excellent' (1)" in refused(capsys, place)
    found = bring(place, "--verdict-map", "Excellent=10")
    assert [r.score for r in found] == [8, 7.5, 9, 10, 6, None, None, None]
    assert found[7].unscored_reason == "no verdict published: N/A"


def test_0_and_1_stop_an_import_until_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = write_lines(tmp_path / "v.jsonl", [pair(n, n % 2) for n in range(4)])
    assert "'0' (2), '1' (2)" in refused(capsys, place)
    assert [r.verdict for r in bring(place, "--verdict-map", "0=A", "1=B")] == ["A", "B"] * 2
    place = write_lines(tmp_path / "w.jsonl", [pair(n, n % 3) for n in range(3)])
    assert [r.verdict for r in bring(place, output="w")] == ["tie", "A", "B"]


def test_a_word_of_the_run_turns_with_the_order_and_a_place_does_not(tmp_path: Path) -> None:
    rows = [
        pair(n, word, order=order)
        for n, word in enumerate(["win", "A", "mine", "tie"])
        for order in ("AB", "BA")
    ]
    place = write_lines(tmp_path / "v.jsonl", rows)
    shown = [r.verdict for r in bring(place)]
    assert shown == ["A", "B", "A", "A", "A", "B", "tie", "tie"]
    models = [r.verdict for r in bring(place, "--letters", "models", output="m")]
    assert models == ["A", "B", "A", "B", "A", "B", "tie", "tie"]


def test_letters_that_name_models_are_noticed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        pair(n, "A", order=order, raw="[[A]]" if order == "AB" else "[[B]]")
        for n in range(3)
        for order in ("AB", "BA")
    ]
    bring(write_lines(tmp_path / "v.jsonl", rows))
    assert "see --letters models" in capsys.readouterr().out


def test_an_unknown_order_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = write_lines(tmp_path / "v.jsonl", [pair(1, "A", order="2")])
    assert "row 1: `order` is '2'. Allowed: AB" in refused(capsys, place)


# --- votes ---------------------------------------------------------------------------------------


def test_several_votes_under_one_name_all_count(tmp_path: Path) -> None:
    vote = {"model_a": "x", "model_b": "y", "turn": 1}
    rows = [
        vote | {"question_id": 81, "judge": f"author_{n}", "winner": w}
        for n, w in enumerate(["model_a", "model_a", "model_b"])
    ]
    rows += [vote | {"question_id": 82, "judge": "author_0", "winner": "tie (bothbad)"}]
    place = write_lines(tmp_path / "v.jsonl", rows)
    found = bring(place, "--judge", "people", "--benchmark", "mt")
    assert [(r.question_id, r.vote, r.verdict) for r in found] == [
        *(("81", 0, "A"), ("81", 1, "A"), ("81", 2, "B"), ("82", 0, "both_bad"))
    ]
    first = write_lines(
        tmp_path / "g.jsonl", [rows[0] | {"judge": "gpt-4"}, rows[3] | {"judge": "gpt-4"}]
    )
    bring(first, "--benchmark", "mt")
    by_judge = {
        r["judge"]: r for r in table(tmp_path / "out", "preferences") if r["language"] == "all"
    }
    row = by_judge["people"]
    assert [row[name] for name in ("wins", "ties", "losses")] == ["2", "1", "1"]
    assert float(row["score"]) == pytest.approx((100 * 2 / 3 + 50) / 2, abs=1e-3)
    agreement = {
        (r["judge"], r["against"], r["reading"]): r
        for r in table(tmp_path / "out", "judge_agreement")
    }
    row = agreement["gpt-4", "people", "outcome"]
    assert (row["items"], row["same"]) == ("4", "3")
    row = agreement["people", "people", "votes"]
    assert (row["items"], row["same"]) == ("3", "1")


def test_a_member_of_a_jury_is_what_most_of_its_votes_say(tmp_path: Path) -> None:
    base = {"question_id": "q", "model_a": "x", "model_b": "y", "turn": 1}
    rows = [
        base | {"judge": judge, "winner": f"model_{winner}"}
        for judge, winners in (("one", "aab"), ("two", "a"), ("three", "b"))
        for winner in winners
    ]
    bring(write_lines(tmp_path / "v.jsonl", rows), "--benchmark", "b")
    words = ["combine-judgements", str(tmp_path / "out" / "judgements"), "--members"]
    words += ["one", "two", "three", "--output", str(tmp_path / "jury" / "judgements")]
    assert main(words) == 0
    (row,) = held(tmp_path / "jury")
    assert (row.verdict, row.vote) == ("A", 0)


def test_votes_of_several_annotators_of_alpaca_eval(tmp_path: Path) -> None:
    same = {"instruction": "Do it", "output_1": "x", "output_2": "y", "dataset": "koala"}
    rows = [same | {"annotator_index": n, "preference": p} for n, p in enumerate([2, 2, 1, 2])]
    found = bring(write_json(tmp_path / "annotations.json", rows))
    assert [(r.vote, r.verdict, r.judge) for r in found] == [
        *((0, "A", "people"), (1, "A", "people"), (2, "B", "people"), (3, "A", "people"))
    ]


def test_one_hot_winners(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ("winner_model_a", "winner_model_b", "winner_tie")
    rows = [
        {"id": n, "model_a": "x", "model_b": "y"} | {m: int(k == n) for k, m in enumerate(names)}
        for n in range(3)
    ]
    place = write_lines(tmp_path / "arena.jsonl", rows)
    assert [r.verdict for r in bring(place)] == ["A", "B", "tie"]
    write_lines(place, [rows[0] | {"winner_tie": 1}])
    assert "a 1 in exactly one; it has 2" in refused(capsys, place)


# --- rows of other shapes ------------------------------------------------------------------------


def test_both_orders_and_both_turns_in_one_row(tmp_path: Path) -> None:
    rows = [
        {"id": "1", "model": "m", "baseline": "b", "verdict_turn1_ab": "A", "verdict_turn1_ba": "B"}
        | {"verdict_turn2_ab": "tie", "verdict_turn2_ba": None, "raw_turn1_ab": "[[A]]"}
    ]
    found = bring(write_lines(tmp_path / "p.jsonl", rows))
    assert [(r.turn, r.order, r.verdict) for r in found] == [
        *((1, "AB", "A"), (1, "BA", "B"), (2, "AB", "tie"))
    ]
    (file,) = read_json(tmp_path / "out" / "import.json")["files"]
    assert file["missing_parts"] == {"no verdict on turn 2 in order BA": 1}
    rows = [{"question_id": "1", "run": "m", "score_turn1": 7, "score_turn2": 9}]
    found = bring(write_lines(tmp_path / "g.jsonl", rows), output="g")
    assert [(r.turn, r.score) for r in found] == [(1, 7), (2, 9)]


def test_fields_inside_of_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"question_id": n, "result": {"scores": [n, 9], "judge.name": "gpt"}, "meta": {"m": "x/y"}}
        for n in (3, 4)
    ]
    place = write_lines(tmp_path / "n.jsonl", rows)
    names = ("--map", "score=result.scores.0", "run=meta.m", "judge=result.judge.name")
    found = bring(place, *names)
    assert [(r.score, r.run, r.judge) for r in found] == [(3, "x-y", "gpt"), (4, "x-y", "gpt")]
    said = refused(capsys, place, "--map", "score=result.grades.0", "run=meta.m")
    assert "no row has a field `result.grades.0`" in said
    assert "result" in said


def test_score_pairs_in_one_review(tmp_path: Path) -> None:
    same = {"baseline": "b", "run": "m"}
    rows = [
        same | {"question_id": "1", "scores": [8, 7], "raw": "8 7\nThe first is better."},
        same | {"question_id": "2", "scores": "[6.0, 9.0]", "order": "BA"},
        same | {"question_id": "3", "score": [5, 5]},
        same | {"question_id": "4", "scores": [-1, -1], "raw": "I cannot."},
        same | {"question_id": "5", "score": [-1, -1]},
    ]
    found = bring(write_lines(tmp_path / "s.jsonl", rows))
    assert [(r.verdict, r.score_a, r.score_b) for r in found] == [
        *(("A", 8, 7), ("B", 6, 9), ("tie", 5, 5), (None, None, None)),
        (None, None, None),
    ]


def test_weighted_preferences_of_other_files(tmp_path: Path) -> None:
    rows = [
        pair(1, None, weight=0.9),
        pair(2, None, weight=0.3, order="BA"),
        pair(3, None, weight="0.5"),
    ]
    found = bring(write_lines(tmp_path / "w.jsonl", rows))
    assert [(r.verdict, r.weight) for r in found] == [("A", 0.9), ("A", 0.7), ("tie", 0.5)]


def test_evaluators_without_a_text(tmp_path: Path) -> None:
    game = {"swap = False": {"winner": "1", "completion": ""}, "swap = True": {"winner": "2"}}
    row = {"input": "i", "output_1": "x", "output_2": "y", "label": 1, "results": [game]}
    found = bring(write_json(tmp_path / "a" / "b" / "result.json", [row]))
    by_order = {r.order: r.verdict for r in found if r.judge != "labels"}
    # Winners are outputs: the second one won in the exchanged order, where it is shown first.
    assert by_order == {"AB": "A", "BA": "A"}


def test_turns_from_0_in_any_file_of_a_format(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"question_id": 81, "run": "m", "judge": "j", "score": 5}
    write_lines(tmp_path / "first.jsonl", [row | {"turn": 0}])
    second = write_lines(tmp_path / "second.jsonl", [row | {"turn": 1}])
    words = [str(tmp_path / "first.jsonl"), str(second), "--output", str(tmp_path / "out")]
    assert main(["import-judgements", *words]) == 0
    assert [r.turn for r in held(tmp_path / "out")] == [1, 2]
    assert "turns counted from 0" in capsys.readouterr().out
    assert [r.turn for r in bring(second, "--turns-from", 0, output="alone")] == [2]
    assert "numbered 0" in refused(capsys, tmp_path / "first.jsonl", "--turns-from", 1)


def test_json_objects_as_files(tmp_path: Path) -> None:
    by_id = {"81": {"run": "m", "score": 7}, "82": {"run": "m", "score": 8}}
    found = bring(write_json(tmp_path / "o.json", by_id), "--format", "records")
    assert [(r.question_id, r.score) for r in found] == [("81", 7), ("82", 8)]
    plain = {"81": 6, "82": 9}
    place = write_json(tmp_path / "p.json", plain)
    found = bring(place, "--map", "score=value", "--run", "m", "--format", "records", output="p")
    assert [(r.question_id, r.score) for r in found] == [("81", 6), ("82", 9)]
    one = {"question_id": "81", "model": "m", "judge": ["g", "v1"], "score": 4, "judgment": "[[4]]"}
    assert [r.score for r in bring(write_json(tmp_path / "q.json", one), output="q")] == [4]


def test_a_pair_without_its_opponent_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = pair(1, "A")
    del row["baseline"]
    place = write_lines(tmp_path / "v.jsonl", [row])
    assert "but no opponent. Name it by --baseline" in refused(capsys, place)
    assert [r.verdict for r in bring(place, "--baseline", "b")] == ["A"]


# --- as published --------------------------------------------------------------------------------


def test_as_published_is_exactly_as_published(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    same = {"model": "m", "judge": ["gpt-4", "v1"], "turn": 1}
    said = [("81", "Rating: [[8]]", 8), ("82", "Rating: [[2]]", 10), ("83", "eight", 7)]
    said += [("84", "Rating: [[6]]", -1), ("85", "$ERROR$", -1), ("86", "", 85)]
    rows = [same | {"question_id": q, "judgment": text, "score": s} for q, text, s in said]
    place = write_lines(tmp_path / "g.jsonl", rows)
    found = bring(place, "--as-published")
    assert [r.score for r in found] == [8, 10, 7, None, None, 85]
    assert {r.origin for r in found} == {"published"}
    printed = capsys.readouterr().out
    assert "taken as published, 3 of 5 differ from our reading" in printed
    assert "1 grades outside the scale" in printed
    with (tmp_path / "out" / "differences.csv").open(encoding="utf-8", newline="") as handle:
        table_ = list(csv.DictReader(handle))
    assert [(r["question_id"], r["published"], r["read"]) for r in table_] == [
        *(("82", "10.0", "2.0"), ("83", "7.0", ""), ("84", "", "6.0"))
    ]
    # Reading the texts again leaves what was taken as published alone.
    file = next((tmp_path / "out" / "judgements").rglob("*.parquet"))
    assert main(["reparse", str(file), "--output", str(tmp_path / "again")]) == 0
    again = read_records(tmp_path / "again" / file.parent.name / file.name, Judgement)
    assert [r.score for r in again] == [r.score for r in read_records(file, Judgement)]
    read = [r.score for r in bring(place, output="read")]
    assert read == [8, 2, None, 6, None, None]
    limited = bring(place, "--as-published", "--scale", 1, 10, output="limited")
    assert limited[5].unscored_reason == "out of range 1 to 10: 85"


def test_old_files_without_the_new_columns_are_read(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    found = bring(write_lines(tmp_path / "v.jsonl", [pair(1, "A")]), "--benchmark", "b")
    file = next((tmp_path / "out" / "judgements").rglob("*.parquet"))
    new = ["origin", "vote", "weight", "score_a", "score_b", "length_a", "length_b", "strength"]
    pq.write_table(pq.read_table(file).drop_columns(new), file)
    (row,) = read_records(file, Judgement)
    assert (row.origin, row.vote, row.weight) == ("reply", 0, None)
    assert table(tmp_path / "out", "preferences")[0]["wins"] == "1"
    assert found[0].origin == "published"
    write_records(file, [row], Judgement)


def test_a_cut_reply_is_not_scored(tmp_path: Path) -> None:
    text = "I could say Rating: [[3]], but let me think about"
    rows = [
        {"question_id": str(n), "run": "m", "raw": text, "finish_reason": reason}
        for n, reason in enumerate(["length", "max_tokens"])
    ]
    found = bring(write_lines(tmp_path / "c.jsonl", rows))
    assert [r.score for r in found] == [None, None]
