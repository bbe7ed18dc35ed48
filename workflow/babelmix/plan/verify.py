"""Verb ``verify``: whether every result was made by the settings and results that the plan expects.

Each result says what made it (``provenance``). Snakemake reruns what changed as long as it has its
own records (`.snakemake`); without them, say after results were copied to another machine, only
this tells a result of other settings from one that fits. Exit status 2 if any does not fit.
"""

from __future__ import annotations

import argparse
import base64
import itertools
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..config.load import read_yaml
from ..errors import BabelmixError
from ..io import read_json, write_text
from ..provenance import EXPECTED, Provenance, fingerprint, read_inputs, read_provenance
from . import load_jobs
from .jobs import Jobs
from .layout import EXPECTED_FILE, Result, kind_of, results
from .prune import refuse_while_running
from .writable import require_working_folder

SHOWN = 20
#: Below the study set's folder: the configuration that its results do not fit.
REFUSED_FILE = "config.refused.json"
#: Snakemake's own limit on the length of a file name of its records.
_NAME = 254


@dataclass
class Findings:
    """``stale``: path -> what does not fit. ``unknown`` do not say what made them.

    Of ``inputs_unknown`` others it is not known what they were made from.
    """

    checked: int = 0
    inputs_unknown: int = 0
    missing: int = 0
    stale: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    without_weights: list[str] = field(default_factory=list)


def verify(jobs: Jobs) -> Findings:
    """Walk the whole chain of results."""
    found = Findings()
    root = Path(jobs.root)
    stale: set[str] = set()
    for result in results(jobs):
        if not Path(result.path).is_file():
            found.missing += 1
            continue
        origin = read_provenance(result.path)
        if origin is None:
            found.unknown.append(result.path)
            continue
        found.checked += 1
        inputs = read_inputs(root, Path(result.path))
        found.inputs_unknown += inputs is None
        if wrong := settings_change(origin, result) or _input_change(root, inputs or {}, stale):
            found.stale[result.path] = wrong
            stale.add(_place(result.path, root))
        elif result.verb == "train" and (gone := _missing_weights(Path(result.path))):
            found.without_weights.append(f"{result.path}: {', '.join(gone)}")
    if wrong := description_change(jobs):
        found.checked += 1
        found.stale[jobs.path("study.json")] = wrong
    return found


def description_change(jobs: Jobs) -> str:
    """How the study set that the report was made for differs from the plan's; empty where it does
    not, or where there is none.

    Results of another name (a judge, a mixture) do not differ from what the plan expects: they are
    others, and those of the plan are missing. Snakemake does not make what is missing below a
    report that is there.
    """
    path = Path(jobs.path("study.json"))
    if not path.is_file():
        return ""
    held, now = read_json(path), json.loads(json.dumps(jobs.plan.describe()))
    own = now.keys() - {"code_version", "stage_versions"}  # a release alone changes no study
    changed = sorted(key for key in own if held.get(key) != now[key])
    return f"describes other {', '.join(changed)}" if changed else ""


def settings_change(origin: Provenance, result: Result) -> str:
    """How the settings that made a result differ from the plan's; empty where they do not."""
    if result.settings is None or origin.digest == result.digest:
        return ""
    before, now = _flat(origin.settings), _flat(result.settings)
    if origin.verb != result.verb:
        before[""], now[""] = origin.verb, result.verb
    changed = [k for k in dict.fromkeys([*before, *now]) if before.get(k) != now.get(k)]
    return "; ".join(
        f"{key or 'verb'} was {before.get(key, 'at its default')}, "
        f"now {now.get(key, 'at its default')}"
        for key in changed
    )


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {name: value}
    inner = [_flat(v, f"{name}.{k}" if name else str(k)) for k, v in value.items()]
    return {key: held for part in inner for key, held in part.items()}


def _place(path: str, root: Path) -> str:
    """A result's path below its study set's folder; records of before name it from elsewhere."""
    path = path.removeprefix(f"{root}/")
    if kind_of(path):
        return path
    parts = Path(path).parts
    ends = ("/".join(parts[n:]) for n in range(len(parts)))
    return next((end for end in ends if kind_of(end)), path)


def _input_change(root: Path, inputs: dict[str, str], stale: set[str]) -> str:
    """Which of its inputs were replaced since, or do not fit themselves."""
    changed = []
    for path, before in inputs.items():
        place = _place(path, root)
        now = root / place
        if place in stale or (now.is_file() and fingerprint(now) != before):
            changed.append(place)
    return f"made from an earlier or unfit {', '.join(sorted(changed))}" if changed else ""


def _missing_weights(record: Path) -> list[str]:
    """Files of a checkpoint that its record names and its folder lacks."""
    folder = record.with_suffix("")
    return [name for name in read_json(record).get("files", {}) if not (folder / name).is_file()]


# --- for the Snakefile --------------------------------------------------------------------------


