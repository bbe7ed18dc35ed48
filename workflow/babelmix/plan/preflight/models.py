"""Base models and recipes: the weights are there, the chat template can be masked, the recipe fits.

A tokenizer is loaded only from this machine, and only while its model has not been prepared: what
`prepare-model` has proved is not proved again. Loading one costs about 4 s of imports.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ...config.training import Model
from ...errors import BabelmixError
from ...service.client import read_key
from ...train.places import find_gguf, find_weights
from ...train.prepare import read_template
from ...train.settings import check_recipe, lay_out
from ...train.template_proof import prove_template
from ..graph import Plan
from .translators import installed

#: Files of a tokenizer that the hub's cache must hold for it to be loaded offline.
_TOKENIZER = ("tokenizer_config.json", "tokenizer.json")


def model_findings(plan: Plan) -> tuple[list[str], list[str]]:
    """Return what preparing, training and answering would refuse, and what is not known yet."""
    problems = [*_recipe_problems(plan), *_engine_problems(plan)]
    unknown = []
    for name in plan.models:
        if Path(plan.root, "models", f"{name}.json").is_file():
            continue
        try:
            if not _examine(plan, name):
                unknown.append(name)
        except BabelmixError as error:
            problems.append(str(error))
    if not unknown:
        return problems, []
    return problems, [
        f"models.{', models.'.join(unknown)}: the tokenizer is not on this machine; whether its "
        "chat template can be masked is known once `prepare_model` has fetched it, before any "
        "training. `snakemake --until prepare_model` does that alone."
    ]


def _examine(plan: Plan, name: str) -> bool:
    """Look at a model that is not prepared yet; False where it is not on this machine."""
    model, where = plan.config.models[name], f"models.{name}"
    if model.chat_template != "own":
        read_template(model.chat_template, f"{where}.chat_template")
    folder: Path | None = None
    if model.packaged is not None:
        find_gguf(model.packaged, where)
        return True  # its tokenizer is inside the file of weights
    if model.path is not None:
        folder = find_weights(model, where)
    else:
        folder = _cached(model)
    if model.chat_template != "own":
        return True
    if folder is None or not installed("transformers"):
        return False
    if not model.trust_remote_code:
        prove_template(folder, model, where, system=_system_prompts(plan, name))
    return True


def _cached(model: Model) -> Path | None:
    """The folder of a hub model whose tokenizer is in the hub's cache here."""
    if not installed("huggingface_hub"):
        return None
    from huggingface_hub import try_to_load_from_cache

    found = [
        try_to_load_from_cache(str(model.repo), f, revision=model.revision) for f in _TOKENIZER
    ]
    paths = [Path(path) for path in found if isinstance(path, str)]
    return paths[0].parent if len(paths) == len(_TOKENIZER) else None


def _system_prompts(plan: Plan, model: str) -> str:
    """Where a model is shown system prompts: the setting's name, or an empty text."""
    for of, recipe, _ in plan.recipes_by_model():
        if of == model and plan.config.training[recipe].system_prompt:
            return f"training.{recipe}.system_prompt"
    for benchmark, run in plan.answer_sets():
        section = plan.config.benchmarks[benchmark]
        own = section.generation.engine != "openai"
        if plan.runs[run].model == model and section.system_prompt and own:
            return f"benchmarks.{benchmark}.system_prompt"
    return ""


def _recipe_problems(plan: Plan) -> Iterator[str]:
    """What a recipe asks for and its model's devices, or its mixture's rows, do not give."""
    for run in plan.runs.values():
        if run.mixture is None or run.recipe is None:
            continue
        recipe, model = plan.config.training[run.recipe], plan.config.models[run.model]
        devices = max(1, model.gpus * model.nodes)
        where = f"training.{run.recipe} with models.{run.model}"
        try:
            check_recipe(recipe, model, where, gpus=0 if model.device == "cpu" else devices)
            lay_out(recipe, devices, where)
        except BabelmixError as error:
            yield str(error)
        pools = plan.expansion.mixtures[run.mixture].datasets
        if recipe.select.startswith("best") and not any(plan.dataset(d).dev_rows for d in pools):
            yield (
                f"training.{run.recipe}: `select: {recipe.select}` needs held-out rows, and "
                f"{', '.join(pools)} has no `dev_rows`. Give it some, or use `select: last`."
            )
        four_bit = recipe.lora is not None and recipe.lora.quantise != "none"
        if four_bit and installed("torch") and not installed("bitsandbytes"):
            yield (
                f"training.{run.recipe}: `lora.quantise: nf4` needs bitsandbytes: `pip install "
                "'babelmix[qlora]'`."
            )


def _engine_problems(plan: Plan) -> Iterator[str]:
    """Engines of benchmarks that this environment does not have."""
    for name in plan.benchmarks:
        generation = plan.config.benchmarks[name].generation
        where = f"benchmarks.{name}.generation"
        if generation.engine == "openai" and not generation.base_url:
            yield f"{where}: `engine: openai` needs a `base_url`, as http://127.0.0.1:8000/v1."
        elif generation.engine == "openai":
            try:
                read_key(generation, where, generation.url)
            except BabelmixError as error:
                yield str(error)
