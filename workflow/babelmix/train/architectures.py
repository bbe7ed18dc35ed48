"""What an architecture allows: rows packed end to end, padded side by side, or one at a time.

Decided before a training starts, by computing: a small random model of the same configuration (its
first layers, one of each kind at least) runs a few rows apart and together, in float32 on the CPU.
Rounding makes differences of about 5e-7 there, the smallest leak seen between packed rows 3e-4
(LFM2's short convolution). Imports torch when called.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..config.training import Recipe
from ..errors import BabelmixError
from ..io import digest, read_json, write_json
from .job import Job

#: Largest relative difference (L2) of one position's logits, rows together against rows apart.
BOUND = 3e-5
#: A difference above which a model sees what follows: 4e-3 in a small BERT, 1e-6 at most in 68
#: causal architectures.
_LEAK = 3e-4
#: Parameters of the small model above which nothing is tried.
_LARGEST = 1_000_000_000
_VOCABULARY, _LENGTHS, _WINDOW = 256, (21, 9, 30), 8

_KEPT = "batching.json"

Way = Literal["packed", "padded", "single"]


@dataclass(frozen=True, slots=True)
class Batching:
    """How rows share a micro-batch; ``note`` says what was asked for and cannot be had."""

    way: Way
    attention: str | None = None
    note: str = ""

    def fit(self, recipe: Recipe) -> Recipe:
        """The recipe as it can be run: micro-batches of about as many tokens."""
        if self.way == "packed" or (self.way == "padded" and not recipe.packing):
            return recipe
        rows = recipe.micro_batch_size
        if recipe.micro_batch_tokens is not None:
            rows = max(1, recipe.micro_batch_tokens // recipe.max_length)
        rows = rows if self.way == "padded" else 1
        changes = {"packing": False, "micro_batch_tokens": None, "micro_batch_size": rows}
        return recipe.model_copy(update=changes)


def find_batching(job: Job) -> Batching:
    """The batching of a job's model: found once and kept in ``work`` for all its processes."""
    recipe = job.spec.recipe
    kept = job.work / _KEPT
    asked = [
        read_json(job.model / "config.json"),
        recipe.packing,
        recipe.max_length,
        recipe.precision,
        recipe.deepspeed is not None,
        recipe.lora is not None,
        job.on_gpu,
        version("transformers"),
        version("torch"),
    ]
    key = digest(asked)
    if kept.is_file():
        record = read_json(kept)
        if record.pop("key") == key:
            return Batching(**record)
    from transformers import AutoConfig

    code = job.spec.model.trust_remote_code
    config = AutoConfig.from_pretrained(job.model, trust_remote_code=code)
    found = probe(config, recipe, job.spec.run, on_gpu=job.on_gpu, code=code)
    write_json(kept, {"key": key} | asdict(found))
    return found


def forget_batching(work: Path) -> None:
    """Delete what was found, once the training is complete."""
    (work / _KEPT).unlink(missing_ok=True)


def probe(
    config: Any, recipe: Recipe, run: str, *, on_gpu: bool = False, code: bool = False
) -> Batching:
    """Find the best batching that leaves every row's logits as they are alone.

    Raises BabelmixError for a model that cannot be trained even row by row.
    """
    import torch

    from .batches import PACKED_ATTENTION, register_packed_attention

    register_packed_attention()
    kind = config.model_type
    with torch.random.fork_rng(devices=[]):
        small = _small_model(config, recipe.max_length, code)
        if small is None:
            note = "no small model of this configuration can be made to try it on"
            if recipe.packing:
                return Batching("padded", None, f"{kind}: rows are not packed, but padded: {note}")
            return Batching("padded")
        if not small.is_causal():
            raise BabelmixError(
                f"{run}: `{kind}` is not causal: each token sees those that follow, and the loss "
                "would be taken on copying. Use a decoder model (`is_decoder` in its config.json)."
            )
        _check_precision(small, recipe, run, on_gpu)
        notes = []
        for attention in (PACKED_ATTENTION, None) if recipe.packing else ():
            if (why := small.difference("packed", attention)) is None:
                return Batching("packed", attention)
            notes.append(why)
        packed = f"{kind}: rows are not packed, but padded: {notes[-1]}" if notes else ""
        if (why := small.difference("padded", None)) is None:
            return Batching("padded", None, packed)
        return Batching("single", None, f"{kind}: each micro-batch is one row: {why}")


