"""Contrasts that studies declare: which runs stand on which side."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, Any

from ..config.contrasts import Contrast, ContrastSide, Difference
from ..errors import BabelmixError, unknown_name

if TYPE_CHECKING:
    from .graph import Plan
    from .runs import Run

#: Stands for the base model in a contrast.
UNTUNED = "untuned"


def declared_contrasts(plan: Plan, study: str) -> list[dict[str, Any]]:
    """Return the contrasts of a study as plain JSON, one per model and recipe that has both sides.

    ``sides`` are lists of runs: left and right, then those of ``against``.

    Raises:
        BabelmixError: for an unknown mixture, a side without a run, or equal sides.
    """
    found = []
    for name, contrast in plan.studies[study].contrasts.items():
        where = f"studies.{study}.contrasts.{name}"
        _check_languages(plan, study, contrast, where)
        cells = list(_cells(plan, study, contrast, where))
        if not cells:
            raise BabelmixError(
                f"{where}: no model and recipe of the study has runs on every side. Name the "
                "`recipe` (and `model`) of each side, or add the runs."
            )
        for cell in cells:
            if len({tuple(runs) for runs in cell["sides"]}) < len(cell["sides"]):
                raise BabelmixError(f"{where}: two of its sides are the same runs.")
        shown = {"name": name, "question": contrast.question, "languages": contrast.languages}
        found += [shown | cell for cell in cells]
    return found


def _check_languages(plan: Plan, study: str, contrast: Contrast, where: str) -> None:
    asked = {
        code
        for planned in plan.evaluations.values()
        if study in planned.studies
        for codes in planned.languages_by_run.values()
        for code in codes
    }
    for code in contrast.languages or []:
        if code not in asked:
            raise unknown_name("language", code, sorted(asked), f"{where}.languages")


def _cells(plan: Plan, study: str, contrast: Contrast, where: str) -> Iterator[dict[str, Any]]:
    """Each choice of model and recipe in which every side has runs."""
    differences: list[Difference] = [contrast]
    differences += [contrast.against] if contrast.against is not None else []
    sides = [side for d in differences for side in (d.left, d.right)]
    runs = [r for r in plan.runs.values() if study in r.studies]
    chosen = [_runs_of(plan, runs, side, where) for side in sides]
    models = [None] if any(s.model for s in sides) else list(dict.fromkeys(r.model for r in runs))
    recipes: list[str | None] = [None]
    if not any(s.recipe for s in sides):
        recipes = list(dict.fromkeys(r.recipe for r in runs if r.recipe))
    for model, recipe in product(models, recipes):
        kept = [[run for run in of_side if _fits(run, model, recipe)] for of_side in chosen]
        if all(kept):
            for side, of_side in zip(sides, kept, strict=True):
                _require_one(side, of_side, where)
            yield {
                "model": model or _joined(run.model for side in kept for run in side),
                "recipe": recipe or _joined(r.recipe for side in kept for r in side if r.recipe),
                "sides": [[run.name for run in side] for side in kept],
                "labels": [_label(side) for side in sides],
            }


def _fits(run: Run, model: str | None, recipe: str | None) -> bool:
    """Whether a run is of a model and recipe; None fits all, and a base model has no recipe."""
    return model in (None, run.model) and (run.recipe is None or recipe in (None, run.recipe))


def _runs_of(plan: Plan, runs: list[Run], side: ContrastSide, where: str) -> list[Run]:
    """Runs of the study on one side, whatever the model and recipe where it names none."""
    if side.mixture == UNTUNED:
        mixtures: set[str | None] = {None}
    else:
        mixtures = set(plan.expansion.resolve(side.mixture))
        if not mixtures:
            known = [*plan.expansion.families, *plan.expansion.canonical, UNTUNED]
            raise unknown_name("mixture", side.mixture, known, where)
    for kind, name, defined in (
        ("model", side.model, list(plan.config.models)),
        ("recipe", side.recipe, list(plan.config.training)),
    ):
        if name is not None and name not in defined:
            raise unknown_name(kind, name, defined, where)
    found = [run for run in runs if run.mixture in mixtures and _fits(run, side.model, side.recipe)]
    if not found:
        raise BabelmixError(
            f"{where}: no run of the study is `{_label(side)}`. Add it to the study's `runs`, or "
            "name another mixture, model or recipe."
        )
    return found


def _require_one(side: ContrastSide, runs: list[Run], where: str) -> None:
    """A side that names no recipe, beside one that does, must have one only; likewise a model."""
    for kind, values in (
        ("model", {r.model for r in runs}),
        ("recipe", {r.recipe for r in runs if r.recipe}),
    ):
        if len(values) > 1:
            raise BabelmixError(
                f"{where}: `{_label(side)}` has runs of several {kind}s "
                f"({', '.join(sorted(values))}). Name the {kind} of each side, or of none."
            )


def _label(side: ContrastSide) -> str:
    return " · ".join(part for part in (side.mixture, side.model, side.recipe) if part)


def _joined(names: Iterator[str]) -> str:
    return ", ".join(dict.fromkeys(names))
