"""Checks of recipes and templates that a training would refuse only once its data are paid for."""

from __future__ import annotations

from collections.abc import Iterable

from ..config.root import Config
from ..config.training import Model
from ..errors import BabelmixError
from ..train.settings import check_recipe, lay_out
from ..train.templates import read_template


def training_problems(
    config: Config, trained: Iterable[tuple[str, str]], *, gpus_here: int | None
) -> list[str]:
    """What is wrong with trainings, given as (model, recipe) pairs, one paragraph each.

    ``gpus_here`` is None where jobs run elsewhere and GPUs cannot be counted.
    """
    problems = []
    for name, recipe in sorted(set(trained)):
        model = config.models[name]
        where = f"models.{name} with training.{recipe}"
        gpus = _gpus(model, gpus_here)
        try:
            if model.chat_template != "own":
                read_template(model.chat_template, f"models.{name}.chat_template")
            check_recipe(config.training[recipe], model, where, gpus=gpus)
            lay_out(config.training[recipe], max(1, gpus) * model.nodes, where)
        except BabelmixError as error:
            problems.append(str(error))
    return list(dict.fromkeys(problems))


def _gpus(model: Model, gpus_here: int | None) -> int:
    """GPUs that a training will see; elsewhere one, where the configuration leaves it open."""
    if model.device == "cpu":
        return 0
    there = 1 if model.device == "cuda" or gpus_here is None else min(1, gpus_here)
    return model.gpus or there
