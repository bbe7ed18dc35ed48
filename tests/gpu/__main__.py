"""Command line of the check: ``python -m tests.gpu`` (`make test-gpu`; see docs/gpu.md)."""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

from .report import Record
from .runner import Check, Context, Outcome, do, find_step

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Run the check; 1 where a step failed or was cut."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--out", type=Path, help="folder of the record ($OUT, results/gpu-check)")
    parser.add_argument("--only", nargs="+", help="these steps alone")
    parser.add_argument("--budget", type=float, default=360.0, help="seconds for everything")
    parser.add_argument("--jobs", type=int, help="correctness steps side by side")
    parser.add_argument(
        "--fresh", action="store_true", help="start an interpreter for each step; slower"
    )
    parser.add_argument("--steps", default="tests.gpu.steps", help=argparse.SUPPRESS)
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step:
        return do(find_step(args.steps, args.step), Context(args.device, args.folder))
    _set_environment()
    device = args.device if args.device != "auto" else _device()
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    else:  # one card; set, it is also not locked against the steps beside each other
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")
    steps = importlib.import_module(args.steps).STEPS
    unknown = set(args.only or []) - {step.name for step in steps}
    if unknown:
        parser.error(f"no such step: {', '.join(sorted(unknown))}")
    chosen = [step for step in steps if not args.only or step.name in args.only]
    out = args.out or Path(os.environ.get("OUT") or ROOT / "results" / "gpu-check")
    record = Record(out, device, [step.name for step in chosen])
    scratch = Path(tempfile.mkdtemp(prefix="gpu-check-"))
    jobs = args.jobs or max(1, min(4, (os.cpu_count() or 1) // 4))
    # A CUDA context does not survive a fork: on a GPU every step starts an interpreter of its own.
    fresh = args.steps if args.fresh or device == "cuda" else None
    if fresh is None:
        _import_once()
    told: set[str] = set()

    def write(outcomes: list[Outcome]) -> None:
        record.write(outcomes)
        for outcome in outcomes:
            if outcome.name not in told:
                told.add(outcome.name)
                said = f"{outcome.name}: {outcome.status} ({outcome.seconds:.0f} s)"
                print(said + (f": {outcome.reason}" if outcome.reason else ""), flush=True)

    record.write([])
    try:
        outcomes = Check(
            chosen, device, scratch, budget=args.budget, jobs=jobs, write=write, fresh=fresh
        ).run()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print(record.table.read_text(encoding="utf-8"))
    print(f"written: {record.json}, {record.table}")
    return int(any(outcome.status in ("failed", "cut") for outcome in outcomes))


def _set_environment() -> None:
    """For this process and all that it starts: nothing is fetched, our packages are found."""
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE"):
        os.environ[name] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    paths = [str(ROOT / "workflow"), str(ROOT), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    sys.path[:0] = paths[:2]
    os.chdir(ROOT)


def _device() -> str:
    there = Path("/proc/driver/nvidia/gpus").is_dir() or Path("/dev/nvidia0").exists()
    return "cuda" if there or shutil.which("nvidia-smi") else "cpu"


def _import_once() -> None:
    """Import what all steps need before they are forked."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    for name in ("torch", "transformers", "transformers.trainer", "accelerate"):
        try:
            importlib.import_module(name)
        except ImportError:
            return


if __name__ == "__main__":
    sys.exit(main())
