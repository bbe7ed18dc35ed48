"""The terminal comparison of two runs."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from built_study import built

from babelmix.analyse.compare import compare, find_side
from babelmix.analyse.statistics import Bootstrap
from babelmix.analyse.study import load_study
from babelmix.analyse.table import read_tables
from babelmix.cli import main
from babelmix.errors import BabelmixError
from babelmix.io import read_records, write_records
from babelmix.records import Judgement


def test_it_prints_a_paired_difference(capsys: pytest.CaptureFixture[str]) -> None:
    results = str(built().root)
    assert main(["compare", "all-ENDEFR", "mono-EN", "--results", results]) == 0
    text = capsys.readouterr().out
    assert "A = tiny.all-ENDEFR.short" in text
    assert "beats" in text or "No difference can be shown" in text
    assert "bench.judge.single" in text
    assert " de " not in text
    assert main(["compare", "all-ENDEFR", "mono-EN", "--results", results, "--languages"]) == 0
    assert "  de  " in capsys.readouterr().out


def test_it_gives_the_number_of_the_table() -> None:
    study = load_study(built().study)
    sides = find_side(study, "all-ENDEFR"), find_side(study, "mono-EN")
    found = compare(study, built().root, *sides, Bootstrap(study.confidence, study.samples))
    one = next(f for f in found if f.measure.endswith("single") and f.language == "all")
    rows = read_tables(built().root / "tables/index.json")["gains"].rows
    row = next(
        r
        for r in rows
        if r["variant"] == sides[0].name
        and r["against"] == sides[1].name
        and r["language"] == "all"
    )
    assert one.difference.value == pytest.approx(row["difference"], abs=1e-4)
    assert one.difference.low == pytest.approx(row["difference_low"], abs=1e-4)


def test_two_seeds_can_be_compared(capsys: pytest.CaptureFixture[str]) -> None:
    runs = ["tiny.mono-EN.short.s0", "tiny.mono-EN.short.s1"]
    assert main(["compare", *runs, "--results", str(built().root)]) == 0
    assert "A = tiny.mono-EN.short.s0" in capsys.readouterr().out


def test_mistakes_are_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = str(built().root)
    assert main(["compare", "all-ENDEF", "mono-EN", "--results", results]) == 2
    assert "Did you mean 'all-ENDEFR'?" in capsys.readouterr().err
    assert main(["compare", "mono-EN", "mono-EN", "--results", results]) == 2
    assert "on both sides" in capsys.readouterr().err
    assert main(["compare", "a", "b", "--results", str(tmp_path)]) == 2
    assert "--results DIR" in capsys.readouterr().err


def test_a_name_of_several_variants_is_refused() -> None:
    study = load_study(built().study)
    twin = study.variants["tiny.mono-EN.short"]
    study.variants["other.mono-EN.short"] = twin.__class__(
        **{
            **{f: getattr(twin, f) for f in twin.__dataclass_fields__},
            "name": "other.mono-EN.short",
        }
    )
    with pytest.raises(BabelmixError, match=r"Say which: .*other.mono-EN"):
        find_side(study, "mono-EN")


def edited(folder: Path, edit: Callable[[Judgement], bool]) -> str:
    """The study set with the judgements that ``edit`` keeps, and as it changes them."""
    shutil.copytree(built().root, folder)
    for path in (folder / "judgements").rglob("*.parquet"):
        rows = [row for row in read_records(path, Judgement) if edit(row)]
        write_records(path, rows, Judgement)
    return str(folder)


def test_what_is_not_scored_on_both_sides_is_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    questions = sorted(
        {
            row.question_id
            for path in (built().root / "judgements").rglob("*.parquet")
            for row in read_records(path, Judgement)
        }
    )

    def unscore(row: Judgement) -> bool:
        if row.question_id == questions[0] and row.run.startswith("tiny.mono-EN"):
            row.score, row.unscored_reason = None, "no verdict found"
        return True

    results = edited(tmp_path / "one", unscore)
    study, sides = load_study(built().study), ("all-ENDEFR", "mono-EN")
    left, right = (find_side(study, name) for name in sides)
    found = list(compare(study, tmp_path / "one", left, right, Bootstrap(samples=50)))
    single = {one.language: one for one in found if one.measure.endswith("single")}
    per_language = {one.left_out for name, one in single.items() if name != "all"}
    assert single["all"].difference.clusters == len(questions) - 1
    assert single["all"].left_out == sum(o.left_out for o in single.values()) // 2 > 0
    assert 0 not in per_language
    assert main(["compare", *sides, "--results", results]) == 0
    assert "Left out: answers that are not scored on both sides" in capsys.readouterr().out


def test_a_measure_without_any_scored_pair_keeps_its_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def unscore(row: Judgement) -> bool:
        row.score, row.verdict, row.unscored_reason = None, None, "no verdict found"
        return True

    results = edited(tmp_path / "none", unscore)
    assert main(["compare", "all-ENDEFR", "mono-EN", "--results", results]) == 0
    text = capsys.readouterr().out
    (row,) = [line for line in text.splitlines() if line.startswith("bench.judge.single  ")]
    assert "no value: nothing was scored" in row
    assert "have no question in common that was scored" in text


def test_three_questions_are_no_claim(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The t interval excludes 0, but three of three are by chance once in four times."""
    kept: dict[str, None] = {}

    def three(row: Judgement) -> bool:
        kept.setdefault(row.question_id)
        if row.score is not None:
            row.score = 9.0 if "all-ENDEFR" in row.run else 3.0 + list(kept).index(row.question_id)
        return row.question_id in list(kept)[:3]

    results = edited(tmp_path / "three", three)
    assert main(["compare", "all-ENDEFR", "mono-EN", "--results", results]) == 0
    text = capsys.readouterr().out
    assert "No difference can be shown at this size, by the permutation test (p = 0.25)," in text
    assert "beats" not in text
