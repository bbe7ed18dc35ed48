"""The weights that a training leaves: kept whole in ``work``, proved, then exported.

A candidate is the chosen weights (the last, or the best so far by held-out loss) with the digest of
every tensor, taken from the trained model in memory after the cast to the export's dtype, and the
logits of a few rows, computed in float32 from those tensors. The export is reloaded from disk; its
tensors must be the same to the bit, and its logits the same, before ``completed`` is written.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..config.training import Recipe
from ..errors import BabelmixError
from ..folders import file_digests, whole_folder
from ..io import read_json, write_json, write_text
from . import proof
from .card import PLOT, loss_plot, model_card
from .chat import load_tokenizer, template_digest
from .data import Rows
from .execution import EXECUTION
from .job import Job
from .portable import make_portable
from .templates import RECORD

if TYPE_CHECKING:
    from .loop import MixtureTrainer
    from .watch import Metrics

_RECORD, _PROOF, _DIGESTS = "candidate.json", "proof.npz", "digests.json"
_FROM_MODEL = ("tokenizer*.json", "special_tokens_map.json", "chat_template.jinja", "*.py")
_FROM_MODEL_TOO = ("generation_config.json", "LICENSE*", RECORD)


class Candidate:
    """Weights that may become the result, in one folder (swapped in whole)."""

    def __init__(self, folder: Path, training: str) -> None:
        self.folder, self.training = folder, training

    def record(self) -> dict[str, Any] | None:
        """Step, held-out loss and score; None where there is nothing of this training."""
        path = self.folder / _RECORD
        whole = path.is_file() and (self.folder / _DIGESTS).is_file()
        record: dict[str, Any] | None = read_json(path) if whole else None
        return record if record and record["training"] == self.training else None

    def is_better(self, score: float) -> bool:
        """Whether weights of this score (higher is better) should take its place."""
        record = self.record()
        return record is None or score > record["score"]

    def keep(
        self,
        trainer: MixtureTrainer,
        rows: Rows,
        recipe: Recipe,
        *,
        step: int,
        dev_loss: float | None,
        score: float | None = None,
    ) -> None:
        """Save the trainer's weights; every process calls it, the first one writes."""
        state = gathered_weights(trainer)
        if not trainer.is_world_process_zero():
            return
        from .models import DTYPES

        dtype = _dtype(recipe)
        model: Any = trainer.accelerator.unwrap_model(trainer.model)
        frozen: dict[str, Any] = {}
        if recipe.lora is not None:  # the base model's frozen weights are not copied
            names = {name for name, weight in model.named_parameters() if weight.requires_grad}
            frozen = {name: weight for name, weight in state.items() if name not in names}
            state = {name: weight for name, weight in state.items() if name in names}
        state = {
            k: v.detach().to("cpu", dtype) if v.is_floating_point() else v.detach().cpu()
            for k, v in state.items()
        }
        digests = {"weights": proof.weight_digests(state, dtype), "frozen": {}}
        tokens = proof.first_tokens(rows)
        logits: list[np.ndarray] = []
        if recipe.lora is None:
            logits = proof.logits_at_ends(proof.rebuild(model, state), tokens)
        elif recipe.lora.quantise == "none":
            digests["frozen"] = proof.weight_digests(frozen, DTYPES[recipe.precision])
        with whole_folder(self.folder) as fresh:
            model.save_pretrained(fresh, state_dict=state)
            _note_config(fresh, recipe)
            _write_proof(fresh / _PROOF, tokens, logits)
            write_json(fresh / _DIGESTS, digests)
            record = {"training": self.training, "step": step, "dev_loss": dev_loss, "score": score}
            write_json(fresh / _RECORD, record)


def gathered_weights(trainer: MixtureTrainer) -> dict[str, Any]:
    """The trained model's tensors by name, on the first process; others need not have any.

    Under ZeRO-3 every process must call it: the shards are gathered. Else the others return at
    once, and nothing is copied.
    """
    if _is_sharded(trainer):
        gathered: dict[str, Any] = trainer.accelerator.get_state_dict(trainer.model_wrapped) or {}
        return gathered
    if not trainer.is_world_process_zero():
        return {}
    state: dict[str, Any] = trainer.accelerator.unwrap_model(trainer.model).state_dict()
    return state


