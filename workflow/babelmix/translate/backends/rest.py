"""What translation services over plain HTTP have in common: sending, counting, trying again."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...config.translators import AzureTranslator, GoogleTranslator, LibreTranslateTranslator
from ...endpoints import retry_after
from ...service import Ledger, ServiceStoppedError
from ...service.failures import CallFailedError, words
from ...service.rates import RateLimiter
from ...service.retry import RetryPolicy
from ..cost import paid_by_chars, price_of
from .base import Failure, Limits, Result, Unit

if TYPE_CHECKING:
    import httpx2


class TooLongError(CallFailedError):
    """A request that the server takes not whole, or answers in part; its parts may pass."""


class RestBackend(ABC):
    """Sends batches as JSON to one address. A subclass says what a request and a reply look like.

    Redirects are not followed, so that the key reaches no other host.
    """

    unit: Unit = "line"
    journalled = True
    by_length = False
    batch_dependent = False
    limits: Limits
    settings: dict[str, Any]

    def __init__(
        self,
        translator: AzureTranslator | GoogleTranslator | LibreTranslateTranslator,
        name: str,
        url: str,
        key: str,
        headers: dict[str, str],
        folder: Path | None,
    ) -> None:
        import httpx2

        self._where = f"translators.{name}"
        self._url = url.rstrip("/")
        self._key_env, self._key = translator.key_env, key
        self._client = httpx2.Client(
            headers=headers, timeout=translator.timeout_s, follow_redirects=False
        )
        self.concurrency = translator.concurrency
        self._timeout_s = translator.timeout_s
        self._price = price_of(translator)
        self.ledger = Ledger(folder, self._where, translator.max_cost) if folder else None
        rates = {"requests": translator.requests_per_minute, "chars": translator.chars_per_minute}
        self._rates = RateLimiter(folder, self._url, key, rates)
        self._policy, self._lock = RetryPolicy(translator, self._where), threading.Lock()

    # --- what a service says of itself -----------------------------------------------------------

    @abstractmethod
    def _ask(self, texts: list[str]) -> tuple[str, dict[str, str], Any]:
        """Return the path, the query and the JSON body of a request."""

    @abstractmethod
    def _read(self, body: Any) -> list[str]:
        """Return the translations in a reply; raises ValueError, KeyError or TypeError."""

    @abstractmethod
    def _fail(self, status: int, code: str, said: str) -> Exception | None:
        """Return what a status of 4xx means where it is not 429; None for a refused request."""

    def _is_limited(self, response: httpx2.Response) -> bool:
        """Whether a reply says that too much was asked at once."""
        return response.status_code == 429

    def _billed(self, texts: list[str]) -> int:
        """Characters of a request, as the service counts them."""
        return sum(map(len, texts))

    # --- calls -----------------------------------------------------------------------------------

    def translate(self, texts: list[str]) -> list[Result]:
        """Translate one batch, in two halves where it is too long or texts of it did not return.

        Which text a reply of another number leaves out cannot be known.
        """
        try:
            return self._policy.run(lambda: self._translated(texts), self._lock)
        except TooLongError as failure:
            if len(texts) == 1:
                return [Failure(failure.reason)]
            middle = len(texts) // 2  # a reply with too few texts was paid for, and so are these
            return self.translate(texts[:middle]) + self.translate(texts[middle:])
        except CallFailedError as failure:
            return [Failure(failure.reason, content=not failure.passing)] * len(texts)

    def _translated(self, texts: list[str]) -> list[Result]:
        path, query, body = self._ask(texts)
        chars = self._billed(texts)
        self._rates.wait(requests=1, chars=chars)
        response = paid_by_chars(
            self.ledger,
            self._price,
            chars,
            self._timeout_s,
            lambda: self._sent("POST", path, query, body),
        )
        try:
            found = self._read(response.json())
        except (ValueError, KeyError, TypeError, IndexError):
            raise self._stop("sent a reply of another shape") from None
        if len(found) != len(texts):
            raise TooLongError(f"{len(found)} translations for {len(texts)} texts")
        return [text if text.strip() else Failure("empty translation") for text in found]

    def _listed(self, path: str, query: dict[str, str]) -> Any:
        """Return the JSON of a list of languages; asking costs nothing."""
        try:
            return self._policy.run(lambda: self._sent("GET", path, query, None), self._lock).json()
        except CallFailedError as error:
            raise self._stop(f"cannot be reached or is busy ({error.reason})") from None
        except ValueError:
            raise self._stop("sent a reply of another shape") from None

    def _sent(self, method: str, path: str, query: dict[str, str], body: Any) -> httpx2.Response:
        import httpx2

        try:
            response = self._client.request(method, self._url + path, params=query, json=body)
        except httpx2.TransportError as error:
            sent = not isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout)
            raise CallFailedError(type(error).__name__, passing=True, usage=sent) from None
        status = response.status_code
        if status == 200:
            return response
        code, _, told = words(response.content)
        said = f"HTTP {status}: {told}" if told not in ("", "{}") else f"HTTP {status}"
        said = said.replace(self._key, "…") if self._key else said  # some servers quote the request
        limited = self._is_limited(response)
        if limited or status == 408 or status >= 500:
            wait = retry_after(response.headers)
            raise CallFailedError(said, passing=True, limited=limited, retry_after=wait)
        raise self._fail(status, code, said) or self._stop(f"refused the request ({said})")

    def _stop(self, what: str) -> ServiceStoppedError:
        return ServiceStoppedError(
            f"{self._where}: {self._url} {what}. What is done is kept in the journal; run again to "
            "resume."
        )
