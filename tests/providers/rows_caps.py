"""Rows: unknown prices, caps, rates (points 8 to 10)."""

from __future__ import annotations

import time
from collections.abc import Sequence

from .driver import CAPPED, STOPPED, WHOLE
from .models import Model, translation
from .rows_money import dearest_call
from .table import Bench, row

# --- 8: prices that are not known ----------------------------------------------------------------


@row("8", "no price known and none given, on a host of its own: nothing starts unconfirmed")
def unknown_price(bench: Bench) -> None:
    bench.environment["MY_KEY"] = "its-own-key"
    run = bench.judge(
        "http://203.0.113.7:1/v1",  # a documentation address: nothing may be sent
        400,
        price_in=None,
        price_out=None,
        confirm_cost=None,
        key_env="MY_KEY",
        limit_s=30,
    )
    bench.equal(run.code, STOPPED, "status")
    bench.says(run, "price")
    bench.says(run, "price_in")


@row("8", "price_in alone must not make output free", quick=True)
def half_a_price(bench: Bench) -> None:
    server = bench.serve(Model())
    run = bench.judge(server.base_url, 20, price_out=None)
    if run.code == WHOLE:
        bench.covered()
    else:
        bench.equal(len(server.posts()), 0, "requests")
        bench.says(run, "price_out")


@row("8", "a translator whose price is unknown stops likewise")
def unknown_price_translator(bench: Bench) -> None:
    bench.environment["MY_KEY"] = "its-own-key"
    run = bench.translate(
        "http://203.0.113.7:1/v1",
        400,
        price_in=None,
        price_out=None,
        confirm_cost=None,
        key_env="MY_KEY",
        limit_s=20,
    )
    bench.equal(run.code, STOPPED, "status")
    bench.says(run, "price_in")


# --- 9: one meaning of max_cost ------------------------------------------------------------------


@row("9", "max_cost 2.00 over four runs of a judge, one after the other", quick=True)
def cap_over_runs(bench: Bench) -> None:
    server = bench.serve(Model())
    codes = [
        bench.judge(server.base_url, 40, run=f"run{i}", max_cost=2.0, concurrency=4).code
        for i in range(4)
    ]
    bench.scored = str(codes)
    billed, one = bench.billed(), dearest_call(bench, 500)
    bench.check(billed <= 2.0 + one, f"cap 2.00, billed {billed:.3f}")
    bench.equal(codes[1:], [CAPPED] * 3, "status of the later runs")
    bench.exact()


@row("9", "max_cost 2.00 over four runs of a judge, side by side", quick=True)
def cap_side_by_side(bench: Bench) -> None:
    server = bench.serve(Model(work_s=0.05))
    verbs = []
    for i in range(4):
        verbs.append(bench.start_judge(server.base_url, 80, run=f"run{i}", max_cost=2.0))
    codes = [verb.wait().code for verb in verbs]
    bench.scored = str(codes)
    billed, one = bench.billed(), dearest_call(bench, 500)
    bench.check(billed <= 2.0 + one, f"cap 2.00, billed {billed:.3f}")
    bench.check(billed >= 1.0, f"cap 2.00, billed {billed:.3f}")
    bench.equal(set(codes), {CAPPED}, "statuses")
    bench.exact()


@row("9", "one cap over single grades and pairs of the same judge")
def cap_over_protocols(bench: Bench) -> None:
    server = bench.serve(Model())
    first = bench.judge(server.base_url, 40, max_cost=1.5)
    second = bench.judge(server.base_url, 40, pairs=True, max_cost=1.5)
    billed, one = bench.billed(), dearest_call(bench, 500)
    bench.equal((first.code, second.code), (CAPPED, CAPPED), "statuses")
    bench.check(billed <= 1.5 + one, f"cap 1.50, billed {billed:.3f}")
    bench.exact()


@row("9", "a translator's cap over languages and shards")
def cap_translator(bench: Bench) -> None:
    server = bench.serve(Model(translation))
    codes = [
        bench.translate(server.base_url, 60, lang=lang, shard=shard, shards=2, max_cost=0.5).code
        for lang in ("de", "fr")
        for shard in (0, 1)
    ]
    billed, one = bench.billed(), dearest_call(bench, 500)
    bench.scored = str(codes)
    bench.check(billed <= 0.5 + one, f"cap 0.50, billed {billed:.3f}")
    bench.check(CAPPED in codes, f"statuses {codes}")
    bench.exact()


