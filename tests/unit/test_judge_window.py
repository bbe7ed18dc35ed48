"""How many requests at once: found out against a server that takes only so many."""

from __future__ import annotations

import asyncio
import itertools
import time
from pathlib import Path

import pytest
from tests.loopback import Action, Request, ScriptedServer, error, text

from babelmix.config.evaluation import OpenAIJudge
from babelmix.errors import BabelmixError
from babelmix.judge.client import Reply, ask_all
from babelmix.judge.client import Request as Call
from babelmix.judge.hint import FILE, recall, remember
from babelmix.judge.reach import check_reachable
from babelmix.judge.window import START, Pace, Ticket, Window, rate_wait, seconds


class Server:
    """Takes ``capacity`` requests at once, each for a third of a second (ten ticks)."""

    def __init__(self, capacity: int) -> None:
        self.now = 0
        self.window = Window(128, clock=lambda: self.now / 30)
        self.capacity = capacity
        self.at_work: list[tuple[int, Ticket]] = []
        self.refused = 0

    async def tick(self) -> None:
        """Finish what is due, then send as many as the window lets through."""
        self.now += 1
        for due, ticket in [entry for entry in self.at_work if entry[0] <= self.now]:
            self.at_work.remove((due, ticket))
            self.window.served(ticket)
            self.window.leave()
        while self.window.under_way < int(self.window.size):
            ticket = await self.window.enter()
            if len(self.at_work) < self.capacity:
                self.at_work.append((self.now + 10, ticket))
            else:
                self.window.refused(ticket)
                self.window.leave()
                self.refused += 1

    def run(self, ticks: int) -> float:
        """The share of the capacity that was used in that time."""

        async def go() -> int:
            busy = 0
            for _ in range(ticks):
                await self.tick()
                busy += len(self.at_work)
            return busy

        return asyncio.run(go()) / (ticks * self.capacity)


@pytest.mark.parametrize("capacity", [1, 3, 20, 64, 100])
def test_the_server_s_limit_is_found_and_kept(capacity: int) -> None:
    server = Server(capacity)
    assert server.run(1000) > 0.95
    assert server.refused < 40


def test_a_server_that_takes_less_than_before_is_followed() -> None:
    server = Server(64)
    server.run(200)
    assert 60 <= server.window.size <= 65
    server.capacity, server.refused = 10, 0
    server.run(40)
    assert 8 <= server.window.size <= 11
    assert server.refused < 80


def test_at_the_edge_of_what_was_served_it_steps_back_and_does_not_halve() -> None:
    """Replies on their way count as under way, so that a little too many seem to be proven."""
    window = Window(128, start=67)
    window.served(Ticket(67, 0))
    sizes = []
    for level in (67, 66, 64):
        window.refused(Ticket(level, len(sizes)))
        sizes.append(window.size)
    assert sizes == [66, 64, 60]
    window.refused(Ticket(20, 3))  # far below: the server takes less than before
    assert window.size == 19


def test_a_time_out_halves_the_window() -> None:
    window = Window(64, start=64)
    window.served(Ticket(64, 0))
    window.refused(Ticket(60, 0), overload=True)
    assert window.size == 32


def test_above_a_refused_size_each_step_waits_for_the_proof_of_the_one_before() -> None:
    clock = [0.0]
    window = Window(128, start=16, clock=lambda: clock[0])
    window.refused(Ticket(21, 0))
    while window.size < 20:
        window.served(Ticket(int(window.size), 1))
    clock[0] = 6.0
    sizes = []
    for level in (19, 20, 20, 21, 22, 23):
        window.served(Ticket(level, 1))
        sizes.append(window.size)
    assert sizes == [20, 21, 21, 22, 23, 24]


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
    server: ScriptedServer, count: int, notes: Path | None = None, **changes: object
) -> tuple[list[Reply], dict[str, str]]:
    settings = {"engine": "openai", "model": "m", "base_url": server.base_url, "timeout_s": 20.0}
    judge = OpenAIJudge.model_validate(settings | changes)
    replies: list[Reply] = []
    calls = [Call(f"k{i}", [{"role": "user", "content": f"p{i}"}]) for i in range(count)]
    return replies, ask_all(judge, calls, replies.append, notes=notes)


def test_refusals_cost_no_try_and_lose_nothing() -> None:
    def script(request: Request) -> Action:
        # The request itself counts: over ten at once are refused.
        return error(429) if server._at_once > 10 else text("ok", wait_s=0.05)

    with ScriptedServer(script) as server:
        replies, failures = ask(server, 60, max_retries=3, concurrency=24)
    assert not failures
    assert len({reply.key for reply in replies}) == len(replies) == 60


def test_a_server_s_wait_holds_back_those_in_the_queue_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("babelmix.judge.hint.START", 2)

    def script(request: Request) -> Action:
        asked_to_wait = error(429, retry_after_ms="600")
        return asked_to_wait if request.number == 0 else text("ok", wait_s=0.1)

    with ScriptedServer(script) as server:
        ask(server, 5, concurrency=5)
    assert min(server.times[2:]) - server.times[0] >= 0.55


def test_a_server_that_takes_not_even_one_is_given_time() -> None:
    """A refusal of the only request is no question of how many at once: nobody is served now."""
    with ScriptedServer(lambda r: error(429) if r.number < 4 else text("ok")) as server:
        replies, failures = ask(server, 6, concurrency=1)
    assert not failures
    assert len(replies) == 6
    waits = [later - time for time, later in itertools.pairwise(server.times[:5])]
    assert all(wait >= least for wait, least in zip(waits, (0.12, 0.25, 0.5, 1.0), strict=True))


def test_the_next_job_begins_with_what_the_last_one_found(tmp_path: Path) -> None:
    def script(request: Request) -> Action:
        return error(429) if server._at_once > 6 else text("ok", wait_s=0.05)

    with ScriptedServer(script) as server:
        ask(server, 40, notes=tmp_path)
        refused = len(server.requests) - 40
        ask(server, 40, notes=tmp_path)
        refused_again = len(server.requests) - 80 - refused
    assert refused_again < refused / 2


def test_a_note_of_another_server_or_a_torn_one_is_left_aside(tmp_path: Path) -> None:
    judge = OpenAIJudge(engine="openai", model="m")
    remember(tmp_path, judge, 64)
    assert recall(tmp_path, judge) == 64
    assert recall(tmp_path, judge.model_copy(update={"model": "other"})) == START
    assert recall(None, judge) == START
    (tmp_path / FILE).write_text('{"a": ')
    assert recall(tmp_path, judge) == START


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
