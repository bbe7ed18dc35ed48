"""Figures of the trainings."""

from __future__ import annotations

from collections.abc import Iterator

from . import charts
from .figure import Figure, extremes, figure_id, present, select, variant_order
from .study import StudySet
from .table import ReadTable


def training_figures(study: StudySet, name: str, tables: dict[str, ReadTable]) -> Iterator[Figure]:
    """Loss curves of a study's trainings."""
    variants, labels = variant_order(study, name)
    keep = ("run", "label", "kind", "step", "loss")
    rows = [
        {column: row[column] for column in keep}
        for row in select(tables["training_curves"], variants)
    ]
    if not rows:
        return
    final = [
        {"label": row["label"], "value": row["final_loss"]}
        for row in select(tables["training"], variants)
        if row["final_loss"] is not None
    ]
    runs = len({row["run"] for row in rows})
    yield Figure(
        id=figure_id("loss", name),
        kind="loss",
        study=name,
        title="Loss during training",
        caption=(
            f"{runs} trainings; lines are the training loss, open points the loss on held-out "
            "rows. Mixtures of other languages have other losses: compare shapes, not heights."
        ),
        alt=f"Line chart of training loss against steps; final loss: {extremes(final, '.2f')}.",
        table="training_curves",
        chart=charts.losses(rows, label_order=present(labels, rows, "label")),
    )
