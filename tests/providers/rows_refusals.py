"""Rows: refusals and outages: this call, later, never (point 15)."""

from __future__ import annotations

import email.utils
import time
from typing import Any

from . import bodies, refusals
from .driver import INCOMPLETE, STOPPED, WHOLE
from .models import (
    Account,
    Busy,
    Minute,
    Model,
    after,
    first_time,
    holds,
    numbered,
    translation,
    when,
)
from .server import Answer
from .table import Bench, row

# --- 15: this call, later, never -----------------------------------------------------------------


def this_call(bench: Bench, answer: Answer, **settings: Any) -> None:
    """One question is refused: it is unscored with the reason, all others are judged."""
    server = bench.serve(Model(checks=(when(holds("number 7,"), answer),)))
    run = bench.judge(server.base_url, 40, **settings)
    bench.scored = f"{run.scored} of 40"
    bench.equal((run.code, run.scored), (WHOLE, 39), "status, scored")
    asked = sum("number 7," in call.prompt for call in server.posts())
    bench.check(asked <= 2, f"what is refused for good was asked {asked} times")
    bench.exact()
    bench.none_twice()


@row(
    "15", "openrouter: 403 for one flagged question", quick=True, source="openrouter.ai/docs/errors"
)
def flagged(bench: Bench) -> None:
    this_call(bench, refusals.moderated_403())


@row("15", "azure: 400 content_filter for one prompt", source="compl-ai/compl-ai#20")
def filtered_prompt(bench: Bench) -> None:
    this_call(bench, refusals.azure_filtered_prompt())


@row("15", "vllm: 400 for one prompt that is too long", source="ogx-ai/ogx#4534")
def too_long_vllm(bench: Bench) -> None:
    this_call(bench, refusals.context_vllm(4096, 5000, 500))


@row("15", "openai: 400 context_length_exceeded for one prompt")
def too_long_openai(bench: Bench) -> None:
    this_call(bench, refusals.context_openai(8192, 9000))


@row("15", "github models: 413 for one prompt", source="tashfeenahmed/freellmapi#426")
def too_long_413(bench: Bench) -> None:
    words = "Request body too large for gpt-4.1 model. Max size: 8000 tokens."
    this_call(bench, refusals.error(413, words, code="tokens_limit_reached"))


@row("15", "openai: 429 request too large for the tokens per minute, one question", quick=True)
def too_large(bench: Bench) -> None:
    began = time.monotonic()
    this_call(bench, refusals.request_too_large())
    bench.check(time.monotonic() - began < 20, "it was waited for")


@row("15", "the first question is the flagged one: the job goes on")
def flagged_first(bench: Bench) -> None:
    server = bench.serve(Model(checks=(when(numbered({0}), refusals.moderated_403()),)))
    run = bench.judge(server.base_url, 20, concurrency=1)
    bench.equal((run.code, run.scored), (WHOLE, 19), "status, scored")


@row("15", "translator: 403 for one flagged text")
def flagged_translation(bench: Bench) -> None:
    server = bench.serve(
        Model(translation, checks=(when(holds("number 7,"), refusals.moderated_403()),))
    )
    run = bench.translate(server.base_url, 40)
    bench.scored = f"{run.translated} of 40"
    bench.equal((run.code, run.translated), (WHOLE, 39), "status, translated")
    bench.exact()


@row("15", "served model: 400 for one prompt that is too long")
def too_long_answer(bench: Bench) -> None:
    answer = refusals.context_vllm(256, 300, 100)
    server = bench.serve(Model(checks=(when(holds("number 7,"), answer),)))
    run = bench.answer(server.base_url, 20)
    bench.scored = f"{run.answered} of 20"
    bench.equal((run.code, run.answered), (WHOLE, 19), "status, answered")


def never(bench: Bench, answer: Answer, *words: str, good: int = 50, exact: bool = True) -> None:
    """After some good calls no other will pass: stop now, keep what was paid."""
    server = bench.serve(Model(checks=(when(after(good), answer),), work_s=0.01))
    run = bench.judge(server.base_url, 400, concurrency=8)
    bench.scored = f"{len(run.rows)} rows"
    bench.equal(run.code, STOPPED, "status")
    bench.says(run, *words)
    bench.check(not run.written, "an output that is not whole was written")
    asked = len(server.posts()) - good
    bench.check(asked <= 16, f"{asked} calls after it was clear")
    bench.equal(bench.journalled(), good, "journalled")
    bench.check(run.seconds < 20, f"it took {run.seconds:.0f} s")
    if exact:
        bench.exact()


