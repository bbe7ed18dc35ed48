"""Verb ``combine-languages``: rows that hold two languages, from a parallel pool.

The rows are conversations of the pool in a language of their own (see ``config.base.RowLang``), so
that all that follows takes them like any other: indexes, tokens, mixtures, exports. Ids and order
are the pool's. What is in which language is the code's to say, and the check ``second_language``
has the share of characters in the second one.

- `de_to_en`: system and user turns in German, answers in English.
- `en_on_de`: of each user turn the first paragraph in English, what follows it and the answers in
  German (an English instruction on a German input; where nothing follows, on none).
- `de_with_en`: user turns in German with sentences in English, answers in German. Sentences are
  exchanged where both languages have as many of them; each by a hash of seed, id and place, at
  least one in each language. A turn that cannot be split so stays in German; a row without any
  switched turn fails the check ``code_switched``.
"""

from __future__ import annotations

import argparse
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..config.base import languages_of
from ..errors import BabelmixError
from ..io import read_records, write_json, write_records
from ..options import add_settings, read_settings
from ..records import Check, Conversation, Message
from ..specs import CombineSpec

#: Check that has the share of characters in the second language as its value.
SHARE = "second_language"
_PARAGRAPH = re.compile(r"\n[ \t]*\n")
#: sentencex takes time by the square of a long run of quotes or backticks.
_WINDOW = 5000
_CODE = re.compile(r"```|^( {4}|\t)", re.M)


@dataclass(frozen=True)
class Turn:
    """One combined turn: its text, and how many of its characters are the second language's."""

    text: str
    second: int
    switched: bool = False


def combine(first: Conversation, second: Conversation, spec: CombineSpec) -> Conversation:
    """One row of both languages; the checks of both rows stay with it."""
    kind = spec.lang.split("_")[1]
    checks = [*first.checks, *(c for c in second.checks if c not in first.checks)]
    roles = [[m.role for m in row.messages] for row in (first, second)]
    parallel = roles[0] == roles[1]
    if not parallel:
        checks.append(Check("same_turns", False, None, f"{spec.first} and {spec.second} differ"))
    turns = []
    messages = []
    for place, (one, other) in enumerate(zip(first.messages, second.messages, strict=False)):
        turn = _turn(kind, one, other, spec, f"{spec.seed}:{first.id}:{place}")
        turns.append(turn)
        # What either language does not train on is no target in the joined row.
        messages.append(Message(one.role, turn.text, one.train and other.train))
    characters = sum(len(turn.text) for turn in turns)
    share = sum(turn.second for turn in turns) / characters if characters else 0.0
    detail = " ".join(
        f"{m.role}:{t.second}/{len(t.text)}" for m, t in zip(messages, turns, strict=True)
    )
    checks.append(Check(SHARE, True, share, detail))
    if kind == "with" and not any(turn.switched for turn in turns):
        checks.append(Check("code_switched", False, None, "no turn splits into like sentences"))
    return Conversation(
        id=first.id,
        lang=spec.lang,
        dataset=first.dataset,
        source=first.source,
        messages=messages,
        origin="translated" if "translated" in (first.origin, second.origin) else first.origin,
        translator=second.translator or first.translator,
        source_sha=first.source_sha or second.source_sha,
        checks=checks,
    )


def _turn(kind: str, one: Message, other: Message, spec: CombineSpec, key: str) -> Turn:
    answer = one.role == "assistant"
    if kind == "to" or (kind == "on" and answer):
        text = other.content if answer else one.content
        return Turn(text, len(text) if answer else 0)
    if answer or one.role != "user":
        return Turn(one.content, 0)
    return _instructed(one, other) if kind == "on" else _switched(one, other, spec, key)


