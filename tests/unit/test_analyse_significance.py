"""Permutation test, Holm, power, spread of seeds, correlation; sentences; the simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from babelmix.analyse import simulate
from babelmix.analyse.significance import correlation, detectable, holm, seed_spread, sign_flip_p
from babelmix.analyse.statistics import Bootstrap, Estimate
from babelmix.analyse.wording import difference_sentence
from babelmix.errors import BabelmixError

QUICK = Bootstrap(samples=400)


def test_flipping_signs_gives_the_exact_p_of_few_questions() -> None:
    """Four questions with the same sign: 2 of 16 patterns are as extreme."""
    p = sign_flip_p([2, 3, 4, 5], [1, 1, 1, 1], list("abcd"), samples=40_000)
    assert p == pytest.approx(2 / 16, abs=0.01)
    assert sign_flip_p([1, 2], [1, 2], ["a", "b"]) == pytest.approx(1.0)
    assert sign_flip_p([1, 2], [0, 0], ["a", "a"]) is None


def test_rows_of_one_question_flip_together() -> None:
    draw = np.random.default_rng(4)
    shift = np.repeat(draw.normal(0.4, 1, 20), 30)
    clustered = sign_flip_p(shift, 0 * shift, np.repeat(np.arange(20), 30))
    exploded = sign_flip_p(shift, 0 * shift, np.arange(600))
    assert clustered is not None
    assert exploded is not None
    assert clustered > 5 * exploded


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=8))
def test_holm_never_lowers_and_keeps_the_order(values: list[float | None]) -> None:
    given_p = dict(enumerate(values))
    found = holm(given_p)
    tested = sorted((p, found[k]) for k, p in given_p.items() if p is not None)
    assert all(q is not None and p <= q <= 1 for p, q in tested)
    assert [q for _, q in tested] == sorted(q for _, q in tested if q is not None)
    assert all(found[k] is None for k, p in given_p.items() if p is None)


def test_holm_worked_example() -> None:
    found = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert found == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})


def test_a_detectable_effect_is_found_in_four_of_five_studies() -> None:
    draw = np.random.default_rng(5)
    at = np.arange(60)
    first = QUICK.difference(draw.normal(0, 1, 60), np.zeros(60), at)
    size = detectable(first)
    assert size is not None
    found = [
        QUICK.difference(draw.normal(size, 1, 60), np.zeros(60), at).excludes(0) for _ in range(200)
    ]
    assert 0.68 <= np.mean(found) <= 0.92
    assert detectable(Estimate(0.0, 0.0, 0.0, 5, 5, 0.0)) is None


def test_seeds_are_a_variance_component() -> None:
    draw = np.random.default_rng(6)
    questions = draw.normal(0, 2, 400)
    tables = []
    for _ in range(60):
        effect = draw.normal(0, 0.5, 4)
        tables.append(questions + effect[:, None] + draw.normal(0, 1, (4, 400)))
    found = seed_spread(tables)
    assert found is not None
    assert (found.variants, found.runs) == (60, 240)
    assert found.component == pytest.approx(0.5, abs=0.06)
    assert found.floor == pytest.approx(1.96 * np.sqrt(2 * (0.25 + 1 / 400)), abs=0.15)
    pure_noise = seed_spread([draw.normal(0, 1, (2, 50)) for _ in range(40)])
    assert pure_noise is not None
    assert pure_noise.component < 0.12
    assert seed_spread([np.ones((1, 9))]) is None


def test_correlation_of_study_two() -> None:
    """r = 0.22 at n = 11 has the interval −0.44 … 0.72."""
    x = np.arange(11.0)
    noise = np.random.default_rng(7).normal(0, 1, 11)
    noise -= np.polyval(np.polyfit(x, noise, 1), x)
    line = (x - x.mean()) / np.linalg.norm(x - x.mean())
    y = 0.22 * line + np.sqrt(1 - 0.22**2) * noise / np.linalg.norm(noise)
    found = correlation(list(x), list(y))
    assert found is not None
    assert (round(found.value or 0, 2), found.clusters) == (0.22, 11)
    assert (round(found.low or 0, 2), round(found.high or 0, 2)) == (-0.44, 0.72)
    assert correlation([1, 2, 3], [1, 1, 1]) is None
    assert correlation([1, 2], [1, 2]) is None


def test_the_sentence_claims_only_what_the_interval_shows() -> None:
    shown = Estimate(0.5, 0.2, 0.8, 80, 400, 0.15)
    sentence = difference_sentence("mix", "mono", shown, "points", 0.95, 0.42)
    assert sentence == "mix beats mono by 0.50 points (95\u202f%: 0.20\u00a0…\u00a00.80)."
    behind = Estimate(-0.5, -0.8, -0.2, 80, 400, 0.15)
    assert difference_sentence("mix", "mono", behind, "points", 0.95).startswith(
        "mono beats mix by 0.50 points (95\u202f%: 0.20\u00a0…\u00a00.80)"
    )
    nothing = difference_sentence(
        "mix", "mono", Estimate(0.1, -0.2, 0.4, 80, 400, 0.15), "points", 0.95, 0.42
    )
    assert nothing.startswith("No difference can be shown at this size between mix and mono: +0.10")
    assert "A true difference of 0.42 points would be found in 4 of 5 such studies." in nothing
    assert "beats" not in difference_sentence(
        "a", "b", Estimate(2, None, None, 1, 1), "points", 0.95
    )
    assert "no question in common" in difference_sentence(
        "a", "b", Estimate(None, None, None, 0, 0), "points", 0.95
    )


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Study 1's size; the long run of docs/statistics.md has narrower bounds."""
    design = simulate.Design(80, 3, 2)
    found = simulate.simulate(design, 800, Bootstrap(samples=400))
    for name in ("mean", "paired difference", "gain", "share"):
        assert 0.925 <= found[name] <= 0.975, name
    assert 0.03 <= found["p below 0.05"] <= 0.07


