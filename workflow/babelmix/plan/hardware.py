"""GPU hours and disk of a plan, by estimates that say what they assume.

Training: floating-point operations (6 per weight and token, 4 under adapters) at a stated share of
a GPU's peak. Answers: each step of a batch reads all weights once, at half of the GPU's memory
bandwidth. Both are rough; `unknown` stands where a model's size is not known.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..config.builtin import catalogue
from ..config.training import Model
from ..errors import BabelmixError
from ..train.memory import ModelShape, disk_needs, peak_flops

if TYPE_CHECKING:
    from .graph import Plan

#: Share of the peak that a well-set training reaches (docs/training.md has what was measured).
UTILISATION = 0.4
#: GPU whose peak is taken where none is named, and bytes/s of memory per FLOP/s of peak: an A100
#: (312 TFLOP/s) reads 2 TB/s, an H100 (989) 3.35; the smaller ratio is taken.
GPU, _BYTES_A_FLOP = "A100", 3.35 / 989
#: Tokens of an answered dialogue that a batch holds: prompt, turns and answers.
_DIALOGUE_TOKENS = 1200


@dataclass(frozen=True)
class Hours:
    """GPU hours; ``unknown`` names models whose size is not known."""

    hours: float = 0.0
    unknown: tuple[str, ...] = ()

    def __add__(self, other: Hours) -> Hours:
        names = dict.fromkeys((*self.unknown, *other.unknown))
        return Hours(self.hours + other.hours, tuple(names))

    def __str__(self) -> str:
        lacking = f"unknown for {', '.join(self.unknown)}" if self.unknown else ""
        if not self.hours:
            return lacking or "0"
        form = ",.0f" if self.hours >= 10 else ",.2g"
        return f"≈ {self.hours:{form}}" + (f" and {lacking}" if lacking else "")


def on_gpu(model: Model) -> bool:
    """Whether a model's trainings and answers take GPUs, as its section says."""
    return model.gpus > 0 or model.device == "cuda"


def shape_of(model: Model) -> ModelShape | None:
    """A model's shape: by its files where they are here, else Llama-like at its stated size."""
    if model.path is not None and (Path(model.path) / "config.json").is_file():
        return ModelShape.read(Path(model.path))
    if model.parameters_b is None:
        return None
    return ModelShape.like_llama(int(model.parameters_b * 1e9))


def peak_of(gpu: str) -> float:
    """Peak FLOP/s of a GPU by its name.

    Raises:
        BabelmixError: for a GPU that is not listed.
    """
    peak = peak_flops(gpu)
    if peak is None:
        raise BabelmixError(f"--gpu {gpu}: unknown. Known are e.g. A100, H100, H200, L40S, A10.")
    return peak


def training_hours(name: str, model: Model, tokens: float, frozen: bool, peak: float) -> Hours:
    """GPU hours of training on so many tokens."""
    if not on_gpu(model) or not tokens:
        return Hours()
    shape = shape_of(model)
    if shape is None:
        return Hours(unknown=(name,))
    flops = (4.0 if frozen else 6.0) * shape.parameters * tokens
    return Hours(flops / (UTILISATION * peak) / 3600)


def answering_hours(
    name: str, model: Model, tokens_out: float, batch_tokens: int, peak: float
) -> Hours:
    """GPU hours of generating so many tokens in batches of at most ``batch_tokens``."""
    if not on_gpu(model) or not tokens_out:
        return Hours()
    shape = shape_of(model)
    if shape is None:
        return Hours(unknown=(name,))
    batch = max(1.0, batch_tokens / _DIALOGUE_TOKENS)
    seconds_a_step = 2 * shape.parameters / (0.5 * peak * _BYTES_A_FLOP)
    return Hours(tokens_out / batch * seconds_a_step / 3600)


def disk_words(plan: Plan) -> str:
    """What a whole run leaves on disk: models, checkpoints, downloads; and the most on the way."""
    unknown: list[str] = []
    kept = work = models = 0.0
    for name in plan.models:
        shape = shape_of(plan.config.models[name])
        runs = [r for r in plan.runs.values() if r.model == name and r.recipe]
        if shape is None:
            unknown.append(f"models.{name}")
            continue
        models += 2.0 * shape.parameters
        for run in runs:
            recipe = plan.config.training[run.recipe or ""]
            kept += shape.parameters * (4 if recipe.precision == "fp32" else 2)
            work = max(work, disk_needs(shape, recipe))
    parts = [f"checkpoints ≈ {_size(kept)}", f"base models ≈ {_size(models)}"]
    parts.append(f"up to {_size(work)} more while one trains")
    fetched, sizes_unknown = _downloads(plan)
    if fetched:
        parts.append(f"downloads ≈ {_size(fetched)}")
    if lost := [*unknown, *sizes_unknown]:
        parts.append(f"unknown for {', '.join(lost)}")
    return ", ".join(parts)


def _downloads(plan: Plan) -> tuple[float, Iterable[str]]:
    """Bytes of sources that are fetched, and those whose size is not known."""
    whole, unknown = 0.0, []
    for name, source in plan.sources.items():
        if source.path is not None:
            continue
        entry = catalogue().get(source.builtin or "")
        if entry is None or entry.bytes is None:
            unknown.append(f"sources.{name}")
        else:
            whole += entry.bytes
    return whole, unknown


def _size(count: float) -> str:
    """Bytes with the unit that suits."""
    for unit, size in (("TB", 1e12), ("GB", 1e9)):
        if count >= size:
            return f"{count / size:,.3g} {unit}"
    return f"{count / 1e6:,.3g} MB"
