"""Verb ``figures``: the studies' figures as Vega-Lite, each with a caption and a text alternative.

In: the study's description and the tables. Out: one JSON file a figure, and an index.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from ..folders import whole_folder
from ..io import file_digest, write_json, write_text
from .decision_figure import decision_figures
from .figure import Figure
from .judged_figures import human_figures, judged_figures
from .language_figures import language_figures
from .likelihood_figures import likelihood_figures
from .study import load_study
from .table import ReadTable, read_tables
from .training_figures import training_figures

#: Of the rendered figures, in pixels; the page's own are as wide as it is.
_WIDTH = '"width": 720'


def build_figures(study_path: Path, tables: dict[str, ReadTable]) -> Iterator[Figure]:
    """Every figure that the tables have data for, the main ones first."""
    rows: dict[str, dict[str, int]] = {}
    for row in tables["mixtures"].rows:
        rows.setdefault(row["mixture"], {})[row["language"]] = int(row["rows"])
    study = load_study(study_path, rows)
    for name in study.studies:
        yield from decision_figures(study, name, tables["decision"])
        yield from language_figures(study, name, tables)
        yield from judged_figures(study, name, tables)
        yield from likelihood_figures(study, name, tables)
        yield from human_figures(study, name, tables["human_ratings"])
        yield from training_figures(study, name, tables)


def rendered(figure: Figure) -> str:
    """The figure as SVG with its title, on white; drop-downs stay at their first choice."""
    import vl_convert

    spec = json.loads(json.dumps(figure.chart.to_dict()).replace('"width": "container"', _WIDTH))
    title = {"text": figure.title, "anchor": "start", "frame": "group", "offset": 12}
    svg: str = vl_convert.vegalite_to_svg(spec | {"background": "#ffffff", "title": title})
    return svg


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``figures``."""
    parser.add_argument("--study", required=True, type=Path, help="study.json")
    parser.add_argument("--tables", required=True, type=Path, help="Index of the tables (JSON).")
    parser.add_argument("--folder", required=True, type=Path, help="Where the figures go.")
    parser.add_argument("--rendered", type=Path, help="Folder for the figures as SVG, if wanted.")
    parser.add_argument("--output", required=True, type=Path, help="Index of the figures (JSON).")


def run(args: argparse.Namespace) -> None:
    """Write all figures, their index last."""
    entries = []
    figures = list(build_figures(args.study, read_tables(args.tables)))
    for figure in figures:
        # As wide as the container, as high as its rows.
        spec = figure.chart.to_dict()
        if "facet" not in spec:
            spec["autosize"] = {"type": "fit-x", "contains": "padding"}
        path = args.folder / f"{figure.id}.json"
        write_text(path, json.dumps(spec, sort_keys=True, ensure_ascii=False) + "\n")
        # The digest makes the index change when a figure does: it is what reruns hang on.
        entries.append(figure.entry() | {"sha256": file_digest(path)})
    if args.rendered:
        # There even without a figure: it is an output of the rule.
        with whole_folder(args.rendered) as folder:
            for figure in figures:
                write_text(folder / f"{figure.id}.svg", rendered(figure))
    write_json(args.output, {"figures": entries})
    print(f"figures: {len(entries)} figures in {args.folder}")
