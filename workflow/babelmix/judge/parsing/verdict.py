"""Read a judge's verdict out of its reply. A reply without a clear one is unscored, never a number.

The rules, in order (a rating is a number on the scale; a preference A, B, C = tie, D = both bad):

1. A reply that was cut at its token limit is unscored. Reasoning between marks is not read.
2. Text is folded first: full-width and other scripts' digits and brackets, accents, case, emphasis
   marks, backslashes.
3. A reply that is nothing but the verdict is read, in words, as JSON, or in the first line as
   PandaLM and JudgeLM write it.
4. The forms that judges are asked for go first: ``[[8]]``, ``[[A>>B]]``, ``<rating>8</rating>``,
   ``[RESULT] 5``, JSON at the reply's end, ``\\boxed{8}`` after a label; those with a label
   (``Rating:``, ``Bewertung:`` …) before those without.
5. Without any form a labelled plain verdict counts (``**Rating:** 8``, ``Note : 8/10``), then a box
   on a line of its own, then what a sentence says (``I'd rate this 7 out of 10``, ``Assistant A is
   better.``).
6. Left aside: quoted examples of the format, recited options (``[[A]] if …``), the scale's end
   (``[[8]] out of [[10]]``), indices (``x[[1]]``), code, grades of single criteria, and what the
   judged text says of itself. A quoted value that is the only one, or the last, is the verdict.
7. Of several values that differ the last counts if it is plainly final: a statement of its own at
   the end of its line or sentence. A labelled grade alone on its line stands against remarks below
   it ("Note: [[10]] would need sources."). Otherwise the reply is ambiguous: unscored.
8. What is chosen is final: out of range, on another scale or not one number is unscored with a
   reason; there is no second best.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Generic, cast

from ...text.reasoning import visible_text
from . import cues
from .candidates import (
    RATING,
    VERDICT,
    Candidate,
    Kind,
    Labels,
    find_forms,
    find_plain,
)
from .choice import AMBIGUOUS, JSON, Choice, ambiguous, differ, key, listed
from .code_spans import CodeSpans
from .cues import QUOTES
from .echo import own_words
from .json_reply import JsonReply, read_json_reply, trailing_json
from .normalise import FoldedText
from .prose import is_of_others, spoken_grades, spoken_preferences
from .readers import SCALE, Preference, PreferenceReader, RatingReader, Value, Verdict

#: Why a reply that hit the judge's ``max_tokens`` is unscored.
TRUNCATED = "reply cut off at max_tokens"
#: What services call the end of a reply that was cut.
_CUT = {"length", "max_tokens", "MAX_TOKENS", "max_output_tokens", "model_length"}
_WRAPPER = re.compile(r"\s*<(answer|response|output|result)>(.*)</\1>\s*", re.DOTALL)
_PANDALM = re.compile(r"\s{0,9}(?P<pick>1|2|tie)\s{1,9}#{1,4}[ \t]?reason")
_SCORE_PAIR = re.compile(
    r"\s{0,9}(?P<first>\d{1,2}(?:\.\d)?)(?:[ \t]*,[ \t]*|[ \t]+)"
    r"(?P<second>\d{1,2}(?:\.\d)?)[ \t]*(?:\n|$)"
)


def parse_rating(
    text: str, scale: tuple[float, float] = SCALE, finish_reason: str | None = None
) -> Verdict[float]:
    """Return the grade that a judge's reply ends in, within ``scale`` (both ends included).

    ``finish_reason``: how the service says that the reply ended; a cut reply is unscored.
    """
    return _Reading(text, RATING, RatingReader(scale)).verdict(finish_reason)


def parse_preference(text: str, finish_reason: str | None = None) -> Verdict[Preference]:
    """Return which answer a judge's reply prefers: ``A``, ``B``, ``tie`` or ``both_bad``."""
    return _Reading(text, VERDICT, PreferenceReader()).verdict(finish_reason)


