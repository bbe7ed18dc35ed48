"""Choose how a training runs on the devices at hand: what a recipe leaves at `auto`. No torch.

DeepSpeed's stage, gradient checkpointing and the size of a micro-batch change no result beyond
rounding: one optimizer step sees the same rows whatever is chosen.
"""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config.training import DeepSpeed, Recipe
from ..errors import BabelmixError
from ..io import read_json, write_json
from .checkpoints import seals
from .costs import Machine, StepCost, step_cost
from .devices import visible_gpus
from .memory import ModelShape, Needs, host_memory, memory_advice, memory_needs
from .settings import Layout, lay_out

#: DeepSpeed's stage (None: without it), and whether the optimizer's state is on the host.
Spread = tuple[int | None, bool]
#: File in a training's ``work`` (and result) that says how it was run.
EXECUTION = "execution.json"
#: Share of a device's memory that an estimate may take: the rest is fragments, CUDA's and NCCL's.
_USABLE = 0.85
#: A simpler way is taken where a faster one saves less than this share of a step.
_WORTH = 0.03


@dataclass(frozen=True, slots=True)
class Execution:
    """One way to run a training: a recipe with nothing left open, and what it takes."""

    recipe: Recipe
    checkpointing: bool
    layout: Layout
    needs: Needs
    cost: StepCost


def is_open(recipe: Recipe) -> bool:
    """Whether a recipe leaves DeepSpeed's stage or the micro-batch to the machine."""
    stage = recipe.deepspeed is not None and recipe.deepspeed.stage == "auto"
    return stage or (recipe.micro_batch_size == "auto" and recipe.micro_batch_tokens is None)


