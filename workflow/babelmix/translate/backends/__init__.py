"""Backends by the name that the configuration gives them."""

from __future__ import annotations

from pathlib import Path

from ...specs import TranslateSpec
from .base import Backend, Failure, Result

__all__ = ["Backend", "Failure", "Result", "make_backend"]


def make_backend(spec: TranslateSpec, folder: Path | None = None) -> Backend:
    """The backend of a shard. Raises BabelmixError when a key, program, mode or file is missing, or
    when the backend does not offer the language. ``folder``: where ledgers and rates lie.

    Only the chosen backend's module is imported: the clients of the others need not be installed.
    """
    translator, name = spec.translator, spec.translator_name
    if translator.backend == "memory":
        from .memory import MemoryBackend

        return MemoryBackend(translator, spec.pivot, spec.lang)
    if translator.backend == "identity":
        from .identity import IdentityBackend

        return IdentityBackend()
    if translator.backend == "apertium":
        from .apertium import ApertiumBackend

        return ApertiumBackend(translator, name, spec.lang)
    if translator.backend == "seq2seq":
        from .seq2seq import Seq2SeqBackend

        return Seq2SeqBackend(translator, name, spec.pivot, spec.lang, spec.lang_codes)
    given = (name, spec.pivot, spec.lang, spec.lang_codes, folder)
    if translator.backend == "openai":
        from .openai import OpenAIBackend

        return OpenAIBackend(translator, *given)
    if translator.backend == "deepl":
        from .deepl import DeepLBackend

        return DeepLBackend(translator, *given)
    from .google import GoogleBackend

    return GoogleBackend(translator, *given)
