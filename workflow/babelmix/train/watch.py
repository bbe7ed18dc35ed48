"""What can be seen of a training: its metrics file, its progress, its checkpoints' seals.

Imports torch (transformers' callbacks do).
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ..errors import BabelmixError
from ..progress import Teller
from .checkpoints import digest_own, digest_share, mark_whole, prune
from .data import Rows
from .memory import ModelShape, peak_flops
from .schedule import Schedule

#: Where a training may be watched besides its metrics file; the variable names some, with commas.
WATCHERS = ("tensorboard", "wandb", "trackio")
WATCH_VARIABLE = "BABELMIX_REPORT_TO"


def watchers() -> list[str]:
    """The services that the environment asks for; each must be installed."""
    asked = [n.strip() for n in os.environ.get(WATCH_VARIABLE, "").split(",") if n.strip()]
    for name in asked:
        if name not in WATCHERS:
            raise BabelmixError(f"{WATCH_VARIABLE}: '{name}' is none of {', '.join(WATCHERS)}.")
        if importlib.util.find_spec(name) is None:
            raise BabelmixError(f"{WATCH_VARIABLE}: {name} is not installed: `pip install {name}`.")
    return asked


class Metrics:
    """The training's metrics: kept in ``work``, so that a resumed training goes on with them."""

    def __init__(self, path: Path, resumed_step: int) -> None:
        self.path = path
        self.rows: list[dict[str, Any]] = []
        if path.is_file():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    row = json.loads(line)
                except ValueError:
                    break  # the line that was being written when the training was killed
                if row["step"] <= resumed_step:
                    self.rows.append(row)
        path.write_text(self.text(), encoding="utf-8")
        spent = self.rows[-1]["seconds"] if self.rows else 0.0
        self._start = time.monotonic() - spent

    def text(self) -> str:
        """All rows as JSON lines."""
        return "".join(json.dumps(row) + "\n" for row in self.rows)

    def add(self, **row: Any) -> None:
        """Add one row, with the seconds spent so far."""
        row["seconds"] = round(time.monotonic() - self._start, 3)
        self.rows.append(row)
        with self.path.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(row) + "\n")

    def last(self, name: str) -> float | None:
        """The newest value of a metric."""
        return next((row[name] for row in reversed(self.rows) if name in row), None)


class Recorder(TrainerCallback):
    """Writes metrics, shows progress, stops on a loss that is no number, seals checkpoints."""

    def __init__(
        self,
        *,
        run: str,
        training: str,
        work: Path,
        keep: int,
        schedule: Schedule,
        rows: Rows,
        shape: ModelShape,
        frozen: bool,
        metrics: Metrics | None,
        rate: Callable[[int], float],
        after_step: Callable[[int], None],
    ) -> None:
        self.run, self.training, self.work, self.metrics = run, training, work, metrics
        self.keep, self.rate, self.after_step, self.devices = keep, rate, after_step, 1
        self.tokens = np.cumsum(schedule.sums(rows.lengths))
        self.trained = np.cumsum(schedule.sums(rows.trained))
        flops = shape.training_flops(rows.lengths, rows.trained, frozen=frozen)
        self.flops = np.cumsum(schedule.sums(flops), dtype=np.float64)  # beyond 2^63
        self.bar: Any = None
        self._begun = self._logged = 0  # steps
        self._spent = self._spent_logged = 0.0  # seconds in steps, since the start and the last log
        self._started = 0.0
        self._teller = Teller()

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Open the progress bar (quiet where standard error is no terminal)."""
        from tqdm import tqdm

        self.devices = args.world_size
        self._begun = self._logged = state.global_step
        if state.is_world_process_zero:
            self.bar = tqdm(
                total=state.max_steps, initial=state.global_step, desc=self.run, disable=None
            )

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Start the step's clock: held-out rows and checkpoints are no part of the speed."""
        self._started = settled_clock()

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Record one line of metrics."""
        if not logs or "loss" not in logs:
            return
        step = state.global_step
        if not math.isfinite(logs["loss"]):
            raise BabelmixError(
                f"{self.run}: the loss is {logs['loss']} at step {step}. Lower `learning_rate`, "
                "add `warmup_ratio`, or use `precision: bf16` or `fp32` in place of fp16."
            )
        speed = self._speed(step)
        if self.metrics is not None:
            self.metrics.add(
                step=step,
                loss=logs["loss"],
                lr=self.rate(step - 1),
                grad_norm=logs.get("grad_norm"),
                tokens=int(self.tokens[step - 1]),
                trained_tokens=int(self.trained[step - 1]),
                **speed,
            )
        if self.bar is not None:
            self._tell(state, logs["loss"], speed)

    def _speed(self, step: int) -> dict[str, float]:
        """Tokens a second since the last log, memory, and MFU where the device's peak is known."""
        seconds = max(1e-9, self._spent - self._spent_logged)
        tokens, flops = (
            float(sums[step - 1] - (sums[self._logged - 1] if self._logged else 0))
            for sums in (self.tokens, self.flops)
        )
        self._logged, self._spent_logged = step, self._spent
        speed = {
            "tokens_per_s": round(tokens / seconds, 1),
            "memory_gb": round(memory_used() / 1e9, 3),
        }
        peak = peak_flops(torch.cuda.get_device_name()) if torch.cuda.is_available() else None
        if peak is not None:
            speed["mfu"] = round(flops / seconds / (peak * self.devices), 4)
        return speed

    def _tell(self, state: TrainerState, loss: float, speed: dict[str, float]) -> None:
        """Progress: in the bar on a terminal, as a line now and then in a log."""
        if not self.bar.disable:
            self.bar.set_postfix(loss=f"{loss:.3f}", tok_s=f"{speed['tokens_per_s']:.0f}")
            return
        done = state.global_step
        left = (state.max_steps - done) * self._spent / max(1, done - self._begun)
        mfu = f", MFU {100 * speed['mfu']:.0f} %" if "mfu" in speed else ""
        line = (
            f"{self.run}: step {done}/{state.max_steps}, loss {loss:.4f}, "
            f"{speed['tokens_per_s']:.0f} tokens/s{mfu}, {speed['memory_gb']:.1f} GB, "
            f"{left / 60:.0f} min left"
        )
        self._teller.tell(lambda: line, last=done == state.max_steps)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Stop the step's clock, advance the bar, measure held-out rows where that is due."""
        self._spent += settled_clock() - self._started
        if self.bar is not None:
            self.bar.update(1)
        self.after_step(state.global_step)

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Seal the checkpoint once every device has written its part, then drop older ones.

        Digests of large checkpoints take minutes on one device, so each takes an equal part.
        """
        folder, rank = self.work / f"checkpoint-{state.global_step}", args.process_index
        if self.devices > 1:
            digest_own(folder, rank)
            torch.distributed.barrier()
            digest_share(folder, rank, self.devices)
            torch.distributed.barrier()
        if state.is_world_process_zero:
            mark_whole(folder, step=state.global_step, devices=self.devices, training=self.training)
            prune(self.work, self.training, self.keep)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Close the bar."""
        if self.bar is not None:
            self.bar.close()


def settled_clock() -> float:
    """Seconds, read once the device has done all that it was given.

    A GPU's kernels are only queued when a step's Python code ends; without this the work of a step
    would count as time between steps, and speed and MFU would come out too high.
    """
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.monotonic()


def memory_used() -> int:
    """Bytes at the peak so far: of the GPU where there is one, else of this process."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
