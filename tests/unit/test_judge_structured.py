"""Structured output: used only where a probe shows that the server keeps to a schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.loopback import Action, Request, ScriptedServer, error, text

from babelmix.config.evaluation import OpenAIJudge
from babelmix.errors import BabelmixError
from babelmix.io import Journal
from babelmix.judge.calls import judge_tasks
from babelmix.judge.schema import is_kept, verdict_format
from babelmix.judge.tasks import Task
from babelmix.judge.verdict import parse_preference, parse_rating
from babelmix.records import Answer, Question
from babelmix.service import IncompleteError
from babelmix.specs import JudgeSpec


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("babelmix.service.retry.WAIT_SCALE", 0.001)


def asked_for(request: Request) -> dict[str, Any] | None:
    """The properties of the schema that a request carries."""
    form = request.body.get("response_format")
    return form["json_schema"]["schema"]["properties"] if form else None


def obedient(request: Request) -> Action:
    """A server that keeps to the schema: the first allowed value of each field."""
    properties = asked_for(request)
    if properties is None:
        return text("Rating: [[3]]")
    kinds = {"string": "words", "number": 8}
    return text(
        json.dumps({n: p.get("enum", [kinds[p["type"]]])[0] for n, p in properties.items()})
    )


def deaf(request: Request) -> Action:
    """A server that accepts the parameter and ignores it."""
    return text("yes" if request.prompt.endswith("yes") else "Rating: [[3]]")


def refusing(request: Request) -> Action:
    return error(400, message="no response_format") if asked_for(request) else deaf(request)


def grades(
    server: ScriptedServer, journal: Path, structured: str = "auto", count: int = 3, **more: float
) -> list[tuple[float | None, str | None]]:
    judge = {"engine": "openai", "model": "m", "base_url": server.base_url, "max_retries": 0}
    spec = JudgeSpec.model_validate(
        {"version": 1, "run": "r", "benchmark": "b", "languages": ["en"], "protocol": "single"}
        | {"judge_name": "j", "judge": judge | {"structured": structured} | more}
        | {"baseline": None, "all_languages": []}
    )
    tasks = []
    for i in range(count):
        question = Question(f"q{i}", "en", "math", [f"What is {i}?"], [])
        answer = Answer(f"q{i}", "en", "math", 1, "r", f"What is {i}?", "It is.", "stop", 1, 1, "")
        tasks.append(Task(question, 1, answers=(answer,)))
    rows, _ = judge_tasks(spec, tasks, journal)
    return [(row.score, row.unscored_reason) for row in rows]


def test_an_obedient_server_is_asked_by_schema_after_one_probe(tmp_path: Path) -> None:
    with ScriptedServer(obedient) as server:
        assert grades(server, tmp_path / "j") == [(8.0, None)] * 3
        assert [list(asked_for(r) or {}) for r in server.requests] == [
            ["seal"],
            *[["explanation", "rating"]] * 3,
        ]
        assert grades(server, tmp_path / "j") == [(8.0, None)] * 3
        assert len(server.requests) == 4


@pytest.mark.parametrize("script", [deaf, refusing])
def test_others_are_asked_for_plain_text_and_probed_once(script: Any, tmp_path: Path) -> None:
    with ScriptedServer(script) as server:
        assert grades(server, tmp_path / "j") == [(3.0, None)] * 3
        assert [asked_for(r) is not None for r in server.requests] == [True, False, False, False]
        assert grades(server, tmp_path / "j", count=4) == [(3.0, None)] * 4
        assert len(server.requests) == 5
    with Journal(tmp_path / "j") as journal:
        notes = [entry["probe"] for entry in journal.entries.values() if "probe" in entry]
    assert notes == ["plain text is asked for"]


def test_what_was_bought_as_plain_text_is_not_bought_again(tmp_path: Path) -> None:
    with ScriptedServer(deaf) as server:
        grades(server, tmp_path / "j", "never")
        assert len(server.requests) == 3
        assert all(asked_for(r) is None for r in server.requests)
        grades(server, tmp_path / "j", "auto")
        assert len(server.requests) == 4


def test_a_probe_that_fails_buys_nothing_and_is_made_again(tmp_path: Path) -> None:
    with ScriptedServer(lambda request: error(500)) as server:
        with pytest.raises(IncompleteError, match="probe for structured output failed"):
            grades(server, tmp_path / "j")
        assert len(server.requests) == 1
    with ScriptedServer(obedient) as server:
        assert grades(server, tmp_path / "j") == [(8.0, None)] * 3


@pytest.mark.parametrize("said", ["yes", "", '{"seal": "yes"}', "[" * 10**5, '"k7-amber"', "NaN"])
def test_only_the_seal_shows_that_a_schema_is_kept(said: str) -> None:
    assert not is_kept(said)


def test_every_allowed_verdict_is_read() -> None:
    assert parse_rating('{"explanation": "Good, 3 points of 4.", "rating": 7.5}').value == 7.5
    read = {}
    for protocol in ("pairwise", "side_by_side"):
        schema = verdict_format(protocol)["json_schema"]["schema"]
        assert list(schema["properties"]) == schema["required"] == ["explanation", "verdict"]
        for letter in schema["properties"]["verdict"]["enum"]:
            said = json.dumps({"explanation": "Assistant A is short.", "verdict": letter})
            read[protocol, letter] = parse_preference(said).value
    four = {"A": "A", "B": "B", "C": "tie", "D": "both_bad"}
    assert read == {("pairwise", x): y for x, y in four.items()} | {
        ("side_by_side", x): x for x in "AB"
    }


def test_nothing_is_probed_where_the_job_is_not_agreed_to_or_empty(tmp_path: Path) -> None:
    with ScriptedServer(obedient) as server:
        assert grades(server, tmp_path / "j", count=0) == []
        with pytest.raises(BabelmixError, match="confirm_cost"):
            grades(server, tmp_path / "j", price_in=1e6, price_out=1e6)
        assert server.requests == []


def test_batches_are_not_probed() -> None:
    with pytest.raises(ValidationError, match="realtime"):
        OpenAIJudge(engine="openai", model="m", mode="batch", structured="auto")
