"""Tables of what went in: mixtures, training."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..config.base import languages_of
from ..errors import BabelmixError
from ..io import read_json
from .study import StudySet
from .table import VARIANT_COLUMNS, Table, variant_cells

#: Points of a loss curve that are kept, so that figures stay small.
CURVE_POINTS = 200

Manifests = list[dict[str, Any]]


def read_manifests(paths: Iterable[Path]) -> Manifests:
    """The mixtures' manifests."""
    return [read_json(path) for path in paths]


def rows_by_mixture(manifests: Manifests) -> dict[str, dict[str, int]]:
    """Training rows by mixture and language.

    A row in two languages (`de_to_en`) counts half in each, so that both count as tuned on.
    """
    found: dict[str, dict[str, int]] = {}
    for manifest in manifests:
        rows = manifest["rows_by_language"]
        if any(len(languages_of(code)) > 1 for code in rows):
            halves: dict[str, int] = {}
            for code, n in rows.items():
                for lang in (own := languages_of(code)):
                    halves[lang] = halves.get(lang, 0) + 2 * n // len(own)
            rows = halves
        found[manifest["mixture"]] = rows
    return found


def mixtures_table(manifests: Manifests) -> Table:
    """Rows and characters of each mixture by language."""
    table = Table(
        "mixtures",
        "The mixtures",
        "Training rows of each mixture by language, as built.",
        {
            "mixture": "Mixture.",
            "dataset": "Parallel pool.",
            "kind": "`parallel`: every id in every language; `blocks`: each id once.",
            "language": "Language.",
            "rows": "Training rows in this language.",
            "share": "Share of the mixture's rows.",
            "characters": "Characters of those rows.",
            "mixture_rows": "Training rows of the whole mixture.",
            "mixture_ids": "Different ids among them.",
            "dev_rows": "Rows held out for the loss on unseen data.",
            "left_out": "Rows left out because a check of the translation failed.",
            "rows_digest": "SHA-256 of the list of rows.",
        },
        ("mixture", "language"),
    )
    for manifest in manifests:
        whole = manifest["rows"]
        for lang, rows in manifest["rows_by_language"].items():
            table.rows.append(
                {
                    "mixture": manifest["mixture"],
                    "dataset": manifest["dataset"],
                    "kind": manifest["definition"]["kind"],
                    "language": lang,
                    "rows": rows,
                    "share": rows / whole if whole else None,
                    "characters": manifest["characters_by_language"].get(lang),
                    "mixture_rows": whole,
                    "mixture_ids": manifest["ids"],
                    "dev_rows": manifest["dev_rows"],
                    "left_out": manifest["left_out_rows"]
                    + manifest["left_out_ids"].get("failed checks", 0),
                    "rows_digest": manifest["rows_digest"],
                }
            )
    return table


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Lines of a ``metrics.jsonl``."""
    lines = path.read_text(encoding="utf-8").splitlines()
    try:
        return [json.loads(line) for line in lines if line.strip()]
    except json.JSONDecodeError as error:
        raise BabelmixError(f"{path}: damaged ({error}). Delete it and run again.") from None


def metrics_by_run(paths: Iterable[Path], study: StudySet) -> dict[str, list[dict[str, Any]]]:
    """Metrics lines by run, for the runs of the study set."""
    found = {}
    for path in paths:
        run = path.name.removesuffix(".metrics.jsonl")
        study.variant_for_run(run, str(path))
        found[run] = read_metrics(path)
    return found


def training_table(study: StudySet, metrics: Mapping[str, list[dict[str, Any]]]) -> Table:
    """Length and final loss of each training."""
    table = Table(
        "training",
        "Trainings",
        "The last value of each measure in a training's log.",
        {"run": "Training."}
        | VARIANT_COLUMNS
        | {
            "recipe": "Recipe.",
            "seed": "Training seed.",
            "steps": "Optimizer steps.",
            "tokens": "Tokens seen, padding not counted.",
            "trained_tokens": "Those of them that the loss is taken on.",
            "final_loss": "Training loss at the end.",
            "dev_loss": "Loss on the held-out rows, where there are any.",
            "seconds": "Wall-clock time.",
        },
        ("run",),
    )
    for run, lines in metrics.items():
        last = last_values(lines)
        table.rows.append(
            {"run": run}
            | variant_cells(study.variant_for_run(run, run))
            | {
                "recipe": study.raw["runs"][run].get("recipe"),
                "seed": study.raw["runs"][run].get("seed"),
                "steps": last.get("step"),
                "tokens": last.get("tokens"),
                "trained_tokens": last.get("trained_tokens"),
                "final_loss": last.get("loss"),
                "dev_loss": last.get("dev_loss"),
                "seconds": last.get("seconds"),
            }
        )
    return table


def last_values(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The last value that each key has."""
    merged: dict[str, Any] = {}
    for line in lines:
        merged |= {key: value for key, value in line.items() if value is not None}
    return merged


def curves_table(study: StudySet, metrics: Mapping[str, list[dict[str, Any]]]) -> Table:
    """Loss against optimizer steps, thinned."""
    table = Table(
        "training_curves",
        "Loss during training",
        f"Loss against optimizer steps, at most {CURVE_POINTS} points a curve.",
        {"run": "Training."}
        | VARIANT_COLUMNS
        | {
            "step": "Optimizer step.",
            "kind": "`train` or `dev`.",
            "loss": "Mean loss of a trained token (nats).",
        },
        ("run", "kind", "step"),
    )
    for run, lines in metrics.items():
        cells = {"run": run} | variant_cells(study.variant_for_run(run, run))
        for kind, key in (("train", "loss"), ("dev", "dev_loss")):
            points = [p for p in lines if p.get(key) is not None and p.get("step") is not None]
            for point in thinned(points):
                table.rows.append(cells | {"step": point["step"], "kind": kind, "loss": point[key]})
    return table


def thinned(points: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """At most ``CURVE_POINTS`` points, evenly spread, the first and the last among them."""
    n = len(points)
    if n <= CURVE_POINTS:
        return list(points)
    chosen = {round(i * (n - 1) / (CURVE_POINTS - 1)) for i in range(CURVE_POINTS)}
    return [points[i] for i in sorted(chosen)]
