"""Translators: is each there, and does it do the languages that it will be asked for?"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from ...config.translators import (
    ApertiumTranslator,
    DeepLTranslator,
    MemoryTranslator,
    Seq2SeqTranslator,
    Translator,
)
from ...errors import BabelmixError
from ...translate.backends.memory import read_pairs
from ...translate.backends.seq2seq import Seq2SeqBackend, fill_in
from ..checks import resolve_path
from ..graph import Plan


def translator_problems(plan: Plan) -> list[str]:
    """Return what the translators of a plan would refuse.

    Codes of services, prompts and varieties are checked when the plan is made (``varieties``).
    """
    problems = []
    for name, pivot, lang in dict.fromkeys(_asked(plan)):
        translator = plan.config.translators[name]
        where = f"translators.{name}"
        if isinstance(translator, MemoryTranslator):
            path = resolve_path(translator.path, plan.config, where)
            problems += _memory(path, where, pivot, lang)
        elif isinstance(translator, ApertiumTranslator) and not translator.modes.get(lang):
            known = ", ".join(sorted(translator.modes)) or "none"
            problems.append(
                f"{where}.modes: no chain for '{lang}' (there are: {known}). Add e.g. "
                f"`{lang}: [eng-spa, …]`; `apertium -l` lists this machine's modes."
            )
        elif isinstance(translator, Seq2SeqTranslator):
            problems += _model(plan, name, pivot, lang)
    for name in plan.translators:
        problems += _clients(plan.config.translators[name], f"translators.{name}")
    return problems


def _asked(plan: Plan) -> Iterator[tuple[str, str, str]]:
    """(translator, from, into) of every way that is asked for, there and back."""
    for dataset in plan.datasets:
        pool = plan.dataset(dataset)
        for lang in pool.languages:
            if plan.is_translated(dataset, lang):
                yield plan.translator_of(dataset, lang), pool.pivot, lang
            if plan.goes_back(dataset, lang):
                yield plan.back_translator_of(dataset, lang), lang, pool.pivot


def _memory(path: str, where: str, pivot: str, lang: str) -> list[str]:
    if not Path(path).is_file():
        return [f"{where}.path: the file '{path}' is missing. Put it there, or correct `path`."]
    try:
        if any(one.strip() and two.strip() for one, two in read_pairs(path, pivot, lang)):
            return []
    except BabelmixError as error:
        return [f"{where}: {error}"]
    return [
        f"{where}: '{path}' holds no text in both '{pivot}' and '{lang}'. Add translations, or "
        f"name another translator for '{lang}'."
    ]


def _model(plan: Plan, name: str, pivot: str, lang: str) -> list[str]:
    """A local model: its folder is there, and its tokenizer knows both languages.

    Names of repositories are looked up by the job.
    """
    translator = plan.config.translators[name]
    assert isinstance(translator, Seq2SeqTranslator)
    place = fill_in(translator.model, pivot, lang)
    if not Path(place).is_dir():
        if place.startswith(("/", "./", "../")) or translator.engine == "ctranslate2":
            return [
                f"translators.{name}.model: the folder '{place}' is missing. Correct it, or name a "
                "repository."
            ]
        return []
    if not installed("transformers"):
        return []
    codes = {code: plan.config.languages[code].codes for code in (pivot, lang)}
    try:
        Seq2SeqBackend(translator, name, pivot, lang, codes[lang], codes[pivot])
    except BabelmixError as error:
        return [str(error)]
    return []


def _clients(translator: Translator, where: str) -> list[str]:
    """Packages that a backend needs, where jobs take this environment (it has torch)."""
    if not installed("torch"):
        return []
    if isinstance(translator, DeepLTranslator) and not installed("deepl"):
        return [f"{where}: DeepL's client is not installed: `pip install deepl`."]
    by_ctranslate2 = isinstance(translator, Seq2SeqTranslator) and (
        translator.engine == "ctranslate2"
    )
    if by_ctranslate2 and not installed("ctranslate2"):
        return [f"{where}: CTranslate2 is not installed: `pip install babelmix[ctranslate2]`."]
    return []


def installed(package: str) -> bool:
    """Whether a package is here, without importing it."""
    return importlib.util.find_spec(package) is not None
