"""One HTTP/1.1 server on loopback that plays a provider: replies, refusals, faults, and the bill.

    with Simulator(provider) as simulator:
        ... simulator.base_url ... simulator.bill.dollars

A *provider* is called with each `Call` and returns an `Answer`; the server waits, bills, and sends
it (or breaks off as the answer says). It serves from a thread of its own on a free port, ends with
its ``with`` block, and by itself after ``LIFETIME_S``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from .bill import Bill, Charge

LIFETIME_S = 900.0
Fault = Literal["", "reset", "cut", "hang", "close"]


@dataclass(frozen=True)
class Call:
    """One request. ``number`` counts all from 0, ``nth`` those that ask the same from 0."""

    number: int
    nth: int
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: Any
    raw: bytes
    at: float

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The chat prompt; of a completion, the rendered prompt as one message."""
        if not self.body:  # a list of models, say
            return []
        found = self.body.get("messages")
        return found if found is not None else [{"role": "user", "content": self.body["prompt"]}]

    @property
    def prompt(self) -> str:
        """All that the model is told."""
        return "\n".join(str(message.get("content") or "") for message in self.messages)

    @property
    def limit(self) -> int | None:
        """The longest reply that was asked for, under either name."""
        found = self.body.get("max_completion_tokens", self.body.get("max_tokens"))
        return None if found is None else int(found)


@dataclass(frozen=True)
class Answer:
    """What happens to a request.

    ``work_s`` is the time until the reply is there. ``fault``: ``reset`` breaks the connection
    after the work, ``cut`` after half of the body, ``hang`` never sends a byte, ``close`` hangs up
    after the reply without having said so. ``drip_s`` sends byte by byte. ``dollars`` go on the
    bill when the work is done, whether or not anyone listens.
    ``usable``: a whole reply with text, which nobody should buy a second time.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    work_s: float = 0.0
    fault: Fault = ""
    drip_s: float = 0.0
    tokens_in: int = 0
    tokens_out: int = 0
    dollars: float = 0.0
    usable: bool = False


Provider = Callable[[Call], Answer]


def as_json(value: Any, status: int = 200, **more: Any) -> Answer:
    """An answer with a JSON body."""
    return Answer(status=status, body=json.dumps(value).encode(), **more)


class Simulator:
    """Serves one provider; ``bill``, ``calls`` and ``times`` tell what happened."""

    def __init__(self, provider: Provider, *, tls: Path | None = None) -> None:
        self.provider = provider
        self.bill = Bill()
        self.calls: list[Call] = []
        self.statuses: Counter[int] = Counter()
        self.most_at_once = self.at_work = 0
        self._tls = tls
        self._asked: Counter[str] = Counter()
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0

    @property
    def host(self) -> str:
        """Scheme, host and port."""
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        """What goes into a configuration's ``base_url``."""
        return f"{self.host}/v1"

    def posts(self, ending: str = "completions") -> list[Call]:
        """The paid requests, in order of arrival."""
        return [c for c in self.calls if c.method == "POST" and c.path.endswith(ending)]

    def settle(self, within_s: float = 20.0) -> None:
        """Wait until all work under way is done and billed, as it is when a client was killed."""
        end = time.monotonic() + within_s
        while self.at_work and time.monotonic() < end:
            time.sleep(0.01)

    def __enter__(self) -> Simulator:
        self._thread.start()
        if not self._ready.wait(10):
            raise RuntimeError("the simulator did not start")
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    # --- the loop's thread -----------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        context = None
        if self._tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self._tls)
        # Errors of a handshake that a client refuses are what a row is about, no news.
        self._loop.set_exception_handler(lambda loop, context: None)
        server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024, ssl=context)
        )
        self.port = server.sockets[0].getsockname()[1]
        self._loop.call_later(LIFETIME_S, self._loop.stop)
        self._ready.set()
        try:
            self._loop.run_forever()
        finally:
            server.close()
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.run_until_complete(asyncio.sleep(0))
            self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (call := await self._read(reader)) is not None:
                if not await self._respond(call, reader, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            pass
        finally:
            with contextlib.suppress(Exception):
                writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> Call | None:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines if line)
        }
        raw = await reader.readexactly(int(headers.get("content-length") or 0))
        path, _, query = target.partition("?")
        body: Any = None
        if headers.get("content-type", "").startswith("application/json") and raw:
            body = json.loads(raw)
        asked = json.dumps(body.get("messages", body.get("prompt"))) if body else target
        call = Call(
            number=len(self.calls),
            nth=self._asked[asked],
            method=method,
            path=path,
            query=query,
            headers=headers,
            body=body,
            raw=raw,
            at=time.monotonic(),
        )
        self._asked[asked] += 1
        self.calls.append(call)
        return call

    async def _respond(
        self, call: Call, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Work, bill, send; whether the connection may serve another request."""
        self.at_work += 1
        self.most_at_once = max(self.most_at_once, self.at_work)
        try:
            answer = self.provider(call)
            if answer.work_s:
                await asyncio.sleep(answer.work_s)
            self.statuses[answer.status] += 1
            delivered = False
            try:
                # A client that hung up meanwhile gets nothing; the work is billed all the same.
                delivered = not reader.at_eof() and await self._send(answer, writer)
            finally:
                self._charge(call, answer, delivered)
        finally:
            self.at_work -= 1
        return delivered and answer.fault != "close"

    def _charge(self, call: Call, answer: Answer, delivered: bool) -> None:
        if answer.dollars or answer.tokens_in or answer.tokens_out:
            self.bill.add(
                Charge(
                    call.number,
                    call.prompt,
                    answer.tokens_in,
                    answer.tokens_out,
                    answer.dollars,
                    delivered=delivered and answer.status == 200,
                    usable=delivered and answer.usable,
                )
            )

    async def _send(self, answer: Answer, writer: asyncio.StreamWriter) -> bool:
        if answer.fault == "hang":
            await asyncio.sleep(60)
            return False
        if answer.fault == "reset":
            writer.transport.abort()
            return False
        lines = [f"HTTP/1.1 {answer.status} {'OK' if answer.status == 200 else 'No'}"]
        lines += [f"content-type: {answer.content_type}", f"content-length: {len(answer.body)}"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        if writer.is_closing():
            return False
        if answer.fault == "cut":
            writer.write(head + answer.body[: len(answer.body) // 2])
            await writer.drain()
            writer.transport.abort()
            return False
        if not answer.drip_s:
            writer.write(head + answer.body)
            await writer.drain()
            return not writer.is_closing()
        writer.write(head)
        for byte in answer.body:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(answer.drip_s)
            if writer.is_closing():
                return False
        return True


def self_signed(folder: Path) -> Path:
    """A certificate that nobody vouches for, with its key, in one file (by the openssl program)."""
    place = folder / "self-signed.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")),
        ],
        check=True,
        capture_output=True,
    )
    place.write_bytes((folder / "key.pem").read_bytes() + (folder / "cert.pem").read_bytes())
    return place
