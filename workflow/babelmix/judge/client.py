"""Calls to a judge behind an OpenAI-compatible endpoint: many at once, patient, within budget."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config.evaluation import OpenAIJudge
from ..endpoints import foreign_key, is_loopback
from ..errors import BabelmixError
from ..progress import Progress
from .budget import Budget, reply_cost, text_tokens
from .failures import CallFailedError, Patience, classify, is_retryable
from .hint import recall, remember
from .prices import price_of
from .reach import check_reachable
from .window import Pace, Window, rate_wait

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from .prompts import Messages

#: Seconds between two syncs of the replies to disk.
_SYNC_S = 0.2
#: Given explicitly, so that no environment variable can send the key to another host.
DEFAULT_BASE_URL = "https://api.openai.com/v1"
_DUMMY_KEY = "none-needed"


@dataclass(frozen=True, slots=True)
class Request:
    """One call: its journal key, its messages, and the form that its reply must have, if any."""

    key: str
    messages: Messages
    response_format: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. ``truncated``: the reply hit ``max_tokens``. ``cost`` in US dollars."""

    key: str
    text: str
    truncated: bool
    tokens_in: int
    tokens_out: int
    cost: float

    def entry(self, model: str) -> dict[str, Any]:
        """What a journal keeps of it."""
        return asdict(self) | {"model": model}


def read_key(judge: OpenAIJudge) -> str:
    """The key from the environment; a server on this machine needs none."""
    if refused := foreign_key(judge.key_env, judge.base_url):
        raise BabelmixError(f"The judge {judge.model}: {refused}")
    key = os.environ.get(judge.key_env, "").strip()
    if key:
        return key
    if is_loopback(judge.base_url or DEFAULT_BASE_URL):
        return _DUMMY_KEY
    raise BabelmixError(
        f"The judge {judge.model} needs a key: set the environment variable {judge.key_env} "
        "(`key_env` of the judge in the configuration names another one)."
    )


def ask_all(
    judge: OpenAIJudge,
    requests: Sequence[Request],
    on_reply: Callable[[Reply], None],
    spent: float = 0.0,
    sync: Callable[[], None] | None = None,
    notes: Path | None = None,
) -> dict[str, str]:
    """Ask all, in their order, as many at once as the server takes (``judge.concurrency`` at most).

    Each reply is handed to ``on_reply`` as it comes; ``sync`` is called, in another thread, a few
    times a second while replies come, and must put them on the disk. ``notes``: the folder in which
    to note how many at once the server takes. Returns the reason of each request that got none, by
    key. ``spent`` is what this job has paid before. A bad key, an unknown model, an empty account
    or a server that answers nobody stops everything with a BabelmixError; what came before was
    handed over already.
    """
    if judge.max_cost is not None and not price_of(judge).known:
        raise BabelmixError(
            "The judge has a `max_cost` but no price: neither `price_in` nor `price_out` nor a row "
            "in resources/prices.yaml for its host. Give the prices, or leave `max_cost` out."
        )
    if not requests:
        return {}
    check_reachable(judge.base_url or DEFAULT_BASE_URL)
    asker = _Asker(judge, on_reply, spent, sync, recall(notes, judge))
    failures = asyncio.run(asker.run(requests))
    remember(notes, judge, asker.window.found)
    return failures


