"""What weakens a study's judgements, one sentence each: raised from tables to findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from ..analyse.figure import select
from ..analyse.study import ALL, StudySet
from ..analyse.table import ReadTable
from ..analyse.wording import NARROW, percent
from .statements import Statement, interval, judge_words

#: Consistency across languages under this is low. Krippendorff (2004) asks 0.667 of raters who see
#: one text; here the answers differ between languages, so that less is asked.
LOW_CONSISTENCY = 0.5
#: Orders that contradict each other in more pairs than this are many.
_MANY_FLIPS = 0.2
#: Judgements under this share of coverage are few enough to say so.
_FULL = 0.95

Tables = dict[str, ReadTable]


def caveats(study: StudySet, name: str, tables: Tables) -> list[Statement]:
    """Findings about the judging of a study that a reader must know before its numbers."""
    found: list[Statement] = []
    for evaluation in study.studies[name]["evaluations"]:
        for of in (evaluation, *study.evaluations[evaluation].get("members", [])):
            found += _changed(study, name, of, tables)
            found += _flips(study, of, tables)
            found += _inconsistent(study, of, tables)
            found += _length(study, of, tables)
            found += _missing(study, name, of, tables)
    return found


def _own(study: StudySet, name: str, evaluation: str, table: ReadTable) -> list[dict[str, Any]]:
    runs = set(study.studies[name]["runs"])
    rows = select(table, evaluation=evaluation, language=ALL)
    return [row for row in rows if row["run"] in runs]


def _changed(study: StudySet, name: str, evaluation: str, tables: Tables) -> Iterator[Statement]:
    """More than one model replied under the judge's name."""
    models: Counter[str] = Counter()
    for row in _own(study, name, evaluation, tables["coverage"]):
        models.update(_counts(row.get("models")))
    if len(models) > 1:
        listed = ", ".join(f"{model} ({count})" for model, count in models.most_common())
        yield Statement(
            f"The judge changed during the study: {len(models)} models replied. A difference "
            "between mixtures may be one between judges.",
            f"Evaluation {evaluation}; model as the server named it (judgements): {listed}.",
            (),
        )


def _counts(text: str | None) -> dict[str, int]:
    """``a (3); b (1)`` as counts."""
    found = {}
    for part in (text or "").split("; "):
        name, _, count = part.rpartition(" (")
        if name and count.rstrip(")").isdigit():
            found[name] = int(count.rstrip(")"))
    return found


def _flips(study: StudySet, evaluation: str, tables: Tables) -> Iterator[Statement]:
    """Orders that contradict each other often."""
    rows = select(
        tables["position_bias"], evaluation=evaluation, language=ALL, category=ALL, turn=ALL
    )
    for row in rows:
        if (row["flipped"] or 0.0) <= _MANY_FLIPS:
            continue
        low, high = (None if row[e] is None else 100 * row[e] for e in ("low", "high"))
        ends = interval(study, low, high, ".0f", row["interval_note"])
        first = ""
        if row["first_preferred"] is not None:
            share = percent(100 * row["first_preferred"], 0)
            first = f" Of its preferences {share} are for the answer shown first."
        yield Statement(
            f"The judge contradicts itself in {percent(100 * row['flipped'], 0)} of the pairs when "
            f"the answers change places ({ends}).{first}",
            f"Evaluation {evaluation}, judged by {judge_words(study, evaluation)}. {_n(row)}",
            (),
        )


def _inconsistent(study: StudySet, evaluation: str, tables: Tables) -> Iterator[Statement]:
    """Low agreement of the judge with itself across languages."""
    for row in select(tables["cross_language"], evaluation=evaluation, languages=ALL):
        if row["value"] is None or row["value"] >= LOW_CONSISTENCY:
            continue
        sign = "κ" if row["measure"] == "kappa" else "α"
        ends = interval(study, row["low"], row["high"], ".2f", row["interval_note"])
        yield Statement(
            f"Low agreement across languages: {sign} {row['value']:.2f} ({ends}; 1 is full, 0 is "
            "chance). The same question gets another verdict in another language; compare "
            "mixtures within a language rather than languages.",
            f"Evaluation {evaluation}, judged by {judge_words(study, evaluation)}. {_n(row)} "
            "Answers differ between languages, so that a perfect judge would not reach 1.",
            (),
        )


def _length(study: StudySet, evaluation: str, tables: Tables) -> Iterator[Statement]:
    """A length slope whose interval leaves out 0."""
    for row in select(tables["length_bias"], evaluation=evaluation):
        low, high = row["low"], row["high"]
        if low is None or high is None or low <= 0 <= high:
            continue
        ends = interval(study, low, high, "+.2f", row["interval_note"])
        liked = "longer" if row["slope"] > 0 else "shorter"
        slope = f"{row['slope']:+.2f}".replace("-", "−")
        yield Statement(
            f"Length and verdict go together: {slope} points per doubling of the length "
            f"({ends.replace('-', '−')}), so {liked} answers fare better. The table of scores at "
            "equal length takes that out.",
            f"Evaluation {evaluation}, judged by {judge_words(study, evaluation)}. {_n(row)}",
            (),
        )


def _missing(study: StudySet, name: str, evaluation: str, tables: Tables) -> Iterator[Statement]:
    """Judgements without a verdict, where they are many, and on which mixtures they fall."""
    rows = _own(study, name, evaluation, tables["coverage"])
    asked, scored = (sum(row[column] for row in rows) for column in ("asked", "scored"))
    # Without a single verdict the findings say so already.
    if not scored or scored >= _FULL * asked:
        return
    worst = min(rows, key=lambda row: row["coverage"])
    yield Statement(
        f"{percent(100 * (1 - scored / asked), 0)} of the judgements have no verdict and enter no "
        f"mean; most are missing of {worst['label']} "
        f"({percent(100 * (1 - worst['coverage']), 0)}).",
        f"Evaluation {evaluation}: {asked - scored:.0f} of {asked:.0f}. Its reasons: "
        f"{worst['reasons']}.",
        (),
    )


def _n(row: dict[str, Any]) -> str:
    counts = f"{row['questions']:,.0f} questions, {row['values']:,.0f} values"
    return f"{counts.replace(',', NARROW)}.".replace(f"questions{NARROW}", "questions,")
