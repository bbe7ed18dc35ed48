"""Shapes that people find on the hub: read as they are meant, or refused with what reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from test_sources_published import jsonl, parquet, read, turns

from babelmix.config.sources import Source
from babelmix.errors import BabelmixError
from babelmix.plan.quantities import _measure

Q, A = "How far is the moon?", "About 384,400 km."
PAIR = [("user", Q), ("assistant", A)]


def messages(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"role": role, "content": text} for role, text in pairs]


CAPYBARA = {"source": "Airoboros", "conversation": [{"input": Q, "output": A}] * 2}
TRL = {"prompt": messages(PAIR[0]), "completion": messages(PAIR[1])}
CHOSEN = {"chosen": messages(*PAIR), "rejected": messages(PAIR[0], ("assistant", "No."))}
PREFERENCE = {
    "prompt": messages(("system", "Be brief."), PAIR[0]),
    "chosen": messages(PAIR[1]),
    "rejected": messages(("assistant", "No.")),
}
ULTRAFEEDBACK = CHOSEN | {"prompt": Q, "score_chosen": 8.5}
BING = {"id": "b", "conversations": [{"from": "user", "value": Q}, {"from": "bing", "value": A}]}

HH = {
    "chosen": f"\n\nHuman: {Q}\n\nAssistant: {A}",
    "rejected": f"\n\nHuman: {Q}\n\nAssistant: No.",
}

#: name -> (adapter, row, its turns)
READ: dict[str, tuple[str, dict[str, Any], list[tuple[str, str]]]] = {
    "capybara": ("messages", CAPYBARA, PAIR * 2),
    "capybara as sharegpt": ("sharegpt", CAPYBARA, PAIR * 2),
    "trl": ("messages", TRL, PAIR),
    "preference, whole dialogues": ("messages", CHOSEN, PAIR),
    "preference with a prompt": ("messages", PREFERENCE, [("system", "Be brief."), *PAIR]),
    "ultrafeedback": ("messages", ULTRAFEEDBACK, PAIR),
    "hh-rlhf": ("messages", HH, PAIR),
    "no robots": ("messages", {"prompt": Q, "messages": messages(*PAIR)}, PAIR),
    "prompt as text": ("messages", PREFERENCE | {"prompt": Q}, PAIR),
    "bing": ("sharegpt", BING, PAIR),
    "dolly": ("alpaca", {"instruction": Q, "context": "", "response": A}, PAIR),
    "without context": ("alpaca", {"instruction": Q, "response": A}, PAIR),
}


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_read(name: str, kind: str, tmp_path: Path) -> None:
    adapter, row, expected = READ[name]
    {"jsonl": jsonl, "parquet": parquet}[kind](tmp_path / f"rows.{kind}", [row])
    found, manifest = read(
        tmp_path, {"path": f"rows.{kind}", "adapter": adapter, "licence": "x", "id_prefix": "r"}
    )
    assert [turns(one) for one in found] == [expected]
    changed = {"the chosen answer taken, the rejected one not read": 1}
    assert manifest["changed"] == (changed if "chosen" in row else {})
    unread = set(manifest["sources"]["s"]["columns_not_read"])
    of_row = {"source", "rejected", "score_chosen"} & set(row)
    assert unread == (of_row | ({"prompt"} if name == "no robots" else set()))


#: name -> (adapter that somebody might take, row, what the error says instead)
REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "question": ("alpaca", {"question": Q, "answer": A}, "prompt: question, answer: answer"),
    "squad": (
        "alpaca",
        {"question": Q, "context": "The moon …", "answer": A},
        "prompt: [question, context], answer: answer",
    ),
    "query": ("messages", {"query": Q, "answer": A}, "prompt: query, answer: answer"),
    "xp3": ("alpaca", {"inputs": Q, "targets": A}, "prompt: inputs, answer: targets"),
    "openai legacy": (
        "messages",
        {"prompt": Q, "completion": A},
        "prompt: prompt, answer: completion",
    ),
    "orca pairs": (
        "messages",
        {"system": "s", "question": Q, "chosen": A, "rejected": "No."},
        "prompt: question, answer: chosen, system: system",
    ),
    "messages as alpaca": ("alpaca", {"messages": messages(*PAIR)}, "`adapter: messages`"),
    "messages as sharegpt": ("sharegpt", {"messages": messages(*PAIR)}, "`adapter: messages`"),
    "guanaco": ("alpaca", {"text": f"### Human: {Q}### Assistant: {A}"}, "`adapter: guanaco`"),
    "alpaca as messages": (
        "messages",
        {"instruction": Q, "input": "", "output": A},
        "prompt: [instruction, input], answer: output",
    ),
    "open orca": (
        "alpaca",
        {"id": "niv.1", "system_prompt": "s", "question": Q, "response": A},
        "prompt: question, answer: response, system: system_prompt",
    ),
    "metamath": ("messages", {"query": Q, "response": A}, "prompt: query, answer: response"),
    "oasst": ("messages", {"message_id": "1", "parent_id": None, "text": Q}, "`adapter: oasst`"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_what_reads_it(name: str, tmp_path: Path) -> None:
    adapter, row, remedy = REFUSED[name]
    jsonl(tmp_path / "rows.jsonl", [row])
    source = {"path": str(tmp_path / "rows.jsonl"), "adapter": adapter, "licence": "x"}
    text = Source.model_validate(source).model_dump_json()
    with pytest.raises(BabelmixError, match="Rows like that are read by") as error:
        _measure(text, source["path"], "en", False)  # as `plan` meets the file
    assert remedy in str(error.value)
    if name == "oasst":
        return
    said = str(error.value).partition("are read by ")[2].rstrip(".").replace("`", "")
    setting = yaml.safe_load("{" + said.replace(" with ", ", ") + "}")
    found, _ = read(tmp_path, {"path": "rows.jsonl", "licence": "x"} | setting)
    asked = [(role, text) for role, text in turns(found[0]) if role != "system"]
    assert asked[0][1].startswith(Q)
    assert asked[-1] == PAIR[1]


def test_alpaca_rows_without_an_answer_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = [{"instruction": Q, "input": None, "output": out} for out in (A, None, "")]
    jsonl(tmp_path / "rows.jsonl", rows)
    found, manifest = read(tmp_path, {"path": "rows.jsonl", "adapter": "alpaca", "licence": "x"})
    assert [turns(one) for one in found] == [PAIR]
    assert manifest["left_out"] == {"output is missing": 1, "output is empty": 1}


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_table_of_alpacas_and_dollys_rows(kind: str, tmp_path: Path) -> None:
    """Concatenated, each kind has the other's columns as null."""
    blank = dict.fromkeys(("input", "output", "context", "response"))
    rows = [
        {"instruction": Q} | blank | {"input": "Earth", "output": A},
        {"instruction": Q} | blank | {"context": "Mars", "response": A},
        {"instruction": Q} | blank,
    ]
    {"jsonl": jsonl, "parquet": parquet}[kind](tmp_path / f"rows.{kind}", rows)
    found, manifest = read(tmp_path, {"path": f"rows.{kind}", "adapter": "alpaca", "licence": "x"})
    assert [row.messages[0].content for row in found] == [f"{Q}\n\nEarth", f"{Q}\n\nMars"]
    assert manifest["left_out"] == {"output is missing": 1}
    assert manifest["sources"]["s"]["columns_not_read"] == []


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_columns_that_nothing_reads_are_named_once(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"messages": messages(*PAIR), "topic": "space", "annotator": n} for n in range(3)]
    rows = [row | {"conversations": [{"from": "human", "value": Q}]} for row in rows]
    {"jsonl": jsonl, "parquet": parquet}[kind](tmp_path / f"rows.{kind}", rows)
    _, manifest = read(tmp_path, {"path": f"rows.{kind}", "adapter": "messages", "licence": "x"})
    unread = manifest["sources"]["s"]["columns_not_read"]
    assert sorted(unread) == ["annotator", "conversations", "topic"]
    said = capsys.readouterr()
    assert said.out.count("columns not read") == 1
    assert f"source 's': columns not read: {', '.join(unread)}" in said.out
    assert said.err == ""


