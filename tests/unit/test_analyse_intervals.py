"""Intervals where a bootstrap fails: exact ones, t, or none, each with its reason."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from babelmix.analyse import intervals
from babelmix.analyse.statistics import Bootstrap, Estimate
from babelmix.errors import BabelmixError

QUICK = Bootstrap(samples=400)


def ends(found: Estimate) -> tuple[float, float]:
    """Both ends of an interval that must be there."""
    assert found.low is not None, found.note
    assert found.high is not None
    return found.low, found.high


@given(st.integers(1, 60), st.data(), st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_the_exact_interval_is_that_of_scipy(n: int, data: st.DataObject, level: float) -> None:
    hits = data.draw(st.integers(0, n))
    theirs = stats.binomtest(hits, n).proportion_ci(level, "exact")
    assert intervals.korn_graubard(hits / n, n, level) == pytest.approx(tuple(theirs), abs=1e-9)
    if hits in (0, n):
        alike = intervals.alike_interval(hits / n, (0.0, 1.0), n, level)
        assert alike == pytest.approx(tuple(theirs), abs=1e-9)


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=9), st.sampled_from([0.9, 0.95]))
def test_the_t_interval_is_that_of_scipy(values: list[float], level: float) -> None:
    found = Bootstrap(level).mean(values, range(len(values)))
    theirs = stats.ttest_1samp(values, 0.0) if np.ptp(values) > 1e-6 else None
    if theirs is not None:
        expected = theirs.confidence_interval(level)
        assert ends(found) == pytest.approx((expected.low, expected.high), rel=1e-6, abs=1e-6)
        assert found.se == pytest.approx(stats.sem(values), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("value", [0.0, 100.0])
def test_three_of_three_is_no_certainty(value: float) -> None:
    found = QUICK.share([value] * 3, list("abc"), scale=(0.0, 100.0))
    theirs = stats.binomtest(int(3 * value / 100), 3).proportion_ci(0.95, "exact")
    assert ends(found) == pytest.approx((100 * theirs.low, 100 * theirs.high))
    assert found.note == "exact interval: all 3 questions give the same value"


def test_two_questions_get_a_t_interval() -> None:
    """1 and 3: a bootstrap says 1 … 3, in truth nearly nothing is known."""
    found = QUICK.mean([1.0, 3.0], ["a", "b"])
    assert ends(found) == pytest.approx((2 - 12.706205, 2 + 12.706205), abs=1e-5)
    assert found.note == "t interval: 2 questions; a bootstrap needs 10"
    assert ends(QUICK.mean([1.0, 3.0], ["a", "b"], scale=(1.0, 10.0))) == (1.0, 10.0)
    paired = QUICK.difference([5.0, 9.0], [4.0, 6.0], ["a", "b"])
    assert ends(paired) == pytest.approx((2 - 12.706205, 2 + 12.706205), abs=1e-5)


def test_enough_questions_get_a_bootstrap_without_a_note() -> None:
    values = np.random.default_rng(1).normal(0, 1, intervals.MIN_BOOTSTRAP)
    assert QUICK.mean(values, range(len(values))).note == ""
    assert QUICK.mean(values[1:], range(len(values) - 1)).note.startswith("t interval: 9")


def test_one_question_and_none() -> None:
    one = QUICK.share([1.0, 1.0], ["a", "a"])
    assert (one.value, one.low, one.note) == (1.0, None, "no interval: one question")
    none = QUICK.mean([math.nan], ["a"])
    assert (none.value, none.clusters, none.note) == (None, 0, "no value: nothing was scored")
    sums = np.zeros((2, 0))
    assert QUICK.statistic(sums, lambda t: t[0] / t[1]).note == "no value: nothing was scored"


def test_an_infinite_value_is_no_mean() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = QUICK.mean([1.0, math.inf, 2.0], list("abc"))
        assert (found.value, found.low) == (None, None)
        assert found.note == "no value: 1 of 3 values are infinite"
        paired = QUICK.difference([math.inf, 1.0], [math.inf, 2.0], ["a", "b"])
        assert (paired.value, paired.note) == (None, "no value: 1 of 2 values are infinite")


def test_ties_everywhere_are_no_parity() -> None:
    """20 ties: at most 17 % of all questions can be decided, so 42 … 58."""
    found = QUICK.share([50.0] * 20, range(20), scale=(0.0, 100.0))
    decided = 100 * (1 - 0.025 ** (1 / 20))
    assert ends(found) == pytest.approx((50 - decided / 2, 50 + decided / 2))


def test_equal_sides_are_no_proof_of_equality() -> None:
    grades = np.random.default_rng(2).integers(1, 11, 30).astype(float)
    same = QUICK.difference(grades, grades, range(30), scale=(1.0, 10.0))
    other = 9 * (1 - 0.025 ** (1 / 30))
    assert ends(same) == pytest.approx((-other, other))
    assert QUICK.gain(grades, grades, range(30)).note == (
        "no interval: all questions give the same value"
    )


def test_nineteen_of_twenty_is_the_binomial_interval() -> None:
    """Independent questions are worth n − 1 values and t's degrees of freedom."""
    values = np.array([1.0] * 19 + [0.0])
    found = QUICK.share(values, range(20))
    size = 19 * (stats.norm.ppf(0.975) / stats.t.ppf(0.975, 19)) ** 2
    low = stats.beta.ppf(0.025, 0.95 * size, 0.05 * size + 1)
    high = stats.beta.ppf(0.975, 0.95 * size + 1, 0.05 * size)
    assert ends(found) == pytest.approx((low, high), abs=1e-9)
    few = QUICK.mean(9 * values + 1, range(20), scale=(1.0, 10.0))
    assert ends(few) == pytest.approx((1 + 9 * low, 1 + 9 * high), abs=1e-9)
    assert few.note == "binomial interval: only 1 of 20 questions differ from the others"


