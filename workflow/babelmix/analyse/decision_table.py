"""The table of the decision: each mixture's standing, what it does to the main language, its cost.

The main language is the one that the study's data begin in (English). What is compared is how a
mixture does in the *other* languages; what it may cost is the main language.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .best import Standing, standings
from .frames import ITEM, aligned, metric, over_seeds
from .grade_tables import SCORES, grade_scale, mean_grade, mean_score
from .language_tables import share
from .statistics import Bootstrap, Estimate, cluster_sums, nothing, stratified_mean
from .study import StudySet, Variant
from .table import VARIANT_COLUMNS, Table, variant_cells

if TYPE_CHECKING:
    import pandas as pd

    from .intervals import Scale

#: What mixtures are ranked by.
GRADE, SCORE, FIDELITY = "grade", "score", "language"
#: The main language where no mixture says which it is.
_USUAL_MAIN = "en"
_SCORE_SCALE = SCORES

COLUMNS = {
    "study": "Study.",
    "basis": "Evaluation that decides, or `language:` and the benchmark where no model judged.",
    "criterion": "`grade` (mean single grade), `score` (preference, 50 is parity) or `language` "
    "(share of answers in the language of the question, where only rules judged, or nobody).",
    "main": "Main language; the others are what mixtures are ranked in.",
    "others": "How many other languages were asked; 0: all languages are ranked instead.",
    **VARIANT_COLUMNS,
    "aliases": "Other names of the same mixture (a pinch's 0 or 100 %, say).",
    "candidate": "Whether it is ranked: tuned, and with a value in every language.",
    "value": "What it is ranked by: mean over the other languages, each weighing the same.",
    "se": "Standard error of the value, over questions.",
    "low": "Lower end of the simultaneous interval (all mixtures of the model at once).",
    "high": "Upper end of it.",
    "rank": "Rank, 1 the highest.",
    "rank_low": "Best rank that the resamples allow, at the study's confidence.",
    "rank_high": "Worst rank that they allow.",
    "p_best": "Share of the bootstrap's resamples in which it is the highest.",
    "gap": "Value less the highest of the others.",
    "gap_low": "Lower end of Hsu's interval of it, which allows for choosing the highest.",
    "gap_high": "Upper end; 0: it is shown not to be the best.",
    "may_be_best": "Whether it may be the best by that interval.",
    "detectable": "True distance from the highest that this comparison shows with 80 % "
    "probability.",
    "grade": "Mean grade (or preference score) in the other languages, whoever judged; a grade by "
    "rules is no measure of quality.",
    "main_value": "The same in the main language.",
    "reference": "Mixture of the main language alone that it is held against.",
    "main_difference": "Grade (or score) in the main language less the reference's.",
    "main_low": "Lower end of its interval (paired by question).",
    "main_high": "Upper end of it.",
    "main_kept": "`lost` or `gained` where that interval leaves out 0, else `no loss shown`.",
    "fidelity": "Share of answers in the language of the question, other languages.",
    "fidelity_low": "Lower end of its interval.",
    "fidelity_high": "Upper end of it.",
    "main_fidelity": "The same of questions in the main language.",
    "rows": "Training rows.",
    "rows_other": "Training rows that are not in the main language: to be translated or bought.",
    "characters_other": "Their characters.",
    "questions": "Questions (clusters) behind the value.",
    "values": "Scored answered turns behind the value, seeds and samples averaged.",
    "asked": "Answered turns in the other languages that should have a value, the same way.",
    "seeds": "Training seeds.",
    "interval_note": "Why there is no interval of the value, where there is none.",
}


@dataclass(frozen=True)
class _Basis:
    """What one decision rests on: ranked items, judged items (or None), scale, and who judged."""

    name: str
    criterion: str
    ranked: pd.DataFrame
    judged: pd.DataFrame | None
    benchmark: str
    scale: Scale
    judged_scale: Scale | None
    baselines: Mapping[str, float]


def decision_table(
    study: StudySet,
    grades: pd.DataFrame,
    pairs: pd.DataFrame,
    scores: pd.DataFrame,
    mixtures: Mapping[str, Mapping[str, Any]],
    bootstrap: Bootstrap,
) -> Table:
    """Rank every study's mixtures, model by model; ``mixtures`` are manifests by name.

    A model's verdicts decide. Where only rules judged, or nobody, or no verdict was scored, the
    answers' language decides: it is measured, a grade by rules is not a measure of quality.
    """
    table = Table(
        "decision",
        "Which mixture: ranks, the main language, cost",
        "Each mixture against the others of its model in the languages other than the main one, "
        "with intervals for all at once; what becomes of the main language; rows to be made.",
        COLUMNS,
        ("study", "model", "basis", "rank", "variant"),
    )
    for name in study.studies:
        variants = study.variants_of_study(name)
        main = main_language(study, name)
        for basis in _bases(study, name, grades, pairs, scores):
            for model in dict.fromkeys(v.model for v in variants):
                members = [v for v in variants if v.model == model]
                rows = _rows(members, basis, scores, main, mixtures, bootstrap)
                shared = {"study": name, "basis": basis.name, "criterion": basis.criterion}
                table.rows += [shared | {"main": main} | row for row in rows]
    return table


def main_language(study: StudySet, name: str) -> str:
    """Return the language that a study's mixtures add others to; English where none says so."""
    named = [v.main for v in study.variants_of_study(name) if v.main]
    if named:
        return max(dict.fromkeys(named), key=named.count)
    series = [s.main for s in study.series() if s.study == name and s.main]
    return series[0] if series else _USUAL_MAIN


