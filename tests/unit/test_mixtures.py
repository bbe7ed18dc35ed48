"""Mixtures: exact sizes, each id as often as promised, the same rows everywhere."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelmix.config.expand import expand
from babelmix.config.load import build_config, read_yaml
from babelmix.config.members import seeded_order
from babelmix.errors import BabelmixError
from babelmix.io import write_table
from babelmix.mixtures.build import check_union, select_all, table_of
from babelmix.mixtures.pool import (
    ID_OUT,
    KEEP,
    ROW_OUT,
    Language,
    Pool,
    characters,
    id_keys,
    index_language,
    read_pool,
    seeded_rank,
)
from babelmix.mixtures.select import Rows, assign, check_invariants, mixed_count, select
from babelmix.mixtures.shares import Draw, largest_remainder
from babelmix.mixtures.summary import summary
from babelmix.records import Check, Conversation, Message, to_table
from babelmix.resources import ROOT
from babelmix.specs import IndexSpec, MixtureSpec

CODES = ["ar", "cs", "de", "en", "es", "et", "fi", "fr", "he", "hi", "it", "ru", "sw", "zh"]
TWELVE = ["ar", "zh", "cs", "en", "et", "fi", "he", "hi", "it", "ru", "es", "sw"]
SIX = ["en", "ar", "fi", "it", "ru", "sw"]


def spec(**changes: Any) -> MixtureSpec:
    fields: dict[str, Any] = {
        "version": 1,
        "name": "m",
        "dataset": "d",
        "kind": "blocks",
        "languages": ["de", "fr", "it", "es"],
    }
    return MixtureSpec(**(fields | changes))


def pool_of(
    n: int,
    languages: list[str] | None = None,
    dev: int = 0,
    row_out: dict[str, list[int]] | None = None,
    id_out: dict[str, list[int]] | None = None,
    measures: dict[str, dict[str, np.ndarray]] | None = None,
    dataset: str = "d",
    prefix: str = "id-",
) -> Pool:
    ids = pa.array([f"{prefix}{i}" for i in range(n)], pa.string())
    keys = id_keys(ids)
    held = np.zeros(n, dtype=bool)
    held[seeded_rank(keys, 0, "dev")[:dev]] = True

    def verdict(code: str) -> np.ndarray:
        found = np.full(n, KEEP, dtype=np.int8)
        found[(row_out or {}).get(code, [])] = ROW_OUT
        found[(id_out or {}).get(code, [])] = ID_OUT
        return found

    made = {
        code: Language(
            np.full(n, 100 + place, dtype=np.int64),
            verdict(code),
            (measures or {}).get(code, {}),
        )
        for place, code in enumerate(languages or CODES)
    }
    return Pool(dataset, ids, keys, held, made)


def pairs(rows: Rows, pool: Pool, wanted: MixtureSpec) -> list[tuple[str, str]]:
    ids = pool.ids.take(pa.array(rows.ids)).to_pylist()
    return [(i, wanted.own_languages[c]) for i, c in zip(ids, rows.langs.tolist(), strict=True)]


def drawn(pool: Pool, **changes: Any) -> list[tuple[str, str]]:
    wanted = spec(**changes)
    return pairs(select(pool, wanted).train, pool, wanted)


sizes = st.integers(1, 300)
languages_strategy = st.lists(st.sampled_from(CODES), min_size=1, max_size=12, unique=True)


@given(sizes, languages_strategy, st.integers(0, 5))
def test_sampled_gives_each_id_once_and_even_shares(
    n: int, languages: list[str], seed: int
) -> None:
    pool = pool_of(n)
    rows = drawn(pool, languages=languages, seed=seed)
    assert sorted(i for i, _ in rows) == sorted(pool.ids.to_pylist())
    counts = Counter(lang for _, lang in rows)
    assert max(counts.values()) - min(counts[c] for c in languages) <= 1


@given(sizes, st.lists(st.sampled_from(CODES), min_size=2, max_size=12, unique=True))
def test_parallel_gives_each_id_in_every_language(n: int, languages: list[str]) -> None:
    rows = drawn(pool_of(n), kind="parallel", languages=languages)
    assert len(rows) == len(set(rows)) == n * len(languages)


@given(sizes, st.floats(0.1, 99.9), st.integers(0, 3), st.booleans())
def test_pinch_has_the_exact_number_of_mixed_rows(
    n: int, percent: float, seed: int, nested: bool
) -> None:
    percent = round(percent, 1)
    pinch = {"main": "en", "mixed_percent": percent, "seed": seed}
    rows = drawn(pool_of(n), **pinch, salt="" if nested else "p")
    assert len(rows) == n
    mixed = [r for r in rows if r[1] != "en"]
    assert len(mixed) == mixed_count(n, spec(**pinch))
    assert abs(len(mixed) - n * percent / 100) <= 0.5 + 1e-9


@given(st.integers(1, 40), st.integers(0, 40))
def test_pinch_sets_are_nested(small: int, more: int) -> None:
    pool = pool_of(100)
    less = set(drawn(pool, main="en", mixed_rows=small))
    greater = set(drawn(pool, main="en", mixed_rows=small + more))
    assert {r for r in less if r[1] != "en"} <= {r for r in greater if r[1] != "en"}


def test_independent_pinches_are_fresh_draws_of_the_same_size() -> None:
    pool = pool_of(1000)
    ten, twenty, fresh = (
        {r for r in drawn(pool, main="en", mixed_percent=p, salt=salt) if r[1] != "en"}
        for p, salt in ((10.0, ""), (20.0, ""), (10.0, "p10"))
    )
    assert ten < twenty
    assert len(fresh) == len(ten) == 100
    assert not fresh <= twenty


def counts_of_pinch(percent: float, languages: list[str]) -> Counter[str]:
    made = drawn(pool_of(4390), languages=languages, main="en", lead="en", mixed_percent=percent)
    return Counter(lang for _, lang in made)


def test_study_2_counts_at_one_percent() -> None:
    # 1 % of 4,390 rows is 43.9; over twelve languages that is 3.66 each: 4 English, 40 others.
    counts = counts_of_pinch(1.0, TWELVE)
    assert sum(n for lang, n in counts.items() if lang != "en") == 40
    assert {n for lang, n in counts.items() if lang != "en"} == {3, 4}
    assert counts["en"] == 4350
    # Over six: 43.9 × 5/6 = 36.6 rows that are not English, by largest remainder 36.
    six = counts_of_pinch(1.0, SIX)
    assert sum(n for lang, n in six.items() if lang != "en") == 36


@pytest.mark.parametrize("languages", [TWELVE, SIX], ids=["E2", "E3"])
@pytest.mark.parametrize("percent", [1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 99.9])
def test_study_2_counts_are_within_one_row_of_the_exact_shares(
    percent: float, languages: list[str]
) -> None:
    counts = counts_of_pinch(percent, languages)
    assert sum(counts.values()) == 4390
    share = 4390 * percent / 100 / len(languages)
    for code in languages:
        exact = share + (4390 * (1 - percent / 100) if code == "en" else 0)
        assert abs(counts[code] - exact) < 1


@given(
    st.integers(0, 1000), st.dictionaries(st.sampled_from(CODES), st.floats(0.01, 9), min_size=1)
)
def test_largest_remainder_adds_up(total: int, weights: dict[str, float]) -> None:
    parts = largest_remainder(total, weights, list(weights))
    assert sum(parts.values()) == total
    whole = sum(weights.values())
    assert all(abs(parts[c] - total * w / whole) < 1 + 1e-6 for c, w in weights.items())


@given(sizes, st.dictionaries(st.sampled_from(CODES), st.floats(0.01, 9), min_size=2))
def test_weighted_shares_are_exact_to_a_row(n: int, weights: dict[str, float]) -> None:
    rows = drawn(pool_of(n), languages=list(weights), weights=weights)
    counts = Counter(lang for _, lang in rows)
    whole = sum(weights.values())
    assert len(rows) == n
    assert all(abs(counts[c] - n * w / whole) < 1 + 1e-6 for c, w in weights.items())


def test_the_same_seed_gives_the_same_rows_in_any_order_of_ids() -> None:
    keys = id_keys(pa.array([f"id-{i}" for i in range(50)]))
    by_key = [
        dict(zip(some[rows.ids].tolist(), rows.langs.tolist(), strict=True))
        for some in (keys, keys[::-1])
        for rows in [assign(some, spec())]
    ]
    assert by_key[0] == by_key[1]
    assert assign(keys, spec()).ids.tolist() != assign(keys, spec(seed=1)).ids.tolist()
    # Fixed values: another machine, version or hash seed must not change them.
    assert seeded_order(["a", "b", "c", "d"], 0, "x") == ["a", "d", "c", "b"]
    four = id_keys(pa.array(["a", "b", "c", "d"]))
    assert four[0] == 0xCA978112CA1BBDCA  # the first eight bytes of SHA-256("a")
    assert seeded_rank(four, 0, "x").tolist() == RANKS


#: As computed with plain Python's unbounded integers.
RANKS = [1, 0, 3, 2]


def test_a_budget_is_exact_and_too_large_a_one_is_refused() -> None:
    pool = pool_of(20)
    assert len({i for i, _ in drawn(pool, rows=7)}) == 7
    assert len(drawn(pool, fraction=0.5)) == 10
    assert len(drawn(pool, fraction=0.125)) == 3  # 2.5, half up
    with pytest.raises(BabelmixError, match="`rows: 21` is more than the 20"):
        drawn(pool, rows=21)
    with pytest.raises(BabelmixError, match="the pool has 20"):
        drawn(pool, main="en", mixed_rows=21)


def test_mixtures_with_the_same_budget_share_their_ids() -> None:
    pool = pool_of(200)
    mono = {i for i, _ in drawn(pool, languages=["de"], rows=50)}
    other_seed = {i for i, _ in drawn(pool, rows=50, seed=3)}
    parallel = {i for i, _ in drawn(pool, rows=50, kind="parallel")}
    smaller = {i for i, _ in drawn(pool, rows=20)}
    assert mono == other_seed == parallel
    assert smaller < mono
    assert mono != {i for i, _ in drawn(pool, rows=50, rows_seed=1)}


@given(st.integers(50, 3000), st.integers(0, 3))
def test_a_token_budget_is_filled_and_never_exceeded(budget: int, seed: int) -> None:
    pool = pool_of(100)
    generator = np.random.default_rng(seed)
    counts = {c: generator.integers(10, 50, 100) for c in CODES}
    wanted = spec(tokens=budget, tokenizer="t", main="en", mixed_percent=30.0)
    whole = int(counts["en"].sum())
    if budget > 0.8 * whole:
        return

    def spent(rows: Rows) -> int:
        codes = [wanted.own_languages[c] for c in rows.langs]
        return sum(int(counts[c][i]) for i, c in zip(rows.ids, codes, strict=True))

    rows = select(pool, wanted, counts).train
    one_more = wanted.model_copy(update={"tokens": None, "rows": len(rows) + 1})
    assert spent(rows) <= budget < spent(select(pool, one_more).train)


def test_a_token_budget_above_the_pool_is_refused() -> None:
    counts = {c: np.full(10, 5) for c in CODES}
    assert len(select(pool_of(10), spec(tokens=50, tokenizer="t"), counts).train) == 10
    with pytest.raises(BabelmixError, match="`tokens: 51` is more than the 50 tokens"):
        select(pool_of(10), spec(tokens=51, tokenizer="t"), counts)
    with pytest.raises(BabelmixError, match="less than its first row"):
        select(pool_of(10), spec(tokens=4, tokenizer="t"), counts)


def test_a_breach_is_an_error_that_lists_rows() -> None:
    pool = pool_of(2)
    twice = Rows(np.array([0, 0]), np.array([0, 0], dtype=np.int16))
    with pytest.raises(BabelmixError, match=r"doubled \['id-0'\]"):
        check_invariants(twice, Draw(1, 1, 1), pool, spec())
    with pytest.raises(BabelmixError, match="1 rows for 2 ids"):
        check_invariants(Rows(np.array([0]), np.array([0])), Draw(2, 2, 2), pool, spec())


def test_training_and_held_out_ids_are_apart() -> None:
    pool = pool_of(50, dev=10)
    chosen = select(pool, spec())
    assert (len(chosen.train), len(chosen.dev)) == (40, 10)
    assert not set(chosen.train.ids) & set(chosen.dev.ids)
    with pytest.raises(BabelmixError, match="held out"):
        check_invariants(assign(pool.keys, spec()), Draw(50, 50, 50), pool, spec())


@pytest.mark.parametrize(
    ("kind", "sound_in", "ids_out", "rows"),
    [("blocks", [], 2, 6), ("blocks", ["fr"], 3, 5), ("parallel", [], 1, 13)],
)
def test_failed_rows_leave_a_mixture_as_its_kind_promises(
    kind: str, sound_in: list[str], ids_out: int, rows: int
) -> None:
    pool = pool_of(9, ["en", "de", "fr"], dev=1, row_out={"de": [3]}, id_out={"en": [5], "fr": [4]})
    assert not pool.dev[[3, 4, 5]].any()
    wanted = spec(kind=kind, languages=["en", "de"], sound_in=sound_in)
    found = select(pool, wanted)
    made = pairs(found.train, pool, wanted)
    assert found.left_out["failed checks"] == ids_out
    assert len(made) == rows
    assert ("id-3", "de") not in made
    assert (("id-3", "en") in made) == (kind == "parallel") == (found.left_out_pairs == 1)
    assert "id-5" not in {i for i, _ in made}


@pytest.mark.parametrize(
    ("policy", "verdict"), [("keep", KEEP), ("quarantine", ROW_OUT), ("quarantine_all", ID_OUT)]
)
def test_the_policy_decides_what_becomes_of_a_failed_row(policy: str, verdict: int) -> None:
    rows = [conversation(i, "de") for i in range(4)]
    rows[1].checks = [Check("numbers", False, 2.0)]
    rows[2].checks = [Check("numbers", False, 2.0), Check("present", False)]
    index = index_of(rows, INDEX.model_copy(update={"on_failed_check": policy}))
    assert index["verdict"].to_pylist() == [KEEP, verdict, ID_OUT, KEEP]


def test_a_filter_keeps_what_measures_well_in_every_language() -> None:
    value = np.array([0.2, 0.9, np.nan, 0.7])
    pool = pool_of(4, ["en", "de"], measures={"de": {"quality": value}})
    wanted = {"languages": ["en"], "sound_in": ["de"]}
    kept = drawn(pool, **wanted, filters=[{"check": "quality", "min": 0.5}])
    assert {i for i, _ in kept} == {"id-1", "id-2", "id-3"}
    kept = drawn(pool, **wanted, filters=[{"check": "quality", "min": 0.5, "max": 0.8}])
    assert {i for i, _ in kept} == {"id-2", "id-3"}
    with pytest.raises(BabelmixError, match=r"names the check 'chrf'.*measured here: quality"):
        drawn(pool, **wanted, filters=[{"check": "chrf", "min": 0.5}])


def test_contaminated_ids_are_left_out_and_counted() -> None:
    pool = pool_of(10, ["en", "de"])
    wanted = spec(languages=["en", "de"], on_contamination="leave_out")
    (part,) = select_all({"d": pool}, wanted, {}, {"d": {"id-1", "id-7", "other"}})
    assert part.left_out["contaminated"] == 2
    assert not {"id-1", "id-7"} & {i for i, _ in pairs(part.train, pool, wanted)}
    (part,) = select_all({"d": pool}, spec(languages=["en"]), {}, {"d": {"id-1"}})
    assert part.left_out["contaminated"] == 0


def union(*parts: MixtureSpec) -> MixtureSpec:
    return spec(kind="union", dataset="d+e", languages=["en", "de"], parts=list(parts))


def test_a_union_takes_its_parts_by_rows_and_by_fraction() -> None:
    pools = {
        "d": pool_of(100, ["en", "de"], dev=10),
        "e": pool_of(50, ["en"], dataset="e", prefix="e-"),
    }
    wanted = union(
        spec(dataset="d", languages=["en", "de"], lead="en", take={"fraction": 0.5}),
        spec(dataset="e", languages=["en"], take={"rows": 7}),
    )
    parts = select_all(pools, wanted, {}, {})
    table = table_of(parts, pools)
    check_union(table, wanted)
    made = summary(wanted, parts, pools, {})
    assert made["rows"] == made["ids"] == 45 + 7
    assert made["dev_rows"] == 10
    assert [(c["dataset"], c["language"], c["rows"]) for c in made["cells"]] == [
        ("d", "de", 22),
        ("d", "en", 23),
        ("e", "en", 7),
    ]
    assert made["rows_by_language"] == {"de": 22, "en": 30}


def test_digests_tell_mixtures_apart_by_their_rows_alone() -> None:
    pool = pool_of(40, ["en", "de"])

    def digests(**changes: Any) -> tuple[str, str]:
        wanted = spec(languages=["en", "de"], **changes)
        made = summary(wanted, [select(pool, wanted)], {"d": pool}, {})
        return made["ids_digest"], made["rows_digest"]

    assert digests() == digests(name="another")
    assert digests()[0] == digests(seed=1)[0] == digests(kind="parallel")[0]
    assert len({digests()[1], digests(seed=1)[1], digests(kind="parallel")[1]}) == 3
    assert digests(rows=20)[0] != digests()[0]


def test_a_union_whose_parts_overlap_is_refused() -> None:
    pools = {"d": pool_of(20, ["en"]), "e": pool_of(20, ["en"], dev=5, dataset="e")}
    wanted = union(spec(languages=["en"]), spec(dataset="e", languages=["en"]))
    table = table_of(select_all(pools, wanted, {}, {}), pools)
    with pytest.raises(BabelmixError, match=r"15 rows are in it twice .* 5 ids are held out"):
        check_union(table, wanted)


def conversation(number: int, lang: str, text: str = "Hé", *checks: Check) -> Conversation:
    messages = [Message("user", text), Message("assistant", "answer")]
    return Conversation(f"r{number}", lang, "d", "s", messages, checks=list(checks))


INDEX = IndexSpec(
    version=1, dataset="d", lang="de", on_failed_check="quarantine", dev_rows=2, seed=0
)


def index_of(rows: list[Conversation], wanted: IndexSpec = INDEX) -> pa.Table:
    table = to_table(rows, Conversation).select(["id", "messages", "checks"])
    return index_language(table, wanted)


def test_an_index_says_all_about_a_row_but_its_text() -> None:
    rows = [conversation(i, "de", "x" * i) for i in range(6)]
    rows[2].checks = [Check("length_ratio", True, 1.5), Check("numbers", False, 2.0)]
    rows[4].checks = [Check("translated", False, None, "not translated")]
    index = index_of(rows)
    assert index["characters"].to_pylist() == [6, 7, 8, 9, 10, 11]
    assert index["verdict"].to_pylist() == [KEEP, KEEP, ROW_OUT, KEEP, ID_OUT, KEEP]
    assert sum(index["dev"].to_pylist()) == 2
    measured = index["check.length_ratio"].to_pylist()
    assert measured[2] == 1.5
    assert np.isnan(measured[0])
    assert "check.translated" not in index.column_names


def test_characters_are_counted_over_chunks_and_empty_rows() -> None:
    table = to_table([conversation(i, "de", "é" * i) for i in range(4)], Conversation)
    chunked = pa.concat_tables([table.slice(1, 2), table.slice(3)])["messages"]
    assert characters(chunked).tolist() == [7, 8, 9]


def test_a_pool_that_is_not_parallel_is_refused(tmp_path: Path) -> None:
    files = {}
    for lang, numbers in (("en", [1, 2, 3]), ("de", [1, 2, 4])):
        files[lang] = tmp_path / f"d.{lang}.parquet"
        write_table(files[lang], index_of([conversation(i, lang) for i in numbers]))
    with pytest.raises(BabelmixError, match=r"'de' is not parallel to 'en': 2 ids"):
        read_pool("d", files)
    assert len(read_pool("d", {"en": files["en"]})) == 3


def test_dev_rows_that_leave_nothing_are_refused() -> None:
    with pytest.raises(BabelmixError, match="leave none for training"):
        index_of([conversation(1, "de"), conversation(2, "de")])


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
    assert len(expansion.mixtures) == 9 + 2


def test_a_papers_own_spelling_names_a_mixture_where_one_family_makes_it() -> None:
    demo = expand(build_config(read_yaml(ROOT / "config" / "demo.yaml")))
    assert demo.resolve("ENDEFRITES-sampled") == ["demo-ENDEFRITES-sampled"]
    assert demo.resolve("p100") == ["demo-DEFRITES-sampled"]
    assert demo.resolve("ENDE-sampled") == []
    assert demo.definition("demo-EN").languages == ["en"]
    with pytest.raises(BabelmixError, match="'pinch-p100' is the same as 'demo-DEFRITES-sampled'"):
        demo.definition("pinch-p100")
    with pytest.raises(BabelmixError, match="unknown mixture 'demo-XX'"):
        demo.definition("demo-XX")
    full = expand(build_config(read_yaml(ROOT / "config" / "config.yaml")))
    assert len(full.spelled("ENDEFRITES-sampled")) == 3
    with pytest.raises(BabelmixError, match=r"several families: lima-x-EN, bactrian-x-EN, .*e1-EN"):
        full.resolve("EN")


def demo_with(**families: dict[str, Any]) -> dict[str, Any]:
    raw = read_yaml(ROOT / "config" / "demo.yaml")
    raw["mixtures"] |= families
    return raw


def test_adding_a_language_or_mixture_changes_no_other_mixture() -> None:
    raw = read_yaml(ROOT / "config" / "demo.yaml")
    before = expand(build_config(raw)).mixtures
    raw["languages"] = [*raw["languages"], "pt"]
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


def test_temperature_evens_out_the_shares() -> None:
    family = {"policy": "sampled", "dataset": "demo", "languages": ["en", "de"]}
    weights = {"en": 8, "de": 2}
    made = expand(
        build_config(
            demo_with(
                one=family | {"weights": weights},
                two=family | {"weights": weights, "temperature": 2},
                many=family | {"weights": weights, "temperature": 1e6},
                even=family | {"weights": {"en": 1, "de": 1}},
                plain=family,
            )
        )
    )
    assert made.mixtures["one-ENDE-sampled"].weights == {"en": 0.8, "de": 0.2}
    assert made.mixtures["two-ENDE-sampled"].weights == {"en": 0.666666667, "de": 0.333333333}
    assert made.mixtures["many-ENDE-sampled"].weights == pytest.approx(
        {"en": 0.5, "de": 0.5}, abs=1e-5
    )
    assert made.canonical["plain-ENDE-sampled"] == "even-ENDE-sampled"


def test_shares_of_pre_training_must_be_known() -> None:
    family = {
        "policy": "sampled",
        "dataset": "demo",
        "languages": ["en", "de"],
        "weights": "pretraining_share",
    }
    raw = demo_with(share=family)
    with pytest.raises(BabelmixError, match="no `pretraining_share` is known of en, de"):
        expand(build_config(raw))
    raw["languages"] = {c: {} for c in raw["languages"]}
    raw["languages"]["en"] = {"pretraining_share": 0.9}
    raw["languages"]["de"] = {"pretraining_share": 0.1}
    made = expand(build_config(raw))
    assert made.mixtures["share-ENDE-sampled"].weights == {"en": 0.9, "de": 0.1}


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({}, "exactly one of `rows`, `fraction`, `tokens` and `weight`"),
        ({"rows": 1, "fraction": 0.5}, "exactly one of `rows`, `fraction`, `tokens` and `weight`"),
        ({"rows": 1.0}, "valid integer"),
        ({"fraction": 0}, "greater than 0"),
        ({"tokens": 100}, "need the union's `tokenizer`"),
        ({"weight": 1}, "give a `weight` to every part, or to none"),
        ({"weight": 1, "rows": 2}, "exactly one of|a `weight` to every part"),
        ({"fraction": 0.5, "mixture": "demo-XX"}, "unknown mixture 'demo-XX'"),
        ({"fraction": 0.5, "mixture": "demo"}, "unknown mixture 'demo'"),
    ],
)
def test_a_part_has_exactly_one_budget(part: dict[str, Any], expected: str) -> None:
    parts = [{"mixture": "demo-EN", "rows": 3}, {"mixture": "demo-DE"} | part]
    with pytest.raises(BabelmixError, match=expected):
        expand(build_config(demo_with(both={"policy": "union", "parts": parts})))


def test_a_union_carries_the_definitions_of_its_parts() -> None:
    parts = [{"mixture": "demo-EN", "rows": 3}, {"mixture": "pinch-p100", "fraction": 0.5}]
    made = expand(build_config(demo_with(both={"policy": "union", "parts": parts})))
    both = made.mixtures["both"]
    assert [p.name for p in both.parts] == ["demo-EN", "demo-DEFRITES-sampled"]
    assert both.datasets == ["demo"]
    assert both.languages == ["en", "de", "fr", "it", "es"]
    assert [(p.take.rows, p.take.fraction) for p in both.parts if p.take] == [
        (3, None),
        (None, 0.5),
    ]


def test_families_share_their_ids_when_they_say_so() -> None:
    made = expand(build_config(demo_with()))
    assert made.mixtures["demo-EN"].sound_in == ["de", "fr", "it", "es"]
    raw = demo_with(
        few={
            "policy": "monolingual",
            "dataset": "demo",
            "languages": ["de"],
            "parallel_over": ["en", "de", "fr"],
        }
    )
    assert expand(build_config(raw)).mixtures["few-DE"].sound_in == ["en", "fr"]


#: Bytes (MB) of Lima-X's nine published configurations.
PUBLISHED = {
    "EN": 3.06,
    "DE": 3.77,
    "FR": 3.99,
    "IT": 3.47,
    "ES": 3.56,
    "ENDEFRITES": 17.9,
    "ENDEFRITES-sampled": 3.57,
    "DEFRITES": 14.8,
    "DEFRITES-sampled": 3.70,
}


def test_the_nine_mixtures_have_the_proportions_of_lima_x() -> None:
    # A parallel set of LIMA's size: long-tailed English lengths; the other languages are longer by
    # what the published monolingual files are, each row by a factor of its own around that.
    generator = np.random.default_rng(0)
    english = generator.lognormal(7.2, 1.0, 1030)
    pool = pool_of(1030, ["en", "de", "fr", "it", "es"])
    for code, language in pool.languages.items():
        longer = PUBLISHED[code.upper()] / PUBLISHED["EN"]
        noise = generator.normal(1.0, 0.05, 1030)
        language.characters[:] = np.round(english * longer * noise)
    raw = read_yaml(ROOT / "config" / "config.yaml")
    nine = expand(build_config(raw))
    sizes = {}
    for name in nine.families["lima-x"]:
        wanted = nine.mixtures[name].model_copy(update={"dataset": "d"})
        parts = [select(pool, wanted)]
        made = summary(wanted, parts, {"d": pool}, {})
        sizes[name.removeprefix("lima-x-")] = sum(made["characters_by_language"].values())
        assert made["rows"] == {"ENDEFRITES": 5150, "DEFRITES": 4120}.get(
            name.removeprefix("lima-x-"), 1030
        )
    scale = PUBLISHED["ENDEFRITES"] / sizes["ENDEFRITES"]
    for name, published in PUBLISHED.items():
        assert sizes[name] * scale == pytest.approx(published, rel=0.01), name
