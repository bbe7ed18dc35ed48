"""Verb ``train``: fine-tune one model on one mixture.

The verb checks everything that can be checked without loading anything, then trains in its own
process, or starts one process a device (once, through torchrun) and waits for them. Killed, it goes
on from the newest whole checkpoint in ``--work`` when it is called again.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
from pathlib import Path

from .. import provenance
from ..config.training import Recipe
from ..errors import BabelmixError
from ..folders import check_model, only_one
from ..io import read_json
from ..options import add_settings, read_settings
from ..specs import TrainSpec
from .checkpoints import drop_damaged
from .data import lay_rows
from .devices import claim_gpus, gpus_needed, require_device
from .execution import is_open, settle, this_machine
from .job import Job
from .launch import launch, node_count, node_rank
from .memory import ModelShape
from .quiet import leave_out
from .settings import check_recipe, lay_out


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    add_settings(parser, TrainSpec)
    parser.add_argument("--mixture", required=True, type=Path, help="parquet: id, lang, split")
    parser.add_argument(
        "--tokenised", required=True, type=Path, nargs="+", help="tokenised files of its languages"
    )
    parser.add_argument("--model", required=True, type=Path, help="folder made by prepare-model")
    parser.add_argument("--work", required=True, type=Path, help="folder of resumable checkpoints")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads, over all processes")
    parser.add_argument(
        "--nproc", type=int, help="processes on the CPU (default 1); on GPUs the model's `gpus`"
    )
    parser.add_argument("--gpus", type=int, help="GPUs to train on (default: the model's `gpus`)")
    parser.add_argument("--device", help="auto, cpu or cuda (default: the model's `device`)")
    parser.add_argument(
        "--runtime", help="JSON: the recipe's keys that change no result, in place of the spec's"
    )
    parser.add_argument(
        "--restarts",
        type=int,
        default=2,
        help="starts anew after a process died, without a newer checkpoint in between",
    )
    parser.add_argument(
        "--manifest", type=Path, help="counts of the mixture, told of in the model card"
    )
    parser.add_argument(
        "--config", type=Path, help="the merged configuration, for the licences in the card"
    )
    parser.add_argument("--folder", required=True, type=Path, help="folder of the result")
    parser.add_argument("--metrics", required=True, type=Path, help="JSON lines of the training")
    parser.add_argument("--completed", required=True, type=Path, help="JSON written last")


def run(args: argparse.Namespace) -> None:
    """Check, then train here or in one process a device."""
    spec = read_spec(args)
    require_device(spec.model, spec.model_name)
    gpus = gpus_needed(spec.model)
    if gpus and args.nproc not in (None, gpus):
        raise BabelmixError(
            f"--nproc is for the CPU; models.{spec.model_name} takes {gpus} GPU(s)."
        )
    processes = gpus or args.nproc or 1
    devices = processes * node_count()
    check_recipe(spec.recipe, spec.model, spec.run, gpus=gpus)
    if args.restarts < 0:
        raise BabelmixError("--restarts: 0 or more.")
    lay_out(spec.recipe, devices, spec.run)
    if is_open(spec.recipe):
        spec = spec.model_copy(update={"recipe": settle_here(args, spec, devices, gpus)})
        check_recipe(spec.recipe, spec.model, spec.run, gpus=gpus)
    job = Job(
        spec=spec,
        manifest=args.manifest,
        config=args.config,
        rows=args.work / f"rows.{node_rank()}",
        model=args.model,
        work=args.work,
        folder=args.folder,
        metrics=args.metrics,
        completed=args.completed,
        threads=max(1, args.threads // processes),
        devices=devices,
        on_gpu=bool(gpus),
    )
    args.work.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as held:
        if node_rank() == 0:  # one node's lock is enough for all of a training
            held.enter_context(only_one(args.work, spec.run))
            # Other nodes wait for the first before they read either.
            record = args.model.parent / f"{args.model.name}.json"
            if record.is_file():
                check_model(args.model, record)
            drop_damaged(args.work)
        lay_rows(args.mixture, args.tokenised, job.rows)  # before a GPU is held
        job = job.model_copy(update={"made_by": provenance.current()})
        with claim_gpus(gpus):
            if devices == 1 and spec.recipe.deepspeed is None:
                train_here(job)
            else:
                launch(job, processes, args.restarts)
        shutil.rmtree(job.rows)
    if args.completed.is_file():  # on other nodes than the first there is nothing to report
        print(summary(job))


def settle_here(args: argparse.Namespace, spec: TrainSpec, devices: int, gpus: int) -> Recipe:
    """The spec's recipe with what it leaves at `auto` chosen for the devices of this machine."""
    machine = this_machine(
        devices, node_count(), on_gpu=bool(gpus), gpu_memory_gb=spec.model.gpu_memory_gb
    )
    shape = ModelShape.read(args.model)
    return settle(spec.recipe, shape, machine, spec.run, args.work)


def read_spec(args: argparse.Namespace) -> TrainSpec:
    """The spec, with what the rule gives beside it: where and how a training runs is no part of
    what it is, and a change there must train nothing again."""
    spec = read_settings(args, TrainSpec).model_dump(mode="json")
    spec["recipe"] |= json.loads(args.runtime or "{}")
    for name in ("gpus", "device"):
        if getattr(args, name) is not None:
            spec["model"][name] = getattr(args, name)
    return TrainSpec.model_validate(spec)


def train_here(job: Job) -> None:
    """Train in this process."""
    os.environ["OMP_NUM_THREADS"] = str(job.threads)  # read when torch is first imported
    leave_out("deepspeed", "datasets", *([] if job.spec.recipe.lora else ["peft"]))
    from .worker import work

    work(job)


def summary(job: Job) -> str:
    """The verb's one line."""
    done = read_json(job.completed)
    dev = "" if done["dev_loss"] is None else f", held-out loss {done['dev_loss']:.4f}"
    return (
        f"train {job.spec.run}: {done['steps']} steps, {done['trained_tokens']} trained tokens, "
        f"loss {done['final_loss']:.4f}{dev}"
    )
