"""The cluster bootstrap: right centre, honest width, nothing invented."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from babelmix.analyse.statistics import Bootstrap, coverage

QUICK = Bootstrap(samples=300)
VALUES = st.lists(
    st.tuples(
        st.integers(0, 7),
        st.sampled_from("abc"),
        st.one_of(st.floats(1, 10), st.just(float("nan"))),
    ),
    min_size=1,
    max_size=60,
)


def columns(rows: list[tuple[int, str, float]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values, clusters, strata."""
    clusters, strata, values = (np.array(column) for column in zip(*rows, strict=True))
    return values, clusters, strata


@given(VALUES)
@settings(max_examples=60, deadline=None)
def test_the_interval_holds_finite_numbers_or_nothing(rows: list[tuple[int, str, float]]) -> None:
    values, clusters, strata = columns(rows)
    found = QUICK.mean(values, clusters, strata)
    present = ~np.isnan(values)
    assert found.values == present.sum()
    assert found.clusters == len(set(clusters[present]))
    if found.values == 0:
        assert (found.value, found.low, found.high) == (None, None, None)
        return
    means = [values[present & (strata == s)].mean() for s in set(strata[present])]
    assert found.value == pytest.approx(np.mean(means))
    if found.low is None:
        assert found.high is None
        reasons = ("one question", "all questions give the same value", "not defined without")
        assert found.note.startswith(tuple(f"no interval: {reason}" for reason in reasons))
    else:
        assert found.clusters > 1
        assert found.high is not None
        assert np.isfinite([found.low, found.high]).all()
        assert found.low <= found.high


@given(VALUES, st.integers(2, 5))
@settings(max_examples=60, deadline=None)
def test_duplicated_rows_never_shrink_an_interval(
    rows: list[tuple[int, str, float]], times: int
) -> None:
    values, clusters, strata = columns(rows)
    once = QUICK.mean(values, clusters, strata)
    often = QUICK.mean(*(np.tile(c, times) for c in (values, clusters, strata)))
    assert often.clusters == once.clusters
    assert often.values == once.values * times
    for a, b in ((once.value, often.value), (once.low, often.low), (once.high, often.high)):
        assert (a is None and b is None) or a == pytest.approx(b)


@given(VALUES, st.floats(-2, 2))
@settings(max_examples=40, deadline=None)
def test_a_constant_difference_is_no_proof(
    rows: list[tuple[int, str, float]], shift: float
) -> None:
    """All questions differ by the same: the next one need not."""
    values, clusters, strata = columns(rows)
    found = QUICK.difference(values + shift, values, clusters, strata, scale=(-2.0, 12.0))
    if found.value is not None:
        assert found.value == pytest.approx(shift, abs=1e-9)
    if found.low is not None:
        assert found.high is not None
        assert found.low < shift < found.high
        assert found.note.startswith("exact interval: all")
    unknown = QUICK.difference(values + shift, values, clusters, strata)
    assert unknown.low is None


def test_clusters_widen_the_interval() -> None:
    """Twenty languages of one question say little more than one."""
    draw = np.random.default_rng(1)
    question = np.repeat(np.arange(30), 20)
    values = np.repeat(draw.normal(5, 1, 30), 20) + draw.normal(0, 0.1, 600)
    clustered = QUICK.mean(values, question)
    exploded = QUICK.mean(values, np.arange(600))
    assert clustered.low is not None
    assert clustered.high is not None
    assert exploded.low is not None
    assert exploded.high is not None
    assert clustered.high - clustered.low > 3 * (exploded.high - exploded.low)


def test_the_interval_covers_as_often_as_it_says() -> None:
    draw = np.random.default_rng(2)
    hits = 0
    for _ in range(200):
        effect = draw.normal(0, 1, 40)
        values = (effect[:, None] + draw.normal(0, 0.5, (40, 4))).ravel()
        found = QUICK.mean(values, np.repeat(np.arange(40), 4))
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= 0 <= found.high
    assert 0.88 <= hits / 200 <= 0.99


def test_pairing_leaves_out_what_one_side_misses() -> None:
    left = np.array([5.0, np.nan, 7.0, 9.0])
    right = np.array([4.0, 3.0, np.nan, 6.0])
    found = QUICK.difference(left, right, ["a", "b", "c", "d"])
    assert found.value == pytest.approx(2.0)
    assert (found.clusters, found.values) == (2, 2)


def test_pairing_is_narrower_than_two_intervals() -> None:
    draw = np.random.default_rng(3)
    difficulty = draw.normal(5, 2, 80)
    left, right = difficulty + 0.5 + draw.normal(0, 0.2, 80), difficulty
    paired = QUICK.difference(left, right, np.arange(80))
    assert paired.excludes(0)
    alone = QUICK.mean(left, np.arange(80))
    assert paired.low is not None
    assert paired.high is not None
    assert alone.low is not None
    assert alone.high is not None
    assert paired.high - paired.low < 0.5 * (alone.high - alone.low)


def test_gain_is_relative_to_the_right_side() -> None:
    found = QUICK.gain([6.0, 6.0], [5.0, 5.0], ["a", "b"])
    assert found.value == pytest.approx(20.0)
    assert QUICK.gain([1.0, 1.0], [0.0, 0.0], ["a", "b"]).value is None


def test_strata_weigh_the_same() -> None:
    """A language with many unscored answers does not weigh less in the mean."""
    values = [2.0, 8.0, 8.0, 8.0]
    found = QUICK.mean(values, ["a", "a", "b", "c"], ["de", "en", "en", "en"])
    assert found.value == pytest.approx(5.0)


def test_a_share_of_all_or_none_still_has_an_interval() -> None:
    everything = QUICK.share(np.ones(12), [f"q{i // 2}" for i in range(12)])
    assert (everything.value, everything.high) == (1.0, 1.0)
    assert everything.low == pytest.approx(0.025 ** (1 / 6))
    nothing = QUICK.share(np.zeros(12), [f"q{i // 2}" for i in range(12)])
    assert nothing.high == pytest.approx(1 - 0.025 ** (1 / 6))
    assert QUICK.share([1.0], ["a"]).low is None


def test_equal_input_gives_equal_intervals() -> None:
    values = np.random.default_rng(4).normal(0, 1, 50)
    assert Bootstrap().mean(values, np.arange(50)) == Bootstrap().mean(values, np.arange(50))


def test_a_wider_confidence_gives_a_wider_interval() -> None:
    values = np.random.default_rng(5).normal(0, 1, 50)
    narrow = Bootstrap(confidence=0.8).mean(values, np.arange(50))
    wide = Bootstrap(confidence=0.99).mean(values, np.arange(50))
    assert narrow.low is not None
    assert wide.low is not None
    assert wide.low < narrow.low


def test_coverage() -> None:
    assert coverage(3, 4) == 0.75
    assert coverage(0, 0) is None
