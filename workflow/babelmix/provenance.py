"""What made a result: the verb, its settings and the results it read, kept in the result itself.

Snakemake keeps its own records in `.snakemake`, apart from the results. When that folder is lost,
or results are copied to another machine, only what a file says of itself tells whether it fits the
configuration. Every parquet file (in its metadata) and JSON file (member ``made_by``) that a job
makes says it; ``io`` writes it and notes what a job reads. `python -m babelmix verify` walks the
whole chain.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import BabelmixError

if TYPE_CHECKING:
    import pyarrow as pa

#: Key of the metadata of a parquet file, and member of a JSON file.
KEY = "made_by"
#: Environment variable: a JSON file, result -> digest of the settings that the plan expects.
EXPECTED = "BABELMIX_EXPECTED"


@dataclass
class Provenance:
    """What made one result. ``inputs``: file that was read -> its identity.

    ``outputs`` are the files that carry it; they are no part of it.
    """

    verb: str
    settings: dict[str, Any]
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: frozenset[str] = frozenset()

    @property
    def settings_digest(self) -> str:
        """Digest of verb and settings."""
        return settings_digest(self.verb, self.settings)

    @property
    def identity(self) -> str:
        """Digest of verb, settings and the identities of what was read; file names do not count."""
        return _sha256([self.verb, self.settings, sorted(self.inputs.values())])

    def as_json(self) -> dict[str, Any]:
        """What a file keeps."""
        return {"verb": self.verb, "settings": self.settings, "inputs": self.inputs}


def _sha256(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def settings_digest(verb: str, settings: Mapping[str, Any]) -> str:
    """Digest of a verb and its settings."""
    return _sha256([verb, settings])


class _Job:
    """The job that this process does, if it does one."""

    current: Provenance | None = None
    expected: Mapping[str, str] | None = None


def begin(verb: str, settings: Mapping[str, Any], outputs: Iterable[Path | str]) -> None:
    """From here on, these outputs say that this verb made them with these settings."""
    _Job.current = Provenance(verb, dict(settings), outputs=frozenset(map(str, outputs)))
    place = os.environ.get(EXPECTED, "")
    _Job.expected = _read_expected(Path(place)) if place else None


def current() -> dict[str, Any] | None:
    """What this process is making, to be passed to a process that writes for it (``resume``)."""
    return _Job.current.as_json() if _Job.current else None


def resume(made_by: Mapping[str, Any] | None, outputs: Iterable[Path | str]) -> None:
    """Go on with what another process began."""
    if (origin := _parse(made_by)) is not None:
        _Job.current = replace(origin, outputs=frozenset(map(str, outputs)))


def end() -> None:
    """What is written from here on is no job's result."""
    _Job.current = _Job.expected = None


def _read_expected(place: Path) -> Mapping[str, str] | None:
    try:
        found: Mapping[str, str] = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # another run's, or removed by hand: Snakemake's own triggers remain
    return found


def stamped_schema(schema: pa.Schema, path: Path | str) -> pa.Schema:
    """The schema of an output with what made it in its metadata; others as they are."""
    if _Job.current is None or str(path) not in _Job.current.outputs:
        return schema
    text = json.dumps(_Job.current.as_json(), sort_keys=True, ensure_ascii=False)
    return schema.with_metadata({**(schema.metadata or {}), KEY.encode(): text.encode()})


def stamped_json(value: Any, path: Path | str) -> Any:
    """The JSON object of an output with what made it; others as they are."""
    if _Job.current is None or str(path) not in _Job.current.outputs:
        return value
    return {**value, KEY: _Job.current.as_json()} if isinstance(value, dict) else value


def note_read(path: Path | str, made_by: Any) -> None:
    """Note what a job reads; refuse a result that other settings made than the plan expects.

    ``made_by`` is what the file says of itself (parsed JSON), or None.
    """
    if _Job.current is None or str(path) in _Job.current.outputs:
        return
    origin = _parse(made_by)
    if origin is None:
        return
    _refuse_unexpected(str(path), origin)
    _Job.current.inputs[str(path)] = origin.identity


def note_file(path: Path | str) -> None:
    """Note a result that a job depends on and does not read itself (a model's record, say)."""
    if _Job.current is not None and (origin := read_provenance(path)) is not None:
        note_read(path, origin.as_json())


def _refuse_unexpected(path: str, origin: Provenance) -> None:
    wanted = (_Job.expected or {}).get(path)
    if wanted is not None and wanted != origin.settings_digest:
        raise BabelmixError(
            f"{path}: made by `{origin.verb}` with settings {origin.settings_digest[:12]}, but the "
            f"configuration asks for {wanted[:12]}. `python -m babelmix verify --config "
            "…/config.resolved.json` shows the difference; with --discard it removes such results, "
            "and the next run makes them again."
        )


def of_table(metadata: Mapping[bytes, bytes] | None) -> Any:
    """What a parquet file's metadata says made it, as JSON; None where it says nothing."""
    text = (metadata or {}).get(KEY.encode())
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None


def _parse(made_by: Any) -> Provenance | None:
    try:
        return Provenance(made_by["verb"], made_by["settings"], made_by["inputs"])
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
