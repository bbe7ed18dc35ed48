"""Correctness: what the GPU path computes is what the plain path computes, to stated bounds."""

from __future__ import annotations

import contextlib
import importlib.metadata
import platform
import subprocess
from typing import Any

from .runner import Context
from .shapes import (
    SMALL,
    TINY,
    build,
    half_precision,
    lengths_of,
    relative,
    rows_of,
)

#: Bounds of relative differences (L2). bfloat16 keeps 8 bits: one rounding is 2^-9, 2e-3.
BF16, FP32 = 2e-2, 1e-4
_PACKAGES = [
    "transformers",
    "accelerate",
    "deepspeed",
    "peft",
    "liger-kernel",
    "flash-attn",
    "kernels",
    "triton",
    "trl",
    "vllm",
    "bitsandbytes",
]


def require(holds: bool, said: str) -> None:
    """Raise where something that must hold does not."""
    if not holds:
        raise AssertionError(said)


def environment(context: Context) -> dict[str, Any]:
    """What was checked on what."""
    import torch

    said: dict[str, Any] = {"device": context.device, "python": platform.python_version()}
    said["torch"] = torch.__version__
    if context.on_gpu:
        properties = torch.cuda.get_device_properties(0)
        said["GPU"] = torch.cuda.get_device_name(0)
        said["memory_gb"] = round(properties.total_memory / 1e9, 1)
        said["capability"] = f"{properties.major}.{properties.minor}"
        said["driver"] = _driver()
        said["CUDA"] = torch.version.cuda
        with contextlib.suppress(Exception):
            said["NCCL"] = ".".join(map(str, torch.cuda.nccl.version()))
    for name in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            said[name] = importlib.metadata.version(name)
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        words = ["git", "log", "-1", "--format=%h %s"]
        said["commit"] = subprocess.run(
            words, capture_output=True, text=True, check=True
        ).stdout.strip()
    return said


def _driver() -> str:
    words = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        run = subprocess.run(words, capture_output=True, text=True, check=True, timeout=30)
        return run.stdout.splitlines()[0].strip()
    except (OSError, subprocess.SubprocessError, IndexError):
        return "unknown"


def varlen(context: Context) -> dict[str, Any]:
    """Packed attention in bfloat16 against dense attention in float32: outputs and gradients."""
    shapes = [((4, 2, 16), (1, 17, 40, 6))]
    if context.on_gpu:
        shapes = [
            ((32, 8, 128), (1, 17, 300, 2048, 700)),
            ((9, 3, 64), (512, 5, 64, 1024)),
            ((16, 16, 256), (333, 900)),
        ]
    worst: dict[str, float] = {}
    for (heads, keys, size), documents in shapes:
        for way, found in _compared(context, heads, keys, size, documents).items():
            worst[way] = max(worst.get(way, 0.0), found)
    if context.on_gpu:
        require("torch" in worst, "torch's kernel was not tried")
    require(max(worst.values()) < BF16, f"differs by more than {BF16}: {worst}")
    return {"largest_difference": worst, "bound": BF16}


def _compared(
    context: Context, heads: int, keys: int, size: int, documents: tuple[int, ...]
) -> dict[str, float]:
    """The largest difference of each way to the dense one, for one shape."""
    import torch
    import torch.nn.functional as F

    from babelmix.train import attention

    torch.manual_seed(0)
    tokens, groups = sum(documents), heads // keys
    inputs = [
        torch.randn(1, n, tokens, size, device=context.device, requires_grad=True)
        for n in (heads, keys, keys)
    ]
    number = torch.repeat_interleave(torch.arange(len(documents)), torch.tensor(documents))
    mask = (number[:, None] == number[None]).tril()[None, None].to(context.device)
    grouped = [inputs[0], *(x.repeat_interleave(groups, 1) for x in inputs[1:])]
    wanted = F.scaled_dot_product_attention(*grouped, attn_mask=mask).transpose(1, 2)
    weight = torch.randn_like(wanted)
    expected = [wanted, *torch.autograd.grad((wanted * weight).sum(), inputs)]
    bounds = torch.tensor([0, *documents], device=context.device).cumsum(0).to(torch.int32)
    outputs = {"ours": _packed(context, groups, inputs, documents, bounds)}
    if context.on_gpu:
        halves = [x.to(torch.bfloat16) for x in inputs]
        outputs["torch"] = attention.varlen(*halves, bounds, max(documents), None)
        name = attention.installed_flash()
        if name is not None:
            outputs[name] = _flash(inputs, documents, bounds, name)
    differences = {}
    for way, out in outputs.items():
        found = [out, *torch.autograd.grad((out.float() * weight).sum(), inputs)]
        pairs = zip(found, expected, strict=True)
        differences[way] = max(relative(one, other) for one, other in pairs)
    return differences


def _packed(context: Context, groups: int, inputs: Any, documents: Any, bounds: Any) -> Any:
    """Our attention, from float32 queries and keys under autocast: the kernel must be taken."""
    import torch

    from babelmix.train import attention

    layer = torch.nn.Module()
    layer.num_key_value_groups = groups
    taken = []
    kernel = attention.varlen

    def noted(*given: Any) -> Any:
        taken.append(given[0].dtype)
        return kernel(*given)

    attention.varlen = noted
    try:
        with half_precision(context):
            out, _ = attention.packed_attention(
                layer, *inputs, None, document_lengths=documents, cu_seq_lens_q=bounds
            )
    finally:
        attention.varlen = kernel
    if context.on_gpu:
        require(taken == [torch.bfloat16], "torch's kernel was not taken under autocast")
    return out


