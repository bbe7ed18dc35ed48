"""How many requests at once a server took last time: where the next job begins its search.

A note beside the journals, no output: without it, or with one that cannot be read, nothing is lost
but a second of search.
"""

from __future__ import annotations

import json
from pathlib import Path

from ..config.evaluation import OpenAIJudge
from ..io import digest, write_json
from .window import START

FILE = "window.json"


def recall(folder: Path | None, judge: OpenAIJudge) -> int:
    """Requests at once to begin with, as the last job with this server and model found them."""
    held = _read(folder).get(_server(judge)) if folder else None
    return held if isinstance(held, int) and held > 0 else START


def remember(folder: Path | None, judge: OpenAIJudge, size: int) -> None:
    """Note them for the next job."""
    if folder is None or recall(folder, judge) == size:
        return
    write_json(folder / FILE, _read(folder) | {_server(judge): size})


def _server(judge: OpenAIJudge) -> str:
    return digest([judge.base_url, judge.model])[:16]


def _read(folder: Path) -> dict[str, object]:
    try:
        held = json.loads((folder / FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    return held if isinstance(held, dict) else {}
