"""Held-out likelihood on the page: its findings in words, and its tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..analyse import wording
from ..analyse.figure import Rows, select
from ..analyse.likelihood_figures import as_saved
from ..analyse.study import ALL, StudySet
from ..analyse.table import ReadTable
from ..analyse.wording import NARROW, note_of, percent
from .cells import Cell, View, estimate, number, pivot, words
from .statements import Statement

_MEASURES = {
    "grade": "grades",
    "score": "preference scores",
    "answer_language": "shares of answers in the asked language",
}


def likelihood_statements(
    study: StudySet, name: str, tables: dict[str, ReadTable]
) -> Iterator[Statement]:
    """What tuning saves and what transfers; then whether it ranks mixtures as other measures do."""
    for held_out in _held_out(study, name):
        yield from _saving(study, name, held_out, tables)
        rows = select(tables["likelihood_agreement"], held_out=held_out, language=ALL)
        for row in rows:
            if _is_of_study(study, name, row["measure"]):
                yield _agreement(study, row)


def _held_out(study: StudySet, name: str) -> list[str]:
    found: dict[str, dict[str, Any]] = study.raw.get("likelihoods", {})
    return [held_out for held_out, spec in found.items() if name in spec["studies"]]


def _is_of_study(study: StudySet, name: str, measure: str) -> bool:
    evaluations = study.studies[name]["evaluations"]
    kind, _, of = measure.partition(":")
    if kind == "answer_language":
        return of in {study.evaluations[e]["benchmark"] for e in evaluations}
    return of in evaluations


def _saving(
    study: StudySet, name: str, held_out: str, tables: dict[str, ReadTable]
) -> Iterator[Statement]:
    """The transfer of monolingual tuning, or else the mixture that saves most."""
    own = {v.comparable for v in study.variants_of_study(name)}
    transfer = [
        row
        for row in select(tables["likelihood_transfer"], held_out=held_out, tuned_in=ALL)
        if (row["model"], row["recipe"], row["dataset"]) in own and row["saved"] is not None
    ]
    by_group: dict[tuple[str, str, str], dict[str, dict[str, Any]]] = {}
    for row in transfer:
        group = by_group.setdefault((row["model"], row["recipe"], row["dataset"]), {})
        group[row["asked_in"]] = row
    for (model, recipe, dataset), rows in by_group.items():
        if "own" in rows and "other" in rows:
            yield _transfer(
                study, held_out, rows, f"Model {model}, recipe {recipe}, pool {dataset}."
            )
    if not by_group:
        yield from _best(study, name, held_out, tables["likelihood"])


def _transfer(
    study: StudySet, held_out: str, rows: dict[str, dict[str, Any]], of: str
) -> Statement:
    own, other = rows["own"], rows["other"]
    text = (
        f"Bits of held-out answers: tuning on one language {_saves(study, own)} in that language; "
        f"in the other languages it {_saves(study, other)}."
    )
    note = (
        f"{own['languages']:.0f} languages tuned in, {other['languages']:.0f} pairs with another "
        f"one; {_basis(own, held_out)} {of} {_LIMIT}"
    )
    return Statement(text, note, ("likelihood_matrix", "likelihood"))


_LIMIT = "Fewer bits say nothing of the language that a model chooses to answer in."


def _saves(study: StudySet, row: dict[str, Any]) -> str:
    """``saves 3.2 % (95 %: …)``, or that nothing can be shown."""
    low, high = row["low"], row["high"]
    note = note_of(row["interval_note"], "saved")
    ends = wording.interval(study.confidence, low, high, ".1f", note)
    if low is not None and low > 0:
        return f"saves {percent(row['saved'], 1)} ({ends})"
    if high is not None and high < 0:
        needed = wording.interval(study.confidence, -high, -low, ".1f", note)
        return f"needs {percent(-row['saved'], 1)} more ({needed})"
    signed = f"{row['saved']:+.1f}{NARROW}%"
    return f"shows no certain saving ({signed} saved; {ends})"


def _best(study: StudySet, name: str, held_out: str, table: ReadTable) -> Iterator[Statement]:
    variants = [v.name for v in study.variants_of_study(name)]
    rows = select(table, variants, held_out=held_out, part="answer", language=ALL)
    rows = [as_saved(row) for row in rows if row["saved"] is not None]
    if rows:
        top = max(rows, key=lambda row: (row["saved"], row["variant"]))
        text = (
            f"Of {len(rows)} mixtures, {top['label']} needs the fewest bits for held-out answers: "
            f"against the untuned model it {_saves(study, top)}."
        )
        yield Statement(text, f"{_basis(top, held_out)} {_LIMIT}", ("likelihood",))


def _basis(row: dict[str, Any], held_out: str) -> str:
    note = note_of(row["interval_note"], "saved")
    return f"{row['questions']:.0f} texts of {held_out}, paired{f'; {note}' if note else ''}."


def _agreement(study: StudySet, row: dict[str, Any]) -> Statement:
    kind, _, of = row["measure"].partition(":")
    measure = f"{_MEASURES[kind]} ({of})"
    note = note_of(row["interval_note"], "rho")
    ends = wording.interval(study.confidence, row["low"], row["high"], ".2f", note)
    rho = f"rank correlation {row['rho']:.2f}, {ends}, n = {row['mixtures']:.0f}"
    if row["low"] is not None and row["low"] > 0:
        text = f"Few bits per byte go with high {measure}: {rho}."
    elif row["high"] is not None and row["high"] < 0:
        text = f"Few bits per byte go with low {measure}: {rho}."
    else:
        text = f"Whether bits per byte rank mixtures as {measure} do cannot be shown: {rho}."
    if row["same"] == "yes":
        text += f" Both would pick {row['picked']}."
    else:
        text += (
            f" By bits one would pick {row['picked']}, rank {row['rank']:.0f} by the measure, "
            f"whose best is {row['best']}: {_cost(study, row, kind)} apart."
        )
    note = "The interval is over mixtures; it does not allow for the choice of the best."
    return Statement(
        text, f"{note} Model {row['model']}, texts {row['held_out']}.", ("likelihood",)
    )


def _cost(study: StudySet, row: dict[str, Any], kind: str) -> str:
    factor, form, unit = {
        "grade": (1, ".2f", "grade points"),
        "score": (1, ".1f", "points"),
        "answer_language": (100, ".0f", "percentage points"),
    }[kind]
    low, high = (None if v is None else factor * v for v in (row["cost_low"], row["cost_high"]))
    note = note_of(row["interval_note"], "cost")
    ends = wording.interval(study.confidence, low, high, form, note)
    return f"{factor * row['cost']:{form}} {unit} ({ends})"


def likelihood_views(study: StudySet, name: str, tables: dict[str, ReadTable]) -> list[View]:
    """Bits saved and bits per byte by mixture and language, transfer, agreement."""
    variants = [v.name for v in study.variants_of_study(name)]
    models = {study.variants[v].model for v in variants}
    untuned = [v.name for v in study.variants.values() if v.mixture is None and v.model in models]
    everyone = list(dict.fromkeys([*variants, *untuned]))
    views = []
    for held_out in _held_out(study, name):
        rows = select(tables["likelihood"], everyone, held_out=held_out)
        answers = [row for row in rows if row["part"] == "answer"]
        saved = [as_saved(row) for row in answers if row["saved"] is not None]
        caption = f"Bits of held-out answers saved against the untuned model (%) · {held_out}"
        views.append(pivot(study, variants, saved, "saved", "+.1f", caption, "likelihood"))
        for part in ("answer", "prompt"):
            of = [row for row in rows if row["part"] == part]
            caption = f"Bits per byte of held-out {part}s · {held_out}"
            views.append(pivot(study, everyone, of, "bits_per_byte", ".3f", caption, "likelihood"))
        views.append(_counts(study, everyone, answers, held_out))
        views.append(_transfer_view(study, tables, held_out))
        views.append(_agreement_view(tables, held_out))
    return [view for view in views if view.rows]


def _counts(study: StudySet, variants: list[str], rows: Rows, held_out: str) -> View:
    view = View(
        f"Held-out answers that do not enter · {held_out}",
        ["mixture", "texts compared", "turns left out", "not scored under this mixture itself"],
        source="likelihood",
    )
    found = {row["variant"]: row for row in rows if row["language"] == ALL}
    for name in variants:
        if row := found.get(name):
            cells = [number(row["questions"]), number(row["left_out"]), words(row["reasons"])]
            view.rows.append([words(study.variants[name].label), *cells])
    return view


def _transfer_view(study: StudySet, tables: dict[str, ReadTable], held_out: str) -> View:
    view = View(
        f"Bits saved (%) in the language tuned on, and in the others · {held_out}",
        ["tuned in", "model", "recipe", "pool", "that language", "the others"],
        source="likelihood_transfer",
    )
    by_row: dict[tuple[Any, ...], dict[str, dict[str, Any]]] = {}
    for row in select(tables["likelihood_transfer"], held_out=held_out):
        key = (row["tuned_in"], row["model"], row["recipe"], row["dataset"])
        by_row.setdefault(key, {})[row["asked_in"]] = row
    for (tuned, *names), of in by_row.items():
        cells = [estimate(of.get(asked), "saved", "+.1f") for asked in ("own", "other")]
        spoken = "mean of them" if tuned == ALL else study.language_name(tuned)
        view.rows.append([words(spoken), *map(words, names), *cells])
    return view


def _agreement_view(tables: dict[str, ReadTable], held_out: str) -> View:
    view = View(
        f"Would few bits pick the same mixture? · {held_out}",
        ["measure", "model", "language", "mixtures", "ρ", "picked", "best", "rank", "cost"],
        source="likelihood_agreement",
    )
    for row in select(tables["likelihood_agreement"], held_out=held_out):
        cost = row | {"low": row["cost_low"], "high": row["cost_high"]}
        spoken = "mean" if row["language"] == ALL else row["language"]
        view.rows.append(
            [
                *(words(text) for text in (row["measure"], row["model"], spoken)),
                number(row["mixtures"]),
                estimate(row, "rho", ".2f"),
                *(words(row[column]) for column in ("picked", "best")),
                number(row["rank"]),
                estimate(cost, "cost", ".2f") if row["same"] == "no" else Cell("0", number=True),
            ]
        )
    return view
