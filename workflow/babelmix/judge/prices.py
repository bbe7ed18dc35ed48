"""What a judge's tokens cost: as configured, else as listed in prices.yaml, else unknown."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import yaml

from ..config.evaluation import OpenAIJudge
from ..resources import RESOURCES

_DEFAULT_HOST = "api.openai.com"


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars a million prompt tokens and a million answer tokens; ``source`` says whence."""

    per_in: float
    per_out: float
    source: str

    @property
    def known(self) -> bool:
        """Whether there is any price at all."""
        return self.per_in > 0 or self.per_out > 0

    def dollars(self, tokens_in: float, tokens_out: float) -> float:
        """What that many tokens cost."""
        return (tokens_in * self.per_in + tokens_out * self.per_out) / 1e6


def price_of(judge: OpenAIJudge) -> Price:
    """The judge's price, the Batch API's discount included. Never guessed: unknown is 0."""
    if judge.price_in is not None or judge.price_out is not None:
        price = Price(judge.price_in or 0.0, judge.price_out or 0.0, "configured")
        listed = _listed().get(_host(judge), {})
    else:
        listed = _listed().get(_host(judge), {})
        row = listed.get("models", {}).get(judge.model)
        if row is None:
            return Price(0.0, 0.0, "unknown")
        price = Price(row["price_in"], row["price_out"], f"listed {listed['seen']}")
    if judge.mode == "batch":
        factor = float(listed.get("batch_factor", 1.0))
        return Price(price.per_in * factor, price.per_out * factor, price.source + ", batch")
    return price


def _host(judge: OpenAIJudge) -> str:
    return (urlsplit(judge.base_url).hostname if judge.base_url else _DEFAULT_HOST) or ""


@functools.cache
def _listed() -> dict[str, Any]:
    """The `chat` section: hosts, each with its models."""
    path = RESOURCES / "prices.yaml"
    if not path.is_file():
        return {}
    held = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    found: dict[str, Any] = held.get("chat") or {}
    return found
