"""`translators`: how a language is made from the pivot."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .base import Lang, Section


class _Translator(Section):
    price_per_million_chars: float = Field(
        default=0.0, ge=0, description="US dollars a million source characters, for estimates."
    )


class MemoryTranslator(_Translator):
    """A translation memory: whole texts with translations made by people."""

    backend: Literal["memory"] = Field(description="Backend.")
    path: str = Field(description="JSONL file of the `parallel` shape; may hold `{data_root}`.")


class IdentityTranslator(_Translator):
    """Copies the source: a baseline and a way to measure our own overhead."""

    backend: Literal["identity"] = Field(description="Backend.")


class ApertiumTranslator(_Translator):
    """Apertium's rule-based engine, installed on the machine; runs offline."""

    backend: Literal["apertium"] = Field(description="Backend.")
    modes: dict[Lang, list[str]] = Field(
        description="Chain of Apertium modes a language, e.g. {fr: [eng-spa, es-fr]}."
    )


class OpenAITranslator(_Translator):
    """A chat model behind any OpenAI-compatible endpoint."""

    backend: Literal["openai"] = Field(description="Backend.")
    model: str = Field(description="Model id as the server knows it.")
    base_url: str | None = Field(
        default=None, description="Endpoint; left out, it is the openai client's own default."
    )
    key_env: str = Field(
        default="OPENAI_API_KEY", description="Environment variable that holds the key."
    )
    temperature: float = Field(default=0.0, ge=0, le=2, description="Sampling temperature.")
    max_tokens: int = Field(default=2048, ge=1, description="Longest translation, in tokens.")
    concurrency: int = Field(default=8, ge=1, description="Requests under way at once.")


class DeepLTranslator(_Translator):
    """DeepL's API through its official client (`pip install babelmix[deepl]`)."""

    backend: Literal["deepl"] = Field(description="Backend.")
    key_env: str = Field(
        default="DEEPL_AUTH_KEY", description="Environment variable that holds the key."
    )
    server_url: str | None = Field(default=None, description="Other server, e.g. a proxy.")


class GoogleTranslator(_Translator):
    """Google Cloud Translation (basic edition, REST)."""

    backend: Literal["google"] = Field(description="Backend.")
    key_env: str = Field(
        default="GOOGLE_API_KEY", description="Environment variable that holds the key."
    )
    server_url: str = Field(
        default="https://translation.googleapis.com", description="Server of the API."
    )


Translator = Annotated[
    MemoryTranslator
    | IdentityTranslator
    | ApertiumTranslator
    | OpenAITranslator
    | DeepLTranslator
    | GoogleTranslator,
    Field(discriminator="backend"),
]
