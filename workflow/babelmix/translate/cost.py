"""What a translation costs."""

from __future__ import annotations

from ..config.translators import Translator


def estimate(n_chars: int, translator: Translator) -> float:
    """US dollars for ``n_chars`` source characters at the translator's configured price."""
    return n_chars * translator.price_per_million_chars / 1e6
