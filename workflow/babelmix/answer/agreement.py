"""Whether a model gives the rows of a batch what it gives each of them alone: tried, not assumed.

Most models do. Some architectures keep a state beside the attention's (convolutions, recurrences)
that padding reaches, or that cannot let finished rows go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .engine import TransformersEngine

#: Largest difference of logits, as a share of the largest logit, that is rounding.
_ROUNDING = {"float32": 1e-3, "float64": 1e-6}
_HALF_ROUNDING = 3e-2


def disagreement(engine: TransformersEngine) -> str:
    """Return why this model's prompts must be answered one by one; empty where batches hold.

    Two prompts of unlike lengths are read together and alone; then one of them leaves the batch,
    and the other is continued. Costs a few forward passes over a dozen tokens.
    """
    import torch

    size = engine.model.config.get_text_config().vocab_size
    short, long = ([(7 * i + n) % size for i in range(n)] for n in (4, 11))
    try:
        with torch.inference_mode():
            ids, mask = engine.padded([long, short])
            first = engine.extend(ids, mask, None, 2, logits=True)
            worst = max(
                _difference(first.logits[0][row], engine.model(_one(engine, prompt)).logits[0, -1])
                for row, prompt in enumerate((long, short))
            )
            keep = torch.tensor([1], device=ids.device)
            new = first.sequences[keep, ids.shape[1] :]
            cache = engine.select(first.past_key_values, keep)
            going = torch.cat([mask, torch.ones_like(mask[:, :2])], dim=1)[keep]
            second = engine.extend(first.sequences[keep], going, cache, 1, logits=True)
            alone = engine.model(_one(engine, short + new[0].tolist())).logits[0, -1]
            worst = max(worst, _difference(second.logits[0][0], alone))
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # whatever an architecture's own code makes of a batch
        told = " ".join(str(error).split())[:200]
        return f"a batch of two fails ({type(error).__name__}: {told})"
    allowed = _ROUNDING.get(str(engine.model.dtype).removeprefix("torch."), _HALF_ROUNDING)
    if worst <= allowed:
        return ""
    return f"its logits differ by {worst:.1e} in a batch ({allowed:.0e} is rounding)"


def _one(engine: TransformersEngine, prompt: list[int]) -> Any:
    return engine.padded([prompt])[0]


def _difference(first: Any, second: Any) -> float:
    """Largest difference, as a share of the largest value; infinite where one is not a number."""
    first, second = first.float(), second.float()
    value = float((first - second).abs().max() / second.abs().max().clamp(min=1e-12))
    return value if value == value else float("inf")
