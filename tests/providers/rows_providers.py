"""Rows: providers as they are: refusals, limits, addresses, words of errors (points 15 to 18)."""

from __future__ import annotations

import dataclasses
import email.utils
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import bodies
from .batches import Batches
from .driver import INCOMPLETE, STOPPED, TIMED_OUT, WHOLE
from .models import (
    PRICE,
    Account,
    Busy,
    Minute,
    Model,
    after,
    azure,
    first_time,
    holds,
    numbered,
    openai_paths,
    refuses_max_tokens,
    refuses_system,
    refuses_temperature,
    translation,
    when,
)
from .server import Answer, Call, self_signed
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
    this_call(bench, bodies.moderated_403())


@row("15", "azure: 400 content_filter for one prompt", source="compl-ai/compl-ai#20")
def filtered_prompt(bench: Bench) -> None:
    this_call(bench, bodies.azure_filtered_prompt())


@row("15", "vllm: 400 for one prompt that is too long", source="ogx-ai/ogx#4534")
def too_long_vllm(bench: Bench) -> None:
    this_call(bench, bodies.context_vllm(4096, 5000, 500))


@row("15", "openai: 400 context_length_exceeded for one prompt")
def too_long_openai(bench: Bench) -> None:
    this_call(bench, bodies.context_openai(8192, 9000))


@row("15", "github models: 413 for one prompt", source="tashfeenahmed/freellmapi#426")
def too_long_413(bench: Bench) -> None:
    words = "Request body too large for gpt-4.1 model. Max size: 8000 tokens."
    this_call(bench, bodies.error(413, words, code="tokens_limit_reached"))


@row("15", "openai: 429 request too large for the tokens per minute, one question", quick=True)
def too_large(bench: Bench) -> None:
    began = time.monotonic()
    this_call(bench, bodies.request_too_large())
    bench.check(time.monotonic() - began < 20, "it was waited for")


@row("15", "the first question is the flagged one: the job goes on")
def flagged_first(bench: Bench) -> None:
    server = bench.serve(Model(checks=(when(numbered({0}), bodies.moderated_403()),)))
    run = bench.judge(server.base_url, 20, concurrency=1)
    bench.equal((run.code, run.scored), (WHOLE, 19), "status, scored")


@row("15", "translator: 403 for one flagged text")
def flagged_translation(bench: Bench) -> None:
    server = bench.serve(
        Model(translation, checks=(when(holds("number 7,"), bodies.moderated_403()),))
    )
    run = bench.translate(server.base_url, 40)
    bench.scored = f"{run.translated} of 40"
    bench.equal((run.code, run.translated), (WHOLE, 39), "status, translated")
    bench.exact()


@row("15", "served model: 400 for one prompt that is too long")
def too_long_answer(bench: Bench) -> None:
    answer = bodies.context_vllm(256, 300, 100)
    server = bench.serve(Model(checks=(when(holds("number 7,"), answer),)))
    run = bench.answer(server.base_url, 20)
    bench.scored = f"{run.answered} of 20"
    bench.equal((run.code, run.answered), (WHOLE, 19), "status, answered")


def never(bench: Bench, answer: Answer, *words: str, good: int = 50, **settings: Any) -> None:
    """After some good calls no other will pass: stop now, keep what was paid."""
    server = bench.serve(Model(checks=(when(after(good), answer),), work_s=0.01))
    run = bench.judge(server.base_url, 400, concurrency=8, **settings)
    bench.scored = f"{len(run.rows)} rows"
    bench.equal(run.code, STOPPED, "status")
    bench.says(run, *words)
    bench.check(not run.written, "an output that is not whole was written")
    asked = len(server.posts()) - good
    bench.check(asked <= 16, f"{asked} calls after it was clear")
    bench.equal(bench.journalled(), good, "journalled")
    bench.check(run.seconds < 20, f"it took {run.seconds:.0f} s")
    bench.exact()


@row("15", "anthropic: 400 `credit balance is too low` after 50 calls", quick=True,
     source="anthropics/claude-code#66314")  # fmt: skip
def credit_low(bench: Bench) -> None:
    never(bench, bodies.credit_too_low(), "credit balance is too low")


@row("15", "openai: 429 insufficient_quota after 50 calls", quick=True)
def quota_empty(bench: Bench) -> None:
    never(bench, bodies.insufficient_quota(), "quota")


