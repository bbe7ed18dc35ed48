"""OpenAssistant's exports: which messages make a thread, by each rule."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from babelmix.config.sources import Source
from babelmix.errors import BabelmixError
from babelmix.sources.adapters import Parsed, conversations


def parse(rows: list[Any], threads: str = "first_turn", lang: str = "en") -> Parsed:
    source = Source(adapter="oasst", path="x", licence="CC0", threads=threads)  # type: ignore[arg-type]
    return conversations(rows, source, "s", lang, "d", "x.jsonl")


def message(name: str, parent: str | None, depth: int, **more: Any) -> dict[str, Any]:
    role = "assistant" if depth % 2 else "prompter"
    row = {"message_id": name, "parent_id": parent, "text": f"t-{name}", "role": role}
    return row | {"lang": "en", "rank": None, "deleted": False} | more


#: a -> b (rank 1), c (rank 0), d (unranked); c -> e, f (deleted); e -> g (unranked), h (rank 0)
TREE = [
    message("a", None, 0),
    message("d", "a", 1),
    message("b", "a", 1, rank=1),
    message("c", "a", 1, rank=0),
    message("e", "c", 2),
    message("f", "c", 2, deleted=True),
    message("g", "e", 3),
    message("h", "e", 3, rank=0),
    message("i", "h", 4),
]


def texts(parsed: Parsed) -> list[str]:
    return ["".join(m.content.removeprefix("t-") for m in row.messages) for row in parsed.rows]


def nested(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same trees as the tree export writes them."""
    nodes = {r["message_id"]: {**r, "replies": []} for r in rows}
    for r in rows:
        if r["parent_id"] is not None:
            nodes[r["parent_id"]]["replies"].append(nodes[r["message_id"]])
    roots = [nodes[r["message_id"]] for r in rows if r["parent_id"] is None]
    return [{"message_tree_id": r["message_id"], "prompt": r} for r in roots]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("first_turn", ["ac"]),
        ("best_path", ["aceh"]),
        ("all_paths", ["aceh", "aceg", "ab", "ad"]),
    ],
)
def test_both_exports_give_the_same_threads(rule: str, expected: list[str]) -> None:
    assert texts(parse(TREE, rule)) == expected
    assert texts(parse(nested(TREE), rule)) == expected


def test_ids_are_those_of_messages() -> None:
    assert [r.id for r in parse(TREE, "best_path").rows] == ["a"]
    assert [r.id for r in parse(TREE, "all_paths").rows] == ["h", "g", "b", "d"]


def test_the_rank_may_be_a_number_with_a_fraction() -> None:
    rows = [message("a", None, 0, rank=float("nan")), message("b", "a", 1, rank=0.0)]
    assert texts(parse(rows)) == ["ab"]


def test_several_answers_of_rank_0_are_no_choice() -> None:
    twice = [message("x", None, 0), message("y", "x", 1, rank=0), message("z", "x", 1, rank=0)]
    assert parse([*TREE, *twice]).left_out == {"several answers of rank 0": 1}


def test_other_languages_and_lonely_questions_are_counted() -> None:
    rows = [*TREE, message("x", None, 0, lang="es"), message("y", None, 0)]
    parsed = parse(rows, "all_paths")
    assert parsed.left_out == {"first message is not in en": 1, "no thread in en": 1}
    assert parse(rows, "best_path").left_out["no answer in en"] == 1


def test_messages_without_their_parent_are_counted() -> None:
    rows = [*TREE, message("y", "gone", 1, rank=0), message("z", "y", 2)]
    assert parse(rows).raw == {"messages": 11, "trees": 1, "without_parent": 2}
    assert parse(nested(TREE)).raw == {"messages": 9, "trees": 1, "without_parent": 0}


def test_a_message_that_stands_twice_is_an_error() -> None:
    with pytest.raises(BabelmixError, match=r"x\.jsonl: 1 message id\(s\) occur more than once: b"):
        parse([*TREE, message("b", "a", 1)])


trees = st.lists(st.tuples(st.integers(0, 30), st.booleans(), st.none() | st.integers(0, 3)))


@settings(deadline=None)
@given(trees, st.sampled_from(["first_turn", "best_path", "all_paths"]))
def test_threads_alternate_and_follow_replies(given_nodes: list[Any], rule: str) -> None:
    depth = {0: 0}
    rows = [message("0", None, 0)]
    for n, (parent, deleted, rank) in enumerate(given_nodes, start=1):
        above = parent % n
        depth[n] = depth[above] + 1
        rows.append(message(str(n), str(above), depth[n], deleted=deleted, rank=rank))
    # A tree that surely gives a thread: a file without any is an error.
    rows += [message("q", None, 0), message("r", "q", 1, rank=0)]
    parent_of = {r["message_id"]: r["parent_id"] for r in rows}
    gone = {r["message_id"] for r in rows if r["deleted"]}
    parsed = parse(rows, rule)
    assert parsed.read == len(parsed.rows) + parsed.left_out.total()
    for row in parsed.rows:
        ids = [m.content.removeprefix("t-") for m in row.messages]
        assert [parent_of[i] for i in ids[1:]] == ids[:-1]
        assert not gone & set(ids)
        assert len(ids) % 2 == 0
    last = [row.messages[-1].content for row in parsed.rows]
    assert len(set(last)) == len(last)
