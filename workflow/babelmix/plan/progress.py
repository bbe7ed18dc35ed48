"""What of a plan stands on disk: each job's file, its log, and what Snakemake is at work on."""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .jobs import Jobs

#: Stages in the data's order; what a line of `status` is called.
STAGES = (
    *(
        "fetch",
        "normalise",
        "translate",
        "quality",
        "round_trip",
        "collect",
        "combine",
        "pool",
        "fingerprint",
        "benchmark",
        "contamination",
        "mixture",
    ),
    *("model", "tokenise", "train", "answer", "score", "likelihood", "judge", "report"),
)


@dataclass(frozen=True)
class Item:
    """One job: its file, written last, and its log."""

    stage: str
    name: str
    output: str
    log: str

    @property
    def done(self) -> bool:
        return Path(self.output).is_file()


def items(jobs: Jobs) -> list[Item]:
    """Every job of the plan, in the data's order."""
    return [*_data(jobs), *_models(jobs), *_results(jobs)]


def _item(jobs: Jobs, stage: str, name: str, output: str, log: str) -> Item:
    return Item(stage, name, jobs.path(output), jobs.path(f"logs/{log}.log"))


def _data(jobs: Jobs) -> Iterator[Item]:
    plan = jobs.plan
    for source in plan.sources:
        yield _item(jobs, "fetch", source, f"raw/{source}.json", f"fetch/{source}")
    for dataset in plan.datasets:
        pool = plan.dataset(dataset)
        for lang in pool.languages:
            name = f"{dataset}.{lang}"
            if lang == plan.pivot_of(dataset, lang) or not plan.is_translated(dataset, lang):
                yield _item(
                    jobs, "normalise", name, f"normalised/{name}.parquet", f"normalise/{name}"
                )
            for shard in range(pool.shards if plan.is_translated(dataset, lang) else 0):
                output, log = f"translations/{name}/{shard}.parquet", f"translate/{name}.{shard}"
                yield _item(jobs, "translate", f"{name}.{shard}", output, log)
            for file in jobs.measures(dataset, lang):
                check = Path(file).parent.name
                place = f"measures/{check}/{name}.json"
                yield _item(jobs, check, name, place, f"{check}/{name}")
            yield _item(jobs, "collect", name, f"conversations/{name}.parquet", f"collect/{name}")
    for dataset, code in jobs.combined():
        name = f"{dataset}.{code}"
        yield _item(jobs, "combine", name, f"conversations/{name}.parquet", f"combine/{name}")
    pools = [f for m in plan.mixtures for f in jobs.mixture_input(m)["pools"]]
    pools += jobs.held_out_indexes()
    prints = [f for m in plan.mixtures for f in jobs.fingerprints(m)]
    searched = [f for m in plan.mixtures for f in jobs.searches(m)]
    made = (("pool", pools), ("fingerprint", prints), ("contamination", searched))
    for stage, files in made:
        for file in dict.fromkeys(files):
            name = Path(file).stem
            yield Item(stage, name, file, jobs.path(f"logs/{stage}/{name}.log"))
    for mixture in plan.mixtures:
        yield _item(jobs, "mixture", mixture, f"mixtures/{mixture}.parquet", f"mixture/{mixture}")
    for benchmark in plan.benchmarks:
        for lang in jobs.config.benchmarks[benchmark].languages:
            name = f"{benchmark}.{lang}"
            yield _item(jobs, "benchmark", name, f"benchmarks/{name}.parquet", f"benchmark/{name}")


def _models(jobs: Jobs) -> Iterator[Item]:
    plan = jobs.plan
    for model in plan.models:
        yield _item(jobs, "model", model, f"models/{model}.json", f"model/{model}")
    trained = [r.name for r in plan.runs.values() if r.mixture]
    root = jobs.path("tokenised/")
    for file in dict.fromkeys(f for r in trained for f in jobs.train_input(r)["tokenised"]):
        name = file.removeprefix(root).removesuffix(".parquet")
        yield _item(jobs, "tokenise", name, f"tokenised/{name}.parquet", f"tokenise/{name}")


def _results(jobs: Jobs) -> Iterator[Item]:
    plan = jobs.plan
    for run in plan.runs.values():
        if run.mixture:
            yield _item(
                jobs, "train", run.name, f"checkpoints/{run.name}.json", f"train/{run.name}"
            )
    for benchmark, name in plan.answer_sets():
        place = f"{benchmark}/{name}"
        yield _item(jobs, "answer", place, f"answers/{place}.parquet", f"answer/{place}")
        yield _item(jobs, "score", place, f"scores/{place}.parquet", f"score/{place}")
    for held_out, name in jobs.likelihood_sets():
        place = f"{held_out}/{name}"
        yield _item(
            jobs, "likelihood", place, f"likelihoods/{place}.parquet", f"likelihood/{place}"
        )
    for evaluation, planned in plan.evaluations.items():
        for name in planned.languages_by_run:
            place = f"{evaluation}/{name}"
            yield _item(jobs, "judge", place, f"judgements/{place}.parquet", f"judge/{place}")
    for name in ("tables", "figures"):
        yield _item(jobs, "report", name, f"{name}/index.json", name)
    yield _item(jobs, "report", "page", "report/index.html", "report")


# --- what Snakemake is doing ----------------------------------------------------------------------


def unfinished_outputs(folder: Path) -> set[str]:
    """Outputs that a job has begun and not ended, by Snakemake's own marks in its folder."""
    place = folder / ".snakemake" / "incomplete"
    found = set()
    for file in place.rglob("*") if place.is_dir() else ():
        if not file.is_file():
            continue
        parts = [p.removeprefix("@") for p in file.relative_to(place).parts]
        try:
            found.add(base64.urlsafe_b64decode("".join(parts)).decode())
        except (binascii.Error, UnicodeDecodeError):
            continue  # not one of Snakemake's marks
    return found


def snakemake_processes(folder: Path) -> list[int]:
    """Living Snakemake processes that work in a folder (Linux; nothing elsewhere)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().split(b"\0")
            here = (entry / "cwd").resolve() == folder.resolve()
        except OSError:
            continue
        ours = any(c.rsplit(b"/", 1)[-1] == b"snakemake" for c in command[:4])
        if here and ours and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return sorted(found)


def is_locked(folder: Path) -> bool:
    """True while a run holds Snakemake's lock, or one that was killed has left it."""
    locks = folder / ".snakemake" / "locks"
    return locks.is_dir() and any(locks.iterdir())


def how_far(jobs: Jobs, item: Item) -> str:
    """How far a running job has come, from what it writes beside its output; may be empty."""
    if item.stage == "train":
        row = _last_row(Path(jobs.path(f"work/train/{item.name}/metrics.jsonl")))
        loss = f", loss {row['loss']:.3f}" if isinstance(row.get("loss"), float) else ""
        return f"step {row['step']}{loss}" if "step" in row else ""
    if item.stage in {"judge", "translate"}:
        journal = Path(jobs.path(f"journals/{item.stage}/{item.name}.jsonl"))
        if journal.is_file():
            with journal.open("rb") as handle:
                return f"{sum(1 for _ in handle):,} entries in its journal"
    return ""


def _last_row(file: Path) -> dict[str, object]:
    if not file.is_file():
        return {}
    for line in reversed(file.read_text(encoding="utf-8", errors="replace").splitlines()):
        try:
            row = json.loads(line)
        except ValueError:
            continue  # being written
        if isinstance(row, dict):
            return row
    return {}
