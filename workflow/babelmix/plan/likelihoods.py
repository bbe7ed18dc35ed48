"""Held-out texts of the studies, each defined once, and the runs whose likelihoods are computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..config.evaluation import Study
from ..config.likelihood import Likelihood
from ..config.root import Config
from ..errors import BabelmixError
from .runs import Run


@dataclass
class LikelihoodPlan:
    """Held-out texts and the runs that they are scored under.

    ``section`` has its `system_prompt` settled; ``languages`` are the union of the studies', and
    all runs are scored in all of them: the transfer matrix has no holes.
    """

    name: str
    section: Likelihood
    languages: list[str]
    runs: list[str] = field(default_factory=list)
    studies: list[str] = field(default_factory=list)


def plan_likelihoods(
    config: Config, studies: dict[str, Study], runs: dict[str, Run]
) -> dict[str, LikelihoodPlan]:
    """Return the likelihoods of the studies by name, merged where several studies ask for one.

    The base model of every run is scored too. Where no study asks for it (`untuned`) it is added to
    ``runs``, of no study: it is neither asked nor judged.
    """
    plans: dict[str, LikelihoodPlan] = {}
    for name, study in studies.items():
        for given in study.likelihood:
            where = f"studies.{name}.likelihood"
            section = given.model_copy(
                update={"system_prompt": _system_prompt(config, study, given, where)}
            )
            known = plans.setdefault(given.name, LikelihoodPlan(given.name, section, []))
            _require_same(known.section, section, where)
            known.languages = _union(config, section, known.languages)
            known.studies += [name] if name not in known.studies else []
            own = [r for r in runs.values() if name in r.studies]
            wanted = [*(r.name for r in own), *_bases(own, runs)]
            known.runs += [r for r in dict.fromkeys(wanted) if r not in known.runs]
    return plans


def _bases(own: Sequence[Run], runs: dict[str, Run]) -> list[str]:
    """The untuned models of some runs, added to all runs where they are not there yet."""
    found = []
    for model in dict.fromkeys(r.model for r in own):
        name = f"{model}.untuned"
        runs.setdefault(name, Run(name, model))
        found.append(name)
    return found


def _system_prompt(config: Config, study: Study, section: Likelihood, where: str) -> bool:
    if section.system_prompt is not None:
        return section.system_prompt
    used = {config.training[s.recipe].system_prompt for s in study.runs}
    if len(used) > 1:
        raise BabelmixError(
            f"{where}: some recipes of the study open with a system prompt and some do not. Set "
            "`system_prompt` to true or false, for all runs alike."
        )
    return used.pop()


def _require_same(known: Likelihood, section: Likelihood, where: str) -> None:
    """One set of texts has one table, and so one way to score it."""
    for key in ("rows", "prompts", "system_prompt", "precision"):
        before, now = getattr(known, key), getattr(section, key)
        if before != now:
            raise BabelmixError(
                f"{where}: `{key}` of '{section.name}' is both `{before}` and `{now}`. These texts "
                f"are scored once for all studies: give them the same `{key}` in each."
            )


def _union(config: Config, section: Likelihood, before: Sequence[str]) -> list[str]:
    """Languages of before and of this section, in the order of the pool or benchmark."""
    if section.benchmark is not None:
        held = config.benchmarks[section.benchmark].languages
    else:
        held = config.datasets[section.dataset or ""].languages
    wanted = {*before, *(section.languages or held)}
    return [lang for lang in held if lang in wanted]
