"""A translation memory: whole messages with the translations that people made of them."""

from __future__ import annotations

from typing import Any

from ...config.translators import MemoryTranslator
from ...errors import BabelmixError
from ...sources.readers import read_rows
from .base import Failure, Result


class MemoryBackend:
    """Looks texts up in a JSONL file of the `parallel` shape (conversations or questions)."""

    whole_texts = True
    journalled = False
    batch_dependent = False
    batch_size = 10_000
    concurrency = 1

    def __init__(self, translator: MemoryTranslator, pivot: str, lang: str) -> None:
        self.settings: dict[str, Any] = {"backend": "memory"}
        self._path = translator.path
        self._pairs = _read_pairs(read_rows(translator.path), pivot, lang)
        if not self._pairs:
            raise BabelmixError(
                f"{translator.path}: no text in both '{pivot}' and '{lang}'. A translation memory "
                'has rows like {"turns": [{"role": "user", "en": "…", "de": "…"}]}.'
            )

    def translate(self, texts: list[str]) -> list[Result]:
        """The stored translations; a text that is not stored is a Failure."""
        missing = Failure("not in the translation memory")
        return [self._pairs.get(text, missing) for text in texts]


def _read_pairs(rows: list[Any], pivot: str, lang: str) -> dict[str, str]:
    """Source text -> translation; of several translations of one text the first counts."""
    pairs: dict[str, str] = {}
    for row in rows:
        if not isinstance(row, dict):
            continue
        for turn in [*(row.get("turns") or []), *(row.get("reference") or [])]:
            source, target = (turn.get(pivot), turn.get(lang)) if isinstance(turn, dict) else (0, 0)
            if isinstance(source, str) and isinstance(target, str) and target.strip():
                pairs.setdefault(source, target)
    return pairs
