"""`audit` and `on_failed_check` of a dataset: how translations are checked, and what follows."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from .base import Lang, Name, Section

Policy = Literal["keep", "quarantine", "quarantine_all"]
#: Names of the checks, in the order of the report; `default` stands for those not named.
CheckName = Literal[
    "default",
    "present",
    "translated",
    "turns",
    "protected",
    "numbers",
    "length_ratio",
    "sentences",
    "language",
    "script",
    "untranslated",
    "repetition",
    "answered",
    "added",
    "echo",
    "quality",
    "round_trip",
    "correction",
    "task",
]
FailurePolicy = Policy | dict[CheckName, Policy]
DEFAULT_POLICY: Policy = "quarantine_all"


class Quality(Section):
    """Quality estimation of translations by a function of your own (COMET, MetricX, a model)."""

    #: Keys that say where it runs: they change no score.
    EXECUTION_ONLY: ClassVar[frozenset[str]] = frozenset({"mem_mb", "gpus"})

    function: str = Field(
        pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$",
        description=(
            "`module:function`, importable from the folder you start in. It is called with a list "
            "of pairs (source, translation), the pivot's code and the language's, and returns one "
            "number a pair; higher is better. Load models in it, not when it is imported."
        ),
    )
    version: str = Field(
        default="", description="Change it when the function or its model changes: scores anew."
    )
    mem_mb: int = Field(default=4000, ge=1, description="Memory of the job, in MB.")
    gpus: int = Field(default=0, ge=0, description="GPUs of the job.")


class Audit(Section):
    """The audit of a pool's translations, where there is something to choose."""

    held: Literal["text", "translation"] = Field(
        default="text",
        description=(
            "How to check languages that the sources hold themselves: `text` looks at each text "
            "alone (language, repetition), because published answers need not be translations of "
            "each other; `translation` compares them with the pivot like our own translations."
        ),
    )
    quality: Quality | None = Field(
        default=None, description="Score every message; a row's value is its worst message's."
    )
    quality_below: float | None = Field(
        default=None,
        allow_inf_nan=False,
        description="A row of a lower quality fails `quality`; left out, it is only measured.",
    )

    round_trip: Name | dict[Lang, Name] | Literal[True] | None = Field(
        default=None,
        description=(
            "Translate back into the pivot and compare with it (chrF, 0 to 100; a row's value is "
            "its worst message's): by this translator, one a language (those not named are not "
            "compared), or `true` for the one that translated. It must offer the pivot; what it "
            "costs counts for its `max_cost`."
        ),
    )
    round_trip_below: float | None = Field(
        default=None,
        ge=0,
        le=100,
        description="A row of a lower chrF fails `round_trip`; left out, it is only measured.",
    )

    @model_validator(mode="after")
    def _cut_off_of_something(self) -> Audit:
        if self.quality_below is not None and self.quality is None:
            raise ValueError("`quality_below` needs `quality`, which says how to score")
        if self.round_trip_below is not None and self.round_trip is None:
            raise ValueError("`round_trip_below` needs `round_trip`: a translator, or true")
        return self

    def cut_offs(self) -> dict[str, float]:
        """Measure -> the value below which a row fails its check."""
        named = {"quality": self.quality_below, "round_trip": self.round_trip_below}
        return {name: value for name, value in named.items() if value is not None}


def policy_of(check: str, policy: FailurePolicy) -> Policy:
    """What follows when a row fails a check (or carries the flag ``task``)."""
    if isinstance(policy, str):
        return "keep" if check == "task" else policy
    named: dict[str, Policy] = {str(name): value for name, value in policy.items()}
    if check in named:
        return named[check]
    return "keep" if check == "task" else named.get("default", DEFAULT_POLICY)
