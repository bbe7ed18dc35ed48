"""Files that appear whole or not at all, journals that survive a kill, and digests."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from . import provenance
from .errors import BabelmixError
from .records import LATER_COLUMNS, from_table, schema_of, to_table

Record = TypeVar("Record")


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def digest(value: Any) -> str:
    """SHA-256 (hex) of a value's canonical JSON, of a text, or of bytes."""
    if isinstance(value, bytes):
        data = value
    elif isinstance(value, str):
        data = value.encode("utf-8", "surrogatepass")
    else:
        data = canonical_json(value).encode("utf-8", "surrogatepass")
    return hashlib.sha256(data).hexdigest()


def file_digest(path: Path | str) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def local_parts(pattern: str) -> list[str]:
    """Local files that fit a pattern with ``*``, in order of name; all other signs are literal."""
    path = Path(pattern.replace("[", "[[]").replace("?", "[?]"))
    root = Path(path.anchor) if path.anchor else Path()
    fitting = root.glob(str(path.relative_to(path.anchor) if path.anchor else path))
    return sorted(str(found) for found in fitting if found.is_file())


@contextlib.contextmanager
def atomic_path(target: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside ``target``; rename it on success, delete it on error."""
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o666 & ~umask())
        temporary.replace(target)
        sync_directory(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def umask() -> int:
    """The bits that this process takes from the mode of new files."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def sync_directory(folder: Path) -> None:
    """Make a rename durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path | str, text: str) -> None:
    """Write a text file whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Write readable JSON (sorted keys, so that equal values give equal bytes)."""
    value = provenance.stamped_json(value, path)
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Read JSON, without what made it; a torn or foreign file is named in the error."""
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BabelmixError(f"{path}: not valid JSON ({error}). Delete it, then rerun.") from None
    if isinstance(value, dict):
        provenance.note_read(path, value.pop(provenance.KEY, None))
    return value


def write_table(path: Path | str, table: pa.Table) -> None:
    """Write parquet (zstd), whole or not at all; the same table gives the same bytes.

    Each page carries a checksum, so that a flipped bit is noticed when it is read.
    """
    table = table.replace_schema_metadata(provenance.stamped_schema(table.schema, path).metadata)
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)


def write_records(path: Path | str, records: Iterable[Any], record_type: type) -> int:
    """Write records as parquet; returns the number of rows."""
    table = to_table(records, record_type)
    write_table(path, table)
    return table.num_rows


@contextlib.contextmanager
def _readable(path: Path | str) -> Iterator[None]:
    """Name a torn, damaged or foreign parquet file in the error."""
    try:
        yield
    except (pa.ArrowException, OSError, KeyError) as error:
        raise BabelmixError(
            f"{path}: cannot be read as parquet ({error}). If a job of this workflow made it, "
            "delete it and run again."
        ) from None


def _note(path: Path | str, file: pq.ParquetFile) -> None:
    provenance.note_read(path, provenance.of_table(file.schema_arrow.metadata))


