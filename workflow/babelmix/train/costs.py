"""How long an optimizer step takes, estimated before a training starts. No torch.

Round figures, good for choosing between layouts and for planning: arithmetic at a usual share of
the GPU's peak, communication at what NCCL usually reaches, AdamW at the memory's speed. They were
not fitted to a machine; `make test-gpu` measures one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..config.training import Recipe
from .memory import ModelShape, adapter_parameters, peak_flops
from .settings import Layout

#: Share of the peak that matrix products of a training reach in large micro-batches.
_EFFICIENCY = 0.6
#: Tokens of a micro-batch at which half of that is reached: launches and small products cost.
_HALF_SPEED_TOKENS = 512
#: Packed steps differ in length, and all have as many micro-batches as the longest.
_UNEVEN = 1.3
#: Bytes per second and direction between the GPUs of a node, by a part of their name: about two
#: thirds of NVLink's data sheet. Others: PCI Express.
_LINKS = {"H200": 300e9, "H100 PCIe": 40e9, "H100": 300e9, "B200": 600e9, "A100": 200e9}
_PCIE = 20e9
#: Bytes per second and GPU between nodes: 400 Gbit/s at four fifths.
_FABRIC = 40e9
#: Bytes per second of a GPU's memory, and of a host's.
_GPU_MEMORY, _HOST_MEMORY = 2e12, 200e9
#: Share of the communication during a pass that hides behind arithmetic. ZeRO-3 waits for weights
#: at every layer: where both fit, ZeRO-1 and 2 are faster (transformers' guide to DeepSpeed).
_HIDDEN = {"plain": 0.8, "gradients": 0.8, "weights": 0.5}
#: Bytes that AdamW reads and writes per weight.
_ADAMW = 28
#: Where the name says nothing: the arithmetic of an A100.
_USUAL_PEAK = 312e12


@dataclass(frozen=True, slots=True)
class Machine:
    """The devices of one training. ``memory``: bytes of one device; None where not known."""

    devices: int
    nodes: int = 1
    name: str = ""
    memory: float | None = None
    host: float | None = None
    on_gpu: bool = True

    @property
    def peak(self) -> float:
        """FLOP/s of one device in half precision."""
        return peak_flops(self.name) or _USUAL_PEAK

    @property
    def link(self) -> float:
        """Bytes per second that a device sends to others."""
        if self.nodes > 1:
            return _FABRIC
        return next((speed for name, speed in _LINKS.items() if name in self.name), _PCIE)


@dataclass(frozen=True, slots=True)
class StepCost:
    """Estimated seconds of one optimizer step and what they go into."""

    rounds: int
    tokens: float
    arithmetic: float
    sent: float
    communication: float
    optimizer: float
    step: float
    mfu: float


def step_cost(
    shape: ModelShape,
    recipe: Recipe,
    layout: Layout,
    machine: Machine,
    *,
    checkpointing: bool,
    row_tokens: int,
) -> StepCost:
    """Estimate one step of ``batch_size`` rows of ``row_tokens`` tokens, half of them trained.

    ``sent`` are bytes that a device sends. Part of the communication hides behind the arithmetic;
    gathering the weights after the step (ZeRO-1 and 2) does not.
    """
    n = machine.devices
    rows = math.ceil(recipe.batch_size / n)
    share = rows * row_tokens
    if layout.tokens is not None:
        rounds = max(1, math.ceil(_UNEVEN * share / layout.tokens))
        computed = share
    else:  # rows of a micro-batch are as long as the longest: about twice the mean
        rounds = math.ceil(rows / layout.micro)
        computed = min(2 * row_tokens, recipe.max_length) * rows
    lengths, trained = np.array([row_tokens]), np.array([row_tokens // 2])
    frozen = recipe.lora is not None
    useful = float(shape.training_flops(lengths, trained, frozen=frozen)[0]) * rows
    done = useful * computed / share * (4 / 3 if checkpointing else 1)
    micro = computed / rounds
    speed = machine.peak * _EFFICIENCY * micro / (micro + _HALF_SPEED_TOKENS)
    if recipe.precision == "fp32":
        speed /= 8  # TF32 and float32 units are that much slower
    arithmetic = done / speed
    during, after = _sent(shape, recipe, n, rounds)
    optimizer = _optimizer_seconds(shape, recipe, machine)
    hidden = min(arithmetic, during / machine.link * _hidden_share(recipe))
    communication = (during + after) / machine.link
    step = arithmetic + communication - hidden + optimizer
    return StepCost(
        rounds=rounds,
        tokens=micro,
        arithmetic=arithmetic,
        sent=during + after,
        communication=communication,
        optimizer=optimizer,
        step=step,
        mfu=useful / step / machine.peak,
    )


def _trainable(shape: ModelShape, recipe: Recipe) -> int:
    return shape.parameters if recipe.lora is None else adapter_parameters(shape, recipe.lora.rank)


def _sent(shape: ModelShape, recipe: Recipe, devices: int, rounds: int) -> tuple[float, float]:
    """Bytes that a device sends in one step: during the passes, and after the optimizer.

    By rings: a reduction or a gathering of all weights sends (n - 1)/n of them. ZeRO-1 reduces
    gradients once per step, ZeRO-2 and 3 in every micro-batch; ZeRO-3 gathers the weights twice in
    each (three times with the reduction).
    """
    half = 4 if recipe.precision == "fp32" else 2
    stage = recipe.deepspeed.stage if recipe.deepspeed is not None else -1
    assert stage != "auto"
    ring = (devices - 1) / devices
    trainable = _trainable(shape, recipe)
    if stage < 1:
        gradients = 4 if recipe.lora is None else half
        return 2 * trainable * gradients * ring, 0.0
    once = trainable * half * ring
    if stage < 3:
        return once * (rounds if stage == 2 else 1), once
    gathered = shape.parameters * half * ring
    return (2 * gathered + once) * rounds, 0.0


def _hidden_share(recipe: Recipe) -> float:
    stage = recipe.deepspeed.stage if recipe.deepspeed is not None else 0
    return _HIDDEN["weights" if stage == 3 else "gradients" if stage else "plain"]


def _optimizer_seconds(shape: ModelShape, recipe: Recipe, machine: Machine) -> float:
    """AdamW over this device's part of the state, on the GPU or on the host."""
    ds, trainable = recipe.deepspeed, _trainable(shape, recipe)
    sharded = ds is not None and ds.stage in (1, 2, 3)
    mine = trainable / (machine.devices if sharded else 1)
    if ds is None or not ds.offload_optimizer:
        return mine * _ADAMW / _GPU_MEMORY
    on_node = mine * machine.devices / machine.nodes
    return on_node * _ADAMW / _HOST_MEMORY + mine * 4 / _PCIE  # gradients down, weights up
