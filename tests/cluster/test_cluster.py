"""The study on a real SLURM, and every way in which a cluster fails. `make test-cluster`."""

from __future__ import annotations

import copy
import importlib.util
import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from babelmix.config.load import build_config
from babelmix.plan import Jobs, Plan
from tests.cluster import toy_slurm
from tests.cluster.cluster_study import EXECUTOR, ClusterStudy, ended_jobs
from tests.options import as_options
from tests.study import kill_group, mini_config

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]

RUN = "tiny.mono-EN.quick.s1"
STEPS = 30
#: Far more than a minute's work on any machine that runs this, with a checkpoint at every step.
STEPS_OF_MINUTES = 150


@pytest.fixture(scope="module", autouse=True)
def slurm() -> Iterator[None]:
    if why := toy_slurm.missing():
        pytest.skip(why)
    if not EXECUTOR.is_dir() and not importlib.util.find_spec("snakemake_executor_plugin_slurm"):
        pytest.skip("the SLURM executor is not installed (`make test-cluster` does)")
    toy_slurm.start()
    yield
    toy_slurm.tool("scancel", "--user", "root")
    toy_slurm.stop()


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> ClusterStudy:
    """The whole mini study, run on the cluster once; figures fail at first for want of memory."""
    made = ClusterStudy(tmp_path_factory.mktemp("cluster"), mini_config())
    # The first attempt gets 60 MB, less than Python with the charts takes; the second 3,840.
    made.resources = ("make_figures:mem_mb=60*attempt**6",)
    done = made.run()
    assert done.returncode == 0, done.stdout[-6000:]
    (made.folder / "first.log").write_text(done.stdout)
    return made


@pytest.fixture
def longer(study: ClusterStudy) -> ClusterStudy:
    """One training of the study, made anew with more steps."""
    config = copy.deepcopy(study.config)
    config["training"]["quick"] |= {"max_steps": STEPS, "checkpoint_steps": 3}
    one = study.with_config(config)
    one.targets = (f"results/mini/checkpoints/{RUN}.json",)
    shutil.rmtree(one.results / "work", ignore_errors=True)
    (one.results / "checkpoints" / f"{RUN}.json").unlink(missing_ok=True)
    return one


def newest_step(study: ClusterStudy) -> int:
    folders = (study.results / "work" / "train" / RUN).glob("checkpoint-*/whole.json")
    return max((int(f.parent.name.split("-")[1]) for f in folders), default=0)


def rows_so_far(study: ClusterStudy) -> list[str]:
    """The training curve as it stands in the work folder, each row with its wall-clock seconds."""
    (file,) = (study.results / "work" / "train" / RUN).glob("*metrics*.jsonl")
    return file.read_text().splitlines()


def job_of(study: ClusterStudy) -> tuple[str, str, str]:
    """(id, state, node) of the one training in the queue."""
    jobs = [j for j in toy_slurm.queue("%i|%T|%N|%k|%Z") if "rule_train" in j[3]]
    return (jobs[0][0], jobs[0][1], jobs[0][2]) if jobs else ("", "", "")


def wait_for_step(study: ClusterStudy, step: int) -> tuple[int, list[str], str, str]:
    """Wait until the training is past a checkpoint: (its step, the curve, job, node)."""
    toy_slurm.wait_until(lambda: newest_step(study) >= step, 240, f"checkpoint {step}")
    job, _, node = job_of(study)
    at = newest_step(study)
    return at, rows_so_far(study), job, node


def went_on(study: ClusterStudy, at: int, rows: list[str], steps: int = STEPS) -> bool:
    """The finished curve begins with the very rows that were there before the interruption."""
    final = (study.results / "checkpoints" / f"{RUN}.metrics.jsonl").read_text().splitlines()
    kept = [r for r in rows if json.loads(r)["step"] <= at]
    assert kept
    assert json.loads(final[-1])["step"] == steps
    return final[: len(kept)] == kept


def finish(process: subprocess.Popen[str], log: Path) -> str:
    assert process.wait(900) == 0, log.read_text()[-5000:]
    return log.read_text()


def end(process: subprocess.Popen[str]) -> None:
    """Leave nothing behind where a test failed half-way."""
    if process.poll() is None:
        kill_group(process)


