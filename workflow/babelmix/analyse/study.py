"""What ``study.json`` says, in the terms of the analysis.

The unit of comparison is a *variant*: one model tuned on one mixture with one recipe. Its runs
differ in the training seed alone and are averaged question by question before anything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BabelmixError
from ..io import read_json

if TYPE_CHECKING:
    from ..outcome import JoinRule

#: The pseudo-language of a mean over languages.
ALL = "all"


@dataclass(frozen=True)
class Variant:
    """Runs that differ in the seed alone, and the mixture they were tuned on.

    ``shares`` is each language's share of the rows; empty for an untuned model. ``comparable`` is
    equal for variants that only differ in the language mixture. ``rows``: training rows as built.
    """

    name: str
    label: str
    model: str
    mixture: str | None
    recipe: str | None
    dataset: str | None
    kind: str
    main: str | None
    shares: dict[str, float]
    runs: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    rows: int | None = None

    @property
    def languages(self) -> list[str]:
        """Languages that it was tuned on."""
        return [lang for lang, share in self.shares.items() if share > 0]

    @property
    def monolingual(self) -> bool:
        """Tuned on one language only, and meant to be (a pinch that rounds to no row is not)."""
        return self.main is None and len(self.languages) == 1

    @property
    def comparable(self) -> tuple[str, str | None, str | None]:
        """Model, recipe and dataset: what must be equal for a fair comparison of mixtures."""
        return self.model, self.recipe, self.dataset

    @property
    def composition(self) -> tuple[Any, ...]:
        """What is equal for the same mixture of two pools, whatever their sizes: to 1 %."""
        shares = sorted((lang, round(share, 2)) for lang, share in self.shares.items() if share)
        return self.kind, self.main, tuple(shares)

    def answers_to(self, mixture: str) -> bool:
        """Whether it was tuned on the mixture of this name, under any of its names."""
        return mixture == self.mixture or mixture in self.aliases


@dataclass(frozen=True)
class Series:
    """Variants of one mixture family along an axis: the curves of study 2."""

    study: str
    family: str
    policy: str
    main: str | None
    languages: list[str]
    variants: list[Variant]

    def position(self, variant: Variant) -> float:
        """Where a variant stands: percent of rows not in ``main``, or the number of languages."""
        if self.policy == "k_languages":
            return float(len(variant.languages))
        return 100.0 * (1.0 - variant.shares.get(self.main or "", 0.0))


@dataclass(frozen=True)
class StudySet:
    """A study set: its variants, studies, evaluations and the settings of its intervals."""

    raw: dict[str, Any]
    variants: dict[str, Variant] = field(default_factory=dict)
    variant_of_run: dict[str, str] = field(default_factory=dict)

    @property
    def languages(self) -> list[str]:
        """Language codes in the order of the configuration, as far as the benchmarks tell it."""
        ordered = [c for b in self.raw.get("benchmarks", {}).values() for c in b["languages"]]
        return list(dict.fromkeys([*ordered, *self.raw["languages"]]))

    @property
    def runs(self) -> list[str]:
        """All runs, in the order of the studies."""
        ordered = [run for study in self.raw["studies"].values() for run in study["runs"]]
        return list(dict.fromkeys([*ordered, *self.raw["runs"]]))

    @property
    def confidence(self) -> float:
        """Confidence of every interval, 0 … 1."""
        return float(self.raw["confidence"])

    @property
    def samples(self) -> int:
        """Bootstrap samples behind every interval."""
        return int(self.raw["bootstrap_samples"])

    @property
    def studies(self) -> dict[str, dict[str, Any]]:
        """The studies by name."""
        studies: dict[str, dict[str, Any]] = self.raw["studies"]
        return studies

    @property
    def evaluations(self) -> dict[str, dict[str, Any]]:
        """The evaluations by name."""
        evaluations: dict[str, dict[str, Any]] = self.raw["evaluations"]
        return evaluations

    @property
    def order_rules(self) -> dict[str, JoinRule]:
        """How the two orders of a pair are joined, by evaluation (not of single grades)."""
        return {
            name: spec.get("order_rule") or "strict"
            for name, spec in self.evaluations.items()
            if spec.get("protocol") != "single"
        }

    def grade_scale(self, evaluation: str) -> tuple[float, float]:
        """Lowest and highest grade of an evaluation: 1 and 10 but for imported ones."""
        low, high = self.evaluations[evaluation].get("scale") or (1.0, 10.0)
        return float(low), float(high)

    def is_by_rules(self, evaluation: str) -> bool:
        """Whether no model judges: rules, or a jury of rules alone."""
        spec = self.evaluations[evaluation]
        if members := spec.get("members"):
            return all(map(self.is_by_rules, members))
        return spec.get("engine") == "rules"

    def language_name(self, code: str) -> str:
        """``de`` -> ``German``."""
        if code == ALL:
            return "All languages"
        return str(self.raw["languages"].get(code, {}).get("name") or code)

    def sources_of(self, dataset: str | None) -> list[str]:
        """Names of the sources that a pool is made of, sorted; its own name where unknown."""
        pool = self.raw.get("datasets", {}).get(dataset or "", {})
        return sorted(pool.get("sources") or [dataset or ""])

    def translators_of(self, dataset: str | None) -> list[str]:
        """Names of the translators of a pool; empty where its sources hold every language."""
        return sorted(self.raw.get("datasets", {}).get(dataset or "", {}).get("translators", []))

    def own_rows(self) -> list[str]:
        """Return the pools whose languages hold different rows, no translations of each other."""
        pools = sorted({v.dataset for v in self.variants.values() if v.dataset})
        described = self.raw.get("datasets", {})
        return [p for p in pools if not described.get(p, {}).get("parallel", True)]

    def translated_twice(self) -> list[tuple[str, str, str]]:
        """(pool, benchmark, translator) where one system translated tuning rows and questions."""
        pools = {v.dataset for v in self.variants.values() if v.dataset}
        return [
            (pool, benchmark, translator)
            for pool in sorted(pools)
            for benchmark, spec in sorted(self.raw.get("benchmarks", {}).items())
            for translator in self.translators_of(pool)
            if translator
            in self.translators_of(benchmark if spec.get("translator") else spec.get("dataset"))
        ]

    def variant_for_run(self, run: str, where: str) -> Variant:
        """The variant of a run; a run that the study set does not know is an error."""
        try:
            return self.variants[self.variant_of_run[run]]
        except KeyError:
            raise BabelmixError(
                f"{where}: the run '{run}' is not part of this study set. The file is left over "
                "from another configuration: delete it and run again."
            ) from None

    def variants_of_study(self, study: str) -> list[Variant]:
        """Variants of a study, in the order of its runs, each once."""
        names = [self.variant_of_run[run] for run in self.studies[study]["runs"]]
        return [self.variants[name] for name in dict.fromkeys(names)]

    def series(self) -> list[Series]:
        """Every curve that the studies' mixture families describe, with two points or more."""
        found = []
        for study, spec in self.studies.items():
            variants = self.variants_of_study(study)
            for family in spec.get("families", []):
                if family["policy"] not in ("pinch", "k_languages"):
                    continue
                for comparable in dict.fromkeys(v.comparable for v in variants):
                    members = [v for v in variants if v.comparable == comparable]
                    series = _series(study, family, members)
                    if len(series.variants) > 1:
                        found.append(series)
        return found


