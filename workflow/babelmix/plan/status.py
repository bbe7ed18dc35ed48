"""Verb ``status``: what of a study set is done, running and failed, and what the rest will cost.

It reads files alone: it may be called at any moment, from any terminal, and starts nothing.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from ..config.load import read_yaml
from . import load_jobs
from .cluster import living_jobs
from .cost import cost_lines
from .jobs import Jobs
from .progress import (
    STAGES,
    Item,
    how_far,
    is_locked,
    items,
    snakemake_processes,
    unfinished_outputs,
)
from .verify import verify

LOG_LINES = 5
SHOWN = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument("--config", required=True, type=Path, help="configuration (YAML or JSON)")
    parser.add_argument(
        "--summary", action="store_true", help="the lines at the end of a run: built, spent, where"
    )


def run(args: argparse.Namespace) -> None:
    """Print it."""
    jobs = load_jobs(read_yaml(args.config))
    print(summary(jobs) if args.summary else status(jobs, Path.cwd()))


def status(jobs: Jobs, folder: Path) -> str:
    """The whole page of text; ``folder`` is where Snakemake was started."""
    planned = items(jobs)
    begun = unfinished_outputs(folder)
    processes = snakemake_processes(folder)
    cluster = living_jobs(jobs.root, folder)
    alive = bool(processes or cluster)
    open_ = [i for i in planned if i.output in begun]
    running = open_ if alive else []
    failed = [i for i in planned if not i.done and i not in running and log_tail(i.log)]
    parts = [_head(jobs, planned, processes, len(cluster), locked=is_locked(folder))]
    parts.append(_table(planned, begun if alive else set(), {i.output for i in failed}))
    if running:
        lines = [f"  {i.stage} {i.name}  {how_far(jobs, i)}".rstrip() for i in running]
        parts.append("running now\n" + _some(lines))
    if open_ and not alive:
        lines = [f"  {i.stage} {i.name}" for i in open_]
        parts.append(
            "broken off (a run was killed; the next one makes these again)\n" + _some(lines)
        )
    if failed:
        parts.append(
            "not finished, with something in the log\n" + "\n".join(map(_failure, failed[:SHOWN]))
        )
    parts.append(_rest(jobs, planned))
    return "\n\n".join(p for p in parts if p)


def _head(
    jobs: Jobs, planned: list[Item], processes: list[int], on_cluster: int, *, locked: bool
) -> str:
    done = sum(i.done for i in planned)
    text = f"{jobs.root}: {done} of {len(planned)} files there"
    if processes:
        text += f"; a run is at work (process {processes[0]})"
    if on_cluster:
        text += f"; {on_cluster} job(s) in SLURM's queue"
    if locked and not processes:
        text += (
            "; a run was killed and has left its lock: `snakemake --unlock` takes it away"
            if not on_cluster
            else "; the run that submitted them is gone"
        )
    return text


def _table(planned: list[Item], running: set[str], failed: set[str]) -> str:
    lines = [f"{'stage':<14} {'there':>9} {'running':>8} {'stopped':>8} {'to do':>6}"]
    for stage in STAGES:
        of = [i for i in planned if i.stage == stage]
        if not of:
            continue
        there = sum(i.done and i.output not in running for i in of)
        active = sum(i.output in running for i in of)
        stopped = sum(i.output in failed for i in of)
        left = len(of) - there - active - stopped
        ratio = f"{there}/{len(of)}"
        cells = [f"{n}" if n else "" for n in (active, stopped, left)]
        lines.append(f"{stage:<14} {ratio:>9} {cells[0]:>8} {cells[1]:>8} {cells[2]:>6}".rstrip())
    return "\n".join(lines)


def _some(lines: list[str]) -> str:
    more = [f"  … and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return "\n".join(lines[:SHOWN] + more)


def log_tail(log: str) -> list[str]:
    """The last lines of a log; none where there is no log or nothing in it."""
    file = Path(log)
    if not file.is_file():
        return []
    with file.open("rb") as handle:
        handle.seek(max(0, file.stat().st_size - 8192))
        text = handle.read().decode("utf-8", errors="replace")
    # A progress bar rewrites its line; only what it last said counts.
    lines = [line.rsplit("\r", 1)[-1].rstrip() for line in text.split("\n")]
    return [line for line in lines if line.strip()][-LOG_LINES:]


def _failure(item: Item) -> str:
    tail = "\n".join(f"    | {line}" for line in log_tail(item.log))
    return f"  {item.stage} {item.name}  ({item.log})\n{tail}"


def _rest(jobs: Jobs, planned: list[Item]) -> str:
    if all(i.done for i in planned):
        return f"everything is there: {jobs.path('report/index.html')}"
    dollars = to_the_end(jobs, planned)
    left = {s: sum(not i.done for i in planned if i.stage == s) for s in STAGES}
    parts = [f"{n} {s}" for s, n in left.items() if n]
    return (
        f"to the end: {', '.join(parts)} job(s); about {dollars:,.2f} US dollars\n"
        "(files made under other settings count as there; `snakemake -n` knows which run again)"
    )


def to_the_end(jobs: Jobs, planned: list[Item]) -> float:
    """Estimated US dollars still to spend: `plan`'s figures, by the share of jobs still to do."""
    left = 0.0
    for line in cost_lines(jobs.plan):
        if not line.dollars:
            continue
        of = [i for i in planned if i.stage == line.stage and _belongs(i, line.what)]
        left += line.dollars * sum(not i.done for i in of) / max(1, len(of))
    return left


def _belongs(item: Item, what: str) -> bool:
    """Does a job belong to a line of the plan (an evaluation, or a pool into languages)?"""
    if item.stage == "judge":
        return item.name.startswith(f"{what}/")
    return item.name.split(".", 1)[0] == what.split(" ", 1)[0]


# --- the end of a run -----------------------------------------------------------------------------


def summary(jobs: Jobs) -> str:
    """What is built so far, what judging cost, where the report is, and what does not fit."""
    planned = items(jobs)
    done = Counter(item.stage for item in planned if item.done)
    calls, unscored, spent = judged(jobs.all_judgements())
    built = [
        f"{done[stage]} {name}{'s' * (done[stage] != 1)}"
        for stage, name in (("mixture", "mixture"), ("train", "training"), ("answer", "answer set"))
    ]
    page = jobs.path("report/index.html")
    lines = [
        f"{jobs.root}: {sum(done.values())} of {len(planned)} files built: {', '.join(built)}, "
        f"{calls:,} verdicts ({unscored:,} unscored)",
        f"judging cost {spent:,.2f} US dollars at the configured prices",
        f"report: {page}" if Path(page).is_file() else "report: not built yet",
    ]
    found = verify(jobs)
    if wrong := len(found.stale) + len(found.without_weights):
        lines.append(
            f"WARNING: {wrong} results do not fit the configuration. They are listed by "
            f"`python -m babelmix verify --config {jobs.path('config.resolved.json')}`"
        )
    return "\n".join(lines)


def judged(files: Iterable[str]) -> tuple[int, int, float]:
    """(verdicts, unscored, US dollars) over judgement files; those not there are passed over."""
    from ..io import read_table

    calls, unscored, spent = 0, 0, 0.0
    for file in files:
        if not Path(file).is_file():
            continue
        table = read_table(file, columns=["unscored_reason", "cost"])
        calls += table.num_rows
        unscored += table.num_rows - table["unscored_reason"].null_count
        spent += sum(c or 0.0 for c in table["cost"].to_pylist())
    return calls, unscored, spent
