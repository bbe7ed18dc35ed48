"""Human corrections of a benchmark's questions, put over them before any is chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..corrections import Applied, correct_questions, read_overlays
from ..io import file_digest
from ..records import Question

#: Language that the published benchmarks were translated from; `source_sha` is of its texts.
PIVOT = "en"


def corrected(
    by_lang: Mapping[str, list[Question]],
    english: Sequence[Question],
    paths: Sequence[str],
    lang: str,
) -> tuple[dict[str, list[Question]], dict[str, Any]]:
    """Questions of all languages with the overlays put over them, and the facts of ``lang``.

    ``english`` are the questions as published that people translated from; empty where the source
    has none, and corrections that name a ``source_sha`` are then stale. Stale ones are not
    applied; they and those of unknown questions are counted and warned of. Raises BabelmixError
    for a broken overlay, or a field that a question does not have.
    """
    overlay = read_overlays(paths)
    sources = {q.question_id: q for q in english}
    made, applied = {}, Applied()
    for code, found in by_lang.items():
        made[code], done = correct_questions(found, sources, overlay, code)
        if code == lang:
            applied = done
    facts = applied.summary() | {
        "files": [{"file": path, "sha256": file_digest(path)} for path in paths]
    }
    return made, {"overlay": facts, "warnings": _warnings(applied, lang)}


def _warnings(applied: Applied, lang: str) -> list[str]:
    said = []
    if applied.stale:
        said.append(
            f"{len(applied.stale)} corrections in '{lang}' are stale and not applied, the English "
            f"text is another one now: {', '.join(applied.stale[:5])}"
        )
    if applied.unknown:
        said.append(
            f"{len(applied.unknown)} corrections in '{lang}' are of questions that the benchmark "
            f"does not have: {', '.join(applied.unknown[:5])}"
        )
    return said
