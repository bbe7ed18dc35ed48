"""Backends by the name that the configuration gives them."""

from __future__ import annotations

from ...specs import TranslateSpec
from .base import Backend, Failure, Result

__all__ = ["Backend", "Failure", "Result", "make_backend"]


def make_backend(spec: TranslateSpec) -> Backend:
    """The backend of a shard. Raises BabelmixError when a key, program, mode or file is missing.

    Only the chosen backend's module is imported: the clients of the others need not be installed.
    """
    translator = spec.translator
    if translator.backend == "memory":
        from .memory import MemoryBackend

        return MemoryBackend(translator, spec.pivot, spec.lang)
    if translator.backend == "identity":
        from .identity import IdentityBackend

        return IdentityBackend()
    if translator.backend == "apertium":
        from .apertium import ApertiumBackend

        return ApertiumBackend(translator, spec.translator_name, spec.lang)
    if translator.backend == "openai":
        from .openai import OpenAIBackend

        return OpenAIBackend(
            translator, spec.translator_name, spec.pivot, spec.lang, spec.lang_codes
        )
    if translator.backend == "deepl":
        from .deepl import DeepLBackend

        return DeepLBackend(
            translator, spec.translator_name, spec.pivot, spec.lang, spec.lang_codes
        )
    from .google import GoogleBackend

    return GoogleBackend(translator, spec.translator_name, spec.pivot, spec.lang, spec.lang_codes)
