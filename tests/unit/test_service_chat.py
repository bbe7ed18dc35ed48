"""The service against a scripted server: patience, limits, money, secrets."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from tests.loopback import Action, Request, ScriptedServer, error, garbage, text

from babelmix.config.evaluation import OpenAIJudge
from babelmix.config.service import OPENAI_URL
from babelmix.endpoints import is_loopback
from babelmix.errors import BabelmixError
from babelmix.service import CapReachedError, ChatService, Reply
from babelmix.service import Request as Call
from babelmix.service.client import read_key

SECRET = "sk-very-secret"
PRICED = {"price_in": 100.0, "price_out": 1000.0}


@pytest.fixture(autouse=True)
def quick_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits that we choose ourselves last no time; waits that a server asks for are real."""
    monkeypatch.setattr("babelmix.service.retry.WAIT_SCALE", 0.001)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def judge(server: ScriptedServer, **changes: Any) -> OpenAIJudge:
    settings = {"engine": "openai", "model": "m", "base_url": server.base_url, "max_retries": 3}
    settings |= {"concurrency": 4, "timeout_s": 5.0, "max_tokens": 100}
    return OpenAIJudge.model_validate(settings | changes)


def calls(count: int) -> list[Call]:
    return [Call(f"k{i}", [{"role": "user", "content": f"prompt {i}"}]) for i in range(count)]


def ask(
    server: ScriptedServer, count: int = 1, spent: float = 0.0, **changes: Any
) -> tuple[dict[str, Reply], dict[str, str]]:
    """Replies, and the reasons of those without, by key; ``spent``: by an earlier job."""
    replies: dict[str, Reply] = {}

    def keep(reply: Reply) -> None:
        replies[reply.key] = reply

    with tempfile.TemporaryDirectory() as folder:
        service = ChatService(judge(server, **changes), "judges.j", Path(folder))
        service.recall([{"key": "old", "cost": spent}])
        failures = service.ask(calls(count), keep)
        assert service.ledger is not None
        LEDGERS[:] = [service.ledger.total() - spent]
    assert len(replies) + len(failures) == count
    return replies, {key: failure.reason for key, failure in failures.items()}


#: What the last `ask` was charged.
LEDGERS: list[float] = []


def then(first: Action, later: Action) -> Any:
    """A script: one action for the first request, another for the rest."""
    return lambda request: first if request.number == 0 else later


def test_replies_tokens_and_costs() -> None:
    with ScriptedServer(lambda r: text(f"to {r.prompt}", tokens=(1000, 10))) as server:
        replies, failures = ask(server, 9, price_in=10.0, price_out=30.0)
    assert not failures
    reply = replies["k3"]
    assert (reply.text, reply.truncated, reply.model) == ("to prompt 3", False, "m")
    assert (reply.usage.tokens_in, reply.usage.tokens_out, reply.cost) == (1000, 10, 0.0103)
    assert [pytest.approx(9 * 0.0103)] == LEDGERS
    body = server.requests[0].body
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("m", 0.0, 100)


def test_concurrency_is_bounded() -> None:
    with ScriptedServer(lambda r: text("x", wait_s=0.05)) as server:
        ask(server, 12, concurrency=3)
    assert server.most_at_once == 3


def test_a_truncated_reply_is_marked_and_missing_usage_is_estimated() -> None:
    with ScriptedServer(lambda r: text("Rating: [[", "length", tokens=None)) as server:
        replies, _ = ask(server)
    assert replies["k0"].truncated
    assert replies["k0"].usage.estimated
    assert replies["k0"].usage.tokens_in > 0
    assert replies["k0"].usage.tokens_out > 0


@pytest.mark.parametrize(
    "failing",
    [
        *(error(status) for status in (408, 409, 429, 500, 503)),
        *(garbage(body) for body in (b'{"choices": [', b"{}", b"[]", b"null")),
        garbage('{"choices": [{"message": {"content": "Note très bonne"}}]}'.encode("latin-1")),
        text("x", cut=True),
    ],
)
def test_passing_failures_are_tried_again(failing: Action) -> None:
    with ScriptedServer(then(failing, text("ok"))) as server:
        replies, failures = ask(server)
    assert not failures
    assert replies["k0"].text == "ok"
    assert len(server.requests) == 2


