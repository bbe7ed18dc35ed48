"""Verb ``tables``: every number of the report, as CSV with an index that explains the columns."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..io import file_digest, write_json, write_text
from .agreement_tables import agreement_table, cross_language_table, voters
from .audit_tables import audit_tables
from .bilingual_table import bilingual_table, correlation_table
from .confusion_tables import confusion_table
from .decision_table import decision_table
from .declared_table import declared_table
from .fidelity_tables import (
    detector_table,
    fidelity_table,
    line_table,
    verdict_language_table,
    with_place,
)
from .frames import ANSWER, ITEM, grades, load_judgements, load_scores
from .gain_tables import contrast_table, gains_table
from .grade_tables import (
    category_table,
    grades_table,
    mean_grade,
    mean_score,
)
from .human_tables import corrected_table, load_labels, raters_table, ratings_table
from .input_tables import (
    curves_table,
    metrics_by_run,
    mixtures_table,
    read_manifests,
    rows_by_mixture,
    training_table,
)
from .judge_tables import (
    cost_table,
    coverage_table,
    position_table,
    preferences_table,
    unscored_table,
)
from .jury_table import jury_tables
from .language_tables import (
    Estimator,
    Measure,
    answer_language_table,
    answered_in_table,
    health_table,
    language_measures,
    series_table,
)
from .latex import main_latex
from .length_tables import length_tables
from .likelihood_tables import likelihood_tables
from .likelihoods import load_likelihoods
from .manifest_table import manifests_table
from .pairs import outcomes
from .seed_tables import noise_table, seed_table
from .statistics import SEED, Bootstrap
from .study import load_study
from .table import Table
from .transfer_table import transfer_table

if TYPE_CHECKING:
    import pandas as pd


def build_tables(
    study_path: Path,
    scores: Sequence[Path],
    judgements: Sequence[Path],
    manifests: Sequence[Path],
    audits: Sequence[Path],
    metrics: Sequence[Path],
    questions: Sequence[Path] = (),
    humans: Sequence[Path] = (),
    likelihoods: Sequence[Path] = (),
) -> list[Table]:
    """All tables of a study set; a table without rows is still there, with its columns."""
    mixtures = read_manifests(manifests)
    rows = rows_by_mixture(mixtures)
    study = load_study(study_path, rows)
    bootstrap = Bootstrap(study.confidence, study.samples)
    logs = metrics_by_run(metrics, study)
    scored = load_scores(scores, study)
    judged = load_judgements(judgements, study)
    graded = grades(judged)
    pairs = outcomes(judged, study.order_rules)
    measures = language_measures(scored)
    measures += _measures("grade", graded, mean_grade) + _measures("score", pairs, mean_score)
    preferences = preferences_table(study, pairs, bootstrap)
    transfer = transfer_table(study, preferences)
    labels = load_labels(humans)
    single = judged[judged["protocol"] == "single"].rename(columns={"score": "value"})
    placed = with_place(_stacked(single, pairs), scored, study)
    by_name = {manifest["mixture"]: manifest for manifest in mixtures}
    return [
        declared_table(study, graded, pairs, scored, bootstrap),
        decision_table(study, graded, pairs, scored, by_name, bootstrap),
        mixtures_table(mixtures),
        manifests_table(mixtures),
        *audit_tables(audits),
        training_table(study, logs),
        curves_table(study, logs),
        grades_table(study, judged, graded, bootstrap),
        category_table(study, graded, bootstrap),
        gains_table(study, graded, bootstrap),
        contrast_table(study, graded, bootstrap),
        noise_table(study, judged, pairs, bootstrap),
        seed_table(study, judged, pairs),
        preferences,
        position_table(study, judged, pairs, bootstrap),
        transfer,
        correlation_table(study, transfer),
        bilingual_table(study, pairs, bootstrap),
        answer_language_table(study, scored, bootstrap),
        answered_in_table(study, scored),
        line_table(study, scored, bootstrap),
        confusion_table(study, scored, bootstrap),
        detector_table(study, questions),
        verdict_language_table(study, placed),
        fidelity_table(study, placed, bootstrap),
        health_table(study, scored),
        series_table(study, measures, rows, bootstrap),
        *likelihood_tables(study, load_likelihoods(likelihoods, study), measures, bootstrap),
        *length_tables(study, judged, pairs, scored, bootstrap),
        cross_language_table(study, judged, pairs, bootstrap),
        agreement_table(voters(study, judged, pairs, labels), bootstrap),
        *jury_tables(study, judged, pairs, bootstrap),
        ratings_table(study, labels),
        raters_table(labels),
        corrected_table(study, judged, pairs, labels, bootstrap),
        coverage_table(study, judged),
        unscored_table(study, judged),
        cost_table(study, judged),
    ]


def _stacked(single: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """Grades and pairs in one frame, each row a judged answer of one run."""
    import pandas as pd

    columns = ["evaluation", "variant", "run", *ANSWER, "value"]
    graded = single[columns].astype({"value": float}).assign(outcome=None)
    return pd.concat([graded.astype({"outcome": object}), pairs[[*columns, "outcome"]]])


def _measures(kind: str, frame: pd.DataFrame, estimator: Estimator) -> list[Measure]:
    """The judged measures of each evaluation, seeds and samples averaged."""
    found: list[Measure] = []
    for evaluation, rows in frame.groupby("evaluation", sort=True):
        items = rows.astype({"value": float}).groupby(["variant", *ITEM])["value"].mean()
        found.append((f"{kind}:{evaluation}", items.reset_index(), estimator))
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``tables``."""
    parser.add_argument("--study", required=True, type=Path, help="study.json")
    several = {
        "scores": "Scores (parquet), one file a run and benchmark.",
        "judgements": "Judgements (parquet); the folder is named after the evaluation.",
        "manifests": "Manifests of the mixtures (JSON).",
        "audits": "Audits of the pool languages (JSON).",
        "metrics": "Training logs (JSON lines).",
        "questions": "Questions (parquet): {benchmark}.{language}.parquet.",
        "humans": "Human labels (parquet of `import-human`).",
        "likelihoods": "Bits of held-out texts (parquet), in a folder named after the texts.",
    }
    for name, text in several.items():
        parser.add_argument(f"--{name}", nargs="*", default=[], type=Path, help=text)
    parser.add_argument("--folder", required=True, type=Path, help="Where the CSV files go.")
    parser.add_argument("--output", required=True, type=Path, help="Index of the tables (JSON).")


