"""Verb ``read-verdict``: print what is read in judges' replies, one JSON line per reply.

Standard input holds JSON lines with `text`, and `finish_reason` where the service told it. Each
line printed has `value` (null if unscored), `reason`, `strength` (of preferences), and `span`: the
text that was read, its first character's place in the reply (`start`) and the place after its last
(`end`).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from ..errors import BabelmixError
from .verdict import SCALE, Verdict, parse_preference, parse_rating

PROTOCOLS = ("single", "pairwise", "side_by_side")


def read_verdict(
    text: str,
    protocol: str,
    scale: tuple[float, float] = SCALE,
    finish_reason: str | None = None,
) -> dict[str, Any]:
    """Return one line of the verb's output."""
    read: Verdict[Any]
    if protocol == "single":
        read = parse_rating(text, scale, finish_reason)
    else:
        read = parse_preference(text, finish_reason)
    span = None
    if read.span is not None:
        start, end = read.span
        span = {"text": text[start:end], "start": start, "end": end}
    strength = {} if protocol == "single" else {"strength": read.strength}
    return {"value": read.value, "reason": read.reason} | strength | {"span": span}


def replies(lines: Iterable[str], plain: bool) -> Iterator[tuple[str, str | None]]:
    """Yield (text, finish_reason) of each line; raises BabelmixError on one that has no text."""
    for number, line in enumerate(lines, start=1):
        if plain:
            yield line.rstrip("\r\n"), None
        elif line.strip():
            yield _reply(line, number)


def _reply(line: str, number: int) -> tuple[str, str | None]:
    wanted = (
        'each line must be a JSON object with a string `text`, such as {"text": "Rating: [[8]]"}. '
        "For lines of plain text add --plain."
    )
    shown = line.strip()[:60]
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise BabelmixError(f"line {number} is not JSON ({shown!r}): {wanted}") from None
    if not isinstance(row, dict) or not isinstance(row.get("text"), str):
        raise BabelmixError(f"line {number} has no text ({shown!r}): {wanted}")
    finish_reason = row.get("finish_reason")
    if finish_reason is not None and not isinstance(finish_reason, str):
        raise BabelmixError(
            f"line {number}: `finish_reason` is {finish_reason!r}; it must be a string such as "
            "`stop` or `length`, or null."
        )
    return row["text"], finish_reason


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("--protocol", choices=PROTOCOLS, required=True, help="what was asked for")
    parser.add_argument(
        "--finish",
        choices=("stop", "length", "max_tokens"),
        help="how all replies ended; a line's `finish_reason` overrides it",
    )
    parser.add_argument("--scale", nargs=2, type=float, default=list(SCALE), help="of grades")
    parser.add_argument("--plain", action="store_true", help="each input line is a reply as it is")


def run(args: argparse.Namespace) -> None:
    """Run the verb."""
    low, high = args.scale
    if low >= high:
        raise BabelmixError(f"--scale {low:g} {high:g}: the first must be below the second.")
    try:
        for text, finish_reason in replies(_input_lines(), args.plain):
            line = read_verdict(text, args.protocol, (low, high), finish_reason or args.finish)
            _print(json.dumps(line, ensure_ascii=False))
    except BrokenPipeError:  # the reader, such as `head`, has all that it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _input_lines() -> Iterator[str]:
    """Yield the lines of standard input as they come; it is UTF-8 whatever the locale."""
    for number, line in enumerate(sys.stdin.buffer, start=1):
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise BabelmixError(
                f"line {number} is not UTF-8 (byte {error.start}): convert the input, "
                "for example with `iconv -t utf-8`."
            ) from None


def _print(line: str) -> None:
    """Print a line at once; half a surrogate pair, which UTF-8 cannot hold, becomes `?`."""
    sys.stdout.buffer.write(line.encode("utf-8", "replace") + b"\n")
    sys.stdout.buffer.flush()
