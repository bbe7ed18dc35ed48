"""Rows: what is billed, what the ledger says, what a cap holds (points 6 to 10)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import bodies
from .batches import Batches
from .bill import Price
from .driver import CAPPED, STOPPED, WHOLE, Run
from .models import PRICE, Model
from .server import Call
from .table import Bench, row

AMHARIC = (
    "የሰው ልጅ ሁሉ ሲወለድ ነጻና በክብርና በመብትም እኩልነት ያለው ነው። የተፈጥሮ ማስተዋልና ሕሊና ስላለው አንዱ ሌላውን "
    "በወንድማማችነት መንፈስ መመልከት ይገባዋል። "
)
TABLE = "| 17 | 23.5 | 8,914 | 0.0072 | -61 |\n|----|------|-------|--------|-----|\n"
LATEX = r"\[\frac{\partial^2 u}{\partial t^2}=c^2\left(\frac{\partial^2 u}{\partial x^2}\right)\] "
DIGITS = "3141592653589793238462643383279502884197169399375105820974944592307816406286 "


def texts_of(piece: str, times: int, many: int = 40) -> list[str]:
    """Different texts made of a piece."""
    return [f"{i}. " + piece * times for i in range(many)]


def dearest_call(bench: Bench, most_out: int, price: Price = PRICE) -> float:
    """The worst case of one call: its prompt by the provider's own count, the longest reply."""
    longest = max((c.tokens_in for s in bench.simulators for c in s.bill.charges), default=0)
    return price.dollars(longest, most_out)


def holds_cap(bench: Bench, run: Run, cap: float, most_out: int) -> None:
    """Billed is at most the cap and one reply's worst case, and the cap was made use of."""
    billed, one = bench.billed(), dearest_call(bench, most_out)
    bench.scored = f"{len(run.rows)} rows"
    bench.equal(run.code, CAPPED, "status")
    bench.check(billed <= cap + one, f"cap {cap:.2f}, billed {billed:.3f}, one reply {one:.3f}")
    bench.check(billed >= 0.3 * cap, f"cap {cap:.2f}, billed {billed:.3f}: stopped far too early")
    bench.exact()


# --- 6: what is billed although it is not accepted -----------------------------------------------


@row("6", "azure: the filter stops replies that are written and billed; cap 1.00", quick=True)
def cap_filtered(bench: Bench) -> None:
    def filtered(value: dict[str, Any], call: Call) -> dict[str, Any]:
        value["choices"][0] |= {"finish_reason": "content_filter"}
        value["choices"][0]["message"]["content"] = ""
        return value

    server = bench.serve(Model(shape=filtered))
    run = bench.judge(server.base_url, 100, max_cost=1.0)
    billed = bench.billed()
    bench.check(run.code in (CAPPED, STOPPED), f"status {run.code}: {run.said[-300:]}")
    bench.check(billed <= 1.0 + dearest_call(bench, 500), f"cap 1.00, billed {billed:.3f}")
    bench.exact()


@row("6", "gateway: replies of another shape, with usage, billed; cap 1.00", quick=True)
def cap_other_shape(bench: Bench) -> None:
    def other(value: dict[str, Any], call: Call) -> dict[str, Any]:
        return {"usage": value["usage"], "output": [{"type": "message"}]}

    server = bench.serve(Model(shape=other))
    run = bench.judge(server.base_url, 60, max_cost=1.0)
    billed = bench.billed()
    bench.check(run.code in (CAPPED, STOPPED), f"status {run.code}: {run.said[-300:]}")
    bench.check(billed <= 1.0 + dearest_call(bench, 500), f"cap 1.00, billed {billed:.3f}")
    bench.covered()


@row("6", "time-out while the server works on and bills; cap 2.00", quick=True)
def cap_timed_out(bench: Bench) -> None:
    server = bench.serve(Model(work_s=1.0))
    run = bench.judge(server.base_url, 60, max_cost=2.0, timeout_s=0.3, max_retries=1)
    billed = bench.billed()
    bench.check(run.code in (CAPPED, STOPPED), f"status {run.code}: {run.said[-300:]}")
    bench.check(billed <= 2.0 + dearest_call(bench, 500), f"cap 2.00, billed {billed:.3f}")
    bench.check(len(server.posts()) >= 4, "hardly anything was asked")
    bench.covered()


@row("6", "connection reset after the work is billed; cap 2.00")
def cap_reset(bench: Bench) -> None:
    server = bench.serve(Model(fault=lambda call: {"fault": "reset"}))
    run = bench.judge(server.base_url, 60, max_cost=2.0, max_retries=1)
    billed = bench.billed()
    bench.check(run.code in (CAPPED, STOPPED), f"status {run.code}: {run.said[-300:]}")
    bench.check(billed <= 2.0 + dearest_call(bench, 500), f"cap 2.00, billed {billed:.3f}")
    bench.covered()


@row("6", "connection reset in the middle of the body, once a text; no cap", quick=True)
def cut_then_whole(bench: Bench) -> None:
    server = bench.serve(Model(fault=lambda call: {"fault": "cut"} if call.nth == 0 else {}))
    run = bench.judge(server.base_url, 12)
    bench.scored = f"{run.scored} of 12"
    bench.equal((run.code, run.scored), (WHOLE, 12), "status, scored")
    bench.equal(len(server.posts()), 24, "requests")
    bench.covered()


