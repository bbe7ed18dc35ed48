"""Settings as the command line takes them, from the JSON that a test holds."""

from __future__ import annotations

import json


def as_options(text: str) -> list[str]:
    """JSON of a verb's settings -> ``--set NAME=VALUE …``."""
    values = json.loads(text)
    return [
        "--set",
        *(f"{k}={v if isinstance(v, str) else json.dumps(v)}" for k, v in values.items()),
    ]
