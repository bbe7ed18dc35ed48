"""Verb ``prepare-model``: bring a base model to one folder that all later verbs can trust.

The folder holds safetensors weights, a fast tokenizer, one chat template that is proved to mask and
to end turns, and generation settings that know where a turn ends. Weights are copied byte by byte;
they are loaded only where they must change (GGUF, or control tokens that the vocabulary lacks).
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config.training import Model
from ..errors import BabelmixError, unknown_name
from ..folders import file_digests, whole_folder
from ..io import digest, read_json, write_json
from ..options import add_settings, read_settings
from ..resources import RESOURCES
from ..specs import ModelSpec
from .chat import Formatter, load_tokenizer, template_digest
from .devices import require_device
from .places import find_gguf, find_weights
from .quiet import leave_out, quieten

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

#: Control tokens that a template of ours writes literally.
_CONTROL = {"chatml": ["<|im_start|>", "<|im_end|>"]}
_PROBES = (
    "The quick brown fox — 42 %.",
    "Où est-elle ? Çà et là…",
    "Größe: 7 µm\n\tfür Übung",
    "¿Qué tal? 漢字 हिन्दी עברית",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    add_settings(parser, ModelSpec)
    parser.add_argument("--folder", required=True, type=Path, help="folder to make")
    parser.add_argument("--output", required=True, type=Path, help="JSON written last")


def run(args: argparse.Namespace) -> None:
    """Prepare one model."""
    spec = read_settings(args, ModelSpec)
    leave_out("deepspeed", "datasets", "peft")
    require_device(spec.model, spec.name)
    quieten()
    record = prepare_model(spec.name, spec.model, args.folder)
    write_json(args.output, record)
    print(
        f"prepare-model {spec.name}: {record['parameters']:,} parameters, vocabulary "
        f"{record['vocab_size']}, turn ends with {record['end_of_turn']!r}"
    )


def prepare_model(name: str, model: Model, folder: Path) -> dict[str, Any]:
    """Make the model's folder (swapped in whole) and return its record."""
    where = f"models.{name}"
    require_device(model, name)
    template = None if model.chat_template == "own" else read_template(model.chat_template, where)
    with whole_folder(folder) as fresh:
        if model.packaged is not None:
            tokenizer, loaded = _load_gguf(find_gguf(model.packaged, where))
        else:
            source = find_weights(model, where)
            _copy_weights(source, fresh, where, code=model.trust_remote_code)
            tokenizer, loaded = _load_tokenizer(source, model, where), None
        loaded = _set_template(tokenizer, template, model, fresh, loaded)
        if loaded is not None:
            loaded.save_pretrained(fresh)
        tokenizer.save_pretrained(fresh)
        _check_tokenizer(tokenizer, fresh, where)
        record = _describe(name, fresh, where)
        _write_generation_config(fresh, record)
        record["files"] = file_digests(fresh)
    return record


def read_template(name: str, where: str = "chat_template") -> str:
    """Text of one of our templates (``resources/templates/{name}.jinja``)."""
    root = RESOURCES / "templates"
    known = sorted(path.stem for path in root.glob("*.jinja"))
    if name not in known:
        raise unknown_name("chat template", name, [*known, "own"], where)
    return (root / f"{name}.jinja").read_text(encoding="utf-8")