def test_a_time_out_is_tried_again() -> None:
    with ScriptedServer(then(text("late", wait_s=1.0), text("ok"))) as server:
        replies, _ = ask(server, timeout_s=0.3)
    assert replies["k0"].text == "ok"


def test_a_server_that_drips_is_not_waited_for_without_end() -> None:
    """Each byte comes in time; the whole would take a minute."""
    with ScriptedServer(then(text("slow", drip_s=0.2), text("ok"))) as server:
        start = time.monotonic()
        replies, _ = ask(server, timeout_s=1.0)
    assert replies["k0"].text == "ok"
    assert time.monotonic() - start < 20


def test_retry_after_is_obeyed_by_all_calls() -> None:
    script = then(error(429, retry_after="1"), text("ok"))
    with ScriptedServer(script) as server:
        replies, _ = ask(server, 3, concurrency=1)
    assert len(replies) == 3
    assert server.times[1] - server.times[0] >= 0.95


def test_a_wait_beyond_our_patience_is_not_waited_for() -> None:
    with ScriptedServer(lambda r: error(429, retry_after="100")) as server:
        start = time.monotonic()
        _, failures = ask(server)
    assert time.monotonic() - start < 50
    assert "HTTP 429" in failures["k0"]


@pytest.mark.parametrize(
    "action",
    [
        error(429, retry_after="3600"),
        error(429, "rate_limit_exceeded", "Limit reached on requests per day (RPD): 200"),
        error(429, message="Quota exceeded, quotaId: GenerateRequestsPerDayPerProject"),
    ],
)
def test_a_quota_that_is_used_up_stops_the_job(action: Action) -> None:
    with ScriptedServer(lambda r: action) as server:
        start = time.monotonic()
        with pytest.raises(BabelmixError, match="a quota of the server is used up"):
            ask(server, 12, concurrency=2, max_retries=1, timeout_s=0.5)
    assert time.monotonic() - start < 60
    assert len(server.requests) <= 2


def test_tries_are_counted() -> None:
    with ScriptedServer(lambda r: error(500)) as server:
        _, failures = ask(server, max_retries=2)
    assert len(server.requests) == 3
    assert failures["k0"] == "gave up after 3 tries: HTTP 500: no"


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (error(401, "invalid_api_key"), "key in OPENAI_API_KEY was refused"),
        (error(403), "refused"),
        (error(404, "model_not_found"), "no such model"),
        (error(400, "model_not_found"), "no such model"),
        (error(429, "insufficient_quota"), "no credit left"),
        (error(402), "no credit left"),
        (error(400, "unsupported_value", param="temperature"), "does not take `temperature`"),
    ],
)
def test_what_cannot_pass_stops_at_once(action: Action, message: str) -> None:
    with (
        ScriptedServer(lambda r: action) as server,
        pytest.raises(BabelmixError, match=message),
    ):
        ask(server, 50, concurrency=1)
    assert len(server.requests) == 1


def test_one_refused_prompt_concerns_no_other() -> None:
    def script(request: Request) -> Action:
        if request.prompt == "prompt 3":
            return error(400, "context_length_exceeded", "too long")
        return text("ok")

    with ScriptedServer(script) as server:
        replies, failures = ask(server, 8)
    assert failures == {"k3": "HTTP 400: too long"}
    assert len(replies) == 7


def test_the_content_filter_is_a_failure_and_a_refusal_a_reply() -> None:
    refusal = {"role": "assistant", "content": None, "refusal": "I will not."}
    said = json.dumps({"choices": [{"message": refusal, "finish_reason": "stop"}]}).encode()
    with ScriptedServer(then(text("", "content_filter"), Action(body=said))) as server:
        replies, failures = ask(server, 2, concurrency=1, **PRICED)
    assert "content filter" in failures["k0"]
    assert replies["k1"].text == "I will not."
    # The filtered reply is billed as well: 100 tokens in, 20 out.
    assert LEDGERS[0] == pytest.approx(100 * 1e-4 + 20 * 1e-3 + replies["k1"].cost)


