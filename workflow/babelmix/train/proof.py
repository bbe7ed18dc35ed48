"""Proof that weights on disk are the trained ones: digests of tensors, and logits in float32.

Digests are of the weights after the cast to the export's dtype, so they agree to the bit or not at
all. Logits are computed in float32 from those same weights on both sides, on the CPU; they show
that the files' configuration builds the same model. Imports torch when called.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from ..errors import BabelmixError
from .data import Rows

#: Largest relative difference (L2) of float32 logits: another machine's rounding, nothing more.
BOUND = 1e-4
#: Parameters above which a model is brought to float32 one layer at a time.
_LARGE = 1_000_000_000


def weight_digests(state: Mapping[str, Any], dtype: Any) -> dict[str, str]:
    """SHA-256 of each tensor after the cast (integers are left as they are), by its name."""

    def one(tensor: Any) -> str:
        import torch

        cast = tensor.detach().to("cpu", dtype if tensor.is_floating_point() else None)
        hashed = hashlib.sha256(f"{cast.dtype} {tuple(cast.shape)}\n".encode())
        hashed.update(cast.contiguous().reshape(-1).view(torch.uint8).numpy())
        return hashed.hexdigest()

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return dict(zip(state, pool.map(one, state.values()), strict=True))


def check_weights(
    model: Any, digests: Mapping[str, str], dtypes: Mapping[str, Any], run: str, kept: str
) -> None:
    """Compare a reloaded model's weights with the trained ones' digests, to the bit.

    ``dtypes`` gives the dtype of the cast by name ("" for all others). A weight tied to another one
    may be named on one side only. Raises BabelmixError that names the first weight that differs.
    """
    state = model.state_dict()
    found: dict[str, str] = {}
    for dtype in set(dtypes.values()):
        part = {k: v for k, v in state.items() if dtypes.get(k, dtypes.get("")) is dtype}
        found |= weight_digests(part, dtype)
    places = {name: (t.data_ptr(), t.shape) for name, t in state.items()}
    trained = {places[name] for name in digests if name in places}
    wrong = [name for name in digests if name in found and found[name] != digests[name]]
    wrong += [name for name in found if name not in digests and places[name] not in trained]
    missing = [name for name in digests if name not in found]
    wrong += [name for name in missing if digests[name] not in set(found.values())]
    if wrong:
        raise BabelmixError(
            f"{run}: the exported model is not the trained one: {wrong[0]} differs "
            f"({len(wrong)} of {len(digests)} weights do). Nothing was exported; the trained "
            f"weights are kept in {kept}."
        )


def first_tokens(rows: Rows, count: int = 3, longest: int = 48) -> list[np.ndarray]:
    """The tokens that a proof's logits are computed for: beginnings of a few rows."""
    return [
        rows[number]["input_ids"][:longest].astype(np.int64)
        for number in range(min(count, len(rows)))
    ]


def rebuild(inner: Any, state: Mapping[str, Any]) -> Any:
    """A second model of a model's class and configuration in memory, with the tensors ``state``.

    Buffers that are not stored are computed again, in float32, whatever the weights' dtype is.
    """
    from transformers.initialization import no_init_weights

    config = copy.deepcopy(inner.config)
    config._attn_implementation = None  # as a reloaded model chooses it
    with no_init_weights():
        model = type(inner)(config)
    missing = model.load_state_dict(dict(state), strict=False, assign=True).missing_keys
    model.tie_weights()
    places = {model.state_dict()[name].data_ptr() for name in state if name in model.state_dict()}
    loose = [name for name in missing if model.state_dict()[name].data_ptr() not in places]
    if loose:
        raise AssertionError(f"the trained weights lack {loose[0]}")
    return model


def logits_at_ends(model: Any, tokens: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Float32 logits ``[vocabulary]`` after each sequence, computed in float32 on the CPU."""
    import torch

    found = []
    with torch.no_grad(), torch.autocast("cpu", enabled=False), in_float32(model.eval()):
        for ids in tokens:
            logits = model(input_ids=torch.from_numpy(ids)[None], use_cache=False).logits
            found.append(logits[0, -1].float().numpy())
    return found


@contextlib.contextmanager
def in_float32(model: Any) -> Iterator[None]:
    """Compute in float32 from a model's own weights; a large model's one layer at a time."""
    import torch

    layers = [
        layer
        for stack in model.modules()
        if isinstance(stack, torch.nn.ModuleList) and len(stack) > 1
        for layer in stack
    ]
    if sum(p.numel() for p in model.parameters()) <= _LARGE or not layers:
        model.float()
        yield
        return
    inside = {id(p) for layer in layers for p in layer.parameters()}
    for parameter in model.parameters():
        if id(parameter) not in inside:
            parameter.data = parameter.data.float()
    held: dict[int, list[tuple[Any, Any]]] = {}

    def enter(layer: Any, _: Any) -> None:
        held[id(layer)] = [(p, p.data) for p in layer.parameters()]
        for parameter, data in held[id(layer)]:
            parameter.data = data.float()

    def leave(layer: Any, *_: Any) -> None:
        for parameter, data in held.pop(id(layer)):
            parameter.data = data

    hooks = [layer.register_forward_pre_hook(enter) for layer in layers]
    hooks += [layer.register_forward_hook(leave) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def check_logits(
    found: Sequence[np.ndarray], wanted: Sequence[np.ndarray], run: str, kept: str
) -> None:
    """Compare two models' float32 logits. Raises BabelmixError where they are not the same."""
    for one, other in zip(found, wanted, strict=True):
        if one.shape != other.shape or not np.isfinite(one).all():
            raise BabelmixError(f"{run}: the exported model gives no usable logits.")
        difference = np.linalg.norm(one - other) / max(float(np.linalg.norm(other)), 1e-9)
        if not difference <= BOUND:
            raise BabelmixError(
                f"{run}: the exported model is not the trained one (its logits in float32 differ "
                f"by {difference:.1e} of their size, {BOUND:.0e} is allowed). Nothing was "
                f"exported; the trained weights are kept in {kept}."
            )