class _Small:
    """The small model's configuration and weights, and what its rows give one by one."""

    def __init__(self, config: Any, code: bool) -> None:
        import torch

        self.config, self.code = config, code
        torch.manual_seed(0)
        model = self.build(None)
        self.weights = model.state_dict()
        draw = np.random.default_rng(0)
        size = min(_VOCABULARY, int(config.get_text_config().vocab_size))
        self.rows = [{"input_ids": draw.integers(3, size, n).astype(np.int32)} for n in _LENGTHS]
        for row in self.rows:
            row["labels"] = row["input_ids"]
        with torch.no_grad():
            self.alone = torch.cat(
                [
                    model(input_ids=torch.from_numpy(row["input_ids"].astype(np.int64))[None])
                    .logits[0]
                    .float()
                    for row in self.rows
                ]
            )
        if not torch.isfinite(self.alone).all():
            raise ValueError("logits that are not finite")

    def build(self, attention: str | None) -> Any:
        from transformers import AutoModelForCausalLM

        config = copy.deepcopy(self.config)
        config.use_cache = False
        more = {"trust_remote_code": True} if self.code else {}
        if attention is not None:
            more["attn_implementation"] = attention  # type: ignore[assignment]
        return AutoModelForCausalLM.from_config(config, **more).float().eval()

    def model(self, attention: str | None) -> Any:
        """The model with its weights under some attention."""
        from transformers.initialization import no_init_weights

        with no_init_weights():
            model = self.build(attention)
        model.load_state_dict(self.weights)
        return model

    def is_causal(self) -> bool:
        """Whether the logits of a row's beginning are the same without its end."""
        import torch

        ids = torch.from_numpy(self.rows[0]["input_ids"].astype(np.int64))[None]
        kept = _LENGTHS[0] // 2
        with torch.no_grad():
            found = self.model(None)(input_ids=ids[:, :kept]).logits[0].float()
        off = (found - self.alone[:kept]).norm(dim=-1) / self.alone[:kept].norm(dim=-1)
        return float(off.max()) < _LEAK

    def batch(self, way: Way) -> dict[str, Any]:
        """All rows in one micro-batch."""
        from .batches import Collator

        collator = Collator(0, packed=way == "packed")
        return collator([[dict(row) for row in self.rows]])

    def difference(self, way: Way, attention: str | None) -> str | None:
        """Why rows cannot share a micro-batch in this way; None where they can."""
        batch = self.batch(way)
        labels = batch.pop("labels")
        try:
            model = self.model(attention)
            logits = model(**batch, use_cache=False).logits.float()
            got = logits[0] if way == "packed" else logits[batch["attention_mask"].bool()]
            off = (got.detach() - self.alone).norm(dim=-1)
            off = off / self.alone.norm(dim=-1).clamp(min=1e-9)
            logits.flatten(0, 1)[labels.flatten() >= 0].sum().backward()
        except Exception as error:  # whatever a model's own code raises
            said = (str(error).splitlines() or [""])[0][:120]
            return f"its code does not take them ({type(error).__name__}: {said})"
        worst = float(off.max())
        if worst <= BOUND:
            return None
        return (
            f"its code does not keep them apart (logits change by up to {worst:.1e} of their size, "
            f"rounding by less than {BOUND:.0e})"
        )


def _small_model(config: Any, longest: int, code: bool) -> _Small | None:
    """The smallest variant of a configuration that can be run; None where none can."""
    import torch
    from transformers import AutoModelForCausalLM

    text = config.get_text_config()
    for variant in _variants(text, longest):
        try:
            with torch.device("meta"):
                more = {"trust_remote_code": True} if code else {}
                size = AutoModelForCausalLM.from_config(copy.deepcopy(variant), **more)
            if sum(p.numel() for p in size.parameters()) > _LARGEST:
                continue
            return _Small(variant, code)
        except Exception:  # whatever a model's own code raises
            continue
    return None


_PARTS = ("layers", "vocabulary", "experts", "heads")
_LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
_WIDTHS = ("intermediate_size", "n_inner", "ffn_dim", "moe_intermediate_size")
_EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
_WINDOWS = ("sliding_window", "attention_chunk_size", "window_size", "attention_window_size")
_HIDDEN = ("hidden_size", "n_embd", "d_model", "lru_width", "conv_dim", "word_embed_proj_dim")
_HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads")
_STATE_HEADS = (
    ("mamba_n_heads", "mamba_d_head", "mamba_expand"),
    ("num_heads", "head_dim", "expand"),
    ("n_mamba_heads", "mamba_headdim", "mamba_expand"),
)
_KINDS = ("layer_types", "layers_block_type", "block_types")


