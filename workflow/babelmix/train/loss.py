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
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

from .fused import fused_loss

_IGNORED = -100
#: Logits held at once, in elements: 2^27 are 512 MB in float32.
LIMIT = 2**27
#: Settings by which models change their logits after the output layer.
_CHANGES = (
    "final_logit_softcapping",
    "logit_scale",
    "logits_scaling",
    "logits_scale",
    "output_multiplier",
    "lm_head_multiplier",
)
#: Model types whose code reads such a setting as we do: (type, setting) -> where it is read from.
_READ_FROM = {
    ("gemma2", "final_logit_softcapping"): "config",
    ("gemma3_text", "final_logit_softcapping"): "config",
    ("granite", "logits_scaling"): "config",
    ("granitemoe", "logits_scaling"): "config",
    ("cohere", "logit_scale"): "model",
    ("cohere2", "logit_scale"): "model",
}


@dataclass(frozen=True, slots=True)
class LogitChange:
    """What a model does to its logits after the output layer: a factor, then a soft cap."""

    factor: float = 1.0
    softcap: float | None = None
    owner: Any = None
    setting: str = ""

    def __call__(self, logits: torch.Tensor) -> torch.Tensor:
        """Change logits as the model would."""
        if self.factor != 1.0:
            logits = logits * self.factor
        if self.softcap is not None:
            logits = self.softcap * torch.tanh(logits / self.softcap)
        return logits

    @contextlib.contextmanager
    def taken_out(self) -> Iterator[None]:
        """While it lasts the model leaves what its output layer gives as it is."""
        if self.owner is None:
            yield
            return
        before = getattr(self.owner, self.setting)
        setattr(self.owner, self.setting, None if self.softcap is not None else 1.0)
        try:
            yield
        finally:
            setattr(self.owner, self.setting, before)


def logit_change(inner: Any) -> LogitChange | None:
    """What a model does to its logits; None where that is not known, so that they stay whole."""
    text = inner.config.get_text_config()
    set_ = [name for name in _CHANGES if getattr(text, name, None) not in (None, 1, 1.0)]
    if not set_:
        return LogitChange()
    place = _READ_FROM.get((getattr(inner.config, "model_type", ""), set_[0]))
    if place is None or len(set_) > 1:
        return None
    owner, value = (inner.config if place == "config" else inner), float(getattr(text, set_[0]))
    if set_[0] == "final_logit_softcapping":
        return LogitChange(softcap=value, owner=owner, setting=set_[0])
    factor = 1.0 / value if set_[0] == "logits_scaling" else value
    return LogitChange(factor=factor, owner=owner, setting=set_[0])


class TokenLoss:
    """Summed cross-entropy of a model's micro-batches, and the number of their trained tokens.

    ``fused``: by Liger's kernel (CUDA only), where the model's output layer allows it.
    """

    def __init__(self, inner: torch.nn.Module, limit: int = LIMIT, *, fused: bool = False) -> None:
        self.sliced = "logits_to_keep" in inspect.signature(inner.forward).parameters
        head = getattr(inner, "get_output_embeddings", lambda: None)()
        change = logit_change(inner)
        config: Any = inner.config
        self.vocabulary = int(config.get_text_config().vocab_size)
        linear = isinstance(head, torch.nn.Linear)
        # PEFT wraps an output layer of which it trains a few rows, or a copy.
        wrapped = hasattr(head, "token_adapter") or hasattr(head, "original_module")
        self.head: Any = head if (linear or wrapped) and change is not None else None
        self.change = change or LogitChange()
        self.limit, self.fused = limit, fused and linear

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
            rows = max(1, self.limit // self.vocabulary)
            if self._fuses(reduction) or chosen.numel() > rows:
                with self.change.taken_out(), self._losses_for_logits(chosen, rows, reduction):
                    return model(**inputs, use_cache=False).logits, places, chosen
        logits = model(**inputs, use_cache=False).logits
        if not self.sliced:
            logits = logits[:, places]
        losses = cross_entropy(logits.flatten(0, 1), chosen.flatten(), reduction)
        return losses, places, chosen

    def _fuses(self, reduction: str) -> bool:
        """Whether the fused kernel does it: it gives sums alone."""
        return self.fused and reduction == "sum"

    @contextlib.contextmanager
    def _losses_for_logits(self, target: torch.Tensor, rows: int, reduction: str) -> Iterator[None]:
        """While it lasts the output layer gives losses ``[1, n, 1]`` in place of logits.

        One per piece of ``rows`` tokens, or (``none``) one per token.
        """
        head, change = self.head, self.change
        plain = head.forward

        def piece(hidden: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
            return cross_entropy(change(plain(hidden)), wanted, reduction)

        def forward(hidden: torch.Tensor) -> torch.Tensor:
            flat = hidden.flatten(0, 1)
            if self._fuses(reduction):
                scaled = flat * change.factor if change.factor != 1.0 else flat
                return fused_loss(head, scaled, target.flatten(), change.softcap).view(1, 1, 1)
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


def cross_entropy(
    logits: torch.Tensor, target: torch.Tensor, reduction: str = "sum"
) -> torch.Tensor:
    """In float32 over ``[tokens, vocabulary]``: the sum, or (``none``) each token's."""
    return F.cross_entropy(logits.float(), target, ignore_index=_IGNORED, reduction=reduction)
