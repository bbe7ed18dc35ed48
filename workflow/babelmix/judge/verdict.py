"""Read a judge's verdict out of its text. A text without a clear one is unscored, never a number.

The rules, in order (a rating is a number on the scale; a preference A, B, C = tie, D = both bad):

1. Text is folded first: full-width and other scripts' digits and brackets, accents, case, emphasis
   marks, backslashes. Reasoning between ``<think>`` and ``</think>`` is not read.
2. The form that was asked for, ``[[8]]``, goes before any other. With a label (``Rating:``,
   ``Bewertung:`` …) it goes before one without. Among equals the last wins: judges correct
   themselves.
3. Left aside: quoted examples of the format, recited options (``[[A]] if …``), the scale's end
   (``[[8]] out of [[10]]``), indices (``x[[1]]``), what stands among other code in backticks.
4. Without any ``[[…]]``, a labelled plain verdict counts (``**Rating:** 8``, ``Note : 8/10``), and
   so does a text that is nothing but the verdict (``8/10``, ``Output (b)``), or a JSON object with
   the verdict under a label. A plain one after a ``[[…]]`` counts only if a word of correction
   stands between them. Without any of these a grade that a sentence gives counts
   (``I'd rate this 7 out of 10``), if there is only one.
5. What is chosen is final: out of range, on another scale, not one number, or two verdicts side by
   side is unscored with a reason; there is no second best.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from .folding import fold
from .labels import CORRECTIONS, RATING_LABELS, VERDICT_LABELS
from .spoken import OUT_OF, UNITS, spoken_grades
from .structured import CodeSpans, latin_letter, read_json_reply

Value = TypeVar("Value")
Preference = Literal["A", "B", "tie", "both_bad"]

#: What a judge may be asked to grade on.
SCALE = (1, 10)
#: Only the last of them are looked at: a reply with more is babble, and must not cost minutes.
MAX_CANDIDATES = 500


@dataclass(frozen=True, slots=True)
class Verdict(Generic[Value]):
    """``value`` is None when unscored, and then ``reason`` says why."""

    value: Value | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class _Found(Generic[Value]):
    """One candidate: its place, its value or why it has none, and how it is written."""

    start: int
    end: int
    verdict: Verdict[Value]
    labelled: bool


#: Reads the inside of a bracket or the text after a label: a verdict, or None if it is none at all.
_Reader = Callable[[str], "Verdict[Value] | None"]

_BRACKETED = re.compile(r"\[\[[ \t]{0,9}([^\[\]\n]{1,40})\]\]")
# A closing bracket lost, or only one of each: believed after a label alone.
_HALF = re.compile(r"\[{1,2}[ \t]{0,9}([^\[\]\n]{1,40}?)[ \t]{0,9}(?:\]{1,2}|$)", re.MULTILINE)
_QUOTES = "\"'`“”„‟‘’‚«»‹›「」『』"
_OPENING_QUOTE = re.compile(rf"[{_QUOTES}][ \t]{{0,2}}$")
_CLOSING_QUOTE = re.compile(rf"[ \t]{{0,2}}[.,:;]?[{_QUOTES}]")
_RECITED = re.compile(
    r"[ \t]{0,3}[:=,]?[ \t]{0,3}"
    r"(?:if|when|wenn|falls|si|se|cuando|quando|lorsque|bei|en caso|pour un|for a tie|in caso|als|"
    r"jos|kui|если|pokud|ako|ikiwa|אם|यदि|如果|إذا)\b"
)
_DENOMINATOR = re.compile(
    r"(?:\bout of|\bvon|\bsur|\bsu|\bde|\bsobre|\bauf|\bof|\bper|\biz|\bиз|/)[ \t]{0,3}$"
)
_JOINED = re.compile(
    r"[ \t,;/&|–-]{0,4}(?:(?:or|and|oder|und|ou|et|o|e|y|or maybe|bis|to|a)[ \t]{1,3})?"
)
_INDEXED = re.compile(r"[a-z0-9_)\]]$")
# Longer words first: "es" is not "e" and a stray letter.
_COPULA = r"(?:is|ist|lautet|est de|est|es de|es|e di|e|ni|:|=|：)"
# Between a label and its colon: "Note finale : 8", "Rating (1-10): 8".
_QUALIFIED = (
    r"(?:[ \t]{1,2}(?:final|finale|finala|total|totale|global|globale|general|generale|overall|"
    r"complessiv[ao]|insgesamt|gesamt|definitiv[aoe]|koncow[aye]|celkov[ae]|النهائي|النهائية|"
    r"cuoi cung))?(?:[ \t]{0,2}\([^()\n]{1,25}\))?"
)
_CORRECTION = re.compile(CORRECTIONS)
_THINKING = re.compile(r"<(/?)think(?:ing)?>", re.IGNORECASE)


def _label_before(labels: str) -> re.Pattern[str]:
    """A label at the end of the text before a candidate, with a few small words between them.

    A quotation mark may stand between them only right after a colon or "is".
    """
    words = r"[^\[\]\n.!?\"“”«»]{0,30}"
    quoted = rf"[ \t]{{0,3}}{_COPULA}[ \t]{{0,3}}[{_QUOTES}][ \t]{{0,2}}"
    return re.compile(rf"(?:{labels})(?:{quoted}|{words})\[{{0,2}}$")


_NUMBER = re.compile(
    r"(?:(?P<label>[^\d:=]{1,25})[:=][ \t]*)?(?P<number>[-+−]?\d{1,6}(?:[.,]\d{1,2})?)"
    rf"(?:[ \t]*{OUT_OF}[ \t]*(?P<of>\d{{1,6}}(?:[.,]0)?))?[ \t]*{UNITS}?"
)
# A number after a label: what follows must not make it a part of something else.
_PLAIN_NUMBER = re.compile(
    r"\(?(?P<number>[-+−]?\d{1,6}(?:[.,]\d{1,2})?)"
    rf"(?:[ \t]*{OUT_OF}[ \t]*(?P<of>\d{{1,6}}))?"
    rf"(?:[ \t]{{0,2}}{UNITS}(?![a-z]))?"
    r"(?=[ \t]*(?:$|[\n;!?)(\]]|[.,](?!\d)|[–—-](?![ \t]*\d)))"
)
_LETTERS: dict[str, Preference] = {"a": "A", "b": "B", "c": "tie", "d": "both_bad"}
_NAMES = (
    r"(?P<named>assistant|assistent|asistente|assistente|l'assistant|answer|antwort|response|"
    r"reponse|risposta|respuesta|output|model|option)"
)
_LETTER = re.compile(
    rf"(?:(?P<label>[^\d:=]{{1,25}})[:=][ \t]*)?{_NAMES}?"
    r"[ \t]*(?P<bracket>\()?(?P<letter>[abcd])(?(bracket)\))"
)
_PLAIN_LETTER = re.compile(
    rf"(?:{_NAMES}[ \t]+)?(?P<bracket>\()?(?P<letter>[abcd])(?(bracket)\))"
    r"(?=[ \t]*(?:$|[\n;!?)(\]]|[.,:](?![\w'])|[–—-]))"
)
_PLAIN_TIE = re.compile(
    r"(?:a[ \t]+)?(?:tie|draw|gleichstand|unentschieden|egalite|parita|pareggio|empate)"
    r"(?=[ \t]*(?:$|[\n;.!?)(\]]))"
)
_TIES = {"tie", "draw", "gleichstand", "unentschieden", "egalite", "parita", "pareggio", "empate"}


def parse_rating(text: str, scale: tuple[float, float] = SCALE) -> Verdict[float]:
    """The grade that a judge's text ends in, within ``scale`` (both ends included)."""

    def inside(content: str) -> Verdict[float] | None:
        match = _NUMBER.fullmatch(content.strip())
        if match is None:
            return Verdict(None, f"not one number: [[{content.strip()}]]")
        return _in_scale(match, scale)

    def plain(content: str) -> Verdict[float] | None:
        match = _PLAIN_NUMBER.match(content)
        return _in_scale(match, scale) if match else None

    def alone(content: str) -> Verdict[float] | None:
        match = _NUMBER.fullmatch(content)
        return _in_scale(match, scale) if match and not match["label"] else None

    def spoken(content: str) -> Verdict[float] | None:
        return _from_sentences(content, scale)

    return _parse(text, _RATING, inside, plain, alone, spoken)


