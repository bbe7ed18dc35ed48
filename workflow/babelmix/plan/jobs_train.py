"""Specs, input files and resources of base models and trainings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..config.base import languages_of
from ..errors import BabelmixError
from ..specs import ModelSpec, TokeniseSpec, TrainSpec
from ..stages import STAGE_VERSIONS
from .jobs_base import JobsBase, as_json

#: Fields of a model that decide where and how fast it runs, not what comes out.
_PLACE = {
    "device": "auto",
    "gpus": 0,
    "nodes": 1,
    "gpu_memory_gb": 80.0,
    "threads": 1,
    "parameters_b": None,
    "token_env": "HF_TOKEN",
    "licence": "",
    "gated": False,
}


class TrainJobs(JobsBase):
    """Jobs from a base model to a checkpoint."""

    def model(self, model: str) -> str:
        """Spec of `prepare-model`."""
        section = self.config.models[model].model_copy(update=_PLACE)
        return as_json(ModelSpec(version=STAGE_VERSIONS["model"], name=model, model=section))

    def model_files(self, model: str) -> list[str]:
        """Files of a local base model; none for one that is fetched."""
        path = self.config.models[model].path
        if path is None:
            return []
        files = sorted(str(f) for f in Path(path).glob("*") if f.is_file())
        if not any(f.endswith(".safetensors") for f in files):
            raise BabelmixError(
                f"models.{model}: the folder '{path}' holds no safetensors weights. Correct "
                "`path`, or name the model's `repo` on the hub."
            )
        read = [".safetensors", ".json", ".jinja", ".model"]
        read += [".py"] if self.config.models[model].trust_remote_code else []
        return [f for f in files if f.endswith(tuple(read))]

    def tokenise(self, recipe: str, dataset: str, lang: str) -> str:
        """Spec of `tokenise`."""
        section = self.config.training[recipe]
        asked = languages_of(lang)[0]
        prompt = self.config.languages[asked].system_prompt if section.system_prompt else ""
        return as_json(
            TokeniseSpec(
                version=STAGE_VERSIONS["tokenise"],
                dataset=dataset,
                lang=lang,
                max_length=section.max_length,
                system_prompt=prompt,
                truncation=section.truncation,
            )
        )

    def train(self, run: str) -> str:
        """Spec of `train`."""
        job = self.plan.runs[run]
        model = self.config.models[job.model]
        return as_json(
            TrainSpec(
                version=STAGE_VERSIONS["train"],
                run=run,
                model_name=job.model,
                model=model.model_copy(update=_PLACE),
                mixture=job.mixture or "",
                recipe=self.config.training[job.recipe or ""].essence(),
                seed=job.seed,
            )
        )

    def train_runtime(self, run: str) -> str:
        """Keys of a run's recipe that its spec leaves out, as JSON."""
        recipe = self.config.training[self.plan.runs[run].recipe or ""]
        return json.dumps(recipe.runtime())

    def device(self, run: str) -> str:
        """What a run's model asks for: auto, cpu or cuda."""
        return self.config.models[self.plan.runs[run].model].device

    def train_input(self, run: str) -> dict[str, Any]:
        """Mixture, tokenised pool files, and the base model's record."""
        job = self.plan.runs[run]
        mixture = job.mixture or ""
        folder = f"tokenised/{job.model}.{job.recipe}"
        return {
            "mixture": self.path(f"mixtures/{mixture}.parquet"),
            # Not the manifest: it tells of licences and benchmarks, which must train nothing again.
            "selection": self.path(f"mixtures/{mixture}.selection.json"),
            "tokenised": [
                self.path(f"{folder}/{d}.{c}.parquet")
                for d, c in self.plan.expansion.mixtures[mixture].taken
            ],
            "model": self.path(f"models/{job.model}.json"),
        }
