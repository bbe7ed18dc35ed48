"""Random studies against random providers: prices, concurrency, failures, kills, a cap.

    python -m tests.providers.random_runs --runs 200 --seed 1

Each run is drawn from its own seed, so that one that fails can be played again alone
(`--only SEED`). What must hold in all of them:

- billed is at most the cap and one reply's worst case, over all jobs, kills and restarts;
- the ledger is no less than the bill, and the same to the cent where the provider reports the
  usage of all that it billed;
- what a journal holds when a job starts is not asked again by it.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import bodies, refusals
from .bill import Price
from .driver import TIMED_OUT, Desk, Verb
from .models import Model
from .rows_money import AMHARIC, DIGITS, LATEX, TABLE
from .server import Answer, Call, Simulator
from .table import CENT

PIECES = (AMHARIC, DIGITS, LATEX, TABLE, "A plain sentence, as most of them are. ")
_NUMBER = re.compile(r"#(\d+)#")
MAX_TOKENS = 300


@dataclass
class Drawn:
    """One random run: what was drawn."""

    seed: int
    verb: str
    price: Price
    texts: list[str]
    cap: float
    concurrency: int
    jobs: int
    kills: list[float]
    usage: str
    shares: dict[str, float]
    work_s: float

    @property
    def reported(self) -> bool:
        """Whether the provider reports the usage of all that it bills, to a client that lives."""
        unseen = {"cut", "reset", "late", "broken"} & self.shares.keys()
        return self.usage != "none" and not unseen and not self.kills


@dataclass
class Played:
    """What came of it."""

    drawn: Drawn
    billed: float = 0.0
    ledger: float = 0.0
    calls: int = 0
    kept: int = 0
    codes: list[int] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def draw(seed: int) -> Drawn:
    """Draw a run."""
    rng = random.Random(seed)
    count = rng.choice((12, 25, 40, 60))
    texts = [f"{i}. " + rng.choice(PIECES) * rng.randint(1, 3) for i in range(count)]
    price = Price(10 ** rng.uniform(0.5, 3.0), 10 ** rng.uniform(1.0, 3.5))
    verb = rng.choice(("judge", "judge", "translate", "answer"))
    shares: dict[str, float] = {}
    for name in rng.sample(("429", "500", "filter", "empty", "cut", "reset", "late", "broken"),
                           rng.choice((0, 0, 1, 2, 3))):  # fmt: skip
        shares[name] = rng.uniform(0.03, 0.25)
    each = price.dollars(250, 60)
    kills = [rng.uniform(0.05, 0.9) for _ in range(rng.choice((0, 0, 0, 1, 2, 3)))]
    return Drawn(
        seed=seed,
        verb=verb,
        price=price,
        texts=texts,
        cap=max(price.dollars(3000, MAX_TOKENS) * 1.05, count * each * rng.uniform(0.2, 3.0)),
        concurrency=rng.choice((1, 2, 4, 16, 64)),
        jobs=rng.choice((1, 1, 1, 2)),
        kills=kills,
        usage=rng.choice(("openai", "openai", "gemini", "plain", "cost", "none")),
        shares=shares,
        work_s=rng.choice((0.0, 0.005, 0.03)),
    )


def provider(drawn: Drawn) -> Callable[[Call], Answer]:
    """The provider of a run: its faults are drawn by the number of the call."""
    usages = {
        "openai": bodies.openai_usage,
        "cost": bodies.openai_usage,
        "gemini": bodies.gemini_usage,
        "plain": bodies.plain_usage,
        "none": bodies.no_usage,
    }

    def write(call: Call) -> str:
        text = f"#{call.number}# "
        if drawn.verb == "translate":
            return text + str(call.messages[-1]["content"]).upper()
        return text + "It does what was asked.\n\nRating: [[7]]"

    def shape(value: dict[str, Any], call: Call) -> dict[str, Any]:
        if drawn.usage == "cost":
            used = value["usage"]
            cost = drawn.price.dollars(used["prompt_tokens"], used["completion_tokens"])
            used["cost"] = cost
        return value

    rng = random.Random(drawn.seed + 1)
    reasoning = rng.choice((0, 0, 40))
    model = Model(
        write,
        drawn.price,
        usage=usages[drawn.usage],
        shape=shape,
        reasoning=reasoning,
        work_s=drawn.work_s,
    )

    def answer(call: Call) -> Answer:
        dice = random.Random(f"{drawn.seed} {call.number}")
        for name, share in drawn.shares.items():
            if dice.random() < share:
                return _fault(name, model, call)
        return model(call)

    return answer


def _fault(name: str, model: Model, call: Call) -> Answer:
    if name == "429":
        return refusals.rate_limited("20ms")
    if name == "500":
        return refusals.server_error()
    if name in ("cut", "reset"):
        return model.but(fault=lambda call: {"fault": name})(call)
    if name == "late":
        return model.but(work_s=1.3)(call)
    if name == "broken":
        return model.billed(call, {"unexpected": True})
    if name == "empty":
        return model.but(write=lambda call: "")(call)

    def filtered(value: dict[str, Any], call: Call) -> dict[str, Any]:
        value["choices"][0]["finish_reason"] = "content_filter"
        return value

    shape = model.shape
    return model.but(finish="content_filter", shape=lambda v, c: filtered(shape(v, c), c))(call)


def start(desk: Desk, drawn: Drawn, url: str, job: int) -> Verb:
    """Start one of the run's jobs."""
    # Jobs ask of texts of their own: what one bought is no use to another.
    texts = [f"{job}/{text}" for text in drawn.texts]
    settings: dict[str, Any] = {
        "price_in": drawn.price.per_in,
        "price_out": drawn.price.per_out,
        "max_cost": drawn.cap,
        "concurrency": drawn.concurrency,
        "timeout_s": 1.0,
        "max_retries": 3,
    }
    if drawn.verb == "judge":
        return desk.start_judge(url, texts, run=f"run{job}", max_tokens=MAX_TOKENS, **settings)
    if drawn.verb == "translate":
        lang = ("de", "fr")[job]
        return desk.start_translate(
            url, texts, lang=lang, max_tokens=MAX_TOKENS, unit="message", **settings
        )
    short = [text[:300] for text in texts]
    return desk.start_answer(url, short, run=f"tuned{job}", max_new_tokens=MAX_TOKENS, **settings)


