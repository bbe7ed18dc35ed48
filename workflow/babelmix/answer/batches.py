"""Which prompts are generated together: pure planning, no torch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..io import digest


@dataclass(frozen=True, slots=True)
class Prompt:
    """A rendered prompt as token ids and text, and the temperature to answer it at (0: greedy).

    ``sample``: which of several answers to its question it asks for.
    """

    ids: list[int]
    temperature: float = 0.0
    text: str = ""
    sample: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """Prompts (by index) that are generated together, and how many tokens each may take."""

    indices: list[int]
    max_new_tokens: int
    temperature: float
    sample: int = 0


def drawn_by(seed: int, ids: Any, sample: int) -> str:
    """Digest that seeds the draws of a sample for these token ids; sample 0 is not told apart, so
    that it is what a question's only answer would be."""
    return digest([seed, ids, sample] if sample else [seed, ids])


def plan_batches(
    prompts: Sequence[Prompt], max_new_tokens: int, context: int | None, batch_tokens: int
) -> tuple[list[Batch], list[int]]:
    """Batches of alike prompts, the longest first, and the indices of prompts that do not fit.

    A batch holds at most ``batch_tokens`` padded tokens, new ones included (but always one prompt).
    ``context`` is the model's longest sequence; a prompt near it gets the room that is left, in a
    batch of its own kind, so that a row's answer does not depend on its neighbours. Nor do samples
    share a batch: more of them leave the first as they were.
    """
    groups: dict[tuple[float, int, int], list[int]] = defaultdict(list)
    too_long = []
    for index, prompt in enumerate(prompts):
        room = max_new_tokens
        if context is not None:
            room = min(room, context - len(prompt.ids))
        if room <= 0:
            too_long.append(index)
        else:
            groups[prompt.temperature, room, prompt.sample].append(index)
    batches = []
    for (temperature, room, sample), indices in sorted(groups.items()):
        indices.sort(key=lambda i: (-len(prompts[i].ids), i))
        while indices:
            rows = max(1, batch_tokens // (len(prompts[indices[0]].ids) + room))
            batches.append(Batch(indices[:rows], room, temperature, sample))
            indices = indices[rows:]
    return batches, too_long
