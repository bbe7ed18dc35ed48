"""What every paid or served model has in common, whoever asks it: judges, translators, answers.

A class's ``RUNTIME`` names the keys that say where, how fast and for how much it is asked. They
change no result: changing one reruns nothing (see ``essence``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self
from urllib.parse import parse_qs, urlsplit

from pydantic import Field, model_validator

from .base import Section

#: Given explicitly, so that no environment variable can send a key to another host.
OPENAI_URL = "https://api.openai.com/v1"


def _unset(value: Any) -> bool:
    """Whether a key is left out of a job's settings: it was added later, and is at its default."""
    return value is None or value in ({}, 0.0, "openai")


class Runnable(Section):
    """A section of which some keys change no result."""

    RUNTIME: ClassVar[frozenset[str]] = frozenset()

    def essence(self) -> Self:
        """Return this section without what changes no result: what reruns depend on.

        A key that has no default (a server's address) is empty.
        """
        fields = type(self).model_fields
        neutral = {
            name: ""
            if fields[name].is_required()
            else fields[name].get_default(call_default_factory=True)
            for name in self.RUNTIME
        }
        return self.model_copy(update=neutral)

    def with_runtime(self, other: Runnable) -> Self:
        """Return this section with the runtime keys of another of its kind."""
        return self.model_copy(update={name: getattr(other, name) for name in self.RUNTIME})


class PaidService(Runnable):
    """A paid or shared service over the network: its key, cap and rates."""

    RUNTIME: ClassVar[frozenset[str]] = frozenset(
        {
            "key_env",
            "max_cost",
            "confirm_cost",
            "accept_failures",
            "requests_per_minute",
            "chars_per_minute",
            "concurrency",
            "timeout_s",
        }
    )
    if TYPE_CHECKING:
        key_env: str

    max_cost: float | None = Field(
        default=None,
        ge=0,
        description="Cap in US dollars on what it may spend in the study set: all jobs, languages, "
        "runs and restarts together. Needs a price.",
    )
    confirm_cost: float | None = Field(
        default=None,
        ge=0,
        exclude_if=_unset,
        description="The most US dollars that it may be estimated to spend in the study set; "
        "without it nothing over 5 dollars starts.",
    )
    requests_per_minute: float | None = Field(
        default=None,
        gt=0,
        description="Most requests per minute of its key, all jobs together; left out, no limit.",
    )
    chars_per_minute: float | None = Field(
        default=None,
        gt=0,
        description="Most characters per minute of its key, all jobs together; left out, no limit.",
    )
    concurrency: int = Field(default=1, ge=1, description="Requests under way at once.")
    timeout_s: float = Field(default=120.0, gt=0, description="Patience for one request, seconds.")
    accept_failures: float = Field(
        default=0.0,
        ge=0,
        le=1,
        exclude_if=_unset,
        description="Share of a job's calls that may fail for a passing reason (server errors, "
        "time-outs), or be refused in a row in words that no rule knows. With more "
        "the job fails, and the next run asks only for the rest.",
    )


