"""The weights that a training leaves: kept whole in ``work``, proved, then exported.

A candidate is the chosen weights (the last, or the best so far by held-out loss) with the logits
that the training's own model gave for a few rows. The export is reloaded from disk and must give
the same logits before ``completed`` is written; an empty or torn export cannot pass.
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
from .card import PLOT, loss_plot, model_card
from .chat import load_tokenizer, template_digest
from .data import Rows
from .execution import EXECUTION
from .job import Job

if TYPE_CHECKING:
    from .loop import MixtureTrainer
    from .watch import Metrics

_RECORD, _PROOF = "candidate.json", "proof.npz"
_FROM_MODEL = ("tokenizer*.json", "special_tokens_map.json", "chat_template.jinja", "*.py")
_FROM_MODEL_TOO = ("generation_config.json", "LICENSE*")
#: Largest relative difference of logits (L2) between the trained and the reloaded model.
_TOLERANCE = {"fp32": 1e-4, "bf16": 5e-2, "fp16": 2e-2}


class Candidate:
    """Weights that may become the result, in one folder (swapped in whole)."""

    def __init__(self, folder: Path, training: str) -> None:
        self.folder, self.training = folder, training

    def record(self) -> dict[str, Any] | None:
        """Step, held-out loss and score; None where there is nothing of this training."""
        path = self.folder / _RECORD
        record: dict[str, Any] | None = read_json(path) if path.is_file() else None
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
        proof = _proof(trainer, rows)
        state = trainer.accelerator.get_state_dict(trainer.model_wrapped)
        if not trainer.is_world_process_zero():
            return
        dtype = _dtype(recipe)
        model: Any = trainer.accelerator.unwrap_model(trainer.model)
        if recipe.lora is not None:  # the base model's frozen weights are not copied
            names = {name for name, weight in model.named_parameters() if weight.requires_grad}
            state = {name: weight for name, weight in state.items() if name in names}
        state = {
            k: v.detach().to("cpu", dtype) if v.is_floating_point() else v.detach().cpu()
            for k, v in state.items()
        }
        with whole_folder(self.folder) as fresh:
            model.save_pretrained(fresh, state_dict=state)
            _note_dtype(fresh, recipe)
            np.savez(fresh / _PROOF, **proof)
            record = {"training": self.training, "step": step, "dev_loss": dev_loss, "score": score}
            write_json(fresh / _RECORD, record)


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

    if recipe.lora is not None:  # adapters are small; they are rounded once, when merged
        return torch.float32
    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[recipe.precision]


def _note_dtype(folder: Path, recipe: Recipe) -> None:
    """Name the weights' dtype in config.json, where transformers puts that of the one in memory."""
    path = folder / "config.json"
    if path.is_file():  # adapters have none
        names = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
        config = {k: v for k, v in read_json(path).items() if k != "torch_dtype"}
        write_json(path, config | {"dtype": names[recipe.precision]})


def _proof(
    trainer: MixtureTrainer, rows: Rows, count: int = 3, longest: int = 48
) -> dict[str, Any]:
    """Tokens of a few rows and the logits that the trained model gives at their ends."""
    import torch

    model, proof = trainer.model_wrapped, {}
    model.eval()
    with torch.no_grad():
        for number in range(min(count, len(rows))):
            ids = rows[number]["input_ids"][:longest].astype(np.int64)
            place = trainer.args.device
            logits = model(input_ids=torch.from_numpy(ids)[None].to(place), use_cache=False).logits
            proof[f"ids_{number}"] = ids
            proof[f"logits_{number}"] = logits[0, -1].float().cpu().numpy()
    model.train()
    return proof


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
        "template_digest": digest,
        "selected_step": kept["step"],
        "final_loss": next(r["loss"] for r in metrics.rows if r["step"] == last and "loss" in r),
        "dev_loss": kept["dev_loss"] if kept["dev_loss"] is not None else metrics.last("dev_loss"),
        "tokens_seen": metrics.last("tokens"),
        "trained_tokens_seen": metrics.last("trained_tokens"),
        **counts,
    }
    with whole_folder(job.folder) as fresh:
        _weights(job, candidate.folder, fresh)
        for pattern in (*_FROM_MODEL, *_FROM_MODEL_TOO):
            for path in sorted(job.model.glob(pattern)):
                shutil.copyfile(path, fresh / path.name)
        if deepspeed is not None:
            write_json(fresh / "deepspeed.json", deepspeed)
        if (job.work / EXECUTION).is_file():
            shutil.copyfile(job.work / EXECUTION, fresh / EXECUTION)
        write_text(fresh / "README.md", model_card(job.spec, record, job.manifest, job.config))
        write_text(fresh / PLOT, loss_plot(metrics.rows))
        _prove(fresh, np.load(candidate.folder / _PROOF), job)
        if template_digest(load_tokenizer(fresh)) != digest:
            raise AssertionError(f"{fresh}: its chat template is not the base model's")
        record["files"] = file_digests(fresh)
    write_text(job.metrics, metrics.text())
    write_json(job.completed, record)


def _weights(job: Job, kept: Path, fresh: Path) -> None:
    """Weights and config: as they were kept, or adapters merged into the base model."""
    if job.spec.recipe.lora is None:
        for path in sorted([*kept.glob("*.safetensors*"), kept / "config.json"]):
            _link(path, fresh / path.name)
        return
    from .models import merge_adapters

    merged = merge_adapters(job.model, kept, job.spec.recipe, job.spec.model, job.spec.run)
    merged.save_pretrained(fresh)


def _link(source: Path, target: Path) -> None:
    """Same file under another name (``work`` is ours to delete), or a copy across file systems."""
    with contextlib.suppress(OSError):
        os.link(source, target)
        return
    shutil.copyfile(source, target)


def _prove(folder: Path, proof: Any, job: Job) -> None:
    """Reload the export from disk; its logits must be the trained model's."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype="auto",
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=job.spec.model.trust_remote_code,
    ).eval()
    lora = job.spec.recipe.lora
    quantised = lora is not None and lora.quantise != "none"  # it computed in bfloat16
    allowed = _TOLERANCE["bf16" if quantised else job.spec.recipe.precision]
    for name in [n for n in proof.files if n.startswith("ids_")]:
        ids, wanted = proof[name], proof[name.replace("ids", "logits")]
        with torch.no_grad():
            logits = model(input_ids=torch.from_numpy(ids)[None], use_cache=False).logits
        found = logits[0, -1].float().numpy()
        if found.shape != wanted.shape or not np.isfinite(found).all():
            raise BabelmixError(f"{job.spec.run}: the exported model gives no usable logits.")
        difference = np.linalg.norm(found - wanted) / max(float(np.linalg.norm(wanted)), 1e-9)
        if difference > allowed:
            raise BabelmixError(
                f"{job.spec.run}: the exported model is not the trained one (its logits differ by "
                f"{difference:.1e} of their size, {allowed:.0e} is allowed). Nothing was exported; "
                f"the trained weights are kept in {job.work}."
            )
