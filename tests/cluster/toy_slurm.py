"""A SLURM of one's own on this machine: two virtual nodes with fake GPUs, all on loopback.

    python -m tests.cluster.toy_slurm start|stop|status

Debian's packages (`apt-get install slurm-wlm slurm-wlm-basic-plugins munge`), no systemd, no
database. Everything lies below one folder; only ``/etc/slurm/slurm.conf`` (a link, because the
executor's job step drops SLURM_CONF) and two lines in ``/etc/hosts`` (so that nodes meet by name)
are outside of it, and both go again with ``stop``. Needs root, as slurmd does.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

HOME = Path(os.environ.get("BABELMIX_TOY_SLURM", "/tmp/babelmix-slurm"))
NODES = ("toy1", "toy2")
GPUS = 2
PORT = 17100
ETC = Path("/etc/slurm")
HOSTS = Path("/etc/hosts")
MARK = "# babelmix toy slurm"


def missing() -> str | None:
    """Why no toy SLURM can run here; None where it can."""
    if os.getuid() != 0:
        return "needs root"
    lacking = [p for p in ("slurmctld", "slurmd", "munged", "sbatch") if shutil.which(p) is None]
    return f"not installed: {', '.join(lacking)}" if lacking else None


def slurm_conf(min_job_age: int = 300) -> str:
    """Configuration: requeue soon, notice a dead node soon, kill what exceeds its memory."""
    nodes = "\n".join(
        f"NodeName={name} NodeHostname=localhost NodeAddr=127.0.0.1 Port={PORT + 10 + i}"
        for i, name in enumerate(NODES)
    )
    partition = "Nodes=ALL State=UP DefaultTime=10 MaxTime=1-00:00:00"
    return f"""\
ClusterName=toy
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# A requeued job may start again when its credential has expired: soon.
AuthInfo=socket={HOME}/munge/socket,cred_expire=5
CredType=cred/munge
SlurmctldPort={PORT}
SlurmctldPidFile={HOME}/run/slurmctld.pid
SlurmdPidFile={HOME}/run/%n.pid
SlurmctldLogFile={HOME}/log/slurmctld.log
SlurmdLogFile={HOME}/log/%n.log
StateSaveLocation={HOME}/state
SlurmdSpoolDir={HOME}/spool/%n
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SlurmdTimeout=10
SlurmctldTimeout=15
MessageTimeout=30
KillWait=5
MinJobAge={min_job_age}
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0,sched_min_interval=0
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
GresTypes=gpu
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={HOME}/log/jobs.txt
NodeName=DEFAULT CPUs=8 RealMemory=32000 Gres=gpu:{GPUS} State=UNKNOWN
{nodes}
PartitionName=cpu {partition} Default=YES PriorityTier=10 PreemptMode=OFF
PartitionName=gpu {partition} PriorityTier=10 PreemptMode=OFF
PartitionName=spare {partition} PriorityTier=1 PreemptMode=REQUEUE
PartitionName=killing {partition} PriorityTier=1 PreemptMode=CANCEL
"""


def start() -> None:
    """Start munge, the controller and the nodes; returns when all nodes are idle."""
    if why := missing():
        raise SystemExit(f"no toy SLURM here: {why}")
    stop()
    shutil.rmtree(HOME, ignore_errors=True)
    for part in ("run", "log", "state", "dev", *(f"spool/{n}" for n in NODES)):
        (HOME / part).mkdir(parents=True, exist_ok=True)
    (HOME / "munge").mkdir(mode=0o711, exist_ok=True)
    HOME.chmod(0o755)
    key = HOME / "munge" / "key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    for number in range(GPUS):
        device = HOME / "dev" / f"nvidia{number}"
        if not device.exists():  # a copy of /dev/null: slurmd wants a character device
            os.mknod(device, 0o666 | 0o020000, os.makedev(1, 3))
    (HOME / "gres.conf").write_text(
        f"NodeName={','.join(NODES)} Name=gpu File={HOME}/dev/nvidia[0-{GPUS - 1}]\n"
    )
    (HOME / "slurm.conf").write_text(slurm_conf())
    ETC.mkdir(exist_ok=True)
    for name in ("slurm.conf", "gres.conf"):
        link = ETC / name
        if link.exists() and not link.is_symlink():
            raise SystemExit(f"{link} is a real configuration; no toy SLURM beside it")
        link.unlink(missing_ok=True)
        link.symlink_to(HOME / name)
    with HOSTS.open("a") as hosts:
        hosts.write(f"127.0.0.1 {' '.join(NODES)} {MARK}\n")
    munge = HOME / "munge"
    subprocess.run(
        [
            *("munged", "--force", f"--key-file={key}", f"--socket={munge}/socket"),
            *(f"--pid-file={HOME}/run/munged.pid", f"--log-file={HOME}/log/munged.log"),
            f"--seed-file={munge}/seed",
        ],
        check=True,
    )
    subprocess.run(["slurmctld", "-c"], check=True)
    wait_until(lambda: tool("scontrol", "ping").returncode == 0, 30, "the controller")
    for node in NODES:
        start_node(node)


def start_node(node: str) -> None:
    """Start one node; returns when it can take jobs."""
    subprocess.run(["slurmd", "-N", node], check=True)
    wait_until(lambda: node_state(node) in {"idle", "mixed", "allocated"}, 60, node)


def kill_node(node: str) -> None:
    """A node dies: its daemon, and all that runs on it."""
    daemon = _pid(HOME / "run" / f"{node}.pid")
    steps = [p for p in _processes("slurmstepd") if _node_of(p) == node]
    for process in ([daemon] if daemon else []) + [c for p in steps for c in _tree(p)] + steps:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def stop() -> None:
    """Stop all daemons and take back what lies outside the folder."""
    for name in (*NODES, "slurmctld", "munged"):
        file = HOME / "run" / f"{name}.pid"
        process = _pid(file)
        if process:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGTERM)
            until = time.monotonic() + 10
            while _alive(process) and time.monotonic() < until:
                time.sleep(0.1)
        file.unlink(missing_ok=True)
    for name in ("slurm.conf", "gres.conf"):
        link = ETC / name
        if link.is_symlink() and link.readlink().is_relative_to(HOME):
            link.unlink()
    lines = HOSTS.read_text().splitlines(keepends=True)
    if any(MARK in line for line in lines):  # written in place: it may be a mount
        HOSTS.write_text("".join(line for line in lines if MARK not in line))


def tool(*command: str) -> subprocess.CompletedProcess[str]:
    """One of SLURM's own programs; its output is text."""
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def queue(form: str = "%i|%T|%P|%k|%j", *options: str) -> list[list[str]]:
    """The queue, a list of fields a job."""
    listed = tool("squeue", "-h", "-o", form, *options).stdout
    return [line.split("|") for line in listed.splitlines()]


