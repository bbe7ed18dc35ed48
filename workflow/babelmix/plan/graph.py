"""The plan of a study set: which files exist, what each is made from, and each job's spec.

Rules ask this object for lists of files and for specs (JSON); it holds no Snakemake. Building it
reads the configuration only: no network, no GPU, no key.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from ..config.base import languages_of
from ..config.expand import Expansion, expand
from ..config.question_pools import question_pools, with_question_pools
from ..config.root import Config
from ..config.scale import scaled
from ..config.sources import Dataset, Source
from ..config.translators import ApertiumTranslator
from ..errors import BabelmixError
from . import checks
from .contrasts import declared_contrasts
from .likelihoods import LikelihoodPlan, plan_likelihoods
from .runs import (
    EvaluationPlan,
    Peers,
    Run,
    baseline_runs,
    group_peers,
    plan_evaluations,
    plan_runs,
)
from .trainings import training_problems
from .varieties import check_system_prompts, check_varieties


class Plan:
    """All jobs of a configuration. ``root`` is the study set's results folder."""

    def __init__(self, config: Config, results: str = "results") -> None:
        checks.check_names(config)
        self.config = config = with_question_pools(scaled(config))
        self.root = f"{results}/{config.study_set}"
        self.studies = config.active_studies()
        self.expansion: Expansion = expand(config)
        self.runs: dict[str, Run] = plan_runs(config, self.studies, self.expansion)
        self.evaluations: dict[str, EvaluationPlan] = plan_evaluations(
            config, self.studies, self.runs
        )
        for plan in self.evaluations.values():
            self._check_baseline(plan)
        self.likelihoods: dict[str, LikelihoodPlan] = plan_likelihoods(
            config, self.studies, self.runs
        )
        check_varieties(self)
        self.contrasts = {name: declared_contrasts(self, name) for name in self.studies}
        check_system_prompts(self)

    def _check_baseline(self, plan: EvaluationPlan) -> None:
        if plan.evaluation.baseline is None:
            return
        for run in plan.languages_by_run:
            self.baselines(plan.name, run)
        if plan.evaluation.baseline == "best_monolingual":
            self.single_evaluation(plan.name)

    # --- what is needed ---------------------------------------------------------------------

    @cached_property
    def mixtures(self) -> list[str]:
        """Mixtures that some run trains on."""
        return list(dict.fromkeys(r.mixture for r in self.runs.values() if r.mixture))

    @cached_property
    def models(self) -> list[str]:
        """Base models in use: trained, asked, or counting tokens for a budget."""
        counting = [t for m in self.mixtures for t, _, _ in self.expansion.mixtures[m].counted]
        return list(dict.fromkeys([*(r.model for r in self.runs.values()), *counting]))

    @cached_property
    def benchmarks(self) -> list[str]:
        """Benchmarks in use."""
        used = [e.evaluation.benchmark for e in self.evaluations.values()]
        used += [b for held in self.likelihoods.values() if (b := held.section.benchmark)]
        return list(dict.fromkeys(used))

    @cached_property
    def datasets(self) -> list[str]:
        """Pools in use, by mixtures, by benchmarks or for their held-out rows."""
        used = [d for m in self.mixtures for d in self.expansion.mixtures[m].datasets]
        used += [d for b in self.benchmarks if (d := self.pool_of(b))]
        used += [d for held in self.likelihoods.values() if (d := held.section.dataset)]
        return list(dict.fromkeys(used))

    def pool_of(self, benchmark: str) -> str | None:
        """The pool whose user turns a benchmark asks; None where its source holds all."""
        section = self.config.benchmarks[benchmark]
        return benchmark if section.translator is not None else section.dataset

    @cached_property
    def question_pools(self) -> dict[str, str]:
        """Pools that hold a benchmark's own questions, to be translated: pool -> benchmark."""
        return question_pools(self.config)

    @cached_property
    def sources(self) -> dict[str, Source]:
        """Sources in use, with the data root put into their paths."""
        names = [s for d in self.datasets for s in self.config.datasets[d].sources]
        names += [s for b in self.benchmarks if (s := self.config.benchmarks[b].source)]
        found = {}
        for name in dict.fromkeys(names):
            source = self.config.sources[name]
            if source.path:
                path = checks.resolve_path(source.path, self.config, f"sources.{name}")
                source = source.model_copy(update={"path": path})
            found[name] = source
        return found

    @cached_property
    def translators(self) -> list[str]:
        """Translators in use."""
        languages = [(d, lang) for d in self.datasets for lang in self.dataset(d).languages]
        names = [self.translator_of(d, c) for d, c in languages if self.is_translated(d, c)]
        names += [self.back_translator_of(d, c) for d, c in languages if self.goes_back(d, c)]
        return list(dict.fromkeys(names))

    @cached_property
    def judges(self) -> list[str]:
        """Judges in use."""
        return list(dict.fromkeys(e.evaluation.judge for e in self.evaluations.values()))

    # --- single questions -------------------------------------------------------------------

    def dataset(self, name: str) -> Dataset:
        """A pool's section."""
        return self.config.datasets[name]

    def is_translated(self, dataset: str, lang: str) -> bool:
        """True when the pool's sources do not hold the language themselves."""
        pool = self.dataset(dataset)
        if not pool.parallel:
            return False
        return any(lang not in self.config.sources[s].languages for s in pool.sources)

    def pivot_of(self, dataset: str, lang: str) -> str:
        """The language whose rows decide those of ``lang``: itself where a pool is not parallel."""
        pool = self.dataset(dataset)
        return pool.pivot if pool.parallel else lang

    def compares(self, dataset: str, lang: str) -> bool:
        """Whether a language's rows are compared with the pivot's."""
        pool = self.dataset(dataset)
        as_translation = self.is_translated(dataset, lang) or pool.audit.held == "translation"
        return lang != self.pivot_of(dataset, lang) and as_translation

    def goes_back(self, dataset: str, lang: str) -> bool:
        """Whether a language's rows are translated back into the pivot."""
        asked = self.dataset(dataset).audit.round_trip
        named = lang in asked if isinstance(asked, dict) else asked is not None
        return named and self.compares(dataset, lang)

    def back_translator_of(self, dataset: str, lang: str) -> str:
        """The translator that takes a language of a pool back into the pivot."""
        named = self.dataset(dataset).audit.round_trip
        if isinstance(named, dict):
            return named[lang]
        return named if isinstance(named, str) else self.translator_of(dataset, lang)

    def translator_of(self, dataset: str, lang: str) -> str:
        """The translator that makes a language of a pool."""
        named = self.dataset(dataset).translator
        name = named if isinstance(named, str) else (named or {}).get(lang)
        if name is None:
            raise BabelmixError(
                f"datasets.{dataset}: language '{lang}' is not in its sources and no `translator` "
                f"is given for it. Name one, e.g. `translator: {{{lang}: …}}`, or take "
                f"'{lang}' out of `languages`."
            )
        return name

    def recipes_by_model(self) -> list[tuple[str, str, str]]:
        """(model, recipe, dataset) of every training: what must be tokenised."""
        keys = [
            (r.model, r.recipe, dataset)
            for r in self.runs.values()
            if r.mixture and r.recipe
            for dataset in self.expansion.mixtures[r.mixture].datasets
        ]
        return list(dict.fromkeys(keys))

    def evaluations_of(self, benchmark: str, run: str) -> list[EvaluationPlan]:
        """Evaluations that need a run's answers to a benchmark."""
        return [
            e
            for e in self.evaluations.values()
            if e.evaluation.benchmark == benchmark and run in e.languages_by_run
        ]

    def answer_languages(self, benchmark: str, run: str) -> list[str]:
        """Languages in which a run is asked: judged ones, and those where it is a baseline."""
        wanted = self._asked_languages.get((benchmark, run), set())
        return [c for c in self.config.benchmarks[benchmark].languages if c in wanted]

    @cached_property
    def _asked_languages(self) -> dict[tuple[str, str], set[str]]:
        """Languages by (benchmark, run), gathered once: asking for each run anew is quadratic."""
        found: dict[tuple[str, str], set[str]] = {}
        for plan in self.evaluations.values():
            benchmark = plan.evaluation.benchmark
            for run, languages in plan.languages_by_run.items():
                found.setdefault((benchmark, run), set()).update(languages)
                if plan.evaluation.baseline is None:
                    continue
                for lang, baseline in self.baselines(plan.name, run).items():
                    # The best monolingual run may be any of the candidates, in all languages.
                    needed = {lang} if lang in languages else set(languages)
                    found.setdefault((benchmark, baseline), set()).update(needed)
        return found

    def answer_sets(self) -> list[tuple[str, str]]:
        """(benchmark, run) of every set of answers."""
        return [
            (benchmark, run)
            for benchmark in self.benchmarks
            for run in self.runs
            if self._asked(benchmark, run)
        ]

    def _asked(self, benchmark: str, run: str) -> bool:
        return bool(self.evaluations_of(benchmark, run))

    def baselines(self, evaluation: str, run: str) -> dict[str, str]:
        """Baseline run by language (or candidates by name for ``best_monolingual``)."""
        key = (evaluation, run)
        if key not in self._baselines:
            plan = self.evaluations[evaluation]
            self._baselines[key] = baseline_runs(
                self.runs[run], plan, self.runs, self._peers, self.expansion
            )
        return self._baselines[key]

    @cached_property
    def _peers(self) -> dict[str, Peers]:
        return group_peers(self.runs, self.expansion)

    @cached_property
    def recipes_of_mixture(self) -> dict[str, list[str]]:
        """`{model}.{recipe}` of the trainings on each mixture."""
        found: dict[str, dict[str, None]] = {}
        for run in self.runs.values():
            if run.mixture:
                found.setdefault(run.mixture, {})[f"{run.model}.{run.recipe}"] = None
        return {mixture: list(folders) for mixture, folders in found.items()}

    @cached_property
    def _baselines(self) -> dict[tuple[str, str], dict[str, str]]:
        return {}

    def single_evaluation(self, evaluation: str) -> str:
        """The single grading (same benchmark and judge) that chooses the best monolingual run."""
        chooser = self.evaluations[evaluation].chosen_by or evaluation
        wanted = self.evaluations[chooser].evaluation
        for name, plan in self.evaluations.items():
            other = plan.evaluation
            if (other.benchmark, other.judge, other.protocol) == (
                wanted.benchmark,
                wanted.judge,
                "single",
            ):
                return name
        raise BabelmixError(
            f"evaluation '{evaluation}': `baseline: best_monolingual` is chosen by single grades; "
            f"add an evaluation of benchmark '{wanted.benchmark}' with judge '{wanted.judge}' and "
            "`protocol: single`."
        )

    def languages_trained_on(self, dataset: str) -> list[str]:
        """Languages of a pool that some mixture takes rows in, in the pool's order."""
        taken = {
            c
            for m in self.mixtures
            for d, code in self.expansion.mixtures[m].taken
            if d == dataset
            for c in languages_of(code)
        }
        return [c for c in self.dataset(dataset).languages if c in taken]

    def benchmarks_of_dataset(self, dataset: str) -> list[str]:
        """Benchmarks that models trained on a pool are asked."""
        trained = {
            r.name
            for r in self.runs.values()
            if r.mixture and dataset in self.expansion.mixtures[r.mixture].datasets
        }
        asked = {
            e.evaluation.benchmark
            for e in self.evaluations.values()
            if trained & set(e.languages_by_run)
        }
        asked |= {
            held.section.benchmark or ""
            for held in self.likelihoods.values()
            if trained & set(held.runs)
        }
        return [b for b in self.benchmarks if b in asked]

    def problems(self, *, gpus_here: int | None) -> list[str]:
        """What this machine lacks to run the plan."""
        return (
            checks.check_machine(
                self.config,
                self.sources,
                self.models,
                self.judges,
                self.translators,
                gpus_here=gpus_here,
            )
            + checks.missing_engines(
                self.config,
                [(b, self.runs[run].model) for b, run in self.answer_sets()],
                gpus_here=gpus_here,
            )
            + training_problems(
                self.config,
                [(run.model, run.recipe) for run in self.runs.values() if run.recipe],
                gpus_here=gpus_here,
            )
            + self._no_way_back()
            + checks.files_of_the_future(self.sources)
            + checks.missing_functions({d: self.dataset(d) for d in self.datasets})
        )

    def _no_way_back(self) -> list[str]:
        """Round trips whose translator has no chain of modes into the pivot."""
        problems = []
        for d in self.datasets:
            pool = self.dataset(d)
            for c in (c for c in pool.languages if self.goes_back(d, c)):
                name = self.back_translator_of(d, c)
                translator = self.config.translators[name]
                if (
                    isinstance(translator, ApertiumTranslator)
                    and pool.pivot not in translator.modes
                ):
                    problems.append(
                        f"datasets.{d}.audit.round_trip: translator '{name}' has no modes from "
                        f"'{c}' into '{pool.pivot}'. Name one that has them under `{pool.pivot}`."
                    )
        return problems

    def describe(self) -> dict[str, Any]:
        """What tables, figures and the report must know of the study set (plain JSON)."""
        from .describe import describe

        return describe(self)
