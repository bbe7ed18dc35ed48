"""The trainer: transformers' loop with our schedule, our loss and our checkpoints.

Our loss is the cross-entropy summed over trained tokens, divided by the trained tokens of the whole
optimizer step (all devices, all accumulated micro-batches). This module imports torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, Sampler, SequentialSampler
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from ..config.training import Recipe
from .batches import Collator, Scheduled, check_packing
from .data import Rows
from .loss import TokenLoss
from .schedule import evaluation_schedule
from .settings import Layout, rate_factor
from .watch import watchers


class MixtureTrainer(Trainer):
    """A Trainer that sees rows in schedule order and normalises by trained tokens."""

    loss_is_scaled_for_ga = True

    def __init__(self, *, recipe: Recipe, steps: int, fused: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model_accepts_loss_kwargs = True  # asks for the step's count of trained tokens
        self.recipe, self.steps = recipe, steps
        self.remove_callback(PrinterCallback)
        inner = self.accelerator.unwrap_model(self.model)
        inner = inner.get_base_model() if hasattr(inner, "get_base_model") else inner
        self.token_loss = TokenLoss(inner, fused=fused)
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
        total, count = self.token_loss(model, inputs)
        if num_items_in_batch is None:
            return total / count.clamp(min=1)
        items = torch.as_tensor(num_items_in_batch, device=total.device).clamp(min=1)
        # Gradients are averaged over devices afterwards; the count is already that of all of them.
        return total * self.accelerator.num_processes / items

    def create_optimizer(self, model: Any = None) -> Any:
        """AdamW's groups as transformers makes them; their weight decay is remembered."""
        optimizer = super().create_optimizer(model)
        made: Any = self.optimizer
        self.decays = [group["weight_decay"] for group in made.param_groups if group["params"]]
        return optimizer

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Leave the weights out of checkpoints where DeepSpeed's parts hold them already.

        Gathering them again would copy the whole model to every host and write it twice.
        """
        if not (_internal_call and self.is_deepspeed_enabled):
            super().save_model(output_dir, _internal_call)

    def _prove_packing(self, model: torch.nn.Module, inputs: dict[str, Any]) -> None:
        self._packing_proved = True
        half = self.recipe.precision != "fp32"
        check_packing(model, self._prepare_inputs, inputs["input_ids"], half=half)

    def mean_loss(self, rows: Rows, layout: Layout, collator: Collator) -> float:
        """Loss per trained token over held-out rows, shared out over the devices."""
        rank, devices = self.args.process_index, self.args.world_size
        schedule = evaluation_schedule(rows, layout)
        mine = schedule.places.reshape(schedule.rounds, devices, -1)[:, rank]
        loader = DataLoader(Scheduled(rows, mine, collator.pad), batch_size=1, collate_fn=collator)
        sums = torch.zeros(2, dtype=torch.float64, device=self.args.device)
        model = self.model_wrapped
        model.eval()
        with torch.no_grad(), self.compute_loss_context_manager():
            for batch in loader:
                total, count = self.token_loss(model, self._prepare_inputs(batch))
                sums += torch.stack([total.double(), count.double()])
        model.train()
        if devices > 1:
            torch.distributed.all_reduce(sums)
        return float(sums[0] / sums[1].clamp(min=1))


class UniversalLoad(TrainerCallback):
    """Corrects what DeepSpeed 0.19 does on loading a universal checkpoint under ZeRO-3.

    All weights' optimizer states share one tensor as their step count, so that one step counts as
    many; and the first group's weight decay is given to the others (norms and biases have none).
    """

    def __init__(self, trainer: MixtureTrainer) -> None:
        self.trainer = trainer

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Runs once the checkpoint is loaded."""
        wrapped: Any = self.trainer.model_wrapped
        optimizer = wrapped.optimizer.optimizer
        for state in optimizer.state.values():
            if torch.is_tensor(state.get("step")):
                state["step"] = state["step"].clone()
        for group, decay in zip(optimizer.param_groups, self.trainer.decays, strict=True):
            group["weight_decay"] = decay


def training_arguments(
    recipe: Recipe, rounds: int, steps: int, seed: int, work: Path, **changes: Any
) -> TrainingArguments:
    """Transformers' settings for a recipe; everything we decide on ourselves is switched off.

    One of its "samples" is one micro-batch of ours; a device sees ``rounds`` of them in a step.
    """
    log_every = 1 if steps <= 1000 else 10
    return TrainingArguments(
        output_dir=str(work),
        per_device_train_batch_size=1,
        gradient_accumulation_steps=rounds,
        max_steps=steps,
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        adam_beta1=recipe.adam_beta1,
        adam_beta2=recipe.adam_beta2,
        max_grad_norm=recipe.max_grad_norm,
        bf16=recipe.precision == "bf16",
        fp16=recipe.precision == "fp16",
        ddp_find_unused_parameters=False,
        ddp_timeout=round(60 * recipe.collective_timeout_minutes),
        seed=seed,
        data_seed=seed,
        logging_steps=log_every,
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=recipe.checkpoint_steps,
        disable_tqdm=True,
        report_to=watchers(),
        remove_unused_columns=False,
        dataloader_drop_last=False,
        accelerator_config={"dispatch_batches": False, "even_batches": False},
        **changes,
    )
