"""What made a result: the verb and its settings, kept in the result itself, and what it read.

Snakemake keeps its own records in `.snakemake`, apart from the results. When that folder is lost,
or results are copied to another machine, only what a file says of itself tells whether it fits the
configuration. Every parquet file (in its metadata) and JSON file (member ``made_by``) that a job
makes says by which verb and settings it was made. What the job read is kept apart, below
``made_by/`` of the study set: in the file it would change the file's bytes, and all that follows
would be made again, although nothing else in it changed. `python -m babelmix verify` reads both.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import BabelmixError

if TYPE_CHECKING:
    import pyarrow as pa

#: Key of the metadata of a parquet file, member of a JSON file, and folder of what was read.
KEY = "made_by"
#: Environment variable: a JSON file, result -> digest of the settings that the plan expects.
EXPECTED = "BABELMIX_EXPECTED"


@dataclass(frozen=True)
class Provenance:
    """The verb and the settings that made a result."""

    verb: str
    settings: dict[str, Any]

    @property
    def digest(self) -> str:
        """Digest of both."""
        return settings_digest(self.verb, self.settings)

    def as_json(self) -> dict[str, Any]:
        """What a file keeps."""
        return {"verb": self.verb, "settings": self.settings}


@dataclass(frozen=True)
class _Job:
    """The job that this process does: its outputs, and fingerprints of what it has read."""

    origin: Provenance
    outputs: frozenset[str]
    expected: Mapping[str, str] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)


_jobs: list[_Job] = []  # none or one


def settings_digest(verb: str, settings: Mapping[str, Any]) -> str:
    """Digest of a verb and its settings."""
    text = json.dumps([verb, settings], sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def begin(verb: str, settings: Mapping[str, Any], outputs: Iterable[Path | str]) -> None:
    """From here on, these outputs say that this verb made them with these settings."""
    job = _Job(Provenance(verb, dict(settings)), frozenset(map(str, outputs)), _expected())
    _jobs[:] = [job]


def current() -> dict[str, Any] | None:
    """What this process is making, to be passed to a process that writes for it (``resume``)."""
    return _jobs[0].origin.as_json() if _jobs else None


def resume(made_by: Mapping[str, Any] | None, outputs: Iterable[Path | str]) -> None:
    """Write for the process that began: its outputs say what made them."""
    if (origin := _parse(made_by)) is not None:
        _jobs[:] = [_Job(origin, frozenset(map(str, outputs)))]


def end() -> None:
    """What is written from here on is no job's result."""
    _jobs.clear()


def finish() -> None:
    """Keep what the job has read, for each of its outputs (in a run of Snakemake)."""
    if not _jobs or (root := _study_folder()) is None:
        return
    job = _jobs[0]
    # Not resolved: a folder of the study set may be a link to a larger disk.
    inputs = {_below(root, path): held for path, held in job.inputs.items()}
    for output in job.outputs:
        path = root / _below(root, output)
        if path.is_file() and path.is_relative_to(root):
            text = json.dumps({"output": fingerprint(path), "inputs": inputs}, indent=1)
            place = kept_inputs(root, path)
            place.parent.mkdir(parents=True, exist_ok=True)
            temporary = place.with_name(f".{place.name}.tmp")
            temporary.write_text(text + "\n", encoding="utf-8")
            temporary.replace(place)


def _below(root: Path, path: str) -> str:
    """A file's path below the study set's folder; the whole path of one elsewhere."""
    found = Path(path).absolute()
    return str(found.relative_to(root) if found.is_relative_to(root) else found)


def kept_inputs(root: Path, path: Path) -> Path:
    """Where what a result was made from is kept."""
    return root / KEY / f"{path.relative_to(root)}.json"


def _study_folder() -> Path | None:
    place = os.environ.get(EXPECTED, "")
    return Path(place).parent if place else None


def _expected() -> Mapping[str, str]:
    try:
        found: Mapping[str, str] = json.loads(
            Path(os.environ.get(EXPECTED, "")).read_text(encoding="utf-8")
        )
    except (OSError, ValueError):
        return {}  # a verb by hand: nothing is planned
    return found


def stamped_schema(schema: pa.Schema, path: Path | str) -> pa.Schema:
    """The schema of an output with what made it in its metadata; others as they are."""
    if not _jobs or str(path) not in _jobs[0].outputs:
        return schema
    text = json.dumps(_jobs[0].origin.as_json(), sort_keys=True, ensure_ascii=False)
    return schema.with_metadata({**(schema.metadata or {}), KEY.encode(): text.encode()})


def stamped_json(value: Any, path: Path | str) -> Any:
    """The JSON object of an output with what made it; others as they are."""
    if not _jobs or str(path) not in _jobs[0].outputs or not isinstance(value, dict):
        return value
    return {**value, KEY: _jobs[0].origin.as_json()}


def note_read(path: Path | str, made_by: Any) -> None:
    """Note what a job reads; refuse a result that other settings made than the plan expects.

    ``made_by`` is what the file says of itself (parsed JSON), or None.
    """
    if not _jobs or str(path) in _jobs[0].outputs or (origin := _parse(made_by)) is None:
        return
    job = _jobs[0]
    wanted = job.expected.get(str(path))
    if wanted is not None and wanted != origin.digest:
        raise BabelmixError(
            f"{path}: made by `{origin.verb}` with settings {origin.digest[:12]}, but the "
            f"configuration asks for {wanted[:12]}. `python -m babelmix verify --config "
            "…/config.resolved.json` shows the difference; with --discard it deletes such results, "
            "and the next run makes them again."
        )
    job.inputs[str(path)] = fingerprint(path)


def note_file(path: Path | str) -> None:
    """Note a result that a job depends on and does not read itself (a model's record, say)."""
    if _jobs and (origin := read_provenance(path)) is not None:
        note_read(path, origin.as_json())


def fingerprint(path: Path | str) -> str:
    """Tell a file from its earlier versions without reading all of it.

    SHA-256 of a parquet file's size and footer (places and sizes of all columns, their least and
    greatest values), of the whole of any other.
    """
    with Path(path).open("rb") as file:
        if Path(path).suffix != ".parquet":
            return hashlib.file_digest(file, "sha256").hexdigest()
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 8))
        length = int.from_bytes(file.read(4), "little")
        file.seek(max(0, size - 8 - length))
        return hashlib.sha256(str(size).encode() + file.read()).hexdigest()


def of_table(metadata: Mapping[bytes, bytes] | None) -> Any:
    """What a parquet file's metadata says made it, as JSON; None where it says nothing."""
    text = (metadata or {}).get(KEY.encode())
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None


def _parse(made_by: Any) -> Provenance | None:
    try:
        return Provenance(made_by["verb"], made_by["settings"])
    except (TypeError, KeyError):
        return None


def read_provenance(path: Path | str) -> Provenance | None:
    """What made a result; None where the file does not say (an earlier release made it)."""
    import pyarrow as pa  # here: `--help` need not load it
    import pyarrow.parquet as pq

    path = Path(path)
    try:
        if path.suffix == ".parquet":
            return _parse(of_table(pq.read_schema(path).metadata))
        held = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, pa.ArrowException):
        return None
    return _parse(held.get(KEY)) if isinstance(held, dict) else None


def read_inputs(root: Path, path: Path) -> dict[str, str] | None:
    """File -> fingerprint of what a result was made from; None where that is not kept.

    Kept for the very file: not for one that was put there in its place.
    """
    try:
        held = json.loads(kept_inputs(root, path).read_text(encoding="utf-8"))
        inputs: dict[str, str] = held["inputs"]
        return inputs if held["output"] == fingerprint(path) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
