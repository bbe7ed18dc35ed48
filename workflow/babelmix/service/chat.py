"""Many calls of one model at once: patient, within its rates and its cap, nothing lost.

A reply that has arrived is handed over, and so stands in the caller's journal, before anything else
is done with it. When the job must stop, calls under way are waited for and handed over first.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config.service import ChatModel, Endpoint
from ..progress import Progress
from .budget import Bounds, require_price
from .client import Form, open_client, post, read_key
from .concurrency import ConcurrencyLimiter
from .connectivity import check_reachable
from .failures import CallFailedError, Failure, IncompleteError, ServiceStoppedError, classify
from .ledger import Ledger
from .prices import price_of
from .rates import RateLimiter, rate_wait
from .replies import Reply, Request, Usage, read_reply
from .retry import RetryPolicy
from .signals import stopping_in_order

if TYPE_CHECKING:
    from openai import AsyncOpenAI

#: Seconds between two syncs of the replies to disk.
_SYNC_S = 0.2
#: Of the first so many replies, so many without a word at their limit stop the job.
_FIRST, _WORDLESS = 8, 5
#: A prompt with more bytes per token than any text has was cut by the server.
_MOST_BYTES = 8
#: Prompt bytes per token, about, for rates.
_BYTES_PER_TOKEN = 2.5
_LONGEST_POLL_S = 0.5


class _JobOverError(Exception):
    """The job has stopped while this call waited."""


class ChatService:
    """One payer's way to its model.

    ``where``: the payer, as the configuration names it (``judges.NAME``). ``folder``: where ledgers
    and rates lie. ``model`` and ``most_out`` (the limit of a reply, in tokens): where the settings
    are no chat model's.
    """

    def __init__(
        self,
        settings: Endpoint,
        where: str,
        folder: Path | None = None,
        *,
        model: str = "",
        most_out: int = 0,
    ) -> None:
        if isinstance(settings, ChatModel):
            model, most_out = settings.model, settings.max_tokens
        self.settings, self.where, self.model = settings, where, model
        self.limit_key = "max_tokens" if isinstance(settings, ChatModel) else "max_new_tokens"
        self.price = price_of(settings, model)
        self.ledger = Ledger(folder, where, settings.max_cost) if folder else None
        self.bounds = Bounds(self.price, most_out)
        self.form = Form(settings, model, most_out)
        self.policy = RetryPolicy(settings, f"{where} ({model} at {settings.url})")
        self.models: Counter[tuple[str, str]] = Counter()
        self.cut_prompts = 0
        self._folder = folder
        self._first: list[bool] = []

    def recall(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Learn from a journal's entries: what was spent, how long replies are, who replied."""
        held = list(entries)
        if self.ledger is not None:
            self.ledger.reconcile(held)
        self.bounds.learn_from(held)

    def watch(self, text: str, finish_reason: str) -> None:
        """Raise ServiceStoppedError when the first replies end at their limit without a word."""
        if len(self._first) < _FIRST:
            self._first.append(finish_reason == "length" and not text.strip())
            if sum(self._first) == _WORDLESS:
                raise ServiceStoppedError(
                    f"{self.where}: {_WORDLESS} of the first {len(self._first)} replies reached "
                    f"their limit of {self.bounds.most_out} tokens without a word: the model "
                    f"thinks first, and that counts. Raise `{self.where}.{self.limit_key}` "
                    "(several thousand), or lower `reasoning_effort`."
                )

    def ask(
        self,
        requests: Sequence[Request],
        on_reply: Callable[[Reply], None],
        sync: Callable[[], None] | None = None,
        progress: Callable[[], object] | None = None,
    ) -> dict[str, Failure]:
        """Ask all, in their order; return the failure of each request that got no reply, by key.

        Each reply is handed to ``on_reply`` as it comes; ``sync`` is called, in another thread, a
        few times a second while replies come, and must put them on the disk. A refused key, an
        unknown model, an empty account, a cap that is reached or a server that answers nobody stop
        everything with a BabelmixError; what came before was handed over already.
        """
        require_price(self.settings, self.price, self.where)
        if not requests:
            return {}
        self.policy.may_be_refused = int(self.settings.accept_failures * len(requests))
        key = read_key(self.settings, self.where, self.settings.url)
        check_reachable(self.settings.url)
        per_minute = {
            "requests": self.settings.requests_per_minute,
            "tokens": self.settings.tokens_per_minute,
            "chars": getattr(self.settings, "chars_per_minute", None),
        }
        rates = RateLimiter(self._folder, self.settings.url, key, per_minute)
        try:
            return asyncio.run(_Job(self, rates, on_reply, sync, progress).run(requests))
        finally:
            self.tell_models()

    def take(self, request: Request, content: Any, call: str | None, keep: Any) -> Reply:
        """Read a reply, hand it over, then charge it: in this order.

        Raises CallFailedError, charged as well, where it is none.
        """
        try:
            most_out = request.most_out or self.bounds.most_out
            reply = read_reply(request, content, self.price, most_out)
        except CallFailedError as failure:
            self.charge(call, failure.usage, request)
            raise
        keep(replace(reply, call=call or "", model=reply.model or self.model))
        by = (reply.model or self.model, reply.fingerprint)
        if self.ledger is None or call is None:
            self.models[by] += 1
        if (
            not reply.usage.estimated
            and reply.usage.tokens_in * _MOST_BYTES < request.most_tokens()
        ):
            self.cut_prompts += 1
        self.charge(call, reply.usage, request, by)
        return reply

    def charge(
        self,
        call: str | None,
        usage: Usage | bool | None,
        request: Request,
        by: tuple[str, str] = ("", ""),
    ) -> None:
        """Put into the ledger what a call was billed for, or may have been."""
        if isinstance(usage, Usage):
            self.bounds.learn(request, usage)
        if call is None or self.ledger is None:
            return
        if isinstance(usage, Usage):
            dollars = usage.dollars(self.price)
            self.ledger.settle(call, dollars, estimated=usage.estimated, by=by)
        elif usage:
            self.ledger.unknown(call)
        else:
            self.ledger.release(call)

    def tell_models(self) -> None:
        """Warn where replies under one name come from several models, or to prompts cut short."""
        if self.cut_prompts:
            print(
                f"warning: {self.where}: {self.cut_prompts} prompts were cut by the server: it "
                "counted far fewer tokens than they have. Give it a longer context (Ollama: "
                "num_ctx, vLLM: --max-model-len); what it said of them is of a part.",
                file=sys.stderr,
            )
        for place, what in ((0, "models"), (1, "system fingerprints")):
            found: Counter[str] = Counter()
            earlier = self.ledger.models if self.ledger is not None else Counter()
            for names, count in (self.models + earlier).items():
                found[names[place]] += count
            if len(found) > 1:
                shown = ", ".join(f"{name or 'unnamed'} ({n})" for name, n in found.most_common(5))
                print(
                    f"warning: {self.where}: replies come from {len(found)} {what}: {shown}. The "
                    "server changed the model under one name; what they say may not be comparable.",
                    file=sys.stderr,
                )


