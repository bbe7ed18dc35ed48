"""What leaves the analysis: parquet, LaTeX, digests; the radar; two languages against one."""

import gzip
import json
import math
from base64 import b64decode
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from built_study import built

from babelmix.analyse import charts, radar
from babelmix.analyse.bilingual_table import bilingual_table, correlation_table
from babelmix.analyse.judged_figures import bilingual_figure
from babelmix.analyse.latex import escaped, main_latex
from babelmix.analyse.statistics import Bootstrap
from babelmix.analyse.study import StudySet, Variant, load_study
from babelmix.analyse.table import ReadTable, Table, read_tables
from babelmix.io import file_digest, read_json
from babelmix.report.browser import packed


def tables() -> Path:
    """Folder of the built study's tables; built once, when the first test asks."""
    return built().root / "tables"


def test_parquet_holds_the_csv_and_explains_itself() -> None:
    for name, table in read_tables(tables() / "index.json").items():
        arrow = pq.read_table(tables() / f"{name}.parquet")
        assert arrow.column_names == [c["name"] for c in table.entry["columns"]], name
        for column in table.entry["columns"]:
            about = arrow.schema.field(column["name"]).metadata[b"about"].decode()
            assert about == column["about"]
        assert arrow.to_pylist() == table.rows, name


def test_the_index_has_the_digest_of_every_input() -> None:
    study = built()
    inputs = read_json(tables() / "index.json")["inputs"]
    files = [study.study, *study.scores, *study.judgements, *study.manifests, *study.questions]
    for path in files:
        assert inputs[path.relative_to(study.root).as_posix()] == file_digest(path)


def test_latex_of_the_main_tables_is_balanced_and_escaped() -> None:
    text = (tables() / "grades.tex").read_text()
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len({line.count("&") for line in rows}) == 1
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 1
    assert "all-ENDEFR" in text
    gains = (tables() / "gains.tex").read_text()
    assert "best monolingual" in gains
    assert escaped("50 % of a_b & {c}") == r"50 \% of a\_b \& \{c\}"
    assert not (tables() / "cost.tex").exists()
    empty = Table("grades", "", "", {}, ())
    assert main_latex(empty, load_study(built().study)) is None


def test_a_radar_puts_each_grade_at_its_distance() -> None:
    rows = [
        {"label": "m", "language": "en", "turn": "all", "category": c, "value": v}
        for c, v in (("a", 2.0), ("b", 4.0), ("c", 6.0), ("d", 8.0))
    ]
    found = radar.traces(rows, ["a", "b", "c", "d"])
    assert [round(math.hypot(p["x"], p["y"]), 3) for p in found] == [2.0, 2.0, 4.0, 6.0, 8.0]
    assert sorted(p["rank"] for p in found) == [0, 1, 2, 3, 4]
    top = radar.point(10, 0, 8)
    assert (top["x"], top["y"]) == (0, 10)
    chart = radar.radar(
        rows, categories=["a", "b", "c", "d"], turns=["all"], selectors={"language": ["en"]}
    )
    spec = chart.to_dict()
    assert "chosen_language" in str(spec)
    assert spec["layer"]
    assert charts.PALETTE[0] in str(spec)


def variant(name: str, *languages: str) -> Variant:
    shares = {lang: 1 / len(languages) for lang in languages}
    return Variant(name, name, "m", name, "r", "pool", "blocks", None, shares, (name,))


def test_two_languages_are_compared_with_either_alone_on_the_others() -> None:
    draw = np.random.default_rng(1)
    scores = {"cs-en": 60, "cs": 50, "en": 40}
    rows = [
        {"evaluation": "e", "variant": v, "question_id": f"q{q}", "lang": lang, "category": "c"}
        | {"turn": 1, "value": score + draw.normal(0, 5)}
        for v, score in scores.items()
        for q in range(40)
        for lang in ("cs", "en", "fi", "he")
    ]
    study = StudySet(
        {
            "evaluations": {
                "e": {"benchmark": "b", "judge": "j", "baseline": "language_monolingual"}
            },
            "confidence": 0.95,
            "studies": {"s": {"runs": ["cs-en", "cs", "en"]}},
        },
        {
            "cs-en": variant("cs-en", "cs", "en"),
            "cs": variant("cs", "cs"),
            "en": variant("en", "en"),
        },
        {name: name for name in scores},
    )
    table = bilingual_table(study, pd.DataFrame(rows), Bootstrap(samples=200))
    found = {row["alone"]: row for row in table.rows}
    assert set(found) == {"cs", "en"}
    assert found["cs"]["languages"] == 2
    assert found["cs"]["difference"] == pytest.approx(10, abs=2)
    assert found["en"]["low"] > 15
    assert found["en"]["score_alone_low"] < 40 < found["en"]["score_alone_high"]
    (figure,) = bilingual_figure(study, "s", "e", ReadTable(table.entry(), table.rows))
    drawn = figure.chart.to_dict()["layer"][1]["data"]["values"]
    assert [(row["tuned on"], round(row["value"], -1)) for row in drawn] == [
        ("both languages", 60),
        ("the first alone", 50),
        ("the second alone", 40),
    ]
    assert all(row["low"] < row["value"] < row["high"] for row in drawn)
    assert "in 2 of 2 comparisons" in figure.alt
    transfer = Table("transfer", "", "", {}, ())
    for i, lang in enumerate(("cs", "en", "fi", "he", "ru")):
        transfer.rows.append(
            {"study": "s", "evaluation": "e", "model": "m", "language": lang}
            | {"pretraining_share": None if lang == "ru" else 0.1 * i, "score": 40.0 + i * i}
        )
    (row,) = correlation_table(study, transfer).rows
    assert (row["languages"], round(row["r"], 2)) == (4, 0.96)
    assert row["low"] < row["r"] < row["high"]


def test_answers_are_packed_in_blocks_the_same_each_time() -> None:
    items = [
        {"id": f"q{i}", "lang": "de", "category": "c", "turns": ["Frage?"]}
        | {"answers": {"r": {"1": {"text": letter * 150_000}}}}
        for i, letter in enumerate("abcd\ud800")
    ]
    browser = {"benchmarks": [{"name": "b", "total": 5, "items": items}]}
    index, blocks = packed(browser)
    shown = index["benchmarks"][0]["items"]
    assert [item["block"] for item in shown] == [0, 0, 1, 1, 2]
    assert shown[0]["start"] == "Frage?"
    found = [json.loads(gzip.decompress(b64decode(text))) for text in blocks]
    assert [[item["id"] for item in block] for block in found] == [
        ["q0", "q1"],
        ["q2", "q3"],
        ["q4"],
    ]
    assert found[1] == items[2:4]
    assert found[2][0]["answers"]["r"]["1"]["text"] == "?" * 150_000
    assert packed(browser) == (index, blocks)
