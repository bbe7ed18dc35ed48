"""How often do the intervals hold the truth? ``python -m babelmix.analyse.simulate`` says.

Studies are drawn from a model whose true values are known: a question is hard or easy (in all
languages and turns), a language makes it harder or easier, each grade has its own chance, and a
few grades are missing. Clusters are questions, as in the analysis.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from .significance import sign_flip_p
from .statistics import Bootstrap, Estimate


@dataclass(frozen=True)
class Design:
    """A made-up study: ``questions`` × ``languages`` × ``turns``, and the true difference."""

    questions: int
    languages: int
    turns: int
    difference: float = 0.3
    missing: float = 0.02


@dataclass(frozen=True)
class Drawn:
    """Values of two variants, with their questions and languages; NaN where unscored."""

    left: np.ndarray
    right: np.ndarray
    clusters: np.ndarray
    strata: np.ndarray


#: True mean of the right side; the left side's is larger by the design's difference.
MEAN = 5.0
#: True share of the binary measure.
SHARE = 0.8


def draw(design: Design, generator: np.random.Generator) -> Drawn:
    """One made-up study on the scale of grades."""
    shape = (design.questions, design.languages, design.turns)
    question = generator.normal(0, 1.2, shape[0])[:, None, None]
    in_language = generator.normal(0, 0.5, shape[:2])[:, :, None]
    sides = []
    for mean in (MEAN + design.difference, MEAN):
        own = generator.normal(0, 0.5, shape[0])[:, None, None]
        values = mean + question + in_language + own + generator.normal(0, 1.0, shape)
        values[generator.random(shape) < design.missing] = np.nan
        sides.append(values.ravel())
    at = np.indices(shape)
    return Drawn(sides[0], sides[1], at[0].ravel(), at[1].ravel())


def shares(
    design: Design, generator: np.random.Generator, share: float = SHARE, spread: float = 0.8
) -> tuple[np.ndarray, np.ndarray]:
    """Zeros and ones (answer language), alike within a question; and their questions.

    ``spread``: how far questions differ, on the probit scale; 0 is not at all.
    """
    from scipy.special import ndtr, ndtri

    level = ndtri(share) * np.sqrt(1 + spread**2)
    own = ndtr(level + generator.normal(0, spread, design.questions))
    each = design.languages * design.turns
    values = generator.random((design.questions, each)) < own[:, None]
    return values.astype(float).ravel(), np.repeat(np.arange(design.questions), each)


def simulate(design: Design, repeats: int, bootstrap: Bootstrap, seed: int = 1) -> dict[str, float]:
    """Share of ``repeats`` studies whose interval holds the truth, by measure.

    ``p below 0.05`` is how often the permutation test is fooled where there is no difference.
    """
    generator = np.random.default_rng(seed)
    truth = MEAN + design.difference
    gain = 100 * design.difference / MEAN
    names = ("mean", "paired difference", "gain", "share", "p below 0.05")
    hits = dict.fromkeys(names, 0)
    for _ in range(repeats):
        drawn = draw(design, generator)
        at = drawn.clusters, drawn.strata
        sides = drawn.left, drawn.right
        hits["mean"] += holds(bootstrap.mean(drawn.left, *at), truth)
        hits["paired difference"] += holds(bootstrap.difference(*sides, *at), design.difference)
        hits["gain"] += holds(bootstrap.gain(*sides, *at), gain)
        hits["share"] += holds(bootstrap.share(*shares(design, generator)), SHARE)
        p = sign_flip_p(drawn.left - design.difference, drawn.right, *at, samples=999)
        hits["p below 0.05"] += p is not None and p < 0.05
    return {name: count / repeats for name, count in hits.items()}


def holds(estimate: Estimate, truth: float) -> bool:
    """Whether the interval holds the true value."""
    if estimate.low is None or estimate.high is None:
        return False
    return estimate.low <= truth <= estimate.high


#: Numbers of questions of the second table.
FEW = (2, 3, 5, 10, 20, 80)
#: How often each grade of 1 to 10 is given in it: skewed, as judges' grades are.
_GRADE_SHARES = np.array([2, 2, 3, 3, 5, 5, 10, 30, 25, 15]) / 100.0
#: Shares of wins and ties in it; the others are losses.
_WINS, _TIES = 0.35, 0.4

Measured = tuple[Estimate, float]


def few_questions(
    questions: int, generator: np.random.Generator, bootstrap: Bootstrap
) -> dict[str, Measured]:
    """Estimates of one made-up study of so many questions, each with its true value."""
    at = np.arange(questions)
    many = Design(questions, 5, 2)
    found: dict[str, Measured] = {}
    for share in (0.5, 0.9, 0.98):
        found[f"share {share:.0%}"] = (
            bootstrap.share((generator.random(questions) < share).astype(float), at),
            share,
        )
    for share in (0.9, 0.98):
        found[f"share {share:.0%}, 10 answers a question"] = (
            bootstrap.share(*shares(many, generator, share)),
            share,
        )
    third = generator.random(questions)
    scores = np.select([third < _WINS, third < _WINS + _TIES], [100.0, 50.0], 0.0)
    found["score"] = (
        bootstrap.share(scores, at, scale=(0.0, 100.0)),
        100.0 * (_WINS + _TIES / 2),
    )
    normal = generator.normal(MEAN, 1.0, questions)
    found["mean, normal"] = bootstrap.mean(normal, at), MEAN
    graded = generator.choice(np.arange(1.0, 11.0), (2, questions), p=_GRADE_SHARES)
    found["mean grade"] = (
        bootstrap.mean(graded[0], at, scale=(1.0, 10.0)),
        float(_GRADE_SHARES @ np.arange(1.0, 11.0)),
    )
    found["difference of grades"] = (
        bootstrap.difference(graded[0], graded[1], at, scale=(1.0, 10.0)),
        0.0,
    )
    return found


def simulate_few(
    questions: int, repeats: int, bootstrap: Bootstrap, seed: int = 1
) -> dict[str, tuple[float, float]]:
    """By measure: share of studies whose interval holds the truth, and the mean width."""
    generator = np.random.default_rng([seed, questions])
    hits: dict[str, int] = {}
    widths: dict[str, float] = {}
    for _ in range(repeats):
        for name, (estimate, truth) in few_questions(questions, generator, bootstrap).items():
            hits[name] = hits.get(name, 0) + holds(estimate, truth)
            width = (estimate.high or 0.0) - (estimate.low or 0.0)
            widths[name] = widths.get(name, 0.0) + width
    return {name: (count / repeats, widths[name] / repeats) for name, count in hits.items()}


#: The designs of the two studies, and smaller ones.
DESIGNS = {
    "20 questions × 5 languages × 2 turns": Design(20, 5, 2),
    "80 questions × 5 languages × 2 turns (study 1)": Design(80, 5, 2),
    "617 questions × 12 languages (study 2)": Design(617, 12, 1),
}


def print_few(repeats: int, bootstrap: Bootstrap, seed: int) -> None:
    """Print the table of few questions: coverage, and the mean width in brackets."""
    found = {n: simulate_few(n, repeats, bootstrap, seed) for n in FEW}
    print(f"| measure | {' | '.join(f'{n} questions' for n in FEW)} |")
    print(f"|---|{'---:|' * len(FEW)}")
    for name in found[FEW[0]]:
        cells = [f"{100 * hit:.1f} ({width:.3g})" for hit, width in (found[n][name] for n in FEW)]
        print(f"| {name} | {' | '.join(cells)} |")


def main() -> None:
    """Print the tables of docs/statistics.md."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", 1)[0])
    parser.add_argument("--repeats", type=int, default=2000, help="studies of each design")
    parser.add_argument("--samples", type=int, default=1000, help="bootstrap samples")
    parser.add_argument("--seed", type=int, default=1, help="seed of the studies")
    parser.add_argument("--few", action="store_true", help="the table of few questions alone")
    args = parser.parse_args()
    if args.few:
        print_few(args.repeats, Bootstrap(samples=args.samples), args.seed)
        return
    header: list[str] = []
    for name, design in DESIGNS.items():
        found = simulate(design, args.repeats, Bootstrap(samples=args.samples), args.seed)
        if not header:
            header = ["design", *found]
            print(f"| {' | '.join(header)} |")
            print(f"|---|{'---:|' * len(found)}")
        cells = [f"{100 * value:.1f}" for value in found.values()]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
