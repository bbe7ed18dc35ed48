"""What a SLURM cluster lacks for a run, found on its login node before anything is submitted.

SLURM is asked through its own programs alone; nothing is submitted except, where the user wants it,
one small job a partition that proves that nodes see this environment and this folder.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from ..config.load import read_yaml
from ..errors import BabelmixError
from .graph import Plan
from .jobs import Jobs

#: First part of the name of every job that the profile submits (`slurm-jobname-prefix`).
JOB_PREFIX = "babelmix"
PLACEHOLDER = "your-account"
_SIZES = {"": 1.0, "K": 1e-3, "M": 1.0, "G": 1e3, "T": 1e6}


def ask(*command: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run one of SLURM's programs; its output is text, a time-out is a failure."""
    try:
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=timeout, stdin=-3
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))


def fields(text: str) -> dict[str, str]:
    """``Key=value`` pairs of scontrol's output."""
    return {m[1]: m[2] for m in re.finditer(r"(\w+)\s*=\s*(\S+)", text)}


# --- jobs of an earlier run --------------------------------------------------------------------


def living_jobs(root: str, folder: Path) -> list[tuple[str, str, str]]:
    """(id, state, what) of jobs that an earlier run of this study set left in the queue.

    The executor does not take up its jobs again after it was killed, and a second job on the same
    output would destroy both. Jobs of another study set in the same folder are told apart by the
    files that their scripts name; a script that names none counts as ours.
    """
    if shutil.which("squeue") is None:
        return []
    listed = ask("squeue", "--noheader", "--me", "--format=%i|%T|%Z|%j|%k")
    found = []
    for line in listed.stdout.splitlines():
        job, state, place, name, comment = (line.split("|", 4) + [""] * 5)[:5]
        if not name.startswith(JOB_PREFIX) or Path(place).resolve() != folder.resolve():
            continue
        script = ask("scontrol", "write", "batch_script", job, "-").stdout
        sets = set(re.findall(r"results/([^/'\s]+)/", script))
        if not sets or Path(root).name in sets:
            found.append((job, state, comment))
    return found


def leftovers(root: str, folder: Path) -> list[str]:
    """One paragraph where jobs of an earlier run are alive, else nothing."""
    jobs = living_jobs(root, folder)
    if not jobs:
        return []
    shown = "\n".join(f"  {job}  {state:<10} {what}" for job, state, what in jobs[:10])
    more = f"\n  … and {len(jobs) - 10} more" if len(jobs) > 10 else ""
    ids = " ".join(job for job, _, _ in jobs)
    return [
        f"{len(jobs)} job(s) of an earlier run of {root} are still in the queue:\n{shown}{more}\n"
        "They were submitted before that run was killed, and would write the same files as this "
        "one. Wait until they have ended (`squeue --me`): what they finish is kept and not made "
        f"again. Or end them now: scancel {ids}"
    ]


# --- the cluster and the profile ---------------------------------------------------------------


def read_profile(path: Path) -> dict[str, Any]:
    """A profile's settings; a folder stands for the config.yaml in it."""
    file = path / "config.yaml" if path.is_dir() else path
    if not file.is_file():
        raise BabelmixError(f"{file}: no such profile. Name its folder with --slurm-profile.")
    return read_yaml(file)


def cluster_problems(plan: Plan, profile: dict[str, Any]) -> list[str]:
    """Everything that would stop a run, each in one paragraph with its mend."""
    lacking = [p for p in ("sbatch", "squeue", "scontrol", "srun") if shutil.which(p) is None]
    if lacking:
        return [
            f"SLURM's programs {', '.join(lacking)} are not on this machine's PATH. Log in to the "
            "cluster's login node (some need `module load slurm`)."
        ]
    settings = ask("scontrol", "show", "config")
    if settings.returncode:
        return [
            f"SLURM's controller does not answer: {settings.stderr.strip()}. Try again later, or "
            "ask the administrator."
        ]
    problems = []
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        problems.append(
            f"Snakemake's SLURM executor is not installed here: {sys.executable} -m pip install "
            "-r requirements-slurm.txt"
        )
    problems += _watching(fields(settings.stdout), profile)
    problems += _partitions(plan, profile)
    return problems


def _watching(settings: dict[str, str], profile: dict[str, Any]) -> list[str]:
    """How ended jobs are noticed: two ways in which the executor waits for ever."""
    if profile.get("slurm-status-command") != "squeue":
        return [
            "the profile says no `slurm-status-command: squeue`. With `sacct` the executor waits "
            "for ever for a job that somebody cancelled, and for all where accounting is off."
        ]
    first_look = int(profile.get("slurm-init-seconds-before-status-checks", 40))
    age = int(settings.get("MinJobAge", "300"))
    if age < 3 * first_look:
        return [
            f"this cluster forgets ended jobs after {age} s (MinJobAge), and the profile looks at "
            f"them every {first_look} s or more. Set `slurm-init-seconds-before-status-checks` to "
            f"{max(1, age // 3)} at most, or ask for MinJobAge=300."
        ]
    return []


def partitions(profile: dict[str, Any]) -> dict[str, list[str]]:
    """Partitions that the profile names, with the rules that go there (empty: all others)."""
    found: dict[str, list[str]] = {}
    default = (profile.get("default-resources") or {}).get("slurm_partition")
    if default:
        found[_plain(default)] = []
    for rule, resources in (profile.get("set-resources") or {}).items():
        if "slurm_partition" in resources:
            found.setdefault(_plain(resources["slurm_partition"]), []).append(rule)
    return found


def _plain(value: Any) -> str:
    return str(value).strip().strip("'\"")


