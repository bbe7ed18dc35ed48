"""The whole configuration, and the checks that need more than one section."""

from __future__ import annotations

from fnmatch import fnmatchcase

from pydantic import Field, field_validator

from ..errors import unknown_name
from .base import Lang, Name, Section
from .evaluation import Benchmark, Judging, Study
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
    benchmarks: dict[Name, Benchmark] = Field(
        default_factory=dict, description="Benchmarks, by name."
    )
    judges: dict[Name, Judging] = Field(
        default_factory=dict, description="Judges and juries, by name."
    )
    studies: dict[Name, Study] = Field(min_length=1, description="Studies, by name.")
    human_labels: list[str] = Field(
        default_factory=list,
        description=(
            "Files of human labels (parquet, written by `import-human`), relative to the working "
            "directory; judges are then compared with people, and their scores corrected."
        ),
    )
    only_studies: list[str] = Field(
        default_factory=list,
        description=(
            "Run only these studies; left out: all. `pinch` stands for all that begin with it, "
            "`*` for any letters, and pinch.E2 for pinch-e2."
        ),
    )
    scale: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description=(
            "Run a small copy that keeps the shape, e.g. 0.02: fewer rows, prompts, steps and "
            "languages, in a results folder of its own, with a warning in the report."
        ),
    )
    confidence: float = Field(
        default=0.95, gt=0.5, lt=1, description="Confidence of the intervals in tables and figures."
    )
    bootstrap_samples: int = Field(
        default=2000, ge=200, description="Bootstrap samples behind each interval."
    )

    @field_validator("only_studies", mode="before")
    @classmethod
    def _one_or_several(cls, given: object) -> object:
        return [given] if isinstance(given, str) else given

    def active_studies(self) -> dict[str, Study]:
        """The studies to run, in the configuration's order.

        Raises:
            BabelmixError: for a name of `only_studies` that fits no study.
        """
        if not self.only_studies:
            return self.studies
        active: set[str] = set()
        for wanted in self.only_studies:
            name = wanted.lower().replace(".", "-")
            same = [s for s in self.studies if s.lower() == name]
            alike = [s for s in self.studies if fnmatchcase(s.lower(), name)]
            begun = [s for s in self.studies if s.lower().startswith(f"{name}-")]
            found = same or alike or begun
            if not found:
                raise unknown_name("study", wanted, self.studies, "only_studies")
            active |= set(found)
        return {name: study for name, study in self.studies.items() if name in active}