def _load_gguf(path: Path) -> tuple[PreTrainedTokenizerBase, Any]:
    """Load a GGUF file, its weights brought back to float32."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32
    )
    # It counts as quantised and would refuse to be saved, although nothing in it still is.
    if hasattr(loaded.config, "quantization_config"):
        del loaded.config.quantization_config
    loaded.hf_quantizer = None
    loaded.is_quantized = False
    return tokenizer, loaded


def _copy_weights(source: Path, folder: Path, where: str, *, code: bool) -> None:
    patterns = ["config.json", "*.safetensors", "*.safetensors.index.json", "LICENSE*"]
    for pattern in [*patterns, *(["*.py"] if code else [])]:
        for path in sorted(source.glob(pattern)):
            shutil.copyfile(path, folder / path.name)
    from transformers import AutoConfig

    try:
        AutoConfig.from_pretrained(folder, trust_remote_code=code)
    except (ValueError, OSError) as error:
        raise BabelmixError(f"{where}: {source}: transformers cannot load it ({error}).") from None


def _load_tokenizer(source: Path, model: Model, where: str) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            source, trust_remote_code=model.trust_remote_code, local_files_only=True
        )
    except (ValueError, OSError) as error:
        raise BabelmixError(f"{where}: {source}: no tokenizer can be loaded ({error}).") from None
    if not tokenizer.is_fast:
        raise BabelmixError(f"{where}: {source}: only slow tokenizer code; a fast one is needed.")
    return tokenizer


def _set_template(
    tokenizer: PreTrainedTokenizerBase,
    template: str | None,
    model: Model,
    folder: Path,
    loaded: Any | None,
) -> Any | None:
    """Give the tokenizer its template; returns the model where its vocabulary had to grow."""
    if tokenizer.eos_token is None:
        raise BabelmixError("the tokenizer names no end-of-sequence token; one is needed.")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token  # never seen: padding is masked everywhere
    if template is None:
        if not isinstance(tokenizer.chat_template, str):
            raise BabelmixError(
                "`chat_template: own`, but the tokenizer has none (or several). Choose `study1` or "
                "`chatml`."
            )
        return loaded
    tokenizer.chat_template = template
    vocabulary = tokenizer.get_vocab()
    missing = [t for t in _CONTROL.get(model.chat_template, []) if t not in vocabulary]
    if not missing:
        return loaded
    if loaded is None:
        from transformers import AutoModelForCausalLM

        loaded = AutoModelForCausalLM.from_pretrained(
            folder, dtype="auto", use_safetensors=True, trust_remote_code=model.trust_remote_code
        )
        for path in folder.glob("*.safetensors*"):
            path.unlink()
    _grow(loaded, tokenizer, missing)
    return loaded


def _grow(model: Any, tokenizer: PreTrainedTokenizerBase, tokens: list[str]) -> None:
    """Add control tokens; their new rows are the mean of the old ones."""
    import torch

    tokenizer.add_special_tokens({"additional_special_tokens": tokens})
    old = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) <= old:
        return  # the matrix had spare rows
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    with torch.no_grad():
        for layer in (model.get_input_embeddings(), model.get_output_embeddings()):
            layer.weight[old:] = layer.weight[:old].float().mean(0).to(layer.weight.dtype)


def _check_tokenizer(tokenizer: PreTrainedTokenizerBase, folder: Path, where: str) -> None:
    """The saved file alone must tokenise like the original: ``tokenise`` reads nothing else."""
    saved = load_tokenizer(folder)
    for text in _PROBES:
        if list(saved(text, add_special_tokens=False)["input_ids"]) != list(
            tokenizer(text, add_special_tokens=False)["input_ids"]
        ):
            raise BabelmixError(f"{where}: its tokenizer.json does not tokenise like its own code.")


def _describe(name: str, folder: Path, where: str) -> dict[str, Any]:
    """The record of a prepared folder; proves the template on a probe conversation."""
    tokenizer = load_tokenizer(folder)
    formatter = Formatter(tokenizer)
    try:
        end_of_turn = formatter.end_of_turn_id()
    except BabelmixError as error:
        raise BabelmixError(f"{where}: {error}") from None
    config = read_json(folder / "config.json")
    text_config = config.get("text_config", config)
    return {
        "name": name,
        "template_digest": template_digest(tokenizer),
        "tokenizer_digest": digest(tokenizer.backend_tokenizer.to_str()),
        "parameters": stored_parameters(folder),
        "architecture": config.get("model_type", ""),
        "vocab_size": text_config.get("vocab_size"),
        "max_positions": text_config.get("max_position_embeddings"),
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "end_of_turn_id": end_of_turn,
        "end_of_turn": tokenizer.convert_ids_to_tokens(end_of_turn),
        "marked_template": formatter.marked,
    }


def stored_shapes(folder: Path) -> dict[str, list[int]]:
    """Shapes of all stored tensors, from the safetensors headers alone."""
    shapes: dict[str, list[int]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as handle:
            (length,) = struct.unpack("<Q", handle.read(8))
            header = json.loads(handle.read(length))
        shapes |= {k: v["shape"] for k, v in header.items() if k != "__metadata__"}
    return shapes


def stored_parameters(folder: Path) -> int:
    """Number of stored weights (tied ones once)."""
    return sum(math.prod(shape) for shape in stored_shapes(folder).values())


def _write_generation_config(folder: Path, record: dict[str, Any]) -> None:
    """Where generation stops. A base model's own sampling defaults are left out on purpose: the
    benchmark's ``generation`` section alone decides on those."""
    stops = sorted({record["eos_token_id"], record["end_of_turn_id"]})
    settings = {"eos_token_id": stops, "pad_token_id": record["pad_token_id"]}
    if record["bos_token_id"] is not None:
        settings["bos_token_id"] = record["bos_token_id"]
    write_json(folder / "generation_config.json", settings)
