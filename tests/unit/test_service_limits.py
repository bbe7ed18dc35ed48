"""How many requests at once, and how fast: found out against a server that takes only so many."""

from __future__ import annotations

import asyncio
import concurrent.futures
import itertools
import json
import time
from pathlib import Path

import pytest
from tests.loopback import Action, Request, ScriptedServer, error, text

from babelmix.config.evaluation import OpenAIJudge
from babelmix.errors import BabelmixError
from babelmix.service import ChatService, Failure, Reply
from babelmix.service import Request as Call
from babelmix.service.concurrency import ConcurrencyLimiter, Slot
from babelmix.service.connectivity import check_reachable
from babelmix.service.rates import RateLimiter, rate_wait, seconds


class Server:
    """Takes ``capacity`` requests at once, each for a third of a second (ten ticks)."""

    def __init__(self, capacity: int) -> None:
        self.now = 0
        self.limiter = ConcurrencyLimiter(128, clock=lambda: self.now / 30)
        self.capacity = capacity
        self.at_work: list[tuple[int, Slot]] = []
        self.refused = 0

    async def tick(self) -> None:
        """Finish what is due, then send as many as the limiter lets through."""
        self.now += 1
        for due, slot in [entry for entry in self.at_work if entry[0] <= self.now]:
            self.at_work.remove((due, slot))
            self.limiter.on_success()
            self.limiter.release()
        while self.limiter.under_way < int(self.limiter.limit):
            slot = await self.limiter.acquire()
            if len(self.at_work) < self.capacity:
                self.at_work.append((self.now + 10, slot))
            else:
                self.limiter.on_reject(slot)
                self.limiter.release()
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
    assert 58 <= server.limiter.limit <= 66
    server.capacity, server.refused = 10, 0
    server.run(80)
    assert 5 <= server.limiter.limit <= 12
    assert server.refused < 120


def test_thousands_of_replies_without_a_rejection_change_nothing() -> None:
    """Growth has an end: nothing in it may overflow, however long a job lasts."""
    limiter = ConcurrencyLimiter(4)
    for _ in range(10_000):
        limiter.on_success()
    assert limiter.limit == 4


def test_a_time_out_halves_the_limit() -> None:
    limiter = ConcurrencyLimiter(64)
    limiter.limit = 64.0
    limiter.on_reject(Slot(60, 0), overload=True)
    assert int(limiter.limit) == 29


def test_rejections_of_one_moment_count_once_and_those_that_go_on_cut_deeper() -> None:
    limiter = ConcurrencyLimiter(64)
    limiter.limit = 64.0
    for level in range(64, 32, -1):
        limiter.on_reject(Slot(level, 0))
    assert int(limiter.limit) == 62
    for cut in (1, 2, 3):
        limiter.on_reject(Slot(int(limiter.limit), cut))
    assert limiter.limit < 16


def test_after_a_cut_it_waits_and_then_grows_by_one_per_round() -> None:
    clock = [0.0]
    limiter = ConcurrencyLimiter(128, clock=lambda: clock[0])
    limiter.limit = 21.0
    limiter.on_reject(Slot(21, 0))
    held = limiter.limit
    limiter.on_success()
    assert limiter.limit == held
    clock[0] = 3.0
    for _ in range(int(held)):
        limiter.on_success()
    assert held + 0.9 < limiter.limit < held + 1.1


def test_first_come_first_served() -> None:
    order: list[int] = []

    async def go() -> None:
        limiter = ConcurrencyLimiter(1)

        async def one(number: int) -> None:
            await limiter.acquire()
            order.append(number)
            await asyncio.sleep(0)
            limiter.release()

        await asyncio.gather(*(one(number) for number in range(6)))

    asyncio.run(go())
    assert order == list(range(6))


def limits(folder: Path | None, key: str = "k", **per_minute: float) -> RateLimiter:
    return RateLimiter(folder, "http://localhost:1/v1", key, per_minute)


def test_rates_space_requests_and_tokens() -> None:
    assert limits(None).claim(requests=1, tokens=10_000) == (True, 0)
    for given, amounts in (
        (limits(None, requests=600), {"requests": 1, "tokens": 10}),
        (limits(None, tokens=60_000), {"requests": 1, "tokens": 100}),
    ):
        waits = [given.claim(**amounts)[1] for _ in range(3)]
        assert waits == pytest.approx([0.0, 0.1, 0.2], abs=0.05)


def test_a_rate_belongs_to_the_key_and_not_to_the_job(tmp_path: Path) -> None:
    turns = [limits(tmp_path, requests=60).claim(requests=1) for _ in range(4)]
    assert [taken for taken, _ in turns] == [True, False, False, False]
    assert [wait for _, wait in turns] == pytest.approx([0.0, 0.75, 0.75, 0.75], abs=0.2)
    assert limits(tmp_path, "another key", requests=60).claim(requests=1) == (True, 0)
    torn = next(tmp_path.glob("rate.*.json"))
    for path in tmp_path.glob("rate.*.json"):
        path.write_text('{"requests": 17')
    assert limits(tmp_path, requests=60).claim(requests=1) == (True, 0)
    assert "k" not in torn.stem.split(".")


def test_turns_that_were_asked_for_and_not_taken_hold_nobody_up(tmp_path: Path) -> None:
    killed = limits(tmp_path, requests=120)
    assert [killed.claim(requests=1)[0] for _ in range(50)].count(True) < 5  # two a second
    began = time.monotonic()
    for _ in range(2):
        limits(tmp_path, requests=120).wait(requests=1)
    assert 0.7 < time.monotonic() - began < 10  # fifty turns would be 25 s


def test_a_clock_that_was_set_back_holds_nobody_up_for_ever(tmp_path: Path) -> None:
    given = limits(tmp_path, requests=60)
    given.claim(requests=1)
    (path,) = tmp_path.glob("rate.*.json")
    path.write_text(json.dumps({"requests": time.time() + 1e6}))
    taken, wait = given.claim(requests=1)
    assert not taken
    assert wait < 3600.0
    assert json.loads(path.read_text())["requests"] < time.time() + 3601.0


def test_processes_share_a_rate(tmp_path: Path) -> None:
    with concurrent.futures.ProcessPoolExecutor(4) as pool:
        waits = list(pool.map(_claims, [tmp_path] * 4))
    assert 1.5 < max(map(max, waits)) < 10


def _claims(folder: Path) -> list[float]:
    began = time.monotonic()
    given = limits(folder, requests=600)
    ends = []
    for _ in range(5):
        given.wait(requests=1)
        ends.append(time.monotonic() - began)
    return ends


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
) -> tuple[list[Reply], dict[str, Failure]]:
    settings = {"engine": "openai", "model": "m", "base_url": server.base_url, "timeout_s": 20.0}
    judge = OpenAIJudge.model_validate(settings | changes)
    replies: list[Reply] = []
    calls = [Call(f"k{i}", [{"role": "user", "content": f"p{i}"}]) for i in range(count)]
    return replies, ChatService(judge, "judges.j").ask(calls, replies.append)


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
    monkeypatch.setattr("babelmix.service.concurrency.START", 2)

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
        service = ChatService(judge, "judges.j")
        service.ask(calls, lambda r: None, sync=lambda: synced.append(time.monotonic()))
    assert len(synced) >= 2


def test_where_no_server_is_nothing_is_asked() -> None:
    with pytest.raises(BabelmixError, match="No server answers at http://127"):
        check_reachable("http://127.0.0.1:1/v1", pause_s=0.01)
    with pytest.raises(BabelmixError, match="not an address"):
        check_reachable("localhost:8000/v1")
