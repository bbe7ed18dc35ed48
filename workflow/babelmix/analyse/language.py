"""Does an answer speak the language of its question?

The language is recognised among all languages (``langid``), not among the study's. An empty answer
is a failure; where the identifier is not sure there is no value, and the reason says so.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..langid import RIGHT, WRONG, Found, compare, identify_all, is_known, spelled
from ..langid import strip_non_prose as prose

#: Reasons in the ``reason`` column of an ``answer_language`` score.
EMPTY, SHORT, UNKNOWN = "empty", "short", "language unknown to the identifier"
#: A wrong answer's reason opens with this; the language's code follows.
FOUND = "other language: "
#: Reason where the identifier is not sure; close relatives that it may be in follow.
UNSURE = "unsure"

#: Value (1 right, 0 wrong, None unknown) and the reason of all but right ones.
Result = tuple[float | None, str | None]


def answer_language(text: str, lang: str, languages: Sequence[str] = ()) -> Result:
    """Judge one answer; ``answer_languages`` of one text."""
    return answer_languages([text], [lang], languages)[0]


def answer_languages(
    texts: Sequence[str], asked: Sequence[str], languages: Sequence[str] = ()
) -> list[Result]:
    """Judge each answer against the language it was asked in.

    ``(1.0, None)`` in that language; ``(0.0, "other language: ru")`` in another one, whichever it
    is; ``(0.0, "empty")``; ``(None, "short")`` with too few letters once code, addresses and
    numbers are gone; ``(None, "unsure")`` or ``(None, "unsure: da/no")`` below the identifier's
    threshold; ``(None, "language unknown …")`` where no identifier knows the language asked for.
    ``languages`` are the study's: they only say how to spell the codes found, and limit nothing.
    """
    found = identify_all([prose(text) for text in texts])
    return [
        _result(text, one, lang, languages)
        for text, one, lang in zip(texts, found, asked, strict=True)
    ]


def line_language(text: str, lang: str, languages: Sequence[str] = ()) -> Result:
    """Judge one answer line by line; ``line_languages`` of one text."""
    return line_languages([text], [lang], languages)[0]


def line_languages(
    texts: Sequence[str], asked: Sequence[str], languages: Sequence[str] = ()
) -> list[Result]:
    """``(1.0, None)`` for each answer with no line in another language than the one asked for.

    A whole answer may be in the right language and still hold a paragraph in another. Lines that
    are too short or not certain say nothing; where all are so there is no value, and an empty
    answer is a failure, as in ``answer_languages``. Reason: ``other language: en in 1 of 3 lines``.
    """
    parts = [prose(text).splitlines() for text in texts]
    found = iter(identify_all([line for lines in parts for line in lines]))
    results: list[Result] = []
    for text, lines, lang in zip(texts, parts, asked, strict=True):
        each = [_result(text, next(found), lang, languages) for _ in lines]
        judged = [reason for value, reason in each if value is not None]
        wrong = [reason for reason in judged if reason is not None]
        if not text.strip():
            results.append((0.0, EMPTY))
        elif wrong:
            results.append((0.0, f"{wrong[0]} in {len(wrong)} of {len(judged)} lines"))
        elif judged:
            results.append((1.0, None))
        else:
            # The most that is known of any line: unsure rather than short.
            reasons = [reason for _, reason in each if reason is not None]
            unsure = (r for r in reasons if r.startswith(UNSURE))
            results.append((None, next(unsure, reasons[0] if reasons else SHORT)))
    return results


def _result(text: str, found: Found, lang: str, languages: Sequence[str]) -> Result:
    if not text.strip():
        return 0.0, EMPTY
    if not is_known(lang):
        return None, UNKNOWN
    verdict = compare(found, lang)
    if verdict == RIGHT:
        return 1.0, None
    if verdict == WRONG:
        return 0.0, f"{FOUND}{spelled(found, languages) or UNSURE}"
    if found.short:
        return None, SHORT
    return None, f"{UNSURE}: {spelled(found, languages)}" if found.languages else UNSURE
