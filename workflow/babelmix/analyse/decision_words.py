"""How the values of a decision are written: units, languages, rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .decision_table import FIDELITY, GRADE
from .study import StudySet
from .wording import NARROW, percent

#: So many mixtures are named in a sentence; of more, their number.
_NAMED = 4


@dataclass(frozen=True)
class Words:
    """How values of one decision are written; ``main`` is the main language's name."""

    study: StudySet
    criterion: str
    main: str
    others: bool

    def value(self, value: float | None) -> str:
        """A ranked value with its unit."""
        return shown_value(self.criterion, value)

    def difference(self, value: float) -> str:
        """A difference of ranked values with its unit."""
        if self.criterion == FIDELITY:
            points = f"{100 * value:.0f}"
            return f"{points} percentage point{'' if points == '1' else 's'}"
        return f"{value:.2f} grade points" if self.criterion == GRADE else f"{value:.1f} points"

    @property
    def where(self) -> str:
        """Which languages the ranks are about."""
        return f"languages other than {self.main}" if self.others else "all languages asked"

    def leads(self, row: dict[str, Any]) -> str:
        """The highest, with its value."""
        value = self.value(row["value"])
        if self.criterion == FIDELITY:
            return (
                f"{row['label']} answers most often in the language of the question: {value} in "
                f"{self.where}"
            )
        what = "mean grade" if self.criterion == GRADE else "preference score (50 is parity)"
        return f"{row['label']} has the highest {what} in {self.where}: {value}"

    @property
    def main_measure(self) -> str:
        """What is said of the main language."""
        if self.criterion == FIDELITY:
            return f"{self.main} grade by rules"
        return f"{self.main} grade" if self.criterion == GRADE else f"{self.main} preference score"

    def main_words(self, row: dict[str, Any]) -> str:
        """What becomes of the main language, with its interval."""
        form = ".2f" if self.criterion != "score" else ".1f"
        if row["main_value"] is None:
            return f"{self.main} was not graded"
        if row["main_difference"] is None:
            if row["reference"] == row["label"]:
                own = f"{self.main_measure} {row['main_value']:{form}}"
                return f"{own}: it is the mixture of {self.main} alone"
            return f"{self.main_measure} {row['main_value']:{form}}; nothing to hold it against"
        before = row["main_value"] - row["main_difference"]
        ends = "no interval"
        if row["main_low"] is not None and row["main_high"] is not None:
            level = f"{100 * self.study.confidence:.3g}{NARROW}%"
            low, high = signed(row["main_low"], form), signed(row["main_high"], form)
            ends = f"{level}: {low}\u00a0…\u00a0{high}"
        verb = {"lost": "falls", "gained": "rises"}.get(row["main_kept"] or "", "")
        change = f"{before:{form}} → {row['main_value']:{form}}"
        if verb:
            return f"the {self.main_measure} {verb}, {change} ({ends})"
        return (
            f"no loss of the {self.main_measure} is shown, {change} "
            f"({signed(row['main_difference'], form)}; {ends})"
        )


def signed(value: float, form: str) -> str:
    """``+1.23``, or ``−0.40`` with a true minus."""
    return f"{value:+{form}}".replace("-", "−")


def shown_value(criterion: str, value: float | None) -> str:
    """A ranked value: ``92 %``, ``6.25`` or ``54.3``."""
    if value is None:
        return "–"
    if criterion == FIDELITY:
        return percent(100 * value, 0)
    return f"{value:.2f}" if criterion == GRADE else f"{value:.1f}"


def listed(names: Sequence[str]) -> str:
    """``a, b and c``; of many the first ones and how many more."""
    if len(names) > _NAMED:
        return f"{', '.join(names[: _NAMED - 1])} and {len(names) - _NAMED + 1} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def lost(row: dict[str, Any]) -> bool:
    """Whether the main language is shown to lose."""
    return row.get("main_kept") == "lost"


def rows_words(row: dict[str, Any], main: str) -> str:
    """``12 of 80 rows are not in English (3 400 characters)``."""
    if row["rows"] is None or row["rows_other"] is None:
        return "its training rows are not counted here"
    other, every = (f"{row[name]:,.0f}".replace(",", NARROW) for name in ("rows_other", "rows"))
    text = f"{other} of its {every} rows are not in {main}"
    if row["characters_other"]:
        signs = f"{row['characters_other']:,.0f}".replace(",", NARROW)
        text += f" ({signs} characters to translate or to buy)"
    return text
