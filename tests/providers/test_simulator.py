"""The simulator itself: it counts, bills and breaks off as it is told."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from typing import Any

import pytest

from . import bodies, refusals
from .bill import Price
from .models import Model, numbered, refuses_max_tokens, when
from .rows_caps import most_in
from .rows_money import AMHARIC, DIGITS, TABLE
from .server import Simulator
from .tokens import count


def ask(url: str, text: str = "Hello there", **more: Any) -> tuple[int, Any]:
    body = {"model": "m", "messages": [{"role": "user", "content": text}], **more}
    request = urllib.request.Request(
        f"{url}/chat/completions",
        json.dumps(body).encode(),
        {"content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return reply.status, json.loads(reply.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


@pytest.mark.parametrize("text", [AMHARIC, DIGITS, TABLE, "plain words", "日本語", "🙂🙂", ""])
def test_no_text_has_more_tokens_than_bytes(text: str) -> None:
    assert 0 <= count(text) <= len(text.encode())


def test_dear_texts_are_dear() -> None:
    """By bytes, of which a usual upper estimate takes 2.5 for a token."""
    assert count("This is an ordinary English sentence of some length.") <= 14
    for text in (AMHARIC, DIGITS, TABLE):
        assert count(text) > len(text.encode()) / 2.5


def test_a_reply_is_billed_as_its_usage_says() -> None:
    price = Price(100.0, 400.0, per_cached=10.0)
    with Simulator(Model(price=price, reasoning=50, cached=lambda n: 3)) as server:
        status, value = ask(server.base_url)
        server.settle()
    used = value["usage"]
    assert status == 200
    assert used["completion_tokens_details"]["reasoning_tokens"] == 50
    assert server.bill.dollars == pytest.approx(
        price.dollars(used["prompt_tokens"], used["completion_tokens"], 3)
    )


def test_gemini_hides_its_thoughts_and_bills_them() -> None:
    with Simulator(Model(usage=bodies.gemini_usage, reasoning=50)) as server:
        used = ask(server.base_url)[1]["usage"]
        server.settle()
    assert used["total_tokens"] - used["prompt_tokens"] - used["completion_tokens"] == 50
    assert server.bill.charges[0].tokens_out == used["completion_tokens"] + 50


def test_reasoning_that_fills_the_limit_leaves_nothing() -> None:
    with Simulator(Model(reasoning=500)) as server:
        value = ask(server.base_url, max_tokens=100)[1]
        server.settle()
    assert value["choices"][0]["finish_reason"] == "length"
    assert value["choices"][0]["message"]["content"] == ""
    assert server.bill.charges[0].tokens_out == 100
    assert server.bill.usable() == 0


def test_refusals_are_not_billed() -> None:
    checks = (refuses_max_tokens(), when(numbered({1}), refusals.rate_limited()))
    with Simulator(Model(checks=checks)) as server:
        assert ask(server.base_url, max_tokens=5)[0] == 400
        assert ask(server.base_url)[0] == 429
        assert ask(server.base_url)[0] == 200
        server.settle()
    assert len(server.bill.charges) == 1


@pytest.mark.parametrize("fault", ["reset", "cut"])
def test_work_is_billed_although_the_connection_broke(fault: str) -> None:
    with Simulator(Model(fault=lambda call: {"fault": fault})) as server:
        with pytest.raises((OSError, http.client.HTTPException)):
            ask(server.base_url)
        server.settle()
    assert server.bill.dollars > 0
    assert not server.bill.charges[0].delivered


def test_a_client_that_has_gone_is_billed() -> None:
    import socket

    with Simulator(Model(work_s=0.2)) as server:
        body = json.dumps({"messages": [{"role": "user", "content": "x"}]}).encode()
        with socket.create_connection(("127.0.0.1", server.port)) as link:
            link.sendall(b"POST /v1/chat/completions HTTP/1.1\r\ncontent-type: application/json\r\n"
                         b"content-length: %d\r\n\r\n%s" % (len(body), body))  # fmt: skip
            time.sleep(0.05)
        server.settle()
    assert len(server.bill.charges) == 1
    assert not server.bill.charges[0].delivered


def test_buying_twice_is_seen() -> None:
    with Simulator(Model()) as server:
        for text in ("a", "b", "a"):
            ask(server.base_url, text)
        server.settle()
    assert (server.bill.bought_twice(), server.bill.usable()) == (1, 2)


def test_most_in_a_window() -> None:
    assert most_in([0.0, 1.0, 1.5, 1.9, 5.0], 1.0) == 3
