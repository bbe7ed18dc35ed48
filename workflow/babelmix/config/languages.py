"""`languages`: what the pipeline knows of each language."""

from __future__ import annotations

from pydantic import Field

from .base import Section


class Language(Section):
    """One language. Known languages (resources/languages.yaml) need no field at all."""

    name: str = Field(description="English name, shown in tables and figures.")
    iso639_3: str = Field(description="Three-letter code, as Tatoeba, FLORES and Apertium use it.")
    script: str = Field(default="Latin", description="Writing system.")
    family: str = Field(default="", description="Language family or branch, shown in tables.")
    codes: dict[str, str] = Field(
        default_factory=dict,
        description="Codes of single translators where they differ, e.g. {deepl: EN-US}.",
    )
    system_prompt: str = Field(
        default="",
        description="System prompt in this language, for recipes and benchmarks that use one.",
    )
    pretraining_share: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Share of the base model's pre-training data; only where it is published.",
    )
