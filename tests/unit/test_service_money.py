"""Prices, usage, the ledger and its cap: what is billed is charged, and never more is spent."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from babelmix.config.evaluation import Generation, OpenAIJudge
from babelmix.config.translators import OpenAITranslator
from babelmix.errors import BabelmixError
from babelmix.service import CapReachedError, Ledger, Request, spending_folder
from babelmix.service.budget import Bounds, Estimate, require_confirmation
from babelmix.service.prices import Price, price_of
from babelmix.service.replies import Usage, read_usage

# --- prices --------------------------------------------------------------------------------------


def openai(model: str, **more: Any) -> OpenAIJudge:
    return OpenAIJudge.model_validate({"engine": "openai", "model": model} | more)


@pytest.mark.parametrize(
    ("model", "per_in", "source"),
    [
        ("gpt-4o", 2.5, "listed 2026-11"),
        ("gpt-4o-2024-08-06", 2.5, "listed 2026-11 for gpt-4o"),
        ("gpt-4o-2024-05-13", 5.0, "listed 2026-11"),
        ("gpt-4-0613", 30.0, "listed 2026-11 for gpt-4"),
        ("gpt-4-1106-preview", 10.0, "listed 2026-11"),
    ],
)
def test_a_snapshot_costs_what_its_family_does(model: str, per_in: float, source: str) -> None:
    price = price_of(openai(model))
    assert price is not None
    assert (price.per_in, price.source) == (per_in, source)
    translator = OpenAITranslator(backend="openai", model=model)
    assert price_of(translator) == price


@pytest.mark.parametrize(
    "judge",
    [
        openai("gpt-4o", base_url="https://eu.api.openai.com/v1"),
        openai("gpt-4-32k-0613-tuned"),
        openai("my-model", base_url="http://gpu-7:8000/v1"),
    ],
)
def test_an_unknown_price_is_never_nothing(judge: OpenAIJudge) -> None:
    assert price_of(judge) is None
    with pytest.raises(BabelmixError, match="no price is known"):
        require_confirmation(judge, Estimate(1, 1, 1, None), None, "judges.j")
    free = judge.model_copy(update={"price_in": 0.0, "price_out": 0.0})
    require_confirmation(free, Estimate(9, 1, 1, 0.0), price_of(free), "judges.j")


@pytest.mark.parametrize("given", [{"price_in": 1.0}, {"price_out": 1.0}])
def test_one_price_alone_is_an_error(given: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match="without `price_"):
        openai("m", **given)


def test_jobs_without_a_server_keep_their_settings() -> None:
    assert "max_cost" not in Generation().model_dump()
    assert Generation.model_validate({"max_cost": 3}).model_dump()["max_cost"] == 3
    assert Generation.model_validate({"max_cost": 3}).without_execution_settings() == Generation()


# --- usage ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("held", "usage"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}, Usage(10, 5)),
        # Reasoning that only the total counts.
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 515}, Usage(10, 505, 500)),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "completion_tokens_details": {"reasoning_tokens": 50},
            },
            Usage(10, 55, 50),
        ),
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": 80},
            },
            Usage(100, 5, cached=80),
        ),
        # Anthropic's spelling: cached tokens stand beside the others.
        (
            {"input_tokens": 20, "output_tokens": 5, "cache_read_input_tokens": 80},
            Usage(100, 5, cached=80),
        ),
        ({"prompt_tokens": 10, "completion_tokens": 5, "cost": 0.25}, Usage(10, 5, cost=0.25)),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "cost": 0.01,
                "is_byok": True,
                "cost_details": {"upstream_inference_cost": 0.2},
            },
            Usage(10, 5, cost=0.21000000000000002),
        ),
        ({"prompt_tokens": None, "completion_tokens": "12"}, None),
        ([], None),
        (None, None),
    ],
)
def test_usage_in_the_spellings_of_providers(held: Any, usage: Usage | None) -> None:
    assert read_usage({"usage": held}) == usage


def test_cached_tokens_cost_their_own_price() -> None:
    price = Price(2.0, 8.0, "configured", per_cached=0.5)
    assert Usage(100, 10, cached=80).dollars(price) == pytest.approx((20 * 2 + 80 * 0.5 + 80) / 1e6)
    assert Usage(100, 10, cached=80).dollars(Price(2.0, 8.0, "x")) == pytest.approx(280 / 1e6)


@pytest.mark.parametrize(
    "text", ["ሰላም ዓለም እንዴት ነህ", "1234567890 987", r"\frac{a}{b}^{2}", "| a | b |"]
)
def test_no_prompt_has_more_tokens_than_its_bound(text: str) -> None:
    request = Request("k", [{"role": "user", "content": text * 50}])
    assert request.most_tokens() >= len((text * 50).encode())


def test_a_server_that_ignores_the_limit_is_learned() -> None:
    bounds = Bounds(Price(0.0, 1e6, "x"), 100)
    request = Request("k", [{"role": "user", "content": "x"}])
    assert bounds.worst(request) == 100
    assert bounds.hold(100) > 1000
    bounds.learn(request, Usage(5, 2000))
    assert bounds.worst(request) == 4000


# --- the ledger ----------------------------------------------------------------------------------


def test_a_reservation_is_settled_released_or_left_at_its_worst(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "judges.j", 10.0)
    calls = [ledger.reserve(2.0, 60.0) or "" for _ in range(3)]
    assert ledger.total() == 6.0
    ledger.settle(calls[0], 0.5)
    ledger.release(calls[1])
    ledger.unknown(calls[2])
    assert ledger.total() == 2.5
    assert Ledger(tmp_path, "judges.j").total() == 2.5


def test_a_call_waits_for_others_and_only_then_is_the_cap_reached(tmp_path: Path) -> None:
    ledger, other = Ledger(tmp_path, "j", 3.0), Ledger(tmp_path, "j", 3.0)
    first = ledger.reserve(2.0, 60.0) or ""
    assert ledger.reserve(2.0, 60.0) is None
    ledger.settle(first, 0.5)
    second = ledger.reserve(2.0, 60.0) or ""
    ledger.settle(second, 1.9)
    with pytest.raises(CapReachedError, match=r"`max_cost` of 3, 2\.4000 are spent"):
        other.reserve(2.0, 60.0)


def test_what_a_killed_job_had_journalled_is_settled_from_its_journal(tmp_path: Path) -> None:
    Ledger(tmp_path, "j").reserve(5.0, 60.0, key="k1")
    (line,) = (tmp_path / "j.jsonl").read_text().splitlines()
    again = Ledger(tmp_path, "j")
    again.reconcile([{"key": "k1", "cost": 0.25, "call": json.loads(line)["id"]}])
    assert again.total() == 0.25
    again.reconcile([{"key": "old", "cost": 1.0}, {"key": "text only"}])
    again.reconcile([{"key": "old", "cost": 1.0}])
    assert Ledger(tmp_path, "j").total() == 1.25


def test_a_torn_line_and_an_older_ledger(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "translators.t")
    ledger.settle(ledger.reserve(1.0, 60.0) or "", 1.0)
    with ledger.path.open("ab") as handle:
        handle.write(b'{"id": "x", "dol')
    older = tmp_path / "t.spent.jsonl"
    older.write_text('{"dollars": 2.0}\n{"dollars": -0.5}\n')
    again = Ledger(tmp_path, "translators.t")
    for _ in range(2):
        again.take_over(older)
    again.settle(again.reserve(1.0, 60.0) or "", 0.25)
    assert Ledger(tmp_path, "translators.t").total() == 2.75


def _spend(folder: str, count: int) -> None:
    ledger = Ledger(Path(folder), "j", 5.0)
    for _ in range(count):
        try:
            with ledger.call(0.02, 60.0) as bill:
                bill.dollars = 0.02
        except CapReachedError:
            return


def test_processes_share_a_cap(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    jobs = [context.Process(target=_spend, args=(str(tmp_path), 100)) for _ in range(4)]
    for job in jobs:
        job.start()
    assert jobs[0].pid is not None
    os.kill(jobs[0].pid, signal.SIGKILL)
    for job in jobs:
        job.join(60)
    ledger = Ledger(tmp_path, "j", 5.0)
    assert ledger.total() <= 5.0 + 1e-9
    assert ledger.total() == pytest.approx(5.0, abs=0.03)


def test_where_ledgers_lie(tmp_path: Path) -> None:
    study = tmp_path / "set" / "journals"
    assert spending_folder(study / "judge" / "e" / "r.jsonl") == study / "spending"
    assert spending_folder(tmp_path / "j.jsonl") == tmp_path / "spending"
