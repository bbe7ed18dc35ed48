"""Findings in one sentence each, with their intervals; and the plain words for "we cannot tell"."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ..analyse import wording
from ..analyse.figure import Rows, select
from ..analyse.gain_tables import BEST
from ..analyse.statistics import Estimate
from ..analyse.study import ALL, StudySet
from ..analyse.table import ReadTable
from ..analyse.wording import NARROW, detectable_words, percent
from .declared import declared_statements
from .statement import Statement

__all__ = ["Statement", "statements"]

#: A pinch series of at most so many steps is told whole.
_STEPS = 3


def statements(study: StudySet, name: str, tables: dict[str, ReadTable]) -> list[Statement]:
    """Findings of a study: declared contrasts, then the one that carries most weight.

    Grades of the rules judge are no measure of quality: where they are all there is, what language
    the answers come in goes first.
    """
    found: list[Statement] = []
    for evaluation in study.studies[name]["evaluations"]:
        spec = study.evaluations[evaluation]
        if spec["protocol"] == "single":
            judged = _gain(study, name, evaluation, tables["gains"])
        else:
            judged = _preference(study, name, evaluation, tables["preferences"])
        found += [_of_rules(study, evaluation, judged)] if judged else []
        for of in (evaluation, *spec.get("members", [])):
            found += _nothing_scored(study, name, of, tables["coverage"])
    found += contrast_statements(study, name, tables["contrasts"])
    language = list(_language(study, name, tables))
    rules = all(map(study.is_by_rules, study.studies[name]["evaluations"]))
    declared = list(declared_statements(study, name, tables["declared"]))
    return declared + (language + found if rules else found + language)


def _of_rules(study: StudySet, evaluation: str, found: Statement) -> Statement:
    """A finding of grades by rules says first that it is no finding about quality."""
    if not study.is_by_rules(evaluation):
        return found
    return replace(found, text=f"By rules, which measure no quality: {found.text}")


def _gain(study: StudySet, name: str, evaluation: str, table: ReadTable) -> Statement | None:
    rows = select(table, study=name, evaluation=evaluation, against=BEST, language=ALL)
    rows = [row for row in rows if row["difference"] is not None]
    if not rows:
        return None
    top = max(rows, key=lambda row: (row["difference"], row["variant"]))
    mono = top["against_label"].removeprefix(f"{BEST} (").removesuffix(")")
    low, high = top["difference_low"], top["difference_high"]
    size = interval(study, low, high, "+.2f", wording.note_of(top["interval_note"], "difference"))
    points = f"{top['difference']:+.2f} grade points ({size})"
    corrected = top["p_holm"]
    alone = corrected is None or corrected < 1 - study.confidence
    power = detectable_words(top["detectable"], "grade points")
    if low is not None and low > 0 and alone:
        text = (
            f"{top['label']} beats the best monolingual mixture, {mono}, by {points}: a gain of "
            f"{percent(top['gain'], 1)} ({interval(study, top['low'], top['high'], '.1f')})."
        )
    elif high is not None and high < 0:
        text = (
            f"No language mixture beats the best monolingual one, {mono}; the nearest, "
            f"{top['label']}, is behind it by {points}."
        )
    else:
        allowed = ", once the other comparisons are allowed for," if low and low > 0 else ""
        text = (
            f"No difference can be shown at this size{allowed} between {top['label']} and the best "
            f"monolingual mixture, {mono}: {points}. {power}"
        ).strip()
    judged = f"Judged by {judge_words(study, evaluation)}."
    note = f"{_best_of(len(rows))}{_tested(top)}{_basis(top)} {judged}"
    return Statement(text, note, ("gains", "grades"))


def _nothing_scored(
    study: StudySet, name: str, evaluation: str, table: ReadTable
) -> list[Statement]:
    """A judge without a single verdict is told of: its missing figures might be overlooked."""
    own = set(study.studies[name]["runs"])
    rows = [r for r in select(table, evaluation=evaluation, language=ALL) if r["run"] in own]
    asked, scored = (int(sum(row[column] for row in rows)) for column in ("asked", "scored"))
    if not asked or scored:
        return []
    judge = study.evaluations[evaluation]["judge"]
    text = (
        f"Nothing is known from {evaluation}: {judge} scored none of its {asked} judgements "
        "(coverage 0). They enter no mean."
    )
    why = rows[0]
    return [Statement(text, f"Reasons, of {why['run']}: {why['reasons']}.", ())]


def _tested(row: dict[str, Any]) -> str:
    """The permutation test's p, corrected."""
    if row["p_holm"] is None:
        return ""
    p = f"p {'< 0.001' if row['p_holm'] < 0.001 else format(row['p_holm'], '.3f')}"
    return f"Permutation test: {p} after Holm's correction for {row['tests']:.0f} comparisons. "


