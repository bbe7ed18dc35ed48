"""Which weights become the result: the last, the best on held-out rows, or a listed epoch's.

Imports torch.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from ..config.training import Recipe
from ..errors import BabelmixError
from .batches import PACKED_ATTENTION, Collator
from .data import Rows
from .export import Candidate, Candidates
from .loop import MixtureTrainer
from .memory import ModelShape, memory_needs
from .proof import rebuild
from .rouge import rouge_l
from .settings import Layout, evaluation_steps, listed_steps
from .watch import Metrics

_IGNORED = -100
#: Rows of one batch of greedy answers.
_ANSWERS = 16


@dataclass(slots=True)
class Selection:
    """Measures held-out rows after the steps where that is due, and keeps the weights wanted."""

    recipe: Recipe
    layout: Layout
    steps: int
    trainer: MixtureTrainer
    train: Rows
    dev: Rows
    collator: Collator
    tokenizer: Any
    metrics: Metrics | None
    candidates: Candidates

    def after_step(self, step: int) -> None:
        """Called by every process after every optimizer step."""
        due = evaluation_steps(len(self.train), self.steps, self.recipe)
        loss = None
        if step in due and len(self.dev):
            loss = self._measure(step)
        epoch = listed_steps(len(self.train), self.recipe).get(step)
        if epoch is not None:
            self._keep(self.candidates.of_epoch(epoch), step, loss)

    def finish(self) -> None:
        """Keep the last weights, where they are the ones wanted."""
        if self.recipe.select == "last":
            self._keep(self.candidates.chosen, self.steps, None)

    def _measure(self, step: int) -> float:
        """Held-out loss (and ROUGE-L where the choice is by it); the best weights are kept."""
        select, best = self.recipe.select, self.candidates.chosen
        loss = self.trainer.mean_loss(self.dev, self.layout, self.collator)
        measured = {"dev_loss": loss}
        if select == "best_dev_rouge_l":
            measured["dev_rouge_l"] = dev_rouge_l(
                self.trainer, self.dev, self.tokenizer, self.recipe.max_length
            )
        if self.metrics is not None:
            self.metrics.add(step=step, **measured)
        if self.trainer.args.report_to:
            self.trainer.log(dict(measured))
        score = measured["dev_rouge_l"] if select == "best_dev_rouge_l" else -loss
        if select.startswith("best") and best.is_better(score):
            self._keep(best, step, loss, score)
        return loss

    def _keep(
        self, candidate: Candidate, step: int, dev_loss: float | None, score: float | None = None
    ) -> None:
        candidate.keep(
            self.trainer, self.train, self.recipe, step=step, dev_loss=dev_loss, score=score
        )


def check_selection(recipe: Recipe, dev: Rows, run: str) -> None:
    """Refuse a choice by held-out rows where there are none."""
    if recipe.select.startswith("best") and not len(dev):
        raise BabelmixError(
            f"{run}: `select: {recipe.select}` needs held-out rows; give the dataset `dev_rows`, "
            "or use `select: last`."
        )


def check_gathering(
    shape: ModelShape, recipe: Recipe, layout: Layout, available: float | None, run: str
) -> None:
    """Refuse a choice by answers where a device could not hold the weights that ZeRO-3 shards."""
    sharded = recipe.deepspeed is not None and recipe.deepspeed.stage == 3
    if recipe.select != "best_dev_rouge_l" or not sharded or available is None:
        return
    held = memory_needs(shape, recipe, layout, checkpointing=True)
    # The gathered copy, and once more as much while it is being gathered.
    needed = 2 * shape.parameters * (4 if recipe.precision == "fp32" else 2)
    if held.weights + held.optimizer + held.gradients + needed > available:
        raise BabelmixError(
            f"{run}: `select: best_dev_rouge_l` writes answers with the whole weights on every "
            f"device, which takes {needed / 1e9:.0f} GB beside what the training holds. Use "
            "`select: best_dev_loss`, which works on the shards."
        )


def dev_rouge_l(trainer: MixtureTrainer, rows: Rows, tokenizer: Any, max_length: int) -> float:
    """Mean ROUGE-L of greedy first answers to held-out rows, shared out over the devices."""
    rank, devices = trainer.args.process_index, trainer.args.world_size
    pairs = sorted((first_exchange(rows, i) for i in range(len(rows))), key=lambda p: len(p[0]))
    mine = pairs[rank::devices]
    sums = torch.zeros(2, dtype=torch.float64, device=trainer.args.device)
    with answering_model(trainer) as model:
        for at in range(0, len(mine), _ANSWERS):
            batch = mine[at : at + _ANSWERS]
            answers = _answer(model, [p for p, _ in batch], tokenizer, trainer, max_length)
            for answer, (_, wanted) in zip(answers, batch, strict=True):
                score = rouge_l(answer, tokenizer.decode(wanted, skip_special_tokens=True))
                sums += torch.tensor([score, 1.0], dtype=torch.float64, device=sums.device)
    if devices > 1:
        torch.distributed.all_reduce(sums)
    return float(sums[0] / sums[1])


@contextlib.contextmanager
def answering_model(trainer: MixtureTrainer) -> Iterator[Any]:
    """The trained model as it can generate, while it lasts.

    Under ZeRO-3 every forward pass gathers all weights from all devices, which is once per token
    here. So they are gathered once, on every device, and a plain model is laid over them.
    """
    wrapped: Any = trainer.model
    model: Any = trainer.accelerator.unwrap_model(wrapped)
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    with contextlib.ExitStack() as held:
        if any(hasattr(p, "ds_id") for p in inner.parameters()):
            import deepspeed

            held.enter_context(deepspeed.zero.GatheredParameters(list(inner.parameters())))
            model = rebuild(inner, {n: t.data for n, t in inner.state_dict().items()})
            model.to(trainer.args.device)
        elif inner.config._attn_implementation == PACKED_ATTENTION:
            # Ours knows no cache of earlier tokens.
            inner.set_attn_implementation("sdpa")
            held.callback(inner.set_attn_implementation, PACKED_ATTENTION)
        model.eval()
        held.callback(wrapped.train)
        held.enter_context(torch.no_grad())
        held.enter_context(trainer.compute_loss_context_manager())
        yield model


def first_exchange(rows: Rows, number: int) -> tuple[list[int], list[int]]:
    """Tokens of a row up to its first answer, and the tokens of that answer."""
    row = rows[number]
    trained = row["labels"] != _IGNORED
    start = int(trained.argmax())
    after = (~trained[start:]).nonzero()[0]
    end = start + int(after[0]) if len(after) else len(trained)
    ids = row["input_ids"].tolist()
    return ids[:start], ids[start:end]


def _answer(
    model: Any, prompts: list[list[int]], tokenizer: Any, trainer: MixtureTrainer, max_length: int
) -> list[str]:
    """Greedy answers, at most 512 tokens each."""
    longest = max(map(len, prompts))
    pad = tokenizer.pad_token_id or 0
    ids = torch.tensor([[pad] * (longest - len(p)) + p for p in prompts])
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
    device = trainer.args.device
    written = model.generate(
        input_ids=ids.to(device),
        attention_mask=mask.to(device),
        do_sample=False,
        use_cache=True,
        max_new_tokens=max(1, min(512, max_length - longest)),
    )
    return [tokenizer.decode(row[longest:], skip_special_tokens=True) for row in written]