def test_rows_of_one_question_count_once_in_a_share() -> None:
    values = np.repeat((np.arange(20) % 5 > 0).astype(float), 1)
    once = QUICK.share(values, range(20))
    often = QUICK.share(np.tile(values, 4), np.tile(np.arange(20), 4))
    assert ends(once) == pytest.approx(ends(often))


def test_a_share_of_many_questions_is_that_of_the_bootstrap() -> None:
    values = (np.random.default_rng(3).random(400) < 0.6).astype(float)
    exact = ends(QUICK.share(values, range(400)))
    assert exact == pytest.approx(ends(QUICK.mean(values, range(400))), abs=0.012)


@given(st.integers(2, 30), st.floats(0.5, 0.99), st.integers(0, 2**31))
def test_an_interval_never_leaves_the_scale_and_holds_its_value(
    n: int, share: float, seed: int
) -> None:
    draw = np.random.default_rng(seed)
    values = (draw.random((n, 3)) < share).astype(float).ravel()
    at = np.repeat(np.arange(n), 3)
    for found in (
        QUICK.share(values, at),
        QUICK.mean(values, at, scale=(0.0, 1.0)),
    ):
        low, high = ends(found)
        assert found.value is not None
        assert 0 <= low <= found.value + 1e-12
        assert found.value - 1e-12 <= high <= 1


def test_resamples_without_a_value_are_counted() -> None:
    """A ratio that only three questions stand behind is not defined in some resamples."""
    sums = np.array([np.arange(12.0) * [1, 1, 1, *[0] * 9], [1.0, 1, 1, *[0] * 9]])
    found = QUICK.statistic(sums, lambda totals: totals[0] / totals[1])
    assert "of 400 resamples left out: not defined there" in found.note
    assert found.low is not None


def test_a_missing_question_id_is_an_error() -> None:
    with pytest.raises(BabelmixError, match="1 of 3 values have no question id"):
        QUICK.mean([1.0, 2.0, 3.0], ["a", None, "c"])
    with pytest.raises(BabelmixError, match="no question id"):
        QUICK.mean([1.0, 2.0], [1.0, math.nan])


def test_a_language_of_one_question_has_an_unknown_spread() -> None:
    """Leaving that question out leaves the language out: a mean of something else."""
    values = [*np.arange(12.0) % 5 + 3, 9.0]
    languages = ["en"] * 12 + ["de"]
    found = QUICK.mean(values, [*range(12), 0], languages)
    assert found.value == pytest.approx((np.mean(values[:12]) + 9) / 2)
    assert (found.low, found.note) == (
        None,
        "no interval: not defined without one of the questions",
    )
    two = QUICK.mean([*values, 8.0], [*range(12), 0, 1], [*languages, "de"])
    assert two.low is not None
    assert "resamples left out: not defined there" in two.note
