"""Verb ``combine-judgements``: a jury's verdicts by hand, of any judgement files. No call is made.

What the workflow does for a jury of the configuration, for judgements that are there already:
imported ones, or those of evaluations that were not meant as a jury.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from ..errors import BabelmixError
from ..files.judgements import find_files
from ..io import write_records
from ..records import Judgement
from .jury import combine, read_member


def group_files(
    jury: str, members: Sequence[str], paths: Sequence[Path]
) -> dict[tuple[str, str], dict[str, Path]]:
    """The members' files by (the jury's evaluation, file name), which tells the run.

    A file's folder names its evaluation, and so its judge: ``{benchmark}.{judge}.{protocol}…``.
    """
    groups: dict[tuple[str, str], dict[str, Path]] = defaultdict(dict)
    for path in paths:
        folder = path.parent.name
        judges = [name for name in members if f".{name}." in folder]
        if len(judges) != 1:
            raise BabelmixError(
                f"{path}: its folder names an evaluation of none of the members, or of several "
                f"({', '.join(members)}). It must read BENCHMARK.JUDGE.PROTOCOL, as the workflow "
                "and `import-judgements` write it."
            )
        evaluation = folder.replace(f".{judges[0]}.", f".{jury}.", 1)
        group = groups[evaluation, path.name]
        if judges[0] in group:
            raise BabelmixError(f"{path}: the same judgements as {group[judges[0]]} by their name.")
        group[judges[0]] = path
    for (evaluation, name), group in groups.items():
        if missing := [member for member in members if member not in group]:
            raise BabelmixError(
                f"jury '{jury}': {evaluation}/{name} lacks the judgements of {', '.join(missing)}. "
                "Name their files too, or leave them out of --members."
            )
    return dict(groups)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument(
        "files", nargs="+", type=Path, help="judgements of the members (parquet, or folders)"
    )
    parser.add_argument("--members", nargs="+", required=True, help="judges that make the jury")
    parser.add_argument("--jury", default="jury", help="its name as a judge")
    parser.add_argument(
        "--output", required=True, type=Path, help="folder of judgements to write to"
    )


def run(args: argparse.Namespace) -> None:
    """Run the verb."""
    members = list(dict.fromkeys(args.members))
    if len(members) < 2 or args.jury in members or "/" in args.jury:
        raise BabelmixError("A jury has two members or more, and a name that is none of theirs.")
    groups = group_files(args.jury, members, find_files(args.files))
    made = {
        place: combine(args.jury, {m: read_member(group[m], m) for m in members})
        for place, group in groups.items()
    }
    for (evaluation, name), rows in made.items():
        write_records(args.output / evaluation / name, rows, Judgement)
    total = sum(map(len, made.values()))
    scored = sum(row.unscored_reason is None for rows in made.values() for row in rows)
    print(
        f"{args.jury}: {scored} of {total} judged by {len(members)} members "
        f"({', '.join(members)}), in {len(made)} files"
    )