@row("6", "a server that ignores max_tokens (20,000 tokens a reply), 64 at once; cap 30")
def cap_ignored_limit(bench: Bench) -> None:
    # A reply costs 8.02 dollars where its worst case by max_tokens is 0.10: nobody can know before
    # the first; after it, everybody must.
    server = bench.serve(Model(ignores_limit=20_000, work_s=0.2))
    run = bench.judge(server.base_url, 200, max_cost=30.0, concurrency=64, max_tokens=200)
    bench.scored = f"{len(run.rows)} rows"
    billed, one = bench.billed(), dearest_call(bench, 20_000)
    bench.check(run.code in (CAPPED, STOPPED), f"status {run.code}: {run.said[-300:]}")
    bench.check(billed <= 30.0 + one, f"cap 30.00, billed {billed:.2f}, one reply {one:.2f}")
    bench.covered()


@row("6", "the same under a cap of 0.05 with one reply at 1.73: one reply too many, not 64")
def cap_ignored_limit_small(bench: Bench) -> None:
    server = bench.serve(Model(ignores_limit=4_300, work_s=0.2))
    # No single worst case by max_tokens (0.006 dollars) tells what comes.
    run = bench.judge(server.base_url, 200, max_cost=0.25, concurrency=64, max_tokens=10)
    billed, one = bench.billed(), dearest_call(bench, 4_300)
    bench.check(run.code in (CAPPED, STOPPED), f"status {run.code}: {run.said[-300:]}")
    bench.check(billed <= 0.25 + one, f"cap 0.25, billed {billed:.2f}, one reply {one:.2f}")
    bench.covered()


def _heavy(name: str, piece: str, times: int, quick: bool = False) -> None:
    @row("6", f"{name}: dear prompts, one of a few hundred tokens each; cap 10", quick=quick)
    def heavy(bench: Bench) -> None:
        server = bench.serve(Model(price=Price(2000.0, 400.0)))
        texts = texts_of(piece, times)
        run = bench.judge(
            server.base_url, texts, max_cost=10.0, price_in=2000.0, concurrency=32, max_tokens=60
        )
        billed = bench.billed()
        one = dearest_call(bench, 60, Price(2000.0, 400.0))
        bench.scored = f"{len(run.rows)} rows"
        bench.equal(run.code, CAPPED, "status")
        bench.check(billed <= 10.0 + one, f"cap 10.00, billed {billed:.3f}, one {one:.3f}")
        bench.check(billed >= 5.0, f"cap 10.00, billed {billed:.3f}: stopped far too early")
        bench.exact()

    del heavy


_heavy("Amharic", AMHARIC, 3, quick=True)
_heavy("tables", TABLE, 8)
_heavy("LaTeX", LATEX, 6)
_heavy("digits", DIGITS, 6)


@row("6", "no usage in the replies: the estimate is no less than the bill (Amharic, tables)")
def no_usage(bench: Bench) -> None:
    def amharic(call: Call) -> str:
        return AMHARIC * 2 + TABLE * 2 + "Rating: [[7]]"

    server = bench.serve(Model(amharic, usage=bodies.no_usage))
    texts = [*texts_of(AMHARIC, 2, 10), *texts_of(TABLE, 4, 10), *texts_of(DIGITS, 3, 10)]
    run = bench.judge(server.base_url, texts, max_tokens=2000)
    bench.scored = f"{run.scored} of 30"
    bench.equal((run.code, run.scored), (WHOLE, 30), "status, scored")
    bench.covered(3.0)


@row("6", "translator: replies that are refused (an answer, far too long) are billed", quick=True)
def translator_refused_replies(bench: Bench) -> None:
    server = bench.serve(Model(lambda call: "This is an answer to a question. " * 60))
    run = bench.translate(server.base_url, 60, max_cost=3.0, max_tokens=2000)
    holds_cap(bench, run, 3.0, 2000)


@row("6", "served model with prices: a cap holds for answers, too")
def cap_answers(bench: Bench) -> None:
    server = bench.serve(Model())
    run = bench.answer(server.base_url, 200, max_cost=0.5)
    holds_cap(bench, run, 0.5, 100)


# --- 7: usage in the shapes of the day -----------------------------------------------------------


@row("7", "gemini: completion_tokens without the thoughts, only total_tokens has them", quick=True,
     source="mozilla-ai/any-llm#1290")  # fmt: skip
def gemini_usage(bench: Bench) -> None:
    server = bench.serve(Model(usage=bodies.gemini_usage, reasoning=400))
    run = bench.judge(server.base_url, 20, max_tokens=800)
    bench.scored = f"{run.scored} of 20"
    bench.equal((run.code, run.scored), (WHOLE, 20), "status, scored")
    bench.exact()


