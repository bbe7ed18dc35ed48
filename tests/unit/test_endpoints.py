"""Keys go to the host that they belong to, and to nobody else."""

from __future__ import annotations

import pytest
from tests.study import mini_config

from babelmix.config.evaluation import OpenAIJudge
from babelmix.config.load import build_config
from babelmix.endpoints import foreign_key
from babelmix.errors import BabelmixError
from babelmix.plan import Plan
from babelmix.service.client import read_key


@pytest.mark.parametrize(
    ("name", "url", "sent"),
    [
        ("OPENAI_API_KEY", None, True),
        ("OPENAI_API_KEY", "https://api.openai.com/v1", True),
        ("OPENAI_API_KEY", "https://API.OpenAI.com./v1", True),
        ("OPENAI_API_KEY", "http://127.0.0.1:8000/v1", True),
        ("OPENAI_API_KEY", "https://api.openai.com.example.org/v1", False),
        ("OPENAI_API_KEY", "https://notopenai.com/v1", False),
        ("OPENAI_API_KEY", "https://api.openai.com@example.org/v1", False),
        ("OPENAI_API_KEY", "http://127.0.0.1.example.org/v1", False),
        ("HF_TOKEN", "https://router.huggingface.co/v1", True),
        ("HF_TOKEN", "https://example.org/v1", False),
        ("MY_HOST_KEY", "https://example.org/v1", True),
    ],
)
def test_a_known_key_goes_to_its_own_host_only(name: str, url: str | None, sent: bool) -> None:
    assert (foreign_key(name, url) is None) == sent


def test_a_judge_elsewhere_is_refused_before_the_key_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted")
    judge = OpenAIJudge(engine="openai", model="m", base_url="https://example.org/v1")
    with pytest.raises(BabelmixError, match=r"example\.org") as caught:
        read_key(judge, "judges.j", judge.url)
    assert "sk-planted" not in str(caught.value)


def test_the_check_before_a_run_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted")
    config = mini_config()
    config["judges"]["rules"] = {
        "engine": "openai",
        "model": "m",
        "base_url": "https://example.org/v1",
    }
    (problem,) = Plan(build_config(config)).problems(gpus_here=0)
    assert "judges.rules" in problem
    assert "`key_env`" in problem
    assert "sk-planted" not in problem
