"""Find what may be a verdict in a folded reply, and tell what each one is.

A form is a value that is marked as one: ``[[8]]``, ``\\boxed{8}``, ``<rating>8</rating>``,
``[RESULT] 5``. A plain value stands after a label: ``Rating: 8/10``.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal

from . import cues
from .code_spans import CodeSpans
from .cues import QUOTES
from .labels import CORRECTIONS, CRITERIA, OVERALLS, RATING_LABELS, VERDICT_LABELS
from .normalise import fold
from .prose import GRADING, is_had_by_a_thing, is_of_others
from .readers import TIE_WORDS, PreferenceReader, RatingReader, Value, Verdict

#: Only the last of them are looked at: a reply with more is babble, and must not cost minutes.
MAX_CANDIDATES = 500

#: What a candidate is. ``own``: the judge's own value. ``boxed``: a box without a label, perhaps
#: the result of a calculation. ``foreign``: after some other label ("Turn 1: [[8]]").
#: ``criterion``: the grade of one criterion. ``quoted``: in quotation marks. ``claimed``: what the
#: judged text says of itself. ``example``: the format's own example.
Kind = Literal["own", "boxed", "foreign", "criterion", "quoted", "claimed", "example"]


@dataclass(frozen=True, slots=True)
class Candidate(Generic[Value]):
    """One candidate: where its value stands (``label_start``: with its label), and what it is.

    ``final``: its label speaks of the whole. ``label``: the label's words.
    """

    start: int
    end: int
    verdict: Verdict[Value]
    label_start: int
    label: str = ""
    kind: Kind = "own"
    final: bool = False

    @property
    def labelled(self) -> bool:
        return bool(self.label)


_FORM = re.compile(
    r"\[\[[ \t]{0,9}(?P<bracket>[^\[\]\n]{1,40})\]\]"
    r"|boxed\{(?:(?:text(?:bf)?|mathbf|mathrm)\{)?[\[ \t]{0,4}"
    r"(?P<box>[^{}\[\]\n]{1,40})[\] \t]{0,4}\}{1,2}"
)
# A closing bracket lost, or only one of each: believed after a label alone.
_HALF = re.compile(r"\[{1,2}[ \t]{0,9}([^\[\]\n]{1,40}?)[ \t]{0,9}(?:\]{1,2}|$)", re.MULTILINE)
_RESULTS = (
    "ergebnis résultat resultado risultato resultaat wynik результат sonuç tulos "
    "结果 結果 결과 النتيجة परिणाम"
)
_RESULT = "result|score|rating|verdict|" + "|".join(fold(word) for word in _RESULTS.split())
_MARKER = re.compile(rf"\[(?:final[ \t])?(?:{_RESULT})\][ \t:]{{0,3}}\n?[ \t]{{0,3}}")
# The row of the whole in a table of grades: "| **Overall** | **8** |", with a remark or without.
_TABLE_ROW = re.compile(
    rf"^[ \t]{{0,3}}\|[ \t]{{0,9}}(?:{OVERALLS})"
    rf"(?:[ \t]{{1,2}}(?:{RATING_LABELS}|{VERDICT_LABELS}))?"
    r"[ \t]{0,9}\|[ \t]{0,9}(?P<value>[^|\n]{1,20}?)[ \t]{0,9}\|"
    r"(?:[^|\n\d]{1,200}\|)?[ \t]{0,9}$",
    re.MULTILINE,
)
_OPENING_QUOTE = re.compile(rf"[{QUOTES}][ \t]{{0,2}}$")
_CLOSING_QUOTE = re.compile(rf"[ \t]{{0,2}}[.,:;]?[{QUOTES}]")
_INDEXED = re.compile(r"[a-z0-9_)\]]\Z")
# Longer words first: "es" is not "e" and a stray letter.
_COPULA = (
    r"(?:is|was|ist|lautet|est de|est|es de|es|e di|e|ni|to|jest|=|:|：|为|為|是|は|"
    + "|".join(fold(particle) for particle in ("은", "는", "이"))
    + ")"
)
# Between a label and its colon: "Note finale : 8", "Rating (1-10): 8".
_QUALIFIED = (
    r"(?:[ \t]{1,2}(?:final|finale|finala|total|totale|global|globale|general|generale|overall|"
    r"complessiv[ao]|insgesamt|gesamt|definitiv[aoe]|"
    r"on a scale (?:of|from) \d{1,2} ?(?:to|-) ?\d{1,3}|koncow[aye]|celkov[ae]|النهائي|النهائية|"
    r"cuoi cung|akhir))?(?:[ \t]{0,2}\([^()\n]{1,25}\))?"
)
_CRITERION_LABEL = re.compile(
    rf"(?:^|\n|[\])\d][ \t]{{0,3}}[,;/|.][ \t]{{0,3}}|[(|•●-][ \t]{{0,3}}|"
    rf"\d[.)][ \t]{{0,3}})[^\w\n]{{0,4}}"
    rf"(?:the[ \t]|its[ \t]|for[ \t]|in[ \t])?(?:level of |instruction )?(?:{CRITERIA})"
    r"(?:[ \t]{0,2}[&/][ \t]{0,2}\w{3,15}|[ \t](?:and|of)[ \t]\w{3,15})?"
    rf"(?:[ \t]{{0,2}}\([^()\n]{{1,25}}\))?[ \t]{{0,2}}(?:{RATING_LABELS})?"
    r"(?:[ \t]{0,2}\([^()\n]{1,25}\))?[ \t]{0,3}(?:=|:|is|ist|est|e|es|–|—|-)?[^\w\n]{0,4}$"
)
_FOR_CRITERION = re.compile(
    r"(?<!level )\b(?:for|of|on|in|fur|pour|de|para|per)[ \t](?:the[ \t]|its[ \t]|la[ \t])?"
    rf"(?:{CRITERIA})[^\w\n.!?]{{0,6}}"
    r"(?:is[ \t])?[^\w\n.!?]{0,4}$"
)
_CRITERION_AFTER = re.compile(
    rf"[ \t]{{0,3}}(?:for|on|in|fur|pour|para|per|voor)[ \t](?:the[ \t]|its[ \t])?(?:{CRITERIA})"
    rf"|[ \t]{{0,2}}\([ \t]?(?:{CRITERIA})[ \t]?\)"
)
_FOREIGN_LABEL = re.compile(
    r"(?:^|\n|[\])\d][ \t]{0,3}[,;/|.][ \t]{0,3}|[(|•●][ \t]{0,3})[^\w\n]{0,4}"
    r"([^\W\d][^\n:=\[\].!?]{0,30})[ \t]{0,2}[:=][^\w\n]{0,4}$"
)
_OVERALL = re.compile(OVERALLS)
_FRACTION_OF = re.compile(r"[ \t](?:of|von|de|di|da|из)[ \t]{1,2}$")
_GRADED = re.compile(rf"(?:{GRADING})[^\[\]\n.!?\"“”«»]{{0,40}}$")


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels of one kind of verdict, as patterns: before a form, before plain text, in tags."""

    words: str
    before: re.Pattern[str]
    plain: re.Pattern[str]
    tag: re.Pattern[str]


