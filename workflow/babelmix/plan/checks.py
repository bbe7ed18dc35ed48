"""Checks across sections, and checks of the machine, before anything runs."""

from __future__ import annotations

import importlib.util
import os
import shlex
import time
from collections.abc import Iterable
from pathlib import Path
from shutil import which

from ..config.evaluation import Generation, Jury, OpenAIJudge
from ..config.likelihood import Likelihood
from ..config.mixtures import CodeSwitched, Pinch, PoolFamily, Union
from ..config.root import Config
from ..config.service import Endpoint, PaidService
from ..config.sources import Dataset, Source
from ..config.translators import ApertiumTranslator, OpenAITranslator, Service
from ..errors import BabelmixError
from ..service.budget import Estimate, require_confirmation, require_price
from ..service.client import read_key
from ..service.ledger import Ledger
from ..service.prices import price_of as endpoint_price
from ..sources import places
from ..translate.cost import price_of
from .benchmark_checks import check_benchmarks, language_path, require_known

#: Seconds that a file server's clock may go before ours.
_CLOCK_SKEW_S = 2.0


def check_names(config: Config) -> None:
    """Every name that a section uses is defined in its own section."""
    for name, dataset in config.datasets.items():
        where = f"datasets.{name}"
        require_known("source", dataset.sources, config.sources, f"{where}.sources")
        for held in dataset.sources:
            if config.sources[held].holds_questions:
                raise BabelmixError(
                    f"{where}.sources: '{held}' (`adapter: {config.sources[held].adapter}`) "
                    "holds questions, not conversations. Name it as the `source` of a benchmark "
                    "(with a `translator` for languages that it does not hold), and take it out "
                    "here."
                )
        pivot = [dataset.pivot] if dataset.parallel else []
        require_known("language", [*dataset.languages, *pivot], config.languages, where)
        _check_own_rows(where, dataset, config)
        if dataset.parallel and dataset.pivot not in dataset.languages:
            raise BabelmixError(f"{where}: `pivot: {dataset.pivot}` is not among its `languages`.")
        if isinstance(back := dataset.audit.round_trip, (str, dict)):
            there = f"{where}.audit.round_trip"
            names, langs = ([back], ()) if isinstance(back, str) else (back.values(), back)
            require_known("translator", names, config.translators, there)
            require_known("language", langs, dict.fromkeys(dataset.languages), there)
        if isinstance(dataset.translator, str):
            require_known("translator", [dataset.translator], config.translators, where)
        elif dataset.translator:
            require_known("translator", dataset.translator.values(), config.translators, where)
            require_known("language", dataset.translator, dict.fromkeys(dataset.languages), where)
    for name, source in config.sources.items():
        require_known("language", source.languages, config.languages, f"sources.{name}.languages")
    for name, family in config.mixtures.items():
        if family.tokenizer:
            require_known("model", [family.tokenizer], config.models, f"mixtures.{name}.tokenizer")
        if not isinstance(family, Union):
            _check_family(name, family, config)
    check_benchmarks(config)
    singly = [name for name, judge in config.judges.items() if not isinstance(judge, Jury)]
    for name, judge in config.judges.items():
        if isinstance(judge, Jury):
            _check_jury(f"judges.{name}.members", judge, config, singly)
    _check_studies(config)


def _check_own_rows(where: str, dataset: Dataset, config: Config) -> None:
    """Every language of a pool without translations is held by one of its sources."""
    held = {c for s in dataset.sources for c in config.sources[s].languages}
    lacking = [c for c in dataset.languages if c not in held]
    if not dataset.parallel and lacking:
        raise BabelmixError(
            f"{where}.languages: no source holds '{lacking[0]}', and with `parallel: false` "
            "nothing is translated. Name it in a source's `languages`, or take it out."
        )


def _check_jury(where: str, jury: Jury, config: Config, singly: list[str]) -> None:
    if within := [m for m in jury.members if isinstance(config.judges.get(m), Jury)]:
        raise BabelmixError(f"{where}: '{within[0]}' is a jury itself. Name its members instead.")
    require_known("judge", jury.members, singly, where)


