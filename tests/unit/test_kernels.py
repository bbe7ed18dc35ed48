"""Attention kernels and the loss without whole logits: what of them can be proved on a CPU."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tiny_model
import torch
import torch.nn.functional as F

from babelmix.config.training import Recipe
from babelmix.errors import BabelmixError
from babelmix.train import attention, fused, loss
from babelmix.train.attention import fastest_attention, packed_attention, varlen
from babelmix.train.batches import PACKED_ATTENTION, Collator, attention_for
from babelmix.train.fused import uses_fused_kernels
from babelmix.train.loss import TokenLoss, logit_change

SIZES: dict[str, Any] = {
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "pad_token_id": 0,
}


def heads(documents: tuple[int, ...], size: int = 8) -> tuple[torch.Tensor, ...]:
    """Random queries of four heads, keys and values of two."""
    torch.manual_seed(0)
    tokens = sum(documents)
    return tuple(torch.randn(1, n, tokens, size, requires_grad=True) for n in (4, 2, 2))


def bounds(documents: tuple[int, ...]) -> torch.Tensor:
    """Where each document begins, and the end."""
    return torch.tensor(np.cumsum((0, *documents)), dtype=torch.int32)


def grouped() -> torch.nn.Module:
    """A layer of two query heads per key head."""
    module = torch.nn.Module()
    module.num_key_value_groups = 2  # type: ignore[assignment]
    return module


def simulated_kernel(calls: list[dict[str, Any]], torch_version: str) -> Any:
    """Torch's varlen kernel in plain arithmetic, with the options of a version; notes its calls."""

    def compute(q: Any, k: Any, v: Any, cu: Any, scale: float | None, causal: bool) -> torch.Tensor:
        assert q.dim() == k.dim() == v.dim() == 3
        calls.append({"dtype": {q.dtype, k.dtype, v.dtype}, "bounds": cu.tolist()})
        parts = []
        for start, end in zip(cu.tolist(), cu.tolist()[1:], strict=False):
            sides = [x[start:end].transpose(0, 1)[None] for x in (q, k, v)]
            parts.append(
                F.scaled_dot_product_attention(
                    *sides, is_causal=causal, scale=scale, enable_gqa=q.shape[1] != k.shape[1]
                )[0].transpose(0, 1)
            )
        return torch.cat(parts)

    def v213(
        q: Any, k: Any, v: Any, cu_seq_q: Any, cu_seq_k: Any, max_q: int, max_k: int, *,
        scale: float | None = None, window_size: tuple[int, int] = (-1, -1),
        enable_gqa: bool = False,
    ) -> torch.Tensor:  # fmt: skip
        assert enable_gqa or q.shape[1] == k.shape[1]
        assert max_q == max_k == int(cu_seq_q.diff().max())
        return compute(q, k, v, cu_seq_q, scale, window_size == (-1, 0))

    def v211(
        q: Any, k: Any, v: Any, cu_seq_q: Any, cu_seq_k: Any, max_q: int, max_k: int, *,
        scale: float | None = None, window_size: tuple[int, int] = (-1, -1),
    ) -> torch.Tensor:  # fmt: skip
        assert q.shape[1] == k.shape[1]
        return compute(q, k, v, cu_seq_q, scale, window_size == (-1, 0))

    def v210(
        q: Any, k: Any, v: Any, cu_seq_q: Any, cu_seq_k: Any, max_q: int, max_k: int,
        is_causal: bool = False,
    ) -> torch.Tensor:  # fmt: skip
        assert q.shape[1] == k.shape[1]
        return compute(q, k, v, cu_seq_q, None, is_causal)

    return {"2.13": v213, "2.11": v211, "2.10": v210}[torch_version]


