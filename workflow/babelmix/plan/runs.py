"""Runs and evaluations: what the studies ask for, each defined once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..config.base import languages_of
from ..config.evaluation import Evaluation, Jury, Study
from ..config.expand import Expansion
from ..config.root import Config
from ..errors import BabelmixError, unknown_name
from ..specs import MixtureSpec


@dataclass
class Run:
    """What answers: a training (model × mixture × recipe × seed), or an untuned base."""

    name: str
    model: str
    mixture: str | None = None
    recipe: str | None = None
    seed: int = 0
    studies: list[str] = field(default_factory=list)


@dataclass
class EvaluationPlan:
    """One benchmark under one judge and protocol, and the languages each run is judged in.

    ``members``: a jury's evaluations, one of each of its judges. ``chosen_by``: the jury's
    evaluation whose choice of the best monolingual run a member takes, so that all of them compare
    with the same one.
    """

    name: str
    evaluation: Evaluation
    languages_by_run: dict[str, list[str]] = field(default_factory=dict)
    studies: list[str] = field(default_factory=list)
    members: list[str] = field(default_factory=list)
    chosen_by: str | None = None

    def ask(self, run: str, languages: Iterable[str], ordered: Sequence[str]) -> None:
        """Judge a run in these languages too; ``ordered`` are the benchmark's."""
        union = {*self.languages_by_run.get(run, []), *languages}
        self.languages_by_run[run] = [c for c in ordered if c in union]


def run_name(model: str, mixture: str, recipe: str, seed: int) -> str:
    """The file name of a training's products."""
    return f"{model}.{mixture}.{recipe}.s{seed}"


def evaluation_name(evaluation: Evaluation) -> str:
    """The folder name of an evaluation's judgements."""
    parts = [evaluation.benchmark, evaluation.judge, evaluation.protocol]
    return ".".join([*parts, evaluation.baseline] if evaluation.baseline else parts)


def plan_runs(config: Config, studies: dict[str, Study], expansion: Expansion) -> dict[str, Run]:
    """Every run of the studies; one that several studies need is planned once."""
    runs: dict[str, Run] = {}
    for study_name, study in studies.items():
        for run in study_runs(study, expansion, f"studies.{study_name}"):
            known = runs.setdefault(run.name, run)
            known.studies.append(study_name)
    return runs


def study_runs(study: Study, expansion: Expansion, where: str) -> list[Run]:
    """The runs of one study, untuned models last."""
    found: dict[str, Run] = {}
    for run_set in study.runs:
        mixtures: list[str] = []
        for name in run_set.mixtures:
            resolved = expansion.resolve(name)
            if not resolved:
                known = [*expansion.families, *expansion.canonical]
                raise unknown_name("mixture", name, known, f"{where}.runs.mixtures")
            mixtures += [m for m in resolved if m not in mixtures]
        for model in run_set.models:
            for mixture in mixtures:
                for seed in run_set.seeds:
                    name = run_name(model, mixture, run_set.recipe, seed)
                    found[name] = Run(name, model, mixture, run_set.recipe, seed)
    if study.untuned:
        for model in dict.fromkeys(m for s in study.runs for m in s.models):
            found[f"{model}.untuned"] = Run(f"{model}.untuned", model)
    return list(found.values())


def plan_evaluations(
    config: Config, studies: dict[str, Study], runs: dict[str, Run]
) -> dict[str, EvaluationPlan]:
    """Every evaluation of the studies, merged by name; languages by run are the studies' union.

    A jury's members follow; they belong to no study, unless it names them too.
    """
    plans: dict[str, EvaluationPlan] = {}
    for study_name, study in studies.items():
        names = [r.name for r in runs.values() if study_name in r.studies]
        for evaluation in study.evaluations:
            name = evaluation_name(evaluation)
            plan = plans.setdefault(name, EvaluationPlan(name, evaluation))
            _require_same_rule(plan, evaluation)
            plan.studies.append(study_name)
            languages = config.benchmarks[evaluation.benchmark].languages
            for run in names:
                plan.ask(run, evaluation.languages or languages, languages)
    for plan in list(plans.values()):
        judge = config.judges[plan.evaluation.judge]
        if isinstance(judge, Jury):
            _add_members(config, plans, plan, judge)
    return plans


def _require_same_rule(plan: EvaluationPlan, evaluation: Evaluation) -> None:
    """One evaluation has one table, and so one rule for its two orders."""
    rules = sorted({plan.evaluation.order_rule, evaluation.order_rule})
    if len(rules) > 1:
        raise BabelmixError(
            f"evaluation '{plan.name}': order_rule is both `{rules[0]}` and `{rules[1]}`. It is "
            "judged once for all studies: give it the same `order_rule` in each of them (and in "
            "the juries that its judge belongs to)."
        )


