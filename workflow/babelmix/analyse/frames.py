"""Scores and judgements as data frames, one row an item, with the variant they belong to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BabelmixError
from ..io import read_table
from ..records import LATER_COLUMNS, Judgement, Score, schema_of
from .study import ALL, StudySet

if TYPE_CHECKING:
    import pandas as pd

#: What makes an item: the same in both runs of a comparison. Its value is the mean of its samples.
ITEM = ["question_id", "lang", "category", "turn"]
#: What makes an answer of a run.
ANSWER = [*ITEM, "sample"]
_SCORE_COLUMNS = ["run", "benchmark", *ANSWER, "metric", "judge", "value", "reason"]
_JUDGEMENT_COLUMNS = [
    "run",
    "baseline",
    *ANSWER,
    "protocol",
    "order",
    "judge",
    "score",
    "verdict",
    "unscored_reason",
    "tokens_in",
    "tokens_out",
    "cost",
    "vote",
    "weight",
    "strength",
    "score_a",
    "score_b",
    "length_a",
    "length_b",
    "model",
    "neutralised",
]
#: What makes a judgement of an evaluation. Votes of several people under one name are several.
_JUDGEMENT = ["evaluation", "run", "baseline", *ANSWER, "order", "vote"]


def load_scores(paths: Sequence[Path], study: StudySet) -> pd.DataFrame:
    """All scores, with ``variant``; a row that stands twice counts once."""
    frame = read_frame(paths, _SCORE_COLUMNS, Score)
    frame["variant"] = _variants(frame, paths, study)
    identity = ["run", "benchmark", *ANSWER, "metric", "judge"]
    return frame.drop_duplicates(identity).reset_index(drop=True)


def load_judgements(paths: Sequence[Path], study: StudySet, repeats: bool = False) -> pd.DataFrame:
    """All judgements, with ``evaluation`` (the parent folder's name) and ``variant``.

    A judgement that stands twice counts once: the last scored one of them is kept. ``repeats``
    keeps all of them (published files may judge an answer several times).
    """
    import pandas as pd

    for path in paths:
        if path.parent.name not in study.evaluations:
            raise BabelmixError(
                f"{path}: '{path.parent.name}' is no evaluation of this study set. The file is "
                "left over from another configuration: delete it and run again."
            )
    frames = [
        read_frame([path], _JUDGEMENT_COLUMNS, Judgement).assign(evaluation=path.parent.name)
        for path in paths
    ]
    empty = read_frame([], _JUDGEMENT_COLUMNS, Judgement).assign(evaluation="")
    frame = pd.concat(frames, ignore_index=True) if frames else empty
    frame["variant"] = _variants(frame, paths, study)
    frame["scored"] = frame["score"].notna() | frame["verdict"].notna()
    frame = frame.sort_values([*_JUDGEMENT, "scored"], kind="stable").reset_index(drop=True)
    return frame if repeats else without_repeats(frame)


def without_repeats(frame: pd.DataFrame) -> pd.DataFrame:
    """The last scored judgement of each answer, of frames that ``load_judgements`` sorted."""
    return frame.drop_duplicates(_JUDGEMENT, keep="last").reset_index(drop=True)


def read_frame(paths: Sequence[Path], columns: list[str], record_type: type) -> pd.DataFrame:
    """These columns of several files of one record type; no file gives an empty frame.

    A column that came later (``LATER_COLUMNS``) is filled where a file lacks it.
    """
    import pyarrow as pa

    schema = schema_of(record_type)
    wanted = pa.schema([schema.field(name) for name in columns])
    tables = [wanted.empty_table()]
    for path in paths:
        table = read_table(path)
        for name in LATER_COLUMNS.keys() & (set(columns) - set(table.column_names)):
            table = table.append_column(name, pa.repeat(LATER_COLUMNS[name], len(table)))
        missing = sorted(set(columns) - set(table.column_names))
        if missing:
            raise BabelmixError(
                f"{path}: not a file of {record_type.__name__} records; missing {missing}."
            )
        tables.append(table.select(columns).cast(wanted))
    frame: pd.DataFrame = pa.concat_tables(tables).to_pandas()
    return frame


def _variants(frame: pd.DataFrame, paths: Sequence[Path], study: StudySet) -> pd.Series:
    where = str(paths[0].parent.parent) if paths else "analysis"
    names = {run: study.variant_for_run(run, where).name for run in frame["run"].unique()}
    return frame["run"].map(names).astype(object)


def grades(judgements: pd.DataFrame) -> pd.DataFrame:
    """Single grades by evaluation, variant and item: ``value``, the mean over seeds and samples.

    Unscored grades do not enter; an item without any is NaN.
    """
    single = judgements[judgements["protocol"] == "single"].rename(columns={"score": "value"})
    return over_seeds(single, ["evaluation", "variant", *ITEM])


def metric(scores: pd.DataFrame, name: str) -> pd.DataFrame:
    """One judge-free metric by benchmark, variant and item: ``value``, the mean over seeds and
    samples."""
    return over_seeds(scores[scores["metric"] == name], ["benchmark", "variant", *ITEM])


def over_seeds(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Mean of ``value`` over the seeds and samples of each variant, item by item.

    One row an item: more samples make a question's value surer, and never count as questions.
    """
    averaged: pd.DataFrame = (
        frame.astype({"value": float}).groupby(keys, sort=True)["value"].mean().reset_index()
    )
    return averaged


def aligned(frame: pd.DataFrame, left: str, right: str) -> pd.DataFrame:
    """Items of two variants side by side: columns ITEM, ``left``, ``right`` (NaN where missing)."""
    sides = [
        frame.loc[frame["variant"] == name, [*ITEM, "value"]].set_index(ITEM)["value"].rename(side)
        for name, side in ((left, "left"), (right, "right"))
    ]
    joined: pd.DataFrame = sides[0].to_frame().join(sides[1], how="outer").reset_index()
    return joined


def languages_of(frame: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield ("all", everything), then (language, its rows) for each language."""
    yield ALL, frame
    for lang, rows in frame.groupby("lang", sort=True):
        yield str(lang), rows
