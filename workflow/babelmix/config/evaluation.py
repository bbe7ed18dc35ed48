"""`benchmarks`, `judges` and `studies`: what is asked, who judges, what is compared."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from .base import Lang, Name, Section
from .contrasts import Contrast, Deviation
from .likelihood import Likelihood
from .service import ChatModel, Endpoint

Protocol = Literal["single", "pairwise", "side_by_side"]
#: How the verdicts of both orders of a pair become one outcome (``outcome``).
OrderRule = Literal["strict", "lenient", "score"]


#: Arguments of vLLM's engine that are set elsewhere, and where.
VLLM_SETTINGS = {
    "model": "it is the run's checkpoint",
    "tokenizer": "it is the checkpoint's own",
    "seed": "set `seed`",
    "trust_remote_code": "set it in the model's section",
    "generation_config": "sampling is what this section says, never the checkpoint's defaults",
    "tensor_parallel_size": "set `tensor_parallel`",
    "data_parallel_size": "set `data_parallel`",
    "max_model_len": "set `max_model_len`",
    "gpu_memory_utilization": "set `gpu_memory_utilization`",
    "served_model_name": "set `served_model`",
    "host": "the server listens on loopback only",
    "port": "a free one is taken",
    "api_key": "one is made for each job",
}


class _Decoding(Section):
    """How answers are generated; its keys come first in a job's settings, as they always did."""

    engine: Literal["transformers", "vllm", "vllm-server", "openai"] = Field(
        default="transformers",
        description=(
            "`transformers`, in this process; `vllm`, likewise, where it is installed; "
            "`vllm-server`: each job starts `server_command` on its checkpoint, asks it and stops "
            "it; `openai`, a server of yours with a completions endpoint that serves the run's "
            "checkpoint."
        ),
    )
    base_url: str | None = Field(default=None, description="Address of an `openai` engine.")
    key_env: str = Field(
        default="OPENAI_API_KEY", description="Environment variable with the server's key."
    )
    served_model: str | None = Field(
        default=None, description="The model's name there; left out, the run's name."
    )
    max_new_tokens: int = Field(default=1024, ge=1, description="Longest answer, in tokens.")
    temperature: float = Field(default=0.0, ge=0, description="0 is greedy.")
    top_p: float = Field(default=1.0, gt=0, le=1, description="Nucleus sampling.")
    temperature_by_category: dict[str, float] = Field(
        default_factory=dict,
        description="Other temperatures for single categories (MT-Bench's table).",
    )
    seed: int = Field(default=0, description="Seed of sampling.")
    samples: int = Field(
        default=1,
        ge=1,
        # Left out at its default: answers made without it are not made again.
        exclude_if=lambda value: value == 1,
        description=(
            "Answers to each question, each drawn by a seed of its own; their mean is the "
            "question's value. Where the temperature is 0 one answer stands for all."
        ),
    )
    batch_tokens: int = Field(
        default=8192, ge=64, description="Padded tokens of one batch; as memory allows."
    )

    @model_validator(mode="after")
    def _samples_differ(self) -> _Decoding:
        if self.samples > 1 and not any((self.temperature, *self.temperature_by_category.values())):
            raise ValueError(
                f"`samples: {self.samples}` wants a `temperature` above 0 (or one in "
                "`temperature_by_category`): at 0 all samples of a question are the same"
            )
        return self


