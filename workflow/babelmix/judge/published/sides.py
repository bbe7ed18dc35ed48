"""Which of a pair's two models is the run, and which its baseline: told, or the same everywhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ...errors import BabelmixError
from .entry import Entry, Fields, Hints
from .settle import file_name

_RUN = ("run", "model", "model_id", "model_a", "model_1", "generator_2")
_BASELINE = ("baseline", "model_b", "model_2", "generator_1")
_SIDES = {"A": "B", "B": "A"}
#: A pair of a run and its baseline, in this order.
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Own:
    """What a row itself says of its run, baseline and judge; empty where it does not."""

    run: str
    baseline: str
    judge: str

    @staticmethod
    def of(row: Fields) -> Own:
        """Read it from a row, whatever the format's names are."""
        run, baseline = (str(row.first(*names) or "") for names in (_RUN, _BASELINE))
        return Own(run, baseline, row.judge(""))

    @property
    def is_pair(self) -> bool:
        """Whether the row names both models."""
        return bool(self.run and self.baseline)


def mirrored(entry: Entry, where: str = "") -> Entry:
    """Return the same verdict with run and baseline exchanged.

    With an order the verdict names a place, and only the order's name changes.
    """
    turned = replace(entry, run=entry.baseline, baseline=entry.run)
    if entry.order:
        return replace(turned, order=entry.order[::-1])
    if entry.text is not None:
        raise BabelmixError(
            f"{where}: the reply speaks of a place, and no field says which model was shown first. "
            "Name it by `--map order=FIELD`, or leave --run and --baseline out."
        )
    return replace(
        turned,
        given=_SIDES.get(str(entry.given), entry.given),
        weight=None if entry.weight is None else 1.0 - entry.weight,
        score_a=entry.score_b,
        score_b=entry.score_a,
        length_a=entry.length_b,
        length_b=entry.length_a,
    )


def named(entry: Entry, own: Own, told: Hints, where: str) -> Entry:
    """Return a pair with the told names: a model that the row names takes the told side, another
    one is renamed."""
    if not (told.run or told.baseline):
        return entry
    if told.run == own.baseline or told.baseline == own.run:
        entry = mirrored(entry, where)
    entry = replace(entry, run=told.run or entry.run, baseline=told.baseline or entry.baseline)
    if entry.run == entry.baseline and own.run != own.baseline:
        raise BabelmixError(
            f"{where}: --run and --baseline would call '{own.run}' and '{own.baseline}' both "
            f"'{entry.run}'."
        )
    return entry


def refuse_joined(path: Path, told: Hints, read: Iterable[tuple[Entry, Own]]) -> None:
    """Stop where one told name would stand for several models (or judges, of the same answers)."""
    models: dict[str, set[str]] = {"--run": set(), "--baseline": set()}
    judges: dict[tuple[object, ...], set[str]] = {}
    for entry, own in read:
        sides = (own.run, own.baseline)
        turned = bool(own.is_pair) and (told.run == own.baseline or told.baseline == own.run)
        run, baseline = sides[::-1] if turned else sides
        models["--run"] |= {run} if told.run else set()
        models["--baseline"] |= {baseline} if told.baseline else set()
        if told.judge and not entry.is_vote:
            slot = (entry.question_id, entry.lang, entry.turn, entry.sample, entry.order)
            judges.setdefault((*slot, entry.run, entry.baseline), set()).add(own.judge)
    several = {option: names - {""} for option, names in models.items()}
    several["--judge"] = max(judges.values(), key=len, default=set()) - {""}
    for option, names in several.items():
        if len(names) > 1:
            raise BabelmixError(
                f"{path}: {option} gives one name to {', '.join(sorted(names))}. Leave it out, or "
                "import the rows of one alone: `--rows FIELD=NAME`."
            )


def pair_of(entry: Entry) -> Pair:
    """Return the run and the baseline as folders name them."""
    return file_name(entry.run), file_name(entry.baseline)


def one_direction(entries: Iterable[Entry], met: dict[Pair, None]) -> Iterator[Entry]:
    """Yield the entries; votes on a pair that was met in the other direction are turned.

    ``met`` are the pairs so far, and grows. Files of votes name either model first.
    """
    for entry in entries:
        pair = pair_of(entry)
        if entry.is_vote and pair not in met and pair[::-1] in met:
            entry = mirrored(entry)
        elif entry.baseline:
            met[pair] = None
        yield entry