def test_a_dead_server_is_given_up() -> None:
    with (
        ScriptedServer(lambda r: error(500)) as server,
        pytest.raises(BabelmixError, match="in a row"),
    ):
        ask(server, 100, max_retries=1)
    assert len(server.requests) < 30
    gone = judge(server, max_retries=1)
    with pytest.raises(BabelmixError, match="No server answers"):
        ChatService(gone, "judges.j").ask(calls(100), lambda reply: None)


def test_a_server_that_refuses_everything_is_given_up() -> None:
    with ScriptedServer(lambda r: error(422)) as server, pytest.raises(BabelmixError, match="422"):
        ask(server, 100)


def test_newer_models_get_their_own_name_for_the_limit() -> None:
    def script(request: Request) -> Action:
        if "max_tokens" in request.body:
            return error(400, "unsupported_parameter", param="max_tokens")
        return text("ok")

    with ScriptedServer(script) as server:
        replies, _ = ask(server, 3, concurrency=1)
    assert len(replies) == 3
    assert server.requests[-1].body["max_completion_tokens"] == 100
    assert len(server.requests) == 4


def test_the_cap_is_never_passed_and_keeps_what_was_bought(tmp_path: Path) -> None:
    prices = {"price_in": 0.0, "price_out": 1e6}  # one dollar a token
    with ScriptedServer(lambda r: text("ok", tokens=(1, 10))) as server:
        capped = judge(server, max_tokens=40, max_cost=101.0, concurrency=8, **prices)
        service, kept = ChatService(capped, "judges.j", tmp_path), list[Reply]()
        with pytest.raises(CapReachedError, match=r"raise `judges\.j\.max_cost`"):
            service.ask(calls(20), kept.append)
    # A seventh call could cost 40 dollars, and 41 are left; an eighth cannot be risked.
    assert sum(reply.cost for reply in kept) == 70.0
    assert len(server.requests) == 7


def test_earlier_spending_counts() -> None:
    with ScriptedServer(lambda r: text("ok")) as server, pytest.raises(CapReachedError):
        ask(server, 3, spent=0.9999, max_cost=1.0, **PRICED)
    assert not server.requests


def test_a_cap_without_prices_is_an_error() -> None:
    with (
        ScriptedServer(lambda r: text("ok")) as server,
        pytest.raises(BabelmixError, match="price"),
    ):
        ask(server, 3, max_cost=1.0)