@row("9", "a lower confirm_cost stops a translator as it stops a judge", quick=True)
def confirm_for_all(bench: Bench) -> None:
    server = bench.serve(Model(translation))
    for verb, count_ in ((bench.judge, 60), (bench.translate, 60), (bench.answer, 60)):
        run = verb(server.base_url, count_, confirm_cost=0.01)
        bench.equal(run.code, STOPPED, f"status of {verb.__name__}")
        bench.says(run, "confirm_cost")
    bench.equal(len(server.posts()), 0, "requests")


@row("9", "confirm_cost is for the study set: many small jobs do not slip through it")
def confirm_over_jobs(bench: Bench) -> None:
    server = bench.serve(Model())
    codes = []
    for i in range(8):  # each is estimated at less than the 5 dollars that need no word
        codes.append(bench.judge(server.base_url, 30, run=f"run{i}", confirm_cost=None).code)
    bench.scored = str(codes)
    bench.check(STOPPED in codes, f"8 jobs started: {bench.billed():.2f} US dollars unconfirmed")
    bench.exact()


# --- 10: a rate belongs to the key ---------------------------------------------------------------


def most_in(times: Sequence[float], window_s: float) -> int:
    """The most events in any window of so many seconds."""
    most, first = 0, 0
    for last, at in enumerate(times):
        while at - times[first] > window_s:
            first += 1
        most = max(most, last - first + 1)
    return most


def rate_kept(bench: Bench, per_minute: int, seconds: float, jobs: int = 4) -> int:
    """Requests of several jobs side by side in so many seconds; the jobs are killed then."""
    server = bench.serve(Model(work_s=0.02))
    verbs = [
        bench.start_judge(server.base_url, 200, run=f"run{i}", requests_per_minute=per_minute)
        for i in range(jobs)
    ]
    while not server.posts():
        time.sleep(0.01)
        if all(not verb.process.is_alive() for verb in verbs):
            break
    time.sleep(seconds)
    for verb in verbs:
        verb.kill()
    sent = [call.at for call in server.posts()]
    return most_in(sent, seconds)


@row("10", "requests_per_minute: 60, four jobs side by side, 8 seconds", quick=True)
def rate_short(bench: Bench) -> None:
    sent = rate_kept(bench, 60, 8.0)
    bench.scored = f"{sent} in 8 s"
    bench.check(6 <= sent <= 12, f"{sent} requests in 8 seconds at 60 per minute")


@row("10", "requests_per_minute: 60, four jobs side by side, a whole minute")
def rate_long(bench: Bench) -> None:
    sent = rate_kept(bench, 60, 60.0)
    bench.scored = f"{sent} in 60 s"
    bench.check(50 <= sent <= 64, f"{sent} requests in a minute at 60 per minute")


@row("10", "one key, judge and translator side by side")
def rate_across_payers(bench: Bench) -> None:
    server = bench.serve(Model(translation, work_s=0.02))
    verbs = [
        bench.start_judge(server.base_url, 200, requests_per_minute=120),
        bench.start_translate(server.base_url, 200, requests_per_minute=120),
    ]
    while not server.posts():
        time.sleep(0.01)
    time.sleep(8.0)
    for verb in verbs:
        verb.kill()
    sent = most_in([call.at for call in server.posts()], 8.0)
    bench.scored = f"{sent} in 8 s"
    bench.check(sent <= 21, f"{sent} requests in 8 seconds at 120 per minute")


@row("10", "the rate is kept by a run that begins where another ended")
def rate_restart(bench: Bench) -> None:
    server = bench.serve(Model(work_s=0.02))
    for i in range(3):
        verb = bench.start_judge(server.base_url, 200, run=f"run{i}", requests_per_minute=60)
        time.sleep(3.0)
        verb.kill()
    sent = most_in([call.at for call in server.posts()], 9.0)
    bench.scored = f"{sent} in 9 s"
    bench.check(5 <= sent <= 14, f"{sent} requests in 9 seconds at 60 per minute")
