"""The Batch API as a way to judge: half the price, hours instead of minutes.

Submitted batches are noted beside the journal before anything else happens to them, so that a job
that is killed finds them again and pays for nothing twice; one that was submitted but not yet noted
is known by the digest of its calls in its metadata. Calls that failed go into a new batch, as often
as ``max_retries`` says.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config.evaluation import OpenAIJudge
from ..errors import BabelmixError
from ..io import Journal, digest
from .client import DEFAULT_BASE_URL, Reply, Request, read_key, read_reply
from .failures import CallFailedError, classify
from .prices import price_of
from .reach import check_reachable

if TYPE_CHECKING:
    from openai import OpenAI

#: OpenAI's limits of one batch.
MOST_REQUESTS = 50_000
MOST_BYTES = 190 * 1024 * 1024
POLL_S = 30.0
#: A batch is done within 24 hours or expires; what is not told by then never will be.
PATIENCE_S = 26 * 3600.0
_OVER = {"completed", "failed", "expired", "cancelled"}
_TAG = "babelmix_calls"


def ask_in_batches(
    judge: OpenAIJudge,
    requests: Sequence[Request],
    on_reply: Callable[[Reply], None],
    notes: Path,
    sync: Callable[[], None] = lambda: None,
    poll_s: float = POLL_S,
) -> dict[str, str]:
    """Ask all by batches; hand each reply to ``on_reply``; the reasons of those without, by key.

    ``notes`` is a journal of the batches submitted; ``sync`` must put the replies handed over on
    the disk: it is called before a batch is noted as collected. Batches of an earlier,
    interrupted job are waited for and collected first, also where their calls are not asked for
    any more.
    """
    check_reachable(judge.base_url or DEFAULT_BASE_URL)
    with Journal(notes) as submitted, _open_client(judge) as client:
        work = _Batches(judge, client, submitted, on_reply, sync, poll_s)
        work.collect_earlier()
        reasons = {request.key: "not asked yet" for request in requests if request.key not in work}
        for _ in range(judge.max_retries + 1):
            due = [r for r in requests if r.key in reasons and _may_pass(reasons[r.key])]
            for part in _parts(due, judge):
                reasons |= work.run(part)
                reasons = {key: why for key, why in reasons.items() if key not in work}
    return reasons


def _may_pass(reason: str) -> bool:
    """Whether asking again may help: what was refused for the prompt's sake stays refused."""
    return not reason.startswith("HTTP 4") or reason.startswith(
        ("HTTP 408", "HTTP 409", "HTTP 429")
    )


