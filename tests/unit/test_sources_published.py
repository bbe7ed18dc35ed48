"""A dozen published shapes, each by its line of docs/sources.md, through fetch and normalise."""

from __future__ import annotations

import datetime
import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from tests.options import as_options

from babelmix.cli import main
from babelmix.config.sources import Source
from babelmix.io import read_json, read_records, write_json
from babelmix.records import Conversation
from babelmix.resources import ROOT
from babelmix.sources.fetch import fetch
from babelmix.specs import FetchSpec

PAGE = (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")
BLOCK = re.search(r"### A dozen published shapes.*?```yaml\n(.*?)^```$", PAGE, re.M | re.S)
assert BLOCK is not None
LINES: dict[str, dict[str, Any]] = yaml.safe_load(BLOCK[1])["sources"]


def read(
    folder: Path, given: dict[str, Any], lang: str = "en", parallel: bool = False
) -> tuple[list[Conversation], dict[str, Any]]:
    """Conversations and manifest of a source whose files lie in a folder."""
    given = dict(given)
    if "hub" in given:  # its fetch is tried in test_sources_hub.py
        given = {k: v for k, v in given.items() if k not in ("hub", "config", "split")}
        given["path"] = "data/*.parquet"
    if "path" in given:
        given["path"] = str(folder / given["path"])
    source = {"version": 1, "name": "s", "source": given}
    write_json(folder / "s.json", fetch(FetchSpec.model_validate(source), folder / "raw"))
    reading = {k: v for k, v in given.items() if k != "split"} | {"path": "x"}
    spec = {"version": 1, "dataset": "d", "lang": lang, "pivot": lang, "seed": 0, "rows": None}
    spec |= {"max_chars": None, "sources": {"s": reading}, "parallel": parallel}
    code = main(
        [
            *("normalise", *as_options(json.dumps(spec)), "--records", str(folder / "s.json")),
            *("--output", str(folder / "o.parquet"), "--manifest", str(folder / "o.json")),
        ]
    )
    assert code == 0
    return read_records(folder / "o.parquet", Conversation), read_json(folder / "o.json")


def parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)


