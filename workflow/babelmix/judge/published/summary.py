"""What an import says: ``import.json``, ``differences.csv`` and the printed lines."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import BabelmixError
from ...io import file_digest, read_json, write_json, write_text
from ...records import Judgement
from .reading import ReadFile
from .settle import (
    Setting,
    beyond_scale,
    compare,
    has_text,
    repeated,
    same_letter_in_both_orders,
)
from .store import Added

SUMMARY, DIFFERENCES = "import.json", "differences.csv"
_DIFFERENCE_COLUMNS = (
    *("file", "entry", "question_id", "turn", "run", "baseline", "judge", "order"),
    *("published", "read", "reason", "end_of_text"),
)


def summarise(
    file: ReadFile, judgements: Sequence[Judgement], setting: Setting, benchmark: str
) -> dict[str, Any]:
    """What ``import.json`` says of one file."""
    comparison = compare(file.entries, setting)
    reasons = Counter(
        row.unscored_reason.split(":")[0] for row in judgements if row.unscored_reason is not None
    )
    beyond = sum(beyond_scale(entry, setting) for entry in file.entries)
    return {
        "file": file.path.name,
        "path": str(file.path),
        "sha256": file_digest(file.path),
        "benchmark": benchmark,
        "format": file.format,
        "rows": file.rows,
        "rows_used": file.used_rows,
        "rows_left_out": dict(file.left_out),
        "missing_parts": dict(file.missing),
        "judgements": len(judgements),
        "scored": len(judgements) - reasons.total(),
        "unscored": dict(reasons),
        "as_published": setting.as_published,
        "without_text": sum(not has_text(entry) for entry in file.entries),
        "spellings": {word: dict(read) for word, read in sorted(file.spellings.items())},
        "turns_counted_from_0": file.shifted,
        "outside_scale": beyond,
        "repeated": repeated(judgements, file.entries, votes=False),
        "more_votes": repeated(judgements, file.entries, votes=True),
        "turned_round": file.turned,
        "against_itself": sum(row.run == row.baseline for row in judgements),
        "scales": {row.judge: list(setting.scale) for row in judgements if not row.baseline},
        "read_as_published": comparison.same,
        "read_otherwise": comparison.differing,
        "letters_seem_to_name_models": comparison.letters_seem_to_name_models
        or same_letter_in_both_orders(file.entries),
    }


def summaries_before(folder: Path) -> dict[str, Any]:
    path = folder / SUMMARY
    held = read_json(path) if path.is_file() else {}
    return held | {"files": list(held.get("files", []))}


def refuse_other_scale(files: Sequence[Mapping[str, Any]]) -> None:
    """Grades of one judge on two scales are no mean."""
    met: dict[tuple[str, str], tuple[list[float], str]] = {}
    for held in files:
        for judge, scale in held.get("scales", {}).items():
            first, path = met.setdefault((held["benchmark"], judge), (scale, held["path"]))
            if first != scale:
                (low, high), (a, b) = scale, first
                raise BabelmixError(
                    f"{held['path']}: grades of {judge} on a scale of {low:g} to {high:g}; "
                    f"those of {path} are on {a:g} to {b:g}. Say one --scale for both, or "
                    "import them under another --benchmark or --judge. Nothing was imported."
                )


def write_summary(
    folder: Path,
    before: Mapping[str, Any],
    entries: Sequence[dict[str, Any]],
    added: Sequence[Added],
    replaced: bool,
) -> None:
    again = {(held["benchmark"], held["sha256"]) for held in entries} if replaced else set()
    kept = [
        held for held in before["files"] if (held.get("benchmark"), held["sha256"]) not in again
    ]
    files = [*kept, *entries]
    counts = {
        "added": sum(part.added for part in added),
        "replaced": sum(part.replaced for part in added),
        "same_labels_left_out": sum(part.same_labels for part in added),
    }
    history = [*before.get("imports", []), counts | {"files": [held["file"] for held in entries]}]
    names = dict.fromkeys(held.get("benchmark", before.get("benchmark")) for held in files)
    write_json(
        folder / SUMMARY,
        {"benchmark": "+".join(filter(None, names)), "files": files, "imports": history},
    )
    _write_differences(folder / DIFFERENCES, files)


def _write_differences(path: Path, files: Sequence[Mapping[str, Any]]) -> None:
    """The table of what was published otherwise than we read it."""
    table = io.StringIO()
    writer = csv.DictWriter(table, _DIFFERENCE_COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for held in files:
        writer.writerows(
            {"file": held.get("path", held["file"])} | row for row in held["read_otherwise"]
        )
    write_text(path, table.getvalue())


def file_line(held: Mapping[str, Any]) -> str:
    left = "".join(f"; left out {n} of the rows: {why}" for why, n in held["rows_left_out"].items())
    missing = "".join(f"; {n} of the rows: {why}" for why, n in held["missing_parts"].items())
    unscored = "".join(f"; unscored {n}: {reason}" for reason, n in held["unscored"].items())
    differing = len(held["read_otherwise"])
    compared = held["read_as_published"] + differing
    read = f"; read as published {held['read_as_published']} of {compared}" if compared else ""
    if held["as_published"]:
        read = f"; taken as published, {differing} of {compared} differ from our reading"
    words = ", ".join(
        f"{word} as {' or '.join(found)} ({sum(found.values())})"
        for word, found in held["spellings"].items()
    )
    said = [
        f"; verdicts: {words}" if words and len(held["spellings"]) <= 12 else "",
        "; turns counted from 0 now count from 1" if held["turns_counted_from_0"] else "",
        f"; {held['outside_scale']} grades outside the scale (--scale)"
        if held["outside_scale"]
        else "",
        f"; {held['repeated']} judge what another row judges too (the last scored one counts)"
        if held["repeated"]
        else "",
        f"; {held['more_votes']} vote on what another row votes on too (all count)"
        if held["more_votes"]
        else "",
        f"; {held['turned_round']} votes turned round: their pair stands in the other direction"
        if held["turned_round"]
        else "",
        f"; {held['against_itself']} of a model against itself (no table compares them)"
        if held["against_itself"]
        else "",
    ]
    hint = (
        "\n  A and B seem to name the models, not the places shown: see --letters models"
        if held["letters_seem_to_name_models"]
        else ""
    )
    return (
        f"{held['path']} ({held['format']}): {held['rows_used']} of {held['rows']} rows{left}; "
        f"{held['scored']} of {held['judgements']} judgements scored{missing}{unscored}{read}"
        f"{''.join(said)}{hint}"
    )


def total_line(
    folder: Path, entries: Sequence[Mapping[str, Any]], added: Sequence[Added], files: int
) -> str:
    total = sum(part.added for part in added)
    replaced = sum(part.replaced for part in added)
    labels = sum(part.same_labels for part in added)
    votes = sum(part.more_votes for part in added)
    if total + labels != sum(held["judgements"] for held in entries):
        raise AssertionError(f"{folder}: judgements lost")
    said = f"; {replaced} replaced" if replaced else ""
    said += f"; {labels} labels left out: there already" if labels else ""
    said += f"; {votes} pairs had votes from elsewhere before, all count" if votes else ""
    differing = sum(len(held["read_otherwise"]) for held in entries)
    said += f"; {differing} read otherwise than published: {DIFFERENCES}" if differing else ""
    return f"{total} judgements added to {files} files below {folder / 'judgements'}{said}"
