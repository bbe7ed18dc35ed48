"""`audit` and `on_failed_check` of a dataset: how translations are checked, and what follows."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .base import Section

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
    "language",
    "untranslated",
    "repetition",
    "answered",
    "correction",
    "task",
]
FailurePolicy = Policy | dict[CheckName, Policy]
DEFAULT_POLICY: Policy = "quarantine_all"


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


def policy_of(check: str, policy: FailurePolicy) -> Policy:
    """What follows when a row fails a check (or carries the flag ``task``)."""
    if isinstance(policy, str):
        return "keep" if check == "task" else policy
    named: dict[str, Policy] = {str(name): value for name, value in policy.items()}
    if check in named:
        return named[check]
    return "keep" if check == "task" else named.get("default", DEFAULT_POLICY)
