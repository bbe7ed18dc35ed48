"""The page's table of all manifests."""

from __future__ import annotations

from ..analyse.table import ReadTable
from .cells import Cell, View, number, words


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
            "duplicates",
            "budget",
            "duplicates trained on",
            "held out and trained on",
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
        left_out = ("failed_checks", "filtered", "contaminated", "duplicates_out", "not_drawn")
        near, seen = (number(row[c]) for c in ("near_duplicates", "held_out_duplicates"))
        if row["near_duplicates"]:
            near = Cell(near.text, f"{row['exact_duplicates']} equal", number=True, warn=True)
        if row["held_out_duplicates"]:
            seen = Cell(seen.text, number=True, warn=True)
        rows = number(row["rows"])
        said = [f"{row['repeated_rows']} repeats"] if row["repeated_rows"] else []
        said += [f"none in {row['without_rows']}"] if row["without_rows"] else []
        if said:
            rows = Cell(rows.text, "; ".join(said), number=True, warn=bool(row["without_rows"]))
        view.rows.append(
            [
                words(row["mixture"]),
                words(row["datasets"]),
                rows,
                number(row["characters"]),
                words(row["tokens"]),
                *(number(row[column]) for column in left_out),
                near,
                seen,
                found,
                words(row["seeds"]),
                words(row["licences"]),
                words(str(row["rows_digest"])[:12]),
            ]
        )
    return view
