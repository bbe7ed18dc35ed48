"""Line pass rate and word pass rate of the Language Confusion Benchmark."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .frames import ITEM, languages_of, over_seeds
from .language_tables import share
from .statistics import Bootstrap
from .study import StudySet
from .table import ESTIMATE_COLUMNS, VARIANT_COLUMNS, Table, estimate_cells, variant_cells

if TYPE_CHECKING:
    import pandas as pd

#: Metric of an answer -> name of its rate.
RATES = {"line_pass": "LPR", "word_pass": "WPR"}


def confusion_table(study: StudySet, scores: pd.DataFrame, bootstrap: Bootstrap) -> Table:
    """Both rates of every mixture, benchmark and language."""
    table = Table(
        "language_confusion",
        "Line and word pass rate",
        "As the Language Confusion Benchmark defines them (arXiv 2406.20052). LPR: share of the "
        "answers all of whose lines of five words or more are in the asked language. WPR: of those "
        "in Arabic, Hindi, Japanese, Korean, Russian and Chinese, the share without an English "
        "word. Answers without such a line, empty ones too, are left out.",
        {"benchmark": "Benchmark."}
        | VARIANT_COLUMNS
        | {
            "language": "Language asked in, or `all`.",
            "measure": "`LPR` or `WPR`.",
            "rate": "Rate, 0 to 1.",
        }
        | ESTIMATE_COLUMNS
        | {
            "answers": "Answered turns of all seeds and samples.",
            "judged": "Answers with a value.",
            "left_out": "Answers without a line of five words; of WPR also those that fail LPR.",
        },
        ("benchmark", "variant", "language", "measure"),
    )
    for metric_name, rate in RATES.items():
        raw = scores[scores["metric"] == metric_name]
        for (benchmark, name), frame in raw.groupby(["benchmark", "variant"]):
            for lang, of, items in _languages(frame):
                table.rows.append(
                    {"benchmark": benchmark, "language": lang, "measure": rate}
                    | variant_cells(study.variants[name])
                    | estimate_cells(share(bootstrap, items), "rate")
                    | {"answers": len(of), "judged": int(of["value"].notna().sum())}
                    | {"left_out": int(of["value"].isna().sum())}
                )
    return table


def _languages(frame: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]:
    """Language, its answers, and its items with a value, seeds and samples averaged."""
    for lang, of in languages_of(frame):
        judged = of[of["value"].notna()]
        if len(judged):
            yield lang, of, over_seeds(judged, ITEM)
