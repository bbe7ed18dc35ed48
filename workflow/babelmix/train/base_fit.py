"""Model, optimiser, training loop and measure of the tiny base model (see `base.py`).

torch and transformers are imported inside the functions: importing this module is cheap.
"""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import base_data as data

if TYPE_CHECKING:
    import torch
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

log = logging.getLogger(__name__)
_clock = time.monotonic  # ablations put the processor's clock here


@dataclass(frozen=True)
class BaseSettings:
    """What shapes the base model besides its text, seed and minutes."""

    vocab_size: int = 4096
    hidden_size: int = 192
    layers: int = 3
    intermediate_size: int = 576
    heads: int = 3
    kv_heads: int = 3
    context: int = 1024
    rope_theta: float = 10_000.0
    batch_tokens: int = 2048
    pool_tokens: int = 65_536
    matrix_lr: float = 0.015
    other_lr: float = 0.012
    momentum: float = 0.95
    muon_steps: int = 3
    weight_decay: float = 0.1
    warmup: float = 0.02
    final_lr: float = 0.02
    dropout: float = 0.0
    balance: float = 0.7
    single: float = 0.5
    # Chance that a page's next sentence takes a new language. At 0 the base keeps to a page's
    # language whatever it is tuned on; at 1 it takes nothing from the page (both were tried).
    # In between, tuning decides the language of its answers, which is what the demo shows.
    switch: float = 0.25
    heldout_least: int = 500
    heldout_share: float = 0.02
    dev: int = 250
    evaluations: int = 20
    patience: int = 6
    dtype: str = "float16"


