"""Rows: what was paid before stays paid: earlier journals, interruptions, kills, probes."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any

from babelmix.io import digest

from . import refusals
from .bill import Price
from .driver import CAPPED, JUDGE, STOPPED, WHOLE
from .models import PRICE, Model, is_sent, translation, when
from .server import Call, Simulator
from .table import Bench, row


def earlier_judge_journal(bench: Bench, server: Simulator, lines: int | None = None) -> float:
    """Write the journal that the former judging client kept of these very calls; its dollars."""
    entries = []
    for call in server.posts():
        depends_on = {
            "model": "m",
            "temperature": 0.0,
            "max_tokens": JUDGE["max_tokens"],
            "messages": call.messages,
        }
        entry = {"key": digest(depends_on), "text": "As before. Rating: [[4]]", "truncated": False}
        entries.append(entry | {"tokens_in": 100, "tokens_out": 10, "cost": 0.014, "model": "m"})
    chosen = entries[:lines]
    path = bench.folder / "journals" / "judge" / "b.j.single" / "run.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(entry) + "\n" for entry in chosen), encoding="utf-8")
    return 0.014 * len(chosen)


@row("kept", "a judge's journal of the former client: nothing is asked again", quick=True)
def earlier_judge(bench: Bench) -> None:
    root = bench.folder
    server = bench.serve(Model())
    bench.folder = root.with_name("first")
    bench.folder.mkdir()
    bench.judge(server.base_url, 20)
    asked = len(server.posts())
    bench.folder = root
    earlier_judge_journal(bench, server)
    run = bench.judge(server.base_url, 20)
    bench.scored = f"{run.scored} of 20"
    bench.equal((run.code, run.scored), (WHOLE, 20), "status, scored")
    bench.equal({r.score for r in run.rows}, {4.0}, "scores of the earlier replies")
    bench.equal(len(server.posts()) - asked, 0, "calls")


@row("kept", "what a judge spent before the ledger was kept counts against its cap")
def earlier_judge_cap(bench: Bench) -> None:
    root = bench.folder
    server = bench.serve(Model())
    bench.folder = root.with_name("first")
    bench.folder.mkdir()
    bench.judge(server.base_url, 40)
    asked, before = len(server.posts()), server.bill.dollars
    bench.folder = root
    spent = earlier_judge_journal(bench, server, 20)
    run = bench.judge(server.base_url, 40, max_cost=spent + 0.4)
    bench.equal(run.code, CAPPED, "status")
    new = bench.billed() - before
    bench.scored = f"{len(server.posts()) - asked} calls"
    bench.check(new <= 0.4 + PRICE.dollars(200, 500), f"0.40 was left, billed {new:.3f}")


@row("kept", "a translator's journal and amounts of the former client", quick=True)
def earlier_translator(bench: Bench) -> None:
    root = bench.folder
    server = bench.serve(Model(translation))
    bench.folder = root.with_name("first")
    bench.folder.mkdir()
    bench.translate(server.base_url, 20)
    asked, before = len(server.posts()), bench.billed()
    bench.folder = root
    settings = {
        "backend": "openai",
        "model": "m",
        "temperature": 0.0,
        "max_tokens": 500,
        "prompt": server.posts()[0].messages[0]["content"],
    }
    common = digest([settings, "en", "de"])
    folder = bench.folder / "journals" / "translate"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        {"key": digest(f"{common}\n\n{call.messages[1]['content']}"), "text": f"ALT {call.number}"}
        for call in server.posts()[:15]
    ]
    path = folder / "d.de.0.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    (folder / "t.spent.jsonl").write_text('{"dollars": 3.0}\n', encoding="utf-8")
    low = bench.translate(server.base_url, 20, max_cost=3.0)
    bench.equal(low.code, CAPPED, "status where the earlier amounts fill the cap")
    bench.equal(len(server.posts()) - asked, 0, "calls under the full cap")
    run = bench.translate(server.base_url, 20, max_cost=9.0)
    bench.scored = f"{run.translated} of 20"
    bench.equal((run.code, run.translated), (WHOLE, 20), "status, translated")
    bench.equal(len(server.posts()) - asked, 5, "calls")
    new = bench.billed() - before
    bench.check(abs(bench.ledger() - 3.0 - new) < 0.005, f"ledger {bench.ledger():.3f}: 3 + {new}")


@row(
    "kept",
    "Ctrl-C: calls under way are waited for, journalled, and not bought again",
    quick=True,
)
def interrupted(bench: Bench) -> None:
    for number, sent in enumerate((signal.SIGINT, signal.SIGTERM)):
        server = bench.serve(Model(work_s=0.4))
        name = f"run{number}"
        texts = [f"{name} {i}." for i in range(60)]
        verb = bench.start_judge(server.base_url, texts, run=name)
        end = time.monotonic() + 15
        while len(server.posts()) < 12 and time.monotonic() < end:
            time.sleep(0.01)
        assert verb.process.pid is not None
        os.kill(verb.process.pid, sent)
        run = verb.wait(20)
        bench.equal(run.code, 128 + sent, "status")
        bench.check("Traceback" not in run.said, run.said[-300:])
        bench.check(run.seconds < 15, f"it took {run.seconds:.0f} s to stop")
        done = bench.judge(server.base_url, texts, run=name)
        bench.equal((done.code, done.scored), (WHOLE, 60), "status, scored of the next run")
    bench.none_twice()
    bench.exact()


@row("kept", "SIGTERM twice: the second ends at once; what is under way stays charged")
def interrupted_twice(bench: Bench) -> None:
    server = bench.serve(Model(work_s=6.0))
    verb = bench.start_judge(server.base_url, 20)
    end = time.monotonic() + 15
    while len(server.posts()) < 8 and time.monotonic() < end:
        time.sleep(0.01)
    assert verb.process.pid is not None
    os.kill(verb.process.pid, signal.SIGTERM)
    time.sleep(1.3)
    bench.check(verb.process.is_alive(), "the first signal did not wait")
    began = time.monotonic()
    os.kill(verb.process.pid, signal.SIGTERM)
    run = verb.wait(20)
    bench.equal(run.code, -signal.SIGTERM, "status")
    bench.says(run, "SIGTERM", "second signal")
    bench.check(time.monotonic() - began < 1.0, "the second signal did not end it at once")
    bench.covered()


@row("kept", "kill -9 ten times at random moments: what is journalled is never asked again")
def killed_often(bench: Bench) -> None:
    server = bench.serve(Model(lambda c: f"#{c.number}# Rating: [[7]]", work_s=0.03))
    texts = [f"Text {i}." for i in range(400)]
    again = 0
    for number in range(10):
        before = len(server.posts())
        held = {e["text"].split("#")[1] for e in bench.entries()}
        prompts = {server.calls[int(n)].prompt for n in held}
        verb = bench.start_judge(server.base_url, texts, concurrency=16)
        end = time.monotonic() + 15
        while len(server.posts()) == before and time.monotonic() < end:
            time.sleep(0.005)
        time.sleep(0.03 + 0.037 * number % 0.2)
        verb.kill()
        again += sum(call.prompt in prompts for call in server.posts()[before:])
    server.settle()
    run = bench.judge(server.base_url, texts, concurrency=16)
    bench.scored = f"{run.scored} of 400"
    bench.equal((run.code, run.scored), (WHOLE, 400), "status, scored")
    bench.equal(again, 0, "prompts asked although their replies were journalled")
    bench.check(len(server.posts()) <= 400 + 10 * 16, f"{len(server.posts())} requests")
    bench.covered()


@row("kept", "killed with calls under way: their worst case stays charged, the rest is exact")
def killed_once(bench: Bench) -> None:
    server = bench.serve(Model(work_s=0.3))
    verb = bench.start_judge(server.base_url, 40, concurrency=8, max_cost=50.0)
    while len(server.posts()) < 20:
        time.sleep(0.01)
    verb.kill()
    run = bench.judge(server.base_url, 40, concurrency=8, max_cost=50.0)
    bench.scored = f"{run.scored} of 40"
    bench.equal((run.code, run.scored), (WHOLE, 40), "status, scored")
    over = bench.ledger() - bench.billed()
    # Eight calls were under way at most; each is promised at its prompt's bytes and 500 tokens.
    bench.check(-0.005 <= over <= 8 * PRICE.dollars(1500, 500), f"ledger is {over:.3f} over")


@row("kept", "structured output: the probe is a call like the others (three kinds of server)")
def structured(bench: Bench) -> None:
    root = bench.folder

    def keeps(call: Call) -> str:
        wanted = call.body.get("response_format")
        if wanted is None:
            return "Rating: [[7]]"
        properties = wanted["json_schema"]["schema"]["properties"]
        made: dict[str, Any] = {
            name: rule["enum"][0] if "enum" in rule else 8 if rule["type"] == "number" else "Fine."
            for name, rule in properties.items()
        }
        return json.dumps(made)

    refuse = when(is_sent("response_format"), refusals.error(400, "response_format: no", param="x"))
    for number, (model, score) in enumerate(
        ((Model(), 7.0), (Model(keeps), 8.0), (Model(checks=(refuse,)), 7.0))
    ):
        bench.folder = root / str(number)
        bench.folder.mkdir(parents=True)
        server = bench.serve(model)
        run = bench.judge(server.base_url, 10, structured="auto")
        bench.equal((run.code, {r.score for r in run.rows}), (WHOLE, {score}), "status, scores")
        server.settle()
        ledger = bench.ledger()
        bench.check(
            abs(ledger - server.bill.dollars) < 0.005,
            f"billed {server.bill.dollars:.3f}, ledger {ledger:.3f}",
        )


@row("kept", "two judges of one study set: each has a cap of its own")
def two_judges(bench: Bench) -> None:
    server = bench.serve(Model())
    first = bench.judge(server.base_url, 30, max_cost=0.6)
    second = bench.judge(server.base_url, 30, judge_name="k", model="n", max_cost=50.0)
    bench.scored = f"{first.code}, {second.code}"
    bench.equal((first.code, second.code, second.scored), (CAPPED, WHOLE, 30), "statuses, scored")
    bench.exact()


@row("kept", "a cap below a single call's worst case: nothing is asked, and it is said")
def cap_below_one(bench: Bench) -> None:
    server = bench.serve(Model())
    run = bench.judge(server.base_url, 20, max_cost=0.01)
    bench.equal((run.code, len(server.posts())), (CAPPED, 0), "status, calls")
    bench.says(run, "max_cost")


@row("kept", "max_cost on a host of unknown price asks for one before the first call")
def cap_without_price(bench: Bench) -> None:
    server = bench.serve(Model())
    run = bench.judge(server.base_url, 20, price_in=None, price_out=None, max_cost=1.0)
    bench.equal((run.code, len(server.posts())), (STOPPED, 0), "status, calls")
    bench.says(run, "price_in")


@row("kept", "prices of 0 are prices: a served model is free, and a cap holds nothing back")
def free_of_charge(bench: Bench) -> None:
    server = bench.serve(Model(price=Price(0.0, 0.0)))
    run = bench.judge(server.base_url, 20, price_in=0.0, price_out=0.0, confirm_cost=None)
    bench.scored = f"{run.scored} of 20"
    bench.equal((run.code, run.scored), (WHOLE, 20), "status, scored")
    bench.exact()


@row("kept", "the ledger's last line is torn (a killed writer): it is read all the same")
def torn_ledger(bench: Bench) -> None:
    server = bench.serve(Model())
    bench.judge(server.base_url, 20, run="run0")
    for path in (bench.folder / "journals").rglob("*.jsonl"):
        with path.open("ab") as handle:
            handle.write(b'{"id": "abc", "state": "res')
    run = bench.judge(server.base_url, 20, run="run1")
    bench.equal((run.code, run.scored), (WHOLE, 20), "status, scored")
    asked = len(server.posts())
    again = bench.judge(server.base_url, 20, run="run0")
    bench.equal((again.code, again.scored), (WHOLE, 20), "status, scored of the first, again")
    bench.equal(len(server.posts()), asked, "requests in all")
    bench.exact()
