"""Each job's spec and input files, as the rules ask for them."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from ..config.sources import Source
from ..config.translators import MemoryTranslator
from ..errors import BabelmixError
from ..io import digest
from ..specs import (
    AnswerSpec,
    BaselineSpec,
    BenchmarkSpec,
    CollectSpec,
    FetchSpec,
    JudgeSpec,
    ModelSpec,
    NormaliseSpec,
    PoolSpec,
    ScoreSpec,
    Spec,
    TokeniseSpec,
    TrainSpec,
    TranslateSpec,
)
from ..stages import STAGE_VERSIONS
from .checks import local_files, resolve_path
from .graph import Plan

#: Fields of a model that decide where and how fast it runs, not what comes out.
_PLACE = {
    "gpus": 0,
    "threads": 1,
    "parameters_b": None,
    "token_env": "HF_TOKEN",
    "licence": "",
    "gated": False,
}


def _json(spec: Spec) -> str:
    return spec.model_dump_json()


class Jobs:
    """Specs (JSON text) and input files of every job of a plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.config = plan.config
        self.root = plan.root

    def path(self, text: str) -> str:
        """A path below the study set's folder."""
        return f"{self.root}/{text}"

    # --- sources ----------------------------------------------------------------------------

    def fetch(self, source: str) -> str:
        """Spec of `fetch`."""
        version = STAGE_VERSIONS["fetch"]
        return _json(FetchSpec(version=version, name=source, source=self.plan.sources[source]))

    def local_files(self, source: str) -> list[str]:
        """Local files of a source; an error names a missing one."""
        return local_files(source, self.plan.sources[source])

    def _reading(self, source: str) -> Source:
        """A source as its reader sees it: places and licences do not change rows."""
        neutral = {"path": "{lang}", "hub": None, "file": None, "url": None, "sha256": {}, "licence": ""}
        neutral |= {"citation": "", "non_commercial": False}
        return self.plan.sources[source].model_copy(update=neutral)

    def normalise(self, dataset: str, lang: str) -> str:
        """Spec of `normalise`."""
        pool = self.plan.dataset(dataset)
        return _json(
            NormaliseSpec(
                version=STAGE_VERSIONS["normalise"],
                dataset=dataset,
                lang=lang,
                pivot=pool.pivot,
                sources={s: self._reading(s) for s in pool.sources},
                rows=pool.rows,
                max_chars=pool.max_chars,
                seed=pool.seed,
            )
        )

    def records(self, dataset: str) -> list[str]:
        """Fetch records of a pool's sources."""
        return [self.path(f"raw/{s}.json") for s in self.plan.dataset(dataset).sources]

    def pivot_file(self, dataset: str, lang: str) -> list[str]:
        """The pivot's normalised file, for languages other than the pivot."""
        pivot = self.plan.dataset(dataset).pivot
        return [] if lang == pivot else [self.path(f"normalised/{dataset}.{pivot}.parquet")]

    def benchmark(self, benchmark: str, lang: str) -> str:
        """Spec of `benchmark`."""
        section = self.config.benchmarks[benchmark]
        return _json(
            BenchmarkSpec(
                version=STAGE_VERSIONS["benchmark"],
                name=benchmark,
                lang=lang,
                source=self._reading(section.source) if section.source else None,
                dataset=section.dataset,
                **section.model_dump(
                    include={
                        "languages",
                        "questions",
                        "turns",
                        "max_question_chars",
                        "categories",
                    }
                ),
            )
        )

    def benchmark_option(self, benchmark: str) -> str:
        """The option that names a benchmark's files (their paths hold no spaces of ours)."""
        ((name, files),) = self.benchmark_input(benchmark).items()
        return " ".join([f"--{name}", *(shlex.quote(f) for f in files)])

    def benchmark_input(self, benchmark: str) -> dict[str, list[str]]:
        """Fetch record, or the pool's file of each language of the benchmark."""
        section = self.config.benchmarks[benchmark]
        if section.source:
            return {"record": [self.path(f"raw/{section.source}.json")]}
        files = [self.conversations(section.dataset or "", c) for c in section.languages]
        return {"conversations": files}

    # --- translation ------------------------------------------------------------------------

    def translate(self, dataset: str, lang: str, shard: int) -> str:
        """Spec of `translate`."""
        pool = self.plan.dataset(dataset)
        name = self.plan.translator_of(dataset, lang)
        translator = self.config.translators[name]
        if isinstance(translator, MemoryTranslator):
            path = resolve_path(translator.path, self.config, f"translators.{name}")
            translator = translator.model_copy(update={"path": path})
        return _json(
            TranslateSpec(
                version=STAGE_VERSIONS["translate"],
                dataset=dataset,
                lang=lang,
                pivot=pool.pivot,
                shard=shard,
                shards=pool.shards,
                translator_name=name,
                translator=translator,
                lang_codes=self.config.languages[lang].codes,
            )
        )

    def memory_files(self, dataset: str, lang: str) -> list[str]:
        """The translation memory's file, when the language comes from one."""
        name = self.plan.translator_of(dataset, lang)
        translator = self.config.translators[name]
        if not isinstance(translator, MemoryTranslator):
            return []
        return [resolve_path(translator.path, self.config, f"translators.{name}")]

    def collect(self, dataset: str, lang: str) -> str:
        """Spec of `collect`."""
        pool = self.plan.dataset(dataset)
        return _json(
            CollectSpec(
                version=STAGE_VERSIONS["collect"],
                dataset=dataset,
                lang=lang,
                pivot=pool.pivot,
                on_failed_check=pool.on_failed_check,
            )
        )

    def shards(self, dataset: str, lang: str) -> list[str]:
        """Translated shards, or the normalised file where the sources hold the language."""
        if not self.plan.is_translated(dataset, lang):
            return [self.path(f"normalised/{dataset}.{lang}.parquet")]
        n_shards = self.plan.dataset(dataset).shards
        return [self.path(f"translations/{dataset}.{lang}/{i}.parquet") for i in range(n_shards)]

    def conversations(self, dataset: str, lang: str) -> str:
        """A pool's file of one language."""
        return self.path(f"conversations/{dataset}.{lang}.parquet")

    # --- mixtures ---------------------------------------------------------------------------

    def pool(self, dataset: str) -> str:
        """Spec of `build-pool`."""
        section = self.plan.dataset(dataset)
        return _json(
            PoolSpec(
                version=STAGE_VERSIONS["pool"],
                dataset=dataset,
                **section.model_dump(
                    include={"languages", "pivot", "on_failed_check", "dev_rows", "seed"}
                ),
            )
        )

    def pool_input(self, dataset: str) -> list[str]:
        """The pool's file of every language."""
        return [self.conversations(dataset, c) for c in self.plan.dataset(dataset).languages]

    def mixture(self, mixture: str) -> str:
        """Spec of `build-mixture`."""
        return _json(self.plan.expansion.mixtures[mixture])

    def mixture_input(self, mixture: str) -> dict[str, Any]:
        """The pool and the files of the mixture's languages."""
        dataset = self.plan.expansion.mixtures[mixture].dataset
        languages = self.plan.languages_of_mixture(mixture)
        return {
            "pool": self.path(f"pools/{dataset}.parquet"),
            "conversations": [self.conversations(dataset, c) for c in languages],
        }

    # --- training ---------------------------------------------------------------------------

    def model(self, model: str) -> str:
        """Spec of `prepare-model`."""
        section = self.config.models[model].model_copy(update=_PLACE | {"device": "auto"})
        return _json(ModelSpec(version=STAGE_VERSIONS["model"], name=model, model=section))

    def model_files(self, model: str) -> list[str]:
        """Files of a local base model; none for one that is fetched."""
        path = self.config.models[model].path
        if path is None:
            return []
        files = sorted(str(f) for f in Path(path).glob("*") if f.is_file())
        if not any(f.endswith(".safetensors") for f in files):
            raise BabelmixError(
                f"models.{model}: the folder '{path}' holds no safetensors weights. Correct `path`, "
                "or name the model's `repo` on the hub."
            )
        return [f for f in files if f.endswith((".safetensors", ".json", ".jinja", ".model"))]

    def tokenise(self, recipe: str, dataset: str, lang: str) -> str:
        """Spec of `tokenise`."""
        section = self.config.training[recipe]
        prompt = self.config.languages[lang].system_prompt if section.system_prompt else ""
        return _json(
            TokeniseSpec(
                version=STAGE_VERSIONS["tokenise"],
                dataset=dataset,
                lang=lang,
                max_length=section.max_length,
                system_prompt=prompt,
            )
        )

    def train(self, run: str) -> str:
        """Spec of `train`."""
        job = self.plan.runs[run]
        model = self.config.models[job.model]
        return _json(
            TrainSpec(
                version=STAGE_VERSIONS["train"],
                run=run,
                model_name=job.model,
                model=model.model_copy(update=_PLACE),
                mixture=job.mixture,
                recipe=self.config.training[job.recipe or ""],
                seed=job.seed,
            )
        )

    def train_input(self, run: str) -> dict[str, Any]:
        """Mixture, tokenised pool files, and the base model's record."""
        job = self.plan.runs[run]
        mixture = job.mixture or ""
        dataset = self.plan.expansion.mixtures[mixture].dataset
        folder = f"tokenised/{job.model}.{job.recipe}"
        return {
            "mixture": self.path(f"mixtures/{mixture}.parquet"),
            "tokenised": [
                self.path(f"{folder}/{dataset}.{c}.parquet")
                for c in self.plan.languages_of_mixture(mixture)
            ],
            "model": self.path(f"models/{job.model}.json"),
        }

    # --- answers and judgements -------------------------------------------------------------

    def checkpoint(self, run: str) -> dict[str, str]:
        """Folder and record of a run's weights (the base model's own when untuned)."""
        job = self.plan.runs[run]
        if job.mixture is None:
            place = self.path(f"models/{job.model}")
        else:
            place = self.path(f"checkpoints/{run}")
        return {"folder": place, "completed": f"{place}.json"}

    def answer(self, benchmark: str, run: str) -> str:
        """Spec of `answer`."""
        section = self.config.benchmarks[benchmark]
        model = self.config.models[self.plan.runs[run].model]
        languages = self.plan.answer_languages(benchmark, run)
        prompts = {c: self.config.languages[c].system_prompt for c in languages}
        return _json(
            AnswerSpec(
                version=STAGE_VERSIONS["answer"],
                run=run,
                benchmark=benchmark,
                languages=languages,
                device=model.device,
                trust_remote_code=model.trust_remote_code,
                generation=section.generation,
                system_prompts=prompts if section.system_prompt else {},
            )
        )

    def questions(self, benchmark: str, run: str | None = None) -> list[str]:
        """Question files, of the languages a run is asked in."""
        languages = self.config.benchmarks[benchmark].languages
        if run is not None:
            languages = self.plan.answer_languages(benchmark, run)
        return [self.path(f"benchmarks/{benchmark}.{c}.parquet") for c in languages]

    def answers(self, benchmark: str, run: str) -> str:
        """A run's answers to a benchmark."""
        return self.path(f"answers/{benchmark}/{run}.parquet")

    def judge(self, evaluation: str, run: str) -> str:
        """Spec of `judge-single` and `judge-pairs`."""
        plan = self.plan.evaluations[evaluation]
        wanted = plan.evaluation
        return _json(
            JudgeSpec(
                version=STAGE_VERSIONS["judge"],
                run=run,
                benchmark=wanted.benchmark,
                languages=plan.languages_by_run[run],
                protocol=wanted.protocol,
                judge_name=wanted.judge,
                judge=self.config.judges[wanted.judge],
                baseline=wanted.baseline,
                all_languages=list(self.config.languages),
            )
        )

    def judge_input(self, evaluation: str, run: str) -> dict[str, Any]:
        """Answers and questions of one judging job."""
        plan = self.plan.evaluations[evaluation]
        benchmark = plan.evaluation.benchmark
        return {
            "answers": self.answers(benchmark, run),
            "questions": [
                self.path(f"benchmarks/{benchmark}.{c}.parquet") for c in plan.languages_by_run[run]
            ],
        }

    def pairs_input(self, evaluation: str, run: str) -> dict[str, Any]:
        """The same with the baselines' answers, and the choice of the best one where it is chosen."""
        plan = self.plan.evaluations[evaluation]
        benchmark = plan.evaluation.benchmark
        runs = dict.fromkeys(self.plan.baselines(evaluation, run).values())
        inputs = self.judge_input(evaluation, run)
        inputs["baseline_answers"] = [self.answers(benchmark, r) for r in runs]
        if plan.evaluation.baseline == "best_monolingual":
            inputs["choice"] = [self.path(f"baselines/{evaluation}/{run}.json")]
        return inputs

    def baseline_map(self, evaluation: str, run: str) -> str:
        """Baseline run by language (JSON; empty where it is chosen by grades)."""
        if self.plan.evaluations[evaluation].evaluation.baseline == "best_monolingual":
            return "{}"
        return json.dumps(self.plan.baselines(evaluation, run))

    def baseline_option(self, evaluation: str, run: str) -> str:
        """The option that names the chosen baseline, where grades choose it."""
        choice = self.pairs_input(evaluation, run).get("choice", [])
        return f"--baseline-json {shlex.quote(choice[0])}" if choice else ""

    def choose_baseline(self, evaluation: str, run: str) -> str:
        """Spec of `choose-baseline`."""
        single = self.plan.single_evaluation(evaluation)
        wanted = self.plan.evaluations[single].evaluation
        return _json(
            BaselineSpec(
                version=STAGE_VERSIONS["baseline"],
                benchmark=wanted.benchmark,
                judge_name=wanted.judge,
                runs=sorted(set(self.plan.baselines(evaluation, run).values())),
            )
        )

    def choose_baseline_input(self, evaluation: str, run: str) -> list[str]:
        """Single grades of the candidates."""
        single = self.plan.single_evaluation(evaluation)
        candidates = sorted(set(self.plan.baselines(evaluation, run).values()))
        return [self.path(f"judgements/{single}/{r}.parquet") for r in candidates]

    def score(self, benchmark: str, run: str) -> str:
        """Spec of `score`."""
        return _json(
            ScoreSpec(
                version=STAGE_VERSIONS["score"],
                run=run,
                benchmark=benchmark,
                languages=self.plan.answer_languages(benchmark, run),
                all_languages=list(self.config.languages),
            )
        )

    # --- resources --------------------------------------------------------------------------

    def threads(self, run: str) -> int:
        """CPU threads of a training or of its answers."""
        return self.config.models[self.plan.runs[run].model].threads

    def gpus(self, run: str) -> int:
        """GPUs that a run needs."""
        return self.config.models[self.plan.runs[run].model].gpus

    def model_memory(self, model: str) -> int:
        """Host memory to load a base model, MB: 4 bytes a parameter twice, and 3 GB beside."""
        return int(8e3 * (self.config.models[model].parameters_b or 0.2)) + 3000

    def train_memory(self, run: str) -> int:
        """Host memory of a training, MB: weights, gradients and AdamW's state in fp32 on the host.

        On GPUs the state is there, and the host needs a copy of the weights for each rank.
        """
        model = self.config.models[self.plan.runs[run].model]
        bytes_per_parameter = 20 if not model.gpus else 4 * (model.gpus + 1)
        return int(1e3 * bytes_per_parameter * (model.parameters_b or 0.2)) + 3000

    def answer_memory(self, run: str) -> int:
        """Host memory of answering, MB."""
        return self.model_memory(self.plan.runs[run].model)

    # --- gathered at the end ----------------------------------------------------------------

    def all_answers(self) -> list[str]:
        """Every set of answers."""
        return [self.answers(b, r) for b, r in self.plan.answer_sets()]

    def all_scores(self) -> list[str]:
        """Scores of every set of answers."""
        return [self.path(f"scores/{b}/{r}.parquet") for b, r in self.plan.answer_sets()]

    def all_judgements(self) -> list[str]:
        """Judgements of every evaluation and run."""
        return [
            self.path(f"judgements/{name}/{run}.parquet")
            for name, plan in self.plan.evaluations.items()
            for run in plan.languages_by_run
        ]

    def all_manifests(self) -> list[str]:
        """Manifests of every mixture."""
        return [self.path(f"mixtures/{m}.manifest.json") for m in self.plan.mixtures]

    def all_audits(self) -> list[str]:
        """Audits of every language of every pool."""
        return [
            self.path(f"conversations/{d}.{c}.audit.json")
            for d in self.plan.datasets
            for c in self.plan.dataset(d).languages
        ]

    def all_metrics(self) -> list[str]:
        """Training curves."""
        return [
            self.path(f"checkpoints/{r.name}.metrics.jsonl")
            for r in self.plan.runs.values()
            if r.mixture
        ]

    def version(self, stage: str) -> int:
        """A stage's version, for rules whose verb takes no spec."""
        return STAGE_VERSIONS[stage]

    def description_digest(self) -> str:
        """Changes when, and only when, study.json would."""
        return digest(self.plan.describe())

    def all_questions(self) -> list[str]:
        """Question files of every benchmark."""
        return [f for b in self.plan.benchmarks for f in self.questions(b)]
