"""A jury's verdicts from its members' judgements: by hand-counted cases, and as a verb."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path

import built_study
import pytest

from babelmix.analyse import judgement_tables
from babelmix.errors import BabelmixError
from babelmix.io import read_records, write_records
from babelmix.judge import combine as by_hand
from babelmix.judge.jury import combine, joint_preference
from babelmix.records import Judgement


def judgement(
    judge: str,
    said: float | str | None,
    question: str = "q0",
    order: str = "",
    baseline: str = "",
) -> Judgement:
    """A grade (number) or a preference (letter); None is unscored."""
    grade = said if isinstance(said, float) else None
    verdict = said if isinstance(said, str) else None
    reason = "HTTP 500: no" if said is None else None
    protocol = "pairwise" if order else "single"
    place = (question, "de", "math", 1, "mine", baseline, protocol, order)
    return Judgement(
        f"{judge}{question}{order}", *place, judge, grade, verdict, reason, "", 9, 9, 1.0
    )


def joint(*said: float | str | None) -> Judgement:
    """The jury's judgement where its members say this."""
    order = "AB" if any(isinstance(value, str) for value in said) else ""
    members = {n: [judgement(n, v, order=order)] for n, v in zip("abcd", said, strict=False)}
    (row,) = combine("jury", members)
    return row


@pytest.mark.parametrize(
    ("said", "score"),
    [
        ((8.0, 6.0, 10.0), 8.0),
        ((8.0, 7.0, None), 7.5),
        ((9.0, None, None), None),
        ((4.0, None), None),
    ],
)
def test_a_grade_is_the_mean_of_a_majority(said: tuple[float | None, ...], score: object) -> None:
    row = joint(*said)
    assert row.score == score
    assert (row.unscored_reason is None) == (score is not None)
    assert (row.judge, row.cost, row.tokens_in, row.verdict) == ("jury", 0.0, 0, None)


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        (("A", "A", "B"), "A"),
        (("A", "B", "tie"), "tie"),
        (("both_bad", "both_bad", "A"), "both_bad"),
        (("A", "B", None), "tie"),
        (("B", "B", None), "B"),
        (("A", None, None), None),
        (("A", "A", "B", "B"), "tie"),
    ],
)
def test_a_preference_is_the_majoritys(said: tuple[str | None, ...], verdict: str | None) -> None:
    row = joint(*said)
    assert (row.verdict, row.score) == (verdict, None)
    assert (row.unscored_reason is None) == (verdict is not None)


def test_the_members_order_does_not_matter() -> None:
    for votes in itertools.product(("A", "B", "tie", "both_bad"), repeat=3):
        found = {joint_preference(order) for order in itertools.permutations(votes)}
        assert len(found) == 1


def test_what_a_member_was_not_asked_counts_as_unscored() -> None:
    rows = combine(
        "jury",
        {
            "a": [judgement("a", 8.0), judgement("a", 4.0, "q1")],
            "b": [judgement("b", 6.0)],
            "c": [judgement("c", None), judgement("c", None, "q1")],
        },
    )
    assert [(row.question_id, row.score) for row in rows] == [("q0", 7.0), ("q1", None)]
    assert rows[1].unscored_reason == (
        "too few members of the jury have a verdict: 1 of 3 "
        "(b, not among its judgements; c, HTTP 500: no)"
    )


def test_the_last_verdict_of_a_member_counts_and_a_later_failure_does_not() -> None:
    mine = [judgement("a", 2.0), judgement("a", 8.0), judgement("a", None)]
    (row,) = combine("jury", {"a": mine, "b": [judgement("b", 6.0)]})
    assert row.score == 7.0


def test_different_baselines_are_an_error() -> None:
    members = {n: [judgement(n, "A", order="AB", baseline=f"base-{n}")] for n in "ab"}
    with pytest.raises(BabelmixError, match=r"base-a, base-b.*Name one mixture"):
        combine("jury", members)


def write(folder: Path, judge: str, grades: list[float | None]) -> Path:
    place = folder / f"bench.{judge}.single"
    rows = [judgement(judge, grade, f"q{i}") for i, grade in enumerate(grades)]
    write_records(place / "mine.parquet", rows, Judgement)
    return place


def test_the_verb_and_the_agreement_of_the_members(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [
        write(tmp_path, "a", [8.0, 6.0, 4.0, 2.0]),
        write(tmp_path, "b", [8.0, 6.0, 5.0, None]),
        write(tmp_path, "c", [8.0, 9.0, None, None]),
    ]
    words = [*map(str, folders), "--members", "a", "b", "c"]
    built_study.run_verb(by_hand, *words, "--output", str(tmp_path / "jury"))
    assert "jury: 3 of 4 judged by 3 members (a, b, c), in 1 files" in capsys.readouterr().out
    made = tmp_path / "jury" / "bench.jury.single"
    rows = read_records(made / "mine.parquet", Judgement)
    assert [row.score for row in rows] == [8.0, 7.0, 4.5, None]
    words = [*map(str, [*folders, made]), "--folder", str(tmp_path / "tables"), "--samples", "20"]
    built_study.run_verb(judgement_tables, *words)
    with (tmp_path / "tables" / "judge_agreement.csv").open(encoding="utf-8") as file:
        compared = list(csv.DictReader(file))
    said = {(r["judge"], r["against"]): (float(r["same"]), float(r["items"])) for r in compared}
    assert said["a", "b"] == (2, 3)
    assert said["a", "jury"] == (2, 3)
    assert said["c", "jury"] == (1, 2)


def test_the_verb_refuses_what_is_not_whole(tmp_path: Path) -> None:
    a, b = write(tmp_path, "a", [8.0]), write(tmp_path, "b", [6.0])
    output = ["--output", str(tmp_path / "jury")]
    for words, match in (
        ([str(a), "--members", "a", "b"], "lacks the judgements of b"),
        ([str(a), str(a), "--members", "a", "b"], "the same judgements"),
        ([str(a), str(b), "--members", "a", "c"], "none of the members"),
        ([str(a), "--members", "a", "a"], "two members or more"),
    ):
        with pytest.raises(BabelmixError, match=match):
            built_study.run_verb(by_hand, *words, *output)
    assert not (tmp_path / "jury").exists()
