"""Tables of a made-up study set: means, gains, curves, coverage, and their bytes."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import built_study
import fake_study
import pytest
from built_study import make_tables

from babelmix.analyse.figure import select
from babelmix.analyse.frames import grades, load_judgements
from babelmix.analyse.gain_tables import contrast_table
from babelmix.analyse.statistics import Bootstrap
from babelmix.analyse.study import load_study
from babelmix.analyse.table import ReadTable, Table, cell, read_tables
from babelmix.errors import BabelmixError
from babelmix.io import read_json, read_records, write_records
from babelmix.records import Judgement


def small(root: Path, **changes: Any) -> fake_study.FakeStudy:
    """A study set that is quick to build."""
    settings = {"questions": 3, "pairs": False, "seeds": (0,), "only": fake_study.FEW}
    return fake_study.make(root, **(settings | changes))


@pytest.fixture(scope="module")
def study() -> fake_study.FakeStudy:
    return built_study.built()


@pytest.fixture(scope="module")
def made(study: fake_study.FakeStudy) -> dict[str, ReadTable]:
    return read_tables(study.root / "tables" / "index.json")


def one(table: ReadTable, **equal: Any) -> dict[str, Any]:
    (row,) = select(table, **equal)
    return row


def test_seeds_are_averaged_and_the_mean_weighs_languages_alike(
    study: fake_study.FakeStudy, made: dict[str, ReadTable]
) -> None:
    name = "tiny.all-ENDEFR.short"
    paths = [p for p in study.judgements if p.parent.name == fake_study.SINGLE]
    grades: dict[str, dict[tuple[str, int], list[float]]] = {}
    for path in paths:
        if path.name.startswith(name):
            for row in read_records(path, Judgement):
                if row.score is not None:
                    of = grades.setdefault(row.lang, {})
                    of.setdefault((row.question_id, row.turn), []).append(row.score)
    means = {
        lang: sum(sum(v) / len(v) for v in items.values()) / len(items)
        for lang, items in grades.items()
    }
    assert one(made["grades"], variant=name, language="de")["mean"] == pytest.approx(
        means["de"], abs=1e-4
    )
    overall = one(made["grades"], variant=name, language="all")
    assert overall["mean"] == pytest.approx(sum(means.values()) / 3, abs=1e-4)
    assert overall["low"] < overall["mean"] < overall["high"]
    assert overall["questions"] == 6


def test_an_unscored_answer_lowers_coverage_and_no_mean(tmp_path: Path) -> None:
    """A judge that fails must leave means as they are (ANCHORS, trap 5)."""
    study = small(tmp_path, unscored=())
    whole = make_tables(study, tmp_path / "whole")
    for path in study.judgements:
        rows = read_records(path, Judgement)
        failed = [
            dataclasses.replace(
                rows[0], question_id=f"x{i}", score=None, unscored_reason="time-out"
            )
            for i in range(5)
        ]
        write_records(path, rows + failed, Judgement)
    broken = make_tables(study, tmp_path / "broken")
    for before, after in zip(whole["grades"].rows, broken["grades"].rows, strict=True):
        assert {**before, "coverage": 0} == {**after, "coverage": 0}
    assert one(broken["grades"], variant="tiny.mono-EN.short", language="all")["coverage"] < 1
    assert (
        "time-out (5)"
        in one(broken["coverage"], run="tiny.mono-EN.short.s0", language="all")["reasons"]
    )
    silent = small(tmp_path / "silent")
    for path in silent.judgements:
        rows = [
            dataclasses.replace(r, score=None, unscored_reason="refused")
            for r in read_records(path, Judgement)
        ]
        write_records(path, rows, Judgement)
    nothing = make_tables(silent, tmp_path / "nothing")
    assert all(row["mean"] is None for row in nothing["grades"].rows)
    assert all(row["coverage"] == 0 for row in nothing["grades"].rows)


def test_repeated_rows_count_once(tmp_path: Path) -> None:
    study = small(tmp_path, pairs=True)
    before = make_tables(study, tmp_path / "before")
    for path in study.judgements:
        rows = read_records(path, Judgement)
        write_records(path, rows + rows, Judgement)
    after = make_tables(study, tmp_path / "after")
    for name in ("grades", "preferences", "coverage", "cost"):
        assert after[name].rows == before[name].rows


def test_gains_follow_their_formula(made: dict[str, ReadTable]) -> None:
    gain = one(
        made["gains"],
        variant="tiny.all-ENDEFR.short",
        against="tiny.mono-EN.short",
        language="all",
    )
    grades = {
        name: one(made["grades"], variant=f"tiny.{name}.short", language="all")["mean"]
        for name in ("all-ENDEFR", "mono-EN", "mono-DE", "mono-FR")
    }
    expected = 100 * (grades["all-ENDEFR"] - grades["mono-EN"]) / grades["mono-EN"]
    assert gain["gain"] == pytest.approx(expected, abs=0.01)
    assert gain["low"] < gain["gain"] < gain["high"]
    best = max(("mono-EN", "mono-DE", "mono-FR"), key=lambda name: grades[name])
    against = one(
        made["gains"],
        variant="tiny.all-ENDEFR.short",
        against="best monolingual",
        language="all",
    )
    assert best in against["against_label"]
    opponents = {row["against"] for row in made["gains"].rows}
    assert len(opponents) == 5


def test_the_untuned_model_is_no_mixture_and_no_monolingual(made: dict[str, ReadTable]) -> None:
    assert not select(made["gains"], variant="tiny.untuned")
    assert select(made["grades"], variant="tiny.untuned")


def test_series_run_along_the_rows_that_were_built(made: dict[str, ReadTable]) -> None:
    rows = select(made["series"], family="pinch", measure="answer_language:bench", language="other")
    assert [row["variant"].split(".")[1] for row in rows] == [
        "mono-EN",
        "pinch-1row",
        "pinch-p10",
        "even-ENDEFR",
    ]
    assert [row["rows_other"] for row in rows] == [0, 1, 6, 40]
    assert rows[1]["x"] == pytest.approx(100 / 60, abs=1e-4)
    assert rows[0]["value"] < rows[-1]["value"]


def test_preferences_count_pairs_and_have_no_row_of_a_baseline_with_itself(
    made: dict[str, ReadTable],
) -> None:
    row = one(
        made["preferences"],
        evaluation=fake_study.SIDE,
        variant="tiny.pinch-p10.short",
        language="all",
    )
    assert row["wins"] + row["ties"] + row["losses"] + row["unscored"] == 6 * 2 * 3 * 2
    score = 100 * (row["wins"] + row["ties"] / 2) / (row["wins"] + row["ties"] + row["losses"])
    assert row["score"] == pytest.approx(score, abs=1e-3)
    assert row["baseline"] == "several"
    itself = select(
        made["preferences"],
        evaluation=fake_study.SIDE,
        variant="tiny.mono-DE.short",
        language="de",
    )
    assert itself == []


def test_position_bias_sees_the_preference_for_the_first(made: dict[str, ReadTable]) -> None:
    place = {"evaluation": fake_study.PAIRS, "category": "all", "language": "all"}
    row = one(made["position_bias"], **place, turn="all")
    assert row["first_preferred"] > 0.5
    assert 0 < row["flipped"] < 0.5
    turns = [one(made["position_bias"], **place, turn=turn) for turn in ("1", "2")]
    for name in ("values", "preferences"):
        assert sum(turn[name] for turn in turns) == row[name]


def test_answered_in_sums_to_one(made: dict[str, ReadTable]) -> None:
    sums: dict[tuple[str, str], float] = {}
    for row in made["answered_in"].rows:
        key = (row["variant"], row["language"])
        sums[key] = sums.get(key, 0) + row["share"]
    assert sums
    assert all(total == pytest.approx(1, abs=1e-3) for total in sums.values())


def test_transfer_leaves_out_the_own_language(made: dict[str, ReadTable]) -> None:
    row = one(made["transfer"], variant="tiny.mono-DE.short")
    others = [
        one(
            made["preferences"],
            evaluation=fake_study.SIDE,
            variant="tiny.mono-DE.short",
            language=lang,
        )["score"]
        for lang in ("en", "fr")
    ]
    assert row["score"] == pytest.approx(sum(others) / 2, abs=1e-3)


def test_training_and_inputs(made: dict[str, ReadTable]) -> None:
    row = one(made["training"], run="tiny.mono-EN.short.s0")
    assert (row["steps"], row["tokens"], row["dev_loss"]) == (30, 15360, 2.9)
    assert one(made["mixtures"], mixture="all-ENDEFR", language="de")["mixture_rows"] == 180
    assert one(made["translation_audit"], language="de", check="any")["failed"] == 2
    grades = [row for row in made["seed_noise"].rows if row["evaluation"] == fake_study.SINGLE]
    assert len(grades) == 7
    spread = one(made["seed_variance"], evaluation=fake_study.SINGLE)
    assert (spread["variants"], spread["runs"]) == (7, 14)
    assert 0 < spread["noise_floor"] < 2


def test_tables_have_the_same_bytes_again(
    study: fake_study.FakeStudy, made: dict[str, ReadTable], tmp_path: Path
) -> None:
    shuffled = dataclasses.replace(
        study, scores=study.scores[::-1], judgements=study.judgements[::-1]
    )
    make_tables(shuffled, tmp_path)
    for path in sorted((study.root / "tables").iterdir()):
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_the_index_explains_every_column(
    study: fake_study.FakeStudy, made: dict[str, ReadTable]
) -> None:
    for table in made.values():
        lines = (study.root / "tables" / table.entry["file"]).read_text().splitlines()
        assert lines[0].split(",") == [column["name"] for column in table.entry["columns"]]
        assert len(table.rows) == table.entry["rows"]
        assert all(column["about"] for column in table.entry["columns"])


def test_single_grades_alone_are_enough(tmp_path: Path) -> None:
    found = make_tables(small(tmp_path), tmp_path / "tables")
    assert found["grades"].rows
    assert not found["preferences"].rows
    assert not found["seed_noise"].rows


def test_no_judgement_at_all_leaves_the_other_tables(tmp_path: Path) -> None:
    study = dataclasses.replace(small(tmp_path), judgements=[])
    found = make_tables(study, tmp_path / "tables")
    assert not found["grades"].rows
    assert found["answer_language"].rows


def test_one_question_gives_values_without_intervals(tmp_path: Path) -> None:
    found = make_tables(small(tmp_path, questions=1, unscored=()), tmp_path / "tables")
    assert all(row["mean"] and row["low"] is None for row in found["grades"].rows)
    assert all(row["low"] is None for row in found["gains"].rows)


def test_files_of_another_configuration_are_refused(tmp_path: Path) -> None:
    study = small(tmp_path)
    moved = tmp_path / "judgements" / "other.judge.single" / study.judgements[0].name
    moved.parent.mkdir()
    study.judgements[0].rename(moved)
    with pytest.raises(BabelmixError, match="no evaluation of this study set"):
        make_tables(dataclasses.replace(study, judgements=[moved]), tmp_path / "tables")
    described = read_json(study.study)
    del described["runs"]["tiny.untuned"]
    (tmp_path / "study.json").write_text(json.dumps(described))
    with pytest.raises(BabelmixError, match="not part of this study set"):
        make_tables(dataclasses.replace(study, judgements=[]), tmp_path / "tables")


def test_variants_know_their_rows(study: fake_study.FakeStudy) -> None:
    rows = {"pinch-1row": {"en": 59, "de": 1}}
    loaded = load_study(study.study, rows)
    pinch = loaded.variants["tiny.pinch-1row.short"]
    assert pinch.languages == ["en", "de"]
    assert not pinch.monolingual
    assert loaded.variants["tiny.mono-DE.short"].monolingual
    assert loaded.variants["tiny.untuned"].languages == []
    assert len(loaded.variants["tiny.mono-DE.short"].runs) == 2
    assert loaded.variants["tiny.mono-DE.short"].label == "mono-DE"
    assert loaded.variants["tiny.untuned"].label == "tiny (untuned)"


def test_cells_are_rounded_and_sorted() -> None:
    assert [cell(v) for v in (None, float("nan"), -0.00001, 1.23456, 3, True, "a,b")] == [
        "",
        "",
        "0.0000",
        "1.2346",
        "3",
        "yes",
        "a,b",
    ]
    columns = {"k": "Key.", "v": "Value."}
    table = Table("t", "T", "", columns, ("k",), [{"k": "b", "v": 1}, {"k": "a,", "v": None}])
    assert table.csv() == 'k,v\n"a,",\nb,1\n'


def test_pools_are_contrasted_over_the_mixtures_made_from_both(tmp_path: Path) -> None:
    """A second pool, graded two points lower: the contrast says so, and what kind it is."""
    import pandas as pd

    study = fake_study.make(tmp_path, pairs=False, seeds=(0,), only=fake_study.FEW)
    made = load_study(study.study)
    grades_of = grades(load_judgements(study.judgements, made))
    twins, twin_rows = {}, []
    for name, variant in made.variants.items():
        if variant.dataset:
            twin = dataclasses.replace(
                variant, name=f"twin-{name}", dataset="other", recipe="long", rows=9000
            )
            twins[twin.name] = twin
            own = grades_of[grades_of["variant"] == name]
            twin_rows.append(own.assign(variant=twin.name, value=own["value"] - 2))
            made.variants[name] = dataclasses.replace(variant, rows=180)
    made.variants.update(twins)
    frame = pd.concat([grades_of, *twin_rows])
    table = contrast_table(made, frame, Bootstrap(samples=200))
    row = next(row for row in table.rows if row["language"] == "all")
    assert (row["left"], row["right"], row["contrast"]) == ("other", "pool", "size and source")
    assert row["difference"] == pytest.approx(-2.0)
    assert (row["mixtures"], row["recipes"]) == (4, "long, short")
    assert row["p_holm"] == pytest.approx(row["p"])
    made.raw["datasets"] = {name: {"sources": ["s"]} for name in ("pool", "other")}
    assert contrast_table(made, frame, Bootstrap(samples=200)).rows[0]["contrast"] == "size"
