"""The results of a study set: where each lies, and the verb and settings that make it."""

from __future__ import annotations

import functools
import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import BabelmixError
from ..options import as_options
from ..provenance import settings_digest
from .jobs import Jobs
from .progress import items

#: Below the study set's folder: result -> digest of the settings that the plan expects.
EXPECTED_FILE = "expected.json"

#: Bytes of settings that a job's command may have: Linux takes 128 KiB for a whole shell line.
LONGEST_COMMAND = 120_000

Wildcards = Mapping[str, str]

#: Wildcards that may hold a dot; all others end at one.
_WITH_DOTS = {"evaluation", "held_out", "run"}


@dataclass(frozen=True)
class File:
    """A kind of result. ``pattern`` is below the study set's folder; {…} are the rules' wildcards.

    ``settings`` gives the job's settings as JSON text; None where the verb has no settings.
    ``beside`` are further files of the same job that say what made them.
    """

    pattern: str
    verb: str
    settings: Callable[[Jobs, Wildcards], str] | None = None
    beside: tuple[str, ...] = ()


FILES = (
    File("raw/{source}.json", "fetch", lambda j, w: j.fetch(w["source"])),
    File(
        "normalised/{dataset}.{lang}.parquet",
        "normalise",
        lambda j, w: j.normalise(w["dataset"], w["lang"]),
        ("normalised/{dataset}.{lang}.json",),
    ),
    File(
        "benchmarks/{benchmark}.{lang}.parquet",
        "benchmark",
        lambda j, w: j.benchmark(w["benchmark"], w["lang"]),
        ("benchmarks/{benchmark}.{lang}.json",),
    ),
    File(
        "translations/{dataset}.{lang}/{shard}.parquet",
        "translate",
        lambda j, w: j.translate(w["dataset"], w["lang"], int(w["shard"])),
        ("translations/{dataset}.{lang}/{shard}.json",),
    ),
    File(
        "measures/quality/{dataset}.{lang}.json",
        "quality",
        lambda j, w: j.quality(w["dataset"], w["lang"]),
    ),
    File(
        "measures/round_trip/{dataset}.{lang}.json",
        "round-trip",
        lambda j, w: j.round_trip(w["dataset"], w["lang"]),
    ),
    File(
        "conversations/{dataset}.{pair}.parquet",
        "combine-languages",
        lambda j, w: j.combine(w["dataset"], w.get("pair") or w["lang"]),
        ("conversations/{dataset}.{pair}.json",),
    ),
    File(
        "conversations/{dataset}.{lang}.parquet",
        "collect",
        lambda j, w: j.collect(w["dataset"], w["lang"]),
        ("conversations/{dataset}.{lang}.audit.json",),
    ),
    File(
        "pools/{dataset}.{lang}.parquet",
        "index-language",
        lambda j, w: j.index(w["dataset"], w["lang"]),
        ("pools/{dataset}.{lang}.json",),
    ),
    File(
        "fingerprints/{dataset}.{lang}.parquet",
        "fingerprint-language",
        lambda j, w: j.fingerprint(w["dataset"], w["lang"]),
    ),
    File(
        "counts/{model}/{dataset}.{lang}.parquet",
        "count-tokens",
        lambda j, w: j.count(w["dataset"], w["lang"]),
    ),
    File(
        "contamination/{dataset}.json",
        "find-contamination",
        lambda j, w: j.contamination(w["dataset"]),
        ("contamination/{dataset}.parquet",),
    ),
    File(
        "mixtures/{mixture}.parquet",
        "build-mixture",
        lambda j, w: j.mixture(w["mixture"]),
        ("mixtures/{mixture}.selection.json",),
    ),
    File(
        "mixtures/{mixture}.manifest.json",
        "mixture-manifest",
        lambda j, w: j.manifest(w["mixture"]),
    ),
    File("models/{model}.json", "prepare-model", lambda j, w: j.model(w["model"])),
    File(
        "tokenised/{model}.{recipe}/{dataset}.{lang}.parquet",
        "tokenise",
        lambda j, w: j.tokenise(w["recipe"], w["dataset"], w["lang"]),
        ("tokenised/{model}.{recipe}/{dataset}.{lang}.json",),
    ),
    File("checkpoints/{run}.json", "train", lambda j, w: j.train(w["run"])),
    File(
        "answers/{benchmark}/{run}.parquet",
        "answer",
        lambda j, w: j.answer(w["benchmark"], w["run"]),
    ),
    File(
        "scores/{benchmark}/{run}.parquet",
        "score",
        lambda j, w: j.score(w["benchmark"], w["run"]),
    ),
    File(
        "likelihoods/{held_out}/{run}.parquet",
        "likelihood",
        lambda j, w: j.likelihood(w["held_out"], w["run"]),
        ("likelihoods/{held_out}/{run}.json",),
    ),
    File(
        "judgements/{evaluation}/{run}.parquet",
        "judge",
        lambda j, w: j.judgement(w["evaluation"], w["run"]),
    ),
    File(
        "baselines/{evaluation}/{run}.json",
        "choose-baseline",
        lambda j, w: j.choose_baseline(w["evaluation"], w["run"]),
    ),
    File("tables/index.json", "tables"),
    File("figures/index.json", "figures"),
)


