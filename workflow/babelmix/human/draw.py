"""What raters see: balanced, blind, shuffled, with some items twice."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ..errors import BabelmixError
from ..io import digest
from ..records import Answer, Question

Kind = Literal["pairs", "ratings"]
#: (question id, language, turn)
Place = tuple[str, str, int]


@dataclass(frozen=True)
class Item:
    """One thing to label. ``baseline`` is empty for a rating of a single answer."""

    question_id: str
    lang: str
    category: str
    turn: int
    run: str
    baseline: str


@dataclass(frozen=True)
class Task:
    """An item as one rater sees it. ``swapped``: the baseline's answer is shown as A.

    ``id`` says nothing of the runs; ``repeat`` is 1 for the hidden second time.
    """

    id: str
    item: Item
    swapped: bool
    repeat: int


def draw_questions(
    questions: Iterable[Question], languages: Sequence[str], count: int, seed: int
) -> list[tuple[str, str]]:
    """(question id, category) of ``count`` questions that exist in all languages.

    Categories take turns, so that each has the same number (one more in some).
    """
    held: dict[tuple[str, str], set[str]] = defaultdict(set)
    for question in questions:
        held[question.question_id, question.category].add(question.lang)
    by_category: dict[str, list[str]] = defaultdict(list)
    for (question_id, category), found in sorted(held.items()):
        if found >= set(languages):
            by_category[category].append(question_id)
    for category, ids in by_category.items():
        ids.sort(key=lambda i: digest(["human", seed, category, i]))
    whole = sum(map(len, by_category.values()))
    if count > whole:
        raise BabelmixError(
            f"export-human: {count} questions asked for, but only {whole} exist in all of "
            f"{', '.join(languages)}. Ask for fewer questions or languages."
        )
    chosen: list[tuple[str, str]] = []
    rank = 0
    while len(chosen) < count:
        layer = [(ids[rank], c) for c, ids in sorted(by_category.items()) if rank < len(ids)]
        chosen += layer[: count - len(chosen)]
        rank += 1
    return chosen


def items_of(
    chosen: Sequence[tuple[str, str]],
    languages: Sequence[str],
    turns: Sequence[int],
    sides: Sequence[tuple[str, str]],
    answered: Mapping[str, Mapping[Place, Answer]],
) -> list[Item]:
    """Every chosen question × language × turn × pair of runs that both answered."""
    found = []
    for question_id, category in chosen:
        for lang in languages:
            for turn in turns:
                place = question_id, lang, turn
                for run, baseline in sides:
                    runs = [r for r in (run, baseline) if r]
                    if all(place in answered[r] for r in runs):
                        found.append(Item(question_id, lang, category, turn, run, baseline))
    return found


def tasks_of(items: Sequence[Item], repeats: float, seed: int) -> list[Task]:
    """Tasks in the order in which they are shown, language by language.

    Half of the pairs are shown with the baseline first; a share ``repeats`` comes a second time,
    in the other order, in the second half of its language.
    """
    tasks: list[Task] = []
    for lang in dict.fromkeys(item.lang for item in items):
        order = random.Random(digest(["order", seed, lang]))
        own = [item for item in items if item.lang == lang]
        order.shuffle(own)
        first = [
            _task(item, bool(item.baseline) and i % 2 == 1, 0, seed) for i, item in enumerate(own)
        ]
        # Repeats of the first half, mixed into the second: never right after one another.
        half = max(1, len(first) // 2)
        again = first[: min(half, round(repeats * len(first)))]
        second = [_task(t.item, bool(t.item.baseline) and not t.swapped, 1, seed) for t in again]
        rest = first[half:] + second
        order.shuffle(rest)
        tasks += first[:half] + rest
    return tasks


def _task(item: Item, swapped: bool, repeat: int, seed: int) -> Task:
    parts = [item.question_id, item.lang, item.turn, item.run, item.baseline, repeat, seed]
    return Task(digest(["task", *parts])[:12], item, swapped, repeat)
