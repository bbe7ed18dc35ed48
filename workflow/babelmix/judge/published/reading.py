"""Read the files of an import: rows -> entries, with every row counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ...errors import BabelmixError
from .entry import Entry, Fields, Hints
from .formats import FORMATS, recognise
from .languages import LanguageSource, language_code
from .sides import Own, Pair, named, one_direction, pair_of, refuse_joined
from .spellings import ambiguous, is_spelled
from .tabular import field_at, names_in_path, read_published, rename_fields

#: Our names that go before what a format takes from a row, where ``--map`` gives them.
_NAMES = ("run", "baseline", "judge")


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says of all files. ``turns_from`` is None where files must tell.

    ``rows`` are what a row's fields must say to be used; ``known`` the pairs of the folder.
    """

    format: str = "auto"
    renamed: Mapping[str, str] = field(default_factory=dict)
    hints: Hints = field(default_factory=Hints)
    from_path: str | None = None
    lang: LanguageSource = field(default_factory=LanguageSource)
    turns_from: int | None = None
    rows: Mapping[str, str] = field(default_factory=dict)
    known: Sequence[Pair] = ()


@dataclass(slots=True)
class ReadFile:
    """One file's entries. ``rows`` is how many it has; ``left_out`` counts those that gave none, by
    reason, and ``missing`` parts of the others (an order, a turn). ``spellings`` counts verdicts as
    written; ``shifted`` says that its turns counted from 0; ``turned`` counts votes whose run and
    baseline were exchanged, as another row names them."""

    path: Path
    format: str
    lang: str
    benchmark: str | None = None
    scale: tuple[float, float] = (1, 10)
    rows: int = 0
    entries: list[Entry] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    spellings: dict[str, Counter[str]] = field(default_factory=dict)
    shifted: bool = False
    turned: int = 0
    used_rows: int = 0


def read_files(paths: Sequence[Path], options: Options) -> list[ReadFile]:
    """The entries of several files, which may be of several formats.

    Raises BabelmixError where a verdict is spelled as the table does not know, with all such
    spellings of all files.
    """
    opened = [(path, *_open(path, options)) for path in paths]
    items = _items_of(rows for _, rows, _ in opened)
    files = [_read_file(path, rows, name, options, items) for path, rows, name in opened]
    for name in {file.format for file in files}:
        _shift_turns([file for file in files if file.format == name], options.turns_from)
    _turn_votes(files, options.known)
    _refuse_unknown(files)
    for file in files:
        if file.used_rows + file.left_out.total() != file.rows:
            raise AssertionError(f"{file.path}: rows lost")
    return files


def _open(path: Path, options: Options) -> tuple[list[Any], str]:
    rows = read_published(path)
    if not rows:
        raise BabelmixError(f"{path}: holds no row.")
    rows = rename_fields(rows, options.renamed)
    wanted = [row for row in rows if _unwanted(row, options.rows) is None]
    if not wanted:
        said = ", ".join("=".join(pair) for pair in options.rows.items())
        raise BabelmixError(f"{path}: no row fits --rows {said}.")
    name = recognise(wanted, str(path)) if options.format == "auto" else options.format
    return rows, name


def _unwanted(row: Any, rows: Mapping[str, str]) -> str | None:
    """Why ``--rows`` leaves a row out, None where it does not."""
    for place, value in rows.items():
        if str(field_at(row, place, "")) != value:
            return f"{place} is not {value} (--rows)"
    return None


def _items_of(files: Any) -> dict[str, dict[str, Any]]:
    """Rows that name both models of an item, by the item's number (PandaLM's test set)."""
    return {
        str(row["idx"]): row
        for rows in files
        for row in rows
        if isinstance(row, dict) and row.get("cmp_key") and row.get("idx") is not None
    }