def contrast_statements(study: StudySet, name: str, table: ReadTable) -> Iterator[Statement]:
    """Size and source of the data: what each pair of pools shows, over the matched mixtures."""
    spec = study.studies[name]
    own = {v.dataset for v in study.variants_of_study(name)}
    for row in select(table, language=ALL):
        if row["evaluation"] not in spec["evaluations"] or not own & {row["left"], row["right"]}:
            continue
        difference = Estimate(
            row["difference"],
            row["low"],
            row["high"],
            int(row["questions"]),
            int(row["values"]),
            note=row["interval_note"] or "",
        )
        text = wording.difference_sentence(
            row["left"],
            row["right"],
            difference,
            "grade points",
            study.confidence,
            row["detectable"],
            corrected=row["p_holm"],
        )
        note = f"{_matched(row)} {_tested(row)}{_basis(row)}"
        told = Statement(f"{row['contrast'].capitalize()} of the data: {text}", note, ())
        yield _of_rules(study, row["evaluation"], told)


def _matched(row: dict[str, Any]) -> str:
    """Over which mixtures two pools were compared, and what else differs."""
    sizes = [f"{row[s]:,.0f}".replace(",", NARROW) for s in ("left_rows", "right_rows") if row[s]]
    of_rows = f" of {' and '.join(sizes)} rows on average" if sizes else ""
    recipes = f" Their recipes differ: {row['recipes']}." if row["recipes"] else ""
    return f"{row['mixtures']:.0f} mixtures made from both pools{of_rows}.{recipes}"


def _preference(study: StudySet, name: str, evaluation: str, table: ReadTable) -> Statement | None:
    mixed = {v.name for v in study.variants_of_study(name) if len(v.languages) > 1}
    rows = select(table, mixed, evaluation=evaluation, language=ALL)
    rows = [row for row in rows if row["score"] is not None]
    if not rows:
        return None
    top = max(rows, key=lambda row: (row["score"], row["variant"]))
    size = interval(study, top["low"], top["high"], ".1f", top["interval_note"])
    score = f"score {top['score']:.1f} ({size}; 50 is parity)"
    against = _opponent(study, evaluation)
    if top["low"] is not None and top["low"] > 50:
        text = f"{top['label']} is preferred to {against}: {score}."
    elif top["high"] is not None and top["high"] < 50:
        nearest = f"the nearest is {top['label']}: {score}"
        text = f"No language mixture is preferred to {against}; {nearest}."
    else:
        text = f"No preference between {top['label']} and {against} can be shown: {score}."
    counts = f"{top['wins']:.0f} wins, {top['ties']:.0f} ties, {top['losses']:.0f} losses."
    note = (
        f"{_best_of(len(rows))}{counts} {_basis(top)} Judged by {judge_words(study, evaluation)}."
    )
    return Statement(text, note, ("outcomes", "matrix"))


def _opponent(study: StudySet, evaluation: str) -> str:
    baseline = study.evaluations[evaluation]["baseline"]
    known = {
        "best_monolingual": "the best monolingual mixture",
        "language_monolingual": "the model tuned on the asked language alone",
    }
    return known.get(baseline, str(baseline))


def _language(study: StudySet, name: str, tables: dict[str, ReadTable]) -> Iterator[Statement]:
    series = [
        row
        for row in select(tables["series"], study=name, policy="pinch", language="other")
        if row["measure"].startswith("answer_language:") and row["value"] is not None
    ]
    for measure in dict.fromkeys(row["measure"] for row in series):
        rows = [row for row in series if row["measure"] == measure]
        benchmark = measure.removeprefix("answer_language:")
        graded = _main_grades(study, name, rows, tables["series"])
        yield _pinch(study, rows, select(tables["answer_language"], benchmark=benchmark), graded)
    if not series:
        yield from _shares(study, name, tables["answer_language"])


def _main_grades(
    study: StudySet, name: str, rows: Rows, table: ReadTable
) -> tuple[str, dict[str, float]]:
    """(who graded, main-language grade by variant) of a pinch, by the study's first grades."""
    for evaluation in study.studies[name]["evaluations"]:
        found = select(
            table,
            {row["variant"] for row in rows},
            study=name,
            family=rows[0]["family"],
            measure=f"grade:{evaluation}",
            language=rows[0]["main"],
        )
        grades = {row["variant"]: row["value"] for row in found if row["value"] is not None}
        if grades:
            return judge_words(study, evaluation), grades
    return "", {}


