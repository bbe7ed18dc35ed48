"""A chat model as translator: the real client, hostile loopback servers, money, kills."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.batch_service import BatchService, reply
from tests.loopback import Action, Request, ScriptedServer, error, garbage, text
from tests.options import as_options

from babelmix.cli import main
from babelmix.errors import BabelmixError
from babelmix.io import canonical_json, read_json, read_records, write_records
from babelmix.records import Conversation, Message
from babelmix.service import CapReachedError, Ledger
from babelmix.specs import TranslateSpec
from babelmix.translate.backends import Failure, make_backend
from babelmix.translate.shard import translate_shard

SECRET = "sk-very-secret"


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("babelmix.service.retry.WAIT_SCALE", 0.001)


def spec(base_url: str, lang: str = "de", **more: Any) -> TranslateSpec:
    translator = {"backend": "openai", "model": "m", "base_url": base_url, "concurrency": 1} | more
    given = {"version": 1, "dataset": "d", "lang": lang, "pivot": "en", "shard": 0, "shards": 1}
    given |= {"translator_name": "mine", "translator": translator}
    return TranslateSpec.model_validate(given)


def conversations(*texts: str) -> list[Conversation]:
    rows = enumerate(texts)
    return [Conversation(f"r{n}", "en", "d", "s", [Message("user", t)]) for n, t in rows]


def shard(texts: list[str], server: ScriptedServer, journal: Path, lang: str = "de") -> Any:
    return translate_shard(conversations(*texts), spec(server.base_url, lang), str(journal))


def contents(rows: list[Conversation]) -> list[str]:
    return [row.messages[0].content for row in rows]


def upper(request: Request) -> Action:
    return text(request.prompt.upper())


# --- one request ---------------------------------------------------------------------------------


def test_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", SECRET)
    with ScriptedServer(upper) as server:
        made = make_backend(spec(server.base_url, key_env="MY_KEY"))
        assert made.translate(["a {x}", "b"]) == ["A {X}", "B"]
    request = server.requests[0]
    assert request.headers["authorization"] == f"Bearer {SECRET}"
    assert request.body["messages"][1] == {"role": "user", "content": "a {x}"}
    assert "from English into German" in request.body["messages"][0]["content"]
    assert (request.body["temperature"], request.body["max_tokens"]) == (0.0, 4096)


def test_failures_of_content() -> None:
    replies = {
        "long": text("half a", "length"),
        "filtered": text(None, "content_filter"),
        "empty": text("  "),
        "refused": error(400),
        "an answer": text("word " * 200),
    }
    with ScriptedServer(lambda r: replies[r.prompt]) as server:
        found = make_backend(spec(server.base_url)).translate(list(replies))
    assert found == [
        Failure("cut at max_tokens"),
        Failure("content filter: the server stopped the reply"),
        Failure("gave up after 3 tries: empty reply", content=False),
        Failure("HTTP 400: no"),
        Failure("an answer instead of a translation: far longer than its text"),
    ]


def test_newer_models_name_the_limit_otherwise() -> None:
    def script(request: Request) -> Action:
        if "max_tokens" in request.body:
            return error(400, "unsupported_parameter", param="max_tokens")
        return upper(request)

    with ScriptedServer(script) as server:
        assert make_backend(spec(server.base_url)).translate(["a", "b"]) == ["A", "B"]
    assert [sorted(r.body)[0] for r in server.requests] == [
        "max_tokens",
        "max_completion_tokens",
        "max_completion_tokens",
    ]


@pytest.mark.parametrize(
    ("action", "said"),
    [
        (error(401), "the key in MY_KEY was refused"),
        (error(404), "Check `model`"),
        (error(429, "insufficient_quota"), "no credit left"),
        (Action(307, headers={"location": "http://127.0.0.1:1/"}), "Check `base_url`"),
    ],
)
def test_what_stops_the_job(monkeypatch: pytest.MonkeyPatch, action: Action, said: str) -> None:
    monkeypatch.setenv("MY_KEY", SECRET)
    with ScriptedServer(lambda r: action) as server, pytest.raises(BabelmixError) as caught:
        make_backend(spec(server.base_url, key_env="MY_KEY")).translate(["yes"])
    assert said in str(caught.value)
    assert SECRET not in str(caught.value)
    assert len(server.requests) == 1


def test_a_server_that_answers_nobody_stops_the_job() -> None:
    with (
        ScriptedServer(lambda r: error(503)) as server,
        pytest.raises(BabelmixError, match=r"5 calls in a row failed.*HTTP 503"),
    ):
        make_backend(spec(server.base_url)).translate(list("abcdefgh"))
    assert len(server.requests) == 5 * 7


def test_it_never_takes_another_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client would send OPENAI_API_KEY to any base_url when it is given no key."""
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.delenv("MY_KEY", raising=False)
    with pytest.raises(BabelmixError, match="environment variable MY_KEY"):
        make_backend(spec("https://llm.example.org/v1", key_env="MY_KEY"))
    with ScriptedServer(upper) as server:  # a local server needs none
        assert make_backend(spec(server.base_url, key_env="MY_KEY")).translate(["a"]) == ["A"]
    assert SECRET not in canonical_json(server.requests[0].headers)


