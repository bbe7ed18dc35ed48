"""The page's table of all manifests."""

from __future__ import annotations

from ..analyse.table import ReadTable
from .views import Cell, View, number, words


def manifests_view(tables: dict[str, ReadTable]) -> View:
    """Mixtures × what their manifests say; the CSV has the rest."""
    view = View(
        "Manifests",
        [
            "mixture",
            "pools",
            "rows",
            "characters",
            "tokens",
            "left out: checks",
            "filter",
            "benchmark",
            "budget",
            "benchmark questions found",
            "seed",
            "licences",
            "rows (SHA-256)",
        ],
        source="manifests",
    )
    for row in tables["manifests"].rows:
        trained_on = row["ids_trained_on"]
        found = number(row["ids_found"])
        if trained_on:
            found = Cell(found.text, f"{trained_on} trained on", number=True, warn=True)
        left_out = ("failed_checks", "filtered", "contaminated", "not_drawn")
        view.rows.append(
            [
                words(row["mixture"]),
                words(row["datasets"]),
                number(row["rows"]),
                number(row["characters"]),
                words(row["tokens"]),
                *(number(row[column]) for column in left_out),
                found,
                words(row["seeds"]),
                words(row["licences"]),
                words(str(row["rows_digest"])[:12]),
            ]
        )
    return view