def _flash(inputs: Any, documents: Any, bounds: Any, name: str) -> Any:
    """Transformers' FlashAttention on its padding-free inputs."""
    import torch
    from transformers.modeling_flash_attention_utils import _flash_attention_forward

    halves = [x.to(torch.bfloat16).transpose(1, 2) for x in inputs]
    longest = max(documents)
    return _flash_attention_forward(
        *halves, None, query_length=halves[0].shape[1], is_causal=True, cu_seq_lens_q=bounds,
        cu_seq_lens_k=bounds, max_length_q=longest, max_length_k=longest, attn_implementation=name,
    )  # fmt: skip


def packed(context: Context) -> dict[str, Any]:
    """Loss and gradient of rows packed end to end against the same rows side by side, padded."""
    import torch

    from babelmix.train.attention import fastest_attention
    from babelmix.train.batches import Collator, attention_for
    from babelmix.train.loss import TokenLoss

    shape = SMALL | {"num_hidden_layers": 6} if context.on_gpu else TINY
    rows = rows_of(lengths_of(8, 512 if context.on_gpu else 48), shape["vocab_size"])
    seen: dict[str, Any] = {}
    for precision, bound in (("fp32", FP32), ("bf16", BF16)):
        half = precision == "bf16"
        found = []
        for together in (False, True):
            model = build(context, shape)
            name = fastest_attention(
                attention_for(model.config, packed=together),
                model.config,
                packed=together,
                half=half,
                on_gpu=context.on_gpu,
            )
            model.set_attn_implementation(name or "sdpa")
            batch = Collator(0, packed=together)([rows])
            batch = {k: v.to(context.device) if hasattr(v, "to") else v for k, v in batch.items()}
            manager = half_precision(context) if half else contextlib.nullcontext()
            with manager:
                loss, count = TokenLoss(model)(model, batch)
            (loss / count).backward()
            gradient = torch.cat([p.grad.flatten() for p in model.parameters()])
            found.append((loss.detach() / count, gradient))
        loss_difference = relative(found[1][0], found[0][0])
        gradient_difference = relative(found[1][1], found[0][1])
        seen[precision] = {"loss": loss_difference, "gradient": gradient_difference}
        # A gradient is a sum of many rounded terms: ten times a single bound in half precision.
        allowed = bound * (10 if half else 1)
        require(loss_difference < bound, f"{precision}: the losses differ by {loss_difference:.1e}")
        require(
            gradient_difference < allowed,
            f"{precision}: the gradients differ by {gradient_difference:.1e}",
        )
    return seen | {"bound": {"fp32": FP32, "bf16": BF16}}


def soft_cap(context: Context) -> dict[str, Any]:
    """Gemma-2's loss without whole logits against the dense one; memory of each on a GPU."""
    import importlib.util

    import torch
    import torch.nn.functional as F
    from transformers import AutoModelForCausalLM, Gemma2Config

    from babelmix.train.loss import TokenLoss

    sizes = TINY | ({"vocab_size": 256_000, "hidden_size": 2304} if context.on_gpu else {})
    torch.manual_seed(0)
    with torch.device(context.device):
        model = AutoModelForCausalLM.from_config(
            Gemma2Config(**sizes, final_logit_softcapping=30.0, pad_token_id=0),
            attn_implementation="eager",
        )
    ids = torch.randint(3, sizes["vocab_size"], (1, 2048 if context.on_gpu else 96))
    batch = {"input_ids": ids.to(context.device), "labels": ids.to(context.device)}

    def dense() -> Any:
        logits = model(input_ids=batch["input_ids"], use_cache=False).logits[0, :-1]
        return F.cross_entropy(logits.float(), batch["labels"][0, 1:], reduction="sum")

    limit = sizes["vocab_size"] * (256 if context.on_gpu else 16)
    ways = {"dense": dense, "pieces": lambda: TokenLoss(model, limit)(model, batch)[0]}
    if context.on_gpu and importlib.util.find_spec("liger_kernel") is not None:
        ways["liger"] = lambda: TokenLoss(model, limit, fused=True)(model, batch)[0]
    found, peaks = {}, {}
    for way, compute in ways.items():
        model.zero_grad(set_to_none=True)
        if context.on_gpu:
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
        loss = compute()
        loss.backward()
        if context.on_gpu:
            peaks[way] = round((torch.cuda.max_memory_allocated() - before) / 1e9, 2)
        # Compared on the host: the gradients of 590 M weights would hide what each way takes.
        gradient = torch.cat([p.grad.flatten()[:1_000_000].cpu() for p in model.parameters()])
        found[way] = (loss.detach().cpu(), gradient)
    worst = {
        way: max(relative(one, other) for one, other in zip(pair, found["dense"], strict=True))
        for way, pair in found.items()
        if way != "dense"
    }
    bound = 1e-3 if context.on_gpu else FP32
    require(max(worst.values()) < bound, f"the losses or gradients differ: {worst}")
    return {"largest_difference": worst, "bound": bound} | ({"peak_gb": peaks} if peaks else {})