def jsonl(path: Path, rows: list[Any]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def turns(row: Conversation) -> list[tuple[str, str]]:
    return [(m.role, m.content) for m in row.messages]


def dialogue(*texts: str) -> list[dict[str, Any]]:
    return [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(texts)]


def aya(folder: Path) -> None:
    rows = [
        {
            "inputs": f"question {n}",
            "targets": f"answer {n}",
            "language": name,
            "language_code": code,
            "annotation_type": "original-annotations",
            "user_id": "f0ff69570af705b75c5a0851883e",
        }
        for n, (name, code) in enumerate(
            [("English", "eng"), ("German", "deu"), ("Standard Arabic", "arb"), ("Thai", "tha")]
        )
    ]
    parquet(folder / "data/train-00000-of-00001.parquet", rows)
    made, manifest = read(folder, LINES["aya"], "ar")
    assert [(r.id, turns(r)) for r in made] == [
        ("ar:2", [("user", "question 2"), ("assistant", "answer 2")])
    ]
    raw = manifest["sources"]["s"]["raw"]
    assert raw == {f"language {code}": 1 for code in ("en", "de", "ar", "tha")}


def hub_split(folder: Path) -> None:
    rows = [{"messages": dialogue("q", "a"), "source": "smol-magpie"} for _ in range(3)]
    parquet(folder / "data/train-00000.parquet", rows)
    assert len(read(folder, LINES["hub-split"] | {"take": 2})[0]) == 2


def sharegpt_tools(folder: Path) -> None:
    call = {"name": "rate", "arguments": {"currency": "EUR"}}
    said = [
        ("human", "What is a euro worth?"),
        ("function_call", json.dumps(call)),
        ("observation", '{"usd": 1.1}'),
        ("gpt", "1.10 dollars."),
    ]
    row = {
        "conversations": [{"from": who, "value": text} for who, text in said],
        "tools": json.dumps([{"name": "rate", "parameters": {}}]),
    }
    (folder / "glaive_toolcall.json").write_text(json.dumps([row]))
    (made,) = read(folder, LINES["sharegpt-tools"])[0]
    assert turns(made) == [
        ("system", '<tools>\n[{"name": "rate", "parameters": {}}]\n</tools>'),
        ("user", said[0][1]),
        ("assistant", f"<tool_call>\n{said[1][1]}\n</tool_call>"),
        ("tool", said[2][1]),
        ("assistant", said[3][1]),
    ]
    assert all(m.train for m in made.messages)
    (dropped,) = read(folder, LINES["sharegpt-tools"] | {"tool_turns": "drop"})[0]
    assert turns(dropped) == [("user", said[0][1]), ("assistant", said[3][1])]


def openai(folder: Path) -> None:
    call = {"id": "c1", "type": "function"}
    call |= {"function": {"name": "rate", "arguments": '{"currency": "EUR"}'}}
    rows = [
        {
            "messages": [
                {"role": "developer", "content": "Be short."},
                {"role": "user", "content": [{"type": "text", "text": "Capital of Peru?"}]},
                {"role": "assistant", "content": "Quito.", "weight": 0},
                {"role": "user", "content": "No."},
                {"role": "assistant", "content": "Lima.", "weight": 1},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "A euro?"},
                {"role": "assistant", "content": None, "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "c1", "content": "1.1"},
                {"role": "assistant", "content": "1.10 dollars."},
            ],
            "tools": [{"type": "function", "function": {"name": "rate"}}],
            "parallel_tool_calls": False,
        },
        {"messages": [*dialogue("q"), {"role": "assistant", "content": "a", "weight": 0.5}]},
    ]
    jsonl(folder / "fine_tuning.jsonl", rows)
    (first, second), manifest = read(folder, LINES["openai"])
    assert turns(first)[:3] == [
        ("system", "Be short."),
        ("user", "Capital of Peru?"),
        ("assistant", "Quito."),
    ]
    assert [m.train for m in first.messages] == [True, True, False, True, True]
    assert [(m.role, m.train) for m in second.messages[1:]] == [
        ("user", True),
        ("assistant", False),
        ("tool", True),
        ("assistant", True),
    ]
    assert '{"name": "rate", "arguments": {"currency": "EUR"}}' in second.messages[2].content
    reason = "weight is 0.5, neither 0 nor 1 (false nor true)"
    assert manifest["left_out"] == {reason: 1}
    assert manifest["changed"] == {"turns of tools kept, not trained": 1}


def tulu(folder: Path) -> None:
    rows = [
        {"id": "ai2-adapt-dev/x_1", "messages": dialogue("q", "a"), "source": "x"},
        {"id": "ai2-adapt-dev/x_2", "messages": dialogue("q", "a", "thanks"), "source": "x"},
    ]
    parquet(folder / "tulu-3-sft-mixture/train-00000-of-00001.parquet", rows)
    made, manifest = read(folder, LINES["tulu-3"])
    assert [len(row.messages) for row in made] == [2, 2]
    assert made[0].id == "en:ai2-adapt-dev/x_1"
    assert manifest["changed"] == {"turns after the last answer trimmed": 1}


def wildchat(folder: Path) -> None:
    now = datetime.datetime(2023, 4, 9, tzinfo=datetime.UTC)

    def row(digest: str, language: str, toxic: bool = False, turn: int = 1) -> dict[str, Any]:
        about = {"language": language, "toxic": toxic, "redacted": False, "country": None}
        header = {"accept-language": "en", "user-agent": "x"}
        said = [
            t | about | {"header": header, "timestamp": now, "turn_identifier": 1}
            for t in dialogue("q", "a")
        ]
        row = {"conversation_hash": digest, "model": "gpt-4", "timestamp": now}
        moderation = [{"flagged": toxic}]
        return (
            row
            | {"conversation": said, "turn": turn, "openai_moderation": moderation}
            | {"language": language, "toxic": toxic, "redacted": False}
        )

    rows = [
        row("a", "English"),
        row("a", "English"),
        row("b", "English", toxic=True),
        row("c", "English", turn=9),
        row("d", "Chinese"),
        row("e", "Tagalog"),
    ]
    parquet(folder / "WildChat-1M/train-00000-of-00001.parquet", rows)
    made, manifest = read(folder, LINES["wildchat"])
    assert [r.id for r in made] == ["en:a"]
    assert manifest["left_out"] == {
        "id occurs again (keep_first)": 1,
        "toxic is not as `where` asks": 1,
        "turn is not as `where` asks": 1,
        "in another language": 2,
    }
    assert [r.id for r in read(folder, LINES["wildchat"], "zh")[0]] == ["zh:d"]


def guanaco(folder: Path) -> None:
    texts = [
        '### Human: Was ist 3 ### 4?### Assistant: Eine "Frage".\n\n* Punkt### Human: Danke!',
        "### Human: Hi\n### Assistant: Ho\n### Human: q\n### Assistant: a",
        "### Instruction: nothing of the kind",
    ]
    jsonl(folder / "openassistant_best_replies_train.jsonl", [{"text": t} for t in texts])
    made, manifest = read(folder, LINES["guanaco"])
    assert turns(made[0]) == [
        ("user", "Was ist 3 ### 4?"),
        ("assistant", 'Eine "Frage".\n\n* Punkt'),
    ]
    assert [content for _, content in turns(made[1])] == ["Hi", "Ho", "q", "a"]
    assert made[1].id == "en:guanaco-1"
    assert manifest["left_out"] == {"text does not open with `### Human:` or `### Assistant:`": 1}


def table(folder: Path) -> None:
    lines = [";Frage;Antwort;Bewertung", '0;"Wie geht\'s;\nalles gut?";Gut.;4,5', "1;q;a;3"]
    lines += ["2;q;a;4"]
    (folder / "faq.csv").write_text("\ufeff" + "\n".join(lines) + "\n")
    made, manifest = read(folder, LINES["table"], "de")
    assert [r.id for r in made] == ["de:2"]
    assert manifest["left_out"] == {
        "Bewertung is no number, with which `where` could compare": 1,  # 4,5
        "Bewertung is not as `where` asks": 1,
    }
    assert any("separated by ';'" in note for note in manifest["warnings"])
    assert any("first column has no name" in note for note in manifest["warnings"])


def saved(folder: Path) -> None:
    import datasets

    rows = [{"messages": dialogue(f"q{n}", "a"), "n": n} for n in range(12)]
    made = datasets.DatasetDict({"train": datasets.Dataset.from_list(rows)})
    made.save_to_disk(str(folder / "saved"))
    mapped = datasets.load_from_disk(str(folder / "saved"))["train"]
    mapped.map(lambda row: {"n": row["n"] + 1})
    assert list((folder / "saved/train").glob("cache-*.arrow"))
    found, _ = read(folder, LINES["saved"])
    assert len({r.messages[0].content for r in found}) == len(found) == 12
    pattern = {"path": "saved/train/*.arrow", "adapter": "messages", "licence": "x"}
    found, _ = read(folder, pattern)
    assert len(found) == 12
    assert "fits 1 file(s) that are no part" in read_json(folder / "s.json")["warnings"][0]


def gzip_json(folder: Path) -> None:
    rows = {"version": "1", "data": [{"messages": json.dumps(dialogue("q", "a"))}] * 3}
    text = json.dumps(rows, indent=1).encode()
    (folder / "dialogues.json.gz").write_bytes(gzip.compress(text))
    assert len(read(folder, LINES["gzip-json"])[0]) == 3


def by_column(folder: Path) -> None:
    codes = ["deu_Latn", "fr-CA", "Portuguese", "pt_BR", "German", "xx-??", None]
    struct = {"role": ["user", "assistant"], "content": ["q", "a"]}
    jsonl(folder / "all.jsonl", [{"lang": code, "messages": struct} for code in codes])
    ids = {c: [r.id for r in read(folder, LINES["by-column"], c)[0]] for c in ("de", "fr", "pt-BR")}
    assert ids == {"de": ["de:0", "de:4"], "fr": ["fr:1"], "pt-BR": ["pt-BR:3"]}


def shards(folder: Path) -> None:
    parquet(folder / "shards/0.parquet", [{"id": 1.0, "instruction": "q", "output": "a"}])
    rows = [{"id": "x", "instruction": "q", "input": float("nan"), "output": "a", "score": 3}]
    parquet(folder / "shards/1.parquet", rows)
    rows = [{"output": "a", "instruction": "q", "input": "text", "id": 2}]
    parquet(folder / "shards/2.parquet", rows)
    made, _ = read(folder, LINES["shards"])
    assert [r.id for r in made] == ["en:shard-1", "en:shard-x", "en:shard-2"]
    assert made[2].messages[0].content == "q\n\ntext"


CASES: dict[str, Callable[[Path], None]] = {
    "aya": aya,
    "hub-split": hub_split,
    "sharegpt-tools": sharegpt_tools,
    "openai": openai,
    "tulu-3": tulu,
    "wildchat": wildchat,
    "guanaco": guanaco,
    "table": table,
    "saved": saved,
    "gzip-json": gzip_json,
    "by-column": by_column,
    "shards": shards,
}


def test_every_line_of_the_page_is_tried() -> None:
    assert set(CASES) == set(LINES)
    assert len(CASES) == 12
    for given in LINES.values():
        Source.model_validate(given)


@pytest.mark.parametrize("name", CASES)
def test_shape(name: str, tmp_path: Path) -> None:
    CASES[name](tmp_path)
