"""Google Cloud Translation, basic edition, over REST.

Not through the official client (google-cloud-translate): it brings gRPC and Google's credential
machinery, wants a service account or a login on the machine, and the basic edition that an API key
opens is one POST of four fields.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...config.translators import GoogleTranslator
from ...service.client import read_key
from ...specs import TranslateSpec
from .base import Limits
from .codes import backend_code, require_offered, source_code
from .rest import RestBackend, TooLongError

if TYPE_CHECKING:
    import httpx2


class GoogleBackend(RestBackend):
    """Up to 128 texts and 5,000 characters a request (cloud.google.com/translate/quotas)."""

    limits = Limits(text_chars=5_000, batch_texts=128, batch_chars=5_000)

    def __init__(self, spec: TranslateSpec, translator: GoogleTranslator, folder: Path | None):
        where = f"translators.{spec.translator_name}"
        key = read_key(translator, where)
        url = f"{translator.server_url.rstrip('/')}/language/translate/v2"
        # The key goes into a header, not into the address, which servers and proxies log.
        headers = {"X-Goog-Api-Key": key}
        super().__init__(translator, spec.translator_name, url, key, headers, folder)
        self.settings: dict[str, Any] = {
            "backend": "google",
            "source": source_code("google", spec.pivot, spec.pivot_codes, where),
            "target": backend_code("google", spec.lang, spec.lang_codes, where),
        }
        listed = self._listed("/languages", {})
        try:
            offered = {str(entry["language"]) for entry in listed["data"]["languages"]}
        except (KeyError, TypeError):
            raise self._stop("sent a reply of another shape") from None
        for side in ("source", "target"):
            code = self.settings[side]
            found = require_offered("google", "Google language", code, offered, where, spec.lang)
            self.settings[side] = found

    def _ask(self, texts: list[str]) -> tuple[str, dict[str, str], Any]:
        source, target = self.settings["source"], self.settings["target"]
        return "", {}, {"q": texts, "source": source, "target": target, "format": "text"}

    def _read(self, body: Any) -> list[str]:
        return [str(entry["translatedText"]) for entry in body["data"]["translations"]]

    def _is_limited(self, response: httpx2.Response) -> bool:
        """A used-up rate is a 403 with this reason (cloud.google.com/translate/quotas)."""
        used_up = response.status_code == 403 and "RateLimit" in response.text
        return used_up or super()._is_limited(response)

    def _fail(self, status: int, code: str, said: str) -> Exception | None:
        if status in (401, 403):
            return self._stop(f"refused the key in {self._key_env} ({said})")
        if status == 413:
            return TooLongError(f"refused by the server ({said})")
        return None


def make(spec: TranslateSpec, folder: Path | None) -> GoogleBackend:
    """Return the backend of a shard."""
    assert isinstance(spec.translator, GoogleTranslator)
    return GoogleBackend(spec, spec.translator, folder)
