"""Round trips, quality scores and human corrections of a pool, through the real Snakemake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.study import Study, mini_config

from babelmix.io import read_json, read_records
from babelmix.records import Conversation

#: A user's own quality estimation: it counts its calls in a file.
FUNCTION = """
def score(pairs, pivot, lang):
    with open("calls.txt", "a") as file:
        file.write(f"{lang} {len(pairs)}\\n")
    return [min(len(a), len(b)) / max(len(a), len(b)) for a, b in pairs]
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The pool's German file with both measures, made by Snakemake."""
    folder: Path = tmp_path_factory.mktemp("measures")
    config = mini_config()
    # German comes through the translation memory, so that there is something to measure.
    config["sources"]["demo-instructions"]["languages"] = ["en"]
    config["translators"]["back"] = {"backend": "identity"}
    config["datasets"]["demo"] |= {
        "rows": 12,
        "translator": "memory",
        "corrections": "corrections.jsonl",
        "on_failed_check": "keep",
        "audit": {
            "round_trip": {"de": "back"},
            "quality": {"function": "lengths:score"},
            "quality_below": 0.1,
        },
    }
    study = Study(folder, config)
    (folder / "lengths.py").write_text(FUNCTION, encoding="utf-8")
    (folder / "corrections.jsonl").write_text("", encoding="utf-8")
    done = study.run(target(study))
    assert done.returncode == 0, done.stdout[-3000:]
    return study


def target(study: Study) -> str:
    return f"results/{study.config['study_set']}/pools/demo.de.parquet"


def calls(study: Study) -> list[str]:
    """How the user's function was called: a line a call."""
    return (study.folder / "calls.txt").read_text(encoding="utf-8").splitlines()


def audit(study: Study) -> dict[str, Any]:
    return read_json(study.results / "conversations" / "demo.de.audit.json")


def test_measures_become_checks(built: Study) -> None:
    found = audit(built)
    assert found["rows"] == 12
    assert found["measured_by_check"]["quality"] == 12
    assert found["measured_by_check"]["round_trip"] == 12
    assert found["measures"]["quality"]["below"] == 0.1
    # Nothing was translated back: German against English shares some letters, not most.
    assert 0 < found["measures"]["round_trip"]["median"] < 60
    assert len(calls(built)) == 1
    assert built.planned(target(built)) == {}


def test_a_changed_cut_off_scores_nothing_again(built: Study) -> None:
    built.config["datasets"]["demo"]["audit"]["quality_below"] = 0.87
    assert built.planned(target(built)) == {"collect_language": 1, "index_language": 1}
    done = built.run(target(built))
    assert done.returncode == 0, done.stdout[-3000:]
    assert audit(built)["failed_by_check"]["quality"] > 0
    assert len(calls(built)) == 1


def test_a_changed_overlay_measures_anew_what_it_changed(built: Study) -> None:
    rows = read_records(built.results / "conversations" / "demo.de.parquet", Conversation)
    line = {
        "id": rows[0].id,
        "lang": "de",
        "field": "messages.1",
        "text": "Ganz anders.",
        "by": "A. B.",
    }
    (built.folder / "corrections.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    assert built.planned(target(built)) == {
        "score_quality": 1,
        "round_trip": 1,
        "collect_language": 1,
        "index_language": 1,
    }
    done = built.run(target(built))
    assert done.returncode == 0, done.stdout[-3000:]
    assert audit(built)["corrections"]["texts"] == 1
    assert len(calls(built)) == 2
    assert built.planned(target(built)) == {}
