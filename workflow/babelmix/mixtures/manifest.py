"""Verb ``mixture-manifest``: all that a reader must know of a mixture, in one JSON file.

What the selection says, with tokens by language and pool (for each model and recipe that trains on
it), licences, duplicates, and what the search for benchmark questions found. Nothing that trains
reads it, so that a licence or a model that is added changes no mixture.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ..io import read_json, read_table, write_json
from ..options import add_settings, read_settings
from ..specs import ManifestSpec
from .duplicates import count_duplicates, read_prints
from .summary import languages_without_rows, remarks


def count_tokens(rows: pa.Table, tokenised: Sequence[Path]) -> dict[str, list[dict[str, Any]]]:
    """Tokens of the training rows by ``{model}.{recipe}`` (the file's folder), pool and language.

    A row that the tokeniser refused counts among ``refused``, and has no tokens; a repeated row
    counts each time.
    """
    train = rows.filter(pc.equal(rows["split"], "train"))
    found: dict[str, list[dict[str, Any]]] = {}
    for path in tokenised:
        dataset, lang = path.name.removesuffix(".parquet").split(".", 1)
        here = pc.and_(pc.equal(train["dataset"], dataset), pc.equal(train["lang"], lang))
        mine = train.filter(here)["id"].combine_chunks()
        table = read_table(path, columns=["id", "n_tokens", "n_trained"]).combine_chunks()
        table = table.take(pc.index_in(mine, value_set=table["id"].combine_chunks()).drop_null())
        found.setdefault(path.parent.name, []).append(
            {
                "dataset": dataset,
                "language": lang,
                "tokens": pc.sum(table["n_tokens"]).as_py() or 0,
                "trained_tokens": pc.sum(table["n_trained"]).as_py() or 0,
                "refused": int(pc.sum(pc.equal(table["n_tokens"], 0)).as_py() or 0),
            }
        )
    return found


def contamination_of(rows: pa.Table, files: Sequence[Path]) -> dict[str, Any]:
    """What the searches of the mixture's pools found, and how much of it is trained on."""
    train = set(rows.filter(pc.equal(rows["split"], "train"))["id"].to_pylist())
    found = [read_json(path) for path in files]
    return {
        "questions": sum(f["questions"] for f in found),
        "ids_found": sum(len(f["ids"]) for f in found),
        "ids_trained_on": sum(len(train & set(f["ids"])) for f in found),
        "policy": {f["dataset"]: f["on_contamination"] for f in found},
        "similarity": {f["dataset"]: f["similarity"] for f in found},
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    add_settings(parser, ManifestSpec)
    parser.add_argument("--mixture", required=True, type=Path, help="rows of the mixture (parquet)")
    parser.add_argument("--selection", required=True, type=Path, help="its counts (JSON)")
    parser.add_argument(
        "--contamination", nargs="*", default=[], type=Path, help="counts of its pools (JSON)"
    )
    parser.add_argument(
        "--tokenised",
        nargs="*",
        default=[],
        type=Path,
        help="{model}.{recipe}/{dataset}.{lang}.parquet",
    )
    parser.add_argument(
        "--fingerprints",
        nargs="*",
        default=[],
        type=Path,
        help="{dataset}.{lang}.parquet of `fingerprint-language`",
    )
    parser.add_argument("--output", required=True, type=Path, help="manifest (JSON)")


def run(args: argparse.Namespace) -> None:
    """Assemble the manifest."""
    spec = read_settings(args, ManifestSpec)
    rows = read_table(args.mixture)
    manifest: dict[str, Any] = read_json(args.selection)
    manifest |= {
        "tokens": count_tokens(rows, args.tokenised),
        "licences": spec.licences,
        "non_commercial": spec.non_commercial,
        "contamination": contamination_of(rows, args.contamination),
        "languages_without_rows": languages_without_rows(manifest),
    }
    if args.fingerprints:
        prints = read_prints(args.fingerprints)
        manifest["duplicates"] = count_duplicates(rows, prints, spec.similarity)
    write_json(args.output, manifest)
    print(f"manifest of {spec.mixture}: {manifest['rows']} rows, {len(manifest['tokens'])} models")
    for line in remarks(manifest):
        print(f"note: mixture {spec.mixture}: {line}")
