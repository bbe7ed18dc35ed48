"""Verb ``import-human``: labels of people, from Label Studio, sheets or MT-Bench's votes.

In: an export of Label Studio (JSON), a filled CSV or XLSX, or MT-Bench's human votes (JSON lines).
Out: human labels (parquet), to be named under ``human_labels`` in the configuration.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..analyse.agreement import swapped
from ..errors import BabelmixError
from ..io import read_json, write_records
from ..records import HumanLabel
from .forms import CHOICES, label_of


@dataclass(frozen=True)
class Filled:
    """One filled form: the task, who filled it, its label as written (None: skipped)."""

    task: str
    rater: str
    label: str | None
    comment: str
    where: str


def from_label_studio(tasks: Any, path: Path) -> Iterator[Filled]:
    """Filled forms of Label Studio's JSON export; every annotation that was not cancelled."""
    if not isinstance(tasks, list) or not all(isinstance(t, dict) and "data" in t for t in tasks):
        raise BabelmixError(
            f"{path}: not an export of Label Studio. Export the project as 'JSON' (not JSON-MIN)."
        )
    for task in tasks:
        name = str(task["data"].get("task", ""))
        for annotation in task.get("annotations") or []:
            label, comment = None, ""
            for result in annotation.get("result") or []:
                value = result.get("value", {})
                if result.get("from_name") == "label" and value.get("choices"):
                    label = str(value["choices"][0])
                if result.get("from_name") == "comment" and value.get("text"):
                    texts = value["text"]
                    comment = texts if isinstance(texts, str) else " ".join(map(str, texts))
            if annotation.get("was_cancelled"):
                label = None
            yield Filled(name, _rater(annotation), label, comment, f"task {name}")


def _rater(annotation: dict[str, Any]) -> str:
    by = annotation.get("completed_by")
    if isinstance(by, dict):
        by = by.get("id", by.get("email"))
    return f"rater-{by}"


def from_rows(rows: Iterable[dict[str, Any]], rater: str, path: Path) -> Iterator[Filled]:
    """Filled forms of a sheet; a ``rater`` column, where there is one, goes before ``rater``."""
    for number, row in enumerate(rows, start=2):
        if "task" not in row or "label" not in row:
            raise BabelmixError(f"{path}: columns `task` and `label` are needed.")
        label = str(row["label"] or "").strip()
        who = str(row.get("rater") or rater)
        comment = str(row.get("comment") or "")
        yield Filled(str(row["task"] or "").strip(), who, label or None, comment, f"row {number}")


def read_filled(path: Path, rater: str) -> list[Filled]:
    """Filled forms of a file, by its ending."""
    if path.suffix == ".json":
        return list(from_label_studio(read_json(path), path))
    if path.suffix == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as handle:
            return list(from_rows(csv.DictReader(handle), rater, path))
    if path.suffix == ".xlsx":
        from openpyxl import load_workbook

        lines = load_workbook(path, read_only=True).worksheets[0].iter_rows(values_only=True)
        head = [str(name) for name in next(lines, ())]
        rows = [dict(zip(head, line, strict=False)) for line in lines if any(line)]
        return list(from_rows(rows, rater, path))
    raise BabelmixError(f"{path}: unknown ending. Give a .json, .csv or .xlsx file.")


def labels_of(filled: Iterable[Filled], key: dict[str, Any], path: Path) -> list[HumanLabel]:
    """Labels in the terms of the runs. Skipped forms give none; anything odd is an error."""
    kind, tasks = key["kind"], key["tasks"]
    found: dict[tuple[str, str], HumanLabel] = {}
    for form in filled:
        entry = tasks.get(form.task)
        if entry is None:
            raise BabelmixError(
                f"{path}, {form.where}: unknown task '{form.task}'. Is this the key of this export?"
            )
        if form.label is None:
            continue
        label = label_of(kind, form.label)
        if label is None:
            allowed = ", ".join(CHOICES[kind])
            raise BabelmixError(
                f"{path}, {form.where}: unknown label '{form.label}'. Allowed: {allowed}."
            )
        vote = swapped(label) if kind == "pairs" and entry["swapped"] else label
        identity = form.task, form.rater
        if identity in found:
            raise BabelmixError(f"{path}, {form.where}: {form.rater} labelled it twice.")
        places = ("question_id", "lang", "category", "turn", "run", "baseline", "repeat")
        found[identity] = HumanLabel(
            benchmark=key["benchmark"],
            rater=form.rater,
            vote=vote if kind == "pairs" else None,
            rating=label if kind == "ratings" else None,
            comment=form.comment,
            **{name: entry[name] for name in places},
        )
    return list(found.values())


#: How MT-Bench writes its winners, with model_a's answer as A.
_WINNERS = {"model_a": "A", "model_b": "B", "tie": "tie", "tie (inconsistent)": "tie"}


def from_mt_bench(lines: Iterable[str], benchmark: str, path: Path) -> list[HumanLabel]:
    """Votes in MT-Bench's format: question_id, model_a, model_b, winner, judge, turn.

    A pair is turned so that its models stand in the order of their names.
    """
    found = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            vote: str | None = _WINNERS[row["winner"]]
            models = [str(row["model_a"]), str(row["model_b"])]
            judge, question, turn = row["judge"], str(row["question_id"]), int(row["turn"])
        except (ValueError, KeyError, TypeError) as error:
            raise BabelmixError(
                f"{path}, line {number}: no vote of MT-Bench ({error!r})."
            ) from None
        if models != sorted(models):
            models, vote = sorted(models), swapped(vote)
        rater = judge if isinstance(judge, str) else "-".join(map(str, judge))
        found.append(
            HumanLabel(
                benchmark=benchmark,
                question_id=question,
                lang="en",
                category="",
                turn=turn,
                run=models[0],
                baseline=models[1],
                rater=rater,
                repeat=0,
                vote=vote,
                rating=None,
            )
        )
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``import-human``."""
    parser.add_argument("labels", nargs="+", type=Path, help="Files that came back.")
    parser.add_argument("--key", type=Path, help="key.json of the export (not for MT-Bench).")
    parser.add_argument("--rater", help="Who filled the sheet; else the file's name.")
    parser.add_argument(
        "--mt-bench", metavar="BENCHMARK", help="The files are MT-Bench votes on this benchmark."
    )
    parser.add_argument("--output", required=True, type=Path, help="Human labels (parquet).")


def run(args: argparse.Namespace) -> None:
    """Read, check and write the labels."""
    if (args.key is None) == (args.mt_bench is None):
        raise BabelmixError("import-human: give either --key or --mt-bench.")
    labels: list[HumanLabel] = []
    forms = 0
    for path in args.labels:
        if args.mt_bench:
            lines = path.read_text(encoding="utf-8").splitlines()
            found = from_mt_bench(lines, args.mt_bench, path)
            forms += len(found)
        else:
            filled = read_filled(path, args.rater or path.stem)
            forms += len(filled)
            found = labels_of(filled, read_json(args.key), path)
        labels += found
    if not labels:
        raise BabelmixError("import-human: no label in these files; are they filled?")
    write_records(args.output, labels, HumanLabel)
    raters = len({label.rater for label in labels})
    print(
        f"import-human: {len(labels)} labels of {raters} raters, {forms - len(labels)} of {forms} "
        f"forms without a label; written to {args.output}"
    )
