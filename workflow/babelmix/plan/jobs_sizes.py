"""What each job asks of the machine or the cluster: threads, GPUs, nodes, memory, time."""

from __future__ import annotations

from . import sizes
from .jobs_base import JobsBase


class SizeJobs(JobsBase):
    """Resources of jobs whose size hangs on the configuration."""

    def threads(self, run: str) -> int:
        """CPU threads of a training or of its answers."""
        return self.config.models[self.plan.runs[run].model].threads

    def gpus(self, run: str) -> int:
        """GPUs that a run needs (on each of its nodes)."""
        return self.config.models[self.plan.runs[run].model].gpus

    def nodes(self, run: str) -> int | None:
        """Nodes of a training; None where it is one (then no rule asks for any)."""
        nodes = self.config.models[self.plan.runs[run].model].nodes
        return nodes if nodes > 1 else None

    def gpus_on_one_node(self, run: str) -> int | None:
        """GPUs of a training on one node; None where it takes several (`gpus_by_node` then)."""
        return None if self.nodes(run) else self.gpus(run)

    def gpus_by_node(self, run: str) -> str | None:
        """SLURM's `gres` of a training on several nodes: GPUs on each of them."""
        return f"gpu:{self.gpus(run)}" if self.nodes(run) else None

    def srun(self, run: str) -> str | None:
        """The executor's `mpi`: the rule starts its own tasks, one a node, where there are many."""
        return "srun" if self.nodes(run) else None

    def no_tasks_by_gpu(self, run: str) -> int | None:
        """Zero, so that the executor does not read `tasks` as tasks a GPU."""
        return 0 if self.nodes(run) else None

    def launcher(self, run: str, threads: int) -> str:
        """What starts the verb once a node; empty on one node."""
        nodes = self.nodes(run)
        if not nodes:
            return ""
        return (
            f"srun --nodes={nodes} --ntasks={nodes} --ntasks-per-node=1 --cpus-per-task={threads}"
            f" --gres=gpu:{self.gpus(run)} --kill-on-bad-exit=1 --mpi=none "
        )

    def model_memory(self, model: str, attempt: int = 1) -> int:
        """Host memory to load a base model, MB: 4 bytes a parameter twice, and 3 GB beside."""
        return attempt * (int(8e3 * (self.config.models[model].parameters_b or 0.2)) + 3000)

    def train_memory(self, run: str, attempt: int = 1) -> int:
        """Host memory of a training on each node, MB: weights, gradients, AdamW's state in fp32.

        On GPUs the state is there, and the host needs a copy of the weights for each rank; with
        `offload_optimizer` it is on the host again.
        """
        job = self.plan.runs[run]
        model, recipe = self.config.models[job.model], self.config.training[job.recipe or ""]
        bytes_per_parameter = 20 if not model.gpus else 4 * (model.gpus + 1)
        if model.gpus and recipe.deepspeed and recipe.deepspeed.offload_optimizer:
            bytes_per_parameter += 16
        return attempt * (int(1e3 * bytes_per_parameter * (model.parameters_b or 0.2)) + 3000)

    def answer_memory(self, run: str, attempt: int = 1) -> int:
        """Host memory of answering, MB."""
        return self.model_memory(self.plan.runs[run].model, attempt)

    def train_minutes(self, run: str, attempt: int) -> int:
        """Time limit of a training."""
        return sizes.train_minutes(self.plan, run, attempt)

    def answer_minutes(self, benchmark: str, run: str, attempt: int) -> int:
        """Time limit of one run's answers."""
        return sizes.answer_minutes(self.plan, benchmark, run, attempt)

    def judge_minutes(self, evaluation: str, run: str, attempt: int) -> int:
        """Time limit of judging one run."""
        return sizes.judge_minutes(self.plan, evaluation, run, attempt)
