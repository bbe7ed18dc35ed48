"""Rows: replies that were lost, bought twice, or taken for what they are not (points 1 to 5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import bodies, refusals
from .batches import Batches
from .driver import CAPPED, INCOMPLETE, STOPPED, WHOLE, Run
from .models import (
    Model,
    holds,
    refuses_max_tokens,
    refuses_temperature,
    translation,
    when,
)
from .server import Answer, Call
from .table import Bench, row


@row("1", "openai chat: 1,600 replies without a refusal, 128 at once", quick=True)
def no_refusal(bench: Bench) -> None:
    server = bench.serve(Model(work_s=0.02))
    run = bench.judge(server.base_url, 1600, concurrency=128)
    bench.scored = f"{run.scored} of 1600"
    bench.equal(run.code, WHOLE, "status")
    bench.equal(run.scored, 1600, "scored")
    bench.equal(len(server.posts()), 1600, "requests")
    bench.exact()
    bench.none_twice()


@row("1", "openai chat: as many texts to a translator", quick=False)
def no_refusal_translating(bench: Bench) -> None:
    server = bench.serve(Model(translation, work_s=0.02))
    run = bench.translate(server.base_url, 1600, concurrency=128)
    bench.scored = f"{run.translated} of 1600"
    bench.equal((run.code, run.translated), (WHOLE, 1600), "status, translated")
    bench.equal(len(server.posts()), 1600, "requests")
    bench.exact()
    bench.none_twice()


@row("1", "served model: as many questions")
def no_refusal_answering(bench: Bench) -> None:
    server = bench.serve(Model(work_s=0.02))
    run = bench.answer(server.base_url, 1600, concurrency=128)
    bench.scored = f"{run.answered} of 1600"
    bench.equal((run.code, run.answered), (WHOLE, 1600), "status, answered")
    bench.equal(len(server.posts()), 1600, "requests")
    bench.none_twice()


# --- 2: a job that is not whole says so, and the next run asks the rest --------------------------


def _broken_then_good(bench: Bench, verb: Callable[..., Run], model: Model) -> None:
    """Every fifth text gets 500 whatever is tried; later the server is well again."""
    ill = {"on": True}

    def fails(call: Call) -> bool:
        return ill["on"] and any(f"number {i}," in call.prompt for i in range(0, 20, 5))

    server = bench.serve(model.but(checks=(when(fails, refusals.server_error()),)))
    first = verb(server.base_url, 20)
    bench.equal(first.code, INCOMPLETE, "status of the first run")
    bench.check(not first.written, "an output that is not whole was written")
    bench.equal(bench.journalled(), 16, "journalled by the first run")
    ill["on"] = False
    asked = len(server.posts())
    second = verb(server.base_url, 20)
    bench.equal(second.code, WHOLE, "status of the second run")
    bench.equal(len(server.posts()) - asked, 4, "calls of the second run")
    bench.scored = f"{len(second.rows)} of 20"
    bench.equal(len(second.rows), 20, "rows")
    bench.exact()
    bench.none_twice()


@row("2", "HTTP 500 for a fifth of the calls of a judge; well again on the next run", quick=True)
def judge_incomplete(bench: Bench) -> None:
    _broken_then_good(bench, bench.judge, Model())


@row("2", "HTTP 500 for a fifth of a translator's calls; well again on the next run")
def translator_incomplete(bench: Bench) -> None:
    _broken_then_good(bench, bench.translate, Model(translation))


@row("2", "HTTP 500 for a fifth of a served model's calls; well again on the next run")
def answers_incomplete(bench: Bench) -> None:
    _broken_then_good(bench, bench.answer, Model())


@row("2", "a share of failures that the configuration accepts")
def accepted_share(bench: Bench) -> None:
    server = bench.serve(Model(checks=(when(holds("number 3,"), refusals.server_error()),)))
    run = bench.judge(server.base_url, 20, accept_failures=0.1)
    bench.equal((run.code, run.scored), (WHOLE, 19), "status, scored")
    bench.scored = f"{run.scored} of 20"
    bench.says(run, "500")
    bench.exact()


@row("2", "max_cost is reached; raised, the rest is asked and nothing twice", quick=True)
def cap_raised(bench: Bench) -> None:
    server = bench.serve(Model())
    first = bench.judge(server.base_url, 30, max_cost=1.0, concurrency=4)
    bench.equal(first.code, CAPPED, "status at the cap")
    bench.says(first, "max_cost")
    bench.check(not first.written, "an output that is not whole was written")
    bench.check(bench.billed() <= 1.0 + server.bill.dearest, f"billed {bench.billed():.3f} of 1.00")
    bench.check(len(server.posts()) > 3, "stopped long before the cap")
    second = bench.judge(server.base_url, 30, max_cost=100.0, concurrency=4)
    bench.scored = f"{second.scored} of 30"
    bench.equal((second.code, second.scored), (WHOLE, 30), "status and scored when raised")
    bench.equal(len(server.posts()), 30, "requests in all")
    bench.exact()
    bench.none_twice()


@row("2", "the filter stops one reply: this one is unscored, the job is whole")
def filter_is_permanent(bench: Bench) -> None:
    def filtered(value: dict[str, Any], call: Call) -> dict[str, Any]:
        if "number 3," in call.prompt:
            value["choices"][0] |= {"finish_reason": "content_filter"}
            value["choices"][0]["message"]["content"] = ""
        return value

    server = bench.serve(Model(shape=filtered))
    run = bench.judge(server.base_url, 20)
    bench.scored = f"{run.scored} of 20"
    bench.equal((run.code, run.scored), (WHOLE, 19), "status, scored")
    bench.check(any("content filter" in reason for reason in run.reasons), str(run.reasons))
    bench.exact()


# --- 3: the limit's new name ---------------------------------------------------------------------


def _renamed(bench: Bench, count: int, answer: Callable[[], Answer], **settings: Any) -> None:
    server = bench.serve(Model(checks=(refuses_max_tokens(answer),), work_s=0.02))
    run = bench.judge(server.base_url, count, **settings)
    bench.scored = f"{run.scored} of {count}"
    bench.equal((run.code, run.scored), (WHOLE, count), "status, scored")
    bench.exact()
    bench.none_twice()
    names = {"max_completion_tokens" for c in server.posts() if "max_completion_tokens" in c.body}
    bench.equal(len(names), 1, "the new name was used")


@row("3", "openai reasoning: max_tokens refused, 160 texts, 64 at once", quick=True)
def renamed_many(bench: Bench) -> None:
    _renamed(bench, 160, refusals.max_tokens_refused, concurrency=64)


@row("3", "openai reasoning: max_tokens refused, 20 texts, 20 at once")
def renamed_few(bench: Bench) -> None:
    _renamed(bench, 20, refusals.max_tokens_refused, concurrency=20)


@row("3", "a proxy in between: only the message says it (no param, no code)", quick=True)
def renamed_by_proxy(bench: Bench) -> None:
    _renamed(bench, 40, refusals.max_tokens_refused_by_proxy, concurrency=16)


@row("3", "github copilot: a code of its own", source="caozhiyuan/copilot-api#164")
def renamed_by_copilot(bench: Bench) -> None:
    _renamed(bench, 20, refusals.max_tokens_refused_by_copilot)


@row("3", "litellm proxy: its own classes before the words", source="BerriAI/litellm#16231")
def renamed_by_litellm(bench: Bench) -> None:
    _renamed(bench, 20, refusals.max_tokens_refused_by_litellm)


@row("3", "the same in mode batch: all lines are asked again under the new name", quick=True)
def renamed_in_batch(bench: Bench) -> None:
    provider = Batches(Model(checks=(refuses_max_tokens(),)), factor=1.0)
    server = bench.serve(provider)
    run = bench.judge(server.base_url, 20, mode="batch", poll_s=0.05)
    bench.scored = f"{run.scored} of 20"
    bench.equal((run.code, run.scored), (WHOLE, 20), "status, scored")
    bench.exact()
    bench.none_twice()


@row("3", "the same for a translator")
def renamed_for_translator(bench: Bench) -> None:
    answer = refusals.max_tokens_refused_by_proxy
    server = bench.serve(Model(translation, checks=(refuses_max_tokens(answer),), work_s=0.02))
    run = bench.translate(server.base_url, 40, concurrency=32)
    bench.scored = f"{run.translated} of 40"
    bench.equal((run.code, run.translated), (WHOLE, 40), "status, translated")
    bench.exact()
    bench.none_twice()


@row("3", "a later restart does not ask under the old name for each call again")
def renamed_and_temperature(bench: Bench) -> None:
    checks = (refuses_max_tokens(), refuses_temperature)
    server = bench.serve(Model(checks=checks, reasoning=60))
    run = bench.judge(server.base_url, 30, temperature=None)
    bench.scored = f"{run.scored} of 30"
    bench.equal((run.code, run.scored), (WHOLE, 30), "status, scored")
    refused = server.statuses[400]
    bench.check(refused <= 8, f"{refused} calls under the old name")
    bench.exact()


# --- 4: a success that is none -------------------------------------------------------------------


def _empty(value: dict[str, Any], call: Call) -> dict[str, Any]:
    if call.nth == 0 and "number 3," in call.prompt:
        value["choices"][0]["message"]["content"] = ""
    return value


@row("4", "gemini: empty content with `stop`, text on the next try", quick=True,
     source="BerriAI/litellm#24462")  # fmt: skip
def empty_with_stop(bench: Bench) -> None:
    server = bench.serve(Model(shape=_empty))
    run = bench.judge(server.base_url, 20)
    bench.scored = f"{run.scored} of 20"
    bench.equal((run.code, run.scored), (WHOLE, 20), "status, scored")
    bench.equal(len(server.posts()), 21, "requests")
    bench.exact()


@row("4", "gemini: content null with `stop`, always: asked again on the next run")
def null_with_stop(bench: Bench) -> None:
    def null(value: dict[str, Any], call: Call) -> dict[str, Any]:
        if "number 3," in call.prompt:
            value["choices"][0]["message"]["content"] = None
        return value

    server = bench.serve(Model(shape=null))
    run = bench.judge(server.base_url, 20)
    bench.equal(run.code, INCOMPLETE, "status")
    bench.equal(bench.journalled(), 19, "journalled")
    asked = sum("number 3," in call.prompt for call in server.posts())
    bench.check(2 <= asked <= 4, f"the empty one was bought {asked} times")
    before = len(server.posts())
    bench.judge(server.base_url, 20)
    bench.check(len(server.posts()) > before, "the next run did not ask it again")
    bench.exact()


@row("4", "gateway: finish_reason `error` with half a text and null usage", quick=True,
     source="maximhq/bifrost#5425")  # fmt: skip
def finish_error(bench: Bench) -> None:
    def broken(value: dict[str, Any], call: Call) -> dict[str, Any]:
        if call.nth == 0 and "number 3," in call.prompt:
            value["choices"][0]["finish_reason"] = "error"
            value["choices"][0]["message"]["content"] = "It is fine. Rating: [[2]] but"
            value["usage"] = {"prompt_tokens": None, "completion_tokens": None, "total_tokens": 0}
        return value

    server = bench.serve(Model(shape=broken))
    run = bench.judge(server.base_url, 20)
    bench.scored = f"{run.scored} of 20"
    bench.equal((run.code, run.scored), (WHOLE, 20), "status, scored")
    bench.equal({row.score for row in run.rows}, {7.0}, "scores")
    bench.covered()
    bench.check(bench.ledger() <= bench.billed() * 1.5, "charged far above what it can be")


@row("4", "translator: empty content with `stop`, text on the next try")
def empty_translation(bench: Bench) -> None:
    server = bench.serve(Model(translation, shape=_empty))
    run = bench.translate(server.base_url, 20)
    bench.scored = f"{run.translated} of 20"
    bench.equal((run.code, run.translated), (WHOLE, 20), "status, translated")
    bench.exact()


@row("4", "served model: empty choices, text on the next try")
def empty_answer(bench: Bench) -> None:
    def none(value: dict[str, Any], call: Call) -> dict[str, Any]:
        return value | {"choices": []} if call.nth == 0 and call.number % 5 == 0 else value

    server = bench.serve(Model(shape=none))
    run = bench.answer(server.base_url, 20)
    bench.scored = f"{run.answered} of 20"
    bench.equal((run.code, run.answered), (WHOLE, 20), "status, answered")


# --- 5: reasoning eats the limit -----------------------------------------------------------------


@row("5", "openai reasoning: thought fills max_tokens, 200 texts", quick=True)
def eaten(bench: Bench) -> None:
    server = bench.serve(Model(checks=(refuses_max_tokens(),), reasoning=900, work_s=0.05))
    run = bench.judge(server.base_url, 200, max_tokens=500, max_cost=60.0, concurrency=8)
    bench.equal(run.code, STOPPED, "status")
    bench.says(run, "max_tokens")
    spent = server.bill.dollars
    bench.check(len(server.bill.charges) <= 24, f"{len(server.bill.charges)} replies were bought")
    bench.exact()
    more = bench.judge(server.base_url, 200, max_tokens=1500, max_cost=60.0, concurrency=8)
    # What was spent before counts: a reply costs some 0.40 dollars, so 60 do not buy 200.
    bench.scored = f"{len(more.rows)} of 200"
    bench.equal(more.code, CAPPED, "status after raising max_tokens")
    worst = 0.1 + 1500 * 400 / 1e6
    bench.check(bench.billed() <= 60.0 + worst, f"billed {bench.billed():.2f}, before {spent:.2f}")
    bench.check(bench.billed() >= 50.0, f"stopped at {bench.billed():.2f} of 60")
    bench.exact()


@row("5", "openai reasoning: a few long thoughts among many are no reason to stop")
def eaten_sometimes(bench: Bench) -> None:
    def eats(value: dict[str, Any], call: Call) -> dict[str, Any]:
        if call.number % 10 == 9:
            value["choices"][0] |= {"finish_reason": "length"}
            value["choices"][0]["message"]["content"] = ""
        return value

    server = bench.serve(Model(shape=eats))
    run = bench.judge(server.base_url, 40)
    bench.scored = f"{run.scored} of 40"
    bench.check(run.code == WHOLE, f"status {run.code}: {run.said[-400:]}")
    bench.equal(run.scored, 36, "scored")
    bench.says(run, "max_tokens")
    bench.exact()


@row("5", "deepseek: thought in reasoning_content, nothing in content")
def eaten_deepseek(bench: Bench) -> None:
    model = Model(reasoning=600, reasoning_text="Hmm. Rating: [[3]]", usage=bodies.plain_usage)
    server = bench.serve(model)
    run = bench.judge(server.base_url, 60, max_tokens=300)
    bench.equal(run.code, STOPPED, "status")
    bench.says(run, "max_tokens")
    bench.check(len(server.posts()) <= 24, f"{len(server.posts())} replies were bought")
    bench.exact()


@row("5", "translator: thought fills max_tokens")
def eaten_translator(bench: Bench) -> None:
    server = bench.serve(Model(translation, reasoning=900))
    run = bench.translate(server.base_url, 60, max_tokens=500)
    bench.equal(run.code, STOPPED, "status")
    bench.says(run, "max_tokens")
    bench.check(len(server.posts()) <= 24, f"{len(server.posts())} replies were bought")
    bench.exact()