@row("15", "openrouter: 402 after 50 calls, less is left than one reply may cost")
def credits_402(bench: Bench) -> None:
    never(bench, bodies.credits_402(500, 222), "credits")


@row("15", "gemini: the day's requests are used up (RESOURCE_EXHAUSTED, PerDay)", quick=True,
     source="langgenius/dify#19838")  # fmt: skip
def day_gemini(bench: Bench) -> None:
    never(bench, bodies.daily_gemini(), "quota")


@row("15", "azure: retry after 86400 seconds", source="jasonacox/TinyLLM#17")
def day_azure(bench: Bench) -> None:
    never(bench, bodies.daily_azure(), "86400")


@row("15", "openai: the day's requests are used up (RPD, try again in 7h12m)")
def day_openai(bench: Bench) -> None:
    never(bench, bodies.daily_openai(), "per day")


@row("15", "401 in the middle of a job: the key was revoked")
def key_revoked(bench: Bench) -> None:
    never(bench, bodies.unauthorised(), "OPENAI_API_KEY")


@row("15", "403 for all from the first: the project may not use the model")
def key_without_model(bench: Bench) -> None:
    server = bench.serve(Model(checks=(when(lambda call: True, bodies.forbidden_key()),)))
    run = bench.judge(server.base_url, 200)
    bench.equal(run.code, STOPPED, "status")
    bench.says(run, "does not have access to model")
    bench.check(len(server.posts()) <= 40, f"{len(server.posts())} calls")