def _bases(
    study: StudySet, name: str, grades: pd.DataFrame, pairs: pd.DataFrame, scores: pd.DataFrame
) -> Iterator[_Basis]:
    """Every evaluation that a model judged; without any, the language of each benchmark."""
    evaluations = study.studies[name]["evaluations"]
    found = [_judged(study, e, grades, pairs) for e in evaluations]
    usable = [b for b in found if b is not None]
    real = [b for b in usable if not study.is_by_rules(b.name)]
    yield from real
    if real:
        return
    measured = metric(scores, "answer_language")
    for benchmark, rows in measured.groupby("benchmark", sort=True):
        by_rules = [b for b in usable if b.benchmark == benchmark and b.criterion == GRADE]
        judged = by_rules[0] if by_rules else None
        yield _Basis(
            name=f"{FIDELITY}:{benchmark}",
            criterion=FIDELITY,
            ranked=rows[["variant", *ITEM, "value"]],
            judged=None if judged is None else judged.ranked,
            benchmark=str(benchmark),
            scale=(0.0, 1.0),
            judged_scale=None if judged is None else judged.scale,
            baselines={},
        )


def _judged(
    study: StudySet, evaluation: str, grades: pd.DataFrame, pairs: pd.DataFrame
) -> _Basis | None:
    """An evaluation's items; None without a single verdict."""
    spec = study.evaluations[evaluation]
    single = spec["protocol"] == "single"
    frame = grades if single else pairs
    frame = frame[frame["evaluation"] == evaluation].astype({"value": float})
    if not frame["value"].notna().any():
        return None
    baselines: dict[str, float] = {}
    if not single:
        # A baseline has parity with itself by definition, and no judgements.
        against = frame["baseline"].map(lambda run: study.variant_of_run.get(run, run))
        baselines = {str(v): 50.0 for v in against.unique()}
    scale = study.grade_scale(evaluation) if single else _SCORE_SCALE
    items = over_seeds(frame, ["variant", *ITEM])
    kind = GRADE if single else SCORE
    return _Basis(evaluation, kind, items, items, spec["benchmark"], scale, scale, baselines)


