"""What services over HTTP do wrong: nothing is lost, paid twice, or begun without consent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_translate_rest import SECRET, backend
from tests.options import as_options
from tests.translation_server import Server

from babelmix.cli import main
from babelmix.errors import BabelmixError
from babelmix.io import read_json, read_records, write_records
from babelmix.records import Conversation, Message
from babelmix.resources import ROOT
from babelmix.service import Ledger, ServiceStoppedError
from babelmix.translate.backends import Failure

KINDS = ["azure", "libretranslate", "google"]
#: A dollar for each character: what was paid is what was counted.
DEAR = {"price_per_million_chars": 1e6}
PAGE = "<html><head><title>502 Bad Gateway</title></head><body><h1>nginx</h1></body></html>"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("babelmix.service.retry.WAIT_SCALE", 0.001)
    for name in ("AZURE_TRANSLATOR_KEY", "LIBRETRANSLATE_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.setenv(name, SECRET)


@pytest.fixture(params=KINDS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    made = Server(request.param)
    yield made
    made.close()


def texts_in(body: Any) -> list[str]:
    """The texts of a request."""
    return body["q"] if isinstance(body, dict) else [entry["Text"] for entry in body]


def sent(server: Server) -> list[str]:
    """All texts that a server was sent, in order."""
    return [text for _, _, _, body in server.requests for text in texts_in(body)]


def paid(folder: Path) -> float:
    return Ledger(folder, "translators.mine", None).total()


# --- faults of one call --------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@pytest.mark.parametrize("answer", [None, PAGE], ids=["empty", "page"])
def test_what_passes_is_tried_again_and_paid_once(
    server: Server, status: int, answer: Any, tmp_path: Path
) -> None:
    answers: list[tuple[int, Any]] = [(status, answer)] * 3
    server.before = lambda body: answers.pop() if answers else None
    made = backend(server, folder=tmp_path, max_cost=100, **DEAR)
    assert made.translate(["abc", "de"]) == ["ABC", "DE"]
    assert len(server.requests) == 4
    assert paid(tmp_path) == 5.0


@pytest.mark.parametrize("status", [500, 502])
def test_an_outage_is_no_failure_of_the_text(server: Server, status: int, tmp_path: Path) -> None:
    server.before = lambda body: (status, PAGE)
    (found,) = backend(server, folder=tmp_path, **DEAR).translate(["abc"])
    assert isinstance(found, Failure)
    assert not found.content
    assert "Bad Gateway" in found.reason
    assert "<" not in found.reason
    assert paid(tmp_path) == 0.0


def test_a_page_in_place_of_a_reply_stops_the_job(server: Server, tmp_path: Path) -> None:
    server.before = lambda body: (200, PAGE)
    with pytest.raises(ServiceStoppedError, match="sent a reply of another shape"):
        backend(server, folder=tmp_path, **DEAR).translate(["abc"])
    assert len(server.requests) == 1


def test_a_body_that_is_too_large_goes_in_parts(server: Server, tmp_path: Path) -> None:
    server.before = lambda body: (413, PAGE) if len(texts_in(body)) > 2 else None
    made = backend(server, folder=tmp_path, **DEAR)
    assert made.translate(list("abcdefg")) == list("ABCDEFG")
    assert paid(tmp_path) == 7.0


def test_a_reply_with_too_few_texts_is_asked_for_in_parts(server: Server) -> None:
    """Which of them is missing cannot be known; none may get its neighbour's translation."""

    def cut(body: Any) -> tuple[int, Any] | None:
        answer = server.translate(body)
        if len(texts_in(body)) < 4:
            return None
        listed = answer
        for name in ("data", "translations", "translatedText"):
            listed = listed.get(name, listed) if isinstance(listed, dict) else listed
        del listed[1]
        return 200, answer

    server.before = cut
    assert backend(server).translate(list("abcdefgh")) == list("ABCDEFGH")


def test_a_server_that_always_leaves_a_text_out_ends(server: Server) -> None:
    empty: dict[str, Any] = {
        "azure": [],
        "libretranslate": {"translatedText": []},
        "google": {"data": {"translations": []}},
    }
    server.before = lambda body: (200, empty[server.kind])
    found = backend(server).translate(list("abcd"))
    assert found == [Failure("0 translations for 1 texts")] * 4
    assert len(server.requests) == 7


QUOTA: dict[str, tuple[int, Any]] = {
    "azure": (403, {"error": {"code": 403001, "message": "has exceeded its free quota"}}),
    "libretranslate": (403, {"error": "Too many request limits violations"}),
    "google": (403, {"error": {"code": 403, "message": "Daily Limit Exceeded"}}),
}
KEY: dict[str, tuple[int, Any]] = {
    "azure": (401, {"error": {"code": 401000, "message": f"key {SECRET} is invalid"}}),
    "libretranslate": (403, {"error": f"Invalid API key: {SECRET}"}),
    "google": (403, {"error": {"code": 403, "message": f"API key {SECRET} not valid"}}),
}
LANGUAGE: dict[str, tuple[int, Any]] = {
    "azure": (400, {"error": {"code": 400036, "message": "target language is not valid"}}),
    "libretranslate": (400, {"error": "de is not supported"}),
    "google": (400, {"error": {"code": 400, "message": "Invalid Value: target"}}),
}


