"""A job's settings as options of its verb: ``--set similarity=0.8 on_contamination=leave_out``.

A rule names each setting that changes its result, and passes those that are not at their default. A
setting's text is its value: names and numbers as they are, a list of names joined by commas, and
JSON for what is nested (``recipe={"epochs": 3}``).
"""

from __future__ import annotations

import argparse
import json
import re
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from .errors import BabelmixError

Settings = TypeVar("Settings", bound=BaseModel)

_PLAIN_ITEM = re.compile(r"[^\s,\[\]{}\"']+")


def add_settings(parser: argparse.ArgumentParser, settings: type[BaseModel]) -> None:
    """Add ``--set``; the verb's help lists the settings."""
    parser.set_defaults(settings_class=settings)
    parser.add_argument(
        "--set",
        dest="settings",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=VALUE",
        help="what changes the result: "
        + "; ".join(_described(name, field) for name, field in settings.model_fields.items()),
    )


def _described(name: str, field: FieldInfo) -> str:
    needed = " (required)" if field.is_required() else ""
    text = (field.description or "").rstrip(".").replace("%", "%%")
    return f"{name}{needed}" + (f", {text[:1].lower()}{text[1:]}" if text else "")


def read_settings(args: argparse.Namespace, settings: type[Settings]) -> Settings:
    """Parse and check the settings of ``--set``.

    Raises:
        BabelmixError: naming an unknown, missing or wrong setting.
    """
    values: dict[str, Any] = {}
    for text in args.settings:
        name, sign, value = text.partition("=")
        field = settings.model_fields.get(name)
        if field is None or not sign:
            raise BabelmixError(
                f"--set {text[:60]}: expected NAME=VALUE with NAME one of "
                f"{', '.join(settings.model_fields)}."
            )
        values[name] = _parse(value, field)
    try:
        return settings.model_validate_json(json.dumps(values))
    except ValidationError as error:
        said = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['msg']} (given: {str(e['input'])[:60]})"
            for e in error.errors()
        )
        raise BabelmixError(f"--set: {said}.") from None


def as_options(values: Mapping[str, Any]) -> dict[str, str]:
    """Settings as JSON values -> by name, the text ``NAME=VALUE`` that ``read_settings`` takes."""
    return {name: f"{name}={_text(value)}" for name, value in values.items()}


def _text(value: Any) -> str:
    """A value's text: as short as the type that it has lets one read it back."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(map(_is_plain, value)):
        text = ",".join(value)
        if text != "null":  # which means that there is no list
            return text
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(", ", ": "))


def _is_plain(item: Any) -> bool:
    return isinstance(item, str) and _PLAIN_ITEM.fullmatch(item) is not None


def _kind(annotation: Any) -> str:
    """How values of a type are written: ``text``, ``list`` of plain items, or ``json``."""
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        kinds = {_kind(a) for a in typing.get_args(annotation) if a is not type(None)}
        return kinds.pop() if len(kinds) == 1 else "json"
    if origin is typing.Annotated:
        return _kind(typing.get_args(annotation)[0])
    if origin is Literal or annotation is str:
        return "text"
    if origin is list:
        return "list" if _kind(typing.get_args(annotation)[0]) == "text" else "json"
    return "json"


def _parse(text: str, field: FieldInfo) -> Any:
    kind = _kind(field.annotation)
    if kind == "text":
        optional = type(None) in typing.get_args(field.annotation)
        return None if optional and text in ("", "null") else text
    if kind == "list" and not text.startswith("[") and text != "null":
        return text.split(",") if text else []
    try:
        return json.loads(text)
    except ValueError:
        return text  # let the check of its type say what is wrong
