"""One training process: load, train, keep the chosen weights, export. Imports torch.

``python -m babelmix.train.worker JOB.json`` is what torchrun starts on every device.
"""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch

from .. import provenance
from ..errors import BabelmixError, explain_os_error
from ..folders import failed_writes
from ..io import digest, write_json, write_text
from .adapters import check_positions
from .adopt import adopt
from .architectures import Batching, find_batching, forget_batching
from .attention import attention_name
from .batches import Collator, Scheduled
from .chat import load_tokenizer
from .checkpoints import newest_whole, prune
from .data import Rows, map_rows
from .execution import EXECUTION, note_execution
from .export import Candidates, export
from .fused import uses_fused_kernels
from .job import Job, model_digest
from .launch import complaint_file
from .loop import MixtureTrainer, UniversalLoad, training_arguments
from .memory import ModelShape, check_disk, host_memory, memory_advice, wants_checkpointing
from .models import load_model
from .quiet import quieten
from .schedule import Schedule, plan_schedule, total_steps
from .selection import Selection, check_gathering, check_selection
from .settings import Layout, deepspeed_config, lay_out, rate_factor
from .watch import Metrics, Recorder


def main() -> None:
    """Run the job named on the command line as one of its processes."""
    job = Job.model_validate_json(Path(sys.argv[1]).read_text(encoding="utf-8"))
    provenance.resume(job.made_by, [job.completed])
    try:
        work(job)
    except BabelmixError as error:
        write_text(complaint_file(job.work), str(error))
        sys.exit(2)
    except OSError as error:
        explained = explain_os_error(error)
        if explained is None:
            raise
        # Where nothing can be written, no complaint can be left either; `launch` finds out why.
        with contextlib.suppress(OSError):
            write_text(complaint_file(job.work), explained)
        sys.exit(2)


@dataclass(slots=True)
class Plan:
    """A job with all that follows from it and its data before a model is loaded.

    The job's recipe is the one that can be run: ``batching`` says where it differs.
    """

    job: Job
    batching: Batching
    train: Rows
    dev: Rows
    counts: dict[str, Any]
    layout: Layout
    steps: int
    schedule: Schedule
    shape: ModelShape
    training: str

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes."""
        return int(os.environ.get("RANK", "0")) == 0

    @property
    def deepspeed(self) -> dict[str, Any] | None:
        """DeepSpeed's JSON; None where it is not used."""
        recipe = self.job.spec.recipe
        if recipe.deepspeed is None:
            return None
        return deepspeed_config(recipe, self.layout.devices, self.schedule.rounds)


def make_plan(job: Job) -> Plan:
    """Read the rows and decide everything that can be decided without the model."""
    spec, recipe = job.spec, job.spec.recipe
    rows = map_rows(job.rows)
    train = rows.train
    check_selection(recipe, rows.dev, spec.run)
    batching = find_batching(job)
    fitted = batching.fit(recipe)
    job = job.model_copy(update={"spec": spec.model_copy(update={"recipe": fitted})})
    layout = lay_out(fitted, job.devices, spec.run)
    steps = total_steps(len(train), recipe.epochs, recipe.max_steps, recipe.batch_size)
    schedule = plan_schedule(train, steps, layout, spec.seed)
    shape = ModelShape.read(job.model)
    # What checkpoints of this training have in common: one begun in larger micro-batches goes on
    # in smaller ones, and any kept epoch may be chosen later. DeepSpeed's depend on its stage.
    # Without defaults, so that a key of a later release takes no checkpoint out of use.
    said = recipe.without_execution_settings()
    settings = said.model_dump(mode="json", exclude={"select_epoch"}, exclude_defaults=True)
    spread = recipe.model_dump(mode="json", include={"deepspeed"})
    training = digest([settings, spread, spec.seed, rows.digest, model_digest(job.model)])
    counts = rows.counts | {"batching": {"way": batching.way, "note": batching.note}}
    return Plan(job, batching, train, rows.dev, counts, layout, steps, schedule, shape, training)