def kept_prompts(desk: Desk, simulator: Simulator) -> set[str]:
    """The prompts whose replies the journals hold: each reply tells its call's number."""
    found = set()
    for entry in desk.entries():
        if number := _NUMBER.search(str(entry.get("text", ""))):
            found.add(simulator.calls[int(number[1])].prompt)
    return found


def play(seed: int) -> Played:
    """Play one run."""
    drawn = draw(seed)
    played = Played(drawn)
    with (
        tempfile.TemporaryDirectory(prefix="random-run-") as name,
        Simulator(provider(drawn)) as simulator,
    ):
        desk = Desk(Path(name) / "set")
        for kill in [*drawn.kills, None]:
            held, first = kept_prompts(desk, simulator), len(simulator.calls)
            verbs = [start(desk, drawn, simulator.base_url, job) for job in range(drawn.jobs)]
            if kill is not None:
                wait_for_call(simulator, first, verbs)
                time.sleep(kill)
                for verb in verbs:
                    verb.kill()
            else:
                runs = [verb.wait(120.0) for verb in verbs]
                played.codes = [run.code for run in runs]
                for run in runs:
                    if run.code == TIMED_OUT or "Traceback" in run.said:
                        played.problems.append(f"status {run.code}: {run.said[-500:]}")
            simulator.settle()
            again = {call.prompt for call in simulator.calls[first:]} & held
            if again:
                played.problems.append(f"{len(again)} prompts of the journal were asked again")
        played.billed, played.ledger = simulator.bill.dollars, desk.ledger()
        played.calls, played.kept = len(simulator.posts()), desk.journalled()
        longest = max((c.tokens_in for c in simulator.bill.charges), default=0)
        worst = max(drawn.price.dollars(longest, MAX_TOKENS), simulator.bill.dearest)
        usable = simulator.bill.usable()
    if played.billed > drawn.cap + worst:
        played.problems.append(
            f"cap {drawn.cap:.4f}, billed {played.billed:.4f}, one reply {worst:.4f}"
        )
    if played.ledger < played.billed - CENT:
        played.problems.append(f"billed {played.billed:.4f}, ledger {played.ledger:.4f} is less")
    if drawn.reported and abs(played.ledger - played.billed) > CENT:
        played.problems.append(f"billed {played.billed:.4f}, ledger {played.ledger:.4f}")
    if not drawn.kills and not {"cut", "reset", "late"} & drawn.shares.keys():
        lost = usable - played.kept
        if lost > 0:
            played.problems.append(f"{lost} replies that came are in no journal")
    return played


def wait_for_call(simulator: Simulator, first: int, verbs: list[Verb]) -> None:
    """Wait until a job has asked something, or all are over."""
    end = time.monotonic() + 20
    while len(simulator.calls) == first and time.monotonic() < end:
        if all(not verb.process.is_alive() for verb in verbs):
            return
        time.sleep(0.005)


def line(played: Played) -> str:
    """One line."""
    drawn = played.drawn
    faults = " ".join(f"{name}:{share:.0%}" for name, share in drawn.shares.items())
    return (
        f"{drawn.seed:>6} {drawn.verb:<9} {len(drawn.texts):>3} texts ×{drawn.jobs} "
        f"at {drawn.concurrency:>2}, {drawn.usage:<6} {len(drawn.kills)} kills, "
        f"calls {played.calls:>4}, cap {drawn.cap:>9.3f}, billed {played.billed:>9.3f}, "
        f"ledger {played.ledger:>9.3f}, kept {played.kept:>3}, status {played.codes}  {faults}"
    )


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.providers.random_runs")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="play the run of this seed alone")
    args = parser.parse_args()
    seeds = [args.only] if args.only is not None else range(args.seed, args.seed + args.runs)
    failed = exact = kills = 0
    for seed in seeds:
        played = play(seed)
        exact += played.drawn.reported
        kills += len(played.drawn.kills)
        print(line(played), flush=True)
        for problem in played.problems:
            print("       PROBLEM " + " ".join(problem.split())[:600], flush=True)
        failed += bool(played.problems)
    total = len(seeds)
    print(f"{total - failed} of {total} runs hold; {exact} compared to the cent; {kills} kills")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
