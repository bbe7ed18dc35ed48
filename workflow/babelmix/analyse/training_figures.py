"""Figures of the trainings."""

from __future__ import annotations

from collections.abc import Iterator

from .figure import Figure, extremes, figure_id, highest_words, present, select, variant_order
from .panel_charts import losses
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
        title=highest_words(final, ".2f", "final training loss"),
        caption=(
            f"Loss during training (nats per token) against optimizer steps, a plot per mixture, "
            f"all on the same axes. {runs} trainings; lines are the training loss, open points "
            "the loss on held-out "
            "rows. Mixtures of other languages have other losses: compare shapes, not heights."
        ),
        alt=(
            "Small line charts, one per mixture, of training loss against steps; final loss: "
            f"{extremes(final, '.2f')}."
        ),
        table="training_curves",
        chart=losses(rows, label_order=present(labels, rows, "label")),
    )
