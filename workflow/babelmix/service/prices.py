"""What a service costs: as configured, else as listed and dated in prices.yaml, else unknown."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import yaml

from ..config.service import ChatModel, Endpoint
from ..endpoints import is_loopback
from ..resources import RESOURCES

#: What a snapshot's name adds to its family's: a date, or that it is the newest.
_SNAPSHOT = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|\d{4}|latest)\Z")


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million prompt, completion and cached prompt tokens, and source characters;
    ``source`` says where they are from."""

    per_in: float
    per_out: float
    source: str
    per_cached: float | None = None
    per_char: float = 0.0

    def dollars(
        self, tokens_in: float = 0, tokens_out: float = 0, cached: float = 0, chars: float = 0
    ) -> float:
        """US dollars of so many tokens (``cached`` are among ``tokens_in``) and characters."""
        per_cached = self.per_in if self.per_cached is None else self.per_cached
        sums = (tokens_in - cached) * self.per_in + cached * per_cached
        return (sums + tokens_out * self.per_out + chars * self.per_char) / 1e6


FREE = Price(0.0, 0.0, "free")


def price_of(settings: Endpoint, model: str | None = None) -> Price | None:
    """Return the price of a model, the Batch API's discount included; None where it is unknown.

    Never guessed: a snapshot's is its family's, and says so; another host's, or another model's,
    is unknown. A server on this machine costs nothing unless the configuration has a price.
    """
    model = model or str(getattr(settings, "model", ""))
    listed = chat_prices().get(urlsplit(settings.url).hostname or "", {})
    if settings.price_in is not None and settings.price_out is not None:
        price = Price(settings.price_in, settings.price_out, "configured", settings.price_cached)
    elif (row := _row(listed, model)) is not None:
        name, values = row
        family = "" if name == model else f" for {name}"
        cached = values.get("price_cached")
        source = f"listed {listed['seen']}{family}"
        price = Price(values["price_in"], values["price_out"], source, cached)
    else:
        return FREE if is_loopback(settings.url) else None
    if isinstance(settings, ChatModel) and settings.mode == "batch" and "batch_factor" in listed:
        factor = float(listed["batch_factor"])
        cached = None if price.per_cached is None else price.per_cached * factor
        price = replace(price, per_in=price.per_in * factor, per_out=price.per_out * factor)
        price = replace(price, per_cached=cached, source=f"{price.source}, batch")
    return price


def char_price(backend: str, configured: float | None) -> Price | None:
    """Return the price of a translation service that is paid by source characters."""
    if configured is not None:
        return Price(0.0, 0.0, "configured", per_char=configured)
    listed = _table().get("translation", {}).get(backend)
    if listed is None:
        return None
    return Price(0.0, 0.0, f"listed {listed['seen']}", per_char=listed["per_million_chars"])


def _row(listed: dict[str, Any], model: str) -> tuple[str, dict[str, Any]] | None:
    """A model's row, or the one of the family whose snapshot it is."""
    models: dict[str, Any] = listed.get("models", {})
    for name in (model, _SNAPSHOT.sub("", model)):
        if name in models:
            return name, models[name]
    return None


@functools.cache
def _table() -> dict[str, Any]:
    path = RESOURCES / "prices.yaml"
    held = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else None
    return held or {}


def chat_prices() -> dict[str, Any]:
    """Return the hosts of prices.yaml, each with its models."""
    found: dict[str, Any] = _table().get("chat") or {}
    return found