def _partitions(plan: Plan, profile: dict[str, Any]) -> list[str]:
    problems = []
    account = _plain((profile.get("default-resources") or {}).get("slurm_account", ""))
    if account in {"", PLACEHOLDER}:
        problems.append(
            "the profile names no account yet: set `slurm_account` under `default-resources` "
            "(`sacctmgr show assoc user=$USER format=account` lists yours)."
        )
        account = ""
    for name, rules in partitions(profile).items():
        shown = ask("scontrol", "show", "partition", name)
        known = fields(shown.stdout)
        if shown.returncode or not known:
            names = ask("sinfo", "--noheader", "--format=%R").stdout.split()
            problems.append(
                f"partition '{name}' of the profile does not exist here. There are: "
                f"{', '.join(sorted(set(names)))}."
            )
            continue
        problems += _partition(name, known)
        problems += _fits(plan, name, rules)
        problems += _accepts(name, account)
    return problems


def _partition(name: str, known: dict[str, str]) -> list[str]:
    if known.get("State") != "UP":
        return [f"partition '{name}' is {known.get('State')}: it takes no jobs now."]
    if known.get("PreemptMode") == "CANCEL":
        return [
            f"partition '{name}' cancels preempted jobs (PreemptMode=CANCEL): the executor waits "
            "for ever for such a job. Choose a partition with PreemptMode=REQUEUE or OFF."
        ]
    return []


def _fits(plan: Plan, name: str, rules: list[str]) -> list[str]:
    """Do the largest training and the largest job of answers fit a node of their partition?"""
    if not rules and any(plan.config.models[m].gpus for m in plan.models):
        return []  # what takes GPUs goes elsewhere
    jobs, nodes = Jobs(plan), _nodes(name)
    asked: list[tuple[str, str, int, tuple[int, int, int]]] = []
    if "train" in rules or not rules:
        for run in (r.name for r in plan.runs.values() if r.mixture):
            wanted = (jobs.gpus(run), jobs.threads(run), jobs.train_memory(run))
            advice = "Lower `gpus`, `threads` or `nodes` of the model"
            what = f"models.{plan.runs[run].model}: a training"
            asked.append((what, f"{advice}, or choose another partition for `train`",
                          jobs.nodes(run) or 1, wanted))  # fmt: skip
    if "answer" in rules or not rules:
        for benchmark, run in plan.answer_sets():
            wanted = (
                jobs.answer_gpus(benchmark, run),
                jobs.answer_threads(benchmark, run),
                jobs.answer_memory(benchmark, run),
            )
            advice = "Lower `tensor_parallel`, `data_parallel` or the model's `threads`"
            what = f"benchmarks.{benchmark}: a job of answers of {plan.runs[run].model}"
            asked.append((what, f"{advice}, or choose another partition for `answer`", 1, wanted))
    problems = []
    for what, advice, needed, wanted in asked:
        fitting = [n for n in nodes if all(has >= w for has, w in zip(n, wanted, strict=True))]
        if len(fitting) < needed:
            problems.append(
                f"{what} asks for {needed} node(s), each with {wanted[0]} GPU(s), {wanted[1]} CPUs "
                f"and {wanted[2]} MB; partition '{name}' has {len(fitting)} such node(s). {advice} "
                "in the profile."
            )
    return list(dict.fromkeys(problems))


def _nodes(partition: str) -> list[tuple[int, int, float]]:
    """(GPUs, CPUs, MB) of each node of a partition."""
    listed = ask("sinfo", "--noheader", "--Node", "-p", partition, "--format=%G|%c|%m").stdout
    found = []
    for line in listed.splitlines():
        generic, cpus, memory = line.split("|")
        counts = re.findall(r"gpu:(?:[^:,(\d][^:,(]*:)?(\d+)", generic)
        size = re.match(r"(\d+)\+?([KMGT]?)", memory.strip())
        megabytes = float(size[1]) * _SIZES[size[2]] if size else 0.0
        found.append((sum(map(int, counts)), int(cpus.strip("+ ")), megabytes))
    return found


def _accepts(name: str, account: str) -> list[str]:
    """SLURM's own word on a job of this account in this partition; nothing is submitted."""
    command = ["sbatch", "--test-only", f"--partition={name}", "--ntasks=1", "--time=10"]
    command += [f"--account={account}"] if account else []
    tested = ask(*command, "--wrap=true")
    if tested.returncode:
        return [f"SLURM refuses a job in partition '{name}': {tested.stderr.strip()}"]
    return []


def try_nodes(profile: dict[str, Any], wait_s: int) -> list[str]:
    """Run one small job in each partition: do its nodes see this Python and this folder?"""
    problems = []
    account = _plain((profile.get("default-resources") or {}).get("slurm_account", ""))
    proof = Path(f".babelmix-check-{os.getpid()}")
    for name in partitions(profile):
        code = f"import babelmix, pathlib; pathlib.Path({str(proof)!r}).write_text('seen')"
        command = ["srun", f"--partition={name}", "--ntasks=1", "--time=5", "--mem=1000"]
        command += [f"--account={account}"] if account else []
        command += [f"--immediate={wait_s}", f"--chdir={Path.cwd()}", "--export=ALL"]
        done = ask(*command, sys.executable, "-c", code, timeout=wait_s + 300)
        if done.returncode:
            problems.append(
                f"a trial job in partition '{name}' failed: {done.stderr.strip()[-400:]}\n"
                f"Nodes must see this environment ({sys.prefix}) and this folder ({Path.cwd()}): "
                "both belong on the shared file system. If it only waited, try `--try-nodes 3600`."
            )
        elif not proof.is_file():
            problems.append(
                f"a job in partition '{name}' wrote to {Path.cwd()}, and this machine does not see "
                "it: the folder is not shared. Work on the cluster's shared file system."
            )
        proof.unlink(missing_ok=True)
    return problems