def test_check_says_what_is_missing_and_then_nothing(tmp_path: Path) -> None:
    study = ClusterStudy(tmp_path, mini_config())
    study.command()
    ready = study.check("--cluster", "--slurm-profile", "slurm", "--try-nodes", "60")
    assert ready.returncode == 0, ready.stderr
    text = (tmp_path / "slurm" / "config.yaml").read_text()
    wrong = text.replace("slurm_partition: gpu", "slurm_partition: killing")
    (tmp_path / "slurm" / "config.yaml").write_text(wrong)
    refused = study.check("--cluster", "--slurm-profile", "slurm")
    assert refused.returncode == 2
    assert "partition 'killing' cancels preempted jobs" in refused.stderr


def test_the_study_runs_and_a_job_out_of_memory_gets_more(study: ClusterStudy) -> None:
    assert (study.results / "report" / "index.html").is_file()
    log = (study.folder / "first.log").read_text()
    asked = [line for line in log.splitlines() if "mem_mb=60," in line or "mem_mb=3840," in line]
    assert len(asked) == 2, asked
    states = [j.state for j in ended_jobs() if j.name.startswith("babelmix_")]
    assert len([s for s in states if s != "COMPLETED"]) == 1
    assert log.count("has been submitted with SLURM jobid") == len(states)
    # The benchmarks of all languages were submitted as one job, and so were the normalised files.
    assert log.count("slurm_logs/group_benchmarks") == 1
    assert log.count("slurm_logs/group_normalise") == 1
    assert study.planned() == {}


def test_a_preempted_training_is_requeued_and_goes_on(longer: ClusterStudy) -> None:
    longer.resources = ("train:slurm_partition='spare'",)
    log = longer.folder / "preempt.log"
    process = longer.start_logged(log)
    try:
        at, rows, job, _ = wait_for_step(longer, 3)
        urgent = toy_slurm.tool(
            *("sbatch", "--parsable", "-p", "cpu", "-N2", "--exclusive", "--wrap", "sleep 5")
        ).stdout.strip()
        toy_slurm.wait_until(lambda: job_of(longer)[1] == "PENDING", 60, "requeued")
        assert urgent.isdigit()
        text = finish(process, log)
    finally:
        end(process)
    assert went_on(longer, at, rows)
    assert text.count("has been submitted") == 1  # SLURM's requeue, no second submission
    assert [j.state for j in ended_jobs() if j.job == job][-1] == "COMPLETED"


def test_a_training_out_of_time_gets_more_and_goes_on(longer: ClusterStudy) -> None:
    longer.resources = ("train:runtime=max(1,20*(attempt-1))",)
    longer.config["training"]["quick"] |= {"max_steps": STEPS_OF_MINUTES, "checkpoint_steps": 1}
    log = longer.folder / "time.log"
    before = len(ended_jobs())
    process = longer.start_logged(log)
    try:
        first = wait_for_step(longer, 1)[2]
        toy_slurm.wait_until(lambda: job_of(longer)[0] not in {"", first}, 300, "second attempt")
        at, rows = newest_step(longer), rows_so_far(longer)
        finish(process, log)
    finally:
        end(process)
    assert [j.state for j in ended_jobs()[before:]] == ["TIMEOUT", "COMPLETED"]
    assert went_on(longer, at, rows, STEPS_OF_MINUTES)


def test_a_dead_node_costs_the_steps_since_the_last_checkpoint(longer: ClusterStudy) -> None:
    log = longer.folder / "node.log"
    process = longer.start_logged(log)
    node = ""
    try:
        at, rows, _, node = wait_for_step(longer, 3)
        toy_slurm.kill_node(node)
        text = finish(process, log)
    finally:
        end(process)
        if node:
            toy_slurm.start_node(node)
    assert went_on(longer, at, rows)
    assert text.count("has been submitted") == 1
    assert ended_jobs()[-1].node != node


def test_a_cancelled_job_is_noticed_and_made_again(longer: ClusterStudy) -> None:
    log = longer.folder / "cancel.log"
    process = longer.start_logged(log)
    try:
        at, rows, job, _ = wait_for_step(longer, 3)
        toy_slurm.tool("scancel", job)
        text = finish(process, log)
    finally:
        end(process)
    assert went_on(longer, at, rows)
    assert text.count("has been submitted") == 2


