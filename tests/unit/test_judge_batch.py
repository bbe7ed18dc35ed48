"""The Batch API: submitted, interrupted, collected, and its failed part asked again."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from babelmix.config.evaluation import OpenAIJudge
from babelmix.errors import BabelmixError
from babelmix.io import Journal
from babelmix.judge import batch as module
from babelmix.judge.batch import affordable, ask_in_batches
from babelmix.judge.client import Reply, Request
from babelmix.judge.prices import price_of


class BatchServer:
    """Files and batches as OpenAI's API has them; ``answer`` makes one call's response."""

    def __init__(self, answer: Callable[[str, int], dict[str, Any]]) -> None:
        self.answer = answer
        self.files: dict[str, str] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.polls_until_done = 2
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.http.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}/v1"

    def create(self, body: dict[str, Any]) -> dict[str, Any]:
        name = f"batch_{len(self.batches)}"
        lines = [json.loads(x) for x in self.files[body["input_file_id"]].splitlines()]
        output, errors = "", ""
        for line in lines:
            key = line["custom_id"]
            self.asked.append(key)
            response = self.answer(key, self.asked.count(key))
            row = json.dumps({"id": "r", "custom_id": key, "response": response, "error": None})
            if response["status_code"] == 200:
                output += row + "\n"
            else:
                errors += row + "\n"
        self.files |= {f"{name}-out": output, f"{name}-err": errors}
        self.batches[name] = {
            "id": name, "object": "batch", "endpoint": body["endpoint"], "created_at": 1,
            "input_file_id": body["input_file_id"], "completion_window": "24h",
            "metadata": body.get("metadata"), "status": "in_progress", "polls": 0,
        }  # fmt: skip
        return self.batches[name]

    def poll(self, name: str) -> dict[str, Any]:
        batch = self.batches[name]
        batch["polls"] += 1
        if batch["polls"] >= self.polls_until_done:
            batch |= {"status": "completed", "output_file_id": f"{name}-out"}
            batch |= {"error_file_id": f"{name}-err" if self.files[f"{name}-err"] else None}
        return batch

    def handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def send(self, value: Any, status: int = 200) -> None:
                body = value.encode() if isinstance(value, str) else json.dumps(value).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self) -> None:
                if found := re.search(r"/files/([^/]+)/content", self.path):
                    self.send(outer.files[found[1]])
                elif found := re.search(r"/batches/([^/?]+)$", self.path):
                    self.send(outer.poll(found[1]))
                else:
                    self.send({"object": "list", "data": list(outer.batches.values())})

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.path.endswith("/files"):
                    name = f"file_{len(outer.files)}"
                    outer.files[name] = "\n".join(re.findall(r"^\{.*\}\r?$", body.decode(), re.M))
                    shown = {"id": name, "object": "file", "bytes": 1, "created_at": 1}
                    self.send(shown | {"filename": "x", "purpose": "batch", "status": "processed"})
                else:
                    self.send(outer.create(json.loads(body)))

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


def reply(text: str = "Rating: [[8]]") -> dict[str, Any]:
    choice = {"index": 0, "finish_reason": "stop", "message": {"content": text}}
    usage = {"prompt_tokens": 1000, "completion_tokens": 100}
    return {"status_code": 200, "body": {"choices": [choice], "usage": usage}}


def refusal(status: int) -> dict[str, Any]:
    return {"status_code": status, "body": {"error": {"message": "no"}}}


@pytest.fixture
def serve() -> Iterator[Callable[..., BatchServer]]:
    servers: list[BatchServer] = []

    def start(answer: Callable[[str, int], dict[str, Any]]) -> BatchServer:
        server = BatchServer(answer)
        threading.Thread(target=server.http.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.http.shutdown()
        server.http.server_close()


def judge(server: BatchServer, **changes: Any) -> OpenAIJudge:
    settings = {"engine": "openai", "model": "m", "base_url": server.url, "mode": "batch"}
    return OpenAIJudge.model_validate(settings | {"max_retries": 2, "price_in": 10.0} | changes)


def calls(count: int) -> list[Request]:
    return [Request(f"k{i}", [{"role": "user", "content": f"p{i} {{x}}"}]) for i in range(count)]


def ask(
    server: BatchServer, folder: Path, count: int, **changes: Any
) -> tuple[dict[str, Reply], dict[str, str]]:
    replies: dict[str, Reply] = {}

    def keep(found: Reply) -> None:
        assert found.key not in replies
        replies[found.key] = found

    notes = folder / "b.jsonl"
    failures = ask_in_batches(judge(server, **changes), calls(count), keep, notes, poll_s=0.01)
    return replies, failures


def test_all_calls_in_one_batch(serve: Any, tmp_path: Path) -> None:
    server = serve(lambda key, times: reply(f"to {key}"))
    replies, failures = ask(server, tmp_path, 5)
    assert not failures
    assert replies["k3"].text == "to k3"
    assert replies["k3"].cost == 0.01
    assert len(server.batches) == 1
    assert len(server.asked) == 5


def test_the_failed_part_is_asked_again_and_refused_prompts_are_not(
    serve: Any, tmp_path: Path
) -> None:
    def answer(key: str, times: int) -> dict[str, Any]:
        if key == "k1":
            return refusal(400)
        return refusal(500) if key == "k2" and times == 1 else reply()

    server = serve(answer)
    replies, failures = ask(server, tmp_path, 4)
    assert set(replies) == {"k0", "k2", "k3"}
    assert failures == {"k1": "HTTP 400: no"}
    assert server.asked.count("k2") == 2
    assert server.asked.count("k1") == server.asked.count("k0") == 1


def test_what_fails_for_ever_is_given_up(serve: Any, tmp_path: Path) -> None:
    server = serve(lambda key, times: refusal(503))
    replies, failures = ask(server, tmp_path, 2)
    assert not replies
    assert failures == {"k0": "HTTP 503: no", "k1": "HTTP 503: no"}
    assert server.asked.count("k0") == 3


class KilledError(Exception):
    """Stands for a kill."""


@pytest.mark.parametrize("moment", ["after the note", "before the note"])
def test_an_interrupted_job_pays_for_nothing_twice(
    serve: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    server = serve(lambda key, times: reply())

    def killed(*_: Any) -> Any:
        raise KilledError

    target = "_collect" if moment == "after the note" else "run"
    if target == "run":
        submit = module._Batches._submit

        def submit_and_die(self: Any, *args: Any) -> Any:
            submit(self, *args)
            raise KilledError

        monkeypatch.setattr(module._Batches, "_submit", submit_and_die)
    else:
        monkeypatch.setattr(module._Batches, "_collect", killed)
    with pytest.raises(KilledError):
        ask(server, tmp_path, 3)
    monkeypatch.undo()
    replies, failures = ask(server, tmp_path, 3)
    assert len(replies) == 3
    assert not failures
    assert sorted(server.asked) == ["k0", "k1", "k2"]
    with Journal(tmp_path / "b.jsonl") as notes:
        assert [note["state"] for note in notes.entries.values()] == ["completed"]


def test_a_server_without_batches_is_named(serve: Any, tmp_path: Path) -> None:
    server = serve(lambda key, times: reply())
    far = judge(server, base_url=server.url.replace("/v1", "/none"))
    server.http.RequestHandlerClass.do_GET = lambda self: self.send({}, 404)  # type: ignore[attr-defined]
    with pytest.raises(BabelmixError):
        ask_in_batches(far, calls(1), lambda r: None, tmp_path / "b.jsonl", poll_s=0.01)


def test_half_price_and_the_cap() -> None:
    listed = OpenAIJudge(engine="openai", model="gpt-4o")
    batch = OpenAIJudge(engine="openai", model="gpt-4o", mode="batch", max_cost=5.0)
    assert (price_of(listed).per_in, price_of(batch).per_in) == (2.5, 1.25)
    elsewhere = OpenAIJudge(engine="openai", model="gpt-4o", base_url="http://10.0.0.1/v1")
    assert not price_of(elsewhere).known
    kept, left = affordable(batch, calls(4), lambda r: 2.0, spent=0.5)
    assert [request.key for request in kept] == ["k0", "k1"]
    assert list(left) == ["k2", "k3"]
    assert "max_cost" in left["k2"]
