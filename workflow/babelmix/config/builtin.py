"""Sources that the repository knows: `resources/sources.yaml`, and what `builtin:` stands for."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml
from pydantic import Field

from ..errors import BabelmixError, unknown_name
from ..resources import RESOURCES
from .base import Section
from .sources import Source

FILE = RESOURCES / "sources.yaml"

#: Keys that say where a source is; giving one in a configuration replaces all of them.
_PLACES = ("path", "hub", "url")
#: Keys that change how many rows a source gives, so that the entry's count no longer holds.
_COUNTING = ("threads", "single_turn_only", "exclude_subsets", "adapter", "fields")


class Entry(Section):
    """A source of the catalogue."""

    title: str
    rows: int | None = Field(description="Rows a language, as published; None where not known.")
    bytes: int | None = Field(default=None, description="Size of all its files, where known.")
    note: str = ""
    source: dict[str, Any]

    def as_source(self) -> Source:
        """The entry as a configuration's source, in all its languages."""
        return Source.model_validate(self.source)


@functools.cache
def catalogue() -> dict[str, Entry]:
    """All entries by name, in the file's order."""
    raw = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return {name: Entry.model_validate(entry) for name, entry in raw.items()}


def fill_sources(section: Any, languages: Iterable[str], where: str) -> Any:
    """`sources` of a configuration with each `builtin` filled in from the catalogue.

    An entry's languages are cut to the study set's ``languages``, unless the configuration names
    some. Raises BabelmixError for an unknown name, and when no language of an entry is asked for.
    """
    if not isinstance(section, Mapping):
        return section
    return {
        name: _fill(given, list(languages), f"{where}: sources.{name}")
        for name, given in section.items()
    }


def _fill(given: Any, languages: list[str], where: str) -> Any:
    if not isinstance(given, Mapping) or given.get("builtin") is None:
        return given
    name = given["builtin"]
    if name not in catalogue():
        raise unknown_name("built-in source", str(name), catalogue(), f"{where}.builtin")
    filled = dict(catalogue()[name].source)
    if any(given.get(place) is not None for place in _PLACES):
        for key in (*_PLACES, "file", "config", "split", "sha256"):
            filled.pop(key, None)
    if any(key in given for key in _COUNTING):
        filled.pop("expected_rows", None)
    if "languages" not in given:
        held = filled.get("languages", ["en"])
        filled["languages"] = [code for code in languages if code in held]
        if not filled["languages"]:
            raise BabelmixError(
                f"{where}: '{name}' holds {', '.join(held)}; none of them is among `languages`."
            )
    return filled | dict(given)


def known_digests(name: str | None) -> set[str]:
    """Digests of a built-in's files (empty for None and where none is known)."""
    entry = catalogue().get(name) if name else None
    return set(entry.source.get("sha256", {}).values()) if entry else set()


def is_commit(revision: str) -> bool:
    """Whether a revision names a commit by its whole hash."""
    return re.fullmatch(r"[0-9a-f]{40}", revision) is not None


def pinned_by(source: Source) -> str | None:
    """What holds a source's files to one version: `commit`, `digest`, or None where nothing does.

    A web address counts as pinned by digests only: what stands there can change.
    """
    if source.hub is not None and is_commit(source.hub.revision):
        return "commit"
    return "digest" if source.sha256 else None
