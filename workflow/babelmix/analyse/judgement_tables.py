"""Verb ``judgement-tables``: the tables that judgement files alone can give.

For imported judgements, and for any judgement files of a study set: what evaluations, runs and
languages there are is read from the files. The folder of a file names its evaluation.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config.evaluation import OrderRule
from ..errors import BabelmixError
from ..files.judgements import find_files
from ..io import file_digest, read_json, read_records, write_json
from ..outcome import ONE_ORDER, RULES
from ..records import Judgement
from ..resources import language_catalogue
from .frames import ANSWER, grades, load_judgements, without_repeats
from .grade_tables import category_table, grades_table
from .judge_agreement_table import judge_agreement_table
from .judge_tables import cost_table, coverage_table, position_table, preferences_table
from .pairs import outcomes
from .statistics import Bootstrap
from .study import load_study
from .table import Table
from .weighted_table import Published, read_published, weighted_table

if TYPE_CHECKING:
    import pandas as pd


def describe_judgements(
    paths: Sequence[Path],
    order_rule: OrderRule = "strict",
    scale: tuple[float, float] | None = None,
) -> dict[str, Any]:
    """What ``study.json`` would say, from the judgements themselves.

    ``scale`` of grades: left out, what ``import.json`` above an evaluation's folder says of it.
    """
    orders: dict[str, dict[tuple[Any, ...], set[str]]] = {}
    evaluations: dict[str, Any] = {}
    runs: dict[str, Any] = {}
    languages: dict[str, Any] = {}
    for path in paths:
        rows = read_records(path, Judgement)
        name = path.parent.name
        _same_evaluation(path, name, rows)
        for row in rows:
            if row.order and row.run != row.baseline:
                item = (row.run, row.question_id, row.lang, row.turn, row.sample)
                orders.setdefault(name, {}).setdefault(item, set()).add(row.order)
            known = language_catalogue().get(row.lang, {})
            languages.setdefault(row.lang, {"name": known.get("name", row.lang)})
            runs.setdefault(row.run, {"model": row.run, "label": row.run, "seed": None})
            evaluations.setdefault(
                name,
                {
                    "benchmark": name.partition(f".{row.judge}.")[0],
                    "judge": row.judge,
                    "engine": "published" if row.key and not row.tokens_in else "openai",
                    "protocol": row.protocol,
                    "baseline": row.baseline or None,
                    "order_rule": order_rule,
                    "scale": scale or _imported_scale(path, name, row.judge),
                },
            )
    for name, of_items in orders.items():
        if all(len(shown) == 1 for shown in of_items.values()):
            evaluations[name]["order_rule"] = ONE_ORDER
    ordered = sorted(languages)
    benchmarks = {e["benchmark"]: {"languages": ordered} for e in evaluations.values()}
    study = {"runs": sorted(runs), "evaluations": sorted(evaluations), "families": []}
    return {
        "study_set": "judgements",
        "languages": {code: languages[code] for code in ordered},
        "runs": {name: runs[name] for name in sorted(runs)},
        "evaluations": evaluations,
        "benchmarks": benchmarks,
        "studies": {"judgements": study | {"title": "Judgements", "question": ""}},
    }


def _imported_scale(path: Path, evaluation: str, judge: str) -> list[float] | None:
    """The scale of a judge's grades in the import that wrote a file, if one did."""
    summary = path.resolve().parents[2] / "import.json"
    files = read_json(summary).get("files", []) if summary.is_file() else []
    of = evaluation.partition(f".{judge}.")[0]
    found = (f.get("scales", {}).get(judge) for f in files if f.get("benchmark") == of)
    return next(filter(None, found), None)


def _same_evaluation(path: Path, name: str, rows: Sequence[Judgement]) -> None:
    judges = {row.judge for row in rows}
    if len(judges) > 1:
        raise BabelmixError(
            f"{path}: judgements of several judges ({', '.join(sorted(judges))}) in one evaluation "
            f"'{name}'. Write each to a folder of its own."
        )


