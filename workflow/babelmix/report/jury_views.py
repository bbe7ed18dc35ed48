"""Tables of the page about juries: what each member says, and how far they agree."""

from __future__ import annotations

from ..analyse.figure import Rows, select
from ..analyse.study import ALL, StudySet
from ..analyse.table import ReadTable
from .cells import View, estimate, number, share_cell, words


def jury_views(study: StudySet, tables: dict[str, ReadTable]) -> list[View]:
    """Two tables a jury: scores beside its members', and the agreement of those."""
    views = []
    for evaluation, spec in study.evaluations.items():
        if spec.get("members"):
            rows = select(tables["jury_agreement"], evaluation=evaluation)
            views += [_scores(study, tables, evaluation), _agreement(rows, evaluation)]
    return views


def _scores(study: StudySet, tables: dict[str, ReadTable], jury: str) -> View:
    """Mixtures × (the jury, each member), over all languages."""
    spec = study.evaluations[jury]
    name, column, form = (
        ("grades", "mean", ".2f")
        if spec["protocol"] == "single"
        else ("preferences", "score", ".1f")
    )
    columns = {of: study.evaluations[of]["judge"] for of in (jury, *spec["members"])}
    rows = select(tables[name], language=ALL)
    found = {(row["variant"], row["evaluation"]): row for row in rows}
    view = View(
        f"Scores by the jury and by each of its members · {jury}",
        ["mixture", *columns.values()],
        source=name,
    )
    for variant in study.variants.values():
        if (variant.name, jury) in found:
            cells = [estimate(found.get((variant.name, of)), column, form) for of in columns]
            view.rows.append([words(variant.label), *cells])
    return view


def _agreement(rows: Rows, jury: str) -> View:
    view = View(
        f"Agreement of the jury's members · {jury}",
        ["between", "language", "the same", "κ", "α", "items", "questions"],
        source="jury_agreement",
    )
    for row in rows:
        view.rows.append(
            [
                words(row["between"]),
                words(row["language"]),
                share_cell(row["same"]),
                number(row["kappa"], ".2f"),
                estimate(row, "alpha", ".2f"),
                number(row["items"]),
                number(row["questions"]),
            ]
        )
    return view
