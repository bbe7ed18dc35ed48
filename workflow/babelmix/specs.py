"""What each verb is told: exactly the configuration it depends on, and nothing else.

A rule passes one of these as JSON (``--spec``) and lists it under ``params``, so that Snakemake
reruns a job when, and only when, a key that matters to it changes. ``version`` is the stage's own
(``stages.STAGE_VERSIONS``), raised by hand when its output would change.
"""

from __future__ import annotations

from pydantic import Field

from .config.base import Lang, Name, Section
from .config.evaluation import Generation, Judge, Protocol
from .config.sources import Source
from .config.training import Model, Recipe
from .config.translators import Translator


class Spec(Section):
    """Base of all specs."""

    version: int = Field(description="The stage's version.")


class FetchSpec(Spec):
    """Fetch or verify one source. Paths are resolved; ``{lang}`` placeholders remain."""

    name: Name
    source: Source


class NormaliseSpec(Spec):
    """Sources -> one language of a pool, as the sources hold it."""

    dataset: Name
    lang: Lang
    pivot: Lang
    sources: dict[Name, Source]
    rows: int | None
    max_chars: int | None
    seed: int


class TranslateSpec(Spec):
    """One shard of one language."""

    dataset: Name
    lang: Lang
    pivot: Lang
    shard: int
    shards: int
    translator_name: Name
    translator: Translator
    lang_codes: dict[str, str] = Field(default_factory=dict, description="Of the target language.")


class CollectSpec(Spec):
    """Shards (or the normalised file) of one language -> the pool's file of that language."""

    dataset: Name
    lang: Lang
    pivot: Lang
    on_failed_check: str


class PoolSpec(Spec):
    """Which ids a pool offers, and which of them are held out."""

    dataset: Name
    languages: list[Lang]
    pivot: Lang
    on_failed_check: str
    dev_rows: int
    seed: int


class MixtureSpec(Spec):
    """One mixture, fully expanded.

    ``kind`` ``parallel``: every id in every language. ``blocks``: each id once; the first
    ``mixed_rows`` ids of the seeded order take ``languages`` in turn (by ``weights`` where given),
    the rest ``main``.
    """

    name: Name
    dataset: Name
    kind: str
    languages: list[Lang]
    main: Lang | None
    mixed_percent: float | None
    mixed_rows: int | None
    weights: dict[Lang, float] | None
    rows: int | None
    seed: int


class BenchmarkSpec(Spec):
    """Questions of one benchmark in one language."""

    name: Name
    lang: Lang
    languages: list[Lang]
    source: Source | None
    dataset: Name | None
    questions: int | None
    turns: int | None
    max_question_chars: int | None
    categories: list[str] | None


class ModelSpec(Spec):
    """Bring a base model to its folder: safetensors weights, tokenizer, chat template."""

    name: Name
    model: Model


class TokeniseSpec(Spec):
    """One pool language as token ids and labels."""

    dataset: Name
    lang: Lang
    max_length: int
    system_prompt: str
    truncation: str = "turn"


class TrainSpec(Spec):
    """One fine-tuning."""

    run: str
    model_name: Name
    model: Model
    mixture: Name
    recipe: Recipe
    seed: int


class AnswerSpec(Spec):
    """One run answers one benchmark in all its languages."""

    run: str
    benchmark: Name
    languages: list[Lang]
    device: str
    trust_remote_code: bool
    generation: Generation
    system_prompts: dict[Lang, str]


class JudgeSpec(Spec):
    """One run's answers to one benchmark, judged by one judge under one protocol."""

    run: str
    benchmark: Name
    languages: list[Lang]
    protocol: Protocol
    judge_name: Name
    judge: Judge
    baseline: str | None = Field(description="As the evaluation names it; None for single grades.")
    all_languages: list[Lang] = Field(description="Candidates of language identification.")


class BaselineSpec(Spec):
    """Choose the best monolingual run by its mean single grade."""

    benchmark: Name
    judge_name: Name
    runs: list[str]


class ScoreSpec(Spec):
    """Judgement-free measures of one run's answers."""

    run: str
    benchmark: Name
    languages: list[Lang]
    all_languages: list[Lang]
