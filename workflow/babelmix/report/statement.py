"""A finding in one sentence."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Statement:
    """A finding: its sentence, a note in small print, and the kinds of figure that show it."""

    text: str
    note: str
    figures: tuple[str, ...]
