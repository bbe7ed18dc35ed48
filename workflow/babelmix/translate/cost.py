"""What a translation costs: the price of a translator, and an estimate before the first call."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import yaml

from ..config.translators import OpenAITranslator, Service, Translator
from ..resources import RESOURCES

#: The Batch API's price beside the realtime one.
BATCH_FACTOR = 0.5
#: Characters a token in European languages, on average; other scripts take more tokens.
CHARS_PER_TOKEN = 4.0
#: The instruction that stands before each text, in tokens, and tokens of a translation by one of
#: its source: for estimates.
PROMPT_TOKENS = 150
GROWTH = 1.3
#: Bytes of UTF-8 a token, low on purpose: what is promised to a cap must not be too small.
_BYTES_PER_TOKEN = 2.5


@dataclass(frozen=True)
class Price:
    """US dollars a source character, a prompt token and a completion token."""

    char: float = 0.0
    token_in: float = 0.0
    token_out: float = 0.0

    def of(self, chars: int = 0, tokens_in: float = 0, tokens_out: float = 0) -> float:
        """US dollars of what was sent and received."""
        return chars * self.char + tokens_in * self.token_in + tokens_out * self.token_out


@dataclass(frozen=True)
class Estimate:
    """What a job will send and cost; ``dollars`` is None where no price is known."""

    chars: int
    requests: int
    dollars: float | None


@functools.cache
def _table() -> dict[str, Any]:
    path = RESOURCES / "prices.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}


def price_of(translator: Translator) -> Price | None:
    """The configured price, or the dated one of resources/prices.yaml; None when neither is known.

    What runs on this machine is free unless the configuration says otherwise.
    """
    if translator.price_per_million_chars is not None:
        return Price(char=translator.price_per_million_chars / 1e6)
    if isinstance(translator, OpenAITranslator):
        return _chat_price(translator)
    if not isinstance(translator, Service):
        return Price()
    listed = _table().get("translation", {}).get(translator.backend)
    return Price(char=listed["per_million_chars"] / 1e6) if listed else None


def _chat_price(translator: OpenAITranslator) -> Price | None:
    if translator.price_in is None or translator.price_out is None:
        return None
    factor = (BATCH_FACTOR if translator.mode == "batch" else 1.0) / 1e6
    return Price(token_in=translator.price_in * factor, token_out=translator.price_out * factor)


def tokens(chars: float) -> float:
    """Tokens of so many characters, on average."""
    return chars / CHARS_PER_TOKEN


def most_tokens(text: str) -> int:
    """Upper estimate of a text's tokens."""
    return int(len(text.encode("utf-8", "surrogatepass")) / _BYTES_PER_TOKEN) + 8


def estimate(translator: Translator, chars: int, texts: int) -> Estimate:
    """Requests and US dollars for ``chars`` source characters in ``texts`` texts."""
    price = price_of(translator)
    if not isinstance(translator, OpenAITranslator):
        return Estimate(chars, texts, None if price is None else price.of(chars))
    dollars = None
    if price is not None:
        tokens_in = texts * PROMPT_TOKENS + tokens(chars)
        dollars = price.of(chars, tokens_in, tokens(chars) * GROWTH)
    return Estimate(chars, texts, dollars)
