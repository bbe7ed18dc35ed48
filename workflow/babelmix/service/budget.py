"""What calls will cost: an estimate to agree to before the first, and a bound for each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..config.service import ChatModel, Endpoint, PaidService
from ..errors import BabelmixError
from .ledger import Ledger
from .prices import Price, price_of
from .replies import Request, Usage

#: Characters per token in European languages, on average; other scripts take more tokens.
CHARS_PER_TOKEN = 4.0
#: Estimated US dollars over the study set above which `confirm_cost` is wanted.
CONFIRM_ABOVE = 5.0
#: How many times the worst case is kept free for a call while nothing is known of the server, over
#: the replies seen: a server may ignore the limit of a reply.
_CAUTION = 64.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """Calls, characters or tokens, and US dollars; ``dollars`` is None where no price is known."""

    calls: int
    tokens_in: int
    tokens_out: int
    dollars: float | None


def require_price(settings: PaidService, price: Price | None, where: str) -> None:
    """Refuse a cap, or paid calls, without a price: what they cost would be unknown."""
    capped = settings.max_cost is not None
    free = price is not None and price.source == "free"
    if price is not None and not (capped and free):
        return
    keys = "`price_in` and `price_out`"
    keys = keys if isinstance(settings, Endpoint) else "`price_per_million_chars`"
    what = "a `max_cost` but no price is known" if capped else "no price is known for it"
    raise BabelmixError(
        f"{where}: {what}, neither from the configuration nor from resources/prices.yaml (by host "
        f"and model). Nothing was asked. Set {keys} (0 where it is free)"
        f"{', or leave the cap out' if capped else ''}."
    )


def require_confirmation(
    settings: PaidService,
    estimate: Estimate,
    price: Price | None,
    where: str,
    spent: float = 0.0,
    what: str = "",
) -> None:
    """Refuse to start what takes the study set over the sum that the configuration has agreed to.

    ``spent``: US dollars spent before. What `max_cost` stops needs no more than that.
    """
    if not estimate.calls:
        return
    require_price(settings, price, where)
    agreed = CONFIRM_ABOVE if settings.confirm_cost is None else settings.confirm_cost
    capped = math.inf if settings.max_cost is None else settings.max_cost
    dollars = (estimate.dollars or 0.0) + spent
    if min(dollars, capped) <= agreed:
        return
    before = f", after {spent:,.2f} spent before" if spent else ""
    raise BabelmixError(
        f"{where}: {what or f'{estimate.calls:,} calls of this job'} would cost about "
        f"{estimate.dollars or 0.0:,.2f} US dollars ({spoken_price(price)}){before}. Nothing was "
        f"asked. If that is meant, set `{where}.confirm_cost` to at least "
        f"{min(dollars, capped):.2f}; `python -m babelmix plan` shows the whole study."
    )


class Bounds:
    """The worst case of each call, learned upwards from what the server bills.

    A prompt has no more tokens than bytes; a reply has no more than its limit, unless the server is
    seen to pass it: then twice the longest that was seen. Not for several threads.
    """

    def __init__(self, price: Price | None, most_out: int) -> None:
        self._price = price
        self.most_out = most_out
        self._longest = most_out
        self._hidden = 0
        self._seen = 0
        self._dearest = 0.0

    def worst(self, request: Request) -> float:
        """US dollars of the request at worst."""
        if self._price is None:
            return 0.0
        tokens_in = request.most_tokens() + self._hidden
        return max(self._price.dollars(tokens_in, self._longest), self._dearest)

    def hold(self, worst: float) -> float:
        """US dollars to keep free while it is under way."""
        return worst * max(1.0, _CAUTION / (1 + self._seen))

    def learn(self, request: Request, usage: Usage) -> None:
        """Take in what one reply was billed for."""
        self._seen += 1
        if usage.estimated:
            return
        hidden = usage.tokens_in - request.most_tokens()
        if hidden > self._hidden or usage.tokens_out > self._longest:
            self._seen = 0  # what was believed of the server is not so
        self._hidden = max(self._hidden, hidden)
        if usage.tokens_out > self.most_out:
            self._longest = max(self._longest, 2 * usage.tokens_out)
        if usage.cost is not None:  # a gateway's own sum may be above the listed price
            self._dearest = max(self._dearest, usage.cost)

    def learn_from(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Take in what a journal knows of earlier replies."""
        for entry in entries:
            tokens_out = entry.get("tokens_out")
            if isinstance(tokens_out, int) and not entry.get("estimated"):
                self._seen += 1
                if tokens_out > self.most_out:
                    self._longest = max(self._longest, 2 * tokens_out)


def estimate_calls(
    settings: Endpoint, calls: int, chars: float, tokens_out: float, model: str | None = None
) -> Estimate:
    """Return what so many calls will take, about: ``chars`` of prompts and tokens of replies."""
    tokens_in = round(chars / CHARS_PER_TOKEN)
    price = price_of(settings, model)
    dollars = None if price is None else price.dollars(tokens_in, tokens_out)
    return Estimate(calls, tokens_in, round(tokens_out), dollars)


def spoken_price(price: Price | None) -> str:
    """A price's source for a message."""
    return price.source if price else "no price known"


def is_batch(settings: PaidService) -> bool:
    """Whether it is asked through the Batch API."""
    return isinstance(settings, ChatModel) and settings.mode == "batch"


def open_ledger(settings: PaidService, folder: Any, where: str) -> Ledger:
    """Open the payer's ledger, with its cap."""
    return Ledger(folder, where, settings.max_cost)
