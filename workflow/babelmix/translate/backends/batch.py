"""A chat model through the Batch API: all texts in a file, answered within a day at half price.

What is bought stands in the journal before anything is waited for. A job that is killed finds its
batches there when it runs again and collects them; one that was killed between sending a batch and
noting its number finds it on the server by the mark that was noted before.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, TypeVar

from ...config.translators import OpenAITranslator
from ...errors import BabelmixError
from ...io import Journal, digest
from ..money import CapReachedError
from .base import Failure, Keep, Result
from .chat import read_reply
from .openai import OpenAIBackend
from .patience import ServiceError

T = TypeVar("T")

#: Limits of one batch: requests, and bytes of its file.
MOST_REQUESTS = 50_000
MOST_BYTES = 190_000_000
#: Rounds of sending what failed without an answer once more.
ROUNDS = 3
_ENDPOINT = "/v1/chat/completions"
_ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
#: Journal keys of batches; those of texts are bare digests.
_PREFIX = "batch:"


class OpenAIBatchBackend(OpenAIBackend):
    """Sends, waits, collects; sends once more what got no answer."""

    def __init__(self, translator: OpenAITranslator, *args: Any) -> None:
        super().__init__(translator, *args)
        self.poll_s = translator.poll_s
        self.most_requests = MOST_REQUESTS

    def translate_later(self, texts: dict[str, str], journal: Journal | None, keep: Keep) -> None:
        """Translate texts by their key; see DeferredBackend."""
        assert journal is not None, "batches need a journal"
        todo = dict(texts)

        def collected(results: dict[str, Result]) -> None:
            for key, result in results.items():
                if isinstance(result, str) or result.content:
                    todo.pop(key, None)
            keep(results)

        for mark in self._open_batches(journal):
            self._collect(mark, journal, texts, collected)
        for _ in range(ROUNDS):
            if not todo:
                return
            capped: CapReachedError | None = None
            marks = []
            try:
                for part in self._portions(todo):
                    marks.append(self._send(part, journal))
            except CapReachedError as error:
                capped = error
            for mark in marks:
                self._collect(mark, journal, texts, collected)
            if capped is not None:
                raise capped
        missing = Failure(f"no answer in {ROUNDS} batches", content=False)
        keep(dict.fromkeys(todo, missing))

    # --- sending ---------------------------------------------------------------------------------

    def _portions(self, texts: dict[str, str]) -> Iterator[dict[str, str]]:
        """Texts in batches that the service takes."""
        portion: dict[str, str] = {}
        size = 0
        for key, text in texts.items():
            grown = size + len(self._line(key, text))
            if portion and (len(portion) >= self.most_requests or grown > MOST_BYTES):
                yield portion
                portion, grown = {}, len(self._line(key, text))
            portion[key] = text
            size = grown
        if portion:
            yield portion

    def _line(self, key: str, text: str) -> bytes:
        request = {"custom_id": key, "method": "POST", "url": _ENDPOINT}
        return json.dumps({**request, "body": self.chat.body(text)}).encode() + b"\n"

    def _send(self, texts: dict[str, str], journal: Journal) -> str:
        """Upload and start a batch; its mark and number are in the journal when this returns."""
        price = self.budget.price
        promised = sum(self.chat.worst_cost(text, price) for text in texts.values())
        mark = _PREFIX + digest([*texts, time.time_ns()])[:40]
        self.budget.commit(promised)  # collecting puts the real amount in its place
        journal.append({"key": mark, "state": "sending", "promised": promised})
        data = b"".join(self._line(key, text) for key, text in texts.items())
        upload = self._call(
            lambda: self.client.files.create(file=("texts.jsonl", data), purpose="batch")
        )
        batch = self._call(
            lambda: self.client.batches.create(
                input_file_id=upload.id,
                endpoint=_ENDPOINT,
                completion_window="24h",
                metadata={"babelmix": mark},
            )
        )
        journal.append({"key": mark, "state": "sent", "batch": batch.id, "promised": promised})
        self._say(f"batch {batch.id}: {len(texts):,} requests sent")
        return mark

    def _call(self, call: Callable[[], T]) -> T:
        """One call of the service, tried again while its failures may pass."""

        def tried() -> T:
            try:
                return call()
            except Exception as error:
                raise self.trouble(error) from None

        try:
            return self.patience.run(tried, 0)
        except ServiceError as error:
            raise BabelmixError(
                f"{self.where}: the Batch API failed ({error.reason}). What is sent is noted in "
                "the journal; run again to go on."
            ) from None

    # --- waiting and collecting ------------------------------------------------------------------

    def _open_batches(self, journal: Journal) -> list[str]:
        """Marks of batches that an earlier run sent and did not collect."""
        entries = [e for k, e in journal.entries.items() if k.startswith(_PREFIX)]
        lost = {e["key"]: e for e in entries if e["state"] == "sending"}
        if lost:
            for batch in self._call(lambda: list(self.client.batches.list(limit=100))):
                mark = (batch.metadata or {}).get("babelmix", "")
                if mark in lost:
                    journal.append({**lost.pop(mark), "state": "sent", "batch": batch.id})
            for entry in lost.values():  # never reached the server
                self.budget.refund(entry["promised"])
                journal.append({**entry, "state": "collected"})
        current = [e for k, e in journal.entries.items() if k.startswith(_PREFIX)]
        return [e["key"] for e in current if e["state"] == "sent"]

    def _collect(self, mark: str, journal: Journal, texts: dict[str, str], keep: Keep) -> None:
        """Wait for a batch and hand its results over."""
        entry = journal.entries[mark]
        batch = self._wait(entry["batch"])
        results: dict[str, Result] = {}
        cost = 0.0
        for name in (batch.output_file_id, batch.error_file_id):
            if name:
                for key, result, dollars in self._read(name, texts):
                    results[key] = result
                    cost += dollars
        keep(results)
        self.budget.refund(entry["promised"] - cost)
        journal.append({**entry, "state": "collected", "cost": cost})
        good = sum(isinstance(r, str) for r in results.values())
        self._say(f"batch {entry['batch']} {batch.status}: {good:,} of {len(results):,} translated")
        if batch.status == "failed":
            raise BabelmixError(
                f"{self.where}: the service refused the batch ({_errors(batch)}). What is done is "
                "kept in the journal."
            )

    def _wait(self, number: str) -> Any:
        while True:
            batch = self._call(lambda: self.client.batches.retrieve(number))
            if batch.status in _ENDED:
                return batch
            time.sleep(self.poll_s)

    def _read(self, name: str, texts: dict[str, str]) -> Iterator[tuple[str, Result, float]]:
        """Key, result and cost of every request of an output or error file."""
        data = self._call(lambda: self.client.files.content(name).read())
        for line in data.splitlines():
            with contextlib.suppress(ValueError, KeyError, TypeError):  # cut short: asked for again
                value = json.loads(line)
                response = value.get("response") or {}
                yield self._result(str(value["custom_id"]), response, texts)

    def _result(
        self, key: str, response: dict[str, Any], texts: dict[str, str]
    ) -> tuple[str, Result, float]:
        status = response.get("status_code")
        if status != 200:
            refused = status is not None and status < 500 and status not in (408, 429)
            reason = f"refused by the server (HTTP {status})" if refused else "no answer in a batch"
            return key, Failure(reason, content=refused), 0.0
        reply = _as_object(response["body"])
        # A text that the rows no longer hold: its translation is paid for, and kept all the same.
        text = texts.get(key)
        return key, read_reply(text, reply), self.chat.cost(text or "", reply, self.budget.price)

    def _say(self, what: str) -> None:
        print(f"{self.where}: {what}", file=sys.stderr, flush=True)


def _as_object(value: Any) -> Any:
    """JSON objects as objects with attributes, as the client gives realtime replies."""
    if isinstance(value, dict):
        return SimpleNamespace(**{str(k): _as_object(v) for k, v in value.items()})
    return [_as_object(v) for v in value] if isinstance(value, list) else value


def _errors(batch: Any) -> str:
    found = getattr(batch.errors, "data", None) or []
    return "; ".join(str(e.message)[:200] for e in found) or "no reason given"
