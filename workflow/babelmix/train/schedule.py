"""The order in which a training sees its rows, fixed before the first step.

Which rows each optimizer step sees depends on the seed alone, never on the number of devices.
Within a step the rows are dealt out to micro-batches for speed, which changes nothing, as the loss
is normalised by the trained tokens of the whole step.
"""

from __future__ import annotations

import bisect
import heapq
import math
from dataclasses import dataclass

import numpy as np

from .data import Rows
from .settings import Layout

#: A place in the schedule that no row takes: it trains nothing and counts for nothing.
FILLER = -1


@dataclass(frozen=True, slots=True)
class Schedule:
    """Rows of every micro-batch: ``places`` is int32 ``[steps, rounds x devices, widest]``.

    A step is ``rounds`` rounds, in each of which every device takes one micro-batch.
    """

    places: np.ndarray
    rounds: int

    def step(self, number: int) -> np.ndarray:
        """The rows of a step (from 0), in no particular order."""
        flat = self.places[number].reshape(-1)
        return flat[flat != FILLER]

    def sums(self, values: np.ndarray) -> np.ndarray:
        """A value of each row, summed over each step: int64 ``[steps]``."""
        padded = np.append(values.astype(np.int64), 0)  # FILLER, -1, reads the last
        return padded[self.places].sum((1, 2))


def total_steps(rows: int, epochs: float | None, max_steps: int | None, batch_size: int) -> int:
    """Optimizer steps of a training; the last step of an epoch may see fewer rows."""
    if max_steps is not None:
        return max_steps
    return max(1, math.ceil(float(epochs or 0) * math.ceil(rows / batch_size)))


def plan_schedule(rows: Rows, steps: int, layout: Layout, seed: int) -> Schedule:
    """Each epoch is a new seeded order of all rows, cut into steps of ``batch_size`` rows.

    In a curriculum the stages come one after the other, and rows of one stage in a seeded order.
    """
    batches = _batches(len(rows), steps, layout.batch_size, seed, rows.stages)
    return _arrange(batches, rows.lengths, layout)


def evaluation_schedule(rows: Rows, layout: Layout) -> Schedule:
    """All rows once, as one long step."""
    return _arrange([np.arange(len(rows))], rows.lengths, layout)


def _arrange(batches: list[np.ndarray], lengths: np.ndarray, layout: Layout) -> Schedule:
    """The rows of each step in micro-batches, as many in every step."""
    ranked = [batch[np.lexsort((batch, -lengths[batch]))] for batch in batches]
    if layout.tokens is None:
        needed = math.ceil(max(len(batch) for batch in ranked) / layout.micro)
    else:
        needed = max(len(best_fit(lengths[batch], layout.tokens)) for batch in ranked)
    count = math.ceil(needed / layout.devices) * layout.devices
    dealt = [_deal(batch, lengths[batch], count, layout) for batch in ranked]
    widest = max(len(group) for groups in dealt for group in groups)
    places = np.full((len(batches), count, widest), FILLER, dtype=np.int32)
    for step, groups in enumerate(dealt):
        for number, group in enumerate(groups):
            places[step, number, : len(group)] = group
    return Schedule(places, count // layout.devices)


def _batches(
    rows: int, steps: int, batch_size: int, seed: int, stages: np.ndarray | None = None
) -> list[np.ndarray]:
    batches: list[np.ndarray] = []
    epoch = 0
    while len(batches) < steps:
        order = np.random.default_rng([seed, epoch]).permutation(rows)
        if stages is not None:
            order = order[np.argsort(stages[order], kind="stable")]
        batches += [order[i : i + batch_size] for i in range(0, rows, batch_size)]
        epoch += 1
    return batches[:steps]


def _deal(batch: np.ndarray, lengths: np.ndarray, count: int, layout: Layout) -> list[np.ndarray]:
    """The longest-first rows of a step as ``count`` groups, like next to like (devices wait for
    each other in every round)."""
    if layout.tokens is None:
        return np.array_split(batch, count)
    groups = _even(lengths, count)
    if max(int(lengths[group].sum()) for group in groups if group) > layout.tokens:
        groups = best_fit(lengths, layout.tokens)
        groups += [[] for _ in range(count - len(groups))]
    groups.sort(key=lambda group: -int(lengths[group].sum()))
    return [batch[group] for group in groups]


def _even(lengths: np.ndarray, count: int) -> list[list[int]]:
    """Places of longest-first lengths in groups of like sums: each goes to the lightest."""
    groups: list[list[int]] = [[] for _ in range(count)]
    heap = [(0, number) for number in range(count)]
    for place, length in enumerate(lengths.tolist()):
        total, number = heap[0]
        groups[number].append(place)
        heapq.heapreplace(heap, (total + length, number))
    return groups


def best_fit(lengths: np.ndarray, room: int) -> list[list[int]]:
    """Places of longest-first lengths in groups of at most ``room``: each where it fits tightest.

    A length above ``room`` has a group of its own.
    """
    groups: list[list[int]] = []
    free: list[tuple[int, int]] = []  # sorted: what is left in a group, its number
    for place, length in enumerate(lengths.tolist()):
        at = bisect.bisect_left(free, (length, -1))
        if at == len(free):
            groups.append([place])
            left, number = room - length, len(groups) - 1
        else:
            left, number = free.pop(at)
            groups[number].append(place)
            left -= length
        if left > 0:
            bisect.insort(free, (left, number))
    return groups
