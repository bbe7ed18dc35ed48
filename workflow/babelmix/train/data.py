"""A mixture's rows as token arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ..errors import BabelmixError
from ..io import digest, read_table


@dataclass(slots=True)
class Rows:
    """Token ids and labels of rows, end to end; row ``i`` is ``offsets[i]:offsets[i + 1]``."""

    ids: np.ndarray
    labels: np.ndarray
    offsets: np.ndarray

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
        """Trained tokens of each row."""
        marks = np.concatenate([[0], np.cumsum(self.labels != -100)])
        return np.diff(marks[self.offsets])

    def content_digest(self) -> str:
        """Digest of the tokens, labels and row borders."""
        return digest(b"".join(a.tobytes() for a in (self.ids, self.labels, self.offsets)))


def load_mixture(mixture: Path, tokenised: Sequence[Path]) -> tuple[Rows, Rows, dict[str, Any]]:
    """Rows of a mixture in its order -> training rows, held-out rows, counts.

    Every mixture row must be in the tokenised files; the ones refused there are counted by reason.
    """
    wanted = read_table(mixture, ["id", "lang", "split"]).to_pydict()
    keys = list(zip(wanted["id"], wanted["lang"], strict=True))
    if len(set(keys)) != len(keys):
        raise BabelmixError(f"{mixture}: a row (id and language) is in it twice.")
    table = pa.concat_tables([read_table(path) for path in tokenised]).combine_chunks()
    places: dict[tuple[str, str], int] = {}
    for place, key in enumerate(
        zip(table["id"].to_pylist(), table["lang"].to_pylist(), strict=True)
    ):
        if places.setdefault(key, place) != place:
            raise BabelmixError(f"tokenised files: row {key[0]} ({key[1]}) is in them twice.")
    notes = table["note"].to_pylist()
    chosen: dict[str, list[int]] = {"train": [], "dev": []}
    refused: dict[str, int] = {}
    for key, split in zip(keys, wanted["split"], strict=True):
        if key not in places:
            raise BabelmixError(
                f"{mixture}: row {key[0]} ({key[1]}) is in none of the tokenised files "
                f"({', '.join(str(path) for path in tokenised)})."
            )
        if split not in chosen:
            raise BabelmixError(f"{mixture}: row {key[0]}: split '{split}' is not train or dev.")
        note = notes[places[key]]
        if note.startswith("refused"):
            refused[note] = refused.get(note, 0) + 1
        else:
            chosen[split].append(places[key])
    train, dev = (_take(table, chosen[split]) for split in ("train", "dev"))
    if not len(train):
        raise BabelmixError(f"{mixture}: no row is left to train on ({refused or 'it is empty'}).")
    cut = sum(notes[place].startswith("cut") for place in chosen["train"])
    counts = {
        "mixture_rows": len(keys),
        "train_rows": len(train),
        "dev_rows": len(dev),
        "refused": dict(sorted(refused.items())),
        "cut_train_rows": cut,
        "train_tokens": int(train.lengths.sum()),
        "trained_tokens": int(train.trained.sum()),
    }
    if len(train) + len(dev) + sum(refused.values()) != len(keys):
        raise AssertionError(f"{mixture}: {len(keys)} rows in, {counts} out")
    return train, dev, counts


def _take(table: pa.Table, places: list[int]) -> Rows:
    index = pa.array(places, pa.int64())
    ids, labels = (_flat(table[name], index) for name in ("input_ids", "labels"))
    if not np.array_equal(ids[1], labels[1]):
        raise BabelmixError("tokenised files: a row has not as many labels as tokens.")
    return Rows(ids[0], labels[0], ids[1])


def _flat(column: pa.ChunkedArray, index: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    lists = column.take(index).combine_chunks()
    if isinstance(lists, pa.ChunkedArray):
        lists = lists.chunk(0) if lists.num_chunks else pa.array([], lists.type)
    offsets = np.asarray(lists.offsets, dtype=np.int64)
    values = np.asarray(lists.values, dtype=np.int32)
    return values[offsets[0] : offsets[-1]], offsets - offsets[0]
