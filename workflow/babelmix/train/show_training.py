"""Verb ``show-training``: how a configuration's trainings would run, before one is started.

For each model and recipe: the layout of a step, the estimated memory by part, the disk that
checkpoints need, and DeepSpeed's JSON as it would be generated. Reads no data and no weights.
"""

from __future__ import annotations

import argparse
import json
import math
from typing import Any

from ..config.load import load_config
from ..config.training import Model, Recipe
from ..errors import BabelmixError
from ..plan.graph import Plan
from .devices import gpus_needed
from .memory import ModelShape, disk_needs, memory_needs
from .settings import check_recipe, deepspeed_config, lay_out


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("--config", required=True, help="configuration (YAML)")
    parser.add_argument("--model", help="only this model")
    parser.add_argument("--recipe", help="only this recipe")
    parser.add_argument("--nodes", type=int, default=1, help="machines of `gpus` GPUs each")


def run(args: argparse.Namespace) -> None:
    """Print one JSON object for each model and recipe that a study trains."""
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
    for model, recipe in chosen:
        shown = describe(config.models[model], config.training[recipe], args.nodes, model)
        print(json.dumps({"model": model, "recipe": recipe} | shown, indent=2))


def describe(model: Model, recipe: Recipe, nodes: int, name: str) -> dict[str, Any]:
    """What a training of this model by this recipe takes."""
    gpus = model.gpus or gpus_needed(model)
    devices = max(1, gpus) * nodes
    check_recipe(recipe, model, name, gpus=gpus)
    layout = lay_out(recipe, devices, name)
    rounds = math.ceil(recipe.batch_size / recipe.micro_batch_size / devices)
    shown: dict[str, Any] = {
        "devices": devices,
        "rows_a_step": recipe.batch_size,
        "micro_batch": f"{layout.tokens} tokens" if layout.tokens else f"{layout.micro} rows",
        "micro_batches_a_step_and_device": f"at most {rounds}" if layout.tokens else rounds,
    }
    shape = _shape(model)
    if shape is not None:
        for checkpointing in (False, True):
            needs = memory_needs(shape, recipe, layout, checkpointing=checkpointing)
            key = "memory_with_checkpointing" if checkpointing else "memory"
            shown[key] = str(needs)
        shown["disk_gb"] = round(disk_needs(shape, recipe) / 1e9, 1)
    else:
        shown["memory"] = "unknown: give `parameters_b`"
    if recipe.deepspeed is not None:
        shown["deepspeed"] = deepspeed_config(recipe, devices, rounds)
    return shown


def _shape(model: Model) -> ModelShape | None:
    """A Llama-like shape of the stated size (its true one is known once it is prepared)."""
    if model.parameters_b is None:
        return None
    return ModelShape.like_llama(int(model.parameters_b * 1e9))
