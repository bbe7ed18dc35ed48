"""Each job's spec and input files, as the rules ask for them."""

from __future__ import annotations

from .jobs_data import DataJobs
from .jobs_judge import JudgeJobs
from .jobs_likelihood import LikelihoodJobs
from .jobs_mix import MixtureJobs
from .jobs_sizes import SizeJobs
from .jobs_train import TrainJobs
from .service_keys import KeyJobs


class Jobs(LikelihoodJobs, DataJobs, MixtureJobs, TrainJobs, JudgeJobs, SizeJobs, KeyJobs):
    """Specs (JSON text), input files and resources of every job of a plan."""