def test_the_key_of_the_journal_holds_no_secret_host_price_or_mode() -> None:
    local = "http://127.0.0.1:1/v1"
    one = make_backend(spec(local)).settings
    runtime = {"concurrency": 3, "price_in": 1, "price_out": 2, "max_cost": 5, "mode": "batch"}
    other = spec("http://localhost:2/v1", timeout_s=3, requests_per_minute=5, **runtime)
    assert make_backend(other).settings == one
    assert make_backend(spec(local, temperature=0.5)).settings != one
    assert other.translator.essence() == spec(local).translator.essence()
    assert other.translator.essence().with_runtime(other.translator) == other.translator


def test_languages_without_a_name() -> None:
    local = "http://127.0.0.1:1/v1"
    assert "code 'xx'" in make_backend(spec(local, "xx")).settings["prompt"]
    swiss = spec(local, "de-CH").model_copy(update={"lang_codes": {"openai": "Swiss German"}})
    assert "into Swiss German" in make_backend(swiss).settings["prompt"]


# --- a hostile server ----------------------------------------------------------------------------

TEXTS = [f"sentence number {n} with `code` in it" for n in range(24)]


def hostile(request: Request) -> Action:
    """Every kind of failure once for its text, then the translation; two texts never get one."""
    prompt = request.prompt
    before = SEEN[prompt]
    SEEN[prompt] += 1
    for number, action in FAILING.items():
        if f"number {number} with XQ1X" in prompt and before == 0:
            return action
    if "number 20 " in prompt:
        return text("  ")
    if "number 21 " in prompt:
        return text("Sure! Here is a long answer to what you asked me. " * 40)
    return text(prompt.replace("sentence number", "Satz Nummer").replace("with", "mit"))


SEEN: Counter[str] = Counter()
FAILING = {
    1: error(429, retry_after="0.3"),
    3: error(500),
    5: text("late", wait_s=1.5),
    7: text("x" * 400, cut=True),
    9: garbage(),
    11: error(502),
    13: text("without its mask"),
    15: text("a byte at a time, each of them in time", drip_s=0.05),
    17: garbage('{"choices": [{"message": {"content": "Straße"}}]}'.encode("latin-1")),
}


def test_nothing_is_lost_or_bought_twice(tmp_path: Path) -> None:
    SEEN.clear()
    rows = conversations(*TEXTS, TEXTS[0])
    with ScriptedServer(hostile) as server:
        given = spec(server.base_url, timeout_s=0.7, concurrency=4, accept_failures=0.05)
        made, manifest = translate_shard(rows, given, str(tmp_path / "d.de.0.jsonl"))
        first = len(server.requests)
        again, second = translate_shard(rows, given, str(tmp_path / "d.de.0.jsonl"))
    assert len(made) == len(rows)
    failed = [row.id for row in made if not row.checks[0].ok]
    assert failed == ["r20", "r21"]
    assert manifest["failed_by_reason"] == {
        "gave up after 3 tries: empty reply": 1,
        "an answer instead of a translation: far longer than its text": 1,
    }
    assert manifest["rows_in"] == manifest["rows_out"] == 25
    assert contents(made)[13] == "Satz Nummer 13 mit `code` in it", "asked for between its masks"
    # What was translated was answered with a translation exactly once; failures were tried again.
    assert SEEN["sentence number 0 with XQ1X in it"] == 1
    assert SEEN["sentence number 1 with XQ1X in it"] == 2
    # The second run asks only for what failed, in its smallest parts.
    asked = {r.prompt for r in server.requests[first:]}
    assert all("number 20 " in prompt or "number 21 " in prompt for prompt in asked)
    assert contents(again) == contents(made)
    assert second["reused"] >= 22
    # The request after the 429 waited for what the server asked.
    limited = next(n for n, r in enumerate(server.requests) if "number 1 " in r.prompt)
    later = [t for t in server.times if t > server.times[limited]]
    assert max(b - a for a, b in zip([server.times[limited], *later], later, strict=False)) > 0.2