def test_many_columns_that_nothing_reads_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"instruction": Q, "output": A} | {f"score_{n:02}": n for n in range(33)}
    jsonl(tmp_path / "rows.jsonl", [row])
    _, manifest = read(tmp_path, {"path": "rows.jsonl", "adapter": "alpaca", "licence": "x"})
    assert len(manifest["sources"]["s"]["columns_not_read"]) == 33
    assert "score_19, and 13 more\n" in capsys.readouterr().out


def test_a_map_reads_what_it_names(tmp_path: Path) -> None:
    row = {"id": "7", "meta": {"lang": "en"}, "q": Q, "a": A, "note": ""}
    jsonl(tmp_path / "rows.jsonl", [row])
    given = {"adapter": "fields", "fields": {"prompt": "q", "answer": "a"}, "licence": "x"}
    given["fields"]["where"] = {"meta.lang": "en"}  # type: ignore[index]
    _, manifest = read(tmp_path, given | {"path": "rows.jsonl"})
    assert manifest["sources"]["s"]["columns_not_read"] == ["id", "note"]


WEIGHTS: list[tuple[dict[str, Any], str]] = [
    ({"weight": 1}, ""),
    ({"weight": 1.0}, ""),
    ({"train": True}, ""),
    ({"weight": None}, ""),
    ({"weight": 0}, "row is not to be trained on (weight 0, train: false)"),
    ({"weight": "0"}, "row is not to be trained on (weight 0, train: false)"),
    ({"train": False}, "row is not to be trained on (weight 0, train: false)"),
    ({"train": "False"}, "row is not to be trained on (weight 0, train: false)"),
    ({"weight": 0.5}, "weight of the row is 0.5, neither 0 nor 1 (false nor true)"),
    ({"weight": -1.0}, "weight of the row is -1.0, neither 0 nor 1 (false nor true)"),
    ({"train": "no"}, "train of the row is 'no', neither 0 nor 1 (false nor true)"),
]


