"""A clock that jumps: durations, patience and rates do not follow it."""

from __future__ import annotations

import os
import shlex
import shutil
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.loopback import ScriptedServer, error, text
from tests.study import ROOT

from babelmix.config.evaluation import OpenAIJudge
from babelmix.config.load import build_config
from babelmix.endpoints import retry_after
from babelmix.plan import Plan
from babelmix.service import ChatService, Reply, Request
from babelmix.service.rates import RateLimiter

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


@pytest.mark.usefixtures("jumping")
def test_a_judge_keeps_its_pace_and_its_patience(tmp_path: Path) -> None:
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
        assert ChatService(judge, "judges.j", tmp_path).ask(calls, replies.append) == {}
        took = time.monotonic() - began
    assert len(replies) == 8
    assert took >= 0.7  # ten a second


def test_a_file_of_the_future_is_named_before_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    config = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text(encoding="utf-8"))
    file = tmp_path / "it's.jsonl"
    shutil.copy(ROOT / config["sources"]["demo-instructions"]["path"], file)
    config["sources"]["demo-instructions"]["path"] = str(file)
    plan = Plan(build_config(config))
    os.utime(file, (1e9, 1e9))
    assert plan.problems(gpus_here=0) == []
    os.utime(file, (4e9, 4e9))
    (said,) = plan.problems(gpus_here=0)
    assert "in the future" in said
    assert f"touch {shlex.quote(str(file))}" in said


@pytest.mark.usefixtures("jumping")
def test_a_translator_keeps_its_pace() -> None:
    rates = RateLimiter(None, "http://localhost", "k", {"chars": 600})
    began = time.monotonic()
    for _ in range(4):
        rates.wait(requests=1, chars=1)
    assert 0.29 <= time.monotonic() - began < 5
