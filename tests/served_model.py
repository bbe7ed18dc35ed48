"""A server on loopback that behaves like vLLM's, around a real (tiny) checkpoint on the CPU.

    with LikeVllm(folder) as server: ...                       in a test, in this process
    python -m tests.served_model serve FOLDER --host 127.0.0.1 --port N …     as `vllm serve`

What it does as vLLM does: token ids or text as prompts, a BOS before text unless
``add_special_tokens`` is false, ``return_token_ids``, ``stop_token_ids``, HTTP 400 where prompt
and ``max_tokens`` together are over the context, ``/tokenize`` beside ``/v1``, ``/v1/models`` with
``max_model_len``, ``/health``, a key. ``style`` makes it another kind of server: ``plain`` (ids,
and none of vLLM's fields), ``text`` (text only, a BOS before it, no ``/tokenize``), ``silent`` (as
``text``, and without counts). Everything asked for is in ``requests``.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

from babelmix.answer.batches import Prompt
from babelmix.answer.engine import TransformersEngine
from babelmix.config.evaluation import Generation
from babelmix.train.chat import load_tokenizer

LIFETIME_S = 180.0


def varied(folder: Path, noise: float = 0.3) -> Path:
    """Spread a random checkpoint's weights, so that its greedy answers are not one token again and
    again."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    model: Any = AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        for weights in model.parameters():
            weights.add_(noise * torch.randn_like(weights))
    model.save_pretrained(folder)
    return folder


class Refused(Exception):
    """A request that gets HTTP 400 with these words."""


