"""Unions, shares, repeats, random pairs, curricula: exact numbers, and nothing twice unsaid."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from babelmix.config.expand import Expansion, expand
from babelmix.config.load import build_config, read_yaml
from babelmix.config.mixtures import Family
from babelmix.config.native import as_union, refuse_parallel
from babelmix.config.scale import scaled
from babelmix.errors import BabelmixError
from babelmix.mixtures.build import check_union, select_all, table_of
from babelmix.mixtures.pool import KEEP, Language, Pool, id_keys, seeded_rank
from babelmix.mixtures.summary import remarks, summary
from babelmix.resources import ROOT
from babelmix.specs import MixtureSpec, Take


def spec(**changes: Any) -> MixtureSpec:
    fields: dict[str, Any] = {"version": 1, "name": "m", "dataset": "d", "kind": "blocks"}
    return MixtureSpec(**(fields | {"languages": ["en"]} | changes))


def union(*parts: MixtureSpec, **changes: Any) -> MixtureSpec:
    codes = list(dict.fromkeys(c for p in parts for c in p.own_languages))
    return spec(name="u", kind="union", languages=codes, parts=list(parts), **changes)


def pool_of(
    n: int, languages: tuple[str, ...] = ("en", "de"), dev: int = 0, dataset: str = "d"
) -> Pool:
    ids = pa.array([f"{dataset}-{i}" for i in range(n)], pa.string())
    keys = id_keys(ids)
    held = np.zeros(n, dtype=bool)
    held[seeded_rank(keys, 0, "dev")[:dev]] = True
    made = {c: Language(np.arange(n) + 10, np.full(n, KEEP, np.int8), {}) for c in languages}
    return Pool(dataset, ids, keys, held, made)


def build(
    wanted: MixtureSpec, *pools: Pool, counts: dict[Any, np.ndarray] | None = None
) -> tuple[pa.Table, dict[str, Any]]:
    named = {p.dataset: p for p in pools}
    parts = select_all(named, wanted, counts or {}, {})
    table = table_of(parts, named, wanted.order)
    check_union(table, wanted)
    return table, summary(wanted, parts, named, {})


def train(table: pa.Table) -> list[dict[str, Any]]:
    return [row for row in table.to_pylist() if row["split"] == "train"]


def rows_of(made: dict[str, Any]) -> list[int]:
    return [part["rows"] for part in made["parts"]]


def expanded(**families: Any) -> Expansion:
    raw = read_yaml(ROOT / "config" / "demo.yaml")
    raw["mixtures"] |= families
    return expand(build_config(raw))


# --- a part is the mixture that it names ---------------------------------------------------------


def test_a_part_takes_of_the_mixture_that_it_names_and_not_of_its_pool() -> None:
    forty = spec(name="t-en-EN", rows=40, take={"fraction": 1.0})
    other = spec(name="e", dataset="e", take={"rows": 7})
    table, made = build(union(forty, other), pool_of(56), pool_of(20, dataset="e"))
    assert rows_of(made) == [40, 7]
    alone = build(spec(rows=40), pool_of(56))[0]["id"].to_pylist()
    assert [r["id"] for r in train(table) if r["dataset"] == "d"] == alone
    half = forty.model_copy(update={"take": Take(rows=20)})
    assert set(build(half, pool_of(56))[0]["id"].to_pylist()) < set(alone)


def test_a_part_cannot_have_more_than_its_mixture() -> None:
    with pytest.raises(BabelmixError, match=r"`rows: 41` is more than the 40.*`fraction` above 1"):
        build(spec(rows=40, take={"rows": 41}), pool_of(56))


def test_an_id_is_in_a_union_once_whatever_its_languages() -> None:
    parts = [
        spec(name="EN", take={"fraction": 0.5}),
        spec(name="DE", languages=["de"], take={"fraction": 0.5}),
    ]
    table, made = build(union(*parts), pool_of(50, dev=10))
    rows = train(table)
    assert Counter(r["lang"] for r in rows) == {"en": 20, "de": 20}
    assert len({r["id"] for r in rows}) == len(rows) == 40
    dev = [r["id"] for r in table.to_pylist() if r["split"] == "dev"]
    assert len(dev) == len(set(dev)) == 10
    assert made["left_out_ids"]["in another part"] > 0


def test_where_ids_run_out_the_error_names_the_way_out() -> None:
    parts = [
        spec(name="EN", take={"fraction": 1.0}),
        spec(name="DE", languages=["de"], take={"rows": 5}),
    ]
    with pytest.raises(BabelmixError, match=r"'DE': it needs 5 ids.*leave 0.*`ids: any`"):
        build(union(*parts), pool_of(50))
    table, _ = build(union(*parts, repeated_ids=True), pool_of(50, dev=10))
    assert Counter(r["lang"] for r in train(table)) == {"en": 40, "de": 5}
    dev = [r["id"] for r in table.to_pylist() if r["split"] == "dev"]
    assert len(dev) == len(set(dev)) == 10


def test_a_part_that_is_named_twice_is_refused_when_it_is_planned() -> None:
    for other in ("demo-EN", "pinch-p0"):
        parts = [{"mixture": "demo-EN", "rows": 3}, {"mixture": other, "rows": 4}]
        with pytest.raises(BabelmixError, match=rf"mixtures\.u\.parts: .*'{other}' is there twice"):
            expanded(u={"policy": "union", "parts": parts})


# --- shares --------------------------------------------------------------------------------------


def weighted(**changes: Any) -> MixtureSpec:
    parts = [
        spec(name="a", take={"weight": 0.7}),
        spec(name="b", dataset="e", take={"weight": 0.3}),
    ]
    return union(*parts, **changes)


def test_weights_share_a_total_exactly() -> None:
    _, made = build(weighted(rows=51), pool_of(60), pool_of(60, dataset="e"))
    assert rows_of(made) == [36, 15]  # 35.7 and 15.3
    _, made = build(weighted(), pool_of(60), pool_of(60, dataset="e"))
    assert rows_of(made) == [59, 26]  # the most without a repeat: 85 rows, 59.5 and 25.5


def test_a_share_above_a_part_is_an_error_or_repeats_its_rows() -> None:
    pools = pool_of(60), pool_of(10, dataset="e")
    with pytest.raises(BabelmixError, match=r"part 'b' is 15 rows, and it has 10.*`repeat: true`"):
        build(weighted(rows=50), *pools)
    table, made = build(weighted(rows=50, repeat=True), *pools)
    assert rows_of(made) == [35, 15]
    assert made["repeated_rows"] == 5
    assert made["parts"][1] | {"epochs": 1.5, "different_rows": 10} == made["parts"][1]
    times = Counter(r["id"] for r in train(table) if r["dataset"] == "e")
    assert sorted(times.values()) == [1] * 5 + [2] * 5
    assert "5 of its rows are repeats" in remarks(made)


def test_temperature_by_pool_size_is_that_of_the_formula() -> None:
    parts = [spec(name="a"), spec(name="b", dataset="e")]
    pools = pool_of(900), pool_of(100, dataset="e")
    for temperature, first in ((None, 90), (2.0, 75), (1000.0, 50)):  # 30 : 10 at 2
        wanted = union(*parts, by_size=True, temperature=temperature, rows=100)
        assert rows_of(build(wanted, *pools)[1]) == [first, 100 - first]


def test_a_union_in_a_union_keeps_its_shares() -> None:
    inner = weighted(rows=40).model_copy(update={"name": "inner"})
    wanted = union(
        inner.model_copy(update={"take": Take(fraction=0.5)}),
        spec(name="c", dataset="f", take={"rows": 6}),
    )
    pools = [pool_of(60, dataset=d) for d in "def"]
    assert rows_of(build(wanted, *pools)[1]) == [14, 6, 6]
    assert wanted.datasets == ["d", "e", "f"]


def test_unions_are_expanded_after_their_parts_and_never_in_a_ring() -> None:
    one = {"policy": "union", "parts": [{"mixture": "two", "fraction": 0.5}]}
    two = {"policy": "union", "parts": [{"mixture": "demo-EN", "rows": 3}]}
    more = {"mixture": "demo-DE", "rows": 2}
    one["parts"].append(more)  # type: ignore[attr-defined]
    two["parts"].append({"mixture": "demo-FR", "rows": 2})  # type: ignore[attr-defined]
    made = expanded(one=one, two=two)
    assert [leaf.name for leaf in made.mixtures["one"].leaves] == ["demo-EN", "demo-FR", "demo-DE"]
    two["parts"].append({"mixture": "one", "rows": 1})  # type: ignore[attr-defined]
    with pytest.raises(BabelmixError, match="hold each other"):
        expanded(one=one, two=two)


def test_shares_in_tokens_fill_and_never_exceed_the_total() -> None:
    parts = [
        spec(name="a", take={"weight": 3}),
        spec(name="b", dataset="e", take={"weight": 1}),
    ]
    wanted = union(*parts, tokens=1000, tokenizer="t")
    pools = pool_of(200), pool_of(200, dataset="e")
    lengths = np.random.default_rng(0).integers(5, 15, 200)
    counts = {("t", p.dataset, "en"): lengths for p in pools}
    table, _ = build(wanted, *pools, counts=counts)
    spent = Counter[str]()
    for row in train(table):
        spent[row["dataset"]] += int(lengths[int(row["id"].split("-")[1])])
    assert 735 < spent["d"] <= 750
    assert 235 < spent["e"] <= 250


@given(
    st.lists(st.integers(1, 200), min_size=2, max_size=5),
    st.lists(st.floats(0.01, 10), min_size=5, max_size=5),
    st.integers(1, 300),
)
def test_shares_are_exact_to_a_row_and_add_up(
    sizes: list[int], weights: list[float], total: int
) -> None:
    pools = [pool_of(n, ("en",), dataset=f"d{i}") for i, n in enumerate(sizes)]
    parts = [
        spec(name=f"p{i}", dataset=p.dataset, take={"weight": weights[i]})
        for i, p in enumerate(pools)
    ]
    table, made = build(union(*parts, rows=total, repeat=True), *pools)
    whole = sum(weights[: len(sizes)])
    assert sum(rows_of(made)) == made["rows"] == len(train(table)) == total
    for n, weight, size in zip(rows_of(made), weights, sizes, strict=False):
        assert abs(n - total * weight / whole) < 1 + 1e-6
        assert n <= size or made["repeated_rows"]


# --- repeats -------------------------------------------------------------------------------------


@given(st.integers(1, 60), st.sampled_from([0.5, 1.0, 1.5, 2.0, 2.25, 3.0]))
def test_a_fraction_above_one_repeats_evenly(n: int, fraction: float) -> None:
    if n * fraction < 1:
        return
    table, made = build(spec(fraction=fraction), pool_of(n))
    wanted = int(n * fraction + 0.5)
    times = Counter(r["id"] for r in train(table))
    assert made["rows"] == wanted
    assert max(times.values()) - min(times.values()) <= 1
    assert len(times) == min(n, wanted)
    assert ("copy" in table.column_names) == (fraction > 1 and wanted > n)


def test_repeats_keep_shares_languages_and_the_rows_of_a_smaller_fraction() -> None:
    made = {
        f: Counter(
            (r["id"], r["lang"])
            for r in train(build(spec(languages=["en", "de"], fraction=f), pool_of(40))[0])
        )
        for f in (1.0, 1.5, 2.0)
    }
    assert made[1.0] <= made[1.5] <= made[2.0]
    assert Counter(lang for (_, lang), n in made[2.0].items() for _ in range(n)) == {
        "en": 40,
        "de": 40,
    }


# --- languages -----------------------------------------------------------------------------------


def test_a_ratio_of_two_languages_goes_from_none_to_all() -> None:
    made = expanded(
        sweep={
            "policy": "pinch",
            "dataset": "demo",
            "main": "en",
            "languages": ["de"],
            "percent": [0, 25, 50, 100],
            "rows": 40,
        }
    )
    pool = pool_of(60, ("en", "de", "fr", "it", "es"))
    pool = Pool("demo", pool.ids, pool.keys, pool.dev, pool.languages)
    shares = [
        build(made.mixtures[made.canonical[f"sweep-p{p}"]], pool)[1]["rows_by_language"]
        for p in (0, 25, 50, 100)
    ]
    assert shares == [{"en": 40}, {"de": 10, "en": 30}, {"de": 20, "en": 20}, {"de": 40}]


def test_a_grid_of_weights_is_a_mixture_each_and_rows_by_language_are_exact() -> None:
    grid = {"policy": "sampled", "dataset": "demo", "languages": ["en", "de"]}
    made = expanded(
        grid=grid | {"weights": [[1, 0], [3, 1], {"en": 1, "de": 1}, [1, 2]], "rows": 12},
        counted=grid | {"rows": {"en": 60, "de": 10}},
        listed=grid | {"weights": [3, 1]},
    )
    assert made.families["grid"] == [
        f"grid-{shares}" for shares in ("EN100-DE0", "EN75-DE25", "EN50-DE50", "EN33_3-DE66_7")
    ]
    assert made.mixtures["listed-ENDE-sampled"].weights == {"en": 0.75, "de": 0.25}
    pool = pool_of(80, ("en", "de", "fr", "it", "es"), dataset="demo")
    counted = build(made.mixtures["counted-ENDE-sampled"], pool)[1]
    assert counted["rows_by_language"] == {"de": 10, "en": 60}
    third = build(made.mixtures["grid-EN33_3-DE66_7"], pool)[1]
    assert third["rows_by_language"] == {"de": 8, "en": 4}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"rows": {"en": 6}}, "one number for each"),
        ({"rows": {"en": 6, "de": 1}, "weights": [1, 1]}, "leave `weights` out"),
        ({"weights": [1]}, "one weight for each"),
        ({"weights": [[1, 2], [0, 0]]}, "must be above 0"),
        ({"weights": {"en": 1, "de": 0}}, "a weight of 0 takes no row"),
        ({"weights": [1, 0]}, "a weight of 0 takes no row"),
    ],
)
def test_shares_that_make_no_sense_are_refused(change: dict[str, Any], expected: str) -> None:
    grid = {"policy": "sampled", "dataset": "demo", "languages": ["en", "de"]}
    with pytest.raises(BabelmixError, match=expected):
        expanded(grid=grid | change)


@given(st.integers(2, 80), st.integers(0, 3))
def test_random_pairs_are_as_many_as_a_monolingual_mixture_and_each_once(n: int, seed: int) -> None:
    wanted = spec(kind="pairs", languages=["en", "de", "fr"], seed=seed)
    pool = pool_of(n, ("en", "de", "fr"))
    rows = {(r["id"], r["lang"]) for r in train(build(wanted, pool)[0])}
    assert len(rows) == n
    more = {
        (r["id"], r["lang"])
        for r in train(build(wanted.model_copy(update={"rows": 2 * n}), pool)[0])
    }
    assert rows < more
    assert len(more) == 2 * n
    with pytest.raises(BabelmixError, match=f"is more than the {3 * n}"):
        build(wanted.model_copy(update={"rows": 3 * n + 1}), pool)


def test_a_pinch_too_small_for_its_languages_says_so() -> None:
    wanted = spec(languages=["de", "fr", "it"], main="en", mixed_rows=2)
    _, made = build(wanted, pool_of(20, ("en", "de", "fr", "it")))
    (said,) = remarks(made)
    assert said.startswith("no row falls to ")
    assert len({"de", "fr", "it"} & set(made["rows_by_language"])) == 2


# --- curricula -----------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["language", "length", "given"])
def test_a_curriculum_gives_each_row_its_stage(by: str) -> None:
    wanted = spec(languages=["en", "de"], order={"by": by, "descending": by == "length"})
    table, _ = build(wanted, pool_of(30, dev=3))
    rows = sorted(train(table), key=lambda r: r["stage"])
    numbers = [int(r["id"].split("-")[1]) for r in rows]
    if by == "language":
        assert [r["lang"] for r in rows] == ["en"] * 14 + ["de"] * 13 or [
            r["lang"] for r in rows
        ] == ["en"] * 13 + ["de"] * 14
    else:
        assert numbers == sorted(numbers, reverse=by == "length")
    assert "stage" not in build(spec(), pool_of(3))[0].column_names


def test_the_parts_of_a_union_may_come_one_after_the_other() -> None:
    wanted = union(
        spec(name="a", take={"rows": 3}),
        spec(name="b", dataset="e", take={"rows": 4}),
        order={"by": "part"},
    )
    table, _ = build(wanted, pool_of(9), pool_of(9, dataset="e"))
    assert [r["stage"] for r in train(table)] == [0] * 3 + [1] * 4


def test_a_training_sees_the_stages_in_order(tmp_path: Path) -> None:
    from babelmix.train.schedule import _batches

    stages = np.array([1, 0, 2, 0, 1, 2])
    for epoch in range(2):
        batches = _batches(6, 6, 2, 7, stages)[3 * epoch : 3 * epoch + 3]
        assert [sorted(stages[b].tolist()) for b in batches] == [[0, 0], [1, 1], [2, 2]]


# --- pools that are not parallel --------------------------------------------------------------


def native(sizes: dict[str, int], wanted: MixtureSpec, **how: Any) -> dict[str, Any]:
    """Counts of a mixture of a pool whose languages have ids of their own."""
    as_one = as_union(wanted, **({"size": False} | how))
    assert MixtureSpec.model_validate_json(as_one.model_dump_json()) == as_one
    pools = {f"d.{c}": pool_of(n, (c,), dataset=f"d.{c}") for c, n in sizes.items()}
    pools = {n: Pool("d", p.ids, p.keys, p.dev, p.languages) for n, p in pools.items()}
    parts = select_all(pools, as_one, {}, {})
    check_union(table_of(parts, pools), as_one)
    return summary(as_one, parts, pools, {})


SIZES = {"en": 60, "de": 20, "fr": 10}


def test_a_pool_that_is_not_parallel_gives_shares_of_what_it_has() -> None:
    three = spec(languages=list(SIZES))
    assert native(SIZES, three)["rows_by_language"] == {"de": 10, "en": 10, "fr": 10}
    assert native(SIZES, three, size=True)["rows_by_language"] == {"de": 20, "en": 60, "fr": 10}
    nine = three.model_copy(update={"rows": 9})
    assert native(SIZES, nine)["rows_by_language"] == {"de": 3, "en": 3, "fr": 3}
    even = native(SIZES, nine, size=True, temperature=1000.0)["rows_by_language"]
    assert even == {"de": 3, "en": 3, "fr": 3}
    weighted = spec(languages=["en", "de"], weights={"en": 3.0, "de": 1.0}, rows=20)
    assert native(SIZES, weighted)["rows_by_language"] == {"de": 5, "en": 15}


def test_a_pinch_of_such_a_pool_is_as_exact() -> None:
    pinch = spec(languages=["de", "fr"], main="en", mixed_percent=10.0, rows=40)
    assert native(SIZES, pinch)["rows_by_language"] == {"de": 2, "en": 36, "fr": 2}
    few = spec(languages=["de", "fr"], main="en", mixed_rows=3)
    assert native(SIZES, few)["rows_by_language"] == {"de": 2, "en": 60, "fr": 1}
    few = few.model_copy(update={"rows": 30})
    assert native(SIZES, few)["rows_by_language"] == {"de": 2, "en": 27, "fr": 1}
    one = few.model_copy(update={"mixed_rows": 1})
    made = native(SIZES, one)
    assert made["rows_by_language"] == {"de": 1, "en": 29}
    assert remarks(made)[0].startswith("no row falls to fr")
    assert as_union(spec(rows=5), size=False).kind == "blocks"


@pytest.mark.parametrize("policy", ["parallel", "nine", "cross_lingual", "code_switched"])
def test_what_needs_the_same_ids_in_several_languages_is_refused(policy: str) -> None:
    family = {"policy": policy, "dataset": "d", "languages": ["de", "en", "fr"]}
    if policy == "code_switched":
        family |= {"main": "es"}
    with pytest.raises(BabelmixError, match=rf"mixtures\.m: dataset 'd' is not parallel.*{policy}"):
        refuse_parallel("m", TypeAdapter(Family).validate_python(family))


def test_tokens_of_one_mixture_are_counted_by_one_tokenizer() -> None:
    few = {"policy": "monolingual", "dataset": "demo", "languages": ["en"]}
    parts = [{"mixture": "few-EN", "fraction": 0.5}, {"mixture": "demo-DE", "tokens": 50}]
    union = {"policy": "union", "parts": parts, "tokenizer": "tiny"}
    with pytest.raises(BabelmixError, match=r"different tokenizers \(other, tiny\)"):
        expanded(few=few | {"tokens": 500, "tokenizer": "other"}, u=union)
    made = expanded(few=few | {"tokens": 500, "tokenizer": "tiny"}, u=union)
    assert made.mixtures["u"].counted == [("tiny", "demo", "en"), ("tiny", "demo", "de")]


def test_a_small_copy_keeps_the_new_families() -> None:
    raw = read_yaml(ROOT / "config" / "demo.yaml")
    two = {"dataset": "demo", "languages": ["en", "de"]}
    raw["mixtures"] |= {
        "counted": two | {"policy": "sampled", "rows": {"en": 40, "de": 10}},
        "grid": two | {"policy": "sampled", "weights": [[1, 0], [3, 1], [1, 1]]},
        "crossed": two | {"policy": "cross_lingual"},
        "u": {
            "policy": "union",
            "rows": 20,
            "parts": [{"mixture": "crossed", "weight": 1}, {"mixture": "demo-EN", "weight": 2}],
        },
        "v": {
            "policy": "union",
            "parts": [{"mixture": "u", "fraction": 0.5}, {"mixture": "demo-DE", "rows": 10}],
        },
    }
    raw["scale"] = 0.1
    raw["studies"]["demo"]["runs"][0]["mixtures"] += ["counted", "grid", "v"]
    small = scaled(build_config(raw))
    made = expand(small)
    assert made.mixtures["counted-ENDE-sampled"].rows == 5
    assert made.mixtures["u"].rows == 2
    assert [leaf.name for leaf in made.mixtures["v"].leaves] == ["crossed", "demo-EN", "demo-DE"]


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        ({"weights": "size", "parts": [{"mixture": "demo-EN", "rows": 3}]}, "at least 2 items"),
        ({"rows": 5}, "go with the parts' `weight`s"),
        ({"repeat": True}, "go with the parts' `weight`s"),
        ({"order": {"by": "language", "languages": ["pt"]}}, "unknown language 'pt'"),
        ({"order": {"by": "length", "languages": ["en"]}}, "go with `by: language`"),
        ({"deduplicate": "drop"}, "deduplicate.exact.*'keep', 'leave_out' or 'error'"),
        ({"ids": "twice"}, "'once' or 'any'"),
    ],
)
def test_a_union_that_makes_no_sense_is_refused(family: dict[str, Any], expected: str) -> None:
    parts = [{"mixture": "demo-EN", "rows": 3}, {"mixture": "demo-DE", "rows": 3}]
    with pytest.raises(BabelmixError, match=expected):
        expanded(u={"policy": "union", "parts": parts} | family)
