"""One training process: load, train, keep the chosen weights, export. Imports torch.

``python -m babelmix.train.worker JOB.json`` is what torchrun starts on every device.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ..errors import BabelmixError
from ..io import digest, write_text
from .batches import Collator, Scheduled, attention_for
from .chat import load_tokenizer
from .checkpoints import newest_whole, prune
from .data import Rows, load_mixture, plan_schedule, total_steps
from .export import Candidate, export
from .job import Job, model_digest
from .launch import complaint_file
from .loop import Metrics, MixtureTrainer, Recorder, training_arguments
from .quiet import quieten
from .settings import deepspeed_config, evaluation_steps, lay_out, rate_factor

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def main() -> None:
    """Run the job named on the command line as one of its processes."""
    job = Job.model_validate_json(Path(sys.argv[1]).read_text(encoding="utf-8"))
    try:
        work(job)
    except BabelmixError as error:
        write_text(complaint_file(job.work), str(error))
        sys.exit(2)


def work(job: Job) -> None:
    """Train (or go on, or only export, as far as ``job.work`` has come)."""
    torch.set_num_threads(job.threads)
    quieten()
    first = int(os.environ.get("RANK", "0")) == 0
    recipe = job.spec.recipe
    train, dev, counts = load_mixture(job.mixture, job.tokenised)
    layout = lay_out(recipe, job.devices, job.spec.run)
    steps = total_steps(len(train), recipe.epochs, recipe.max_steps, recipe.batch_size)
    if recipe.select == "best_dev_loss" and not len(dev):
        raise BabelmixError(
            f"{job.spec.run}: `select: best_dev_loss` needs held-out rows; give the dataset "
            "`dev_rows`, or use `select: last`."
        )
    training = digest(
        [
            job.spec.model_dump(mode="json"),
            train.content_digest(),
            dev.content_digest(),
            model_digest(job.model),
        ]
    )
    candidate = Candidate(job.work, training)
    if not candidate.is_final():
        _train(job, train, dev, steps, training, candidate, first)
    if torch.distributed.is_initialized():
        # The first process exports alone; the others need not wait for it.
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
    if recipe.deepspeed is not None:
        from transformers.integrations import unset_hf_deepspeed_config

        unset_hf_deepspeed_config()  # else ZeRO-3 would shard the model that is reloaded as well
    if first:
        metrics = Metrics(job.work / "metrics.jsonl", steps)
        export(job, candidate, metrics, counts | {"steps": steps}, _deepspeed(job, layout))
        candidate.drop()
        prune(job.work)


def _train(
    job: Job,
    train: Rows,
    dev: Rows,
    steps: int,
    training: str,
    candidate: Candidate,
    first: bool,
) -> None:
    spec, recipe = job.spec, job.spec.recipe
    layout = lay_out(recipe, job.devices, spec.run)
    found = newest_whole(job.work, training=training, devices=job.devices)
    metrics = Metrics(job.work / "metrics.jsonl", found[0] if found else 0) if first else None
    arguments = training_arguments(
        recipe, layout, steps, spec.seed, job.work, **_device_settings(job, layout)
    )
    tokenizer = load_tokenizer(job.model)
    pad = tokenizer.pad_token_id or 0
    collator = Collator(pad, packed=recipe.packing)
    schedule = plan_schedule(train, steps, layout, spec.seed, packed=recipe.packing)
    trainer = MixtureTrainer(
        recipe=recipe,
        steps=steps,
        model=load_model(job),
        args=arguments,
        train_dataset=Scheduled(train, schedule, pad),
        data_collator=collator,
    )
    recorder = Recorder(
        run=spec.run,
        training=training,
        work=job.work,
        schedule=schedule,
        rows=train,
        metrics=metrics,
        rate=_rate(job, steps),
        after_step=_evaluator(job, trainer, train, dev, steps, metrics, candidate, collator),
    )
    trainer.add_callback(recorder)
    trainer.train(resume_from_checkpoint=str(found[1]) if found else None)
    if recipe.select == "last":
        candidate.keep(trainer, train, recipe, step=steps, dev_loss=None)
    candidate.finish(first)


def _rate(job: Job, steps: int) -> Callable[[int], float]:
    factor = rate_factor(job.spec.recipe, steps)
    return lambda step: job.spec.recipe.learning_rate * factor(step)


def _evaluator(
    job: Job,
    trainer: MixtureTrainer,
    train: Rows,
    dev: Rows,
    steps: int,
    metrics: Metrics | None,
    candidate: Candidate,
    collator: Collator,
) -> Callable[[int], None]:
    """What is done after a step: the held-out loss, and the best weights where they are wanted."""
    recipe = job.spec.recipe
    layout = lay_out(recipe, job.devices, job.spec.run)
    best = recipe.select == "best_dev_loss"
    due = evaluation_steps(len(train), steps, layout, recipe.checkpoint_steps if best else None)

    def after_step(step: int) -> None:
        if step not in due or not len(dev):
            return
        loss = trainer.mean_loss(dev, layout, collator)
        if metrics is not None:
            metrics.add(step=step, dev_loss=loss)
        if best and candidate.is_better(loss):
            candidate.keep(trainer, train, recipe, step=step, dev_loss=loss)

    return after_step


def load_model(job: Job) -> Any:
    """The base model, ready to train: dtype, dropout, attention, adapters."""
    from transformers import AutoConfig, AutoModelForCausalLM, set_seed

    recipe, model = job.spec.recipe, job.spec.model
    config = AutoConfig.from_pretrained(job.model, trust_remote_code=model.trust_remote_code)
    if recipe.dropout:
        names = [n for n in ("attention_dropout", "attn_pdrop") if hasattr(config, n)]
        if not names:
            raise BabelmixError(f"{job.spec.run}: this model's attention has no dropout to set.")
        for name in names:
            setattr(config, name, recipe.dropout)
    # Weights stay in float32 under autocast; DeepSpeed and adapters keep their own float32 copies.
    half = recipe.deepspeed is not None or recipe.lora is not None
    set_seed(job.spec.seed)
    loaded = AutoModelForCausalLM.from_pretrained(
        job.model,
        config=config,
        dtype=_DTYPES[recipe.precision] if half else torch.float32,
        attn_implementation=attention_for(config, packed=recipe.packing),
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=model.trust_remote_code,
    )
    loaded.config.use_cache = False
    if recipe.lora is None:
        return loaded
    from peft import LoraConfig, get_peft_model

    adapters = LoraConfig(
        task_type="CAUSAL_LM",
        r=recipe.lora.rank,
        lora_alpha=recipe.lora.alpha,
        lora_dropout=recipe.lora.dropout,
        target_modules=recipe.lora.target_modules,
    )
    if recipe.gradient_checkpointing:
        loaded.enable_input_require_grads()
    return get_peft_model(loaded, adapters)


def _device_settings(job: Job, layout: Any) -> dict[str, Any]:
    """Settings that depend on the devices; DeepSpeed and its process group come up first."""
    settings: dict[str, Any] = {"use_cpu": not job.on_gpu, "dataloader_pin_memory": job.on_gpu}
    if not job.on_gpu and job.devices > 1:
        settings["ddp_backend"] = "gloo"
    config = _deepspeed(job, layout)
    if config is not None:
        start_deepspeed(on_gpu=job.on_gpu)
        settings["deepspeed"] = config
    return settings


def _deepspeed(job: Job, layout: Any) -> dict[str, Any] | None:
    return deepspeed_config(job.spec.recipe, layout) if job.spec.recipe.deepspeed else None


def start_deepspeed(*, on_gpu: bool) -> None:
    """Import DeepSpeed and open its process group, before any model or setting is made."""
    import deepspeed

    if not on_gpu:
        # Its shared-memory all-reduce is compiled on first use (a minute, a compiler, 69 MB of
        # /dev/shm a process); plain gloo gives the same sums. There is no public switch.
        known = getattr(sys.modules.get("deepspeed.ops"), "__compatible_ops__", None)
        if isinstance(known, dict):
            known["deepspeed_shm_comm"] = False
    deepspeed.init_distributed(dist_backend="nccl" if on_gpu else "gloo")


if __name__ == "__main__":
    main()
