"""Read the value in a piece of folded text: a grade on the scale, or a preference."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from .normalise import fold
from .prose import OUT_OF, UNITS

Value = TypeVar("Value")
Preference = Literal["A", "B", "tie", "both_bad"]
Strength = Literal["significant", "slight"]
#: What a judge may be asked to grade on.
SCALE = (1, 10)


@dataclass(frozen=True, slots=True)
class Verdict(Generic[Value]):
    """What a reply says. ``value`` is None when unscored, and then ``reason`` says why.

    ``strength`` of a preference that the protocol grades (``[[A>>B]]`` significant, ``[[A>B]]``
    slight). ``span``: (start, end) in the reply of what was read, or of what could not be.
    """

    value: Value | None
    reason: str | None = None
    strength: Strength | None = None
    span: tuple[int, int] | None = None


_NUMBER = re.compile(
    r"(?:(?P<label>[^\d:=]{1,25})[:=][ \t]*)?(?P<number>[-+−]?\d{1,6}(?:[.,]\d{1,2})?)"
    rf"(?:[ \t]*{OUT_OF}[ \t]*(?P<of>\d{{1,6}}(?:[.,]0)?))?[ \t]*{UNITS}?"
)
# A number after a label: what follows must not make it a part of something else.
_PLAIN_NUMBER = re.compile(
    r"[\"'“”(]{0,2}(?P<number>[-+−]?\d{1,6}(?:[.,]\d{1,2})?)"
    rf"(?:[ \t]*{OUT_OF}[ \t]*(?P<of>\d{{1,6}}))?"
    rf"(?:[ \t]{{0,2}}{UNITS}(?![a-z]))?"
    r"(?=[ \t]*(?:$|[\n;!?)(\]\"'“”}|<]|[.,。](?!\d)|[–—-](?![ \t]*\d)|"
    + "|".join(fold(ending) for ending in ("입니다", "이다", "です", "と", "とします"))
    + "))"
)
#: Chinese and Japanese numerals up to ten, with a point: "八", "七点五".
_HAN_DIGITS = {han: value for value, han in enumerate("零一二三四五六七八九十")} | {
    "两": 2,
    "〇": 0,
}
_HAN = "".join(_HAN_DIGITS)
_HAN_NUMBER = re.compile(rf"(?<![{_HAN}\w])([{_HAN}])(?:[点點]([{_HAN}]))?(?![{_HAN}])")

_NAMES = (
    r"(?P<named>(?:ai[ \t])?(?:assistant|assistent|asistente|assistente|asystent|ассистент|"
    r"l'assistant|answer|antwort|response|reponse|risposta|respuesta|resposta|odpowiedz|ответ|"
    r"output|"
    r"model|modell|modele|modelo|modello|option|answers from assistant|"
    + "|".join(
        fold(n) for n in ("助手", "回答", "答案", "选项", "アシスタント", "어시스턴트", "답변")
    )
    + r"))"
)
_STRENGTHS: dict[str, tuple[Preference, Strength | None]] = {
    **dict.fromkeys(("a>>b", "b<<a", "a++"), ("A", "significant")),
    **dict.fromkeys(("a>b", "b<a", "a+"), ("A", "slight")),
    **dict.fromkeys(("b>>a", "a<<b", "b++"), ("B", "significant")),
    **dict.fromkeys(("b>a", "a<b", "b+"), ("B", "slight")),
    **dict.fromkeys(("a=b", "b=a", "a==b", "b==a", "a≈b", "b≈a"), ("tie", None)),
}
_LETTERS: dict[str, Preference] = {"a": "A", "b": "B", "c": "tie", "d": "both_bad"}
_NUMBERED: dict[str, Preference] = {"1": "A", "2": "B"}
_LETTER = re.compile(
    rf"(?:(?P<label>[^\d:=]{{2,25}}):[ \t]*)?(?:{_NAMES}[ \t]*(?:#[ \t]?)?)?"
    r"(?P<bracket>\()?(?:(?P<letter>[abcd])|(?P<digit>[12]))(?(bracket)\))"
)
_SIGN = r"[ \t]{0,2}(?:[<>]{1,2}|={1,2}|≈)[ \t]{0,2}"
_COMPARED = rf"(?:a{_SIGN}b|b{_SIGN}a|[ab]\+{{1,2}})"
_ENDING = r"(?=[ \t]*(?:$|[\n;!?)(\]\"'“”}|<。]|[.,:](?![\w'])|[–—-]|"
_ENDING += "|".join(fold(e) for e in ("입니다", "です", "가 ", "이 ")) + "))"
_PLAIN_LETTER = re.compile(
    rf"[\"'“”]?(?:{_NAMES}[ \t]*(?:#[ \t]?)?)?(?P<bracket>\()?"
    rf"(?:(?P<strength>{_COMPARED})|(?P<letter>[abcd])|(?P<digit>[12]))(?(bracket)\)){_ENDING}"
)
_TIE_WORDS = (
    "tie tied draw gleichstand unentschieden égalité parità pareggio empate empat remis "
    "gelijkspel ничья нічия oavgjort uavgjort uafgjort tasapeli berabere beraberlik hòa seri sare "
    "remíza döntetlen egalitate ισοπαλία viik תיקו تعادل बराबरी 平局 平手 打平 引き分け 同点 "
    "무승부 동점 비김"
)
_TIES = {fold(word) for word in f"{_TIE_WORDS} equal same".split()}
#: Alternatives of the words for a tie, longest first.
TIE_WORDS = "|".join(
    sorted((t for t in _TIES if t not in ("equal", "same")), key=lambda t: (-len(t), t))
)
_PLAIN_TIE = re.compile(rf"[\"'“”]?(?:an?[ \t]+|un[ae]?[ \t]+|ein[ \t]+)?(?:{TIE_WORDS}){_ENDING}")
#: Letters of other alphabets that stand for A and B ("В" and "С" look like Latin ones and are not).
_ALIKE = str.maketrans({"а": "a", "α": "a", "б": "b", "β": "b", "ა": "a", "ბ": "b"})


#: A whole reply that names only a letter: "Answer: A", "B is better".
_BARE_LETTER = re.compile(
    r"(?:(?:the[ \t])?(?:answer|better one)(?:[ \t]is|:)[ \t]?(?=[ab]\Z))?"
    r"(?P<letter>[ab])(?:[ \t]is[ \t](?:clearly[ \t]|slightly[ \t])?(?:better|best))?"
)


@dataclass(frozen=True, slots=True)
class RatingReader:
    """Reads grades within ``scale`` (both ends included)."""

    scale: tuple[float, float]

    def inside(self, content: str) -> Verdict[float]:
        """Read the inside of brackets; what is no single number has a reason."""
        match = _NUMBER.fullmatch(_with_digits(content.strip()))
        if match is None:
            return Verdict(None, f"not one number: [[{content.strip()}]]")
        return self.on_scale(_shown(match), match["of"])

    def plain(self, content: str) -> tuple[Verdict[float], int] | None:
        """Read the number that a text after a label begins with, and where it ends."""
        match = _PLAIN_NUMBER.match(content)
        if match is None and content[:1] in _HAN_DIGITS:
            held = _with_digits(content[:4]) + content[4:]
            match = _PLAIN_NUMBER.match(held)
            if match:
                return self.on_scale(_shown(match), match["of"]), 1
        return (self.on_scale(_shown(match), match["of"]), match.end()) if match else None

    def alone(self, content: str) -> Verdict[float] | None:
        """Read a reply that is nothing but a grade."""
        match = _NUMBER.fullmatch(_with_digits(content))
        return self.on_scale(_shown(match), match["of"]) if match and not match["label"] else None

    def on_scale(self, shown: str, end: str | None) -> Verdict[float]:
        """Check a number as written, and the end of the scale that it names."""
        if end and float(end.replace(",", ".")) != self.scale[1]:
            return Verdict(None, f"on another scale: {shown}/{end}")
        number = float(shown)
        if not self.scale[0] <= number <= self.scale[1]:
            low, high = self.scale
            return Verdict(None, f"out of range {low:g} to {high:g}: {shown}")
        return Verdict(number)


@dataclass(frozen=True, slots=True)
class PreferenceReader:
    """Reads which of two answers is preferred."""

    def inside(self, content: str) -> Verdict[Preference]:
        """Read the inside of brackets; what is no verdict of a protocol has a reason."""
        content = latin_letter(content.strip()).replace("&gt;", ">").replace("&lt;", "<")
        content = re.sub(rf"^{_NAMES}[ \t]*(?=[ab][ \t]{{0,2}}[<>=])", "", content)
        content = re.sub(rf"(?<=[<>=])[ \t]*{_NAMES}[ \t]*", "", content)
        content = re.sub(r"(?<=\b[ab12]) is (?:clearly |slightly )?better$", "", content)
        if content in _TIES:
            return Verdict("tie")
        if found := _STRENGTHS.get(re.sub(r"[ \t]", "", content)):
            return Verdict(found[0], strength=found[1])
        match = _LETTER.fullmatch(content)
        value = _preferred(match) if match else None
        if value is None:
            return Verdict(None, f"no verdict of the protocol: [[{content}]]")
        return Verdict(value)

    def plain(self, content: str) -> tuple[Verdict[Preference], int] | None:
        """Read the preference that a text after a label begins with, and where it ends."""
        if tie := _PLAIN_TIE.match(content):
            return Verdict("tie"), tie.end()
        match = _PLAIN_LETTER.match(content)
        if match is None:
            return None
        if match["strength"]:
            return self.inside(match["strength"]), match.end()
        value = _preferred(match)
        return (Verdict(value), match.end()) if value else None

    def alone(self, content: str) -> Verdict[Preference] | None:
        """Read a reply that is nothing but a preference."""
        if content in _LETTERS or content in _TIES or re.sub(r"\s", "", content) in _STRENGTHS:
            return self.inside(content)
        if said := _BARE_LETTER.fullmatch(content):
            return self.inside(said["letter"])
        match = _LETTER.fullmatch(content)
        return self.inside(content) if match and match["named"] and not match["label"] else None


def latin_letter(content: str) -> str:
    """A lone letter of another alphabet as the Latin one that it stands for."""
    return content.translate(_ALIKE) if len(content) == 1 else content


def _preferred(match: re.Match[str]) -> Preference | None:
    """The letter, or the number of a named answer ("Response 1"); a bare number is neither."""
    if match["letter"]:
        return _LETTERS[match["letter"]]
    return _NUMBERED[match["digit"]] if match["named"] else None


def _shown(match: re.Match[str]) -> str:
    return match["number"].replace("−", "-").replace(",", ".")


def _with_digits(content: str) -> str:
    """The content with its one Chinese numeral, if it has one, as digits."""

    def digits(match: re.Match[str]) -> str:
        tenths = f".{_HAN_DIGITS[match[2]]}" if match[2] else ""
        return f"{_HAN_DIGITS[match[1]]}{tenths}"

    return _HAN_NUMBER.sub(digits, content, count=1) if content[:1] in _HAN_DIGITS else content
