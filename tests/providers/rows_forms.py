"""Rows: models that take less than others, or more (point 16)."""

from __future__ import annotations

import re
from collections.abc import Callable

from . import refusals
from .batches import Batches
from .driver import STOPPED, WHOLE
from .models import (
    Model,
    refuses_max_tokens,
    refuses_system,
    refuses_temperature,
    translation,
    when,
)
from .server import Answer, Call
from .table import Bench, row

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
    _folded(bench, refusals.system_refused_by_openai)


@row("16", "vllm with gemma: System role not supported", quick=True, source="vllm#2964")
def no_system_vllm(bench: Bench) -> None:
    _folded(bench, refusals.system_refused_by_vllm)


@row("16", "gemini with gemma: Developer instruction is not enabled", source="litellm#15765")
def no_system_gemini(bench: Bench) -> None:
    _folded(bench, refusals.system_refused_by_gemini)


@row("16", "sglang with gemma: 500 whose words are the template's", source="sgl-project/sglang#892")
def no_system_sglang(bench: Bench) -> None:
    words = "jinja2.exceptions.TemplateError: System role not supported"
    _folded(bench, lambda: refusals.error(500, words, kind="InternalServerError"))


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
    refuse = when(lambda call: "temperature" in call.body, refusals.temperature_unsupported())
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
