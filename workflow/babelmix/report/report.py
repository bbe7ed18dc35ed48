"""Verb ``report``: one self-contained page, readable from a file, without a network."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..analyse.input_tables import read_manifests, rows_by_mixture
from ..analyse.study import load_study
from ..analyse.table import ReadTable, read_tables
from ..io import read_json, write_text
from .browser import browser_data
from .page import context, render


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``report``."""
    parser.add_argument("--study", required=True, type=Path, help="study.json")
    parser.add_argument("--sources", type=Path, help="Licences and versions of the data (JSON).")
    parser.add_argument("--tables", required=True, type=Path, help="Index of the tables (JSON).")
    parser.add_argument("--figures", required=True, type=Path, help="Index of the figures (JSON).")
    several = {
        "answers": "Answers (parquet), in a folder named after the benchmark.",
        "questions": "Questions (parquet): {benchmark}.{language}.parquet.",
        "judgements": "Judgements (parquet), in a folder named after the evaluation.",
        "manifests": "Manifests of the mixtures (JSON).",
    }
    for name, text in several.items():
        parser.add_argument(f"--{name}", nargs="*", default=[], type=Path, help=text)
    parser.add_argument(
        "--browser-mb",
        type=float,
        default=50.0,
        help="Texts of the answers browser, before compression to about a third; whole questions "
        "are left out above it.",
    )
    parser.add_argument("--output", required=True, type=Path, help="The page (HTML).")


def run(args: argparse.Namespace) -> None:
    """Write the page."""
    study = load_study(args.study, rows_by_mixture(read_manifests(args.manifests)))
    tables = read_tables(args.tables)
    figures = read_json(args.figures)["figures"]
    folder = args.tables.parent
    browser = browser_data(
        study, args.questions, args.answers, args.judgements, int(args.browser_mb * 1e6)
    )
    index = read_json(args.tables)
    made_from = {"inputs": sorted(index["inputs"].items()), "seed": index["seed"]}
    page = render(
        context(study, tables, figures, args.manifests, made_from, _sources(args.sources)),
        {figure["id"]: read_json(args.figures.parent / figure["file"]) for figure in figures},
        table_files(folder, tables.values()),
        browser,
    )
    write_text(args.output, page)
    shown = sum(len({item["id"] for item in b["items"]}) for b in browser["benchmarks"])
    size = args.output.stat().st_size / 1e6
    print(
        f"report: {args.output} ({size:.1f} MB, {len(figures)} figures, {shown} questions to read)"
    )


def table_files(folder: Path, tables: Iterable[ReadTable]) -> dict[str, str]:
    """Return the tables' files by name, CSV and (where there is one) LaTeX, for the downloads."""
    names = [t.entry[kind] for t in tables for kind in ("file", "latex") if kind in t.entry]
    return {name: (folder / name).read_text(encoding="utf-8") for name in names}


def _sources(path: Path | None) -> dict[str, Any] | None:
    return None if path is None else dict(read_json(path))
