"""Settings of a model's folder in words that transformers 4 and vLLM read as well as version 5."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..io import read_json, write_json

#: A class that reads ``tokenizer.json`` as it is; version 5 keeps the name for its own one.
_TOKENIZER_CLASS = "PreTrainedTokenizerFast"
_ONLY_NEW = ("backend", "is_local", "local_files_only")


def make_portable(folder: Path, *, trust_remote_code: bool = False) -> None:
    """Rewrite ``config.json`` and ``tokenizer_config.json`` of a folder, where it has them."""
    if (folder / "tokenizer_config.json").is_file():
        _tokenizer(folder / "tokenizer_config.json")
    if (folder / "config.json").is_file():
        _config(folder, trust_remote_code)


def _tokenizer(path: Path) -> None:
    """Name the class and the additional tokens as version 4 does; version 5 reads both."""
    settings = {k: v for k, v in read_json(path).items() if k not in _ONLY_NEW}
    extra = settings.get("extra_special_tokens")
    if isinstance(extra, list):
        del settings["extra_special_tokens"]
        if extra:
            settings["additional_special_tokens"] = extra
    write_json(path, settings | {"tokenizer_class": _TOKENIZER_CLASS})


def _config(folder: Path, trust_remote_code: bool) -> None:
    """Add the older keys for rotary positions and dtype, where version 5 then reads the same."""
    from transformers import AutoConfig

    path = folder / "config.json"
    before = read_json(path)
    after = _with_older_keys(before)
    if isinstance(before.get("text_config"), dict):
        after["text_config"] = _with_older_keys(before["text_config"])
    if after == before:
        return

    def read() -> dict[str, Any]:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=trust_remote_code)
        return dict(config.to_dict())

    wanted = read()
    write_json(path, after)
    if not _same(read(), wanted):  # an architecture whose configuration takes only the newer words
        write_json(path, before)


def _with_older_keys(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration with ``rope_theta`` and its like beside ``rope_parameters``, and the like."""
    found = dict(config)
    if "dtype" in config:
        found["torch_dtype"] = config["dtype"]
    if "num_local_experts" in config:
        found.setdefault("num_experts", config["num_local_experts"])
    rope = config.get("rope_parameters")
    if not isinstance(rope, dict):
        return found
    local = rope.get("sliding_attention")
    main = rope["full_attention"] if isinstance(rope.get("full_attention"), dict) else rope
    if "rope_theta" in main:
        found.setdefault("rope_theta", main["rope_theta"])
    if "partial_rotary_factor" in main:
        found.setdefault("partial_rotary_factor", main["partial_rotary_factor"])
    if config.get("model_type", "").startswith("gpt_neox"):  # it had names of its own
        found.setdefault("rotary_pct", main.get("partial_rotary_factor", 1.0))
        found.setdefault("rotary_emb_base", main.get("rope_theta", 10000.0))
    if isinstance(local, dict) and "rope_theta" in local:
        found.setdefault("rope_local_base_freq", local["rope_theta"])
    if main.get("rope_type", "default") != "default":
        apart = ("rope_theta", "partial_rotary_factor")
        found.setdefault("rope_scaling", {k: v for k, v in main.items() if k not in apart})
    return found


def _same(found: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether version 5 reads the same model; keys that it only keeps for us do not count."""
    return all(found.get(name) == value for name, value in wanted.items())