@pytest.mark.parametrize("version", ["2.13", "2.11", "2.10"])
def test_one_call_of_torchs_kernel_is_each_document_alone(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = (4, 1, 7)
    query, key, value = heads(documents)
    calls: list[dict[str, Any]] = []
    kernel = simulated_kernel(calls, version)
    monkeypatch.setattr("torch.nn.attention.varlen.varlen_attn", kernel)
    found = varlen(query, key, value, bounds(documents), max(documents), scaling=0.3)
    wanted, _ = packed_attention(
        grouped(), query, key, value, None, scaling=0.3, document_lengths=documents
    )
    assert calls[0]["bounds"] == [0, 4, 5, 12]
    assert torch.allclose(found, wanted, atol=1e-6)
    for one, other in zip(
        torch.autograd.grad(found.square().sum(), (query, key, value)),
        torch.autograd.grad(wanted.square().sum(), (query, key, value)),
        strict=True,
    ):
        assert torch.allclose(one, other, atol=1e-5)


def test_under_autocast_the_kernel_gets_half_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rotary embeddings leave queries and keys in float32: the kernel was never taken."""
    from transformers import AutoModelForCausalLM, LlamaConfig

    calls: list[dict[str, Any]] = []
    monkeypatch.setattr("torch.nn.attention.varlen.varlen_attn", simulated_kernel(calls, "2.13"))
    seen: list[torch.dtype] = []

    def as_on_cuda(query: torch.Tensor, dropout: float) -> bool:
        seen.append(query.dtype)
        return query.dtype in (torch.float16, torch.bfloat16) and not dropout

    monkeypatch.setattr(attention, "has_varlen_kernel", as_on_cuda)
    config = LlamaConfig(**SIZES)
    torch.manual_seed(0)
    name = attention_for(config, packed=True)
    model: Any = AutoModelForCausalLM.from_config(config, attn_implementation=name)
    rows = [{"input_ids": np.arange(2, 2 + n), "labels": np.arange(2, 2 + n)} for n in (5, 9)]
    batch = Collator(0, packed=True).pack(rows)
    with torch.autocast("cpu", torch.bfloat16):
        found = model(**{k: v for k, v in batch.items() if k != "labels"}, use_cache=False).logits
    assert seen == [torch.bfloat16] * 2  # a layer each
    assert [call["dtype"] for call in calls] == [{torch.bfloat16}] * 2
    assert [call["bounds"] for call in calls] == [[0, 5, 14]] * 2
    with torch.autocast("cpu", torch.bfloat16):
        alone = [
            model(input_ids=torch.tensor(row["input_ids"])[None], use_cache=False).logits[0]
            for row in rows
        ]
    assert torch.allclose(found[0].float(), torch.cat(alone).float(), atol=2e-2)


def test_the_collator_gives_transformers_padding_free_inputs() -> None:
    lengths = (3, 1, 6)
    rows = [{"input_ids": np.full(n, 7), "labels": np.full(n, 7)} for n in lengths]
    batch = Collator(0, packed=True).pack(rows)
    starts = [0, 3, 4, 10]
    assert batch["cu_seq_lens_q"].tolist() == batch["cu_seq_lens_k"].tolist() == starts
    assert batch["cu_seq_lens_q"].dtype == torch.int32
    assert batch["max_length_q"] == batch["max_length_k"] == 6
    # A document begins where positions start again, and only there.
    assert [i for i, p in enumerate(batch["position_ids"][0].tolist()) if p == 0] == starts[:-1]
    assert batch["labels"][0, starts[:-1]].tolist() == [-100] * 3


def test_a_window_longer_than_every_row_is_no_window() -> None:
    from transformers import LlamaConfig, MistralConfig

    window = MistralConfig(**SIZES, sliding_window=4096)
    assert attention_for(window, packed=True, longest=2048) == PACKED_ATTENTION
    assert attention_for(window, packed=True, longest=8192) is None
    assert attention_for(LlamaConfig(**SIZES), packed=False) is None


def test_flash_attention_is_taken_where_it_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import Gemma2Config, GPTJConfig, LlamaConfig

    there: set[str] = set()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: (9, 0))
    monkeypatch.setattr(
        attention,
        "importlib",
        SimpleNamespace(
            util=SimpleNamespace(find_spec=lambda name: object() if name in there else None)
        ),
    )

    def chosen(config: Any, **changes: Any) -> str | None:
        given = {"packed": True, "half": True, "on_gpu": True} | changes
        own = attention_for(config, packed=bool(given["packed"]))
        return fastest_attention(own, config, **given)

    llama, gemma = LlamaConfig(**SIZES), Gemma2Config(**SIZES)
    assert chosen(llama) == PACKED_ATTENTION
    assert chosen(gemma) is None
    there.add("flash_attn")
    assert chosen(llama) == chosen(gemma) == "flash_attention_2"  # windows and soft caps too
    there.add("flash_attn_interface")
    assert chosen(llama) == "flash_attention_3"
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: (8, 0))
    assert chosen(llama) == "flash_attention_2"
    assert chosen(llama, half=False) == chosen(llama, on_gpu=False) == PACKED_ATTENTION
    assert chosen(llama, packed=False) is None
    assert chosen(LlamaConfig(**SIZES | {"head_dim": 320})) == PACKED_ATTENTION
    assert chosen(GPTJConfig(n_embd=32, n_head=4, n_layer=1)) in (
        PACKED_ATTENTION,
        "flash_attention_2",
    )
    there.clear()
    there.add("kernels")
    monkeypatch.setattr(attention, "_downloaded", lambda _: False)
    assert chosen(llama) == PACKED_ATTENTION  # nothing is fetched at the start of a training
    monkeypatch.setattr(attention, "_downloaded", lambda _: True)
    assert chosen(llama) == "flash_attention_2"


def changing_models() -> dict[str, Any]:
    """Configurations of models that change their logits after the output layer."""
    from transformers import (
        Cohere2Config,
        CohereConfig,
        Gemma2Config,
        Gemma3TextConfig,
        GraniteConfig,
        GraniteMoeConfig,
    )

    return {
        "gemma2": Gemma2Config(**SIZES, final_logit_softcapping=2.0),
        "gemma3": Gemma3TextConfig(**SIZES, final_logit_softcapping=2.0),
        "granite": GraniteConfig(**SIZES, logits_scaling=0.25),
        "granitemoe": GraniteMoeConfig(**SIZES, logits_scaling=0.25, num_local_experts=2),
        "cohere": CohereConfig(**SIZES, logit_scale=3.0),
        "cohere2": Cohere2Config(**SIZES, logit_scale=3.0),
    }


def batch_of(rows: int = 2, length: int = 40) -> dict[str, torch.Tensor]:
    """Random tokens; the first third is not trained on."""
    ids = torch.randint(2, 96, (rows, length), generator=torch.Generator().manual_seed(1))
    labels = ids.clone()
    labels[:, : length // 3] = -100
    return {"input_ids": ids, "labels": labels}


def dense(model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """The loss from whole logits, by the model's own code."""
    logits = model(input_ids=batch["input_ids"], use_cache=False).logits[:, :-1]
    return F.cross_entropy(
        logits.float().flatten(0, 1), batch["labels"][:, 1:].flatten(), reduction="sum"
    )


def gradients(model: Any, total: torch.Tensor) -> list[torch.Tensor]:
    """Gradients of all weights."""
    model.zero_grad()
    total.backward()
    return [p.grad.clone() for p in model.parameters() if p.grad is not None]


@pytest.mark.parametrize("kind", list(changing_models()))
def test_a_loss_in_pieces_is_the_dense_one_with_changed_logits(kind: str) -> None:
    from transformers import AutoModelForCausalLM

    config = changing_models()[kind]
    torch.manual_seed(0)
    model: Any = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    with torch.no_grad():  # logits large enough for a cap of 2 to matter
        model.get_output_embeddings().weight.mul_(30)
    batch = batch_of()
    wanted = dense(model, batch)
    expected = gradients(model, wanted)
    token_loss = TokenLoss(model, limit=96 * 7)
    assert token_loss.head is not None
    found, count = token_loss(model, batch)
    assert int(count) == int((batch["labels"][:, 1:] != -100).sum())
    assert found.item() == pytest.approx(wanted.item(), rel=1e-6)
    for one, other in zip(gradients(model, found), expected, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-4 * float(other.abs().max()))
    # It mattered, and the model is as before.
    plain = F.cross_entropy(
        model.lm_head(model.model(batch["input_ids"]).last_hidden_state)[:, :-1].flatten(0, 1),
        batch["labels"][:, 1:].flatten(),
        reduction="sum",
    )
    assert abs(plain.item() - wanted.item()) > 0.05 * wanted.item()
    assert dense(model, batch).item() == wanted.item()


def test_a_soft_cap_needs_no_whole_logits() -> None:
    """Gemma-2's vocabulary of 256,000: at most ``limit`` logits at once, of 90 positions' 23 M."""
    from transformers import Gemma2Config, Gemma2ForCausalLM

    vocabulary = 256_000
    sizes = SIZES | {"vocab_size": vocabulary, "hidden_size": 16, "num_hidden_layers": 1}
    model = Gemma2ForCausalLM(Gemma2Config(**sizes, final_logit_softcapping=30.0))
    widths: list[int] = []
    plain = torch.tanh

    def watched(x: torch.Tensor, *given: Any, **named: Any) -> torch.Tensor:
        if x.shape[-1] == vocabulary:
            widths.append(x.numel() // vocabulary)
        return plain(x, *given, **named)

    token_loss = TokenLoss(model, limit=vocabulary * 16)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "tanh", watched)
        total, count = token_loss(model, batch_of(1, 90))
        total.backward()
    assert int(count) == 60
    assert max(widths) == 16
    assert sum(widths) == 2 * 60  # once in the forward pass, once again in the backward pass


def test_settings_that_we_do_not_know_leave_the_logits_whole() -> None:
    def model(kind: str, **settings: Any) -> Any:
        text = SimpleNamespace(**settings)
        config = SimpleNamespace(get_text_config=lambda: text, model_type=kind, **settings)
        return SimpleNamespace(config=config, logit_scale=settings.get("logit_scale"))

    assert logit_change(model("new", final_logit_softcapping=30.0)) is None
    assert logit_change(model("gemma2", final_logit_softcapping=30.0, logit_scale=2.0)) is None
    assert logit_change(model("falcon_h1", lm_head_multiplier=0.04)) is None
    nothing = logit_change(model("llama", final_logit_softcapping=None, logit_scale=1.0))
    assert nothing == loss.LogitChange()


def simulated_liger(head: Any, hidden: Any, target: Any, softcap: float | None) -> torch.Tensor:
    """What Liger's kernel computes, densely."""
    logits = F.linear(hidden, head.weight, head.bias).float()
    if softcap is not None:
        logits = softcap * torch.tanh(logits / softcap)
    return F.cross_entropy(logits, target, ignore_index=-100, reduction="sum")


@pytest.mark.parametrize("kind", ["llama", *changing_models()])
def test_ligers_loss_gets_what_gives_the_dense_loss(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoModelForCausalLM, LlamaConfig

    config = {"llama": LlamaConfig(**SIZES), **changing_models()}[kind]
    torch.manual_seed(0)
    model: Any = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(30)
    monkeypatch.setattr(loss, "fused_loss", simulated_liger)
    batch = batch_of()
    wanted = dense(model, batch)
    found, _ = TokenLoss(model, fused=True)(model, batch)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-5)
    expected = gradients(model, wanted)
    for one, other in zip(gradients(model, found), expected, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-4 * float(other.abs().max()))


def test_fused_kernels_where_they_are_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def uses(chosen: bool | str, *, on_gpu: bool, installed: bool) -> bool:
        spec = object() if installed else None
        found = SimpleNamespace(util=SimpleNamespace(find_spec=lambda _: spec))
        monkeypatch.setattr(fused, "importlib", found)
        recipe: Recipe = tiny_model.recipe(fused_kernels=chosen)
        return uses_fused_kernels(recipe, "r", on_gpu=on_gpu)

    assert uses("auto", on_gpu=True, installed=True)
    assert not uses("auto", on_gpu=True, installed=False)
    assert not uses("auto", on_gpu=False, installed=True)
    assert not uses(False, on_gpu=True, installed=True)
    with pytest.raises(BabelmixError, match=r"pip install 'babelmix\[gpu\]'"):
        uses(True, on_gpu=True, installed=False)
    with pytest.raises(BabelmixError, match="needs a GPU"):
        uses(True, on_gpu=False, installed=True)


def test_a_name_chosen_in_another_process_is_known_in_this_one() -> None:
    from transformers import AttentionInterface, AttentionMaskInterface, LlamaConfig

    for table in (AttentionInterface, AttentionMaskInterface):
        table._global_mapping.pop(PACKED_ATTENTION, None)
    config = LlamaConfig(**SIZES)
    chosen = fastest_attention(PACKED_ATTENTION, config, packed=True, half=False, on_gpu=False)
    assert chosen == PACKED_ATTENTION
    assert PACKED_ATTENTION in AttentionInterface()
    assert PACKED_ATTENTION in AttentionMaskInterface()
