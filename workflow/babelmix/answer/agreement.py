"""Whether a model gives the rows of a batch what it gives each of them alone: tried, not assumed.

Most models do. Some architectures keep a state beside the attention's (convolutions, recurrences)
that padding reaches, or that cannot let finished rows go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .engine import TransformersEngine

#: Largest difference of logits, as a share of the largest logit, that is rounding in any case.
_ROUNDING = {"float32": 1e-3, "float64": 1e-6}
_HALF_ROUNDING = 3e-2
#: Rounding of this model, seen without padding, is allowed so many times over (experts of a mixture
#: that are chosen by a hair change with the batch, and much with them).
_TOLERANCE = 3.0
_LENGTHS = (11, 9, 7, 4)


def disagreement(engine: TransformersEngine) -> str:
    """Return why this model's prompts must be answered one by one; empty where batches hold.

    A few prompts of unlike lengths are read together and alone; then all but one leave the batch,
    and that one is continued. What a batch without padding makes of logits counts as rounding.
    Costs some forward passes over a dozen tokens.
    """
    import torch

    try:
        with torch.inference_mode():
            rounding, worst = _compared(engine)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # whatever an architecture's own code makes of a batch
        told = " ".join(str(error).split())[:200]
        return f"a batch fails ({type(error).__name__}: {told})"
    allowed = _ROUNDING.get(str(engine.model.dtype).removeprefix("torch."), _HALF_ROUNDING)
    allowed = max(allowed, _TOLERANCE * rounding)
    if worst <= allowed:
        return ""
    return f"its logits differ by {worst:.1e} in a batch ({allowed:.0e} is rounding)"


def _compared(engine: TransformersEngine) -> tuple[float, float]:
    """Return the largest differences in a batch without padding, and in one with it."""
    import torch

    size = engine.model.config.get_text_config().vocab_size
    even = [[(7 * i + 3 * k + 1) % size for i in range(_LENGTHS[0])] for k in range(4)]
    rows = [row[:length] for row, length in zip(even, _LENGTHS, strict=True)]
    ids, mask = engine.padded(even)
    together = engine.extend(ids, mask, None, 1, logits=True).logits[0]
    rounding = max(_difference(together[k], _alone(engine, row)) for k, row in enumerate(even))

    ids, mask = engine.padded(rows)
    first = engine.extend(ids, mask, None, 2, logits=True)
    worst = max(_difference(first.logits[0][k], _alone(engine, row)) for k, row in enumerate(rows))
    keep = torch.tensor([len(rows) - 1], device=ids.device)
    new = first.sequences[keep, ids.shape[1] :]
    cache = engine.select(first.past_key_values, keep)
    going = torch.cat([mask, torch.ones_like(mask[:, :2])], dim=1)[keep]
    second = engine.extend(first.sequences[keep], going, cache, 1, logits=True).logits[0][0]
    return rounding, max(worst, _difference(second, _alone(engine, rows[-1] + new[0].tolist())))


def _alone(engine: TransformersEngine, prompt: list[int]) -> Any:
    """Logits after a prompt that is read by itself."""
    return engine.model(engine.padded([prompt])[0]).logits[0, -1]


def _difference(first: Any, second: Any) -> float:
    """Largest difference, as a share of the largest value; infinite where one is not a number."""
    first, second = first.float(), second.float()
    value = float((first - second).abs().max() / second.abs().max().clamp(min=1e-12))
    return value if value == value else float("inf")
