"""`mixtures`: families that expand into named language mixtures."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from .base import Lang, Name, Section


class Filter(Section):
    """Keep ids whose rows measure well: a bound on the value of one check of the translation."""

    check: str = Field(description="Name of a check, e.g. `length_ratio`; the audit lists them.")
    min: float | None = Field(default=None, description="Least value that stays.")
    max: float | None = Field(default=None, description="Greatest value that stays.")

    @model_validator(mode="after")
    def _bound(self) -> Filter:
        if self.min is None and self.max is None:
            raise ValueError("give `min` or `max`, or both")
        return self


class _Budget(Section):
    rows: int | None = Field(
        default=None,
        ge=1,
        strict=True,
        description="Budget in rows (in ids, for `parallel`); left out: the whole pool.",
    )
    fraction: float | None = Field(
        default=None, gt=0, le=1, description="Or a share of the ids that are there."
    )
    tokens: int | None = Field(
        default=None,
        ge=1,
        strict=True,
        description="Or a number of tokens, as `tokenizer` counts them; never exceeded.",
    )

    @property
    def budgets(self) -> int:
        """How many of the three are given."""
        return sum(b is not None for b in (self.rows, self.fraction, self.tokens))


class _Family(_Budget):
    dataset: Name = Field(description="Parallel pool that the rows come from.")
    seed: int = Field(
        default=0, description="Seed of which id takes which language, and of the languages' order."
    )
    rows_seed: int = Field(
        default=0,
        description="Seed of the draw of ids under a budget; equal seeds share their ids.",
    )
    tokenizer: Name | None = Field(
        default=None, description="Model whose tokenizer counts; needed with `tokens`."
    )
    filter: list[Filter] = Field(
        default_factory=list,
        description="Keep only ids that measure well in all languages of the family.",
    )
    parallel_over: list[Lang] | None = Field(
        default=None,
        description=(
            "Languages in which a failed check can put an id out altogether. Left out: all of the "
            "family's under `quarantine_all` or with a `filter`, else the mixture's own. Families "
            "that are to share their ids name the same languages."
        ),
    )

    @model_validator(mode="after")
    def _one_budget(self) -> _Family:
        if self.budgets > 1:
            raise ValueError("give one of `rows`, `fraction` and `tokens`, not several")
        if (self.tokens is None) != (self.tokenizer is None):
            raise ValueError("`tokens` and `tokenizer` go together")
        return self


class Monolingual(_Family):
    """One mixture a language: `{family}-DE`."""

    policy: Literal["monolingual"] = Field(description="Policy.")
    languages: list[Lang] = Field(min_length=1, description="One mixture for each of these.")


class Parallel(_Family):
    """Every id in every language: `{family}-ENDEFRITES`."""

    policy: Literal["parallel"] = Field(description="Policy.")
    languages: list[Lang] = Field(min_length=2, description="Languages of the mixture.")


class Sampled(_Family):
    """Every id once, the languages in equal or given shares: `{family}-ENDEFRITES-sampled`."""

    policy: Literal["sampled"] = Field(description="Policy.")
    languages: list[Lang] = Field(min_length=2, description="Languages of the mixture.")
    weights: dict[Lang, Annotated[float, Field(gt=0)]] | Literal["pretraining_share"] | None = (
        Field(
            default=None,
            description=(
                "Relative share a language, or `pretraining_share` (of `languages`, where it is "
                "given); left out: equal shares."
            ),
        )
    )
    temperature: float = Field(
        default=1.0,
        gt=0,
        description="Shares go with weight^(1/temperature): 1 as given, the higher the more even.",
    )


class Nine(_Family):
    """Study 1's nine: each language alone; all, and all but the first, parallel and sampled."""

    policy: Literal["nine"] = Field(description="Policy.")
    languages: list[Lang] = Field(min_length=3, description="All languages; the main one first.")


class Pinch(_Family):
    """P percent spread evenly over `languages`, the rest in `main`: `{family}-p10`."""

    policy: Literal["pinch"] = Field(description="Policy.")
    main: Lang = Field(default="en", description="Language of the remaining rows.")
    languages: list[Lang] = Field(
        min_length=2, description="Languages of the pinch; study 2 counts the main one among them."
    )
    percent: list[float] = Field(
        default_factory=list, description="Grid of P, each in 0 … 100; one mixture each."
    )
    pinch_rows: list[int] = Field(
        default_factory=list, description="Or absolute numbers of rows: `{family}-1row`."
    )
    nested: bool = Field(
        default=True,
        description="Rows of a smaller pinch are among those of a larger one; false: fresh draws.",
    )

    @model_validator(mode="after")
    def _grid(self) -> Pinch:
        if not self.percent and not self.pinch_rows:
            raise ValueError("give `percent` or `pinch_rows`, or both")
        if any(not 0 <= p <= 100 for p in self.percent):
            raise ValueError("every `percent` lies between 0 and 100")
        if any(n < 0 for n in self.pinch_rows):
            raise ValueError("every `pinch_rows` is 0 or more")
        return self


class KLanguages(_Family):
    """The first k of seeded permutations of `languages`, equal shares: `{family}-AR-FI`."""

    policy: Literal["k_languages"] = Field(description="Policy.")
    languages: list[Lang] = Field(min_length=2, description="Languages to draw from.")
    k: list[int] = Field(min_length=1, description="Numbers of languages.")
    permutations: int = Field(default=3, ge=1, description="How many orders are drawn by `seed`.")
    orders: list[list[Lang]] | None = Field(
        default=None, description="Orders to use in place of drawn ones (e.g. a paper's own)."
    )

    @model_validator(mode="after")
    def _sizes(self) -> KLanguages:
        if any(not 1 <= k <= len(self.languages) for k in self.k):
            raise ValueError("every `k` lies between 1 and the number of languages")
        if self.orders and any(sorted(o) != sorted(self.languages) for o in self.orders):
            raise ValueError("each of `orders` holds exactly the `languages`")
        return self


class Pairs(_Family):
    """Half one language, half another: `{family}-EN-RU`."""

    policy: Literal["pairs"] = Field(description="Policy.")
    languages: list[Lang] = Field(min_length=2, description="Languages to draw pairs from.")
    count: int = Field(default=6, ge=1, description="How many pairs are drawn by `seed`.")
    pairs: list[tuple[Lang, Lang]] | None = Field(
        default=None, description="Pairs to use in place of drawn ones."
    )


class Part(_Budget):
    """One part of a union: another mixture, and how much of it."""

    mixture: Name = Field(description="Name of a single mixture, e.g. `lima-x-EN`.")

    @model_validator(mode="after")
    def _one_budget(self) -> Part:
        if self.budgets != 1:
            raise ValueError("give exactly one of `rows`, `fraction` and `tokens`")
        return self


class Union(Section):
    """Rows of several mixtures, of one or several pools, put together: `{family}`."""

    policy: Literal["union"] = Field(description="Policy.")
    parts: list[Part] = Field(min_length=2, description="The mixtures, each with its budget.")
    tokenizer: Name | None = Field(
        default=None, description="Model whose tokenizer counts; needed where a part has `tokens`."
    )

    @model_validator(mode="after")
    def _tokenizer(self) -> Union:
        if any(p.tokens is not None for p in self.parts) and self.tokenizer is None:
            raise ValueError("a part with `tokens` needs the union's `tokenizer`")
        return self


#: A family that draws from one pool.
PoolFamily = Monolingual | Parallel | Sampled | Nine | Pinch | KLanguages | Pairs
Family = Annotated[PoolFamily | Union, Field(discriminator="policy")]
