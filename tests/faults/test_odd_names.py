"""Ids, file names and folders that nobody would choose, through the whole graph."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.study import Study, mini_config

from babelmix.io import read_records
from babelmix.records import Answer, Conversation, Judgement

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3600)]

#: Ids as published sets have them, and worse.
IDS = [
    *("a/b", "../up", "it's", 'say "hi"', "two words", "🙂-1", "{lang}", "%s", "$HOME", "-x"),
    *("a;b", "a\nb", "ü/ß", "0", "x" * 300, "<b>", "&amp;", "a,b", "#1", "NULL"),
]
#: A folder and a file that every unquoted shell word would break on.
FOLDER = "a study's folder 🙂"
FILE = "my data/räw 'rows' & \"more\" 🙂.jsonl"


def odd_config() -> dict[str, Any]:
    """English and Catalan; a benchmark without references; Catalan has no system prompt."""
    config = mini_config()
    config["languages"] = {
        "en": {},
        "ca": {"name": "Catalan", "iso639_3": "cat", "script": "Latin", "family": "Romance"},
    }
    codes = ["en", "ca"]
    config["sources"] = {
        "rows": {"adapter": "alpaca", "path": FILE, "languages": ["en"], "licence": "CC0-1.0"},
        "asked": {
            "adapter": "parallel",
            "path": "asked.jsonl",
            "languages": codes,
            "licence": "CC0-1.0",
        },
    }
    config["translators"] = {"none": {"backend": "identity"}}
    config["datasets"] = {
        "odd": {
            "sources": ["rows"],
            "languages": codes,
            "translator": "none",
            "dev_rows": 2,
            "on_failed_check": "keep",
        }
    }
    config["mixtures"] = {
        "odd": {"policy": "parallel", "dataset": "odd", "languages": codes},
        "mono": {"policy": "monolingual", "dataset": "odd", "languages": ["en"]},
    }
    config["training"]["quick"] |= {"system_prompt": True}
    config["benchmarks"]["demo-bench"] |= {
        "source": "asked",
        "languages": codes,
        "system_prompt": True,
        "questions": None,
    }
    config["studies"]["demo"]["runs"][0]["mixtures"] = ["odd", "mono"]
    return config


def write_rows(folder: Path) -> None:
    file = folder / FILE
    file.parent.mkdir(parents=True)
    rows = [
        {"id": i, "instruction": f"What is number {n}?", "input": "", "output": f"It is {n} of it."}
        for n, i in enumerate(IDS)
    ]
    file.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    asked = [
        {
            "question_id": i,
            "category": "odd & <b>ends</b>",
            "turns": [{"en": f"Who is {n}?", "ca": f"Qui és {n}?"}],
        }
        for n, i in enumerate(IDS[:4])
    ]
    (folder / "asked.jsonl").write_text("".join(json.dumps(r) + "\n" for r in asked))


def test_odd_ids_and_names_go_through_the_whole_graph(tmp_path: Path) -> None:
    study = Study(tmp_path / FOLDER, odd_config())
    write_rows(study.folder)
    done = study.run()
    assert done.returncode == 0, done.stdout[-5000:]
    assert study.planned() == {}
    kept = read_records(study.results / "conversations" / "odd.ca.parquet", Conversation)
    assert [row.id for row in kept] == IDS
    answers = [
        row for f in study.results.glob("answers/*/*.parquet") for row in read_records(f, Answer)
    ]
    assert {row.question_id for row in answers} == set(IDS[:4])
    judged = [
        row
        for f in study.results.glob("judgements/*/*.parquet")
        for row in read_records(f, Judgement)
    ]
    assert {row.question_id for row in judged} == set(IDS[:4])
    assert all(row.unscored_reason is None for row in judged)  # no reference is no obstacle
    page = (study.results / "report" / "index.html").read_text(encoding="utf-8")
    assert "<b>ends" not in page
    # Nothing was written outside the study's folder.
    assert [p.name for p in tmp_path.iterdir()] == [FOLDER]
