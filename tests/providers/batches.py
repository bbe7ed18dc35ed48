"""The Batch API in front of a model: files, batches, a queue with a limit, and what goes wrong.

Shapes from platform.openai.com (Batch object; a line of the output and of the error file). A line
whose request failed is in the error file with the status that it would have had; lines that were
not done when the window closed are there as ``batch_expired``.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from . import bodies, refusals
from .bill import Bill, Charge
from .models import Model
from .server import Answer, Call, as_json
from .tokens import count_messages

_EXPIRED = "This request could not be executed before the completion window expired."


@dataclass
class Batches:
    """A provider: realtime calls go to ``model``, batches are done at the ``polls``-th look.

    ``queue_tokens``: the account's enqueued tokens; a batch above it fails its validation.
    ``expires``: lines (by number within the batch) that are not done in time, in the first
    ``expiring`` batches. ``cut``: bytes that are missing at the end of the first output file.
    ``refused``: the `errors` of every batch that is created.
    """

    model: Model
    bill: Bill = field(default_factory=Bill)
    polls: int = 2
    factor: float = 0.5
    queue_tokens: int | None = None
    expires: Callable[[int], bool] = lambda line: False
    expiring: int = 1
    cut: int = 0
    refused: dict[str, Any] | None = None
    no_error_file: str | None = None
    on_create: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.looks: Counter[str] = Counter()
        self.lines: list[Call] = []
        self.asked: Counter[str] = Counter()
        self._lock = threading.RLock()
        self._ids = itertools.count()

    def __call__(self, call: Call) -> Answer:
        """Route a call."""
        parts = call.path.removeprefix("/v1").strip("/").split("/")
        with self._lock:
            if parts[0] == "files":
                return self._file(call, parts[1:])
            if parts[0] == "batches":
                return self._batch(call, parts[1:])
        return self.model(call)

    def statuses(self) -> Counter[str]:
        """Batches by status."""
        return Counter(batch["status"] for batch in self.batches.values())

    def _file(self, call: Call, parts: list[str]) -> Answer:
        if call.method == "POST":
            start = call.raw.find(b'{"')
            end = call.raw.rfind(b"}") + 1
            name = self._store(call.raw[start:end] + b"\n")
            made = {"id": name, "object": "file", "bytes": len(call.raw), "created_at": 1}
            return as_json(made | {"filename": "calls.jsonl", "purpose": "batch", "status": "ok"})
        if parts and parts[0] not in self.files:
            return refusals.error(404, f"No such File object: {parts[0]}", code="not_found")
        if call.method == "DELETE":
            return as_json({"id": parts[0], "object": "file", "deleted": True})
        if parts[-1:] == ["content"]:
            return Answer(body=self.files[parts[0]], content_type="application/octet-stream")
        held = [{"id": name, "object": "file", "bytes": len(data), "created_at": 1,
                 "filename": "calls.jsonl", "purpose": "batch", "status": "processed"}
                for name, data in self.files.items()]  # fmt: skip
        return as_json({"object": "list", "data": held, "has_more": False})

    def _batch(self, call: Call, parts: list[str]) -> Answer:
        if call.method == "POST" and not parts:
            return as_json(self._create(call.body))
        if not parts:
            found = list(reversed(self.batches.values()))
            return as_json({"object": "list", "data": found, "has_more": False})
        batch = self.batches.get(parts[0])
        if batch is None:
            return refusals.error(404, f"No batch found with id '{parts[0]}'.", code="not_found")
        if parts[1:] == ["cancel"]:
            batch["status"] = "cancelled"
        else:
            self._look(batch)
        return as_json(batch)

    def _store(self, data: bytes) -> str:
        name = f"file-{next(self._ids)}"
        self.files[name] = data
        return name

    def _create(self, body: dict[str, Any]) -> dict[str, Any]:
        batch = {
            "id": f"batch_{len(self.batches)}",
            "object": "batch",
            "endpoint": body["endpoint"],
            "errors": None,
            "input_file_id": body["input_file_id"],
            "completion_window": body["completion_window"],
            "status": "validating",
            "output_file_id": None,
            "error_file_id": None,
            "created_at": int(time.time()),
            "metadata": body.get("metadata"),
            "request_counts": {"total": 0, "completed": 0, "failed": 0},
        }
        self.batches[batch["id"]] = batch
        self.on_create()
        return batch

    def _look(self, batch: dict[str, Any]) -> None:
        if batch["status"] == "validating":
            if self.refused is not None:
                batch |= {"status": "failed", "errors": self.refused}
            elif self.queue_tokens is not None and self._queued(batch) > self.queue_tokens:
                batch |= {"status": "failed", "errors": bodies.enqueued_limit(self.queue_tokens)}
            else:
                batch["status"] = "in_progress"
        elif batch["status"] == "in_progress":
            self.looks[batch["id"]] += 1
            if self.looks[batch["id"]] >= self.polls:
                self._finish(batch)

    def _queued(self, new: dict[str, Any]) -> int:
        running = [b for b in self.batches.values() if b["status"] == "in_progress"]
        return sum(
            count_messages(json.loads(line)["body"]["messages"])
            for batch in [new, *running]
            for line in self.files[batch["input_file_id"]].splitlines()
        )

    def _finish(self, batch: dict[str, Any]) -> None:
        good: list[dict[str, Any]] = []
        bad: list[dict[str, Any]] = []
        expiring = self.expiring > 0
        self.expiring -= 1
        model = dataclasses.replace(self.model, factor=self.factor)
        for number, raw in enumerate(self.files[batch["input_file_id"]].splitlines()):
            line = json.loads(raw)
            made = {"id": f"batch_req_{number}", "custom_id": line["custom_id"], "error": None}
            if expiring and self.expires(number):
                late = {"code": "batch_expired", "message": _EXPIRED}
                bad.append(made | {"response": None, "error": late})
                continue
            answer = model(self._as_call(line, raw))
            body = json.loads(answer.body)
            response = {"status_code": answer.status, "request_id": "req_1", "body": body}
            (good if answer.status == 200 else bad).append(made | {"response": response})
            if answer.dollars:
                self.bill.add(
                    Charge(len(self.lines) - 1, self.lines[-1].prompt, answer.tokens_in,
                           answer.tokens_out, answer.dollars, usable=answer.usable)
                )  # fmt: skip
        data = b"".join(json.dumps(line).encode() + b"\n" for line in good)
        if self.cut and data:
            data, self.cut = data[: -self.cut], 0
        expired = any((line["error"] or {}).get("code") == "batch_expired" for line in bad)
        errors = b"".join(json.dumps(line).encode() + b"\n" for line in bad)
        batch |= {
            "status": "expired" if expired else "completed",
            "output_file_id": self._store(data) if good else None,
            "error_file_id": self._store(errors) if bad else self.no_error_file,
            "request_counts": {
                "total": len(good) + len(bad),
                "completed": len(good),
                "failed": len(bad),
            },
        }

    def _as_call(self, line: dict[str, Any], raw: bytes) -> Call:
        key = json.dumps(line["body"]["messages"])
        call = Call(
            len(self.lines), self.asked[key], "POST", line["url"], "", {}, line["body"], raw,
            time.monotonic(),
        )  # fmt: skip
        self.asked[key] += 1
        self.lines.append(call)
        return call