def test_snakemake_killed_and_started_again_submits_nothing_twice(longer: ClusterStudy) -> None:
    # A training that was never made: where an older one was, under other settings, Snakemake's note
    # of those outlives the kill, and it trains once more.
    shutil.rmtree(longer.folder / ".snakemake" / "metadata")
    before = len(ended_jobs())
    process = longer.start_logged(longer.folder / "killed.log")
    try:
        wait_for_step(longer, 3)
    finally:
        kill_group(process)
    job, state, _ = job_of(longer)
    assert state == "RUNNING"
    assert longer.run("--unlock").returncode == 0
    refused = longer.run()
    assert refused.returncode != 0
    assert f"scancel {job}" in refused.stdout
    assert "earlier run" in refused.stdout
    assert [j[0] for j in toy_slurm.queue("%i|%T")] == [job]
    toy_slurm.wait_until(lambda: not toy_slurm.queue(), 300, "the job to end by itself")
    again = longer.run()
    assert again.returncode == 0, again.stdout[-3000:]
    assert "Nothing to be done" in again.stdout
    assert [j.state for j in ended_jobs()[before:]] == ["COMPLETED"]


RANKS = """
rule two_gpus:
    output: "two/done.json"
    threads: 2
    resources: gpu={gpu}, slurm_partition="gpu", mem_mb=4000, runtime=20
    shell: "sh train.sh two 2"


rule two_nodes:
    output: "nodes/done.json"
    threads: 2
    resources:
        nodes={nodes}, tasks={nodes}, tasks_per_gpu={tasks_per_gpu}, gres="{gres}", mpi="{mpi}",
        slurm_partition="gpu", mem_mb=4000, runtime=20
    shell: "{launcher}sh train.sh nodes 1"
"""

TRAIN = """
echo "$SLURM_NODEID $CUDA_VISIBLE_DEVICES" >> $1.starts
exec python -m babelmix train {settings} \\
  --mixture {mixture} --tokenised {tokenised} --model {model} \\
  --threads 2 --nproc $2 --work $1/work --folder $1/out \\
  --metrics $1/metrics.jsonl --completed $1/done.json
"""


def sized(**model: object) -> Jobs:
    config = mini_config()
    config["models"]["tiny"] |= {"device": "cuda", **model}
    return Jobs(Plan(build_config(config)))


def test_ranks_are_started_once_on_one_node_and_on_two(study: ClusterStudy) -> None:
    """Two fake GPUs, trained on by two CPU ranks; then two nodes that meet, one rank on each."""
    folder = study.folder / "ranks"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "two").mkdir(parents=True)
    (folder / "nodes").mkdir()
    one, many = sized(gpus=2), sized(gpus=1, nodes=2)
    rules = RANKS.format(
        gpu=one.gpus_on_one_node(RUN),
        nodes=many.nodes(RUN),
        tasks_per_gpu=many.no_tasks_by_gpu(RUN),
        gres=many.gpus_by_node(RUN),
        mpi=many.srun(RUN),
        launcher=many.launcher(RUN, 2),
    )
    (folder / "Snakefile").write_text(rules)
    plain = Jobs(Plan(build_config(study.config)))
    inputs = plain.train_input(RUN)
    (folder / "train.sh").write_text(
        TRAIN.format(
            settings=shlex.join(as_options(plain.train(RUN))),
            mixture=study.folder / inputs["mixture"],
            tokenised=" ".join(str(study.folder / f) for f in inputs["tokenised"]),
            model=study.folder / inputs["model"].removesuffix(".json"),
        )
    )
    study.command()
    command = [*(sys.executable, "-m", "snakemake"), "--directory", str(folder)]
    command += ["--snakefile", str(folder / "Snakefile"), "--profile", "none"]
    command += ["--workflow-profile", str(study.folder / "slurm")]
    done = subprocess.run(
        [*command, "two/done.json", "nodes/done.json"],
        env=study.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert (folder / "two.starts").read_text().split() == ["0", "0,1"]
    assert sorted((folder / "nodes.starts").read_text().splitlines()) == ["0 0", "1 0"]
    jobs = {
        place: [json.loads(f.read_text()) for f in sorted((folder / place).glob("work/job.*.json"))]
        for place in ("two", "nodes")
    }
    assert [job["devices"] for job in jobs["two"]] == [2]
    assert [job["devices"] for job in jobs["nodes"]] == [2, 2]
    # Two ranks are two ranks: the same losses wherever they stand.
    curves = [
        [json.loads(line)["loss"] for line in file.read_text().splitlines() if '"loss"' in line]
        for file in (folder / "two" / "metrics.jsonl", folder / "nodes" / "metrics.jsonl")
    ]
    assert curves[0] == pytest.approx(curves[1], abs=1e-4)
