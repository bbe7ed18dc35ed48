"""What a later job would refuse, found before anything is trained or paid.

Each module asks one station's own code about the plan: the same reader, the same code tables, the
same chat template. Nothing is sent over a network, and nothing is loaded on a GPU. docs/faults.md
lists what only a job can know.
"""

from __future__ import annotations

from ..graph import Plan
from .judges import judge_problems
from .models import model_findings
from .sizes import size_problems
from .sources import source_findings
from .translators import translator_problems

__all__ = ["refusals"]


def refusals(plan: Plan) -> tuple[list[str], list[str]]:
    """Return what jobs of the plan would refuse (one paragraph each), and what to look at."""
    refused, notes = source_findings(plan)
    refused += size_problems(plan) + translator_problems(plan)
    of_models, more = model_findings(plan)
    refused += of_models + judge_problems(plan)
    return list(dict.fromkeys(refused)), list(dict.fromkeys(notes + more))
