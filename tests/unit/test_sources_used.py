"""What the report says of the data: licences, versions, counts, defects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from babelmix.cli import main
from babelmix.io import read_json
from babelmix.sources.used import describe


def record(name: str, **more: Any) -> dict[str, Any]:
    part = {"path": f"raw/{name}/x.jsonl", "sha256": f"sha-{name}", "bytes": 5}
    given = {"source": name, "builtin": None, "adapter": "alpaca", "files": {"en": [part, part]}}
    given |= {"extra": {}}
    given |= {"repo": None, "commit": None, "url": None, "pinned": None, "warnings": []}
    return given | more


def counts(usable: int, expected: int | None) -> dict[str, Any]:
    return {"read": 9, "kept": 7, "usable": usable, "expected": expected, "raw": {}, "left_out": {}}


def terms(*names: str, **more: Any) -> dict[str, dict[str, Any]]:
    given = {"licence": "CC0-1.0", "non_commercial": False, "citation": ""} | more
    return dict.fromkeys(names, given)


NORMALISED = {"dataset": "d", "sources": {"a": counts(8, 9)}, "warnings": ["few rows"]}
DEFECTS = [
    {"kind": "code", "where": f"{n}, reference 1", "detail": "", "done": "kept"} for n in range(14)
]


def benchmark(lang: str, defects: list[Any]) -> dict[str, Any]:
    given = {"benchmark": "b", "lang": lang, "source": "q", "read": 80, "kept": 8}
    return given | {"warnings": ["few rows"], "defects": defects}


def test_uses_warnings_and_versions() -> None:
    records = [
        record("a", repo="o/a", commit="c" * 40, pinned="commit", warnings=["moves"]),
        record("q", repo="o/q", commit="d" * 40),
        record("r", url="https://x/r", pinned="digest"),
        record("s", pinned="copy", builtin="lima"),
        record("t"),
    ]
    asked = [benchmark("en", []), benchmark("de", [])]
    made = describe(records, [NORMALISED], asked, terms(*"aqrst"))
    assert made["sources"][0]["licence"] == "CC0-1.0"
    assert [s["version"] for s in made["sources"]] == [
        f"commit {'c' * 40}",
        f"not pinned; commit {'d' * 40} at the time",
        "checked by SHA-256",
        "local copy, the built-in source's very bytes",
        "local file, see its SHA-256",
    ]
    assert [s["origin"] for s in made["sources"]][:3] == ["o/a", "o/q", "https://x/r"]
    assert made["sources"][0]["uses"][0] == {
        "use": "dataset d",
        "read": 9,
        "kept": 7,
        "usable": 8,
        "expected": 9,
        "raw": {},
    }
    assert [(u["use"], u["kept"]) for u in made["sources"][1]["uses"]] == [("benchmark b", 8)]
    assert made["sources"][0]["files"][0] == {"file": "a/x.jsonl", "sha256": "sha-a"}
    assert made["warnings"] == ["moves", "few rows"]


def test_defects_are_counted_by_kind_and_what_was_done() -> None:
    made = describe([], [], [benchmark("de", DEFECTS)], {})
    (row,) = made["defects"]
    assert (row["kind"], row["count"], row["done"], row["lang"]) == ("code", 14, "kept", "de")
    assert row["where"].endswith("; 11, reference 1 and 2 more")


def test_the_verb(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "a.json").write_text(json.dumps(record("a")))
    study = {"sources": terms("a", non_commercial=True)}
    (tmp_path / "study.json").write_text(json.dumps(study))
    options = ["--records", str(tmp_path / "a.json"), "--output", str(tmp_path / "o.json")]
    options += ["--study", str(tmp_path / "study.json")]
    assert main(["describe-sources", "--normalised", "--benchmarks", *options]) == 0
    assert "1 in use, 1 for non-commercial use only" in capsys.readouterr().out
    assert read_json(tmp_path / "o.json")["sources"][0]["name"] == "a"