def _read_file(
    path: Path,
    rows: list[Any],
    name: str,
    options: Options,
    items: Mapping[str, Mapping[str, Any]],
) -> ReadFile:
    placed = names_in_path(path, options.from_path) if options.from_path else {}
    told = options.hints
    hints = replace(
        told,
        path=path,
        items=items,
        lang_said=options.lang.said or "lang" in placed,
        run=told.run or placed.get("run"),
        judge=told.judge or placed.get("judge"),
        baseline=told.baseline or placed.get("baseline"),
    )
    lang = placed.get("lang")
    code = language_code(lang, str(path)) if lang else options.lang.of_file(path)
    file = ReadFile(path, name, code, placed.get("benchmark"), told.scale, rows=len(rows))
    form = FORMATS[name]
    owners: list[tuple[Entry, Own]] = []
    for number, row in enumerate(rows, start=1):
        where = f"{path}: row {number}"
        if unwanted := _unwanted(row, options.rows):
            file.left_out[unwanted] += 1
            continue
        fields = Fields(row, where, number)
        own = Own.of(fields)
        # A row that names both models tells which of them the told one is.
        told = replace(hints, run=None, baseline=None) if own.is_pair else hints
        entries, reasons = [], []
        for one in form.read(fields, _with_mapped(told, fields, options.renamed)):
            if isinstance(one, str):
                reasons.append(one)
                continue
            lang_ = options.lang.of_row(fields.row, where)
            lang_ = lang_ or options.lang.own_of_row(fields.row, where) or one.lang
            one = replace(one, lang=lang_, finish_reason=_finish_reason(fields))
            entries.append(named(one, own, hints, where) if own.is_pair else one)
        owners += [(entry, own) for entry in entries]
        file.used_rows += bool(entries)
        if entries:
            file.missing.update(reasons)
        else:
            file.left_out[reasons[0] if reasons else "no verdict in it"] += 1
        file.entries += entries
    refuse_joined(path, hints, owners)
    if not form.zero_is_tie:
        _mark_ambiguous(file, hints)
    _count_spellings(file)
    return file


def _finish_reason(row: Fields) -> str | None:
    """Why a reply ended, in OpenAI's words; ``max_tokens`` is Anthropic's for ``length``."""
    reason = row.first("finish_reason", "stop_reason")
    return "length" if reason in ("max_tokens", "MAX_TOKENS") else reason and str(reason)


def _with_mapped(hints: Hints, row: Fields, renamed: Mapping[str, str]) -> Hints:
    """A row's own run, baseline or judge where ``--map`` names its field."""
    own = {name: str(row.get(name)) for name in _NAMES if name in renamed and row.has(name)}
    return replace(hints, **own) if own else hints  # type: ignore[arg-type]


def _mark_ambiguous(file: ReadFile, hints: Hints) -> None:
    """0 and 1 without 2 may be the first and second of two, or a tie and a winner: unknown."""
    pairs = [entry for entry in file.entries if entry.baseline]
    for spelling in ambiguous(entry.spelled for entry in pairs) - hints.spellings.keys():
        file.entries = [
            replace(entry, unknown=True, given=None)
            if entry.baseline and is_spelled(entry.spelled, spelling)
            else entry
            for entry in file.entries
        ]


def _count_spellings(file: ReadFile) -> None:
    for entry in file.entries:
        if entry.spelled and not entry.unknown:
            says = entry.says or "no verdict"
            file.spellings.setdefault(entry.spelled, Counter())[says] += 1


def _shift_turns(files: Sequence[ReadFile], turns_from: int | None) -> None:
    """Count turns from 1 where the files of a format count from 0."""
    zero = any(entry.turn == 0 for file in files for entry in file.entries)
    if turns_from == 1 and zero:
        raise BabelmixError("--turns-from 1: there are turns numbered 0. Leave the option out.")
    if not (zero or turns_from == 0):
        return
    for file in files:
        file.shifted = True
        file.entries = [replace(entry, turn=entry.turn + 1) for entry in file.entries]


def _turn_votes(files: Sequence[ReadFile], known: Sequence[Pair]) -> None:
    """Give each pair of models one direction in all files."""
    met = dict.fromkeys([*known, *(pair_of(e) for f in files for e in f.entries if e.order)])
    for file in files:
        turned = list(one_direction(file.entries, met))
        file.turned = sum(a.run != b.run for a, b in zip(turned, file.entries, strict=True))
        file.entries = turned


def _refuse_unknown(files: Sequence[ReadFile]) -> None:
    """Stop where a spelling is unknown: say all of them, and how to map them."""
    unknown = {
        file.path: Counter(entry.spelled or "" for entry in file.entries if entry.unknown)
        for file in files
    }
    unknown = {path: counts for path, counts in unknown.items() if counts}
    if not unknown:
        return
    said = "; ".join(
        f"{path}: " + ", ".join(f"{word[:40]!r} ({n})" for word, n in counts.most_common(12))
        for path, counts in unknown.items()
    )
    word = next(iter(next(iter(unknown.values()))))
    single = any(e.unknown and not e.baseline for file in files for e in file.entries)
    target = f"{max(file.scale[1] for file in files):g}" if single else "A"
    allowed = "a number" if single else "A, B, tie, both_bad, win, loss (of the run), none"
    raise BabelmixError(
        f"Verdicts that are spelled as we do not know (how often): {said}. Say what they mean: "
        f"`--verdict-map '{word[:40]}={target}'` … Allowed: {allowed}. Nothing was imported."
    )