def read_table(path: Path | str, columns: list[str] | None = None) -> pa.Table:
    """Read parquet; a torn, damaged or foreign file is named in the error."""
    # Not `pq.read_table`: what it imports takes as long as the rest of a light verb's start.
    with _readable(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
        _note(path, file)
        table = file.read(columns=columns)
        return table if columns is None else table.select(columns)


def read_batches(path: Path | str, columns: list[str], rows: int) -> Iterator[pa.RecordBatch]:
    """The same by batches of so many rows, one in memory at a time."""
    with _readable(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
        _note(path, file)
        yield from file.iter_batches(rows, columns=columns)


def read_records(path: Path | str, record_type: type[Record]) -> list[Record]:
    """Read a parquet file of records."""
    table = read_table(path)
    missing = set(schema_of(record_type).names) - set(table.column_names) - LATER_COLUMNS.keys()
    if missing:
        raise BabelmixError(
            f"{path}: not a file of {record_type.__name__} records; missing {sorted(missing)}."
        )
    return from_table(table, record_type)


_CHECKSUM = re.compile(rb',"_crc":"([0-9a-f]{8})"\}\n\Z')


def _with_checksum(entry: dict[str, Any]) -> bytes:
    """A journal's line: canonical JSON whose last member is the CRC-32 of all before it."""
    body = canonical_json(entry).encode("utf-8", "surrogatepass")[:-1]
    return body + b',"_crc":"%08x"}\n' % zlib.crc32(body)


def _checked(line: bytes, *, required: bool) -> tuple[dict[str, Any], bool]:
    """A line's entry, and whether it had a checksum; ValueError where it is not as written."""
    found = _CHECKSUM.search(line)
    if found and zlib.crc32(line[: found.start()]) != int(found[1], 16):
        raise ValueError("checksum")
    if required and not found:
        raise ValueError("no checksum")
    entry: dict[str, Any] = json.loads(line)
    entry.pop("_crc", None)
    return entry, bool(found)


def read_journal(path: Path) -> dict[str, dict[str, Any]]:
    """Read the finished work of a journal by key, without its lock; a torn last line is left out.

    Raises BabelmixError where a line is damaged.
    """
    entries: dict[str, dict[str, Any]] = {}
    with path.open("rb") as handle:
        for number, line in enumerate(handle, start=1):
            if not line.endswith(b"\n"):
                break
            try:
                entry, _ = _checked(line, required=False)
                entries[entry["key"]] = entry
            except (ValueError, KeyError, TypeError):
                raise BabelmixError(
                    f"{path}: line {number} is damaged. Fix or delete that line, then rerun."
                ) from None
    return entries


def entries_elsewhere(paths: Iterable[Path], keys: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Look up keys in journals that are not one's own; their damaged or torn lines are passed over.

    They may be another job's at work: nothing is locked and nothing is repaired.
    """
    wanted, found = set(keys), {}
    for path in paths if wanted else ():
        with path.open("rb") as handle:
            for line in handle:
                try:
                    entry, _ = _checked(line, required=False)
                    if entry["key"] in wanted:
                        found[entry["key"]] = entry
                except (ValueError, KeyError, TypeError):
                    continue
    return found


class Journal:
    """An append-only JSONL file of finished work, one writer, synced at every entry.

    Entries are dicts with a ``key``. A torn last line (the writer was killed) is dropped when the
    journal is opened, so that its work is redone; a later entry of a key replaces an earlier one.
    Each line ends with a checksum of itself (lines without one, of older journals, are accepted).
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.entries: dict[str, dict[str, Any]] = {}
        self._handle = self.path.open("ab")
        self._lock()
        whole = self._load()
        if self._handle.tell() != whole:
            self._handle.truncate(whole)
            self._handle.seek(whole)

    def _lock(self) -> None:
        """Be the one writer; a lock ends with the process that holds it."""
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._handle.close()
            raise BabelmixError(
                f"{self.path}: another process is writing to it. Two jobs on the same work would "
                "buy it twice: end the other one (is a second run at work in this folder?)."
            ) from None
        except OSError:
            pass  # a file system without locks: Snakemake's own lock must do

    def _load(self) -> int:
        """Read the whole lines; returns the offset after the last whole one."""
        if not self.path.exists():
            return 0
        offset, checked = 0, False
        with self.path.open("rb") as handle:
            for number, line in enumerate(handle, start=1):
                if not line.endswith(b"\n"):
                    break
                try:
                    # Lines of an older version come first, if at all.
                    entry, checked = _checked(line, required=checked)
                    self.entries[entry["key"]] = entry
                except (ValueError, KeyError, TypeError):
                    raise BabelmixError(
                        f"{self.path}: line {number} is damaged. Mend or delete that line, then "
                        "run again; all other lines are kept."
                    ) from None
                offset += len(line)
        return offset

    def __contains__(self, key: str) -> bool:
        return key in self.entries

    def get(self, key: str) -> dict[str, Any] | None:
        """The last entry of a key."""
        return self.entries.get(key)

    def append(self, entry: dict[str, Any]) -> None:
        """Add one entry and sync it to disk before returning."""
        self.extend([entry])

    def extend(self, entries: Iterable[dict[str, Any]]) -> None:
        """Add entries with one sync at the end: for the results of one batch."""
        for entry in entries:
            self.adopt(entry)
        self.sync()

    def adopt(self, entry: dict[str, Any]) -> None:
        """Add an entry that is safe elsewhere: written with the next sync."""
        self.entries[entry["key"]] = entry
        self._handle.write(_with_checksum(entry))

    def hand_over(self, entry: dict[str, Any]) -> None:
        """Add one entry and give it to the operating system: it outlives a killed process.

        Only ``sync`` makes it outlive a machine that stops.
        """
        self.adopt(entry)
        self._handle.flush()

    def sync(self) -> None:
        """Make all entries durable. May be called from another thread."""
        self._handle.flush()
        os.fsync(self._handle.fileno())

    def close(self) -> None:
        """Close the file; the entries stay readable."""
        self._handle.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
