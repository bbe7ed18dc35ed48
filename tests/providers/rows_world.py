"""Rows: what users of other tools report of providers, tried here (points 1, 4, 6, 11, 15)."""

from __future__ import annotations

import dataclasses
import gzip
from typing import Any

from . import bodies, refusals
from .driver import WHOLE
from .models import Model, after, holds, is_sent, translation, when
from .rows_refusals import never
from .server import Answer, Call
from .table import Bench, row

Value = dict[str, Any]
#: How a reply may end well, and how at its limit, by host.
WELL = ("stop", "eos", "end_turn", "STOP", "eos_token", None)
CUT = ("length", "MAX_TOKENS", "model_length", "max_tokens")


@row("11", "finish_reason in other words: eos (together), end_turn, STOP, null are an end",
     source="openai/openai-dotnet#267, vespa-engine/vespa#33327")  # fmt: skip
def other_ends(bench: Bench) -> None:
    def shape(value: Value, call: Call) -> Value:
        value["choices"][0]["finish_reason"] = WELL[call.number % len(WELL)]
        return value

    server = bench.serve(Model(shape=shape))
    run = bench.judge(server.base_url, 24)
    bench.equal((run.code, run.scored), (WHOLE, 24), "status, scored")
    second = bench.serve(Model(translation, shape=shape))
    other = bench.translate(second.base_url, 24)
    bench.scored = f"{run.scored}, {other.translated} of 24"
    bench.equal((other.code, other.translated), (WHOLE, 24), "status, translated")
    bench.exact()
    bench.none_twice()


@row("11", "finish_reason in other words: MAX_TOKENS, model_length, max_tokens are a cut",
     source="laravel/ai#955, UKGovernmentBEIS/inspect_ai#514")  # fmt: skip
def other_cuts(bench: Bench) -> None:
    def shape(value: Value, call: Call) -> Value:
        value["choices"][0]["finish_reason"] = (*CUT, "stop", "stop", "stop", "stop")[
            call.number % 8
        ]
        return value

    server = bench.serve(Model(shape=shape))
    run = bench.judge(server.base_url, 24)
    bench.scored = f"{run.scored} of 24"
    bench.equal((run.code, run.scored), (WHOLE, 12), "status, scored")
    bench.check(all("max_tokens" in reason for reason in run.reasons), str(run.reasons[:2]))
    bench.exact()


@row("11", "half a surrogate pair in a reply: nothing is lost for it", quick=True,
     source="strands-rl/strands-env#211, UKGovernmentBEIS/inspect_ai#2316")  # fmt: skip
def surrogate(bench: Bench) -> None:
    server = bench.serve(Model(lambda call: "A sign \ud835 of it. Rating: [[7]]"))
    run = bench.judge(server.base_url, 12)
    bench.scored = f"{run.scored} of 12"
    bench.equal((run.code, run.scored), (WHOLE, 12), "status, scored")
    again = bench.judge(server.base_url, 12)
    bench.equal((again.scored, len(server.posts())), (12, 12), "scored again, requests")


@row("4", "openai: the model refuses in the field `refusal`, content null: no reply to ask again")
def refusal(bench: Bench) -> None:
    def shape(value: Value, call: Call) -> Value:
        if "number 3," in call.prompt:
            words = "I'm sorry, I can't help with that."
            value["choices"][0]["message"] |= {"content": None, "refusal": words}
        return value

    server = bench.serve(Model(shape=shape))
    run = bench.judge(server.base_url, 20)
    bench.scored = f"{run.scored} of 20"
    bench.equal((run.code, run.scored), (WHOLE, 19), "status, scored")
    bench.equal(len(server.posts()), 20, "requests")
    bench.exact()


@row("1", "the same answer twenty times: one call, counted once")
def the_same(bench: Bench) -> None:
    server = bench.serve(Model())
    run = bench.judge(server.base_url, ["I do not know."] * 20, questions=["What is it?"] * 20)
    bench.scored = f"{run.scored} of 20"
    bench.equal((run.code, run.scored), (WHOLE, 20), "status, scored")
    bench.equal(len(server.posts()), 1, "requests")
    bench.check(
        abs(sum(r.cost for r in run.rows) - server.bill.dollars) < 0.005, "costs in the judgements"
    )
    bench.exact()