@pytest.mark.parametrize(("beside", "reason"), WEIGHTS, ids=str)
@pytest.mark.parametrize("shape", ["messages", "alpaca"])
def test_a_row_that_is_not_trained_on_is_left_out(
    shape: str, beside: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    plain = {
        "messages": {"messages": messages(*PAIR)},
        "alpaca": {"instruction": Q, "input": "", "output": A},
    }[shape]
    jsonl(tmp_path / "rows.jsonl", [plain | beside, plain])
    found, manifest = read(tmp_path, {"path": "rows.jsonl", "adapter": shape, "licence": "x"})
    assert len(found) == (1 if reason else 2)
    assert manifest["left_out"] == ({reason: 1} if reason else {})
    assert manifest["sources"]["s"]["columns_not_read"] == []


def test_a_weight_in_a_column_of_parquet_is_read(tmp_path: Path) -> None:
    rows = [{"messages": messages(*PAIR), "weight": n % 2} for n in range(4)]
    parquet(tmp_path / "rows.parquet", rows)
    found, manifest = read(
        tmp_path, {"path": "rows.parquet", "adapter": "messages", "licence": "x"}
    )
    assert (len(found), manifest["kept"], sum(manifest["left_out"].values())) == (2, 2, 2)


def test_a_map_of_fields_says_itself_what_it_reads(tmp_path: Path) -> None:
    rows = [{"animal": Q, "answer": A, "weight": 72}]
    jsonl(tmp_path / "rows.jsonl", rows)
    given = {"adapter": "fields", "fields": {"prompt": "animal", "answer": "answer"}}
    found, manifest = read(tmp_path, given | {"path": "rows.jsonl", "licence": "x"})
    assert len(found) == 1
    assert manifest["sources"]["s"]["columns_not_read"] == ["weight"]
