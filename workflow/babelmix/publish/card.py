"""Cards of datasets: what a reader, and the hub's own viewer, must know of them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ..errors import BabelmixError
from ..io import read_json

#: Licences by the names that the hub knows.
_LICENCES = {
    "apache-2.0": r"apache[- ]?(licen[sc]e,? )?(version )?2(\.0)?",
    "mit": r"mit( licen[sc]e)?",
    "cc0-1.0": r"cc0([- ]1\.0)?",
    "cc-by-4.0": r"cc[- ]by[- ]4\.0",
    "cc-by-sa-3.0": r"cc[- ]by[- ]sa[- ]3\.0",
    "cc-by-sa-4.0": r"cc[- ]by[- ]sa[- ]4\.0",
    "cc-by-nc-4.0": r"cc[- ]by[- ]nc[- ]4\.0",
    "cc-by-nc-sa-4.0": r"cc[- ]by[- ]nc[- ]sa[- ]4\.0",
    "odc-by": r"odc[- ]by([- ]1\.0)?",
}


def licence_id(licences: Sequence[str]) -> str:
    """The hub's name for a licence that all parts share; `other` where there is none."""
    found = set()
    for text in licences:
        plain = text.split(",")[0].strip().casefold()
        names = (n for n, pattern in _LICENCES.items() if re.fullmatch(pattern, plain))
        found.add(next(names, "other"))
    return found.pop() if len(found) == 1 else "other"


def dataset_card(
    title: str,
    about: str,
    files: Mapping[str, Mapping[str, str]],
    counts: Mapping[tuple[str, str], int],
    sources: Sequence[Mapping[str, Any]] = (),
) -> str:
    """A card in Markdown with the hub's YAML head.

    ``files``: configuration -> split -> file or pattern; ``counts``: (split or configuration,
    language) -> rows; ``sources``: entries of ``sources.json``.
    """
    languages = list(dict.fromkeys(lang for _, lang in counts if lang))
    licences = [str(source["licence"]) for source in sources]
    head: dict[str, Any] = {
        # The hub knows plain codes alone.
        "language": list(dict.fromkeys(code.split("-")[0].split("_")[0] for code in languages)),
        "license": licence_id(licences) if licences else "unknown",
        "pretty_name": title,
        "task_categories": ["text-generation"],
        "tags": ["babelmix", "instruction-tuning"],
        "configs": [
            {
                "config_name": config,
                "data_files": [{"split": s, "path": path} for s, path in splits.items()],
            }
            for config, splits in files.items()
        ],
    }
    if not languages:
        del head["language"]
    lines = ["---", yaml.safe_dump(head, sort_keys=False, allow_unicode=True).rstrip(), "---"]
    lines += ["", f"# {title}", "", about, "", "| part | language | rows |", "|---|---|---:|"]
    lines += [f"| {part} | {lang or '–'} | {rows} |" for (part, lang), rows in counts.items()]
    lines += _sources(sources)
    return "\n".join(lines) + "\n"


def _sources(sources: Sequence[Mapping[str, Any]]) -> list[str]:
    if not sources:
        return [
            "",
            "Where the texts come from, and by which licences, was not given when this was "
            "written: see the study's `sources.json`.",
        ]
    lines = ["", "## Sources", "", "| source | from | version | licence |", "|---|---|---|---|"]
    for source in sources:
        licence = str(source["licence"]) + (
            " (non-commercial)" if source.get("non_commercial") else ""
        )
        cells = [source["name"], source["origin"], source.get("version", ""), licence]
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    if any(source.get("non_commercial") for source in sources):
        lines += ["", "**Parts of this are for non-commercial use only.**"]
    cited = [s for s in sources if s.get("citation")]
    if cited:
        lines += ["", "## To be cited", ""]
        lines += [f"- {s['name']}: {_cell(s['citation'])}" for s in cited]
    return lines


def _cell(value: Any) -> str:
    """A text in one line of a Markdown table."""
    return " ".join(str(value).split()).replace("|", "\\|").replace("<", "&lt;")


def read_sources(path: Path | None, names: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """The entries of a study's ``sources.json``, of ``names`` alone where given.

    Raises BabelmixError where the file is none of them.
    """
    if path is None:
        return []
    described = read_json(path)
    entries = described.get("sources") if isinstance(described, dict) else None
    if not isinstance(entries, list) or not all("licence" in entry for entry in entries):
        shown = json.dumps(described)[:80]
        raise BabelmixError(
            f"{path}: not a study's sources.json ({shown}). `describe-sources` writes it."
        )
    return [entry for entry in entries if names is None or entry["name"] in names]
