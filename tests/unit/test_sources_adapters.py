"""Raw shapes -> conversations and questions; what is left out is counted."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from babelmix.config.sources import Source
from babelmix.errors import BabelmixError
from babelmix.sources.adapters import Parsed, conversations
from babelmix.sources.questions import questions


def source(adapter: str, **more: Any) -> Source:
    return Source(adapter=adapter, path="x.json", licence="CC0", **more)  # type: ignore[arg-type]


def parse(adapter: str, rows: list[Any], lang: str = "en", **more: Any) -> Parsed:
    return conversations(rows, source(adapter, **more), "s", lang, "d", "x.json")


def turns(parsed: Parsed) -> list[list[tuple[str, str]]]:
    return [[(m.role, m.content) for m in row.messages] for row in parsed.rows]


def test_lima_release_shape() -> None:
    parsed = parse(
        "lima", [{"conversations": ["q", "a", "q2", "a2"], "source": "x"}], id_prefix="l-"
    )
    assert turns(parsed) == [
        [("user", "q"), ("assistant", "a"), ("user", "q2"), ("assistant", "a2")]
    ]
    assert parsed.rows[0].id == "l-0"


def test_lima_history_comes_first() -> None:
    row = {"instruction": "q3", "input": "", "output": "a3", "history": [["q", "a"], ["q2", "a2"]]}
    contents = [m.content for m in parse("lima", [row]).rows[0].messages]
    assert contents == ["q", "a", "q2", "a2", "q3", "a3"]


def test_lima_single_turn_only() -> None:
    rows = [{"conversations": ["q", "a"]}, {"conversations": ["q", "a", "q", "a"]}]
    parsed = parse("lima", rows, single_turn_only=True)
    assert len(parsed.rows) == 1
    assert parsed.left_out == {"more than one turn pair": 1}


def test_alpaca_joins_input_by_a_blank_line_and_keeps_ids() -> None:
    rows = [
        {"instruction": "Sum up.", "input": "Text.", "output": "T.", "id": "alpaca-107"},
        {"instruction": "Hi", "input": None, "output": "Hello", "category": "chat"},
        {"instruction": "Ho", "output": " Hello\n"},
    ]
    parsed = parse("alpaca", rows, id_prefix="row-")
    assert [r.id for r in parsed.rows] == ["row-alpaca-107", "row-1", "row-2"]
    assert parsed.rows[0].messages[0].content == "Sum up.\n\nText."
    assert parsed.rows[2].messages[1].content == " Hello\n"


def test_dollys_own_columns() -> None:
    rows = [
        {
            "instruction": "When?",
            "context": "In 1998.",
            "response": "1998",
            "category": "closed_qa",
        },
        {"instruction": "Hi", "context": "", "response": "Ho", "category": "open_qa"},
        {"instruction": "Hi", "context": "", "response": "", "category": "open_qa"},
    ]
    parsed = parse("alpaca", rows)
    assert turns(parsed) == [
        [("user", "When?\n\nIn 1998."), ("assistant", "1998")],
        [("user", "Hi"), ("assistant", "Ho")],
    ]
    assert parsed.left_out == {"response is empty": 1}


def test_sharegpt() -> None:
    def said(*pairs: tuple[str, str], **more: Any) -> dict[str, Any]:
        return {"conversations": [{"from": f, "value": v} for f, v in pairs]} | more

    rows = [
        said(("human", "q"), ("gpt", "a"), id="x"),
        said(("human", "q"), ("gpt", "a"), system="s"),
        {"items": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]},
        said(("gpt", "a"), ("human", "q")),
        said(("human", "q"), ("narrator", "a")),
        said(("human", "q"), ("gpt", "")),
        {"text": "q"},
    ]
    parsed = parse("sharegpt", rows, id_prefix="r")
    assert [r.id for r in parsed.rows] == ["rx", "r1", "r2"]
    assert turns(parsed)[1] == [("system", "s"), ("user", "q"), ("assistant", "a")]
    assert parsed.left_out == {
        "roles do not alternate between user and assistant": 1,
        "role is not user or assistant (or system, in the first place)": 1,
        "turn is empty": 1,
        "conversations is missing": 1,
    }


def test_lima_turns_with_speakers() -> None:
    row = {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}
    assert turns(parse("lima", [row])) == [[("user", "q"), ("assistant", "a")]]


def test_null_columns_of_a_table_of_two_forms() -> None:
    pair = [{"from": None, "role": r, "value": None, "content": r} for r in ("user", "assistant")]
    assert turns(parse("sharegpt", [{"conversations": None, "items": pair}])) == [
        [("user", "user"), ("assistant", "assistant")]
    ]
    row = {"conversations": None, "instruction": "q", "output": "a", "history": None, "system": "s"}
    assert turns(parse("lima", [row])) == [[("system", "s"), ("user", "q"), ("assistant", "a")]]


def test_bad_rows_are_counted_and_row_numbers_stay() -> None:
    good = {"instruction": "q", "output": "a"}
    rows = [
        {"instruction": "q", "output": " "},
        {"instruction": 3, "output": "a"},
        {"output": "a"},
        "text",
        {"instruction": "q", "input": ["x"], "output": "a"},
        {"instruction": "q\ud800", "output": "a"},
        {**good, "id": True},
        good,
    ]
    parsed = parse("alpaca", rows, id_prefix="r")
    assert [r.id for r in parsed.rows] == ["r7"]
    assert parsed.left_out == {
        "output is empty": 1,
        "instruction is not text": 1,
        "instruction is missing": 1,
        "row is not an object": 1,
        "input is not text": 1,
        "instruction holds broken Unicode": 1,
        "id is neither text nor a number": 1,
    }
    assert parsed.examples["row is not an object"] == [3]
    assert parsed.read == len(parsed.rows) + parsed.left_out.total()


def test_messages_roles() -> None:
    def m(*pairs: tuple[str, str]) -> dict[str, Any]:
        return {"messages": [{"role": r, "content": c} for r, c in pairs]}

    rows = [
        m(("system", "s"), ("user", "q"), ("assistant", "a")),
        m(("user", "q")),
        m(("assistant", "a"), ("user", "q")),
        m(("user", "q"), ("system", "s")),
        m(("system", "s")),
        {"messages": []},
        {"messages": "q"},
    ]
    parsed = parse("messages", rows)
    assert len(parsed.rows) == 1
    assert parsed.left_out == {
        "odd number of turns": 2,
        "roles do not alternate between user and assistant": 1,
        "role is not user or assistant (or system, in the first place)": 1,
        "messages is not a list of objects": 2,
    }


def test_parallel_takes_one_language() -> None:
    row = {
        "id": "p1",
        "category": "writing",
        "turns": [
            {"role": "user", "en": "Hi", "de": "Hallo"},
            {"role": "assistant", "en": "Ho", "de": "Na"},
        ],
    }
    rows = [row, {"id": "p2", "turns": [{"role": "user", "en": "q"}, {"role": "assistant"}]}]
    assert turns(parse("parallel", rows, "de")) == [[("user", "Hallo"), ("assistant", "Na")]]
    assert parse("parallel", rows, "de").left_out == {"turn in de is missing": 1}
    assert parse("parallel", rows, "de").bad_ids == {"p2": "turn in de is missing"}


def oasst(message_id: str, parent: str | None, **more: Any) -> dict[str, Any]:
    role = "prompter" if parent is None else "assistant"
    row = {"message_id": message_id, "parent_id": parent, "text": f"t-{message_id}", "role": role}
    return row | {"lang": "en", "rank": None, "deleted": False} | more


def test_oasst_takes_the_answer_of_rank_0() -> None:
    rows = [
        oasst("b", "a", rank=1),
        oasst("a", None),
        oasst("c", "a", rank=0),
        oasst("d", "c", role="prompter"),
        oasst("e", None),
        oasst("f", "e", rank=0, deleted=True),
        oasst("g", None, lang="es"),
        oasst("h", None, deleted=True),
    ]
    parsed = parse("oasst", rows)
    assert turns(parsed) == [[("user", "t-a"), ("assistant", "t-c")]]
    assert parsed.rows[0].id == "a"
    assert parsed.read == 4
    assert parsed.left_out == {
        "no answer of rank 0 in en": 1,
        "first message is not in en": 1,
        "first message was deleted": 1,
    }


def test_alpaca_eval_excludes_subsets() -> None:
    rows = [{"dataset": "koala", "instruction": "q"}, {"dataset": "oasst", "instruction": "r"}]
    parsed = parse("alpaca_eval", rows, exclude_subsets=["oasst"])
    assert turns(parsed) == [[("user", "q")]]
    assert parsed.left_out == {"subset oasst is excluded": 1}
    with pytest.raises(BabelmixError, match=r"unknown subset 'oaast'. Did you mean 'oasst'"):
        parse("alpaca_eval", rows, exclude_subsets=["oaast"])


def test_duplicate_ids_are_named() -> None:
    row = {"instruction": "q", "output": "a"}
    with pytest.raises(BabelmixError, match="1 id\\(s\\) occur more than once: 7\\."):
        parse("alpaca", [{**row, "id": 7}, {**row, "id": "7"}, row])


def test_wrong_adapter_is_an_error() -> None:
    with pytest.raises(BabelmixError, match="no usable row for adapter `messages`"):
        parse("messages", [{"instruction": "q"}])
    with pytest.raises(BabelmixError, match="the file is empty"):
        parse("messages", [])
    with pytest.raises(BabelmixError, match="holds questions"):
        parse("mt_bench", [])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "messages", "role", "content", "turns", "en", "conversations", "output"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(
    st.sampled_from(["lima", "alpaca", "messages", "sharegpt", "parallel", "oasst", "alpaca_eval"]),
    st.lists(json_values, max_size=4),
)
def test_no_row_is_lost_whatever_it_holds(adapter: str, rows: list[Any]) -> None:
    try:
        parsed = parse(adapter, rows)
    except BabelmixError:
        return
    assert parsed.read == len(parsed.rows) + parsed.left_out.total()


def ask(adapter: str, rows: list[Any], lang: str = "en", references: Any = None) -> list[Any]:
    return questions(rows, references, source(adapter), lang, "q.jsonl")


def test_mt_bench_x_ids_and_references() -> None:
    rows = [
        {"question_id": "81_DE", "category": "writing", "turns": ["a", "b"], "reference": ["", ""]},
        {"question_id": "101_DE", "category": "math", "turns": ["c", "d"]},
    ]
    references = [{"question_id": "101_DE", "choices": [{"index": 0, "turns": ["r1", "r2"]}]}]
    first, second = ask("mt_bench_x", rows, "de", references)
    assert (first.question_id, first.reference) == ("81", [])
    assert (second.question_id, second.reference) == ("101", ["r1", "r2"])


def test_mt_bench_number_ids_and_own_references() -> None:
    row = {"question_id": 101, "category": "math", "turns": ["a", "b"], "reference": ["r", "s"]}
    assert ask("mt_bench", [row])[0].reference == ["r", "s"]
    assert ask("mt_bench", [row])[0].question_id == "101"


def test_parallel_questions() -> None:
    row = {
        "question_id": "q01",
        "category": "writing",
        "turns": [{"en": "a", "de": "b"}],
        "reference": [{"en": "r", "de": "s"}],
    }
    question = ask("parallel", [row], "de")[0]
    assert (question.turns, question.reference) == (["b"], ["s"])
    with pytest.raises(BabelmixError, match=r"q\.jsonl: row 1: turn in fr is missing"):
        ask("parallel", [row], "fr")


@pytest.mark.parametrize(
    ("row", "references", "said"),
    [
        ({"question_id": 1, "category": "c", "turns": []}, None, "turns is not a list"),
        ({"question_id": None, "category": "c", "turns": ["a"]}, None, "question_id is neither"),
        (
            {"question_id": 1, "category": "c", "turns": ["a"], "reference": ["r", "s"]},
            None,
            "2 references for 1 turns",
        ),
        (
            {"question_id": 1, "category": "c", "turns": ["a"]},
            [{"question_id": 2, "choices": [{"turns": ["r"]}]}],
            "references for unknown questions: 2",
        ),
        (
            {"question_id": 1, "category": "c", "turns": ["a"]},
            [{"question_id": 1, "choices": []}],
            "row 1 of reference_answer/gpt-4.jsonl beside it: choices is not a list of objects",
        ),
        (
            {"question_id": 1, "category": "c", "turns": ["a", "b"]},
            [{"question_id": 1, "choices": [{"turns": "rs"}]}],
            "choices.0.turns is not a list",
        ),
        (
            {"question_id": 1, "category": "c", "turns": ["a", "b"]},
            [{"question_id": 1, "choices": [{"turns": ["r"]}]}],
            "row 1: 1 references for 2 turns",
        ),
        (
            {"question_id": 1, "category": "c", "turns": ["a"]},
            [{"question_id": i, "choices": [{"turns": ["r"]}]} for i in (1, "1_EN")],
            "1 id(s) occur more than once",
        ),
    ],
)
def test_bad_benchmark_rows_are_errors(row: Any, references: Any, said: str) -> None:
    with pytest.raises(BabelmixError) as error:
        ask("mt_bench", [row], "en", references)
    assert said in str(error.value)


def test_a_dataset_is_no_benchmark() -> None:
    with pytest.raises(BabelmixError, match="holds no benchmark questions"):
        ask("alpaca", [])
