"""What mixture families have in common: budgets, filters, duplicates, curricula."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from .base import Lang, Section

#: How much of a language or a part there is of a mixture, relative to the others.
Weight = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0)]
WhatToDo = Literal["keep", "leave_out", "error"]


class Deduplication(Section):
    """What becomes of conversations whose texts are equal, or nearly.

    Without this key nothing that is trained on is left out: duplicates are counted in the manifest
    and in the report, and held-out rows that are trained on are left out of the held-out rows. One
    word stands for all three kinds.
    """

    exact: WhatToDo = Field(
        default="keep",
        description="Equal conversations (letter case and white space aside), after the first.",
    )
    near: WhatToDo = Field(
        default="keep", description="Conversations of at least `similarity`, after the first."
    )
    held_out: WhatToDo = Field(
        default="leave_out",
        description=(
            "Held-out conversations that equal one to train on (or nearly, where `near` is not "
            "`keep`): `leave_out` of the held-out rows."
        ),
    )
    similarity: float = Field(
        default=0.8,
        gt=0,
        le=1,
        description="Share of runs of three words that two conversations have in common (Jaccard).",
    )

    @model_validator(mode="before")
    @classmethod
    def _one_word(cls, given: object) -> object:
        return (
            dict.fromkeys(("exact", "near", "held_out"), given) if isinstance(given, str) else given
        )


class Order(Section):
    """A curriculum: the order in which a training sees the rows."""

    by: Literal["language", "length", "part", "given"] = Field(
        description=(
            "`language` (one after the other, as in `languages`), `length` (characters, short rows "
            "first), `part` (a union's parts, one after the other) or `given` (as in the pool)."
        )
    )
    languages: list[Lang] = Field(
        default_factory=list,
        description="Of `by: language`: which comes when; left out: as in `languages`.",
    )
    descending: bool = Field(
        default=False, description="The other way round, e.g. long rows first."
    )

    @model_validator(mode="before")
    @classmethod
    def _one_word(cls, given: object) -> object:
        return {"by": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _languages(self) -> Order:
        if self.languages and self.by != "language":
            raise ValueError("`languages` go with `by: language`")
        return self


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


class Budget(Section):
    rows: int | None = Field(
        default=None,
        ge=1,
        strict=True,
        description="Budget in rows (in ids, for `parallel`); left out: the whole pool.",
    )
    fraction: float | None = Field(
        default=None,
        gt=0,
        description=(
            "Or a share of the ids that are there; above 1 they are repeated: 2.0 takes each "
            "twice, 1.5 half of them twice."
        ),
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


class Shaped(Section):
    """What families of pools and unions have in common."""

    order: Order | None = Field(
        default=None, description="Curriculum; left out: a new random order each epoch."
    )
    deduplicate: Deduplication = Field(
        default=Deduplication(),
        description=(
            "What to do with equal and nearly equal conversations: `keep`, `leave_out` or `error` "
            "for all, or by kind: {exact: leave_out, near: keep, held_out: leave_out}."
        ),
    )