def test_a_message_that_loses_its_lines_is_asked_for_line_by_line(tmp_path: Path) -> None:
    message = "# Title\n\n- one\n- two `x`\n\n```\ncode = 1\n```\nEnd."

    def script(request: Request) -> Action:
        whole = "\n" in request.prompt
        return text("Alles in einer Zeile XQ1X XQ2X" if whole else request.prompt.upper())

    with ScriptedServer(script) as server:
        made, _ = shard([message], server, tmp_path / "j")
        asked = len(server.requests)
        shard([message], server, tmp_path / "j")
    assert contents(made) == ["# TITLE\n\n- ONE\n- TWO `x`\n\n```\ncode = 1\n```\nEND."]
    assert len(server.requests) == asked == 5, "the refused whole is not bought again"


def test_a_message_goes_as_one_request(tmp_path: Path) -> None:
    with ScriptedServer(upper) as server:
        message = "# Title\n\n- one\n- two `x`\n\n```\ncode = 1\n```\nEnd."
        made, _ = shard([message], server, tmp_path / "j")
    assert contents(made) == ["# TITLE\n\n- ONE\n- TWO `x`\n\n```\ncode = 1\n```\nEND."]
    assert [r.prompt for r in server.requests] == ["# Title\n\n- one\n- two XQ1X\n\nXQ2X\nEnd."]


# --- money ---------------------------------------------------------------------------------------

PRICES = {"price_in": 1000.0, "price_out": 1000.0, "max_tokens": 100}


def test_the_cap_stops_cleanly_and_keeps_everything(tmp_path: Path, capsys: Any) -> None:
    rows = conversations(*(f"text {n}" for n in range(30)))
    write_records(tmp_path / "d.en.parquet", rows, Conversation)

    def call(cap: float) -> int:
        given = spec(
            server.base_url, concurrency=3, max_cost=cap, confirm_cost=99, **PRICES
        ).model_dump_json()
        options = {"input": "d.en.parquet", "journal": "d.de.0.jsonl", "output": "o.parquet"}
        options |= {"manifest": "m.json"}
        flat = [t for n, v in options.items() for t in (f"--{n}", str(tmp_path / v))]
        return main(["translate", *as_options(given), *flat])

    # A reply of 100 + 20 tokens costs 0.12 dollars; a promise is larger.
    with ScriptedServer(upper) as server:
        assert call(2.0) == 3
        said = capsys.readouterr().err
        assert "stopped before a call that could cost" in said
        assert "`max_cost` of 2" in said
        assert "raise `translators.mine.max_cost`" in said
        bought = len(server.requests)
        # A prompt has at most as many tokens as bytes: a call's worst case is some 0.7 dollars.
        assert 9 <= bought <= 16
        assert not (tmp_path / "o.parquet").exists()
        spent = Ledger(tmp_path / "spending", "translators.mine").total()
        assert spent == pytest.approx(0.12 * bought)
        assert call(2.0) == 3
        assert len(server.requests) == bought, "no call fits any more"
        assert call(100.0) == 0
        assert len(server.requests) == 30
    assert read_json(tmp_path / "m.json")["spent"] == pytest.approx(0.12 * (30 - bought))
    assert "of 100 US dollars spent" in capsys.readouterr().err


