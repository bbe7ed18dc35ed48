"""Jobs at a time are counted by key: two judges of two services do not wait for each other.

Each key of each service is a resource of Snakemake's, `judge_…` or `translator_…`; the profile's
`judge` and `translator` say how many jobs of one key run at a time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, MutableMapping
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from ..config.service import Endpoint
from .jobs_base import JobsBase

#: What a profile limits, per key.
ROLES = ("judge", "translator")


def key_resource(role: str, settings: Any) -> str | None:
    """The resource of a service's key: its variable and host; None where nothing is asked of any.

    A server of one's own counts by its address: it has a rate of its own as well.
    """
    variable = getattr(settings, "key_env", None)
    if variable is None:
        return None
    if isinstance(settings, Endpoint):
        host = urlsplit(settings.url).netloc.rpartition("@")[2]
    else:
        server = getattr(settings, "server_url", None)
        host = urlsplit(server).netloc if server else settings.backend
    slug = re.sub(r"[^a-z0-9]+", "_", f"{variable} {host}".lower()).strip("_")
    return f"{role}_{slug}"


class KeyJobs(JobsBase):
    """Resources of jobs that share a key, for `resources: **…` of their rules."""

    @cached_property
    def judge_keys(self) -> dict[str, Callable[[Any], int]]:
        """By resource: whether a judging job (wildcard `evaluation`) takes it."""

        def of(wildcards: Any) -> str | None:
            wanted = self.plan.evaluations[wildcards.evaluation].evaluation
            return key_resource("judge", self.config.judges[wanted.judge])

        return self._slots("judge", (self.config.judges[j] for j in self.plan.judges), of)

    @cached_property
    def translator_keys(self) -> dict[str, Callable[[Any], int]]:
        """By resource: whether a translating job (wildcards `dataset`, `lang`) takes it."""
        return self._translators(self.plan.translator_of)

    @cached_property
    def back_translator_keys(self) -> dict[str, Callable[[Any], int]]:
        """The same of the job that translates back."""
        return self._translators(self.plan.back_translator_of)

    def _translators(self, named: Callable[[str, str], str]) -> dict[str, Callable[[Any], int]]:
        def of(wildcards: Any) -> str | None:
            name = named(wildcards.dataset, wildcards.lang)
            return key_resource("translator", self.config.translators[name])

        used = (self.config.translators[t] for t in self.plan.translators)
        return self._slots("translator", used, of)

    @staticmethod
    def _slots(
        role: str, services: Any, of: Callable[[Any], str | None]
    ) -> dict[str, Callable[[Any], int]]:
        names = dict.fromkeys(n for s in services if (n := key_resource(role, s)))

        def taken(name: str) -> Callable[[Any], int]:
            return lambda wildcards: int(of(wildcards) == name)

        return {name: taken(name) for name in names}

    def limit_keys(self, resources: MutableMapping[str, Any]) -> None:
        """Give each key the limit of its role; ``resources``: what the profile limits.

        A limit that the profile gives for a key by its own name stays.
        """
        for role, names in zip(ROLES, (self.judge_keys, self.translator_keys), strict=True):
            for name in names if role in resources else ():
                if name not in resources:
                    limit = resources[role]
                    resources[name] = getattr(limit, "value", limit)
