"""The human study: what raters see, what comes back, and what it says of the judges."""

import csv
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from built_study import built, make_tables
from fake_study import PAIRS, SINGLE, make

from babelmix.analyse.ppi import corrected_mean
from babelmix.analyse.statistics import Bootstrap
from babelmix.cli import main
from babelmix.human.draw import Item, tasks_of
from babelmix.human.forms import CHOICES
from babelmix.io import read_json, read_records, write_records
from babelmix.records import HumanLabel

RUN, BASELINE = "tiny.all-ENDEFR.short.s0", "tiny.mono-EN.short.s0"


def export(folder: Path, *options: str) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Run ``export-human`` on the fake study; the key and the rows of the sheet."""
    given = ["--results", str(built().root), "--benchmark", "bench", "--output", str(folder)]
    assert main(["export-human", *given, *options]) == 0
    with (folder / "sheet.csv").open(encoding="utf-8", newline="") as handle:
        return read_json(folder / "key.json"), list(csv.DictReader(handle))


PAIR_OPTIONS = ("--runs", f"{RUN}:{BASELINE}", "--questions", "4", "--repeats", "0.25")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("human")
    export(folder, *PAIR_OPTIONS)
    return folder


def test_the_sample_is_balanced_and_blind(exported: Path) -> None:
    key = read_json(exported / "key.json")
    tasks = list(key["tasks"].values())
    first = [t for t in tasks if not t["repeat"]]
    assert Counter(t["category"] for t in first) == {"writing": 6, "math": 6}
    assert Counter(t["lang"] for t in first) == {"en": 4, "de": 4, "fr": 4}
    assert Counter(t["swapped"] for t in first) == {True: 6, False: 6}
    assert sum(t["repeat"] for t in tasks) == 3
    for name in ("sheet.csv", "label_studio.tasks.json", "label_studio.interface.xml"):
        text = (exported / name).read_text(encoding="utf-8")
        assert "ENDEFR" not in text
        assert "tiny." not in text


def test_repeats_come_late_and_in_the_other_order() -> None:
    items = [Item(f"q{i}", "en", "c", 1, "a", "b") for i in range(20)]
    tasks = tasks_of(items, 0.2, 0)
    for at, task in enumerate(tasks):
        if task.repeat:
            before = next(i for i, t in enumerate(tasks) if t.item == task.item)
            assert before < 10 <= at
            assert tasks[before].swapped != task.swapped
    assert len({task.id for task in tasks}) == len(tasks) == 24
    assert [t.id for t in tasks_of(items, 0.2, 0)] == [t.id for t in tasks]
    assert [t.item for t in tasks_of(items, 0.2, 1)] != [t.item for t in tasks]


def truth(key: dict[str, Any], task: str) -> str:
    """A rater who likes the run better where the question is even, else calls it a tie."""
    entry = key["tasks"][task]
    if int(entry["question_id"][1:]) % 2:
        return "tie"
    return "B" if entry["swapped"] else "A"


def label_studio(exported: Path, key: dict[str, Any]) -> list[dict[str, Any]]:
    """An export as Label Studio writes it: two raters, one skipped task."""
    tasks = json.loads((exported / "label_studio.tasks.json").read_text())
    for number, task in enumerate(tasks):
        choice = {"choices": [truth(key, task["data"]["task"])]}
        result = [{"from_name": "label", "type": "choices", "value": choice}]
        if number == 0:
            result.append({"from_name": "comment", "type": "textarea", "value": {"text": ["hm"]}})
        task["annotations"] = [
            {"completed_by": 1, "result": result, "was_cancelled": False},
            {"completed_by": 2, "result": result, "was_cancelled": number == 1},
        ]
    return tasks


def test_label_studio_comes_back_in_the_terms_of_the_runs(exported: Path, tmp_path: Path) -> None:
    key = read_json(exported / "key.json")
    (tmp_path / "project.json").write_text(json.dumps(label_studio(exported, key)))
    output = tmp_path / "labels.parquet"
    options = ["--key", str(exported / "key.json"), "--output", str(output)]
    assert main(["import-human", str(tmp_path / "project.json"), *options]) == 0
    labels = read_records(output, HumanLabel)
    assert len(labels) == 2 * len(key["tasks"]) - 1
    assert {label.rater for label in labels} == {"rater-1", "rater-2"}
    assert {(label.run, label.baseline) for label in labels} == {(RUN, BASELINE)}
    assert {label.vote for label in labels if int(label.question_id[1:]) % 2 == 0} == {"A"}
    assert {label.vote for label in labels if int(label.question_id[1:]) % 2} == {"tie"}
    assert [label.comment for label in labels if label.comment] == ["hm", "hm"]


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_sheets_come_back(exported: Path, tmp_path: Path, ending: str) -> None:
    key = read_json(exported / "key.json")
    filled = tmp_path / f"anna.{ending}"
    if ending == "csv":
        with (exported / "sheet.csv").open(encoding="utf-8", newline="") as handle:
            rows = list(csv.DictReader(handle))
        with filled.open("w", encoding="utf-8", newline="") as handle:
            writer = csv.DictWriter(handle, list(rows[0]))
            writer.writeheader()
            writer.writerows(row | {"label": truth(key, row["task"])} for row in rows)
    else:
        from openpyxl import load_workbook

        book = load_workbook(exported / "sheet.xlsx")
        sheet = book.active
        head = [cell.value for cell in sheet[1]]
        for line in sheet.iter_rows(min_row=2):
            line[head.index("label")].value = truth(key, line[0].value)
            assert all(cell.data_type != "f" for cell in line)
        book.save(filled)
    output = tmp_path / "labels.parquet"
    options = ["--key", str(exported / "key.json"), "--output", str(output)]
    assert main(["import-human", str(filled), *options]) == 0
    labels = read_records(output, HumanLabel)
    assert len(labels) == len(key["tasks"])
    assert {label.rater for label in labels} == {"anna"}
    assert {label.vote for label in labels} == {"A", "tie"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "nosuchtask"}, "unknown task 'nosuchtask'"),
        ({"label": "C"}, "unknown label 'C'. Allowed: A, B, tie, both_bad"),
    ],
)
def test_odd_labels_are_refused(
    exported: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: dict[str, str],
    message: str,
) -> None:
    task = next(iter(read_json(exported / "key.json")["tasks"]))
    row = {"task": task, "label": "A"} | change
    path = tmp_path / "odd.csv"
    path.write_text(f"task,label\n{row['task']},{row['label']}\n")
    options = ["--key", str(exported / "key.json"), "--output", str(tmp_path / "out.parquet")]
    assert main(["import-human", str(path), *options]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out.parquet").exists()


def test_ratings_hide_the_run_too(tmp_path: Path) -> None:
    key, rows = export(tmp_path, "--kind", "ratings", "--runs", RUN, "--questions", "2")
    assert set(rows[0]) == {"task", "language", "question", "answer", "label", "comment"}
    assert all(not entry["swapped"] for entry in key["tasks"].values())
    interface = (tmp_path / "label_studio.interface.xml").read_text()
    assert all(f'alias="{name}"' in interface for name in CHOICES["ratings"])
    assert 'name="answer"' in interface


def test_formulas_in_answers_stay_text(tmp_path: Path) -> None:
    from openpyxl import load_workbook

    from babelmix.human.forms import write_csv, write_xlsx

    row = {"task": "t", "language": "en", "question": "=1+1", "answer": "=CMD()\x00" + "x" * 40000}
    write_xlsx(tmp_path / "s.xlsx", "ratings", [row])
    cells = load_workbook(tmp_path / "s.xlsx").active[2]
    assert [cells[2].value, cells[2].data_type] == ["=1+1", "s"]
    assert "characters more" in cells[3].value
    write_csv(tmp_path / "s.csv", "ratings", [row])
    with (tmp_path / "s.csv").open(newline="") as handle:
        assert next(csv.DictReader(handle))["question"] == "'=1+1"


def test_another_sample_does_not_take_the_key_of_the_first(
    exported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--results", str(built().root), "--benchmark", "bench", "--output", str(exported)]
    assert main(["export-human", *given, *PAIR_OPTIONS, "--seed", "9"]) == 2
    assert "another sample" in capsys.readouterr().err


def test_mt_bench_votes_are_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        ("model_a", "gpt-4", "alpaca", "expert_1"),
        ("model_b", "alpaca", "gpt-4", "expert_2"),
        ("tie (inconsistent)", "alpaca", "gpt-4", ["gpt-4", "pair-v2"]),
    ]
    names = ("winner", "model_a", "model_b", "judge")
    shared = {"question_id": 81, "turn": 1}
    lines = [json.dumps(shared | dict(zip(names, row, strict=True))) for row in rows]
    path = tmp_path / "votes.jsonl"
    path.write_text("\n".join(lines) + "\n")
    output = tmp_path / "people.parquet"
    assert main(["import-human", str(path), "--mt-bench", "mt-bench", "--output", str(output)]) == 0
    labels = read_records(output, HumanLabel)
    assert [(one.run, one.baseline, one.vote) for one in labels] == [
        ("alpaca", "gpt-4", "B"),
        ("alpaca", "gpt-4", "B"),
        ("alpaca", "gpt-4", "tie"),
    ]
    assert labels[2].rater == "gpt-4-pair-v2"
    assert main(["agreement", str(output)]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"s1 +33\.3%", printed)
    assert re.search(r"s2 +100\.0%", printed)
    path.write_text('{"winner": "model_c"}\n')
    assert main(["import-human", str(path), "--mt-bench", "x", "--output", str(output)]) == 2
    assert "line 1" in capsys.readouterr().err


def test_labels_reach_the_tables(tmp_path: Path) -> None:
    study = make(tmp_path, seeds=(0,))
    draw = np.random.default_rng(0)
    labels = []
    for number in range(6):
        for rater in ("anna", "ben"):
            for repeat in (0, 1) if rater == "anna" else (0,):
                vote = "A" if draw.random() < 0.7 else "tie"
                labels.append(
                    HumanLabel("bench", f"q{number:02}", "de", "math", 1, RUN, BASELINE, rater,
                               repeat, vote, None)
                )  # fmt: skip
        labels.append(
            HumanLabel("bench", f"q{number:02}", "de", "math", 1, RUN, "", "anna", 0, None, "pass")
        )
    write_records(tmp_path / "labels.parquet", labels, HumanLabel)
    study.humans.append(tmp_path / "labels.parquet")
    made = make_tables(study, tmp_path / "tables")
    agreement = made["agreement"].rows
    mine = next(r for r in agreement if (r["left"], r["right"]) == (PAIRS, "humans"))
    assert mine["s1_votes"] == 12
    assert mine["questions"] == 6
    assert any((r["left"], r["right"]) == ("humans", "humans") for r in agreement)
    graded = next(r for r in agreement if r["left"].endswith("single") and r["right"] == "humans")
    assert graded["s1_votes"] == 10  # the German grade of q00 is unscored
    anna = next(r for r in made["human_raters"].rows if r["rater"] == "anna")
    assert (anna["labels"], anna["repeats"]) == (12, 6)
    rating = next(r for r in made["human_ratings"].rows if r["language"] == "all")
    assert (rating["pass"], rating["fail"], rating["answers"]) == (6, 0, 6)
    corrected = next(r for r in made["corrected_scores"].rows if r["evaluation"] == PAIRS)
    assert corrected["labelled"] == 6
    assert corrected["low"] <= corrected["corrected"] <= corrected["high"]
    assert 0 <= corrected["weight"] <= 1
    graded = [r for r in made["corrected_scores"].rows if r["evaluation"] == SINGLE]
    (mine,) = graded
    # Five of the six rated answers have a grade; every rating is "pass".
    assert (mine["labelled"], mine["human_score"], mine["corrected"]) == (5, 50, 50)
    means = {(r["evaluation"], r["variant"], r["language"]): r for r in made["grades"].rows}
    assert 0 < mine["judge_score"] < 100
    mean = means[SINGLE, mine["variant"], "all"]["mean"]
    assert mine["judge_score"] == pytest.approx((mean - 1) / 9 * 100, abs=2)


def test_ppi_removes_the_bias_of_a_judge_and_is_narrower_than_people_alone() -> None:
    draw = np.random.default_rng(3)
    bootstrap = Bootstrap(samples=300)
    hits, widths, alone = 0, [], []
    for _ in range(120):
        truth_ = draw.normal(50, 10, 400)
        judge = truth_ + 15 + draw.normal(0, 4, 400)
        human = np.where(np.arange(400) < 60, truth_, np.nan)
        found = corrected_mean(judge, human, list(range(400)), bootstrap)
        assert found is not None
        assert found.estimate.low is not None
        assert found.estimate.high is not None
        hits += found.estimate.low <= 50 <= found.estimate.high
        widths.append(found.estimate.high - found.estimate.low)
        alone.append((found.human.high or 0) - (found.human.low or 0))
    assert hits >= 106
    assert np.mean(widths) < 0.75 * np.mean(alone)


def test_ppi_gives_a_useless_judge_no_weight() -> None:
    draw = np.random.default_rng(4)
    human = np.where(np.arange(200) < 50, draw.normal(50, 10, 200), np.nan)
    found = corrected_mean(draw.normal(0, 1, 200), human, list(range(200)), Bootstrap(samples=200))
    assert found is not None
    assert found.weight < 2.5
    constant = corrected_mean(np.ones(200), human, list(range(200)), Bootstrap(samples=200))
    assert constant is not None
    assert constant.weight == 0
    assert constant.estimate.value == pytest.approx(np.nanmean(human))
    assert corrected_mean([1.0, 2.0], [1.0, np.nan], ["a", "b"], Bootstrap()) is None


def test_agreement_counts_what_it_cannot_compare(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def label(number: int, vote: str | None, repeat: int = 0) -> HumanLabel:
        rating = None if vote else "pass"
        return HumanLabel("b", str(number), "en", "c", 1, "m", "x", "r", repeat, vote, rating, "")

    left = [label(n, "A") for n in range(5)] + [label(0, "A", repeat=1), label(9, None)]
    groups = {"left": left, "right": [label(n, "A") for n in range(10, 12)]}
    paths = [tmp_path / f"{name}.parquet" for name in groups]
    for path, rows in zip(paths, groups.values(), strict=True):
        write_records(path, rows, HumanLabel)
    assert main(["agreement", *map(str, paths)]) == 0
    said = capsys.readouterr().out
    assert "left: 5 votes on 5 pairs of answers; left out 1 without a vote; left out 1 on" in said
    assert "left and right: 0 of 7 pairs in common" in said
