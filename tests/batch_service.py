"""The Batch API on loopback: files and batches, by a script of what becomes of each request.

    with BatchService(lambda n, body: reply("ja")) as service: ...

The script is called with how often this text was asked before and the request's body; it returns
the response (status and body) or None for a request that expired.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Script = Callable[[int, dict[str, Any]], "tuple[int, Any] | None"]


def reply(content: str, finish_reason: str = "stop") -> tuple[int, Any]:
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    return 200, {"id": "x", "object": "chat.completion", "choices": [choice], "usage": usage}


class BatchService:
    """Batches are done at their ``polls``-th look."""

    def __init__(self, script: Script, polls: int = 2) -> None:
        self.script = script
        self.polls = polls
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.asked: Counter[str] = Counter()
        self.bought: Counter[str] = Counter()
        self.looks: Counter[str] = Counter()
        self.cut_output = False
        self.on_create: Callable[[], None] = lambda: None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.daemon = True

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> BatchService:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def store(self, data: bytes) -> str:
        name = f"file-{len(self.files)}"
        self.files[name] = data
        return name

    def create(self, body: dict[str, Any]) -> dict[str, Any]:
        batch = {
            "id": f"batch-{len(self.batches)}",
            "object": "batch",
            "endpoint": body["endpoint"],
            "completion_window": body["completion_window"],
            "input_file_id": body["input_file_id"],
            "metadata": body["metadata"],
            "created_at": 1,
            "status": "in_progress",
        }
        self.batches[batch["id"]] = batch
        self.on_create()
        return batch

    def look(self, number: str) -> dict[str, Any]:
        batch = self.batches[number]
        self.looks[number] += 1
        if self.looks[number] >= self.polls and batch["status"] == "in_progress":
            self.finish(batch)
        return batch

    def finish(self, batch: dict[str, Any]) -> None:
        good, bad = [], []
        for line in self.files[batch["input_file_id"]].splitlines():
            request = json.loads(line)
            key, text = request["custom_id"], request["body"]["messages"][-1]["content"]
            response = self.script(self.asked[text], request["body"])
            self.asked[text] += 1
            made: dict[str, Any] = {"id": "r", "custom_id": key, "response": None, "error": None}
            if response is None:
                made["error"] = {"code": "batch_expired", "message": "too late"}
            else:
                made["response"] = {"status_code": response[0], "body": response[1]}
                self.bought[text] += response[0] == 200
            (good if response is not None and response[0] == 200 else bad).append(made)
        data = "\n".join(map(json.dumps, good)).encode()
        if self.cut_output:
            data, self.cut_output = data[:-30], False
        batch["output_file_id"] = self.store(data) if good else None
        batch["error_file_id"] = self.store("\n".join(map(json.dumps, bad)).encode())
        batch["status"] = "completed"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                parts = self.path.partition("?")[0].split("/")[2:]
                if parts[0] == "files":
                    self.send(outer.files[parts[1]])
                elif len(parts) > 1:
                    self.send(json.dumps(outer.look(parts[1])).encode())
                else:
                    found = list(outer.batches.values())
                    page = {"object": "list", "data": found, "has_more": False}
                    self.send(json.dumps(page).encode())

            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers["content-length"]))
                if self.path.endswith("/files"):
                    name = outer.store(data[data.index(b'{"custom_id"') : data.rindex(b"}\n") + 2])
                    made: dict[str, Any] = {"id": name, "object": "file", "bytes": len(data)}
                    made |= {"created_at": 1, "filename": "t", "purpose": "batch", "status": "x"}
                else:
                    made = outer.create(json.loads(data))
                self.send(json.dumps(made).encode())

            def send(self, data: bytes) -> None:
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
