"""The tokenise verb: order kept, refusals counted, no torch."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_model
from tests.options import as_options

from babelmix.errors import BabelmixError
from babelmix.io import read_json, read_table, write_records
from babelmix.records import Conversation, Message
from babelmix.train import tokenise
from babelmix.train.chat import IGNORED, Formatter


def conversation(name: str, messages: list[dict[str, str]], lang: str = "en") -> Conversation:
    """A conversation record."""
    return Conversation(name, lang, "d", "s", [Message(**m) for m in messages])


ROWS = [
    conversation("a", tiny_model.chat(1, 2)),
    conversation("b", [*tiny_model.chat(2), {"role": "user", "content": "and the end"}]),
    conversation("c", [{"role": "user", "content": "no answer"}]),
    conversation("d", tiny_model.chat(4, 6)),
    conversation("e", [{"role": "user", "content": "a river " * 60}, *tiny_model.chat(5)[1:]]),
]


def run(folder: Path, rows: list[Conversation], lang: str = "en", system: str = "") -> Path:
    """Run the verb; returns the output."""
    (folder / "model").mkdir(exist_ok=True)
    tiny_model.tokenizer().save_pretrained(folder / "model")
    write_records(folder / "in.parquet", rows, Conversation)
    spec = {"version": 1, "dataset": "d", "lang": lang, "max_length": 60, "system_prompt": system}
    parser = argparse.ArgumentParser()
    tokenise.add_arguments(parser)
    words = [*as_options(json.dumps(spec)), "--conversations", str(folder / "in.parquet")]
    words += ["--model", str(folder / "model"), "--output", str(folder / "out.parquet")]
    tokenise.run(parser.parse_args([*words, "--manifest", str(folder / "out.json")]))
    return folder / "out.parquet"


def test_rows_keep_their_order_and_say_what_befell_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = read_table(run(tmp_path, ROWS)).to_pydict()
    assert table["id"] == ["a", "b", "c", "d", "e"]
    assert table["note"][:2] == ["", ""]
    assert table["note"][2] == "refused: no assistant turn"
    assert table["note"][3] == "cut: turns"
    assert table["note"][4] == "refused: no trained token within max_length"
    for ids, labels, n, trained in zip(
        table["input_ids"], table["labels"], table["n_tokens"], table["n_trained"], strict=True
    ):
        assert len(ids) == len(labels) == n <= 60
        assert sum(label != IGNORED for label in labels) == trained
        assert all(label in (IGNORED, token) for token, label in zip(ids, labels, strict=True))
    manifest = read_json(tmp_path / "out.json")
    assert (manifest["rows"], manifest["kept"], manifest["refused"]) == (5, 3, 2)
    assert sum(manifest["refused_by_reason"].values()) == 2
    assert (manifest["cut"], manifest["cut_within_a_turn"]) == (1, 0)
    assert manifest["trained_tokens"] == sum(table["n_trained"])
    assert capsys.readouterr().out.count("\n") == 1


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    first = run(tmp_path, ROWS).read_bytes()
    assert run(tmp_path, ROWS).read_bytes() == first


def test_a_system_prompt_opens_what_has_none(tmp_path: Path) -> None:
    form = Formatter(tiny_model.tokenizer())
    own = [{"role": "system", "content": "a tree"}, *tiny_model.chat(1)]
    rows = tokenise.tokenise(
        [conversation("a", tiny_model.chat(1)), conversation("b", own)], form, 200, "hello house"
    )
    texts = [form._backend.decode(row.input_ids, skip_special_tokens=False) for row in rows]
    assert "<|system|>\nhello house<|end|>" in texts[0]
    assert "hello house" not in texts[1].split("<|user|>")[0]
    assert rows[0].trained == rows[1].trained


def test_another_language_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BabelmixError, match="row a is in 'en', not 'de'"):
        run(tmp_path, ROWS, lang="de")


def test_an_empty_file_gives_an_empty_file(tmp_path: Path) -> None:
    assert read_table(run(tmp_path, [])).num_rows == 0


def test_a_folder_without_tokenizer_names_the_verb(tmp_path: Path) -> None:
    with pytest.raises(BabelmixError, match="prepare-model"):
        Formatter.load(tmp_path)


def test_tokenising_imports_no_torch(tmp_path: Path) -> None:
    run(tmp_path, ROWS)
    code = (
        "import sys; from babelmix.train.chat import Formatter; import babelmix.train.tokenise;"
        f"f = Formatter.load({str(tmp_path / 'model')!r});"
        "e = f.encode([{'role': 'user', 'content': 'a'}, {'role': 'assistant', 'content': 'b'}]);"
        "assert not e.note, e.note; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
