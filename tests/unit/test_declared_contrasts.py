"""Contrasts that a study declares: planned, measured, corrected, and reported first."""

from __future__ import annotations

import re
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from built_study import make_figures, make_tables, run_verb
from fake_study import SIDE, SINGLE, make
from tests.study import mini_config

from babelmix.analyse.study import load_study
from babelmix.config.load import build_config
from babelmix.errors import BabelmixError
from babelmix.io import read_json, read_records, write_json
from babelmix.plan import Plan
from babelmix.records import Judgement
from babelmix.report import report
from babelmix.report.statements import statements


def plan_of(contrasts: dict[str, Any], **changes: Any) -> Plan:
    config = mini_config()
    config["studies"]["demo"] |= {"contrasts": contrasts, **changes}
    return Plan(build_config(config))


def test_sides_are_runs_by_any_name_of_a_mixture_or_family() -> None:
    plan = plan_of(
        {
            "pinch": {"left": "pinch-p50", "right": "mono-EN", "languages": ["de"]},
            "mean": {"left": "pinch", "right": "mono", "question": "Do pinches help?"},
        }
    )
    first, second = plan.contrasts["demo"]
    assert first["sides"] == [["tiny.pinch-p50.quick.s1"], ["tiny.mono-EN.quick.s1"]]
    assert (first["model"], first["recipe"], first["languages"]) == ("tiny", "quick", ["de"])
    assert second["sides"][1] == ["tiny.mono-EN.quick.s1", "tiny.mono-DE.quick.s1"]
    assert plan.describe()["studies"]["demo"]["contrasts"] == [first, second]
    assert "contrasts" not in Plan(build_config(mini_config())).describe()["studies"]["demo"]


@pytest.mark.parametrize(
    ("contrast", "told"),
    [
        ({"left": "pinch-p51", "right": "mono-EN"}, "mixture 'pinch-p51'"),
        ({"left": "mono-EN", "right": "mono-EN"}, "two of its sides are the same runs"),
        ({"left": "mono-EN", "right": "mono-DE", "languages": ["fr"]}, "language 'fr'"),
        ({"left": {"mixture": "mono-EN", "recipe": "slow"}, "right": "mono-DE"}, "recipe 'slow'"),
        ({"left": "mono-EN", "right": "untuned"}, "no run of the study is `untuned`"),
    ],
)
def test_what_cannot_be_compared_is_said_before_the_run(
    contrast: dict[str, Any], told: str
) -> None:
    with pytest.raises(BabelmixError, match=r"studies.demo.contrasts.x") as error:
        plan_of({"x": contrast})
    assert told in str(error.value)


def two_recipes() -> dict[str, Any]:
    config = mini_config()
    config["training"]["slow"] = config["training"]["quick"] | {"learning_rate": 1e-5}
    run_set = config["studies"]["demo"]["runs"][0]
    config["studies"]["demo"]["runs"] = [run_set, run_set | {"recipe": "slow"}]
    return config


def test_recipes_stand_in_rows_of_their_own_or_against_each_other() -> None:
    config = two_recipes()

    def side(mixture: str, recipe: str) -> dict[str, str]:
        return {"mixture": mixture, "recipe": recipe}

    config["studies"]["demo"]["contrasts"] = {
        "each": {"left": "pinch-p50", "right": "mono-EN"},
        "interaction": {
            "left": side("pinch-p50", "quick"),
            "right": side("mono-EN", "quick"),
            "against": {"left": side("pinch-p50", "slow"), "right": side("mono-EN", "slow")},
        },
    }
    quick, slow, both = Plan(build_config(config)).contrasts["demo"]
    assert (quick["recipe"], slow["recipe"], both["recipe"]) == ("quick", "slow", "quick, slow")
    assert len(both["sides"]) == 4
    config["studies"]["demo"]["contrasts"] = {
        "half": {"left": side("pinch-p50", "quick"), "right": "mono-EN"}
    }
    with pytest.raises(BabelmixError, match="Name the recipe of each side"):
        Plan(build_config(config))


def test_a_copy_at_scale_keeps_the_contrasts_that_it_can() -> None:
    config = mini_config() | {"scale": 0.5}
    config["studies"]["demo"]["contrasts"] = {
        "pinch": {"left": "pinch-p50", "right": "mono-EN", "languages": ["de"]}
    }
    (kept,) = Plan(build_config(config)).contrasts["demo"]
    assert kept["name"] == "pinch"


# --- what the analysis makes of them ---


def contrast(name: str, *mixtures: str, languages: list[str] | None = None) -> dict[str, Any]:
    """As `describe` writes it; ``a+b`` is the mean of two mixtures."""
    sides = [
        [f"tiny.{one}.short.s{seed}" for one in m.split("+") for seed in (0, 1)] for m in mixtures
    ]
    return {
        "name": name,
        "question": "A question?",
        "languages": languages,
        "model": "tiny",
        "recipe": "short",
        "sides": sides,
        "labels": list(mixtures),
    }


