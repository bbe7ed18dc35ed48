"""Micro-batches: rows side by side with padding, or end to end with attention kept apart.

End to end ("packed") no position is wasted on padding. Attention then runs row by row, so that no
token sees another row; position ids start anew at each. This module imports torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ..errors import BabelmixError
from .attention import PACKED_ATTENTION, register_packed_attention
from .data import Rows
from .schedule import FILLER

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
        """Rows end to end, with where each begins: transformers' padding-free inputs."""
        lengths = tuple(len(row["input_ids"]) for row in rows)
        ids = np.concatenate([row["input_ids"] for row in rows]).astype(np.int64)
        labels = np.concatenate([row["labels"] for row in rows]).astype(np.int64)
        bounds = np.cumsum((0, *lengths))
        labels[bounds[:-1]] = _IGNORED  # nothing in its own row predicts a row's first token
        starts = torch.from_numpy(bounds.astype(np.int32))
        return {
            "input_ids": torch.from_numpy(ids)[None],
            "labels": torch.from_numpy(labels)[None],
            "position_ids": torch.cat([torch.arange(n) for n in lengths])[None],
            "document_lengths": lengths,
            "cu_seq_lens_q": starts,
            "cu_seq_lens_k": starts,
            "max_length_q": max(lengths),
            "max_length_k": max(lengths),
        }


def attention_for(config: Any, *, packed: bool, longest: int = 2**31) -> str | None:
    """Attention to load a model with; None is transformers' own choice.

    Models with soft-capped scores, or with windows shorter than the ``longest`` row, keep
    transformers' attention, whose mask keeps packed rows apart by their position ids: slower, and
    right. (On a GPU ``fastest_attention`` may know better.)
    """
    text = config.get_text_config()
    window = getattr(text, "use_sliding_window", True) and getattr(text, "sliding_window", None)
    short = window and window < longest
    if not packed or short or getattr(text, "attn_logit_softcapping", None):
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
