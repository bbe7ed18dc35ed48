"""Whether rows that pair by their place in two files are translations of each other.

What stays the same in a translation is compared: numbers, addresses, names and other words that
begin alike, lengths, lines, question marks. A row must be more like the row in its own place than
like those in other places; where the rows one, two, … places away are the more alike, rows were
lost or doubled, and the place where that begins is named. Character and length cues are those of
Gale and Church (1993) and of cognates (Simard et al. 1992); no dictionary or model is needed.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np

from ..errors import BabelmixError

#: Rows looked at in one piece; of larger files so many blocks, spread evenly, and between two of
#: them all rows where the first shows that something broke.
DENSE, BLOCKS, BLOCK = 4000, 100, 40
#: How far away the rows of a shifted file are looked for, in places.
SHIFTS = 5
#: Rows of which the mean says how alike texts are that have nothing to do with each other.
_FAR = (7, 11, 13)
#: Standard errors by which shifted rows must be the more alike to call the pairing broken.
BROKEN = 5.0
#: Standard errors by which pairs must be more alike than strangers to call the pairing shown.
SHOWN = 3.0
#: Below so many, a pairing of many rows is refused; in between it is warned of.
NOT_SHOWN = 2.0
#: Rows in a row that must fit no better than strangers before they are called lost.
FEWEST = 25
#: Rows from which on a pairing that nothing shows is refused; of fewer it is only warned of.
ENOUGH = 100
_MAX_CHARS = 4000
_FEATURE = re.compile(r"\d+(?:[.,:]\d+)*|[^\W\d_]{3,}")


@dataclass(frozen=True)
class Evidence:
    """How alike pairs are, in standard deviations of strangers: row by shift (0: own place)."""

    scores: dict[int, np.ndarray]
    first: int

    def total(self) -> float:
        """Standard errors by which rows are like those in their own places."""
        return _errors(self.scores[0])

    def lost_at(self) -> int | None:
        """The row from which on a long run is no more alike than strangers, as the rest is not."""
        own = self.scores[0]
        usual = float(np.median(own))
        if usual <= 0:
            return None
        start, end, _ = _best_run(usual / 2 - own)
        rows = end - start
        expected = usual * math.sqrt(rows)
        if rows < FEWEST or expected < 2 * BROKEN or _errors(own[start:end]) > expected / 5:
            return None
        return self.first + start

    def broken_at(self) -> tuple[int, int] | None:
        """(row, shift) from which on shifted rows are the more alike; None where none are."""
        best: tuple[float, int, int] | None = None
        own = self.scores[0]
        fewest = max(3, math.log2(max(len(own), 2)) - 1)
        for shift, shifted in self.scores.items():
            if shift == 0:
                continue
            gain = np.clip(shifted - own, -6, 6)
            start, end, value = _best_run(gain)
            rows = end - start
            weight = value / math.sqrt(2 * rows) if rows else 0.0
            enough = rows >= fewest and weight >= BROKEN
            # Neighbours may be nearly the same sentence: then rows fit their own places, too.
            fitting = float(shifted[start:end].sum())
            lost = own[start:end].sum() < fitting / 2 and _errors(shifted[start:end]) >= SHOWN
            if enough and lost and (best is None or value > best[0]):
                best = (value, start, shift)
        return None if best is None else (self.first + best[1], best[2])


def _errors(scores: np.ndarray) -> float:
    """Standard errors by which the mean of some rows' scores is above that of strangers."""
    return float(scores.sum() / math.sqrt(max(len(scores), 1)))


def _best_run(gain: np.ndarray) -> tuple[int, int, float]:
    """Start, end and sum of the run of rows that speaks most for a shift (Kadane)."""
    best, best_start, best_end = 0.0, 0, 0
    running, start = 0.0, 0
    for place, value in enumerate(gain.tolist()):
        if running <= 0:
            running, start = 0.0, place
        running += value
        if running > best:
            best, best_start, best_end = running, start, place + 1
    return best_start, best_end, best


