"""Runs the steps of the check, each in a process group of its own, and writes down what they say.

Standard library alone: what a step lacks is that step's reason to be skipped. A step that fails,
hangs or is killed takes nothing else along, and the record is complete after every step.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

#: Packages that a machine may lack: a step that needs one is skipped, and says which.
OPTIONAL = frozenset(
    name
    for line in (
        "accelerate bitsandbytes datasets deepspeed flash_attn httpx2 jinja2 liger_kernel openai",
        "peft pyarrow pydantic safetensors tenacity tokenizers transformers trl triton vllm yaml",
    )
    for name in line.split()
)
_MARK = "BABELMIX_GPU_CHECK_STEP"
_GRACE_S = 3.0
#: Lines of a step's log that stand in the record where it failed.
_TAIL = 12


class Skip(Exception):
    """A step cannot be done here; says why."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a step is told: where it runs, its own empty folder, and how large it may be."""

    device: str
    folder: Path

    @property
    def on_gpu(self) -> bool:
        """Whether the shapes are real."""
        return self.device == "cuda"


@dataclass(frozen=True, slots=True)
class Step:
    """One part of the check. ``work`` returns its figures; raises where something is wrong."""

    name: str
    kind: str  # environment, correctness, speed
    work: Callable[[Context], dict[str, Any]]
    about: str
    seconds: float = 60.0


@dataclass(slots=True)
class Outcome:
    """What came of a step: passed, failed, cut (by its time-out) or skipped."""

    name: str
    kind: str
    about: str
    status: str
    seconds: float = 0.0
    reason: str = ""
    figures: dict[str, Any] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Running:
    step: Step
    pid: int
    folder: Path
    started: float
    until: float


class Check:
    """A run of some steps; ``write`` is called with all outcomes after each."""

    def __init__(
        self,
        steps: Sequence[Step],
        device: str,
        scratch: Path,
        *,
        budget: float,
        jobs: int,
        write: Callable[[list[Outcome]], None],
        fresh: str | None = None,
    ) -> None:
        self.waiting, self.device, self.scratch = list(steps), device, scratch
        self.end, self.jobs, self.write = time.monotonic() + budget, jobs, write
        #: Module whose STEPS hold these, where each step starts an interpreter of its own.
        self.fresh = fresh
        self.running: list[_Running] = []
        self.outcomes: list[Outcome] = []
        self._order = [step.name for step in steps]

    def run(self) -> list[Outcome]:
        """Run all; speed alone, correctness side by side where there are processors for it."""
        try:
            while self.waiting or self.running:
                while self.waiting and self._may_start(self.waiting[0]):
                    self._start(self.waiting.pop(0))
                self._look()
                time.sleep(0.02)
        finally:
            for running in self.running:
                _end(running)
        return self.outcomes

    def _may_start(self, step: Step) -> bool:
        alone = step.kind == "speed" or any(r.step.kind == "speed" for r in self.running)
        return not self.running if alone else len(self.running) < self.jobs

    def _start(self, step: Step) -> None:
        now = time.monotonic()
        if now > self.end - 5:
            self._add(Outcome(step.name, step.kind, step.about, "skipped", 0.0, "no time is left"))
            return
        folder = self.scratch / step.name
        folder.mkdir(parents=True)
        context = Context(self.device, folder)
        pid = os.fork()
        if pid == 0:
            _child(step, context, self.fresh)
        until = min(now + step.seconds, self.end)
        self.running.append(_Running(step, pid, folder, now, until))

    def _look(self) -> None:
        for running in list(self.running):
            done, status = os.waitpid(running.pid, os.WNOHANG)
            late = time.monotonic() > running.until
            if not done and not late:
                continue
            self.running.remove(running)
            if not done:
                _end(running)
            else:
                _kill_strays(running)
            self._add(_outcome(running, status if done else None))

    def _add(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self.outcomes.sort(key=lambda o: self._order.index(o.name))
        self.write(self.outcomes)


def _child(step: Step, context: Context, fresh: str | None) -> None:
    """The step's own process; never returns."""
    code = 1
    try:
        os.setsid()
        os.environ[_MARK] = str(context.folder)
        log = os.open(context.folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        if fresh is not None:
            words = ["-m", "tests.gpu", "--step", step.name, "--steps", fresh]
            words += ["--device", context.device, "--folder", str(context.folder)]
            os.execv(sys.executable, [sys.executable, *words])
        code = do(step, context)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def do(step: Step, context: Context) -> int:
    """Do a step in this process and leave its outcome in its folder; returns an exit status."""
    start, said = time.monotonic(), Outcome(step.name, step.kind, step.about, "passed")
    try:
        said.figures = step.work(context)
    except Skip as skip:
        said.status, said.reason = "skipped", str(skip)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] in OPTIONAL:
            said.status, said.reason = "skipped", f"{error.name} is not installed"
        else:
            said.status, said.reason = "failed", _one_line(error)
            traceback.print_exc()
    except BaseException as error:
        said.status, said.reason = "failed", _one_line(error)
        traceback.print_exc()
    said.seconds = round(time.monotonic() - start, 1)
    fresh = context.folder / "outcome.new"
    fresh.write_text(json.dumps(asdict(said)), encoding="utf-8")
    fresh.rename(context.folder / "outcome.json")
    return 0


def find_step(module: str, name: str) -> Step:
    """A step of a module's STEPS."""
    return next(step for step in importlib.import_module(module).STEPS if step.name == name)


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or "no message"
    return f"{type(error).__name__}: {text}"[:500]


def _outcome(running: _Running, status: int | None) -> Outcome:
    """What a step left, or what its end says; ``status`` is None where it was cut."""
    step, seconds = running.step, round(time.monotonic() - running.started, 1)
    left = running.folder / "outcome.json"
    if left.is_file():
        outcome = Outcome(**json.loads(left.read_text(encoding="utf-8")))
    elif status is None:
        reason = f"cut after {seconds:.0f} s"
        outcome = Outcome(step.name, step.kind, step.about, "cut", seconds, reason)
    else:
        code = os.waitstatus_to_exitcode(status)
        ended = f"its process was killed by signal {-code}" if code < 0 else f"exit status {code}"
        outcome = Outcome(step.name, step.kind, step.about, "failed", seconds, ended)
    if outcome.status in ("failed", "cut"):
        text = (running.folder / "log").read_text(encoding="utf-8", errors="replace")
        outcome.log = text.splitlines()[-_TAIL:]
    outcome.seconds = seconds
    return outcome


def _end(running: _Running) -> None:
    """End a step's whole process group, politely first, and whatever it started elsewhere."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(running.pid, signal.SIGTERM)
    until = time.monotonic() + _GRACE_S
    gone = False
    while not gone and time.monotonic() < until:
        with contextlib.suppress(ChildProcessError):
            gone = bool(os.waitpid(running.pid, os.WNOHANG)[0])
        time.sleep(0.02)
    _kill_strays(running)
    if not gone:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(running.pid, 0)


def _kill_strays(running: _Running) -> None:
    """Kill what is left of a step: its group, and processes with its mark (torchrun's workers have
    sessions of their own)."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(running.pid, signal.SIGKILL)
    mark = f"{_MARK}={running.folder}".encode()
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if mark in path.read_bytes().split(b"\0"):
                os.kill(int(path.parent.name), signal.SIGKILL)
