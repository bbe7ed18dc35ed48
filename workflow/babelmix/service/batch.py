"""The Batch API: half the price, hours instead of minutes, and nothing paid for twice.

What is sent is noted beside the journal before anything else happens to it, so that a job that is
killed finds its batches again; one that was sent and not yet noted is known by the digest of its
calls in its metadata. Calls that failed for a passing reason go into a new batch.
"""

from __future__ import annotations

import io
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from ..errors import BabelmixError
from ..io import Journal, digest
from .chat import ChatService
from .client import open_batch_client
from .failures import (
    CallFailedError,
    Failure,
    ServiceStoppedError,
    classify,
    classify_status,
    words,
)
from .ledger import CapReachedError
from .replies import Reply, Request, Usage
from .retry import ALIKE

if TYPE_CHECKING:
    from openai import OpenAI

T = TypeVar("T")

#: OpenAI's limits of one batch.
MOST_REQUESTS = 50_000
MOST_BYTES = 190 * 1024 * 1024
#: A batch is done within 24 hours or expires; what is not told by then never will be.
PATIENCE_S = 26 * 3600.0
_OVER = {"completed", "failed", "expired", "cancelled"}
_TAG = "babelmix_calls"
_FULL = "token_limit_exceeded"
_ENDPOINT: Literal["/v1/chat/completions"] = "/v1/chat/completions"


def ask_in_batches(
    service: ChatService,
    requests: Sequence[Request],
    on_reply: Callable[[Reply], None],
    notes: Path,
    sync: Callable[[], None] = lambda: None,
    earlier: Iterable[str] = (),
) -> dict[str, Failure]:
    """Ask all by batches; hand each reply to ``on_reply``; return the failures, by key.

    ``notes`` is a journal of the batches sent; ``sync`` must put the replies handed over on the
    disk: it is called before a batch is noted as collected. Batches of an interrupted job, and
    those named in ``earlier``, are waited for and collected first, also where their calls are not
    asked for any more. Raises CapReachedError after all that was sent is collected.
    """
    with (
        Journal(notes) as noted,
        open_batch_client(service.settings, service.model, service.where) as client,
    ):
        for batch_id in earlier:
            if batch_id not in noted:
                noted.append({"key": batch_id, "state": "submitted"})
        return _Batches(service, client, noted, on_reply, sync).run(requests)


