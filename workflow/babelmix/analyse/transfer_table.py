"""Study 2's E7: does a language transfer better that the base model saw more of?"""

from __future__ import annotations

from typing import Any

from .study import ALL, StudySet
from .table import EVALUATION_COLUMNS, VARIANT_COLUMNS, Table, evaluation_cells, variant_cells


def transfer_table(study: StudySet, preferences: Table) -> Table:
    """Mean score of each monolingual variant on the other languages, beside its share.

    Made from the rows of the preferences table with a baseline a language; the variant's own
    language is left out (parity by definition).
    """
    table = Table(
        "transfer",
        "Transfer of one language to the others",
        "Mean preference score of a variant tuned on one language, over all other languages, "
        "beside that language's share of the base model's pre-training data (empty where "
        "unpublished).",
        {"study": "Study."}
        | EVALUATION_COLUMNS
        | VARIANT_COLUMNS
        | {
            "language": "Language it was tuned on.",
            "family": "Language family.",
            "score": "Mean score over the other languages.",
            "languages": "How many those are.",
            "pretraining_share": "Share of the base model's pre-training data.",
        },
        ("study", "evaluation", "variant"),
    )
    scores: dict[tuple[str, str], dict[str, float]] = {}
    for row in preferences.rows:
        if row["language"] != ALL and row["score"] is not None:
            scores.setdefault((row["evaluation"], row["variant"]), {})[row["language"]] = row[
                "score"
            ]
    for study_name, spec in study.studies.items():
        for evaluation in spec["evaluations"]:
            if study.evaluations[evaluation]["baseline"] != "language_monolingual":
                continue
            for variant in study.variants_of_study(study_name):
                found = scores.get((evaluation, variant.name), {})
                others = [s for lang, s in sorted(found.items()) if lang not in variant.languages]
                if variant.monolingual and others:
                    about = study.raw["languages"].get(variant.languages[0], {})
                    table.rows.append(
                        {"study": study_name}
                        | evaluation_cells(study, evaluation)
                        | variant_cells(variant)
                        | _cells(variant.languages[0], about, others)
                    )
    return table


def _cells(language: str, about: dict[str, Any], others: list[float]) -> dict[str, Any]:
    return {
        "language": language,
        "family": about.get("family"),
        "score": sum(others) / len(others),
        "languages": len(others),
        "pretraining_share": about.get("pretraining_share"),
    }
