"""Liger's fused Triton kernels (the extra `gpu`): norms, rotary positions, SwiGLU, the loss.

They change no result beyond rounding. Imports torch lazily.
"""

from __future__ import annotations

import importlib.util
from typing import Any

from ..config.training import Recipe
from ..errors import BabelmixError


def uses_fused_kernels(recipe: Recipe, run: str, *, on_gpu: bool) -> bool:
    """Whether a training takes Liger's kernels: as the recipe says, or where it is installed.

    Raises BabelmixError where the recipe asks for them and they cannot be had.
    """
    chosen = recipe.fused_kernels
    if chosen is False or not on_gpu:
        if chosen is True:
            raise BabelmixError(f"{run}: `fused_kernels: true` needs a GPU; use `auto` or `false`.")
        return False
    installed = importlib.util.find_spec("liger_kernel") is not None
    if chosen is True and not installed:
        raise BabelmixError(
            f"{run}: `fused_kernels: true` needs Liger: `pip install 'babelmix[gpu]'`."
        )
    return installed


def fuse_layers(model: Any) -> None:
    """Replace a model's norms, rotary positions and feed-forward layers by Liger's, in place.

    Model types that Liger does not know stay as they are. The loss is not replaced here: ours asks
    for Liger's inside the output layer (see ``loss``).
    """
    from transformers.integrations.liger import apply_liger_kernel

    apply_liger_kernel(model, {"cross_entropy": False, "fused_linear_cross_entropy": False})


def fused_loss(head: Any, hidden: Any, target: Any, softcap: float | None) -> Any:
    """Summed cross-entropy of ``[tokens, hidden]`` states, without their logits.

    Liger computes the gradients in the forward pass, piece by piece; those of the weights are
    summed in float32.
    """
    import torch
    from liger_kernel.transformers.fused_linear_cross_entropy import (
        LigerFusedLinearCrossEntropyLoss,
    )

    loss = LigerFusedLinearCrossEntropyLoss(
        ignore_index=-100, reduction="sum", softcap=softcap, accum_dtype=torch.float32
    )
    weight, bias = head.weight, head.bias
    if torch.is_autocast_enabled(hidden.device.type):  # it multiplies in the weights' own dtype
        dtype = torch.get_autocast_dtype(hidden.device.type)
        hidden, weight = hidden.to(dtype), weight.to(dtype)
        bias = None if bias is None else bias.to(dtype)
    return loss(weight, hidden, target, bias)
