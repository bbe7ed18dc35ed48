"""A request, the reply to it, and what the server says that it used."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .endings import normal_ending
from .failures import CallFailedError, empty, interrupted, malformed
from .prices import Price

Messages = list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class Request:
    """One call: its journal key, what is asked (``messages``, or a ``prompt`` for completions) and
    options of its own (a temperature, a form of the reply).

    ``ids``: the prompt's token ids, sent in place of its text. ``most_out``: this reply's own
    limit, in tokens, where it is not the service's."""

    key: str
    messages: Messages = field(default_factory=list)
    prompt: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    ids: Sequence[int] = ()
    most_out: int | None = None

    def most_tokens(self) -> int:
        """Upper bound of the prompt's tokens: no token is shorter than a byte."""
        if self.ids:
            return len(self.ids)
        texts = [part["content"] for part in self.messages] or [self.prompt]
        return sum(len(text.encode("utf-8", "surrogatepass")) + 16 for text in texts) + 16


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that were used, and US dollars where the server names them; ``estimated``: the server
    did not say, and these are upper bounds. ``cached`` are among ``tokens_in``."""

    tokens_in: int
    tokens_out: int
    reasoning: int = 0
    cached: int = 0
    cost: float | None = None
    estimated: bool = False

    def dollars(self, price: Price | None) -> float:
        """US dollars by the server's own sum, else by the price list (0 where none is known)."""
        if self.cost is not None:
            return self.cost
        return price.dollars(self.tokens_in, self.tokens_out, self.cached) if price else 0.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. ``model`` and ``fingerprint`` as the server names them, ``finish_reason`` in
    OpenAI's words, ``cost`` in US dollars, ``call`` the ledger's id of the call. ``reasoning`` is
    what the server sent apart; ``ids`` and ``prompt_ids`` the token ids of the reply and of the
    prompt, where it names them."""

    key: str
    text: str
    finish_reason: str
    usage: Usage
    cost: float
    reasoning: str = ""
    model: str = ""
    fingerprint: str = ""
    call: str = ""
    refused: bool = False
    ids: list[int] | None = None
    prompt_ids: list[int] | None = None

    @property
    def truncated(self) -> bool:
        """Whether the reply hit its limit of tokens."""
        return self.finish_reason == "length"

    def provenance(self) -> dict[str, Any]:
        """What every journal keeps beside the text; what is empty is left out."""
        used = self.usage
        known = {"model": self.model, "fingerprint": self.fingerprint, "cost": self.cost}
        known |= {"tokens_in": used.tokens_in, "tokens_out": used.tokens_out, "call": self.call}
        more = {"tokens_reasoning": used.reasoning, "tokens_cached": used.cached}
        more |= {"estimated": used.estimated}
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        return known | {name: value for name, value in more.items() if value} | {"at": at}

    def entry(self) -> dict[str, Any]:
        """What a judge's journal keeps of it."""
        held: dict[str, Any] = {"key": self.key, "text": self.text, "truncated": self.truncated}
        held |= {"finish_reason": self.finish_reason}
        return held | ({"reasoning": self.reasoning} if self.reasoning else {}) | self.provenance()


def _count(*values: Any) -> int:
    """The first that is a number, as a count."""
    for value in values:
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return max(0, int(value))
    return 0


