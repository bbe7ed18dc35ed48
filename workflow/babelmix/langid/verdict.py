"""Is a text in the language it should be in?"""

from __future__ import annotations

from typing import Literal

from .codes import are_relatives, are_same, identifier_code, is_known
from .decide import MIXED, Found
from .scripts import allowed, asked_script, may_be_in

Verdict = Literal["right", "wrong", "unsure"]
RIGHT: Verdict = "right"
WRONG: Verdict = "wrong"
UNSURE: Verdict = "unsure"
#: A close relative of the language asked for must be this probable to be called wrong.
_OF_RELATIVES = 0.9


def compare(found: Found, asked: str) -> Verdict:
    """Compare what was found in a text with the language it should be in (any usual code).

    ``unsure`` where nothing was found, where the language asked for is one of several close
    relatives, and where no identifier knows it. A script that the language is not written in, or
    that its code does not allow (``sr-Latn``), decides even where the language stays unknown.
    Varieties that no identifier tells apart (``codes.SAME``) pass for each other.
    """
    if found.script in (None, MIXED) or not is_known(asked):
        return UNSURE
    code = identifier_code(asked)
    if _other_script(found, asked):
        return WRONG
    if not found.languages:
        return UNSURE
    passing = [are_same(code, one) for one in found.languages]
    if all(passing):
        return RIGHT
    if any(passing):
        return UNSURE
    near = any(are_relatives(code, one) for one in found.languages)
    return UNSURE if near and found.probability < _OF_RELATIVES else WRONG


def _other_script(found: Found, asked: str) -> bool:
    """Whether the script excludes the language: Latin letters alone are no sign of it (names)."""
    assert found.script is not None
    if found.script == "Latn" and not found.languages:
        return False
    script = asked_script(asked)
    if script is not None:
        return found.script not in allowed(script)
    return not may_be_in(identifier_code(asked), found.script)