@pytest.fixture(scope="module")
def declared(tmp_path_factory: pytest.TempPathFactory) -> Any:
    study = make(tmp_path_factory.mktemp("declared"))
    raw = read_json(study.study)
    raw["studies"]["polyglot"]["contrasts"] = [
        contrast("german", "all-ENDEFR", "mono-EN", languages=["de"]),
        contrast("means", "pinch-p10+pinch-1row", "mono-DE+mono-FR"),
        contrast("interaction", "all-ENDEFR", "mono-EN", "pinch-p10", "mono-FR"),
    ]
    write_json(study.study, raw)
    return study, make_tables(study, study.root / "tables")


def grades(study: Any, mixture: str) -> dict[tuple[str, str, int], float]:
    """Grade by (question, language, turn), the mean of the seeds, from the files themselves."""
    found: dict[tuple[str, str, int], list[float]] = {}
    for seed in (0, 1):
        path = study.root / "judgements" / SINGLE / f"tiny.{mixture}.short.s{seed}.parquet"
        for row in read_records(path, Judgement):
            if row.score is not None:
                found.setdefault((row.question_id, row.lang, row.turn), []).append(row.score)
    return {item: fmean(values) for item, values in found.items()}


def row_of(tables: Any, name: str, measure: str) -> dict[str, Any]:
    (row,) = [
        r for r in tables["declared"].rows if (r["contrast"], r["measure"]) == (name, measure)
    ]
    return dict(row)


def test_they_are_the_first_table(declared: Any) -> None:
    assert next(iter(declared[1])) == "declared"


def test_a_difference_is_that_of_the_files(declared: Any) -> None:
    study, tables = declared
    left, right = grades(study, "all-ENDEFR"), grades(study, "mono-EN")
    both = [item for item in left if item in right and item[1] == "de"]
    row = row_of(tables, "german", f"grade:{SINGLE}")
    assert row["difference"] == pytest.approx(fmean(left[i] - right[i] for i in both), abs=1e-4)
    assert row["values"] == len(both)
    assert row["languages"] == "de"
    assert row["left_out"] == 2  # the question whose German grades failed, two turns
    assert row["low"] < row["difference"] < row["high"]


def test_a_side_of_several_mixtures_is_their_mean(declared: Any) -> None:
    study, tables = declared
    left = [grades(study, name) for name in ("pinch-p10", "pinch-1row")]
    right = [grades(study, name) for name in ("mono-DE", "mono-FR")]
    sides = [left, right]
    flat = [of for side in sides for of in side]
    items = [item for item in flat[0] if all(item in of for of in flat)]
    by_lang = {
        lang: fmean(
            fmean(of[i] for of in sides[0]) - fmean(of[i] for of in sides[1])
            for i in items
            if i[1] == lang
        )
        for lang in ("en", "de", "fr")
    }
    row = row_of(tables, "means", f"grade:{SINGLE}")
    assert row["difference"] == pytest.approx(fmean(by_lang.values()), abs=1e-4)


def test_an_interaction_is_a_difference_of_differences(declared: Any) -> None:
    _, tables = declared
    row = row_of(tables, "interaction", f"grade:{SINGLE}")
    assert row["difference"] == pytest.approx(row["left_mean"] - row["right_mean"], abs=2e-4)
    assert row["against"] == "pinch-p10 − mono-FR"


def test_scores_count_against_one_baseline_alone(declared: Any) -> None:
    _, tables = declared
    row = row_of(tables, "german", f"score:{SIDE}")
    assert row["unit"] == "score points"
    assert row["questions"] == 6


def test_p_is_corrected_for_the_declared_ones_alone(declared: Any) -> None:
    _, tables = declared
    rows = [r for r in tables["declared"].rows if r["measure"] == f"grade:{SINGLE}"]
    assert {r["tests"] for r in rows} == {3}
    assert all(r["p_holm"] >= r["p"] for r in rows)


def test_findings_and_page_begin_with_them(declared: Any) -> None:
    study, tables = declared
    found = statements(load_study(study.study), "polyglot", tables)
    assert found[0].text.startswith("A question? ")
    assert "Declared contrast german" in found[0].note
    make_figures(study, study.root / "figures")
    page = study.root / "index.html"
    lists = ("answers", "judgements", "questions", "manifests")
    run_verb(
        report,
        *study.options(*lists),
        *("--tables", str(study.root / "tables/index.json")),
        *("--figures", str(study.root / "figures/index.json")),
        *("--output", str(page)),
    )
    text = page.read_text(encoding="utf-8")
    first = re.search(r'<p class="other">(.*?)</p>', text, re.S)  # below the decision
    assert first is not None
    assert first[1].startswith("A question? ")
    assert "Declared contrasts: named in the configuration" in text


def test_a_study_without_any_has_an_empty_table(tmp_path: Path) -> None:
    study = make(tmp_path, questions=3, pairs=False, only=("mono-EN", "mono-DE", "all-ENDEFR"))
    assert make_tables(study, tmp_path / "tables")["declared"].rows == []
