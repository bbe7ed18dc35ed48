"""Tables of the page about the judging: coverage, bias, cost, seeds, pools against pools."""

from __future__ import annotations

from collections import Counter

from ..analyse.study import ALL
from ..analyse.table import ReadTable
from .cells import Cell, View, estimate, number, share_cell, simple, turn_words, words
from .statements import percent


def coverage_views(tables: dict[str, ReadTable]) -> list[View]:
    """Coverage by evaluation and language; then the runs that miss judgements."""
    rows = tables["coverage"].rows
    view = View(
        "Judgements asked and scored, all runs",
        ["evaluation", "language", "asked", "scored", "coverage"],
        source="coverage",
    )
    sums: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        total = sums.setdefault((row["evaluation"], row["language"]), [0.0, 0.0])
        total[0] += row["asked"]
        total[1] += row["scored"]
    for (evaluation, lang), (asked, scored) in sums.items():
        share = scored / asked if asked else None
        text = percent(None if share is None else 100 * share, 1)
        cover = Cell(text, number=True, warn=share is not None and share < 1)
        view.rows.append([words(evaluation), words(lang), number(asked), number(scored), cover])
    missing = [row for row in rows if row["language"] == ALL and row["scored"] < row["asked"]]
    views = [view, *_provenance_views(tables["coverage"])]
    if not missing:
        return views
    return [*views, unscored_view(tables["unscored"])]


def unscored_view(table: ReadTable) -> View:
    """Judgements without a verdict by mixture and reason, all languages; sums where several."""
    rows = [row for row in table.rows if row["language"] == ALL]
    several = Counter((row["evaluation"], row["variant"]) for row in rows)
    columns = {
        "evaluation": ("evaluation", words),
        "label": ("mixture", words),
        "reason": ("reason", words),
        "unscored": ("unscored", number),
        "asked": ("asked", number),
        "share": ("share", share_cell),
    }
    shown = [
        row
        for row in rows
        if row["reason"] != ALL or several[row["evaluation"], row["variant"]] > 2
    ]
    return simple(table, "Unscored judgements by mixture and reason", columns, shown)


def _provenance_views(table: ReadTable) -> list[View]:
    """The models that replied, and answers that may have spoken to the judge, if there are any."""
    common = {"evaluation": ("evaluation", words), "run": ("run", words)}
    whole = [row for row in table.rows if row["language"] == ALL]
    replied = [row for row in whole if row.get("models")]
    suspected = [row for row in whole if row.get("suspected_injections")]
    views = []
    if replied:
        models = common | {"models": ("model as the server named it (judgements)", words)}
        views.append(simple(table, "Models that replied to the judging, by run", models, replied))
    if suspected:
        counts = common | {
            "asked": ("asked", number),
            "suspected_injections": ("with delimiters of the prompt", number),
        }
        title = "Suspected injections: answers that held delimiters of the judge's prompt"
        views.append(simple(table, title, counts, suspected))
    return views


def position_view(tables: dict[str, ReadTable]) -> View | None:
    """Position bias by language, and by turn over all languages."""
    rows = [
        row
        for row in tables["position_bias"].rows
        if row["category"] == ALL and ALL in (row["turn"], row["language"])
    ]
    if not rows:
        return None
    view = View(
        "Position bias: orders that contradict each other, preferences for the answer shown first",
        ["evaluation", "turn", "language", "contradict (%)", "first preferred (%)", "preferences"],
        source="position_bias",
    )
    for row in rows:
        view.rows.append(
            [
                words(row["evaluation"]),
                words(turn_words(row["turn"])),
                words(row["language"]),
                estimate(row, "flipped", ".0f", 100),
                share_cell(row["first_preferred"]),
                number(row["preferences"]),
            ]
        )
    return view


def cost_view(tables: dict[str, ReadTable]) -> View:
    """Calls, tokens, dollars."""
    return simple(
        tables["cost"],
        "Judgements, tokens and US dollars",
        {
            "evaluation": ("evaluation", words),
            "engine": ("engine", words),
            "judgements": ("judgements", number),
            "tokens_in": ("prompt tokens", number),
            "tokens_out": ("answer tokens", number),
            "dollars": ("US dollars", lambda value: number(value, ",.2f")),
        },
    )


def noise_view(tables: dict[str, ReadTable]) -> View | None:
    """What two seeds of one mixture differ by."""
    if not tables["seed_noise"].rows:
        return None
    view = View(
        "Two seeds of one mixture, compared as two mixtures would be (points of the evaluation)",
        ["mixture", "evaluation", "seeds compared", "difference"],
        source="seed_noise",
    )
    for row in tables["seed_noise"].rows:
        pair = f"{row['run'].rsplit('.', 1)[-1]} − {row['other_run'].rsplit('.', 1)[-1]}"
        view.rows.append(
            [
                words(row["label"]),
                words(row["evaluation"]),
                words(pair),
                estimate(row, "difference", "+.2f"),
            ]
        )
    return view


def spread_view(tables: dict[str, ReadTable]) -> View | None:
    """What seeds add, pooled."""
    if not tables["seed_variance"].rows:
        return None
    return simple(
        tables["seed_variance"],
        "Spread of the seeds, pooled over mixtures (points of the evaluation)",
        {
            "evaluation": ("evaluation", words),
            "runs": ("runs", number),
            "noise_floor": ("noise floor of a difference", lambda v: number(v, ".2f")),
            "seed_sd": ("standard deviation of the seed", lambda v: number(v, ".2f")),
        },
    )


def contrast_view(tables: dict[str, ReadTable]) -> View | None:
    """Pools against pools, over all languages."""
    rows = [row for row in tables["contrasts"].rows if row["language"] == ALL]
    if not rows:
        return None
    view = View(
        "Size and source of the data: pools compared over the mixtures made from both",
        ["pools", "contrast", "evaluation", "difference (points)", "p (Holm)", "detectable"],
        source="contrasts",
    )
    for row in rows:
        view.rows.append(
            [
                words(f"{row['left']} − {row['right']}"),
                words(row["contrast"]),
                words(row["evaluation"]),
                estimate(row, "difference", "+.2f"),
                number(row["p_holm"], ".3f"),
                number(row["detectable"], ".2f"),
            ]
        )
    return view
