#!/usr/bin/env python3
"""A stand-in judge: an OpenAI-compatible server on loopback that grades by simple rules.

For `make small`, so that the judging client works against a real server without a key or a model.
It sees the prompts that a model would see, and answers in the form they ask for. Its grades tell
whether an answer is in the prompt's language, says something, and does not repeat itself: they are
no measure of quality. It ends with its parent process, or after --minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from babelmix.langid import RIGHT, compare, identify, strip_non_prose

BLOCK = re.compile(r"^\[[^\]\n]+\]\n(.*?)\n^\[[^\]\n]+\]$", flags=re.M | re.S)
FORM = re.compile(r"(\S+)\s?: \[\[(.)\]\]\s*$", flags=re.M)
MAX_BODY = 4 << 20


def points(answer: str, lang: str | None) -> float:
    """0 to 9 points: length up to 40 words, few repeats, the language of the prompt."""
    words = re.findall(r"\w+", strip_non_prose(answer).lower())
    if not words:
        return 0.0
    length = min(len(words), 40) / 40
    variety = len(set(words)) / len(words)
    right = lang is None or compare(identify(strip_non_prose(answer)), lang) == RIGHT
    return 3 * length + 3 * variety + (3 if right else 0)


def reply(messages: list[dict[str, str]]) -> str:
    """The verdict in the form that the system message asks for."""
    system = next(m["content"] for m in messages if m["role"] == "system")
    shown = messages[-1]["content"]
    blocks = BLOCK.findall(shown)
    form = FORM.search(system) or re.search(r"(\S+)\s?: \[\[(.)\]\]", system)
    if form is None or not blocks:
        return "I cannot tell what I am asked to do."
    lang = identify(system).language
    if form[2] == "n":
        return f"By rules alone.\n{form[1]}: [[{round(1 + points(blocks[-1], lang))}]]"
    first, second = (points(block, lang) for block in blocks[-2:])
    letter = "C" if abs(first - second) < 0.5 else "A" if first > second else "B"
    if letter == "C" and max(first, second) < 2:
        letter = "D"
    return f"By rules alone.\n{form[1]}: [[{letter}]]"


class Handler(BaseHTTPRequestHandler):
    """`/v1/models` and `/v1/chat/completions`, no streaming."""

    protocol_version = "HTTP/1.1"

    def _send(self, status: int, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        """List the one model; says that the server is up."""
        self._send(200, {"object": "list", "data": [{"id": "rules-stand-in", "object": "model"}]})

    def do_POST(self) -> None:
        """Answer one chat completion."""
        size = int(self.headers.get("Content-Length", 0))
        if not self.path.endswith("/chat/completions") or size > MAX_BODY:
            self._send(404, {"error": {"message": "only chat completions up to 4 MB"}})
            return
        request = json.loads(self.rfile.read(size))
        text = reply(request["messages"])
        n_in = sum(len(m["content"]) for m in request["messages"]) // 4
        usage = {"prompt_tokens": n_in, "completion_tokens": len(text) // 4}
        usage["total_tokens"] = sum(usage.values())
        choice = {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": text},
        }
        self._send(
            200,
            {
                "id": f"stand-in-{time.monotonic_ns()}",
                "object": "chat.completion",
                "created": int(time.time()),
                "model": request["model"],
                "choices": [choice],
                "usage": usage,
            },
        )

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


def main() -> None:
    """Serve until the parent ends or the time is up."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--port", type=int, default=8377)
    parser.add_argument("--minutes", type=float, default=180.0)
    args = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", args.port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"stand-in judge on http://127.0.0.1:{args.port}/v1", file=sys.stderr, flush=True)
    parent, end = os.getppid(), time.monotonic() + 60 * args.minutes
    while os.getppid() == parent and time.monotonic() < end:
        time.sleep(0.5)


if __name__ == "__main__":
    main()