@row("15", "a firewall's 403 (HTML) for one prompt with code in it: this call alone",
     source="OpenHands/OpenHands#4480, different-ai/openwork#3419")  # fmt: skip
def firewall(bench: Bench) -> None:
    server = bench.serve(Model(checks=(when(holds("number 17,"), refusals.firewall_403()),)))
    run = bench.judge(server.base_url, 40)
    bench.scored = f"{run.scored} of 40"
    bench.equal((run.code, run.scored), (WHOLE, 39), "status, scored")
    bench.check(any("blocked" in reason for reason in run.reasons), str(run.reasons))
    bench.exact()


@row("15", "a server of one's own that slows down with load: time-outs at 64, none at 8",
     source="vllm-project/vllm, queueing under load")  # fmt: skip
def slow_with_load(bench: Bench) -> None:
    model = Model()

    def provider(call: Call) -> Answer:
        return dataclasses.replace(model(call), work_s=0.04 * server.at_work)

    server = bench.serve(provider)
    run = bench.judge(server.base_url, 160, concurrency=64, timeout_s=1.0, max_retries=6)
    bench.scored = f"{run.scored} of 160"
    bench.equal((run.code, run.scored), (WHOLE, 160), "status, scored")
    bench.check(len(server.posts()) <= 320, f"{len(server.posts())} requests for 160 texts")
    bench.covered()


@row("6", "the server hangs up after each reply without having said so")
def hangs_up(bench: Bench) -> None:
    server = bench.serve(Model(fault=lambda call: {"fault": "close"}))
    run = bench.judge(server.base_url, 60)
    bench.scored = f"{run.scored} of 60"
    bench.equal((run.code, run.scored), (WHOLE, 60), "status, scored")
    bench.none_twice()
    bench.covered()


@row("1", "gzipped replies, and one of two megabytes")
def large_and_gzipped(bench: Bench) -> None:
    model = Model(lambda call: "It goes on. " * (170_000 * (call.number == 5)) + "Rating: [[7]]")

    def provider(call: Call) -> Answer:
        found = model(call)
        packed = gzip.compress(found.body)
        return dataclasses.replace(found, body=packed, headers={"content-encoding": "gzip"})

    server = bench.serve(provider)
    run = bench.judge(server.base_url, 12, max_tokens=2_000_000)
    bench.scored = f"{run.scored} of 12"
    bench.equal((run.code, run.scored), (WHOLE, 12), "status, scored")
    bench.exact()


@row("6", "the price is not the list's: a gateway adds its fee to each call (usage.cost)")
def fee_and_cap(bench: Bench) -> None:
    def dearer(value: Value, call: Call) -> Value:
        used = value["usage"]
        cost = (used["prompt_tokens"] * 100 + used["completion_tokens"] * 400) / 1e6 * 4
        value["usage"] |= {"cost": cost}
        return value

    server = bench.serve(Model(shape=dearer, factor=4.0))
    run = bench.judge(server.base_url, 100, max_cost=3.0, concurrency=32, max_tokens=60)
    billed, one = bench.billed(), 4 * (500 * 100 + 60 * 400) / 1e6
    bench.scored = f"{len(run.rows)} rows"
    bench.check(billed <= 3.0 + one, f"cap 3.00, billed {billed:.3f}, one reply {one:.3f}")
    bench.exact()


@row("18", "an error whose body is no JSON although it says so, and one in Latin-1")
def broken_errors(bench: Bench) -> None:
    for number, body in enumerate((b'{"error": {"message": "no', "Clé refusée".encode("latin-1"))):
        answer = Answer(status=401, body=body)
        server = bench.serve(Model(checks=(when(lambda call: True, answer),)))
        run = bench.judge(server.base_url, 10, run=f"run{number}")
        bench.equal(run.code, 2, "status")
        bench.says(run, "401")
        bench.check("Traceback" not in run.said, run.said[-300:])