class _Batches:
    """The batches of one job."""

    def __init__(
        self,
        judge: OpenAIJudge,
        client: OpenAI,
        submitted: Journal,
        on_reply: Callable[[Reply], None],
        sync: Callable[[], None],
        poll_s: float,
    ) -> None:
        self.judge = judge
        self.client = client
        self.submitted = submitted
        self.on_reply = on_reply
        self.sync = sync
        self.poll_s = poll_s
        self.answered: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self.answered

    def collect_earlier(self) -> None:
        """Collect what an interrupted job submitted."""
        for note in list(self.submitted.entries.values()):
            if note["state"] == "submitted":
                self._collect(note["key"])

    def run(self, requests: Sequence[Request]) -> dict[str, str]:
        """Submit one batch and wait for it; the reasons of the calls that failed."""
        tag = digest(sorted(request.key for request in requests))
        batch_id = self._find(tag) or self._submit(requests, tag)
        self.submitted.append({"key": batch_id, "state": "submitted", "tag": tag})
        failed = self._collect(batch_id)
        left = {r.key: "the batch ended without it" for r in requests if r.key not in self}
        return left | {key: reason for key, reason in failed.items() if key in left}

    def _find(self, tag: str) -> str | None:
        """A batch of the same calls that was submitted but never noted."""
        for batch in self._call(self.client.batches.list, limit=100).data:
            held = (batch.metadata or {}).get(_TAG)
            if held == tag and batch.id not in self.submitted and batch.status not in _OVER:
                return str(batch.id)
        return None

    def _submit(self, requests: Sequence[Request], tag: str) -> str:
        lines = "".join(line_of(self.judge, request) for request in requests).encode()
        held = self._call(
            self.client.files.create, file=("calls.jsonl", io.BytesIO(lines)), purpose="batch"
        )
        batch = self._call(
            self.client.batches.create,
            input_file_id=held.id,
            endpoint="/v1/chat/completions",
            completion_window="24h",
            metadata={_TAG: tag},
        )
        return str(batch.id)

    def _collect(self, batch_id: str) -> dict[str, str]:
        """Wait for a batch, hand over its replies, note that it is done."""
        end = time.monotonic() + PATIENCE_S
        while (batch := self._call(self.client.batches.retrieve, batch_id)).status not in _OVER:
            if time.monotonic() > end:
                raise BabelmixError(f"Batch {batch_id} is still {batch.status} after 26 hours.")
            time.sleep(self.poll_s)
        reasons: dict[str, str] = {}
        for file_id in (batch.output_file_id, batch.error_file_id):
            if file_id:
                text = self._call(self.client.files.content, file_id).text
                for line in text.split("\n"):
                    if line.strip():
                        self._take(json.loads(line), reasons)
        self.sync()
        self.submitted.append({"key": batch_id, "state": batch.status, "failed": len(reasons)})
        return reasons

    def _take(self, line: dict[str, Any], reasons: dict[str, str]) -> None:
        """One call's outcome."""
        key, response = line["custom_id"], line.get("response") or {}
        status, body = response.get("status_code"), response.get("body")
        if status != 200:
            told = (body or {}).get("error") or line.get("error") or {}
            reasons[key] = f"HTTP {status}: {str(told.get('message', ''))[:200]}"
            return
        try:
            self.on_reply(read_reply(self.judge, key, body))
            self.answered.add(key)
        except CallFailedError as failure:
            reasons[key] = failure.reason
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            reasons[key] = f"malformed reply ({type(error).__name__})"

    def _call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """One call of the API itself, tried again where its failure may pass."""
        for attempt in range(self.judge.max_retries + 1):
            try:
                return function(*args, **kwargs)
            except Exception as error:
                failure = classify(error, self.judge)
                if not failure.passing or attempt == self.judge.max_retries:
                    raise BabelmixError(
                        f"judge {self.judge.model}: the server's Batch API failed "
                        f"({failure.reason}). Batches submitted so far are noted and collected on "
                        "the next run. A server without a Batch API needs `mode: realtime`."
                    ) from None
                time.sleep(min(self.poll_s, failure.retry_after or 2.0**attempt))
        raise AssertionError("unreachable")


def line_of(judge: OpenAIJudge, request: Request) -> str:
    """One line of a batch's input file."""
    body = {
        "model": judge.model,
        "messages": request.messages,
        "temperature": judge.temperature,
        "max_tokens": judge.max_tokens,
    }
    call = {"custom_id": request.key, "method": "POST", "url": "/v1/chat/completions"}
    return json.dumps(call | {"body": body}) + "\n"


def _parts(requests: Sequence[Request], judge: OpenAIJudge) -> Iterator[list[Request]]:
    """Requests in batches within the server's limits."""
    part: list[Request] = []
    size = 0
    for request in requests:
        length = len(line_of(judge, request))
        if part and (len(part) == MOST_REQUESTS or size + length > MOST_BYTES):
            yield part
            part, size = [], 0
        part.append(request)
        size += length
    if part:
        yield part


def _open_client(judge: OpenAIJudge) -> OpenAI:
    from openai import DefaultHttpxClient, OpenAI

    return OpenAI(
        api_key=read_key(judge),
        base_url=judge.base_url or DEFAULT_BASE_URL,
        timeout=judge.timeout_s,
        max_retries=0,
        http_client=DefaultHttpxClient(follow_redirects=False, timeout=judge.timeout_s),
    )


def affordable(
    judge: OpenAIJudge, requests: Sequence[Request], worst: Callable[[Request], float], spent: float
) -> tuple[list[Request], dict[str, str]]:
    """The requests whose worst cases fit under the cap, in order, and why the others do not."""
    if judge.max_cost is None or not price_of(judge).known:
        return list(requests), {}
    kept: list[Request] = []
    left: dict[str, str] = {}
    for request in requests:
        spent += worst(request)
        if spent > judge.max_cost:
            left[request.key] = f"not asked: max_cost of {judge.max_cost} US dollars"
        else:
            kept.append(request)
    return kept, left
