"""What a job holds while it answers: its engine, its GPUs, its server, its journal."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config.evaluation import Generation
from ..config.load import build_config
from ..errors import BabelmixError
from ..io import Journal, file_digest, read_json
from ..service import study_folder
from ..specs import AnswerSpec
from .codec import Codec

if TYPE_CHECKING:
    from ..train.chat import Formatter
    from .engine import Engine


def load_formatter(checkpoint: Path, completed: Path) -> Formatter:
    """The checkpoint's tokenizer; its chat template must be the one that it was trained with."""
    from ..train.chat import Formatter, template_digest

    formatter = Formatter.load(checkpoint)
    expected = read_json(completed).get("template_digest")
    found = template_digest(formatter.template)
    if expected != found:
        raise BabelmixError(
            f"{checkpoint}: its chat template ({found[:12]}…) is not the one that {completed} "
            f"names ({str(expected)[:12]}…). The folder was changed after training: delete both "
            "and run the training again."
        )
    return formatter


def load_engine(
    spec: AnswerSpec, checkpoint: Path, codec: Codec, threads: int, folder: Path | None = None
) -> Engine:
    """Load the checkpoint, or connect to the server that has.

    ``folder``: where the ledgers and rates of served models lie.
    """
    from .engine import TransformersEngine

    if spec.generation.engine in ("openai", "vllm-server"):
        from .served import ServedEngine

        return ServedEngine(spec.generation, spec.run, codec, spec.benchmark, folder)
    if spec.generation.engine == "vllm":
        from .vllm import VllmEngine

        return VllmEngine(checkpoint, spec.generation, codec, spec.trust_remote_code)
    return TransformersEngine(
        checkpoint,
        spec.generation,
        codec.stop_ids,
        codec.decode,
        device=spec.device,
        threads=threads,
        trust_remote_code=spec.trust_remote_code,
        special_ids=codec.special_ids,
    )


def with_execution_settings(
    spec: AnswerSpec, config: Path | None, journal: Path | None
) -> AnswerSpec:
    """Return the spec with the server's host, price, cap and speed, and the number of GPUs, as the
    configuration has them.

    They are no part of a rule's spec, so that changing one of them generates nothing again.
    """
    if config is None and journal is not None and (root := study_folder(journal)):
        config = root / "config.resolved.json"
    if config is None or not config.is_file():
        return spec
    now = build_config(read_json(config), where=str(config)).benchmarks.get(spec.benchmark)
    if now is None:
        return spec
    return spec.model_copy(
        update={"generation": spec.generation.with_execution_settings(now.generation)}
    )


@contextlib.contextmanager
def claimed_gpus(spec: AnswerSpec) -> Iterator[None]:
    """Hold the GPUs of one copy of the model (of all, behind a server) that no other job of ours
    holds, where there are any and they are wanted."""
    from ..train.devices import claim_gpus, gpu_count

    there = gpu_count()
    wanted = spec.generation.gpus if spec.device != "cpu" and there > 0 else 0
    if wanted > there:
        raise BabelmixError(
            f"benchmarks.{spec.benchmark}.generation: {wanted} GPUs are wanted "
            f"(`tensor_parallel: {spec.generation.tensor_parallel}`, `data_parallel: "
            f"{spec.generation.data_parallel}`), and {there} can be used here. Lower them, or run "
            "on a machine with more. CUDA_VISIBLE_DEVICES also limits what can be used."
        )
    with claim_gpus(wanted, wait_s=600):
        yield


@contextlib.contextmanager
def serving_job(args: argparse.Namespace, spec: AnswerSpec) -> Iterator[AnswerSpec]:
    """Start the job's own server, where its engine is one; the spec says where to ask it."""
    if spec.generation.engine != "vllm-server":
        yield spec
        return
    from ..service import IncompleteError, ServiceStoppedError
    from .server import serving

    name = spec.generation.served_model or spec.run
    log = args.journal.with_suffix(".server.log") if args.journal else None
    settings = spec.generation, args.checkpoint, name, spec.trust_remote_code
    with serving(*settings, log) as (server, asked):
        try:
            yield spec.model_copy(update={"generation": asked})
        except (IncompleteError, ServiceStoppedError):
            server.require_alive()  # where it has ended, its own last words are the reason
            raise


@contextlib.contextmanager
def resuming(
    args: argparse.Namespace, spec: AnswerSpec, engine: Engine, codec: Codec
) -> Iterator[Engine]:
    """The engine with a memory, where a journal is named."""
    if args.journal is None:
        yield engine
        return
    from .resume import BATCHES_A_CHUNK, ResumingEngine

    generation = spec.generation
    # What changes no answer: where the server is, what a server of our own calls the model, and
    # how many more samples are wanted.
    apart = {*Generation.EXECUTION_ONLY, "served_model", "samples"}
    identity: list[Any] = [
        file_digest(args.completed),
        generation.model_dump(mode="json", exclude=apart),
    ]
    if generation.engine == "openai":
        identity.append("prompts as tokens")  # before, a server might add a second BOS to text
        if generation.served_model:  # another name on a server of the user's is another model
            identity.append(["served_model", generation.served_model])
    if codec.further_stops:
        identity.append(["stops", *codec.further_stops])
    tokens = BATCHES_A_CHUNK * generation.batch_tokens
    with Journal(args.journal) as journal:
        yield ResumingEngine(engine, journal, identity, tokens, generation.max_new_tokens)