def _rows(
    members: Sequence[Variant],
    basis: _Basis,
    scores: pd.DataFrame,
    main: str,
    mixtures: Mapping[str, Mapping[str, Any]],
    bootstrap: Bootstrap,
) -> Iterator[dict[str, Any]]:
    """One row per variant of a model that has any value."""
    names = [v.name for v in members]
    ranked = basis.ranked[basis.ranked["variant"].isin(names)]
    languages = sorted(set(ranked["lang"]) - {main})
    others = ranked[ranked["lang"] != main] if languages else ranked
    asked_in = languages or sorted(set(ranked["lang"]))
    present = [v for v in members if len(others[others["variant"] == v.name])]
    tuned = [v for v in present if v.mixture is not None] or present
    places, notes = _standings(others, tuned, asked_in, bootstrap)
    spoken = metric(scores, "answer_language")
    spoken = spoken[spoken["benchmark"] == basis.benchmark]
    for variant in present:
        own = others[others["variant"] == variant.name]
        value = _estimate(own, basis.criterion, bootstrap, basis.scale)
        place = asdict(places.get(variant.name, Standing()))
        if variant.name in places:
            place |= _ends(own, place, basis, len(places), bootstrap)
        yield (
            {"others": len(languages), "candidate": variant.name in places}
            | variant_cells(variant)
            | {"aliases": ", ".join(variant.aliases)}
            | {"value": value.value, "se": value.se}
            | place
            | _judged_cells(variant, members, basis, main, bool(languages), bootstrap)
            | _fidelity_cells(spoken, variant.name, main, bool(languages), bootstrap)
            | _cost_cells(variant, main, mixtures)
            | {"questions": value.clusters, "values": value.values, "asked": len(own)}
            | {"seeds": len(variant.runs), "interval_note": notes.get(variant.name, value.note)}
        )


def _ends(
    own: pd.DataFrame, place: dict[str, Any], basis: _Basis, count: int, bootstrap: Bootstrap
) -> dict[str, float]:
    """Ends of the simultaneous interval of one value.

    A share's ends, and those of few or equal values, are where a bootstrap fails: there it is the
    usual interval (binomial, exact, t) at the level that Bonferroni asks for ``count`` of them.
    """
    strict = replace(bootstrap, confidence=1.0 - (1.0 - bootstrap.confidence) / count)
    usual = _estimate(own, basis.criterion, strict, basis.scale)
    if (basis.criterion != GRADE or usual.note) and usual.low is not None:
        return {"low": usual.low, "high": usual.high or 0.0}
    if place["low"] is None:
        return {}
    low, high = basis.scale
    if not low <= place["low"] / 2 + place["high"] / 2 <= high:
        return {}
    return {"low": max(place["low"], low), "high": min(place["high"], high)}


def _standings(
    frame: pd.DataFrame, variants: Sequence[Variant], languages: Sequence[str], bootstrap: Bootstrap
) -> tuple[dict[str, Standing], dict[str, str]]:
    """Standings by variant, and why there is none; all on the same resamples of the questions."""
    questions = np.unique(frame["question_id"].to_numpy().astype(str))
    weights = bootstrap.draws(len(questions)) if len(questions) else np.zeros((0, 0))
    names, means, drawn, notes = [], [], [], {}
    for variant in variants:
        own = frame[(frame["variant"] == variant.name) & frame["value"].notna()]
        sums, counts = _sums(own, questions, languages)
        mean = float(stratified_mean(sums.sum(0), counts.sum(0)))
        if not np.isfinite(mean):
            missing = [c for c, n in zip(languages, counts.sum(0), strict=True) if not n]
            notes[variant.name] = f"not ranked: nothing scored in {', '.join(missing)}"
            continue
        names.append(variant.name)
        means.append(mean)
        drawn.append(stratified_mean(weights @ sums, weights @ counts))
    if not names:
        return {}, notes
    found = standings(means, np.array(drawn), len(questions), bootstrap.confidence)
    few = "no interval: one question" if len(questions) < 2 else ""
    few = few or "no interval: not defined in most resamples"
    for name, place in zip(names, found, strict=True):
        notes[name] = few if place.low is None else ""
    return dict(zip(names, found, strict=True)), notes


