"""Single jobs of a finished study, to be run again under faults, as Snakemake would start them."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.options import as_options
from tests.study import ROOT, Study

#: What may differ between two runs: seconds, digests of files that hold them, what was bought when.
CLOCKS = {
    "seconds",
    "tokens_per_s",
    "memory_gb",
    "reused",
    "sent_characters",
    "spent",
    "metrics_sha256",
    "peak_memory_mb",
    "tokens_per_second",
    "finished_at",
}


@dataclass(frozen=True)
class Job:
    """One job: its verb, its arguments, and what it writes."""

    verb: str
    arguments: list[str]
    #: Files that the rule declares: gone before the job starts, as Snakemake does it.
    outputs: tuple[str, ...] = ()

    def value(self, option: str) -> str | None:
        """The value of an option with one."""
        if option not in self.arguments:
            return None
        return self.arguments[self.arguments.index(option) + 1]

    def replaced(self, **options: str) -> Job:
        """The same with other values of options (underscores for dashes)."""
        arguments = list(self.arguments)
        for name, value in options.items():
            arguments[arguments.index("--" + name.replace("_", "-")) + 1] = value
        return Job(self.verb, arguments, self.outputs)

    @property
    def settings(self) -> list[str]:
        """The words after ``--set``; none where the verb has no settings."""
        if "--set" not in self.arguments:
            return []
        rest = self.arguments[self.arguments.index("--set") + 1 :]
        return rest[: next(n for n, word in enumerate(rest) if word.startswith("--"))]

    def with_settings(self, **values: object) -> Job:
        """The same with other settings."""
        first = self.arguments.index("--set") + 1
        kept = [word for word in self.settings if word.partition("=")[0] not in values]
        arguments = list(self.arguments)
        arguments[first : first + len(self.settings)] = kept + as_options(json.dumps(values))[1:]
        return Job(self.verb, arguments, self.outputs)

    @property
    def undeclared(self) -> list[str]:
        """Folders and journals that outlive a killed job."""
        named = [self.value(o) for o in ("--folder", "--work", "--journal")]
        return [n for n in named if n]


def finished(study: Study) -> list[Job]:
    """The jobs of a study, in an order in which they could run."""
    text = study.run("--dry-run", "--forceall", "--printshellcmds").stdout
    jobs, outputs = [], ()
    for line in text.splitlines():
        if line.startswith("    output: "):
            outputs = tuple(line.removeprefix("    output: ").split(", "))
        elif line.startswith("Shell command: python "):
            words = shlex.split(line.removeprefix("Shell command: ").rsplit(" 2> ", 1)[0])
            assert words[:3] == ["python", "-m", "babelmix"], line
            jobs.append(Job(words[3], words[4:], outputs))
    assert jobs, text[-2000:]
    return jobs


def first_of_each(jobs: list[Job]) -> dict[str, Job]:
    """The first job of each verb; of the pinch run, where a run has one.

    The best monolingual run is its own baseline: its pairs are not asked for.
    """
    found: dict[str, Job] = {}
    for job in sorted(jobs, key=lambda j: not any("pinch" in word for word in j.settings)):
        found.setdefault(job.verb, job)
    return found


class Bench:
    """A copy of a finished study in which one job after another is run under faults."""

    def __init__(self, study: Study, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(
            study.folder, folder, symlinks=True, ignore=shutil.ignore_patterns(".snakemake")
        )
        self.environment = study.environment | {"OMP_NUM_THREADS": "1"}

    def clear(self, job: Job, *, everything: bool) -> None:
        """Delete what the rule declares, as Snakemake before a start; or all that it writes."""
        for name in [*job.outputs, *(job.undeclared if everything else [])]:
            path = self.folder / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def start(self, job: Job, **environment: str) -> subprocess.Popen[str]:
        for name in job.outputs:
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        return subprocess.Popen(
            [sys.executable, "-m", "babelmix", job.verb, *job.arguments],
            cwd=self.folder,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
        )

    def run(self, job: Job, **environment: str) -> tuple[int, str, float]:
        """(status, words, seconds) of a whole run."""
        began = time.monotonic()
        process = self.start(job, **environment)
        words = process.communicate()[0]
        return process.returncode, words, time.monotonic() - began

    def undisturbed(self, job: Job) -> tuple[dict[str, Any], float]:
        """From nothing to the end: what it wrote, and its seconds. All of it is deleted again."""
        self.clear(job, everything=True)
        status, words, seconds = self.run(job)
        assert status == 0, words
        written = self.contents(job)
        self.clear(job, everything=True)
        return written, seconds

    def kill_after(self, job: Job, seconds: float) -> bool:
        """Start it and kill -9 it and all its children; True where it was still at work."""
        process = self.start(job)
        try:
            process.wait(seconds)
            at_work = False
        except subprocess.TimeoutExpired:
            at_work = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return at_work

    def contents(self, job: Job) -> dict[str, Any]:
        """What a job has written: JSON without clocks, other files by their bytes."""
        found: dict[str, Any] = {}
        folder = job.value("--folder")
        files = [self.folder / n for n in job.outputs]
        if folder and (self.folder / folder).is_dir():
            files += [f for f in sorted((self.folder / folder).rglob("*")) if f.is_file()]
        for file in files:
            if file.is_file():
                found[str(file.relative_to(self.folder))] = comparable(file)
        return found

    def leavings(self) -> list[Path]:
        """Temporary files of interrupted writes."""
        return list(self.folder.rglob(".*.tmp"))


def comparable(file: Path) -> Any:
    """A file's contents without what the clock wrote into it."""
    if file.suffix == ".json":
        return without_clocks(json.loads(file.read_text(encoding="utf-8")))
    if file.suffix == ".jsonl":
        return [without_clocks(json.loads(line)) for line in file.read_text().splitlines()]
    if file.name == "README.md":  # the card tells the seconds
        return re.sub(r"[\d.,]+ (s|seconds|minutes|h)\b", "…", file.read_text())
    return file.read_bytes()


def without_clocks(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {k: without_clocks(v) for k, v in value.items() if k not in CLOCKS}
        if isinstance(kept.get("files"), dict):
            kept["files"].pop("README.md", None)
        return kept
    return [without_clocks(v) for v in value] if isinstance(value, list) else value


def moments(seconds: float, number: int, seed: str) -> list[float]:
    """Random moments within a run of that length; the same for the same seed."""
    generator = random.Random(seed)
    return [generator.uniform(0.02, 1.0) * seconds for _ in range(number)]


__all__ = ["ROOT", "Bench", "Job", "finished", "first_of_each", "moments"]
