"""Mixtures of a pool whose languages have rows of their own: budgets, repeats, what is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_export_hub import conversations, mixture
from test_mixture_unions import SIZES, expanded, pool_of, spec

from babelmix.cli import main
from babelmix.config.load import build_config, read_yaml
from babelmix.config.native import as_union
from babelmix.config.scale import scaled
from babelmix.errors import BabelmixError
from babelmix.io import write_json
from babelmix.mixtures.build import select_all
from babelmix.mixtures.pool import Pool, index_language
from babelmix.mixtures.summary import remarks, summary, token_budget
from babelmix.resources import ROOT
from babelmix.specs import IndexSpec, MixtureSpec, NormaliseSpec

#: Tokens of every row, by language: German rows are three times as long.
TOKENS = {"en": 10, "de": 30, "fr": 10}


def build(wanted: MixtureSpec, sizes: dict[str, int] = SIZES, **how: Any) -> dict[str, Any]:
    """Build a mixture of such a pool; counts as its manifest has them."""
    as_one = as_union(wanted, **({"size": False} | how))
    pools = {f"d.{c}": pool_of(n, (c,), dataset=f"d.{c}") for c, n in sizes.items()}
    pools = {n: Pool("d", p.ids, p.keys, p.dev, p.languages) for n, p in pools.items()}
    counts = {("t", "d", c): np.full(n, TOKENS[c]) for c, n in sizes.items()}
    parts = select_all(pools, as_one, counts if as_one.counted else {}, {})
    made = summary(as_one, parts, pools, {})
    if as_one.counted:
        made["budget"] = token_budget(as_one, parts, counts)
    return made


def family(**more: Any) -> MixtureSpec:
    return spec(languages=list(SIZES), **more)


def test_even_shares_of_a_budget_in_tokens_are_shares_of_tokens() -> None:
    made = build(family(tokens=300, tokenizer="t"))
    assert made["rows_by_language"] == {"de": 3, "en": 10, "fr": 10}
    assert made["budget"] == {
        "tokenizer": "t",
        "asked": 300,
        "tokens": 290,
        "tokens_by_language": {"de": 90, "en": 100, "fr": 100},
        "shares": "tokens",
    }
    (said,) = (line for line in remarks(made) if "tokens" in line)
    assert said == "290 tokens of `t` (de 90, en 100, fr 100); languages share tokens"


def test_given_shares_and_sizes_of_a_budget_in_tokens() -> None:
    weighted = family(tokens=240, tokenizer="t", weights={"en": 1.0, "de": 1.5, "fr": 0.5})
    spent = build(weighted)["budget"]["tokens_by_language"]
    assert spent == {"de": 120, "en": 80, "fr": 40}
    # 600, 600 and 100 tokens are there; by rows it would be 60, 20 and 10.
    spent = build(family(tokens=650, tokenizer="t"), size=True)["budget"]["tokens_by_language"]
    assert spent == {"de": 300, "en": 300, "fr": 50}


def test_shares_of_a_parallel_pool_stay_shares_of_rows() -> None:
    pool = pool_of(40, ("en", "de"))
    counts = {("t", "d", c): np.full(40, TOKENS[c]) for c in ("en", "de")}
    wanted = spec(languages=["en", "de"], tokens=400, tokenizer="t")
    made = token_budget(wanted, select_all({"d": pool}, wanted, counts, {}), counts)
    assert made["shares"] == "rows"
    assert made["tokens_by_language"] == {"de": 300, "en": 100}  # ten rows of each


def test_a_language_that_has_too_few_is_repeated_where_that_is_asked_for() -> None:
    wanted = family(rows=60)
    with pytest.raises(BabelmixError, match=r"\(dataset 'd' in 'fr'\) is 20 rows, and it has 10"):
        build(wanted)
    made = build(wanted, repeat=True)
    assert made["rows_by_language"] == {"de": 20, "en": 20, "fr": 20}
    assert made["repeated_rows"] == 10
    assert [(p["rows"], p["different_rows"]) for p in made["parts"]] == [(20, 20)] * 2 + [(20, 10)]
    # Sizes to the power 1/2 are 7.7 : 4.5 : 3.2.
    made = build(family(rows=120), size=True, temperature=2.0, repeat=True)
    assert made["rows_by_language"] == {"de": 35, "en": 60, "fr": 25}


def test_one_language_and_a_pinch_are_repeated_too() -> None:
    alone = as_union(spec(languages=["fr"], rows=25), size=False, repeat=True)
    pool = pool_of(10, ("fr",))
    (part,) = select_all({"d.fr": pool}, alone, {}, {})
    assert (len(part.train), int((part.train.copies > 0).sum())) == (25, 15)
    made = build(spec(languages=["fr"], main="en", mixed_rows=12), repeat=True)
    assert made["rows_by_language"] == {"en": 60, "fr": 12}


def test_repeats_are_for_such_pools_and_temperature_for_weights() -> None:
    sampled = {"policy": "sampled", "dataset": "demo", "languages": ["en", "de"]}
    with pytest.raises(BabelmixError, match=r"mixtures\.x\.repeat: dataset 'demo' is parallel"):
        expanded(x=sampled | {"repeat": True})
    with pytest.raises(BabelmixError, match="`temperature` changes `weights`, and there are none"):
        expanded(x=sampled | {"temperature": 3.0})
    named = {"weights": {"en": 4, "de": 1}, "temperature": 2.0}
    made = expanded(x=sampled | named).mixtures["x-ENDE-sampled"]
    assert made.weights == {"en": 0.666666667, "de": 0.333333333}


def test_a_language_that_gets_no_row_is_said_once() -> None:
    made = build(spec(languages=["de", "fr"], main="en", mixed_rows=1))
    assert remarks(made) == ["no row falls to fr: there are too few for all languages"]


def test_a_small_copy_keeps_a_pool_without_a_pivot() -> None:
    raw = read_yaml(ROOT / "config" / "demo.yaml")
    raw["sources"]["demo-instructions"] |= {"languages": raw["languages"]}
    raw["datasets"]["demo"] = {
        "sources": ["demo-instructions"],
        "languages": raw["languages"],
        "parallel": False,
    }
    raw["mixtures"] = {"m": {"policy": "sampled", "dataset": "demo", "languages": ["en", "de"]}}
    raw["studies"]["demo"]["runs"][0]["mixtures"] = ["m"]
    small = scaled(build_config(raw | {"scale": 0.5}))
    assert small.datasets["demo"].parallel is False
    assert small.datasets["demo"].fraction == 0.5


def test_errors_of_such_a_pool_name_the_language(tmp_path: Path) -> None:
    from babelmix.io import read_table
    from babelmix.sources.normalise import choose_rows
    from babelmix.sources.rows import Parsed

    table = read_table(conversations(tmp_path, "de"))
    index = IndexSpec(version=1, dataset="d", lang="de", on_failed_check="keep", dev_rows=4, seed=0)
    with pytest.raises(BabelmixError, match="its 4 rows in 'de' leave none"):
        index_language(table, index)
    wanted = {"version": 1, "dataset": "d", "lang": "de", "pivot": "de", "sources": {}, "rows": 9}
    wanted |= {"max_chars": None, "seed": 0, "parallel": False}
    with pytest.raises(BabelmixError, match=r"only 0 are usable in 'de'.* `rows` by language"):
        choose_rows(NormaliseSpec.model_validate(wanted), {"s": Parsed()})


def test_a_card_names_the_sources_of_its_rows_alone(tmp_path: Path) -> None:
    """Another source of the study, under another licence, is no condition of these rows."""
    plain = {"origin": "x", "version": "1", "non_commercial": False, "citation": ""}
    entries = [
        plain | {"name": "s", "licence": "Apache-2.0"},
        plain | {"name": "benchmark", "licence": "CC BY-NC 4.0"},
    ]
    write_json(tmp_path / "sources.json", {"sources": entries})
    rows = mixture(tmp_path, [("r1", "de", "train")])
    code = main(
        [
            *("export-mixture", "--mixture", str(rows), "--folder", str(tmp_path / "out")),
            *("--conversations", str(conversations(tmp_path, "de"))),
            *("--sources", str(tmp_path / "sources.json")),
        ]
    )
    assert code == 0
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "license: apache-2.0" in card
    assert "benchmark" not in card
