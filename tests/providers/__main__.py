"""Play the table and print it.

python -m tests.providers [--quick] [--list] [POINT or WORD …]
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from .table import Result, chosen, play


def load_rows() -> None:
    """Import the modules that register rows."""
    for path in sorted(Path(__file__).parent.glob("rows_*.py")):
        importlib.import_module(f"tests.providers.{path.stem}")


def line(result: Result) -> str:
    """One line of the table."""
    row = result.row
    return (
        f"{row.point:>3}  {row.name:<78.78}  {result.calls:>6,}  {result.billed:>9.2f}  "
        f"{result.ledger:>9.2f}  {result.journalled:>6,}  {result.scored:>12.12}  "
        f"{result.seconds:>5.1f}  {result.verdict}"
    )


HEAD = (
    f"{'':>3}  {'behaviour':<78}  {'calls':>6}  {'billed':>9}  {'ledger':>9}  {'kept':>6}  "
    f"{'scored':>12}  {'s':>5}"
)


def main() -> int:
    """Play, print, and return 1 where a row failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.providers")
    parser.add_argument("names", nargs="*", help="points (3) or words of rows; all without any")
    parser.add_argument("--quick", action="store_true", help="the rows of `make test` alone")
    parser.add_argument("--list", action="store_true", help="print the rows, play none")
    args = parser.parse_args()
    load_rows()
    rows = sorted(chosen(args.names, args.quick), key=lambda r: (len(r.point), r.point))
    if args.list:
        for row in rows:
            print(f"{row.point:>3}  {row.name}  {row.source}")
        return 0
    print(HEAD)
    results = []
    for row in rows:
        results.append(play(row))
        print(line(results[-1]), flush=True)
        for problem in results[-1].problems:
            print("       " + " ".join(problem.split())[:700], flush=True)
    passed = sum(result.passed for result in results)
    listed = [result.row for result in results if result.verdict == "open"]
    print(f"{passed} of {len(results)} rows pass, {len(listed)} are open")
    for row in listed:
        print(f"open: {row.name}: {row.still_open}")
    return 0 if all(result.verdict != "FAIL" for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