@row("7", "gemini: the same through a layer with completion_tokens 0 (CLIProxyAPI#5733)")
def gemini_usage_zero(bench: Bench) -> None:
    def zero(value: dict[str, Any], call: Call) -> dict[str, Any]:
        usage = value["usage"]
        thoughts = usage["completion_tokens"]
        usage |= {
            "completion_tokens": 0,
            "completion_tokens_details": {"reasoning_tokens": thoughts},
        }
        return value

    server = bench.serve(Model(usage=bodies.plain_usage, reasoning=300, shape=zero))
    run = bench.judge(server.base_url, 20, max_tokens=800)
    bench.equal((run.code, run.scored), (WHOLE, 20), "status, scored")
    bench.exact()


@row("7", "openai: cached tokens at a price of their own")
def cached_price(bench: Bench) -> None:
    price = Price(100.0, 400.0, per_cached=50.0)
    server = bench.serve(Model(price=price, cached=lambda n: n // 2))
    run = bench.judge(server.base_url, 20, price_cached=50.0)
    bench.scored = f"{run.scored} of 20"
    bench.equal((run.code, run.scored), (WHOLE, 20), "status, scored")
    bench.exact()


@row("7", "openai: cached tokens, no price for them: charged as the others, never less")
def cached_without_price(bench: Bench) -> None:
    price = Price(100.0, 400.0, per_cached=50.0)
    server = bench.serve(Model(price=price, cached=lambda n: n // 2))
    bench.judge(server.base_url, 20)
    bench.covered(2.0)


@row("7", "openrouter: usage.cost is what is charged (routing changes prices)", quick=True,
     source="openrouter.ai/docs, usage accounting")  # fmt: skip
def usage_cost(bench: Bench) -> None:
    def dearer(value: dict[str, Any], call: Call) -> dict[str, Any]:
        used = value["usage"]
        cost = PRICE.dollars(used["prompt_tokens"], used["completion_tokens"]) * 1.3
        details = {"upstream_inference_cost": None}
        used |= {"cost": cost, "is_byok": False, "cost_details": details}
        return value

    server = bench.serve(Model(shape=dearer, factor=1.3))
    run = bench.judge(server.base_url, 20)
    bench.scored = f"{run.scored} of 20"
    bench.equal((run.code, run.scored), (WHOLE, 20), "status, scored")
    bench.exact()


@row("7", "openrouter with a key of one's own: cost is the fee, the provider bills upstream")
def byok_cost(bench: Bench) -> None:
    def byok(value: dict[str, Any], call: Call) -> dict[str, Any]:
        used = value["usage"]
        upstream = PRICE.dollars(used["prompt_tokens"], used["completion_tokens"])
        used |= {"cost": upstream * 0.05, "is_byok": True}
        used["cost_details"] = {"upstream_inference_cost": upstream}
        return value

    server = bench.serve(Model(shape=byok, factor=1.05))
    run = bench.judge(server.base_url, 20)
    bench.equal((run.code, run.scored), (WHOLE, 20), "status, scored")
    bench.exact()


@row("7", "a batch without usage is not free", quick=True)
def batch_without_usage(bench: Bench) -> None:
    server = bench.serve(Batches(Model(usage=bodies.no_usage), factor=1.0))
    run = bench.judge(server.base_url, 20, mode="batch", poll_s=0.05)
    bench.scored = f"{run.scored} of 20"
    bench.equal((run.code, run.scored), (WHOLE, 20), "status, scored")
    bench.covered(6.0)


@row("7", "a batch with usage: half the price, to the cent")
def batch_with_usage(bench: Bench) -> None:
    # Half of what is configured only where a list says so; on a host of no list the user gives the
    # batch's own prices.
    server = bench.serve(Batches(Model(), factor=1.0))
    run = bench.judge(server.base_url, 20, mode="batch", poll_s=0.05)
    bench.scored = f"{run.scored} of 20"
    bench.equal((run.code, run.scored), (WHOLE, 20), "status, scored")
    bench.exact()


@row("7", "usage of nulls and of text ('12'), usage as a list: never a crash, never nothing")
def odd_usage(bench: Bench) -> None:
    odd: Sequence[Any] = (None, [], {"prompt_tokens": None}, "none", {"total_tokens": "80"})

    def shape(value: dict[str, Any], call: Call) -> dict[str, Any]:
        return value | {"usage": odd[call.number % len(odd)]}

    server = bench.serve(Model(shape=shape))
    run = bench.judge(server.base_url, 20)
    bench.scored = f"{run.scored} of 20"
    bench.equal((run.code, run.scored), (WHOLE, 20), "status, scored")
    bench.covered(6.0)


@row("7", "ollama: the prompt was cut in silence; prompt_tokens tells",
     source="ollama/ollama#17889, esengine/DeepSeek-Reasonix#10245")  # fmt: skip
def ollama_truncates(bench: Bench) -> None:
    model = Model(usage=bodies.plain_usage, window=600, truncates=True, name="qwen3:14b")
    server = bench.serve(model)
    long = [f"{i}. " + "A sentence that goes on, and on, and on. " * 120 for i in range(12)]
    run = bench.judge(server.base_url, long)
    bench.scored = f"{run.scored} of 12"
    bench.check(any(w in run.said.lower() for w in ("cut", "truncat")), "the cut is not said")
    bench.exact()
