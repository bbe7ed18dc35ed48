"""Choice of rows: the pivot decides, other languages follow; nothing is lost unsaid."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.options import as_options

from babelmix.cli import main
from babelmix.errors import BabelmixError
from babelmix.io import file_digest, read_json, read_records
from babelmix.records import Conversation, Message
from babelmix.sources.adapters import Parsed
from babelmix.sources.choose import draw
from babelmix.sources.normalise import choose_rows, follow_pivot
from babelmix.specs import NormaliseSpec


def spec(lang: str = "en", sources: tuple[str, ...] = ("s",), **more: Any) -> NormaliseSpec:
    source = {"adapter": "alpaca", "path": "{lang}.json", "languages": ["en", "de"]}
    given = {"version": 1, "dataset": "d", "lang": lang, "pivot": "en", "seed": 0}
    given |= {"rows": None, "max_chars": None}
    given |= {"sources": {name: source | {"licence": "CC0"} for name in sources}}
    return NormaliseSpec.model_validate(given | more)


def row(
    row_id: str, text: str = "q", lang: str = "en", source: str = "s", n: int = 2
) -> Conversation:
    roles = ["user", "assistant"] * n
    return Conversation(row_id, lang, "d", source, [Message(r, text) for r in roles[:n]])


def parsed(rows: list[Conversation]) -> dict[str, Parsed]:
    return {"s": Parsed(read=len(rows), rows=rows)}


def test_limits_before_the_draw_and_file_order() -> None:
    rows = [row(f"r{n}", "x" * (60 if n % 3 == 0 else 5)) for n in range(30)]
    kept, manifest = choose_rows(spec(max_chars=50, rows=7), parsed(rows))
    ids = [r.id for r in kept]
    assert len(ids) == 7
    assert ids == [r.id for r in rows if r.id in set(ids)]
    assert not any(int(i[1:]) % 3 == 0 for i in ids)
    assert manifest["left_out"] == {
        "longer than max_chars (50)": 10,
        "not drawn (rows: 7)": 13,
    }
    assert manifest["read"] == manifest["kept"] + sum(manifest["left_out"].values()) == 30


def test_another_count_than_expected_is_said() -> None:
    expecting = spec()
    source = expecting.sources["s"].model_copy(update={"expected_rows": 3})
    expecting = expecting.model_copy(update={"sources": {"s": source}})
    manifest = choose_rows(expecting, parsed([row("a"), row("b")]))[1]
    assert manifest["warnings"] == [
        "source 's' gives 2 usable rows in 'en', 3 are expected. Is the copy whole, and the one "
        "that is meant?"
    ]
    assert manifest["sources"]["s"]["usable"] == 2
    assert choose_rows(expecting, parsed([row("a"), row("b"), row("c")]))[1]["warnings"] == []


def test_more_rows_than_there_are() -> None:
    with pytest.raises(BabelmixError, match=r"datasets\.d\.rows asks for 3 rows, but only 2"):
        choose_rows(spec(rows=3), parsed([row("a"), row("b")]))


def test_one_id_in_two_sources() -> None:
    two = {"s": Parsed(1, [row("a")]), "t": Parsed(1, [row("a", source="t")])}
    with pytest.raises(BabelmixError, match="dataset 'd': 1 id"):
        choose_rows(spec(sources=("s", "t")), two)


@settings(deadline=None)
@given(st.sets(st.text(min_size=1, max_size=6), min_size=1, max_size=40), st.integers(0, 5))
def test_the_draw_is_stable_and_nested(ids: set[str], seed: int) -> None:
    listed = sorted(ids)
    half = len(listed) // 2
    assert draw(listed, half, seed) == draw(listed[::-1], half, seed)
    assert draw(listed, half, seed) <= draw(listed, len(listed), seed)


def test_other_languages_keep_exactly_the_pivots_ids() -> None:
    pivot = [row("a"), row("b"), row("c"), row("d")]
    german = [
        row("d", lang="de"),
        row("x", lang="de"),
        row("a", lang="de"),
        row("c", lang="de", n=4),
    ]
    part = Parsed(read=5, rows=german)
    part.leave_out(4, "output is empty", "b")
    kept, manifest = follow_pivot(spec("de"), {"s": part}, pivot)
    assert [r.id for r in kept] == ["a", "b", "c", "d"]
    assert {r.lang for r in kept} == {"de"}
    failed = {r.id: r.checks[0].detail for r in kept if r.checks}
    assert failed == {"b": "output is empty", "c": "other turns than the pivot's row"}
    assert manifest["left_out"] == {
        "output is empty": 1,
        "not among the ids of en": 1,
        "other turns than the pivot's row": 1,
    }
    assert manifest["absent"] == {"count": 2, "ids": ["b", "c"]}


def test_files_that_are_not_parallel() -> None:
    with pytest.raises(BabelmixError, match="not parallel"):
        follow_pivot(spec("de"), parsed([row("x", lang="de")]), [row("a")])


def _raw(folder: Path, lang: str, outputs: list[str]) -> dict[str, str]:
    """A raw file, as `fetch` records it."""
    rows = [
        {"id": f"r{n}", "instruction": f"{lang} {n}", "output": o} for n, o in enumerate(outputs)
    ]
    path = folder / f"{lang}.json"
    path.write_text(json.dumps(rows))
    return {"path": str(path), "sha256": file_digest(path)}


def test_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {
        "en": [_raw(tmp_path, "en", ["a", "", "c"])],
        "de": [_raw(tmp_path, "de", ["A", "B", ""])],
    }
    (tmp_path / "s.json").write_text(json.dumps({"source": "s", "files": files, "extra": {}}))

    def normalise(lang: str, *more: str) -> int:
        out = str(tmp_path / f"out.{lang}")
        options = ["--records", str(tmp_path / "s.json"), "--output", f"{out}.parquet"]
        options += ["--manifest", f"{out}.json", *more]
        return main(["normalise", *as_options(spec(lang).model_dump_json()), *options])

    assert normalise("de") == 2
    assert "--pivot-file" in capsys.readouterr().err
    assert normalise("en") == 0
    assert capsys.readouterr().out == "normalise d.en: 3 rows read, 2 kept, 1 left out\n"
    assert normalise("de", "--pivot-file", str(tmp_path / "out.en.parquet")) == 0
    rows = read_records(tmp_path / "out.de.parquet", Conversation)
    assert [(r.id, r.messages[1].content, len(r.checks)) for r in rows] == [
        ("r0", "A", 0),
        ("r2", "c", 1),
    ]
    assert read_json(tmp_path / "out.de.json")["left_out"] == {
        "output is empty": 1,
        "not among the ids of en": 1,
    }
    first = (tmp_path / "out.en.parquet").read_bytes()
    assert normalise("en") == 0
    assert (tmp_path / "out.en.parquet").read_bytes() == first
    _raw(tmp_path, "en", ["another", "version", "of it"])
    capsys.readouterr()
    assert normalise("en") == 2
    assert "en.json: no longer the file that was fetched" in capsys.readouterr().err
    assert (tmp_path / "out.en.parquet").read_bytes() == first


def test_foreign_records_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t.json").write_text(json.dumps({"source": "t", "files": {}}))
    options = ["--records", str(tmp_path / "t.json"), "--output", "o", "--manifest", "m"]
    assert main(["normalise", *as_options(spec().model_dump_json()), *options]) == 2
    assert "--records are of ['t']" in capsys.readouterr().err
