"""10,000 calls without a refusal: as many requests, as many journalled, at any concurrency.

python -m tests.providers.scale [--calls 10000] [--at 1 4 64 128]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .driver import Desk
from .models import Model
from .server import Simulator


@dataclass(frozen=True)
class Counts:
    """What happened."""

    concurrency: int
    requests: int
    journalled: int
    scored: int
    code: int
    billed: float
    ledger: float
    seconds: float


def play(calls: int, concurrency: int) -> Counts:
    """Judge so many answers."""
    with tempfile.TemporaryDirectory(prefix="scale-") as name, Simulator(Model()) as simulator:
        desk = Desk(Path(name) / "set")
        run = desk.judge(simulator.base_url, calls, concurrency=concurrency, limit_s=800)
        simulator.settle()
        return Counts(
            concurrency,
            len(simulator.posts()),
            desk.journalled(),
            run.scored,
            run.code,
            simulator.bill.dollars,
            desk.ledger(),
            run.seconds,
        )


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.providers.scale")
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--at", type=int, nargs="+", default=[1, 4, 64, 128])
    args = parser.parse_args()
    good = True
    for concurrency in args.at:
        found = play(args.calls, concurrency)
        print(
            f"{args.calls:,} texts at {concurrency:>3}: {found.requests:,} requests, "
            f"{found.journalled:,} journalled, {found.scored:,} scored, billed {found.billed:.2f}, "
            f"ledger {found.ledger:.2f}, status {found.code}, {found.seconds:.0f} s",
            flush=True,
        )
        good &= found.requests == found.journalled == found.scored == args.calls
        good &= abs(found.billed - found.ledger) < 0.005
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
