"""Google Cloud Translation, basic edition, over REST."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ...config.translators import GoogleTranslator
from ...errors import BabelmixError
from .base import Failure, Result

if TYPE_CHECKING:
    import httpx2

_TRIES = 6
_TIMEOUT_S = 60.0


class _Busy(Exception):
    """A rate limit or a server error; worth another try."""


class GoogleBackend:
    """Up to 100 segments a request; tries again after rate limits and outages."""

    whole_texts = False
    journalled = True
    batch_dependent = False
    batch_size = 100
    concurrency = 1

    def __init__(
        self,
        translator: GoogleTranslator,
        name: str,
        pivot: str,
        lang: str,
        codes: dict[str, str],
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
            headers={"X-Goog-Api-Key": key}, timeout=_TIMEOUT_S, follow_redirects=False
        )
        self.wait_s = 1.0
        self.settings: dict[str, Any] = {
            "backend": "google",
            "source": pivot,
            "target": codes.get("google") or lang,
        }

    def translate(self, texts: list[str]) -> list[Result]:
        """Translate one batch."""
        import httpx2
        from tenacity import Retrying, retry_if_exception_type, stop_after_attempt
        from tenacity import wait_random_exponential as wait

        retrying = Retrying(
            retry=retry_if_exception_type((_Busy, httpx2.TransportError)),
            stop=stop_after_attempt(_TRIES),
            wait=wait(multiplier=self.wait_s, max=60 * self.wait_s),
            reraise=True,
        )
        try:
            return retrying(self._post, texts)
        except (_Busy, httpx2.TransportError) as error:
            raise self._stop(
                f"is busy or cannot be reached ({error or type(error).__name__})"
            ) from None

    def _post(self, texts: list[str]) -> list[Result]:
        body = {
            "q": texts,
            "source": self.settings["source"],
            "target": self.settings["target"],
            "format": "text",
        }
        response = self._client.post(self._url, json=body)
        status = response.status_code
        if status == 429 or status >= 500:
            raise _Busy(f"HTTP {status}")
        if status in (401, 403):
            raise self._stop(f"refused the key in {self._key_env} (HTTP {status})")
        if status != 200:
            raise self._stop(f"refused the request (HTTP {status})")
        return self._results(response, len(texts))

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
