"""The script of a text, and which languages are written in it.

Script is the surest evidence there is: Cyrillic text is not German, Thai script is Thai. Ranges
are those of the Unicode blocks (Blocks.txt), letters only.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from functools import cache, lru_cache

from ..tags import is_script

#: ISO 15924 code -> ranges of its letters (first, last). Latin is what is left.
_RANGES = {
    "Grek": "370-3ff 1f00-1fff",
    "Cyrl": "400-52f 1c80-1c8f 2de0-2dff a640-a69f",
    "Armn": "530-58f",
    "Hebr": "590-5ff fb1d-fb4f",
    "Arab": "600-6ff 750-77f 870-8ff fb50-fdff fe70-fefe",
    "Thaa": "780-7bf",
    "Nkoo": "7c0-7ff",
    "Deva": "900-97f a8e0-a8ff",
    "Beng": "980-9ff",
    "Guru": "a00-a7f",
    "Gujr": "a80-aff",
    "Orya": "b00-b7f",
    "Taml": "b80-bff",
    "Telu": "c00-c7f",
    "Knda": "c80-cff",
    "Mlym": "d00-d7f",
    "Sinh": "d80-dff",
    "Thai": "e00-e7f",
    "Laoo": "e80-eff",
    "Tibt": "f00-fff",
    "Mymr": "1000-109f aa60-aa7f",
    "Geor": "10a0-10ff 1c90-1cbf 2d00-2d2f",
    "Hang": "1100-11ff 3130-318f a960-a97f ac00-d7ff",
    "Ethi": "1200-139f 2d80-2ddf ab00-ab2f",
    "Cher": "13a0-13ff ab70-abbf",
    "Cans": "1400-167f 18b0-18ff",
    "Khmr": "1780-17ff",
    "Mong": "1800-18af",
    "Olck": "1c50-1c7f",
    "Tfng": "2d30-2d7f",
    "Hani": "3005-3007 3400-4dbf 4e00-9fff f900-faff 20000-323af",
    "Kana": "3041-30ff 31f0-31ff ff66-ff9f",
    "Yiii": "a000-a4cf",
}
#: (last, first, script), sorted: where a code point is looked up.
_BLOCKS = sorted(
    (int(last, 16), int(first, 16), script)
    for script, ranges in _RANGES.items()
    for first, last in (one.split("-") for one in ranges.split())
)
_BEYOND_LATIN = re.compile(
    r"[\u0370-\u1cff\u1f00-\u1fff\u2c80-\u2dff\u3005-\ua4cf\ua640-\ud7ff\uf900-\ufdff]"
    r"|[\ufe70-\ufefe\uff66-\uffdc\U00010280-\U0001e95f\U00020000-\U000323af]"
)
_NOT_LETTERS = re.compile(r"[\W\d_]+")
#: A sign of these scripts carries about as much as this many alphabetic letters.
_DENSE = frozenset({"Kana", "Hani", "Hang"})
_DENSE_WEIGHT = 3

#: Languages of each script other than Latin, of those that an identifier knows.
LANGUAGES = {
    "Grek": "el",
    "Cyrl": "ru uk be bg mk sr sh bs kk ky tg tt ba mn ce cv os av kv krc lez mhr mrj myv sah tyv "
    "rue uz az bxr ab udm",
    "Armn": "hy",
    "Hebr": "he yi",
    "Arab": "ar fa ur ps sd ug ckb ku pnb az mzn lrc kk ky uz bal",
    "Thaa": "dv",
    "Deva": "hi mr ne sa mai bh new dty gom sd",
    "Beng": "bn as bpy",
    "Guru": "pa",
    "Gujr": "gu",
    "Orya": "or",
    "Taml": "ta",
    "Telu": "te",
    "Knda": "kn",
    "Mlym": "ml",
    "Sinh": "si",
    "Thai": "th",
    "Laoo": "lo",
    "Tibt": "bo dz",
    "Mymr": "my",
    "Geor": "ka xmf",
    "Ethi": "am ti",
    "Khmr": "km",
    "Jpan": "ja",
    "Kana": "ja",
    "Hani": "zh yue wuu ja",
    "Hang": "ko",
    "Mong": "mn",
}
#: Languages that are also written in Latin script; all others of ``LANGUAGES`` are not.
_LATIN_TOO = frozenset(["sr", "sh", "bs", "az", "uz", "tk", "ku", "kk", "tt", "gom"])
#: Text with less than one kana in so many ideographs and kana is Chinese that quotes Japanese.
_KANA_SHARE = 20
#: A script with one language tells the language by itself.
_ALONE = frozenset(s for s, codes in LANGUAGES.items() if " " not in codes)
#: Scripts as BCP 47 tags name them, in the terms used here.
_TAGS = {"Hans": "Hani", "Hant": "Hani", "Kore": "Hang", "Hrkt": "Kana", "Hira": "Kana"}

#: Scripts without blanks between words.
_UNSPACED = frozenset({"Thai", "Laoo", "Khmr", "Mymr", "Tibt"})
#: Text mostly in Latin script, or with less than this share of its letters in one script, may be
#: one in another script with Latin terms in it: so many words of its own at least, so many times
#: as many as terms, so many terms in a row at most.
_TERMS_SHARE, _TERMS_WORDS, _TERMS_TIMES, _TERMS_RUN = 0.6, 6, 1.25, 3
#: Scripts found that a script in a code allows, where it is not that one alone.
_ALLOWED = {"Jpan": frozenset(["Jpan", "Hani", "Kana"]), "Hang": frozenset(["Hang", "Hani"])}


@dataclass(frozen=True, slots=True)
class Written:
    """The script most of a text is in. ``letters``: of that script, a dense sign counting as
    three; ``share``: of all letters; ``text``: the text without letters of other scripts."""

    script: str
    letters: int
    share: float
    text: str


def written(text: str) -> Written:
    """Find the main script of a text; kana with or without Han are Japanese (``Jpan``)."""
    if _BEYOND_LATIN.search(text) is None:
        letters = len(_NOT_LETTERS.sub("", text))
        return Written("Latn", letters, 1.0 if letters else 0.0, text)
    signs: dict[str, list[str]] = {}
    counts: Counter[str] = Counter()
    for sign, count in Counter(text).items():
        if script := script_of(sign):
            signs.setdefault(script, []).append(sign)
            counts[script] += count * (_DENSE_WEIGHT if script in _DENSE else 1)
    if not counts:
        return Written("Latn", 0, 0.0, text)
    east = counts["Kana"] + counts["Hani"]
    if counts["Kana"] * _KANA_SHARE >= east > max(counts["Latn"], counts["Hang"], counts["Cyrl"]):
        script, kept = "Jpan", {"Kana", "Hani"}
    else:
        script = max(counts, key=lambda name: counts[name])
        kept = {script}
    letters = sum(counts[name] for name in kept)
    mixed = script == "Latn" or letters < _TERMS_SHARE * counts.total()
    if mixed and (base := _with_latin_terms(text, counts)):
        # Its letters are all that says something about the language.
        script, kept, letters = base, {base}, counts[base]
        del counts["Latn"]
    others = [sign for name in signs.keys() - kept for sign in signs[name]]
    if others:
        text = text.translate(dict.fromkeys(map(ord, others), " "))
    return Written(script, letters, letters / counts.total(), text)


def _with_latin_terms(text: str, counts: Counter[str]) -> str | None:
    """Return the script of a text whose Latin words are terms in its sentences, or None.

    Terms stand in runs of three at most, and other words are clearly more; in a list of words with
    their translations they are not.
    """
    others = [name for name in counts if name != "Latn"]
    if not others:
        return None
    other = max(others, key=lambda name: counts[name])
    if other in _DENSE or other in _UNSPACED:
        return None
    latin, words, run = 0, 0, 0
    for word in text.split():
        scripts = {script for sign in word if (script := script_of(sign))}
        if scripts == {"Latn"}:
            latin, run = latin + 1, run + 1
            if run > _TERMS_RUN:
                return None
        elif other in scripts:
            words, run = words + 1, 0
    return other if words >= _TERMS_WORDS and words >= _TERMS_TIMES * latin else None


@lru_cache(maxsize=100_000)
def script_of(sign: str) -> str | None:
    """Return the script of a letter or vowel sign (Hindi's, Tamil's …); None of other signs."""
    is_mark = unicodedata.category(sign) in {"Mc", "Mn"}
    if not sign.isalpha() and not is_mark:
        return None
    place = bisect_left(_BLOCKS, (ord(sign),))
    if place < len(_BLOCKS) and _BLOCKS[place][1] <= ord(sign):
        return _BLOCKS[place][2]
    return None if is_mark else "Latn"


@cache
def languages_of(script: str) -> frozenset[str] | None:
    """Return the languages written in a script; None for Latin: all but those of other scripts."""
    return None if script == "Latn" else frozenset(LANGUAGES.get(script, "").split())


@cache
def not_in_latin() -> frozenset[str]:
    """Return the languages that are not written in Latin script."""
    return frozenset(" ".join(LANGUAGES.values()).split()) - _LATIN_TOO


def tells_language(script: str) -> str | None:
    """Return the one language of a script, or None where there are several."""
    return LANGUAGES[script] if script in _ALONE else None


def may_be_in(language: str, script: str) -> bool:
    """Tell whether a language (identifiers' code) is written in a script."""
    if script == "Latn":
        return language not in not_in_latin()
    if language in not_in_latin() or language in _LATIN_TOO:
        return language in (languages_of(script) or ())
    return False


def asked_script(lang: str) -> str | None:
    """Return the script that a BCP 47 tag asks for: ``sr-Latn`` -> ``Latn``; None without one."""
    for part in lang.replace("_", "-").split("-")[1:]:
        if is_script(part):
            tag = part.title()
            return _TAGS.get(tag, tag)
    return None


def allowed(script: str) -> frozenset[str]:
    """Return the scripts, as found in texts, that a script asked for allows."""
    return _ALLOWED.get(script, frozenset([script]))
