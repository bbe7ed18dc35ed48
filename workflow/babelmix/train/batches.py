"""Micro-batches: rows side by side with padding, or end to end with attention kept apart.

End to end ("packed") no position is wasted on padding. Attention then runs row by row, so that no
token sees another row; position ids start anew at each. This module imports torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from ..errors import BabelmixError
from .data import FILLER, Rows

#: Name under which the row-by-row attention is registered with transformers.
PACKED_ATTENTION = "babelmix_packed"
_IGNORED = -100


class Scheduled(torch.utils.data.Dataset[dict[str, np.ndarray]]):
    """The rows in the order of a schedule; a filler place is one masked padding token."""

    def __init__(self, rows: Rows, places: np.ndarray, pad: int) -> None:
        self.rows, self.places = rows, places.reshape(-1)
        self.filler = {
            "input_ids": np.array([pad], dtype=np.int32),
            "labels": np.array([_IGNORED], dtype=np.int32),
        }

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, place: int) -> dict[str, np.ndarray]:
        row = int(self.places[place])
        return self.filler if row == FILLER else self.rows[row]


class Collator:
    """Rows -> one micro-batch: ``[rows, longest]`` padded, or ``[1, sum of lengths]`` packed."""

    def __init__(self, pad: int, *, packed: bool) -> None:
        self.pad, self.packed = pad, packed

    def __call__(self, rows: Sequence[dict[str, np.ndarray]]) -> dict[str, Any]:
        return self._pack(rows) if self.packed else self._pad(rows)

    def _pad(self, rows: Sequence[dict[str, np.ndarray]]) -> dict[str, Any]:
        longest = max(len(row["input_ids"]) for row in rows)
        ids = torch.full((len(rows), longest), self.pad, dtype=torch.long)
        labels = torch.full_like(ids, _IGNORED)
        mask = torch.zeros_like(ids)
        for i, row in enumerate(rows):
            length = len(row["input_ids"])
            ids[i, :length] = torch.from_numpy(row["input_ids"].astype(np.int64))
            labels[i, :length] = torch.from_numpy(row["labels"].astype(np.int64))
            mask[i, :length] = 1
        labels[:, 0] = _IGNORED
        return {"input_ids": ids, "labels": labels, "attention_mask": mask}

    def _pack(self, rows: Sequence[dict[str, np.ndarray]]) -> dict[str, Any]:
        real = [row for row in rows if len(row["labels"]) > 1] or list(rows[:1])
        lengths = tuple(len(row["input_ids"]) for row in real)
        ids = np.concatenate([row["input_ids"] for row in real]).astype(np.int64)
        labels = np.concatenate([row["labels"] for row in real]).astype(np.int64)
        starts = np.cumsum((0, *lengths))[:-1]
        labels[starts] = _IGNORED  # nothing in its own row predicts a row's first token
        return {
            "input_ids": torch.from_numpy(ids)[None],
            "labels": torch.from_numpy(labels)[None],
            "position_ids": torch.cat([torch.arange(n) for n in lengths])[None],
            "document_lengths": lengths,
        }


def packed_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    document_lengths: tuple[int, ...] | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention within each document of ``[1, heads, tokens, size]`` tensors.

    Without ``document_lengths`` (padded rows) it is plain causal attention, which is right because
    the padding stands at the end of each row.
    """
    groups = getattr(module, "num_key_value_groups", 1)
    if groups > 1:
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    lengths = document_lengths or (query.shape[2],)
    parts = [
        F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scaling, dropout_p=dropout)
        for q, k, v in zip(
            query.split(lengths, 2), key.split(lengths, 2), value.split(lengths, 2), strict=True
        )
    ]
    return torch.cat(parts, 2).transpose(1, 2).contiguous(), None


def register_packed_attention() -> None:
    """Make ``PACKED_ATTENTION`` known to transformers."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(PACKED_ATTENTION, packed_attention)
    AttentionMaskInterface.register(PACKED_ATTENTION, lambda *_, **__: None)


def attention_for(config: Any, *, packed: bool) -> str | None:
    """Attention to load a model with; None is transformers' own choice.

    Models with sliding windows or soft-capped scores keep transformers' attention, whose mask keeps
    packed rows apart by their position ids: slower, and right.
    """
    text = config.get_text_config()
    window = getattr(text, "sliding_window", None) and getattr(text, "use_sliding_window", True)
    if not packed or window or getattr(text, "attn_logit_softcapping", None):
        return None
    register_packed_attention()
    return PACKED_ATTENTION


def token_loss(
    model: torch.nn.Module, inputs: dict[str, Any], *, sliced: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Summed cross-entropy of a micro-batch's trained tokens, and their number.

    ``sliced``: the model can compute logits at chosen positions only, which spares most of them.
    """
    inputs = dict(inputs)
    labels = inputs.pop("labels")
    # A micro-batch of fillers alone is one token long and has no next token; all of it is ignored.
    target = labels[:, 1:] if labels.shape[1] > 1 else labels
    places = (target != _IGNORED).any(0).nonzero().flatten()
    if not len(places):
        places = torch.zeros(1, dtype=torch.long, device=target.device)
    if sliced:
        inputs["logits_to_keep"] = places
    logits = model(**inputs, use_cache=False).logits
    if not sliced:
        logits = logits[:, places]
    chosen = target[:, places]
    total = F.cross_entropy(
        logits.flatten(0, 1).float(), chosen.flatten(), ignore_index=_IGNORED, reduction="sum"
    )
    return total, (chosen != _IGNORED).sum()


def check_packing(
    model: torch.nn.Module, packed: dict[str, Any], padded: dict[str, Any], *, half: bool
) -> None:
    """Prove on a few rows that packed ones do not see each other: their logits must be the same.

    Logits and not the loss, which in an untrained model hardly depends on what is seen. Differences
    are relative (L2), over the positions of all rows; both batches hold the same rows in order.
    """
    was_training = model.training
    model.eval()
    with torch.no_grad():
        apart, together = (
            model(**{k: v for k, v in batch.items() if k != "labels"}, use_cache=False).logits
            for batch in (padded, packed)
        )
    model.train(was_training)
    wanted = apart[padded["attention_mask"].bool()].float()
    difference = float((together[0].float() - wanted).norm() / wanted.norm().clamp(min=1e-9))
    if not difference <= (5e-2 if half else 1e-3):
        raise BabelmixError(
            f"packing changes what this model computes (its logits by {difference:.1e} of their "
            "size): its code does not keep packed rows apart. Set `packing: false` in the recipe."
        )