def make_labels(words: str, gap: int, tags: str, value: str) -> Labels:
    """Build the patterns of some labels; ``gap``: the most characters between label and form."""
    between = rf"[^\[\]\n.!?\"“”«»]{{0,{gap}}}"
    quoted = rf"[ \t]{{0,3}}{_COPULA}[ \t]{{0,3}}[{QUOTES}][ \t]{{0,2}}"
    heading = r"[^\w\n\[]{0,6}\n{1,3}[ \t]{0,4}"
    overall_line = rf"(?:^|\n)[^\w\n]{{0,6}}(?:{OVERALLS})(?=[^\w\n]{{0,4}}[:=–-])"
    label = rf"(?P<label>{words}|{CORRECTIONS}|{overall_line})"
    before = rf"{label}(?:{heading}|{quoted}|{between})[\[$ ]{{0,3}}$"
    fraction = r"[ \t]{1,2}(?:of|von|de|di|da|из)[ \t]{1,2}(?=\d{1,2}(?:[.,]\d{1,2})?[ \t]*/)"
    joined = (
        rf"(?:[\"']?[ \t]{{0,3}}{_COPULA}[ \t]{{0,3}}:?|[ \t]{{1,3}}[–—-][ \t]{{1,3}}|{fraction})"
    )
    below = rf"[ \t]{{0,2}}\n[ \t\n]{{0,3}}(?={value})"
    plain = (
        rf"(?:(?P<label>{words}){_QUALIFIED}|"
        rf"(?P<overall>(?:^|(?<=\n))[^\w\n]{{0,6}}(?:{OVERALLS})))"
        rf"(?:{joined}\s{{0,3}}|{below})"
    )
    bare, overalls = words.replace(r"\b", ""), OVERALLS.replace(r"\b", "")
    tag = (
        rf"<(?P<name>(?:(?:{overalls})[ -]?)?(?:{bare}{tags})|(?:{overalls}))>"
        r"\s{0,3}(?P<value>[^<>\n]{1,40}?)\s{0,3}</"
    )
    return Labels(words, re.compile(before), re.compile(plain), re.compile(tag))


RATING = make_labels(RATING_LABELS, 30, "", r"[-\d\[(]")
VERDICT = make_labels(
    VERDICT_LABELS, 60, "|answer|better|preferred", rf"[\[(]|[abcd]\b|(?:{TIE_WORDS}|assistant)\b"
)

