"""Tables, figures and words of held-out likelihood, against sums done by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import built_study
import fake_likelihoods
import fake_study
import numpy as np
import pandas as pd
import pytest

from babelmix.analyse import figures, tables
from babelmix.analyse.likelihood_agreement import rank_correlation
from babelmix.analyse.likelihoods import comparable_texts, load_likelihoods
from babelmix.analyse.statistics import Bootstrap
from babelmix.analyse.study import load_study
from babelmix.analyse.table import ReadTable, read_tables
from babelmix.errors import BabelmixError
from babelmix.io import read_json, read_records, write_records
from babelmix.records import Likelihood
from babelmix.report import report

Made = tuple[fake_study.FakeStudy, list[Path], dict[str, ReadTable]]


def run_tables(study: fake_study.FakeStudy, files: list[Path]) -> dict[str, ReadTable]:
    lists = ("scores", "judgements", "manifests", "audits", "metrics", "questions", "humans")
    folder = study.root / "tables"
    places = ["--folder", str(folder), "--output", str(folder / "index.json")]
    options = [*study.options(*lists), "--likelihoods", *map(str, files), *places]
    built_study.run_verb(tables, *options)
    return read_tables(folder / "index.json")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    study = fake_study.make(tmp_path_factory.mktemp("likelihood"), pairs=False)
    files = fake_likelihoods.add(study)
    return study, files, run_tables(study, files)


def frame_of(made: Made) -> pd.DataFrame:
    study, files, _ = made
    return load_likelihoods(files, load_study(study.study))


def rows(table: ReadTable, **equal: Any) -> list[dict[str, Any]]:
    return [row for row in table.rows if all(row[k] == v for k, v in equal.items())]


def one(table: ReadTable, **equal: Any) -> dict[str, Any]:
    (row,) = rows(table, **equal)
    return row


def test_bits_per_byte_are_all_bits_over_all_bytes(made: Made) -> None:
    """Not the mean of each text's rate, nor weighted twice (lighteval's first version)."""
    frame = frame_of(made)
    own = frame[
        (frame["variant"] == "tiny.all-ENDEFR.short")
        & (frame["part"] == "answer")
        & (frame["lang"] == "de")
        & (frame["id"] != "t03")
    ]
    wanted = own["bits"].sum() / own["n_bytes"].sum()  # two seeds of the same texts
    found = one(
        made[2]["likelihood"], variant="tiny.all-ENDEFR.short", part="answer", language="de"
    )
    assert found["bits_per_byte"] == pytest.approx(wanted, abs=1e-4)
    assert (found["questions"], found["values"]) == (11, 11)
    assert found["low"] < found["bits_per_byte"] < found["high"]
    assert found["bytes"] == pytest.approx(own["n_bytes"].mean(), abs=1e-3)
    assert found["bits"] == pytest.approx(own["bits"].mean(), abs=1e-3)


def test_each_language_weighs_the_same_in_the_mean(made: Made) -> None:
    table = made[2]["likelihood"]
    of = rows(table, variant="tiny.mono-DE.short", part="answer")
    single = [row["bits_per_byte"] for row in of if row["language"] != "all"]
    (mean,) = [row["bits_per_byte"] for row in of if row["language"] == "all"]
    assert mean == pytest.approx(sum(single) / 3, abs=2e-4)


def test_the_comparison_with_the_base_is_paired_by_text(made: Made) -> None:
    found = one(made[2]["likelihood"], variant="tiny.mono-DE.short", part="answer", language="de")
    assert found["difference"] == pytest.approx(found["bits_per_byte"] - found["base"], abs=2e-4)
    assert found["saved"] == pytest.approx(
        100 * (1 - found["bits_per_byte"] / found["base"]), abs=0.02
    )
    # Texts differ by 20 %, the saving of each by 2 %: unpaired it would be lost in the former.
    width = found["difference_high"] - found["difference_low"]
    assert width < 0.25 * (found["high"] - found["low"])
    untuned = one(made[2]["likelihood"], variant="tiny.untuned", part="answer", language="de")
    assert untuned["saved"] is None
    assert untuned["base"] is None


def test_a_text_that_one_run_was_trained_on_leaves_every_cell_and_is_counted(made: Made) -> None:
    for row in made[2]["likelihood"].rows:
        assert row["questions"] == 11
    french = one(made[2]["likelihood"], variant="tiny.mono-FR.short", part="answer", language="all")
    other = one(made[2]["likelihood"], variant="tiny.mono-EN.short", part="answer", language="all")
    assert french["reasons"] == "trained on: 3"
    assert other["reasons"] is None
    assert french["left_out"] == other["left_out"] == 6  # one text × three languages × two seeds


def test_repeating_every_row_narrows_no_interval(made: Made, tmp_path: Path) -> None:
    study, files, _ = made
    turns = []
    for file in files:
        found = read_records(file, Likelihood)
        more = [Likelihood(**{**vars_of(r), "turn": 2}) for r in found]
        turns.append(tmp_path / fake_likelihoods.HELD_OUT / file.name)
        write_records(turns[-1], [*found, *more], Likelihood)
    known = load_study(study.study)
    widths = []
    for paths in (files, turns):
        texts = comparable_texts(
            load_likelihoods(paths, known), fake_likelihoods.HELD_OUT, "answer"
        )
        assert texts is not None
        found = texts.per_byte(Bootstrap(samples=400), "tiny.mono-EN.short", ["de"])
        widths.append((found.high or 0) - (found.low or 0))
    assert widths[0] == pytest.approx(widths[1])


def vars_of(record: Likelihood) -> dict[str, Any]:
    return {name: getattr(record, name) for name in Likelihood.__slots__}


def test_the_saving_s_interval_holds_the_truth() -> None:
    """Coverage of the paired saving over 300 made-up studies, nominal 95 %."""
    hits = 0
    for seed in range(300):
        draw = np.random.default_rng(seed)
        n_bytes = draw.integers(50, 400, (30, 1)).astype(float)
        base = n_bytes * draw.normal(1.2, 0.3, (30, 1))
        tuned = base * 0.9 + n_bytes * draw.normal(0, 0.05, (30, 1))
        texts = _texts(n_bytes, {"base": base, "tuned": tuned})
        found = texts.saving(Bootstrap(samples=500), [("tuned", ["x"])], "base")
        hits += (found.low or 0) <= 10.0 <= (found.high or 0)
    assert 0.91 <= hits / 300 <= 0.98


def _texts(n_bytes: Any, bits: dict[str, Any]) -> Any:
    from babelmix.analyse.likelihoods import Texts

    ids = [f"t{i}" for i in range(len(n_bytes))]
    return Texts("pool.dev", "answer", ["x"], ids, len(ids), n_bytes, bits)


def test_transfer_is_own_against_other_languages(made: Made) -> None:
    table = made[2]["likelihood_transfer"]
    cells = made[2]["likelihood"]
    own = one(table, tuned_in="de", asked_in="own")
    other = one(table, tuned_in="de", asked_in="other")
    cell = {
        lang: one(cells, variant="tiny.mono-DE.short", part="answer", language=lang)["saved"]
        for lang in ("en", "de", "fr")
    }
    assert own["saved"] == pytest.approx(cell["de"], abs=1e-3)
    assert other["saved"] == pytest.approx((cell["en"] + cell["fr"]) / 2, abs=1e-3)
    mean = one(table, tuned_in="all", asked_in="own")
    assert mean["languages"] == 3
    assert mean["saved"] == pytest.approx(
        np.mean([one(table, tuned_in=c, asked_in="own")["saved"] for c in ("en", "de", "fr")]),
        abs=1e-3,
    )
    assert own["low"] > other["high"]  # the built-in truth


def test_it_would_pick_the_judge_s_winner(made: Made) -> None:
    found = one(
        made[2]["likelihood_agreement"], measure=f"grade:{fake_study.SINGLE}", language="all"
    )
    assert found["mixtures"] == 7
    assert found["rho"] > 0.7
    assert found["low"] < found["rho"] < found["high"]
    best = max(
        rows(made[2]["grades"], language="all"),
        key=lambda r: r["mean"] if r["mixture"] else -1,
    )
    assert found["best"] == best["label"]
    assert (found["same"] == "yes") == (found["picked"] == found["best"])
    assert found["cost"] >= 0


def test_picking_another_mixture_has_a_cost_with_an_interval(tmp_path: Path) -> None:
    study = fake_study.make(tmp_path, pairs=False, seeds=(0,))
    files = fake_likelihoods.add(study)
    # The bits say the opposite of the judge.
    for file in files:
        found = read_records(file, Likelihood)
        if "untuned" not in file.name:
            for row in found:
                row.bits = None if row.bits is None else 1e6 / row.bits
        write_records(file, found, Likelihood)
    made = run_tables(study, files)
    row = one(made["likelihood_agreement"], measure=f"grade:{fake_study.SINGLE}", language="all")
    assert row["rho"] < 0
    assert row["same"] == "no"
    assert row["rank"] > 1
    assert row["cost"] > 0
    assert row["cost_low"] < row["cost"] < row["cost_high"]


def test_rank_correlation_is_spearman_s_with_a_wider_interval_than_pearson_s() -> None:
    from scipy.stats import spearmanr

    x = [1.0, 2.0, 2.0, 4.0, 7.0, 3.0, 9.0, 8.0]
    y = [2.0, 1.0, 5.0, 4.0, 9.0, 3.0, 7.0, 7.0]
    found = rank_correlation(x, y)
    assert found is not None
    assert found.value == pytest.approx(spearmanr(x, y).statistic)
    se = math.sqrt((1 + found.value**2 / 2) / 5)
    assert found.low == pytest.approx(math.tanh(math.atanh(found.value) - 1.959964 * se), abs=1e-5)
    assert rank_correlation([1, 2], [2, 1]) is None
    same = rank_correlation([1, 2, 3, 4], [10, 20, 30, 40])
    assert same is not None
    assert (same.value, same.low) == (pytest.approx(1.0), None)


def test_the_rank_interval_holds_the_truth() -> None:
    """Coverage over 2,000 draws of 11 mixtures, true ρ of 0.68 (nominal 95 %)."""
    from scipy.stats import multivariate_normal

    pearson = 0.7
    truth = 6 / math.pi * math.asin(pearson / 2)
    hits = defined = 0
    draws = multivariate_normal([0, 0], [[1, pearson], [pearson, 1]], seed=3).rvs((2000, 11))
    for points in draws:
        found = rank_correlation(points[:, 0].tolist(), points[:, 1].tolist())
        if found is not None and found.low is not None and found.high is not None:
            defined += 1
            hits += found.low <= truth <= found.high
    assert defined > 1990
    assert 0.93 <= hits / defined <= 0.98


def test_no_common_text_is_said_and_never_a_number(tmp_path: Path) -> None:
    study = fake_study.make(tmp_path, pairs=False, seeds=(0,), only=fake_study.FEW)
    files = fake_likelihoods.add(study)
    for row in (found := read_records(files[0], Likelihood)):
        row.bits, row.reason = None, "trained on"
    write_records(files[0], found, Likelihood)
    made = run_tables(study, files)
    for row in made["likelihood"].rows:
        assert row["bits_per_byte"] is None
        assert row["saved"] is None
        assert "no text is scored under all runs" in row["interval_note"]
    assert made["likelihood_transfer"].rows == []


def test_a_left_over_file_is_refused(made: Made, tmp_path: Path) -> None:
    study, files, _ = made
    found = read_records(files[0], Likelihood)
    for row in found:
        row.held_out = "other.dev"
    write_records(tmp_path / "x.parquet", found, Likelihood)
    with pytest.raises(BabelmixError, match=r"'other.dev' is no likelihood"):
        load_likelihoods([tmp_path / "x.parquet"], load_study(study.study))


def make_page(study: fake_study.FakeStudy) -> tuple[list[dict[str, Any]], str]:
    """Index of the figures, and the page, of a study set that has its tables."""
    index = study.root / "figures/index.json"
    options = ["--study", str(study.study), "--tables", str(study.root / "tables/index.json")]
    built_study.run_verb(figures, *options, "--folder", str(index.parent), "--output", str(index))
    lists = study.options("answers", "questions", "judgements", "manifests")
    places = ["--figures", str(index), "--output", str(study.root / "report/index.html")]
    tables_index = ["--tables", str(study.root / "tables/index.json")]
    built_study.run_verb(report, *lists, *tables_index, *places)
    return read_json(index)["figures"], (study.root / "report/index.html").read_text("utf-8")


def test_the_matrix_is_drawn_and_told(made: Made) -> None:
    listed, html = make_page(made[0])
    kinds = {figure["kind"]: figure for figure in listed}
    assert {"likelihood", "likelihood_matrix"} <= set(kinds)
    for kind in ("likelihood", "likelihood_matrix"):
        assert kinds[kind]["alt"].startswith("Heatmap of")
        assert "None" not in kinds[kind]["caption"] + kinds[kind]["alt"]
    assert "3 languages tuned in by 3 asked in" in kinds["likelihood_matrix"]["alt"]
    shown = read_json(made[0].root / "figures" / kinds["likelihood_matrix"]["file"])
    values = shown["data"]["values"] if "data" in shown else shown["layer"][0]["data"]["values"]
    assert {(r["label"], r["language"]) for r in values} == {
        (f"tuned in {name}", lang)
        for name in ("English", "German", "French")
        for lang in ("en", "de", "fr")
    }
    # The diagonal of the matrix is tuning in the language itself.
    encoding = shown["layer"][0]["encoding"]
    assert encoding["x"]["sort"] == ["en", "de", "fr"]
    assert encoding["y"]["sort"] == ["tuned in English", "tuned in German", "tuned in French"]
    assert 'id="likelihood"' in html
    assert "tuning on one language saves" in html
    assert "Few bits per byte go with high grades" in html
    assert "Bits per byte of held-out answers" in html
    assert "trained on: 3" in html


def test_without_likelihoods_the_tables_are_empty_and_the_page_is_as_before(tmp_path: Path) -> None:
    study = fake_study.make(tmp_path, pairs=False, seeds=(0,), only=fake_study.FEW)
    empty = run_tables(study, [])
    for name in ("likelihood", "likelihood_transfer", "likelihood_agreement"):
        assert empty[name].rows == []
        assert empty[name].entry["columns"]
    listed, html = make_page(study)
    assert not [figure for figure in listed if figure["kind"].startswith("likelihood")]
    assert 'id="likelihood"' not in html
