"""Round trips: rows translated back are compared with the pivot, in a job with its own journal."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.options import as_options

from babelmix.cli import main
from babelmix.config.audit import Audit
from babelmix.config.load import build_config, read_yaml
from babelmix.errors import BabelmixError
from babelmix.io import read_json, read_records, write_records
from babelmix.plan import Jobs, Plan
from babelmix.plan.cost import cost_lines
from babelmix.records import Check, Conversation, Message
from babelmix.resources import ROOT
from babelmix.specs import CollectSpec, RoundTripSpec
from babelmix.translate.round_trip import chrf, way_back

EN = ["The house is big.", "The water is cold."]
ES = ["La casa es grande.", "El agua está fría."]
IDENTITY = {"backend": "identity"}


def row(row_id: str, lang: str, texts: list[str], checks: list[Check] | None = None) -> Any:
    messages = [Message(r, t) for r, t in zip(("user", "assistant"), texts, strict=True)]
    return Conversation(row_id, lang, "d", "s", messages, checks=checks or [])


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """A good row, one whose answer is another text, one that could not be translated."""
    write_records(tmp_path / "en.parquet", [row(i, "en", EN) for i in "abc"], Conversation)
    spanish = [row("a", "es", ES), row("b", "es", [ES[0], "Mañana llega mi hermano."])]
    spanish.append(row("c", "es", EN, [Check("translated", False)]))
    write_records(tmp_path / "es.parquet", spanish, Conversation)
    return tmp_path


def spec(translator: dict[str, Any]) -> RoundTripSpec:
    given = {"version": 1, "dataset": "d", "lang": "es", "pivot": "en", "shard": 0, "shards": 1}
    given |= {"translator_name": "back", "translator": translator}
    return RoundTripSpec.model_validate(given)


def round_trip(pool: Path, translator: dict[str, Any]) -> dict[str, Any]:
    files = ["--pivot", str(pool / "en.parquet"), "--shards", str(pool / "es.parquet")]
    files += ["--journal", str(pool / "d.es.back.jsonl"), "--output", str(pool / "rt.json")]
    assert main(["round-trip", *as_options(spec(translator).model_dump_json()), *files]) == 0
    found: dict[str, Any] = read_json(pool / "rt.json")
    return found


def test_the_way_back_goes_the_other_way() -> None:
    back = way_back(spec(IDENTITY))
    assert (back.pivot, back.lang) == ("es", "en")


def test_a_rows_value_is_its_worst_messages_chrf(pool: Path) -> None:
    made = round_trip(pool, IDENTITY)
    scores = [chrf(es, en) for es, en in zip(ES, EN, strict=True)]
    assert scores[0] != scores[1]
    assert made["values"]["a"] == round(min(scores), 6)
    assert made["values"]["c"] is None
    assert made["facts"]["translator"] == "back"
    assert made["facts"]["not_translated_back"] == 0
    assert chrf("The house is big.", EN[0]) == 100


@pytest.mark.skipif(
    shutil.which("apertium") is None
    or "spa-eng" not in subprocess.run(["apertium", "-l"], capture_output=True, text=True).stdout,
    reason="needs Apertium's mode spa-eng",
)
def test_apertium_tells_a_translation_from_another_text(pool: Path) -> None:
    made = round_trip(pool, {"backend": "apertium", "modes": {"en": ["spa-eng"]}})
    assert made["values"]["a"] > 60
    assert made["values"]["b"] < 40
    journal = pool / "d.es.back.jsonl"
    size = journal.stat().st_size
    assert size > 0
    assert round_trip(pool, {"backend": "apertium", "modes": {"en": ["spa-eng"]}}) == made
    assert journal.stat().st_size == size  # nothing was translated twice
    below = {"round_trip": 50}
    given = {"version": 1, "dataset": "d", "lang": "es", "pivot": "en", "on_failed_check": "keep"}
    collect = CollectSpec.model_validate(given | {"below": below})
    files = ["--pivot", str(pool / "en.parquet"), "--shards", str(pool / "es.parquet")]
    files += ["--output", str(pool / "out.parquet"), "--audit", str(pool / "audit.json")]
    files += ["--measures", str(pool / "rt.json")]
    assert main(["collect", *as_options(collect.model_dump_json()), *files]) == 0
    rows = read_records(pool / "out.parquet", Conversation)
    checks = [[c.ok for c in r.checks if c.name == "round_trip"] for r in rows]
    assert checks == [[True], [False], []]
    assert read_json(pool / "audit.json")["failed_by_check"]["round_trip"] == 1


def demo(round_trip: Any, **translators: Any) -> Plan:
    raw = read_yaml(ROOT / "config" / "demo.yaml")
    raw.setdefault("translators", {}).update(translators)
    for dataset in raw["datasets"].values():
        dataset["audit"] = {"held": "translation", "round_trip": round_trip}
        dataset["audit"]["round_trip_below"] = 30
    return Plan(build_config(raw))


def test_the_plan_asks_for_round_trips_and_counts_their_cost() -> None:
    plan = demo({"de": "back"}, back=IDENTITY)
    jobs, name = Jobs(plan), next(iter(plan.datasets))
    assert "back" in plan.translators
    assert jobs.measures(name, "de") == [jobs.path(f"measures/round_trip/{name}.de.json")]
    assert jobs.measures(name, "fr") == jobs.measures(name, "en") == []
    assert json.loads(jobs.collect(name, "de"))["below"] == {"round_trip": 30}
    assert "below" not in json.loads(jobs.collect(name, "fr"))
    made = json.loads(jobs.round_trip(name, "de"))
    assert (made["lang"], made["pivot"], made["translator_name"]) == ("de", "en", "back")
    assert [x.what for x in cost_lines(plan) if x.stage == "round_trip"] == [f"{name} back from de"]


def test_a_translator_without_the_way_back_is_refused_before_anything_runs() -> None:
    there = {"backend": "apertium", "modes": {"es": ["eng-spa"]}}
    problems = "\n".join(demo({"de": "back"}, back=there).problems(gpus_here=0))
    assert "translator 'back' has no modes from 'de' into 'en'" in problems
    with pytest.raises(BabelmixError, match="'nobody'"):
        demo("nobody")
    with pytest.raises(BabelmixError, match="'xx'"):
        demo({"xx": "back"}, back=IDENTITY)


def test_a_cut_off_needs_a_round_trip() -> None:
    with pytest.raises(ValueError, match="`round_trip_below` needs `round_trip`"):
        Audit(round_trip_below=30)
    assert Audit.model_validate({"round_trip": True}).round_trip is True
