"""Which layers get an adapter, checked before a training starts. Imports torch."""

from __future__ import annotations

import re
from typing import Any

import torch

from ..config.training import Lora
from ..errors import BabelmixError
from .vocabulary import embedding_names


def check_targets(model: Any, lora: Lora, tokens: list[int], run: str) -> None:
    """Refuse `lora.target_modules` that PEFT refuses, passes over, or cannot merge again.

    A list names layers by the ends of their names, a text is a regular expression of whole names.
    ``tokens`` are the vocabulary's rows that are trained in full.
    """
    wanted = lora.target_modules
    if wanted == "all-linear":
        return
    layers = [n for n, m in model.named_modules() if n and not any(True for _ in m.children())]
    weighted = {n for n, m in model.named_modules() if getattr(m, "weight", None) is not None}
    layers = [name for name in layers if name in weighted]
    matching = {entry: _matching(entry, layers, wanted) for entry in _entries(wanted)}
    unknown = [entry for entry, found in matching.items() if not found]
    if unknown:
        known = sorted({name.rpartition(".")[2] for name in layers if _can_adapt(model, name)})
        hint = f" (a list: `[{wanted}]`?)" if isinstance(wanted, str) and wanted in known else ""
        raise BabelmixError(
            f"{run}: `lora.target_modules` names no layer of this model: "
            f"{', '.join(map(repr, unknown))}{hint}. It has "
            f"{', '.join(known)}; `all-linear` takes all but the output layer."
        )
    vocabulary = embedding_names(model)
    hit = sorted({name for found in matching.values() for name in found} & {*_both(model)})
    if hit and len(vocabulary) == 1:
        raise BabelmixError(
            f"{run}: `lora.target_modules` has {hit[0]}, but this model's input and output layers "
            "share their weights: an adapter on one cannot be merged. Leave it out."
        )
    if hit and tokens:
        raise BabelmixError(
            f"{run}: `lora.target_modules` has {hit[0]}, in which {len(tokens)} row(s) of new "
            "control tokens are trained in full already. Leave it out."
        )


def _entries(wanted: str | list[str]) -> list[str]:
    return [wanted] if isinstance(wanted, str) else wanted


def _matching(entry: str, layers: list[str], wanted: str | list[str]) -> list[str]:
    """The layers that one entry names, as PEFT reads it."""
    if isinstance(wanted, list):
        return [name for name in layers if name == entry or name.endswith(f".{entry}")]
    try:
        return [name for name in layers if re.fullmatch(entry, name)]
    except re.error:
        return []


def _can_adapt(model: Any, name: str) -> bool:
    """Whether a layer is a matrix between hidden states (transformers' `Conv1D` is one too)."""
    layer = model.get_submodule(name)
    return isinstance(layer, torch.nn.Linear) or type(layer).__name__ == "Conv1D"


def _both(model: Any) -> list[str]:
    """Names of the input's and the output's matrix, also where they share their weights."""
    ends = [model.get_input_embeddings(), model.get_output_embeddings()]
    return [name for name, m in model.named_modules() if any(m is end for end in ends)]


def check_positions(model: Any, longest: int, run: str) -> str:
    """Compare the longest row with the positions that a model knows.

    Raises BabelmixError where positions are a table, which ends there; else returns a warning, or
    nothing where the rows fit.
    """
    text = model.config.get_text_config()
    known = getattr(text, "max_position_embeddings", None)
    if not isinstance(known, int) or longest <= known:
        return ""
    said = f"{run}: the longest row has {longest} tokens, and the model knows {known} positions"
    if model.config.model_type in _TABLES or any(map(_is_table, model.named_modules())):
        raise BabelmixError(f"{said}. Set `max_length: {known}`.")
    return f"{said}: it was not trained on longer texts (`max_length: {known}`?)"


#: Architectures with rotations or masks in a table of fixed length.
_TABLES = ("gptj", "codegen", "gpt_neo")


def _is_table(named: tuple[str, Any]) -> bool:
    """Whether a module is an embedding of positions."""
    name = named[0].rpartition(".")[2]
    return isinstance(named[1], torch.nn.Embedding) and (name == "wpe" or "pos" in name)
