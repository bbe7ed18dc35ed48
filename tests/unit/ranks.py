"""Trainings of several ranks from one process that has imported everything, once.

``python ranks.py SCENARIOS.json`` runs the train verb for each scenario; torchrun is replaced by
forks, so that a rank starts in milliseconds. Everything else is the verb's own: its supervisor,
DeepSpeed, gloo, checkpoints, export. A scenario is ``{"words": [...], "kill": {"ranks", "step"}}``.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
import time
import traceback
from pathlib import Path
from typing import Any

os.environ |= {"DS_ACCELERATOR": "cpu", "CUDA_VISIBLE_DEVICES": ""}
os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"  # no pool of compilers to fork along

# Imported late by DeepSpeed itself: each rank would spend 5 s on it.
import deepspeed.runtime.zero.muon.muon_optimizer  # noqa: F401
from deepspeed.runtime.zero.partitioned_param_coordinator import PartitionedParameterCoordinator

from babelmix.errors import BabelmixError
from babelmix.train import launch, ready, selection, train, watch, worker
from babelmix.train.job import Job

KILL: dict[str, Any] = {}


def die_where_told() -> None:
    """Make this rank kill itself after a step, once."""
    after = watch.Recorder.on_step_end

    def on_step_end(self: Any, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        after(self, args, state, control, **kwargs)
        if KILL.get("step") == state.global_step and args.process_index in KILL["ranks"]:
            Path(KILL["mark"]).touch()
            os.kill(os.getpid(), signal.SIGKILL)

    watch.Recorder.on_step_end = on_step_end  # type: ignore[method-assign]


def count_gathering() -> None:
    """Say how often weights are gathered for a forward pass while answers are written."""
    gather = PartitionedParameterCoordinator.fetch_sub_module
    answer, seen = selection._answer, {"answering": False, "gathered": 0}

    def fetch_sub_module(self: Any, *args: Any, **kwargs: Any) -> Any:
        seen["gathered"] += seen["answering"]
        return gather(self, *args, **kwargs)

    def _answer(*args: Any) -> list[str]:
        seen["answering"] = True
        answers = answer(*args)
        seen["answering"] = False
        print(f"gathered while answering: {seen['gathered']}", file=sys.stderr)
        return answers

    PartitionedParameterCoordinator.fetch_sub_module = fetch_sub_module
    selection._answer = _answer


def rank_main(job: Job, rank: int, ranks: int, port: int) -> None:
    """One rank, in a fork; never returns."""
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(ranks),
        "LOCAL_WORLD_SIZE": str(ranks),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    code = 1
    try:
        worker.work(job)
        code = 0
    except BabelmixError as error:
        launch.complaint_file(job.work).write_text(str(error), encoding="utf-8")
        code = 2
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def run_forked(job: Job, processes: int) -> int:
    """In place of torchrun: when one rank dies the others are killed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    complaint = launch.complaint_file(job.work)
    complaint.unlink(missing_ok=True)
    children = []
    for rank in range(processes):
        child = os.fork()
        if child == 0:
            rank_main(job, rank, processes, port)
        children.append(child)
    failed = 0
    for _ in children:
        _, status = os.wait()
        if status and not failed:
            failed = 1
            time.sleep(0.2)
            for child in children:
                try:
                    os.kill(child, signal.SIGKILL)
                except ProcessLookupError:
                    continue
    if KILL and Path(KILL["mark"]).exists():
        KILL.clear()  # once
    if complaint.is_file():
        raise BabelmixError(complaint.read_text(encoding="utf-8"))
    return failed


def main() -> None:
    """Run all scenarios; one that must fail says so."""
    die_where_told()
    count_gathering()
    launch._run_once = run_forked  # type: ignore[assignment]
    launch.get_ready = ready.make_ready
    for scenario in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        start = time.monotonic()
        KILL.clear()
        KILL.update(scenario.get("kill") or {})
        parser = argparse.ArgumentParser()
        train.add_arguments(parser)
        try:
            train.run(parser.parse_args(scenario["words"]))
        except BabelmixError as error:
            print(f"{scenario['name']}: BabelmixError: {error}", flush=True)
            if not scenario.get("fails"):
                raise
        print(f"{scenario['name']}: {time.monotonic() - start:.1f} s", flush=True)
        for torn in scenario.get("then_tear", []):
            Path(torn).unlink()


if __name__ == "__main__":
    main()
