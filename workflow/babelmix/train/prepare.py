"""Verb ``prepare-model``: bring a base model to one folder that all later verbs can trust.

The folder holds safetensors weights, a fast tokenizer, one chat template that is proved to mask and
to end turns, and generation settings that know where a turn ends. Weights are copied byte by byte;
they are loaded only where they must change (GGUF, or control tokens that the vocabulary lacks).
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config.training import Model
from ..errors import BabelmixError
from ..folders import file_digests, whole_folder
from ..io import digest, read_json, write_json
from ..options import add_settings, read_settings
from ..specs import ModelSpec
from .chat import PROBES, Formatter, load_tokenizer, template_digest
from .convert_tokenizer import PROBES as TEXTS
from .convert_tokenizer import convert
from .devices import require_device
from .places import find_gguf, find_weights, weight_files
from .portable import make_portable
from .quiet import leave_out, quieten
from .templates import (
    RECORD,
    fix_template,
    own_template,
    patch_template,
    read_template,
    refusals,
    rendered_digest,
    suggest_arguments,
)
from .vocabulary import add_control_tokens, tokens_beyond, untrained_rows
from .weights import check_trainable, check_whole, stored_parameters

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

#: Control tokens that a template of ours writes literally.
_CONTROL = {"chatml": ["<|im_start|>", "<|im_end|>"]}


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
    ours = None if model.chat_template == "own" else read_template(model.chat_template, where)
    with whole_folder(folder) as fresh:
        if model.packaged is not None:
            tokenizer, loaded = _load_gguf(find_gguf(model.packaged, where))
            rows = int(loaded.get_input_embeddings().weight.shape[0])
        else:
            source = find_weights(model, where)
            _copy_weights(source, fresh, where, code=model.trust_remote_code)
            tokenizer, loaded = _load_tokenizer(source, model, where), None
            rows = check_whole(fresh, where, code=model.trust_remote_code)
        _name_tokens(tokenizer, where)
        changes = _set_template(tokenizer, ours, model, where)
        beyond = tokens_beyond(tokenizer, rows, where)
        loaded, new = _add_tokens(tokenizer, model, fresh, loaded, beyond)
        if loaded is not None:
            loaded.save_pretrained(fresh)
        tokenizer.save_pretrained(fresh)
        make_portable(fresh, trust_remote_code=model.trust_remote_code)
        _check_tokenizer(tokenizer, fresh, where)
        record = _describe(name, model, fresh, where)
        record |= {"template_changes": changes, "new_tokens": new}
        if beyond:
            print(
                f"{where}: its tokenizer has {len(beyond)} token(s) more than the model has rows "
                f"({rows}); they were given rows of their own",
                file=sys.stderr,
            )
        _write_generation_config(fresh, record)
        _note(fresh, record)
        record["files"] = file_digests(fresh)
    _warn(record, where)
    return record


def templated_tokenizer(source: Path, model: Model, where: str) -> PreTrainedTokenizerFast:
    """Load a local model's tokenizer and give it the template that it will be prepared with.

    Nothing is written. Raises BabelmixError for what `prepare_model` would refuse.
    """
    ours = None if model.chat_template == "own" else read_template(model.chat_template, where)
    tokenizer = _load_tokenizer(source, model, where)
    _name_tokens(tokenizer, where)
    _set_template(tokenizer, ours, model, where)
    return tokenizer


def _load_gguf(path: Path) -> tuple[PreTrainedTokenizerFast, Any]:
    """Load a GGUF file, its weights brought back to float32."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
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
    # The model's own code; that of a tokenizer is not needed once it is converted.
    code = code and "auto_map" in read_json(source / "config.json")
    patterns = ["config.json", "LICENSE*", *(["*.py"] if code else [])]
    files = [path for pattern in patterns for path in sorted(source.glob(pattern))]
    shards = weight_files(source, where)
    if [path.name for path in shards] != ["model.safetensors"]:
        files.append(source / "model.safetensors.index.json")
    for path in [*files, *shards]:
        shutil.copyfile(path, folder / path.name)
    from transformers import AutoConfig

    try:
        AutoConfig.from_pretrained(folder, trust_remote_code=code)
    except (ValueError, OSError) as error:
        raise BabelmixError(f"{where}: {source}: transformers cannot load it ({error}).") from None
    check_trainable(read_json(folder / "config.json"), where)


def _load_tokenizer(source: Path, model: Model, where: str) -> PreTrainedTokenizerFast:
    from transformers import AutoTokenizer

    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(
            source, trust_remote_code=model.trust_remote_code, local_files_only=True
        )
    except (ValueError, OSError, ImportError) as error:
        if "trust_remote_code" in str(error):
            raise BabelmixError(
                f"{where}: {source}: its tokenizer is Python code of its own. Read that code; if "
                "you trust it, set `trust_remote_code: true`."
            ) from None
        raise BabelmixError(f"{where}: {source}: no tokenizer can be loaded ({error}).") from None
    except Exception as error:  # what the Rust library makes of a damaged file is of no one class
        raise BabelmixError(
            f"{where}: {source}: its tokenizer files cannot be read ({type(error).__name__}: "
            f"{error}). Download them again."
        ) from None
    return tokenizer if tokenizer.is_fast else convert(tokenizer, source, where)