def test_a_cap_needs_a_price() -> None:
    local = spec("http://127.0.0.1:1/v1", max_cost=1)
    with pytest.raises(BabelmixError, match="no price is known"):
        translate_shard([], local, "unused/j.jsonl")
    far = spec("https://llm.example.org/v1", key_env="MY_KEY")
    with pytest.raises(BabelmixError, match="no price is known for it"):
        translate_shard([], far, "unused/j.jsonl")


def test_rates_are_kept(tmp_path: Path) -> None:
    with ScriptedServer(upper) as server:
        given = spec(server.base_url, requests_per_minute=600, concurrency=4)
        translate_shard(conversations(*"abcdefgh"), given, str(tmp_path / "j"))
    gaps = [b - a for a, b in zip(server.times, server.times[1:], strict=False)]
    assert sum(gaps) > 0.1 * 7 * 0.9


def test_other_shards_journals_are_used(tmp_path: Path) -> None:
    with ScriptedServer(upper) as server:
        shard(["a", "b"], server, tmp_path / "d.de.0.jsonl")
        for _ in range(2):
            _, manifest = shard(["b", "c"], server, tmp_path / "d.de.1.jsonl")
        shard(["b", "c"], server, tmp_path / "d.fr.1.jsonl", lang="fr")
    assert [r.prompt for r in server.requests] == ["a", "b", "c", "b", "c"]
    assert manifest["reused"] == 2


# --- kills ---------------------------------------------------------------------------------------


def start(tmp_path: Path, given: TranslateSpec) -> subprocess.Popen[bytes]:
    call = [sys.executable, "-m", "babelmix", "translate", *as_options(given.model_dump_json())]
    names = {"input": "in.parquet", "journal": "d.de.0.jsonl", "output": "o.parquet"}
    for option, name in (names | {"manifest": "m.json"}).items():
        call += [f"--{option}", str(tmp_path / name)]
    return subprocess.Popen(call, start_new_session=True, stderr=subprocess.PIPE)


def test_killed_it_loses_at_most_the_calls_under_way(tmp_path: Path) -> None:
    write_records(
        tmp_path / "in.parquet", conversations(*(f"t {n}" for n in range(60))), Conversation
    )

    def slow(request: Request) -> Action:
        return text(request.prompt.upper(), wait_s=0.05)

    with ScriptedServer(slow) as server:
        given = spec(server.base_url, concurrency=3)
        for share in (15, 35):
            process = start(tmp_path, given)
            until = time.monotonic() + 60
            while len(server.requests) < share and time.monotonic() < until:
                time.sleep(0.01)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        assert start(tmp_path, given).wait() == 0
    counts = Counter(r.prompt for r in server.requests)
    assert len(counts) == 60
    assert sum(counts.values()) - 60 <= 2 * 3, "more than the calls under way were lost"
    assert contents(read_records(tmp_path / "o.parquet", Conversation))[7] == "T 7"


# --- the Batch API -------------------------------------------------------------------------------


def batch(service: BatchService, **more: Any) -> TranslateSpec:
    return spec(service.base_url, mode="batch", poll_s=0.02, **more)


def german(body: dict[str, Any]) -> tuple[int, Any]:
    prompt = str(body["messages"][-1]["content"])
    return reply(prompt.replace("sentence number", "Satz Nummer").replace("with", "mit"))


def hostile_batch(before: int, body: dict[str, Any]) -> tuple[int, Any] | None:
    """Some requests expire or fail at first; one is empty, one an answer, one refused for good."""
    prompt = body["messages"][-1]["content"]
    if "number 1 " in prompt and before == 0:
        return None
    if "number 3 " in prompt and before == 0:
        return 500, {"error": {"message": "oops"}}
    if "number 5 " in prompt and before == 0:
        return 429, {"error": {"message": "slow"}}
    if "number 7 " in prompt:
        return 400, {"error": {"message": "no"}}
    if "number 20 " in prompt:
        return reply(" ")
    if "number 21 " in prompt:
        return reply("Sure! Here is a long answer to what you asked me. " * 40)
    return german(body)


