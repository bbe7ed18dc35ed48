"""Imports add to a folder: several files, languages and models; the same thing twice is said."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from published_files import write_json, write_lines

from babelmix.cli import main
from babelmix.io import read_json, read_records
from babelmix.records import Answer, Judgement

Row = dict[str, Any]


def grade(number: int, score: float, **more: Any) -> Row:
    row = {"question_id": 81 + number, "model": "m", "judge": ["gpt-4", "single-v1"], "turn": 1}
    return row | {"judgment": f"Rating: [[{score:g}]]", "score": score} | more


def call(*words: object) -> int:
    return main([str(word) for word in words])


def judgements(folder: Path) -> list[Judgement]:
    found = (folder / "judgements").rglob("*.parquet")
    return [row for path in sorted(found) for row in read_records(path, Judgement)]


def test_a_second_language_does_not_replace_the_first(tmp_path: Path) -> None:
    german = write_lines(tmp_path / "de.jsonl", [grade(n, 8) for n in range(4)])
    french = write_lines(tmp_path / "fr.jsonl", [grade(n, 6) for n in range(3)])
    out = ("--output", tmp_path / "out", "--benchmark", "mt")
    assert call("import-judgements", german, *out, "--lang", "de") == 0
    assert call("import-judgements", french, *out, "--lang", "fr") == 0
    rows = judgements(tmp_path / "out")
    assert Counter(r.lang for r in rows) == {"de": 4, "fr": 3}
    summary = read_json(tmp_path / "out" / "import.json")
    assert [f["file"] for f in summary["files"]] == ["de.jsonl", "fr.jsonl"]
    assert [i["added"] for i in summary["imports"]] == [4, 3]


def test_the_same_twice_is_an_error_or_a_counted_replacement(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = write_lines(tmp_path / "old.jsonl", [grade(n, 8) for n in range(4)])
    new = write_lines(tmp_path / "new.jsonl", [grade(n, 3) for n in range(2, 6)])
    out = ("--output", tmp_path / "out", "--benchmark", "mt")
    assert call("import-judgements", old, *out) == 0
    before = (tmp_path / "out" / "import.json").read_bytes()
    assert call("import-judgements", new, *out) == 2
    said = capsys.readouterr().err
    assert "2 of these judgements are there already" in said
    assert "gpt-4 on m, question 83 (en), turn 1; also in the folder" in said
    assert (tmp_path / "out" / "import.json").read_bytes() == before
    assert [r.score for r in judgements(tmp_path / "out")] == [8] * 4
    assert call("import-judgements", new, *out, "--replace") == 0
    assert "4 judgements added to 1 files" in (printed := capsys.readouterr().out)
    assert "2 replaced" in printed
    found = {r.question_id: r.score for r in judgements(tmp_path / "out")}
    assert found == {"81": 8, "82": 8, "83": 3, "84": 3, "85": 3, "86": 3}
    assert read_json(tmp_path / "out" / "import.json")["imports"][1]["replaced"] == 2


def test_the_same_in_two_files_of_one_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = write_lines(tmp_path / "one.jsonl", [grade(0, 8), grade(1, 8)])
    two = write_lines(tmp_path / "two.jsonl", [grade(1, 2), grade(2, 2)])
    words = ("import-judgements", one, two, "--output", tmp_path / "out")
    assert call(*words) == 2
    assert "two.jsonl: gpt-4 on m, question 82 (en), turn 1; also in an earlier file" in (
        capsys.readouterr().err
    )
    assert not (tmp_path / "out").exists()
    assert call(*words, "--replace") == 0
    assert [r.score for r in judgements(tmp_path / "out")] == [8, 2, 2]
    assert call("import-judgements", one, one, "--output", tmp_path / "x") == 2
    assert "the same file as" in capsys.readouterr().err


def test_repeats_within_a_file_stay_and_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [grade(0, -1, judgment="$ERROR$"), grade(0, 4), grade(0, 6)]
    place = write_lines(tmp_path / "a.jsonl", rows)
    assert call("import-judgements", place, "--output", tmp_path / "out") == 0
    assert "2 judge what another row judges too" in capsys.readouterr().out
    assert len(judgements(tmp_path / "out")) == 3


def test_votes_of_several_files_add_up_but_no_file_counts_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vote = {"question_id": 1, "model_a": "x", "model_b": "y", "judge": "people", "turn": 1}
    one = write_lines(tmp_path / "one.jsonl", [vote | {"winner": "model_a"}] * 2)
    two = write_lines(tmp_path / "two.jsonl", [vote | {"winner": "model_b"}])
    out = ("--output", tmp_path / "out")
    assert call("import-judgements", one, *out) == 0
    assert call("import-judgements", two, *out) == 0
    assert "1 pairs had votes from elsewhere before, all count" in capsys.readouterr().out
    rows = judgements(tmp_path / "out")
    assert [(r.vote, r.verdict) for r in rows] == [(0, "A"), (1, "A"), (2, "B")]
    copy = write_lines(tmp_path / "copy.jsonl", [vote | {"winner": "model_b"}])
    for again in ((two,), (copy,)):
        assert call("import-judgements", *again, *out) == 2
        assert "are there already" in capsys.readouterr().err
    assert call("import-judgements", two, copy, "--output", tmp_path / "new") == 2
    assert len(judgements(tmp_path / "out")) == 3


def test_labels_that_are_there_already_are_left_out_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for judge, winner in (("a", "1"), ("b", "2")):
        game = {"swap = False": {"winner": winner}, "swap = True": {"winner": winner}}
        row = {"input": "i", "output_1": "x", "output_2": "y", "label": 1, "results": [game]}
        place = write_json(tmp_path / "GPT" / judge / "result.json", [row])
        assert call("import-judgements", place, "--output", tmp_path / "out") == 0
    assert "1 labels left out: there already" in capsys.readouterr().out
    assert Counter(r.judge for r in judgements(tmp_path / "out")) == {
        "labels": 1,
        "GPT.a": 2,
        "GPT.b": 2,
    }


@pytest.mark.parametrize(
    ("options", "langs"),
    [
        (("--lang", "field:tongue"), ["de", "de", "fr", "fr"]),
        (("--lang", "path:judged_{lang}.jsonl"), ["de", "de", "it", "it"]),
        (("--from-path", "{run}/judged_{lang}.jsonl"), ["de", "de", "it", "it"]),
    ],
)
def test_languages_and_models_of_several_files(
    tmp_path: Path, options: tuple[str, ...], langs: list[str]
) -> None:
    words = {"de": "German", "it": "fra"}
    for code, name in words.items():
        rows = [grade(n, 5, tongue=name) for n in range(2)]
        write_lines(tmp_path / f"model-{code}" / f"judged_{code}.jsonl", rows)
    files = sorted(tmp_path.glob("*/*.jsonl"))
    assert call("import-judgements", *files, "--output", tmp_path / "out", *options) == 0
    rows = judgements(tmp_path / "out")
    assert sorted(r.lang for r in rows) == langs
    if options[0] == "--from-path":  # the last part of the path that fits, not a folder above
        assert {(r.run, r.lang) for r in rows} == {("model-de", "de"), ("model-it", "it")}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--lang", "Klingonish"), "'Klingonish' names no language"),
        (("--lang", "path:*.jsonl"), "`path:PATTERN` with {lang}"),
        (("--lang", "field:language"), "row 1: --lang field:language: the row has no such value"),
        (("--lang", "path:x_{lang}.jsonl"), "does not fit 'x_{lang}.jsonl'"),
        (("--from-path", "*.jsonl"), "names nothing"),
        (("--from-path", "{run}/{run}/*"), "names {run} twice"),
        (("--map", "run"), "write OURS=THEIRS"),
        (("--map", "scroe=score"), "'scroe' is no name of ours"),
    ],
)
def test_options_that_say_nothing_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], said: str
) -> None:
    place = write_lines(tmp_path / "a.jsonl", [grade(0, 5)])
    assert call("import-judgements", place, "--output", tmp_path / "out", *options) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_row_s_own_language_counts_in_every_format(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = write_lines(tmp_path / "a.jsonl", [grade(0, 5, language="French"), grade(1, 5)])
    assert call("import-judgements", place, "--output", tmp_path / "out") == 0
    assert sorted(r.lang for r in judgements(tmp_path / "out")) == ["en", "fr"]
    place = write_lines(tmp_path / "b.jsonl", [grade(0, 5, language="Objective-C++")])
    assert call("import-judgements", place, "--output", tmp_path / "b") == 2
    assert "'Objective-C++' names no language" in capsys.readouterr().err
    assert call("import-judgements", place, "--output", tmp_path / "b", "--lang", "de") == 0
    assert [r.lang for r in judgements(tmp_path / "b")] == ["de"]


def test_two_names_that_would_be_one_file_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [grade(0, 5, model="org/m"), grade(0, 7, model="org-m")]
    place = write_lines(tmp_path / "a.jsonl", rows)
    assert call("import-judgements", place, "--output", tmp_path / "out") == 2
    assert "'org/m' and 'org-m' would both be written as 'org-m'" in capsys.readouterr().err


def test_benchmarks_of_folders(tmp_path: Path) -> None:
    for name in ("mt", "vicuna"):
        write_lines(tmp_path / name / "gpt-4_single.jsonl", [grade(0, 5)])
    pattern = ("--from-path", "{benchmark}/*_single.jsonl")
    assert call("import-judgements", *sorted(tmp_path.glob("*/*.jsonl")), "--output",
                tmp_path / "out", *pattern) == 0  # fmt: skip
    assert sorted(p.name for p in (tmp_path / "out" / "judgements").iterdir()) == [
        "mt.gpt-4.single",
        "vicuna.gpt-4.single",
    ]


def test_rows_without_a_verdict_are_left_out_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"question_id": 81, "model_1": "x", "model_2": "y", "judge": "j", "turn": 1}
    rows = [names | {"g1_winner": "model_1", "g2_winner": "model_2"}, names | {"g1_winner": None}]
    place = write_lines(tmp_path / "p.jsonl", rows)
    assert call("import-judgements", place, "--output", tmp_path / "out") == 0
    assert "1 of 2 rows; left out 1 of the rows: no verdict in order AB" in capsys.readouterr().out
    (file,) = read_json(tmp_path / "out" / "import.json")["files"]
    assert (file["rows"], file["rows_used"]) == (2, 1)
    assert file["rows_left_out"] == {"no verdict in order AB": 1}


# --- answers -------------------------------------------------------------------------------------


def test_answers_add_up_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def answers(lang: str, numbers: range, text: str) -> Path:
        rows = [
            {"question_id": n, "model_id": "m", "choices": [{"turns": [f"{text} {n}"]}]}
            for n in numbers
        ]
        return write_lines(tmp_path / f"{lang}.jsonl", rows)

    out = ("--output", tmp_path / "out")
    german = answers("de", range(320), "Antwort")
    assert call("import-answers", german, *out, "--lang", "de") == 0
    assert call("import-answers", answers("fr", range(300), "Réponse"), *out, "--lang", "fr") == 0
    rows = read_records(tmp_path / "out" / "m.parquet", Answer)
    assert Counter(a.lang for a in rows) == {"de": 320, "fr": 300}
    assert read_json(tmp_path / "out" / "import.json")["answers"] == {"m": 620}
    later = answers("later", range(318, 322), "Neu")
    assert call("import-answers", later, *out, "--lang", "de") == 2
    assert "has 2 of these answers already (first: question 318 (de) turn 1)" in (
        capsys.readouterr().err
    )
    assert call("import-answers", later, *out, "--lang", "de", "--replace") == 0
    assert "2 replaced" in capsys.readouterr().out
    texts = {a.question_id: a.text for a in read_records(tmp_path / "out" / "m.parquet", Answer)
             if a.lang == "de"}  # fmt: skip
    assert (len(texts), texts["317"], texts["318"]) == (322, "Antwort 317", "Neu 318")


def test_answers_of_rows_with_turns_from_0_nested_and_of_both_turns(tmp_path: Path) -> None:
    rows = [{"question_id": 1, "run": "m", "turn": t, "text": f"t{t}"} for t in (0, 1)]
    assert (
        call("import-answers", write_lines(tmp_path / "z.jsonl", rows), "--output", tmp_path) == 0
    )
    assert [a.turn for a in read_records(tmp_path / "m.parquet", Answer)] == [1, 2]
    rows = [{"question_id": 2, "output": {"model": "n", "texts": ["a", "b"]}, "language": "German"}]
    names = ("--map", "text_turn1=output.texts.0", "text_turn2=output.texts.1", "run=output.model")
    place = write_lines(tmp_path / "n.jsonl", rows)
    assert call("import-answers", place, "--output", tmp_path, *names) == 0
    found = read_records(tmp_path / "n.parquet", Answer)
    assert [(a.turn, a.text, a.lang) for a in found] == [(1, "a", "de"), (2, "b", "de")]


def test_a_pattern_fits_as_late_as_it_can(tmp_path: Path) -> None:
    place = tmp_path / "mt_bench_x" / "mt_bench_DE" / "judgment" / "a.jsonl"
    write_lines(place, [grade(0, 5)])
    pattern = ("--from-path", "mt_bench_{lang}/**.jsonl")
    assert call("import-judgements", place, "--output", tmp_path / "out", *pattern) == 0
    assert [r.lang for r in judgements(tmp_path / "out")] == ["de"]


def test_spellings_are_said_as_they_were_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"question_id": 81, "model_1": "x", "model_2": "y", "judge": "j", "turn": 1}
    rows = [names | {"g1_winner": "model_1", "g2_winner": "model_1"}]
    rows += [names | {"question_id": 82, "g1_winner": "tie", "g2_winner": "error"}]
    place = write_lines(tmp_path / "p.jsonl", rows)
    assert call("import-judgements", place, "--output", tmp_path / "out") == 0
    assert "verdicts: error as no verdict (1), model_1 as the run (2), tie as tie (1)" in (
        capsys.readouterr().out
    )
