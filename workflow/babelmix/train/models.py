"""The base model as a training needs it: dtype, dropout, attention, adapters. Imports torch."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import torch

from ..config.training import Lora, Model, Recipe
from ..errors import BabelmixError
from .attention import fastest_attention
from .batches import attention_for
from .fused import fuse_layers, uses_fused_kernels
from .job import Job

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def load_model(job: Job, *, checkpointing: bool) -> Any:
    """The base model, ready to train."""
    from transformers import AutoConfig, AutoModelForCausalLM, set_seed

    recipe, model, run = job.spec.recipe, job.spec.model, job.spec.run
    config = AutoConfig.from_pretrained(job.model, trust_remote_code=model.trust_remote_code)
    _set_dropout(config, recipe, run)
    # Weights stay in float32 under autocast; DeepSpeed and adapters keep their own float32 copies.
    half = recipe.deepspeed is not None or recipe.lora is not None
    set_seed(job.spec.seed)
    loaded = AutoModelForCausalLM.from_pretrained(
        job.model,
        config=config,
        dtype=DTYPES[recipe.precision] if half else torch.float32,
        attn_implementation=fastest_attention(
            attention_for(config, packed=recipe.packing, longest=recipe.max_length),
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
    loaded.config.use_cache = False
    if uses_fused_kernels(recipe, run, on_gpu=job.on_gpu):
        fuse_layers(loaded)
    if checkpointing:
        loaded.gradient_checkpointing_enable({"use_reentrant": False})
    if recipe.lora is None:
        return loaded
    return _with_adapters(loaded, recipe.lora, checkpointing=checkpointing)


def _set_dropout(config: Any, recipe: Recipe, run: str) -> None:
    if not recipe.dropout:
        return
    names = [n for n in ("attention_dropout", "attn_pdrop") if hasattr(config, n)]
    if not names:
        raise BabelmixError(f"{run}: this model's attention has no dropout to set.")
    for name in names:
        setattr(config, name, recipe.dropout)


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


def _with_adapters(loaded: Any, lora: Lora, *, checkpointing: bool) -> Any:
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
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.target_modules,
    )
    return get_peft_model(loaded, adapters)


def merge_adapters(base: Path, adapters: Path, recipe: Recipe, model: Model, run: str) -> Any:
    """The base model with adapters merged in, in the recipe's precision.

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
    merged: Any = PeftModel.from_pretrained(loaded, str(adapters))
    merged = merged.merge_and_unload().to("cpu", DTYPES[recipe.precision])
    if hasattr(merged.config, "quantization_config"):
        del merged.config.quantization_config
    return merged
