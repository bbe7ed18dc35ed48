"""What a benchmark asks of: its source, or a pool, or translations of its source's questions."""

from __future__ import annotations

from collections.abc import Iterable

from ..config.evaluation import Benchmark
from ..config.root import Config
from ..config.sources import QUESTION_ADAPTERS, Source
from ..errors import BabelmixError, unknown_name


def require_known(kind: str, names: Iterable[str], known: Iterable[str], where: str) -> None:
    """Raise BabelmixError for a name that its section does not define."""
    known = list(known)
    for name in names:
        if name not in known:
            raise unknown_name(kind, name, known, where)


def language_path(path: str, lang: str) -> str:
    """Put a language code into a path."""
    return path.replace("{lang}", lang).replace("{LANG}", lang.upper())


def check_benchmarks(config: Config) -> None:
    """Every benchmark has questions in all of its languages, or a translator for them."""
    for name, benchmark in config.benchmarks.items():
        where = f"benchmarks.{name}"
        if benchmark.source:
            require_known("source", [benchmark.source], config.sources, where)
            _check_asked(where, config.sources[benchmark.source], benchmark.source)
            held = dict.fromkeys(config.sources[benchmark.source].languages)
            if benchmark.translator is not None:
                held |= dict.fromkeys(_translated(name, benchmark, config))
        else:
            require_known("dataset", [benchmark.dataset or ""], config.datasets, where)
            if not config.datasets[benchmark.dataset or ""].parallel:
                raise BabelmixError(
                    f"{where}.dataset: '{benchmark.dataset}' is not parallel, but a benchmark asks "
                    "the same questions in every language. Name a parallel dataset or a `source`."
                )
            held = dict.fromkeys(config.datasets[benchmark.dataset or ""].languages)
        require_known("language", benchmark.languages, held, f"{where}.languages")


def _translated(name: str, benchmark: Benchmark, config: Config) -> list[str]:
    """Languages into which a benchmark's questions are translated; its names are checked."""
    where = f"benchmarks.{name}"
    if name in config.datasets:
        raise BabelmixError(
            f"{where}: its translations are kept in a pool of its name, and `datasets` has a "
            f"'{name}' as well. Rename one of them."
        )
    held = config.sources[benchmark.source or ""].languages
    lacking = [c for c in benchmark.languages if c not in held]
    named = benchmark.translator
    by_language = named if isinstance(named, dict) else dict.fromkeys(lacking, named or "")
    require_known("translator", by_language.values(), config.translators, f"{where}.translator")
    require_known(
        "language", by_language, dict.fromkeys(benchmark.languages), f"{where}.translator"
    )
    require_known("language", lacking, config.languages, f"{where}.languages")
    if lost := [c for c in lacking if c not in by_language]:
        raise BabelmixError(f"{where}.translator: none for {', '.join(lost)}.")
    if not lacking:
        raise BabelmixError(
            f"{where}.translator: the source holds {', '.join(benchmark.languages)} itself, so "
            "nothing is translated. Leave `translator` out, or add a language."
        )
    return lacking


def _check_asked(where: str, source: Source, name: str) -> None:
    """The `source` of a benchmark holds questions."""
    if source.adapter in (*QUESTION_ADAPTERS, "parallel"):
        return
    if source.fields is not None:
        separate = source.path is None or source.path != language_path(source.path, "")
        if source.fields.turns and source.fields.speakers != "user":
            raise BabelmixError(
                f"{where}.source: `fields.turns` of '{name}' holds answers as well. Say `speakers: "
                "user` where all turns are the user's, or make a parallel dataset of it and name "
                "that as the benchmark's `dataset`."
            )
        if source.fields.id is None and len(source.languages) > 1 and separate:
            raise BabelmixError(
                f"sources.{name}.fields: name the `id` of a question, which is the same in every "
                "language: it is what makes the languages' files parallel."
            )
        return
    raise BabelmixError(
        f"{where}.source: '{name}' (`adapter: {source.adapter}`) holds no benchmark questions. "
        f"Make a parallel dataset of it (`datasets: {{mine: {{sources: [{name}], …}}}}`) and name "
        "that as the benchmark's `dataset`."
    )
