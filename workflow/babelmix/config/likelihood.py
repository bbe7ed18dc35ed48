"""`studies.*.likelihood`: held-out texts whose likelihood is computed under every run."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from .base import Lang, Name, Section


class Likelihood(Section):
    """Held-out texts, the same in every language, and how their likelihood is computed."""

    dataset: Name | None = Field(
        default=None, description="Parallel pool whose held-out rows (`dev_rows`) are scored."
    )
    benchmark: Name | None = Field(
        default=None, description="Or a benchmark whose reference answers are scored."
    )
    split: Literal["dev", "all"] = Field(
        default="dev",
        description=(
            "Rows of `dataset`: `dev`, those that it holds out, or `all`, of a pool that no "
            "mixture trains on. Rows that a run was trained on are never scored under it."
        ),
    )
    languages: list[Lang] | None = Field(
        default=None, description="Only these languages; left out: all of the pool or benchmark."
    )
    rows: int | None = Field(
        default=None, ge=1, description="At most so many rows, the same in every language."
    )
    prompts: bool = Field(
        default=True, description="Score the prompts too, beside the answers, in the same pass."
    )
    system_prompt: bool | None = Field(
        default=None,
        description=(
            "Open with the language's system prompt. Left out: as the recipes of the study do "
            "(where they differ, it must be said)."
        ),
    )
    precision: Literal["fp32", "bf16"] = Field(
        default="fp32",
        description=(
            "Arithmetic. In `bf16` a model takes half the memory, and a row's bits depend a little "
            "on the rows beside it in a batch."
        ),
    )

    @model_validator(mode="after")
    def _one_place(self) -> Likelihood:
        if (self.dataset is None) == (self.benchmark is None):
            raise ValueError("give exactly one of `dataset` and `benchmark`")
        if self.benchmark is not None and self.split != "dev":
            raise ValueError("`split` goes with `dataset`; a benchmark is held out as a whole")
        if self.languages is not None and not self.languages:
            raise ValueError("`languages: []` names no language; leave it out for all of them")
        return self

    @property
    def name(self) -> str:
        """The name of its results: `pool.dev`, `pool.all` or `benchmark.references`."""
        if self.benchmark is not None:
            return f"{self.benchmark}.references"
        return f"{self.dataset}.{self.split}"