class Generation(Endpoint, _Decoding):
    """How answers are generated, by which engine, and on how many GPUs."""

    #: How many GPUs take part, how large batches are and how vLLM is started changes no answer
    #: beyond rounding.
    EXECUTION_ONLY: ClassVar[frozenset[str]] = Endpoint.EXECUTION_ONLY | {
        "batch_tokens",
        "tensor_parallel",
        "data_parallel",
        "gpu_memory_utilization",
        "server_command",
        "server_ready_s",
    }

    tensor_parallel: int = Field(
        default=1,
        ge=1,
        description="GPUs over which one copy of the model is spread: vLLM splits its matrices, "
        "`transformers` its layers. An answer job of a model with `gpus` asks for this many.",
    )
    data_parallel: int = Field(
        default=1,
        ge=1,
        description="`vllm-server`: copies of the model behind one server, each on "
        "`tensor_parallel` GPUs.",
    )
    max_model_len: int | None = Field(
        default=None,
        ge=1,
        description="vLLM: longest prompt and answer together, in tokens; left out, the model's. "
        "What does not fit into it is cut (`length`) or not asked (`error`).",
    )
    gpu_memory_utilization: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="vLLM: share of each GPU's memory that it takes; left out, vLLM's default.",
    )
    vllm_options: dict[str, Any] = Field(
        default_factory=dict,
        description="vLLM: further engine arguments by their Python names, as "
        "`{enforce_eager: true}`.",
    )
    server_command: list[str] = Field(
        default=["vllm", "serve"],
        min_length=1,
        description="`vllm-server`: what starts the server; vLLM may be in an environment of its "
        "own, as `[/opt/vllm/bin/vllm, serve]`.",
    )
    server_ready_s: float = Field(
        default=1800.0,
        gt=0,
        description="`vllm-server`: seconds until the server must answer, loading included.",
    )
    concurrency: int = Field(default=128, ge=1, description="Requests under way at once.")
    timeout_s: float = Field(default=600.0, gt=0, description="Patience for one request, seconds.")

    @model_validator(mode="after")
    def _keys_of_the_engine(self) -> Generation:
        """Refuse keys that the chosen engine would not read."""
        vllm = {"max_model_len", "gpu_memory_utilization", "vllm_options"}
        server = {"data_parallel", "server_command", "server_ready_s"}
        read = {
            "transformers": {"tensor_parallel"},
            "vllm": {"tensor_parallel", *vllm},
            "vllm-server": {"tensor_parallel", *vllm, *server},
            "openai": set(),
        }[self.engine]
        fields = type(self).model_fields
        for name in sorted({"tensor_parallel", *vllm, *server} - read):
            if getattr(self, name) != fields[name].get_default(call_default_factory=True):
                raise ValueError(f"`{name}` is not read by `engine: {self.engine}`: leave it out")
        if self.engine == "vllm-server" and self.base_url is not None:
            raise ValueError(
                "`engine: vllm-server` starts a server of its own: leave `base_url` out, or choose "
                "`openai` for a server that runs already"
            )
        if taken := sorted(set(self.vllm_options) & VLLM_SETTINGS.keys()):
            raise ValueError(
                f"`vllm_options` holds {', '.join(f'`{name}`' for name in taken)}: "
                f"{VLLM_SETTINGS[taken[0]]}"
            )
        return self

    @property
    def gpus(self) -> int:
        """GPUs that one job of answers uses where its model is on GPUs; none for a server of
        yours."""
        return 0 if self.engine == "openai" else self.tensor_parallel * self.data_parallel

    @model_serializer(mode="wrap")
    def _brief(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out the server's keys at their defaults: jobs without one stay as they were."""
        kept = _Decoding.model_fields
        fields = type(self).model_fields
        held: dict[str, Any] = handler(self)
        return {n: v for n, v in held.items() if n in kept or v != fields[n].default}


class Benchmark(Section):
    """Questions in each language. Either a source that holds them, or a pool's user turns."""

    source: Name | None = Field(
        default=None, description="Source with questions in every language (MT-Bench-X)."
    )
    dataset: Name | None = Field(
        default=None, description="Or a parallel pool whose user turns are the questions."
    )
    languages: list[Lang] = Field(min_length=1, description="Languages to ask in.")
    questions: int | None = Field(
        default=None,
        ge=1,
        description="Ask only this many, the same in all languages, evenly over the categories.",
    )
    turns: int | None = Field(default=None, ge=1, description="Ask only the first turns.")
    max_question_chars: int | None = Field(
        default=None, ge=1, description="Leave out questions with a longer turn in any language."
    )
    categories: list[str] | None = Field(default=None, description="Ask only these categories.")
    corrections: str | None = Field(
        default=None,
        description=(
            "Overlay of human corrections (JSONL or CSV), put over the questions and references of "
            "`source`; may hold `{data_root}` and `{lang}`. A pool has its own `corrections`. With "
            "a `translator` and `{lang}`: one file per translated language, which `import-review` "
            "writes."
        ),
    )
    translator: Name | dict[Lang, Name] | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description=(
            "Translator of the questions and references into languages that `source` does not "
            "hold: one name for all, or one per language. Only the questions that are asked are "
            "translated. The translations lie in `conversations/{benchmark}.{lang}.parquet`, for "
            "`export-review`."
        ),
    )
    system_prompt: bool = Field(
        default=False, description="Open with the system prompt of the question's language."
    )
    generation: Generation = Field(default=Generation(), description="How answers are generated.")

    @model_validator(mode="after")
    def _one_place(self) -> Benchmark:
        if (self.source is None) == (self.dataset is None):
            raise ValueError("give exactly one of `source` and `dataset`")
        if self.corrections is not None and self.source is None:
            raise ValueError("`corrections` goes with `source`; a dataset names its own overlay")
        if self.translator is not None and self.source is None:
            raise ValueError("`translator` goes with `source`; a dataset names its own translator")
        return self


class RulesJudge(Section):
    """Rules in place of a model: for demonstrations and tests, no measure of quality."""

    engine: Literal["rules"] = Field(description="Engine.")


class OpenAIJudge(ChatModel):
    """A model behind any OpenAI-compatible endpoint."""

    engine: Literal["openai"] = Field(description="Engine.")
    prompt_language: Literal["tested", "en"] = Field(
        default="tested",
        description="Language of the judge's prompt: the tested language (study 1) or English.",
    )
    prompts: str | None = Field(
        default=None,
        description=(
            "FastChat's or MT-Bench-X's own `judge_prompts.jsonl` in place of ours; `{lang}` and "
            "`{LANG}` in the path are the language's code."
        ),
    )
    concurrency: int = Field(
        default=128,
        ge=1,
        description=(
            "Most requests under way at once. How many the server takes is found out: it begins "
            "with 16, rises with the replies and is cut when the server rejects one."
        ),
    )
    poll_s: float = Field(default=30.0, gt=0, description="Seconds between looks at a batch.")
    structured: Literal["auto", "never"] = Field(
        default="never",
        description=(
            "`auto`: replies as JSON by a schema, where one call of each job shows that the server "
            "keeps to it, else plain text; not with `mode: batch`."
        ),
    )

    @model_validator(mode="after")
    def _probed_in_real_time(self) -> OpenAIJudge:
        if self.structured == "auto" and self.mode == "batch":
            raise ValueError("`structured: auto` needs `mode: realtime`: its probe is a call")
        return self