def _check_family(name: str, family: PoolFamily, config: Config) -> None:
    where = f"mixtures.{name}"
    require_known("dataset", [family.dataset], config.datasets, where)
    main = [family.main] if isinstance(family, Pinch | CodeSwitched) else []
    ordered = family.order.languages if family.order else []
    used = [*family.languages, *main, *(family.parallel_over or []), *ordered]
    require_known("language", used, dict.fromkeys(config.datasets[family.dataset].languages), where)
    doubled = {c for c in family.languages if family.languages.count(c) > 1}
    if doubled:
        raise BabelmixError(f"{where}.languages: {sorted(doubled)} appear twice.")
    if family.order is not None and family.order.by == "part":
        raise BabelmixError(f"{where}.order: `part` is for unions; this family has no parts.")
    if isinstance(family.rows, dict):
        require_known("language", family.rows, dict.fromkeys(family.languages), f"{where}.rows")
        if lost := [c for c in family.languages if c not in family.rows]:
            raise BabelmixError(f"{where}.rows: no number for {', '.join(lost)}.")


def _check_studies(config: Config) -> None:
    for name, study in config.studies.items():
        where = f"studies.{name}"
        for run_set in study.runs:
            require_known("model", run_set.models, config.models, f"{where}.runs.models")
            require_known("recipe", [run_set.recipe], config.training, f"{where}.runs.recipe")
        for evaluation in study.evaluations:
            there = f"{where}.evaluations"
            require_known("benchmark", [evaluation.benchmark], config.benchmarks, there)
            require_known("judge", [evaluation.judge], config.judges, there)
            asked = config.benchmarks[evaluation.benchmark].languages
            require_known("language", evaluation.languages or [], dict.fromkeys(asked), there)
        for section in study.likelihood:
            _check_likelihood(f"{where}.likelihood", section, config)


def _check_likelihood(where: str, section: Likelihood, config: Config) -> None:
    """Held-out texts are there, in every language, and parallel."""
    if section.benchmark is not None:
        require_known("benchmark", [section.benchmark], config.benchmarks, where)
        held = config.benchmarks[section.benchmark].languages
    else:
        name = section.dataset or ""
        require_known("dataset", [name], config.datasets, where)
        pool = config.datasets[name]
        held = pool.languages
        if not pool.parallel:
            raise BabelmixError(
                f"{where}.dataset: '{name}' is not parallel, but likelihoods are compared on the "
                "same rows in every language. Name a parallel dataset or a `benchmark`."
            )
        if section.split == "dev" and not pool.dev_rows:
            raise BabelmixError(
                f"{where}: '{name}' holds out no rows (`dev_rows: 0`). Give the dataset "
                "`dev_rows`, or set `split: all` for a pool that no mixture trains on."
            )
    require_known("language", section.languages or [], dict.fromkeys(held), f"{where}.languages")


def resolve_path(text: str, config: Config, where: str) -> str:
    """Put the data root into a path; ``{lang}`` placeholders stay."""
    if "{data_root}" not in text:
        return text
    if not config.data_root:
        raise BabelmixError(
            f"{where}: the path '{text}' needs a data root. Set `data_root` in the configuration "
            "or the environment variable BABELMIX_DATA_ROOT to the folder that holds the data."
        )
    return text.replace("{data_root}", config.data_root.rstrip("/"))


def local_files(name: str, source: Source) -> list[str]:
    """Files of a local source (path already resolved); a missing one is an error.

    Raises:
        BabelmixError: naming the file, the source, and how to mend it.
    """
    if source.path is None:
        return []
    files = list(
        dict.fromkeys(f for c in source.languages for f in language_files(name, source, c))
    )
    for file in files:
        if not Path(file).is_file():
            raise BabelmixError(
                f"sources.{name}: the file '{file}' is missing. Put it there, or correct `path` "
                "(paths are relative to the folder you start from; `{data_root}` comes from "
                "`data_root` or BABELMIX_DATA_ROOT)."
            )
    return files


