"""What judging will take: calls exactly, tokens and money estimated, before anything is paid."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from ..config.evaluation import Judge, OpenAIJudge, Protocol
from ..errors import BabelmixError
from .prices import price_of
from .prompts import FALLBACK, Messages, load_prompts

#: Orders in which one pair of answers is shown.
ORDERS: dict[str, int] = {"single": 1, "pairwise": 2, "side_by_side": 2}
#: Characters a token in European languages, on average; other scripts take more tokens.
CHARS_PER_TOKEN = 4.0
#: A verdict of a few sentences: GPT-4's in MT-Bench-X run to 600 to 1,100 characters.
VERDICT_TOKENS = 250
#: Estimated US dollars of one job above which `confirm_cost` is wanted.
CONFIRM_ABOVE = 5.0


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """Calls, tokens and US dollars; ``dollars`` is 0 where no price is known."""

    calls: int
    tokens_in: int
    tokens_out: int
    dollars: float


def expected_calls(n_questions: int, n_turns: int, n_languages: int, protocol: Protocol) -> int:
    """Calls for one run: 80 questions of 2 turns in 5 languages: 800 grades or 1,600 verdicts."""
    return n_questions * n_turns * n_languages * ORDERS[protocol]


def estimate_cost(
    judge: Judge,
    protocol: Protocol,
    n_questions: int,
    n_turns: int,
    n_languages: int,
    question_chars: float = 300.0,
    answer_chars: float = 1500.0,
) -> CostEstimate:
    """Calls, tokens and US dollars for one run; the mean lengths are those of one turn."""
    calls = expected_calls(n_questions, n_turns, n_languages, protocol)
    return estimate_calls(judge, protocol, calls, n_turns, question_chars, answer_chars)


def estimate_calls(
    judge: Judge,
    protocol: Protocol,
    calls: int,
    n_turns: int,
    question_chars: float = 300.0,
    answer_chars: float = 1500.0,
) -> CostEstimate:
    """The same for a number of calls that is known.

    A later turn shows all turns before it, and a pair shows two answers.
    """
    if not isinstance(judge, OpenAIJudge):
        return CostEstimate(0, 0, 0, 0.0)
    overhead = len(load_prompts(FALLBACK).system[protocol])
    answers = ORDERS[protocol] * answer_chars
    turns_shown = (n_turns + 1) / 2
    chars = overhead + turns_shown * (question_chars + answers)
    tokens_in = round(calls * chars / CHARS_PER_TOKEN)
    tokens_out = calls * min(VERDICT_TOKENS, judge.max_tokens)
    dollars = price_of(judge).dollars(tokens_in, tokens_out)
    return CostEstimate(calls, tokens_in, tokens_out, dollars)


def estimate_messages(judge: OpenAIJudge, prompts: Iterable[Messages]) -> CostEstimate:
    """What these very calls will take, about."""
    sizes = [sum(len(part["content"]) for part in messages) for messages in prompts]
    tokens_in = round(sum(sizes) / CHARS_PER_TOKEN)
    tokens_out = len(sizes) * min(VERDICT_TOKENS, judge.max_tokens)
    dollars = price_of(judge).dollars(tokens_in, tokens_out)
    return CostEstimate(len(sizes), tokens_in, tokens_out, dollars)


def require_confirmation(judge: OpenAIJudge, estimate: CostEstimate) -> None:
    """Refuse to start a job that costs more than the configuration has agreed to."""
    agreed = CONFIRM_ABOVE if judge.confirm_cost is None else judge.confirm_cost
    capped = math.inf if judge.max_cost is None else judge.max_cost
    if min(estimate.dollars, capped) <= agreed:
        return
    raise BabelmixError(
        f"judge {judge.model}: {estimate.calls:,} calls of this job would cost about "
        f"{estimate.dollars:,.2f} US dollars ({price_of(judge).source}). Nothing was asked. If "
        f"that is meant, set the judge's `confirm_cost` to at least {estimate.dollars:.2f}; "
        "`python -m babelmix plan` shows the whole study."
    )
