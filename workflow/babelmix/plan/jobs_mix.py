"""Specs and input files of mixtures: indexes, token counts, benchmark questions, manifests."""

from __future__ import annotations

import re
from pathlib import Path

from ..config.base import languages_of
from ..config.selection import Deduplication
from ..specs import (
    CombineSpec,
    ContaminationSpec,
    CountSpec,
    FingerprintSpec,
    IndexSpec,
    ManifestSpec,
    MixtureSpec,
)
from ..stages import STAGE_VERSIONS
from .jobs_base import JobsBase, as_json


class MixtureJobs(JobsBase):
    """Jobs from a pool's conversations to mixtures and their manifests."""

    def index(self, dataset: str, lang: str) -> str:
        """Spec of `index-language`."""
        section = self.plan.dataset(dataset)
        return as_json(
            IndexSpec(
                version=STAGE_VERSIONS["index"],
                dataset=dataset,
                lang=lang,
                on_failed_check=section.on_failed_check,
                dev_rows=section.dev_rows,
                seed=section.seed,
            )
        )

    def combine(self, dataset: str, lang: str) -> str:
        """Spec of `combine-languages`."""
        first, second = languages_of(lang)
        return as_json(
            CombineSpec(
                version=STAGE_VERSIONS["combine"],
                dataset=dataset,
                lang=lang,
                first=first,
                second=second,
                seed=self.plan.dataset(dataset).seed,
            )
        )

    def combine_input(self, dataset: str, lang: str) -> dict[str, str]:
        """The pool's files of the two languages of a row's code."""
        first, second = languages_of(lang)
        return {
            "first": self.conversations(dataset, first),
            "second": self.conversations(dataset, second),
        }

    def combined(self) -> list[tuple[str, str]]:
        """(dataset, code) of all rows in two languages that some mixture takes."""
        taken = [p for m in self.plan.mixtures for p in self.plan.expansion.mixtures[m].taken]
        return [(d, c) for d, c in dict.fromkeys(taken) if len(languages_of(c)) > 1]

    def fingerprint(self, dataset: str, lang: str) -> str:
        """Spec of `fingerprint-language`."""
        version = STAGE_VERSIONS["fingerprint"]
        return as_json(FingerprintSpec(version=version, dataset=dataset, lang=lang))

    def fingerprints(self, mixture: str) -> list[str]:
        """Fingerprints in which duplicates of a mixture are looked for.

        Those of its languages and of the pivot, which tells ids with equal sources.
        """
        spec = self.plan.expansion.definition(mixture)
        looked: dict[tuple[str, str], None] = {}
        for leaf in spec.leaves:
            own = [c for code in leaf.own_languages for c in languages_of(code)]
            if not leaf.by_language:
                own.insert(0, self.plan.dataset(leaf.dataset).pivot)
            looked |= dict.fromkeys((leaf.dataset, c) for c in own)
        return [self.path(f"fingerprints/{d}.{c}.parquet") for d, c in looked]

    def _deduplicates(self, spec: MixtureSpec) -> bool:
        """Whether a mixture's rows follow from its duplicates."""
        policies = [node.deduplicate for node in spec.nodes]
        if any(p and (p.exact, p.near) != ("keep", "keep") for p in policies):
            return True
        held_out = any(self.plan.dataset(d).dev_rows for d in spec.datasets)
        return held_out and any((p or Deduplication()).held_out != "keep" for p in policies)

    def similarity(self, mixture: str) -> float:
        """From which similarity on a mixture's manifest counts near duplicates."""
        policy = self.plan.expansion.definition(mixture).deduplicate
        return (policy or Deduplication()).similarity

    def count(self, dataset: str, lang: str) -> str:
        """Spec of `count-tokens`."""
        return as_json(CountSpec(version=STAGE_VERSIONS["count"], dataset=dataset, lang=lang))

    def searched(self, dataset: str) -> list[str]:
        """Languages of a pool in which questions are looked for: the pivot, and those trained on.

        A pool that is not parallel has no pivot.

        A benchmark may be asked in the pivot language alone, and its translation trained on.
        """
        pool = self.plan.dataset(dataset)
        wanted = set(self.plan.languages_trained_on(dataset))
        wanted |= {pool.pivot} if pool.parallel else set()
        return [c for c in self.plan.dataset(dataset).languages if c in wanted]

    def contamination(self, dataset: str) -> str:
        """Spec of `find-contamination`."""
        section = self.plan.dataset(dataset)
        benchmarks = self.plan.benchmarks_of_dataset(dataset)
        return as_json(
            ContaminationSpec(
                version=STAGE_VERSIONS["contamination"],
                dataset=dataset,
                languages=self.searched(dataset),
                on_contamination=section.on_contamination,
                similarity=section.similarity,
                shared_ids=[b for b in benchmarks if self.config.benchmarks[b].dataset],
            )
        )

    def contamination_input(self, dataset: str) -> dict[str, list[str]]:
        """The pool's languages, and all questions of its benchmarks."""
        return {
            "conversations": [self.conversations(dataset, c) for c in self.searched(dataset)],
            "questions": [
                self.path(f"benchmarks/{b}.{c}.parquet")
                for b in self.plan.benchmarks_of_dataset(dataset)
                for c in self.config.benchmarks[b].languages
            ],
        }

    def mixture(self, mixture: str) -> str:
        """Spec of `build-mixture`."""
        return as_json(self.plan.expansion.mixtures[mixture])

    def mixture_input(self, mixture: str) -> dict[str, list[str]]:
        """Indexes, token counts for budgets, and hits where they are left out."""
        spec = self.plan.expansion.definition(mixture)
        left_out = [leaf.dataset for leaf in spec.leaves if leaf.on_contamination == "leave_out"]
        prints = self.fingerprints(mixture) if self._deduplicates(spec) else []
        return {
            "pools": [self.path(f"pools/{d}.{c}.parquet") for d, c in spec.looked_at],
            "counts": [
                self.path(f"counts/{t}/{d}.{c}.parquet") for t, d, c in dict.fromkeys(spec.counted)
            ],
            "hits": [self.path(f"contamination/{d}.parquet") for d in dict.fromkeys(left_out)],
            "fingerprints": prints,
        }

    def searches(self, mixture: str) -> list[str]:
        """What was found of the benchmarks' questions in a mixture's pools."""
        datasets = self.plan.expansion.mixtures[mixture].datasets
        return [self.path(f"contamination/{d}.json") for d in datasets]

    def cleared(self, mixture: str) -> str:
        """Record that a mixture's pools were searched for benchmark questions without a breach."""
        return self.path(f"mixtures/{mixture}.cleared.json")

    def uncleared(self) -> str:
        """Regular expression of the mixtures whose pools no search has cleared yet."""
        names = [m for m in self.plan.mixtures if not Path(self.cleared(m)).exists()]
        return "|".join(map(re.escape, names)) or r"(?!)"

    def manifest(self, mixture: str) -> str:
        """Spec of `mixture-manifest`."""
        datasets = self.plan.expansion.mixtures[mixture].datasets
        names = dict.fromkeys(s for d in datasets for s in self.config.datasets[d].sources)
        sources = {name: self.config.sources[name] for name in names}
        return as_json(
            ManifestSpec(
                version=STAGE_VERSIONS["manifest"],
                mixture=mixture,
                licences={name: source.licence for name, source in sources.items()},
                non_commercial=[n for n, source in sources.items() if source.non_commercial],
                similarity=self.similarity(mixture),
            )
        )

    def mixture_tokenised(self, mixture: str) -> list[str]:
        """Tokenised files of a mixture's languages, for each model and recipe trained on it."""
        folders = self.plan.recipes_of_mixture.get(mixture, [])
        taken = self.plan.expansion.mixtures[mixture].taken
        return [self.path(f"tokenised/{f}/{d}.{c}.parquet") for f in folders for d, c in taken]
