"""A chat model behind any OpenAI-compatible endpoint, in real time: one text a request."""

from __future__ import annotations

from typing import Any

from ...config.translators import OpenAITranslator
from ...errors import BabelmixError
from ..money import Budget
from .base import Failure, Limits, Result, Unit
from .chat import Chat, open_client, read_reply
from .patience import Pace, Patience, ServiceError, asked_wait

#: Statuses that may pass.
_PASSING = {408, 409, 425, 429}


class OpenAIBackend:
    """Requests run in threads; one that the server asks to wait for holds all of them."""

    journalled = True
    batch_dependent = False
    by_length = False

    def __init__(
        self,
        translator: OpenAITranslator,
        name: str,
        pivot: str,
        lang: str,
        codes: dict[str, str],
        budget: Budget,
    ) -> None:
        self.unit: Unit = translator.unit
        self.limits = Limits(text_chars=translator.max_chars, batch_texts=1)
        self.concurrency = translator.concurrency
        self.chat = Chat(translator, pivot, lang, codes)
        self.settings = self.chat.settings
        self.budget = budget
        self.where = f"translators.{name}"
        self.key_env = translator.key_env
        self.client = open_client(translator, self.where)
        pace = Pace(translator.requests_per_minute, translator.chars_per_minute)
        self.patience = Patience(self.where, pace)

    def translate(self, texts: list[str]) -> list[Result]:
        """Translate one text after the other."""
        return [self._one(text) for text in texts]

    def _one(self, text: str) -> Result:
        worst = self.chat.worst_cost(text, self.budget.price)
        with self.budget.call(worst) as bill:
            try:
                reply = self.patience.run(lambda: self._ask(text), len(text))
            except ServiceError as error:
                return Failure(error.reason, content=not error.passing)
            bill.cost = self.chat.cost(text, reply, self.budget.price)
        return read_reply(text, reply)

    def _ask(self, text: str) -> Any:
        try:
            return self.client.chat.completions.create(**self.chat.body(text))
        except Exception as error:
            if self._limit_is_unknown(error):
                self.chat.limit_name = "max_completion_tokens"
                return self._ask(text)
            raise self.trouble(error) from None

    def _limit_is_unknown(self, error: Exception) -> bool:
        """Whether the server knows the limit of a reply's length by its newer name only."""
        return (
            getattr(error, "status_code", None) == 400
            and self.chat.limit_name == "max_tokens"
            and getattr(error, "param", None) == "max_tokens"
        )

    def trouble(self, error: Exception) -> ServiceError | BabelmixError:
        """What a failed call means: one text's failure, one that may pass, or the job's end."""
        import openai

        status = getattr(error, "status_code", None)
        if isinstance(error, openai.APITimeoutError):
            return ServiceError("no answer in time")
        if isinstance(error, openai.APIConnectionError):
            return ServiceError("connection failed")
        if status == 429 and getattr(error, "code", None) == "insufficient_quota":
            return self._stop("HTTP 429, the account's credit is used up", "Top it up.")
        if status in (401, 403):
            hint = f"Check the key in the environment variable {self.key_env}."
            return self._stop(f"HTTP {status}", hint)
        if status == 404 or (isinstance(status, int) and 300 <= status < 400):
            return self._stop(f"HTTP {status}", "Check `model` and `base_url`.")
        if status is not None and (status in _PASSING or status >= 500):
            wait = asked_wait(error.response.headers) if hasattr(error, "response") else None
            return ServiceError(f"HTTP {status}", wait_s=wait)
        if status is not None:
            return ServiceError(f"refused by the server (HTTP {status})", passing=False)
        # Half a JSON, or JSON of another shape: the client raises whatever its parser raises.
        return ServiceError("a reply that is no completion")

    def _stop(self, what: str, hint: str) -> BabelmixError:
        return BabelmixError(
            f"{self.where}: the server did not translate ({what}). {hint} What is done is kept in "
            "the journal; run again to go on."
        )
