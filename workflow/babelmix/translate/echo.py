"""Answers that became a part of their own question: corrections with nothing left to correct.

Translating ``He go to school.`` and ``He goes to school.`` gives one sentence twice: the row then
teaches to repeat its input.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .texts import Text

#: Shorter answers (letters) are labels and options, which questions often list.
_LETTERS = 12
_BLANKS = re.compile(r"[\s\"'“”„«»‘’‹›「」『』*_`]+")


def echo_sign(source: Sequence[Text], target: Sequence[Text]) -> str:
    """The first message that repeats a part of the one before it, where the source's does not."""
    before = [_plain(text) for text in source]
    after = [_plain(text) for text in target]
    for place in range(1, len(after)):
        answer = after[place]
        if target[place].letters < _LETTERS or answer not in after[place - 1]:
            continue
        if before[place] not in before[place - 1]:
            return f"message {place} repeats a part of message {place - 1}: '{answer[:40]}'"
    return ""


def _plain(text: Text) -> str:
    """The words alone: blanks, quotation marks and closing marks taken off."""
    return _BLANKS.sub(" ", text.content).strip().rstrip(".!?。！？ ")