def check_alignment(
    texts: Callable[[str], Iterator[str]], pivot: str, lang: str, where: str, trusted: bool
) -> dict[str, Any]:
    """Compare the files of two languages, row by row.

    ``texts`` gives the text of every row of a language's files, in order. Returns the counts and
    what shows that the rows pair. Raises BabelmixError where the files have different numbers of
    rows, and (unless ``trusted``) where the pairs are not translations, with the first row.
    """
    sizes = [sum(1 for _ in texts(code)) for code in (pivot, lang)]
    rows = min(sizes)
    broken, lost, total, looked_at = None, None, 0.0, 0
    if not trusted or sizes[0] != sizes[1]:
        broken, lost, total, looked_at = _look(texts, pivot, lang, rows)
    if sizes[0] != sizes[1]:
        raise BabelmixError(
            f"{where}: its rows have no ids and pair by their place, but '{pivot}' has {sizes[0]} "
            f"rows and '{lang}' {sizes[1]}.{_shown(broken, pivot, lang)} Add the missing rows, or "
            "give the rows ids."
        )
    if broken is None and lost is not None:
        raise BabelmixError(
            f"{where}: its rows have no ids and pair by their place, but from about row {lost + 1} "
            f"on many rows of '{pivot}' and '{lang}' have no more in common than rows taken at "
            "random. Fix the files, give the rows ids, or set `alignment: trust` if you know that "
            "they pair."
        )
    if broken is not None:
        raise BabelmixError(
            f"{where}: its rows have no ids and pair by their place, but they do not pair."
            f"{_shown(broken, pivot, lang)} Fix the files, give the rows ids, or set `alignment: "
            "trust` if you know that they pair."
        )
    warnings = []
    if not trusted and total < SHOWN:
        if rows >= ENOUGH and total < NOT_SHOWN:
            raise BabelmixError(
                f"{where}: its rows have no ids and pair by their place, but nothing shows that "
                f"'{pivot}' and '{lang}' are translations of each other, row by row (numbers, "
                f"names and lengths agree no more than by chance, from row 1 on). Give the rows "
                "ids, set `alignment: trust` if you know that they pair, or `parallel: false` for "
                "the dataset if they need not."
            )
        warnings.append(
            f"{where}: rows of '{lang}' pair with '{pivot}' by their place, and the {rows} rows "
            "are too few, or have too little in common, to show that they do"
        )
    return {
        "rows": rows,
        "looked_at": looked_at,
        "evidence": round(total, 1),
        "trusted": trusted,
        "warnings": warnings,
    }


def _shown(broken: tuple[int, int] | None, pivot: str, lang: str) -> str:
    """The first row at which two files part, for people (rows count from 1)."""
    if broken is None:
        return ""
    row, shift = broken
    return (
        f" From about row {row + 1} on, row {row + 1} of '{pivot}' fits row {row + 1 + shift} of "
        f"'{lang}'."
    )