def parse_preference(text: str) -> Verdict[Preference]:
    """Which answer a judge's text prefers: ``A``, ``B``, ``tie`` or ``both_bad``."""

    def inside(content: str) -> Verdict[Preference] | None:
        content = latin_letter(content.strip())
        if content in _TIES:
            return Verdict("tie")
        match = _LETTER.fullmatch(content)
        if match is None:
            return Verdict(None, f"no verdict of the protocol: [[{content}]]")
        return Verdict(_LETTERS[match["letter"]])

    def plain(content: str) -> Verdict[Preference] | None:
        if _PLAIN_TIE.match(content):
            return Verdict("tie")
        match = _PLAIN_LETTER.match(content)
        return Verdict(_LETTERS[match["letter"]]) if match else None

    def alone(content: str) -> Verdict[Preference] | None:
        match = _LETTER.fullmatch(content)
        named = content in _LETTERS or content in _TIES or (match and match["named"])
        return inside(content) if named and not (match and match["label"]) else None

    return _parse(text, _VERDICT, inside, plain, alone)


@dataclass(frozen=True, slots=True)
class _Labels:
    """The labels of one kind of verdict, as patterns: alone, before brackets, before plain text."""

    words: str
    before: re.Pattern[str]
    plain: re.Pattern[str]