def read_usage(body: Mapping[str, Any]) -> Usage | None:
    """Return what a response says of its usage, in any of the spellings in use; None without one.

    Reasoning that `completion_tokens` leaves out and only `total_tokens` counts is counted: it is
    billed. Tokens read from a cache are among the prompt's.
    """
    held = body.get("usage")
    if not isinstance(held, dict):
        return None
    told_in = _count(held.get("prompt_tokens"), held.get("input_tokens"))
    told_out = _count(held.get("completion_tokens"), held.get("output_tokens"))
    apart = _count(held.get("cache_read_input_tokens"))
    tokens_in = told_in
    if "prompt_tokens" not in held:  # Anthropic's spelling counts them beside
        tokens_in += apart + _count(held.get("cache_creation_input_tokens"))
    details, spent = (
        found if isinstance(found := held.get(name), dict) else {}
        for name in ("prompt_tokens_details", "completion_tokens_details")
    )
    cached = _count(details.get("cached_tokens"), held.get("prompt_cache_hit_tokens"), apart)
    reasoning = _count(spent.get("reasoning_tokens"), held.get("reasoning_tokens"))
    total = _count(held.get("total_tokens"))
    tokens_out = max(told_out, total - tokens_in)
    if not total and reasoning > told_out:
        tokens_out = told_out + reasoning
    reasoning = max(reasoning, tokens_out - told_out)
    cost = held.get("cost")
    named = isinstance(cost, int | float) and not isinstance(cost, bool) and math.isfinite(cost)
    if not (tokens_in or tokens_out or named):
        return None
    dollars = max(0.0, float(cost)) if named and cost is not None else None
    upstream = held.get("cost_details")
    if dollars is not None and held.get("is_byok") and isinstance(upstream, dict):
        # With a key of one's own the gateway takes a fee, and the provider bills beside it.
        beside = upstream.get("upstream_inference_cost")
        dollars = dollars + float(beside) if isinstance(beside, int | float) else None
    return Usage(tokens_in, tokens_out, reasoning, min(cached, tokens_in), dollars)


def read_reply(
    request: Request, content: bytes | Mapping[str, Any], price: Price | None, most_out: int
) -> Reply:
    """Return the reply in a response's body, of a chat or of a completion.

    Where the server counts no tokens, upper bounds stand in: bytes, and ``most_out`` for a reply
    that was cut. Raises CallFailedError, with the usage if it is known, where it is no reply.
    """
    body = _parsed(content)
    usage = read_usage(body)
    try:
        choice = body["choices"][0]
        message = choice["message"] if "message" in choice else {"content": choice["text"]}
        told_out = usage.tokens_out if usage else 0
        finish = normal_ending(choice.get("finish_reason"), told_out, most_out)
        text = message.get("content") or message.get("refusal") or ""
        if isinstance(text, list):  # parts, as some servers send them
            text = "".join(part.get("text", "") for part in text)
        reasoning = message.get("reasoning_content") or message.get("reasoning") or ""
        text, reasoning = _clean(text), _clean(str(reasoning))
    except (LookupError, TypeError, AttributeError):
        raise malformed(content, usage) from None
    bound = len((text + reasoning).encode()) + 16
    bound = most_out if finish == "length" else bound
    known = usage or Usage(request.most_tokens(), bound, estimated=True)
    if finish == "content_filter":
        raise CallFailedError("content filter: the server stopped the reply", usage=usage or True)
    if finish == "error" or choice.get("error"):
        raise interrupted(choice.get("error"), usage)
    if not text.strip() and not request.prompt and finish != "length":
        raise empty(usage)
    return Reply(
        key=request.key,
        text=text,
        finish_reason=finish,
        usage=known,
        cost=known.dollars(price),
        reasoning=reasoning,
        model=str(body.get("model") or ""),
        fingerprint=str(body.get("system_fingerprint") or ""),
        refused=bool(message.get("refusal")),
        ids=_token_ids(choice.get("token_ids")),
        prompt_ids=_token_ids(choice.get("prompt_token_ids")),
    )


def _token_ids(value: Any) -> list[int] | None:
    """Token ids as vLLM names them; None for anything else."""
    whole = isinstance(value, list) and all(type(token) is int for token in value)
    return value if whole else None


def _parsed(content: bytes | Mapping[str, Any]) -> dict[str, Any]:
    """A body as an object; an error in it, or another shape, is a failure in the server's words."""
    try:
        body = json.loads(content) if isinstance(content, bytes) else dict(content)
    except (ValueError, RecursionError):
        raise malformed(content, None) from None
    if not isinstance(body, dict):
        raise malformed(content, None)
    return body


def _clean(text: str) -> str:
    """Text without halves of surrogate pairs, which no file can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")
