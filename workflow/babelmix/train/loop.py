"""The trainer: transformers' loop with our schedule, our loss and our checkpoints.

Our loss is the cross-entropy summed over trained tokens, divided by the trained tokens of the whole
optimizer step (all devices, all accumulated micro-batches). This module imports torch.
"""

from __future__ import annotations

import inspect
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler, SequentialSampler
from transformers import (
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from ..config.training import Recipe
from ..errors import BabelmixError
from .batches import Collator, Scheduled, check_packing, token_loss
from .checkpoints import mark_whole, prune
from .data import FILLER, Rows
from .settings import Layout, rate_factor


class MixtureTrainer(Trainer):
    """A Trainer that sees rows in schedule order and normalises by trained tokens."""

    loss_is_scaled_for_ga = True

    def __init__(self, *, recipe: Recipe, steps: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model_accepts_loss_kwargs = True  # asks for the step's count of trained tokens
        self.recipe, self.steps = recipe, steps
        self.remove_callback(PrinterCallback)
        inner = self.accelerator.unwrap_model(self.model)
        inner = inner.get_base_model() if hasattr(inner, "get_base_model") else inner
        self.sliced = "logits_to_keep" in inspect.signature(inner.forward).parameters
        self._packing_proved = not recipe.packing

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        dataset: Any = train_dataset or self.train_dataset
        return SequentialSampler(dataset)

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """The recipe's learning rate; the number of steps is the schedule's, on any machine."""
        if self.lr_scheduler is None:
            stepped: Any = optimizer or self.optimizer
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
                stepped, rate_factor(self.recipe, self.steps)
            )
        return self.lr_scheduler

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        """Loss of one micro-batch as its share of the step's mean over trained tokens."""
        if not self._packing_proved:
            self._prove_packing(model, inputs)
        total, count = token_loss(model, inputs, sliced=self.sliced)
        if num_items_in_batch is None:
            return total / count.clamp(min=1)
        items = torch.as_tensor(num_items_in_batch, device=total.device).clamp(min=1)
        # Gradients are averaged over devices afterwards; the count is already that of all of them.
        return total * self.accelerator.num_processes / items

    def _prove_packing(self, model: torch.nn.Module, inputs: dict[str, Any]) -> None:
        self._packing_proved = True
        rows = [
            {"input_ids": ids, "labels": ids}
            for ids in (
                row[:128].cpu().numpy()
                for row in inputs["input_ids"][0].split(list(inputs["document_lengths"]))[:4]
            )
        ]
        packed, padded = (
            self._prepare_inputs(Collator(pad=0, packed=packing)(rows)) for packing in (True, False)
        )
        check_packing(model, packed, padded, half=self.recipe.precision != "fp32")

    def mean_loss(self, rows: Rows, layout: Layout, collator: Collator) -> float:
        """Loss per trained token over held-out rows, shared out over the devices."""
        rank, devices = self.args.process_index, self.args.world_size
        share = -(-len(rows) // (devices * layout.micro)) * layout.micro
        places = np.full(share * devices, FILLER, dtype=np.int64)
        places[: len(rows)] = np.argsort(-rows.lengths, kind="stable")
        mine = places.reshape(-1, devices, layout.micro)[:, rank]
        loader = DataLoader(
            Scheduled(rows, mine, collator.pad), batch_size=layout.micro, collate_fn=collator
        )
        sums = torch.zeros(2, dtype=torch.float64, device=self.args.device)
        model = self.model_wrapped
        model.eval()
        with torch.no_grad(), self.compute_loss_context_manager():
            for batch in loader:
                total, count = token_loss(model, self._prepare_inputs(batch), sliced=self.sliced)
                sums += torch.stack([total.double(), count.double()])
        model.train()
        if devices > 1:
            torch.distributed.all_reduce(sums)
        return float(sums[0] / sums[1].clamp(min=1))


def training_arguments(
    recipe: Recipe, layout: Layout, steps: int, seed: int, work: Path, **changes: Any
) -> TrainingArguments:
    """Transformers' settings for a recipe; everything we decide on ourselves is switched off."""
    log_every = 1 if steps <= 1000 else 10
    return TrainingArguments(
        output_dir=str(work),
        per_device_train_batch_size=layout.micro,
        gradient_accumulation_steps=layout.accumulation,
        max_steps=steps,
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        adam_beta1=recipe.adam_beta1,
        adam_beta2=recipe.adam_beta2,
        max_grad_norm=recipe.max_grad_norm,
        bf16=recipe.precision == "bf16",
        fp16=recipe.precision == "fp16",
        activation_checkpointing=recipe.gradient_checkpointing,
        activation_checkpointing_kwargs=(
            {"use_reentrant": False} if recipe.gradient_checkpointing else None
        ),
        ddp_find_unused_parameters=False,
        seed=seed,
        data_seed=seed,
        logging_steps=log_every,
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=recipe.checkpoint_steps,
        disable_tqdm=True,
        report_to=[],
        remove_unused_columns=False,
        dataloader_drop_last=False,
        accelerator_config={"dispatch_batches": False, "even_batches": False},
        **changes,
    )


class Metrics:
    """The training's metrics: kept in ``work``, so that a resumed training goes on with them."""

    def __init__(self, path: Path, resumed_step: int) -> None:
        self.path = path
        self.rows: list[dict[str, Any]] = []
        if path.is_file():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    row = json.loads(line)
                except ValueError:
                    break  # the line that was being written when the training was killed
                if row["step"] <= resumed_step:
                    self.rows.append(row)
        path.write_text(self.text(), encoding="utf-8")
        spent = self.rows[-1]["seconds"] if self.rows else 0.0
        self._start = time.monotonic() - spent

    def text(self) -> str:
        """All rows as JSON lines."""
        return "".join(json.dumps(row) + "\n" for row in self.rows)

    def add(self, **row: Any) -> None:
        """Add one row, with the seconds spent so far."""
        row["seconds"] = round(time.monotonic() - self._start, 3)
        self.rows.append(row)
        with self.path.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(row) + "\n")

    def last(self, name: str) -> float | None:
        """The newest value of a metric."""
        return next((row[name] for row in reversed(self.rows) if name in row), None)


class Recorder(TrainerCallback):
    """Writes metrics, shows progress, stops on a loss that is no number, seals checkpoints."""

    def __init__(
        self,
        *,
        run: str,
        training: str,
        work: Path,
        schedule: np.ndarray,
        rows: Rows,
        metrics: Metrics | None,
        rate: Callable[[int], float],
        after_step: Callable[[int], None],
    ) -> None:
        self.run, self.training, self.work, self.metrics = run, training, work, metrics
        self.rate, self.after_step, self.devices = rate, after_step, 1
        real = schedule != FILLER
        self.tokens = np.cumsum(np.where(real, rows.lengths[schedule], 0).sum(1))
        self.trained = np.cumsum(np.where(real, rows.trained[schedule], 0).sum(1))
        self.bar: Any = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Open the progress bar (quiet where standard error is no terminal)."""
        from tqdm import tqdm

        self.devices = args.world_size
        if state.is_world_process_zero:
            self.bar = tqdm(
                total=state.max_steps, initial=state.global_step, desc=self.run, disable=None
            )

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Record one line of metrics."""
        if not logs or "loss" not in logs:
            return
        step = state.global_step
        if not math.isfinite(logs["loss"]):
            raise BabelmixError(
                f"{self.run}: the loss is {logs['loss']} at step {step}. Lower `learning_rate`, "
                "add `warmup_ratio`, or use `precision: bf16` or `fp32` in place of fp16."
            )
        if self.metrics is not None:
            self.metrics.add(
                step=step,
                loss=logs["loss"],
                lr=self.rate(step - 1),
                grad_norm=logs.get("grad_norm"),
                tokens=int(self.tokens[step - 1]),
                trained_tokens=int(self.trained[step - 1]),
            )
        if self.bar is not None:
            self.bar.set_postfix(loss=f"{logs['loss']:.3f}")

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Advance the bar and measure the held-out loss where it is due."""
        if self.bar is not None:
            self.bar.update(1)
        self.after_step(state.global_step)

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Seal the checkpoint once every device has written its part, then drop older ones."""
        if self.devices > 1:
            torch.distributed.barrier()
        if state.is_world_process_zero:
            folder = self.work / f"checkpoint-{state.global_step}"
            mark_whole(folder, step=state.global_step, devices=self.devices, training=self.training)
            prune(self.work, keep=folder)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Close the bar."""
        if self.bar is not None:
            self.bar.close()
