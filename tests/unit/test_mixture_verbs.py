"""The verbs around a mixture that users call by hand: token counts, and a copy with texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.options import as_options

from babelmix.cli import main
from babelmix.io import read_table, write_records, write_table
from babelmix.mixtures.build import SCHEMA
from babelmix.records import Conversation, Message
from babelmix.resources import ROOT
from babelmix.specs import CountSpec

MODEL = ROOT / "resources" / "demo" / "base"
TEXTS = {"en": "How are you?", "de": "Wie geht es dir?"}


def conversations(folder: Path, lang: str, rows: int = 4) -> Path:
    file = folder / f"d.{lang}.parquet"
    made = [
        Conversation(
            f"r{i}", lang, "d", "s", [Message("user", TEXTS[lang] * i), Message("assistant", "Yes")]
        )
        for i in range(rows)
    ]
    write_records(file, made, Conversation)
    return file


def mixture(folder: Path, rows: list[tuple[str, str, str]]) -> Path:
    file = folder / "m.parquet"
    columns = [[r[0] for r in rows], [r[1] for r in rows], ["d"] * len(rows), [r[2] for r in rows]]
    arrays = [pa.array(c, pa.string()) for c in columns]
    write_table(file, pa.Table.from_arrays(arrays, schema=SCHEMA))
    return file


def export(folder: Path, rows: list[tuple[str, str, str]], *files: Path) -> int:
    where = ("--mixture", str(mixture(folder, rows)), "--folder", str(folder / "out"))
    return main(["export-mixture", *where, "--conversations", *map(str, files)])


def test_a_mixture_is_written_with_its_texts_in_its_order(tmp_path: Path) -> None:
    rows = [
        ("r3", "en", "train"),
        ("r1", "en", "train"),
        ("r2", "de", "train"),
        ("r0", "de", "dev"),
    ]
    files = [conversations(tmp_path, lang) for lang in ("en", "de")]
    assert export(tmp_path, rows, *files, files[0]) == 0  # a file named twice counts once
    made = {split: read_table(tmp_path / "out" / f"{split}.parquet") for split in ("train", "dev")}
    train = made["train"].to_pylist()
    assert [(r["id"], r["lang"]) for r in train] == [("r3", "en"), ("r1", "en"), ("r2", "de")]
    assert train[2]["messages"][0] == {"role": "user", "content": TEXTS["de"] * 2}
    assert made["dev"]["id"].to_pylist() == ["r0"]


@pytest.mark.parametrize(
    ("rows", "langs", "said"),
    [
        ([("r1", "en", "train"), ("r1", "de", "train")], ["en"], "1 of 2 rows of the mixture"),
        ([("r1", "en", "train"), ("r9", "en", "dev")], ["en", "de"], "1 of 2 rows of the mixture"),
    ],
)
def test_a_row_without_its_text_is_an_error_and_nothing_is_written(
    rows: list[tuple[str, str, str]], langs: list[str], said: str, tmp_path: Path, capsys: Any
) -> None:
    assert export(tmp_path, rows, *(conversations(tmp_path, lang) for lang in langs)) == 2
    assert said in capsys.readouterr().err
    assert not list((tmp_path / "out").iterdir())


def test_an_export_names_a_torn_file(tmp_path: Path, capsys: Any) -> None:
    file = conversations(tmp_path, "en")
    file.write_bytes(file.read_bytes()[:-20])
    assert export(tmp_path, [("r1", "en", "train")], file) == 2
    assert f"{file}: cannot be read as parquet" in capsys.readouterr().err


def count(folder: Path, file: Path, model: Path = MODEL) -> int:
    spec = CountSpec(version=1, dataset="d", lang="en").model_dump_json()
    files = ("--conversations", str(file), "--output", str(folder / "counts.parquet"))
    return main(["count-tokens", *as_options(spec), "--model", str(model), *files])


def test_tokens_are_counted_turn_by_turn_without_template(tmp_path: Path) -> None:
    from tokenizers import Tokenizer

    assert count(tmp_path, conversations(tmp_path, "en")) == 0
    table = read_table(tmp_path / "counts.parquet")
    assert table["id"].to_pylist() == ["r0", "r1", "r2", "r3"]
    tokenizer = Tokenizer.from_file(str(MODEL / "tokenizer.json"))
    turns = [[TEXTS["en"] * i, "Yes"] for i in range(4)]
    lengths = [
        sum(len(tokenizer.encode(t, add_special_tokens=False).ids) for t in texts)
        for texts in turns
    ]
    assert table["tokens"].to_pylist() == lengths
    assert lengths[0] < lengths[3]


def test_an_empty_pool_has_no_tokens(tmp_path: Path) -> None:
    assert count(tmp_path, conversations(tmp_path, "en", rows=0)) == 0
    assert read_table(tmp_path / "counts.parquet").num_rows == 0


@pytest.mark.parametrize("fault", ["torn", "absent", "no tokenizer"])
def test_what_cannot_be_counted_is_named(fault: str, tmp_path: Path, capsys: Any) -> None:
    file = conversations(tmp_path, "en")
    if fault == "torn":
        file.write_bytes(file.read_bytes()[:-20])
    elif fault == "absent":
        file.unlink()
    assert count(tmp_path, file, tmp_path if fault == "no tokenizer" else MODEL) == 2
    said = capsys.readouterr().err
    assert ("no tokenizer.json" if fault == "no tokenizer" else str(file)) in said
    assert not (tmp_path / "counts.parquet").exists()
