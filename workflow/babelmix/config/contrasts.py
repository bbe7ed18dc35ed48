"""What a study states before its results: `contrasts` to be tested, `deviations` from a paper."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from .base import Lang, Name, Section


class ContrastSide(Section):
    """One side of a contrast: trainings of the study."""

    mixture: str = Field(
        description=(
            "Mixture, by any of its names; a family's name stands for the mean of its mixtures, "
            "`untuned` for the base model."
        )
    )
    model: Name | None = Field(
        default=None,
        description="Its model; left out: each model of the study, in a row of its own.",
    )
    recipe: Name | None = Field(
        default=None, description="Its recipe; left out: each recipe of the study, likewise."
    )


def _as_side(value: object) -> object:
    return {"mixture": value} if isinstance(value, str) else value


Side = Annotated[ContrastSide, BeforeValidator(_as_side)]


class Difference(Section):
    """Left minus right."""

    left: Side = Field(description="A mixture's name, or a section with `recipe` or `model` too.")
    right: Side = Field(description="What it is compared with.")


class Contrast(Difference):
    """A comparison that was decided on before the results: reported first, and tested as one."""

    question: str = Field(default="", description="What it answers, in one sentence.")
    languages: list[Lang] | None = Field(
        default=None, description="Only these languages, each weighing the same; left out: all."
    )
    against: Difference | None = Field(
        default=None,
        description=(
            "For an interaction: minus the difference of these two, e.g. the same mixtures under "
            "another recipe."
        ),
    )


class Deviation(Section):
    """A place where a reproduction differs from the paper, or where the paper is silent."""

    what: str = Field(description="The setting in question.")
    paper: str = Field(description="What the paper says; `unpublished` where it says nothing.")
    ours: str = Field(description="What this configuration does.")
    mark: Literal["C", "I", "R", "?"] = Field(
        description="C confirmed, I inferred, R recalled but not confirmed, ? unpublished (ours)."
    )
