"""Read a configuration: YAML or Snakemake's dict -> a checked `Config`, or one clear error."""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from ..errors import BabelmixError, unknown_name
from ..resources import language_catalogue
from .builtin import fill_sources
from .root import Config

#: Keys whose values are codes of languages; `[key]` stands for the key of a mapping.
_OF_LANGUAGES = {"languages", "main", "pivot", "parallel_over", "pairs", "orders", "[key]"}


class _UniqueKeys(yaml.SafeLoader):
    """Safe YAML in which a key given twice is an error (YAML itself keeps the last, silently)."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                line = key_node.start_mark.line + 1
                raise BabelmixError(f"key '{key}' stands twice (line {line}); keep one of them.")
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path | str) -> dict[str, Any]:
    """Read one YAML (or JSON) file into a dict."""
    try:
        text = Path(path).read_text(encoding="utf-8")
        value = yaml.load(text, Loader=_UniqueKeys)
    except FileNotFoundError:
        raise BabelmixError(f"{path}: no such configuration file.") from None
    except UnicodeDecodeError as error:
        raise BabelmixError(f"{path}: not UTF-8 (byte {error.start}): torn or damaged?") from None
    except yaml.YAMLError as error:
        raise BabelmixError(f"{path}: not valid YAML: {error}") from None
    except BabelmixError as error:
        raise BabelmixError(f"{path}: {error}") from None
    if not isinstance(value, dict):
        raise BabelmixError(
            f"{path}: expected a mapping of sections, found {type(value).__name__}."
        )
    return value


def load_config(path: Path | str) -> Config:
    """Read and check a configuration file."""
    return build_config(read_yaml(path), where=str(path))


def build_config(raw: Mapping[str, Any], where: str = "config") -> Config:
    """Check a configuration given as a dict (as Snakemake merges it).

    Known languages and built-in sources are filled in from their catalogues, and ``data_root`` is
    taken from the environment variable BABELMIX_DATA_ROOT when that is set.
    """
    values = dict(raw)
    values["languages"] = _fill_languages(values.get("languages"), where)
    if "sources" in values:
        codes = values["languages"] if isinstance(values["languages"], Mapping) else {}
        values["sources"] = fill_sources(values["sources"], codes, where)
    if os.environ.get("BABELMIX_DATA_ROOT"):
        values["data_root"] = os.environ["BABELMIX_DATA_ROOT"]
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise BabelmixError(explain(error, where)) from None


_NORWEGIAN = 'YAML reads a bare `no` as "false": write the code of Norwegian in quotes, "no"'


def _fill_languages(section: Any, where: str) -> Any:
    if isinstance(section, list):
        section = {code: {} for code in section}
    if not isinstance(section, Mapping):
        return section
    known = language_catalogue()
    filled = {}
    for code, fields in section.items():
        if code is False:
            raise BabelmixError(f"{where}: languages: {_NORWEGIAN}.")
        fields = fields or {}
        if code not in known and not {"name", "iso639_3"} <= set(fields):
            error = unknown_name("language", str(code), known, f"{where}: languages")
            usual = _usual_code(str(code))
            hint = f" '{usual}' is the usual code of that language." if usual in known else ""
            raise BabelmixError(f"{error}{hint} Or define it: `{code}: {{name: …, iso639_3: …}}`.")
        filled[code] = {**known.get(code, {}), **fields}
    return filled


def _usual_code(code: str) -> str:
    """Return the code in use for an old or a three-letter one: `iw` -> `he`, `deu` -> `de`."""
    import langcodes

    try:
        return langcodes.standardize_tag(code, macro=True)
    except ValueError:
        return code


def explain(error: ValidationError, where: str) -> str:
    """Say each validation error in one line: key, value, what is allowed, how to mend it."""
    lines = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"]) or "(top level)"
        lines.append(f"{where}: {key}: {_explain_one(item)}")
    return "\n".join(lines)


def _explain_one(item: Any) -> str:
    if item["type"] == "extra_forbidden":
        name = str(item["loc"][-1])
        allowed = _fields_near(item["loc"])
        near = get_close_matches(name, allowed, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        known = f" Allowed keys: {', '.join(allowed)}." if allowed else ""
        return f"unknown key.{hint}{known}"
    if item["type"] == "missing":
        return "this key is needed and is not given."
    if item["input"] is False and not _OF_LANGUAGES.isdisjoint(item["loc"]):
        return f"{_NORWEGIAN}."
    message = item["msg"].removeprefix("Value error, ")
    shown = repr(item["input"])
    if len(shown) > 80:
        shown = shown[:77] + "..."
    return f"{message} (given: {shown})."


def _fields_near(loc: tuple[int | str, ...]) -> list[str]:
    """The allowed keys at the place of an unknown one, by walking the models along `loc`."""
    models: list[type[BaseModel]] = [Config]
    for part in loc[:-1]:
        models = _step(models, part)
    return sorted({name for model in models for name in model.model_fields})


def _step(models: list[type[BaseModel]], part: int | str) -> list[type[BaseModel]]:
    found: list[type[BaseModel]] = []
    for model in models:
        if isinstance(part, str) and part in model.model_fields:
            found += _models_in(model.model_fields[part].annotation)
    if found:
        return found
    # A dictionary key, a list index, or a union's tag: tags narrow the models, others do not.
    tagged = [m for m in models if part in _tags(m)]
    return tagged or models


def _tags(model: type[BaseModel]) -> list[Any]:
    for name in ("backend", "policy", "engine"):
        if name in model.model_fields:
            return list(getattr(model.model_fields[name].annotation, "__args__", ()))
    return []


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for arg in getattr(annotation, "__args__", ()) for m in _models_in(arg)]