def language_files(name: str, source: Source, lang: str) -> list[str]:
    """Files of a local source that hold a language; whether they are there is not looked at."""
    place = language_path(source.path or "", lang)
    return places.local_files(place, source.split, f"sources.{name}")[0]


def files_of_the_future(sources: dict[str, Source]) -> list[str]:
    """Local files whose time lies ahead of this machine's clock: Snakemake refuses them."""
    files = [f for name, source in sources.items() for f in local_files(name, source)]
    ahead = [f for f in files if Path(f).stat().st_mtime > time.time() + _CLOCK_SKEW_S]
    return [
        f"'{file}': its time lies in the future, and everything made from it would count as out of "
        f"date. Set it to now, `touch {shlex.quote(file)}`, or this machine's clock if that is "
        "wrong."
        for file in ahead
    ]


def check_machine(
    config: Config,
    sources: dict[str, Source],
    models: Iterable[str],
    judges: Iterable[str],
    translators: Iterable[str],
    *,
    gpus_here: int | None,
) -> list[str]:
    """What this machine lacks for the run, each in one paragraph; an empty list means ready.

    ``gpus_here`` is None where jobs run elsewhere (a cluster) and GPUs cannot be counted.
    """
    problems = []
    for name, source in sources.items():
        if source.hub and source.hub.gated and not os.environ.get(source.hub.token_env):
            problems.append(
                f"sources.{name}: '{source.hub.repo}' is gated. Accept its terms on its page "
                f"(https://huggingface.co/datasets/{source.hub.repo}), create an access token, and "
                f"set the environment variable {source.hub.token_env} to it; or give the source a "
                "local `path` instead of `hub`."
            )
    for name in models:
        model = config.models[name]
        if model.gated and not os.environ.get(model.token_env):
            problems.append(
                f"models.{name}: '{model.repo}' is gated. Accept its terms on its page and set "
                f"the environment variable {model.token_env} to an access token; or give a local "
                "`path`."
            )
        if gpus_here is not None and model.nodes > 1:
            problems.append(
                f"models.{name}: trains on {model.nodes} nodes, which only a cluster has. Run it "
                "with `--workflow-profile workflow/profiles/slurm`, or set `nodes: 1`."
            )
        needed = max(model.gpus, 1 if model.device == "cuda" else 0)
        if gpus_here is not None and needed > gpus_here:
            problems.append(
                f"models.{name}: needs {needed} GPU(s), this machine shows {gpus_here}. Run it "
                "where there are GPUs (on a cluster: `--workflow-profile "
                "workflow/profiles/slurm`), choose a smaller model, or set `device: cpu` and "
                "`gpus: 0` for it."
            )
    return problems + missing_keys(config, judges, translators)


def missing_engines(
    config: Config, answered: Iterable[tuple[str, str]], *, gpus_here: int | None
) -> list[str]:
    """What the engines of answers lack: GPUs, the package vllm, the server's command.

    ``answered``: (benchmark, model) pairs. Commands are looked for where jobs run here alone.
    """
    problems = []
    for benchmark, model in sorted(set(answered)):
        generation = config.benchmarks[benchmark].generation
        where = f"benchmarks.{benchmark}.generation"
        wanted = generation.gpus if config.models[model].gpus else 0
        if gpus_here is not None and wanted > gpus_here and wanted > config.models[model].gpus:
            problems.append(
                f"{where}: one job of answers takes {wanted} GPUs (`tensor_parallel` × "
                f"`data_parallel`), this machine shows {gpus_here}. Lower them."
            )
        if generation.engine == "vllm" and importlib.util.find_spec("vllm") is None:
            problems.append(
                f"{where}: `engine: vllm` needs the package vllm in this environment. Install it "
                "elsewhere and name it: `engine: vllm-server` and `server_command: "
                "[/path/to/its/bin/vllm, serve]`."
            )
        command = generation.server_command[0]
        if generation.engine == "vllm-server" and gpus_here is not None and not which(command):
            problems.append(
                f"{where}: the server's command `{command}` is not on this machine's PATH. Name "
                "the one of vLLM's own environment: `server_command: [/path/to/its/bin/vllm, "
                "serve]`."
            )
    return list(dict.fromkeys(problems))


