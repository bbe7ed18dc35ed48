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
from babelmix.service import CapReachedError, ChatService, Reply, Request, ask_in_batches
from babelmix.service import batch as module
from babelmix.service.prices import price_of


class BatchServer:
    """Files and batches as OpenAI's API has them; ``answer`` makes one call's response."""

    def __init__(self, answer: Callable[[str, int], dict[str, Any]]) -> None:
        self.answer = answer
        self.files: dict[str, str] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.polls_until_done = 2
        self.refuse: Callable[[dict[str, Any]], dict[str, Any] | None] = lambda batch: None
        self.done: list[str] = []
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
        if errors := self.refuse(batch):
            batch |= {"status": "failed", "errors": errors | {"object": "list"}}
            return batch
        batch["polls"] += 1
        if batch["polls"] >= self.polls_until_done:
            batch |= {"status": "completed", "output_file_id": f"{name}-out"}
            output = self.files[f"{name}-out"].splitlines()
            self.done += [json.loads(line)["custom_id"] for line in output]
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
    settings |= {"max_retries": 2, "price_in": 10.0, "price_out": 0.0, "poll_s": 0.01}
    return OpenAIJudge.model_validate(settings | changes)


def calls(count: int) -> list[Request]:
    return [Request(f"k{i}", [{"role": "user", "content": f"p{i} {{x}}"}]) for i in range(count)]


def ask(
    server: BatchServer, folder: Path, count: int, **changes: Any
) -> tuple[dict[str, Reply], dict[str, str]]:
    replies: dict[str, Reply] = {}

    def keep(found: Reply) -> None:
        assert found.key not in replies
        replies[found.key] = found

    service = ChatService(judge(server, **changes), "judges.j", folder)
    failures = ask_in_batches(service, calls(count), keep, folder / "b.jsonl")
    assert service.ledger is not None
    CHARGED[:] = [service.ledger.total()]
    return replies, {key: failure.reason for key, failure in failures.items()}


#: What the last `ask` was charged.
CHARGED: list[float] = []


def test_all_calls_in_one_batch(serve: Any, tmp_path: Path) -> None:
    server = serve(lambda key, times: reply(f"to {key}"))
    replies, failures = ask(server, tmp_path, 5)
    assert not failures
    assert replies["k3"].text == "to k3"
    assert replies["k3"].cost == 0.01
    assert [pytest.approx(0.05)] == CHARGED
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

    if moment == "after the note":
        monkeypatch.setattr(module._Batches, "_collect", killed)
    else:
        call = module._Batches._call

        def call_and_die(self: Any, function: Any) -> Any:
            found = call(self, function)
            if getattr(found, "object", "") == "batch":
                raise KilledError
            return found

        monkeypatch.setattr(module._Batches, "_call", call_and_die)
    with pytest.raises(KilledError):
        ask(server, tmp_path, 3)
    monkeypatch.undo()
    replies, failures = ask(server, tmp_path, 3)
    assert len(replies) == 3
    assert not failures
    assert [pytest.approx(0.03)] == CHARGED
    assert sorted(server.asked) == ["k0", "k1", "k2"]
    with Journal(tmp_path / "b.jsonl") as notes:
        states = {key.partition(":")[0]: n["state"] for key, n in notes.entries.items()}
    assert states == {"sending": "sent", "batch_0": "completed"}


def test_a_server_without_batches_is_named(serve: Any, tmp_path: Path) -> None:
    server = serve(lambda key, times: reply())
    far = judge(server, base_url=server.url.replace("/v1", "/none"))
    server.http.RequestHandlerClass.do_GET = lambda self: self.send({}, 404)  # type: ignore[attr-defined]
    service = ChatService(far, "judges.j", tmp_path)
    with pytest.raises(BabelmixError, match="needs `mode: realtime`"):
        ask_in_batches(service, calls(1), lambda r: None, tmp_path / "b.jsonl")


def test_half_price_where_the_list_says_so() -> None:
    listed = OpenAIJudge(engine="openai", model="gpt-4o")
    batch = OpenAIJudge(engine="openai", model="gpt-4o", mode="batch", max_cost=5.0)
    held = [price_of(listed), price_of(batch)]
    assert [price and price.per_in for price in held] == [2.5, 1.25]
    elsewhere = OpenAIJudge(engine="openai", model="gpt-4o", base_url="http://10.0.0.1/v1")
    assert price_of(elsewhere) is None


