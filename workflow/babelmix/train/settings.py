"""How a recipe is laid out on devices: batch, learning rate, DeepSpeed's JSON. No torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..config.training import Model, Recipe
from ..errors import BabelmixError

#: Elements that DeepSpeed sends at once: its default of 5e8 takes 9 GB of buffers when reduction
#: and gathering overlap with arithmetic.
BUCKET = 200_000_000
#: Under ZeRO-3: weights that may be gathered on a device at a time, and fetched ahead.
LIVE_PARAMETERS = 1_000_000_000
_PREFETCH = 50_000_000


@dataclass(frozen=True, slots=True)
class Layout:
    """How the rows of one optimizer step are shared out.

    ``batch_size`` rows go to ``devices`` in micro-batches of at most ``micro`` rows (padded) or,
    where ``tokens`` is not None, of at most that many tokens (packed).
    """

    batch_size: int
    devices: int
    micro: int
    tokens: int | None = None


def lay_out(recipe: Recipe, devices: int, run: str) -> Layout:
    """The layout of a recipe on some devices."""
    if recipe.batch_size < devices:
        raise BabelmixError(
            f"{run}: `batch_size: {recipe.batch_size}` leaves some of {devices} devices without "
            "rows. Use fewer devices or a larger batch."
        )
    micro = recipe.micro_batch_size
    if micro == "auto":  # not settled yet: the least
        micro = 1
    tokens = recipe.micro_batch_tokens or micro * recipe.max_length
    return Layout(recipe.batch_size, devices, micro, tokens if recipe.packing else None)


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
    if ds is not None and ds.offload_parameters and ds.stage not in (3, "auto"):
        raise BabelmixError(f"{run}: `offload_parameters` needs DeepSpeed's stage 3.")
    if ds is not None:
        _check_overrides(ds.overrides, run)
    if recipe.lora is not None and recipe.lora.quantise != "none" and ds is not None:
        raise BabelmixError(
            f"{run}: four-bit weights (`lora.quantise`) train without DeepSpeed; leave `deepspeed` "
            "out."
        )
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


#: What the recipe or the layout decides on; an override of these would contradict it.
_OURS = (
    "train_batch_size",
    "train_micro_batch_size_per_gpu",
    "gradient_accumulation_steps",
    "gradient_clipping",
    "bf16",
    "fp16",
    "optimizer",
    "scheduler",
)


def _check_overrides(overrides: dict[str, Any], run: str) -> None:
    taken = sorted(set(overrides) & set(_OURS))
    if taken:
        raise BabelmixError(
            f"{run}: `deepspeed.overrides` may not set {', '.join(taken)}: the recipe's own keys "
            "(batch_size, precision, max_grad_norm, learning_rate …) do."
        )
    zero = overrides.get("zero_optimization", {})
    if not isinstance(zero, dict) or "stage" in zero:
        raise BabelmixError(f"{run}: set ZeRO's stage by `deepspeed.stage`, not in `overrides`.")


def deepspeed_config(recipe: Recipe, devices: int, rounds: int) -> dict[str, Any]:
    """DeepSpeed's JSON; every number is written out, so that nothing is left to a default.

    One "sample" of DeepSpeed's is one micro-batch of ours, whatever it holds; ``rounds`` is how
    many of them a device sees in one optimizer step.
    """
    ds = recipe.deepspeed
    assert ds is not None
    assert ds.stage != "auto"
    zero: dict[str, Any] = {
        "stage": ds.stage,
        "overlap_comm": True,
        "contiguous_gradients": True,
        "reduce_bucket_size": BUCKET,
        "allgather_bucket_size": BUCKET,
    }
    if ds.stage == 3:
        del zero["allgather_bucket_size"]
        zero["stage3_prefetch_bucket_size"] = _PREFETCH
        zero["stage3_max_live_parameters"] = LIVE_PARAMETERS
        zero["stage3_gather_16bit_weights_on_model_save"] = True
    config: dict[str, Any] = {
        "train_batch_size": devices * rounds,
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": rounds,
        "gradient_clipping": recipe.max_grad_norm,
        "bf16": {"enabled": recipe.precision == "bf16"},
        "fp16": {"enabled": recipe.precision == "fp16"},
        "zero_optimization": zero,
        "zero_allow_untested_optimizer": True,
        "steps_per_print": 10**9,
    }
    if ds.offload_optimizer:
        # DeepSpeed's own CPU Adam would be compiled on first use; torch's AdamW needs no compiler.
        zero["offload_optimizer"] = {"device": "cpu"}
        config["zero_force_ds_cpu_optimizer"] = False
    if ds.offload_parameters:
        zero["offload_param"] = {"device": "cpu"}
    return _merged(config, ds.overrides)


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """``base`` with ``over`` laid over it, dictionary by dictionary."""
    result = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = _merged(result[key], value) if both else value
    return result


def steps_per_epoch(rows: int, recipe: Recipe) -> int:
    """Optimizer steps of one pass over the rows; the last may see fewer of them."""
    return math.ceil(rows / recipe.batch_size)


def listed_steps(rows: int, recipe: Recipe) -> dict[int, float]:
    """Steps after which weights are kept for a choice by hand, and the epoch that each ends."""
    per_epoch = steps_per_epoch(rows, recipe)
    return {max(1, math.ceil(epoch * per_epoch)): epoch for epoch in recipe.keep_epochs}


def evaluation_steps(rows: int, steps: int, recipe: Recipe) -> frozenset[int]:
    """Steps after which held-out rows are measured: ends of epochs, the last, kept epochs, and
    every checkpoint where the best of them is wanted."""
    per_epoch = steps_per_epoch(rows, recipe)
    chosen = set(range(per_epoch, steps + 1, per_epoch)) | {steps}
    chosen |= set(listed_steps(rows, recipe))
    if recipe.select.startswith("best"):
        chosen |= set(range(recipe.checkpoint_steps, steps + 1, recipe.checkpoint_steps))
    return frozenset(chosen)