class _Asker:
    """The state shared by the calls of one job."""

    def __init__(
        self,
        judge: OpenAIJudge,
        on_reply: Callable[[Reply], None],
        spent: float,
        sync: Callable[[], None] | None,
        at_once: int,
    ) -> None:
        self.judge = judge
        self.on_reply = on_reply
        self.sync = sync
        self.window = Window(judge.concurrency, at_once)
        self.pace = Pace(judge.requests_per_minute, judge.tokens_per_minute)
        self.budget = Budget(judge, spent)
        self.patience = Patience(judge)
        self.limit_name = "max_tokens"
        self.failures: dict[str, str] = {}

    async def run(self, requests: Sequence[Request]) -> dict[str, str]:
        """Work the requests off, in their order."""
        queue = iter(requests)
        with Progress(f"judge {self.judge.model}", len(requests), "call") as progress:
            async with self._syncing(), open_client(self.judge) as client:

                async def work() -> None:
                    for request in queue:
                        await self._one(client, request)
                        progress.update()

                workers = min(self.judge.concurrency, len(requests))
                try:
                    async with asyncio.TaskGroup() as group:
                        for _ in range(workers):
                            group.create_task(work())
                except* BabelmixError as errors:
                    raise errors.exceptions[0] from None
        return self.failures

    @contextlib.asynccontextmanager
    async def _syncing(self) -> AsyncIterator[None]:
        """Sync the replies now and then, and at the end, without keeping the calls waiting."""
        if self.sync is None:
            yield
            return
        sync, over = self.sync, asyncio.Event()

        async def repeat() -> None:
            while not over.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), _SYNC_S)
                await asyncio.to_thread(sync)

        task = asyncio.create_task(repeat())
        try:
            yield
        finally:
            over.set()
            await task

    async def _one(self, client: AsyncOpenAI, request: Request) -> None:
        """One request: a reply handed over, or a reason noted."""
        worst = self.budget.worst_case(request.messages)
        if not await self.budget.reserve(worst):
            self.failures[request.key] = f"not asked: max_cost of {self.judge.max_cost} US dollars"
            return
        cost = 0.0
        try:
            reply = await self._with_patience(client, request)
            cost = reply.cost
            self.on_reply(reply)
            self.patience.succeeded()
        except CallFailedError as failure:
            self.failures[request.key] = failure.reason
            self.patience.gave_up(failure)
        finally:
            await self.budget.settle(worst, cost)

    async def _with_patience(self, client: AsyncOpenAI, request: Request) -> Reply:
        """Try again after passing failures, within the judge's patience."""
        from tenacity import AsyncRetrying, RetryError, retry_if_exception

        try:
            async for attempt in AsyncRetrying(
                retry=retry_if_exception(is_retryable),
                stop=self.patience.is_over,
                wait=self.patience.next_wait,
                sleep=asyncio.sleep,
            ):
                with attempt:
                    return await self._admitted(client, request)
        except RetryError as error:
            last = error.last_attempt.exception()
            assert isinstance(last, CallFailedError)
            tries = error.last_attempt.attempt_number
            raise CallFailedError(
                f"gave up after {tries} tries: {last.reason}", server=True
            ) from None
        raise AssertionError("tenacity neither returned nor raised")

    async def _admitted(self, client: AsyncOpenAI, request: Request) -> Reply:
        """One try: wait for a place, ask; refused for being one too many, wait and ask again."""
        deadline = time.monotonic() + self.patience.total_s
        tokens = sum(text_tokens(message["content"]) for message in request.messages)
        refusals = 0
        while True:
            await self.pace.wait(tokens)
            ticket = await self.window.enter()
            try:
                await self.patience.wait_for_server()
                reply = await self._call(client, request)
                self.window.served(ticket)
                return reply
            except CallFailedError as failure:
                if failure.overload:
                    self.window.refused(ticket, not failure.limited)
                if not failure.limited:
                    raise
                refusals += 1
                wait = failure.retry_after
                if wait is None:
                    wait = self.patience.backoff(self.window.fruitless, first=0.25)
                if failure.retry_after is not None or ticket.level == 1:
                    self.patience.hold_back(wait)  # nobody is served for that long
                if time.monotonic() + wait > deadline:
                    raise CallFailedError(
                        f"gave up after {refusals} refusals: {failure.reason}", server=True
                    ) from None
            finally:
                self.window.leave()
            await asyncio.sleep(wait)

    async def _call(self, client: AsyncOpenAI, request: Request) -> Reply:
        """One HTTP call; any failure becomes a CallFailedError or, if fatal, a BabelmixError."""
        options: dict[str, Any] = {
            "model": self.judge.model,
            "messages": request.messages,
            "temperature": self.judge.temperature,
            self.limit_name: self.judge.max_tokens,
        }
        if request.response_format is not None:
            options["response_format"] = request.response_format
        try:
            raw = await post(client, self.judge, "/chat/completions", options)
            wait = rate_wait(raw.headers, text_tokens(request.messages[-1]["content"]))
            if wait:
                self.patience.hold_back(wait)
            return read_reply(self.judge, request.key, json.loads(raw.content), request.messages)
        except CallFailedError:
            raise
        except Exception as error:  # classify raises what is no failure of a call
            failure = classify(error, self.judge)
            if failure.unsupported == self.limit_name == "max_tokens":
                self.limit_name = "max_completion_tokens"  # what newer models call it
                return await self._call(client, request)
            raise failure from None


async def post(client: AsyncOpenAI, judge: OpenAIJudge, path: str, body: dict[str, Any]) -> Any:
    """One HTTP call; the response as it came. TimeoutError where it is not whole in time.

    The client's own `create` takes a third of its time to check what it is given, and its time-out
    begins anew with each byte: a server that drips would be waited for without end.
    """
    from httpx2 import Response

    async with asyncio.timeout(judge.timeout_s):
        return await client.post(path, body=body, cast_to=Response)


def read_reply(
    judge: OpenAIJudge, key: str, response: Any, messages: Sequence[dict[str, str]] = ()
) -> Reply:
    """The text and tokens of a chat completion; tokens are estimated where the server counts none.

    Raises CallFailedError where a filter stopped it, LookupError and the like where it is none.
    """
    choice = response["choices"][0]
    message, finish = choice["message"], choice.get("finish_reason")
    text = message.get("content") or message.get("refusal") or ""
    if finish == "content_filter":
        raise CallFailedError("the server's content filter stopped the reply")
    usage = response.get("usage") or {}
    asked = sum(text_tokens(part["content"]) for part in messages)
    tokens_in = int(usage.get("prompt_tokens") or asked)
    tokens_out = int(usage.get("completion_tokens") or text_tokens(text))
    return Reply(
        key=key,
        text=text.encode("utf-8", "replace").decode("utf-8"),
        truncated=finish == "length",
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        cost=reply_cost(judge, tokens_in, tokens_out),
    )


def open_client(judge: OpenAIJudge) -> AsyncOpenAI:
    """A client that retries nothing itself and follows no redirect to another host."""
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient

    url = judge.base_url or DEFAULT_BASE_URL
    return AsyncOpenAI(
        api_key=read_key(judge),
        base_url=url,
        timeout=judge.timeout_s,
        max_retries=0,
        http_client=DefaultAsyncHttpxClient(
            follow_redirects=False, trust_env=not is_loopback(url), timeout=judge.timeout_s
        ),
    )
