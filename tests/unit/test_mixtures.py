"""Mixtures: exact sizes, each id as often as promised, the same rows everywhere."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelmix.config.expand import expand, seeded_order
from babelmix.config.load import build_config, read_yaml
from babelmix.errors import BabelmixError
from babelmix.mixtures.build import select_rows
from babelmix.mixtures.pool import SCHEMA, build_pool
from babelmix.mixtures.select import (
    assign,
    check_invariants,
    largest_remainder,
    mixed_count,
    take_ids,
)
from babelmix.resources import ROOT
from babelmix.specs import MixtureSpec, PoolSpec

CODES = ["ar", "cs", "de", "en", "es", "et", "fi", "fr", "he", "hi", "it", "ru", "sw", "zh"]


def spec(**changes: Any) -> MixtureSpec:
    fields: dict[str, Any] = {
        "version": 1,
        "name": "m",
        "dataset": "d",
        "kind": "blocks",
        "languages": ["de", "fr", "it", "es"],
        "main": None,
        "mixed_percent": None,
        "mixed_rows": None,
        "weights": None,
        "rows": None,
        "seed": 0,
    }
    return MixtureSpec(**(fields | changes))


ids_strategy = st.integers(0, 300).map(lambda n: [f"id-{i}" for i in range(n)])
languages_strategy = st.lists(st.sampled_from(CODES), min_size=1, max_size=12, unique=True)


@given(ids_strategy, languages_strategy, st.integers(0, 5))
def test_sampled_gives_each_id_once_and_even_shares(
    ids: list[str], languages: list[str], seed: int
) -> None:
    rows = assign(ids, spec(languages=languages, seed=seed))
    assert sorted(i for i, _ in rows) == sorted(ids)
    counts = Counter(lang for _, lang in rows)
    assert max(counts.values(), default=0) - min((counts[c] for c in languages), default=0) <= 1


@given(ids_strategy, languages_strategy)
def test_parallel_gives_each_id_in_every_language(ids: list[str], languages: list[str]) -> None:
    rows = assign(ids, spec(kind="parallel", languages=languages))
    assert len(rows) == len(set(rows)) == len(ids) * len(languages)


@given(ids_strategy, st.floats(0.1, 99.9), st.integers(0, 3))
def test_pinch_has_the_exact_number_of_mixed_rows(
    ids: list[str], percent: float, seed: int
) -> None:
    pinch = spec(main="en", mixed_percent=round(percent, 1), seed=seed)
    rows = assign(ids, pinch)
    assert len(rows) == len(ids)
    mixed = [r for r in rows if r[1] != "en"]
    assert len(mixed) == mixed_count(len(ids), pinch)
    assert abs(len(mixed) - len(ids) * round(percent, 1) / 100) <= 0.5 + 1e-9


@given(st.integers(1, 40), st.integers(0, 40))
def test_pinch_sets_are_nested(small: int, more: int) -> None:
    ids = [f"id-{i}" for i in range(100)]
    less = set(assign(ids, spec(main="en", mixed_rows=small)))
    greater = set(assign(ids, spec(main="en", mixed_rows=small + more)))
    assert {r for r in less if r[1] != "en"} <= {r for r in greater if r[1] != "en"}


def test_study_2_counts_at_one_percent() -> None:
    # 1 % of 4,390 rows is 44, a twelfth of them English: 40 (or 41) rows in other languages.
    twelve = ["ar", "zh", "cs", "en", "et", "fi", "he", "hi", "it", "ru", "es", "sw"]
    ids = [f"id-{i}" for i in range(4390)]
    rows = assign(ids, spec(languages=twelve, main="en", mixed_percent=1.0))
    counts = Counter(lang for _, lang in rows)
    others = sum(n for lang, n in counts.items() if lang != "en")
    assert others in (40, 41)
    assert {n for lang, n in counts.items() if lang != "en"} <= {3, 4}


@given(
    st.integers(0, 1000), st.dictionaries(st.sampled_from(CODES), st.floats(0.01, 9), min_size=1)
)
def test_largest_remainder_adds_up(total: int, weights: dict[str, float]) -> None:
    parts = largest_remainder(total, weights, list(weights))
    assert sum(parts.values()) == total
    whole = sum(weights.values())
    assert all(abs(parts[c] - total * w / whole) < 1 + 1e-6 for c, w in weights.items())


def test_the_same_seed_gives_the_same_rows_in_any_order_of_ids() -> None:
    ids = [f"id-{i}" for i in range(50)]
    assert assign(ids, spec()) == assign(ids[::-1], spec())
    assert assign(ids, spec()) != assign(ids, spec(seed=1))
    # A fixed value: another machine, version or hash seed must not change it.
    assert seeded_order(["a", "b", "c", "d"], 0, "x") == ["a", "d", "c", "b"]


def test_a_budget_is_exact_and_too_large_a_one_is_refused() -> None:
    ids = [f"id-{i}" for i in range(20)]
    taken = take_ids(ids, spec(rows=7))
    assert len(set(taken)) == 7
    with pytest.raises(BabelmixError, match="`rows: 21` is more than the 20"):
        take_ids(ids, spec(rows=21))
    with pytest.raises(BabelmixError, match="the pool has 20"):
        assign(ids, spec(main="en", mixed_rows=21))


def test_a_breach_is_an_error_that_lists_rows() -> None:
    with pytest.raises(BabelmixError, match="doubled"):
        check_invariants([("a", "de"), ("a", "de")], ["a"], spec())
    with pytest.raises(BabelmixError, match=r"\['b'\]"):
        check_invariants([("a", "de")], ["a", "b"], spec())


def pool_spec(**changes: Any) -> PoolSpec:
    fields: dict[str, Any] = {
        "version": 1,
        "dataset": "d",
        "languages": ["en", "de"],
        "pivot": "en",
        "on_failed_check": "quarantine_all",
        "dev_rows": 2,
        "seed": 0,
    }
    return PoolSpec(**(fields | changes))


def test_pool_counts_add_up_and_train_and_dev_are_apart() -> None:
    ids = [f"{i}" for i in range(10)]
    pool = build_pool({"en": ids, "de": ids}, {"de": {"3": ["numbers"]}}, pool_spec())
    counts = Counter(pool.split.values())
    assert counts == {"train": 7, "dev": 2, "out": 1}
    assert pool.split["3"] == "out"


@pytest.mark.parametrize(("policy", "out"), [("keep", 0), ("quarantine", 0), ("quarantine_all", 1)])
def test_quarantine_policies(policy: str, out: int) -> None:
    ids = [f"{i}" for i in range(10)]
    pool = build_pool(
        {"en": ids, "de": ids}, {"de": {"3": ["numbers"]}}, pool_spec(on_failed_check=policy)
    )
    assert list(pool.split.values()).count("out") == out
    assert pool.failed_in["3"] == ([] if policy == "keep" else ["de"])


def test_keep_still_leaves_out_rows_that_are_not_there() -> None:
    ids = [f"{i}" for i in range(10)]
    pool = build_pool(
        {"en": ids, "de": ids},
        {"de": {"3": ["numbers"], "4": ["translated", "language"]}},
        pool_spec(on_failed_check="keep"),
    )
    assert (pool.split["3"] == "out", pool.split["4"]) == (False, "out")


def test_a_pool_that_is_not_parallel_is_refused() -> None:
    with pytest.raises(BabelmixError, match="not parallel"):
        build_pool({"en": ["a", "b", "c"], "de": ["a", "b", "x"]}, {}, pool_spec(dev_rows=0))


def test_dev_rows_that_leave_nothing_are_refused() -> None:
    with pytest.raises(BabelmixError, match="leave none for training"):
        build_pool({"en": ["a", "b"], "de": ["a", "b"]}, {}, pool_spec())


def test_failed_rows_leave_a_mixture_as_its_kind_promises() -> None:
    rows = [
        {"id": f"{i}", "split": "train", "failed_in": ["de"] if i == 0 else []} for i in range(8)
    ]
    rows.append({"id": "8", "split": "dev", "failed_in": []})
    pool = pa.Table.from_pylist(rows, schema=SCHEMA)
    train, dev, left_out = select_rows(pool, spec(languages=["en", "de"]))
    assert (len(train), len(dev), left_out) == (7, 1, 1)
    train, dev, left_out = select_rows(pool, spec(languages=["en", "de"], kind="parallel"))
    assert (len(train), len(dev), left_out) == (15, 2, 1)
    assert ("0", "de") not in train


def test_families_expand_with_the_papers_names_and_no_twins() -> None:
    expansion = expand(build_config(read_yaml(ROOT / "config" / "demo.yaml")))
    assert expansion.families["demo"] == [
        "demo-EN",
        "demo-DE",
        "demo-FR",
        "demo-IT",
        "demo-ES",
        "demo-ENDEFRITES",
        "demo-ENDEFRITES-sampled",
        "demo-DEFRITES",
        "demo-DEFRITES-sampled",
    ]
    # P = 0 is the English mixture and P = 100 the even sample of the other four: one training each.
    assert expansion.canonical["pinch-p0"] == "demo-EN"
    assert expansion.canonical["pinch-p100"] == "demo-DEFRITES-sampled"
    assert expansion.aliases("demo-EN") == ["pinch-p0"]
    assert len(expansion.mixtures) == 9 + 4


def test_adding_a_language_or_mixture_changes_no_other_mixture() -> None:
    raw = read_yaml(ROOT / "config" / "demo.yaml")
    before = expand(build_config(raw)).mixtures
    raw["languages"] = ["pt", *raw["languages"]]
    raw["datasets"]["demo"]["languages"].append("pt")
    raw["mixtures"]["new"] = {
        "policy": "sampled",
        "dataset": "demo",
        "languages": ["pt", "en"],
        "weights": {"pt": 1, "en": 3},
    }
    after = expand(build_config(raw)).mixtures
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {"new-PTEN-sampled"}
