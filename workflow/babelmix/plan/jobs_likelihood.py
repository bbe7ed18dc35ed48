"""Specs, input files and resources of the likelihoods of held-out texts."""

from __future__ import annotations

from ..specs import LikelihoodSpec
from ..stages import STAGE_VERSIONS
from . import sizes
from .jobs_base import as_json
from .jobs_judge import JudgeJobs
from .jobs_mix import MixtureJobs


class LikelihoodJobs(MixtureJobs, JudgeJobs):
    """Jobs from a checkpoint and held-out texts to bits."""

    def likelihood(self, held_out: str, run: str) -> str:
        """Spec of `likelihood`."""
        held = self.plan.likelihoods[held_out]
        section = held.section
        asked = self.config.benchmarks[section.benchmark] if section.benchmark else None
        prompts = {c: self.config.languages[c].system_prompt for c in held.languages}
        return as_json(
            LikelihoodSpec(
                version=STAGE_VERSIONS["likelihood"],
                run=run,
                held_out=held_out,
                kind="benchmark" if section.benchmark else "dataset",
                split=section.split,
                languages=held.languages,
                rows=section.rows,
                shared_ids=asked is None or asked.dataset is not None,
                prompts=section.prompts,
                system_prompts=prompts if section.system_prompt else {},
                precision=section.precision,
                trust_remote_code=self.config.models[self.plan.runs[run].model].trust_remote_code,
            )
        )

    def likelihood_input(self, held_out: str, run: str) -> dict[str, list[str]]:
        """Held-out texts, which of them are held out, and what the run was trained on."""
        held = self.plan.likelihoods[held_out]
        section, mixture = held.section, self.plan.runs[run].mixture
        trained = {
            "mixture": [self.path(f"mixtures/{mixture}.parquet")] if mixture else [],
            "fingerprints": self.fingerprints(mixture) if mixture else [],
        }
        if section.benchmark is not None:
            files = [
                self.path(f"benchmarks/{section.benchmark}.{c}.parquet") for c in held.languages
            ]
            return {"texts": files, "indexes": []} | trained
        pool = section.dataset or ""
        return {
            "texts": [self.conversations(pool, c) for c in held.languages],
            "indexes": [self.path(f"pools/{pool}.{c}.parquet") for c in held.languages],
        } | trained

    def likelihood_sets(self) -> list[tuple[str, str]]:
        """(held-out texts, run) of every job."""
        return [(name, run) for name, held in self.plan.likelihoods.items() for run in held.runs]

    def all_likelihoods(self) -> list[str]:
        """Likelihoods of all held-out texts under all runs."""
        return [self.path(f"likelihoods/{n}/{run}.parquet") for n, run in self.likelihood_sets()]

    def held_out_indexes(self) -> list[str]:
        """Indexes of the pools whose held-out rows are scored."""
        found = [
            f for n, r in self.likelihood_sets() for f in self.likelihood_input(n, r)["indexes"]
        ]
        return list(dict.fromkeys(found))

    def likelihood_minutes(self, held_out: str, run: str, attempt: int) -> int:
        """Time limit of one job."""
        return sizes.likelihood_minutes(self.plan, held_out, run, attempt)
