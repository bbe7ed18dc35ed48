"""The whole configuration, and the checks that need more than one section."""

from __future__ import annotations

from pydantic import Field

from .base import Lang, Name, Section
from .evaluation import Benchmark, Judge, Study
from .languages import Language
from .mixtures import Family
from .sources import Dataset, Source
from .training import Model, Recipe
from .translators import Translator


class Config(Section):
    """A study set: everything that one `results/<study_set>/` is made from."""

    study_set: Name = Field(description="Name of the results folder: results/<study_set>/.")
    description: str = Field(default="", description="One line for the report's head.")
    note: str = Field(
        default="",
        description="Warning shown on every page of the report, e.g. `not a measure of quality`.",
    )
    data_root: str | None = Field(
        default=None,
        description="Folder that `{data_root}` stands for; BABELMIX_DATA_ROOT goes before it.",
    )
    languages: dict[Lang, Language] = Field(
        min_length=1, description="Languages by code; a known code needs no fields: `fr: {}`."
    )
    sources: dict[Name, Source] = Field(description="Raw data, by name.")
    datasets: dict[Name, Dataset] = Field(
        default_factory=dict, description="Parallel pools, by name."
    )
    translators: dict[Name, Translator] = Field(
        default_factory=dict, description="Translators, by name."
    )
    mixtures: dict[Name, Family] = Field(description="Mixture families, by name.")
    models: dict[Name, Model] = Field(description="Base models, by name.")
    training: dict[Name, Recipe] = Field(description="Recipes, by name.")
    benchmarks: dict[Name, Benchmark] = Field(description="Benchmarks, by name.")
    judges: dict[Name, Judge] = Field(description="Judges, by name.")
    studies: dict[Name, Study] = Field(min_length=1, description="Studies, by name.")
    human_labels: list[str] = Field(
        default_factory=list,
        description=(
            "Files of human labels (parquet, written by `import-human`), relative to the working "
            "directory; judges are then compared with people, and their scores corrected."
        ),
    )
    only_studies: list[Name] = Field(
        default_factory=list, description="Run only these studies; left out: all."
    )
    confidence: float = Field(
        default=0.95, gt=0.5, lt=1, description="Confidence of the intervals in tables and figures."
    )
    bootstrap_samples: int = Field(
        default=2000, ge=200, description="Bootstrap samples behind each interval."
    )