#: Verb -> the settings of one of its jobs, as JSON text.
SETTINGS = {k.verb: k.settings for k in FILES if k.settings and k.verb != "judge"} | {
    "judge-single": lambda j, w: j.judge(w["evaluation"], w["run"]),
    "judge-pairs": lambda j, w: j.judge(w["evaluation"], w["run"]),
    "judge-jury": lambda j, w: j.jury(w["evaluation"], w["run"]),
}


class AtDefault:
    """What a rule's parameter is while its setting is at the default: nothing on the command line.

    Snakemake records no parameter of a type that it does not know, so a setting that a later
    release adds, at its default, makes no job run again.
    """

    def __str__(self) -> str:
        return ""


def settings_of(jobs: Jobs) -> Callable[[str, str], Callable[[Any], str | AtDefault]]:
    """``setting(verb, name)``: a rule's parameter, the text ``NAME=VALUE`` quoted for the shell.

    The name is in the text because Snakemake compares the *set* of a job's parameter values: two
    settings that swap their values would not be seen otherwise.
    """

    @functools.cache
    def options(verb: str, wildcards: tuple[tuple[str, str], ...]) -> dict[str, str]:
        found = as_options(json.loads(SETTINGS[verb](jobs, dict(wildcards))))
        sizes = {name: len(shlex.quote(text).encode()) for name, text in found.items()}
        if sum(sizes.values()) > LONGEST_COMMAND:
            longest = max(sizes, key=lambda name: sizes[name])
            of = ", ".join(value for _, value in wildcards)
            raise BabelmixError(
                f"{verb} {of}: its settings take {sum(sizes.values()):,} bytes, of which "
                f"{longest} takes {sizes[longest]:,}; a command line holds {LONGEST_COMMAND:,}. "
                "Shorten them (a long prompt, or a long list of files that a `*` can stand for)."
            )
        return found

    def setting(verb: str, name: str) -> Callable[[Any], str | AtDefault]:
        def parameter(wildcards: Any) -> str | AtDefault:
            found = options(verb, tuple(sorted(wildcards.items()))).get(name)
            return AtDefault() if found is None else shlex.quote(found)

        return parameter

    return setting


@dataclass(frozen=True)
class Result:
    """One planned file: its path, and the settings that the plan expects (None: it has none)."""

    path: str
    verb: str
    settings: dict[str, Any] | None

    @property
    def digest(self) -> str | None:
        """Digest of its verb and settings."""
        return None if self.settings is None else settings_digest(self.verb, self.settings)


@functools.cache
def _regex(pattern: str) -> re.Pattern[str]:
    def group(match: re.Match[str]) -> str:
        name = match[1]
        kind = {"pair": r"[^/.]+_(?:to|on|with)_[^/.]+", "shard": r"\d+"}.get(name, "[^/.]+")
        return f"(?P<{name}>{'[^/]+' if name in _WITH_DOTS else kind})"

    return re.compile(re.sub(r"\\\{(\w+)\\\}", group, re.escape(pattern)))


def kind_of(place: str) -> tuple[File, Wildcards] | None:
    """The kind of a file below the study set's folder, and its wildcards; None for others."""
    for kind in FILES:
        for pattern in (kind.pattern, *kind.beside):
            if match := _regex(pattern).fullmatch(place):
                return kind, match.groupdict()
    return None


def results(jobs: Jobs) -> Iterator[Result]:
    """Every result of the plan, in the data's order."""
    root = f"{jobs.root}/"
    planned = [item.output for item in items(jobs)]
    planned += [jobs.path(f"mixtures/{m}.manifest.json") for m in jobs.plan.mixtures]
    planned += [f for m in jobs.plan.mixtures for f in jobs.mixture_input(m)["counts"]]
    planned += jobs.chosen_baselines()
    for path in dict.fromkeys(planned):
        found = kind_of(path.removeprefix(root))
        if found is None:
            continue  # the page, which holds no data of its own
        kind, wildcards = found
        verb, text = kind.verb, kind.settings(jobs, wildcards) if kind.settings else None
        if verb == "judge":
            verb = jobs.judging_verb(wildcards["evaluation"])
        settings = None if text is None else json.loads(text)
        yield Result(path, verb, settings)
        for beside in kind.beside:
            yield Result(root + beside.format(**wildcards), verb, settings)