def _inputs(args: argparse.Namespace) -> dict[str, str]:
    """SHA-256 of every file that the tables were made from, by its place in the study set."""
    measured = ("scores", "judgements", "likelihoods")
    kinds = (*measured, "manifests", "audits", "metrics", "questions", "humans")
    files = [args.study, *(path for kind in kinds for path in getattr(args, kind))]
    root = args.study.resolve().parent
    named = {}
    for path in files:
        whole = path.resolve()
        name = whole.relative_to(root) if whole.is_relative_to(root) else Path(path.name)
        named[name.as_posix()] = file_digest(path)
    return named


def run(args: argparse.Namespace) -> None:
    """Write all tables, their index last."""
    tables = build_tables(
        args.study,
        args.scores,
        args.judgements,
        args.manifests,
        args.audits,
        args.metrics,
        args.questions,
        args.humans,
        args.likelihoods,
    )
    study = load_study(args.study, rows_by_mixture(read_manifests(args.manifests)))
    entries = []
    for table in tables:
        table.write(args.folder)
        entry = table.entry() | {"sha256": file_digest(args.folder / f"{table.name}.csv")}
        latex = main_latex(table, study)
        if latex is not None:
            write_text(args.folder / f"{table.name}.tex", latex)
            entry["latex"] = f"{table.name}.tex"
        entries.append(entry)
    write_json(args.output, {"tables": entries, "inputs": _inputs(args), "seed": SEED})
    rows = sum(len(table.rows) for table in tables)
    print(f"tables: {len(tables)} tables, {rows} rows in {args.folder}")
