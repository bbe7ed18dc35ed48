"""`mixtures`: families that expand into named language mixtures."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from .base import Lang, Name, Section


class _Family(Section):
    dataset: Name = Field(description="Parallel pool that the rows come from.")
    seed: int = Field(
        default=0, description="Seed of which id takes which language, and of the languages' order."
    )
    rows: int | None = Field(
        default=None,
        ge=1,
        description="Rows of one mixture (of ids, for `parallel`); left out: the whole pool.",
    )


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
    weights: dict[Lang, float] | None = Field(
        default=None, description="Relative share a language; left out: equal shares."
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


Family = Annotated[
    Monolingual | Parallel | Sampled | Nine | Pinch | KLanguages | Pairs,
    Field(discriminator="policy"),
]