Reader = RatingReader | PreferenceReader


def find_forms(text: str, labels: Labels, reader: Reader, code: CodeSpans) -> list[Candidate[Any]]:
    """Find the values that are marked as verdicts, in order, without options and scales."""
    found: list[Candidate[Any]] = []
    for match in deque(_FORM.finditer(text), maxlen=MAX_CANDIDATES):
        content = match["bracket"] or match["box"]
        window = text[max(0, match.start() - 110) : match.start()]
        after = text[match.end() : match.end() + 30]
        label = labels.before.search(window)
        graded = None if label else _GRADED.search(window)
        if cues.RECITED.match(after):
            continue
        if found and (
            cues.DENOMINATOR.search(window)
            or (
                cues.SCALE_END.match(text[found[-1].end : match.start()][:12])
                and "scale" in text[max(0, found[-1].start - 30) : found[-1].start]
            )
        ):
            continue
        near = label is not None and window[label.end("label") :].strip("[$ ") == ""
        beside = bool(found) and found[-1].end == match.start()  # "[[8]][[9]]" is no index
        if _INDEXED.search(window) and match["bracket"] and not near and not beside:
            continue
        at = match.start() - len(window) + label.start("label") if label else match.start()
        if code.hold(*match.span(), label=text[at : match.start()] if label else ""):
            continue
        after_lone_fence = code.lone is not None and code.lone < match.start()
        if after_lone_fence and not label and not _stands_alone(text, *match.span()):
            continue
        words = label["label"].strip() if label else (graded[0] if graded and match["box"] else "")
        candidate: Candidate[Any] = Candidate(*match.span(), reader.inside(content), at, words)
        found.append(_classified(text, candidate, box=match["box"] is not None and not words))
    found += _marked(text, labels, reader, code)
    return sorted(found, key=lambda candidate: candidate.start)[-MAX_CANDIDATES:]


def find_plain(text: str, labels: Labels, reader: Reader, code: CodeSpans) -> list[Candidate[Any]]:
    """Find labelled values without a form: ``Rating: 8/10``, ``Rating: [8]``."""
    found: deque[Candidate[Any]] = deque(maxlen=MAX_CANDIDATES)
    for match in labels.plain.finditer(text):
        tail = text[match.end() : match.end() + 60]
        if "\n" in match[0]:  # on the next line the verdict must stand alone
            tail = tail.partition("\n")[0]
            if len(tail.rstrip(" .")) > 12 or re.match(r"\d{1,2}[.)] ", tail):
                continue
        start = match.end()
        if tail.startswith("["):
            half = _HALF.match(tail)
            if half is None or _FORM.match(tail):
                continue
            verdict, end = reader.inside(half[1]), start + half.end()
            if verdict.value is None and "not one" in (verdict.reason or ""):
                continue
        else:
            read = reader.plain(tail)
            if read is None:
                continue
            verdict, end = read[0], start + read[1]
        at = match.start("label") if match["label"] else match.start()
        words = (match["label"] or match["overall"]).strip()
        if code.hold(start, end, label=text[at:start]):
            continue
        if _FRACTION_OF.search(match[0]) and is_had_by_a_thing(text, at):
            continue  # "The hotel has a score of 9/10."
        quoted_name = text[at - 1 : at] in ('"', "'") and match[0][len(words) :][:1] in ('"', "'")
        candidate: Candidate[Any] = Candidate(start, end, verdict, at, words)
        candidate = _classified(text, candidate, box=False, json_name=quoted_name)
        found.append(replace(candidate, final=candidate.final or quoted_name))
    return list(found)


def _marked(text: str, labels: Labels, reader: Reader, code: CodeSpans) -> list[Candidate[Any]]:
    """Values in tags (``<rating>8</rating>``) and after Prometheus's marker (``[RESULT] 5``)."""
    found: deque[Candidate[Any]] = deque(maxlen=MAX_CANDIDATES)
    for match in labels.tag.finditer(text):
        if _FORM.search(match["value"]) or code.hold(*match.span()):
            continue
        end = text.find(">", match.end(), match.end() + 60) + 1 or match.end()
        verdict = reader.inside(match["value"])
        if verdict.value is None and len(match["value"]) > 3 and not re.search(r"\d", match[0]):
            continue  # words: "<evaluation>Good</evaluation>"
        final = match["name"].startswith(("final", "overall", "total", "gesamt"))
        start = match.start()
        found.append(Candidate(start, end, verdict, start, match["name"], final=final))
    for match in _TABLE_ROW.finditer(text):
        verdict = reader.inside(match["value"])
        if verdict.value is not None and _grades(text, match.start(), labels):
            row: Candidate[Any] = Candidate(
                *match.span("value"), verdict, match.start(), "overall", final=True
            )
            found.append(row)
    for match in _MARKER.finditer(text):
        read = reader.plain(text[match.end() : match.end() + 40])
        if read is None:
            tail = labels.plain.match(text, match.end())
            held = reader.plain(text[tail.end() : tail.end() + 40]) if tail else None
            if held is None or tail is None:
                continue
            read, start = held, tail.end()
        else:
            start = match.end()
        words, end = match[0].strip(), start + read[1]
        candidate: Candidate[Any] = Candidate(start, end, read[0], match.start(), words)
        found.append(_classified(text, candidate, box=False))
    return list(found)


