"""What the jobs of all stations share."""

from __future__ import annotations

from ..io import digest
from ..specs import Spec
from ..stages import STAGE_VERSIONS
from .graph import Plan


def as_json(spec: Spec) -> str:
    """Return a spec as a rule passes it: only what differs from the default.

    A key that a later release adds, at its default, then changes no job's text, and nothing reruns.
    Where a *default* changes, raise the stage's version: the text does not show it.
    """
    return spec.model_dump_json(exclude_defaults=True)


class JobsBase:
    """The plan behind the jobs, and the paths of its files."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.config = plan.config
        self.root = plan.root

    def path(self, text: str) -> str:
        """A path below the study set's folder."""
        return f"{self.root}/{text}"

    def conversations(self, dataset: str, lang: str) -> str:
        """A pool's file of one language."""
        return self.path(f"conversations/{dataset}.{lang}.parquet")

    def version(self, stage: str) -> int:
        """A stage's version, for rules whose verb takes no spec."""
        return STAGE_VERSIONS[stage]

    def description_digest(self) -> str:
        """Changes when, and only when, study.json would."""
        return digest(self.plan.describe())
