"""The check `script`: is a text in the script and variety that its language's code asks for?

Simplified and traditional characters are told apart by those that only one of them has, taken from
the national character sets: GB 2312 (simplified) and the frequent half of Big5 (traditional).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from ..langid.decide import MIXED
from ..langid.scripts import allowed, written
from ..records import Check
from ..tags import read_tag
from .texts import Text

#: Letters of the main script that tell something; a dense sign counts as three.
_LEAST_LETTERS = 12
#: Characters that only one way of writing has: fewer tell nothing.
_LEAST_SIGNS = 2
#: A message with less than this share of its telling characters (or letters) as asked fails.
_LEAST_SHARE = 0.8
_CHINESE = ("Hans", "Hant")


def script_check(texts: Sequence[Text], lang: str, configured: str = "") -> Check | None:
    """Check the script that a code (or the configuration) asks for; None where it asks for none.

    Value: the lowest share of a message's letters, or telling characters, that are as asked. A
    region or a variant is never told by looking: the detail says that it was not measured.
    """
    tag = read_tag(lang)
    script = tag.script or configured
    region = "" if _is_told(lang) else f"region {tag.region} of {tag.base}"
    if tag.other:
        region = f"variety {tag.other} of {tag.base}"
    if not script and not region:
        return None
    if not script:
        return Check("script", True, None, f"not measured: {region} cannot be told")
    shares = [s for text in texts if (s := script_share(text.prose, script)) is not None]
    if not shares:
        return Check("script", True, None, f"not measured: too short to tell {script}")
    worst = min(shares)
    if worst < _LEAST_SHARE:
        prose = next(t.prose for t in texts if script_share(t.prose, script) == worst)
        return Check("script", False, round(worst, 4), f"{_found(prose, script)} for {script}")
    note = f"{script} only: {region} cannot be told" if region else ""
    return Check("script", True, round(worst, 4), note)


def script_share(prose: str, script: str) -> float | None:
    """Return the share of a text that is in a script, 0 to 1; None where it tells nothing."""
    if script in _CHINESE:
        simplified, traditional = chinese_signs(prose)
        told = simplified + traditional
        if told < _LEAST_SIGNS:
            found = written(prose)
            other = found.script not in ("Hani", "Jpan") and found.share > _LEAST_SHARE
            return 0.0 if other and found.letters >= _LEAST_LETTERS else None
        return (simplified if script == "Hans" else traditional) / told
    found = written(prose)
    if found.letters < _LEAST_LETTERS:
        return None
    return found.share if found.script in allowed(script) else 1 - found.share


def chinese_signs(text: str) -> tuple[int, int]:
    """Count the characters that only simplified, and only traditional writing has."""
    found = [_way(sign) for sign in text if "\u4e00" <= sign <= "\u9fff"]
    return found.count("Hans"), found.count("Hant")


@cache
def _way(sign: str) -> str:
    """`Hans` or `Hant` for a character that only one of them has, else an empty text."""
    simplified = _encoded(sign, "gb2312")
    traditional = _encoded(sign, "big5")
    if simplified and not traditional:
        return "Hans"
    # Big5 orders its 5,401 frequent characters before 0xC940; beyond, both ways have rare ones.
    frequent = bool(traditional) and traditional < b"\xc9\x40"
    return "Hant" if frequent and not simplified else ""


def _encoded(sign: str, charset: str) -> bytes:
    try:
        return sign.encode(charset)
    except UnicodeEncodeError:
        return b""


def _is_told(lang: str) -> bool:
    """Whether a code asks for nothing beyond its language and script: `zh-TW` means `zh-Hant`."""
    tag = read_tag(lang)
    return tag.region is None or lang.replace("_", "-") in ("zh-TW", "zh-CN")


def _found(prose: str, script: str) -> str:
    """What a text is written in, for a detail."""
    found = written(prose)
    if found.script in ("Hani", "Jpan") and script in _CHINESE:
        simplified, traditional = chinese_signs(prose)
        return f"{simplified} characters only Hans has, {traditional} only Hant has,"
    return f"found {MIXED if found.share < 0.6 else found.script}"
