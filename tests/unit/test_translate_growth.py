"""Time grows with the length of a text, not with its square, whatever runs on in it.

Bounds are on growth alone: four times the length may take nine times as long (its square would
take sixteen), so that a slow or busy machine does not matter.
"""

from collections.abc import Callable

import pytest
from tests.growth import grows_with_length

from babelmix import langid
from babelmix.translate.blocks import split_blocks
from babelmix.translate.protect import mask_message, protected_pieces
from babelmix.translate.segment import same_structure, segment
from babelmix.translate.sentences import pack, sentences
from babelmix.translate.texts import Text

SHORT = 15_000
#: Runs of beginnings without an end, and of what looks like one.
RUNS = [
    "1. ", "1.", "a.", "a-", "a/", "/a-", "a@b", "~", "`", "`` ` ", "\\[ a ", "\\( a ",
    "\\begin{a} ", "<!-- ", "<pre> ", "<pre ", "<a ", "(", "](", "{{", "\\a[", "$ ", "$$ a\n\n",
    "**a", "> ", "&a", "#", '"', "|a", " ",
]  # fmt: skip
#: Signs after which no kind of piece is left out.
TAIL = " .py @ / ~ ` $ \\( ://"
WORK: dict[str, Callable[[str], object]] = {
    "pieces": protected_pieces,
    "masks": mask_message,
    "segments": segment,
    "structure": lambda text: same_structure(text, text + "."),
    "audit's sentences": lambda text: Text(text).sentences,
    "prose": langid.strip_non_prose,
    "sentences": lambda text: sentences(text, "en"),
    "packing": lambda text: pack(text, 1000, "en"),
}


@pytest.mark.parametrize("run", RUNS)
def test_growth(run: str) -> None:
    short = run * (SHORT // len(run)) + TAIL
    long = run * (4 * SHORT // len(run)) + TAIL
    for name, work in WORK.items():
        assert grows_with_length(work, short, long), name


def test_a_run_of_ticks_in_a_fence_that_nothing_closes() -> None:
    def blocks(text: str) -> object:
        return list(split_blocks(text))

    short, long = (f"```\n{'`' * n}x" for n in (SHORT, 4 * SHORT))
    assert grows_with_length(blocks, short, long)