@row("15", "404: no such model; vllm's form without an envelope", source="vllm-project/vllm#3486")
def no_such_model(bench: Bench) -> None:
    for answer in (
        bodies.model_not_found(),
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
    server = bench.serve(Model(checks=(when(lambda call: True, bodies.unauthorised()),)))
    run = bench.answer(server.base_url, 20)
    bench.equal(run.code, STOPPED, "status")
    bench.check("judge" not in run.said.lower(), f"speaks of a judge: {run.said[-300:]}")
    bench.says(run, "OPENAI_API_KEY")


@row("15", "an account that is emptied by this very job, translator and judge side by side")
def account_emptied(bench: Bench) -> None:
    account = Account(Model(work_s=0.02), 1.0, bodies.insufficient_quota)
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
        passes(bench, bodies.server_error(status))


@row("15", "anthropic: 529 overloaded, once for each call")
def overloaded(bench: Bench) -> None:
    passes(bench, bodies.overloaded_529())


@row("15", "a load balancer's HTML with 502, once for each call")
def html_502(bench: Bench) -> None:
    passes(bench, bodies.bad_gateway())


@row("15", "429 with retry-after in seconds", quick=True)
def retry_seconds(bench: Bench) -> None:
    passes(bench, bodies.with_headers(bodies.rate_limited(), retry_after="1"), 0.9)


@row("15", "429 with retry-after-ms")
def retry_ms(bench: Bench) -> None:
    passes(bench, bodies.with_headers(bodies.rate_limited(), retry_after_ms="700"), 0.6)


@row("15", "429 with retry-after as a date (the server's clock is an hour ahead)",
     source="RFC 9110, 10.2.3")  # fmt: skip
def retry_date(bench: Bench) -> None:
    now = time.time() + 3600
    headers = {
        "date": email.utils.formatdate(now, usegmt=True),
        "retry_after": email.utils.formatdate(now + 2, usegmt=True),
    }
    passes(bench, bodies.with_headers(bodies.rate_limited(), **headers), 1.0)


@row("15", "429 with retry-after as seconds since 1970: no wait of 56 years",
     source="openclaw/clawhub#407, cloudfoundry/cloud_controller_ng#2544")  # fmt: skip
def retry_epoch(bench: Bench) -> None:
    late = str(int(time.time()) + 2)
    passes(bench, bodies.with_headers(bodies.rate_limited(), retry_after=late), 0.0, 25.0)


@row("15", "429 that says when only in its words (Please try again in 1.2s)")
def retry_words(bench: Bench) -> None:
    passes(bench, bodies.rate_limited("1.2s"))


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
    server = bench.serve(Model(checks=(when(lambda call: True, bodies.server_error(503)),)))
    run = bench.judge(server.base_url, 400)
    bench.check(run.code in (STOPPED, INCOMPLETE), f"status {run.code}")
    bench.says(run, "503")
    bench.check(len(server.posts()) <= 120, f"{len(server.posts())} calls")


# --- 16: models that take less, or more ----------------------------------------------------------


def _folded(bench: Bench, answer: Callable[[], Answer]) -> None:
    server = bench.serve(Model(checks=(refuses_system(answer),)))
    run = bench.judge(server.base_url, 20)
    bench.scored = f"{run.scored} of 20"
    bench.equal((run.code, run.scored), (WHOLE, 20), "status, scored")
    last = server.posts()[-1].messages
    bench.equal([message["role"] for message in last], ["user"], "roles")
    bench.check("impartial judge" in last[0]["content"], "the instructions are gone")
    bench.check(server.statuses[400] <= 8, f"{server.statuses[400]} refusals")
    bench.exact()


@row("16", "openai o1-mini: no system role", quick=True, source="BetterChatGPT-PLUS#90")
def no_system_openai(bench: Bench) -> None:
    _folded(bench, bodies.system_refused_by_openai)


@row("16", "vllm with gemma: System role not supported", quick=True, source="vllm#2964")
def no_system_vllm(bench: Bench) -> None:
    _folded(bench, bodies.system_refused_by_vllm)


@row("16", "gemini with gemma: Developer instruction is not enabled", source="litellm#15765")
def no_system_gemini(bench: Bench) -> None:
    _folded(bench, bodies.system_refused_by_gemini)


@row("16", "sglang with gemma: 500 whose words are the template's", source="sgl-project/sglang#892")
def no_system_sglang(bench: Bench) -> None:
    words = "jinja2.exceptions.TemplateError: System role not supported"
    _folded(bench, lambda: bodies.error(500, words, kind="InternalServerError"))


@row("16", "translator: no system role")
def no_system_translator(bench: Bench) -> None:
    def last_text(call: Call) -> str:
        return re.findall(r"Answer number .*", call.prompt)[-1].upper()

    server = bench.serve(Model(last_text, checks=(refuses_system(),)))
    run = bench.translate(server.base_url, 20)
    bench.scored = f"{run.translated} of 20"
    bench.equal((run.code, run.translated), (WHOLE, 20), "status, translated")
    bench.check(bool(server.bill.charges), "nothing was asked")


@row("16", "no system role, in mode batch")
def no_system_batch(bench: Bench) -> None:
    server = bench.serve(Batches(Model(checks=(refuses_system(),)), factor=1.0))
    run = bench.judge(server.base_url, 20, mode="batch", poll_s=0.05)
    bench.scored = f"{run.scored} of 20"
    bench.equal((run.code, run.scored), (WHOLE, 20), "status, scored")
    bench.exact()


@row("16", "openai reasoning: no system role, no max_tokens, only the default temperature",
     quick=True)  # fmt: skip
def all_three(bench: Bench) -> None:
    checks = (refuses_max_tokens(), refuses_temperature, refuses_system())
    server = bench.serve(Model(checks=checks, reasoning=64))
    run = bench.judge(server.base_url, 20, temperature=None)
    bench.scored = f"{run.scored} of 20"
    bench.equal((run.code, run.scored), (WHOLE, 20), "status, scored")
    bench.check(all("temperature" not in c.body for c in server.posts()), "temperature was sent")
    bench.exact()


@row("16", "temperature 0 where only the default is taken: stop, and name the way out", quick=True)
def temperature_refused(bench: Bench) -> None:
    server = bench.serve(Model(checks=(refuses_temperature,)))
    run = bench.judge(server.base_url, 100, temperature=0.0)
    bench.equal(run.code, STOPPED, "status")
    bench.says(run, "temperature", "null")
    bench.check(len(server.posts()) <= 16, f"{len(server.posts())} calls")


@row("16", "temperature refused by o3-mini's other words")
def temperature_unsupported(bench: Bench) -> None:
    refuse = when(lambda call: "temperature" in call.body, bodies.temperature_unsupported())
    server = bench.serve(Model(checks=(refuse,)))
    run = bench.judge(server.base_url, 100, temperature=0.0)
    bench.equal(run.code, STOPPED, "status")
    bench.says(run, "temperature")
    again = bench.judge(server.base_url, 20, temperature=None)
    bench.equal((again.code, again.scored), (WHOLE, 20), "status, scored without temperature")


@row("16", "reasoning_effort, top_p, seed, extra body and headers, organisation arrive", quick=True)
def extras(bench: Bench) -> None:
    server = bench.serve(Model())
    bench.environment["TENANT"] = "tenant-secret-7"
    run = bench.judge(
        server.base_url,
        5,
        reasoning_effort="low",
        top_p=0.9,
        seed=7,
        extra_body={"chat_template_kwargs": {"enable_thinking": False}, "provider": {"sort": "x"}},
        extra_headers={"X-Title": "babelmix", "X-Tenant": "$TENANT"},
        organisation="org-abc",
    )
    bench.scored = f"{run.scored} of 5"
    bench.equal((run.code, run.scored), (WHOLE, 5), "status, scored")
    for call in server.posts()[:1]:
        sent = {name: call.body.get(name) for name in ("reasoning_effort", "top_p", "seed")}
        bench.equal(sent, {"reasoning_effort": "low", "top_p": 0.9, "seed": 7}, "sent")
        thinking = call.body.get("chat_template_kwargs")
        bench.equal(thinking, {"enable_thinking": False}, "extra body")
        bench.equal(call.headers.get("x-tenant"), "tenant-secret-7", "header from the environment")
        bench.equal(call.headers.get("openai-organization"), "org-abc", "organisation")
    bench.equal(bench.leaks("tenant-secret-7"), [], "files with the header's secret")


@row("16", "the same keys for a translator and a served model")
def extras_others(bench: Bench) -> None:
    server = bench.serve(Model(translation))
    body = {"chat_template_kwargs": {"enable_thinking": False}}
    first = bench.translate(server.base_url, 3, extra_body=body, top_p=0.9, temperature=None)
    second = bench.answer(server.base_url, 3, extra_body=body)
    bench.equal((first.code, second.code), (WHOLE, WHOLE), "statuses")
    bench.check(
        len(server.posts()) == 6 and all("chat_template_kwargs" in c.body for c in server.posts()),
        "extra body did not arrive",
    )


# --- 17: Azure, batches --------------------------------------------------------------------------


@row("17", "azure: a deployment's URL with ?api-version=, the key in `api-key`", quick=True)
def azure_url(bench: Bench) -> None:
    server = bench.serve(azure(Model(name="gpt-4o-2024-08-06"), "gpt-4o-judge"))
    url = f"{server.host}/openai/deployments/gpt-4o-judge?api-version=2024-10-21"
    run = bench.judge(url, 10, model="gpt-4o")
    bench.scored = f"{run.scored} of 10"
    bench.equal((run.code, run.scored), (WHOLE, 10), "status, scored")
    bench.exact()


@row("17", "azure: the URL as the portal shows it, with /chat/completions", source="chat.md#2")
def azure_portal_url(bench: Bench) -> None:
    server = bench.serve(azure(Model(), "gpt-4o-judge"))
    path = "/openai/deployments/gpt-4o-judge/chat/completions?api-version=2025-01-01-preview"
    run = bench.judge(server.host + path, 10)
    bench.scored = f"{run.scored} of 10"
    bench.equal((run.code, run.scored), (WHOLE, 10), "status, scored")


@row("17", "azure: api and api_version as keys, for a translator")
def azure_keys(bench: Bench) -> None:
    server = bench.serve(azure(Model(translation), "mt"))
    url = f"{server.host}/openai/deployments/mt"
    run = bench.translate(url, 10, api="azure", api_version="2024-10-21")
    bench.scored = f"{run.translated} of 10"
    bench.equal((run.code, run.translated), (WHOLE, 10), "status, translated")


@row("17", "azure: a wrong key is named as one")
def azure_wrong_key(bench: Bench) -> None:
    server = bench.serve(azure(Model(), "gpt-4o-judge", key="another"))
    run = bench.judge(f"{server.host}/openai/deployments/gpt-4o-judge?api-version=2024-10-21", 10)
    bench.equal(run.code, STOPPED, "status")
    bench.says(run, "invalid subscription key")


@row("17", "a base_url with /chat/completions at its end, and one with a slash")
def odd_urls(bench: Bench) -> None:
    server = bench.serve(openai_paths(Model()))
    first = bench.judge(f"{server.base_url}/", 5, run="run0")
    bench.equal((first.code, first.scored), (WHOLE, 5), "status, scored with a slash")
    second = bench.judge(f"{server.base_url}/chat/completions", 5, run="run1")
    if second.code != WHOLE:
        bench.equal(second.code, STOPPED, "status")
        bench.says(second, "base_url")


@row("17", "batch: token_limit_exceeded; the parts go in one by one as room is made", quick=True)
def batch_queue(bench: Bench) -> None:
    # The queue takes some 8 of the 40 calls (about 170 tokens each) at a time.
    server = bench.serve(Batches(Model(), queue_tokens=1400, factor=1.0, polls=1))
    run = bench.judge(server.base_url, 40, mode="batch", poll_s=0.05, limit_s=60)
    bench.scored = f"{run.scored} of 40"
    bench.equal((run.code, run.scored), (WHOLE, 40), "status, scored")
    bench.exact()
    bench.none_twice()


@row("17", "batch: another job fills the queue for a while, then it is free")
def batch_queue_foreign(bench: Bench) -> None:
    provider = Batches(Model(), factor=1.0, polls=1)
    provider.refused = bodies.enqueued_limit(2_000_000)
    made: list[float] = []

    def created() -> None:
        made.append(time.monotonic())
        if len(made) >= 3:
            provider.refused = None

    provider.on_create = created
    server = bench.serve(provider)
    run = bench.judge(server.base_url, 20, mode="batch", poll_s=0.05, limit_s=60)
    bench.scored = f"{run.scored} of 20"
    bench.equal((run.code, run.scored), (WHOLE, 20), "status, scored")
    bench.exact()


@row("17", "batch: the same for a translator")
def batch_queue_translator(bench: Bench) -> None:
    server = bench.serve(Batches(Model(translation), queue_tokens=1200, factor=1.0, polls=1))
    run = bench.translate(server.base_url, 40, mode="batch", poll_s=0.05, limit_s=60)
    bench.scored = f"{run.translated} of 40"
    bench.equal((run.code, run.translated), (WHOLE, 40), "status, translated")
    bench.none_twice()


@row("17", "batch: batch.errors reach the user", quick=True, source="stdapi-ai/stdapi.ai#240")
def batch_errors(bench: Bench) -> None:
    words = "The model 'm' is not supported by the Batch API."
    provider = Batches(Model(), refused=bodies.batch_refused("model_not_found", words, 1))
    server = bench.serve(provider)
    run = bench.judge(server.base_url, 20, mode="batch", poll_s=0.05)
    bench.equal(run.code, STOPPED, "status")
    bench.says(run, "not supported by the Batch API")
    bench.check(len(provider.batches) <= 2, f"{len(provider.batches)} batches were made")
    bench.exact()


@row("17", "batch: half of it expires; what was done is kept, the rest asked again", quick=True,
     source="bespokelabsai/curator#226, warmbly/warmbly#333")  # fmt: skip
def batch_expired(bench: Bench) -> None:
    server = bench.serve(Batches(Model(), expires=lambda line: line % 2 == 1, factor=1.0))
    run = bench.judge(server.base_url, 20, mode="batch", poll_s=0.05)
    bench.scored = f"{run.scored} of 20"
    bench.equal((run.code, run.scored), (WHOLE, 20), "status, scored")
    bench.exact()
    bench.none_twice()


@row("17", "batch: the account is empty, as errors of the lines", source="curator#296")
def batch_credit(bench: Bench) -> None:
    model = Model(checks=(when(after(10), bodies.credit_too_low()),))
    server = bench.serve(Batches(model, factor=1.0))
    run = bench.judge(server.base_url, 40, mode="batch", poll_s=0.05)
    bench.equal(run.code, STOPPED, "status")
    bench.says(run, "credit balance is too low")
    bench.equal(bench.journalled(), 10, "journalled")
    bench.exact()


@row("17", "batch: 429 and 500 as errors of some lines: asked again in the next one")
def batch_line_errors(bench: Bench) -> None:
    checks = (
        when(lambda c: c.nth == 0 and c.number % 5 == 0, bodies.server_error()),
        when(lambda c: c.nth == 0 and c.number % 5 == 1, bodies.rate_limited()),
    )
    server = bench.serve(Batches(Model(checks=checks), factor=1.0))
    run = bench.judge(server.base_url, 20, mode="batch", poll_s=0.05)
    bench.scored = f"{run.scored} of 20"
    bench.equal((run.code, run.scored), (WHOLE, 20), "status, scored")
    bench.exact()
    bench.none_twice()


@row("17", "batch: the output file is cut short; error_file_id is an empty text",
     source="tobert/kaibo#93")  # fmt: skip
def batch_cut(bench: Bench) -> None:
    server = bench.serve(Batches(Model(), cut=40, no_error_file="", factor=1.0))
    run = bench.judge(server.base_url, 20, mode="batch", poll_s=0.05)
    bench.scored = f"{run.scored} of 20"
    bench.check(run.code in (WHOLE, INCOMPLETE), f"status {run.code}: {run.said[-300:]}")
    bench.check(bench.journalled() >= 19, f"{bench.journalled()} journalled")
    bench.covered()


@row("17", "batch: killed after the batch is made; the next run collects it, buys nothing")
def batch_killed(bench: Bench) -> None:
    provider = Batches(Model(), factor=1.0, polls=20)
    server = bench.serve(provider)
    verb = bench.start_judge(server.base_url, 20, mode="batch", poll_s=0.05)
    end = time.monotonic() + 20
    while not provider.batches and time.monotonic() < end:
        time.sleep(0.005)
    verb.kill()
    run = bench.judge(server.base_url, 20, mode="batch", poll_s=0.02)
    bench.scored = f"{run.scored} of 20"
    bench.equal((run.code, run.scored), (WHOLE, 20), "status, scored")
    bench.equal(len(provider.batches), 1, "batches")
    bench.exact()


@row("17", "batch: a cap holds, and says so")
def batch_cap(bench: Bench) -> None:
    server = bench.serve(Batches(Model(), factor=1.0))
    run = bench.judge(server.base_url, 60, mode="batch", poll_s=0.05, max_cost=1.0)
    billed = bench.billed()
    bench.scored = f"{len(run.rows)} rows"
    bench.check(run.code == 3, f"status {run.code}: {run.said[-300:]}")
    bench.check(billed <= 1.0 + PRICE.dollars(300, 500), f"cap 1.00, billed {billed:.3f}")
    bench.exact()


# --- 18: errors that tell ------------------------------------------------------------------------


@row("18", "TLS by a certificate that nobody vouches for", quick=True)
def tls(bench: Bench) -> None:
    folder = bench.folder.parent
    server = bench.serve(Model(), tls=self_signed(Path(folder)))
    run = bench.judge(server.base_url, 20, timeout_s=3.0)
    bench.equal(run.code, STOPPED, "status")
    bench.says(run, "certificate")
    bench.check(run.seconds < 15, f"it took {run.seconds:.0f} s")


@row("18", "plain http where https is spoken, and the other way round")
def wrong_scheme(bench: Bench) -> None:
    server = bench.serve(Model())
    run = bench.judge(server.base_url.replace("http:", "https:"), 20, timeout_s=3.0)
    bench.equal(run.code, STOPPED, "status")
    bench.check("https" in run.said or "SSL" in run.said or "TLS" in run.said, run.said[-400:])
    bench.check(run.seconds < 60, f"it took {run.seconds:.0f} s")


@row("18", "a key with typographic quotes", quick=True)
def odd_key(bench: Bench) -> None:
    server = bench.serve(Model())
    bench.environment["OPENAI_API_KEY"] = "\u201csk-very-secret\u201d"
    for verb in (bench.judge, bench.translate):
        run = verb(server.base_url, 20, limit_s=40)
        bench.equal(run.code, STOPPED, f"status of {verb.__name__}")
        bench.says(run, "OPENAI_API_KEY")
        bench.check("Traceback" not in run.said, run.said[-300:])
        bench.check("sk-very-secret" not in run.said, "the key is printed")


@row("18", "a key with a line break at its end is taken as it is meant")
def key_with_break(bench: Bench) -> None:
    server = bench.serve(Model())
    bench.environment["OPENAI_API_KEY"] = " sk-very-secret\n"
    run = bench.judge(server.base_url, 5)
    bench.equal((run.code, run.scored), (WHOLE, 5), "status, scored")


def told(bench: Bench, answer: Answer, *words: str, verb: str = "judge") -> None:
    """Every call gets this: the user must read the server's own words."""
    server = bench.serve(Model(checks=(when(lambda call: True, answer),)))
    run = getattr(bench, verb)(server.base_url, 60, limit_s=60)
    bench.check(run.code in (STOPPED, INCOMPLETE), f"status {run.code}: {run.said[-300:]}")
    bench.says(run, *words)
    bench.check(len(server.posts()) <= 60, f"{len(server.posts())} calls")
    bench.check("Traceback" not in run.said, run.said[-300:])


@row("18", "HTML with status 200 (a log-in page)", quick=True)
def html(bench: Bench) -> None:
    told(bench, bodies.html_in_200(), "Sign in to Contoso")


@row("18", "an event stream with status 200", quick=True)
def stream(bench: Bench) -> None:
    told(bench, bodies.stream_in_200(), "chat.completion.chunk")


@row("18", "openrouter: {'error': …} with status 200", quick=True)
def error_200(bench: Bench) -> None:
    told(bench, bodies.error_in_200(), "Overloaded")


@row("18", "the same for a translator and a served model")
def error_200_others(bench: Bench) -> None:
    told(bench, bodies.error_in_200(), "Overloaded", verb="translate")
    told(bench, bodies.html_in_200(), "Sign in to Contoso", verb="answer")


@row("18", "choices null with status 200", source="decolua/9router#2727")
def null_choices(bench: Bench) -> None:
    told(bench, bodies.no_choices_in_200(), "choices")


@row("18", "an empty body with status 200")
def empty_body(bench: Bench) -> None:
    told(bench, Answer(body=b""), "no completion")


@row("18", "{'error': …} with status 200, once for each call, then a reply")
def error_200_once(bench: Bench) -> None:
    passes(bench, bodies.error_in_200())


@row("18", "openrouter: blank lines before the JSON of a slow reply", source="CLIProxyAPI#2690")
def blank_lines(bench: Bench) -> None:
    model = Model()

    def provider(call: Call) -> Answer:
        found = model(call)
        return dataclasses.replace(found, body=bodies.comment_before_json(found.body))

    server = bench.serve(provider)
    run = bench.judge(server.base_url, 10)
    bench.scored = f"{run.scored} of 10"
    bench.equal((run.code, run.scored), (WHOLE, 10), "status, scored")
    bench.exact()


@row("18", "litellm: 400 for all, its own classes before the words; 300 characters of it")
def litellm_words(bench: Bench) -> None:
    words = "litellm.BadRequestError: AzureException BadRequestError - " + "why it is so, " * 30
    value = {"message": words, "type": None, "param": None, "code": "400"}
    told(bench, bodies.as_json({"error": value}, 400), words[:250])


@row("18", "an error whose words hold a control character and an escape sequence")
def escape_words(bench: Bench) -> None:
    server = bench.serve(
        Model(checks=(when(lambda c: True, bodies.error(401, "no\x1b[31m\x07 key")),))
    )
    run = bench.judge(server.base_url, 10)
    bench.equal(run.code, STOPPED, "status")
    bench.check("\x1b" not in run.err + run.out, "an escape sequence reached the terminal")


@row("18", "a redirect to another host is not followed with the key")
def redirect(bench: Bench) -> None:
    other = bench.serve(Model())
    answer = Answer(status=307, headers={"location": f"{other.base_url}/chat/completions"})
    server = bench.serve(Model(checks=(when(lambda call: True, answer),)))
    run = bench.judge(server.base_url, 20, limit_s=60)
    bench.check(run.code in (STOPPED, INCOMPLETE), f"status {run.code}")
    bench.equal(len(other.posts()), 0, "calls of the other host")
    bench.says(run, "307")


@row("18", "a server that drips a byte at a time is not waited for without end")
def drip(bench: Bench) -> None:
    server = bench.serve(Model(fault=lambda c: {"drip_s": 0.05} if c.nth == 0 else {}))
    run = bench.judge(server.base_url, 8, timeout_s=1.0)
    bench.scored = f"{run.scored} of 8"
    bench.equal((run.code, run.scored), (WHOLE, 8), "status, scored")
    bench.check(run.seconds < 30, f"it took {run.seconds:.0f} s")
    bench.covered()


@row("18", "nothing listens there")
def nobody(bench: Bench) -> None:
    run = bench.judge("http://127.0.0.1:9/v1", 20, limit_s=30)
    bench.equal(run.code, STOPPED, "status")
    bench.says(run, "127.0.0.1:9")
    bench.check(run.code != TIMED_OUT, "hangs")
