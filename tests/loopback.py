"""A scripted OpenAI-compatible server on loopback: canned replies, and every way to fail.

    with ScriptedServer(lambda request: text("Rating: [[7]]")) as server: ...

The script is called with each request and returns what happens. The server ends with its ``with``
block, and by itself after ``LIFETIME_S`` whatever happens.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

LIFETIME_S = 120.0


@dataclass(frozen=True)
class Request:
    """One request: its number (from 0, in order of arrival), headers (lower case) and body."""

    number: int
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def prompt(self) -> str:
        """The last message."""
        return str(self.body["messages"][-1]["content"])


@dataclass(frozen=True)
class Action:
    """What the server does: wait, then send; ``cut`` sends half of the body and hangs up,
    ``drip_s`` sends a byte, waits so long, sends the next one (a slow loris)."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    wait_s: float = 0.0
    cut: bool = False
    drip_s: float = 0.0


def text(
    content: str | None,
    finish_reason: str = "stop",
    tokens: tuple[int, int] | None = (100, 20),
    wait_s: float = 0.0,
    cut: bool = False,
    drip_s: float = 0.0,
) -> Action:
    """A chat completion; ``tokens`` None leaves the usage out."""
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    value = {"id": "x", "object": "chat.completion", "created": 1, "model": "m"}
    usage = {}
    if tokens:
        counts = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1]}
        usage = {"usage": {**counts, "total_tokens": sum(tokens)}}
    body = json.dumps({**value, "choices": [choice], **usage}).encode()
    return Action(body=body, wait_s=wait_s, cut=cut, drip_s=drip_s)


def error(
    status: int, code: str = "", message: str = "no", param: str = "", **headers: str
) -> Action:
    """An error in OpenAI's form; ``retry_after="1"`` sends a Retry-After."""
    value = {"error": {"message": message, "code": code or None, "param": param or None}}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Action(status=status, body=json.dumps(value).encode(), headers=named)


def garbage(body: bytes = b'{"choices": [') -> Action:
    """Status 200 and no completion."""
    return Action(body=body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # the default of 5 resets connections when many come at once


class ScriptedServer:
    """Serves ``/v1/chat/completions`` by a script."""

    def __init__(self, script: Callable[[Request], Action]) -> None:
        self.script = script
        self.requests: list[Request] = []
        self.times: list[float] = []
        self.finished: list[Request] = []
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._serving = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._serving.daemon = True
        self._end = threading.Timer(LIFETIME_S, self._server.shutdown)
        self._end.daemon = True

    @property
    def base_url(self) -> str:
        """What goes into a judge's ``base_url``."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> ScriptedServer:
        self._serving.start()
        self._end.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end.cancel()
        self._server.shutdown()
        self._server.server_close()

    def _handle(self, headers: dict[str, str], body: dict[str, Any]) -> tuple[Request, Action]:
        with self._lock:
            request = Request(len(self.requests), headers, body)
            self.requests.append(request)
            self.times.append(time.monotonic())
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        action = self.script(request)
        time.sleep(action.wait_s)
        with self._lock:
            self._at_once -= 1
        return request, action

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                headers = {name.lower(): value for name, value in self.headers.items()}
                request, action = outer._handle(headers, body)
                try:
                    self.send_response(action.status)
                    self.send_header("content-type", "application/json")
                    self.send_header("content-length", str(len(action.body)))
                    for name, value in action.headers.items():
                        self.send_header(name, value)
                    self.end_headers()
                    half = len(action.body) // 2
                    body = action.body[:half] if action.cut else action.body
                    for piece in [body] if not action.drip_s else map(bytes, zip(body)):
                        self.wfile.write(piece)
                        self.wfile.flush()
                        time.sleep(action.drip_s)
                    self.close_connection = action.cut
                    outer.finished.append(request)
                except OSError:
                    self.close_connection = True  # the client has gone: killed, or out of patience

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
