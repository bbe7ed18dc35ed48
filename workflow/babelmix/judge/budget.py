"""The hard cap on what one job spends: a call is only made if its worst case still fits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from ..config.evaluation import OpenAIJudge
from .prices import price_of

#: Bytes of UTF-8 a token, low on purpose: an estimate for the cap must not be too small.
_BYTES_PER_TOKEN = 2.5


def text_tokens(text: str) -> int:
    """Upper estimate of a text's tokens."""
    return int(len(text.encode("utf-8", "surrogatepass")) / _BYTES_PER_TOKEN) + 4


def reply_cost(judge: OpenAIJudge, tokens_in: int, tokens_out: int) -> float:
    """US dollars of one call."""
    return price_of(judge).dollars(tokens_in, tokens_out)


class Budget:
    """Money spent and money promised to calls under way, against ``judge.max_cost``."""

    def __init__(self, judge: OpenAIJudge, spent: float = 0.0) -> None:
        self.judge = judge
        self.spent = spent
        self.promised = 0.0
        self._under_way = 0
        self._changed = asyncio.Condition()

    def worst_case(self, messages: Iterable[Mapping[str, str]]) -> float:
        """The most that a call can cost: its prompt and the longest reply."""
        tokens_in = sum(text_tokens(message["content"]) for message in messages)
        return reply_cost(self.judge, tokens_in, self.judge.max_tokens)

    async def reserve(self, worst: float) -> bool:
        """Wait until a call's worst case fits; False when it cannot fit any more."""
        cap = self.judge.max_cost
        async with self._changed:
            while cap is not None and self.spent + self.promised + worst > cap:
                if self._under_way == 0:
                    return False
                await self._changed.wait()
            self.promised += worst
            self._under_way += 1
            return True

    async def settle(self, worst: float, cost: float) -> None:
        """Put the real cost in place of the promised one."""
        async with self._changed:
            self._under_way -= 1
            self.promised = self.promised - worst if self._under_way else 0.0
            self.spent += cost
            self._changed.notify_all()