def _series(study: str, family: dict[str, Any], variants: Iterable[Variant]) -> Series:
    variants = list(variants)
    members: list[Variant] = []
    for mixture in family["mixtures"]:
        members += [v for v in variants if v.answers_to(mixture) and v not in members]
    main = next((v.main for v in members if v.main), None)
    if main is None:
        main = next((v.languages[0] for v in members if v.monolingual), None)
    languages = list(dict.fromkeys(lang for v in members for lang in v.languages))
    if family["policy"] == "pinch":
        # Where a pinch begins: the main language alone, though the family need not name it.
        members += [
            v for v in variants if v.monolingual and v.languages == [main] and v not in members
        ]
    series = Series(study, family["name"], family["policy"], main, languages, members)
    members.sort(key=lambda v: (series.position(v), v.name))
    return series


def load_study(
    path: Path | str, rows_by_mixture: Mapping[str, Mapping[str, int]] | None = None
) -> StudySet:
    """Read ``study.json`` and group its runs into variants.

    ``rows_by_mixture`` (training rows by mixture and language, from the manifests) replaces the
    nominal shares by those that were built; a pinch counted in rows has no nominal share.
    """
    raw = read_json(path)
    for spec in raw["runs"].values():
        rows = (rows_by_mixture or {}).get(spec.get("mixture") or "")
        if rows:
            spec["shares"] = {lang: n / sum(rows.values()) for lang, n in rows.items()}
            spec["rows"] = sum(rows.values())
    grouped: dict[str, list[str]] = {}
    for run, spec in raw["runs"].items():
        grouped.setdefault(_variant_name(run, spec), []).append(run)
    variants = {name: _variant(name, runs, raw["runs"]) for name, runs in grouped.items()}
    variant_of_run = {run: name for name, runs in grouped.items() for run in runs}
    return StudySet(raw, _distinct_labels(variants), variant_of_run)


def _variant_name(run: str, spec: dict[str, Any]) -> str:
    seed = spec.get("seed")
    return run if seed is None else run.removesuffix(f".s{seed}")


def _variant(name: str, runs: list[str], specs: dict[str, Any]) -> Variant:
    spec = specs[runs[0]]
    return Variant(
        name=name,
        label=spec.get("label") or name,
        model=spec["model"],
        mixture=spec.get("mixture"),
        recipe=spec.get("recipe"),
        dataset=spec.get("dataset"),
        kind=spec.get("kind") or ("untuned" if spec.get("mixture") is None else ""),
        main=spec.get("main"),
        shares=dict(spec.get("shares") or {}),
        runs=tuple(runs),
        aliases=tuple(spec.get("aliases") or ()),
        rows=spec.get("rows"),
    )


def _distinct_labels(variants: dict[str, Variant]) -> dict[str, Variant]:
    """The shortest label that is a variant's own: mixture, given label, full name."""
    found = {}
    for name, variant in variants.items():
        mixtures = [v.mixture for v in variants.values()]
        labels = [v.label for v in variants.values()]
        if variant.mixture and mixtures.count(variant.mixture) == 1:
            found[name] = replace(variant, label=variant.mixture)
        else:
            found[name] = (
                variant if labels.count(variant.label) == 1 else replace(variant, label=name)
            )
    return found
