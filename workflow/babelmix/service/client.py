"""The connection to an OpenAI-compatible server: address, key, headers, one call."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

from ..config.service import ChatModel, Endpoint, PaidService
from ..endpoints import foreign_key, is_loopback
from ..errors import BabelmixError
from .replies import Messages, Request

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

_DUMMY_KEY = "none-needed"


def read_key(settings: PaidService, where: str, url: str | None = None) -> str:
    """Return the key from the environment; a server on this machine needs none."""
    if refused := foreign_key(settings.key_env, url):
        raise BabelmixError(f"{where}: {refused}")
    key = os.environ.get(settings.key_env, "").strip()
    if not key and is_loopback(url):
        return _DUMMY_KEY
    if not key:
        raise BabelmixError(
            f"{where}: no key. Put it into the environment variable {settings.key_env} (`key_env` "
            "names another)."
        )
    odd = next((sign for sign in key if not "!" <= sign <= "~"), None)
    if odd is not None or key[0] in "\"'" or key[-1] in "\"'":
        sign = odd if odd is not None else key[0]
        raise BabelmixError(
            f"{where}: the key in {settings.key_env} holds {sign!r} (U+{ord(sign):04X}), which no "
            "key does. Set it again without quotes, spaces or typographic signs."
        )
    return key


def address(settings: Endpoint, model: str) -> tuple[str, dict[str, str]]:
    """Return the address to which paths are added, and the query of every call.

    Azure's deployments have the model in the path and an API version in the query; both may stand
    in ``base_url`` as its portal shows them.
    """
    parts = urlsplit(settings.url)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    path = parts.path.rstrip("/")
    for tail in ("/chat/completions", "/completions"):
        path = path.removesuffix(tail)
    if settings.is_azure and "/deployments/" not in path and not path.endswith("/v1"):
        path = f"{path.removesuffix('/openai')}/openai/deployments/{model}"
    if settings.api_version:
        query["api-version"] = settings.api_version
    return urlunsplit((parts.scheme, parts.netloc, path, "", "")), query


def _headers(settings: Endpoint, where: str, key: str) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    for name, value in settings.extra_headers.items():
        if value.startswith("$"):
            variable, value = value[1:], os.environ.get(value[1:], "")
            if not value:
                raise BabelmixError(
                    f"{where}.extra_headers.{name}: the environment variable {variable} is not set."
                )
        headers[name] = value
    if settings.is_azure:
        headers["api-key"] = key
    return headers


def _options(settings: Endpoint, model: str, where: str) -> dict[str, Any]:
    key = read_key(settings, where, settings.url)
    base_url, query = address(settings, model)
    return {
        "api_key": key,
        "base_url": base_url,
        "default_query": query,
        "default_headers": _headers(settings, where, key),
        "organization": settings.organisation,
        "timeout": settings.timeout_s,
        "max_retries": 0,
    }


def _without_bearer(request: Any) -> None:
    """Take off the header that the client adds: Azure's key has one of its own."""
    request.headers.pop("Authorization", None)


async def _without_bearer_async(request: Any) -> None:
    _without_bearer(request)


def open_client(settings: Endpoint, model: str, where: str) -> AsyncOpenAI:
    """Open a client that retries nothing itself and follows no redirect to another host."""
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient

    http = DefaultAsyncHttpxClient(
        follow_redirects=False,
        trust_env=not is_loopback(settings.url),
        timeout=settings.timeout_s,
        event_hooks={"request": [_without_bearer_async] if settings.is_azure else []},
    )
    return AsyncOpenAI(**_options(settings, model, where), http_client=http)


def open_batch_client(settings: Endpoint, model: str, where: str) -> OpenAI:
    """Open a client for the Batch API, which is asked now and then."""
    from openai import DefaultHttpxClient, OpenAI

    http = DefaultHttpxClient(
        follow_redirects=False,
        trust_env=not is_loopback(settings.url),
        timeout=settings.timeout_s,
        event_hooks={"request": [_without_bearer] if settings.is_azure else []},
    )
    return OpenAI(**_options(settings, model, where), http_client=http)


async def post(client: AsyncOpenAI, timeout_s: float, path: str, body: dict[str, Any]) -> Any:
    """Make one HTTP call and return the response. TimeoutError where it is not whole in time.

    The client's own `create` takes a third of its time to check what it is given, and its time-out
    begins again with each byte: a server that drips would be waited for without end.
    """
    from httpx2 import Response

    async with asyncio.timeout(timeout_s):
        return await client.post(path, body=body, cast_to=Response)


class Form:
    """The form of requests, as far as the server's refusals have changed it.

    Newer models call the limit of a reply ``max_completion_tokens``; some know no system role, and
    get the system prompt at the head of the user's turn. Learned once, used by all calls.
    """

    def __init__(self, settings: Endpoint, model: str, most_out: int) -> None:
        self._settings, self._model, self._most_out = settings, model, most_out
        self.limit_name = "max_tokens"
        self.folds_system = False

    def body(self, request: Request) -> dict[str, Any]:
        """The body of a request; its own options override the settings'."""
        most_out = request.most_out or self._most_out
        body: dict[str, Any] = {"model": self._model, self.limit_name: most_out}
        if isinstance(self._settings, ChatModel):
            if self._settings.temperature is not None:
                body["temperature"] = self._settings.temperature
            body |= self._settings.sampling()
        else:
            body |= self._settings.extras()
        if request.messages:
            folds = self.folds_system
            body["messages"] = folded(request.messages) if folds else request.messages
        else:
            body["prompt"] = list(request.ids) or request.prompt
        return body | dict(request.options)

    def adapt(self, unsupported: str | None, sent: Mapping[str, Any]) -> bool:
        """Change the form after a refusal; True where a call that was sent so is worth resending.

        All that were under way in the old form are refused, not only the first that comes back.
        """
        if unsupported == "max_tokens" and "max_tokens" in sent:
            self.limit_name = "max_completion_tokens"
            return True
        roles = [part["role"] for part in sent.get("messages", [])]
        if unsupported == "system" and "system" in roles:
            self.folds_system = True
            return True
        return False


def folded(messages: Messages) -> Messages:
    """Messages without a system role: its text opens the first user turn."""
    told = "\n\n".join(part["content"] for part in messages if part["role"] == "system")
    rest = [dict(part) for part in messages if part["role"] != "system"]
    if told and rest:
        rest[0]["content"] = f"{told}\n\n{rest[0]['content']}"
    return rest
