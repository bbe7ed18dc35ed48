"""How a recipe is laid out on devices: batch, learning rate, DeepSpeed's JSON. No torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..config.training import Model, Recipe
from ..errors import BabelmixError


@dataclass(frozen=True, slots=True)
class Layout:
    """One optimizer step: ``batch_size`` = ``devices`` x ``micro`` x ``accumulation`` rows."""

    batch_size: int
    devices: int
    micro: int

    @property
    def accumulation(self) -> int:
        """Forward passes of one device before an optimizer step."""
        return self.batch_size // (self.devices * self.micro)


def lay_out(recipe: Recipe, devices: int, run: str) -> Layout:
    """Split a step over devices; the micro-batch shrinks where it would not divide the share."""
    if recipe.batch_size % devices:
        raise BabelmixError(
            f"{run}: `batch_size: {recipe.batch_size}` cannot be shared equally by {devices} "
            "devices. Choose a multiple of the number of devices."
        )
    share = recipe.batch_size // devices
    micro = max(m for m in range(1, recipe.micro_batch_size + 1) if share % m == 0)
    return Layout(recipe.batch_size, devices, micro)


def check_recipe(recipe: Recipe, model: Model, run: str, *, gpus: int) -> None:
    """Refuse what cannot work on the devices at hand, before anything is loaded."""
    if recipe.precision == "fp16" and not gpus:
        raise BabelmixError(f"{run}: `precision: fp16` needs a GPU; use bf16 or fp32 on the CPU.")
    ds = recipe.deepspeed
    if ds is not None and ds.stage == 0 and recipe.precision != "fp32":
        raise BabelmixError(
            f"{run}: DeepSpeed stage 0 keeps no float32 master weights in {recipe.precision} and "
            "trains less exactly. Use `stage: 1` or above, or `precision: fp32`."
        )
    if ds is not None and ds.offload_optimizer and ds.stage == 0:
        raise BabelmixError(f"{run}: `offload_optimizer` needs a DeepSpeed stage of 1 or above.")
    if recipe.lora is not None and ds is not None and ds.stage == 3:
        raise BabelmixError(
            f"{run}: LoRA with ZeRO-3 is not supported. Use `stage: 2`: with adapters the "
            "optimizer's state is small."
        )


def rate_factor(recipe: Recipe, steps: int) -> Callable[[int], float]:
    """Learning rate of step ``s`` (from 0) as a factor of the peak: warm-up, then the schedule."""
    warmup = math.ceil(recipe.warmup_ratio * steps)
    floor = recipe.min_learning_rate / recipe.learning_rate

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        done = min(1.0, (step - warmup) / max(1, steps - warmup))
        if recipe.schedule == "constant":
            return 1.0
        shape = 1.0 - done if recipe.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * done))
        return floor + (1.0 - floor) * shape

    return factor


def deepspeed_config(recipe: Recipe, layout: Layout) -> dict[str, Any]:
    """DeepSpeed's JSON; every number is written out, so that nothing is left to a default."""
    assert recipe.deepspeed is not None
    stage = recipe.deepspeed.stage
    zero: dict[str, Any] = {"stage": stage, "overlap_comm": False, "contiguous_gradients": True}
    if stage == 3:
        zero["stage3_gather_16bit_weights_on_model_save"] = True
    config: dict[str, Any] = {
        "train_batch_size": layout.batch_size,
        "train_micro_batch_size_per_gpu": layout.micro,
        "gradient_accumulation_steps": layout.accumulation,
        "gradient_clipping": recipe.max_grad_norm,
        "bf16": {"enabled": recipe.precision == "bf16"},
        "fp16": {"enabled": recipe.precision == "fp16"},
        "zero_optimization": zero,
        "zero_allow_untested_optimizer": True,
        "steps_per_print": 10**9,
    }
    if recipe.deepspeed.offload_optimizer:
        # DeepSpeed's own CPU Adam would be compiled on first use; torch's AdamW needs no compiler.
        zero["offload_optimizer"] = {"device": "cpu"}
        config["zero_force_ds_cpu_optimizer"] = False
    return config


def evaluation_steps(
    rows: int, steps: int, layout: Layout, every: int | None = None
) -> frozenset[int]:
    """Steps after which the held-out loss is measured: ends of epochs, the last, every n-th."""
    per_epoch = math.ceil(rows / layout.batch_size)
    chosen = set(range(per_epoch, steps + 1, per_epoch)) | {steps}
    if every is not None:
        chosen |= set(range(every, steps + 1, every))
    return frozenset(chosen)
