"""Numerals with words in them: ``12亿``, ``3万5千``, ``15 लाख``, ``1.2 billion``.

East Asian languages group digits by ten thousands and South Asian ones by hundreds of thousands,
so a right translation of a number may share no digit group with its source.
"""

from __future__ import annotations

import re
from functools import lru_cache

_DIGITS = dict(zip("〇零一二三四五六七八九", [0, *range(10)], strict=True)) | {
    "两": 2,
    "兩": 2,
    "壱": 1,
    "弐": 2,
    "参": 3,
    **dict(zip("일이삼사오육칠팔구", range(1, 10), strict=True)),
}
_SMALL = {"十": 10, "百": 100, "千": 1000, "십": 10, "백": 100, "천": 1000, "拾": 10}
_LARGE = {
    **dict.fromkeys("万萬만", 10**4),
    **dict.fromkeys("亿億억", 10**8),
    **dict.fromkeys("兆조", 10**12),
}
#: Languages that write numbers so.
EAST_ASIAN = frozenset({"zh", "ja", "ko", "yue", "lzh", "wuu"})

_UNITS = "".join((*_SMALL, *_LARGE))
_SPOKEN = "".join(k for k in _DIGITS)
#: Digits with units after them: 12亿, 1万2000, 3만 5천, 4.5億.
_MIXED = re.compile(
    rf"\d[\d,.]*[ \u00a0]?[{_UNITS}]+(?:[ \u00a0]?\d[\d,.]*[{_UNITS}]*)*(?<![,.])",
)
#: The same without any digit: 三百, 十二万.
_WORDS = re.compile(rf"[{_SPOKEN}十拾][{_SPOKEN}{_UNITS}]*")
#: Japan's eras by the year before their first: 平成10年 is 1998.
_ERAS = {"明治": 1867, "大正": 1911, "昭和": 1925, "平成": 1988, "令和": 2018}
_ERA = re.compile(rf"({'|'.join(_ERAS)})(\d{{1,2}}|元)年")
_PART = re.compile(rf"(\d[\d,]*(?:\.\d+)?)|([{_SPOKEN}])|([{_UNITS}])")

#: A word right after a number, and what it multiplies it by. The words of a language that calls
#: 10^12 a billion are told apart by ``_LONG_SCALE``.
_SCALES: tuple[tuple[str, float], ...] = (
    (r"mil\s+mil[lh]", 1e9),
    (r"thousand|tausend|tsd|mill?e\b|mila\b|mil\b|k\b|тыс|ألف|آلاف", 1e3),
    (r"हज़ार|हजार|হাজার|ہزار|હજાર|ஆயிரம்", 1e3),
    (r"hundred|hundert|cent\b|cien\b", 1e2),
    (r"mil[lj]?i?[aá]rd|mrd|milyar|млрд|миллиард|мільярд|مليار|bn\b|bilh", 1e9),
    (r"mil[lj]?[iy]?[oó]|mio\b|milh|mln|млн|миллион|мільйон|مليون|ملايين|m\b", 1e6),
    (r"tril[lj]?i?[oó]|трлн|триллион|تريليون|trn\b", 1e12),
    (r"lakh|lac\b|लाख|লাখ|লক্ষ|لاکھ|લાખ|லட்ச|ലക്ഷ|లక్ష|ਲੱਖ", 1e5),
    (r"crore|करोड|कोटी|কোটি|کروڑ|કરોડ|கோடி|കോടി|కోటి|ਕਰੋੜ", 1e7),
)
_SCALE_WORDS = [(re.compile(rf"[\s\u00a0\u202f-]*(?:{w})", re.IGNORECASE), f) for w, f in _SCALES]
_BILLION = re.compile(r"[\s\u00a0\u202f-]*bil[lj]?i?[oó]", re.IGNORECASE)
_TRILLION = re.compile(r"[\s\u00a0\u202f-]*tril[lj]?i?[oó]", re.IGNORECASE)
#: Languages in which a billion is 10^12 and a trillion 10^18.
_LONG_SCALE = frozenset(
    (
        *("bs", "ca", "cs", "da", "de", "es", "et", "fi", "fr", "gl", "hr", "hu", "it", "lb", "nb"),
        *("nl", "nn", "no", "pl", "sk", "sl", "sr", "sv"),
    )
)
_RANGE = re.compile(
    r"\s*(?:to|or|and|bis|oder|und|a|à|ou|et|o|y|e|do|до|-|–|—|~|〜|到|至)\s*\d[\d.,]*",
    re.IGNORECASE,
)


def plain_numerals(text: str, lang: str) -> str:
    """Write numbers of digits and units in digits alone: ``12亿`` as ``1200000000``."""
    if lang not in EAST_ASIAN:
        return text
    if lang == "ja":
        text = _ERA.sub(lambda m: f"{_ERAS[m[1]] + int(m[2].replace('元', '1'))}年", text)
    return _MIXED.sub(_in_digits, text)


def _in_digits(match: re.Match[str]) -> str:
    value = numeral_value(match.group())
    return match.group() if value is None else f" {value:.10g} " if value % 1 else f" {int(value)} "


def spoken_numerals(text: str, lang: str) -> frozenset[float]:
    """What the numbers written without digits are: ``三百`` is 300."""
    if lang not in EAST_ASIAN:
        return frozenset()
    found = (numeral_value(m.group()) for m in _WORDS.finditer(text))
    return frozenset(value for value in found if value is not None)


@lru_cache(maxsize=4096)
def numeral_value(numeral: str) -> float | None:
    """The value of an East Asian numeral; None where it is none (units that grow, two dots)."""
    total, section, number = 0.0, 0.0, None
    largest = 10.0**16
    for digits, spoken, unit in _PART.findall(numeral):
        if digits:
            number = float(digits.replace(",", ""))
        elif spoken:
            digit = float(_DIGITS[spoken])
            number = digit if number is None or digit == 0 else number * 10 + digit
        elif unit in _SMALL:
            section += (1.0 if number is None else number) * _SMALL[unit]
            number = None
        else:
            scale = float(_LARGE[unit])
            if scale >= largest:
                return None
            section += number or 0.0
            total += (section or 1.0) * scale
            section, number, largest = 0.0, None, scale
    return round(total + section + (number or 0.0), 6)


def scale_after(text: str, lang: str) -> float | None:
    """What a word right after a number multiplies it by (``billion``: 1e9); None: no such word.

    Of a range the word stands after its end: ``5 to 10 thousand``.
    """
    reach = _RANGE.match(text)
    for place in (text, text[reach.end() :] if reach else ""):
        if not place:
            continue
        long = lang in _LONG_SCALE
        if _BILLION.match(place):
            return 1e12 if long else 1e9
        if long and _TRILLION.match(place):
            return 1e18
        for word, factor in _SCALE_WORDS:
            if word.match(place):
                return factor
    return None
