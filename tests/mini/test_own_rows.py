"""A pool whose languages are no translations of each other, from raw file to report."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.study import ROOT, Study, mini_config

from babelmix.config.load import build_config
from babelmix.io import read_table
from babelmix.plan.cost import mixture_rows
from babelmix.plan.graph import Plan

pytestmark = [pytest.mark.mini]

#: Rows of each language, of different conversations, and what the file calls the language.
ROWS = {"en": (36, "English"), "de": (18, "deu"), "fr": (8, "fra_Latn")}
DEV = 2


def write_rows(path: Path) -> None:
    """One file of three languages, as Aya writes it, and a language that nobody trains on."""
    demo = (ROOT / "resources" / "demo" / "instructions.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in demo.splitlines()]
    lines = []
    for lang, (wanted, called) in ROWS.items():
        for row in rows[:wanted]:
            question, answer = (turn[lang] for turn in row["turns"][:2])
            lines.append({"inputs": question, "targets": answer, "language": called})
        rows = rows[wanted:]  # no conversation is there in two languages
    lines.append({"inputs": "Ciao?", "targets": "Ciao.", "language": "ita"})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def own_rows_config() -> dict[str, Any]:
    """The mini study on such a pool: each language alone, even, and by size and temperature."""
    config = mini_config()
    languages = list(ROWS)
    config["languages"] = languages
    config["sources"] = {
        "aya": {
            "adapter": "fields",
            "path": "aya.jsonl",
            "fields": {"prompt": "inputs", "answer": "targets"},
            "language_column": "language",
            "languages": languages,
            "licence": "CC0-1.0",
        },
        "demo-benchmark": config["sources"]["demo-benchmark"] | {"languages": languages},
    }
    del config["translators"]
    config["datasets"] = {
        "aya": {"sources": ["aya"], "languages": languages, "parallel": False, "dev_rows": DEV}
    }
    common = {"dataset": "aya", "languages": languages}
    config["mixtures"] = {
        "mono": common | {"policy": "monolingual"},
        "even": common | {"policy": "sampled"},
        "warm": common | {"policy": "sampled", "weights": "size", "temperature": 2.0},
    }
    config["benchmarks"]["demo-bench"]["languages"] = languages
    config["studies"]["demo"]["evaluations"].pop()  # pairs: nothing of them is looked at here
    config["studies"]["demo"]["runs"][0]["mixtures"] = ["mono", "even", "warm"]
    return config


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("own-rows")
    write_rows(folder / "aya.jsonl")
    made = Study(folder, own_rows_config())
    done = made.run()
    assert done.returncode == 0, done.stdout[-6000:]
    return made


def manifest(study: Study, mixture: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        (study.results / "mixtures" / f"{mixture}.manifest.json").read_text(encoding="utf-8")
    )
    return found


def test_each_language_has_its_own_rows(study: Study) -> None:
    for lang, (rows, _) in ROWS.items():
        read = json.loads((study.results / "normalised" / f"aya.{lang}.json").read_text())
        assert (read["read"], read["kept"]) == (63, rows)
        assert read["left_out"] == {"in another language": 63 - rows}
        ids = read_table(study.results / "conversations" / f"aya.{lang}.parquet")["id"].to_pylist()
        assert len(set(ids)) == rows
        assert all(row_id.startswith(f"{lang}:") for row_id in ids)
        assert manifest(study, f"mono-{lang.upper()}")["rows_by_language"] == {lang: rows - DEV}


def test_even_shares_end_with_the_smallest_language(study: Study) -> None:
    found = manifest(study, "even-ENDEFR-sampled")
    assert found["rows_by_language"] == {"de": 6, "en": 6, "fr": 6}
    rows = read_table(study.results / "mixtures" / "even-ENDEFR-sampled.parquet").to_pylist()
    assert all(row["id"].startswith(f"{row['lang']}:") for row in rows)
    assert max(Counter(row["id"] for row in rows).values()) == 1
    assert sum(row["split"] == "dev" for row in rows) == DEV * len(ROWS)


def test_temperature_by_size_draws_the_shares_of_the_formula(study: Study) -> None:
    # 34, 16 and 6 rows to the power 1/2 are 5.83 : 4 : 2.45; the smallest has 6 of 30.
    assert manifest(study, "warm-ENDEFR-sampled")["rows_by_language"] == {
        "de": 10,
        "en": 14,
        "fr": 6,
    }


def test_the_report_says_that_its_mixtures_differ_in_content(study: Study) -> None:
    page = (study.results / "report" / "index.html").read_text(encoding="utf-8")
    assert "The languages of aya hold different rows" in page
    assert json.loads((study.results / "study.json").read_text())["datasets"]["aya"] == {
        "sources": ["aya"],
        "translators": [],
        "parallel": False,
    }
    assert study.planned() == {}
    assert study.prune().startswith("0 orphans")


def test_its_plan_counts_each_language(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(study.folder)
    plan = Plan(build_config(own_rows_config()))
    planned = {m: mixture_rows(plan, plan.expansion.mixtures[m]) for m in plan.mixtures}
    assert planned == {
        "mono-EN": 34,
        "mono-DE": 16,
        "mono-FR": 6,
        "even-ENDEFR-sampled": 18,
        "warm-ENDEFR-sampled": 30,
    }


def test_a_small_copy_of_it_is_planned(study: Study) -> None:
    done = study.run("--dry-run", "--config", "scale=0.5")
    assert done.returncode == 0, done.stdout[-3000:]


def test_a_budget_in_tokens_is_shared_in_tokens(study: Study) -> None:
    """Even shares of 1,500 tokens, in rows of very different lengths."""
    changed = Study(study.folder, own_rows_config())
    changed.config["mixtures"]["even"] |= {"tokens": 1500, "tokenizer": "tiny"}
    done = changed.run("results/mini/mixtures/even-ENDEFR-sampled.manifest.json")
    assert done.returncode == 0, done.stdout[-3000:]
    budget = manifest(changed, "even-ENDEFR-sampled")["budget"]
    assert (budget["asked"], budget["shares"], budget["tokenizer"]) == (1500, "tokens", "tiny")
    spent = budget["tokens_by_language"]
    rows = manifest(changed, "even-ENDEFR-sampled")["rows_by_language"]
    assert sum(spent.values()) == budget["tokens"] <= 1500
    assert all(250 < tokens <= 500 for tokens in spent.values()), spent
    assert rows["en"] > rows["de"]  # German rows of this tokenizer are longer
