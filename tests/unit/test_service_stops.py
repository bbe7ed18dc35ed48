"""When a job stops: refusals in words that no rule knows, and signals."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tests.loopback import Action, Request, ScriptedServer, error, text

from babelmix.config.evaluation import OpenAIJudge
from babelmix.service import ChatService, Failure, Reply, ServiceStoppedError
from babelmix.service import Request as Call
from babelmix.service.failures import CallFailedError, classify_status
from babelmix.service.retry import RetryPolicy
from babelmix.service.signals import StoppedBySignalError

PRICED = {"price_in": 100.0, "price_out": 1000.0}


def settings(base_url: str = "http://127.0.0.1:9/v1", **changes: Any) -> OpenAIJudge:
    known = {"engine": "openai", "model": "m", "base_url": base_url, "concurrency": 4}
    return OpenAIJudge.model_validate(known | {"timeout_s": 5.0, "max_tokens": 100} | changes)


def policy(**changes: Any) -> RetryPolicy:
    made = RetryPolicy(settings(**changes), "judges.j")
    made.succeeded()
    return made


def refused(words: str = "Kontingent", unknown: bool = True) -> CallFailedError:
    return CallFailedError(f"HTTP 400: {words}", unknown=unknown)


def test_refusals_in_the_same_words_stop_the_job_and_ids_do_not_matter() -> None:
    made = policy()
    for number in range(7):
        made.gave_up(refused(f"Kontingent von req-{number}a erschoepft"))
    with pytest.raises(ServiceStoppedError, match=r"8 calls in a row.*erschoepft.*accept_failures"):
        made.gave_up(refused("Kontingent von req-99 erschoepft"))


def test_a_success_or_other_words_begin_the_count_again() -> None:
    made = policy()
    for number in range(40):
        made.gave_up(refused("dies" if number // 7 % 2 else "das"))
    made = policy()
    for _ in range(5):
        for _ in range(7):
            made.gave_up(refused())
        made.succeeded()


def test_refusals_that_name_the_prompt_and_accepted_ones_go_on() -> None:
    made = policy()
    for _ in range(40):
        made.gave_up(refused(unknown=False))
    made.may_be_refused = 40
    for _ in range(40):
        made.gave_up(refused())


@pytest.mark.parametrize(
    ("said", "unknown"),
    [
        ("Ihr Kontingent ist erschoepft", True),
        ("This model's maximum context length is 4096 tokens", False),
        ("prompt is too long: 212000 tokens > 200000 maximum", False),
        ("flagged by our moderation", False),
    ],
)
def test_which_words_are_known(said: str, unknown: bool) -> None:
    body = {"error": {"message": said}}
    assert classify_status(400, body, {}, settings(), "judges.j").unknown is unknown


@pytest.mark.parametrize("status", [400, 429])
@pytest.mark.parametrize(
    "said",
    ["Budget has been exceeded! Current cost: 10.5", "ExceededBudget: over it", "over budget"],
)
def test_a_gateways_budget_is_an_empty_account(said: str, status: int) -> None:
    with pytest.raises(ServiceStoppedError, match="no credit left"):
        classify_status(status, {"error": {"message": said}}, {}, settings(), "judges.j")


def test_a_thinking_budget_is_none() -> None:
    body = {"error": {"message": "thinking budget exceeded max_tokens"}}
    assert isinstance(classify_status(400, body, {}, settings(), "judges.j"), CallFailedError)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_the_calls_under_way(number: signal.Signals, tmp_path: Path) -> None:
    def script(request: Request) -> Action:
        if request.number == 3:  # the fourth
            threading.Timer(0.1, os.kill, (os.getpid(), number)).start()
        time.sleep(0.5)
        return text("Rating: [[7]]")

    before = signal.getsignal(number)
    replies: list[Reply] = []
    calls = [Call(f"k{i}", [{"role": "user", "content": f"prompt {i}"}]) for i in range(40)]
    with ScriptedServer(script) as server:
        service = ChatService(settings(server.base_url, **PRICED), "judges.j", tmp_path)
        with pytest.raises(StoppedBySignalError, match=number.name) as stopped:
            service.ask(calls, replies.append)
    assert stopped.value.exit_code == 128 + number
    assert len(replies) == len(server.requests) == 4
    assert service.ledger is not None
    assert service.ledger.total() == pytest.approx(sum(reply.cost for reply in replies))
    assert signal.getsignal(number) is before


def test_in_another_thread_a_job_leaves_signals_alone() -> None:
    found: list[dict[str, Failure]] = []
    with ScriptedServer(lambda r: error(422)) as server:
        call = Call("k", [{"role": "user", "content": "prompt"}])
        service = ChatService(settings(server.base_url), "judges.j")
        thread = threading.Thread(target=lambda: found.append(service.ask([call], print)))
        thread.start()
        thread.join(10)
    assert "422" in found[0]["k"].reason