def _variants(config: Any, longest: int) -> Iterator[Any]:
    """Copies of a configuration, the smallest first, the whole one last.

    Windows that the training's ``longest`` rows reach beyond are shorter than the trial's rows too.
    """
    for count in range(len(_PARTS), -1, -1):
        parts = _PARTS[:count]
        small = copy.deepcopy(config)
        for name in _WINDOWS:
            if isinstance(value := _get(small, name), int) and _WINDOW < value < longest:
                setattr(small, name, _WINDOW)
        try:
            if "layers" in parts:
                _cut_layers(small)
            if "experts" in parts:
                _fewer_experts(small)
            if "heads" in parts:
                _fewer_heads(small)
            if "vocabulary" in parts:
                small.vocab_size = min(_VOCABULARY, small.vocab_size)
                for number, name in enumerate(("pad_token_id", "bos_token_id", "eos_token_id")):
                    setattr(small, name, number)
        except Exception:  # a configuration that checks itself
            continue
        yield small


def _cut_layers(config: Any) -> None:
    """Leave the first layers, with one of each kind at least (and two)."""
    whole = next(int(n) for name in _LAYERS if (n := _get(config, name)))
    kinds = next((list(k) for name in _KINDS if isinstance(k := _get(config, name), list)), [])
    least = max([2, *(kinds.index(kind) + 1 for kind in set(kinds))])
    for name in ("attn_layer_period", "expert_layer_period", "full_attention_interval"):
        if isinstance(period := _get(config, name), int):
            least = max(least, period + 1)
    count = min(whole, least)
    for name, value in list(vars(config).items()):
        if isinstance(value, (list, tuple)) and len(value) == whole:
            setattr(config, name, value[:count])
        elif name in _LAYERS and value == whole:
            setattr(config, name, count)
    if isinstance(first := _get(config, "first_k_dense_replace"), int):
        config.first_k_dense_replace = min(first, 1)
    if isinstance(_get(config, "num_kv_shared_layers"), int):
        config.num_kv_shared_layers = 0


def _fewer_experts(config: Any) -> None:
    """Small feed-forward layers, few experts, short chunks of a state-space layer."""
    for name in _WIDTHS:
        if isinstance(value := _get(config, name), int):
            setattr(config, name, min(value, 256))
    for name in _EXPERTS:
        if isinstance(value := _get(config, name), int):
            setattr(config, name, min(value, 8))
    for name in ("chunk_size", "mamba_chunk_size"):
        if isinstance(value := _get(config, name), int):
            setattr(config, name, min(value, 16))
    for name in ("num_experts_per_tok", "n_group", "topk_group"):
        if isinstance(value := _get(config, name), int):
            setattr(config, name, min(value, 2 if name == "num_experts_per_tok" else 1))


def _fewer_heads(config: Any) -> None:
    """Four heads of the same size; a state-space layer's heads follow from the hidden size."""
    hidden, heads = config.hidden_size, config.num_attention_heads
    each = _get(config, "head_dim") or hidden // heads
    shared = (_get(config, "num_key_value_heads") or heads) < heads
    for name, value in list(vars(config).items()):
        if name in _HIDDEN and value == hidden:
            setattr(config, name, 4 * each)
        elif name in _HEADS and value == heads:
            setattr(config, name, 4)
    if _get(config, "num_key_value_heads"):
        config.num_key_value_heads = 2 if shared else 4
    for count, size, expand in _STATE_HEADS:
        found = [_get(config, name) for name in (count, size, expand)]
        if all(isinstance(value, int) for value in found):
            setattr(config, count, found[2] * 4 * each // found[1])


def _get(config: Any, name: str) -> Any:
    try:
        return getattr(config, name, None)
    except Exception:  # "a per-layer attribute": there is none for all layers
        return None


def _check_precision(small: _Small, recipe: Recipe, run: str, on_gpu: bool) -> None:
    """On the CPU: one backward pass in the recipe's arithmetic, before anything is spent."""
    import torch

    if on_gpu or recipe.precision == "fp32":
        return
    batch = small.batch("padded")
    labels = batch.pop("labels")
    model = small.model(None).train()
    if recipe.deepspeed is not None or recipe.lora is not None:  # as `load_model` has it
        model = model.to(torch.bfloat16)
    try:
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.deepspeed is None):
            logits = model(**batch, use_cache=False).logits
        logits.flatten(0, 1)[labels.flatten() >= 0].float().sum().backward()
    except Exception as error:  # whatever a model's own code raises
        said = (str(error).splitlines() or [""])[0][:160]
        raise BabelmixError(
            f"{run}: {small.config.model_type} cannot be trained in {recipe.precision} on the CPU "
            f"({type(error).__name__}: {said}). Use `precision: fp32`."
        ) from None
