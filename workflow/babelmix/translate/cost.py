"""What a translation costs: the price of a translator, and an estimate before the first call."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ..config.translators import (
    LibreTranslateTranslator,
    OpenAITranslator,
    Service,
    Translator,
)
from ..service import Ledger
from ..service.budget import Estimate, estimate_calls
from ..service.failures import CallFailedError
from ..service.prices import FREE, Price, char_price
from ..service.prices import price_of as chat_price

T = TypeVar("T")

#: The instruction that stands before each text, in characters, and tokens of a translation by one
#: of its source: for estimates.
PROMPT_CHARS = 600
GROWTH = 1.3
_CHARS_PER_TOKEN = 4.0


def price_of(translator: Translator) -> Price | None:
    """Return the configured price, or the dated one of resources/prices.yaml; None if unknown.

    What runs on this machine is free unless the configuration says otherwise.
    """
    if isinstance(translator, OpenAITranslator):
        return chat_price(translator)
    unpriced = translator.price_per_million_chars is None
    if isinstance(translator, LibreTranslateTranslator) and unpriced:
        return FREE  # hosted servers are paid by the month, one's own by nobody
    if isinstance(translator, Service) or not unpriced:
        return char_price(translator.backend, translator.price_per_million_chars)
    return FREE


def paid_by_chars(
    ledger: Ledger | None, price: Price | None, chars: int, limit_s: float, call: Callable[[], T]
) -> T:
    """Make one call that is paid by its source characters: reserved before, charged after it.

    A call that failed is not billed, unless its CallFailedError says that it may have been.
    """
    dollars = price.dollars(chars=chars) if price else 0.0
    if ledger is None:
        return call()
    with ledger.call(dollars, limit_s) as bill:
        try:
            result = call()
        except CallFailedError as failure:
            bill.dollars = None if failure.usage else 0.0
            raise
        bill.dollars = dollars
    return result


def estimate(translator: Translator, chars: int, texts: int) -> Estimate:
    """Return requests and US dollars for ``chars`` source characters in ``texts`` texts."""
    if isinstance(translator, OpenAITranslator):
        prompt = len(translator.prompt) if translator.prompt else PROMPT_CHARS
        tokens_out = chars / _CHARS_PER_TOKEN * GROWTH
        return estimate_calls(translator, texts, texts * prompt + chars, tokens_out)
    price = price_of(translator)
    return Estimate(texts, 0, 0, None if price is None else price.dollars(chars=chars))
