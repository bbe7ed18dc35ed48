"""What judging will take: calls exactly, tokens and money estimated, before anything is paid."""

from __future__ import annotations

from collections.abc import Iterable

from ..config.evaluation import Judge, OpenAIJudge, Protocol
from ..service.budget import CHARS_PER_TOKEN, Estimate
from ..service.budget import estimate_calls as estimate_service
from .prompts import FALLBACK, Messages, load_prompts

#: Orders in which one pair of answers is shown.
ORDERS: dict[str, int] = {"single": 1, "pairwise": 2, "side_by_side": 2}
#: A verdict of a few sentences: GPT-4's in MT-Bench-X run to 600 to 1,100 characters.
VERDICT_TOKENS = 250


def expected_calls(n_questions: int, n_turns: int, n_languages: int, protocol: Protocol) -> int:
    """Calls for one run: 80 questions of 2 turns in 5 languages: 800 grades or 1,600 verdicts."""
    return n_questions * n_turns * n_languages * ORDERS[protocol]


def estimate_calls(
    judge: Judge,
    protocol: Protocol,
    calls: int,
    n_turns: int,
    question_chars: float = 300.0,
    answer_chars: float = 1500.0,
) -> Estimate:
    """Return what a number of calls will take; the mean lengths are those of one turn.

    A later turn shows all turns before it, and a pair shows two answers.
    """
    if not isinstance(judge, OpenAIJudge):
        return Estimate(0, 0, 0, 0.0)
    overhead = len(load_prompts(FALLBACK).system[protocol])
    answers = ORDERS[protocol] * answer_chars
    turns_shown = (n_turns + 1) / 2
    chars = overhead + turns_shown * (question_chars + answers)
    tokens_out = calls * min(VERDICT_TOKENS, judge.max_tokens)
    return estimate_service(judge, calls, calls * chars, tokens_out)


def estimate_messages(judge: OpenAIJudge, prompts: Iterable[Messages]) -> Estimate:
    """Return what these very calls will take, about."""
    sizes = [sum(len(part["content"]) for part in messages) for messages in prompts]
    tokens_out = len(sizes) * min(VERDICT_TOKENS, judge.max_tokens)
    return estimate_service(judge, len(sizes), sum(sizes), tokens_out)


__all__ = ["CHARS_PER_TOKEN", "estimate_calls", "estimate_messages", "expected_calls"]
