"""`translators`: how a language is made from the pivot.

Keys named in a class's ``EXECUTION_ONLY`` say where, how fast and for how much, never what comes
out: changing one reruns nothing (see ``base.Section``).
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from .base import Lang, Section
from .prompt import check_prompt, is_prompt_file
from .service import ChatModel, PaidService

Unit = Literal["message", "line", "sentence"]


class _Translator(Section):
    EXECUTION_ONLY: ClassVar[frozenset[str]] = frozenset({"price_per_million_chars"})

    price_per_million_chars: float | None = Field(
        default=None,
        ge=0,
        description="US dollars a million source characters; left out, it is the dated price of "
        "`resources/prices.yaml`, if there is one. Programs on this machine cost nothing.",
    )


class _Service(PaidService, _Translator):
    """A paid or shared service over the network."""

    EXECUTION_ONLY: ClassVar[frozenset[str]] = (
        _Translator.EXECUTION_ONLY | PaidService.EXECUTION_ONLY
    )


class MemoryTranslator(_Translator):
    """A translation memory: texts with translations made by people."""

    backend: Literal["memory"] = Field(description="Backend.")
    path: str = Field(
        description="JSONL of the `parallel` shape, TMX, or parquet with a column a language or a "
        "`translation` column; may hold `{data_root}`."
    )


class IdentityTranslator(_Translator):
    """Copies the source: a baseline and a way to measure our own overhead."""

    backend: Literal["identity"] = Field(description="Backend.")


class ApertiumTranslator(_Translator):
    """Apertium's rule-based engine, installed on the machine; runs offline."""

    backend: Literal["apertium"] = Field(description="Backend.")
    modes: dict[Lang, list[str]] = Field(
        description="Chain of Apertium modes a language, e.g. {fr: [eng-spa, es-fr]}."
    )


class Seq2SeqTranslator(_Translator):
    """A local translation model through transformers or CTranslate2."""

    EXECUTION_ONLY: ClassVar[frozenset[str]] = _Translator.EXECUTION_ONLY | {
        "device",
        "batch_tokens",
        "threads",
    }

    backend: Literal["seq2seq"] = Field(description="Backend.")
    family: Literal["nllb", "m2m100", "madlad", "opus-mt"] = Field(
        description="How the model is told the languages: codes like `deu_Latn` (nllb) or `de` "
        "(m2m100) that open the text and its translation, `<2de>` before the text (madlad), or "
        "`>>deu<<` where a model has several targets (opus-mt)."
    )
    model: str = Field(
        description="Repository or folder; may hold `{pivot}` and `{lang}` (opus-mt has a model a "
        "pair). For CTranslate2 a converted folder."
    )
    revision: str | None = Field(default=None, description="Revision of the repository.")
    engine: Literal["transformers", "ctranslate2"] = Field(
        default="transformers",
        description="What runs it; CTranslate2 needs `pip install babelmix[ctranslate2]`.",
    )
    tokenizer: str | None = Field(
        default=None, description="Repository or folder of the tokenizer, if not the model's."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="Where it runs.")
    dtype: Literal["float32", "bfloat16", "float16", "int8"] = Field(
        default="float32", description="Arithmetic; int8 with CTranslate2 only."
    )
    beams: int = Field(default=4, ge=1, description="Beams of the search.")
    unit: Unit = Field(
        default="sentence", description="What one text is; such models are trained on sentences."
    )
    max_tokens: int = Field(default=400, ge=8, description="Longest translation, in tokens.")
    max_chars: int = Field(default=800, ge=20, description="Longest text, in characters.")
    batch_tokens: int = Field(
        default=4096,
        ge=16,
        description="Tokens of a batch, padding included; lower it for less memory.",
    )
    threads: int = Field(default=1, ge=1, description="CPU threads of CTranslate2.")

    @model_validator(mode="after")
    def _int8(self) -> Self:
        if self.dtype == "int8" and self.engine != "ctranslate2":
            raise ValueError("`dtype: int8` needs `engine: ctranslate2`")
        return self


