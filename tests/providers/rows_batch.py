"""Rows: Azure, and the Batch API (point 17)."""

from __future__ import annotations

import time

from . import bodies, refusals
from .batches import Batches
from .driver import INCOMPLETE, STOPPED, WHOLE
from .models import (
    PRICE,
    Model,
    after,
    azure,
    openai_paths,
    translation,
    when,
)
from .table import Bench, row

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
    model = Model(checks=(when(after(10), refusals.credit_too_low()),))
    server = bench.serve(Batches(model, factor=1.0))
    run = bench.judge(server.base_url, 40, mode="batch", poll_s=0.05)
    bench.equal(run.code, STOPPED, "status")
    bench.says(run, "credit balance is too low")
    bench.equal(bench.journalled(), 10, "journalled")
    bench.exact()


@row("17", "batch: all lines are refused in words that nobody knows: stop, write nothing")
def batch_refused(bench: Bench) -> None:
    words = "Dieser Dienst ist fuer Ihr Konto nicht freigeschaltet."
    model = Model(checks=(when(lambda call: True, refusals.error(400, words)),))
    server = bench.serve(Batches(model, factor=1.0))
    run = bench.judge(server.base_url, 20, mode="batch", poll_s=0.05)
    bench.equal((run.code, run.written), (STOPPED, False), "status, written")
    bench.says(run, words)
    bench.exact()


@row("17", "batch: 429 and 500 as errors of some lines: asked again in the next one")
def batch_line_errors(bench: Bench) -> None:
    checks = (
        when(lambda c: c.nth == 0 and c.number % 5 == 0, refusals.server_error()),
        when(lambda c: c.nth == 0 and c.number % 5 == 1, refusals.rate_limited()),
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
