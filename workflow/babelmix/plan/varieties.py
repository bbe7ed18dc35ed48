"""Names, codes and scripts of languages as a configuration has them, and who can do them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..config.languages import Language
from ..config.prompt import check_prompt, is_prompt_file
from ..config.root import Config
from ..config.translators import (
    AzureTranslator,
    DeepLTranslator,
    GoogleTranslator,
    LibreTranslateTranslator,
    OpenAITranslator,
    Seq2SeqTranslator,
    Translator,
)
from ..errors import BabelmixError
from ..resources import language_catalogue
from ..tags import SCRIPTS, default_script, language_name, read_tag, script_code
from ..translate.backends.codes import backend_code, source_code
from .checks import resolve_path

if TYPE_CHECKING:
    from .graph import Plan

_SERVICES = DeepLTranslator | GoogleTranslator | AzureTranslator | LibreTranslateTranslator


def own_name(lang: str, name: str) -> str:
    """Return a configured name that says more than the catalogue does, else an empty text."""
    return "" if name == language_name(lang) else name


def asked_script(lang: str, language: Language) -> str:
    """Return the script that a configuration asks for beyond the code (ISO 15924), else "".

    Raises BabelmixError for a script without a known code where it would have to be checked.
    """
    if "script" not in language.model_fields_set or read_tag(lang).script:
        return ""
    code = script_code(language.script)
    if code is None:
        known = ", ".join(sorted(SCRIPTS))
        raise BabelmixError(
            f"languages.{lang}.script: unknown script '{language.script}'. Known: {known}, and "
            "their ISO 15924 codes."
        )
    usual = lang in language_catalogue() and code == default_script(lang)
    return "" if usual else code


def read_prompt(prompt: str, config: Config, where: str) -> str:
    """Return a translator's prompt, read from its file where it names one, and checked."""
    if not is_prompt_file(prompt):
        return prompt
    path = Path(resolve_path(prompt, config, where)).expanduser()
    try:
        text = path.read_text(encoding="utf-8").strip()
        check_prompt(text)
    except (OSError, UnicodeDecodeError) as error:
        raise BabelmixError(f"{where}: cannot read '{path}' ({type(error).__name__}).") from None
    except ValueError as error:
        raise BabelmixError(f"{where}: {path}: {error}.") from None
    # The text stands in the job's settings, where one line ending in `.txt` would be a file.
    return text + "\n" if is_prompt_file(text) else text


def check_varieties(plan: Plan) -> None:
    """Raise BabelmixError where a translator cannot be asked for the variety that a pool wants.

    A service's list of languages is looked at when its job starts, before anything is sent; which
    scripts and regions it can be told apart by is known here.
    """
    config = plan.config
    for dataset in plan.datasets:
        pool = plan.dataset(dataset)
        for lang in pool.languages:
            asked_script(lang, config.languages[lang])
            if lang == pool.pivot:
                continue
            if plan.is_translated(dataset, lang):
                _check(plan.translator_of(dataset, lang), pool.pivot, lang, config)
            if plan.goes_back(dataset, lang):
                _check(plan.back_translator_of(dataset, lang), lang, pool.pivot, config)


def check_system_prompts(plan: Plan) -> None:
    """Raise BabelmixError where some chats would open with a system prompt and others without.

    A language goes without where its `system_prompt` is written as an empty text.
    """
    config = plan.config
    used: dict[str, list[str]] = {}
    for _, recipe, dataset in plan.recipes_by_model():
        if config.training[recipe].system_prompt:
            used.setdefault(f"training.{recipe}", []).extend(plan.languages_trained_on(dataset))
    for name in plan.benchmarks:
        if config.benchmarks[name].system_prompt:
            used.setdefault(f"benchmarks.{name}", []).extend(config.benchmarks[name].languages)
    for where, langs in used.items():
        lacking = [
            lang
            for lang in dict.fromkeys(langs)
            if not config.languages[lang].system_prompt
            and "system_prompt" not in config.languages[lang].model_fields_set
        ]
        if lacking:
            names = ", ".join(lacking)
            raise BabelmixError(
                f"{where}: `system_prompt: true` opens each chat with its language's system prompt,"
                f" and {names} {'have' if len(lacking) > 1 else 'has'} none. Write one, "
                f'`languages: {{{lacking[0]}: {{system_prompt: "…"}}}}`, write it empty ("") where '
                "chats are meant to open without, or set `system_prompt: false`."
            )


def _check(name: str, source: str, target: str, config: Config) -> None:
    translator: Translator = config.translators[name]
    where = f"translators.{name} into '{target}'"
    if isinstance(translator, OpenAITranslator) and translator.prompt is not None:
        read_prompt(translator.prompt, config, f"translators.{name}.prompt")
    backend: str = translator.backend
    if isinstance(translator, Seq2SeqTranslator):
        backend = translator.family
    elif not isinstance(translator, _SERVICES):
        return
    codes = {code: config.languages[code].codes for code in (source, target)}
    backend_code(backend, target, codes[target], where)
    source_code(backend, source, codes[source], where)
