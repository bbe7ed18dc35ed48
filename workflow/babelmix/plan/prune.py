"""Verb ``prune``: results that no study of the configuration needs any more.

A mixture, run, dataset or judge that is taken out of the configuration leaves its files behind.
They are listed; they are deleted only when told (``--delete``). Journals hold replies that were
paid for: they are listed apart and need ``--journals`` as well. Logs, timings, and files that the
workflow did not make are left alone.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..config.load import build_config, read_yaml
from ..errors import BabelmixError
from .graph import Plan
from .jobs import Jobs

JOURNALS = "journals"


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
    expansion = plan.expansion.mixtures
    found = {f"raw/{s}" for s in plan.sources}
    for d in plan.datasets:
        pool = plan.dataset(d)
        for c in pool.languages:
            found |= {f"conversations/{d}.{c}", f"normalised/{d}.{plan.pivot_of(d, c)}"}
            if pool.audit.quality is not None:
                found.add(f"measures/quality/{d}.{c}")
            if plan.goes_back(d, c):
                found |= {f"measures/round_trip/{d}.{c}", f"{JOURNALS}/translate/{d}.{c}.back"}
            if plan.is_translated(d, c):
                shards = [f"{d}.{c}/{i}" for i in range(pool.shards)]
                found |= {f"translations/{shard}" for shard in shards}
                found |= {f"{JOURNALS}/translate/{d}.{c}.{i}" for i in range(pool.shards)}
            else:
                found.add(f"normalised/{d}.{c}")
    for m in plan.mixtures:
        found.add(f"mixtures/{m}")
        found |= {f"pools/{d}.{c}" for d, c in expansion[m].looked_at}
        found |= {f"conversations/{d}.{c}" for d, c in expansion[m].taken}
        found |= {f"fingerprints/{Path(f).stem}" for f in Jobs(plan).fingerprints(m)}
        found |= {f"contamination/{d}" for d in expansion[m].datasets}
        found |= {f"counts/{t}/{d}.{c}" for t, d, c in expansion[m].counted}
    found |= {f"models/{m}" for m in plan.models}
    for run in plan.runs.values():
        if run.mixture:
            found |= {f"checkpoints/{run.name}", f"work/train/{run.name}"}
            taken = expansion[run.mixture].taken
            found |= {f"tokenised/{run.model}.{run.recipe}/{d}.{c}" for d, c in taken}
    found |= {f"benchmarks/{b}.{c}" for b in plan.benchmarks for c in _asked(plan, b)}
    rooms = ("answers", "scores", f"{JOURNALS}/answer")
    found |= {f"{room}/{b}/{r}" for b, r in plan.answer_sets() for room in rooms}
    jobs = Jobs(plan)
    found |= {f"likelihoods/{held_out}/{run}" for held_out, run in jobs.likelihood_sets()}
    found |= {f"pools/{Path(f).stem}" for f in jobs.held_out_indexes()}
    for name, evaluation in plan.evaluations.items():
        found.add(f"{JOURNALS}/judge/{name}/window")  # how many calls at once its server takes
        for run_name in evaluation.languages_by_run:
            rooms = ("judgements", "baselines", f"{JOURNALS}/judge")
            found |= {f"{room}/{name}/{run_name}" for room in rooms}
    return found


def _asked(plan: Plan, benchmark: str) -> list[str]:
    return list(plan.config.benchmarks[benchmark].languages)


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
    if any(Path(".snakemake/locks").glob("*")):
        raise BabelmixError(
            "a Snakemake run holds this folder (.snakemake/locks). Wait until it has ended, or "
            "run `snakemake --unlock` if it was killed; then prune."
        )
    delete(chosen, root)
    print(f"{len(chosen)} deleted, {len(found) - len(chosen)} journals kept")
