"""A model folder's weights as stored, and checks that they are a whole model that can be trained.

What is wrong with a base model is said when it is prepared, before anything else is spent on it.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import BabelmixError
from ..io import read_json
from .places import weight_files

#: Headers are JSON of some megabytes at most; a larger one is another format's first bytes.
_LONGEST_HEADER = 100_000_000


def read_header(path: Path) -> tuple[dict[str, Any], int]:
    """A safetensors file's tensors (dtype, shape, offsets) by name, and where its data begin.

    Raises BabelmixError for a file that is no whole safetensors file.
    """
    size = path.stat().st_size
    with path.open("rb") as handle:
        head = handle.read(8)
        if head.startswith(b"version "):
            raise BabelmixError(
                f"{path}: a pointer of Git LFS, not the weights. Run `git lfs pull` there, or "
                "download the model with `hf download`."
            )
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
        if not 2 <= length <= min(size, _LONGEST_HEADER):
            raise BabelmixError(f"{path}: no safetensors file ({size} bytes). Download it again.")
        try:
            header: dict[str, Any] = json.loads(handle.read(length))
        except ValueError:
            raise BabelmixError(f"{path}: no safetensors file. Download it again.") from None
    header.pop("__metadata__", None)
    begin = 8 + length
    end = begin + max((tensor["data_offsets"][1] for tensor in header.values()), default=0)
    if end != size:
        raise BabelmixError(
            f"{path}: {size} bytes, and its header names {end}: not whole. Download it again."
        )
    return header, begin


def stored_shapes(folder: Path) -> dict[str, list[int]]:
    """Shapes of all stored tensors, from the safetensors headers alone."""
    shapes: dict[str, list[int]] = {}
    for path in weight_files(folder):
        shapes |= {name: tensor["shape"] for name, tensor in read_header(path)[0].items()}
    return shapes


def stored_parameters(folder: Path) -> int:
    """Number of stored weights (tied ones once)."""
    return sum(math.prod(shape) for shape in stored_shapes(folder).values())


def check_trainable(config: Mapping[str, Any], where: str) -> None:
    """Refuse stored weights of a few bits: they cannot be trained in full, nor exported again."""
    parts = [config, config.get("text_config") or {}]
    found = [part["quantization_config"] for part in parts if part.get("quantization_config")]
    if found:
        kind = found[0].get("quant_method", "a method of its own")
        raise BabelmixError(
            f"{where}: its weights are quantised ({kind}) and cannot be trained. Take the model in "
            "bfloat16, or bring it back to that with its publisher's tools; to train adapters on "
            "four-bit weights, set `lora: {quantise: nf4}` in the recipe."
        )


def check_whole(folder: Path, where: str, *, code: bool) -> int:
    """Compare the stored weights with the model that transformers builds; nothing is read of them.

    Returns the rows of the vocabulary's matrix. Raises BabelmixError where weights are missing or
    have other shapes (transformers would train on random ones), and for a model that is not causal.
    """
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    stored_shapes(folder)
    before = logging.get_verbosity()
    logging.set_verbosity(logging.CRITICAL)  # its report of missing weights is told of below
    try:
        found: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype="auto",
            device_map="meta",
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=code,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are told of below
        )
    except ValueError as error:
        if "Unrecognized configuration class" not in str(error):
            raise
        kind = read_json(folder / "config.json").get("model_type")
        raise BabelmixError(
            f"{where}: `{kind}` is no causal language model (transformers has no "
            "AutoModelForCausalLM for it); such models cannot be trained here."
        ) from None
    finally:
        logging.set_verbosity(before)
    model, loading = found
    missing = sorted(loading["missing_keys"])
    shapes = sorted(str(key[0]) for key in loading["mismatched_keys"])
    if missing or shapes:
        what = "is missing from its files" if missing else "has another shape than in config.json"
        count = len(missing) + len(shapes)
        raise BabelmixError(
            f"{where}: the weight {[*missing, *shapes][0]} {what} ({count} in all); it would be "
            "random. Download the model again, or see whether its config.json fits its files "
            "(`tie_word_embeddings`, `architectures`)."
        )
    return int(model.get_input_embeddings().weight.shape[0])
