"""Verb ``import-judgements``: bring in judgements that others published.

The judge's own text is read again by our parser; the published verdict counts where a file has no
text, and everywhere with ``--as-published``. ``differences.csv`` names every row where the two
differ. An import adds to its folder. Rows in = rows used + rows left out, with reasons, printed and
kept in ``import.json``. ``judgement-tables`` makes the tables from what it writes.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ...errors import BabelmixError
from ...files.readers import read_rows
from ...io import file_digest
from ..verdict import SCALE
from .entry import Hints, split_id
from .formats import FORMATS, KNOWN_FIELDS
from .languages import parse_lang
from .reading import Options, ReadFile, read_files
from .settle import Setting, file_name, to_judgement
from .spellings import TARGETS, Reading
from .store import Imported, add_judgements, known_pairs, write_added
from .summary import (
    file_line,
    refuse_other_scale,
    summaries_before,
    summarise,
    total_line,
    write_summary,
)
from .tabular import find_published, parse_renamed, parse_wanted


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument(
        "files", nargs="+", type=Path, help="judgement files (JSON, JSONL, CSV), or their folders"
    )
    parser.add_argument(
        "--format", default="auto", choices=["auto", *FORMATS], help="form of the files"
    )
    parser.add_argument("--output", required=True, type=Path, help="folder to add them to")
    parser.add_argument("--benchmark", help="its name; left out, the format's")
    parser.add_argument(
        "--lang",
        help="language of rows that do not name theirs (left out: en): CODE, field:NAME, or "
        "path:PATTERN with {lang}, as path:*_{lang}.jsonl",
    )
    parser.add_argument(
        "--from-path",
        metavar="PATTERN",
        help="names in the files' paths: {run}, {judge}, {baseline}, {lang}, {benchmark}, as "
        "'evaluated/{run}/*.jsonl'; {run*} may hold slashes",
    )
    parser.add_argument("--judge", help="name of the judge, in place of the file's")
    parser.add_argument(
        "--run",
        help="name of the judged model, in place of the file's; of a pair that names it, its side",
    )
    parser.add_argument("--baseline", help="name of the opponent, likewise")
    parser.add_argument(
        "--rows",
        nargs="*",
        action="extend",
        default=[],
        metavar="FIELD=VALUE",
        help="only rows whose field says so, as type=metrics; the others are counted",
    )
    parser.add_argument("--questions", nargs="*", default=[], type=Path, help="for categories")
    parser.add_argument("--scale", nargs=2, type=float, help="of grades; left out, the format's")
    parser.add_argument(
        "--map",
        nargs="*",
        action="extend",
        default=[],
        metavar="OURS=THEIRS",
        help="fields called otherwise; theirs may be a path, as score=result.scores.0",
    )
    parser.add_argument(
        "--verdict-map",
        nargs="*",
        action="extend",
        default=[],
        metavar="WORD=VERDICT",
        help="what published words mean: A, B (the place shown), win, loss (of the run), tie, "
        "both_bad, none; of grades, a number",
    )
    parser.add_argument(
        "--letters",
        choices=["places", "models"],
        default="places",
        help="whether A and B are the answers shown first and second, or the row's two models",
    )
    parser.add_argument(
        "--turns-from", type=int, choices=[0, 1], help="first turn's number; left out, as found"
    )
    parser.add_argument(
        "--trust-published",
        action="store_true",
        help="take the published verdict where the text gives us none",
    )
    parser.add_argument(
        "--as-published",
        action="store_true",
        help="take every published verdict as it is, and say how many differ from our reading",
    )
    parser.add_argument(
        "--replace",
        action="store_true",
        help="replace what was imported before, or stands in an earlier file",
    )


def run(args: argparse.Namespace) -> None:
    """Run the verb."""
    files = read_files(_paths(args), _options(args))
    setting = Setting(
        trust=args.trust_published,
        as_published=args.as_published,
        scale_given=args.scale is not None,
        categories=_categories(args.questions),
    )
    settings = [replace(setting, lang=f.lang, scale=_scale(args, f.format)) for f in files]
    name = args.benchmark or "+".join(sorted({file.format for file in files}))
    before = summaries_before(args.output)
    new: dict[str, list[Imported]] = {}
    entries = []
    for file, told in zip(files, settings, strict=True):
        source = file_digest(file.path)
        rows = [to_judgement(one, n, source, told) for n, one in enumerate(file.entries, start=1)]
        benchmark = file_name(args.benchmark or file.benchmark or name)
        entries.append(summarise(file, rows, told, benchmark))
        new.setdefault(benchmark, []).extend(
            Imported(row, file.path, source, one.is_vote)
            for row, one in zip(rows, file.entries, strict=True)
        )
    _refuse_shared_names(files)
    refuse_other_scale([*before["files"], *entries])
    known = {(held["benchmark"], held["sha256"]) for held in before["files"] if "benchmark" in held}
    added = [
        add_judgements(
            args.output,
            benchmark,
            rows,
            args.replace,
            frozenset(sha for held, sha in known if held == benchmark),
        )
        for benchmark, rows in new.items()
    ]
    paths = [path for part in added for path in write_added(part)]
    write_summary(args.output, before, entries, added, args.replace)
    for held in entries:
        print(file_line(held))
    print(total_line(args.output, entries, added, len(paths)))


def _paths(args: argparse.Namespace) -> list[Path]:
    wanted = "" if args.format == "auto" else FORMATS[args.format].files
    paths = find_published(args.files, wanted)
    seen: dict[Path, Path] = {}
    for path in paths:
        if not path.is_file():
            raise BabelmixError(f"{path}: no such file.")
        first = seen.setdefault(path.resolve(), path)
        if first is not path:
            raise BabelmixError(f"{path}: the same file as {first}. Name it once.")
    return paths


def _options(args: argparse.Namespace) -> Options:
    spellings, numbers = _verdict_map(args.verdict_map)
    return Options(
        format=args.format,
        renamed=parse_renamed(args.map, KNOWN_FIELDS),
        hints=Hints(
            args.judge,
            args.run,
            args.baseline,
            spellings=spellings,
            numbers=numbers,
            models=args.letters == "models",
            scale=_scale(args, args.format),
        ),
        from_path=args.from_path,
        lang=parse_lang(args.lang),
        turns_from=args.turns_from,
        rows=parse_wanted(args.rows),
        known=known_pairs(args.output),
    )


def _scale(args: argparse.Namespace, format_name: str) -> tuple[float, float]:
    if args.scale is not None:
        low, high = args.scale
        if not low < high:
            raise BabelmixError(
                f"--scale {low:g} {high:g}: write the lowest grade, then the highest."
            )
        return low, high
    return FORMATS[format_name].scale if format_name in FORMATS else SCALE


def _verdict_map(pairs: Sequence[str]) -> tuple[dict[str, Reading], dict[str, float]]:
    """``--verdict-map``: spellings of verdicts, and of grades, by word."""
    spellings: dict[str, Reading] = {}
    numbers: dict[str, float] = {}
    for pair in pairs:
        word, equals, target = pair.rpartition("=")
        word, target = word.strip(), target.strip()
        named = {name.lower(): reading for name, reading in TARGETS.items()}.get(target.lower())
        try:
            number = float(target)
        except ValueError:
            number = None
        if not equals or (named is None and number is None):
            raise BabelmixError(
                f"--verdict-map: '{pair}' is not WORD=VERDICT. Verdicts: {', '.join(TARGETS)}, or "
                "a number for a grade."
            )
        for spelling in (word, word.casefold()):
            if named is not None:
                spellings[spelling] = named
            if number is not None:
                numbers[spelling] = number
    return spellings, numbers


def _refuse_shared_names(files: Sequence[ReadFile]) -> None:
    """Two models or judges whose names would be one file's are an error, not one model."""
    written: dict[tuple[str, str], str] = {}
    for file in files:
        for one in file.entries:
            for kind, name in (("run", one.run), ("run", one.baseline), ("judge", one.judge)):
                first = written.setdefault((kind, file_name(name)), name)
                if name and first.strip() != name.strip():
                    raise BabelmixError(
                        f"{file.path}: '{first}' and '{name}' would both be written as "
                        f"'{file_name(name)}'. Rename one of them."
                    )


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
