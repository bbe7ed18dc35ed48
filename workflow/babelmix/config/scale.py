"""`scale`: a small copy of a study set that keeps its shape, to see that everything runs.

Rows, prompts, steps and shards shrink by the factor; of each mixture family the first languages and
a few points of its grid stay. Numbers of such a copy say nothing about the study; its results go to
a folder of their own, and the report carries a warning.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .expand import expand
from .root import Config

#: What stays of a family's languages, of a grid, and of a benchmark at the least.
LANGUAGES, POINTS, QUESTIONS = 3, 4, 4
#: Questions of a benchmark whose number is not configured: MT-Bench's.
USUAL_QUESTIONS = 80


def scaled(config: Config) -> Config:
    """The small copy; the configuration itself where it has no `scale`."""
    factor = config.scale
    if factor is None:
        return config
    kept = _kept_languages(config)
    values = config.model_dump()
    values["scale"] = None
    values["study_set"] = f"{config.study_set}-scale-{factor:g}".replace(".", "_")
    warning = (
        f"A copy at scale {factor:g}: a small part of the rows, prompts, steps and languages. It "
        "shows that the study runs; its numbers say nothing about the study."
    )
    values["note"] = f"{warning} {config.note}".strip()
    values["languages"] = {c: v for c, v in values["languages"].items() if c in kept}
    for section in values["sources"].values():
        section["languages"] = _only(section["languages"], kept) or section["languages"][:1]
    for section in values["datasets"].values():
        _shrink_dataset(section, factor, kept)
    for section in values["mixtures"].values():
        _shrink_family(section, factor, kept)
    for section in values["training"].values():
        if section["max_steps"] is not None:
            section["max_steps"] = _part(section["max_steps"], factor, 1)
    for section in values["benchmarks"].values():
        section["languages"] = _only(section["languages"], kept)
        if isinstance(section.get("translator"), dict):
            named = section["translator"]
            section["translator"] = {c: t for c, t in named.items() if c in kept}
        if section["source"] or section["questions"]:
            asked = section["questions"] or USUAL_QUESTIONS
            section["questions"] = _part(asked, factor, min(asked, QUESTIONS))
    for study in values["studies"].values():
        for evaluation in study["evaluations"]:
            if evaluation["languages"]:
                evaluation["languages"] = _only(evaluation["languages"], kept)
        for section in study["likelihood"]:
            if section["languages"]:
                section["languages"] = _only(section["languages"], kept) or None
            if section["rows"]:
                section["rows"] = _part(section["rows"], factor, min(section["rows"], QUESTIONS))
    return _without_lost_names(values)


def _kept_languages(config: Config) -> set[str]:
    """First languages of each family and benchmark; main and pivot languages always."""
    kept = {pool.pivot for pool in config.datasets.values() if pool.parallel}
    for family in config.mixtures.values():
        kept |= set(getattr(family, "languages", [])[:LANGUAGES])
        kept |= {main} if (main := getattr(family, "main", None)) else set()
    for study in config.studies.values():
        for evaluation in study.evaluations:
            asked = evaluation.languages or config.benchmarks[evaluation.benchmark].languages
            kept |= set(asked[:2])
    return kept


def _only(languages: Iterable[str], kept: set[str]) -> list[str]:
    return [code for code in languages if code in kept]


def _part(number: int, factor: float, least: int) -> int:
    return max(least, math.ceil(number * factor))


def _thinned(points: Sequence[Any]) -> list[Any]:
    """At most ``POINTS`` of a grid, evenly spread, its ends among them."""
    n = len(points)
    if n <= POINTS:
        return list(points)
    return [points[round(i * (n - 1) / (POINTS - 1))] for i in range(POINTS)]


def _shrink_dataset(section: dict[str, Any], factor: float, kept: set[str]) -> None:
    section["languages"] = _only(section["languages"], kept)
    section["shards"] = 1
    if not section.get("parallel", True):
        del section["pivot"]  # it has none; a written one would be refused
    if section["rows"] is not None:
        section["rows"] = _part(section["rows"], factor, 8)
    else:
        section["fraction"] = factor * (section["fraction"] or 1.0)
    if section["dev_rows"]:
        section["dev_rows"] = _part(section["dev_rows"], factor, 1)
    if isinstance(section["translator"], dict):
        section["translator"] = {c: t for c, t in section["translator"].items() if c in kept}


def _shrink_family(section: dict[str, Any], factor: float, kept: set[str]) -> None:
    if isinstance(section.get("rows"), dict):
        section["rows"] = {c: _part(n, factor, 1) for c, n in section["rows"].items() if c in kept}
    for key in ("rows", "tokens"):
        if isinstance(section.get(key), int):
            section[key] = _part(section[key], factor, 1)
    if section.get("order"):
        section["order"]["languages"] = _only(section["order"]["languages"], kept)
    for part in section.get("parts", []):
        for key in ("rows", "tokens"):
            if part[key]:
                part[key] = _part(part[key], factor, 1)
    if "languages" not in section:
        return
    before = section["languages"]
    section["languages"] = languages = _only(before, kept)
    if section["parallel_over"]:
        section["parallel_over"] = _only(section["parallel_over"], kept)
    if "weights" in section:
        section["weights"] = _kept_weights(section["weights"], before, kept)
    for key in ("percent", "k"):
        if key in section:
            section[key] = _thinned([v for v in section[key] if key != "k" or v <= len(languages)])
    if section.get("orders"):
        section["orders"] = [_only(order, kept) for order in section["orders"]]
    if section.get("pairs"):
        section["pairs"] = [pair for pair in section["pairs"] if kept.issuperset(pair)] or None
    if "count" in section:
        section["count"] = min(section["count"], math.comb(len(languages), 2), LANGUAGES)


def _kept_weights(weights: Any, languages: Sequence[str], kept: set[str]) -> Any:
    """Weights, or a grid of them, of the languages that stay; points that lose all are left out."""
    if isinstance(weights, dict):
        return {c: w for c, w in weights.items() if c in kept}
    if not isinstance(weights, list):
        return weights
    if all(isinstance(w, int | float) for w in weights):
        return [w for c, w in zip(languages, weights, strict=True) if c in kept]
    grid = [_kept_weights(point, languages, kept) for point in weights]
    return _thinned([g for g in grid if any(g.values() if isinstance(g, dict) else g)] or grid[:1])


def _without_lost_names(values: dict[str, Any]) -> Config:
    """Leave out what names a mixture that the smaller families no longer make."""
    families = values["mixtures"]
    plain = {n: f for n, f in families.items() if f["policy"] != "union"}
    made = expand(Config.model_validate(values | {"mixtures": plain}))
    unions = {n: f for n, f in families.items() if n not in plain}
    while lost := [
        n
        for n, f in unions.items()
        if not all(p["mixture"] in unions or made.named(p["mixture"]) for p in f["parts"])
    ]:
        unions = {n: f for n, f in unions.items() if n not in lost}
    values["mixtures"] = plain | unions

    def known(name: str) -> bool:
        return name in values["mixtures"] or bool(made.canonical.get(name) or made.spelled(name))

    chosen = {"best_monolingual", "language_monolingual", None}
    studies = {}
    for name, study in values["studies"].items():
        for run_set in study["runs"]:
            run_set["mixtures"] = [m for m in run_set["mixtures"] if known(m)]
        study["runs"] = [r for r in study["runs"] if r["mixtures"]]
        study["evaluations"] = [
            e for e in study["evaluations"] if e["baseline"] in chosen or known(e["baseline"])
        ]
        if study.get("contrasts"):
            study["contrasts"] = _kept_contrasts(
                study["contrasts"], known, set(values["languages"])
            )
        if study["runs"] and (study["evaluations"] or study["likelihood"]):
            studies[name] = study
    values["studies"] = studies
    return Config.model_validate(values)


def _kept_contrasts(
    contrasts: dict[str, Any], known: Callable[[str], bool], languages: set[str]
) -> dict[str, Any]:
    """The contrasts all of whose mixtures, and some of whose languages, stay."""
    kept = {}
    for name, contrast in contrasts.items():
        differences = [contrast, *([contrast["against"]] if contrast["against"] else [])]
        sides = [d[side]["mixture"] for d in differences for side in ("left", "right")]
        if not all(mixture == "untuned" or known(mixture) for mixture in sides):
            continue
        if contrast["languages"] is not None:
            contrast["languages"] = _only(contrast["languages"], languages)
            if not contrast["languages"]:
                continue
        kept[name] = contrast
    return kept