def _sums(
    own: pd.DataFrame, questions: np.ndarray, languages: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Sums and counts, questions × languages, also of questions and languages that it lacks."""
    shape = len(questions), len(languages)
    sums, counts = np.zeros(shape), np.zeros(shape)
    if len(own):
        ids = own["question_id"].to_numpy().astype(str)
        langs = own["lang"].to_numpy().astype(str)
        rows = np.searchsorted(questions, np.unique(ids))
        columns = np.searchsorted(np.array(languages), np.unique(langs))
        part = cluster_sums(own["value"].to_numpy(dtype=float), ids, langs)
        sums[np.ix_(rows, columns)], counts[np.ix_(rows, columns)] = part
    return sums, counts


def _estimate(frame: pd.DataFrame, criterion: str, bootstrap: Bootstrap, scale: Scale) -> Estimate:
    if not len(frame):
        return nothing()
    if criterion == FIDELITY:
        return share(bootstrap, frame)
    return (
        mean_score(bootstrap, frame) if criterion == SCORE else mean_grade(bootstrap, frame, scale)
    )


def reference_of(variant: Variant, members: Sequence[Variant], main: str) -> Variant | None:
    """Return the mixture of the main language alone that a variant is held against, if any."""
    alone = [v for v in members if v.mixture is not None and v.languages == [main]]
    for candidates in ([v for v in alone if v.comparable == variant.comparable], alone):
        if candidates:
            return min(candidates, key=lambda v: (not v.monolingual, v.name))
    return None


def _judged_cells(
    variant: Variant,
    members: Sequence[Variant],
    basis: _Basis,
    main: str,
    has_others: bool,
    bootstrap: Bootstrap,
) -> dict[str, Any]:
    """Judged value in the other languages and in the main one, there against its reference."""
    if basis.judged is None or basis.judged_scale is None:
        return {}
    criterion = SCORE if basis.criterion == SCORE else GRADE
    own = basis.judged[basis.judged["variant"] == variant.name]
    others = own[own["lang"] != main] if has_others else own
    of_main = own[own["lang"] == main]
    reference = reference_of(variant, members, main)
    value = _estimate(of_main, criterion, bootstrap, basis.judged_scale)
    cells = {
        "grade": _estimate(others, criterion, bootstrap, basis.judged_scale).value,
        "main_value": value.value,
        "reference": None if reference is None else reference.label,
    }
    if reference is None or reference.name == variant.name:
        return cells
    items = basis.judged[basis.judged["lang"] == main]
    difference = _against(items, variant.name, reference.name, basis, bootstrap)
    low, high = difference.low, difference.high
    kept = None
    if low is not None and high is not None:
        kept = "lost" if high < 0 else "gained" if low > 0 else "no loss shown"
    return cells | {
        "main_difference": difference.value,
        "main_low": low,
        "main_high": high,
        "main_kept": kept,
    }


def _against(
    items: pd.DataFrame, variant: str, reference: str, basis: _Basis, bootstrap: Bootstrap
) -> Estimate:
    """Paired difference in the main language; a baseline that is the reference has parity."""
    pairs = aligned(items, variant, reference)
    if not pairs["right"].notna().any() and set(basis.baselines) == {reference}:
        pairs = pairs.assign(right=basis.baselines[reference])
    pairs = pairs.dropna(subset=["left", "right"])
    if pairs.empty:
        return nothing()
    left, right = pairs["left"].to_numpy(), pairs["right"].to_numpy()
    scale = basis.judged_scale
    kept = None if scale is None else grade_scale(left, right, scale=scale)
    return bootstrap.difference(left, right, pairs["question_id"].to_numpy(), scale=kept)


def _fidelity_cells(
    spoken: pd.DataFrame, variant: str, main: str, has_others: bool, bootstrap: Bootstrap
) -> dict[str, Any]:
    own = spoken[spoken["variant"] == variant]
    others = own[own["lang"] != main] if has_others else own
    if others.empty:
        return {}
    found = share(bootstrap, others)
    of_main = own[own["lang"] == main]
    return {
        "fidelity": found.value,
        "fidelity_low": found.low,
        "fidelity_high": found.high,
        "main_fidelity": None if of_main.empty else share(bootstrap, of_main).value,
    }


def _cost_cells(
    variant: Variant, main: str, mixtures: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Rows that are not in the main language, and their characters."""
    manifest = mixtures.get(variant.mixture or "")
    if manifest is None:
        return {"rows": variant.rows}
    counts = {
        name: sum(n for lang, n in manifest[key].items() if lang != main)
        for name, key in (
            ("rows_other", "rows_by_language"),
            ("characters_other", "characters_by_language"),
        )
    }
    return {"rows": manifest["rows"]} | counts