class _Batches:
    """The batches of one job."""

    def __init__(
        self,
        service: ChatService,
        client: OpenAI,
        noted: Journal,
        on_reply: Callable[[Reply], None],
        sync: Callable[[], None],
    ) -> None:
        self.service, self.client, self.noted = service, client, noted
        self.on_reply, self.sync = on_reply, sync
        self.poll_s: float = getattr(service.settings, "poll_s", 60.0)
        self.asked: dict[str, Request] = {}
        self.due: dict[str, Request] = {}
        self.answered: set[str] = set()
        self.failures: dict[str, Failure] = {}
        self.tries: Counter[str] = Counter()
        self.open: dict[str, list[Request]] = {}
        #: Requests of one batch at most, and batches that may be sent before one has ended.
        self.most, self.room = MOST_REQUESTS, MOST_REQUESTS
        self.problem: BabelmixError | None = None

    def run(self, requests: Sequence[Request]) -> dict[str, Failure]:
        """Send, wait and collect until every request has a reply or a failure."""
        self.asked = {request.key: request for request in requests}
        self._find_lost()
        end = time.monotonic() + PATIENCE_S
        while self.open:  # what an interrupted job has sent
            self._look(end)
        done = self.answered | self.failures.keys()
        self.due = {key: request for key, request in self.asked.items() if key not in done}
        while self.open or (self.due and self.problem is None):
            if self.due and self.problem is None:
                self._send_what_fits()
            if self.open or self.problem is None:
                self._look(end)
        self.service.tell_models()
        if self.problem is not None:
            raise self.problem
        return self.failures

    # --- sending ---------------------------------------------------------------------------------

    def _send_what_fits(self) -> None:
        """Send what is due, in batches, as far as the cap and the server's queue have room."""
        for part in list(self._parts(list(self.due.values()))):
            if self.room <= 0:
                return
            try:
                fitting, call = self._reserved(part)
            except CapReachedError as error:
                if not self.open:
                    self.problem = error
                return
            if not fitting:
                return
            self._send(fitting, call)
            self.room -= 1

    def _reserved(self, part: list[Request]) -> tuple[list[Request], str | None]:
        """The calls of a part whose worst cases fit under the cap, reserved as one."""
        ledger, bounds = self.service.ledger, self.service.bounds
        if ledger is None:
            return part, None
        if ledger.cap is not None:
            room, total, kept = ledger.cap - ledger.total(), 0.0, list[Request]()
            for request in part:
                total += bounds.worst(request)
                if total > room and kept:
                    break
                kept.append(request)
            part = kept
        worst = sum(map(bounds.worst, part))
        call = ledger.reserve(worst, PATIENCE_S, key="batch")
        return (part, call) if call is not None else ([], None)

    def _send(self, part: list[Request], call: str | None) -> None:
        tag = digest(sorted(request.key for request in part))
        lost = {"key": f"sending:{tag}", "state": "sending", "tag": tag, "call": call}
        self.noted.append(lost)
        lines = "".join(map(self._line, part)).encode()
        held = self._call(
            lambda: self.client.files.create(
                file=("calls.jsonl", io.BytesIO(lines)), purpose="batch"
            )
        )
        tried = False

        def create() -> Any:
            nonlocal tried
            if tried and (found := self._on_server(tag)):
                return found[0]  # the answer to the first try was lost, the batch was not
            tried = True
            return self.client.batches.create(
                input_file_id=held.id,
                endpoint=_ENDPOINT,
                completion_window="24h",
                metadata={_TAG: tag},
            )

        batch = self._call(create)
        self.noted.append({"key": batch.id, "state": "submitted", "tag": tag, "call": call})
        self.noted.append(lost | {"state": "sent"})
        self.open[batch.id] = part
        for request in part:
            self.due.pop(request.key, None)
        self._say(f"batch {batch.id}: {len(part):,} requests sent")

    def _line(self, request: Request) -> str:
        """One line of a batch's input file."""
        call = {"custom_id": request.key, "method": "POST", "url": _ENDPOINT}
        return json.dumps(call | {"body": self.service.form.body(request)}) + "\n"

    def _parts(self, requests: Sequence[Request]) -> Iterator[list[Request]]:
        """Requests in batches within the server's limits."""
        part: list[Request] = []
        size = 0
        for request in requests:
            length = len(self._line(request))
            if part and (len(part) >= self.most or size + length > MOST_BYTES):
                yield part
                part, size = [], 0
            part.append(request)
            size += length
        if part:
            yield part

    def _find_lost(self) -> None:
        """Find batches that were sent and not noted: a kill came between."""
        notes = list(self.noted.entries.values())
        lost = {note["tag"]: note for note in notes if note["state"] == "sending"}
        self.open = {note["key"]: [] for note in notes if note["state"] == "submitted"}
        # Older versions noted nothing before they sent.
        for batch in self._call(lambda: self._on_server(digest(sorted(self.asked)), *lost)):
            tag = (batch.metadata or {}).get(_TAG, "")
            note = lost.pop(tag, {})
            call = note.get("call")
            self.noted.append({"key": batch.id, "state": "submitted", "tag": tag, "call": call})
            self.open[batch.id] = []
            if note:
                self.noted.append(note | {"state": "sent"})
        for note in lost.values():  # never reached the server
            if note["call"] and self.service.ledger is not None:
                self.service.ledger.release(note["call"])
            self.noted.append(note | {"state": "never sent"})

    def _on_server(self, *tags: str) -> list[Any]:
        """Batches with these tags that are not noted."""
        return [
            batch
            for batch in self.client.batches.list(limit=100).data
            if (batch.metadata or {}).get(_TAG) in tags
            and batch.id not in self.noted
            and batch.status != "failed"
        ]

    # --- collecting ------------------------------------------------------------------------------

    def _look(self, end: float) -> None:
        """Collect the batches that are over; wait where there is none."""
        over = 0
        for batch_id in list(self.open):
            batch = self._call(partial(self.client.batches.retrieve, batch_id))
            if batch.status in _OVER:
                self._collect(batch_id, batch)
                over += 1
        if time.monotonic() > end:
            raise BabelmixError(
                f"{self.service.where}: batches are not done after 26 hours: "
                f"{', '.join(self.open) or 'the server takes none'}."
            )
        if not over or not self.open:
            time.sleep(self.poll_s if self.open or self.due else 0.0)

    def _collect(self, batch_id: str, batch: Any) -> None:
        """Hand over a batch's replies, charge them, note that it is done, put back what is left."""
        note, part = self.noted.entries[batch_id], self.open.pop(batch_id)
        charged: dict[str, float] = {}
        left: dict[str, CallFailedError] = {}
        answered = len(self.answered)
        for file_id in (batch.output_file_id, batch.error_file_id):
            if file_id:
                text = self._call(partial(self.client.files.content, file_id)).text
                for line in text.split("\n"):
                    if line.strip():
                        self._take(line, f"batch-{batch_id}", charged, left)
        self.sync()
        if batch.status == "completed":  # what it does not tell of was done, and is billed
            for request in part:
                if request.key not in self.answered and request.key not in left:
                    worst = self.service.bounds.worst(request)
                    charged[f"batch-{batch_id}:{request.key}"] = worst
        if self.service.ledger is not None:
            self.service.ledger.close_batch(note.get("call"), charged)
        state = {"state": batch.status, "failed": len(left), "cost": sum(charged.values())}
        self.noted.append(note | state)
        got = len(self.answered) - answered
        self._say(f"batch {batch_id} {batch.status}: {got:,} replies, {len(left):,} failed")
        if batch.status == "failed":
            self._refused(batch, part)
            return
        unknown = [failure.reason for failure in left.values() if failure.unknown]
        if len(unknown) >= ALIKE and not got:
            self.problem = self.problem or ServiceStoppedError(
                f"{self.service.where}: all of a batch was refused ({unknown[-1]}). Fix what it "
                "names and run again: nothing was billed for it."
            )
        self.room = max(1, self.room)
        ended = CallFailedError("the batch ended without it", passing=True)
        for request in part:
            if request.key not in self.answered:
                left.setdefault(request.key, ended)
        for key, failure in left.items():
            if key in self.asked and key not in self.answered:
                self._settle(key, self.asked[key], failure)

    def _settle(self, key: str, request: Request, failure: CallFailedError) -> None:
        """Put a failed call back, or note its failure."""
        if self.service.form.adapt(failure.unsupported, self.service.form.body(request)):
            self.due[key] = request
            return
        if failure.unsupported and self.tries[key] == 0:  # sent before the form was changed
            self.tries[key] += 1
            self.due[key] = request
            return
        self.tries[key] += 1
        most = min(self.service.policy.retries + 1, failure.tries or 99)
        if failure.passing and self.tries[key] < most:
            self.due[key] = request
        else:
            self.failures[key] = Failure(failure.reason, failure.passing)

    def _refused(self, batch: Any, part: list[Request]) -> None:
        """Put back a batch that the server's queue has no room for; stop for any other reason."""
        errors = getattr(batch.errors, "data", None) or []
        told = "; ".join(
            f"{error.code}: {words(error.message or '')[2]}"
            + (f" (line {error.line})" if error.line else "")
            for error in errors[:5]
        )
        if not any(error.code == _FULL for error in errors):
            self.problem = self.problem or ServiceStoppedError(
                f"{self.service.where}: the server refused the batch ({told or 'no reason given'}"
                "). What is done is kept in the journal."
            )
            return
        self.due = {request.key: request for request in part} | self.due
        self.room = 0 if self.open else 1
        if not self.open:  # alone in the queue and still too much: smaller ones
            self.most = max(1, len(part) // 2)
        self._say(f"no room for batch {batch.id} ({told}); its requests go in as room is made")

    def _take(
        self,
        text: str,
        call: str,
        charged: dict[str, float],
        left: dict[str, CallFailedError],
    ) -> None:
        """One call's outcome."""
        try:
            line = json.loads(text)
            key, response = line["custom_id"], line.get("response") or {}
        except (ValueError, LookupError, TypeError):
            return  # cut short: what it was about is asked again
        request = self.asked.get(key, Request(key))
        status, body = response.get("status_code"), response.get("body")
        try:
            if status == 200:
                reply = self.service.take(request, body, None, lambda r: self._keep(r, call))
                charged[f"{call}:{key}"] = reply.cost
                self.answered.add(key)
            elif status is None:
                told = words(line.get("error") or "no response")[2]
                left[key] = CallFailedError(f"no reply in the batch: {told}", passing=True)
            else:
                where = self.service.where
                left[key] = classify_status(status, body or {}, {}, self.service.settings, where)
        except CallFailedError as failure:
            if isinstance(failure.usage, Usage):
                charged[f"{call}:{key}"] = failure.usage.dollars(self.service.price)
            elif failure.usage:
                charged[f"{call}:{key}"] = self.service.bounds.worst(request)
            left[key] = failure
        except ServiceStoppedError as error:  # a line that was refused is not billed
            self.problem = error
            left[key] = CallFailedError(str(error), passing=True)

    def _keep(self, reply: Reply, call: str) -> None:
        self.on_reply(replace(reply, call=f"{call}:{reply.key}"))

    def _call(self, call: Callable[[], T]) -> T:
        """One call of the API itself, tried again while its failures may pass."""

        def tried() -> T:
            try:
                return call()
            except Exception as error:
                raise classify(error, self.service.settings, self.service.where) from None

        try:
            return self.service.policy.run(tried, threading.Lock())
        except CallFailedError as failure:
            problem = failure.reason
        except ServiceStoppedError as error:
            if "no such model or endpoint" not in str(error):
                raise
            problem = str(error)
        raise BabelmixError(
            f"{self.service.where}: the server's Batch API failed ({problem}). Batches sent so far "
            "are noted and collected on the next run. A server without a Batch API needs `mode: "
            "realtime`."
        )

    def _say(self, what: str) -> None:
        print(f"{self.service.where}: {what}", file=sys.stderr, flush=True)
