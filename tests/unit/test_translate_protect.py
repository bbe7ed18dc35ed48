"""Protection and segmentation: what must stay stays, and the parts give the text back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from babelmix.translate.protect import (
    Masked,
    mask,
    protected_pieces,
    restore,
    split_at_masks,
    without_protected,
)
from babelmix.translate.segment import Segment, segment


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Use `print(x)` or ``a`b`` or ```c```.", ["`print(x)`", "``a`b``", "```c```"]),
        ("See https://a.org/b?c=d#e, or (www.x.com).", ["https://a.org/b?c=d#e", "www.x.com"]),
        ("[text](https://a.org/b_(c)) ok", ["(https://a.org/b_(c))"]),
        ("Write to a.b+c@mail.example.com.", ["a.b+c@mail.example.com"]),
        (
            r"Let $x^2$ and \(y\) be \alpha or \frac{1}{2}.",
            ["$x^2$", r"\(y\)", r"\alpha", r"\frac{1}{2}"],
        ),
        ("It costs $5 to $10, or US$3-$4.", []),
        ("A <b>bold</b> word,<br/> and 3 < 4 > 2 &amp; more.", ["<b>", "</b>", "<br/>", "&amp;"]),
        ("Dear {name}, {{ user.id }} ${HOME} %(x)s %s 100%s", None),
        ("Rate it [[7]] or [[A]], not [7].", ["[[7]]", "[[A]]"]),
        ("Open /etc/hosts, ~/notes, ./run.sh or C:\\Temp\\a.txt.", None),
        ("Edit main.py and data/set_1.csv; e.g. he/she, and/or, 1/2, km/h, 24/7.", None),
        ("XQ1X is no mask", ["XQ1X"]),
        ("Nothing here: 3.14, 5 %, a_b, foo.bar", []),
    ],
)
def test_inline_pieces(text: str, pieces: list[str] | None) -> None:
    expected = {
        "Dear": ["{name}", "{{ user.id }}", "${HOME}", "%(x)s", "%s"],
        "Open": ["/etc/hosts", "~/notes", "./run.sh", "C:\\Temp\\a.txt"],
        "Edit": ["main.py", "data/set_1.csv"],
    }
    assert protected_pieces(text) == (expected[text[:4]] if pieces is None else pieces)


@pytest.mark.parametrize(
    "block",
    [
        "```python\nreturn x  # keep\n\nmore()\n```",
        "~~~\ncode\n~~~",
        "  ```\n  indented\n  ```",
        "````\n```\ninner\n```\n````",
        "```js\nclosed at the end of a line }```",
        "$$\na = b\n$$",
        "\\[\nx\n\\]",
        "\\begin{align}\nx &= y\\\\\n\\end{align}",
        "<!-- a\nb -->",
        "<pre class='x'>\n a b\n</pre>",
    ],
)
def test_blocks_are_kept(block: str) -> None:
    text = f"Look at this:\n{block}\nThat was it."
    assert protected_pieces(text) == [block.strip()]
    assert without_protected(text).split() == ["Look", "at", "this:", "That", "was", "it."]
    assert [p.masked.text for p in segment(text) if isinstance(p, Segment)] == [
        "Look at this:",
        "That was it.",
    ]


def test_a_fence_that_never_closes_runs_to_the_end() -> None:
    assert protected_pieces("Text\n```\ncode\nmore") == ["```\ncode\nmore"]


def test_masks_are_set_apart_from_letters() -> None:
    masked = mask("A <b>bold</b>word and `x`s")
    assert masked.text == "A XQ1X bold XQ2X word and XQ3X s"
    assert restore("Un XQ1X  gras XQ2X mot et XQ3X s", masked) == "Un <b> gras</b>mot et `x`s"
    assert restore(masked.text, masked) == "A <b>bold</b>word and `x`s"


@pytest.mark.parametrize("broken", ["a", "XQ1X XQ1X", "XQ2X", "XQ1X XQ2X", "xq1x", "XQ 1X"])
def test_lost_masks_are_noticed(broken: str) -> None:
    assert restore(broken, mask("see `x`")) is None


def test_masks_may_change_places() -> None:
    assert restore("XQ2X then XQ1X", mask("`a`, `b`")) == "`b` then `a`"


_FRAGMENTS = [
    "text",
    " ",
    "\n",
    "`code`",
    "```\n",
    "$$",
    "$x$",
    "https://a.b/c",
    "<b>",
    "{x}",
    "[[1]]",
    "XQ1X",
    "1. ",
    "- ",
    "# ",
    "> ",
    "|",
    "**",
    "**Label:** ",
    "\t",
    "ü",
    "/a/b.py",
    "\\frac{a}{b}",
    ".",
]


@settings(deadline=None)
@given(st.lists(st.sampled_from(_FRAGMENTS) | st.text(max_size=3), max_size=14).map("".join))
def test_nothing_is_lost(text: str) -> None:
    parts = segment(text)
    out = []
    for part in parts:
        if isinstance(part, str):
            out.append(part)
            continue
        masked = part.masked
        restored = restore(masked.text, masked) if masked.pieces else masked.text
        assert restored is not None
        assert "".join(p for p, _ in split_at_masks(masked)) == restored
        out.append(restored)
        assert "\n" not in masked.text
        assert masked.text == masked.text.strip()
    assert "".join(out) == text


def test_structure_is_kept() -> None:
    text = (
        "# Title\n\n1. **Mix** the flour.\n   - [ ] Stir\n> > Quoted\n\n"
        "| Name | Age |\n|------|:---:|\n| Ann | 7 |\n---\n**Note:** done\n(a) one\n42\n"
    )
    parts = segment(text)
    assert [p.masked.text for p in parts if isinstance(p, Segment)] == [
        "Title",
        "Mix",
        "the flour.",
        "Stir",
        "Quoted",
        "Name",
        "Age",
        "Ann",
        "Note:",
        "done",
        "one",
    ]
    upper = "".join(p if isinstance(p, str) else p.masked.text.upper() for p in parts)
    assert upper == (
        "# TITLE\n\n1. **MIX** THE FLOUR.\n   - [ ] STIR\n> > QUOTED\n\n"
        "| NAME | AGE |\n|------|:---:|\n| ANN | 7 |\n---\n**NOTE:** DONE\n(a) ONE\n42\n"
    )


def test_a_line_of_pieces_alone_is_not_translated() -> None:
    assert segment("`a`, https://b.c 12") == ["`a`, https://b.c 12"]
    assert segment("") == []


def test_split_at_masks_gives_the_original_parts() -> None:
    masked = mask("Use `x`s: <b>y</b>.")
    assert "".join(part for part, _ in split_at_masks(masked)) == "Use `x`s: <b>y</b>."
    assert [part for part, kept in split_at_masks(masked) if kept] == ["`x`", "<b>", "</b>"]
    assert list(split_at_masks(Masked("plain"))) == [("plain", False)]


def test_long_odd_lines_take_no_time() -> None:
    for text in (
        "<" * 5000,
        "`" * 5001,
        "{" * 5000,
        "$" * 5001,
        "/a" * 3000,
        "\\" * 5000,
        "[" * 5000,
    ):
        mask(text)
        segment(text)
    segment("- " * 3000)
    segment("> " * 3000 + "x")