def _is_sharded(trainer: MixtureTrainer) -> bool:
    """Whether each process holds a part of every weight (ZeRO-3)."""
    model: Any = trainer.model
    return any(hasattr(p, "ds_id") for p in model.parameters())


def _write_proof(path: Path, tokens: list[np.ndarray], logits: list[np.ndarray]) -> None:
    arrays = {f"ids_{n}": ids for n, ids in enumerate(tokens)}
    arrays |= {f"logits_{n}": values for n, values in enumerate(logits)}
    np.savez(path, **arrays)  # type: ignore[arg-type]


def _read_proof(path: Path) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The sequences, and the logits after each (none of them under adapters)."""
    stored = np.load(path)
    tokens, logits = (
        [stored[f"{kind}_{n}"] for n in range(len(stored.files)) if f"{kind}_{n}" in stored.files]
        for kind in ("ids", "logits")
    )
    return tokens, logits


class Candidates:
    """All weights that a training keeps to choose from, and the note that it has ended."""

    def __init__(self, work: Path, training: str, recipe: Recipe) -> None:
        self.work, self.training, self.recipe = work, training, recipe
        self._final = work / "trained.json"

    @property
    def chosen(self) -> Candidate:
        """The one to export."""
        if self.recipe.select_epoch is not None:
            return self.of_epoch(self.recipe.select_epoch)
        return Candidate(self.work / "candidate", self.training)

    def of_epoch(self, epoch: float) -> Candidate:
        """The weights kept at the end of an epoch."""
        return Candidate(self.work / f"epoch-{epoch:g}", self.training)

    def is_final(self) -> bool:
        """Whether the training has ended and only the export is left to do."""
        if not self._final.is_file() or self.chosen.record() is None:
            return False
        return bool(read_json(self._final)["training"] == self.training)

    def finish(self, first: bool) -> None:
        """Note that the training has ended."""
        if first:
            write_json(self._final, {"training": self.training})

    def drop(self) -> None:
        """Delete them after the export, unless they are there to be chosen from again."""
        if self.recipe.select == "listed":
            return
        self._final.unlink(missing_ok=True)
        shutil.rmtree(self.chosen.folder, ignore_errors=True)


def _dtype(recipe: Recipe) -> Any:
    import torch

    from .models import DTYPES

    if recipe.lora is not None:  # adapters are small; they are rounded once, when merged
        return torch.float32
    return DTYPES[recipe.precision]


def _note_config(folder: Path, recipe: Recipe) -> None:
    """Name the weights' dtype in config.json, where transformers puts that of the one in memory.

    That a training keeps no cache is left out: whoever generates would do without one as well.
    """
    path = folder / "config.json"
    if path.is_file():  # adapters have none
        names = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
        config = {k: v for k, v in read_json(path).items() if k not in ("torch_dtype", "use_cache")}
        write_json(path, config | {"dtype": names[recipe.precision]})


def export(
    job: Job,
    candidates: Candidates,
    metrics: Metrics,
    counts: dict[str, Any],
    deepspeed: dict[str, Any] | None,
) -> None:
    """Make the result's folder from the candidate, prove it, write metrics and ``completed``."""
    candidate = candidates.chosen
    kept = candidate.record()
    if kept is None:
        raise AssertionError(f"{job.work}: no candidate to export")
    digest = template_digest(load_tokenizer(job.model))
    last = max(row["step"] for row in metrics.rows if "loss" in row)
    record = {
        "run": job.spec.run,
        "training": kept["training"],
        "template_digest": digest,
        "selected_step": kept["step"],
        "final_loss": next(r["loss"] for r in metrics.rows if r["step"] == last and "loss" in r),
        "dev_loss": kept["dev_loss"] if kept["dev_loss"] is not None else metrics.last("dev_loss"),
        "tokens_seen": metrics.last("tokens"),
        "trained_tokens_seen": metrics.last("trained_tokens"),
        **counts,
    }
    with whole_folder(job.folder) as fresh:
        tokens, logits = _read_proof(candidate.folder / _PROOF)
        digests = read_json(candidate.folder / _DIGESTS)
        if job.spec.recipe.lora is not None:
            digests, logits = _merge(job, candidate.folder, fresh, digests, tokens)
        else:
            _link_weights(candidate.folder, fresh)
        for pattern in (*_FROM_MODEL, *_FROM_MODEL_TOO):
            for path in sorted(job.model.glob(pattern)):
                shutil.copyfile(path, fresh / path.name)
        make_portable(fresh, trust_remote_code=job.spec.model.trust_remote_code)
        if deepspeed is not None:
            write_json(fresh / "deepspeed.json", deepspeed)
        if (job.work / EXECUTION).is_file():
            shutil.copyfile(job.work / EXECUTION, fresh / EXECUTION)
        write_text(fresh / "README.md", model_card(job.spec, record, job.manifest, job.config))
        write_text(fresh / PLOT, loss_plot(metrics.rows))
        _prove(fresh, digests["weights"], tokens, logits, job)
        if template_digest(load_tokenizer(fresh)) != digest:
            raise AssertionError(f"{fresh}: its chat template is not the base model's")
        record["files"] = file_digests(fresh)
    write_text(job.metrics, metrics.text())
    write_json(job.completed, record)