def build_model(settings: BaseSettings, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Return a fresh model; its output projections start small, as befits a short training."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=settings.hidden_size,
            intermediate_size=settings.intermediate_size,
            num_hidden_layers=settings.layers,
            num_attention_heads=settings.heads,
            num_key_value_heads=settings.kv_heads,
            max_position_embeddings=settings.context,
            rope_parameters={"rope_type": "default", "rope_theta": settings.rope_theta},
            tie_word_embeddings=True,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.mul_(0.1)
            layer.mlp.down_proj.weight.mul_(0.1)
    return model


def orthogonalise(matrices: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """Push the singular values of a stack of matrices towards one (Muon's Newton–Schulz step).

    torch.optim.Muon does the same one matrix at a time and in bfloat16, which costs two to three
    times as much on a processor without bfloat16 arithmetic.
    """
    x = matrices.mT if matrices.shape[-2] > matrices.shape[-1] else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * (gram @ gram)) @ x
    return x.mT if matrices.shape[-2] > matrices.shape[-1] else x


class Optimiser:
    """Muon for the matrices inside the layers, AdamW for embeddings and norms."""

    def __init__(self, model: LlamaForCausalLM, settings: BaseSettings) -> None:
        import torch

        self.settings = settings
        groups: dict[tuple[int, ...], list[torch.nn.Parameter]] = {}
        others: list[torch.nn.Parameter] = []
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2 and ".layers." in name:
                groups.setdefault(tuple(parameter.shape), []).append(parameter)
            else:
                others.append(parameter)
        self.groups = list(groups.values())
        self.momenta = [torch.zeros(len(group), *group[0].shape) for group in self.groups]
        self.adam = torch.optim.AdamW(
            [
                {"params": [p for p in others if p.ndim == 2], "weight_decay": 0.01},
                {"params": [p for p in others if p.ndim != 2], "weight_decay": 0.0},
            ],
            lr=settings.other_lr,
            betas=(0.9, 0.98),
            eps=1e-9,
        )
        self.parameters = list(model.parameters())

    def step(self, scale: float) -> None:
        """Make one step with all learning rates multiplied by `scale`, and clear the gradients."""
        import torch

        settings = self.settings
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        for group in self.adam.param_groups:
            group["lr"] = settings.other_lr * scale
        self.adam.step()
        rate = settings.matrix_lr * scale
        with torch.no_grad():
            for parameters, momentum in zip(self.groups, self.momenta, strict=True):
                grads = torch.stack([p.grad for p in parameters if p.grad is not None])
                momentum.lerp_(grads, 1 - settings.momentum)
                update = orthogonalise(
                    grads.lerp_(momentum, settings.momentum), settings.muon_steps
                )
                update *= 0.2 * math.sqrt(max(update.shape[-2:]))
                for parameter, change in zip(parameters, update, strict=True):
                    parameter.mul_(1 - rate * settings.weight_decay).sub_(change, alpha=rate)
        for parameter in self.parameters:
            parameter.grad = None

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs."""
        return {"momenta": self.momenta, "adam": self.adam.state_dict()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up a saved state."""
        self.momenta = list(state["momenta"])
        self.adam.load_state_dict(state["adam"])


def learning_rate_scale(progress: float, settings: BaseSettings) -> float:
    """Return the factor of the learning rates at a share of the budget: up fast, then down."""
    if progress < settings.warmup:
        return max(progress / settings.warmup, 0.01)
    down = (progress - settings.warmup) / (1 - settings.warmup)
    return settings.final_lr + (1 - settings.final_lr) * max(0.0, 1 - down)


def batch_loss(model: LlamaForCausalLM, rows: Sequence[list[int]], pad: int) -> torch.Tensor:
    """Return the loss (nats) of every token after the first: rows x width, zero at padding."""
    import torch
    from torch.nn import functional

    width = max(map(len, rows))
    ids = torch.tensor([row + [pad] * (width - len(row)) for row in rows])
    lengths = torch.tensor([len(row) for row in rows])
    target = ids[:, 1:].clone()
    target[torch.arange(1, width)[None, :] >= lengths[:, None]] = -100
    logits = model(input_ids=ids[:, :-1], use_cache=False).logits
    losses = functional.cross_entropy(
        logits.reshape(-1, logits.shape[-1]), target.reshape(-1), reduction="none"
    )
    return losses.view(target.shape)


def bits_per_byte(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    sentences: Sequence[str],
    batch_tokens: int = 4096,
) -> tuple[float, float]:
    """Return held-out bits per byte, without and with the end of the sentence.

    Definition: minus log2 of the probability of each sentence's tokens given `<s>`, summed over
    the sentences and divided by the sum of their UTF-8 bytes. The first figure leaves out the
    `</s>` after the sentence, the second counts it (the bytes stay the same).
    """
    import torch

    rows = [
        [tokenizer.bos_token_id, *ids, tokenizer.eos_token_id]
        for ids in data.encode_all(tokenizer, sentences)
    ]
    total = ends = 0.0
    training = model.training
    model.eval()
    with torch.no_grad():
        for batch in data.cut_batches(rows, batch_tokens):
            losses = batch_loss(model, batch, tokenizer.pad_token_id).double()
            total += losses.sum().item()
            ends += sum(losses[i, len(row) - 2].item() for i, row in enumerate(batch))
    model.train(training)
    size = sum(len(text.encode()) for text in sentences) * math.log(2)
    return (total - ends) / size, total / size


def dev_score(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, dev: Mapping[str, Sequence[str]]
) -> float:
    """Return the mean over the languages of the bits per byte on the development sentences."""
    return sum(bits_per_byte(model, tokenizer, texts)[0] for texts in dev.values()) / len(dev)


def add_dropout(model: LlamaForCausalLM, share: float) -> None:
    """Drop a share of what each half layer adds to the stream, while the model trains."""
    from torch.nn import functional

    if share <= 0:
        return
    for layer in model.model.layers:
        for module in (layer.self_attn.o_proj, layer.mlp.down_proj):
            module.register_forward_hook(
                lambda self, _args, out: functional.dropout(out, share, self.training)
            )


def place_special_tokens(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    """Give the tokens the text never shows a start that tuning can use.

    Trained, their rows would only be pushed away from everything. `<|end|>` becomes a slightly
    weaker `</s>`, the three roles a noisy `<s>`, the padding a zero.
    """
    import torch

    noise = torch.Generator().manual_seed(0)
    with torch.no_grad():
        table = model.model.embed_tokens.weight
        row = {token: tokenizer.convert_tokens_to_ids(token) for token in data.SPECIAL_TOKENS}
        begin, end = table[row[data.BOS]].clone(), table[row[data.EOS]].clone()
        table[row[data.END]] = 0.9 * end
        for token in (data.SYSTEM, data.USER, data.ASSISTANT):
            table[row[token]] = begin + 0.3 * begin.std() * torch.randn(len(begin), generator=noise)
        table[row[data.PAD]] = 0.0


def round_weights(model: LlamaForCausalLM, dtype: str) -> None:
    """Round the weights to what the saved file can hold, keeping them in float32."""
    import torch

    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.to(getattr(torch, dtype)).float())


@dataclass
class Progress:
    """Where a training stands."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    best: float = math.inf
    best_step: int = 0
    stale: int = 0
    evaluated: int = 0


def train_model(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    stream: data.DocumentStream,
    dev: Mapping[str, Sequence[str]],
    settings: BaseSettings,
    *,
    minutes: float,
    max_steps: int | None,
    checkpoint: Path,
    checkpoint_seconds: float = 120.0,
) -> tuple[Progress, list[dict[str, float]]]:
    """Train until the minutes or steps are spent; leave the best weights in `model`.

    The learning rate follows the share of the budget spent. `checkpoint` is written every two
    minutes, between pools, and taken up when it exists.
    """
    import torch
    from tqdm import tqdm

    optimiser, now, history = Optimiser(model, settings), Progress(), []
    best: dict[str, torch.Tensor] = {}
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(saved["model"])
        optimiser.restore(saved["optimiser"])
        stream.restore(saved["stream"])
        now, history, best = Progress(**saved["progress"]), saved["history"], saved["best"]
        log.info("resumed at step %d, %.0f s", now.step, now.seconds)
    add_dropout(model, settings.dropout)
    budget = minutes * 60
    recent, done, last_saved = math.nan, False, now.seconds
    bar = tqdm(
        total=100.0, desc="pretrain-base", unit="%", disable=not sys.stderr.isatty(),
        bar_format="{desc}: {n:.1f}% |{bar}| {elapsed}<{remaining} {postfix}",
    )  # fmt: skip

    def spent() -> float:
        by_steps = now.step / max_steps if max_steps else 0.0
        return min(1.0, max(now.seconds / budget, by_steps))

    def evaluate() -> bool:
        nonlocal best
        score = dev_score(model, tokenizer, dev)
        now.evaluated += 1
        now.stale += 1
        if score < now.best:
            now.best, now.best_step, now.stale = score, now.step, 0
            best = {key: value.clone() for key, value in model.state_dict().items()}
        history.append(
            {"step": now.step, "tokens": now.tokens, "seconds": round(now.seconds, 1),
             "train_nats": round(recent, 4), "dev_bpb": round(score, 4)}
        )  # fmt: skip
        log.info(
            "step %d, %.1f M tokens, %.0f s, train %.3f nats a token, dev %.4f bits a byte",
            now.step, now.tokens / 1e6, now.seconds, recent, score,
        )  # fmt: skip
        return now.stale >= settings.patience

    model.train()
    torch.set_flush_denormal(True)
    while not done and spent() < 1:
        for batch in stream.next_batches(settings.pool_tokens, settings.batch_tokens):
            start = _clock()
            losses = batch_loss(model, batch, tokenizer.pad_token_id)
            count = sum(len(row) - 1 for row in batch)
            loss = losses.sum() / count
            loss.backward()
            optimiser.step(learning_rate_scale(spent(), settings))
            now.step += 1
            now.tokens += count
            value = loss.item()
            recent = value if math.isnan(recent) else recent + 0.02 * (value - recent)
            if spent() >= (now.evaluated + 1) / settings.evaluations:
                done = evaluate()
            now.seconds += _clock() - start
            bar.n = round(100 * spent(), 1)
            bar.set_postfix_str(f"{recent:.3f} nats a token, dev {now.best:.3f} bits a byte")
            if done or spent() >= 1:
                break
        else:
            if now.seconds - last_saved >= checkpoint_seconds:
                last_saved = now.seconds
                partial = checkpoint.with_suffix(".partial")
                torch.save(
                    {"model": model.state_dict(), "optimiser": optimiser.state(), "best": best,
                     "stream": stream.state(), "progress": asdict(now), "history": history},
                    partial,
                )  # fmt: skip
                partial.replace(checkpoint)
    if not history or history[-1]["step"] < now.step:
        evaluate()
    bar.close()
    model.load_state_dict(best)
    return now, history
