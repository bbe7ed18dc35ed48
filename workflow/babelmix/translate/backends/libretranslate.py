"""LibreTranslate's API: `/translate` and `/languages` (docs.libretranslate.com).

What a server allows is its operator's choice (`--char-limit`, `--batch-limit`, `--req-limit`,
`--api-keys`); errors are `{"error": text}`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ...config.translators import LibreTranslateTranslator
from ...service.client import read_key
from ...specs import TranslateSpec
from .base import Limits
from .codes import backend_code, require_offered, source_code
from .rest import RestBackend, TooLongError

_KIND = "LibreTranslate language"


class LibreTranslateBackend(RestBackend):
    """Sends as much at once as the configuration says that the server takes."""

    def __init__(
        self, spec: TranslateSpec, translator: LibreTranslateTranslator, folder: Path | None
    ):
        name = spec.translator_name
        where = f"translators.{name}"
        self.limits = Limits(
            text_chars=translator.max_chars,
            batch_texts=translator.batch_texts,
            batch_chars=translator.max_chars,
        )
        named = bool(os.environ.get(translator.key_env, "").strip())
        key = read_key(translator, where, translator.server_url) if named else ""
        super().__init__(translator, name, translator.server_url, key, {}, folder)
        source = source_code("libretranslate", spec.pivot, spec.pivot_codes, where)
        target = backend_code("libretranslate", spec.lang, spec.lang_codes, where)
        listed = self._listed("/languages", {})
        try:
            targets = {str(entry["code"]): entry.get("targets") for entry in listed}
        except (KeyError, TypeError, AttributeError):
            raise self._stop("sent a reply of another shape") from None
        source = _listed_as(source, targets, where, spec.pivot)
        # Servers of old versions list no targets: then all languages are.
        offered = [str(code) for code in targets[source] or targets]
        target = _listed_as(target, offered, where, spec.lang)
        self.settings: dict[str, Any] = {
            "backend": "libretranslate",
            "source": source,
            "target": target,
        }

    def _ask(self, texts: list[str]) -> tuple[str, dict[str, str], Any]:
        body = {
            "q": texts,
            "source": self.settings["source"],
            "target": self.settings["target"],
            "format": "text",
        }
        # The key is a field of the body: that is where this API takes it.
        return "/translate", {}, body | ({"api_key": self._key} if self._key else {})

    def _read(self, body: Any) -> list[str]:
        found = body["translatedText"]
        if not isinstance(found, list):
            raise TypeError("one text for a list")
        return [str(text) for text in found]

    def _fail(self, status: int, code: str, said: str) -> Exception | None:
        if status == 413 or "exceeds text limit" in said:
            return TooLongError(
                f"refused by the server ({said}); `max_chars` and `batch_texts` say what it takes"
            )
        if "API key" in said:
            given = f"refused the key in {self._key_env}" if self._key else "asks for a key"
            hint = "" if self._key else f"; put it into the environment variable {self._key_env}"
            return self._stop(f"{given} ({said}{hint})")
        return None


def _listed_as(code: str, offered: Iterable[str], where: str, lang: str) -> str:
    """Return a language's code as this server spells it."""
    known = list(offered)
    code = require_offered("libretranslate", _KIND, code, known, where, lang)
    return next(one for one in known if one.lower() == code.lower())


def make(spec: TranslateSpec, folder: Path | None) -> LibreTranslateBackend:
    """Return the backend of a shard."""
    assert isinstance(spec.translator, LibreTranslateTranslator)
    return LibreTranslateBackend(spec, spec.translator, folder)