class LikeVllm:
    """Serves one checkpoint on a free port of loopback (or the given one)."""

    def __init__(
        self,
        folder: Path,
        style: str = "vllm",
        context: int = 256,
        name: str = "run-1",
        port: int = 0,
        key: str | None = None,
        tokenizer: Any = None,
        by_rote: bool = False,
    ) -> None:
        self.style, self.context, self.name, self.key = style, context, name, key
        self.tokenizer = tokenizer or load_tokenizer(folder)
        self.requests: list[dict[str, Any]] = []
        self.read: list[list[int]] = []
        self._lock = threading.Lock()
        self._engine: TransformersEngine | None = None
        if not by_rote:  # else no torch is loaded, and answers follow from the prompt's ids alone
            settings = Generation(max_new_tokens=context)
            self._engine = TransformersEngine(folder, settings, [2], json.dumps, device="cpu")
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.daemon = True

    @property
    def base_url(self) -> str:
        """What goes into `base_url`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> LikeVllm:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def models(self) -> dict[str, Any]:
        """What `/v1/models` says."""
        entry: dict[str, Any] = {"id": self.name, "object": "model"}
        if self.style == "vllm":
            entry["max_model_len"] = self.context
        return {"object": "list", "data": [entry]}

    def tokenize(self, body: dict[str, Any]) -> dict[str, Any]:
        """What `/tokenize` says."""
        special = body.get("add_special_tokens", True)
        ids = self.tokenizer(body["prompt"], add_special_tokens=special).input_ids
        return {"count": len(ids), "max_model_len": self.context, "tokens": ids}

    def complete(self, body: dict[str, Any]) -> dict[str, Any]:
        """What `/v1/completions` says."""
        self.requests.append(body)
        extended = self.style == "vllm"
        known = {"model", "prompt", "max_tokens", "temperature", "top_p", "seed", "stop"}
        if not extended and (unknown := sorted(set(body) - known)):
            raise Refused(f"Unexpected fields in the request: {unknown}")
        if body["model"] != self.name:
            raise Refused(f"The model {body['model']} does not exist.")
        prompt = body["prompt"]
        if isinstance(prompt, str):
            special = not extended or body.get("add_special_tokens", True)
            ids = self.tokenizer(prompt, add_special_tokens=special).input_ids
        elif self.style in ("text", "silent"):
            raise Refused("prompt must be a string.")
        else:
            ids = prompt
        most = body["max_tokens"]
        if len(ids) + most > self.context:
            raise Refused(
                f"This model's maximum context length is {self.context} tokens. However, you "
                f"requested {most} output tokens and your prompt contains {len(ids)} input tokens."
            )
        self.read.append(ids)
        new, ended = self._generate(ids, body)
        text = self.tokenizer.decode(new, skip_special_tokens=True)
        for word in body.get("stop") or []:
            text = text.partition(word)[0]
        choice: dict[str, Any] = {"index": 0, "text": text, "finish_reason": ended}
        if extended and body.get("return_token_ids"):
            choice |= {"prompt_token_ids": ids, "token_ids": new}
        value: dict[str, Any] = {"object": "text_completion", "model": self.name}
        value["choices"] = [choice]
        if self.style != "silent":
            counts = {"prompt_tokens": len(ids), "completion_tokens": len(new)}
            value["usage"] = counts | {"total_tokens": len(ids) + len(new)}
        return value

    def _generate(self, ids: list[int], body: dict[str, Any]) -> tuple[list[int], str]:
        """New ids without the stop token, and why they end."""
        most = body["max_tokens"]
        if self._engine is None:
            return [10 + (31 * sum(ids) + 7 * n) % 380 for n in range(most)], "length"
        with self._lock:
            self._engine.stop_ids = sorted({2, *(body.get("stop_token_ids") or [])})
            self._engine.generation = Generation(max_new_tokens=most, seed=body.get("seed") or 0)
            prompt = Prompt(ids, body["temperature"])
            done = self._engine.complete([prompt], lambda n: None)[0]
        return json.loads(done.text) if done.text else [], done.finish_reason

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if self.path == "/health":
                    self._send(200, {})
                elif not self._allowed():
                    self._send(401, {"error": {"message": "Unauthorized"}})
                elif self.path == "/v1/models":
                    self._send(200, outer.models())
                else:
                    self._send(404, {"detail": "Not Found"})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                if not self._allowed():
                    self._send(401, {"error": {"message": "Unauthorized"}})
                elif self.path == "/tokenize" and outer.style == "vllm":
                    self._send(200, outer.tokenize(body))
                elif self.path == "/v1/completions":
                    try:
                        self._send(200, outer.complete(body))
                    except Refused as refusal:
                        self._send(400, {"error": {"message": str(refusal), "code": 400}})
                else:
                    self._send(404, {"detail": "Not Found"})

            def _allowed(self) -> bool:
                given = self.headers.get("authorization")
                return outer.key is None or given == f"Bearer {outer.key}"

            def _send(self, status: int, value: dict[str, Any]) -> None:
                content = json.dumps(value).encode()
                try:
                    self.send_response(status)
                    self.send_header("content-type", "application/json")
                    self.send_header("content-length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)
                except OSError:
                    self.close_connection = True

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve as `vllm serve` does; options that are of no use here are read and left alone."""
    parser = argparse.ArgumentParser()
    parser.add_argument("verb", choices=["serve"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--served-model-name", required=True)
    parser.add_argument("--max-model-len", type=int, default=256)
    parser.add_argument("--worker", action="store_true", help="start a child that ignores SIGTERM")
    parser.add_argument("--by-rote", action="store_true", help="without the model")
    parser.add_argument("--slow", type=float, default=0.0, help="seconds before it is ready")
    parser.add_argument("--die", action="store_true", help="end at once, as after a bad option")
    args, rest = parser.parse_known_args(arguments)
    if os.environ.get("STAND_IN_NOTES"):
        notes = {"pid": os.getpid(), "args": sys.argv[1:], "rest": rest}
        if args.worker:
            code = "import signal,time;signal.signal(signal.SIGTERM,signal.SIG_IGN);time.sleep(120)"
            notes["worker"] = os.spawnlp(os.P_NOWAIT, sys.executable, sys.executable, "-c", code)
        Path(os.environ["STAND_IN_NOTES"]).write_text(json.dumps(notes), encoding="utf-8")
    if args.die:
        sys.exit("ValueError: no such option")
    time.sleep(args.slow)
    server = LikeVllm(
        args.folder,
        context=args.max_model_len,
        name=args.served_model_name,
        port=args.port,
        key=os.environ.get("VLLM_API_KEY"),
        by_rote=args.by_rote,
    )
    with server:
        signal.sigtimedwait([signal.SIGTERM], LIFETIME_S)


if __name__ == "__main__":
    main()
