"""Planted keys are nowhere in what a run leaves, and on no command line while it runs."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
from tests import loopback
from tests.loopback import Action, Request, ScriptedServer, error, text
from tests.study import Study, mini_config

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3600)]

PLANTED = {
    "OPENAI_API_KEY": "sk-planted-0a1b2c3d4e5f",
    "MY_JUDGE_KEY": "planted-judge-9f8e7d6c5b4a",
    "HF_TOKEN": "hf_planted_11aa22bb33cc",
    "DEEPL_AUTH_KEY": "planted-deepl-44dd55ee66ff:fx",
}


class Spy(Study):
    """A study whose environment holds the planted keys."""

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | PLANTED


def reply(request: Request) -> Action:
    """Sometimes an error that repeats the key, as services do; else a grade."""
    if request.number % 7 == 3:
        key = request.headers.get("authorization", "")
        return error(429, "rate", f"Slow down, {key}", retry_after="0")
    return text("Rating: [[7]] Bewertung: [[7]]")


def command_lines() -> str:
    """Every command line on this machine."""
    return subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout


def test_no_planted_key_is_left_or_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loopback, "LIFETIME_S", 1800.0)
    with ScriptedServer(reply) as server:
        config = mini_config()
        config["judges"]["rules"] = {
            "engine": "openai",
            "model": "m",
            "base_url": server.base_url,
            "key_env": "MY_JUDGE_KEY",
        }
        config["studies"]["demo"]["evaluations"].pop()
        study = Spy(tmp_path / "study", config)
        log = tmp_path / "study" / "terminal.log"
        with log.open("w") as out:
            process = subprocess.Popen(
                study.command(), env=study.environment, stdout=out, stderr=subprocess.STDOUT
            )
            while process.poll() is None:
                shown = command_lines()
                assert not [key for key in PLANTED.values() if key in shown]
                time.sleep(0.5)
        assert process.returncode == 0, log.read_text()[-4000:]
        assert server.requests
        sent = {r.headers.get("authorization") for r in server.requests}
    assert sent == {f"Bearer {PLANTED['MY_JUDGE_KEY']}"}
    searched = 0
    for file in (tmp_path / "study").rglob("*"):
        if file.is_file() and not file.is_symlink():
            data = file.read_bytes()
            searched += 1
            for name, key in PLANTED.items():
                assert key.encode() not in data, f"{name} in {file}"
    assert searched > 100