def _labels(words: str) -> _Labels:
    fraction = r"[ \t]{1,2}(?:of|von|de|di|da|из)[ \t]{1,2}(?=\d{1,2}(?:[.,]\d{1,2})?[ \t]*/)"
    joined = rf"(?:[ \t]{{0,3}}{_COPULA}[ \t]{{0,3}}:?|[ \t]{{1,3}}[–—-][ \t]{{1,3}}|{fraction})"
    heading = r"[ \t]{0,2}\n[ \t\n]{0,3}(?=[-\d\[(]|[abcd]\b)"
    plain = rf"(?:{words}){_QUALIFIED}(?:{joined}\s{{0,3}}|{heading})"
    return _Labels(words, _label_before(words + "|" + CORRECTIONS), re.compile(plain))


_RATING = _labels(RATING_LABELS)
_VERDICT = _labels(VERDICT_LABELS)


def _in_scale(match: re.Match[str], scale: tuple[float, float]) -> Verdict[float]:
    """The matched number, if it lies on the scale."""
    return _on_scale(match["number"].replace("−", "-").replace(",", "."), match["of"], scale)


def _from_sentences(text: str, scale: tuple[float, float]) -> Verdict[float] | None:
    """The one grade that the text's sentences give; two that differ are none."""
    grades = spoken_grades(text)
    fitting = [grade for grade in grades if not grade[1] or float(grade[1]) == scale[1]]
    if not grades:
        return None
    if len({float(number) for number, _ in fitting}) > 1:
        return Verdict(None, "several grades in its sentences")
    return _on_scale(*(fitting or grades)[0], scale)


def _on_scale(shown: str, end: str | None, scale: tuple[float, float]) -> Verdict[float]:
    """A number as written, and the end of the scale that it names."""
    if end and float(end.replace(",", ".")) != scale[1]:
        return Verdict(None, f"on another scale: {shown}/{end}")
    number = float(shown)
    if not scale[0] <= number <= scale[1]:
        return Verdict(None, f"out of range {scale[0]:g} to {scale[1]:g}: {shown}")
    return Verdict(number)


def _parse(
    text: str,
    labels: _Labels,
    inside: _Reader[Value],
    plain: _Reader[Value],
    alone: _Reader[Value],
    spoken: _Reader[Value] = lambda content: None,
) -> Verdict[Value]:
    """The rules of the module's head, for either kind of verdict."""
    if not text.strip():
        return Verdict(None, "empty reply")
    read, cut = _without_thinking(text)
    folded = fold(read)
    whole = alone(folded.strip().strip("[]" + _QUOTES).strip(" .\t\n"))
    if whole is None:
        whole = _from_json(read, labels, inside)
    if whole is not None:
        return whole
    bracketed, quoted = _bracketed(folded, labels.before, inside)
    labelled = _labelled(folded, labels.plain, inside, plain)
    chosen = _last_of(bracketed)
    if chosen is None and labelled:
        return labelled[-1].verdict
    if chosen is not None:
        later = labelled[-1] if labelled else None
        if later and _CORRECTION.search(folded, chosen.end, max(later.start, chosen.end)):
            return later.verdict
        return _unless_conflicting(folded, chosen, bracketed)
    if (said := spoken(folded)) is not None:
        return said
    if cut:
        return Verdict(None, "the reasoning was cut off before a verdict")
    return Verdict(None, "only a quoted example of the format" if quoted else "no verdict found")


def _from_json(text: str, labels: _Labels, inside: _Reader[Value]) -> Verdict[Value] | None:
    """The verdict of a reply that is a JSON object with a label among its names."""
    reply = read_json_reply(text)
    values = reply.values(labels.words) if reply else []
    if len(values) > 1:
        return Verdict(None, "two verdicts side by side")
    return inside(fold(values[0]).strip("[]")) if values else None


