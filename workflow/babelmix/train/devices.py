"""Which devices there are and which a model needs: answered without importing torch.

Snakemake's local executor counts GPUs but hands none out by number, so that two one-GPU jobs side
by side would both take the first; ``claim_gpus`` settles it with one lock file a GPU.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from ..config.training import Model
from ..errors import BabelmixError

_PROC = Path("/proc/driver/nvidia/gpus")


def visible_gpus() -> list[str]:
    """Ids of the GPUs this process may use; ``CUDA_VISIBLE_DEVICES`` is obeyed where it is set."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    physical = _physical_gpus()
    if chosen is None:
        return [str(i) for i in range(physical)]
    ids = [entry.strip() for entry in chosen.split(",") if entry.strip()]
    return [] if not physical or ids[:1] == ["-1"] else ids


def _physical_gpus() -> int:
    if _PROC.is_dir():
        return len(list(_PROC.iterdir()))
    if shutil.which("nvidia-smi") is None:
        return 0
    try:
        listed = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines())


def gpu_count() -> int:
    """How many GPUs this process may use; cheap, for planning."""
    return len(visible_gpus())


def gpus_needed(model: Model) -> int:
    """GPUs that a training of this model takes on this machine; 0: it runs on the CPU."""
    if model.device == "cpu":
        return 0
    if model.gpus or model.device == "cuda":
        return max(1, model.gpus)
    return min(1, gpu_count())


def require_device(model: Model, name: str) -> None:
    """Refuse a model that needs more GPUs than there are, before anything is loaded."""
    needed, there = gpus_needed(model), gpu_count()
    if model.device != "cpu" and needed > there:
        raise BabelmixError(
            f"models.{name}: needs {needed} GPU(s) (`device: {model.device}`, `gpus: {model.gpus}`)"
            f", and {there} can be used here. Run it on a machine with a GPU (profile slurm), or "
            "choose a smaller model with `device: cpu`. CUDA_VISIBLE_DEVICES also limits what can "
            "be used."
        )


@contextlib.contextmanager
def claim_gpus(count: int, wait_s: float = math.inf) -> Iterator[list[str]]:
    """Hold ``count`` GPUs that no other process of ours holds; sets ``CUDA_VISIBLE_DEVICES``.

    Jobs that find none free wait their turn (a lock ends with the process that holds it).
    Where that variable is set already (by SLURM, by the user) only its GPUs are taken; nothing is
    locked where all of them are wanted.
    """
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    there = visible_gpus()
    if count == 0 or (given is not None and count >= len(there)):
        chosen = there[:count]
        if count:  # one process sees one GPU, or frameworks spread it over all they see
            os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(chosen)
        yield chosen
        if given is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = given
        return
    # SLURM numbers the GPUs of each of its jobs from 0: those of another job are other GPUs.
    of_job = f"-{job}" if (job := os.environ.get("SLURM_JOB_ID")) and given is not None else ""
    folder = Path(tempfile.gettempdir()) / f"babelmix-gpus-{os.getuid()}{of_job}"
    folder.mkdir(mode=0o700, exist_ok=True)
    with contextlib.ExitStack() as held:
        claimed = _claim(held, folder, count, time.monotonic() + wait_s)
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(claimed)
        try:
            yield claimed
        finally:
            os.environ.pop("CUDA_VISIBLE_DEVICES", None)
            if given is not None:
                os.environ["CUDA_VISIBLE_DEVICES"] = given


def _claim(held: contextlib.ExitStack, folder: Path, count: int, until: float) -> list[str]:
    told = False
    while True:
        attempt = contextlib.ExitStack()
        claimed = []
        for gpu in visible_gpus():
            lock = attempt.enter_context((folder / f"{gpu}.lock").open("w"))
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                claimed.append(gpu)
            if len(claimed) == count:
                held.push(attempt)
                return claimed
        attempt.close()
        if not told:
            print(f"waiting for {count} free GPU(s) …", file=sys.stderr)
            told = True
        if time.monotonic() > until:
            raise BabelmixError(
                f"{count} free GPU(s) wanted, but other Babelmix jobs hold them. Run fewer jobs at "
                "once (`--resources gpu=N` with the number of GPUs of this machine)."
            )
        time.sleep(0.5)
