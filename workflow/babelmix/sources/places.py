"""Local files of a source: one file, several by a pattern, or a folder that `datasets` saved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import BabelmixError
from ..io import local_parts

#: What `save_to_disk` writes into the folder of a dataset, and into that of several splits.
STATE, SPLITS = "state.json", "dataset_dict.json"
_MEND = (
    "Fix the path, or set `data_root` (or BABELMIX_DATA_ROOT) to the folder that holds your data."
)


def local_files(place: str, split: str | None, where: str) -> tuple[list[str], list[str]]:
    """Files that a path (without placeholders) stands for, and what a person should know of them.

    ``where`` names the source in errors. Raises BabelmixError where nothing is there, and for a
    folder that ``save_to_disk`` of the ``datasets`` library did not make.
    """
    path = Path(place)
    if path.is_dir():
        return saved_files(path, split, where), []
    if split is not None:
        raise BabelmixError(
            f"{where}.split: {place} is {'a file' if path.is_file() else 'not there'}; `split` is "
            "for a folder that `save_to_disk` made, or for `hub`."
        )
    if "*" not in place:
        return [place], []
    found = local_parts(place)
    named = [file for file in found if not _is_cache(Path(file))]
    if not named:
        raise BabelmixError(f"{where}.path: no file fits {place}. {_MEND}")
    if len(named) == len(found):
        return named, []
    left = len(found) - len(named)
    return named, [
        f"{where}: {place} fits {left} file(s) that are no part of the saved dataset (caches of "
        "`map` and `filter`); they are not read. Give the folder itself as `path`"
    ]


def _is_cache(file: Path) -> bool:
    """Whether a file lies in a saved dataset's folder and is no part of it."""
    state = file.parent / STATE
    return state.is_file() and file.suffix == ".arrow" and file.name not in _names(state, "")


def saved_files(folder: Path, split: str | None, where: str) -> list[str]:
    """The data files of a dataset that ``save_to_disk`` wrote, as its state names them."""
    if (folder / SPLITS).is_file():
        splits = _json(folder / SPLITS, where).get("splits") or []
        if split is None and len(splits) == 1:
            split = splits[0]
        if split not in splits:
            given = "several splits; give one as `split`" if split is None else f"no '{split}'"
            raise BabelmixError(
                f"{where}.split: {folder} holds {given}: {', '.join(map(str, splits))}."
            )
        folder = folder / str(split)
    elif split is not None and (folder / STATE).is_file():
        held = _json(folder / STATE, where).get("_split")
        if held != split:
            raise BabelmixError(
                f"{where}.split: {folder} holds one dataset ('{held}'), not '{split}'. Leave "
                "`split` out."
            )
    if not (folder / STATE).is_file():
        raise BabelmixError(
            f"{where}.path: {folder} is a folder, not a file, and `save_to_disk` did not make it "
            f"(no {STATE}). Name the files in it, e.g. {folder}/*.jsonl (or *.parquet)."
        )
    state = _json(folder / STATE, where)
    if state.get("_indices_data_files"):
        raise BabelmixError(
            f"{where}.path: {folder} holds a selection of rows by indices, of an old version of "
            "`datasets`. Load it there and save it again with a newer version."
        )
    files = [str(folder / name) for name in _names(folder / STATE, where)]
    for file in files:
        if not Path(file).is_file():
            raise BabelmixError(f"{where}.path: {folder} lacks {Path(file).name}. Save it again.")
    return files


def saved_features(file: str) -> dict[str, Any] | None:
    """Columns and types of a saved dataset by one of its files; None for any other file."""
    info = Path(file).parent / "dataset_info.json"
    if not (info.is_file() and (info.parent / STATE).is_file()):
        return None
    return dict(json.loads(info.read_text(encoding="utf-8")).get("features") or {}) or None


def _names(state: Path, where: str) -> list[str]:
    return [entry["filename"] for entry in _json(state, where).get("_data_files", [])]


def _json(path: Path, where: str) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, OSError) as error:
        raise BabelmixError(f"{where}.path: {path} cannot be read ({error}).") from None
