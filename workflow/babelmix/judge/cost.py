"""What judging will take: calls exactly, tokens and money estimated, before anything is paid."""

from __future__ import annotations

from dataclasses import dataclass

from ..config.evaluation import Judge, OpenAIJudge, Protocol
from .budget import reply_cost
from .prompts import FALLBACK, load_prompts

#: Orders in which one pair of answers is shown.
ORDERS: dict[str, int] = {"single": 1, "pairwise": 2, "side_by_side": 2}
#: Characters a token in European languages, on average; other scripts take more tokens.
CHARS_PER_TOKEN = 4.0
#: A verdict of a few sentences: GPT-4's in MT-Bench-X run to 600 to 1,100 characters.
VERDICT_TOKENS = 250


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """Estimate for one run under one evaluation; ``dollars`` is 0 where no price is known."""

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
    """Calls, tokens and US dollars for one run; the mean lengths are those of one turn.

    A later turn shows all turns before it, and a pair shows two answers.
    """
    calls = expected_calls(n_questions, n_turns, n_languages, protocol)
    if not isinstance(judge, OpenAIJudge):
        return CostEstimate(0, 0, 0, 0.0)
    overhead = len(load_prompts(FALLBACK).system[protocol])
    answers = ORDERS[protocol] * answer_chars
    turns_shown = (n_turns + 1) / 2
    chars = overhead + turns_shown * (question_chars + answers)
    tokens_in = round(calls * chars / CHARS_PER_TOKEN)
    tokens_out = calls * min(VERDICT_TOKENS, judge.max_tokens)
    return CostEstimate(calls, tokens_in, tokens_out, reply_cost(judge, tokens_in, tokens_out))
