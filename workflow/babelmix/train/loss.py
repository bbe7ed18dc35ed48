"""The loss: cross-entropy summed over trained tokens, with few logits held at once.

A vocabulary of 100,000 and more makes the logits of one micro-batch larger than the model. Logits
are made at trained positions only and, where they are still many, in pieces that are made again in
the backward pass. Both happen inside the model's own output layer, so that whatever wraps the model
(DeepSpeed's sharding, data parallelism) works as ever. Imports torch.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

_IGNORED = -100
#: Logits held at once, in elements: 2^27 are 512 MB in float32.
LIMIT = 2**27
#: Settings by which models change their logits after the output layer.
_SCALES = (
    "final_logit_softcapping",
    "logit_scale",
    "logits_scaling",
    "logits_scale",
    "output_multiplier",
    "lm_head_multiplier",
)


class TokenLoss:
    """Summed cross-entropy of a model's micro-batches, and the number of their trained tokens."""

    def __init__(self, inner: torch.nn.Module, limit: int = LIMIT) -> None:
        self.sliced = "logits_to_keep" in inspect.signature(inner.forward).parameters
        head = getattr(inner, "get_output_embeddings", lambda: None)()
        plain = isinstance(head, torch.nn.Linear) and not _scales_logits(inner)
        self.head: Any = head if plain else None
        self.limit = limit

    def __call__(
        self, model: torch.nn.Module, inputs: dict[str, Any]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Run the model on a micro-batch; ``model`` may wrap the one given at the start."""
        losses, _, chosen = self._run(model, inputs, "sum")
        return losses.sum(), (chosen != _IGNORED).sum()

    def by_token(self, model: torch.nn.Module, inputs: dict[str, Any]) -> torch.Tensor:
        """Cross-entropy of each labelled token, in nats: ``[rows, tokens]``, 0 at all others."""
        losses, places, chosen = self._run(model, inputs, "none")
        found = torch.zeros(inputs["labels"].shape, dtype=torch.float32, device=losses.device)
        if inputs["labels"].shape[1] > 1:
            found[:, places + 1] = losses.reshape(chosen.shape)
        return found

    def _run(
        self, model: torch.nn.Module, inputs: dict[str, Any], reduction: str
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Losses, the positions that they were predicted at, and their targets."""
        inputs = dict(inputs)
        labels = inputs.pop("labels")
        # A micro-batch of fillers alone is one token long and has no next token; it counts nothing.
        target = labels[:, 1:] if labels.shape[1] > 1 else labels
        places = (target != _IGNORED).any(0).nonzero().flatten()
        if not len(places):
            places = torch.zeros(1, dtype=torch.long, device=target.device)
        chosen = target[:, places]
        if self.sliced:
            inputs["logits_to_keep"] = places
        if self.sliced and self.head is not None:
            rows = max(1, self.limit // self.head.out_features)
            if chosen.numel() > rows:
                with _losses_for_logits(self.head, chosen, rows, reduction):
                    return model(**inputs, use_cache=False).logits, places, chosen
        logits = model(**inputs, use_cache=False).logits
        if not self.sliced:
            logits = logits[:, places]
        losses = cross_entropy(logits.flatten(0, 1), chosen.flatten(), reduction)
        return losses, places, chosen


def cross_entropy(
    logits: torch.Tensor, target: torch.Tensor, reduction: str = "sum"
) -> torch.Tensor:
    """In float32 over ``[tokens, vocabulary]``: the sum, or (``none``) each token's."""
    return F.cross_entropy(logits.float(), target, ignore_index=_IGNORED, reduction=reduction)


def _scales_logits(inner: torch.nn.Module) -> bool:
    """Whether the model does something to its logits after the output layer."""
    config: Any = inner.config
    text = config.get_text_config()
    return any(getattr(text, name, None) not in (None, 1, 1.0) for name in _SCALES)


@contextlib.contextmanager
def _losses_for_logits(
    head: Any, target: torch.Tensor, rows: int, reduction: str
) -> Iterator[None]:
    """While it lasts the output layer gives losses ``[1, n, 1]`` in place of logits: one a piece
    of ``rows`` tokens, or (``none``) one a token."""
    plain = head.forward

    def piece(hidden: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        return cross_entropy(plain(hidden), wanted, reduction)

    def forward(hidden: torch.Tensor) -> torch.Tensor:
        flat = hidden.flatten(0, 1)
        losses = [
            checkpoint(piece, h, t, use_reentrant=False)
            for h, t in zip(flat.split(rows), target.flatten().split(rows), strict=True)
        ]
        return torch.cat([loss.reshape(-1) for loss in losses]).view(1, -1, 1)

    wrapped = "forward" in vars(head)
    head.forward = forward
    try:
        yield
    finally:
        if wrapped:
            head.forward = plain
        else:
            del head.forward  # the class's own again