def _without_thinking(text: str) -> tuple[str, bool]:
    """The text outside of ``<think>`` marks, and whether the last one was never closed.

    Servers may leave the opening mark out: what stands before a lone closing one is reasoning too.
    """
    kept: list[str] = []
    start, thinking = 0, False
    for mark in _THINKING.finditer(text):
        if mark[1] and not thinking:
            kept.clear()
        elif not thinking:
            kept.append(text[start : mark.start()])
        thinking = not mark[1]
        start = mark.end()
    if not thinking:
        kept.append(text[start:])
    return " ".join(kept), thinking


def _bracketed(
    text: str, before: re.Pattern[str], inside: _Reader[Value]
) -> tuple[list[_Found[Value]], bool]:
    """Candidates in double brackets, and whether quoted ones were left aside."""
    found: list[_Found[Value]] = []
    quoted = False
    code = CodeSpans(text)
    for match in deque(_BRACKETED.finditer(text), maxlen=MAX_CANDIDATES):
        window = text[max(0, match.start() - 60) : match.start()]
        label = before.search(window)
        after = text[match.end() : match.end() + 24]
        if _is_quoted(window, after, label):
            quoted = True
            continue
        if _RECITED.match(after) or (found and _DENOMINATOR.search(window)):
            continue
        if label is None and (_INDEXED.search(window) or code.hold(*match.span())):
            continue
        verdict = inside(match[1])
        if verdict is not None:
            found.append(_Found(match.start(), match.end(), verdict, label is not None))
    return found, quoted


def _is_quoted(window: str, after: str, label: re.Match[str] | None) -> bool:
    """Whether quotation marks enclose the candidate, alone or together with its label.

    ``Rating: "[[8]]"`` is a verdict (the label stands outside), ``'[[5]]' is the format`` and
    ``"Rating: [[5]]"`` within a sentence are examples. A line that is nothing but the quoted
    verdict is one.
    """
    if not _CLOSING_QUOTE.match(after):
        return False
    line_start = window.rpartition("\n")[2]
    ends_line = re.match(r"[^\n]{0,3}(?:\n|$)", after) is not None
    if label is None:
        alone = ends_line and not line_start.strip(_QUOTES + " \t") and "\n" in window
        return _OPENING_QUOTE.search(window) is not None and not alone
    if _OPENING_QUOTE.search(window):
        return False  # the label stands outside of the marks
    outside = window[: label.start()]
    if outside[-1:] in _QUOTES and outside:
        return not (ends_line and not outside.rpartition("\n")[2].strip(_QUOTES + " \t"))
    return False


def _labelled(
    text: str, label: re.Pattern[str], inside: _Reader[Value], plain: _Reader[Value]
) -> list[_Found[Value]]:
    """Labelled verdicts without double brackets: ``Rating: 8/10``, ``Rating: [8]``."""
    found: list[_Found[Value]] = []
    for match in label.finditer(text):
        tail = text[match.end() : match.end() + 60]
        if "\n" in match[0]:  # on the next line the verdict must stand alone
            tail = tail.partition("\n")[0]
            if len(tail.rstrip(" .")) > 12 or re.match(r"\d{1,2}[.)] ", tail):
                continue
        if tail.startswith("["):
            half = _HALF.match(tail)
            verdict = inside(half[1]) if half and not _BRACKETED.match(tail) else None
            if (
                verdict is not None
                and verdict.value is None
                and "not one" in (verdict.reason or "")
            ):
                verdict = None
        else:
            verdict = plain(tail)
        if verdict is not None:
            found.append(_Found(match.start(), match.end(), verdict, True))
    return found


def _last_of(found: list[_Found[Value]]) -> _Found[Value] | None:
    """The last labelled candidate, else the last one."""
    labelled = [f for f in found if f.labelled]
    return (labelled or found)[-1] if found else None


def _unless_conflicting(
    text: str, chosen: _Found[Value], found: list[_Found[Value]]
) -> Verdict[Value]:
    """The chosen verdict, unless another one stands right beside it (``[[A]] [[B]]``)."""
    for other in found:
        first, second = sorted((chosen, other), key=lambda f: f.start)
        if other.verdict == chosen.verdict or second.start - first.end > 24:
            continue
        if _JOINED.fullmatch(text, first.end, second.start):
            return Verdict(None, "two verdicts side by side")
    return chosen.verdict
