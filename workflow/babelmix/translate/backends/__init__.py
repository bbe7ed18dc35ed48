"""Backends by the name that the configuration gives them."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import cast

from ...specs import TranslateSpec
from .base import Backend, Failure, Result

__all__ = ["Backend", "Failure", "Result", "make_backend"]

#: The module of each backend; it has a function ``make(spec, folder) -> Backend``. Another one
#: needs a row here, its module, and its section in config/translators.py.
_MODULES = {
    "apertium",
    "azure",
    "deepl",
    "google",
    "identity",
    "libretranslate",
    "memory",
    "openai",
    "seq2seq",
}


def make_backend(spec: TranslateSpec, folder: Path | None = None) -> Backend:
    """Return the backend of a shard. ``folder``: where ledgers and rates lie.

    Only the chosen backend's module is imported: the clients of the others need not be installed.
    Raises BabelmixError when a key, program, mode or file is missing, or when the backend does not
    offer the language.
    """
    name = spec.translator.backend
    assert name in _MODULES, name
    return cast(Backend, import_module(f".{name}", __package__).make(spec, folder))