@row("18", "a reply whose JSON is deeply nested, or holds NaN: no crash")
def odd_json(bench: Bench) -> None:
    deep = b'{"choices": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    for number, body in enumerate((deep, b'{"choices": NaN}', b'"text"', b"[]", b"null")):
        server = bench.serve(Model(checks=(when(lambda call: call.nth == 0, Answer(body=body)),)))
        run = bench.judge(server.base_url, 6, run=f"run{number}")
        bench.equal((run.code, run.scored), (WHOLE, 6), "status, scored")
        bench.check("Traceback" not in run.said, run.said[-300:])


@row("15", "litellm: the key's budget is used up after 50 calls (429, and 400)",
     source="BerriAI/litellm#36729, #14144")  # fmt: skip
def budget_exceeded(bench: Bench) -> None:
    root = bench.folder
    for status in (429, 400):
        bench.folder = root / str(status)
        bench.folder.mkdir(parents=True)
        before = len(bench.simulators)
        never(bench, refusals.budget_exceeded(status), "Budget has been exceeded", exact=False)
        server = bench.simulators[before]
        server.settle()
        difference = abs(server.bill.dollars - bench.ledger())
        bench.check(difference < 0.005, f"billed and ledger differ by {difference:.3f}")


@row("16", "claude opus 4.7 and later: any temperature is refused; left out, all is well",
     source="cognizant-ai-lab/neuro-san-studio#1072")  # fmt: skip
def temperature_deprecated(bench: Bench) -> None:
    refuse = when(is_sent("temperature"), refusals.temperature_deprecated())
    server = bench.serve(Model(checks=(refuse,), usage=bodies.plain_usage))
    run = bench.judge(server.base_url, 60)
    bench.equal(run.code, 2, "status")
    bench.says(run, "temperature", "null")
    bench.check(len(server.posts()) <= 16, f"{len(server.posts())} calls")
    done = bench.judge(server.base_url, 20, temperature=None)
    bench.scored = f"{done.scored} of 20"
    bench.equal((done.code, done.scored), (WHOLE, 20), "status, scored")
    bench.exact()


@row("16", "claude through litellm: temperature and top_p together are refused; it is named",
     source="SalesforceAIResearch/MCP-Universe#49")  # fmt: skip
def temperature_and_top_p(bench: Bench) -> None:
    def both(call: Call) -> bool:
        return "temperature" in call.body and "top_p" in call.body

    server = bench.serve(Model(checks=(when(both, refusals.temperature_and_top_p()),)))
    run = bench.judge(server.base_url, 60, top_p=0.9)
    bench.equal(run.code, 2, "status")
    bench.says(run, "temperature", "top_p", "cannot both")
    bench.check(len(server.posts()) <= 20, f"{len(server.posts())} calls")


@row("15", "words that nobody knows, with 400, for all calls after 50 good ones: stop soon")
def unknown_words(bench: Bench) -> None:
    words = "Ihr Kontingent fuer diesen Dienst ist erschoepft."
    server = bench.serve(Model(checks=(when(after(50), refusals.error(400, words)),), work_s=0.01))
    run = bench.judge(server.base_url, 600)
    bench.equal(run.code, 2, "status")
    bench.says(run, words)
    asked = len(server.posts()) - 50
    bench.check(asked <= 60, f"{asked} calls with the same refusal")
    bench.equal(bench.journalled(), 50, "journalled")
    bench.exact()


@row("15", "words that nobody knows, for a few prompts in a row, or as many as are accepted: go on")
def unknown_words_for_some(bench: Bench) -> None:
    words = "Diese Eingabe wird hier nicht bearbeitet."
    for number, (most, accepted) in enumerate(((57, 0.0), (70, 0.2))):
        few = when(lambda call, most=most: 50 <= call.number < most, refusals.error(400, words))
        server = bench.serve(Model(checks=(few,)))
        run = bench.judge(
            server.base_url, 120, run=f"run{number}", concurrency=1, accept_failures=accepted
        )
        bench.equal((run.code, run.scored), (WHOLE, 120 - (most - 50)), "status, scored")
        bench.check(all(words in reason for reason in run.reasons), str(run.reasons[:2]))
    bench.exact()
