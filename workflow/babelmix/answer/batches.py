"""Which prompts are generated together: pure planning, no torch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Prompt:
    """A rendered prompt as token ids and text, and the temperature to answer it at (0: greedy)."""

    ids: list[int]
    temperature: float = 0.0
    text: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """Prompts (by index) that are generated together, and how many tokens each may take."""

    indices: list[int]
    max_new_tokens: int
    temperature: float


def plan_batches(
    prompts: Sequence[Prompt], max_new_tokens: int, context: int | None, batch_tokens: int
) -> tuple[list[Batch], list[int]]:
    """Batches of alike prompts, the longest first, and the indices of prompts that do not fit.

    A batch holds at most ``batch_tokens`` padded tokens, new ones included (but always one prompt).
    ``context`` is the model's longest sequence; a prompt near it gets the room that is left, in a
    batch of its own kind, so that a row's answer does not depend on its neighbours.
    """
    groups: dict[tuple[float, int], list[int]] = defaultdict(list)
    too_long = []
    for index, prompt in enumerate(prompts):
        room = max_new_tokens
        if context is not None:
            room = min(room, context - len(prompt.ids))
        if room <= 0:
            too_long.append(index)
        else:
            groups[prompt.temperature, room].append(index)
    batches = []
    for (temperature, room), indices in sorted(groups.items()):
        indices.sort(key=lambda i: (-len(prompts[i].ids), i))
        while indices:
            rows = max(1, batch_tokens // (len(prompts[indices[0]].ids) + room))
            batches.append(Batch(indices[:rows], room, temperature))
            indices = indices[rows:]
    return batches, too_long
