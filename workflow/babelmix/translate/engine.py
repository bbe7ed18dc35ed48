"""Rows through a backend: unique segments in batches, journalled, put together, audited."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field

from ..errors import BabelmixError
from ..io import Journal, digest
from ..records import Check, Conversation, Message
from .audit import audit
from .backends.base import Backend, Failure, Result
from .protect import Masked, restore, split_at_masks
from .segment import Part, Segment, segment

#: The check that a row fails when a part of it could not be translated.
TRANSLATED = "translated"
LOST_MASK = "the backend lost a protected piece"


@dataclass
class Translations:
    """Results by text. Finished ones come from and go to the journal; failures live only here."""

    backend: Backend
    pivot: str
    lang: str
    journal: Journal | None
    progress: Callable[[int], object] = lambda n: None
    results: dict[str, Result] = field(default_factory=dict)
    reused: int = 0
    sent_chars: int = 0

    def keys(self, batch: list[str]) -> list[str]:
        """For each text of a batch the digest of all that its translation depends on."""
        context = digest(batch) if self.backend.batch_dependent else ""
        common = [self.backend.settings, self.pivot, self.lang, context]
        return [digest([*common, text]) for text in batch]

    def fill(self, texts: Iterable[str]) -> None:
        """Translate the texts that have no result yet, each once."""
        fresh = [text for text in dict.fromkeys(texts) if text not in self.results]
        if self.backend.batch_dependent:
            missing = [batch for batch in self._batches(fresh) if not self._known(batch)]
        else:
            missing = self._batches([text for text in fresh if not self._known([text])])
        self._run(missing)

    def _batches(self, texts: list[str]) -> list[list[str]]:
        size = self.backend.batch_size
        return [texts[i : i + size] for i in range(0, len(texts), size)]

    def _known(self, batch: list[str]) -> bool:
        """Take a batch's results from the journal, if all are there."""
        if self.journal is None:
            return False
        entries = [self.journal.get(key) for key in self.keys(batch)]
        found = [entry["text"] for entry in entries if entry is not None]
        if len(found) < len(batch):
            return False
        self.results.update(zip(batch, found, strict=True))
        self.reused += len(batch)
        self.progress(len(batch))
        return True

    def _run(self, batches: list[list[str]]) -> None:
        if self.backend.concurrency == 1:
            for batch in batches:
                self._keep(batch, self.backend.translate(batch))
            return
        problem: BaseException | None = None
        with ThreadPoolExecutor(self.backend.concurrency) as pool:
            futures = {pool.submit(self.backend.translate, batch): batch for batch in batches}
            try:
                for future in as_completed(futures):
                    if future.cancelled():
                        continue
                    if (error := future.exception()) is None:
                        self._keep(futures[future], future.result())
                    elif problem is None:
                        # Start nothing new, but keep what is under way: it is paid for.
                        problem = error
                        for other in futures:
                            other.cancel()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        if problem is not None:
            raise problem

    def _keep(self, batch: list[str], results: list[Result]) -> None:
        if len(results) != len(batch):
            raise BabelmixError(f"a backend gave {len(results)} results for {len(batch)} texts.")
        done = []
        for key, text, result in zip(self.keys(batch), batch, results, strict=True):
            self.results[text] = result
            if isinstance(result, str):
                done.append({"key": key, "text": result})
        self.sent_chars += sum(map(len, batch))
        if self.journal is not None and done:
            self.journal.extend(done)
        self.progress(len(batch))


def in_shard(row_id: str, shard: int, shards: int) -> bool:
    """Whether a row belongs to a shard: decided by its id, so that adding rows moves none."""
    return int(hashlib.sha256(row_id.encode("utf-8")).hexdigest()[:8], 16) % shards == shard


def translate_rows(
    rows: Sequence[Conversation], translations: Translations, translator_name: str
) -> list[Conversation]:
    """Pivot rows -> rows of the target language, in the same order, checks filled.

    A row of which a part failed keeps the source text and fails the check ``translated``.
    """
    whole = translations.backend.whole_texts
    plans = [[_plan(m.content, whole) for m in row.messages] for row in rows]
    segments = [p for row in plans for parts in row for p in parts if isinstance(p, Segment)]
    translations.fill(s.masked.text for s in segments)
    translations.fill(_fallbacks(segments, translations))
    return [
        _row(row, parts, translations, translator_name)
        for row, parts in zip(rows, plans, strict=True)
    ]


def unique_segments(rows: Sequence[Conversation], whole_texts: bool) -> dict[str, None]:
    """The texts that a backend will be given for these rows, each once."""
    found: dict[str, None] = {}
    for row in rows:
        for message in row.messages:
            for part in _plan(message.content, whole_texts):
                if isinstance(part, Segment):
                    found[part.masked.text] = None
    return found


def _plan(text: str, whole: bool) -> list[Part]:
    return [Segment(Masked(text))] if whole else segment(text)


def _lost_mask(found: Segment, translations: Translations) -> bool:
    result = translations.results[found.masked.text]
    return (
        isinstance(result, str)
        and bool(found.masked.pieces)
        and restore(result, found.masked) is None
    )


def _fallbacks(segments: list[Segment], translations: Translations) -> Iterator[str]:
    """Texts between the masks of segments whose masks the backend lost."""
    for found in segments:
        if _lost_mask(found, translations):
            for text, kept in split_at_masks(found.masked):
                if not kept and any(map(str.isalpha, text)):
                    yield text.strip()


def _row(
    row: Conversation, plans: list[list[Part]], translations: Translations, translator_name: str
) -> Conversation:
    messages, reasons = [], []
    for message, parts in zip(row.messages, plans, strict=True):
        results = [p if isinstance(p, str) else _segment_result(p, translations) for p in parts]
        reasons += [r.reason for r in results if isinstance(r, Failure)]
        messages.append(Message(message.role, "".join(r for r in results if isinstance(r, str))))
    if reasons:
        checks = [Check(TRANSLATED, False, float(len(reasons)), reasons[0])]
        messages = row.messages
    else:
        checks = [Check(TRANSLATED, True, 0.0)]
        checks += audit(row.messages, messages, translations.pivot, translations.lang)
    return Conversation(
        id=row.id,
        lang=translations.lang,
        dataset=row.dataset,
        source=row.source,
        messages=messages,
        origin="translated",
        translator=translator_name,
        source_sha=source_digest(row),
        checks=checks,
    )


def source_digest(row: Conversation) -> str:
    """Digest of the messages that a translation was made from."""
    return digest([[m.role, m.content] for m in row.messages])


def _segment_result(found: Segment, translations: Translations) -> Result:
    result = translations.results[found.masked.text]
    if isinstance(result, Failure) or not found.masked.pieces:
        return result
    restored = restore(result, found.masked)
    return restored if restored is not None else _between_masks(found, translations)


def _between_masks(found: Segment, translations: Translations) -> Result:
    """The segment from its parts, translated apart, outer white space kept."""
    out: list[str] = []
    for text, kept in split_at_masks(found.masked):
        core = text.strip()
        if kept or not any(map(str.isalpha, core)):
            out.append(text)
            continue
        result = translations.results[core]
        if isinstance(result, Failure):
            return Failure(f"{LOST_MASK}; {result.reason}")
        start = text.index(core)
        out += [text[:start], result, text[start + len(core) :]]
    return "".join(out)
