"""Attention within packed documents: the fastest way that the machine has. Imports torch.

On CUDA in half precision FlashAttention computes all documents of a micro-batch in one call:
transformers' own path where the package is installed (it takes transformers' padding-free inputs,
windows and soft caps), else the kernel that torch brings. Elsewhere documents go one by one.
"""

from __future__ import annotations

import importlib.util
import inspect
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

#: Name under which our attention is registered with transformers.
PACKED_ATTENTION = "babelmix_packed"
#: Packages with a FlashAttention that transformers knows, the fastest first, and its name there.
_FLASH_PACKAGES = (
    ("flash_attn_interface", "flash_attention_3"),
    ("flash_attn", "flash_attention_2"),
)
_HUB_KERNEL = "flash-attn2"


def fastest_attention(
    chosen: str | None, config: Any, *, packed: bool, half: bool, on_gpu: bool
) -> str | None:
    """FlashAttention for packed rows where this model can train with it here, else ``chosen``.

    It needs CUDA, half precision, heads of at most 256, a model class that supports it, and one of
    the packages: flash-attn (3 or 2), or `kernels` with its flash-attn2 already downloaded (nothing
    is fetched at the start of a training).
    """
    if chosen == PACKED_ATTENTION:
        register_packed_attention()  # what chose it may have been another process
    if not (packed and on_gpu and half and torch.cuda.is_available()):
        return chosen
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

    text = config.get_text_config()
    kind = MODEL_FOR_CAUSAL_LM_MAPPING.get(type(config), None)
    heads = getattr(text, "num_attention_heads", None) or 1
    size = getattr(text, "head_dim", None) or text.hidden_size // heads
    if not getattr(kind, "_supports_flash_attn", False) or size > 256:
        return chosen
    return installed_flash() or chosen


def installed_flash() -> str | None:
    """Name of the best installed FlashAttention, as transformers calls it; None without one."""
    hopper = torch.cuda.is_available() and torch.cuda.get_device_capability() >= (9, 0)
    for package, name in _FLASH_PACKAGES:
        if importlib.util.find_spec(package) is not None and (hopper or name[-1] != "3"):
            return name
    if importlib.util.find_spec("kernels") is not None and _downloaded(_HUB_KERNEL):
        return "flash_attention_2"
    return None


def attention_name(implementation: str, *, half: bool, on_gpu: bool) -> str:
    """What computes a model's attention, for the record."""
    if implementation != PACKED_ATTENTION:
        return implementation
    kernel = on_gpu and half and torch.cuda.get_device_capability() >= (8, 0)
    return "torch varlen_attn" if kernel else "sdpa, one document at a time"


def _downloaded(kernel: str) -> bool:
    from huggingface_hub.constants import HF_HUB_CACHE

    return any(Path(HF_HUB_CACHE).glob(f"*--kernels-community--{kernel}/snapshots/*"))


def packed_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    document_lengths: tuple[int, ...] | None = None,
    cu_seq_lens_q: torch.Tensor | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention within each document of ``[1, heads, tokens, size]`` tensors.

    Without ``document_lengths`` (padded rows) it is plain causal attention, which is right because
    the padding stands at the end of each row. On CUDA in half precision one kernel of torch's does
    all documents; elsewhere they go one by one.
    """
    # Rotary embeddings leave queries and keys in float32 under autocast; kernels are not cast.
    query, key, value = in_autocast_dtype(query, key, value)
    lengths = document_lengths or (query.shape[2],)
    same_size = value.shape[-1] == query.shape[-1]
    if cu_seq_lens_q is not None and same_size and has_varlen_kernel(query, dropout):
        return varlen(query, key, value, cu_seq_lens_q, max(lengths), scaling), None
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


def in_autocast_dtype(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The tensors in autocast's dtype where autocast is on, as they are elsewhere."""
    kind = tensors[0].device.type
    if not torch.is_autocast_enabled(kind):
        return tensors
    return tuple(x.to(torch.get_autocast_dtype(kind)) for x in tensors)


def has_varlen_kernel(query: torch.Tensor, dropout: float) -> bool:
    """Whether torch's kernel takes it: CUDA since Ampere, half precision, no dropout."""
    return (
        query.is_cuda
        and not dropout
        and query.dtype in (torch.float16, torch.bfloat16)
        and query.shape[0] == 1
        and query.shape[-1] <= 256
        and torch.cuda.get_device_capability(query.device) >= (8, 0)
    )


def varlen(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    bounds: torch.Tensor,
    longest: int,
    scaling: float | None,
) -> torch.Tensor:
    """``[1, heads, tokens, size]`` -> ``[1, tokens, heads, size]`` by torch's varlen kernel.

    ``bounds`` is int32 ``[documents + 1]``: where each document begins, and the end. Torch 2.10 to
    2.12 know fewer options than 2.13: grouped heads are then repeated, the scale is multiplied in.
    """
    from torch.nn.attention.varlen import varlen_attn

    known = inspect.signature(varlen_attn).parameters
    groups = query.shape[1] // key.shape[1]
    options: dict[str, Any] = {}
    if "window_size" in known:
        options["window_size"] = (-1, 0)
    else:
        options["is_causal"] = True
    if "scale" in known:
        options["scale"] = scaling
    elif scaling is not None:
        query = query * (scaling * query.shape[-1] ** 0.5)
    if groups > 1 and "enable_gqa" in known:
        options["enable_gqa"] = True
    elif groups > 1:
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    query, key, value = (x[0].transpose(0, 1).contiguous() for x in (query, key, value))
    out = varlen_attn(query, key, value, bounds, bounds, longest, longest, **options)
    assert isinstance(out, torch.Tensor)
    return out[None]


def register_packed_attention() -> None:
    """Make ``PACKED_ATTENTION`` known to transformers."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(PACKED_ATTENTION, packed_attention)
    AttentionMaskInterface.register(PACKED_ATTENTION, lambda *_, **__: None)