def require_complete(
    settings: Endpoint | Any, failures: Mapping[Any, Failure], asked: int, where: str
) -> None:
    """Fail a job of which more calls failed for passing reasons than is accepted; say which."""
    passing = [failure.reason for failure in failures.values() if failure.retryable]
    if not passing:
        return
    reason, most = Counter(passing).most_common(1)[0]
    told = f"{len(passing):,} of {asked:,} calls got no reply ({most:,}: {reason})"
    if len(passing) <= settings.accept_failures * asked:
        print(f"warning: {where}: {told}; within `accept_failures`.", file=sys.stderr)
        return
    raise IncompleteError(
        f"{where}: {told}. No output was written; all replies are in the journal. Run again: only "
        f"these are asked. To go without them, set `{where}.accept_failures` to at least "
        f"{-(-1000 * len(passing) // asked) / 1000:g}."
    )


class _Job:
    """The state shared by the calls of one ``ask``."""

    def __init__(
        self,
        service: ChatService,
        rates: RateLimiter,
        on_reply: Callable[[Reply], None],
        sync: Callable[[], None] | None,
        progress: Callable[[], object] | None,
    ) -> None:
        self.service, self.rates = service, rates
        self.on_reply, self.sync, self.progress = on_reply, sync, progress
        self.limiter = ConcurrencyLimiter(service.settings.concurrency)
        self.failures: dict[str, Failure] = {}
        self.error: Exception | None = None
        self.over = asyncio.Event()
        self.turns, self.paying = asyncio.Lock(), asyncio.Lock()

    async def run(self, requests: Sequence[Request]) -> dict[str, Failure]:
        """Work the requests off, in their order."""
        service, queue = self.service, iter(requests)
        bar = Progress(service.where, len(requests), "call") if self.progress is None else None
        tell = bar.update if bar is not None else self.progress
        with bar or contextlib.nullcontext(), stopping_in_order(service.where, self._stop):
            async with (
                self._syncing(),
                open_client(service.settings, service.model, service.where) as client,
            ):

                async def work() -> None:
                    for request in queue:
                        try:
                            await self._one(client, request)
                        except _JobOverError:
                            return
                        except Exception as error:  # stops the job; calls under way are waited for
                            self._stop(error)
                            return
                        if tell is not None:
                            tell()

                workers = min(service.settings.concurrency, len(requests))
                await asyncio.gather(*(work() for _ in range(workers)))
        if self.error is not None:
            raise self.error
        return self.failures

    def _stop(self, error: Exception) -> None:
        self.error = self.error or error
        self.over.set()
        self.limiter.admit(everyone=True)

    async def _pause(self, seconds: float) -> None:
        """Sleep, but not beyond the job's end."""
        if seconds > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self.over.wait()
        if self.over.is_set():
            raise _JobOverError

    @contextlib.asynccontextmanager
    async def _syncing(self) -> AsyncIterator[None]:
        """Sync the replies now and then, and at the end, without keeping the calls waiting."""
        if self.sync is None:
            yield
            return
        sync, done = self.sync, asyncio.Event()

        async def repeat() -> None:
            while not done.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(done.wait(), _SYNC_S)
                await asyncio.to_thread(sync)

        task = asyncio.create_task(repeat())
        try:
            yield
        finally:
            done.set()
            await task

    async def _one(self, client: AsyncOpenAI, request: Request) -> None:
        """One request: a reply handed over, or a failure noted."""
        policy, tries, rejections, began = self.service.policy, 0, 0, time.monotonic()
        while True:
            try:
                reply = await self._call(client, request)
            except CallFailedError as failure:
                tries += not failure.limited
                rejections += failure.limited
                try:
                    wait = policy.wait_after(failure, tries, rejections, began)
                except CallFailedError:
                    total = tries + rejections
                    gave_up = f"gave up after {total} tries: " if total > 1 else ""
                    self.failures[request.key] = Failure(gave_up + failure.reason, failure.passing)
                    policy.gave_up(failure)
                    return
                if failure.limited and self.limiter.limit <= 1:
                    policy.hold_back(wait)  # nobody is served for that long
                await self._pause(wait)
            else:
                policy.succeeded()
                if request.messages:
                    self.service.watch(reply.text, reply.finish_reason)
                return

    async def _call(self, client: AsyncOpenAI, request: Request) -> Reply:
        """One call in its turn: a place, a reservation, the reply."""
        tokens = request.most_tokens() / (1.0 if request.ids else _BYTES_PER_TOKEN)
        chars = len(request.messages[-1]["content"] if request.messages else request.prompt)
        async with self.turns:
            taken, wait = False, 0.0
            while not taken:
                await self._pause(wait)
                taken, wait = self.rates.claim(requests=1, tokens=tokens, chars=chars)
        await self._pause(wait)
        slot = await self.limiter.acquire()
        try:
            while (held := self.service.policy.held_back()) > 0:
                await self._pause(held)
            call = await self._reserve(request)
            reply = await self._sent(client, request, call, int(tokens))
            self.limiter.on_success()
            return reply
        except CallFailedError as failure:
            if failure.overload:
                self.limiter.on_reject(slot, not failure.limited)
            raise
        finally:
            self.limiter.release()

    async def _reserve(self, request: Request) -> str | None:
        """Reserve the call's worst case, in its turn among those that wait for money."""
        service, wait = self.service, 0.01
        await self._pause(0)
        if service.ledger is None:
            return None
        async with self.paying:
            await self._pause(0)  # the job may have ended while others waited for money
            while True:
                worst = service.bounds.worst(request)
                call = service.ledger.reserve(
                    worst, service.settings.timeout_s, service.bounds.hold(worst), request.key
                )
                if call is not None:
                    return call
                await self._pause(wait)
                wait = min(2 * wait, _LONGEST_POLL_S)

    async def _sent(
        self, client: AsyncOpenAI, request: Request, call: str | None, tokens: int
    ) -> Reply:
        """One HTTP call; a form that the server does not take is changed, and sent once more."""
        service = self.service
        path = "/chat/completions" if request.messages else "/completions"
        while True:
            body = service.form.body(request)
            try:
                raw = await post(client, service.settings.timeout_s, path, body)
            except Exception as error:
                try:
                    failure = classify(error, service.settings, service.policy.where)
                except ServiceStoppedError:
                    service.charge(call, None, request)
                    raise
                if service.form.adapt(failure.unsupported, body) and not self.over.is_set():
                    continue
                service.charge(call, failure.usage, request)
                raise failure from None
            if wait := rate_wait(raw.headers, tokens):
                service.policy.hold_back(wait)
            try:
                return service.take(request, raw.content, call, self.on_reply)
            except CallFailedError as error:
                raise classify(error, service.settings, service.policy.where) from None