def missing_keys(config: Config, judges: Iterable[str], translators: Iterable[str]) -> list[str]:
    """Keys of services that the environment lacks, and modes that Apertium does not have."""
    problems = []
    for name in judges:
        judge = config.judges[name]
        if isinstance(judge, OpenAIJudge):
            problems += _key_problems(judge, f"judges.{name}", judge.url)
    for name in translators:
        translator = config.translators[name]
        if isinstance(translator, ApertiumTranslator):
            from ..translate.backends.apertium import check_modes

            try:
                check_modes(sorted({m for chain in translator.modes.values() for m in chain}), name)
            except BabelmixError as error:
                problems.append(str(error))
        if isinstance(translator, Service):
            url = translator.url if isinstance(translator, OpenAITranslator) else None
            problems += _key_problems(translator, f"translators.{name}", url)
    return problems


def _key_problems(settings: PaidService, where: str, url: str | None) -> list[str]:
    try:
        read_key(settings, where, url)
    except BabelmixError as error:
        return [str(error)]
    return []


def settings_of(config: Config, payer: str) -> PaidService | Generation | None:
    """The section of a payer (``judges.gpt-4``); None for a translator that costs nothing."""
    kind, name, *_ = payer.split(".")
    if kind == "judges":
        judge = config.judges[name]
        assert isinstance(judge, OpenAIJudge)
        return judge
    if kind == "benchmarks":
        return config.benchmarks[name].generation
    translator = config.translators[name]
    return translator if isinstance(translator, Service) else None


def low_caps(config: Config, payers: dict[str, float | None]) -> list[str]:
    """Caps that the study set is expected to reach, one line each."""
    found = []
    for payer, dollars in payers.items():
        cap = getattr(settings_of(config, payer), "max_cost", None)
        if cap is not None and dollars is not None and cap < dollars:
            found.append(
                f"{payer}: `max_cost: {cap:g}` is below the estimate of {dollars:,.2f} US dollars "
                "for the study set: its jobs stop there, keeping what they have."
            )
    return found


def unconfirmed(config: Config, payers: dict[str, float | None], root: Path) -> list[str]:
    """What has no price, or costs more over the study set than its `confirm_cost` agrees to.

    ``payers``: the estimate of each judge, translator and served model. What is spent already
    counts against the rest of the estimate, not beside it.
    """
    problems = []
    for payer, dollars in payers.items():
        settings = settings_of(config, payer)
        if settings is None:
            continue
        model = getattr(settings, "served_model", None)
        price = (
            endpoint_price(settings, model)
            if isinstance(settings, Endpoint)
            else price_of(config.translators[payer.split(".")[1]])
        )
        ledger = root / "journals" / "spending"
        path = ledger / f"{payer}.jsonl"
        spent = Ledger(ledger, payer).total() if path.is_file() else 0.0
        left = None if dollars is None else max(0.0, dollars - spent)
        try:
            require_price(settings, price, payer)
            if left == 0.0:
                continue
            estimate = Estimate(1, 0, 0, left)
            require_confirmation(settings, estimate, price, payer, spent, "this study set")
        except BabelmixError as error:
            problems.append(str(error))
    return problems


def missing_functions(datasets: dict[str, Dataset]) -> list[str]:
    """Functions that the audits name and that cannot be imported here."""
    from ..translate.quality import load_function

    problems = []
    for name, dataset in datasets.items():
        if dataset.audit.quality is not None:
            try:
                load_function(dataset.audit.quality.function)
            except BabelmixError as error:
                problems.append(f"datasets.{name}.audit.quality: {error}")
    return problems


def count_gpus() -> int:
    """GPUs that the driver shows, without importing torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    folder = Path("/proc/driver/nvidia/gpus")
    present = len(list(folder.iterdir())) if folder.is_dir() else 0
    if visible is None:
        return present
    return min(present, len([v for v in visible.split(",") if v.strip() not in {"", "-1"}]))