def _link_weights(kept: Path, fresh: Path) -> None:
    """Weights and config as they were kept."""
    for path in sorted([*kept.glob("*.safetensors*"), kept / "config.json"]):
        _link(path, fresh / path.name)


def _merge(
    job: Job, kept: Path, fresh: Path, digests: dict[str, Any], tokens: list[np.ndarray]
) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Merge adapters into the base model, and prove that nothing is lost on the way.

    Adapters (and the base's frozen weights) must be the trained ones to the bit, and merging must
    leave the logits. Returns what the export must hold: digests of the merged weights, logits.
    """
    import torch

    from .models import DTYPES, load_adapters, merge

    recipe, run, work = job.spec.recipe, job.spec.run, str(job.work)
    adapted = load_adapters(job.model, kept, recipe, job.spec.model, run)
    trained = digests["weights"] | digests["frozen"]
    dtypes = dict.fromkeys(digests["weights"], torch.float32) | {"": DTYPES[recipe.precision]}
    if not digests["frozen"]:  # quantised: brought back to floating point, which has no digest
        state = adapted.state_dict()
        changed = proof.weight_digests({n: state[n] for n in digests["weights"]}, torch.float32)
        if changed != digests["weights"]:
            raise BabelmixError(f"{run}: the adapters in {kept} are not the trained ones.")
    else:
        proof.check_weights(adapted, trained, dtypes, run, work)
    apart = proof.logits_at_ends(adapted, tokens)
    merged = merge(adapted)
    proof.check_logits(proof.logits_at_ends(merged, tokens), apart, run, work)
    merged.to(DTYPES[recipe.precision])
    state = merged.state_dict()
    found = proof.weight_digests(state, DTYPES[recipe.precision])
    merged.save_pretrained(fresh)
    logits = proof.logits_at_ends(proof.rebuild(merged, state), tokens)
    return {"weights": found}, logits


def _link(source: Path, target: Path) -> None:
    """Same file under another name (``work`` is ours to delete), or a copy across file systems."""
    with contextlib.suppress(OSError):
        os.link(source, target)
        return
    shutil.copyfile(source, target)


def _prove(
    folder: Path,
    digests: dict[str, str],
    tokens: list[np.ndarray],
    logits: list[np.ndarray],
    job: Job,
) -> None:
    """Reload the export from disk: its weights and its logits must be the trained model's."""
    from transformers import AutoModelForCausalLM

    from .models import DTYPES

    dtype = DTYPES[job.spec.recipe.precision]
    run, work = job.spec.run, str(job.work)
    model: Any = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=dtype,
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=job.spec.model.trust_remote_code,
    )
    proof.check_weights(model, digests, {"": dtype}, run, work)
    rebuilt = proof.rebuild(model, model.state_dict())
    proof.check_logits(proof.logits_at_ends(rebuilt, tokens), logits, run, work)