class Jury(Section):
    """Several judges in one: a verdict is joined from theirs, and no call is made for it."""

    engine: Literal["jury"] = Field(description="Engine.")
    members: list[Name] = Field(
        min_length=2,
        description=(
            "Judges that make it, two or more. Each judges by itself, as its own section says. A "
            "grade is the mean of theirs, a preference what more than half of them say, else a "
            "tie; without a verdict of more than half there is none."
        ),
    )

    @model_validator(mode="after")
    def _each_once(self) -> Jury:
        if doubled := sorted({name for name in self.members if self.members.count(name) > 1}):
            raise ValueError(f"the same judge twice among `members`: {', '.join(doubled)}")
        return self


#: Who reads answers.
Judge = Annotated[RulesJudge | OpenAIJudge, Field(discriminator="engine")]
#: Whom an evaluation may name.
Judging = Annotated[RulesJudge | OpenAIJudge | Jury, Field(discriminator="engine")]


class RunSet(Section):
    """Trainings of a study: every model × mixture × seed."""

    models: list[Name] = Field(min_length=1, description="Base models.")
    mixtures: list[Name] = Field(min_length=1, description="Families or single mixtures, by name.")
    recipe: Name = Field(description="Recipe of `training`.")
    seeds: list[int] = Field(default=[0], min_length=1, description="Training seeds.")


class Evaluation(Section):
    """One benchmark judged by one judge under one protocol."""

    benchmark: Name = Field(description="Benchmark.")
    judge: Name = Field(description="Judge, or jury.")
    protocol: Protocol = Field(
        default="single",
        description=(
            "`single`: a grade of 1 to 10 a turn. `pairwise`: both orders, A, B, tie or both bad. "
            "`side_by_side`: study 2's score, a win only when picked in both orders."
        ),
    )
    languages: list[Lang] | None = Field(
        default=None, description="Judge only these of the benchmark's languages."
    )
    baseline: Literal["best_monolingual", "language_monolingual"] | Name | None = Field(
        default=None,
        description=(
            "Pairwise opponent: `best_monolingual` (highest single grade in the same run set), "
            "`language_monolingual` (study 2: the model tuned on the full set of the asked "
            "language), or a mixture's name."
        ),
    )
    order_rule: OrderRule = Field(
        default="strict",
        description=(
            "How the verdicts of both orders become one outcome. `strict` (both studies): win + "
            "tie = tie. `lenient`: win + tie = win. `score`: what both orders give to each side is "
            "added up; a win and a tie are worth ¾."
        ),
    )

    @model_validator(mode="after")
    def _needs_baseline(self) -> Evaluation:
        if self.protocol != "single" and self.baseline is None:
            raise ValueError(f"protocol `{self.protocol}` needs a `baseline`")
        if self.protocol == "single" and self.baseline is not None:
            raise ValueError("protocol `single` takes no `baseline`")
        if self.protocol == "single" and self.order_rule != "strict":
            raise ValueError(
                f"protocol `single` takes no `order_rule` (it is `{self.order_rule}`): only pairs "
                "are judged in two orders. Leave it out, or choose `pairwise` or `side_by_side`"
            )
        return self


class Study(Section):
    """A question, the trainings that answer it, and how they are judged."""

    title: str = Field(description="Title in the report.")
    question: str = Field(default="", description="The question it answers, in one sentence.")
    runs: list[RunSet] = Field(min_length=1, description="Trainings.")
    untuned: bool = Field(
        default=False, description="Also answer and judge with the base models as they are."
    )
    evaluations: list[Evaluation] = Field(
        default_factory=list,
        description="Benchmarks and judges; may be left out where `likelihood` is given.",
    )
    likelihood: list[Likelihood] = Field(
        default_factory=list,
        description=(
            "Held-out texts whose bits per byte are computed under every run and its base model, "
            "by language: one section, or a list. No judge is asked."
        ),
    )
    deviations: list[Deviation] = Field(
        default_factory=list, description="Differences from the paper; printed in the report."
    )
    contrasts: dict[Name, Contrast] = Field(
        default_factory=dict,
        exclude_if=lambda value: not value,
        description=(
            "Comparisons that the study is made for, by name. They come first in tables and "
            "report, and their p values are corrected for one another alone."
        ),
    )

    @model_validator(mode="after")
    def _measured(self) -> Study:
        if not self.evaluations and not self.likelihood:
            raise ValueError("give `evaluations` (benchmarks and judges), `likelihood`, or both")
        return self

    @field_validator("likelihood", mode="before")
    @classmethod
    def _one_or_several(cls, given: object) -> object:
        return [given] if isinstance(given, dict) else given
