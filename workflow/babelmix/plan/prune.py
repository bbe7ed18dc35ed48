"""Verb ``prune``: results that no study of the configuration needs any more.

A mixture, run, dataset or judge that is taken out of the configuration leaves its files behind.
They are listed; they are deleted only when told (``--delete``). Journals hold replies that were
paid for: they are listed apart and need ``--journals`` as well. Logs, timings, and files that the
workflow did not make are left alone.
"""

from __future__ import annotations

import argparse
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..config.load import build_config, read_yaml
from ..errors import BabelmixError
from .graph import Plan
from .jobs import Jobs
from .layout import results

JOURNALS = "journals"
#: What all services share: the ledgers of what was spent, which caps count, and what judges were
#: found to take.
_SHARED = {f"{JOURNALS}/spending", f"{JOURNALS}/judge/probes"}
_SUFFIX = re.compile(r"(\.(audit|manifest|selection))?\.(json|parquet)$")


@dataclass(frozen=True)
class Orphan:
    """A file or folder (below the study set's folder) that nothing needs, and its bytes."""

    path: Path
    bytes: int

    @property
    def paid(self) -> bool:
        """Whether it is a journal."""
        return self.path.parts[0] == JOURNALS


def stems(plan: Plan) -> set[str]:
    """What the plan makes: paths below its folder, without what follows the name (``.parquet``)."""
    jobs = Jobs(plan)
    root = f"{jobs.root}/"
    # Tables and figures have no settings: their folders are made whole each time.
    made = [result.path for result in results(jobs) if result.settings is not None]
    places = [path.removeprefix(root) for path in made]
    found = {_SUFFIX.sub("", place) for place in places}
    return found | {journal for stem in found for journal in _kept_beside(stem)} | _SHARED


def _kept_beside(stem: str) -> list[str]:
    """Journals and unfinished work of the job that makes a result."""
    room, _, name = stem.partition("/")
    if room == "translations":
        return [f"{JOURNALS}/translate/{name.replace('/', '.')}"]
    if room == "measures" and name.startswith("round_trip/"):
        return [f"{JOURNALS}/translate/{name.removeprefix('round_trip/')}.back"]
    if room == "judgements":
        return [f"{JOURNALS}/judge/{name}"]
    if room == "answers":
        return [f"{JOURNALS}/answer/{name}"]
    return [f"work/train/{name}"] if room == "checkpoints" else []


def orphans(plan: Plan, root: Path) -> list[Orphan]:
    """Files and folders of the plan's stations that it does not make."""
    kept = stems(plan)
    parents = {parent for stem in kept for parent in _parents(stem)}
    stations = {stem.split("/", 1)[0] for stem in kept}
    stations |= {"counts", "baselines", "translations", "likelihoods"}
    found: list[Orphan] = []
    for station in sorted(stations):
        if (root / station).is_dir():
            found += _below(root, Path(station), kept, parents)
    return found


def _parents(stem: str) -> Iterator[str]:
    parts = stem.split("/")
    for n in range(1, len(parts)):
        yield "/".join(parts[:n])


def _below(root: Path, folder: Path, kept: set[str], parents: set[str]) -> Iterator[Orphan]:
    for entry in sorted((root / folder).iterdir()):
        path = folder / entry.name
        if _is_kept(path, kept):
            continue
        if entry.is_dir() and path.as_posix() in parents:
            yield from _below(root, path, kept, parents)
        else:
            yield Orphan(path, _size(entry))


def _is_kept(path: Path, kept: set[str]) -> bool:
    """True when the name, or a part of it that ends before a dot, is a name of the plan."""
    text = path.as_posix()
    while True:
        if text in kept:
            return True
        shorter, dot, _ = text.rpartition(".")
        if not dot or "/" not in shorter or shorter.endswith("/"):
            return False
        text = shorter


def _size(entry: Path) -> int:
    if entry.is_dir() and not entry.is_symlink():
        return sum(f.lstat().st_size for f in entry.rglob("*") if f.is_file())
    return entry.lstat().st_size


def delete(found: list[Orphan], root: Path) -> None:
    """Delete what was found, and folders that are left empty by it."""
    for orphan in found:
        entry = root / orphan.path
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink(missing_ok=True)
        for parent in list(orphan.path.parents)[:-2]:
            if not any((root / parent).iterdir()):
                (root / parent).rmdir()


def refuse_while_running() -> None:
    """Raise BabelmixError while a Snakemake run is at work in this folder."""
    if any(Path(".snakemake/locks").glob("*")):
        raise BabelmixError(
            "a Snakemake run holds this folder (.snakemake/locks), so nothing is deleted. Wait "
            "until it has ended, or run `snakemake --unlock` if it was killed; then try again."
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument("--config", required=True, type=Path, help="configuration (YAML or JSON)")
    parser.add_argument("--delete", action="store_true", help="delete what is listed")
    parser.add_argument(
        "--journals", action="store_true", help="with --delete: also replies that were paid for"
    )


def run(args: argparse.Namespace) -> None:
    """List, and delete when told. All studies count, whatever `only_studies` says."""
    raw = read_yaml(args.config) | {"only_studies": []}
    plan = Plan(build_config(raw, where=str(args.config)))
    root = Path(plan.root)
    found = orphans(plan, root)
    for orphan in found:
        print(f"{orphan.bytes:>15,}  {root / orphan.path}{'  (paid)' if orphan.paid else ''}")
    chosen = [o for o in found if args.journals or not o.paid]
    total = sum(o.bytes for o in found)
    print(f"{len(found)} orphans, {total / 1e6:,.1f} MB, below {root}")
    if not args.delete:
        if found:
            print("nothing was deleted; --delete deletes them (journals only with --journals too)")
        return
    refuse_while_running()
    delete(chosen, root)
    print(f"{len(chosen)} deleted, {len(found) - len(chosen)} journals kept")