class Endpoint(PaidService):
    """A model behind any OpenAI-compatible endpoint: where it is and what it costs."""

    RUNTIME: ClassVar[frozenset[str]] = PaidService.RUNTIME | {
        "base_url",
        "api",
        "api_version",
        "organisation",
        "extra_headers",
        "tokens_per_minute",
        "max_retries",
        "price_in",
        "price_out",
        "price_cached",
    }

    base_url: str | None = Field(
        default=None, description="Endpoint, as https://host/v1; left out, it is OpenAI's own."
    )
    key_env: str = Field(
        default="OPENAI_API_KEY", description="Environment variable that holds the key."
    )
    api: Literal["openai", "azure"] = Field(
        default="openai",
        exclude_if=_unset,
        description="`azure`: the key goes into an `api-key` header and `api_version` into the "
        "address. A `base_url` on azure.com, or one with `?api-version=`, counts as azure.",
    )
    api_version: str | None = Field(
        default=None, exclude_if=_unset, description="Azure's API version, e.g. 2024-10-21."
    )
    organisation: str | None = Field(
        default=None, exclude_if=_unset, description="Organisation that is billed."
    )
    extra_headers: dict[str, str] = Field(
        default_factory=dict,
        exclude_if=_unset,
        description="More headers; a value `$NAME` is read from the environment variable NAME.",
    )
    tokens_per_minute: float | None = Field(
        default=None,
        gt=0,
        exclude_if=_unset,
        description="Most prompt tokens per minute of its key, all jobs together.",
    )
    max_retries: int = Field(
        default=6,
        ge=0,
        exclude_if=lambda value: value == 6,
        description="Further tries after a time-out or server error; rate limits are no tries.",
    )
    price_in: float | None = Field(
        default=None,
        ge=0,
        description="US dollars per million prompt tokens, for estimates and the cap; left out, as "
        "listed in resources/prices.yaml. Goes with `price_out`; 0 and 0 says that it is free.",
    )
    price_out: float | None = Field(
        default=None, ge=0, description="US dollars per million completion tokens; likewise."
    )
    price_cached: float | None = Field(
        default=None,
        ge=0,
        exclude_if=_unset,
        description="US dollars per million prompt tokens that the server had in its cache; left "
        "out with `price_in`, they count in full.",
    )

    reasoning_effort: str | None = Field(
        default=None,
        exclude_if=_unset,
        description="How much a reasoning model thinks, in the server's words (low, medium, high).",
    )

    extra_body: dict[str, Any] = Field(
        default_factory=dict,
        exclude_if=_unset,
        description="More fields of each request, as the server knows them.",
    )

    @model_validator(mode="after")
    def _both_prices(self) -> Self:
        if (self.price_in is None) != (self.price_out is None):
            given, missing = ("price_in", "price_out")[:: 1 if self.price_out is None else -1]
            raise ValueError(
                f"`{given}` without `{missing}`: give both (0 where there is nothing to pay)"
            )
        return self

    def extras(self) -> dict[str, Any]:
        """What a request says beside the common fields; only what is set."""
        effort = self.reasoning_effort
        return ({} if effort is None else {"reasoning_effort": effort}) | self.extra_body

    @property
    def url(self) -> str:
        """The endpoint's address."""
        return self.base_url or OPENAI_URL

    @property
    def is_azure(self) -> bool:
        """Whether it is asked in Azure's way."""
        parts = urlsplit(self.url)
        host = (parts.hostname or "").lower()
        named = host.endswith(".azure.com") or "api-version" in parse_qs(parts.query)
        return self.api == "azure" or named


class ChatModel(Endpoint):
    """A chat model: how it is sampled, and in which mode it is asked."""

    RUNTIME: ClassVar[frozenset[str]] = Endpoint.RUNTIME | {"mode", "poll_s"}

    model: str = Field(description="Model id as the server knows it.")
    temperature: float | None = Field(
        default=0.0,
        ge=0,
        le=2,
        description="Sampling temperature; `null` leaves it to the model (some take only that).",
    )
    max_tokens: int = Field(default=2048, ge=1, description="Longest reply, in tokens.")
    top_p: float | None = Field(
        default=None, gt=0, le=1, exclude_if=_unset, description="Nucleus sampling."
    )
    seed: int | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="Seed of sampling, where the server takes one.",
    )
    mode: Literal["realtime", "batch"] = Field(
        default="realtime",
        description="`batch`: through the server's Batch API (OpenAI's: half price, within 24 "
        "hours); a job that is stopped collects its batches when it is started again.",
    )
    poll_s: float = Field(default=60.0, gt=0, description="Seconds between looks at a batch.")

    def sampling(self) -> dict[str, Any]:
        """What a request says of sampling beside temperature and limit; only what is set."""
        named = {"top_p": self.top_p, "seed": self.seed}
        return {name: value for name, value in named.items() if value is not None} | self.extras()
