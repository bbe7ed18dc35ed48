"""Conversations written as they come: at most some megabytes of them are in memory."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pyarrow.parquet as pq

from ..io import atomic_path
from ..provenance import stamped_schema
from ..records import Conversation, is_masked, schema_of, to_table, with_mask

#: Characters of a row group. A pool of fewer is one group, the same bytes as `write_records` makes.
CHARACTERS = 24_000_000


def write_conversations(path: Path | str, rows: Iterable[Conversation]) -> int:
    """Write conversations as parquet, whole or not at all; returns their number.

    The member that says which turns are trained on is written where some row needs it.
    """
    with atomic_path(path) as temporary:
        output = _Output(temporary, Path(path))
        batch: list[Conversation] = []
        size = 0
        try:
            for row in rows:
                batch.append(row)
                size += sum(len(m.content) for m in row.messages)
                if size >= CHARACTERS:
                    output.write(batch)
                    batch, size = [], 0
            if batch or not output.rows:
                output.write(batch)
        finally:
            output.close()
    return output.rows


class _Output:
    """One parquet file whose schema may have to grow."""

    def __init__(self, path: Path, target: Path) -> None:
        self.path = path
        self.target = target
        self.rows = 0
        self._masked = False
        self._writer: pq.ParquetWriter | None = None

    def write(self, batch: list[Conversation]) -> None:
        """Add a row group."""
        if not self._masked and is_masked(batch):
            self._masked = True
            if self._writer is not None:
                self._grow()
        table = to_table(batch, Conversation, self._masked)
        self._open().write_table(table)
        self.rows += table.num_rows

    def close(self) -> None:
        """Write the file's end."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _open(self) -> pq.ParquetWriter:
        if self._writer is None:
            self._writer = self._new(self.path, self._masked)
        return self._writer

    def _grow(self) -> None:
        """Write what is there again, with the member that later rows need."""
        self.close()
        grown = self.path.with_name(f"{self.path.name}.grown")
        try:
            with pq.ParquetFile(self.path) as before, self._new(grown, True) as after:
                for group in range(before.num_row_groups):
                    after.write_table(with_mask(before.read_row_group(group)))
            self._writer = self._new(self.path, True)
            with pq.ParquetFile(grown) as before:
                for group in range(before.num_row_groups):
                    self._writer.write_table(before.read_row_group(group))
        finally:
            grown.unlink(missing_ok=True)

    def _new(self, path: Path, masked: bool) -> pq.ParquetWriter:
        schema = stamped_schema(schema_of(Conversation, masked), self.target)
        return pq.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True)
