"""What each verb is told: exactly the configuration it depends on, and nothing else.

A rule passes one of these as JSON (``--spec``) and lists it under ``params``, so that Snakemake
reruns a job when, and only when, a key that matters to it changes. ``version`` is the stage's own
(``stages.STAGE_VERSIONS``), raised by hand when its output would change.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from .config.audit import FailurePolicy
from .config.base import Lang, Name, RowLang, Section
from .config.evaluation import Generation, Judge, Protocol
from .config.selection import Deduplication, Filter, Order
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


class NormaliseSpec(Spec):
    """Sources -> one language of a pool, as the sources hold it."""

    dataset: Name
    lang: Lang
    pivot: Lang
    sources: dict[Name, Source]
    rows: int | None
    fraction: float | None = None
    max_chars: int | None
    seed: int
    parallel: bool = Field(
        default=True,
        exclude_if=lambda value: value is True,
        description="Whether the languages share their ids; else each is its own pivot.",
    )
    choice: BenchmarkSpec | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="Of a benchmark's questions: which are asked, decided over the languages held.",
    )


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
    # The next three are left out where they say nothing new: earlier jobs keep their text.
    pivot_codes: dict[str, str] = Field(
        default_factory=dict,
        exclude_if=lambda value: not value,
        description="Of the source language, where the configuration sets some.",
    )
    lang_name: str = Field(
        default="",
        exclude_if=lambda value: not value,
        description="Name of the target language, where the catalogue has another or none.",
    )
    pivot_name: str = Field(
        default="",
        exclude_if=lambda value: not value,
        description="Name of the source language, likewise.",
    )


class CollectSpec(Spec):
    """Shards (or the normalised file) of one language -> the pool's file of that language."""

    dataset: Name
    lang: Lang
    pivot: Lang
    on_failed_check: FailurePolicy
    as_translation: bool = Field(
        default=True, description="Compare with the pivot; else look at the texts alone."
    )
    below: dict[str, float] = Field(
        default_factory=dict,
        # Left out when empty: pools without it are not collected again.
        exclude_if=lambda value: not value,
        description="Measure -> the value below which a row fails its check.",
    )
    script: str = Field(
        default="",
        exclude_if=lambda value: not value,
        description="Script that the configuration asks for beside the code (ISO 15924).",
    )


class RoundTripSpec(TranslateSpec):
    """Translated messages of one language -> the pivot's, compared with it.

    ``lang`` and ``pivot`` are the pool's; ``translator`` takes the way back, with the codes of the
    pivot in ``lang_codes``.
    """


class QualitySpec(Spec):
    """Translated messages of one language -> the score that a function gives each row."""

    dataset: Name
    lang: Lang
    pivot: Lang
    function: str
    function_version: str


class IndexSpec(Spec):
    """What the mixtures must know of one language of a pool, row by row."""

    dataset: Name
    lang: RowLang
    on_failed_check: FailurePolicy
    dev_rows: int
    seed: int


class CountSpec(Spec):
    """Tokens of each row of one language of a pool, by one model's tokenizer."""

    dataset: Name
    lang: RowLang


class ContaminationSpec(Spec):
    """A pool against the questions of the benchmarks that its models are asked."""

    dataset: Name
    languages: list[Lang]
    on_contamination: str
    similarity: float
    shared_ids: list[Name] = Field(description="Benchmarks whose ids are ids of conversations.")


class CombineSpec(Spec):
    """Two languages of a parallel pool -> conversations that hold both (see ``RowLang``)."""

    dataset: Name
    lang: RowLang
    first: Lang = Field(description="Language of the prompt, or of the instruction in it.")
    second: Lang = Field(description="The other language.")
    seed: int


class FingerprintSpec(Spec):
    """One language of a pool -> what tells equal and nearly equal conversations."""

    dataset: Name
    lang: Lang


def _is_default(value: object) -> bool:
    """Leave what is at its default out of a spec: a new key changes no job that lacks it."""
    return value in (None, False, "", 0) or value == []


def _rare(default: object, description: str) -> Any:
    return Field(default=default, exclude_if=_is_default, description=description)


class Take(Section):
    """How much of a part its union takes: exactly one of these."""

    rows: int | None = None
    fraction: float | None = None
    tokens: int | None = None
    tokenizer: Name | None = None
    weight: float | None = None


