"""The table of the mixtures' manifests: one row a mixture."""

from __future__ import annotations

from typing import Any

from .input_tables import Manifests
from .table import Table


def manifests_table(manifests: Manifests) -> Table:
    """Everything a manifest says of a mixture as a whole."""
    table = Table(
        "manifests",
        "Manifests of the mixtures",
        "Sizes, origins and what was looked for, one row a mixture.",
        {
            "mixture": "Mixture.",
            "datasets": "Parallel pools.",
            "kind": "`parallel`, `blocks` (each id once), `pairs` (random rows) or `union`.",
            "languages": "Languages with training rows.",
            "rows": "Training rows.",
            "ids": "Different ids among them.",
            "characters": "Characters of the training rows.",
            "tokens": "Tokens of the training rows, by model and recipe.",
            "repeated_rows": "Training rows that are repeats of others.",
            "without_rows": "Languages of its definition in which it has no row.",
            "asked": "Rows by language of the question, where rows hold two languages.",
            "answered": "Rows by language of the answer, where rows hold two languages.",
            "order": "Curriculum: in which order a training sees the rows.",
            "parts": "Parts of a union: rows, and how often each is repeated.",
            "dev_rows": "Rows held out.",
            "failed_checks": "Ids left out because a check of the translation failed.",
            "filtered": "Ids left out by a filter on measured values.",
            "contaminated": "Ids left out because a benchmark asks them.",
            "not_drawn": "Ids that the budget leaves out.",
            "duplicates_out": "Ids left out because their text is there already, or nearly.",
            "exact_duplicates": "Ids that it trains on although another has the same text.",
            "near_duplicates": "The same of nearly equal texts (the equal ones among them).",
            "held_out_duplicates": "Held-out ids whose text, or nearly, it trains on.",
            "held_out_left_out": "Ids no longer held out, because their text is trained on.",
            "rows_out": "Single rows of a parallel mixture left out by failed checks.",
            "questions": "Benchmark questions that were looked for.",
            "ids_found": "Ids of its pools that are, or nearly are, such questions.",
            "ids_trained_on": "Those of them that it trains on.",
            "seeds": "Seeds of the draw.",
            "licences": "Licences of its sources.",
            "non_commercial": "Sources that forbid commercial use.",
            "ids_digest": "SHA-256 of the ids, by their sorted keys.",
            "rows_digest": "SHA-256 of the rows, by language and sorted keys of ids.",
            "parents": "Files that it was made from, with the start of their SHA-256.",
        },
        ("mixture",),
    )
    for manifest in manifests:
        left_out = manifest.get("left_out_ids", {})
        looked = manifest.get("contamination", {})
        tokens = {
            name: sum(cell["tokens"] for cell in cells)
            for name, cells in manifest.get("tokens", {}).items()
        }
        licences = manifest.get("licences", {})
        copies = manifest.get("duplicates", {})
        turns = manifest.get("rows_by_turn", {})
        table.rows.append(
            {
                "mixture": manifest["mixture"],
                "datasets": manifest["dataset"].replace("+", ", "),
                "kind": manifest["definition"]["kind"],
                "languages": ", ".join(manifest["rows_by_language"]),
                "rows": manifest["rows"],
                "ids": manifest["ids"],
                "characters": sum(manifest["characters_by_language"].values()),
                "tokens": "; ".join(f"{name} {n}" for name, n in sorted(tokens.items())),
                "repeated_rows": manifest.get("repeated_rows", 0),
                "without_rows": ", ".join(manifest.get("languages_without_rows", [])),
                "asked": _counts(turns.get("asked", {})),
                "answered": _counts(turns.get("answered", {})),
                "order": (manifest["definition"].get("order") or {}).get("by", ""),
                "parts": "; ".join(
                    f"{p['mixture']} {p['rows']}"
                    + (f" ({p['epochs']:g}×)" if p["epochs"] > 1 else "")
                    for p in manifest.get("parts", [])
                ),
                "dev_rows": manifest["dev_rows"],
                "failed_checks": left_out.get("failed checks"),
                "filtered": left_out.get("filtered"),
                "contaminated": left_out.get("contaminated"),
                "not_drawn": left_out.get("not drawn"),
                "duplicates_out": sum(
                    left_out.get(f"{kind} duplicates", 0) for kind in ("exact", "near")
                ),
                "exact_duplicates": copies.get("exact"),
                "near_duplicates": copies.get("near"),
                "held_out_duplicates": copies.get("held_out_near"),
                "held_out_left_out": left_out.get("held out, but trained on", 0),
                "rows_out": manifest.get("left_out_rows"),
                "questions": looked.get("questions"),
                "ids_found": looked.get("ids_found"),
                "ids_trained_on": looked.get("ids_trained_on"),
                "seeds": ", ".join(str(seed) for seed in manifest.get("seed", [])),
                "licences": "; ".join(f"{name}: {text}" for name, text in licences.items()),
                "non_commercial": ", ".join(manifest.get("non_commercial", [])),
                "ids_digest": manifest.get("ids_digest"),
                "rows_digest": manifest["rows_digest"],
                "parents": "; ".join(
                    f"{name} {sha[:12]}" for name, sha in sorted(manifest["parents"].items())
                ),
            }
        )
    return table


def _counts(rows: dict[str, int]) -> str:
    return ", ".join(f"{lang} {n}" for lang, n in rows.items())


def _part(part: dict[str, Any]) -> str:
    repeats = f" ({part['epochs']:g}×)" if part["epochs"] > 1 else ""
    return f"{part['mixture']} {part['rows']}{repeats}"