def tables_of(
    study_path: Path,
    paths: Sequence[Path],
    bootstrap: Bootstrap | None = None,
    published: Published | None = None,
) -> list[Table]:
    """The tables of judgements that have rows: grades, preferences, position bias, agreement …"""
    bootstrap = bootstrap or Bootstrap()
    study = load_study(study_path)
    every = load_judgements(paths, study, repeats=True)
    judged = without_repeats(every)
    graded = grades(judged)
    pairs = outcomes(judged, study.order_rules)
    tables = [
        grades_table(study, judged, graded, bootstrap),
        category_table(study, graded, bootstrap),
        preferences_table(study, pairs, bootstrap),
        weighted_table(study, judged, bootstrap, published),
        position_table(study, judged, pairs, bootstrap),
        judge_agreement_table(study, judged, pairs, bootstrap),
        coverage_table(study, every),
        cost_table(study, every),
    ]
    return [table for table in tables if table.rows]


def left_out(judged: pd.DataFrame) -> Iterator[str]:
    """Say what no table compares: a run against itself, judges who judged nothing in common."""
    itself = judged[(judged["protocol"] != "single") & (judged["run"] == judged["baseline"])]
    for evaluation, rows in itself.groupby("evaluation"):
        yield f"{evaluation}: left out {len(rows)} judgements of {rows['run'].iloc[0]} on itself"
    for protocol, rows in judged[judged["run"] != judged["baseline"]].groupby("protocol"):
        judges = rows["judge"].nunique()
        items = rows.groupby(["run", "baseline", *ANSWER])["judge"].nunique()
        if judges > 1 and items.max() < 2:
            yield (
                f"judge_agreement: {judges} {protocol} judges, and no answer that two of "
                "them judged: nothing to compare (are question ids, names and languages the same?)"
            )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument(
        "judgements", nargs="+", type=Path, help="judgement files, or folders that hold some"
    )
    parser.add_argument("--folder", required=True, type=Path, help="where the tables go")
    parser.add_argument(
        "--order-rule",
        choices=RULES,
        default="strict",
        help="how the verdicts of both orders become one: strict (win + tie = tie), lenient (win + "
        "tie = win), score (what both orders give to each side is added up)",
    )
    parser.add_argument(
        "--gamed-baselines",
        type=Path,
        metavar="df_gamed.csv",
        help="AlpacaEval's file of that name, for its length-controlled win rate of weighted "
        "preferences; without it the rate leaves the difficulty of instructions out",
    )
    parser.add_argument(
        "--instructions",
        type=Path,
        metavar="JSON",
        help="AlpacaEval's evaluation set or a model's outputs on it: which instruction is which",
    )
    parser.add_argument(
        "--scale",
        nargs=2,
        type=float,
        metavar=("LOW", "HIGH"),
        help="of grades, for their intervals; left out, what the import said, else 1 and 10",
    )
    parser.add_argument("--samples", type=int, default=2000, help="bootstrap samples")
    parser.add_argument("--confidence", type=float, default=0.95, help="of every interval")


def run(args: argparse.Namespace) -> None:
    """Run the verb."""
    if args.scale and not args.scale[0] < args.scale[1]:
        raise BabelmixError("--scale: write the lowest grade, then the highest.")
    paths = find_files(args.judgements)
    published = read_published(args.gamed_baselines, args.instructions)
    write_json(
        args.folder / "study.json",
        describe_judgements(paths, args.order_rule, args.scale and tuple(args.scale))
        | {"confidence": args.confidence, "bootstrap_samples": args.samples},
    )
    bootstrap = Bootstrap(args.confidence, args.samples)
    tables = tables_of(args.folder / "study.json", paths, bootstrap, published)
    entries = []
    for table in tables:
        table.write(args.folder)
        entries.append(table.entry() | {"sha256": file_digest(args.folder / f"{table.name}.csv")})
    write_json(args.folder / "tables.json", {"tables": entries})
    for line in left_out(load_judgements(paths, load_study(args.folder / "study.json"))):
        print(line)
    for table in tables:
        print(f"{args.folder / table.name}.csv: {table.title}, {len(table.rows)} rows")
