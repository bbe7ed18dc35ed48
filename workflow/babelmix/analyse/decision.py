"""The decision in words: which mixture, why, what it costs, and what is not known.

It reads the table of the decision alone. A mixture is called the best only where Hsu's interval
leaves out all the others; grades by rules never make one better than another.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from .decision_table import FIDELITY
from .decision_words import Words, listed, lost, rows_words
from .figure import Rows, select
from .study import StudySet
from .table import ReadTable
from .wording import NARROW, percent, short_note

#: With fewer questions than this, their number is said among the things to mind.
FEW_QUESTIONS = 30
#: Above this share of answers without a score, that is said too.
_MANY_UNSCORED = 0.05
#: More questions than this are not worth a number.
_MOST_QUESTIONS = 100_000


@dataclass(frozen=True)
class Decision:
    """What one basis says about one model's mixtures.

    ``rows`` are the table's, ranked ones first. ``contenders`` may each be the best; ``choice`` is
    the mixture that the headline names, ``keeper`` the one for who must keep the main language
    (None where that is the same one, or none does).
    """

    study: str
    model: str
    basis: str
    criterion: str
    main: str
    rows: Rows
    contenders: Rows
    choice: dict[str, Any] | None
    keeper: dict[str, Any] | None
    headline: str
    reason: str
    cost: str
    unknown: list[str] = field(default_factory=list)

    @property
    def judged_by_rules(self) -> bool:
        """Whether the grades shown beside the ranks are those of rules."""
        return self.criterion == FIDELITY


def decisions(study: StudySet, name: str, table: ReadTable) -> list[Decision]:
    """Every decision of a study; the first is the one that its page opens with."""
    rows = select(table, study=name)
    keys = dict.fromkeys((row["model"], row["basis"]) for row in rows)
    ordered = sorted(keys, key=lambda key: _place(study, name, key[1]))
    return [
        _decision(study, [r for r in rows if (r["model"], r["basis"]) == key]) for key in ordered
    ]


def _place(study: StudySet, name: str, basis: str) -> tuple[int, int]:
    """Grades before preferences, each in the study's own order."""
    evaluations = list(study.studies[name]["evaluations"])
    at = evaluations.index(basis) if basis in evaluations else len(evaluations)
    single = at < len(evaluations) and study.evaluations[basis]["protocol"] == "single"
    return (0 if single else 1, at)


def _decision(study: StudySet, rows: Rows) -> Decision:
    ranked = sorted(
        (row for row in rows if row["rank"] is not None),
        key=lambda row: (row["rank"], _rows_other(row), row["label"]),
    )
    rest = [row for row in rows if row["rank"] is None]
    first = rows[0]
    main = study.language_name(first["main"])
    words = Words(study, first["criterion"], main, bool(first["others"]))
    contenders = [row for row in ranked if row["may_be_best"] != "no"]
    choice, keeper = chosen(ranked, contenders)
    return Decision(
        study=first["study"],
        model=first["model"],
        basis=first["basis"],
        criterion=first["criterion"],
        main=main,
        rows=[*ranked, *rest],
        contenders=contenders,
        choice=choice,
        keeper=keeper,
        headline=_headline(words, ranked, contenders, choice, keeper),
        reason=_reason(words, ranked, contenders, choice, keeper),
        cost=_cost(words, choice, keeper),
        unknown=_unknown(study, words, ranked, rest, contenders),
    )


def chosen(ranked: Rows, contenders: Rows) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """The mixture to choose and, where it loses the main language, the best that keeps it.

    Of several that may be the best it is one that is not shown to lose the main language, with the
    fewest rows to make; of those the highest.
    """
    if not ranked:
        return None, None
    keeping = [row for row in contenders if not lost(row)]
    order = sorted(keeping or contenders, key=lambda row: (_rows_other(row), row["rank"]))
    choice = order[0]
    if not lost(choice):
        return choice, None
    kept = [row for row in ranked if not lost(row) and row["main_value"] is not None]
    return choice, kept[0] if kept else None


def _rows_other(row: dict[str, Any]) -> float:
    return math.inf if row["rows_other"] is None else float(row["rows_other"])


def _headline(
    words: Words,
    ranked: Rows,
    contenders: Rows,
    choice: dict[str, Any] | None,
    keeper: dict[str, Any] | None,
) -> str:
    if choice is None:
        return "Nothing can be recommended: no mixture has a score in every language."
    if ranked[0]["may_be_best"] is None and len(ranked) > 1:
        return "We cannot tell which mixture to choose: these data give no intervals."
    if len(ranked) == 1:
        return f"There is nothing to choose: {choice['label']} is the only mixture with scores."
    unless = ""
    if lost(choice):
        unless = f" unless {words.main} must stay as good"
        unless += f": then {keeper['label']}" if keeper else "; no mixture here keeps it"
    if len(contenders) == 1:
        return f"Choose {choice['label']}{unless}."
    names = listed([row["label"] for row in contenders])
    every = "any of the " if len(contenders) == len(ranked) else ""
    if every:
        return f"We cannot tell: {every}{len(ranked)} mixtures may be the best."
    pick = f"If you must choose now: {choice['label']}{unless}."
    return f"We cannot tell {names} apart. {pick}"


