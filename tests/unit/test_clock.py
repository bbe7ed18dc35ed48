"""A clock that jumps: durations, patience and rates do not follow it."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import Any

import pytest
from tests.loopback import ScriptedServer, error, text

from babelmix.config.evaluation import OpenAIJudge
from babelmix.endpoints import retry_after
from babelmix.judge.client import Reply, Request, ask_all
from babelmix.translate.backends.patience import Pace, asked_wait

NOW = 1_800_000_000.0


@pytest.fixture
def jumping(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wall clock leaps years forth and back at every look; the monotonic one goes on."""
    looks = iter(range(10**9))
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + (-1) ** next(looks) * 3e8)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 0.5 "}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": formatdate(NOW + 9, usegmt=True), "date": formatdate(NOW)}, 9.0),
        ({"retry-after": formatdate(NOW - 9, usegmt=True), "date": formatdate(NOW)}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after-ms": "inf"}, None),
        ({"retry-after-ms": "-5"}, 0.0),
    ],
)
@pytest.mark.usefixtures("jumping")
def test_what_a_server_asks_for(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_a_service_may_ask_for_ten_minutes_at_most() -> None:
    assert asked_wait({"retry-after": "86400"}) == 600.0
    assert asked_wait({}) is None


@pytest.mark.usefixtures("jumping")
def test_a_judge_keeps_its_pace_and_its_patience() -> None:
    judge = OpenAIJudge.model_validate(
        {
            "engine": "openai",
            "model": "m",
            "max_retries": 2,
            "timeout_s": 5.0,
            "requests_per_minute": 600,
            "base_url": "http://127.0.0.1:1/v1",
        }
    )
    replies: list[Reply] = []

    def script(request: Any) -> Any:
        return error(429, retry_after="0.2") if request.number == 1 else text("ok")

    with ScriptedServer(script) as server:
        judge = judge.model_copy(update={"base_url": server.base_url})
        calls = [Request(f"k{i}", [{"role": "user", "content": "x"}]) for i in range(8)]
        began = time.monotonic()
        assert ask_all(judge, calls, replies.append) == {}
        took = time.monotonic() - began
    assert len(replies) == 8
    assert took >= 0.7  # ten a second


@pytest.mark.usefixtures("jumping")
def test_a_translator_keeps_its_pace() -> None:
    pace = Pace(600, None)
    began = time.monotonic()
    for _ in range(4):
        pace.wait(1)
    assert 0.29 <= time.monotonic() - began < 5
