"""Azure AI Translator, text translation 3.0, over REST.

Requests, limits and error codes: learn.microsoft.com, Translator, reference v3.0 (translate,
languages, status response codes) and service limits.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ...config.translators import AzureTranslator
from ...service.client import read_key
from ...service.failures import CallFailedError
from ...specs import TranslateSpec
from .base import Limits
from .codes import backend_code, require_offered, source_code
from .rest import RestBackend, TooLongError

_VERSION = {"api-version": "3.0"}
#: The text, the array or the request is too long.
_TOO_LONG = {"400050", "400072", "400077"}


class AzureBackend(RestBackend):
    """Up to 100 texts and 10,000 characters a request; the service takes 1,000 and 50,000, and
    answers shorter ones sooner."""

    limits = Limits(text_chars=10_000, batch_texts=100, batch_chars=10_000)

    def __init__(self, spec: TranslateSpec, translator: AzureTranslator, folder: Path | None):
        name = spec.translator_name
        where = f"translators.{name}"
        key = read_key(translator, where, translator.server_url)
        headers = {"Ocp-Apim-Subscription-Key": key}
        if translator.region:
            headers["Ocp-Apim-Subscription-Region"] = translator.region
        super().__init__(translator, name, translator.server_url, key, headers, folder)
        # A resource's own address serves other services, too: Translator has a path there.
        host = urlsplit(self._url).hostname or ""
        if "cognitiveservices." in host and "/translator/" not in self._url:
            self._url += "/translator/text/v3.0"
        self.settings: dict[str, Any] = {
            "backend": "azure",
            "source": source_code("azure", spec.pivot, spec.pivot_codes, where),
            "target": backend_code("azure", spec.lang, spec.lang_codes, where),
        }
        if translator.category:
            self.settings["category"] = translator.category
        try:
            offered = set(
                self._listed("/languages", _VERSION | {"scope": "translation"})["translation"]
            )
        except (KeyError, TypeError):
            raise self._stop("sent a reply of another shape") from None
        offered.add("pt")  # the service's own short form of pt-br, which not all lists name
        for side in ("source", "target"):
            code = self.settings[side]
            found = require_offered("azure", "Azure language", code, offered, where, spec.lang)
            self.settings[side] = found

    def _ask(self, texts: list[str]) -> tuple[str, dict[str, str], Any]:
        query = {**_VERSION, "from": self.settings["source"], "to": self.settings["target"]}
        if "category" in self.settings:
            # Without this, a custom model that is not there is replaced by the general one.
            query |= {"category": self.settings["category"], "allowFallback": "false"}
        return "/translate", query, [{"Text": text} for text in texts]

    def _read(self, body: Any) -> list[str]:
        return [str(entry["translations"][0]["text"]) for entry in body]

    def _fail(self, status: int, code: str, said: str) -> Exception | None:
        if status == 413 or code in _TOO_LONG:
            return TooLongError(f"refused by the server ({said})")
        if status == 401:
            hint = "" if "region" in said.lower() else "; a regional resource needs `region`, too"
            return self._stop(f"refused the key in {self._key_env} ({said}{hint})")
        if code == "403001":
            return self._stop(f"says that the free quota is used up ({said})")
        if status == 403:
            return self._stop(f"refused the key in {self._key_env} ({said})")
        if code in ("400005", "400020"):
            return CallFailedError(f"refused by the server ({said})")
        return None

    def _billed(self, texts: list[str]) -> int:
        """Code points, those beyond the Basic Multilingual Plane twice (Translator's FAQ)."""
        return sum(len(text.encode("utf-16-le")) // 2 for text in texts)


def make(spec: TranslateSpec, folder: Path | None) -> AzureBackend:
    """Return the backend of a shard."""
    assert isinstance(spec.translator, AzureTranslator)
    return AzureBackend(spec, spec.translator, folder)
