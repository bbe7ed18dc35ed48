"""Verb ``clear-mixture``: the searches of a mixture's pools have ended: it may be trained on.

No training starts without this record. It is made once: a benchmark that is added later is looked
for as well, and an error then too, but it must not train anew what is trained.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import BabelmixError
from ..io import read_json, write_json

SHOWN = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument("--mixture", required=True, help="name of the mixture")
    parser.add_argument(
        "--searches", nargs="+", required=True, type=Path, help="records of `find-contamination`"
    )
    parser.add_argument("--output", required=True, type=Path, help="record (JSON)")


def run(args: argparse.Namespace) -> None:
    """Write the record; an error where a pool that allows no benchmark question holds one."""
    searches = [read_json(path) for path in args.searches]
    for found in searches:
        if found["ids"] and found["on_contamination"] == "error":
            raise BabelmixError(
                f"mixture '{args.mixture}' is not to be trained on: dataset '{found['dataset']}' "
                f"holds {len(found['ids'])} benchmark questions ({', '.join(found['ids'][:SHOWN])}"
                f"{', …' if len(found['ids']) > SHOWN else ''}). Set `on_contamination` of the "
                "dataset to `leave_out` or `keep`."
            )
    write_json(args.output, {"mixture": args.mixture, "searches": searches})
    asked = sum(found["questions"] for found in searches)
    print(f"mixture {args.mixture}: its pools were searched for {asked} questions")