def _grades(text: str, row: int, labels: Labels) -> bool:
    """Tell whether a table's head speaks of grades or winners; a row alone has no head."""
    above = text[max(0, row - 1500) : row].rpartition("\n\n")[2]
    return not above.strip() or re.search(labels.words, above.partition("\n")[0]) is not None


def _classified(
    text: str, candidate: Candidate[Any], box: bool, json_name: bool = False
) -> Candidate[Any]:
    """Tell what a candidate is from the words around it."""
    at, label = candidate.label_start, candidate.label
    window = text[max(0, at - 110) : at]
    near = text[max(0, candidate.start - 110) : candidate.start]
    near = near if candidate.start <= 110 else "\0" + near  # no line begins where the window does
    after = text[candidate.end : candidate.end + 40]
    before_label = text[max(0, at - 24) : at].rpartition("\n")[2]
    final = bool(label) and bool(
        _OVERALL.search(before_label) or _OVERALL.search(text[at : candidate.start])
    )
    kind: Kind = "boxed" if box else "own"
    if is_of_others(text, at):
        kind = "claimed"
    elif cues.CLAIMED.search(window) or (label and cues.CLAIMED.search(near)):
        kind = "example" if not json_name and is_quoted(text, candidate) else "claimed"
    elif cues.EXAMPLE_BEFORE.search(window.rstrip(QUOTES + " ")) and not json_name:
        kind = "example"
    elif not json_name and is_quoted(text, candidate):
        kind = "example" if _is_example(text, candidate) else "quoted"
    elif not final and (
        _CRITERION_LABEL.search(near)
        or _FOR_CRITERION.search(near)
        or _CRITERION_AFTER.match(after)
    ):
        kind = "criterion"
    elif not label and not box and _has_foreign_label(near):
        kind = "foreign"
    return replace(candidate, kind=kind, final=final)


def _has_foreign_label(before: str) -> bool:
    """Tell whether some other label stands before a value; "Finally: [[6]]" is none."""
    foreign = _FOREIGN_LABEL.search(before)
    return foreign is not None and not cues.REVISED.search(foreign[1])


def is_quoted(text: str, candidate: Candidate[Any]) -> bool:
    """Tell whether quotation marks enclose the candidate, alone or together with its label.

    ``Rating: "[[8]]"`` is a verdict (the label stands outside). A line that is nothing but the
    quoted verdict is one.
    """
    after = text[candidate.end : candidate.end + 24]
    if not _CLOSING_QUOTE.match(after):
        return False
    window = text[max(0, candidate.start - 60) : candidate.start]
    ends_line = re.match(r"[^\n]{0,3}(?:\n|$)", after) is not None
    if not candidate.labelled:
        line = window.rpartition("\n")[2]
        alone = ends_line and not line.strip(QUOTES + " \t") and "\n" in window
        return _OPENING_QUOTE.search(window) is not None and not alone
    if _OPENING_QUOTE.search(window):
        return False  # the label stands outside of the marks
    outside = text[max(0, candidate.label_start - 60) : candidate.label_start]
    outside = outside.rstrip(" ")
    if outside[-1:] in QUOTES and outside:
        return not (ends_line and not outside.rpartition("\n")[2].strip(QUOTES + " \t"))
    return False


def _is_example(text: str, candidate: Candidate[Any]) -> bool:
    """Tell whether the sentence around a quoted value speaks of the format, or gives an order."""
    before = cues.sentence_before(text, candidate.label_start)
    after = cues.sentence_after(text, candidate.end, 60)
    return bool(
        cues.EXAMPLE.search(before)
        or cues.EXAMPLE.search(after)
        or cues.ORDER.match(before)
        or cues.RECITED.match(after.lstrip(QUOTES))
    )


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Tell whether the value ends its line, alone on it or after a finished sentence."""
    line_end = re.match(r"[^\w\n]{0,6}(?:\n|$)", text[end : end + 8])
    before = text[max(0, start - 40) : start].rpartition("\n")[2]
    return line_end is not None and bool(re.search(r"(?:^|[.!?。:])[^\w\n]{0,6}$", before))