class MixtureSpec(Spec):
    """One mixture, fully expanded.

    ``kind`` ``parallel``: every id in every language. ``blocks``: each id once; the first
    ``mixed_percent`` or ``mixed_rows`` ids of the seeded order take ``languages`` in turn (``lead``
    first; by ``weights`` where given), the rest ``main``. ``pairs``: random (id, language) pairs.
    ``union``: the rows of ``parts``, of each as much as its ``take`` says; parts with a ``weight``
    (or all, with ``by_size``) share the union's own budget. ``sound_in`` are languages beside the
    mixture's own in which a failed check can put an id out; ``salt`` sets a draw apart from those
    of the same seed.
    """

    name: Name
    dataset: str
    kind: Literal["parallel", "blocks", "pairs", "union"]
    languages: list[RowLang]
    main: Lang | None = None
    lead: RowLang | None = None
    mixed_percent: float | None = None
    mixed_rows: int | None = None
    weights: dict[RowLang, float] | None = None
    rows: int | None = None
    fraction: float | None = None
    tokens: int | None = None
    tokenizer: Name | None = None
    seed: int = 0
    rows_seed: int = 0
    salt: str = ""
    on_contamination: str = "error"
    sound_in: list[Lang] = Field(default_factory=list)
    filters: list[Filter] = Field(default_factory=list)
    parts: list[MixtureSpec] = Field(default_factory=list)
    take: Take | None = _rare(None, "Of a part: how much of it the union takes.")
    by_size: bool = _rare(False, "Of a union: weigh the parts by their sizes.")
    temperature: float | None = _rare(None, "Of a union: shares go with weight^(1/temperature).")
    repeat: bool = _rare(False, "Repeat rows where a part, or the pool, is too small.")
    repeated_ids: bool = _rare(False, "Of a union: an id may stand in several of its parts.")
    by_language: bool = _rare(False, "The pool is not parallel: each language has its own ids.")
    order: Order | None = _rare(None, "Curriculum: the order in which a training sees the rows.")
    deduplicate: Deduplication | None = _rare(None, "What becomes of duplicates.")

    @property
    def own_languages(self) -> list[str]:
        """Languages whose rows the mixture may take, the main one last."""
        extra = [self.main] if self.main and self.main not in self.languages else []
        return [*self.languages, *extra]

    @property
    def restricted(self) -> bool:
        """Whether it takes only a part of the ids that its pool offers."""
        budgets = (self.rows, self.fraction, self.tokens)
        return bool(self.filters) or any(b is not None for b in budgets)

    @property
    def leaves(self) -> list[MixtureSpec]:
        """The mixtures of single pools that a union is made of, or the mixture itself."""
        return [leaf for part in self.parts for leaf in part.leaves] if self.parts else [self]

    @property
    def nodes(self) -> list[MixtureSpec]:
        """The mixture, its parts, their parts, and so on."""
        return [self, *(node for part in self.parts for node in part.nodes)]

    @property
    def datasets(self) -> list[str]:
        """Pools that rows come from."""
        return list(dict.fromkeys(leaf.dataset for leaf in self.leaves))

    @property
    def taken(self) -> list[tuple[str, str]]:
        """(dataset, language) of the rows that the mixture may take."""
        pairs = [(leaf.dataset, c) for leaf in self.leaves for c in leaf.own_languages]
        return list(dict.fromkeys(pairs))

    @property
    def looked_at(self) -> list[tuple[str, str]]:
        """(dataset, language) whose checks decide: those of the rows, and ``sound_in``."""
        pairs = [(leaf.dataset, c) for leaf in self.leaves for c in leaf.sound_in]
        return list(dict.fromkeys([*self.taken, *pairs]))

    @property
    def counted(self) -> list[tuple[str, str, str]]:
        """(tokenizer, dataset, language) of the token counts that its budgets need."""
        found: list[tuple[str, str, str]] = []
        for node in self.nodes:
            asked = [node.tokenizer] if node.tokens is not None else []
            asked += [node.take.tokenizer] if node.take and node.take.tokens is not None else []
            found += [(name or "", d, c) for name in asked for d, c in node.taken]
        return list(dict.fromkeys(found))


class ManifestSpec(Spec):
    """What a mixture's manifest says beside the selection itself."""

    mixture: Name
    licences: dict[Name, str] = Field(description="Licence by source.")
    non_commercial: list[Name]
    similarity: float = Field(default=0.8, description="From which on duplicates are near.")


class ModelSpec(Spec):
    """Bring a base model to its folder: safetensors weights, tokenizer, chat template."""

    name: Name
    model: Model


class TokeniseSpec(Spec):
    """One pool language as token ids and labels."""

    dataset: Name
    lang: RowLang
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


class LikelihoodSpec(Spec):
    """The likelihood of held-out texts under one run's weights."""

    run: str
    held_out: str = Field(description="Name of the texts: `pool.dev`, `benchmark.references`.")
    kind: Literal["dataset", "benchmark"]
    split: Literal["dev", "all"] = "dev"
    languages: list[Lang]
    rows: int | None = None
    shared_ids: bool = Field(
        default=True, description="Whether the texts' ids are ids of conversations, as a mixture's."
    )
    prompts: bool = True
    system_prompts: dict[Lang, str] = Field(default_factory=dict)
    precision: Literal["fp32", "bf16"] = "fp32"
    trust_remote_code: bool = False


class JudgeSpec(Spec):
    """One run's answers to one benchmark, judged by one judge under one protocol."""

    run: str
    benchmark: Name
    languages: list[Lang]
    protocol: Protocol
    judge_name: Name
    judge: Judge
    baseline: str | None = Field(description="As the evaluation names it; None for single grades.")
    all_languages: list[Lang] = Field(
        description="The study's languages: how codes found are spelled."
    )


class JurySpec(Spec):
    """One run's judgements by each of a jury's members, joined into the jury's."""

    run: str
    judge_name: Name
    members: list[Name]
    languages: list[Lang] = Field(description="Members may judge others beside, for themselves.")


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
