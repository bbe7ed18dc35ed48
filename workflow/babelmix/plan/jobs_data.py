"""Specs and input files of sources, translation and mixtures."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from ..config.sources import Source
from ..config.translators import MemoryTranslator, OpenAITranslator, Translator
from ..resources import language_catalogue
from ..sources.overlays import PIVOT
from ..specs import (
    BenchmarkSpec,
    CollectSpec,
    FetchSpec,
    NormaliseSpec,
    QualitySpec,
    RoundTripSpec,
    TranslateSpec,
)
from ..stages import STAGE_VERSIONS
from .checks import language_path, local_files, resolve_path
from .jobs_base import JobsBase, as_json
from .varieties import asked_script, own_name, read_prompt


class DataJobs(JobsBase):
    """Jobs from raw files to mixtures."""

    def fetch(self, source: str) -> str:
        """Spec of `fetch`: what brings the files, not the terms under which they may be used."""
        section = self.plan.sources[source].without_execution_settings()
        return as_json(FetchSpec(version=STAGE_VERSIONS["fetch"], name=source, source=section))

    def local_files(self, source: str) -> list[str]:
        """Local files of a source; an error names a missing one."""
        return local_files(source, self.plan.sources[source])

    def _reading(self, source: str) -> Source:
        """A source as its reader sees it: places and licences do not change rows."""
        neutral: dict[str, Any] = {
            "builtin": None,
            "path": "{lang}",
            "hub": None,
            "file": None,
            "config": None,
            "split": None,
            "url": None,
            "sha256": {},
        }
        section = self.plan.sources[source].without_execution_settings()
        return section.model_copy(update=neutral)

    def normalise(self, dataset: str, lang: str) -> str:
        """Spec of `normalise`."""
        pool = self.plan.dataset(dataset)
        return as_json(
            NormaliseSpec(
                version=STAGE_VERSIONS["normalise"],
                dataset=dataset,
                lang=lang,
                pivot=self.plan.pivot_of(dataset, lang),
                sources={s: self._reading(s) for s in pool.sources},
                rows=pool.rows,
                fraction=pool.fraction,
                max_chars=pool.max_chars,
                seed=pool.seed,
                parallel=pool.parallel,
                choice=self._choice(dataset),
            )
        )

    def _choice(self, dataset: str) -> BenchmarkSpec | None:
        """Which questions of a benchmark are asked, and so translated; None for other pools."""
        benchmark = self.plan.question_pools.get(dataset)
        if benchmark is None:
            return None
        pool = self.plan.dataset(dataset)
        held = [c for c in pool.languages if not self.plan.is_translated(dataset, c)]
        found = self._benchmark(benchmark, pool.pivot, held)
        return found.model_copy(update={"source": None, "dataset": None})

    def records(self, dataset: str) -> list[str]:
        """Fetch records of a pool's sources."""
        return [self.path(f"raw/{s}.json") for s in self.plan.dataset(dataset).sources]

    def pivot_file(self, dataset: str, lang: str) -> list[str]:
        """The pivot's normalised file, for languages other than the pivot."""
        pivot = self.plan.pivot_of(dataset, lang)
        return [] if lang == pivot else [self.path(f"normalised/{dataset}.{pivot}.parquet")]

    def benchmark(self, benchmark: str, lang: str) -> str:
        """Spec of `benchmark`."""
        languages = self.config.benchmarks[benchmark].languages
        return as_json(self._benchmark(benchmark, lang, languages))

    def _benchmark(self, benchmark: str, lang: str, languages: list[str]) -> BenchmarkSpec:
        section = self.config.benchmarks[benchmark]
        asked = {"questions", "turns", "max_question_chars", "categories"}
        return BenchmarkSpec(
            version=STAGE_VERSIONS["benchmark"],
            name=benchmark,
            lang=lang,
            source=self._reading(section.source) if section.source else None,
            dataset=self.plan.pool_of(benchmark),
            languages=languages,
            **section.model_dump(include=asked),
        )

    def benchmark_option(self, benchmark: str) -> str:
        """The options that name a benchmark's files (their paths hold no spaces of ours)."""
        parts: list[str] = []
        for name, files in self.benchmark_input(benchmark).items():
            parts += [f"--{name}", *(shlex.quote(f) for f in files)]
        return " ".join(parts)

    def benchmark_input(self, benchmark: str) -> dict[str, list[str]]:
        """Fetch record and overlays, or the pool's file of each language of the benchmark."""
        section = self.config.benchmarks[benchmark]
        pool = self.plan.pool_of(benchmark)
        found = {"record": [self.path(f"raw/{section.source}.json")]} if section.source else {}
        if pool is not None:  # corrected already
            found["conversations"] = [self.conversations(pool, c) for c in section.languages]
        elif overlays := self._overlays(benchmark):
            found["corrections"] = overlays
        return found

    def _overlays(self, benchmark: str) -> list[str]:
        """Overlays of a benchmark: all languages', for all decide which questions are asked.

        Of files by language none is expected for English, which was not translated.
        """
        section = self.config.benchmarks[benchmark]
        if section.corrections is None:
            return []
        path = resolve_path(section.corrections, self.config, f"benchmarks.{benchmark}.corrections")
        places = {language_path(path, c): c for c in section.languages}
        return [place for place, lang in places.items() if lang != PIVOT or place == path]

    def all_records(self) -> list[str]:
        """Fetch records of every source."""
        return [self.path(f"raw/{s}.json") for s in self.plan.sources]

    def pivot_manifests(self) -> list[str]:
        """What was read from the sources of every pool, in its pivot language or all its own."""
        return [
            self.path(f"normalised/{d}.{c}.json")
            for d in self.plan.datasets
            for c in self.plan.dataset(d).languages
            if c == self.plan.pivot_of(d, c)
        ]

    def benchmark_manifests(self) -> list[str]:
        """What was read of every benchmark, a file a language."""
        return [
            self.path(f"benchmarks/{b}.{lang}.json")
            for b in self.plan.benchmarks
            for lang in self.config.benchmarks[b].languages
        ]

    def translate(self, dataset: str, lang: str, shard: int) -> str:
        """Spec of `translate`."""
        pool = self.plan.dataset(dataset)
        name = self.plan.translator_of(dataset, lang)
        return as_json(
            TranslateSpec(
                version=STAGE_VERSIONS["translate"],
                dataset=dataset,
                lang=lang,
                pivot=pool.pivot,
                shard=shard,
                shards=pool.shards,
                translator_name=name,
                translator=self._essence(name),
                lang_codes=self.config.languages[lang].codes,
                **self._named(lang, pool.pivot),
            )
        )

    def _named(self, lang: str, pivot: str, back: bool = False) -> dict[str, Any]:
        """What the configuration says of two languages beyond the catalogue."""
        languages = self.config.languages
        source = lang if back else pivot
        codes = languages[source].codes
        known = language_catalogue().get(source, {}).get("codes", {})
        return {
            "pivot_codes": {} if codes == known else codes,
            "lang_name": own_name(lang, languages[lang].name),
            "pivot_name": own_name(pivot, languages[pivot].name),
        }

    def _essence(self, name: str) -> Translator:
        """A translator with its paths resolved.

        Host, price, cap and speed come from --config: they change no translation.
        """
        translator = self.config.translators[name]
        if isinstance(translator, MemoryTranslator):
            path = resolve_path(translator.path, self.config, f"translators.{name}")
            translator = translator.model_copy(update={"path": path})
        if isinstance(translator, OpenAITranslator) and translator.prompt is not None:
            text = read_prompt(translator.prompt, self.config, f"translators.{name}.prompt")
            translator = translator.model_copy(update={"prompt": text})
        return translator.without_execution_settings()

    def round_trip(self, dataset: str, lang: str) -> str:
        """Spec of `round-trip`."""
        pool = self.plan.dataset(dataset)
        name = self.plan.back_translator_of(dataset, lang)
        return as_json(
            RoundTripSpec(
                version=STAGE_VERSIONS["round_trip"],
                dataset=dataset,
                lang=lang,
                pivot=pool.pivot,
                shard=0,
                shards=1,
                translator_name=name,
                translator=self._essence(name),
                lang_codes=self.config.languages[pool.pivot].codes,
                **self._named(lang, pool.pivot, back=True),
            )
        )

    def translation_minutes(self, dataset: str, lang: str) -> int:
        """Time limit of a shard's job: a batch may take a day."""
        translator = self.config.translators[self.plan.translator_of(dataset, lang)]
        return 1500 if getattr(translator, "mode", "") == "batch" else 240

    def translation_gpus(self, dataset: str, lang: str) -> int:
        """GPUs of a shard's job: one where the translator says `device: cuda`."""
        translator = self.config.translators[self.plan.translator_of(dataset, lang)]
        return int(getattr(translator, "device", "") == "cuda")

    def translation_env(self, dataset: str, lang: str) -> str:
        """The conda environment of a shard's job, as its rule's file names it."""
        return self._env(self.plan.translator_of(dataset, lang))

    def back_env(self, dataset: str, lang: str) -> str:
        """The conda environment of the job that translates back."""
        return self._env(self.plan.back_translator_of(dataset, lang))

    def _env(self, translator: str) -> str:
        local = self.config.translators[translator].backend == "seq2seq"
        return f"../envs/{'seq2seq' if local else 'data'}.yaml"

    def back_resource(self, dataset: str, lang: str, resource: str) -> int:
        """`gpu` or `minutes` of the job that translates back."""
        translator = self.config.translators[self.plan.back_translator_of(dataset, lang)]
        if resource == "gpu":
            return int(getattr(translator, "device", "") == "cuda")
        return 1500 if getattr(translator, "mode", "") == "batch" else 480

    def memory_files(self, dataset: str, lang: str) -> list[str]:
        """The translation memory's file, when the language comes from one."""
        return self._memory_files(self.plan.translator_of(dataset, lang))

    def back_memory_files(self, dataset: str, lang: str) -> list[str]:
        """The translation memory's file, when the way back comes from one."""
        return self._memory_files(self.plan.back_translator_of(dataset, lang))

    def _memory_files(self, name: str) -> list[str]:
        translator = self.config.translators[name]
        if not isinstance(translator, MemoryTranslator):
            return []
        return [resolve_path(translator.path, self.config, f"translators.{name}")]

    def collect(self, dataset: str, lang: str) -> str:
        """Spec of `collect`."""
        pool = self.plan.dataset(dataset)
        return as_json(
            CollectSpec(
                version=STAGE_VERSIONS["collect"],
                dataset=dataset,
                lang=lang,
                pivot=self.plan.pivot_of(dataset, lang),
                on_failed_check=pool.on_failed_check,
                as_translation=self._as_translation(dataset, lang),
                below=self._cut_offs(dataset, lang),
                script=asked_script(lang, self.config.languages[lang]),
            )
        )

    def _cut_offs(self, dataset: str, lang: str) -> dict[str, float]:
        made = {Path(file).parent.name for file in self.measures(dataset, lang)}
        cut_offs = self.plan.dataset(dataset).audit.cut_offs()
        return {name: value for name, value in cut_offs.items() if name in made}

    def _as_translation(self, dataset: str, lang: str) -> bool:
        """Whether a language's rows are compared with the pivot's."""
        held = self.plan.dataset(dataset).audit.held
        return self.plan.is_translated(dataset, lang) or held == "translation"

    def measures(self, dataset: str, lang: str) -> list[str]:
        """Files of the measures that a pool's audit asks for, of its translations only."""
        pool = self.plan.dataset(dataset)
        if not self.plan.compares(dataset, lang):
            return []
        asked = {
            "quality": pool.audit.quality is not None,
            "round_trip": self.plan.goes_back(dataset, lang),
        }
        return [self.path(f"measures/{m}/{dataset}.{lang}.json") for m, on in asked.items() if on]

    def quality(self, dataset: str, lang: str) -> str:
        """Spec of `quality`."""
        pool = self.plan.dataset(dataset)
        assert pool.audit.quality is not None, "asked for by `measures` only"
        return as_json(
            QualitySpec(
                version=STAGE_VERSIONS["quality"],
                dataset=dataset,
                lang=lang,
                pivot=pool.pivot,
                function=pool.audit.quality.function,
                function_version=pool.audit.quality.version,
            )
        )

    def quality_resource(self, dataset: str, name: str) -> int:
        """`mem_mb` or `gpus` of the job that scores a pool's translations."""
        return int(getattr(self.plan.dataset(dataset).audit.quality, name))

    def corrections_file(self, dataset: str, lang: str) -> list[str]:
        """The overlay of human corrections of a pool's language, where there is one."""
        pool = self.plan.dataset(dataset)
        if pool.corrections is None or lang == pool.pivot:
            return []
        held = dataset in self.plan.question_pools and not self.plan.is_translated(dataset, lang)
        if held and "{lang}" in pool.corrections.lower():
            return []  # of the languages that a benchmark's source holds no file is expected
        where = f"datasets.{dataset}.corrections"
        return [language_path(resolve_path(pool.corrections, self.config, where), lang)]

    def corrections_option(self, dataset: str, lang: str) -> str:
        """The option that names the overlay."""
        files = self.corrections_file(dataset, lang)
        return f"--corrections {shlex.quote(files[0])}" if files else ""

    def collect_options(self, dataset: str, lang: str) -> str:
        """The options that name the overlay and the measures, where there are any."""
        measures = [shlex.quote(path) for path in self.measures(dataset, lang)]
        parts = [self.corrections_option(dataset, lang)]
        parts += ["--measures " + " ".join(measures)] if measures else []
        return " ".join(part for part in parts if part)

    def shards(self, dataset: str, lang: str) -> list[str]:
        """Translated shards, or the normalised file where the sources hold the language."""
        if not self.plan.is_translated(dataset, lang):
            return [self.path(f"normalised/{dataset}.{lang}.parquet")]
        n_shards = self.plan.dataset(dataset).shards
        return [self.path(f"translations/{dataset}.{lang}/{i}.parquet") for i in range(n_shards)]
