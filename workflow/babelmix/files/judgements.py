"""Judgement files among what a person names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import BabelmixError


def find_files(places: Sequence[Path]) -> list[Path]:
    """The parquet files among and below the places; none is an error."""
    found: list[Path] = []
    for place in places:
        found += sorted(place.rglob("*.parquet")) if place.is_dir() else [place]
    if not found:
        raise BabelmixError(f"No judgement file in {', '.join(map(str, places))}.")
    return found