def node_state(node: str) -> str:
    """State of a node, in SLURM's word."""
    return tool("sinfo", "-h", "-N", "-n", node, "-p", "cpu", "-o", "%T").stdout.strip().rstrip("*")


def wait_until(condition, seconds: float, what: str) -> None:
    """Wait for something; an AssertionError names what did not come."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"{what}: not after {seconds} s"
        time.sleep(0.2)


def _pid(file: Path) -> int | None:
    try:
        process = int(file.read_text())
    except (OSError, ValueError):
        return None
    return process if _alive(process) else None


def _alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def _processes(name: str) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "comm").read_text().strip() == name:
                found.append(int(entry.name))
    return found


def _node_of(process: int) -> str | None:
    """The virtual node of a slurmstepd: its parent daemon's, or that of its spool folder."""
    with contextlib.suppress(OSError):
        environment = Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
        for entry in environment:
            if entry.startswith(b"SLURMD_NODENAME="):
                return entry.split(b"=", 1)[1].decode()
        for child in _tree(process):
            for entry in Path(f"/proc/{child}/environ").read_bytes().split(b"\0"):
                if entry.startswith(b"SLURMD_NODENAME="):
                    return entry.split(b"=", 1)[1].decode()
    return None


def _tree(process: int) -> list[int]:
    """All that descends from a process."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            parents.setdefault(parent, []).append(int(entry.name))
    found, open_ = [], [process]
    while open_:
        children = parents.get(open_.pop(), [])
        found += children
        open_ += children
    return found


def main() -> None:
    """Start, stop or show it by hand."""
    verb = sys.argv[1] if len(sys.argv) > 1 else "status"
    if verb == "start":
        start()
    elif verb == "stop":
        stop()
    print(tool("sinfo", "-N", "-o", "%N %P %t %c %m %G").stdout or "no SLURM is running")


if __name__ == "__main__":
    main()
