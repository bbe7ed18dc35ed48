"""Rows of parquet and Arrow files, by column and batch."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ..errors import BabelmixError

#: Rows that are in memory as Python objects at once.
_ROWS = 500
_BUFFER = 1 << 20


def read_parquet(
    path: Path | str, columns: Iterable[str] | None, unread: dict[str, None] | None = None
) -> Iterator[Any]:
    """Yield rows of a parquet file; only of ``columns`` (top-level names) where these are given.

    Names of the others are added to ``unread``.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Buffered: a column of a row group is decompressed page by page, however large it is.
        with pq.ParquetFile(str(path), buffer_size=_BUFFER, pre_buffer=False) as file:
            names = _chosen(file.schema_arrow.names, columns, unread)
            for batch in file.iter_batches(_ROWS, columns=names, use_threads=False):
                yield from batch.to_pylist()
    except UnicodeDecodeError as error:
        raise BabelmixError(
            f"{path}: a text in it is not UTF-8 ({error.object[error.start : error.end]!r}). Write "
            "the file again from texts in UTF-8."
        ) from None
    except (pa.ArrowException, OSError) as error:
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else repr(error)
        raise BabelmixError(f"{path}: cannot be read as parquet ({reason}).") from None


def read_arrow(
    path: Path | str,
    columns: Iterable[str] | None,
    file_format: bool,
    unread: dict[str, None] | None = None,
) -> Iterator[Any]:
    """Yield rows of an Arrow file or stream, what ``datasets`` saves."""
    import pyarrow as pa

    try:
        with pa.memory_map(str(path)) as source:
            if file_format:
                reader = pa.ipc.open_file(source)
                batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
            else:
                batches = reader = pa.ipc.open_stream(source)
            names = _chosen(reader.schema.names, columns, unread)
            for batch in batches:
                chosen = batch if names is None else batch.select(names)
                for start in range(0, chosen.num_rows, _ROWS):
                    yield from chosen.slice(start, _ROWS).to_pylist()
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise BabelmixError(f"{path}: cannot be read as Arrow ({str(error)[:200]}).") from None


def _chosen(
    present: list[str], columns: Iterable[str] | None, unread: dict[str, None] | None
) -> list[str] | None:
    """Return the wanted columns that are there; all (None) where none of them is, to name them."""
    names = set() if columns is None else set(columns)
    wanted = [name for name in present if name in names]
    if wanted and unread is not None:
        unread.update(dict.fromkeys(name for name in present if name not in names))
    return wanted or None


def write_rows(target: Path, rows: Iterable[dict[str, Any]], features: Any) -> int:
    """Rows of the ``datasets`` library -> parquet, whole or not at all, in batches."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from ..io import atomic_path

    schema = features.arrow_schema if features else None
    iterator = iter(rows)
    count = 0
    with atomic_path(target) as temporary:
        writer: pq.ParquetWriter | None = None
        try:
            while batch := list(itertools.islice(iterator, _ROWS)):
                table = pa.Table.from_pylist(batch, schema=schema)
                writer = writer or pq.ParquetWriter(temporary, table.schema, compression="zstd")
                writer.write_table(table.cast(writer.schema))
                count += len(batch)
        finally:
            if writer is not None:
                writer.close()
        if writer is None:
            raise BabelmixError(f"{target.name}: the split holds no row.")
    return count
