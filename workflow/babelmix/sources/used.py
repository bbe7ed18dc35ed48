"""Verb ``describe-sources``: what data went into a study set, by which licence, in which version.

Put together from the records of the fetches and the manifests of what was read from them, for the
report and for anybody who has to answer for the data.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..io import read_json, write_json

#: Places of defects named before "and N more".
SHOWN = 12


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    several = {
        "records": "records of the fetched sources",
        "normalised": "manifests of the pools' pivot languages",
        "benchmarks": "manifests of the benchmarks' languages",
    }
    for name, text in several.items():
        parser.add_argument(f"--{name}", nargs="*", default=[], help=text)
    parser.add_argument("--study", required=True, help="study.json, for licences and citations")
    parser.add_argument("--output", required=True, help="JSON of all that is known")


def run(args: argparse.Namespace) -> None:
    """Write the description and say what a user of the results must mind."""
    made = describe(
        [read_json(path) for path in args.records],
        [read_json(path) for path in args.normalised],
        [read_json(path) for path in args.benchmarks],
        read_json(args.study)["sources"],
    )
    write_json(args.output, made)
    closed = sum(source["non_commercial"] for source in made["sources"])
    print(
        f"sources: {len(made['sources'])} in use, {closed} for non-commercial use only, "
        f"{len(made['warnings'])} warnings, {len(made['defects'])} kinds of known defects"
    )


def describe(
    records: Sequence[dict[str, Any]],
    normalised: Sequence[dict[str, Any]],
    benchmarks: Sequence[dict[str, Any]],
    terms: Mapping[str, dict[str, Any]],
) -> dict[str, Any]:
    """Sources with licence, version, digests and counts; warnings; defects; corrections.

    ``terms``: licence, citation and whether commercial use is excluded, by source.
    """
    warnings = [w for group in (records, normalised, benchmarks) for m in group for w in _said(m)]
    uses = _uses(normalised, benchmarks)
    return {
        "sources": [
            _source(record, uses[record["source"]]) | terms[record["source"]] for record in records
        ],
        "warnings": list(dict.fromkeys(warnings)),
        "defects": [row for manifest in benchmarks for row in _defects(manifest)],
        "corrections": [
            {"benchmark": m["benchmark"], "lang": m["lang"]} | m["corrections"]
            for m in benchmarks
            if "corrections" in m
        ],
    }


def _said(manifest: dict[str, Any]) -> list[str]:
    return list(manifest.get("warnings", []))


def _uses(
    normalised: Sequence[dict[str, Any]], benchmarks: Sequence[dict[str, Any]]
) -> dict[str, list[dict[str, Any]]]:
    """Source -> what was made of it: a pool's rows, or a benchmark's questions."""
    uses: dict[str, list[dict[str, Any]]] = defaultdict(list)
    files = Counter(manifest["dataset"] for manifest in normalised)
    for manifest in normalised:
        dataset = manifest["dataset"]
        # A pool that is not parallel has rows of its own in each language.
        lang = f" ({manifest['lang']})" if files[dataset] > 1 else ""
        for name, counts in manifest["sources"].items():
            use = {"use": f"dataset {dataset}{lang}", "kept": counts["kept"]}
            uses[name].append(use | {k: counts[k] for k in ("read", "usable", "expected", "raw")})
    seen = set()
    for manifest in benchmarks:
        key = (manifest.get("source"), manifest["benchmark"])
        if key[0] is not None and key not in seen:
            seen.add(key)
            use = {"use": f"benchmark {manifest['benchmark']}", "kept": manifest["kept"]}
            uses[key[0]].append(use | {"usable": manifest["read"], "expected": None})
    return uses


def _source(record: dict[str, Any], uses: list[dict[str, Any]]) -> dict[str, Any]:
    parts = [part for language in record["files"].values() for part in language]
    parts += list(record["extra"].values())
    shared = ("builtin", "commit", "pinned")
    return {
        "name": record["source"],
        "origin": record["repo"] or record["url"] or "local file",
        "version": _version(record),
        "files": [
            {"file": "/".join(Path(p["path"]).parts[-2:]), "sha256": p["sha256"]} for p in parts
        ],
        "bytes": sum(part["bytes"] for part in parts),
        "uses": uses,
    } | {key: record[key] for key in shared}


def _version(record: dict[str, Any]) -> str:
    """In words, what says which version of the data this was."""
    if record["pinned"] == "commit":
        return f"commit {record['commit']}"
    if record["pinned"] == "copy":
        return "local copy, the built-in source's very bytes"
    if record["pinned"] == "digest":
        return "checked by SHA-256"
    if record["commit"]:
        return f"not pinned; commit {record['commit']} at the time"
    return "not pinned" if record["url"] else "local file, see its SHA-256"


def _defects(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """A benchmark's defects in one language, a row a kind and what was done about it."""
    places: dict[tuple[str, str], list[str]] = defaultdict(list)
    for defect in manifest.get("defects", []):
        places[(defect["kind"], defect["done"])].append(defect["where"])
    return [
        {
            "benchmark": manifest["benchmark"],
            "lang": manifest["lang"],
            "kind": kind,
            "count": len(where),
            "where": "; ".join(where[:SHOWN])
            + (f" and {len(where) - SHOWN} more" if len(where) > SHOWN else ""),
            "done": done,
        }
        for (kind, done), where in places.items()
    ]
