"""The base model as a training needs it: dtype, dropout, attention, adapters. Imports torch."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import torch

from ..config.training import Lora, Model, Recipe
from ..errors import BabelmixError
from .adapters import check_targets
from .architectures import Batching
from .attention import fastest_attention
from .batches import PACKED_ATTENTION, register_packed_attention
from .fused import fuse_layers, uses_fused_kernels
from .job import Job
from .vocabulary import embedding_names, trainable_tokens

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def load_model(job: Job, batching: Batching, *, checkpointing: bool) -> Any:
    """The base model, ready to train."""
    from transformers import AutoConfig, AutoModelForCausalLM, set_seed

    recipe, model, run = job.spec.recipe, job.spec.model, job.spec.run
    config = AutoConfig.from_pretrained(job.model, trust_remote_code=model.trust_remote_code)
    changed = set_dropout(config, recipe.dropout, run)
    if changed and int(os.environ.get("RANK", "0")) == 0:
        print(
            f"{run}: dropout as the recipe says, {recipe.dropout:g} in the attention and none "
            f"elsewhere; the model's own were {', '.join(changed)}",
            file=sys.stderr,
        )
    # Weights stay in float32 under autocast; DeepSpeed and adapters keep their own float32 copies.
    half = recipe.deepspeed is not None or recipe.lora is not None
    if batching.attention == PACKED_ATTENTION:  # found by another process, perhaps
        register_packed_attention()
    set_seed(job.spec.seed)
    loaded = AutoModelForCausalLM.from_pretrained(
        job.model,
        config=config,
        dtype=DTYPES[recipe.precision] if half else torch.float32,
        attn_implementation=fastest_attention(
            batching.attention,
            config,
            packed=recipe.packing,
            half=recipe.precision != "fp32",
            on_gpu=job.on_gpu,
        ),
        quantization_config=quantisation(recipe.lora, run),
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=model.trust_remote_code,
    )
    if not recipe.dropout:
        silence_dropout(loaded)
    loaded.config.use_cache = False
    if uses_fused_kernels(recipe, run, on_gpu=job.on_gpu):
        fuse_layers(loaded)
    if checkpointing:
        loaded.gradient_checkpointing_enable({"use_reentrant": False})
    if recipe.lora is None:
        return loaded
    tokens = trainable_tokens(job.model)
    check_targets(loaded, recipe.lora, tokens, run)
    return _with_adapters(loaded, recipe.lora, tokens, checkpointing=checkpointing)


#: Models in which PEFT gives no adapter to a state-space layer's last projection.
_STATE_SPACE = ("falcon_h1", "falcon_mamba", "mamba", "mamba2", "nemotron_h")
#: Dropout of the attention's probabilities, by each family's name for it.
_ATTENTION_DROPOUT = ("attention_dropout", "attn_pdrop", "attention_probs_dropout_prob")
#: Fields with "drop" in their name that are no dropout of a language model's forward pass.
_NOT_TRAINED = ("classifier_dropout", "summary_first_dropout", "drop_path_rate")


def set_dropout(config: Any, rate: float, run: str) -> list[str]:
    """Give the attention this dropout and switch off every other; returns what was changed.

    Models bring their own rates (GPT-2 and OPT 0.1 in every layer), which would otherwise train
    unasked. Nested configurations are changed as well (MPT's ``attn_config``).
    """
    parts = [(config, "")]
    for name, value in list(vars(config).items()):
        if hasattr(value, "to_dict") and hasattr(value, "model_type"):
            parts.append((value, f"{name}."))
    changed, attention = [], False
    for part, prefix in parts:
        for name, value in list(vars(part).items()):
            if not _is_dropout(name, value):
                continue
            wanted = rate if name in _ATTENTION_DROPOUT else 0.0
            attention |= name in _ATTENTION_DROPOUT
            if value != wanted:
                _set_rate(part, name, wanted, f"{run}: {config.model_type}")
                changed.append(f"{prefix}{name} {value:g}")
    if rate and not attention:
        raise BabelmixError(f"{run}: this model's attention has no dropout to set.")
    return changed


def _set_rate(part: Any, name: str, rate: float, where: str) -> None:
    try:
        setattr(part, name, rate or type(getattr(part, name))(0))
    except Exception as error:  # MPT's rate is an integer to transformers: 0, or nothing
        raise BabelmixError(
            f"{where} takes no `{name}` of {rate:g} ({error.__cause__ or error}). Use `dropout: 0`."
        ) from None


def _is_dropout(name: str, value: Any) -> bool:
    return (
        ("drop" in name)
        and name not in _NOT_TRAINED
        and isinstance(value, (int, float))
        and not isinstance(value, bool)
    )


def silence_dropout(model: torch.nn.Module) -> int:
    """Switch off dropout that a model's code sets past its configuration; returns how many."""
    loud = [m for m in model.modules() if isinstance(m, torch.nn.Dropout) and m.p]
    for module in loud:
        module.p = 0.0
    return len(loud)


def quantisation(lora: Lora | None, run: str) -> Any:
    """Four-bit loading as in QLoRA (Dettmers et al. 2023): NF4, its scales quantised too."""
    if lora is None or lora.quantise == "none":
        return None
    if importlib.util.find_spec("bitsandbytes") is None:
        raise BabelmixError(
            f"{run}: `lora.quantise: nf4` needs bitsandbytes: `pip install 'babelmix[qlora]'`."
        )
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )


