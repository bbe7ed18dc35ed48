"""Files in the shapes of known projects, imported by one command each: those of the docs."""

from __future__ import annotations

import csv
import re
import shlex
from collections import Counter
from pathlib import Path

import published_files as shapes
import pytest

from babelmix.cli import main
from babelmix.io import read_json, read_records
from babelmix.records import Answer, Judgement

PAGE = Path(__file__).parents[2] / "docs" / "importing.md"
COMMANDS = [
    line
    for block in re.findall(r"^```\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    for line in block.splitlines()
    if line.startswith("python -m babelmix import") and "FILES" not in line
]


def expand(word: str) -> list[str]:
    """A word as the shell would give it: file patterns as the files that fit."""
    if "*" in word and "{" not in word:
        return sorted(map(str, Path().glob(word)))
    return [word]


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which all of the docs' commands were run."""
    root = shapes.build_all(tmp_path_factory.mktemp("projects"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for command in COMMANDS:
            words = [part for word in shlex.split(command)[3:] for part in expand(word)]
            assert main(words) == 0, command
    return root / "imported"


def judgements(folder: Path) -> list[Judgement]:
    files = sorted((folder / "judgements").rglob("*.parquet"))
    return [row for path in files for row in read_records(path, Judgement)]


def tables(folder: Path, name: str) -> list[dict[str, str]]:
    made = folder / "tables"
    if not made.is_dir():
        words = ["judgement-tables", str(folder / "judgements"), "--folder", str(made)]
        assert main([*words, "--samples", "50"]) == 0
    with (made / f"{name}.csv").open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def test_the_docs_have_a_command_for_each_project() -> None:
    assert len(COMMANDS) == 12
    for project in ("pandalm", "fasteval", "mt_bench_repro", "alpaca_eval", "cherry", "LogicKor"):
        assert any(project in command for command in COMMANDS)


@pytest.mark.parametrize(
    "project",
    ["pandalm", "fasteval", "mt_bench_repro", "alpaca_eval", "cherry", "logickor", "judgebench"],
)
def test_rows_in_are_rows_used_and_rows_left_out(imported: Path, project: str) -> None:
    summary = read_json(imported / project / "import.json")
    total = 0
    for file in summary["files"]:
        assert file["rows"] == file["rows_used"] + sum(file["rows_left_out"].values())
        assert file["rows"] in (6, 12)
        assert file["judgements"] == file["scored"] + sum(file["unscored"].values())
        total += file["judgements"]
    counts = summary["imports"][0]
    assert total == counts["added"] + counts["same_labels_left_out"]
    assert counts["added"] == len(judgements(imported / project))


def test_pandalm_s_votes_and_results(imported: Path) -> None:
    verdict = {"0": "tie", "1": "A", "2": "B"}
    found = {(r.judge, int(r.question_id)): r for r in judgements(imported / "pandalm")}
    assert len(found) == 5 * 12
    for number, votes in enumerate(shapes.PANDALM_VOTES):
        for person in range(3):
            row = found[f"annotator{person + 1}", number]
            assert row.verdict == verdict[votes[person]]
            assert row.run in ("bloom-7b", "cerebras-gpt-6.7B")
            assert row.baseline in ("llama-7b", "opt-7b")
    assert [found["pandalm", n].verdict for n in range(12)] == [
        verdict[str(value)] for value in shapes.PANDALM_JUDGE
    ]
    gpt = [found["gpt", n] for n in range(12)]
    assert [row.verdict for row in gpt] == ["A"] * 4 + ["B", "B", "A", "tie", "tie", "A", "B", None]
    assert gpt[11].unscored_reason == "no verdict published: garbage"
    assert {row.origin for row in found.values()} == {"published"}


def test_kappas_of_pandalm_s_annotators_are_theirs(imported: Path) -> None:
    """Against Cohen's kappa written down anew, with ties as a label of their own."""
    said = {
        (row["judge"], row["against"]): row
        for row in tables(imported / "pandalm", "judge_agreement")
        if row["reading"] == "outcome"
    }
    for one, other in ((0, 1), (0, 2), (1, 2)):
        pairs = [(votes[one], votes[other]) for votes in shapes.PANDALM_VOTES]
        same = sum(a == b for a, b in pairs) / 12
        shares = [Counter(pair[k] for pair in pairs) for k in (0, 1)]
        chance = sum(shares[0][label] * shares[1][label] for label in "012") / 144
        row = said[f"annotator{one + 1}", f"annotator{other + 1}"]
        assert int(row["items"]) == 12
        assert float(row["kappa"]) == pytest.approx((same - chance) / (1 - chance), abs=1e-4)


def test_fasteval_s_replies_count_turns_from_one(imported: Path) -> None:
    found = {(r.question_id, r.turn): r for r in judgements(imported / "fasteval")}
    for number, grades in enumerate(shapes.FASTEVAL):
        for turn, grade in enumerate(grades, start=1):
            assert found[str(81 + number), turn].score == grade
    row = found["81", 1]
    assert (row.run, row.judge) == ("OpenAssistant--codellama-13b-oasst-sft-v10", "gpt-4")
    assert row.category == "writing"
    (file,) = read_json(imported / "fasteval" / "import.json")["files"]
    assert file["turns_counted_from_0"] is True
    # There are replies alone: nothing that our reading could differ from.
    assert (file["read_as_published"], file["read_otherwise"]) == (0, [])


def test_mt_bench_repro_s_turns_and_orders(imported: Path) -> None:
    rows = judgements(imported / "mt_bench_repro")
    graded = {(r.question_id, r.turn): r.score for r in rows if r.protocol == "single"}
    for number, grades in enumerate(shapes.REPRO_GRADES):
        for turn, grade in enumerate(grades, start=1):
            assert graded[str(81 + number), turn] == (grade if grade > 0 else None)
    pairs = {(r.question_id, r.order): r for r in rows if r.protocol == "pairwise"}
    for number, (ab, ba, _) in enumerate(shapes.REPRO_PAIRS):
        for order, said in (("AB", ab), ("BA", ba)):
            row = pairs[str(81 + number), order]
            assert row.verdict == (None if said == "error" else said)
            assert (row.turn, row.run, row.baseline) == (2, "SOLAR-10.7B-Instruct", "gemma-2-9b-it")
    names = Counter(winner for _, _, winner in shapes.REPRO_PAIRS)
    (row,) = (
        r
        for r in tables(imported / "mt_bench_repro", "preferences")
        if r["language"] == "all" and r["variant"].startswith("SOLAR")
    )
    assert int(row["wins"]) == names["SOLAR-10.7B-Instruct"]
    assert int(row["losses"]) == names["gemma-2-9b-it"]
    assert int(row["ties"]) == names["tie"] + names["inconsistent"]
    assert int(row["unscored"]) == names["error"]


def test_alpaca_eval_s_weights_and_lengths_are_kept(imported: Path) -> None:
    rows = judgements(imported / "alpaca_eval")
    assert [r.weight for r in rows] == [
        None if value is None else pytest.approx(value - 1) for value in shapes.ALPACA
    ]
    assert [r.verdict for r in rows] == [
        None if p is None else "tie" if p == 1.5 else "A" if p > 1.5 else "B" for p in shapes.ALPACA
    ]
    assert (rows[1].length_a, rows[1].length_b) == (54, 40)
    assert (rows[1].judge, rows[1].run) == ("weighted_alpaca_eval_gpt4_turbo", "my-model")
    assert (rows[1].raw, rows[1].origin) == ("M", "published")


def test_cherry_s_grades_of_both_answers(imported: Path) -> None:
    found = {(r.question_id, r.order): r for r in judgements(imported / "cherry")}
    for number, orders in enumerate(shapes.CHERRY, start=1):
        for order, (first, second) in zip(("AB", "BA"), orders, strict=True):
            row = found[f"koala-{number}", order]
            if (first, second) == (-1, -1):
                assert (row.verdict, row.score_a) == (None, None)
                continue
            assert (row.score_a, row.score_b) == (first, second)
            assert row.verdict == ("tie" if first == second else "A" if first > second else "B")
    row = found["koala-1", "BA"]
    assert (row.run, row.baseline, row.judge) == ("cherry_wizardlm", "wizardlm", "gpt-4")
    assert row.length_a == len("Another answer, longer.")


def test_logickor_s_grades_from_0(imported: Path) -> None:
    rows = judgements(imported / "logickor")
    assert {r.run for r in rows} == {
        "Qwen-Qwen2-7B-Instruct-default",
        "maywell-Synatra-kiqu-7B-1-shot",
    }
    qwen = {(r.question_id, r.turn): r for r in rows if r.run.startswith("Qwen")}
    for number, grades in enumerate(shapes.LOGICKOR, start=1):
        for turn, grade in enumerate(grades, start=1):
            assert qwen[str(number), turn].score == grade
    assert {r.lang for r in rows} == {"ko"}
    files = read_json(imported / "logickor" / "import.json")["files"]
    assert [f["missing_parts"] for f in files] == [{}, {"no verdict on turn 2": 1}]


def test_judgebench_s_decisions_and_labels(imported: Path) -> None:
    verdict = {"A>B": "A", "B>A": "B", "A=B": "tie", None: None}
    rows = judgements(imported / "judgebench")
    found = {(r.judge, int(r.question_id[-12:]), r.order): r for r in rows}
    for number, (label, ab, ba) in enumerate(shapes.JUDGEBENCH):
        assert found["labels", number, ""].verdict == verdict[label]
        for judge in ("arena_hard.claude-3-haiku-20240307",):
            assert found[judge, number, "AB"].verdict == verdict[ab]
            assert ((judge, number, "BA") in found) == (ba is not None)
            if ba is not None:
                assert found[judge, number, "BA"].verdict == verdict[ba]
        reward = found["reward_model.internlm-internlm2-7b-reward", number, "AB"]
        assert reward.verdict == verdict[ab]
        assert reward.origin == "published"
        assert reward.score_a is not None
    strong = found["arena_hard.claude-3-haiku-20240307", 1, "AB"]
    assert (strong.verdict, strong.strength) == ("A", "significant")
    right = sum(label == ab for label, ab, _ in shapes.JUDGEBENCH)
    (row,) = (
        r
        for r in tables(imported / "judgebench", "judge_agreement")
        if r["judge"].startswith("arena_hard") and r["against"] == "labels" and r["reading"] == "AB"
    )
    assert (int(row["same"]), int(row["items"])) == (right, 12)


def test_logs_of_inspect_and_lm_eval(imported: Path) -> None:
    grade = {"C": 1.0, "P": 0.5, "I": 0.0}
    rows = judgements(imported / "inspect")
    assert [r.score for r in rows] == [grade.get(value) for value in shapes.INSPECT]
    assert {r.run for r in rows} == {"openai-gpt-4o"}
    rows = judgements(imported / "lm_eval")
    assert [r.score for r in rows] == [float(bool(number % 3)) for number in range(12)]


def test_a_log_of_openai_evals(imported: Path) -> None:
    assert [r.score for r in judgements(imported / "evals")] == [1, 1, 0, 1, 1, 1]
    (held,) = read_json(imported / "evals" / "import.json")["files"]
    assert (held["rows"], held["rows_used"]) == (14, 6)
    assert held["rows_left_out"] == {"type is not metrics (--rows)": 8}


def test_answers_of_fasteval_and_logickor(imported: Path) -> None:
    rows = read_records(
        imported / "answers" / "OpenAssistant--codellama-13b-oasst-sft-v10.parquet", Answer
    )
    assert [(a.question_id, a.turn, a.text) for a in rows[:2]] == [
        ("81", 1, "First answer 0."),
        ("81", 2, "Second answer 0."),
    ]
    assert len(rows) == 12
    rows = read_records(imported / "answers" / "Qwen-Qwen2-7B-Instruct-default.parquet", Answer)
    assert (len(rows), rows[0].lang, rows[0].question) == (24, "ko", "미분하시오.")
    summary = read_json(imported / "answers" / "import.json")
    assert summary["read"] == sum(summary["answers"].values()) == 12 + 2 * 24