@settings(deadline=None)
@given(st.integers(2, 40))
def test_a_few_questions_give_wide_intervals(questions: int) -> None:
    """Never narrower than the same resamples' plain quantiles."""
    values = np.random.default_rng(questions).normal(0, 1, questions)
    found = QUICK.mean(values, np.arange(questions))
    assert found.low is not None
    assert found.high is not None
    assert found.se is not None
    assert found.high - found.low >= 2 * 1.8 * found.se or questions < 5


def test_a_p_of_nan_is_no_test() -> None:
    found = holm({"a": 0.01, "b": float("nan"), "c": None, "d": 0.04})
    assert found == {"a": pytest.approx(0.02), "b": None, "c": None, "d": pytest.approx(0.04)}
    assert holm({"a": float("nan")}) == {"a": None}
    with pytest.raises(BabelmixError, match=r"p of a is 1\.5"):
        holm({"a": 1.5})


def test_few_questions_have_an_exact_p() -> None:
    """Three of three: 2 of 8 patterns; SciPy's permutation test counts the same."""
    assert sign_flip_p([1, 2, 3], [0, 0, 0], list("abc")) == 0.25
    values = np.random.default_rng(9).normal(0.5, 1, 9)
    theirs = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=np.inf
    )
    assert sign_flip_p(values, 0 * values, range(9)) == pytest.approx(theirs.pvalue)
    assert sign_flip_p([np.inf, 1.0], [0.0, 0.0], ["a", "b"]) is None


def test_detectable_knows_few_questions() -> None:
    """Two questions: t of one degree of freedom, not 1.96."""
    found = detectable(Estimate(0.0, None, None, 2, 2, 1.0))
    assert found == pytest.approx(stats.t.ppf(0.975, 1) + stats.t.ppf(0.8, 1))
    assert detectable(Estimate(0.0, None, None, 1, 1, 1.0)) is None
    assert detectable(Estimate(0.0, None, None, 9, 9, float("nan"))) is None


def test_correlation_leaves_out_what_is_not_finite() -> None:
    x = [1.0, 2.0, 3.0, 4.0, 5.0, float("nan"), 7.0]
    y = [1.0, 3.0, 2.0, 5.0, 4.0, 1.0, float("inf")]
    found, clean = correlation(x, y), correlation(x[:5], y[:5])
    assert found is not None
    assert clean is not None
    theirs = stats.pearsonr(x[:5], y[:5])
    interval = theirs.confidence_interval(0.95)
    assert (found.value, found.clusters) == (pytest.approx(theirs.statistic), 5)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert (clean.note, found.note) == ("", "2 of 7 points left out: not finite")
    line = correlation([1, 2, 3, 4], [2, 4, 6, 8])
    assert line is not None
    assert (line.low, line.note) == (None, "no interval: all points lie on one line")
    assert correlation([float("nan")] * 5, [1.0, 2, 3, 4, 5]) is None
