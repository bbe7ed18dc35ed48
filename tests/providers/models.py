"""Providers as tables of checks: each call passes the checks, then the model writes and is billed.

    provider = Model(price=Price(2.5, 10), checks=(refuses_max_tokens(), ))

A *check* looks at a call and answers it (a refusal, a fault) or lets it pass. What the model then
writes is counted by our own tokenizer-like counter, billed at the model's prices, and reported in
the provider's shape of usage, which may say less than what is billed.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import deque
from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Any

from . import bodies, refusals
from .bill import Price
from .server import Answer, Call, as_json
from .tokens import count, count_messages, count_prompt

Check = Callable[[Call], Answer | None]
Text = Callable[[Call], str]
#: What the driver's settings say, too.
PRICE = Price(per_in=100.0, per_out=400.0)
VERDICT = "The answer does what was asked, clearly and correctly.\n\nRating: [[7]]"


def rating(call: Call) -> str:
    """A judge's reply."""
    return VERDICT


def translation(call: Call) -> str:
    """A translator's: the text in capitals, its tokens as they are."""
    return str(call.messages[-1]["content"]).upper()


@dataclass(frozen=True)
class Model:
    """A model behind an endpoint.

    ``reasoning``: tokens of thought before the visible reply, billed as output; where they fill
    the call's limit, nothing visible is left. ``ignores_limit``: so many tokens are written
    whatever the limit says. ``cached``: tokens of the prompt that come from the cache.
    ``shape(value, call)`` may change the body that is sent (not the bill).
    """

    write: Text = rating
    price: Price = PRICE
    checks: tuple[Check, ...] = ()
    name: str = "m"
    usage: Callable[..., Any] = bodies.openai_usage
    reasoning: int = 0
    reasoning_text: str | None = None
    reasoning_field: str = "reasoning_content"
    ignores_limit: int = 0
    cached: Callable[[int], int] = lambda tokens_in: 0
    extra_in: int = 0
    window: int | None = None
    truncates: bool = False
    work_s: float = 0.0
    finish: str | None = None
    factor: float = 1.0
    shape: Callable[[dict[str, Any], Call], Any] = lambda value, call: value
    fault: Callable[[Call], dict[str, Any]] = lambda call: {}

    def __call__(self, call: Call) -> Answer:
        """Answer a call, realtime."""
        if call.method == "GET" or call.path.endswith("/tokenize"):
            return refusals.azure_not_found()  # what few servers have; nothing is billed
        for check in self.checks:
            if (found := check(call)) is not None:
                return found
        return self.complete(call)

    def complete(self, call: Call) -> Answer:
        """Write, count, bill."""
        if "prompt" in call.body:
            tokens_in = count_prompt(call.body["prompt"])
        else:
            tokens_in = count_messages(call.messages, self.extra_in)
        limit = call.limit
        if self.window is not None:
            if self.truncates:  # Ollama: what does not fit is dropped in silence
                tokens_in = min(tokens_in, self.window // 2 + 2)
            elif tokens_in + (limit or 0) > self.window:
                return refusals.context_vllm(self.window, tokens_in, limit or 0)
        text, finish = self.write(call), "stop"
        visible, reasoning = count(text), self.reasoning
        if self.ignores_limit:
            visible = self.ignores_limit
        elif limit is not None and reasoning >= limit:
            text, visible, reasoning, finish = "", 0, limit, "length"
        elif limit is not None and reasoning + visible > limit:
            visible = limit - reasoning
            text, finish = text[: max(1, visible * 3)], "length"
        cached = min(self.cached(tokens_in), tokens_in)
        out = visible + reasoning
        dollars = self.price.dollars(tokens_in, out, cached) * self.factor
        thoughts = (
            {} if self.reasoning_text is None else {self.reasoning_field: self.reasoning_text}
        )
        value = bodies.completion(
            text,
            self.usage(tokens_in, visible, reasoning, cached),
            model=self.name,
            finish=self.finish or finish,
            legacy="prompt" in call.body,
            **thoughts,
        )
        return as_json(
            self.shape(value, call),
            work_s=self.work_s,
            tokens_in=tokens_in,
            tokens_out=out,
            dollars=dollars,
            usable=bool(text.strip()) and (self.finish or finish) == "stop",
            **self.fault(call),
        )

    def but(self, **changes: Any) -> Model:
        """The same model with changes."""
        return dataclasses.replace(self, **changes)

    def billed(self, call: Call, body: Any, **more: Any) -> Answer:
        """Bill the call as if it had been answered, and send another body in place of the reply."""
        answer = self.complete(call)
        return dataclasses.replace(as_json(body), **_billing(answer), **more)


def _billing(answer: Answer) -> dict[str, Any]:
    names = ("tokens_in", "tokens_out", "dollars", "work_s")
    return {name: getattr(answer, name) for name in names}


# --- checks --------------------------------------------------------------------------------------


def when(asked: Callable[[Call], bool], answer: Answer | Callable[[Call], Answer]) -> Check:
    """Answer the calls of which something holds."""

    def check(call: Call) -> Answer | None:
        if not asked(call):
            return None
        return answer if isinstance(answer, Answer) else answer(call)

    return check


def numbered(numbers: Container[int]) -> Callable[[Call], bool]:
    """The calls of these numbers, in order of arrival."""
    return lambda call: call.number in numbers


def after(calls: int) -> Callable[[Call], bool]:
    """All calls but the first so many."""
    return lambda call: call.number >= calls


def first_time(call: Call) -> bool:
    """Calls that were not asked before."""
    return call.nth == 0


def holds(text: str) -> Callable[[Call], bool]:
    """Calls whose prompt holds a text."""
    return lambda call: text in call.prompt


def is_sent(name: str) -> Callable[[Call], bool]:
    """Calls with this parameter."""
    return lambda call: name in call.body


def refuses_max_tokens(answer: Callable[[], Answer] = refusals.max_tokens_refused) -> Check:
    """A reasoning model: the limit has a new name."""
    return when(is_sent("max_tokens"), answer())


def refuses_temperature(call: Call) -> Answer | None:
    """A reasoning model: only the default temperature."""
    sent = call.body.get("temperature", 1)
    return None if sent == 1 else refusals.temperature_refused(sent)


def refuses_system(answer: Callable[[], Answer] = refusals.system_refused_by_openai) -> Check:
    """A model without a system role."""

    def check(call: Call) -> Answer | None:
        roles = {message["role"] for message in call.messages}
        return answer() if roles & {"system", "developer"} else None

    return check


class Busy:
    """Places of a server; each call holds one for ``work_s``."""

    def __init__(self, places: int, work_s: float = 0.05) -> None:
        self.places, self.work_s = places, work_s
        self._until: deque[float] = deque()

    def __call__(self, call: Call) -> Answer | None:
        now = time.monotonic()
        while self._until and self._until[0] <= now:
            self._until.popleft()
        if len(self._until) >= self.places:
            return refusals.rate_limited("20ms")
        self._until.append(now + self.work_s)
        return None


class Minute:
    """A limit of requests in any ``window_s`` seconds; counts how often it was broken."""

    def __init__(self, requests: int, window_s: float = 60.0) -> None:
        self.requests, self.window_s, self.refused = requests, window_s, 0
        self._taken: deque[float] = deque()

    def __call__(self, call: Call) -> Answer | None:
        while self._taken and self._taken[0] <= call.at - self.window_s:
            self._taken.popleft()
        if len(self._taken) >= self.requests:
            self.refused += 1
            wait = self._taken[0] + self.window_s - call.at
            return refusals.with_headers(refusals.rate_limited(), retry_after=f"{wait:.2f}")
        self._taken.append(call.at)
        return None


class Account:
    """Money on the account: when it is spent, each call gets the provider's words for that."""

    def __init__(self, model: Model, dollars: float, answer: Callable[[], Answer]) -> None:
        self.model, self.left, self.answer = model, dollars, answer
        self._lock = threading.Lock()

    def __call__(self, call: Call) -> Answer:
        with self._lock:
            if self.left <= 0:
                return self.answer()
            found = self.model(call)
            self.left -= found.dollars
            return found


# --- addresses -----------------------------------------------------------------------------------


def azure(model: Model, deployment: str, key: str = "sk-very-secret") -> Callable[[Call], Answer]:
    """Azure: a deployment's path, `?api-version=`, and the key in a header of its own.

    Source: learn.microsoft.com, Azure OpenAI REST reference; openai-python's AzureOpenAI.
    """

    def provider(call: Call) -> Answer:
        if call.headers.get("api-key") != key:
            return refusals.azure_unauthorised()
        wanted = f"/openai/deployments/{deployment}/chat/completions"
        if call.path != wanted or "api-version=" not in call.query:
            return refusals.azure_not_found()
        return model(call)

    return provider


def openai_paths(model: Callable[[Call], Answer]) -> Callable[[Call], Answer]:
    """Anything but the two endpoints is not found, as in nginx."""

    def provider(call: Call) -> Answer:
        if call.path.endswith(("/chat/completions", "/completions")):
            return model(call)
        return Answer(status=404, body=b"404 page not found", content_type="text/plain")

    return provider