@pytest.mark.parametrize("said", [QUOTA, KEY, LANGUAGE], ids=["quota", "key", "language"])
def test_what_does_not_pass_stops_the_job_at_once(
    server: Server, said: dict[str, tuple[int, Any]], tmp_path: Path
) -> None:
    server.before = lambda body: said[server.kind]
    with pytest.raises(ServiceStoppedError) as stopped:
        backend(server, folder=tmp_path, **DEAR).translate(["abc"])
    assert len(server.requests) == 1
    assert SECRET not in str(stopped.value)
    assert "translators.mine" in str(stopped.value)
    assert paid(tmp_path) == 0.0


def test_a_key_that_an_outage_quotes_is_not_shown(server: Server) -> None:
    server.before = lambda body: (500, f"<pre>api_key={SECRET}</pre>")
    (found,) = backend(server).translate(["abc"])
    assert SECRET not in found.reason


# --- the verb ------------------------------------------------------------------------------------


def rows(folder: Path, n: int) -> Path:
    path = folder / "d.en.parquet"
    made = [
        Conversation(
            id=f"r{k:03}",
            lang="en",
            dataset="d",
            source="s",
            messages=[Message("user", f"question {k:03}"), Message("assistant", f"answer {k:03}")],
        )
        for k in range(n)
    ]
    write_records(path, made, Conversation)
    return path


def options(folder: Path, server: Server, n: int = 20, **more: Any) -> list[str]:
    spec: dict[str, Any] = {"version": 1, "dataset": "d", "lang": "de", "pivot": "en"}
    spec |= {"shard": 0, "shards": 1, "translator_name": "mine"}
    spec["translator"] = {"backend": server.kind, "server_url": server.url} | more
    return [
        *("translate", *as_options(json.dumps(spec)), "--input", str(rows(folder, n))),
        *("--journal", str(folder / "journals" / "d.de.0.jsonl")),
        *("--output", str(folder / "o.parquet"), "--manifest", str(folder / "o.json")),
    ]


def test_consent_is_asked_before_the_first_text(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = {"price_per_million_chars": 1e5}  # 440 characters for 44 dollars
    assert main(options(tmp_path, server, confirm_cost=43.0, **few)) != 0
    said = capsys.readouterr().err
    assert "set `translators.mine.confirm_cost` to at least 44.00" in said
    assert "Nothing was asked" in said
    assert not sent(server)
    assert main(options(tmp_path, server, confirm_cost=44.0, **few)) == 0
    assert Counter(sent(server)).most_common(1)[0][1] == 1
    assert read_json(tmp_path / "o.json")["spent"] == pytest.approx(44.0)
    # What is there needs no new consent, and costs nothing.
    assert main(options(tmp_path, server, confirm_cost=1.0, **few)) == 0
    assert len(sent(server)) == 40


def test_a_cap_within_the_agreed_sum_needs_no_consent_and_is_kept(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    money = {"price_per_million_chars": 1e5, "max_cost": 20.0, "confirm_cost": 20.0}
    small = {"batch_texts": 4} if server.kind == "libretranslate" else {}
    code = main(options(tmp_path, server, **money, **small))
    assert code != 0
    assert "max_cost" in capsys.readouterr().err
    assert sum(map(len, sent(server))) * 0.1 <= 20.0


def test_killed_it_resumes_and_sends_no_text_again(server: Server, tmp_path: Path) -> None:
    """kill -9 between two calls: the second run sends what the first did not."""
    texts = 200
    if server.kind == "libretranslate":
        more: dict[str, Any] = {"batch_texts": 20, "max_chars": 5000}
    else:
        more = {}

    def slow(body: Any) -> None:
        # The kill falls into the wait before a later call's reply; what came before is kept.
        if len(server.requests) > 1:
            time.sleep(3.0)

    server.before = slow
    money = {"price_per_million_chars": 1e3, "confirm_cost": 1e6, "concurrency": 1}
    arguments = options(tmp_path, server, 200, **money, **more)
    process = subprocess.Popen(
        [sys.executable, "-m", "babelmix", *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT / "workflow")},
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    until = time.monotonic() + 60
    while len(server.requests) < 2 and time.monotonic() < until:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    first = Counter(sent(server))
    lost = Counter(texts_in(server.requests[-1][3]))  # under way when the kill came
    assert len(server.requests) == 2
    assert not (tmp_path / "o.parquet").exists()
    server.before = lambda body: None
    assert main(arguments) == 0
    assert Counter(sent(server)) - first == Counter(
        {f"{what} {k:03}": 1 for what in ("question", "answer") for k in range(texts)}
    ) - (first - lost)
    found = read_records(tmp_path / "o.parquet", Conversation)
    assert [m.content for row in found for m in row.messages] == [
        f"{what} {k:03}" for k in range(texts) for what in ("QUESTION", "ANSWER")
    ]
    manifest = read_json(tmp_path / "o.json")
    assert manifest["reused"] == (first - lost).total()


def test_an_outage_in_the_middle_is_paid_for_once(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = {"batch_texts": 20, "max_chars": 5000} if server.kind == "libretranslate" else {}
    money = {"price_per_million_chars": 1e3, "confirm_cost": 1e6, "concurrency": 1}
    down = {"is": True}
    server.before = lambda body: (503, PAGE) if down["is"] and len(server.requests) > 1 else None
    arguments = options(tmp_path, server, 200, **money, **small)
    assert main(arguments) != 0
    assert "HTTP 503" in capsys.readouterr().err
    done = Counter(texts_in(server.requests[0][3]))
    down["is"] = False
    server.requests.clear()
    assert main(arguments) == 0
    assert not Counter(sent(server)) & done
    assert len(sent(server)) == 400 - done.total()


def test_a_wrong_setting_names_the_fix(server: Server) -> None:
    with pytest.raises(BabelmixError, match=r"unknown .* language 'xx'"):
        backend(server, "xx")
    assert not server.requests