def _instructed(one: Message, other: Message) -> Turn:
    """The first paragraph of one turn, and what follows it in the other."""
    here, there = (_PARAGRAPH.search(m.content) for m in (one, other))
    if here is None or there is None:
        return Turn(one.content, 0)
    rest = other.content[there.start() :]
    return Turn(one.content[: here.start()] + rest, len(rest))


def _switched(one: Message, other: Message, spec: CombineSpec, key: str) -> Turn:
    """One turn with some of its sentences from the other."""
    here, there = sentences(one.content, spec.first), sentences(other.content, spec.second)
    if len(here) != len(there) or len(here) < 2 or _CODE.search(one.content):
        return Turn(one.content, 0)
    ranks = [hashlib.sha256(f"{key}:{n}".encode()).digest() for n in range(len(here))]
    chosen = {n for n, rank in enumerate(ranks) if rank[0] % 2}
    by_rank = sorted(range(len(here)), key=ranks.__getitem__)
    chosen |= {by_rank[0]}
    if len(chosen) == len(here):
        chosen.remove(by_rank[-1])
    parts = []
    for n, (mine, theirs) in enumerate(zip(here, there, strict=True)):
        # White space stays the first language's, so that lines and lists keep their shape.
        space = mine[len(mine.rstrip()) :]
        parts.append(theirs.rstrip() + space if n in chosen else mine)
    second = sum(len(there[n].rstrip()) for n in chosen)
    return Turn("".join(parts), second, switched=True)


def sentences(text: str, lang: str) -> list[str]:
    """Sentences of a text, each with the white space after it: joined, they are the text."""
    from sentencex import segment

    found: list[str] = []
    for start in range(0, len(text), _WINDOW):
        for piece in segment(lang.split("-")[0], text[start : start + _WINDOW]):
            if found and not piece.strip():
                found[-1] += piece
            else:
                found.append(piece)
    return found


def rows(firsts: Path, seconds: Path, spec: CombineSpec) -> Iterator[Conversation]:
    """Combine two files of a pool, row by row.

    Raises:
        BabelmixError: where they do not hold the same ids in the same order.
    """
    one, other = read_records(firsts, Conversation), read_records(seconds, Conversation)
    if [row.id for row in one] != [row.id for row in other]:
        raise BabelmixError(
            f"dataset '{spec.dataset}': {firsts} and {seconds} do not hold the same ids in the "
            "same order, so questions and answers cannot be paired. Delete both and run again."
        )
    for first, second in zip(one, other, strict=True):
        yield combine(first, second, spec)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    add_settings(parser, CombineSpec)
    parser.add_argument("--first", required=True, type=Path, help="conversations (parquet)")
    parser.add_argument("--second", required=True, type=Path, help="of the other language")
    parser.add_argument("--output", required=True, type=Path, help="combined rows (parquet)")
    parser.add_argument("--manifest", required=True, type=Path, help="counts (JSON)")


def run(args: argparse.Namespace) -> None:
    """Combine two languages and count."""
    spec = read_settings(args, CombineSpec)
    if languages_of(spec.lang) != (spec.first, spec.second):
        raise BabelmixError(f"combine-languages: '{spec.lang}' is not {spec.first}, {spec.second}.")
    made = list(rows(args.first, args.second, spec))
    shares = [check.value or 0.0 for row in made for check in row.checks if check.name == SHARE]
    failed = {
        name: sum(any(c.name == name and not c.ok for c in row.checks) for row in made)
        for name in ("same_turns", "code_switched")
    }
    write_records(args.output, made, Conversation)
    counts = {
        "dataset": spec.dataset,
        "lang": spec.lang,
        "rows": len(made),
        "rows_with_second_language": sum(share > 0 for share in shares),
        "mean_share_of_second_language": sum(shares) / len(shares) if shares else 0.0,
        "failed": failed,
    }
    write_json(args.manifest, counts)
    print(
        f"combine {spec.dataset}.{spec.lang}: {len(made)} rows, "
        f"{counts['rows_with_second_language']} with text in {spec.second}"
    )