@row("15", "anthropic: 400 `credit balance is too low` after 50 calls", quick=True,
     source="anthropics/claude-code#66314")  # fmt: skip
def credit_low(bench: Bench) -> None:
    never(bench, refusals.credit_too_low(), "credit balance is too low")


@row("15", "openai: 429 insufficient_quota after 50 calls", quick=True)
def quota_empty(bench: Bench) -> None:
    never(bench, refusals.insufficient_quota(), "quota")


@row("15", "openrouter: 402 after 50 calls, less is left than one reply may cost")
def credits_402(bench: Bench) -> None:
    never(bench, refusals.credits_402(500, 222), "credits")


@row("15", "gemini: the day's requests are used up (RESOURCE_EXHAUSTED, PerDay)", quick=True,
     source="langgenius/dify#19838")  # fmt: skip
def day_gemini(bench: Bench) -> None:
    never(bench, refusals.daily_gemini(), "quota")


@row("15", "azure: retry after 86400 seconds", source="jasonacox/TinyLLM#17")
def day_azure(bench: Bench) -> None:
    never(bench, refusals.daily_azure(), "86400")


@row("15", "openai: the day's requests are used up (RPD, try again in 7h12m)")
def day_openai(bench: Bench) -> None:
    never(bench, refusals.daily_openai(), "per day")


@row("15", "401 in the middle of a job: the key was revoked")
def key_revoked(bench: Bench) -> None:
    never(bench, refusals.unauthorised(), "OPENAI_API_KEY")


@row("15", "403 for all from the first: the project may not use the model")
def key_without_model(bench: Bench) -> None:
    server = bench.serve(Model(checks=(when(lambda call: True, refusals.forbidden_key()),)))
    run = bench.judge(server.base_url, 200)
    bench.equal(run.code, STOPPED, "status")
    bench.says(run, "does not have access to model")
    bench.check(len(server.posts()) <= 40, f"{len(server.posts())} calls")


@row("15", "404: no such model; vllm's form without an envelope", source="vllm-project/vllm#3486")
def no_such_model(bench: Bench) -> None:
    for answer in (
        refusals.model_not_found(),
        bodies.as_json(
            {"object": "error", "message": "The model `m` does not exist.",
             "type": "NotFoundError", "param": None, "code": 404}, 404),
    ):  # fmt: skip
        server = bench.serve(Model(checks=(when(lambda call: True, answer),)))
        run = bench.judge(server.base_url, 60, run=f"run{len(bench.simulators)}")
        bench.equal(run.code, STOPPED, "status")
        bench.says(run, "does not exist")
        bench.check(len(server.posts()) <= 16, f"{len(server.posts())} calls")


@row("15", "a refused key of a served model speaks of the answers, not of a judge", quick=True)
def key_of_answers(bench: Bench) -> None:
    server = bench.serve(Model(checks=(when(lambda call: True, refusals.unauthorised()),)))
    run = bench.answer(server.base_url, 20)
    bench.equal(run.code, STOPPED, "status")
    bench.check("judge" not in run.said.lower(), f"speaks of a judge: {run.said[-300:]}")
    bench.says(run, "OPENAI_API_KEY")


@row("15", "an account that is emptied by this very job, translator and judge side by side")
def account_emptied(bench: Bench) -> None:
    account = Account(Model(work_s=0.02), 1.0, refusals.insufficient_quota)
    server = bench.serve(account)
    run = bench.judge(server.base_url, 300)
    bench.equal(run.code, STOPPED, "status")
    bench.equal(bench.journalled(), server.bill.usable(), "journalled")
    bench.exact()