def _look(
    texts: Callable[[str], Iterator[str]], pivot: str, lang: str, rows: int
) -> tuple[tuple[int, int] | None, int | None, float, int]:
    """Where pairs shift (row from 0, shift), where they are lost, the evidence, rows looked at."""
    if rows <= DENSE:
        evidence = compare(*_pieces(texts, pivot, lang, [(0, rows)])[0])
        return evidence.broken_at(), evidence.lost_at(), evidence.total(), rows
    starts = [round(i * (rows - BLOCK) / (BLOCKS - 1)) for i in range(BLOCKS)]
    spans = [(start, start + BLOCK) for start in starts]
    pieces = _pieces(texts, pivot, lang, spans)
    joined = _join(pieces)
    evidence = compare(*joined, blocks=[len(p[0]) for p in pieces])
    broken = evidence.broken_at()
    if broken is None:
        lost = evidence.lost_at()
        if lost is not None:
            lost = spans[min(lost // BLOCK, BLOCKS - 1)][0] + lost % BLOCK
        return None, lost, evidence.total(), BLOCK * BLOCKS
    block = min(broken[0] // BLOCK, BLOCKS - 1)
    # The break lies between the last block that still paired and this one.
    begin = spans[max(block - 1, 0)][0]
    end = min(spans[block][1], begin + 20 * DENSE)
    refined = compare(*_pieces(texts, pivot, lang, [(begin, end)])[0], first=begin).broken_at()
    found = refined or (spans[block][0], broken[1])
    return found, None, evidence.total(), BLOCK * BLOCKS


def _join(pieces: Sequence[tuple[list[str], list[str]]]) -> tuple[list[str], list[str]]:
    return [t for p, _ in pieces for t in p], [t for _, p in pieces for t in p]


def _pieces(
    texts: Callable[[str], Iterator[str]],
    pivot: str,
    lang: str,
    spans: Sequence[tuple[int, int]],
) -> list[tuple[list[str], list[str]]]:
    """The texts of both languages in some spans of rows (spans may overlap), cut to a length."""
    found: list[tuple[list[str], list[str]]] = [([], []) for _ in spans]
    last, passed = max(end for _, end in spans), 0
    for row, pair in enumerate(zip_longest(texts(pivot), texts(lang), fillvalue="")):
        if row >= last:
            break
        while passed < len(spans) and spans[passed][1] <= row:
            passed += 1
        for place in range(passed, len(spans)):  # spans are in order
            if spans[place][0] > row:
                break
            left, right = found[place]
            left.append(pair[0][:_MAX_CHARS])
            right.append(pair[1][:_MAX_CHARS])
    return found


def compare(
    source: Sequence[str],
    target: Sequence[str],
    blocks: Sequence[int] | None = None,
    first: int = 0,
) -> Evidence:
    """How alike the rows of two languages are, in their own places and in shifted ones.

    ``blocks``: lengths of the pieces that the rows come from; rows of two are not neighbours.
    """
    rows = len(source)
    blocks = blocks or [rows]
    number = np.repeat(np.arange(len(blocks)), blocks)
    words = _Words(source, target)
    lengths = np.array([_log_length(t) for t in source]), np.array([_log_length(t) for t in target])
    filled = np.array([bool(s) and bool(t) for s, t in zip(source, target, strict=True)])
    usual = np.median((lengths[1] - lengths[0])[filled]) if filled.any() else 0.0

    def both(shift: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Likeness in words and lengths, and which rows have a row in the shifted place."""
        here = np.arange(max(0, -shift), min(rows, rows - shift)) if rows > abs(shift) else None
        alike, apart = np.zeros(rows), np.zeros(rows)
        there = np.zeros(rows, bool)
        if here is None or not len(here):
            return alike, apart, there
        same = number[here] == number[here + shift]
        here = here[same]
        there[here] = True
        alike[here] = words.likeness(here, here + shift)
        apart[here] = np.abs(lengths[1][here + shift] - lengths[0][here] - usual)
        return alike, apart, there

    strangers = [both(sign * far) for far in _FAR for sign in (1, -1)]
    if not any(there.any() for *_, there in strangers):  # a handful of rows: all pairs
        strangers = [both(s) for s in range(-rows + 1, rows) if s]
    by_words = np.concatenate([a[t] for a, _, t in strangers]) if strangers else np.zeros(0)
    by_length = np.concatenate([a[t] for _, a, t in strangers]) if strangers else np.zeros(0)
    scores = {}
    for shift in range(-SHIFTS, SHIFTS + 1):
        alike, apart, there = both(shift)
        score = _standard(alike, by_words) - _standard(apart, by_length)
        scores[shift] = np.where(there, np.clip(score / math.sqrt(2), -8, 8), 0.0)
    return Evidence(scores, first)


def _standard(values: np.ndarray, strangers: np.ndarray) -> np.ndarray:
    """Values in standard deviations above the mean of strangers'."""
    if len(strangers) < 2:
        return np.zeros_like(values)
    spread = max(float(strangers.std()), 1e-3)
    return np.asarray((values - strangers.mean()) / spread)


def _log_length(text: str) -> float:
    return math.log(len(text) + 5)


class _Words:
    """Sparse vectors of what translations share, weighted by how rare it is."""

    def __init__(self, source: Sequence[str], target: Sequence[str]) -> None:
        bags = [_features(text) for text in source], [_features(text) for text in target]
        n = len(source) + len(target)
        spread = Counter(f for side in bags for bag in side for f in bag)
        self._weights = {f: math.log(1 + n / count) for f, count in spread.items()}
        self._bags = bags
        self._norms = tuple(
            np.array([math.sqrt(sum(self._weights[f] ** 2 for f in bag)) for bag in side])
            for side in bags
        )

    def likeness(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Cosine of pairs of rows."""
        weights, norms = self._weights, self._norms
        values = [
            sum(weights[f] ** 2 for f in self._bags[0][i] & self._bags[1][j])
            for i, j in zip(left.tolist(), right.tolist(), strict=True)
        ]
        return np.array(values) / np.maximum(norms[0][left] * norms[1][right], 1e-9)


def _features(text: str) -> frozenset[str]:
    """Numbers (digits alone), beginnings of words without accents, and the form of a text."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign))
    found = {
        "".join(c for c in word if c.isdigit()) if word[0].isdigit() else word[:4]
        for word in _FEATURE.findall(plain)
    }
    marks = {"?": "?؟？", "!": "!！", ":": ":：", "(": "(（"}
    for name, signs in marks.items():
        count = sum(text.count(sign) for sign in signs)
        found.add(f"{name}{min(count, 5)}")
    found.add(f"lines {min(text.count(chr(10)), 9)}")
    return frozenset(found)
