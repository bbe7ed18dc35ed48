"""What each job asks of the machine or the cluster: threads, GPUs, nodes, memory, time."""

from __future__ import annotations

from ..config.training import Model, Recipe
from ..errors import BabelmixError
from ..train.costs import Machine
from ..train.execution import choose
from ..train.memory import ModelShape
from . import sizes
from .jobs_base import JobsBase


class SizeJobs(JobsBase):
    """Resources of jobs whose size hangs on the configuration."""

    def threads(self, run: str) -> int:
        """CPU threads of a training."""
        return self.config.models[self.plan.runs[run].model].threads

    def gpus(self, run: str) -> int:
        """GPUs that a run needs (on each of its nodes)."""
        return self.config.models[self.plan.runs[run].model].gpus

    def answer_gpus(self, benchmark: str, run: str) -> int:
        """GPUs of one run's answers to a benchmark; 0 where they are made on the CPU or elsewhere.

        Not the training's: one copy of the weights fits where a training needs several GPUs.
        """
        model = self.config.models[self.plan.runs[run].model]
        return self.config.benchmarks[benchmark].generation.gpus if model.gpus else 0

    def answer_threads(self, benchmark: str, run: str) -> int:
        """CPU threads of answers: of a training's on several GPUs, the share of the GPUs used.

        As many jobs then fit a node side by side as it has GPUs for.
        """
        model = self.config.models[self.plan.runs[run].model]
        used = self.answer_gpus(benchmark, run)
        if not model.gpus:
            return model.threads
        return min(model.threads, max(1, model.threads * used // model.gpus))

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
        if model.gpus and self._offloads(model, recipe):
            bytes_per_parameter += 16
        return attempt * (int(1e3 * bytes_per_parameter * (model.parameters_b or 0.2)) + 3000)

    def answer_memory(self, benchmark: str, run: str, attempt: int = 1) -> int:
        """Host memory of answering, MB.

        On the CPU the model is there. On GPUs it passes through: up to 4 bytes a parameter, once
        for each copy of the model. A server of yours holds it elsewhere.
        """
        model = self.config.models[self.plan.runs[run].model]
        generation = self.config.benchmarks[benchmark].generation
        if generation.engine == "openai":
            return attempt * 3000
        if not model.gpus:
            return self.model_memory(self.plan.runs[run].model, attempt)
        weights = int(4e3 * (model.parameters_b or 0.2))
        return attempt * generation.data_parallel * (weights + 4000)

    @staticmethod
    def _offloads(model: Model, recipe: Recipe) -> bool:
        """Whether the optimizer's state goes to the host: as said, or as `auto` would choose."""
        if recipe.deepspeed is None or recipe.deepspeed.stage != "auto":
            return bool(recipe.deepspeed and recipe.deepspeed.offload_optimizer)
        shape = ModelShape.like_llama(int(1e9 * (model.parameters_b or 0.2)))
        devices, memory = model.gpus * model.nodes, model.gpu_memory_gb * 1e9
        try:
            chosen = choose(shape, recipe, Machine(devices, model.nodes, "", memory), "train")
        except BabelmixError:  # said when the training starts
            return True
        return bool(chosen.recipe.deepspeed and chosen.recipe.deepspeed.offload_optimizer)

    def train_minutes(self, run: str, attempt: int) -> int:
        """Time limit of a training."""
        return sizes.train_minutes(self.plan, run, attempt)

    def answer_minutes(self, benchmark: str, run: str, attempt: int) -> int:
        """Time limit of one run's answers."""
        return sizes.answer_minutes(self.plan, benchmark, run, attempt)

    def judge_minutes(self, evaluation: str, run: str, attempt: int) -> int:
        """Time limit of judging one run."""
        return sizes.judge_minutes(self.plan, evaluation, run, attempt)
