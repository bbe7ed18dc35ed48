"""Google, Azure AI Translator and LibreTranslate on loopback: translations in capital letters."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


class Server:
    """Speaks the protocol of its ``kind``; ``before`` may answer in its place."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.requests: list[tuple[str, dict[str, list[str]], dict[str, str], Any]] = []
        self.before: Callable[[Any], tuple[int, Any] | None] = lambda body: None
        self.codes = ["en", "de", "es", "zt", "pb"]
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send(200, outer.languages())

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                parts = urlsplit(self.path)
                headers = {k.lower(): v for k, v in self.headers.items()}
                outer.requests.append((parts.path, parse_qs(parts.query), headers, body))
                self.send(*(outer.before(body) or (200, outer.translate(body))))

            def send(self, status: int, answer: Any) -> None:
                data = b"" if answer is None else json.dumps(answer).encode()
                data = answer.encode() if isinstance(answer, str) else data  # a page
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                if status == 307:
                    self.send_header("location", f"{outer.url}/elsewhere")
                if status == 429:
                    self.send_header("retry-after", "0")
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def languages(self) -> Any:
        if self.kind == "google":
            return {"data": {"languages": [{"language": c} for c in self.codes]}}
        if self.kind == "azure":
            codes = ("en", "de", "zh-Hant", "zh-Hans", "sr-Latn", "sr-Cyrl", "pt-BR", "pt-PT")
            return {"translation": {c: {"name": c, "dir": "ltr"} for c in codes}}
        return [{"code": c, "name": c, "targets": self.codes} for c in self.codes]

    def translate(self, body: Any) -> Any:
        if self.kind == "google":
            return {"data": {"translations": [{"translatedText": t.upper()} for t in body["q"]]}}
        if self.kind == "azure":
            return [{"translations": [{"text": e["Text"].upper(), "to": "de"}]} for e in body]
        return {"translatedText": [text.upper() for text in body["q"]]}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