class _Reading(Generic[Value]):
    """One reply being read for one kind of verdict."""

    def __init__(self, text: str, labels: Labels, reader: RatingReader | PreferenceReader) -> None:
        self.original = text
        self.labels = labels
        self.reader: Any = reader
        self.pairwise = isinstance(reader, PreferenceReader)
        self.seen = visible_text(text)
        self.folded = FoldedText(text, own_words(text, self.seen.spans))
        self.text = self.folded.text
        self.choice = Choice(self.text, labels, self.pairwise)

    def verdict(self, finish_reason: str | None) -> Verdict[Value]:
        """Apply the rules of the module's head."""
        if finish_reason in _CUT:
            return Verdict(None, TRUNCATED)
        if not self.original.strip():
            return Verdict(None, "empty reply")
        for rule in (self._alone, self._protocol_line, self._json):
            if (found := rule()) is not None:
                return found
        code = CodeSpans(self.text)
        forms = find_forms(self.text, self.labels, self.reader, code)
        forms += self._json_at_the_end()
        plain = find_plain(self.text, self.labels, self.reader, code)
        return (
            self._from_forms(sorted(forms, key=lambda form: form.start), plain)
            or self._from_labels(plain)
            or self._from_boxes(forms)
            or self._from_sentences()
            or self._nothing([*forms, *plain])
        )

    # What is nothing but the verdict

    def _alone(self) -> Verdict[Value] | None:
        content = self.text
        if wrapped := _WRAPPER.fullmatch(content):
            content = wrapped[2]
        bare = content.strip().strip("[]" + QUOTES).strip(" .\t\n。")
        if not bare or len(bare) > 200:
            return None
        if self.pairwise and self.folded.plain.strip() in ("m", "M"):  # AlpacaEval's two names
            value = "A" if "m" in self.folded.plain else "B"
            return self._at(cast("Verdict[Value]", Verdict(value)), 0, len(self.text))
        found = self.reader.alone(bare)
        stripped = self.text.strip()
        start = self.text.find(stripped)
        return None if found is None else self._at(found, start, start + len(stripped))

    def _protocol_line(self) -> Verdict[Value] | None:
        """PandaLM's ``1``, ``2`` or ``Tie`` before its reason; JudgeLM's two scores (``8 9``)."""
        if not self.pairwise:
            return None
        if match := _PANDALM.match(self.text):
            value = {"1": "A", "2": "B", "tie": "tie"}[match["pick"]]
            return self._at(cast("Verdict[Value]", Verdict(value)), *match.span("pick"))
        if match := _SCORE_PAIR.match(self.text):
            first, second = float(match["first"]), float(match["second"])
            if max(first, second) > SCALE[1] or "[[" in self.text[match.end() :]:
                return None
            value = "tie" if first == second else ("A" if first > second else "B")
            span = (match.start("first"), match.end("second"))
            return self._at(cast("Verdict[Value]", Verdict(value)), *span)
        return None

    def _json(self) -> Verdict[Value] | None:
        """A reply that is one JSON object with a label among its names, or a ranking."""
        reply = read_json_reply(self.folded.plain)
        if reply is None:
            return None
        if self.pairwise and (ranked := reply.ranking()):
            span = self.folded.plain_origin(reply.start, reply.end)
            return cast("Verdict[Value]", Verdict(ranked, span=span))
        return self._from_json(reply)

    def _from_json(self, reply: JsonReply) -> Verdict[Value] | None:
        values = reply.values(self.labels.words, choices=self.pairwise)
        if not values:
            return None
        span = self.folded.plain_origin(reply.start, reply.end)
        if len(values) > 1:
            shown = ", ".join(value[:20] for value in values)
            return Verdict(None, f"{AMBIGUOUS}: two verdicts side by side ({shown})", span=span)
        content = FoldedText(values[0]).text
        inner = content.strip().strip("[]" + QUOTES).strip()
        at = self.folded.plain.rfind(values[0], reply.start, reply.end)
        if at >= 0:
            span = self.folded.plain_origin(at, at + len(values[0]))
        return replace(self.reader.inside(inner), span=span)

    def _json_at_the_end(self) -> list[Candidate[Value]]:
        reply = trailing_json(self.folded.plain) if "{" in self.folded.plain else None
        found = self._from_json(reply) if reply else None
        if found is None or reply is None:
            return []
        # Its place among the other candidates; its own span is known already.
        position = len(self.text) - (len(self.folded.plain) - reply.start)
        place = max(0, position)
        end = min(len(self.text), place + reply.end - reply.start)
        kind: Kind = "claimed" if is_of_others(self.text, place) else "own"
        return [Candidate(place, end, found, place, JSON, kind)]

    # Among candidates

    def _from_forms(
        self, forms: Sequence[Candidate[Value]], plain: Sequence[Candidate[Value]]
    ) -> Verdict[Value] | None:
        unread = any(form.verdict.value is None for form in forms)
        is_said = unread and self._from_sentences() is not None
        forms = self.choice.of_this_protocol(forms, plain, is_said)
        forms = self.choice.without_recitals(forms)
        forms = self.choice.without_alternatives(forms)
        own = [form for form in forms if form.kind == "own"]
        strong = [form for form in own if form.labelled]
        weak = [form for form in forms if form not in strong and form.kind in ("own", "foreign")]
        quoted = [form for form in forms if form.kind == "quoted"]
        claimed = [form for form in forms if form.kind == "claimed"]
        pool = strong or weak or quoted
        if not pool:
            return None
        if pool is quoted:
            spoken = [other for other in plain if other.kind == "own"]
            if spoken and spoken[-1].start > quoted[-1].start:
                return None  # what stands unquoted after them counts
            if spoken and differ(spoken[-1], quoted[-1]):
                return ambiguous([spoken[-1], quoted[-1]])
            said = self._from_sentences()
            if said is not None and said.value != quoted[-1].verdict.value:
                return Verdict(None, f"{AMBIGUOUS}: a quoted value and another in its sentences")
        if strong and weak and weak[-1].start > strong[-1].start:
            last = weak[-1]
            contradicts = differ(last, strong[-1]) and last.verdict.value is not None
            between = self.text[strong[-1].end : last.start][-160:]
            revised = cues.REVISED.search(between) is not None
            if contradicts and (revised or self.choice.is_final(last, strong[-1])):
                return ambiguous([strong[-1], last])
        chosen = self.choice.last_plain([*pool, *claimed], pool, [*strong, *weak])
        if isinstance(chosen, Verdict):
            return chosen
        parts = [f for f in forms if f.kind == "criterion" and f.start < chosen.start]
        unclear = parts if not chosen.labelled else []
        unclear = [f for f in unclear if differ(f, chosen)][-1:]
        if unclear and not self.choice.is_final(chosen, unclear[0]):
            return ambiguous([*parts, chosen])
        later_quote = quoted[-1] if pool is weak and quoted else chosen
        contradicts = later_quote.start > chosen.start and differ(later_quote, chosen)
        if contradicts and self.choice.is_final(later_quote, chosen):
            return ambiguous([chosen, later_quote])
        labels = [other for other in plain if other.kind == "own"]
        earlier = [other for other in labels if other.start < chosen.start]
        if chosen.label == JSON and earlier and differ(earlier[-1], chosen):
            return ambiguous([earlier[-1], chosen])
        later = [other for other in labels if other.start > chosen.end]
        if later and cues.CORRECTED.search(self.text, chosen.end, later[-1].start):
            return self._read(later[-1])
        whole = [other for other in later if other.final and differ(other, chosen)]
        if whole and not chosen.final:
            return ambiguous([chosen, whole[-1]])
        return self._read(chosen)

    def _from_labels(self, plain: Sequence[Candidate[Value]]) -> Verdict[Value] | None:
        own = [other for other in plain if other.kind == "own"]
        pool = own or [other for other in plain if other.kind == "quoted"]
        if not pool:
            return None
        whole = [other for other in pool if other.final]
        last = pool[-1]
        if whole and len({key(other) for other in whole}) == 1:
            if not last.final and differ(last, whole[-1]):
                return ambiguous([whole[-1], last])
            return self._read(whole[-1])
        for other in pool[-6:-1]:
            between = self.text[other.end : last.label_start]
            if differ(other, last) and not (
                cues.REVISED.search(between) or other.label == last.label or len(between) > 40
            ):
                return ambiguous([other, last])
        claims = [other for other in plain if other.kind == "claimed" and differ(other, last)]
        if claims and claims[-1].start > last.start:
            return ambiguous([last, claims[-1]])
        return self._read(last)

    def _from_boxes(self, forms: Sequence[Candidate[Value]]) -> Verdict[Value] | None:
        """A box without a label: the verdict if it ends the reply as a statement of its own."""
        boxes = [form for form in forms if form.kind == "boxed" and form.verdict.value is not None]
        if not boxes:
            return None
        last = boxes[-1]
        rest = self.text[last.end :].strip(" \t\n.。]" + QUOTES)
        line = cues.sentence_before(self.text, last.start).strip(" \t\n[" + QUOTES)
        if len({key(box) for box in boxes}) > 1 or rest or len(line) > 12:
            return None
        said = self._from_sentences()
        if said is not None and said.value != last.verdict.value:
            return Verdict(None, f"{AMBIGUOUS}: a box and another value in its sentences")
        return self._read(last)

    def _from_sentences(self) -> Verdict[Value] | None:
        if self.pairwise:
            said = spoken_preferences(self.text)
            if not said:
                return None
            if len({value for value, *_ in said}) > 1:
                return Verdict(None, f"{AMBIGUOUS}: several preferences in its sentences")
            value, strength, start, end = said[-1]
            read = Verdict(value, strength=strength)  # type: ignore[arg-type]
            return self._at(cast("Verdict[Value]", read), start, end)
        grades = spoken_grades(self.text)
        scale = self.reader.scale
        fitting = [grade for grade in grades if not grade[1] or float(grade[1]) == scale[1]]
        if not grades:
            return None
        if len({float(number) for number, *_ in fitting}) > 1:
            return Verdict(None, f"{AMBIGUOUS}: several grades in its sentences")
        number, of, start, end = (fitting or grades)[0]
        return self._at(self.reader.on_scale(number, of), start, end)

    def _nothing(self, candidates: Sequence[Candidate[Value]]) -> Verdict[Value]:
        """Say why no verdict was found."""
        if self.seen.unclosed:
            return Verdict(None, "the reasoning was cut off before a verdict")
        kinds = {candidate.kind for candidate in candidates}
        if "criterion" in kinds:
            shown = [c for c in candidates if c.kind == "criterion"]
            return Verdict(None, f"{AMBIGUOUS}: only grades of single criteria {listed(shown)}")
        if "claimed" in kinds:
            return Verdict(None, "only a value that the judged text claims")
        if "quoted" in kinds or "example" in kinds:
            return Verdict(None, "only a quoted example of the format, or a quoted claim")
        return Verdict(None, "no verdict found")

    # Results

    def _read(self, candidate: Candidate[Value]) -> Verdict[Value]:
        verdict = candidate.verdict
        if verdict.span is not None:  # JSON knows its own place
            return verdict
        if candidate.kind == "own" and not self.text[candidate.start : candidate.end].startswith(
            ("[", "boxed")
        ):
            return self._at(verdict, candidate.label_start, candidate.end)
        return self._at(verdict, candidate.start, candidate.end)

    def _at(self, verdict: Verdict[Value], start: int, end: int) -> Verdict[Value]:
        first, last = self.folded.origin(start, end)
        first -= self.original[:first].endswith("\\") and self.text.startswith("boxed", start)
        return replace(verdict, span=(first, last))
