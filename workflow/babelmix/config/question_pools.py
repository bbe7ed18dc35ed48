"""Benchmarks whose questions are translated: each gets a pool of its own, of the same name.

So translation, its audit, review by people and corrections are those of any pool.
"""

from __future__ import annotations

from .root import Config
from .sources import Dataset


def question_pools(config: Config) -> dict[str, str]:
    """Pool -> benchmark, of every benchmark that names a `translator`."""
    return {name: name for name, b in config.benchmarks.items() if b.translator is not None}


def with_question_pools(config: Config) -> Config:
    """The configuration with the pools of translated benchmarks among its `datasets`."""
    made = {}
    for name in question_pools(config):
        benchmark = config.benchmarks[name]
        pivot = config.sources[benchmark.source or ""].pivot
        made[name] = Dataset(
            sources=[benchmark.source or ""],
            languages=list(dict.fromkeys([pivot, *benchmark.languages])),
            pivot=pivot,
            translator=benchmark.translator,
            corrections=benchmark.corrections,
        )
    return config.model_copy(update={"datasets": {**config.datasets, **made}}) if made else config
