"""Texts cut and put together again: no unit, limit or failure loses anything; proof; numbers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from babelmix.records import Conversation, Message
from babelmix.translate.backends.base import Failure, Limits, Result
from babelmix.translate.engine import plan_rows, translate_rows
from babelmix.translate.protect import mask, mask_message, protected_pieces, restore, same_numbers
from babelmix.translate.segment import same_structure
from babelmix.translate.sentences import pack, sentences
from babelmix.translate.store import Translations
from babelmix.translate.ways import CHANGED_NUMBERS, LOST_MASK, Node, assembled, cut, prove

#: Text made of what the cutters look for, and of anything.
PIECES = st.sampled_from(
    [
        "word. ",
        "Mr. Smith said: ",
        "`code` ",
        "https://a.b/c?d=1 ",
        "me@x.org ",
        "$x^2$ ",
        "<b>",
        "{name} ",
        "[[7]] ",
        "/etc/hosts ",
        "1,234.5 ",
        "\n",
        "\n\n",
        "- ",
        "1. ",
        "# ",
        "| a | b |\n",
        "```py\nx = 1\n```\n",
        "  ",
        "\t",
        "XQ1X ",
        "XQ2X",
        "**Note:** ",
        "\\begin{a}",
        "5th ",
        "“Hi!” ",
    ]
)
TEXT = st.lists(st.one_of(PIECES, st.text(max_size=12)), max_size=25).map("".join)


UNITS = st.sampled_from(["text", "message", "line", "sentence"])


class Same:
    """Gives every text back, or does to it what it is told."""

    journalled, by_length, batch_dependent, concurrency = False, False, False, 1

    def __init__(self, unit: str, limit: int | None = None, change: Any = None) -> None:
        self.settings: dict[str, Any] = {}
        self.unit: Any = unit
        self.limits = Limits(text_chars=limit, batch_texts=100)
        self.change = change or (lambda text: text)
        self.asked: list[str] = []

    def translate(self, texts: list[str]) -> list[Result]:
        self.asked += texts
        return [self.change(text) for text in texts]


def through(backend: Any, text: str) -> Conversation:
    rows = [Conversation("a", "en", "d", "s", [Message("user", text)])]
    store = Translations(backend, "en", "de", None)
    return translate_rows(rows, plan_rows(rows, backend, "en"), store, "t")[0]


@settings(deadline=None, max_examples=150)
@given(
    TEXT, st.sampled_from(["text", "message", "line", "sentence"]), st.sampled_from([None, 20, 60])
)
@example("- a b c d e f g h i j k l m n o p q r s t", "line", 20)
@example("x" * 90, "message", 20)
def test_identity_gives_every_text_back(text: str, unit: str, limit: int | None) -> None:
    backend = Same(unit, limit)
    row = through(backend, text)
    assert row.messages[0].content == text
    assert row.checks[0].ok
    if limit is not None and unit != "text":
        # Masks stand for what may be longer; the rest keeps within the limit.
        assert all(len(t) <= limit or "XQ" in t for t in backend.asked)


@settings(deadline=None, max_examples=100)
@given(TEXT)
def test_what_loses_masks_loses_no_piece(text: str) -> None:
    """Whatever becomes of masks, a row that passes has its pieces, another keeps its source."""
    for change in (
        lambda t: t.replace("XQ1X", ""),
        lambda t: t.replace("XQ1X", "XQ1X XQ1X"),
        lambda t: t.replace("XQ", "xq"),
        lambda t: f"{t} `new`",
        lambda t: " ".join(t.split()),
    ):
        for unit in ("message", "line", "sentence"):
            row = through(Same(unit, change=change), text)
            after = row.messages[0].content
            assert Counter(protected_pieces(after)) == Counter(protected_pieces(text))
            assert row.checks[0].ok or after == text


@settings(deadline=None, max_examples=100)
@given(TEXT, st.integers(1, 80))
def test_packed_parts_are_the_text(text: str, limit: int) -> None:
    assert "".join(pack(text, limit, "en")) == text
    assert "".join(sentences(text, "de")) == text


@settings(deadline=None, max_examples=100)
@given(TEXT)
def test_masking_is_undone(text: str) -> None:
    assert restore(mask_message(text).text, mask_message(text)) == text
    line = text.replace("\n", " ")
    for numbers in (False, True):
        masked = mask(line, numbers=numbers)
        assert restore(masked.text, masked) == line


def test_long_texts_are_cut_where_it_hurts_least() -> None:
    text = "One two. Three four!\n\nFive six seven.\n\nEight."
    assert pack(text, 100, "en") == [text]
    assert pack(text, 40, "en") == ["One two. Three four!\n\nFive six seven.\n\n", "Eight."]
    assert pack(text, 22, "en")[0] == "One two. Three four!\n\n"
    assert pack(text, 12, "en")[:2] == ["One two. ", "Three four!"]
    assert pack("a `b c d e f g` h", 5, "en") == ["a ", "`b c d e f g` ", "h"]
    assert sentences("Mr. Fox is here. He `a. B` said no. It is!", "en") == [
        "Mr. Fox is here. ",
        "He `a. B` said no. ",
        "It is!",
    ]


def test_proof() -> None:
    node = Node("Use `x` now", mask("Use `x` now"), "line")
    assert prove(node, "Nimm XQ1X jetzt") == ("Nimm `x` jetzt", None)
    for bad in ("Nimm jetzt", "XQ1X XQ1X", "Nimm XQ2X", "Nimm XQ1X und https://x.org/y"):
        assert prove(node, bad) == (Failure(LOST_MASK), LOST_MASK)
    plain = Node("Take 3", mask("Take 3"), "line")
    assert prove(plain, "Nimm `3`") == (Failure(LOST_MASK), LOST_MASK)
    assert prove(plain, "Nimm 4") == ("Nimm 4", CHANGED_NUMBERS)
    assert prove(plain, Failure("down", content=False)) == (Failure("down", content=False), None)


def test_numbers_are_masked_where_they_were_changed() -> None:
    changed = lambda t: t.replace("12", "21")  # noqa: E731
    row = through(Same("line", change=changed), "From 12 to 3\nand 5")
    assert row.messages[0].content == "From 12 to 3\nand 5"
    backend = Same("line", change=lambda t: t.replace("12", "21").replace("XQ1X", "lost"))
    row = through(backend, "From 12 to 3")
    assert row.messages[0].content == "From 21 to 3", "kept for the audit to judge"
    assert backend.asked == ["From 12 to 3", "From XQ1X to XQ2X"]


@pytest.mark.parametrize(
    ("source", "target", "same"),
    [
        ("1,234.5 m", "1.234,5 m", True),
        ("1,000,000", "1 000 000", True),
        ("10 000 men", "10.000 Mann", True),
        ("3 apples and 4", "4 und 3 Äpfel", True),
        ("in 1999", "im Jahr 1998", False),
        ("two", "2", False),
        ("2", "zwei", False),
        ("no", "nein", True),
    ],
)
def test_same_numbers(source: str, target: str, same: bool) -> None:
    assert same_numbers(source, target) is same


@pytest.mark.parametrize(
    ("target", "same"),
    [
        ("# T\n\n- a\n| x | y |\n```\nc\n```", True),
        ("T\n\n- a\n| x | y |\n```\nc\n```", False),
        ("# T\n- a\n| x | y |\n```\nc\n```", False),
        ("# T\n\n- a\n| x y |\n```\nc\n```", False),
        ("# T\n\n1. a\n| x | y |\n```\nc\n```", False),
    ],
)
def test_structure(target: str, same: bool) -> None:
    assert same_structure("# A\n\n- b\n| c | d |\n```\nc\n```", target) is same


def test_sentences_are_a_way_out_of_a_failing_line() -> None:
    backend = Same("line", change=lambda t: Failure("too much") if ". B" in t else t.upper())
    line = "They went. Because. So."
    assert through(backend, line).messages[0].content == line.upper()
    parts = cut(line, "sentence", Limits(), "en")
    assert [p.source for p in parts if isinstance(p, Node)] == ["They went.", "Because.", "So."]
    assert assembled(["x"]) == ("x", [])


def test_a_row_that_fails_says_why(tmp_path: Path) -> None:
    row = through(Same("message", change=lambda t: Failure("no")), "a\nb")
    assert (row.messages[0].content, row.checks[0].detail) == ("a\nb", "no")