def _pinch(
    study: StudySet, rows: Rows, shares: Rows, graded: tuple[str, dict[str, float]]
) -> Statement:
    """From the main language alone to its pinch: its steps, or the first and the highest.

    What the main language's grade does on the way belongs to it: more is not better for free.
    """
    first_family = (rows[0]["family"], rows[0]["model"])
    rows = [row for row in rows if (row["family"], row["model"]) == first_family]
    rows.sort(key=lambda row: (row["x"], row["variant"]))
    main = study.language_name(rows[0]["main"])
    start, *rest = rows
    with_start = f"With {main} only" if start["x"] == 0 else f"With {_rows_words(start, main)}"
    text = (
        f"{with_start}, {_share_words(study, start)} of the answers to questions in other "
        "languages come in the language of the question"
    )
    steps = rest
    if len(rest) > _STEPS:
        steps = [rest[0], max(rest[1:], key=lambda row: (row["value"], -row["x"]))]
    for step in steps:
        text += f"; with {_rows_words(step, main)}, {_share_words(study, step)}"
    told = [start, *steps]
    judge, grades = graded
    way = [f"{grades[row['variant']]:.2f}" for row in told if row["variant"] in grades]
    if len(way) == len(told) > 1:
        text += f". The {main} grade goes {' → '.join(way)} on the way"
        judge = f" Graded by {judge}."
    else:
        judge = ""
    variants = {row["variant"] for row in rows}
    note = (
        f"{_basis(start)}{_silent(shares, variants, start['main'])}{judge} "
        f"Model {start['model']}, mixture family {start['family']}."
    )
    return Statement(f"{text}.", note, ("answer_language_series", "answer_language"))


def _silent(shares: Rows, variants: set[str], main: str) -> str:
    """How many answers of these variants, not to ``main`` questions, are left out of the shares."""
    rows = [
        row for row in shares if row["variant"] in variants and row["language"] not in (ALL, main)
    ]
    return _left_out(rows)


def _left_out(rows: Rows) -> str:
    """Say how many answers have no share in the shares, and why; nothing where all have."""
    names = ("unsure", "not_judged", "answers")
    unsure, short, answers = (sum(row[name] or 0 for row in rows) for name in names)
    if not unsure + short:
        return ""
    percentage = percent(100 * (unsure + short) / answers, 1)
    return (
        f" Left out of these shares, of all models here: {unsure:.0f} answers whose language is "
        f"not certain and {short:.0f} too short to tell, of {answers:.0f} ({percentage})."
    )


def _rows_words(row: dict[str, Any], main: str) -> str:
    if row["rows_other"] is None:
        return f"{row['x']:.3g}{NARROW}% of rows not in {main}"
    count = int(row["rows_other"])
    noun = "row" if count == 1 else "rows"
    return f"{count:,} non-{main} {noun} ({row['x']:.3g}{NARROW}%)".replace(",", NARROW)


def _share_words(study: StudySet, row: dict[str, Any], column: str = "value") -> str:
    low, high = ((None if v is None else 100 * v) for v in (row["low"], row["high"]))
    ends = interval(study, low, high, ".0f", row["interval_note"])
    return f"{percent(100 * row[column], 0)} ({ends})"


def _shares(study: StudySet, name: str, table: ReadTable) -> Iterator[Statement]:
    """Without a pinch family: the best mixture and the best monolingual one."""
    variants = {v.name: v for v in study.variants_of_study(name)}
    rows = [r for r in select(table, variants, language=ALL) if r["share"] is not None]
    for benchmark in dict.fromkeys(row["benchmark"] for row in rows):
        of = [row for row in rows if row["benchmark"] == benchmark]
        mixed = [row for row in of if len(variants[row["variant"]].languages) > 1]
        single = [row for row in of if variants[row["variant"]].monolingual]
        parts = []
        for chosen, words in ((mixed, "mixtures"), (single, "monolingual mixtures")):
            if chosen:
                top = max(chosen, key=lambda row: (row["share"], row["variant"]))
                share = _share_words(study, top, "share")
                parts.append(f"{share} with {top['label']}, the best of the {words}")
        if parts:
            yield Statement(
                f"Answers in the language of the question: {'; '.join(parts)}.",
                f"{_basis(of[0])}{_left_out(of)} Benchmark {benchmark}.",
                ("answer_language",),
            )


def interval(
    study: StudySet, low: float | None, high: float | None, form: str, note: str | None = ""
) -> str:
    """An interval at the study set's confidence, in words."""
    return wording.interval(study.confidence, low, high, form, note)


def _best_of(count: int) -> str:
    if count < 2:
        return ""
    choice = "this interval does not allow for that choice, those of the ranked table do"
    return f"The best of {count} mixtures in these data; {choice}. "


def _basis(row: dict[str, Any]) -> str:
    note = f"; {row['interval_note']}" if row.get("interval_note") else ""
    return f"{row['questions']:.0f} questions, {row['values']:.0f} answered turns{note}."


def judge_words(study: StudySet, evaluation: str) -> str:
    """The judge of an evaluation; of rules, that they measure no quality."""
    spec = study.evaluations[evaluation]
    if members := spec.get("members"):
        return f"{spec['judge']}, a jury of {', '.join(judge_words(study, m) for m in members)}"
    rules = " (rules: a demonstration, no measure of quality)" if spec["engine"] == "rules" else ""
    return f"{spec['judge']}{rules}"
