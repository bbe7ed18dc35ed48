"""Texts -> results: each text once, in batches, in threads, journalled as it comes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from pathlib import Path
from typing import Any

from ..errors import BabelmixError
from ..io import Journal, digest
from .backends.base import Backend, DeferredBackend, Failure, Result


class Translations:
    """Results by text. Finished ones come from and go to the journal.

    A failure of content is journalled too, so that its text is not bought again where smaller
    parts of it have been; a failure to answer lives only here. ``others`` are journals of other
    shards and pools: what stands there is taken over, never asked for again.
    """

    def __init__(
        self,
        backend: Backend,
        pivot: str,
        lang: str,
        journal: Journal | None,
        others: Iterable[Path] = (),
        progress: Callable[[list[str]], object] = lambda texts: None,
    ) -> None:
        self.backend, self.pivot, self.lang, self.journal = backend, pivot, lang, journal
        self.progress = progress
        self.results: dict[str, Result] = {}
        self.reused = 0
        self.sent_texts = 0
        self.sent_chars = 0
        self._common = digest([backend.settings, pivot, lang])
        whole = journal is None or backend.batch_dependent
        self._elsewhere = {} if whole else _entries(others)

    def key(self, text: str, context: str = "") -> str:
        """Digest of all that a text's translation depends on."""
        return digest(f"{self._common}\n{context}\n{text}")

    def keys(self, batch: list[str]) -> list[str]:
        """The keys of a batch's texts, as the journal holds them."""
        context = digest("\n".join(map(digest, batch))) if self.backend.batch_dependent else ""
        return [self.key(text, context) for text in batch]

    def known(self, text: str) -> Result | None:
        """What the journals hold of a text, for backends whose texts stand alone."""
        if self.journal is None or self.backend.batch_dependent:
            return None
        key = self.key(text)
        entry = self.journal.get(key)
        if entry is None and (entry := self._elsewhere.get(key)) is not None:
            self.journal.adopt(entry)
        return None if entry is None else _result(entry)

    def missing(self, texts: list[str]) -> list[str]:
        """The texts that the journals hold no translation or failure of."""
        if self.journal is not None and self.backend.batch_dependent:
            batches = self._batches(texts)
            return [
                t for b in batches if any(k not in self.journal for k in self.keys(b)) for t in b
            ]
        return [text for text in texts if self.known(text) is None]

    def fill(
        self, texts: Iterable[str], failure_counts: Callable[[str], bool] = lambda text: False
    ) -> None:
        """Translate the texts that have no result yet, each once.

        ``failure_counts`` says of a text whether an earlier run's failure is its result (because
        its parts are tried next) or it is worth another try.
        """
        fresh = []
        for text in dict.fromkeys(texts):
            if text in self.results:
                continue
            found = self.known(text)
            if found is None or (isinstance(found, Failure) and not failure_counts(text)):
                fresh.append(text)
            else:
                self._take([text], [found])
        if isinstance(self.backend, DeferredBackend):
            self._run_deferred(self.backend, fresh)
        else:
            self._run([b for b in self._batches(fresh) if not self._batch_known(b)])
        if self.journal is not None:
            self.journal.sync()

    def _batches(self, texts: list[str]) -> list[list[str]]:
        """Texts in their order, or longest first, within the backend's limits."""
        limits = self.backend.limits
        if self.backend.by_length:
            texts = sorted(texts, key=lambda t: (-len(t), t))
        batches: list[list[str]] = []
        chars = 0
        for text in texts:
            full = not batches or len(batches[-1]) >= limits.batch_texts
            if full or (limits.batch_chars is not None and chars + len(text) > limits.batch_chars):
                batches.append([])
                chars = 0
            batches[-1].append(text)
            chars += len(text)
        return batches

    def _batch_known(self, batch: list[str]) -> bool:
        """Take the results of a batch that is kept whole, if all are there."""
        if not self.backend.batch_dependent or self.journal is None:
            return False
        entries = [self.journal.get(key) for key in self.keys(batch)]
        if any(entry is None for entry in entries):
            return False
        self._take(batch, [_result(entry) for entry in entries if entry is not None])
        return True

    def _take(self, texts: list[str], results: list[Result]) -> None:
        self.results.update(zip(texts, results, strict=True))
        self.reused += len(texts)
        self.progress(texts)

    def _run(self, batches: list[list[str]]) -> None:
        if self.backend.concurrency == 1:
            for batch in batches:
                self._keep(batch, self.backend.translate(batch))
            return
        queue = iter(batches)
        problem: BaseException | None = None
        with ThreadPoolExecutor(self.backend.concurrency) as pool:
            running: dict[Future[list[Result]], list[str]] = {}
            try:
                while True:
                    # After a problem nothing new is begun, but what is under way is kept: paid for.
                    # A call begins when the one before it is in the journal, or a kill loses both.
                    room = 0 if problem else self.backend.concurrency - len(running)
                    for batch in islice(queue, room):
                        running[pool.submit(self.backend.translate, batch)] = batch
                    if not running:
                        break
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        batch = running.pop(future)
                        if future.cancelled():
                            continue
                        if (error := future.exception()) is None:
                            self._keep(batch, future.result())
                        elif problem is None:
                            problem = error
                            for waiting in running:
                                waiting.cancel()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        if problem is not None:
            raise problem

    def _run_deferred(self, backend: DeferredBackend, texts: list[str]) -> None:
        by_key = {self.key(text): text for text in texts}

        def keep(results: dict[str, Result], beside: dict[str, Any]) -> None:
            self._note(results, beside)  # first of all: it is paid for
            mine = {by_key[k]: r for k, r in results.items() if k in by_key}
            self.results.update(mine)
            self.progress(list(mine))

        self.sent_texts += len(texts)
        self.sent_chars += sum(map(len, texts))
        backend.translate_later(by_key, self.journal, keep)

    def _keep(self, batch: list[str], results: list[Result]) -> None:
        if len(results) != len(batch):
            raise BabelmixError(f"a backend gave {len(results)} results for {len(batch)} texts.")
        self.results.update(zip(batch, results, strict=True))
        self.sent_texts += len(batch)
        self.sent_chars += sum(map(len, batch))
        if self.journal is not None:
            self._note(dict(zip(self.keys(batch), results, strict=True)))
        self.progress(batch)

    def _note(self, results: Mapping[str, Result], beside: Mapping[str, Any] | None = None) -> None:
        """Write results to the journal; those of one call (``beside``) reach the disk a little
        later, with the next sync."""
        if self.journal is None:
            return
        entries = []
        for key, result in results.items():
            if isinstance(result, str):
                entries.append({"key": key, "text": result, **(beside or {})})
            elif result.content:
                entries.append({"key": key, "failure": result.reason, **(beside or {})})
        if not beside:
            self.journal.extend(entries)
        for entry in entries if beside else ():
            self.journal.hand_over(entry)


def _result(entry: Mapping[str, str]) -> Result:
    return entry["text"] if "text" in entry else Failure(entry["failure"])


def _entries(paths: Iterable[Path]) -> dict[str, dict[str, str]]:
    """Translations of other jobs' journals, which may be at work: a torn last line is passed."""
    found: dict[str, dict[str, str]] = {}
    for path in paths:
        with path.open("rb") as handle:
            for line in handle:
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue
                if isinstance(entry, dict) and "text" in entry and "key" in entry:
                    found.setdefault(entry["key"], {"key": entry["key"], "text": entry["text"]})
    return found
