"""Start one process a device, once, and take them down with us.

One supervisor (this process) stands over torchrun. DeepSpeed does not survive torchrun's own
restarts, so there are none: a training that dies is started again as a whole, in new processes
that meet at a new port, for as long as it gets further between two deaths. On several nodes the
verb runs once a node (srun) and restarts are the workload manager's; the nodes find each other
through SLURM's variables.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import FrameType

from ..errors import BabelmixError
from ..folders import try_to_write
from .checkpoints import seals
from .job import Job
from .ready import ADOPTED

_PORT = 29517


def node_count() -> int:
    """Nodes that run this verb side by side: SLURM's tasks, else 1."""
    return int(os.environ.get("SLURM_NNODES", "1")) if "SLURM_PROCID" in os.environ else 1


def launch(job: Job, processes: int, restarts: int = 2) -> None:
    """Run a job's processes on this node; returns when all have finished well.

    A death is answered by a restart, at most ``restarts`` times without a newer whole checkpoint.
    """
    left, known = restarts, seals(job.work)
    if not get_ready(job):
        return
    while (code := _run_once(job, processes)) != 0:
        if (now := seals(job.work)) - known:
            left, known = restarts, now
        try_to_write(job.work)  # on a full disk the next attempt would fail as well
        if left == 0 or node_count() > 1:
            raise BabelmixError(
                f"{job.spec.run}: a training process failed (its error stands above; exit code -9 "
                "means that it was killed, by the kernel where memory ran out). Run it again: it "
                f"resumes from the newest whole checkpoint in {job.work}."
            )
        left -= 1
        print(f"{job.spec.run}: a process died (status {code}); starting again", file=sys.stderr)


def get_ready(job: Job) -> bool:
    """Settle what all processes must agree on, in one process on the first node's CPU.

    The other nodes' processes meet the first one's before they need any of it. Says whether there
    is anything to train.
    """
    if node_rank() > 0:
        return True
    words = [sys.executable, "-m", "babelmix.train.ready", str(_job_file(job))]
    alone = job.model_copy(update={"on_gpu": False})
    code = _supervise(job, words, _environment(alone))
    if code not in (0, ADOPTED):
        raise BabelmixError(f"{job.spec.run}: it could not be prepared (its error stands above).")
    return code == 0


def _run_once(job: Job, processes: int) -> int:
    """Start the processes and wait for them; returns torchrun's status."""
    words = command(_job_file(job), processes, job.spec.recipe.deepspeed is not None)
    return _supervise(job, words, _environment(job))


def _job_file(job: Job) -> Path:
    path = job.work / f"job.{node_rank()}.json"
    path.write_text(job.model_dump_json(), encoding="utf-8")
    return path


def _environment(job: Job) -> dict[str, str]:
    environment = os.environ | {"OMP_NUM_THREADS": str(job.threads)}
    package = str(Path(__file__).resolve().parents[2])
    environment["PYTHONPATH"] = os.pathsep.join(
        [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    if not job.on_gpu:
        environment |= {"DS_ACCELERATOR": "cpu", "CUDA_VISIBLE_DEVICES": ""}
    return environment


def _supervise(job: Job, words: list[str], environment: dict[str, str]) -> int:
    """Run a command that ends with us; raises what its processes leave as a complaint."""
    complaint = complaint_file(job.work)
    complaint.unlink(missing_ok=True)
    child = subprocess.Popen(
        words,
        env=environment,
        preexec_fn=_die_with_parent,
        stdin=subprocess.DEVNULL,
    )

    stopped: list[int] = []

    def pass_on(number: int, _: FrameType | None) -> None:
        stopped.append(number)
        child.send_signal(number)

    before = {n: signal.signal(n, pass_on) for n in (signal.SIGTERM, signal.SIGINT)}
    try:
        code = child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if complaint.is_file():
        raise BabelmixError(complaint.read_text(encoding="utf-8"))
    if stopped and code != 0:
        raise BabelmixError(f"{job.spec.run}: stopped by signal {stopped[0]}; run it to go on.")
    return code


def command(job_file: Path, processes: int, deepspeed: bool = True) -> list[str]:
    """The command line for this node: torchrun, or the worker itself where it is alone."""
    nodes = node_count()
    if nodes == processes == 1 and not deepspeed:
        # Saves torchrun's import of torch; DeepSpeed needs the variables that torchrun sets.
        return [sys.executable, "-m", "babelmix.train.worker", str(job_file)]
    meeting = ["--standalone"]
    if nodes > 1:
        meeting = [
            f"--nnodes={nodes}",
            f"--node-rank={node_rank()}",
            f"--master-addr={first_node()}",
            f"--master-port={_PORT}",
        ]
    runner = [sys.executable, "-m", "torch.distributed.run", *meeting]
    runner += [f"--nproc-per-node={processes}", "--max-restarts=0"]
    return [*runner, "-m", "babelmix.train.worker", str(job_file)]


def node_rank() -> int:
    """This node's number."""
    return int(os.environ.get("SLURM_NODEID", "0")) if node_count() > 1 else 0


def first_node() -> str:
    """Name of the node that the others meet at."""
    nodes = os.environ.get("SLURM_JOB_NODELIST") or os.environ.get("SLURM_STEP_NODELIST")
    if not nodes:
        return socket.gethostname()
    listed = subprocess.run(
        ["scontrol", "show", "hostnames", nodes], capture_output=True, text=True, check=True
    )
    return listed.stdout.split()[0]


def complaint_file(work: Path) -> Path:
    """Where a worker leaves the text of an error that the user can mend."""
    return work / "error.txt"


def _die_with_parent() -> None:
    """In the child: be ended by the kernel when the supervisor is killed (Linux)."""
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
