"""What a file holds and a row's reader does not use: trained as asked, counted, or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from babelmix.config.sources import Source
from babelmix.errors import BabelmixError
from babelmix.files.readers import iter_rows
from babelmix.sources.adapters import Parsed, conversations

PAIR = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]


def parse(adapter: str, rows: list[Any], **more: Any) -> Parsed:
    given = {"adapter": adapter, "path": "x", "licence": "x"} | more
    return conversations(rows, Source.model_validate(given), "s", "en", "d", "x.json")


def said(parsed: Parsed) -> list[list[tuple[str, str, bool]]]:
    return [[(m.role, m.content, m.train) for m in row.messages] for row in parsed.rows]


@pytest.mark.parametrize("key", ["weight", "train", "training", "loss"])
def test_every_known_mask_is_honoured(key: str) -> None:
    turns = [PAIR[0], PAIR[1] | {key: False}, *PAIR]
    assert [m.train for m in parse("messages", [{"messages": turns}]).rows[0].messages] == [
        True,
        False,
        True,
        True,
    ]


@pytest.mark.parametrize("key", ["mask", "trainable", "loss_weight", "loss_scale", "train_detail"])
def test_a_mask_that_is_not_known_leaves_the_row_out(key: str) -> None:
    odd = [PAIR[0], PAIR[1] | {key: 0}]
    parsed = parse("messages", [{"messages": odd}, {"messages": PAIR}])
    assert parsed.usable == 1
    (reason,) = parsed.left_out
    assert reason.startswith(f"{key}: ")


def test_the_parallel_shape_honours_masks() -> None:
    turns = [{"role": r, "en": t} for r, t in (("user", "q"), ("assistant", "wrong"))]
    turns[1]["train"] = False  # type: ignore[assignment]
    turns += [{"role": "user", "en": "q2"}, {"role": "assistant", "en": "right"}]
    parsed = parse("parallel", [{"id": "a", "turns": turns}])
    assert [m.train for m in parsed.rows[0].messages] == [True, False, True, True]


def test_alpaca_rows_keep_their_history_and_system_prompt() -> None:
    row = {"instruction": "q2", "input": "", "output": "a2", "system": "Be kind."}
    row |= {"history": [["q1", "a1"]]}
    expected = [("system", "Be kind."), ("user", "q1"), ("assistant", "a1")]
    expected += [("user", "q2"), ("assistant", "a2")]
    for adapter in ("alpaca", "lima"):
        (turns,) = said(parse(adapter, [row]))
        assert [turn[:2] for turn in turns] == expected


@pytest.mark.parametrize("key", ["system", "system_prompt"])
def test_a_system_prompt_beside_the_turns_is_kept_or_counted(key: str) -> None:
    own = [{"role": "system", "content": "Inner."}, *PAIR]
    rows = [{key: "Outer.", "messages": PAIR}, {key: "Outer.", "messages": own}]
    parsed = parse("messages", rows)
    assert [turns[0][:2] for turns in said(parsed)] == [("system", "Outer."), ("system", "Inner.")]
    assert dict(parsed.changed) == {"system prompt beside the turns not kept: they have one": 1}


def test_an_empty_system_turn_costs_no_row_and_is_counted() -> None:
    parsed = parse("messages", [{"messages": [{"role": "system", "content": " "}, *PAIR]}])
    assert [turn[0] for turn in said(parsed)[0]] == ["user", "assistant"]
    assert parsed.changed["empty system turn left out"] == 1


def test_reasoning_that_is_not_kept_is_counted() -> None:
    rows = [{"messages": [PAIR[0], PAIR[1] | {"reasoning_content": "Hm."}]}, {"messages": PAIR}]
    assert parse("messages", rows).changed["reasoning beside an answer not kept"] == 1


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"prompt": "q", "answer": "a", "system": "sys_prompt"}, "sys_prompt"),
        ({"prompt": ["q", "contxt"], "answer": "a"}, "contxt"),
    ],
)
def test_a_path_that_no_row_has_is_refused(fields: dict[str, Any], path: str) -> None:
    rows = [{"q": "q", "a": "a", "system_prompt": "s", "context": "c"}] * 2
    with pytest.raises(BabelmixError, match=rf"sources\.s\.fields: no row .* has {path}\."):
        parse("fields", rows, fields=fields)
    assert parse("fields", [*rows, {"q": "q", "a": "a", path: None}], fields=fields).usable == 3


def test_a_language_column_that_no_row_has_is_said() -> None:
    with pytest.raises(BabelmixError, match=r"`language_column: lang` holds nothing: no row has"):
        parse("messages", [{"messages": PAIR}], language_column="lang", languages=["en"])


def test_lists_beside_the_rows_are_said(tmp_path: Path) -> None:
    row = {"messages": PAIR}
    file = tmp_path / "x.json"
    for indent in (None, 1):
        notes: list[str] = []
        file.write_text(json.dumps({"train": [row], "test": [row, row]}, indent=indent))
        assert list(iter_rows(file, notes=notes)) == [row]
        assert notes == [f"{file}: its rows are read from `train`; not read: `test` (2 items)"]
