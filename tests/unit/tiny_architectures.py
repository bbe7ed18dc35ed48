"""Tiny random models of many architectures, by their configuration's class."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import tiny_model

#: Sizes under every name that a configuration may have for them; only known names are set.
SIZES: dict[str, Any] = {
    **dict.fromkeys(("hidden_size", "n_embd", "d_model", "word_embed_proj_dim", "lru_width"), 32),
    **dict.fromkeys(("intermediate_size", "ffn_dim", "n_inner"), 64),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers"), 2),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads"), 4),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "max_seq_len", "seq_length"), 256),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts"), 4),
    **dict.fromkeys(("moe_intermediate_size", "shared_expert_intermediate_size"), 32),
    **dict.fromkeys(("n_group", "topk_group", "first_k_dense_replace", "n_shared_experts"), 1),
    **dict.fromkeys(("state_size", "mamba_d_state", "chunk_size", "mamba_chunk_size"), 16),
    **dict.fromkeys(("mamba_n_heads", "mamba_d_head", "mamba_num_heads", "mamba_headdim"), 8),
    **dict.fromkeys(("mamba_expand", "expand", "num_experts_per_tok", "n_mamba_heads"), 2),
    **dict.fromkeys(("mamba_n_groups", "n_groups"), 1),
    **dict.fromkeys(("q_lora_rank", "kv_lora_rank"), 16),
    "vocab_size": tiny_model.VOCABULARY,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "v_head_dim": 8,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 4,
    "rotary_dim": 4,
    "sliding_window": 16,
    "attention_chunk_size": 16,
    "mamba_d_ssm": 64,
    "attention_hidden_size": 32,
}
_NO_HEAD: dict[str, Any] = {"head_dim": None, "v_head_dim": None}
_ALL_HEADS = _NO_HEAD | {"num_key_value_heads": 4}
#: What some configurations need besides; None takes a size away.
EXTRA: dict[str, dict[str, Any]] = {
    "bamba": {"attn_layer_indices": [1]},
    "deepseek_v3": _ALL_HEADS | {"v_head_dim": 8},
    "falcon": _NO_HEAD | {"multi_query": True},
    "falcon_h1": {"mamba_d_ssm": 64},
    "gemma3_text": {"layer_types": ["sliding_attention", "full_attention"]},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]], "window_size": 16},
    "granitemoehybrid": {"layer_types": ["mamba", "attention"], "position_embedding_type": None},
    "jamba": {
        "num_hidden_layers": 4,
        "attn_layer_period": 2,
        "attn_layer_offset": 1,
        "expert_layer_period": 2,
        "expert_layer_offset": 1,
        "use_mamba_kernels": False,
    },
    "lfm2": {
        "num_hidden_layers": 3,
        "layer_types": ["conv", "full_attention", "conv"],
        "block_ff_dim": 64,
        "conv_dim": 32,
    },
    "mamba2": {"num_heads": 8, "head_dim": 8},
    "minicpm3": _ALL_HEADS | {"v_head_dim": 8},
    "qwen3_next": {
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 4,
        "linear_key_head_dim": 8,
        "linear_value_head_dim": 8,
        "layer_types": ["linear_attention", "full_attention"],
    },
    "recurrent_gemma": {"num_hidden_layers": 3, "attention_window_size": 16},
    "zamba": {
        "num_hidden_layers": 6,
        "attn_layer_period": 3,
        "attn_layer_offset": 1,
        "attention_hidden_size": 64,
        "attention_head_dim": 16,
        "use_mamba_kernels": False,
    },
    "zamba2": {
        "num_hidden_layers": 4,
        "hybrid_layer_ids": [1, 3],
        "layers_block_type": ["mamba", "hybrid", "mamba", "hybrid"],
        "adapter_rank": 4,
        "num_mem_blocks": 1,
        "n_mamba_heads": 8,
        "mamba_ngroups": 1,
        "attention_hidden_size": 64,
        "attention_head_dim": 16,
        "use_mamba_kernels": False,
    },
}
#: Packed by the project's attention (one call per row, or one variable-length kernel).
OURS = [
    "llama",
    "qwen2",
    "qwen3",
    "gemma",
    "phi",
    "phi3",
    "gpt2",
    "gpt_neox",
    "gpt_bigcode",
    "opt",
    "cohere",
    "olmo",
    "olmo2",
    "starcoder2",
    "granite",
    "mixtral",
    "qwen2_moe",
    "qwen3_moe",
    "olmoe",
    "granitemoe",
    "phimoe",
    "deepseek_v3",
    "smollm3",
    "glm",
    "glm4",
    "persimmon",
    "biogpt",
    "seed_oss",
    "ernie4_5",
    "helium",
    "apertus",
    "arcee",
    "minicpm3",
    "diffllama",
]
#: Packed by transformers' attention, whose mask keeps rows apart by their positions.
MASKED = [
    "mistral",
    "gemma2",
    "gemma3_text",
    "gpt_neo",
    "gptj",
    "codegen",
    "cohere2",
    "olmo3",
    "stablelm",
    "exaone4",
    "nemotron",
    "llama4_text",
]
#: Never packed: something in them runs on from one row into the next.
PADDED = [
    "bloom",
    "falcon",
    "mpt",
    "gpt_oss",
    "mamba",
    "mamba2",
    "falcon_mamba",
    "jamba",
    "bamba",
    "zamba",
    "zamba2",
    "falcon_h1",
    "lfm2",
    "recurrent_gemma",
    "rwkv",
    "granitemoehybrid",
    "nemotron_h",
    "qwen3_next",
    "xglm",
    "minimax",
    "lfm3",
    "xlstm",
]


def config(kind: str) -> Any:
    """A tiny configuration of a model type."""
    from transformers import CONFIG_MAPPING

    plain = CONFIG_MAPPING[kind]()
    sizes = SIZES | {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    chosen = {}
    for name, size in sizes.items():
        default = getattr(plain, name, None)
        if default is not None or (name.endswith("_id") or name == "num_key_value_heads"):
            chosen[name] = size
    if not hasattr(plain, "num_key_value_heads"):
        del chosen["num_key_value_heads"]
    if kind in ("xlstm", "rwkv"):
        chosen = {k: v for k, v in chosen.items() if k not in _NO_HEAD}
    chosen |= EXTRA.get(kind, {})
    return CONFIG_MAPPING[kind](**{k: v for k, v in chosen.items() if v is not None})


def build(folder: Path, kind: str, seed: int = 0) -> Path:
    """Save a random model of a type with the tiny tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    AutoModelForCausalLM.from_config(copy.deepcopy(config(kind))).save_pretrained(folder)
    tiny_model.tokenizer().save_pretrained(folder)
    return folder
