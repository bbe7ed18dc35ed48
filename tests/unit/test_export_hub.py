"""What the workflow makes, handed on: datasets with cards, and uploads to a hub on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.hub import READ, WRITE, Hub

from babelmix.cli import main
from babelmix.io import write_json, write_records, write_table
from babelmix.mixtures.build import SCHEMA
from babelmix.publish.card import licence_id
from babelmix.records import Check, Conversation, Judgement, Message

ROOT = Path(__file__).parents[2]


def conversations(folder: Path, lang: str, masked: bool = False, absent: bool = False) -> Path:
    file = folder / f"d.{lang}.parquet"
    made = [
        Conversation(
            f"r{n}",
            lang,
            "d",
            "s",
            [
                Message("user", f"{lang} question {n}"),
                Message("assistant", "wrong", train=not masked),
                Message("user", "again"),
                Message("assistant", f"{lang} answer {n}"),
            ],
            checks=[Check("present", not (absent and n == 0))],
        )
        for n in range(4)
    ]
    write_records(file, made, Conversation)
    return file


def mixture(folder: Path, rows: list[tuple[str, str, str]]) -> Path:
    columns = [[r[0] for r in rows], [r[1] for r in rows], ["d"] * len(rows), [r[2] for r in rows]]
    arrays = [pa.array(c, pa.string()) for c in columns]
    write_table(folder / "m.parquet", pa.Table.from_arrays(arrays, schema=SCHEMA))
    return folder / "m.parquet"


def sources(folder: Path) -> Path:
    entry = {"name": "s", "origin": "owner/set", "version": "commit 1", "licence": "Apache-2.0"}
    entry |= {"non_commercial": False, "citation": "Somebody 2024"}
    write_json(folder / "sources.json", {"sources": [entry]})
    return folder / "sources.json"


def export(folder: Path, *more: str, masked: bool = False) -> Path:
    files = [conversations(folder, "en", masked), conversations(folder, "pt-BR", absent=True)]
    rows = [("r1", "en", "train"), ("r2", "pt-BR", "train"), ("r3", "en", "dev")]
    given = ["--mixture", str(mixture(folder, rows))] if "--pool" not in more else []
    options = [option for option in more if option != "--pool"]
    options += ["--sources", str(sources(folder)), "--folder", str(folder / "out")]
    assert not main(["export-mixture", *given, *options, "--conversations", *map(str, files)])
    return folder / "out"


def test_a_mixture_is_a_dataset_with_a_card(tmp_path: Path) -> None:
    import datasets

    out = export(tmp_path)
    made = datasets.load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
    assert {split: made[split].num_rows for split in made} == {"train": 2, "dev": 1}
    assert made["train"][1]["messages"][0]["content"] == "pt-BR question 2"
    card = (out / "README.md").read_text()
    assert "license: apache-2.0" in card
    assert "- pt\n" in card
    assert "| train | pt-BR | 1 |" in card
    assert "- s: Somebody 2024" in card


def test_a_mixture_as_a_dataset_dict(tmp_path: Path) -> None:
    import datasets

    made = datasets.load_from_disk(str(export(tmp_path, "--format", "datasets")))
    assert isinstance(made, datasets.DatasetDict)
    assert made["dev"][0]["id"] == "r3"
    assert not list((tmp_path / "out").glob(".*"))


def test_a_pool_by_language_without_rows_that_hold_a_place(tmp_path: Path, capsys: Any) -> None:
    import datasets

    made = datasets.load_from_disk(str(export(tmp_path, "--pool", "--format", "datasets")))
    assert {lang: part.num_rows for lang, part in made.items()} == {"en": 4, "pt_BR": 3}
    assert "1 rows left out, which the language lacks" in capsys.readouterr().out


def test_what_is_not_trained_stays_so(tmp_path: Path) -> None:
    """One file says which turns are context only, the other one says nothing."""
    import datasets

    out = export(tmp_path, masked=True)
    made = datasets.load_dataset(str(out), split="train", cache_dir=str(tmp_path / "cache"))
    assert [[m["train"] for m in row["messages"]] for row in made] == [
        [True, False, True, True],
        [True, True, True, True],
    ]


def test_licences_by_the_hubs_names() -> None:
    assert licence_id(["Apache-2.0", "apache 2.0"]) == "apache-2.0"
    assert licence_id(["CC BY-NC 4.0"]) == "cc-by-nc-4.0"
    assert licence_id(["CC BY-NC 4.0", "MIT"]) == "other"
    assert licence_id(["our own"]) == "other"


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as server:
        yield server


def push(
    server: Hub, home: Path, kind: str, folder: Path, *more: str, token: str = WRITE
) -> tuple[int, str]:
    place = {"HF_ENDPOINT": server.endpoint, "HF_HOME": str(home), "HF_TOKEN": token}
    # hf_xet speaks to a service of its own; the LFS protocol is the hub's.
    place |= {"HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "babelmix", "push-to-hub", "--kind", kind),
            *("--folder", str(folder), "--repo", "writer/made", *more),
        ],
        env=os.environ | place | {"PYTHONPATH": str(ROOT / "workflow")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_dataset_goes_to_the_hub_and_comes_back(hub: Hub, tmp_path: Path) -> None:
    code, said = push(hub, tmp_path / "home", "dataset", export(tmp_path))
    assert code == 0, said
    assert hub.repos["datasets", "writer/made"].private
    assert WRITE not in said
    script = "import datasets; d = datasets.load_dataset('writer/made'); "
    script += "print({s: d[s].num_rows for s in d}, d['train'][0]['messages'][0]['content'])"
    place = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "back"), "HF_TOKEN": READ}
    back = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | place | {"HF_HUB_OFFLINE": "0"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert back.stdout == "{'train': 2, 'dev': 1} en question 1\n", back.stderr


def test_a_checkpoint(hub: Hub, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    (folder / "state").mkdir(parents=True)
    for name in ("model.safetensors", "config.json", "README.md", "state/optimizer.pt", ".x.tmp"):
        (folder / name).write_bytes(b"{}")
    code, said = push(hub, tmp_path / "home", "model", folder, "--public")
    assert code == 0, said
    files = set(hub.files("models", "writer/made"))
    assert files == {".gitattributes", "model.safetensors", "config.json", "README.md"}
    assert not hub.repos["models", "writer/made"].private


def judgements(folder: Path) -> Path:
    rows = [
        Judgement("k", "1", "de", "c", 1, "r", "", "p", "", "j", 7.0, None, None, "raw", 1, 1, 0.0)
    ]
    write_records(folder / "judgements" / "single" / "r.parquet", rows, Judgement)
    (folder / "judgements" / "single" / "r.journal.jsonl").write_text("{}")
    return folder / "judgements"


def test_judgements(hub: Hub, tmp_path: Path) -> None:
    code, said = push(hub, tmp_path / "home", "judgements", judgements(tmp_path))
    assert code == 0, said
    files = hub.files("datasets", "writer/made")
    assert set(files) == {".gitattributes", "README.md", "single/r.parquet"}
    assert b"| single | de | 1 |" in files["README.md"]


def test_who_may_not_write_is_told(hub: Hub, tmp_path: Path) -> None:
    out = export(tmp_path)
    code, said = push(hub, tmp_path / "home", "dataset", out, token=READ)
    assert (code, "may not write to writer/made (HTTP 403)" in said) == (2, True), said
    assert READ not in said
    code, said = push(hub, tmp_path / "home", "dataset", out, token="")
    assert (code, "HF_TOKEN holds no token" in said) == (2, True), said


@pytest.mark.parametrize(
    ("kind", "said"),
    [("dataset", "has no card"), ("model", "holds no weights"), ("judgements", "no judgements")],
)
def test_a_folder_of_something_else(kind: str, said: str, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "x.txt").write_text("x")
    assert main(["push-to-hub", "--kind", kind, "--folder", str(tmp_path), "--repo", "a/b"]) == 2
    assert said in capsys.readouterr().err