def test_batches_lose_nothing_and_buy_nothing_twice(tmp_path: Path) -> None:
    rows = conversations(*TEXTS)
    with BatchService(hostile_batch) as service:
        service.cut_output = True
        given = batch(service, price_in=2.0, price_out=8.0, accept_failures=0.05)
        made, manifest = translate_shard(rows, given, str(tmp_path / "d.de.0.jsonl"))
        asked = sum(service.asked.values())
        again, _ = translate_shard(rows, given, str(tmp_path / "d.de.0.jsonl"))
        realtime = spec("http://127.0.0.1:1/v1")
        assert make_backend(realtime).settings == make_backend(given).settings
    assert [row.id for row in made if not row.checks[0].ok] == ["r7", "r20", "r21"]
    assert manifest["failed_by_reason"] == {
        "HTTP 400: no": 1,
        "empty reply": 1,
        "an answer instead of a translation: far longer than its text": 1,
    }
    assert contents(again) == contents(made)
    whole = {t: n for t, n in service.bought.items() if "number" in t and "XQ1X" in t}
    good = {t: n for t, n in whole.items() if not any(f"number {n} " in t for n in (7, 20, 21))}
    assert len(good) == 21
    # One line of the first output was cut off: that request alone had to be asked for once more.
    assert sorted(good.values())[-2:] == [1, 2]
    assert sum(service.asked.values()) - asked <= 3 * 2, "a rerun asks for the failed parts alone"
    # 100 tokens in, 20 out; a discount only where the price list has one. The line that was cut off
    # is charged at its worst, 4,096 tokens: its usage is not known.
    told = sum(service.bought.values()) * 360e-6
    assert 0.7 * told <= manifest["spent"] - 4096 * 8e-6 <= 1.3 * told


def test_a_batch_survives_the_job_that_sent_it(tmp_path: Path) -> None:
    rows = conversations(*TEXTS)
    write_records(tmp_path / "in.parquet", rows, Conversation)
    with BatchService(lambda n, body: german(body), polls=10**9) as service:
        process = start(tmp_path, batch(service, price_in=2.0, price_out=8.0, max_cost=50))
        until = time.monotonic() + 60
        while not service.looks and time.monotonic() < until:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        service.polls = 1
        given = batch(service, price_in=2.0, price_out=8.0, max_cost=50)
        made, manifest = translate_shard(rows, given, str(tmp_path / "d.de.0.jsonl"))
        spent = Ledger(tmp_path / "spending", "translators.mine").total()
    assert len(service.batches) == 1
    assert set(service.bought.values()) == {1}
    assert all(row.checks[0].ok for row in made)
    assert manifest["rows_out"] == 24
    assert spent == pytest.approx(24 * 360e-6)


def test_a_batch_whose_number_was_never_noted_is_found_again(tmp_path: Path) -> None:
    rows = conversations(*TEXTS)
    with BatchService(lambda n, body: german(body)) as service:

        def killed() -> None:
            raise OSError("the line went dead")

        service.on_create = killed
        given = batch(service)
        made, _ = translate_shard(rows, given, str(tmp_path / "j"))
        sent = 1  # the answer to its creation was lost; the next try finds it there
    assert all(row.checks[0].ok for row in made)
    assert len(service.batches) == sent
    notes = (tmp_path / "j.batches.jsonl").read_text().splitlines()
    assert json.loads(notes[0])["state"] == "sending"


def test_a_cap_sends_only_the_batches_that_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("babelmix.service.batch.MOST_REQUESTS", 8)
    with BatchService(lambda n, body: german(body)) as service:
        # A request's worst case is some 0.75 dollars and costs 0.12: not all 24 fit.
        given = batch(
            service, price_in=1000.0, price_out=1000.0, max_tokens=100, max_cost=2.5, confirm_cost=9
        )
        with pytest.raises(CapReachedError):
            translate_shard(conversations(*TEXTS), given, str(tmp_path / "j"))
    assert 8 <= sum(service.bought.values()) < 24
    spent = Ledger(tmp_path / "spending", "translators.mine").total()
    assert spent == pytest.approx(0.12 * sum(service.bought.values()))
    kept = [json.loads(line) for line in (tmp_path / "j").read_text().splitlines()]
    assert sum("text" in entry for entry in kept) == sum(service.bought.values())