class OpenAITranslator(ChatModel, _Service):
    """A chat model behind any OpenAI-compatible endpoint."""

    EXECUTION_ONLY: ClassVar[frozenset[str]] = _Service.EXECUTION_ONLY | ChatModel.EXECUTION_ONLY

    backend: Literal["openai"] = Field(description="Backend.")
    max_tokens: int = Field(default=4096, ge=1, description="Longest translation, in tokens.")
    unit: Unit = Field(
        default="message",
        description="What one request translates. Whole messages give the model context and cost "
        "one prompt each; where marks or lines get lost, lines are asked for one by one.",
    )
    max_chars: int = Field(
        default=4000, ge=20, description="Longest text of a request; longer messages are cut."
    )
    concurrency: int = Field(default=8, ge=1, description="Requests under way at once.")
    prompt: str | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="Your own instruction: a text, or a file ending in .txt or .md (may hold "
        "`{data_root}`). Slots: {source} and {target} (names), {source_code}, {target_code}, and "
        "{text}: with it the prompt is the user's message, else the system's. Changing it "
        "translates again.",
    )

    @field_validator("prompt")
    @classmethod
    def _prompt_or_file(cls, prompt: str | None) -> str | None:
        if prompt is not None and not is_prompt_file(prompt):
            check_prompt(prompt)
        return prompt

    @model_validator(mode="after")
    def _paid_by_tokens(self) -> Self:
        if self.price_per_million_chars is not None:
            raise ValueError(
                "`price_per_million_chars`: a chat model is paid by tokens. Give `price_in` and "
                "`price_out` (US dollars per million)"
            )
        return self


class DeepLTranslator(_Service):
    """DeepL's API through its official client (`pip install babelmix[deepl]`)."""

    EXECUTION_ONLY: ClassVar[frozenset[str]] = _Service.EXECUTION_ONLY | {"server_url"}

    backend: Literal["deepl"] = Field(description="Backend.")
    key_env: str = Field(
        default="DEEPL_AUTH_KEY", description="Environment variable that holds the key."
    )
    server_url: str | None = Field(default=None, description="Other server, e.g. a proxy.")
    glossaries: dict[Lang, str] = Field(
        default_factory=dict, description="Id of a DeepL glossary for a target language."
    )
    formality: Literal["default", "prefer_more", "prefer_less"] = Field(
        default="default", description="Formal or informal address, where the language has it."
    )


class GoogleTranslator(_Service):
    """Google Cloud Translation (basic edition, REST)."""

    EXECUTION_ONLY: ClassVar[frozenset[str]] = _Service.EXECUTION_ONLY | {"server_url"}

    backend: Literal["google"] = Field(description="Backend.")
    key_env: str = Field(
        default="GOOGLE_API_KEY", description="Environment variable that holds the key."
    )
    server_url: str = Field(
        default="https://translation.googleapis.com", description="Server of the API."
    )


class LibreTranslateTranslator(_Service):
    """LibreTranslate, on a server of your own or a hosted one."""

    EXECUTION_ONLY: ClassVar[frozenset[str]] = _Service.EXECUTION_ONLY | {
        "server_url",
        "batch_texts",
        "max_chars",
    }

    backend: Literal["libretranslate"] = Field(description="Backend.")
    server_url: str = Field(description="Server, e.g. http://127.0.0.1:5000.")
    key_env: str = Field(
        default="LIBRETRANSLATE_API_KEY",
        description="Environment variable that holds the key; a server that asks for none needs "
        "none.",
    )
    batch_texts: int = Field(
        default=20, ge=1, description="Texts of a request; the server's `--batch-limit`."
    )
    max_chars: int = Field(
        default=2000,
        ge=20,
        description="Characters of a request; the server's `--char-limit`.",
    )


class AzureTranslator(_Service):
    """Azure AI Translator (text translation 3.0, REST)."""

    EXECUTION_ONLY: ClassVar[frozenset[str]] = _Service.EXECUTION_ONLY | {"server_url", "region"}

    backend: Literal["azure"] = Field(description="Backend.")
    key_env: str = Field(
        default="AZURE_TRANSLATOR_KEY", description="Environment variable that holds the key."
    )
    region: str | None = Field(
        default=None,
        description="Region of the resource, e.g. westeurope; a global resource needs none.",
    )
    server_url: str = Field(
        default="https://api.cognitive.microsofttranslator.com",
        description="Server of the API, or the resource's own address "
        "(https://NAME.cognitiveservices.azure.com).",
    )
    category: str | None = Field(
        default=None, description="Category of a custom model (Custom Translator)."
    )


#: Services that take money or share a host: these have a cap and rates.
Service = (
    OpenAITranslator
    | DeepLTranslator
    | GoogleTranslator
    | LibreTranslateTranslator
    | AzureTranslator
)

Translator = Annotated[
    MemoryTranslator
    | IdentityTranslator
    | ApertiumTranslator
    | Seq2SeqTranslator
    | OpenAITranslator
    | DeepLTranslator
    | GoogleTranslator
    | LibreTranslateTranslator
    | AzureTranslator,
    Field(discriminator="backend"),
]
