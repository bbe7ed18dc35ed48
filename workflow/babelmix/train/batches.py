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
from .data import Rows
from .schedule import FILLER

#: Name under which the row-by-row attention is registered with transformers.
PACKED_ATTENTION = "babelmix_packed"
_IGNORED = -100


class Scheduled(torch.utils.data.Dataset[list[dict[str, np.ndarray]]]):
    """Micro-batches in the order of a schedule: each item is a list of rows.

    A micro-batch without rows is one masked padding token.
    """

    def __init__(self, rows: Rows, places: np.ndarray, pad: int) -> None:
        self.rows, self.groups = rows, places.reshape(-1, places.shape[-1])
        self.filler = {
            "input_ids": np.array([pad], dtype=np.int32),
            "labels": np.array([_IGNORED], dtype=np.int32),
        }

    def __len__(self) -> int:
        return len(self.groups)

    def __getitem__(self, number: int) -> list[dict[str, np.ndarray]]:
        group = self.groups[number]
        return [self.rows[int(row)] for row in group if row != FILLER] or [self.filler]


class Collator:
    """Rows -> one micro-batch: ``[rows, longest]`` padded, or ``[1, sum of lengths]`` packed."""

    def __init__(self, pad: int, *, packed: bool) -> None:
        self.pad, self.packed = pad, packed

    def __call__(self, items: Sequence[list[dict[str, np.ndarray]]]) -> dict[str, Any]:
        """Collate one item of ``Scheduled``."""
        (rows,) = items
        return self.pack(rows) if self.packed else self.pad_rows(rows)

    def pad_rows(self, rows: Sequence[dict[str, np.ndarray]]) -> dict[str, Any]:
        """Rows side by side; the padding stands at their ends."""
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

    def pack(self, rows: Sequence[dict[str, np.ndarray]]) -> dict[str, Any]:
        """Rows end to end, with the places where each begins."""
        lengths = tuple(len(row["input_ids"]) for row in rows)
        ids = np.concatenate([row["input_ids"] for row in rows]).astype(np.int64)
        labels = np.concatenate([row["labels"] for row in rows]).astype(np.int64)
        bounds = np.cumsum((0, *lengths))
        labels[bounds[:-1]] = _IGNORED  # nothing in its own row predicts a row's first token
        return {
            "input_ids": torch.from_numpy(ids)[None],
            "labels": torch.from_numpy(labels)[None],
            "position_ids": torch.cat([torch.arange(n) for n in lengths])[None],
            "document_lengths": lengths,
            "document_bounds": torch.from_numpy(bounds.astype(np.int32)),
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
    document_bounds: torch.Tensor | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention within each document of ``[1, heads, tokens, size]`` tensors.

    Without ``document_lengths`` (padded rows) it is plain causal attention, which is right because
    the padding stands at the end of each row. On CUDA in half precision one kernel of torch's does
    all documents; elsewhere they go one by one.
    """
    lengths = document_lengths or (query.shape[2],)
    if document_bounds is not None and _has_varlen_kernel(query, dropout):
        return _varlen(query, key, value, document_bounds, max(lengths), scaling), None
    groups = getattr(module, "num_key_value_groups", 1)
    if groups > 1:
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    parts = [
        F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scaling, dropout_p=dropout)
        for q, k, v in zip(
            query.split(lengths, 2), key.split(lengths, 2), value.split(lengths, 2), strict=True
        )
    ]
    return torch.cat(parts, 2).transpose(1, 2).contiguous(), None


def _has_varlen_kernel(query: torch.Tensor, dropout: float) -> bool:
    """Whether torch's kernel takes it: CUDA since Ampere, half precision, no dropout."""
    return (
        query.is_cuda
        and not dropout
        and query.dtype in (torch.float16, torch.bfloat16)
        and query.shape[0] == 1
        and torch.cuda.get_device_capability(query.device) >= (8, 0)
    )


def _varlen(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    bounds: torch.Tensor,
    longest: int,
    scaling: float | None,
) -> torch.Tensor:
    """``[1, heads, tokens, size]`` -> ``[1, tokens, heads, size]`` by torch's varlen kernel."""
    from torch.nn.attention.varlen import varlen_attn

    query, key, value = (x[0].transpose(0, 1).contiguous() for x in (query, key, value))
    out = varlen_attn(
        query,
        key,
        value,
        bounds,
        bounds,
        longest,
        longest,
        scale=scaling,
        window_size=(-1, 0),
        enable_gqa=key.shape[1] != query.shape[1],
    )
    assert isinstance(out, torch.Tensor)
    return out[None]


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


def check_packing(model: torch.nn.Module, prepare: Any, seen: torch.Tensor, *, half: bool) -> None:
    """Prove in a training's own arithmetic that packed rows do not see each other.

    Three rows of tokens among ``seen`` are packed twice, the second time with another first row:
    the others' logits must not change. Both passes have the same shapes, so rounding cancels, and
    dense models give the same bits. Only experts' batches change with their tokens.
    """
    draw = np.random.default_rng(0)
    known = np.unique(np.append(seen.cpu().numpy(), [0, 1]))
    rows = [draw.choice(known, length) for length in (21, 9, 30)]
    other = known[(np.searchsorted(known, rows[0]) + 1) % len(known)]
    collator = Collator(pad=0, packed=True)
    was_training = model.training
    model.eval()
    first, second = (
        _logits(model, prepare(collator.pack([{"input_ids": r, "labels": r} for r in packed])))
        for packed in (rows, [other, *rows[1:]])
    )
    model.train(was_training)
    kept = len(other)
    off = (second[kept:] - first[kept:]).norm(dim=-1)
    worst = float((off / first[kept:].norm(dim=-1).clamp(min=1e-9)).max())
    if not worst <= (2e-2 if half and _has_experts(model) else 1e-5):
        raise BabelmixError(
            "packing changes what this model computes (a row's logits change by "
            f"{worst:.1e} of their size with another row's tokens): packed rows are not kept "
            "apart on this device. Set `packing: false` in the recipe."
        )


def _logits(model: torch.nn.Module, batch: dict[str, Any]) -> torch.Tensor:
    """Logits ``[tokens, vocabulary]`` of a packed micro-batch, in float32."""
    batch = {name: value for name, value in batch.items() if name != "labels"}
    with torch.no_grad():
        logits: torch.Tensor = model(**batch, use_cache=False).logits
    return logits[0].float()


def _has_experts(model: Any) -> bool:
    """Whether a model routes tokens to experts: which ones share a product changes its rounding."""
    names = {type(part).__name__.lower() for part in model.modules()}
    return any("expert" in name or "moe" in name for name in names)