def test_the_key_goes_to_the_configured_server_only(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer(lambda r: text("ok")) as other:
        moved = Action(307, headers={"location": f"{other.base_url}/chat/completions"})
        with ScriptedServer(lambda r: moved) as server:
            monkeypatch.setenv("OPENAI_API_KEY", SECRET)
            monkeypatch.setenv("OPENAI_BASE_URL", other.base_url)
            with pytest.raises(BabelmixError, match="HTTP 307"):
                ask(server)
    assert server.requests[0].headers["authorization"] == f"Bearer {SECRET}"
    assert not other.requests
    assert OPENAI_URL.startswith("https://api.openai.com")


def test_no_error_shows_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", SECRET)
    with ScriptedServer(lambda r: error(401)) as server, pytest.raises(BabelmixError) as caught:
        ask(server, key_env="MY_KEY")
    assert SECRET not in str(caught.value)
    assert "MY_KEY" in str(caught.value)


def test_a_missing_key_names_its_variable_except_on_loopback() -> None:
    far = OpenAIJudge(engine="openai", model="m", base_url="https://example.com/v1", key_env="K_X")
    with pytest.raises(BabelmixError, match="K_X"):
        read_key(far, "judges.j", far.url)
    with pytest.raises(BabelmixError, match="OPENAI_API_KEY"):
        read_key(OpenAIJudge(engine="openai", model="m"), "judges.j", OPENAI_URL)
    near = OpenAIJudge(engine="openai", model="m", base_url="http://localhost:1/v1")
    assert read_key(near, "judges.j", near.url)
    assert not is_loopback("http://127.0.0.1.example.com/v1")
    assert is_loopback("http://[::1]:8000/v1")


def test_a_proxy_is_not_asked_for_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    with ScriptedServer(lambda r: text("ok")) as server:
        replies, _ = ask(server)
    assert replies["k0"].text == "ok"


# --- what must not be lost ------------------------------------------------------------------------


def test_calls_under_way_are_handed_over_when_the_job_stops() -> None:
    """The key is revoked while seven others are at work: theirs are paid for, and kept."""

    def script(request: Request) -> Action:
        return error(401) if request.number == 0 else text("ok", wait_s=0.5)

    kept: list[Reply] = []
    with ScriptedServer(script) as server:
        service = ChatService(judge(server, concurrency=8), "judges.j")
        with pytest.raises(BabelmixError, match="was refused"):
            service.ask(calls(40), kept.append)
    assert len(kept) == len(server.requests) - 1


def test_a_reply_is_handed_over_before_anything_else_can_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    kept: list[Reply] = []
    with ScriptedServer(lambda r: text("ok")) as server:
        service = ChatService(judge(server, concurrency=1, **PRICED), "judges.j", tmp_path)
        monkeypatch.setattr(service.ledger, "settle", full)
        with pytest.raises(OSError, match="No space"):
            service.ask(calls(5), kept.append)
    assert [reply.key for reply in kept] == ["k0"]


def test_replies_without_a_word_at_their_limit_stop_the_job() -> None:
    with (
        ScriptedServer(lambda r: text("", "length")) as server,
        pytest.raises(BabelmixError, match=r"Raise `judges\.j\.max_tokens`"),
    ):
        ask(server, 200, concurrency=64)
    assert len(server.requests) < 120  # of 200: those under way when the job stops still arrive


def test_all_calls_that_were_sent_in_the_old_form_are_sent_again() -> None:
    def script(request: Request) -> Action:
        if "max_tokens" in request.body:
            message = "Use 'max_completion_tokens' instead."  # neither code nor parameter
            return Action(400, json.dumps({"error": {"message": message}}).encode(), wait_s=0.2)
        return text("ok")

    with ScriptedServer(script) as server:
        replies, failures = ask(server, 20, concurrency=20)
    assert not failures
    assert len(replies) == 20
    assert len(server.requests) <= 36


def test_a_model_without_a_system_role_gets_it_in_the_user_s_turn() -> None:
    def script(request: Request) -> Action:
        roles = [part["role"] for part in request.body["messages"]]
        return error(400, message="System role not supported") if "system" in roles else text("ok")

    kept: list[Reply] = []
    messages = [{"role": "system", "content": "Be fair."}, {"role": "user", "content": "Judge."}]
    with ScriptedServer(script) as server:
        asked = [Call(f"k{i}", messages) for i in range(5)]
        assert not ChatService(judge(server), "judges.j").ask(asked, kept.append)
    assert server.requests[-1].body["messages"] == [
        {"role": "user", "content": "Be fair.\n\nJudge."}
    ]


def test_an_empty_reply_is_none_and_is_tried_three_times() -> None:
    with ScriptedServer(lambda r: text("", "stop") if "2" in r.prompt else text("ok")) as server:
        replies, failures = ask(server, 4, **PRICED)
    assert failures == {"k2": "gave up after 3 tries: empty reply"}
    assert LEDGERS[0] == pytest.approx(6 * replies["k0"].cost)


@pytest.mark.parametrize("quote", ["“sk-x”", "sk-x y", '"sk-x"'])
def test_a_key_with_quotes_is_named_and_not_shown(
    quote: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", quote)
    far = judge_elsewhere()
    with pytest.raises(BabelmixError, match="MY_KEY holds") as caught:
        read_key(far, "judges.j", far.url)
    assert "sk-x" not in str(caught.value)


def judge_elsewhere() -> OpenAIJudge:
    return OpenAIJudge(engine="openai", model="m", base_url="https://x.org/v1", key_env="MY_KEY")
