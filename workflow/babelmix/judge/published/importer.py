"""Verb ``import-judgements``: bring in judgements that others published.

The judge's own text is read anew by our parser; the published verdict stands in where a file has no
text, and ``import.json`` names every row where the two differ. All rows are kept: rows in = rows
out, the unscored ones with their reason. ``judgement-tables`` makes the tables from what it writes.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import BabelmixError
from ...io import file_digest, write_json, write_records
from ...records import Judgement
from ...sources.readers import read_rows
from ..verdict import SCALE
from .entry import Entry, split_id
from .formats import FORMATS, LABELS, Hints, recognise
from .settle import Setting, compare, file_name, repeated, to_judgement
from .tabular import read_tabular, rename_fields


def read_entries(
    path: Path, format_name: str, hints: Hints, renamed: Mapping[str, str] | None = None
) -> tuple[list[Entry], str]:
    """The entries of one file, and the format that they were read as."""
    rows = read_tabular(path) if path.suffix in (".csv", ".tsv") else read_rows(path)
    if not rows:
        raise BabelmixError(f"{path}: holds no row.")
    rows = rename_fields(rows, renamed or {})
    name = recognise(rows, str(path)) if format_name == "auto" else format_name
    return list(FORMATS[name](rows, str(path), hints)), name


def evaluation_name(benchmark: str, judgement: Judgement) -> str:
    """As the workflow names evaluations: benchmark, judge, protocol, and the opponent of a pair."""
    parts = [benchmark, judgement.judge, judgement.protocol]
    return ".".join([*parts, judgement.baseline] if judgement.baseline else parts)


def write_judgements(folder: Path, benchmark: str, judgements: Sequence[Judgement]) -> list[Path]:
    """One file an evaluation and run, as the workflow lays them out."""
    files: dict[Path, list[Judgement]] = defaultdict(list)
    for row in judgements:
        place = folder / "judgements" / evaluation_name(benchmark, row) / f"{row.run}.parquet"
        files[place].append(row)
    for path, rows in files.items():
        write_records(path, rows, Judgement)
    return sorted(files)


def summary(
    path: Path, name: str, entries: Sequence[Entry], judgements: Sequence[Judgement], s: Setting
) -> dict[str, Any]:
    """What the manifest says of one file."""
    comparison = compare(entries, s)
    reasons = Counter(
        row.unscored_reason.split(":")[0] for row in judgements if row.unscored_reason is not None
    )
    scored = len(judgements) - reasons.total()
    assert len(judgements) == len(entries)
    return {
        "file": path.name,
        "sha256": file_digest(path),
        "format": name,
        "judgements": len(judgements),
        "scored": scored,
        "unscored": dict(reasons),
        "repeated": repeated(judgements),
        "read_as_published": comparison.same,
        "read_otherwise": comparison.differing,
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("files", nargs="+", type=Path, help="judgement files (JSON, JSONL, CSV)")
    parser.add_argument(
        "--format", default="auto", choices=["auto", *FORMATS], help="form of the files"
    )
    parser.add_argument("--output", required=True, type=Path, help="folder to write to")
    parser.add_argument("--benchmark", help="its name; left out, the format's")
    parser.add_argument("--lang", default="en", help="language of rows that do not name theirs")
    parser.add_argument("--judge", help="name of the judge, in place of the file's")
    parser.add_argument("--run", help="name of the judged model, in place of the file's")
    parser.add_argument("--baseline", help="name of the opponent, in place of the file's")
    parser.add_argument("--questions", nargs="*", default=[], type=Path, help="for categories")
    parser.add_argument("--scale", nargs=2, type=float, default=list(SCALE), help="of grades")
    parser.add_argument(
        "--map", nargs="*", default=[], metavar="OURS=THEIRS", help="fields called otherwise"
    )
    parser.add_argument(
        "--trust-published",
        action="store_true",
        help="take the published verdict where the text gives us none",
    )


def run(args: argparse.Namespace) -> None:
    """Run the verb."""
    hints = Hints(args.judge, args.run, args.baseline)
    low, high = args.scale
    setting = Setting(args.lang, (low, high), args.trust_published, _categories(args.questions))
    judgements: list[Judgement] = []
    manifest = []
    names = set()
    for path in args.files:
        entries, name = read_entries(path, args.format, hints, _renamed(args.map))
        source = f"{file_digest(path)}"
        rows = [to_judgement(entry, n, source, setting) for n, entry in enumerate(entries, start=1)]
        manifest.append(summary(path, name, entries, rows, setting))
        judgements += _new_labels(rows, judgements)
        names.add(name)
    benchmark = file_name(args.benchmark or "+".join(sorted(names)))
    files = write_judgements(args.output, benchmark, judgements)
    write_json(args.output / "import.json", {"benchmark": benchmark, "files": manifest})
    for held in manifest:
        print(_line(held))
    shown = args.output / "judgements"
    print(f"{len(judgements)} judgements in {len(files)} files below {shown}")


def _new_labels(rows: list[Judgement], before: list[Judgement]) -> list[Judgement]:
    """The rows without labels that an earlier file of the same items brought already."""
    seen = {(j.run, j.question_id, j.verdict) for j in before if j.judge == LABELS}
    return [j for j in rows if j.judge != LABELS or (j.run, j.question_id, j.verdict) not in seen]


def _line(held: Mapping[str, Any]) -> str:
    unscored = "".join(f"; unscored {n}: {reason}" for reason, n in held["unscored"].items())
    compared = held["read_as_published"] + len(held["read_otherwise"])
    read = f"; read as published {held['read_as_published']} of {compared}" if compared else ""
    repeats = f"; {held['repeated']} judge what another row judges too" if held["repeated"] else ""
    return (
        f"{held['file']} ({held['format']}): {held['scored']} of {held['judgements']} scored"
        f"{unscored}{read}{repeats}"
    )


def _renamed(pairs: Sequence[str]) -> dict[str, str]:
    renamed = dict(pair.partition("=")[::2] for pair in pairs)
    wrong = [ours for ours, theirs in renamed.items() if not ours or not theirs]
    if wrong:
        raise BabelmixError(f"--map: write OURS=THEIRS, as `--map run=model_name`; found {wrong}.")
    return renamed


def _categories(paths: Sequence[Path]) -> dict[str, str]:
    """Category by question id, from question files (FastChat's, or ours as parquet)."""
    from ...io import read_table
    from ...resources import language_catalogue

    found: dict[str, str] = {}
    for path in paths:
        rows = read_table(path).to_pylist() if path.suffix == ".parquet" else read_rows(path)
        for row in rows:
            question_id, _ = split_id(str(row.get("question_id")), set(language_catalogue()))
            if row.get("category"):
                found[question_id] = str(row["category"])
    return found