def _reason(
    words: Words,
    ranked: Rows,
    contenders: Rows,
    choice: dict[str, Any] | None,
    keeper: dict[str, Any] | None,
) -> str:
    if choice is None:
        return ""
    top = ranked[0]
    level = f"{100 * words.study.confidence:.3g}{NARROW}%"
    if len(contenders) == 1 and len(ranked) > 1:
        second = ranked[1]
        text = (
            f"{words.leads(choice)}; next is {second['label']} with "
            f"{words.value(second['value'])}. The lead holds at "
            f"{level} also when the choice of the best of {len(ranked)} is allowed for."
        )
    elif len(ranked) == 1 or top["may_be_best"] is None:
        text = f"{words.leads(top)}."
    else:
        text = (
            f"{words.leads(top)}; but "
            f"{listed([r['label'] for r in contenders if r is not top])} may be as good "
            f"({level} interval that allows for choosing the best of {len(ranked)})."
        )
        if choice is not top:
            cheap = "of those that may be best it needs the fewest rows to be made"
            kept = "" if lost(choice) else f" and is not shown to lose {words.main}"
            text += f" {choice['label']} has {words.value(choice['value'])}; {cheap}{kept}."
    main = words.main_words(choice)
    text += f" With {choice['label']}, {main}."
    losers = [row["label"] for row in contenders if row is not choice and lost(row)]
    if losers and not lost(choice):
        text += f" With {listed(losers)}, the {words.main_measure} falls."
    if keeper:
        text += (
            f" With {keeper['label']}, {words.main_words(keeper)}, and "
            f"{words.value(keeper['value'])} in the other languages."
        )
    return text


def _cost(words: Words, choice: dict[str, Any] | None, keeper: dict[str, Any] | None) -> str:
    if choice is None:
        return ""
    parts = [f"{row['label']}: {rows_words(row, words.main)}" for row in (choice, keeper) if row]
    return f"{'; '.join(parts)}."


def questions_needed(row: dict[str, Any], gap: float | None = None) -> float | None:
    """Questions at which the gap seen would be shown in 4 of 5 studies; None where unknown.

    A standard error falls with the square root of the number of questions. ``gap``: another one
    than the row's own.
    """
    size = abs(row["gap"] or 0.0) if gap is None else gap
    if not size or not row["detectable"] or not row["questions"]:
        return None
    return float(math.ceil(row["questions"] * (row["detectable"] / size) ** 2))


def _apart(words: Words, contenders: Rows) -> str:
    """What these data could have shown, and how many questions the gap seen would need."""
    second = contenders[1]
    if second["detectable"] is None:
        return (
            f"{contenders[0]['label']} and {second['label']} are as far apart in every resample of "
            "the questions: these data do not say how sure that is."
        )
    text = (
        f"With {second['questions']:.0f} questions, a true difference of "
        f"{words.difference(second['detectable'])} between {contenders[0]['label']} and "
        f"{second['label']} would be shown in 4 of 5 such studies"
    )
    needed = questions_needed(second)
    if needed is None:
        return f"{text}; they are equal here."
    # Two digits: a standard error is known no better.
    many = f"about {float(f'{needed:.2g}'):,.0f}".replace(",", NARROW)
    if needed > _MOST_QUESTIONS:
        many = f"more than {_MOST_QUESTIONS:,}".replace(",", NARROW)
    return (
        f"{text}; to show the {words.difference(abs(second['gap']))} seen here would take {many} "
        "questions."
    )


def _unknown(
    study: StudySet, words: Words, ranked: Rows, rest: Rows, contenders: Rows
) -> list[str]:
    """What the numbers do not say."""
    found = []
    if words.criterion == FIDELITY:
        graded = any(row["grade"] is not None for row in ranked)
        by = (
            "Only rules graded (language, emptiness, repetition, overlap with the reference)"
            if graded
            else "No judge scored an answer"
        )
        found.append(
            f"{by}: nothing here says which answers are better. The mixtures are ranked by the "
            "language that they answer in."
        )
    if len(contenders) > 1 and ranked[0]["may_be_best"] is not None:
        found.append(_apart(words, contenders))
    seeds = {int(row["seeds"]) for row in ranked}
    if seeds == {1}:
        found.append(
            "One training seed: how much another training of the same mixture would differ is not "
            "known, and no interval here holds it."
        )
    elif seeds:
        least, most = min(seeds), max(seeds)
        many = f"{most}" if least == most else f"{least} to {most}"
        found.append(
            f"{many} training seeds are averaged; the intervals are over questions. What seeds add "
            "is in the table of the seeds' spread."
        )
    questions = min((int(row["questions"]) for row in ranked), default=0)
    if ranked and questions < FEW_QUESTIONS:
        plural = "s" if questions != 1 else ""
        found.append(f"Only {questions} question{plural}: the intervals are wide, and rough.")
    found += _unscored(words, ranked)
    for row in rest:
        if (note := row["interval_note"] or "").startswith("not ranked"):
            found.append(f"{row['label']} is {short_note(note)}.")
    if ranked and all(row["main_difference"] is None for row in ranked):
        found.append(f"Whether {words.main} is kept is not known: nothing to hold it against.")
    return found


def _unscored(words: Words, ranked: Rows) -> list[str]:
    """The mixture that misses most scores, where it misses many."""
    worst, share = None, _MANY_UNSCORED
    for row in ranked:
        missing = 1 - row["values"] / row["asked"] if row["asked"] else 0.0
        if missing > share:
            worst, share = row, missing
    if worst is None:
        return []
    why = "whose language is not certain" if words.criterion == FIDELITY else "without a verdict"
    return [
        f"Answers {why} are left out: {percent(100 * share, 0)} of those of {worst['label']}, the "
        "most of all."
    ]
