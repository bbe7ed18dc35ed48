"""Time grows with the length of a text, not with its square, whatever runs on in it.

Bounds are on growth alone: four times the length may take nine times as long (its square would
take sixteen), so that a slow or busy machine does not matter.
"""

import time
from collections.abc import Callable

import pytest

from babelmix import langid
from babelmix.translate.blocks import split_blocks
from babelmix.translate.protect import mask_message, protected_pieces
from babelmix.translate.segment import same_structure, segment
from babelmix.translate.sentences import pack, sentences
from babelmix.translate.texts import Text

SHORT = 15_000
#: Shorter times are noise.
LEAST_S = 0.02
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


def seconds(work: Callable[[str], object], text: str) -> float:
    """Processor time, the better of two."""
    taken = []
    for again in range(2):
        began = time.process_time()
        work(text + str(again))  # another text: some of the work is cached
        taken.append(time.process_time() - began)
    return min(taken)


@pytest.mark.parametrize("run", RUNS)
def test_growth(run: str) -> None:
    short = run * (SHORT // len(run)) + TAIL
    long = run * (4 * SHORT // len(run)) + TAIL
    for name, work in WORK.items():
        once = max(seconds(work, short), LEAST_S)
        assert seconds(work, long) <= 9 * once, name


def test_a_run_of_ticks_in_a_fence_that_nothing_closes() -> None:
    def blocks(text: str) -> object:
        return list(split_blocks(text))

    short, long = (f"```\n{'`' * n}x" for n in (SHORT, 4 * SHORT))
    assert seconds(blocks, long) <= 9 * max(seconds(blocks, short), LEAST_S)
