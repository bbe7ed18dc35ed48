"""Seeded draws of each row by itself: what a question is answered depends on no other question.

A batch's one random state would give a row other draws with other neighbours. Here each row has a
generator of its own, from the seed, its prompt's tokens and the number of its sample.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any


class Draws:
    """A logits processor that draws the next token of each row; generation itself is then greedy.

    ``digests``: hexadecimal digests that seed the rows, one per row of the batch.
    """

    def __init__(self, digests: Sequence[str], temperature: float, top_p: float) -> None:
        self.rows = [random.Random(int(digest[:16], 16)) for digest in digests]
        self.temperature = temperature
        self.top_p = top_p

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows (by place) only."""
        self.rows = [self.rows[row] for row in rows]

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Return scores (rows × vocabulary) of which the drawn token alone is finite.

        Nucleus sampling: the fewest tokens whose probability reaches ``top_p``, the likeliest
        first; one uniform number of the row chooses among them by their cumulated probability.
        """
        import torch

        chances = torch.softmax(scores.float() / self.temperature, dim=-1)
        chances, tokens = chances.sort(dim=-1, descending=True, stable=True)
        reached = chances.double().cumsum(dim=-1)
        kept = (reached - chances < self.top_p).sum(dim=-1, keepdim=True).clamp(min=1)
        mass = reached.gather(-1, kept - 1)
        wanted = torch.tensor([[row.random()] for row in self.rows], dtype=mass.dtype)
        place = torch.searchsorted(reached, wanted.to(mass.device) * mass, right=True)
        drawn = tokens.gather(-1, torch.minimum(place, kept - 1))
        return torch.full_like(scores, float("-inf")).scatter(-1, drawn, 0.0)
