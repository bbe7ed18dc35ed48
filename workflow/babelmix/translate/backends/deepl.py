"""DeepL's API through its official client."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ...config.translators import DeepLTranslator
from ...errors import BabelmixError
from ...service import Ledger, ServiceStoppedError
from ...service.client import read_key
from ...service.failures import CallFailedError
from ...service.rates import RateLimiter
from ...service.retry import RetryPolicy
from ...specs import TranslateSpec
from ..cost import paid_by_chars, price_of
from .base import Failure, Limits, Result, Unit
from .codes import backend_code, require_offered, source_code

T = TypeVar("T")


class DeepLBackend:
    """Up to 50 texts a request; the client waits and retries after rate limits and outages.

    A request may hold 128 KiB (developers.deepl.com/docs/resources/usage-limits); a character
    takes at most 12 bytes there (a surrogate pair, escaped).
    """

    unit: Unit = "line"
    limits = Limits(text_chars=9_000, batch_texts=50, batch_chars=10_000)
    journalled = True
    by_length = False
    batch_dependent = False

    def __init__(self, spec: TranslateSpec, translator: DeepLTranslator, folder: Path | None):
        self._where, lang = f"translators.{spec.translator_name}", spec.lang
        try:
            import deepl
        except ImportError:
            raise BabelmixError(
                f"{self._where}: DeepL's client is not installed: `pip install deepl`."
            ) from None
        self._key_env = translator.key_env
        key = read_key(translator, self._where)
        self.concurrency = translator.concurrency
        self._timeout_s = translator.timeout_s
        self._price = price_of(translator)
        self.ledger = Ledger(folder, self._where, translator.max_cost) if folder else None
        url = translator.server_url or "https://api.deepl.com"
        rates = {"requests": translator.requests_per_minute, "chars": translator.chars_per_minute}
        self._rates = RateLimiter(folder, url, key, rates)
        self._policy, self._lock = RetryPolicy(translator, self._where), threading.Lock()
        self._client = deepl.DeepLClient(key, server_url=translator.server_url)
        self.settings: dict[str, Any] = {
            "backend": "deepl",
            "source": source_code("deepl", spec.pivot, spec.pivot_codes),
            "target": backend_code("deepl", lang, spec.lang_codes, self._where),
        }
        # Only what is asked for goes into the key, so that defaults added later change none.
        if lang in translator.glossaries:
            self.settings["glossary"] = translator.glossaries[lang]
        if translator.formality != "default":
            self.settings["formality"] = translator.formality
        self._check_offer(lang)

    def _check_offer(self, lang: str) -> None:
        """Refuse a language or glossary that DeepL does not offer; asking costs nothing."""
        source, target = self.settings["source"], self.settings["target"]
        offered = self._safely(
            lambda: (
                {language.code.upper() for language in self._client.get_source_languages()},
                {language.code.upper() for language in self._client.get_target_languages()},
            )
        )
        for code, known in zip((source, target.upper()), offered, strict=True):
            require_offered("deepl", "DeepL language", code, known, self._where, lang)
        if "glossary" in self.settings:
            number = self.settings["glossary"]
            found = self._safely(lambda: self._client.get_glossary(number))
            pair = (found.source_lang.upper(), found.target_lang.upper())
            if pair != (source, target.partition("-")[0].upper()):
                raise BabelmixError(
                    f"{self._where}.glossaries.{lang}: glossary '{found.name}' is for "
                    f"{pair[0]} to {pair[1]}."
                )

    def translate(self, texts: list[str]) -> list[Result]:
        """Translate one batch."""
        chars = sum(map(len, texts))
        try:
            replies = self._policy.run(lambda: self._translated(texts, chars), self._lock)
        except CallFailedError as failure:
            return [Failure(failure.reason, content=not failure.passing)] * len(texts)
        found = replies if isinstance(replies, list) else [replies]
        if len(found) != len(texts):
            return [Failure(f"{len(found)} translations for {len(texts)} texts")] * len(texts)
        return [
            reply.text if reply.text.strip() else Failure("empty translation") for reply in found
        ]

    def _translated(self, texts: list[str], chars: int) -> Any:
        def ask() -> Any:
            return self._client.translate_text(
                texts,
                source_lang=self.settings["source"],
                target_lang=self.settings["target"],
                glossary=self.settings.get("glossary"),
                formality=self.settings.get("formality"),
                preserve_formatting=True,
            )

        self._rates.wait(requests=1, chars=chars)
        return paid_by_chars(
            self.ledger, self._price, chars, self._timeout_s, lambda: self._safely(ask)
        )

    def _safely(self, call: Callable[[], T]) -> T:
        """One call; what the client raises becomes the end of the job, with a hint."""
        import deepl

        try:
            return call()
        except deepl.AuthorizationException:
            raise self._stop(f"refused the key in {self._key_env}") from None
        except deepl.QuotaExceededException:
            raise self._stop("says that the account's quota is used up") from None
        except deepl.TooManyRequestsException:
            raise CallFailedError("DeepL is too busy", passing=True, limited=True) from None
        except deepl.ConnectionException as error:
            told = " ".join(str(error).split())[:300]
            reason = f"connection failed ({told})"
            raise CallFailedError(reason, passing=True, usage=True) from None
        except deepl.DeepLException as error:
            raise self._stop(f"refused the request ({str(error)[:200]})") from None
        except (TypeError, ValueError, AttributeError, KeyError):
            # The client does not check the shape of what, say, a proxy answers.
            raise self._stop("sent a reply of another shape") from None

    def _stop(self, what: str) -> BabelmixError:
        return ServiceStoppedError(
            f"{self._where}: DeepL {what}. What is done is kept in the journal; run again to "
            "resume."
        )


def make(spec: TranslateSpec, folder: Path | None) -> DeepLBackend:
    """Return the backend of a shard."""
    assert isinstance(spec.translator, DeepLTranslator)
    return DeepLBackend(spec, spec.translator, folder)
