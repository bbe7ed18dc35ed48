"""Figures: valid Vega-Lite, with words, intervals and the data they claim."""

import math
from pathlib import Path
from typing import Any

import built_study
import fake_study
import pytest

from babelmix.analyse.charts import PALETTE, colours, is_bent
from babelmix.analyse.judged_figures import correlation_words
from babelmix.io import read_json


@pytest.fixture(scope="module")
def study() -> fake_study.FakeStudy:
    return built_study.built()


@pytest.fixture(scope="module")
def made(study: fake_study.FakeStudy) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read_json(study.root / "figures/index.json")["figures"]
    return found


def spec(study: fake_study.FakeStudy, made: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    entry = next(figure for figure in made if figure["kind"] == kind)
    found: dict[str, Any] = read_json(study.root / "figures" / entry["file"])
    return found


def data(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows that a figure holds, of all its layers."""
    found = list((spec.get("data") or {}).get("values", []))
    for layer in spec.get("layer", []):
        found += data(layer)
    return found


def test_every_kind_is_drawn_and_has_words(made: list[dict[str, Any]]) -> None:
    kinds = {figure["kind"] for figure in made}
    assert kinds == {
        "decision",
        "category_dots",
        "answer_language_series",
        "grade_series",
        "score_series",
        "answer_language",
        "grades",
        "gains",
        "categories",
        "matrix",
        "outcomes",
        "transfer",
        "loss",
    }
    assert len({figure["id"] for figure in made}) == len(made)
    for figure in made:
        assert len(figure["alt"]) > 30
        assert figure["caption"]
        assert figure["title"]
        assert "None" not in figure["alt"] + figure["caption"]


def test_figures_compile_and_fit_a_phone(
    study: fake_study.FakeStudy, made: list[dict[str, Any]]
) -> None:
    import vl_convert

    for figure in made:
        found = read_json(study.root / "figures" / figure["file"])
        if "facet" in found:
            # Plots side by side: the page divides its width by what the figure says of them.
            room = found["usermeta"]["panels"]
            assert room["least"] <= 390 - 32
            narrow = found | {"columns": 1, "spec": found["spec"] | {"width": 250}}
        else:
            assert found["width"] == "container" or all(
                layer.get("width", "container") == "container" for layer in found["layer"]
            )
            narrow = found | {"width": 390 - 32}
        svg = vl_convert.vegalite_to_svg(narrow)
        assert svg.startswith("<svg")
        assert "NaN" not in svg


def test_intervals_are_part_of_the_data(
    study: fake_study.FakeStudy, made: list[dict[str, Any]]
) -> None:
    for kind in ("grades", "gains", "answer_language_series"):
        rows = [row for row in data(spec(study, made, kind)) if "value" in row]
        assert rows
        assert all(row["low"] <= row["value"] <= row["high"] for row in rows)


def test_the_pinch_starts_at_the_main_language_alone(
    study: fake_study.FakeStudy, made: list[dict[str, Any]]
) -> None:
    rows = data(spec(study, made, "answer_language_series"))
    assert min(row["x"] for row in rows) == 0
    dots = {row["language"] for row in rows if "language" in row}
    assert dots == {"de", "fr"}


def test_the_matrix_has_parity_on_its_diagonal(
    study: fake_study.FakeStudy, made: list[dict[str, Any]]
) -> None:
    entry = next(f for f in made if f["kind"] == "matrix" and "language_monolingual" in f["id"])
    rows = data(read_json(study.root / "figures" / entry["file"]))
    diagonal = [row["value"] for row in rows if row["label"] == f"mono-{row['language'].upper()}"]
    assert diagonal == [50, 50, 50]


def test_figures_have_the_same_bytes_again(study: fake_study.FakeStudy, tmp_path: Path) -> None:
    built_study.make_figures(study, tmp_path)
    for path in (study.root / "figures").iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes()


def test_without_pairs_or_families_there_are_fewer_figures(tmp_path: Path) -> None:
    study = fake_study.make(tmp_path, questions=3, pairs=False, seeds=(0,), only=fake_study.FEW)
    built_study.make_tables(study, tmp_path / "tables")
    made = built_study.make_figures(study, tmp_path / "figures")
    kinds = {figure["kind"] for figure in made}
    assert "matrix" not in kinds
    assert "gains" in kinds


def test_correlation_has_n_and_an_interval() -> None:
    points = [(float(i), math.sin(i)) for i in range(11)]
    words = correlation_words(points, 0.95)
    assert words is not None
    assert "n = 11" in words
    assert "95 % interval" in words
    assert correlation_words([(1.0, 2.0)] * 5, 0.95) is None
    assert correlation_words(points[:2], 0.95) is None
    assert "too few points" in (correlation_words([(0, 0), (1, 2), (2, 1)], 0.95) or "")


def test_study_two_reports_its_published_interval() -> None:
    """r = 0.22 over 11 languages has the interval -0.44 … 0.72 (STUDIES, E7's finding)."""
    low, high = (math.tanh(math.atanh(0.22) + s * 1.959964 / math.sqrt(8)) for s in (-1, 1))
    assert (round(low, 2), round(high, 2)) == (-0.44, 0.72)


def test_colours_reach_for_any_number_of_names() -> None:
    assert colours(["a", "b"])["range"] == PALETTE[:2]
    assert colours([str(i) for i in range(12)])["scheme"] == "tableau20"


def test_an_axis_bends_only_for_small_beside_large() -> None:
    assert is_bent([0, 0.8, 10, 80])
    assert not is_bent([0, 20, 80])
    assert not is_bent([1, 2, 3, 6])