def _add_members(
    config: Config, plans: dict[str, EvaluationPlan], jury: EvaluationPlan, judge: Jury
) -> None:
    """One evaluation for each judge of a jury; one that is there already serves both."""
    languages = config.benchmarks[jury.evaluation.benchmark].languages
    for member in judge.members:
        evaluation = jury.evaluation.model_copy(update={"judge": member})
        name, chosen_by = evaluation_name(evaluation), None
        if evaluation.baseline == "best_monolingual":
            # By the jury's grades another run may be the best than by the member's own.
            name, chosen_by = f"{name}.{jury.evaluation.judge}", jury.name
        plan = plans.setdefault(name, EvaluationPlan(name, evaluation, chosen_by=chosen_by))
        _require_same_rule(plan, evaluation)
        jury.members.append(name)
        for run, asked in jury.languages_by_run.items():
            plan.ask(run, asked, languages)


def monolingual_language(spec: MixtureSpec) -> str | None:
    """The language of a monolingual mixture, else None."""
    alone = len(spec.languages) == 1 and spec.main is None
    alone = alone and len(languages_of(spec.languages[0])) == 1
    return spec.languages[0] if alone else None


@dataclass
class Peers:
    """Trainings that differ in the mixture alone, and the monolingual ones among them."""

    model: str
    dataset: str
    by_mixture: dict[str, str] = field(default_factory=dict)
    monolingual: dict[str, str] = field(default_factory=dict)


def group_peers(runs: dict[str, Run], expansion: Expansion) -> dict[str, Peers]:
    """The peers of each training, by its name; equal objects for the same model, recipe and seed.

    Where a language has several monolingual mixtures, the one on the whole pool goes first.
    """
    groups: dict[tuple[str | None, ...], Peers] = {}
    by_run = {}
    trained = [(r, expansion.mixtures[r.mixture]) for r in runs.values() if r.mixture]
    for run, spec in sorted(trained, key=lambda pair: pair[1].restricted):
        key = (run.model, run.recipe, str(run.seed), spec.dataset)
        peers = by_run[run.name] = groups.setdefault(key, Peers(run.model, spec.dataset))
        peers.by_mixture[spec.name] = run.name
        lang = monolingual_language(spec)
        if lang:
            peers.monolingual.setdefault(lang, run.name)
    return by_run


def baseline_runs(
    run: Run,
    plan: EvaluationPlan,
    runs: dict[str, Run],
    peers_by_run: dict[str, Peers],
    expansion: Expansion,
) -> dict[str, str]:
    """Baseline by language (``language_monolingual``, a named mixture), or by candidate's name.

    For ``best_monolingual`` the keys are the candidates themselves; which one it is, the
    ``choose-baseline`` verb finds out. Only runs with the same model, recipe, dataset and seed
    count; an untuned model is compared with the first such group of its model.
    """
    baseline = plan.evaluation.baseline or ""
    reference = run
    if run.mixture is None:
        reference = next(r for r in runs.values() if r.model == run.model and r.mixture)
    peers = peers_by_run[reference.name]
    dataset, monolingual = peers.dataset, peers.monolingual
    asked = plan.languages_by_run[run.name]
    where = f"evaluation '{plan.name}'"
    if baseline == "best_monolingual":
        if not monolingual:
            raise BabelmixError(
                f"{where}: `baseline: best_monolingual` needs monolingual mixtures of dataset "
                f"'{dataset}' among the runs of model '{reference.model}', and there are none."
            )
        return {name: name for name in monolingual.values()}
    if baseline == "language_monolingual":
        missing = [c for c in asked if c not in monolingual]
        if missing:
            raise BabelmixError(
                f"{where}: `baseline: language_monolingual` needs a monolingual run of dataset "
                f"'{dataset}' in each language; none in {', '.join(missing)}. Add those to the "
                "runs, or name the languages to judge with `languages`."
            )
        return {c: monolingual[c] for c in asked}
    full = expansion.canonical.get(baseline)
    names = [full] if full else expansion.spelled(baseline)
    named = next((peers.by_mixture[n] for n in names if n in peers.by_mixture), None)
    if named is None:
        known = ["best_monolingual", "language_monolingual", *peers.by_mixture]
        raise unknown_name("baseline", baseline, known, where)
    return dict.fromkeys(asked, named)
