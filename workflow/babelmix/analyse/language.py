"""Does an answer speak the language of its question?

After the Language Confusion Benchmark (arXiv 2406.20052), but an empty answer is a failure and a
short one is no evidence (the check abstains).
"""

from __future__ import annotations

from collections.abc import Sequence

from ..langid import base_code, identify, strip_non_prose, supported

#: Reasons in the ``reason`` column of an ``answer_language`` score.
EMPTY, SHORT, UNKNOWN, FOUND = "empty", "short", "language unknown to the identifier", "found "


def answer_language(
    text: str, lang: str, candidates: Sequence[str]
) -> tuple[float | None, str | None]:
    """``(1.0, None)`` when ``text`` is in ``lang``, ``(0.0, "found xx")`` when in another.

    An empty answer gives ``(0.0, "empty")``. The check abstains with ``(None, "short")`` where
    under 20 letters are left once code, URLs and numbers are gone, and with another reason where
    the identifier does not know ``lang``. ``candidates`` are the languages of the run.
    """
    if not text.strip():
        return 0.0, EMPTY
    if not supported([lang]):
        return None, UNKNOWN
    found, _ = identify(strip_non_prose(text), candidates)
    if found is None:
        return None, SHORT
    if base_code(found) == base_code(lang):
        return 1.0, None
    return 0.0, f"{FOUND}{found}"


def line_language(
    text: str, lang: str, candidates: Sequence[str]
) -> tuple[float | None, str | None]:
    """``(1.0, None)`` when no line of ``text`` is in another language than ``lang``.

    A whole answer may be in the right language and still hold a paragraph in another. Lines with
    under 20 letters of prose say nothing; where all are so the check abstains, and an empty answer
    is a failure, as in ``answer_language``. Reasons: ``found xx in 1 of 3 lines``.
    """
    if not text.strip():
        return 0.0, EMPTY
    if not supported([lang]):
        return None, UNKNOWN
    found = [identify(line, candidates)[0] for line in strip_non_prose(text).splitlines()]
    judged = [code for code in found if code is not None]
    if not judged:
        return None, SHORT
    wrong = [code for code in judged if base_code(code) != base_code(lang)]
    if not wrong:
        return 1.0, None
    return 0.0, f"{FOUND}{wrong[0]} in {len(wrong)} of {len(judged)} lines"
