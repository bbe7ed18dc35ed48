"""Verb ``answer-language``: which language texts are in, and whether it is the right one.

In: one text per line on standard input, plain or as JSON (a string, or an object with ``text``).
Out: one JSON object per line, in the same order, as soon as it is known.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, BinaryIO, TextIO

from ..errors import BabelmixError
from ..langid import compare, identify_all, is_known, spelled
from ..langid import strip_non_prose as prose

#: Lines that are read, told and written together, where they come from a file.
_AT_ONCE = 1000
EMPTY = "empty"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("--asked", required=True, help="language that the texts should be in")
    parser.add_argument(
        "--languages",
        default="",
        help="the study's languages, with commas; they only say how codes are spelled (nb or no) "
        "and never limit what is recognised",
    )


def run(args: argparse.Namespace) -> None:
    """Read texts from standard input, write one verdict per line."""
    languages = [code.strip() for code in args.languages.split(",") if code.strip()]
    check_asked(args.asked)
    write(sys.stdin.buffer, sys.stdout, args.asked, [args.asked, *languages])


def check_asked(asked: str) -> None:
    """Refuse a language that no identifier knows: every verdict would be ``unsure``."""
    if not is_known(asked):
        raise BabelmixError(
            f"--asked {asked}: no identifier knows this language. Give an ISO 639 code, with or "
            "without script and region (de, nb, zh-Hant, pt-BR, deu)."
        )


def write(source: BinaryIO, target: TextIO, asked: str, languages: Sequence[str]) -> None:
    """Copy verdicts from lines of ``source`` to ``target``, some lines at a time."""
    interactive = source.isatty()
    lines = iter(source.readline, b"")
    while some := list(islice(lines, 1 if interactive else _AT_ONCE)):
        for verdict in verdicts(some, asked, languages):
            target.write(json.dumps(verdict, ensure_ascii=False) + "\n")
        target.flush()


def verdicts(
    lines: Iterable[bytes], asked: str, languages: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Return ``verdict``, ``language``, ``probability`` of each line; ``error`` for a bad line.

    ``verdict``: ``right``, ``wrong``, ``unsure``, or ``empty`` for a blank text. ``language``: the
    one recognised, ``da/no`` for one of several close relatives, ``und-Cyrl`` where only the script
    is certain, or null. ``probability``: of what ``language`` says, or of the likeliest one.
    """
    read = [text_of(line) for line in lines]
    found = identify_all([prose(text) for text, _ in read])
    for (text, error), one in zip(read, found, strict=True):
        verdict: str = compare(one, asked) if text.strip() or error else EMPTY
        row: dict[str, Any] = {"verdict": verdict, "language": spelled(one, languages)}
        row["probability"] = round(one.probability, 4)
        if verdict == "unsure":
            row["reason"] = "short" if one.short else "not certain"
        yield row | ({"error": error} if error else {})


def text_of(line: bytes) -> tuple[str, str | None]:
    """Return the text of one line, and what is wrong with the line.

    A line that opens with a brace is read as JSON only where it is a JSON object: an answer may
    open with a brace. Bytes that are not UTF-8 become U+FFFD, and are said.
    """
    error = None
    try:
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError:
        text, error = line.decode("utf-8", "replace"), "not UTF-8: the odd bytes were replaced"
    text = text.rstrip("\r\n")
    if not text.lstrip().startswith(("{", '"')):
        return text, error
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        is_object = text.lstrip().startswith(('{"', '{ "'))
        return text, "not JSON: taken as plain text" if is_object else error
    if isinstance(value, str):
        return value, error
    if isinstance(value.get("text"), str):
        return value["text"], error
    return "", "no `text` in this JSON object, or it is not a string"
