"""Verb ``compare``: two runs side by side in the terminal, paired by question, with intervals.

Each of the two is a run, a variant (its seeds are averaged) or a mixture's name where only one
variant has it. Everything is read from a study set's folder; nothing is written.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BabelmixError, unknown_name
from .frames import ITEM, aligned, languages_of, load_judgements, load_scores, over_seeds
from .grade_tables import SCORES, grade_scale
from .intervals import Scale
from .pairs import outcomes
from .significance import detectable, sign_flip_p
from .statistics import Bootstrap, Estimate
from .study import ALL, StudySet, load_study
from .wording import difference_sentence, interval

if TYPE_CHECKING:
    import pandas as pd

#: Judge-free measures that are compared: their unit, the factor they are shown in, their scale.
_FREE: dict[str, tuple[str, float, Scale | None]] = {
    "answer_language": ("% in asked language", 100.0, (0.0, 100.0)),
    "empty": ("% empty", 100.0, (0.0, 100.0)),
    "length_chars": ("characters", 1.0, None),
}


@dataclass(frozen=True)
class Side:
    """One of the two: its name as shown, and its runs."""

    name: str
    runs: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """One measure in one language (or ``all``): both means and their paired difference.

    ``left_out`` counts the items that do not have a value on both sides (against one baseline).
    """

    measure: str
    unit: str
    language: str
    left: float | None
    right: float | None
    difference: Estimate
    p: float | None
    left_out: int = 0


def find_side(study: StudySet, name: str) -> Side:
    """The run, variant, or only variant of a mixture of this name."""
    if name in study.variant_of_run:
        return Side(name, (name,))
    if name in study.variants:
        return Side(name, study.variants[name].runs)
    of_mixture = [v for v in study.variants.values() if v.answers_to(name) or v.label == name]
    if len(of_mixture) == 1:
        return Side(of_mixture[0].name, of_mixture[0].runs)
    if of_mixture:
        listed = ", ".join(v.name for v in of_mixture)
        raise BabelmixError(f"compare: several variants are called '{name}'. Say which: {listed}.")
    known = [
        *study.variants,
        *study.variant_of_run,
        *(v.mixture or "" for v in study.variants.values()),
    ]
    raise unknown_name("run", name, {k for k in known if k}, "A and B")


def compare(
    study: StudySet, results: Path, left: Side, right: Side, bootstrap: Bootstrap
) -> Iterator[Comparison]:
    """Every measure that both have, judged ones first, over all languages and one by one."""
    shared = set(left.runs) & set(right.runs)
    if shared:
        raise BabelmixError(f"compare: {', '.join(sorted(shared))} would be on both sides.")
    for name, unit, scale, frame in _measures(study, results, left, right):
        if frame.empty:
            continue
        comparable = _same_baseline(frame) if "baseline" in frame else frame
        pairs = aligned(comparable, left.name, right.name).dropna(subset=["left", "right"])
        for language, asked in languages_of(frame[ITEM].drop_duplicates()):
            rows = pairs if language == ALL else pairs[pairs["lang"] == language]
            found = _comparison(name, unit, language, rows, bootstrap, scale)
            yield replace(found, left_out=len(asked) - len(rows))


def _comparison(
    measure: str,
    unit: str,
    language: str,
    rows: pd.DataFrame,
    bootstrap: Bootstrap,
    scale: Scale | None,
) -> Comparison:
    sides = rows["left"].to_numpy(), rows["right"].to_numpy()
    at = rows["question_id"].to_numpy(), rows["lang"].to_numpy()
    return Comparison(
        measure=measure,
        unit=unit,
        language=language,
        left=bootstrap.mean(sides[0], *at).value,
        right=bootstrap.mean(sides[1], *at).value,
        difference=bootstrap.difference(*sides, *at, scale=scale),
        p=sign_flip_p(*sides, *at),
    )


def _measures(
    study: StudySet, results: Path, left: Side, right: Side
) -> Iterator[tuple[str, str, Scale | None, pd.DataFrame]]:
    """(name, unit, scale, frame with ``variant`` = a side's name, ITEM and ``value``)."""
    side_of = dict.fromkeys(left.runs, left.name) | dict.fromkeys(right.runs, right.name)
    paths = [p for run in side_of for p in sorted(results.glob(f"judgements/*/{run}.parquet"))]
    judged = load_judgements(paths, study)
    judged["variant"] = judged["run"].map(side_of)
    single = judged[judged["protocol"] == "single"].rename(columns={"score": "value"})
    for evaluation, rows in single.groupby("evaluation"):
        items = over_seeds(rows, ["variant", *ITEM])
        yield str(evaluation), "grade points", grade_scale(items["value"].to_numpy()), items
    voted = outcomes(judged, study.order_rules)
    voted["baseline"] = voted["baseline"].map(lambda run: study.variant_of_run.get(run, run))
    for evaluation, rows in voted.groupby("evaluation"):
        items = over_seeds(rows, ["variant", "baseline", *ITEM])
        yield f"{evaluation} (same baseline)", "score points", SCORES, items
    paths = [p for run in side_of for p in sorted(results.glob(f"scores/*/{run}.parquet"))]
    scored = load_scores(paths, study)
    scored["variant"] = scored["run"].map(side_of)
    for benchmark, of in scored.groupby("benchmark"):
        for metric, (unit, factor, scale) in _FREE.items():
            rows = of[of["metric"] == metric]
            rows = rows.assign(value=factor * rows["value"].astype(float))
            yield f"{metric} on {benchmark}", unit, scale, over_seeds(rows, ["variant", *ITEM])


def _same_baseline(items: pd.DataFrame) -> pd.DataFrame:
    """Items that both sides were compared on with one and the same baseline."""
    n_sides = items.groupby(["baseline", *ITEM])["variant"].transform("nunique")
    return items[n_sides == 2]


def table_lines(found: list[Comparison], study: StudySet) -> Iterator[str]:
    """The comparisons as lines of text."""
    percent = f"{100 * study.confidence:.3g} %"
    rows = [
        [
            "measure",
            "language",
            "A",
            "B",
            "A − B",
            f"{percent} interval",
            "p",
            "detectable",
            "questions",
            "left out",
            "interval",
        ]
    ]
    for one in found:
        low, high = one.difference.low, one.difference.high
        ends = interval(study.confidence, low, high, "+.2f").partition(": ")[2]
        size = detectable(one.difference, study.confidence)
        rows.append(
            [
                one.measure,
                "all" if one.language == ALL else one.language,
                *(f"{v:.2f}" if v is not None else "–" for v in (one.left, one.right)),
                "–" if one.difference.value is None else f"{one.difference.value:+.2f}",
                ends if low is not None else "–",
                "–" if one.p is None else f"{one.p:.4f}",
                "–" if size is None else f"{size:.2f}",
                str(one.difference.clusters),
                str(one.left_out),
                one.difference.note or "usual",
            ]
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    last = len(widths) - 1
    for row in rows:
        texts = [
            cell.ljust(w) if i < 2 or i == last else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(texts).rstrip()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``compare``."""
    parser.add_argument("left", metavar="A", help="Run, variant or mixture.")
    parser.add_argument("right", metavar="B", help="Another one.")
    parser.add_argument(
        "--results", type=Path, default=Path("results/demo"), help="Folder of the study set."
    )
    parser.add_argument(
        "--languages", action="store_true", help="Also language by language, not only the mean."
    )


def run(args: argparse.Namespace) -> None:
    """Print the comparison."""
    path = args.results / "study.json"
    if not path.exists():
        raise BabelmixError(
            f"compare: {path} is not there. Name the folder of a finished study set: --results DIR."
        )
    study = load_study(path)
    left, right = find_side(study, args.left), find_side(study, args.right)
    bootstrap = Bootstrap(study.confidence, study.samples)
    found = list(compare(study, args.results, left, right, bootstrap))
    if not any(one.difference.values for one in found):
        raise BabelmixError(
            f"compare: {left.name} and {right.name} have no scored question in common in "
            f"{args.results}. Finish their answers and judgements first."
        )
    print(f"A = {left.name}\nB = {right.name}\n")
    shown = [one for one in found if args.languages or one.language == ALL]
    print("\n".join(table_lines(shown, study)))
    first = next(one for one in found if one.language == ALL)
    size = detectable(first.difference, study.confidence)
    print(
        f"\n{first.measure}: "
        + difference_sentence(
            left.name, right.name, first.difference, first.unit, study.confidence, size, p=first.p
        )
    )
    print(
        "Paired by question; p: signs of whole questions flipped, not corrected for the number of "
        "measures.\nDetectable: true difference that 4 of 5 such studies would find.\n"
        "Left out: answers that are not scored on both sides (or not against one baseline)."
    )
