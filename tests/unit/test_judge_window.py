"""How many requests at once: found out against a server that takes only so many."""

from __future__ import annotations

import asyncio
import time

import pytest
from tests.loopback import Action, Request, ScriptedServer, error, text

from babelmix.config.evaluation import OpenAIJudge
from babelmix.errors import BabelmixError
from babelmix.judge.client import Reply, ask_all
from babelmix.judge.client import Request as Call
from babelmix.judge.reach import check_reachable
from babelmix.judge.window import Pace, Ticket, Window, rate_wait, seconds


class Server:
    """Takes ``capacity`` requests at once, each for ``ticks`` of a clock of its own."""

    def __init__(self, window: Window, capacity: int, ticks: int = 10) -> None:
        self.window = window
        self.capacity = capacity
        self.ticks = ticks
        self.at_work: list[tuple[int, Ticket]] = []
        self.served = self.refused = self.busy = 0

    async def tick(self, now: int) -> None:
        """Finish what is due, then send as many as the window lets through."""
        for due, ticket in [entry for entry in self.at_work if entry[0] <= now]:
            self.at_work.remove((due, ticket))
            self.window.served(ticket)
            self.window.leave()
            self.served += 1
        while self.window.under_way < int(self.window.size):
            ticket = await self.window.enter()
            if len(self.at_work) < self.capacity:
                self.at_work.append((now + self.ticks, ticket))
            else:
                self.window.refused(ticket)
                self.window.leave()
                self.refused += 1
        self.busy += len(self.at_work)


def run(window: Window, server: Server, ticks: int, clock: list[float]) -> float:
    """The share of the server's capacity that was used."""

    async def go() -> None:
        for now in range(ticks):
            clock[0] = now / 30  # a request takes a third of a second
            await server.tick(now)

    before = server.busy
    asyncio.run(go())
    return (server.busy - before) / (ticks * server.capacity)


@pytest.mark.parametrize("capacity", [1, 3, 20, 64, 100])
def test_the_server_s_limit_is_found_and_kept(capacity: int) -> None:
    clock = [0.0]
    window = Window(128, clock=lambda: clock[0])
    server = Server(window, capacity)
    assert run(window, server, 1000, clock) > 0.95
    assert server.refused < 40


def test_a_server_that_takes_less_than_before_halves_the_window() -> None:
    clock = [0.0]
    window = Window(128, clock=lambda: clock[0])
    server = Server(window, 64)
    run(window, server, 200, clock)
    assert 60 <= window.size <= 65
    server.capacity = 10
    sizes = []

    async def refuse() -> None:
        for _ in range(3):
            while window.under_way < int(window.size):
                ticket = await window.enter()
            sizes.append(window.size)
            window.refused(ticket)
            while window.under_way:
                window.leave()

    server.at_work.clear()
    window.under_way = 0
    asyncio.run(refuse())
    assert sizes[1] <= sizes[0] / 2 + 1
    assert sizes[2] <= sizes[1] / 2 + 1


def test_refusals_of_one_moment_count_once() -> None:
    window = Window(64, start=64)
    tickets = [Ticket(level, 0) for level in range(1, 65)]
    for ticket in reversed(tickets):
        window.refused(ticket)
    assert window.size == 32


def test_first_come_first_served() -> None:
    order: list[int] = []

    async def go() -> None:
        window = Window(2, start=1)

        async def one(number: int) -> None:
            await window.enter()
            order.append(number)
            await asyncio.sleep(0)
            window.leave()

        await asyncio.gather(*(one(number) for number in range(6)))

    asyncio.run(go())
    assert order == list(range(6))


def test_a_pace_spaces_requests_and_tokens() -> None:
    async def go(pace: Pace, tokens: int) -> float:
        start = time.monotonic()
        for _ in range(3):
            await pace.wait(tokens)
        return time.monotonic() - start

    assert asyncio.run(go(Pace(None, None), 10_000)) < 0.05
    assert asyncio.run(go(Pace(600, None), 10)) >= 0.19
    assert asyncio.run(go(Pace(None, 60_000), 100)) >= 0.19


def test_rate_headers() -> None:
    assert seconds("6m0s") == 360
    assert seconds("120ms") == 0.12
    assert seconds("1.5") == 1.5
    assert seconds("soon") is None
    none_left = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "2s"}
    assert rate_wait(none_left, 10) == 2
    few = {"x-ratelimit-remaining-tokens": "99", "x-ratelimit-reset-tokens": "1m"}
    assert rate_wait(few, 100) == 60
    assert rate_wait(few, 99) == 0
    assert rate_wait({}, 100) == 0


# --- through the client --------------------------------------------------------------------------


def ask(
    server: ScriptedServer, count: int, **changes: object
) -> tuple[list[Reply], dict[str, str]]:
    settings = {"engine": "openai", "model": "m", "base_url": server.base_url, "timeout_s": 20.0}
    judge = OpenAIJudge.model_validate(settings | changes)
    replies: list[Reply] = []
    calls = [Call(f"k{i}", [{"role": "user", "content": f"p{i}"}]) for i in range(count)]
    return replies, ask_all(judge, calls, replies.append)


def test_refusals_cost_no_try_and_lose_nothing() -> None:
    def script(request: Request) -> Action:
        # The request itself counts: over ten at once are refused.
        return error(429) if server._at_once > 10 else text("ok", wait_s=0.05)

    with ScriptedServer(script) as server:
        replies, failures = ask(server, 60, max_retries=3, concurrency=24)
    assert not failures
    assert len({reply.key for reply in replies}) == len(replies) == 60


def test_a_rate_header_holds_the_next_call_back() -> None:
    def script(request: Request) -> Action:
        reply = text("ok")
        used_up = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "500ms"}
        return Action(body=reply.body, headers=used_up if request.number == 0 else {})

    with ScriptedServer(script) as server:
        ask(server, 2, concurrency=1)
    assert server.times[1] - server.times[0] >= 0.45


def test_replies_are_synced_while_others_are_awaited() -> None:
    synced: list[float] = []
    judge_settings = {"engine": "openai", "model": "m"}
    with ScriptedServer(lambda r: text("ok", wait_s=0.3)) as server:
        judge = OpenAIJudge.model_validate(judge_settings | {"base_url": server.base_url})
        calls = [Call(f"k{i}", [{"role": "user", "content": "p"}]) for i in range(3)]
        ask_all(judge, calls, lambda r: None, sync=lambda: synced.append(time.monotonic()))
    assert len(synced) >= 2


def test_where_no_server_is_nothing_is_asked() -> None:
    with pytest.raises(BabelmixError, match="No server answers at http://127"):
        check_reachable("http://127.0.0.1:1/v1", pause_s=0.01)
    with pytest.raises(BabelmixError, match="an address like"):
        check_reachable("localhost:8000/v1")
