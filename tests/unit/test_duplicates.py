"""Duplicates: found within a pool, across pools and among held-out rows; counted, or left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.options import as_options

from babelmix.cli import main
from babelmix.io import read_json, read_table, write_json, write_records
from babelmix.mixtures.duplicates import _near, band_rows, read_prints
from babelmix.mixtures.fingerprints import fingerprint, plain, shingles
from babelmix.records import Conversation, Message
from babelmix.specs import FingerprintSpec, IndexSpec, ManifestSpec, MixtureSpec

TEXTS = [
    "Write a short poem about the sea at night, with a lighthouse in it.",
    "Explain how a bill becomes law in a country with two chambers.",
    "List five ways to save water at home, and say which saves most.",
    "Translate the following sentence into French: the cat sleeps on the mat.",
    "What is the difference between weather and climate, in two sentences?",
]


def pool(
    folder: Path, dataset: str, texts: list[str], lang: str = "en", dev: int = 0, seed: int = 0
) -> None:
    """Conversations, index and fingerprints of one language of a pool."""
    rows = [
        Conversation(
            f"{dataset}-{i}",
            lang,
            dataset,
            "s",
            [Message("user", text), Message("assistant", f"Answer to: {text}")],
        )
        for i, text in enumerate(texts)
    ]
    file = folder / f"conversations/{dataset}.{lang}.parquet"
    write_records(file, rows, Conversation)
    index = IndexSpec(
        version=1, dataset=dataset, lang=lang, on_failed_check="keep", dev_rows=dev, seed=seed
    )
    prints = FingerprintSpec(version=1, dataset=dataset, lang=lang)
    for verb, spec, where, more in (
        ("index-language", index, "pools", ["--manifest", str(folder / "index.json")]),
        ("fingerprint-language", prints, "fingerprints", []),
    ):
        made = folder / f"{where}/{dataset}.{lang}.parquet"
        command = [verb, *as_options(spec.model_dump_json()), "--conversations", str(file)]
        assert main([*command, "--output", str(made), *more]) == 0


def mixture(folder: Path, capsys: Any, **changes: Any) -> tuple[dict[str, Any], list[Any], str]:
    """Manifest and rows of a mixture, and what was said."""
    fields = {"version": 1, "name": "m", "dataset": "d", "kind": "blocks", "languages": ["en"]}
    spec = MixtureSpec(**(fields | changes))
    pools = [str(folder / f"pools/{d}.{c}.parquet") for d, c in spec.looked_at]
    prints = [str(folder / f"fingerprints/{d}.{c}.parquet") for d, c in spec.looked_at]
    files = [str(folder / name) for name in ("m.parquet", "m.json", "manifest.json")]
    status = main(
        [
            *("build-mixture", *as_options(spec.model_dump_json()), "--pools", *pools),
            *("--fingerprints", *prints, "--output", files[0], "--selection", files[1]),
        ]
    )
    if status:
        return {}, [], capsys.readouterr().err
    about = ManifestSpec(version=1, mixture="m", licences={}, non_commercial=[])
    command = ["mixture-manifest", *as_options(about.model_dump_json()), "--mixture", files[0]]
    command += ["--selection", files[1], "--fingerprints", *prints, "--output", files[2]]
    assert main(command) == 0
    return (
        read_json(Path(files[2])),
        read_table(Path(files[0])).to_pylist(),
        capsys.readouterr().out,
    )


def test_twenty_rows_of_five_texts(tmp_path: Path, capsys: Any) -> None:
    pool(tmp_path, "d", TEXTS * 4)
    manifest, rows, said = mixture(tmp_path, capsys)
    assert list(manifest["parents"]) == ["d.en.parquet"]  # fingerprints decided nothing
    assert (manifest["duplicates"]["exact"], manifest["duplicates"]["near"]) == (15, 15)
    assert len(rows) == 20
    assert "15 of its ids are exact duplicates" in said
    manifest, rows, said = mixture(tmp_path, capsys, deduplicate={"exact": "leave_out"})
    assert [r["id"] for r in sorted(rows, key=lambda r: int(r["id"][2:]))] == [
        f"d-{i}" for i in range(5)
    ]
    assert manifest["left_out_ids"]["exact duplicates"] == 15
    assert list(manifest["parents"]) == ["d.en.parquet", "fingerprints/d.en.parquet"]
    assert manifest["duplicates"]["exact"] == 0
    assert "15 exact duplicates are left out" in said
    *_, said = mixture(tmp_path, capsys, deduplicate="error")
    assert "15 exact duplicates (d/d-5 = d/d-0" in said


def test_four_of_four_held_out_texts_are_trained_on(tmp_path: Path, capsys: Any) -> None:
    pool(tmp_path, "d", TEXTS * 4, dev=4)
    kept = {"exact": "keep", "held_out": "keep"}
    manifest, rows, _ = mixture(tmp_path, capsys, deduplicate=kept)
    assert manifest["duplicates"]["held_out_exact"] == 4
    assert sum(r["split"] == "dev" for r in rows) == 4
    # Without a word of the configuration they are no longer held out, and nothing else changes.
    manifest, rows, said = mixture(tmp_path, capsys)
    assert [r["split"] for r in rows] == ["train"] * 16
    assert manifest["left_out_ids"]["held out, but trained on"] == 4
    assert manifest["duplicates"]["held_out_exact"] == 0
    assert "4 held-out rows are trained on" in said
    *_, said = mixture(tmp_path, capsys, deduplicate={"held_out": "error"})
    assert "4 held-out duplicates" in said


def test_a_union_of_two_equal_pools(tmp_path: Path, capsys: Any) -> None:
    pool(tmp_path, "d", TEXTS)
    pool(tmp_path, "e", TEXTS)
    parts = [
        {"version": 1, "name": n, "dataset": n, "kind": "blocks", "languages": ["en"]}
        for n in ("d", "e")
    ]
    both = {"kind": "union", "dataset": "d+e", "parts": parts}
    manifest, rows, _ = mixture(tmp_path, capsys, **both)
    assert len(rows) == 10
    assert (manifest["duplicates"]["exact"], manifest["duplicates"]["across"]) == (5, 5)
    _, rows, said = mixture(tmp_path, capsys, **both, deduplicate="leave_out")
    assert {r["dataset"] for r in rows} == {"d"}
    assert len(rows) == 5
    assert "no row falls to its part 'e'" in said


@pytest.mark.parametrize(
    ("lang", "text", "near", "other"),
    [
        (
            "en",
            "Describe the life of a lighthouse keeper in the nineteenth century, with its routines "
            "and its dangers, in about three hundred words for a school magazine.",
            ("three", "two"),
            "Describe the work of a miller in the fifteenth century, for a town's own newspaper.",
        ),
        (
            "zh",
            "请写一篇关于最近夏威夷之旅的精彩旅游博客文章，突出文化体验和必看景点，并且介绍当地美食与交通方式。",
            ("精彩", "有趣"),
            "请写一首关于大海的短诗，要求押韵，并且提到一座灯塔和夜里的星星以及渔船。",
        ),
        (
            "ja",
            "最近のハワイ旅行について、文化体験や必見の観光スポットを中心に、魅力的な旅行ブログ記事を書いてください。",
            ("魅力", "素敵"),
            "海についての短い詩を書いてください。灯台と夜の星が出てくるようにしてください。",
        ),
        (
            "th",
            "เขียนบล็อกท่องเที่ยวเกี่ยวกับทริปล่าสุดไปฮาวาย โดยเน้นประสบการณ์ทางวัฒนธรรมและสถานที่ที่ต้องไป",
            ("ล่าสุด", "ครั้งก่อน"),
            "แต่งกลอนสั้นเกี่ยวกับทะเลยามค่ำคืนที่มีประภาคารและเรือประมงอยู่ด้วย",
        ),
        (
            "ar",
            "اكتب مقالا جذابا عن رحلتك الأخيرة إلى هاواي مع ذكر التجارب الثقافية والأماكن التي يجب "
            "زيارتها والطعام المحلي ووسائل النقل في الجزيرة والعادات والتقاليد",
            ("جذابا", "طويلا"),
            "اكتب قصيدة قصيرة عن البحر في الليل مع منارة وقارب صيد ونجوم كثيرة في السماء",
        ),
    ],
    ids=["en", "zh", "ja", "th", "ar"],
)
def test_near_copies_are_found_in_every_script(
    lang: str, text: str, near: tuple[str, str], other: str, tmp_path: Path, capsys: Any
) -> None:
    pool(tmp_path, "d", [text, text.replace(*near), f"  {text.upper()} ", other], lang)
    manifest, rows, _ = mixture(
        tmp_path, capsys, languages=[lang], deduplicate={"near": "leave_out", "similarity": 0.6}
    )
    assert {r["id"] for r in rows} == {"d-0", "d-3"}
    assert manifest["left_out_ids"]["near duplicates"] == 2


def test_signs_letters_and_numbers_tell_texts_apart(tmp_path: Path, capsys: Any) -> None:
    texts = ["What is 2 + 3?", "What is 2 - 3?", "What is 2 + 4?", "what is  2 + 3?", "Is a<b?"]
    pool(tmp_path, "d", [*texts, "Is a>b?"])
    manifest, *_ = mixture(tmp_path, capsys)
    assert (manifest["duplicates"]["exact"], manifest["duplicates"]["near"]) == (1, 1)


def test_equal_questions_with_other_answers_are_no_duplicates(tmp_path: Path) -> None:
    rows = [
        Conversation(i, "en", "d", "s", [Message("user", "Why?"), Message("assistant", a)])
        for i, a in (("a", "Because it rains."), ("b", "Nobody knows."))
    ]
    write_records(tmp_path / "d.en.parquet", rows, Conversation)
    (table,) = fingerprint(tmp_path / "d.en.parquet")
    assert len(set(table["exact"].to_pylist())) == 2


@given(st.lists(st.sampled_from("abcdefgh"), min_size=0, max_size=12))
def test_every_text_has_a_run(words: list[str]) -> None:
    found = shingles([plain(" ".join(words))])
    assert len(found) == max(1, len(words) - 2)


@pytest.mark.parametrize("similarity", [0.5, 0.7, 0.8, 0.9, 1.0])
def test_pairs_at_the_threshold_are_compared(similarity: float) -> None:
    rows = band_rows(similarity)
    assert 1 - (1 - similarity**rows) ** (128 // rows) >= 0.98
    generator = np.random.default_rng(0)
    one = generator.integers(0, 2**32, (300, 128), dtype=np.uint32)
    other = one.copy()
    changed = generator.random((300, 128)) > min(1.0, similarity + 0.06)
    other[changed] = generator.integers(0, 2**32, int(changed.sum()), dtype=np.uint32)
    true = {i for i in range(300) if (one[i] == other[i]).mean() >= similarity}
    pairs = _near(np.concatenate([one, other]), similarity)
    found = {(a, b) for x, y in pairs for a, b in zip(x.tolist(), y.tolist(), strict=True)}
    assert all(b == a + 300 for a, b in found)
    assert len(true & {a for a, _ in found}) >= 0.97 * len(true)


def test_ids_without_a_fingerprint_are_an_error(tmp_path: Path, capsys: Any) -> None:
    pool(tmp_path, "d", TEXTS)
    pool(tmp_path / "other", "d", TEXTS[:3])
    stale = tmp_path / "other/fingerprints/d.en.parquet"
    (tmp_path / "fingerprints/d.en.parquet").write_bytes(stale.read_bytes())
    *_, said = mixture(tmp_path, capsys, deduplicate="leave_out")
    assert "2 ids of its index have no fingerprint" in said
    write_json(tmp_path / "x.json", {})
    assert read_prints([stale]).total == 3
