"""Choose among a reply's candidates: which one is the verdict, or that they are ambiguous."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from . import cues
from .candidates import Candidate, Labels
from .cues import QUOTES
from .normalise import fold
from .prose import OUT_OF, UNITS
from .readers import Value, Verdict

AMBIGUOUS = "ambiguous"
#: Stands for the label of a JSON object at the reply's end.
JSON = "json"
_JOINED = re.compile(
    rf"[ \t\n,;/&|–{QUOTES}-]{{0,6}}"
    r"(?:(?:or|and|oder|und|ou|et|o|e|y|or maybe|bis|to|a)[ \t]{1,3})?"
    rf"[{QUOTES}]?"
)
#: Endings of Korean and Japanese sentences after a value.
_SENTENCE_ENDINGS = ("점입니다", "입니다", "이다", "です", "とします", "となります", "だ", "である")
#: What may follow a value that ends its statement.
_TAIL = re.compile(
    rf"[^\w\n]{{0,6}}(?:{OUT_OF}[ \t]*\[{{0,2}}\d{{1,3}}\]{{0,2}})?[^\w\n]{{0,4}}(?:{UNITS})?"
    rf"(?:{'|'.join(fold(end) for end in _SENTENCE_ENDINGS)})?[^\w\n]{{0,6}}$"
)


@dataclass(frozen=True, slots=True)
class Choice:
    """Chooses among candidates of one folded reply."""

    text: str
    labels: Labels
    pairwise: bool

    def last_plain(
        self,
        all_of: Sequence[Candidate[Value]],
        pool: Sequence[Candidate[Value]],
        neighbours: Sequence[Candidate[Value]],
    ) -> Candidate[Value] | Verdict[Value]:
        """The last of the pool, unless others differ and it is not plainly final."""
        if (settled := self._settled(pool, [*all_of, *neighbours])) is not None:
            return settled
        chosen = pool[-1]
        for other in [c for c in {*pool, *neighbours} if differ(c, chosen)]:
            first, second = sorted((chosen, other), key=lambda c: c.start)
            if second.start - first.end <= 26 and _JOINED.fullmatch(
                self.text, first.end, second.start
            ):
                return ambiguous([first, second], "two verdicts side by side")
        differing = [c for c in all_of if differ(c, chosen) and c.verdict.value is not None]
        if not differing or chosen.verdict.value is None:
            return chosen
        if chosen.label == JSON and any(c.labelled for c in differing):
            return ambiguous([*differing, chosen])
        whole = [c for c in pool if c.final]
        if chosen.final or (whole and len({key(c) for c in whole}) == 1):
            final = chosen if chosen.final else whole[-1]
            later = [c for c in [*differing, chosen] if c.start > final.start and differ(c, final)]
            opposed = any(c.kind == "claimed" or c.labelled for c in later)
            if not opposed and (later or self.is_final(final, differing[-1])):
                return final
        if max(c.start for c in differing) < chosen.start and self.is_final(chosen, differing[-1]):
            return chosen
        return ambiguous([*differing, chosen])

    def _settled(
        self, pool: Sequence[Candidate[Value]], all_of: Sequence[Candidate[Value]]
    ) -> Candidate[Value] | None:
        """The last labelled value alone on its line, if what follows are only remarks.

        ``Rating: [[7]]`` and, below, "Note: [[10]] would need sources."
        """
        alone = [c for c in pool if c.labelled and self._ends_line(c) and not self._is_remark(c)]
        if not alone:
            return None
        last = alone[-1]
        after = [c for c in all_of if c.start > last.end and differ(c, last)]
        before = [c for c in all_of if c.start < last.start and differ(c, last)]
        if before or not after or not all(self._is_remark(c) for c in after):
            return None
        if any(c.label == last.label or cues.REVISED.search(c.label) for c in after):
            return None  # a second grade, not a remark on the first
        first = min(c.label_start for c in after)
        return None if cues.REVISED.search(self.text, last.end, max(first, last.end)) else last

    def _ends_line(self, candidate: Candidate[Value]) -> bool:
        tail = self.text[candidate.end : candidate.end + 60].partition("\n")[0]
        head = self.text[max(0, candidate.label_start - 12) : candidate.label_start]
        begins = not re.search(r"\w", head.rpartition("\n")[2]) or len(head) < 12
        return begins and _TAIL.match(tail) is not None

    def _is_remark(self, candidate: Candidate[Value]) -> bool:
        """Tell whether the sentence goes on after a value, or speaks of another case."""
        if candidate.kind == "claimed" or candidate.label == JSON:
            return False
        before = cues.sentence_before(self.text, candidate.start)
        after = cues.sentence_after(self.text, candidate.end, 60)
        if cues.OWN.search(before) or cues.OWN.search(after):
            return False
        case = cues.HYPOTHETICAL.search(before) or cues.COUNTERFACTUAL.search(before)
        return bool(case) or (_TAIL.match(after) is None and re.match(r"\W*\w", after) is not None)

    def without_alternatives(self, forms: Sequence[Candidate[Value]]) -> list[Candidate[Value]]:
        """Leave out values that the judge did not give, unless there are no others.

        "Had it compiled, it would be [[9]]", "revised from [[6]]". What is denied never counts:
        "not [[9]]".
        """
        forms = [
            f for f in forms if not cues.DENIED.search(self.text[max(0, f.start - 12) : f.start])
        ]
        kept = [form for form in forms if not self._is_alternative(form)]
        own = any(form.kind in ("own", "foreign", "quoted") for form in kept)
        return kept if own else list(forms)

    def _is_alternative(self, form: Candidate[Value]) -> bool:
        if cues.NOT_GIVEN.search(self.text[max(0, form.start - 40) : form.start]):
            return True
        before = cues.sentence_before(self.text, form.start).rpartition(";")[2]
        clause = before + cues.sentence_after(self.text, form.end, 40).partition(";")[0]
        return bool(cues.COUNTERFACTUAL.search(clause)) and not cues.OWN.search(clause)

    def is_final(self, last: Candidate[Value], earlier: Candidate[Value]) -> bool:
        """Tell whether the last of several values is a statement of its own, after the others."""
        if last.kind in ("claimed", "example", "criterion", "foreign"):
            return False
        before = cues.sentence_before(self.text, last.label_start)
        between = self.text[earlier.end : last.label_start][-160:]
        revised = cues.REVISED.search(between) or cues.REVISED.search(last.label)
        if not (revised or cues.SENTENCE_END.search(between + " ")):
            return False
        if self._is_introduced_by_others(last):
            return False
        if cues.HYPOTHETICAL.search(before) and not revised:
            return False
        if len(before) > 90 and not revised and not last.final:
            return False
        return _TAIL.match(cues.sentence_after(self.text, last.end, 60)) is not None

    def _is_introduced_by_others(self, candidate: Candidate[Value]) -> bool:
        """Tell whether the line before ends in a colon, and does not announce the judge's own."""
        above = self.text[max(0, candidate.label_start - 160) : candidate.label_start]
        above = above.rstrip(" \t\n>" + QUOTES)
        if not above.endswith((":", "：")):
            return False
        line = above.rpartition("\n")[2]
        own = re.search(self.labels.words, line) or cues.OWN.search(line)
        return not (own or cues.REVISED.search(line))

    def of_this_protocol(
        self,
        forms: Sequence[Candidate[Value]],
        plain: Sequence[Candidate[Value]],
        spoken: bool,
    ) -> list[Candidate[Value]]:
        """Leave out brackets without a label that hold nothing of the protocol.

        A link's name in a grade, a number in a preference; unless nothing else can be read.
        """

        def belongs(form: Candidate[Value]) -> bool:
            if form.verdict.value is not None:
                return True
            content = self._content(form).strip("[] ")
            between = self.text[form.label_start + len(form.label) : form.start]
            if form.labelled and not re.search(r"\w", between) and " " not in content:
                return True
            if self.pairwise:
                letters = len(content) <= 3 and not re.search(r"\d", content)
                return letters or re.search(r"[<>=]", content) is not None
            return re.search(r"\d", content) is not None

        kept = [form for form in forms if belongs(form)]
        readable = spoken or any(c.verdict.value is not None for c in [*kept, *plain])
        return kept if readable else list(forms)

    def without_recitals(self, forms: Sequence[Candidate[Value]]) -> list[Candidate[Value]]:
        """Leave out a list of the protocol's options: three or more that all differ, close by."""
        if not self.pairwise:
            return list(forms)
        kept: list[Candidate[Value]] = []
        run: list[Candidate[Value]] = []
        for form in [*forms, None]:
            is_next = (
                form is not None
                and run
                and run[-1].verdict.value is not None
                and form.verdict.value is not None
                and form.start - run[-1].end < 110
                and (form.verdict.value, form.verdict.strength)
                not in {(r.verdict.value, r.verdict.strength) for r in run}
            )
            if not is_next:
                kept += [r for r in run if r.labelled] if len(run) >= 3 else run
                run = []
            if form is not None:
                run.append(form)
        return kept

    def _content(self, candidate: Candidate[Value]) -> str:
        return self.text[candidate.start : candidate.end]


def ambiguous(
    candidates: Sequence[Candidate[Any]], what: str = "several different verdicts"
) -> Verdict[Any]:
    """Return an unscored verdict that names the values."""
    return Verdict(None, f"{AMBIGUOUS}: {what} {listed(candidates)}")


def key(candidate: Candidate[Any]) -> object:
    return (
        candidate.verdict.value if candidate.verdict.value is not None else candidate.verdict.reason
    )


def differ(one: Candidate[Any], other: Candidate[Any]) -> bool:
    return key(one) != key(other)


def listed(candidates: Sequence[Candidate[Any]]) -> str:
    """Their values, each once, in order: "(2, 10)", with the strength of a preference."""
    shown: dict[str, None] = {}
    for candidate in candidates[-6:]:
        value, strength = candidate.verdict.value, candidate.verdict.strength
        name = f"{value:g}" if isinstance(value, float) else str(value or "none")
        shown[f"{name}, {strength}" if strength else name] = None
    return f"({' / '.join(shown)})"