def passes(
    bench: Bench, answer: Answer, least_s: float = 0.0, most_s: float = 30.0, **settings: Any
) -> None:
    """Every call fails once and passes then."""
    server = bench.serve(Model(checks=(when(first_time, answer),)))
    run = bench.judge(server.base_url, 20, **settings)
    bench.scored = f"{run.scored} of 20"
    bench.equal((run.code, run.scored), (WHOLE, 20), "status, scored")
    bench.check(least_s <= run.seconds <= most_s, f"it took {run.seconds:.1f} s")
    if answer.status in (408, 504):  # the work may have been done, and billed, behind a proxy
        bench.covered()
    else:
        bench.exact()
    bench.none_twice()


for _status in (408, 409, 500, 502, 503, 504):

    @row("15", f"HTTP {_status} once for each call", quick=_status == 503)
    def once(bench: Bench, status: int = _status) -> None:
        passes(bench, refusals.server_error(status))


@row("15", "anthropic: 529 overloaded, once for each call")
def overloaded(bench: Bench) -> None:
    passes(bench, refusals.overloaded_529())


@row("15", "a load balancer's HTML with 502, once for each call")
def html_502(bench: Bench) -> None:
    passes(bench, refusals.bad_gateway())


@row("15", "429 with retry-after in seconds")
def retry_seconds(bench: Bench) -> None:
    passes(bench, refusals.with_headers(refusals.rate_limited(), retry_after="1"), 0.9)


@row("15", "429 with retry-after-ms")
def retry_ms(bench: Bench) -> None:
    passes(bench, refusals.with_headers(refusals.rate_limited(), retry_after_ms="700"), 0.6)


@row("15", "429 with retry-after as a date (the server's clock is an hour ahead)",
     source="RFC 9110, 10.2.3")  # fmt: skip
def retry_date(bench: Bench) -> None:
    now = time.time() + 3600
    headers = {
        "date": email.utils.formatdate(now, usegmt=True),
        "retry_after": email.utils.formatdate(now + 2, usegmt=True),
    }
    passes(bench, refusals.with_headers(refusals.rate_limited(), **headers), 1.0)


@row("15", "429 with retry-after as seconds since 1970: no wait of 56 years",
     source="openclaw/clawhub#407, cloudfoundry/cloud_controller_ng#2544")  # fmt: skip
def retry_epoch(bench: Bench) -> None:
    late = str(int(time.time()) + 2)
    passes(bench, refusals.with_headers(refusals.rate_limited(), retry_after=late), 0.0, 25.0)


@row("15", "429 that says when only in its words (Please try again in 1.2s)")
def retry_words(bench: Bench) -> None:
    passes(bench, refusals.rate_limited("1.2s"))


@row("15", "429 beyond 8 at once (a server with 8 places)", quick=True)
def busy(bench: Bench) -> None:
    server = bench.serve(Model(checks=(Busy(8, 0.05),), work_s=0.05))
    run = bench.judge(server.base_url, 200, concurrency=64)
    bench.scored = f"{run.scored} of 200"
    bench.equal((run.code, run.scored), (WHOLE, 200), "status, scored")
    bench.exact()
    bench.none_twice()


@row("15", "429 beyond 40 requests in 2 seconds, with the right retry-after")
def per_window(bench: Bench) -> None:
    limit = Minute(40, 2.0)
    server = bench.serve(Model(checks=(limit,), work_s=0.01))
    run = bench.judge(server.base_url, 160, concurrency=32)
    bench.scored = f"{run.scored} of 160"
    bench.equal((run.code, run.scored), (WHOLE, 160), "status, scored")
    bench.check(run.seconds < 40, f"it took {run.seconds:.0f} s")
    bench.exact()


@row("15", "the server is down for a while in the middle (connection refused)")
def restarts(bench: Bench) -> None:
    server = bench.serve(Model(fault=lambda c: {"fault": "reset"} if 20 <= c.number < 26 else {}))
    run = bench.judge(server.base_url, 60)
    bench.scored = f"{run.scored} of 60"
    bench.equal((run.code, run.scored), (WHOLE, 60), "status, scored")
    bench.covered()


@row("15", "the server answers nobody: stop soon, with its words")
def down(bench: Bench) -> None:
    server = bench.serve(Model(checks=(when(lambda call: True, refusals.server_error(503)),)))
    run = bench.judge(server.base_url, 400)
    bench.check(run.code in (STOPPED, INCOMPLETE), f"status {run.code}")
    bench.says(run, "503")
    bench.check(len(server.posts()) <= 120, f"{len(server.posts())} calls")
