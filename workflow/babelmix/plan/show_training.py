"""Verb ``show-training``: how a configuration's trainings would run, before one is started.

For each model and recipe: the layout of a step, the estimated memory by part, communication, time
and MFU of a step, the disk that checkpoints need, and DeepSpeed's JSON as it would be generated.
Reads no data and no weights.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

from ..config.load import load_config
from ..config.training import Model, Recipe
from ..errors import BabelmixError, unknown_name
from ..train.costs import Machine
from ..train.devices import gpus_needed
from ..train.execution import choose, describe_execution, is_open, usual_row_tokens
from ..train.memory import ModelShape, disk_needs, known_gpus, peak_flops
from ..train.settings import check_recipe, deepspeed_config, lay_out
from .graph import Plan


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("--config", required=True, help="configuration (YAML)")
    parser.add_argument("--model", help="only this model")
    parser.add_argument("--recipe", help="only this recipe")
    parser.add_argument("--nodes", type=_positive, default=1, help="machines of `gpus` GPUs each")
    parser.add_argument(
        "--gpus", type=_positive, help="GPUs of a machine (default: the model's `gpus`)"
    )
    parser.add_argument(
        "--gpu", default="H100", help="kind of GPU, for estimates of time (default: H100)"
    )
    parser.add_argument(
        "--gpu-memory-gb", type=_amount, help="memory of one (default: the model's `gpu_memory_gb`)"
    )
    parser.add_argument(
        "--parameters-b",
        type=_amount,
        nargs="+",
        help="billions of parameters, in place of the model's: as if it were as large",
    )
    parser.add_argument(
        "--row-tokens",
        type=_positive,
        help="mean tokens of a row (default: a quarter of max_length)",
    )


def run(args: argparse.Namespace) -> None:
    """Print one JSON object for each model and recipe that a study trains."""
    if peak_flops(args.gpu) is None:
        raise unknown_name("kind of GPU", args.gpu, known_gpus(), "--gpu")
    config = load_config(args.config)
    pairs = sorted({(r.model, r.recipe) for r in Plan(config).runs.values() if r.recipe})
    chosen = [
        (model, recipe)
        for model, recipe in pairs
        if args.model in (None, model) and args.recipe in (None, recipe)
    ]
    if not chosen:
        known = ", ".join(f"{model} with {recipe}" for model, recipe in pairs) or "none"
        raise BabelmixError(f"no such training. The configuration trains: {known}.")
    for name, recipe in chosen:
        model = config.models[name]
        for billions in args.parameters_b or [model.parameters_b]:
            sized = model.model_copy(update={"parameters_b": billions})
            shown = describe(sized, config.training[recipe], name, args)
            print(json.dumps({"model": name, "recipe": recipe} | shown, indent=2))


def describe(model: Model, recipe: Recipe, name: str, args: argparse.Namespace) -> dict[str, Any]:
    """What a training of this model by this recipe takes."""
    gpus = args.gpus or model.gpus or gpus_needed(model)
    devices = max(1, gpus) * args.nodes
    memory = (args.gpu_memory_gb or model.gpu_memory_gb) * 1e9 if gpus else None
    machine = Machine(devices, args.nodes, args.gpu, memory, on_gpu=bool(gpus))
    row_tokens = args.row_tokens or usual_row_tokens(recipe)
    if row_tokens > recipe.max_length:
        raise BabelmixError(
            f"--row-tokens {row_tokens}: rows are cut at the recipe's `max_length`, "
            f"{recipe.max_length}."
        )
    shape = _shape(model)
    check_recipe(recipe, model, name, gpus=gpus)
    if shape is None:
        return _without_estimate(recipe, devices, name)
    execution = choose(shape, recipe, machine, name, row_tokens=row_tokens, force=True)
    check_recipe(execution.recipe, model, name, gpus=gpus)
    shown: dict[str, Any] = {
        "parameters_b": model.parameters_b or round(shape.parameters / 1e9, 4),
        "devices": devices,
        "device": f"{args.gpu}, {memory / 1e9:g} GB" if memory is not None else "CPU",
        "rows_per_step": recipe.batch_size,
        "assumed_tokens_per_row": row_tokens,
    }
    shown |= describe_execution(execution)
    shown["checkpoint_disk_gb"] = round(disk_needs(shape, execution.recipe) / 1e9, 1)
    if not gpus:
        for key in ("step_s", "mfu", "arithmetic_s", "communication_s", "optimizer_s"):
            shown.pop(key)  # no times are known for a CPU
    if execution.recipe.deepspeed is not None:
        rounds = execution.cost.rounds
        shown["deepspeed"] = deepspeed_config(execution.recipe, devices, rounds)
    return shown


def _without_estimate(recipe: Recipe, devices: int, name: str) -> dict[str, Any]:
    """What is known of a training whose model's size is not."""
    layout = lay_out(recipe, devices, name)
    shown: dict[str, Any] = {"devices": devices, "rows_per_step": recipe.batch_size}
    if not is_open(recipe):
        micro = layout.tokens
        shown["micro_batch"] = f"{micro} tokens" if micro else f"{layout.micro} rows"
        if recipe.deepspeed is not None:
            rounds = math.ceil(recipe.batch_size / layout.micro / devices)
            shown["deepspeed"] = deepspeed_config(recipe, devices, rounds)
    return shown | {"estimate": "unknown: give the model's `parameters_b`"}


def _shape(model: Model) -> ModelShape | None:
    """A Llama-like shape of the stated size, else that of a local model's own files."""
    if model.parameters_b is not None:
        return ModelShape.like_llama(int(model.parameters_b * 1e9))
    folder = Path(model.path) if model.path is not None else None
    if folder is not None and (folder / "config.json").is_file():
        return ModelShape.read(folder)
    return None


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number}: 1 or more")
    return number


def _amount(text: str) -> float:
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text}: a number above 0")
    return number
