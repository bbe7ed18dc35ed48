"""A mixture's rows as token arrays: laid into files once a machine, mapped by every process."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ..errors import BabelmixError
from ..folders import whole_folder
from ..io import read_json, read_table, write_json

_PARTS = ("ids", "labels", "offsets")


@dataclass(slots=True)
class Rows:
    """Token ids and labels of rows, end to end; row ``i`` is ``offsets[i]:offsets[i + 1]``."""

    ids: np.ndarray
    labels: np.ndarray
    offsets: np.ndarray
    #: Stage of each row in a curriculum; None where the rows come in any order.
    stages: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> dict[str, np.ndarray]:
        place = slice(int(self.offsets[row]), int(self.offsets[row + 1]))
        return {"input_ids": self.ids[place], "labels": self.labels[place]}

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each row."""
        return np.diff(self.offsets)

    @property
    def trained(self) -> np.ndarray:
        """Trained tokens of each row; none of the rows is empty."""
        return np.add.reduceat(
            self.labels[: self.offsets[-1]] != -100, self.offsets[:-1], dtype=np.int64
        )


@dataclass(slots=True)
class MixtureRows:
    """Training rows and held-out rows of a mixture, their counts, and the digest of it all."""

    train: Rows
    dev: Rows
    counts: dict[str, Any]
    digest: str


def lay_rows(mixture: Path, tokenised: Sequence[Path], folder: Path) -> None:
    """Copy a mixture's rows, in its order, from the tokenised files into plain arrays.

    ``folder`` gets ``ids``, ``labels`` and ``offsets`` (training rows first) and ``rows.json``.
    Every mixture row must be in the tokenised files; the ones refused there are counted by reason.
    One tokenised file is in memory at a time.
    """
    chosen, refused, cut, stages = _choose(mixture, tokenised)
    keys = chosen["train"] + chosen["dev"]
    places: dict[Key, list[int]] = {}
    for place, key in enumerate(keys):
        places.setdefault(key, []).append(place)
    offsets = np.zeros(len(keys) + 1, dtype=np.int64)
    for path in tokenised:
        for key, length in _column(path, "n_tokens"):
            for place in places.get(key, ()):
                offsets[place + 1] = length
    np.cumsum(offsets, out=offsets)
    with whole_folder(folder) as fresh:
        ids, labels = (
            np.lib.format.open_memmap(
                fresh / f"{name}.npy", mode="w+", dtype=np.int32, shape=(int(offsets[-1]),)
            )
            for name in ("ids", "labels")
        )
        for path in tokenised:
            _copy(path, places, offsets, ids, labels)
        np.save(fresh / "offsets.npy", offsets)
        if stages is not None:
            np.save(fresh / "stages.npy", stages)
        for array in (ids, labels):
            array.flush()
        train = Rows(ids, labels, offsets[: len(chosen["train"]) + 1])
        counts = {
            "mixture_rows": len(keys) + sum(refused.values()),
            "train_rows": len(train),
            "dev_rows": len(chosen["dev"]),
            "refused": dict(sorted(refused.items())),
            "cut_train_rows": cut,
            "train_tokens": int(train.lengths.sum()),
            "trained_tokens": int(train.trained.sum()),
        }
        content = hashlib.sha256(str(len(train)).encode())
        parts: tuple[np.ndarray, ...] = (ids, labels, offsets)
        parts += () if stages is None else (stages,)
        for part in parts:
            content.update(part.data)
        write_json(fresh / "rows.json", {"counts": counts, "digest": content.hexdigest()})


def map_rows(folder: Path) -> MixtureRows:
    """What ``lay_rows`` left, as read-only maps: the processes of a machine share the pages."""
    ids, labels, offsets = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in _PARTS)
    stages = folder / "stages.npy"
    record = read_json(folder / "rows.json")
    border = record["counts"]["train_rows"]
    return MixtureRows(
        train=Rows(
            ids, labels, offsets[: border + 1], np.load(stages) if stages.is_file() else None
        ),
        dev=Rows(ids, labels, offsets[border:]),
        counts=record["counts"],
        digest=record["digest"],
    )


Key = tuple[str, str]


def _choose(
    mixture: Path, tokenised: Sequence[Path]
) -> tuple[dict[str, list[Key]], Counter[str], int, np.ndarray | None]:
    """Keys of the rows to train on and to hold out; refused ones by reason; cut training rows.

    Keys of rows that the mixture repeats (its column ``copy`` numbers them) come again; last, the
    stages of the training rows, where it is a curriculum.
    """
    table = read_table(mixture)
    keys: list[Key] = _keys(table)
    copies = table["copy"].to_pylist() if "copy" in table.column_names else [0] * len(keys)
    if len(set(zip(keys, copies, strict=True))) != len(keys):
        raise BabelmixError(f"{mixture}: a row (id and language) is in it twice.")
    stages: list[int] = []
    given = table["stage"].to_pylist() if "stage" in table.column_names else None
    notes: dict[Key, str] = {}
    for path in tokenised:
        for key, note in _column(path, "note"):
            if key in notes:
                raise BabelmixError(f"{path}: row {key[0]} ({key[1]}) is in the files twice.")
            notes[key] = note
    chosen: dict[str, list[Key]] = {"train": [], "dev": []}
    refused: Counter[str] = Counter()
    for place, (key, split) in enumerate(zip(keys, table["split"].to_pylist(), strict=True)):
        if key not in notes:
            raise BabelmixError(
                f"{mixture}: row {key[0]} ({key[1]}) is in none of the tokenised files "
                f"({', '.join(str(path) for path in tokenised)})."
            )
        if split not in chosen:
            raise BabelmixError(f"{mixture}: row {key[0]}: split '{split}' is not train or dev.")
        if notes[key].startswith("refused"):
            refused[notes[key]] += 1
        else:
            chosen[split].append(key)
            if given is not None and split == "train":
                stages.append(given[place])
    if not chosen["train"]:
        why = dict(refused) or "it is empty"
        raise BabelmixError(f"{mixture}: no row is left to train on ({why}).")
    cut = sum(notes[key].startswith("cut") for key in chosen["train"])
    return chosen, refused, cut, None if given is None else np.array(stages, dtype=np.int32)


def _keys(table: pa.Table) -> list[Key]:
    return list(zip(table["id"].to_pylist(), table["lang"].to_pylist(), strict=True))


def _column(path: Path, name: str) -> list[tuple[Key, Any]]:
    """A tokenised file's keys, each with its value of one column."""
    table = read_table(path, ["id", "lang", name])
    return list(zip(_keys(table), table[name].to_pylist(), strict=True))


def _copy(
    path: Path,
    places: dict[Key, list[int]],
    offsets: np.ndarray,
    ids: np.ndarray,
    labels: np.ndarray,
) -> None:
    """Copy the wanted rows of one tokenised file to their places."""
    table = read_table(path, ["id", "lang", "input_ids", "labels"])
    wanted = [(row, p) for row, key in enumerate(_keys(table)) for p in places.get(key, ())]
    for name, target in (("input_ids", ids), ("labels", labels)):
        lists = table[name].combine_chunks()
        starts, values = np.asarray(lists.offsets), np.asarray(lists.values)
        for row, place in wanted:
            found = values[starts[row] : starts[row + 1]]
            begin, end = offsets[place : place + 2]
            if len(found) != end - begin:
                raise BabelmixError(
                    f"{path}: a row has {len(found)} {name}, and {end - begin} tokens are noted."
                )
            target[begin:end] = found
