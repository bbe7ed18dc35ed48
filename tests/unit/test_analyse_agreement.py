"""Agreement: published worked examples, the settings' definitions, and real judge data."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from babelmix.analyse.agreement import (
    Ballots,
    Level,
    agreement,
    cohen_kappa,
    credit,
    fleiss_kappa,
    group_agreement,
    joined,
    krippendorff_alpha,
    position,
    swapped,
    win_rate,
)
from babelmix.analyse.statistics import Bootstrap, Estimate
from babelmix.errors import BabelmixError

VOTES = st.sampled_from(["A", "B", "tie", "both_bad", None])


@pytest.mark.parametrize(
    ("left", "right", "s1", "s2", "discounted"),
    [
        ("A", "A", 1.0, 1.0, 1.0),
        ("A", "B", 0.0, 0.0, 0.0),
        ("A", "tie", 0.0, None, 0.5),
        ("tie", "tie", 1.0, None, 1.0),
        ("tie", "both_bad", 1.0, None, 1.0),
        ("A", None, None, None, None),
    ],
)
def test_what_a_pair_of_votes_counts(
    left: str | None, right: str | None, s1: Any, s2: Any, discounted: Any
) -> None:
    for a, b in ((left, right), (right, left)):
        found = (credit(a, b, "S1"), credit(a, b, "S2"), credit(a, b, "tie_discounted"))
        assert found == (s1, s2, discounted)


@given(st.lists(st.tuples(VOTES, VOTES), max_size=30))
@settings(deadline=None)
def test_agreement_is_the_mean_credit(pairs: list[tuple[str | None, str | None]]) -> None:
    left, right = [a for a, _ in pairs], [b for _, b in pairs]
    for setting in ("S1", "S2", "tie_discounted"):
        counted = [c for a, b in pairs if (c := credit(a, b, setting)) is not None]
        found = agreement(left, right, setting=setting)
        assert found.values == len(counted)
        assert found.value == (pytest.approx(np.mean(counted)) if counted else None)


def test_humans_among_themselves_are_compared_pair_by_pair() -> None:
    people = Ballots({"q1": ["A", "A", "B"], "q2": ["tie", "B"]})
    assert group_agreement(people).value == pytest.approx(1 / 4)
    assert group_agreement(people, setting="S2").value == pytest.approx(1 / 3)
    judge = Ballots({"q1": ["A"], "q2": ["B"], "q3": ["A"]})
    found = group_agreement(judge, people)
    assert (found.value, found.values, found.clusters) == (pytest.approx(3 / 5), 5, 2)


def test_votes_of_one_question_are_one_cluster() -> None:
    """A hundred raters of two questions are two questions."""
    judge = Ballots(
        {("q1", 1): ["A"], ("q1", 2): ["A"], ("q2", 1): ["B"]},
        {("q1", 1): "q1", ("q1", 2): "q1", ("q2", 1): "q2"},
    )
    people = Ballots({item: ["A"] * 100 for item in judge.votes})
    assert group_agreement(judge, people).clusters == 2


def test_orders_join_as_in_the_judging() -> None:
    assert [swapped(v) for v in ("A", "B", "tie", None)] == ["B", "A", "tie", None]
    assert joined("A", "B") == "A"
    assert joined("A", "A") == "tie"
    assert joined("A", None) is None


def test_cohen_kappa_worked_example() -> None:
    """50 proposals, two readers: 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no give 0.4."""
    cells = (("yes", "yes", 20), ("yes", "no", 5), ("no", "yes", 10), ("no", "no", 15))
    pairs = [(a, b) for a, b, n in cells for _ in range(n)]
    left, right = zip(*pairs, strict=True)
    assert cohen_kappa(left, right) == pytest.approx(0.4)
    assert cohen_kappa([1, 2, None], [1, 2, 2]) == pytest.approx(1.0)
    assert cohen_kappa(["a", "a"], ["a", "a"]) is None


def test_weighted_kappa_forgives_neighbours() -> None:
    left, right = [1, 2, 3, 4, 5] * 4, [1, 2, 3, 4, 4] * 4
    plain, linear, quadratic = (cohen_kappa(left, right, w) for w in (None, "linear", "quadratic"))
    assert plain is not None
    assert linear is not None
    assert quadratic is not None
    assert plain < linear < quadratic < 1
    assert cohen_kappa([1, 2, 3], [3, 2, 1], "quadratic") == pytest.approx(-1.0)


def test_fleiss_kappa_worked_example() -> None:
    """Fourteen raters, ten items, five categories: 0.210."""
    counts = [
        (0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1),
        (7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7),
    ]  # fmt: skip
    items = [[label for label, n in enumerate(row) for _ in range(n)] for row in counts]
    found = fleiss_kappa(items)
    assert found.value == pytest.approx(0.210, abs=5e-4)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.210 < found.high
    assert fleiss_kappa([["a", "a"], ["a"]]).value is None
    doubled = fleiss_kappa(items * 2, [*range(10), *range(10)])
    assert (doubled.low, doubled.high) == (pytest.approx(found.low), pytest.approx(found.high))


def test_krippendorff_alpha_worked_example() -> None:
    """Krippendorff (2011), four observers and twelve units with gaps."""
    n = None
    ratings = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, n, n, n],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, n, 3],
        [n, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, n],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, n],
    ]
    assert krippendorff_alpha(ratings).value == pytest.approx(0.743, abs=5e-4)
    assert krippendorff_alpha(ratings, "ordinal").value == pytest.approx(0.815, abs=5e-4)
    found = krippendorff_alpha(ratings, "interval")
    assert found.value == pytest.approx(0.849, abs=5e-4)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.849 < found.high <= 1
    assert krippendorff_alpha([["A", "B"], ["A", "B"]]).value == pytest.approx(1.0)
    for nothing in ([], [["A", "B"]], [["A", None], [None, "B"]], [["A", "A"], ["A", "A"]]):
        assert krippendorff_alpha(nothing).value is None
    with pytest.raises(BabelmixError, match="level 'ordinal' are numbers; 'A' is none"):
        krippendorff_alpha([["A", "B"], ["A", "B"]], "ordinal")


GRADES = st.sampled_from([1, 2, 3, 10, None])
LEVELS: list[Level] = ["nominal", "ordinal", "interval", "ratio"]


@given(
    st.lists(st.tuples(GRADES, GRADES, GRADES), min_size=2, max_size=12), st.sampled_from(LEVELS)
)
@settings(deadline=None)
def test_the_resampled_alpha_is_the_packages(rows: list[Any], level: Level) -> None:
    """What the interval resamples is, at the data themselves, the value of the package."""
    totals: list[float] = []

    class Once(Bootstrap):
        def statistic(
            self, sums: Any, combine: Any, values: int | None = None, scale: Any = None
        ) -> Estimate:
            totals.append(float(combine(sums.sum(axis=1))))
            return super().statistic(sums, combine, values, scale)

    found = krippendorff_alpha(list(zip(*rows, strict=True)), level, bootstrap=Once(samples=50))
    assert totals == ([] if found.value is None else [pytest.approx(found.value)])


def test_alpha_of_doubled_items_keeps_its_interval() -> None:
    draw = np.random.default_rng(5)
    truth = draw.integers(1, 6, 60)
    raters = [np.clip(truth + draw.integers(-1, 2, 60), 1, 5).tolist() for _ in range(3)]
    one = krippendorff_alpha(raters, "interval", range(60))
    two = krippendorff_alpha([r * 2 for r in raters], "interval", [*range(60)] * 2)
    assert one.low is not None
    assert (two.low, two.high) == (
        pytest.approx(one.low, abs=0.01),
        pytest.approx(one.high, abs=0.01),
    )
    assert (two.clusters, two.values) == (60, 120)


@given(st.lists(st.tuples(*[st.sampled_from("abcd")] * 2), min_size=1, max_size=40))
@settings(deadline=None)
def test_cohen_kappa_is_that_of_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    left, right = zip(*pairs, strict=True)
    codes = [[ord(label) for label in side] for side in (left, right)]
    for weights in (None, "linear", "quadratic"):
        found = cohen_kappa(np.array(codes[0]), np.array(codes[1]), weights)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = metrics.cohen_kappa_score(*codes, weights=weights)
        assert found == (None if theirs != theirs else pytest.approx(theirs))


@given(st.lists(st.tuples(*[st.sampled_from("abc")] * 4), min_size=1, max_size=30))
@settings(deadline=None)
def test_fleiss_kappa_is_that_of_statsmodels(items: list[tuple[str, ...]]) -> None:
    rated = pytest.importorskip("statsmodels.stats.inter_rater")
    counts, _ = rated.aggregate_raters(np.array(items))
    found = fleiss_kappa(items, bootstrap=Bootstrap(samples=20)).value
    if found is None:
        assert len({label for item in items for label in item}) == 1
    else:
        assert found == pytest.approx(rated.fleiss_kappa(counts))


def test_numbers_of_numpy_are_ranked_as_numbers() -> None:
    left, right = np.array([2, 9, 10, 10]), np.array([2, 10, 9, 10])
    assert cohen_kappa(left, right, "linear") == cohen_kappa(list(left), right.tolist(), "linear")
    assert cohen_kappa([1.0, np.nan, 2.0], [1.0, 2.0, 2.0]) == 1.0


@given(st.lists(st.tuples(VOTES, VOTES), max_size=20))
@settings(deadline=None)
def test_no_data_is_too_thin(votes: list[tuple[str | None, str | None]]) -> None:
    """Nothing, one rater, all ties, votes missing: figures or None, never an exception."""
    left, right = [a for a, _ in votes], [b for _, b in votes]
    small = Bootstrap(samples=20)
    found = position(left, right)
    assert found.same is None or 0 <= found.same <= 1
    assert win_rate(left).votes + win_rate(left).missing == len(left)
    ballots = Ballots(dict(enumerate(votes)))
    for value in (
        agreement(left, right, bootstrap=small).value,
        group_agreement(ballots, setting="S2", bootstrap=small).value,
        win_rate(left).rate,
    ):
        assert value is None or 0 <= value <= 1
    for chance_corrected in (
        cohen_kappa(left, right),
        fleiss_kappa(votes, bootstrap=small).value,
        krippendorff_alpha([left, right], bootstrap=small).value,
    ):
        assert chance_corrected is None or chance_corrected <= 1 + 1e-9


def test_a_word_that_is_no_vote_is_refused() -> None:
    """``model_a`` would otherwise agree with itself, and ``C`` be neither a tie nor a loss."""
    for call in (
        lambda: agreement(["model_a"], ["model_a"]),
        lambda: win_rate(["A", "C"]),
        lambda: position(["A"], ["b"]),
        lambda: joined("A", "tie (both bad)"),
    ):
        with pytest.raises(BabelmixError, match="Unknown vote"):
            call()
    with pytest.raises(BabelmixError, match="side A or B"):
        win_rate(["A"], side="model_a")
    assert agreement([float("nan"), "A"], ["A", "A"]).values == 1  # type: ignore[list-item]


def test_win_rate_counts_a_tie_as_half() -> None:
    found = win_rate(["A", "A", "B", "tie", "both_bad", None])
    assert (found.wins, found.ties, found.losses, found.missing) == (2, 2, 1, 1)
    assert found.rate == pytest.approx(3 / 5)
    assert win_rate(["A", "B", "B"], side="B").rate == pytest.approx(2 / 3)
    assert win_rate([None]).rate is None


def test_position_bias() -> None:
    found = position(["A", "A", "B", "tie", "A"], ["B", "A", "B", "both_bad", None])
    assert found.pairs == 4
    assert found.same == pytest.approx(2 / 4)
    assert found.flipped == pytest.approx(2 / 4)
    assert (found.first, found.second) == (1 / 4, 1 / 4)
    assert (found.first_preferred, found.picks) == (4 / 7, 7)
    assert position([], []).same is None


@pytest.mark.real
@pytest.mark.parametrize(
    "judge", ["GPT-4/Vanilla_NoRules", "GPT-4/Metrics_Reference", "ChatGPT/Vanilla_NoRules"]
)
def test_llmbar_as_published(real_data: Path, judge: str) -> None:
    """LLMBar's MT-Bench 200: agreement with the human label by order, and after the swap."""
    folder = real_data / "llmbar" / "mt_bench_200" / judge
    published = json.loads((folder / "statistics.json").read_text())
    rows = json.loads((folder / "result.json").read_text())
    winner = {"1": "A", "2": "B"}

    def votes(order: str) -> list[str | None]:
        found = []
        for row in rows:
            # With metrics and a reference, the steps that led to the verdict stand before it.
            verdict = row["results"][-1]
            found.append(winner.get(verdict[f"swap = {order}"]["winner"]))
        return found

    human = [winner[str(row["label"])] for row in rows]
    plain, swap = votes("False"), votes("True")
    counts = [
        round((agreement(a, b).value or 0) * len(rows))
        for a, b in ((plain, human), (swap, human), (plain, swap))
    ]
    names = ("correct_False", "correct_True", "equal")
    assert counts == [int(published[name].split(" / ")[0]) for name in names]
    if judge == "GPT-4/Vanilla_NoRules":
        assert counts == [159, 165, 174]
    assert cohen_kappa(plain, swap) == pytest.approx(published["kappa_agreement"])
    # The published winners are in the terms of the pair: turn the swapped ones back as shown.
    as_shown = position(plain, [swapped(v) for v in swap])
    assert as_shown.flipped == pytest.approx(1 - counts[2] / len(rows))