def has_record(path: str, folder: Path) -> bool:
    """Whether Snakemake, started in ``folder``, has a record of a file (its `file` backend)."""
    name = base64.urlsafe_b64encode(path.encode()).decode()
    parts = [name[n : n + _NAME] for n in range(0, len(name), _NAME)]
    place = folder / ".snakemake" / "metadata"
    return place.joinpath(*(f"@{p}" for p in parts[:-1]), parts[-1]).is_file()


def unseen_changes(jobs: Jobs, folder: Path, *, records: bool) -> Iterator[tuple[str, str]]:
    """(path, difference) of results of other settings that Snakemake would not make again.

    It reruns a job when its parameters change, but only if it has a record of the last ones, and
    looks at it (``records``).
    """
    for result in results(jobs):
        if not Path(result.path).is_file() or (records and has_record(result.path, folder)):
            continue
        origin = read_provenance(result.path)
        if origin is not None and (wrong := settings_change(origin, result)):
            yield result.path, wrong
    study = jobs.path("study.json")
    if not (records and has_record(study, folder)) and (wrong := description_change(jobs)):
        yield study, wrong


def compares_settings(words: Sequence[str]) -> bool:
    """Whether a run of Snakemake, by its command line, reruns jobs whose parameters changed.

    Its own settings are not set yet while it reads the Snakefile.
    """
    if {"--touch", "-t"} & set(words):
        return False
    for place, word in enumerate(words):
        name, _, value = word.partition("=")
        if name == "--rerun-triggers":
            following = itertools.takewhile(lambda w: not w.startswith("-"), words[place + 1 :])
            return "params" in {*value.split(","), *following}
    return True


def guard_results(jobs: Jobs, raw: Mapping[str, Any], words: Sequence[str] | None) -> None:
    """Keep results of other settings from being taken for the plan's.

    Jobs find the settings that the plan expects, and refuse to read other results. In the main
    process, which gives its command line (``words``), what Snakemake would overlook is refused
    here, and a folder in which it cannot keep its records. ``raw``: the configuration as merged.
    """
    os.environ[EXPECTED] = str(Path(jobs.path(EXPECTED_FILE)).absolute())
    if words is not None:
        require_working_folder(Path.cwd())
        refuse_unseen_changes(jobs, raw, records=compares_settings(words))


def refuse_unseen_changes(jobs: Jobs, raw: Mapping[str, Any], *, records: bool) -> None:
    """Raise BabelmixError where results of other settings would be taken for the plan's.

    The configuration is written beside them: it may come from several files and options.
    """
    found = list(unseen_changes(jobs, Path.cwd(), records=records))
    if not found:
        return
    shown = "\n".join(f"  {path}: {wrong}" for path, wrong in found[:SHOWN])
    more = f"\n  and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    why, first = (
        "Snakemake has no record of them (.snakemake was removed, or results were copied)",
        "",
    )
    if not records:
        why = "Snakemake was told not to compare settings (`--rerun-triggers`, `--touch`)"
        first = "Run without that option to make them again, or remove"
    config = Path(jobs.path(REFUSED_FILE))
    write_text(config, json.dumps(dict(raw), indent=2, ensure_ascii=False) + "\n")
    raise BabelmixError(
        f"{len(found)} results were made with other settings, and {why}:\n{shown}{more}\n"
        f"{first or 'Remove'} them with `python -m babelmix verify --config {config} --discard` "
        "and run again, or choose another study_set."
    )


# --- the verb -------------------------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument("--config", required=True, type=Path, help="configuration (YAML or JSON)")
    parser.add_argument(
        "--discard",
        action="store_true",
        help="delete results that do not fit, so that the next run makes them again "
        "(journals of paid replies are kept)",
    )


def run(args: argparse.Namespace) -> None:
    """Print what was found; delete what does not fit when told."""
    jobs = load_jobs(read_yaml(args.config))
    if args.discard:
        refuse_while_running()
    found = verify(jobs)
    for path, wrong in found.stale.items():
        print(f"does not fit  {path}: {wrong}")
    for text in found.without_weights:
        print(f"no weights    {text} (the record alone is there; delete it to train again)")
    if found.unknown:
        print(
            f"{len(found.unknown)} results do not say what made them "
            "(an earlier release or another program wrote them): "
            f"{', '.join(found.unknown[:3])}{' …' if len(found.unknown) > 3 else ''}"
        )
    print(
        f"{jobs.root}: {found.checked - len(found.stale)} results fit, {len(found.stale)} do not, "
        f"{len(found.unknown)} unknown, {found.missing} not made yet; "
        f"of {found.inputs_unknown} it is not known what they read"
    )
    if args.discard:
        # Snakemake makes a missing file again only where what follows from it is missing as well.
        page = [jobs.path("report/index.html")] if found.stale else []
        for path in [*found.stale, *page]:
            Path(path).unlink(missing_ok=True)
        print(f"deleted {len(found.stale)}; the next run makes them again")
    elif found.stale or found.without_weights:
        raise BabelmixError("some results do not fit the configuration (listed above).")
