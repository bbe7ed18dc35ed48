"""A server of files on loopback, with ranges and ETags as real ones have, and ways to fail.

Also a small part of the Hugging Face Hub: a dataset repository at one commit (`hub=`), with the
headers by which its library knows commit and digest, and gated, private or missing ones.
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LIFETIME_S = 120.0
COMMIT = "c0ffee" + "0" * 34


@dataclass
class Served:
    """What a path answers. ``faults`` come first, one a GET: an HTTP status, or ``cut`` bytes."""

    body: bytes
    etag: str | None = None
    faults: list[int | tuple[str, int]] = field(default_factory=list)
    #: Nothing more comes after this many bytes, so that a test can kill the reader.
    stall_after: int | None = None
    #: An address that it sends the reader on to.
    elsewhere: str | None = None

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.body).hexdigest()


class FileServer:
    """Serves ``files`` by path; ``requests`` are the GETs: path and lower-case headers."""

    def __init__(self, files: dict[str, Served], gated: bool = False) -> None:
        self.files = files
        self.gated = gated
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.stalled = threading.Event()
        self.go_on = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._serving = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._serving.daemon = True
        self._end = threading.Timer(LIFETIME_S, self._server.shutdown)
        self._end.daemon = True

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> FileServer:
        self._serving.start()
        self._end.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.go_on.set()
        self._end.cancel()
        self._server.shutdown()
        self._server.server_close()

    def ranges(self, end: str) -> list[str | None]:
        """The Range of each GET of a path that ends so."""
        return [h.get("range") for path, h in self.requests if path.endswith(end)]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _say(self, status: int, body: bytes = b"", **headers: str) -> None:
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def _hub(self) -> bool:
                """Answer what only a hub has; True when that was all."""
                path = self.path.split("?")[0]
                if outer.gated and "authorization" not in {n.lower() for n in self.headers}:
                    self._say(401, x_error_code="GatedRepo", x_error_message="gated")
                    return True
                if path.startswith("/api/datasets/"):
                    names = [p.split(f"/resolve/{COMMIT}/")[1] for p in outer.files]
                    siblings = [{"rfilename": name} for name in names]
                    value = {"id": "owner/set", "sha": COMMIT, "siblings": siblings}
                    self._say(200, json.dumps(value).encode(), content_type="application/json")
                    return True
                return False

            def _find(self) -> Served | None:
                path = self.path.split("?")[0]
                return outer.files.get(path.replace("/resolve/main/", f"/resolve/{COMMIT}/"))

            def do_HEAD(self) -> None:
                if self._hub():
                    return
                served = self._find()
                if served is None:
                    self._say(404, x_error_code="EntryNotFound", x_repo_commit=COMMIT)
                    return
                self.send_response(200)
                self.send_header("content-length", str(len(served.body)))
                self.send_header("x-repo-commit", COMMIT)
                self.send_header("etag", served.etag or f'"{served.sha256}"')
                self.end_headers()

            def do_GET(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.requests.append((self.path, headers))
                if self._hub():
                    return
                served = self._find()
                if served is None:
                    self._say(404)
                    return
                if served.elsewhere is not None:
                    self._say(302, location=served.elsewhere)
                    return
                fault = served.faults.pop(0) if served.faults else None
                if isinstance(fault, int):
                    self._say(fault)
                    return
                self._send(served, headers, fault[1] if fault else None)

            def _send(self, served: Served, headers: dict[str, str], cut: int | None) -> None:
                begin, status = 0, 200
                same = headers.get("if-range") in (None, served.etag)
                if "range" in headers and same:
                    begin, status = int(headers["range"].removeprefix("bytes=").rstrip("-")), 206
                    if begin >= len(served.body):
                        self._say(416)
                        return
                body = served.body[begin:]
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                if served.etag:
                    self.send_header("etag", served.etag)
                if status == 206:
                    last = len(served.body) - 1
                    self.send_header("content-range", f"bytes {begin}-{last}/{len(served.body)}")
                self.end_headers()
                try:
                    if served.stall_after is not None and status == 200:
                        self.wfile.write(body[: served.stall_after])
                        self.wfile.flush()
                        outer.stalled.set()
                        outer.go_on.wait(LIFETIME_S)
                        self.close_connection = True
                    else:
                        self.wfile.write(body if cut is None else body[:cut])
                        self.close_connection = cut is not None
                except OSError:
                    self.close_connection = True

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
