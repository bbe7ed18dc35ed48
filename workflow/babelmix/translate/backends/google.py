"""Google Cloud Translation, basic edition, over REST.

Not through the official client (google-cloud-translate): it brings gRPC and Google's credential
machinery, wants a service account or a login on the machine, and the basic edition that an API key
opens is one POST of four fields.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ...config.translators import GoogleTranslator
from ...errors import BabelmixError, unknown_name
from ...resources import language_catalogue
from ..money import Budget
from .base import Failure, Limits, Result, Unit
from .patience import Pace, Patience, ServiceError, asked_wait

if TYPE_CHECKING:
    import httpx2


def google_code(lang: str, codes: dict[str, str]) -> str:
    """Google's code of a language: configured, catalogued, or the same as ours."""
    catalogued = language_catalogue().get(lang, {}).get("codes", {})
    return str(codes.get("google") or catalogued.get("google") or lang)


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
        budget: Budget,
    ) -> None:
        import httpx2

        self._where = f"translators.{name}"
        self._key_env = translator.key_env
        key = os.environ.get(translator.key_env)
        if not key:
            raise BabelmixError(
                f"{self._where}: no key. Put it into the environment variable {translator.key_env} "
                "(`key_env` names another)."
            )
        self._url = f"{translator.server_url.rstrip('/')}/language/translate/v2"
        # The key goes into a header, not into the address, which servers and proxies log; and
        # redirects are not followed, so that it reaches no other host.
        self._client = httpx2.Client(
            headers={"X-Goog-Api-Key": key}, timeout=translator.timeout_s, follow_redirects=False
        )
        self.concurrency = translator.concurrency
        self._budget = budget
        pace = Pace(translator.requests_per_minute, translator.chars_per_minute)
        self._patience = Patience(self._where, pace)
        self.settings: dict[str, Any] = {
            "backend": "google",
            "source": google_code(pivot, {}),
            "target": google_code(lang, codes),
        }
        try:
            offered = self._patience.run(self._offered, 0)
        except ServiceError as error:
            raise self._stop(f"cannot be reached or is busy ({error.reason})") from None
        for code in (self.settings["source"], self.settings["target"]):
            if code not in offered:
                raise unknown_name("Google language", code, offered, f"{self._where} into '{lang}'")

    def translate(self, texts: list[str]) -> list[Result]:
        """Translate one batch."""
        chars = sum(map(len, texts))
        with self._budget.call(self._budget.price.of(chars)) as bill:
            try:
                results = self._patience.run(lambda: self._translated(texts), chars)
            except ServiceError as error:
                return [Failure(error.reason, content=not error.passing)] * len(texts)
            bill.cost = self._budget.price.of(chars)
        return results

    def _translated(self, texts: list[str]) -> list[Result]:
        body = {
            "q": texts,
            "source": self.settings["source"],
            "target": self.settings["target"],
            "format": "text",
        }
        return self._results(self._sent("POST", self._url, body), len(texts))

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
            raise ServiceError(type(error).__name__) from None
        status = response.status_code
        # A used-up rate is a 403 with this reason (cloud.google.com/translate/quotas).
        if status == 429 or status >= 500 or (status == 403 and "RateLimit" in response.text):
            raise ServiceError(f"HTTP {status}", wait_s=asked_wait(response.headers))
        if status in (401, 403):
            raise self._stop(f"refused the key in {self._key_env} (HTTP {status})")
        if status == 413:
            raise ServiceError("refused by the server (HTTP 413)", passing=False)
        if status != 200:
            raise self._stop(f"refused the request (HTTP {status})")
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
        return BabelmixError(
            f"{self._where}: {self._url} {what}. What is done is kept in the journal; run again to "
            "go on."
        )
