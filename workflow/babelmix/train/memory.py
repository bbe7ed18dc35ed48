"""What a training needs of memory and disk, estimated by part before it starts. No torch.

Estimates: weights, gradients and AdamW's state are exact; activations follow the tensors that a
layer of transformers' Llama keeps for its backward pass (a test counts them).
"""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..config.training import Recipe
from ..errors import BabelmixError
from ..io import read_json
from .settings import BUCKET, LIVE_PARAMETERS, Layout

#: Dense half-precision peak of a device in FLOP/s, by a part of its name (makers' data sheets).
_PEAKS = {
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100": 989e12,
    "B200": 2250e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L4": 121e12,
    "A10": 125e12,
    "RTX 4090": 165e12,
    "V100": 125e12,
}


def known_gpus() -> list[str]:
    """Kinds of GPUs whose peak is known."""
    return sorted(_PEAKS)


def peak_flops(device: str) -> float | None:
    """Peak FLOP/s of a GPU by its name; None where it is not known."""
    return next((peak for name, peak in _PEAKS.items() if name in device), None)


@dataclass(frozen=True, slots=True)
class ModelShape:
    """The sizes of a causal model that its costs follow from."""

    parameters: int
    vocabulary: int
    hidden: int
    intermediate: int
    layers: int
    tied: bool = True
    #: Width of all keys (or values) of a token; 0: as wide as the hidden state.
    keys: int = 0

    @classmethod
    def read(cls, folder: Path) -> ModelShape:
        """From a prepared model's folder (``config.json`` and the headers of its weights)."""
        from .weights import stored_shapes

        config = read_json(folder / "config.json")
        text = config.get("text_config", config)

        def size(*names: str) -> int:
            return int(next((text[n] for n in names if text.get(n)), 0))

        hidden, vocabulary = size("hidden_size", "n_embd", "d_model"), size("vocab_size")
        shapes = list(stored_shapes(folder).values())
        heads = size("num_attention_heads", "n_head") or 1
        grouped = text.get("num_key_value_heads") or heads
        return cls(
            parameters=sum(math.prod(shape) for shape in shapes),
            vocabulary=vocabulary,
            hidden=hidden,
            intermediate=size("intermediate_size", "n_inner", "ffn_dim") or 4 * hidden,
            layers=size("num_hidden_layers", "n_layer", "num_layers"),
            tied=shapes.count([vocabulary, hidden]) < 2,
            keys=grouped * (text.get("head_dim") or hidden // heads),
        )

    @classmethod
    def like_llama(cls, parameters: int) -> ModelShape:
        """A shape of about so many parameters in Llama's proportions (12 hidden² a layer, layers =
        hidden / 128), for a model whose files are not here."""
        hidden = 128 * max(1, round((parameters * 128 / 12) ** (1 / 3) / 128))
        return cls(parameters, 128_000, hidden, 8 * hidden // 3, max(1, hidden // 128))

    def training_flops(
        self, lengths: np.ndarray, trained: np.ndarray, *, frozen: bool = False
    ) -> np.ndarray:
        """FLOPs of forward and backward on rows of these lengths and trained tokens.

        6 a weight and token (4 where the weights are frozen under adapters), the output layer at
        trained tokens alone, and causal attention. Nothing else counts as work: embeddings are
        looked up, padding is waste, and what checkpointing computes twice is computed once here.
        """
        a_weight = 4.0 if frozen else 6.0
        table = self.vocabulary * self.hidden
        inner = self.parameters - table * (1 if self.tied else 2)
        lengths = lengths.astype(np.float64)
        matrices = a_weight * (inner * lengths + table * trained)
        return matrices + 6.0 * self.layers * self.hidden * lengths**2


#: Bytes that a layer keeps for its backward pass, per token and unit of (hidden state,
#: feed-forward, keys): all in float32; in half precision; in half precision by autocast, which
#: keeps the residual stream in float32.
_KEPT = {"fp32": (32, 16, 8), "half": (20, 8, 4), "autocast": (30, 8, 4)}
_PARTS = ("weights", "gradients", "optimizer", "activations", "logits", "buffers")


@dataclass(frozen=True, slots=True)
class Needs:
    """Bytes that one device needs, by part; ``host`` is moved to the host's memory.

    ``buffers`` are those of communication: buckets of gradients and gathered weights.
    """

    weights: float
    gradients: float
    optimizer: float
    activations: float
    logits: float
    host: float = 0.0
    buffers: float = 0.0

    @property
    def total(self) -> float:
        """All parts on the device."""
        return sum(getattr(self, name) for name in _PARTS)

    def in_gb(self) -> dict[str, float]:
        """Every part, their sum, and what is on the host, in GB."""
        parts = {name: getattr(self, name) for name in _PARTS}
        parts |= {"total": self.total, "host": self.host}
        return {name: round(size / 1e9, 1) for name, size in parts.items()}

    def __str__(self) -> str:
        said = ", ".join(f"{name} {getattr(self, name) / 1e9:.1f}" for name in _PARTS)
        moved = f"; on the host {self.host / 1e9:.1f}" if self.host else ""
        return f"about {self.total / 1e9:.1f} GB a device ({said}{moved})"


def adapter_parameters(shape: ModelShape, rank: int) -> int:
    """Parameters of low-rank adapters on all linear layers of a Llama-like model, at most."""
    per_layer = 4 * 2 * shape.hidden + 3 * (shape.hidden + shape.intermediate)
    return rank * shape.layers * per_layer


def memory_needs(
    shape: ModelShape, recipe: Recipe, layout: Layout, *, checkpointing: bool
) -> Needs:
    """Estimate for one device; a micro-batch is taken to be full."""
    half = 4 if recipe.precision == "fp32" else 2
    ds, lora = recipe.deepspeed, recipe.lora
    plain = ds is None and lora is None  # keeps float32 weights, and autocast's copies of them
    held = 4 if plain else half
    trainable = shape.parameters if lora is None else adapter_parameters(shape, lora.rank)
    stage = ds.stage if ds is not None else -1
    assert stage != "auto"
    n = layout.devices
    quantised = lora is not None and lora.quantise != "none"
    copies = 2 if plain and half == 2 else 0
    weights = shape.parameters * (0.6 if quantised else held + copies) / (n if stage == 3 else 1)
    gradients = trainable * held / (n if stage >= 2 else 1)
    master = 4 if ds is not None and half == 2 else 0
    optimizer = trainable * (8 + master) / (n if stage >= 1 else 1)
    host = 0.0
    if ds is not None and ds.offload_optimizer:
        host, optimizer = host + optimizer, 0.0
    if ds is not None and ds.offload_parameters:
        host, weights = host + weights, 0.0
    tokens = layout.tokens or layout.micro * recipe.max_length
    by_hidden, by_inner, by_keys = _KEPT["fp32" if half == 4 else "autocast" if plain else "half"]
    layer = tokens * (
        by_hidden * shape.hidden
        + by_inner * shape.intermediate
        + by_keys * (shape.keys or shape.hidden)
    )
    kept = tokens * (4 if plain else half) * shape.hidden
    activations = kept * shape.layers + layer if checkpointing else layer * shape.layers
    logits = 3 * 4 * min(tokens * shape.vocabulary, 2**27)
    buffers = _buffers(stage, trainable, held, n)
    return Needs(weights, gradients, optimizer, activations, logits, host, buffers)


def _buffers(stage: int, trainable: int, held: int, devices: int) -> float:
    """Bytes of communication's buffers.

    Plain data parallel copies all gradients into buckets. DeepSpeed holds 4.5 buckets each of
    reduction and gathering where both overlap with arithmetic (its own figure), and under ZeRO-3
    the weights that are gathered at present.
    """
    if stage < 1:
        return trainable * held if devices > 1 else 0.0
    buckets = 4.5 * held * min(trainable, BUCKET)
    if stage == 3:
        return buckets + held * min(trainable, LIVE_PARAMETERS)
    return 2 * buckets


def wants_checkpointing(
    shape: ModelShape, recipe: Recipe, layout: Layout, available: float | None
) -> bool:
    """Whether activations are computed twice: as the recipe says, or as memory (bytes) does."""
    if recipe.gradient_checkpointing != "auto":
        return recipe.gradient_checkpointing
    needs = memory_needs(shape, recipe, layout, checkpointing=False)
    return available is not None and needs.total > 0.85 * available


def host_memory() -> float | None:
    """Bytes of host memory that are free; None where the system does not say."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return float(line.split()[1]) * 1024
    except OSError:
        return None
    return None


def memory_advice(shape: ModelShape, recipe: Recipe, layout: Layout, checkpointing: bool) -> str:
    """What was estimated and what to change, most useful first."""
    needs = memory_needs(shape, recipe, layout, checkpointing=checkpointing)
    ways = []
    if recipe.packing and (layout.tokens or 0) > recipe.max_length:
        ways.append(f"`micro_batch_tokens: {recipe.max_length}`")
    elif not recipe.packing and layout.micro > 1:
        ways.append(f"`micro_batch_size: {layout.micro // 2}`")
    if not checkpointing:
        ways.append("`gradient_checkpointing: true`")
    stage = recipe.deepspeed.stage if recipe.deepspeed is not None else -1
    assert stage != "auto"
    if stage < 3 and layout.devices > 1 and recipe.lora is None:
        ways.append(f"`deepspeed: {{stage: {3 if stage == 2 else 2}}}`")
    if recipe.deepspeed is not None and not recipe.deepspeed.offload_optimizer and stage > 0:
        ways.append("`deepspeed.offload_optimizer: true`")
    if recipe.lora is None:
        ways.append("`lora: {}` (adapters in place of all weights)")
    ways.append("more GPUs (`gpus`) or a smaller `max_length`")
    return f"Estimated: {needs}. What helps, best first: {'; '.join(ways)}."


def disk_needs(shape: ModelShape, recipe: Recipe) -> float:
    """Bytes of checkpoints, the chosen weights and the export at their largest."""
    half = 4 if recipe.precision == "fp32" else 2
    trainable = shape.parameters
    if recipe.lora is not None:
        trainable = adapter_parameters(shape, recipe.lora.rank)
    state = 8 + (4 if recipe.deepspeed is not None and half == 2 else 0)
    held = half if recipe.deepspeed is not None or recipe.lora is not None else 4
    checkpoint = trainable * (state + held)
    kept = max(2, len(recipe.keep_epochs) + 1) * trainable * half
    return checkpoint * (recipe.keep_checkpoints + 1) + kept + shape.parameters * half


def check_disk(shape: ModelShape, recipe: Recipe, work: Path, run: str) -> str:
    """Say what the training will take; raises where the disk has less (what it holds counts)."""
    needed = disk_needs(shape, recipe)
    there = sum(p.stat().st_size for p in work.rglob("*") if p.is_file())
    free = shutil.disk_usage(work).free
    said = (
        f"checkpoints take up to {needed / 1e9:.1f} GB below {work}, {free / 1e9:.1f} GB are free"
    )
    if needed - there > free:
        raise BabelmixError(
            f"{run}: {said}. Free some, move the results to a larger disk, or lower "
            "`keep_checkpoints` or the number of `keep_epochs`."
        )
    return said