def usual_row_tokens(recipe: Recipe) -> int:
    """Tokens of a row that estimates assume: a quarter of the longest."""
    return max(1, recipe.max_length // 4)


def choose(
    shape: ModelShape,
    recipe: Recipe,
    machine: Machine,
    run: str,
    *,
    row_tokens: int | None = None,
    kept: Spread | None = None,
    force: bool = False,
) -> Execution:
    """The fastest way, by the estimates, that fits into memory; the simpler of two like ones.

    ``kept``: how the state of this training's checkpoints is spread, to go on with. Raises
    BabelmixError where nothing fits; with ``force`` a recipe that leaves nothing open is estimated
    all the same, and what is ``kept`` is tried in any case.
    """
    tokens = row_tokens or usual_row_tokens(recipe)
    found: list[Execution] = []
    tried: list[Execution] = []
    for way in _ways(recipe, machine, kept):
        for execution in _fill(shape, way, machine, run, tokens):
            tried.append(execution)
            if _fits(execution, machine):
                found.append(execution)
                break
        if found and not machine.on_gpu:  # no times are known there
            break
    # State that the recipe does not send to the host goes there only where nothing else fits.
    found = [e for e in found if _offloads(e.recipe) == _offloads(recipe)] or found
    if not found and (kept is not None or (force and not is_open(recipe))):
        found = [min(tried, key=lambda execution: execution.needs.total)]
    if not found:
        raise BabelmixError(
            _too_small(shape, min(tried, key=lambda e: e.needs.total), machine, run)
        )
    return _simplest_of_fast(found)


def _offloads(recipe: Recipe) -> bool:
    return recipe.deepspeed is not None and recipe.deepspeed.offload_optimizer


def _simplest_of_fast(found: list[Execution]) -> Execution:
    """The first that is about as fast as the fastest; ways come in order of simplicity."""
    fastest = min(execution.cost.step for execution in found)
    return next(e for e in found if e.cost.step <= fastest * (1 + _WORTH))


def _ways(recipe: Recipe, machine: Machine, kept: Spread | None) -> list[Recipe]:
    """The recipe under each stage and checkpointing that may be chosen, the simplest first."""
    given = recipe.deepspeed
    options: list[DeepSpeed | None] = [given]
    if given is not None and given.stage == "auto":
        options = [_with_stage(given, stage) for stage in _stages(recipe, machine)]
        if given.overrides == {} and not given.offload_optimizer:
            options.insert(0, None)
        if recipe.lora is None and not given.offload_optimizer and machine.on_gpu:
            last = (2, 3) if machine.devices > 1 else (2,)
            options += [_with_stage(given, stage, offload_optimizer=True) for stage in last]
        options = [option for option in options if kept in (None, _spread(option))] or options
    again = recipe.gradient_checkpointing
    flags = [False, True] if again == "auto" else [again]
    return [
        recipe.model_copy(update={"deepspeed": option, "gradient_checkpointing": flag})
        for option in options
        for flag in flags
    ]


def _spread(ds: DeepSpeed | None) -> Spread:
    return None if ds is None else int(ds.stage), bool(ds is not None and ds.offload_optimizer)


def _stages(recipe: Recipe, machine: Machine) -> list[int]:
    """DeepSpeed stages that may be chosen."""
    if recipe.lora is not None and recipe.lora.quantise != "none":
        return []  # four-bit weights train without DeepSpeed
    assert recipe.deepspeed is not None
    if recipe.deepspeed.offload_parameters:
        return [3]
    if recipe.lora is not None:
        return [1, 2]
    return [2] if machine.devices == 1 else [1, 2, 3]


def _with_stage(given: DeepSpeed, stage: int, **changes: Any) -> DeepSpeed:
    return given.model_copy(update={"stage": stage, **changes})


def _fill(
    shape: ModelShape, recipe: Recipe, machine: Machine, run: str, row_tokens: int
) -> list[Execution]:
    """The recipe in micro-batches from the largest that is of use down to one row."""

    def execution(settled: Recipe) -> Execution:
        layout = lay_out(settled, machine.devices, run)
        again = bool(settled.gradient_checkpointing)
        needs = memory_needs(shape, settled, layout, checkpointing=again)
        cost = step_cost(
            shape, settled, layout, machine, checkpointing=again, row_tokens=row_tokens
        )
        return Execution(settled, again, layout, needs, cost)

    if recipe.micro_batch_size != "auto" or recipe.micro_batch_tokens is not None:
        micro = 1 if recipe.micro_batch_size == "auto" else recipe.micro_batch_size
        return [execution(recipe.model_copy(update={"micro_batch_size": micro}))]
    rows = math.ceil(recipe.batch_size / machine.devices)
    sizes = [rows]
    while sizes[-1] > 1:
        sizes.append(max(1, math.ceil(sizes[-1] * 3 / 4) - (sizes[-1] < 4)))
    updates = (
        {"micro_batch_size": 1, "micro_batch_tokens": size * recipe.max_length}
        if recipe.packing
        else {"micro_batch_size": size}
        for size in sizes
    )
    return [execution(recipe.model_copy(update=update)) for update in updates]


def _fits(execution: Execution, machine: Machine) -> bool:
    on_node = execution.needs.host * machine.devices / machine.nodes
    if machine.host is not None and on_node > _USABLE * machine.host:
        return False
    return machine.memory is None or execution.needs.total <= _USABLE * machine.memory


def _too_small(shape: ModelShape, least: Execution, machine: Machine, run: str) -> str:
    assert machine.memory is not None or machine.host is not None
    has = f"{(machine.memory or 0) / 1e9:.0f} GB a device"
    if machine.host is not None:
        has += f", {machine.host / 1e9:.0f} GB on the host"
    advice = memory_advice(shape, least.recipe, least.layout, least.checkpointing)
    return (
        f"{run}: nothing that `auto` may choose fits by the estimate: the machine has {has}, of "
        f"which {100 * _USABLE:.0f} % are counted on. {advice} A stage that you name "
        "(`deepspeed: {stage: 3}`) is tried in any case."
    )


def describe_execution(execution: Execution) -> dict[str, Any]:
    """What was chosen and estimated, as JSON values."""
    recipe, cost = execution.recipe, execution.cost
    ds = recipe.deepspeed
    micro = execution.layout.tokens
    return {
        "zero_stage": ds.stage if ds is not None else None,
        "offload_optimizer": bool(ds is not None and ds.offload_optimizer),
        "gradient_checkpointing": execution.checkpointing,
        "micro_batch": f"{micro} tokens" if micro else f"{execution.layout.micro} rows",
        "micro_batches_per_step_and_device": cost.rounds,
        "tokens_per_micro_batch": round(cost.tokens),
        "memory_gb": execution.needs.in_gb(),
        "sent_gb_per_step_and_device": round(cost.sent / 1e9, 1),
        "arithmetic_s": round(cost.arithmetic, 3),
        "communication_s": round(cost.communication, 3),
        "optimizer_s": round(cost.optimizer, 3),
        "step_s": round(cost.step, 3),
        "mfu": round(cost.mfu, 3),
    }


def settle(recipe: Recipe, shape: ModelShape, machine: Machine, run: str, work: Path) -> Recipe:
    """The recipe with nothing left at `auto` that a process must know before it starts.

    Only a GPU's or a host's memory decides (gradient checkpointing alone is settled by the worker).
    A training that has checkpoints goes on under the DeepSpeed stage that wrote them.
    """
    if not is_open(recipe):
        return recipe
    return choose(shape, recipe, machine, run, kept=earlier_spread(work)).recipe


def note_execution(recipe: Recipe, layout: Layout, work: Path, **seen: Any) -> str:
    """Write how a training runs into ``work``; returns it as one line for the log."""
    ds, micro = recipe.deepspeed, layout.tokens
    record = {
        "devices": layout.devices,
        "zero_stage": ds.stage if ds is not None else None,
        "offload_optimizer": bool(ds is not None and ds.offload_optimizer),
        "micro_batch": f"{micro} tokens" if micro else f"{layout.micro} rows",
        **seen,
    }
    write_json(work / EXECUTION, record)
    return "runs with " + ", ".join(f"{key} {value}" for key, value in record.items())


def earlier_spread(work: Path) -> Spread | None:
    """How the state of this training's checkpoints is spread; None where there are none.

    Their format depends on it: a training goes on as it began.
    """
    path = work / EXECUTION
    if not path.is_file() or not seals(work):
        return None
    record = read_json(path)
    return record.get("zero_stage"), bool(record.get("offload_optimizer"))


def this_machine(
    devices: int, nodes: int, *, on_gpu: bool, gpu_memory_gb: float | None = None
) -> Machine:
    """The devices at hand, asked of the driver; a GPU's memory as given where it does not say."""
    host = host_memory()
    if not on_gpu:
        per_device = None if host is None else host / max(1, devices // nodes)
        return Machine(devices, nodes, "CPU", per_device, None, on_gpu=False)
    name, memory = _ask_driver()
    if memory is None and gpu_memory_gb is not None:
        memory = gpu_memory_gb * 1e9
        print(
            "nvidia-smi does not say how much memory the GPUs have; counting on the model's "
            f"`gpu_memory_gb`: {gpu_memory_gb:g}",
            file=sys.stderr,
        )
    return Machine(devices, nodes, name, memory, host)


def _ask_driver() -> tuple[str, float | None]:
    """Name and memory of the smallest GPU that this process may use, by nvidia-smi.

    Slices of a GPU (MIG) have ids that it does not answer for; then nothing is known.
    """
    words = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    words += [f"--id={','.join(visible_gpus())}"]
    try:
        run = subprocess.run(words, capture_output=True, text=True, timeout=30, check=True)
        rows = [line.rsplit(",", 1) for line in run.stdout.splitlines() if line.strip()]
        name, mib = min(rows, key=lambda row: float(row[1]))
        return name.strip(), float(mib) * 2**20
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return "", None