def without_adapters(model: Any) -> list[str] | None:
    """Linear layers that cannot have an adapter: None where all can.

    Fused kernels read a state-space layer's last projection past any adapter (PEFT refuses it);
    routers of experts return more than one tensor.
    """
    names = ["out_proj", "conv1d"] if model.config.model_type in _STATE_SPACE else []
    names += [
        name
        for name, layer in model.named_modules()
        if isinstance(layer, torch.nn.Linear) and "router" in type(layer).__name__.lower()
    ]
    return names or None


def _with_adapters(loaded: Any, lora: Lora, tokens: list[int], *, checkpointing: bool) -> Any:
    """The model with adapters, and with the rows of some tokens trained in full."""
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    if lora.quantise != "none":
        loaded = prepare_model_for_kbit_training(
            loaded,
            use_gradient_checkpointing=checkpointing,
            gradient_checkpointing_kwargs={"use_reentrant": False},
        )
    elif checkpointing:
        loaded.enable_input_require_grads()
    adapters = LoraConfig(
        task_type="CAUSAL_LM",
        exclude_modules=without_adapters(loaded) if lora.target_modules == "all-linear" else None,
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.target_modules,
        # Adapters leave the vocabulary alone: a token that the base never saw would stay unknown.
        trainable_token_indices=(
            {name.rpartition(".")[2]: tokens for name in embedding_names(loaded)}
            if tokens
            else None
        ),
    )
    return get_peft_model(loaded, adapters)


def load_adapters(base: Path, adapters: Path, recipe: Recipe, model: Model, run: str) -> Any:
    """The base model in float32 with trained adapters beside its weights.

    Quantised weights are brought back to floating point first, as the adapters were trained on
    those and not on the original ones.
    """
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    loaded: Any = AutoModelForCausalLM.from_pretrained(
        base,
        dtype=torch.float32,
        quantization_config=quantisation(recipe.lora, run),
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=model.trust_remote_code,
    )
    if recipe.lora is not None and recipe.lora.quantise != "none":
        loaded = loaded.dequantize()
    return PeftModel.from_pretrained(loaded, str(adapters)).to("cpu")


def merge(adapted: Any) -> Any:
    """The plain model with its adapters merged into the weights."""
    merged = adapted.merge_and_unload()
    if hasattr(merged.config, "quantization_config"):
        del merged.config.quantization_config
    return merged