def work(job: Job) -> None:
    """Train (or go on, or only export, as far as ``job.work`` has come)."""
    torch.set_num_threads(job.threads)
    quieten()
    plan = make_plan(job)
    with failed_writes(job.work):
        if job.devices > 1 or not adopt(job, plan.training):
            _work(plan)


def _work(plan: Plan) -> None:
    job = plan.job
    candidates = Candidates(job.work, plan.training, job.spec.recipe)
    if not candidates.is_final():
        _train(plan, candidates)
    if torch.distributed.is_initialized():
        # The first process exports alone; the others need not wait for it.
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
    if plan.deepspeed is not None:
        from transformers.integrations import unset_hf_deepspeed_config

        unset_hf_deepspeed_config()  # else ZeRO-3 would shard the model that is reloaded as well
    if plan.first:
        metrics = Metrics(job.work / "metrics.jsonl", plan.steps)
        export(job, candidates, metrics, plan.counts | {"steps": plan.steps}, plan.deepspeed)
        candidates.drop()
        prune(job.work)
        forget_batching(job.work)
        (job.work / EXECUTION).unlink(missing_ok=True)


def _train(plan: Plan, candidates: Candidates) -> None:
    job, recipe = plan.job, plan.job.spec.recipe
    found = newest_whole(job.work, training=plan.training)
    other = found is not None and found.devices != job.devices
    universal = other and bool(recipe.deepspeed and recipe.deepspeed.stage)
    available = _available(job)
    checkpointing = wants_checkpointing(plan.shape, recipe, plan.layout, available)
    check_gathering(plan.shape, recipe, plan.layout, available, job.spec.run)
    metrics = None
    if plan.first:
        metrics = Metrics(job.work / "metrics.jsonl", found.step if found else 0)
        if plan.batching.note:
            print(f"{job.spec.run}: {plan.batching.note}", file=sys.stderr)
        print(check_disk(plan.shape, recipe, job.work, job.spec.run), file=sys.stderr)
        if found is None and any(job.work.glob("checkpoint-*")):
            print(
                f"{job.spec.run}: {job.work} holds no whole checkpoint of this very training "
                "(its settings or rows have changed); it starts at its first step",
                file=sys.stderr,
            )
        if found is not None and other:
            print(
                f"{job.spec.run}: {found.folder} was written on {found.devices} device(s), and "
                f"there are {job.devices} now: losses are the same up to rounding, but for "
                "the random numbers of dropout",
                file=sys.stderr,
            )
        if plan.deepspeed is not None:
            write_json(job.work / "deepspeed.json", plan.deepspeed)
            print(f"DeepSpeed's settings: {job.work / 'deepspeed.json'}", file=sys.stderr)
    try:
        selection = _set_up(
            plan, candidates, metrics, checkpointing=checkpointing, universal=universal
        )
        if plan.first:
            print(_note_execution(plan, selection.trainer, checkpointing), file=sys.stderr)
        selection.trainer.train(resume_from_checkpoint=str(found.folder) if found else None)
        selection.finish()
    except (torch.OutOfMemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        advice = memory_advice(plan.shape, recipe, plan.layout, checkpointing)
        raise BabelmixError(
            f"{job.spec.run}: out of memory ({str(error).splitlines()[0][:200]}). {advice}"
        ) from None
    candidates.finish(plan.first)


def _set_up(
    plan: Plan,
    candidates: Candidates,
    metrics: Metrics | None,
    *,
    checkpointing: bool,
    universal: bool,
) -> Selection:
    """The trainer with its model, and what watches and judges it."""
    job, spec, recipe = plan.job, plan.job.spec, plan.job.spec.recipe
    arguments = training_arguments(
        recipe,
        plan.schedule.rounds,
        plan.steps,
        spec.seed,
        job.work,
        **_device_settings(plan, universal=universal),
    )
    tokenizer = load_tokenizer(job.model)
    pad = tokenizer.pad_token_id or 0
    collator = Collator(pad, packed=recipe.packing)
    model = load_model(job, plan.batching, checkpointing=checkpointing)
    longest = max(int(rows.lengths.max(initial=0)) for rows in (plan.train, plan.dev))
    if (warning := check_positions(model, longest, spec.run)) and plan.first:
        print(warning, file=sys.stderr)
    trainer = MixtureTrainer(
        recipe=recipe,
        steps=plan.steps,
        fused=uses_fused_kernels(recipe, spec.run, on_gpu=job.on_gpu),
        model=model,
        args=arguments,
        train_dataset=Scheduled(plan.train, plan.schedule.places, pad),
        data_collator=collator,
    )
    selection = Selection(
        recipe=recipe,
        layout=plan.layout,
        steps=plan.steps,
        trainer=trainer,
        train=plan.train,
        dev=plan.dev,
        collator=collator,
        tokenizer=tokenizer,
        metrics=metrics,
        candidates=candidates,
    )
    factor = rate_factor(recipe, plan.steps)
    recorder = Recorder(
        run=spec.run,
        training=plan.training,
        work=job.work,
        keep=recipe.keep_checkpoints,
        schedule=plan.schedule,
        rows=plan.train,
        shape=plan.shape,
        frozen=recipe.lora is not None,
        metrics=metrics,
        rate=lambda step: recipe.learning_rate * factor(step),
        after_step=selection.after_step,
    )
    trainer.add_callback(recorder)
    if universal:
        trainer.add_callback(UniversalLoad(trainer))
    return selection


def _note_execution(plan: Plan, trainer: MixtureTrainer, checkpointing: bool) -> str:
    """Record what was chosen for this machine: it changes no result, and explains its speed."""
    job, recipe = plan.job, plan.job.spec.recipe
    model: Any = trainer.accelerator.unwrap_model(trainer.model)
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    half = recipe.precision != "fp32"
    said = note_execution(
        recipe,
        plan.layout,
        job.work,
        gradient_checkpointing=checkpointing,
        attention=attention_name(inner.config._attn_implementation, half=half, on_gpu=job.on_gpu),
        fused_kernels=trainer.token_loss.fused,
        device=torch.cuda.get_device_name() if job.on_gpu else "CPU",
        torch=torch.__version__,
    )
    return f"{job.spec.run}: {said}"


def _available(job: Job) -> float | None:
    """Bytes of memory that one device's process may use."""
    if job.on_gpu:
        return float(torch.cuda.get_device_properties(0).total_memory)
    free = host_memory()
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return free / local if free is not None else None


def _is_out_of_memory(error: BaseException) -> bool:
    """CUDA's own error, or the CPU allocator's, which is a bare RuntimeError."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _device_settings(plan: Plan, *, universal: bool) -> dict[str, Any]:
    """Settings that depend on the devices; DeepSpeed and its process group come up first."""
    job, config = plan.job, plan.deepspeed
    settings: dict[str, Any] = {"use_cpu": not job.on_gpu, "dataloader_pin_memory": job.on_gpu}
    if not job.on_gpu and job.devices > 1:
        settings["ddp_backend"] = "gloo"
    if config is not None:
        minutes = job.spec.recipe.collective_timeout_minutes
        start_deepspeed(on_gpu=job.on_gpu, minutes=minutes)
        more = {"checkpoint": {"load_universal": True}} if universal else {}
        settings["deepspeed"] = config | more
    return settings


def start_deepspeed(*, on_gpu: bool, minutes: float) -> None:
    """Import DeepSpeed and open its process group, before any model or setting is made.

    ``minutes`` is how long a process waits for the others before it gives up.
    """
    import deepspeed

    if not on_gpu:
        # Its shared-memory all-reduce is compiled on first use (a minute, a compiler, 69 MB of
        # /dev/shm a process); plain gloo gives the same sums. There is no public switch.
        known = getattr(sys.modules.get("deepspeed.ops"), "__compatible_ops__", None)
        if isinstance(known, dict):
            known["deepspeed_shm_comm"] = False
    deepspeed.init_distributed(
        dist_backend="nccl" if on_gpu else "gloo", timeout=timedelta(minutes=minutes)
    )


if __name__ == "__main__":
    main()
