"""Where the repository's own resources live."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import yaml

#: Root of the checkout: the folder that holds `workflow/`, `config/` and `resources/`.
ROOT = Path(__file__).resolve().parents[2]
RESOURCES = ROOT / "resources"


@functools.cache
def language_catalogue() -> dict[str, dict[str, Any]]:
    """The known languages by code (resources/languages.yaml)."""
    return yaml.safe_load((RESOURCES / "languages.yaml").read_text(encoding="utf-8"))
