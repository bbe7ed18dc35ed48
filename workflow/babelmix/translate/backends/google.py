"""Google Cloud Translation, basic edition, over REST.

Not through the official client (google-cloud-translate): it brings gRPC and Google's credential
machinery, wants a service account or a login on the machine, and the basic edition that an API key
opens is one POST of four fields.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...config.translators import GoogleTranslator
from ...endpoints import retry_after
from ...errors import BabelmixError
from ...service import Ledger, ServiceStoppedError
from ...service.client import read_key
from ...service.failures import CallFailedError, words
from ...service.rates import RateLimiter
from ...service.retry import RetryPolicy
from ...specs import TranslateSpec
from ..cost import paid_by_chars, price_of
from .base import Failure, Limits, Result, Unit
from .codes import backend_code, require_offered, source_code

if TYPE_CHECKING:
    import httpx2


class GoogleBackend:
    """Up to 128 texts and 5,000 characters a request (cloud.google.com/translate/quotas)."""

    unit: Unit = "line"
    limits = Limits(text_chars=5_000, batch_texts=128, batch_chars=5_000)
    journalled = True
    by_length = False
    batch_dependent = False

    def __init__(
        self,
        translator: GoogleTranslator,
        name: str,
        pivot: str,
        lang: str,
        codes: dict[str, str],
        folder: Path | None = None,
        pivot_codes: dict[str, str] | None = None,
    ) -> None:
        import httpx2

        self._where = f"translators.{name}"
        self._key_env = translator.key_env
        key = read_key(translator, self._where)
        self._url = f"{translator.server_url.rstrip('/')}/language/translate/v2"
        # The key goes into a header, not into the address, which servers and proxies log; and
        # redirects are not followed, so that it reaches no other host.
        self._client = httpx2.Client(
            headers={"X-Goog-Api-Key": key}, timeout=translator.timeout_s, follow_redirects=False
        )
        self.concurrency = translator.concurrency
        self._timeout_s = translator.timeout_s
        self._price = price_of(translator)
        self.ledger = Ledger(folder, self._where, translator.max_cost) if folder else None
        rates = {"requests": translator.requests_per_minute, "chars": translator.chars_per_minute}
        self._rates = RateLimiter(folder, translator.server_url, key, rates)
        self._policy, self._lock = RetryPolicy(translator, self._where), threading.Lock()
        self.settings: dict[str, Any] = {
            "backend": "google",
            "source": source_code("google", pivot, pivot_codes or {}, self._where),
            "target": backend_code("google", lang, codes, self._where),
        }
        try:
            offered = self._policy.run(self._offered, self._lock)
        except CallFailedError as error:
            raise self._stop(f"cannot be reached or is busy ({error.reason})") from None
        for code in (self.settings["source"], self.settings["target"]):
            require_offered("google", "Google language", code, offered, self._where, lang)

    def translate(self, texts: list[str]) -> list[Result]:
        """Translate one batch."""
        try:
            return self._policy.run(lambda: self._translated(texts), self._lock)
        except CallFailedError as failure:
            return [Failure(failure.reason, content=not failure.passing)] * len(texts)

    def _translated(self, texts: list[str]) -> list[Result]:
        chars = sum(map(len, texts))
        body = {
            "q": texts,
            "source": self.settings["source"],
            "target": self.settings["target"],
            "format": "text",
        }
        self._rates.wait(requests=1, chars=chars)
        response = paid_by_chars(
            self.ledger,
            self._price,
            chars,
            self._timeout_s,
            lambda: self._sent("POST", self._url, body),
        )
        return self._results(response, len(texts))

    def _offered(self) -> set[str]:
        """Codes of the languages on offer; asking costs nothing."""
        response = self._sent("GET", f"{self._url}/languages", None)
        try:
            return {str(entry["language"]) for entry in response.json()["data"]["languages"]}
        except (ValueError, KeyError, TypeError):
            raise self._stop("sent a reply of another shape") from None

    def _sent(self, method: str, url: str, body: dict[str, Any] | None) -> httpx2.Response:
        import httpx2

        try:
            response = self._client.request(method, url, json=body)
        except httpx2.TransportError as error:
            sent = not isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout)
            raise CallFailedError(type(error).__name__, passing=True, usage=sent) from None
        status = response.status_code
        told = words(response.content)[2]
        said = f"HTTP {status}: {told}" if told not in ("", "{}") else f"HTTP {status}"
        # A used-up rate is a 403 with this reason (cloud.google.com/translate/quotas).
        limited = status == 429 or (status == 403 and "RateLimit" in response.text)
        if limited or status >= 500:
            wait = retry_after(response.headers)
            raise CallFailedError(said, passing=True, limited=limited, retry_after=wait)
        if status in (401, 403):
            raise self._stop(f"refused the key in {self._key_env} ({said})")
        if status == 413:
            raise CallFailedError(f"refused by the server ({said})")
        if status != 200:
            raise self._stop(f"refused the request ({said})")
        return response

    def _results(self, response: httpx2.Response, expected: int) -> list[Result]:
        try:
            found = [str(t["translatedText"]) for t in response.json()["data"]["translations"]]
        except (ValueError, KeyError, TypeError):
            raise self._stop("sent a reply of another shape") from None
        if len(found) != expected:
            return [Failure(f"{len(found)} translations for {expected} texts")] * expected
        return [text if text.strip() else Failure("empty translation") for text in found]

    def _stop(self, what: str) -> BabelmixError:
        return ServiceStoppedError(
            f"{self._where}: {self._url} {what}. What is done is kept in the journal; run again to "
            "go on."
        )


def make(spec: TranslateSpec, folder: Path | None) -> GoogleBackend:
    """Return the backend of a shard."""
    assert isinstance(spec.translator, GoogleTranslator)
    return GoogleBackend(
        spec.translator,
        spec.translator_name,
        spec.pivot,
        spec.lang,
        spec.lang_codes,
        folder,
        spec.pivot_codes,
    )
