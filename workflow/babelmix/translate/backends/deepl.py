"""DeepL's API through its official client."""

from __future__ import annotations

import os
from typing import Any

from ...config.translators import DeepLTranslator
from ...errors import BabelmixError
from .base import Failure, Result

#: DeepL takes no bare code for these target languages.
_REGIONAL = {"en": "EN-US", "pt": "PT-PT"}


class DeepLBackend:
    """Up to 50 segments a request; the client waits and retries after rate limits and outages."""

    whole_texts = False
    journalled = True
    batch_dependent = False
    batch_size = 50
    concurrency = 1

    def __init__(
        self,
        translator: DeepLTranslator,
        name: str,
        pivot: str,
        lang: str,
        codes: dict[str, str],
    ) -> None:
        try:
            import deepl
        except ImportError:
            raise BabelmixError(
                f"translators.{name}: DeepL's client is not installed: `pip install deepl`."
            ) from None
        key = os.environ.get(translator.key_env)
        if not key:
            raise BabelmixError(
                f"translators.{name}: no key. Put it into the environment variable "
                f"{translator.key_env} (`key_env` names another)."
            )
        self._where = f"translators.{name}"
        self._key_env = translator.key_env
        self._client = deepl.DeepLClient(key, server_url=translator.server_url)
        self.settings: dict[str, Any] = {
            "backend": "deepl",
            "source": pivot.partition("-")[0].upper(),
            "target": codes.get("deepl") or _REGIONAL.get(lang, lang.upper()),
        }

    def translate(self, texts: list[str]) -> list[Result]:
        """Translate one batch."""
        import deepl

        try:
            replies = self._client.translate_text(
                texts,
                source_lang=self.settings["source"],
                target_lang=self.settings["target"],
                preserve_formatting=True,
            )
        except deepl.AuthorizationException:
            raise self._stop(f"refused the key in {self._key_env}") from None
        except deepl.QuotaExceededException:
            raise self._stop("says that the account's quota is used up") from None
        except (deepl.TooManyRequestsException, deepl.ConnectionException):
            raise self._stop("cannot be reached or is too busy") from None
        except deepl.DeepLException as error:
            raise self._stop(f"refused the request ({str(error)[:200]})") from None
        except (TypeError, ValueError, AttributeError):
            # The client does not check the shape of what, say, a proxy answers.
            raise self._stop("sent a reply of another shape") from None
        found = replies if isinstance(replies, list) else [replies]
        if len(found) != len(texts):
            return [Failure(f"{len(found)} translations for {len(texts)} texts")] * len(texts)
        return [
            reply.text if reply.text.strip() else Failure("empty translation") for reply in found
        ]

    def _stop(self, what: str) -> BabelmixError:
        return BabelmixError(
            f"{self._where}: DeepL {what}. What is done is kept in the journal; run again to go on."
        )
