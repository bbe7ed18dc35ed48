"""Verb ``schema``: write the configuration's JSON schema and reference page from the models."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ..errors import BabelmixError
from ..io import write_text
from ..resources import ROOT
from .root import Config

SCHEMA_FILE = ROOT / "config" / "schema.json"
REFERENCE_FILE = ROOT / "docs" / "config-reference.md"
COMMAND = "python -m babelmix schema"


def schema_text() -> str:
    """The JSON schema (draft 2020-12) of a configuration file.

    Languages may be given as a list or without fields there, because known ones are filled in, and
    a source with ``builtin`` needs nothing else.
    """
    schema = Config.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    language = schema["$defs"]["Language"]
    language.pop("required", None)
    schema["properties"]["languages"]["additionalProperties"] = {
        "anyOf": [{"$ref": "#/$defs/Language"}, {"type": "null"}]
    }
    # A built-in source brings what else is needed.
    source = schema["$defs"]["Source"]
    source["anyOf"] = [{"required": ["builtin"]}, {"required": source.pop("required")}]
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def _type(field: dict[str, Any]) -> str:
    """A field's type in words."""
    if "$ref" in field:
        return f"[{field['$ref'].rsplit('/', 1)[1]}](#{field['$ref'].rsplit('/', 1)[1].lower()})"
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return " · ".join(f"`{v}`" for v in field["enum"])
    for key in ("anyOf", "oneOf"):
        if key in field:
            return " or ".join(_type(option) for option in field[key])
    kind = field.get("type", "any")
    if kind == "array":
        if "prefixItems" in field:
            return "list of " + ", ".join(_type(item) for item in field["prefixItems"])
        return f"list of {_type(field.get('items', {}))}"
    if kind == "object":
        inner = field.get("additionalProperties") or next(
            iter(field.get("patternProperties", {}).values()), None
        )
        return f"mapping of name to {_type(inner)}" if isinstance(inner, dict) else "mapping"
    return {"string": "text", "null": "nothing", "boolean": "true or false"}.get(kind, kind)


def _table(model: dict[str, Any]) -> list[str]:
    required = set(model.get("required", []))
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for name, field in model.get("properties", {}).items():
        default = "**needed**" if name in required else f"`{json.dumps(field.get('default'))}`"
        if "default" not in field and name not in required:
            default = ""
        meaning = field.get("description", "")
        if field.get("x-reruns") == "nothing":
            meaning += " *A change reruns nothing.*"
        cells = [f"`{name}`", _type(field), default, meaning]
        lines.append(
            "| " + " | ".join(c.replace("|", "\\|").replace("\n", " ") for c in cells) + " |"
        )
    return lines


def reference_text() -> str:
    """The reference page (Markdown), one table a section."""
    schema = Config.model_json_schema()
    lines = [
        "# Configuration reference",
        "",
        f"Generated from the models by `{COMMAND}`; do not edit by hand.",
        "How to pick values is said in the commented files in [config/](../config).",
        "",
        "## Top level",
        "",
        *_table(schema),
    ]
    for name, model in schema["$defs"].items():
        text = (model.get("description") or "").strip().replace("\n", " ")
        lines += ["", f"## {name}", "", text, "", *_table(model)]
    return "\n".join(lines) + "\n"


def documents() -> dict[Path, str]:
    """Every generated file and what it should hold."""
    return {SCHEMA_FILE: schema_text(), REFERENCE_FILE: reference_text()}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail when a file is out of date"
    )


def run(args: argparse.Namespace) -> None:
    """Write the generated files, or check them."""
    for path, text in documents().items():
        if args.check:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                raise BabelmixError(f"{path} is out of date. Run `{COMMAND}` and commit it.")
        else:
            write_text(path, text)
    print(f"{len(documents())} generated files {'are in sync' if args.check else 'written'}")