def _name_tokens(tokenizer: PreTrainedTokenizerFast, where: str) -> None:
    """Every tokenizer needs an end of sequence and a padding token."""
    if tokenizer.eos_token is None:
        raise BabelmixError(
            f"{where}: its tokenizer names no end-of-sequence token (`eos_token` in "
            "tokenizer_config.json); one is needed."
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token  # never seen: padding is masked everywhere


def _set_template(
    tokenizer: PreTrainedTokenizerFast, ours: str | None, model: Model, where: str
) -> list[str]:
    """Give the tokenizer its template, complete in itself; returns what was changed in its own."""
    arguments = dict(model.template_args)
    if ours is not None:
        if model.chat_template == "chatml" and _adds_bos(tokenizer):
            arguments["write_bos"] = True
        tokenizer.chat_template = fix_template(ours, arguments, model.template_date, where)
        return []
    own = own_template(tokenizer.chat_template, where)
    tokenizer.chat_template = fix_template(own, arguments, model.template_date, where)
    changes = patch_template(tokenizer)
    note = Formatter(tokenizer).encode(PROBES["one exchange"]).note
    better = suggest_arguments(own, tokenizer, arguments, model.template_date, where)
    if note and better:
        raise BabelmixError(
            f"{where}: its chat template cannot be trained on as it is ({note}). With "
            f"`template_args: {json.dumps(better)}` it can."
        )
    return changes


def _adds_bos(tokenizer: PreTrainedTokenizerFast) -> bool:
    """Whether the tokenizer opens a plain text with a token of its own for that."""
    bos = tokenizer.bos_token_id
    opened = list(tokenizer("a")["input_ids"])[:1] == [bos]
    alone = list(tokenizer("a", add_special_tokens=False)["input_ids"])[:1] == [bos]
    return bos is not None and bos != tokenizer.eos_token_id and opened and not alone


def _add_tokens(
    tokenizer: PreTrainedTokenizerFast,
    model: Model,
    folder: Path,
    loaded: Any | None,
    beyond: list[int],
) -> tuple[Any | None, list[int]]:
    """Give control tokens that our template writes, and tokens ``beyond`` the matrix, their rows.

    Returns the model where its weights had to change, and the ids of tokens that are new.
    """
    wanted = _CONTROL.get(model.chat_template, [])
    vocabulary = tokenizer.get_vocab()
    known = [token for token in wanted if token in vocabulary]
    if known:  # in some vocabularies they are ordinary tokens, at which nothing would stop
        tokenizer.add_special_tokens(
            {"extra_special_tokens": known}, replace_extra_special_tokens=False
        )
    if len(known) == len(wanted) and not beyond:
        return loaded, []
    if loaded is None:
        from transformers import AutoModelForCausalLM

        loaded = AutoModelForCausalLM.from_pretrained(
            folder, dtype="auto", use_safetensors=True, trust_remote_code=model.trust_remote_code
        )
        for path in folder.glob("*.safetensors*"):
            path.unlink()
    missing = [token for token in wanted if token not in vocabulary]
    return loaded, sorted({*add_control_tokens(loaded, tokenizer, missing), *beyond})


def _check_tokenizer(tokenizer: PreTrainedTokenizerFast, folder: Path, where: str) -> None:
    """The saved file alone must tokenise like the original: ``tokenise`` reads nothing else."""
    saved = load_tokenizer(folder)
    for text in TEXTS:
        if list(saved(text, add_special_tokens=False)["input_ids"]) != list(
            tokenizer(text, add_special_tokens=False)["input_ids"]
        ):
            raise BabelmixError(f"{where}: its tokenizer.json does not tokenise like its own code.")


def _describe(name: str, model: Model, folder: Path, where: str) -> dict[str, Any]:
    """The record of a prepared folder; proves the template on a probe conversation."""
    tokenizer = load_tokenizer(folder)
    formatter = Formatter(tokenizer)
    try:
        ends = formatter.end_of_turn_ids()
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
        "end_of_turn_id": ends[0],
        "end_of_turn": tokenizer.convert_ids_to_tokens(ends[0]),
        "end_of_turn_ids": ends,
        "template_args": model.template_args,
        "rendered_digest": rendered_digest(formatter),
        "template_refuses": {n: note for n, note in refusals(formatter).items() if note},
        "untrained_tokens": untrained_rows(folder, _written(formatter, tokenizer)),
    }


def _written(formatter: Formatter, tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """Control tokens that the template writes, but for those of every model's pre-training."""
    ids = {i for name in PROBES for i in formatter.encode(PROBES[name]).input_ids}
    vocabulary = tokenizer.get_vocab()
    control = {vocabulary[token] for token in formatter.control_tokens}
    return sorted((ids & control) - {tokenizer.bos_token_id, tokenizer.eos_token_id})


def _note(folder: Path, record: dict[str, Any]) -> None:
    """What later verbs must know of the folder, beside the weights; checkpoints take it along."""
    names = ("rendered_digest", "end_of_turn_ids", "template_args", "template_changes")
    trainable = sorted({*record["new_tokens"], *record["untrained_tokens"]})
    note = {name: record[name] for name in names} | {"trainable_tokens": trainable}
    write_json(folder / RECORD, note)


def _warn(record: dict[str, Any], where: str) -> None:
    """Say what was changed in a template, and which conversations it will not take."""
    for change in record["template_changes"]:
        print(f"{where}: its chat template was changed: {change}", file=sys.stderr)
    for shape, note in record["template_refuses"].items():
        print(
            f"{where}: conversations with {shape} will be {note}. Another `chat_template` "
            "(`study1`, `chatml`) takes them.",
            file=sys.stderr,
        )


def _write_generation_config(folder: Path, record: dict[str, Any]) -> None:
    """Where generation stops. A base model's own sampling defaults are left out on purpose: the
    benchmark's ``generation`` section alone decides on those."""
    stops = sorted({record["eos_token_id"], *record["end_of_turn_ids"]})
    settings = {"eos_token_id": stops, "pad_token_id": record["pad_token_id"]}
    if record["bos_token_id"] is not None:
        settings["bos_token_id"] = record["bos_token_id"]
    write_json(folder / "generation_config.json", settings)
