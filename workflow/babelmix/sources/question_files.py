"""The files of a fetched benchmark: questions, references, and what else its publisher gives."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from ..config.sources import Source
from ..errors import BabelmixError
from ..files.readers import read_all_rows, read_rows
from ..records import Question
from .defects import (
    Defect,
    compare_corrections,
    examine,
    judge_prompt_defects,
    read_judge_prompts,
)
from .questions import questions
from .reading import files_of, verified


class QuestionFiles:
    """A benchmark's files by their fetch record."""

    def __init__(self, record: dict[str, Any], source: Source) -> None:
        self.record = record
        self.source = source

    def _beside(self, kind: str, lang: str) -> str | None:
        """Path of a file beside the questions, where the publisher has it."""
        extra = self.record["extra"]
        found = extra.get(f"{kind}.{lang}") or extra.get(f"{kind}.*")
        return verified(found) if found else None

    def _place(self, lang: str) -> list[str]:
        """The question files of a language, in the version that the source asks for.

        English was not translated, so its questions are the originals.
        """
        original = self._beside("original", lang)
        if self.source.question_version == "original" and original is not None:
            return [original]
        return files_of(self.record, lang)

    def questions(self, lang: str) -> list[Question]:
        """The questions in a language with their references."""
        references = self._beside("references", lang)
        rows = read_rows(references) if references else None
        paths = self._place(lang)
        return questions(self._raw(lang), rows, self.source, lang, ", ".join(paths))

    def rows(self, lang: str) -> int:
        """Rows of the files of a language, questions of ours or not."""
        return len(self._raw(lang))

    def _raw(self, lang: str) -> list[Any]:
        return read_all_rows(self._place(lang))[: self.source.take]

    def examine(self, found: list[Question], lang: str) -> tuple[list[Question], dict[str, Any]]:
        """Questions with their references mended where asked; defects and corrections."""
        has_english = "en" in self.record["files"] and lang != "en"
        paths = self._place(lang)
        own = questions(read_all_rows(paths), None, self.source, lang, ", ".join(paths))
        kept, defects = examine(
            found,
            self.questions("en") if has_english else None,
            {q.question_id: q.reference for q in own},
            self.source.mend_references,
        )
        prompts, more = self._judge_prompts(lang)
        facts: dict[str, Any] = {
            "version": self.source.question_version,
            "references": sum(bool(q.reference) for q in kept),
            "published_judge_prompts": prompts,
            "defects": [dataclasses.asdict(d) for d in defects + more],
        }
        corrections, original = self._beside("corrections", lang), self._beside("original", lang)
        if corrections is not None and original is not None:
            corrected = files_of(self.record, lang)
            facts["corrections"] = compare_corrections(
                read_rows(corrections),
                questions(read_all_rows(corrected), None, self.source, lang, ", ".join(corrected)),
                questions(read_rows(original), None, self.source, lang, original),
            )
        return kept, facts

    def _judge_prompts(self, lang: str) -> tuple[int, list[Defect]]:
        """How many judge prompts are published, and their defects."""
        english, _ = self._prompts_of("judge_prompts", "en") if lang != "en" else ([], [])
        count = 0
        defects: list[Defect] = []
        for kind in ("judge_prompts", "judge_prompts_v2"):
            prompts, found = self._prompts_of(kind, lang)
            count += len(prompts)
            defects += found
            defects += judge_prompt_defects(prompts, english, f"{kind}.jsonl")
        # None of these prompts is sent to a judge: the pipeline has its own, in each language.
        return count, [dataclasses.replace(d, done="not used: own judge prompts") for d in defects]

    def _prompts_of(self, kind: str, lang: str) -> tuple[list[dict[str, Any]], list[Defect]]:
        path = self._beside(kind, lang)
        if path is None:
            return [], []
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BabelmixError(f"{path}: cannot be read ({error}). Fetch it again.") from None
        return read_judge_prompts(text, Path(path).name)