def test_the_cap_sends_what_fits_and_keeps_it(serve: Any, tmp_path: Path) -> None:
    server = serve(lambda key, times: reply())
    # A prompt of 38 bytes at worst, and 100 tokens of 1,000: 0.1 dollars a call at worst.
    money = {"price_in": 0.0, "price_out": 1000.0, "max_tokens": 100, "max_cost": 0.25}
    kept: list[Reply] = []
    service = ChatService(judge(server, **money), "judges.j", tmp_path)
    with pytest.raises(CapReachedError, match=r"raise `judges\.j\.max_cost`"):
        ask_in_batches(service, calls(4), kept.append, tmp_path / "b.jsonl")
    assert [found.key for found in kept] == ["k0", "k1"]
    assert service.ledger is not None
    assert service.ledger.total() == pytest.approx(0.2)


def full(limit: int, server: BatchServer) -> Callable[[dict[str, Any]], dict[str, Any] | None]:
    """A queue that takes so many requests at once."""

    def look(batch: dict[str, Any]) -> dict[str, Any] | None:
        size = len(server.files[batch["input_file_id"]].splitlines())
        under_way = [b for b in server.batches.values() if b["status"] == "in_progress"]
        held = sum(len(server.files[b["input_file_id"]].splitlines()) for b in under_way)
        if batch["polls"] or held <= limit:
            return None
        told = f"Enqueued token limit reached for m ({size} requests)."
        return {"data": [{"code": "token_limit_exceeded", "message": told, "line": None}]}

    return look


def test_batches_that_the_queue_has_no_room_for_go_in_one_by_one(
    serve: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(module, "MOST_REQUESTS", 4)
    server = serve(lambda key, times: reply())
    server.refuse = full(6, server)
    replies, failures = ask(server, tmp_path, 16)
    assert len(replies) == 16
    assert not failures
    assert "Enqueued token limit reached" in capsys.readouterr().err
    assert [pytest.approx(0.16)] == CHARGED
    assert max(server.done.count(key) for key in set(server.done)) == 1


def test_one_batch_that_is_too_much_alone_is_halved(serve: Any, tmp_path: Path) -> None:
    server = serve(lambda key, times: reply())
    server.refuse = full(3, server)
    replies, failures = ask(server, tmp_path, 10)
    assert len(replies) == 10
    assert not failures
    assert max(server.done.count(key) for key in set(server.done)) == 1


def test_what_the_server_says_of_a_refused_batch_is_shown(serve: Any, tmp_path: Path) -> None:
    server = serve(lambda key, times: reply())
    told = {"code": "mismatched_model", "message": "Only one model per batch.", "line": 3}
    server.refuse = lambda batch: {"data": [told]}
    with pytest.raises(BabelmixError, match=r"mismatched_model: Only one model .*line 3"):
        ask(server, tmp_path, 4)


def test_a_renamed_limit_is_renamed_for_all_lines(serve: Any, tmp_path: Path) -> None:
    server = serve(lambda key, times: reply())

    def answer(key: str, times: int) -> dict[str, Any]:
        body = next(
            json.loads(line)["body"]
            for file in reversed(list(server.files.values()))
            for line in file.splitlines()
            if f'"{key}"' in line and "body" in json.loads(line)
        )
        if "max_tokens" not in body:
            return reply()
        message = "Unsupported parameter: use 'max_completion_tokens' instead of 'max_tokens'."
        return {"status_code": 400, "body": {"error": {"message": message}}}

    server.answer = answer
    replies, failures = ask(server, tmp_path, 6)
    assert len(replies) == 6
    assert not failures
    assert len(server.batches) == 2


def test_missing_usage_is_estimated_and_charged(serve: Any, tmp_path: Path) -> None:
    bare = reply("Rating: [[8]]")
    del bare["body"]["usage"]
    server = serve(lambda key, times: bare)
    replies, _ = ask(server, tmp_path, 2, price_out=10.0)
    assert all(found.usage.estimated and found.cost > 0 for found in replies.values())
    assert [pytest.approx(sum(found.cost for found in replies.values()))] == CHARGED
