"""Chat templates as a study uses them: ours, or a model's own with all that could vary fixed.

A prepared model's template is complete in itself: arguments, the date and what training needs are
written into its text, so that every reader of the folder (this package, transformers, vLLM) renders
the same. A record of what it rendered lies beside it and is compared whenever it is loaded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BabelmixError, unknown_name
from ..io import digest, read_json
from ..resources import RESOURCES

if TYPE_CHECKING:
    from .chat import Formatter

#: Templates beside the one for plain chats, by the names that publishers give them.
_FOR_TOOLS = ("tool_use", "rag")
#: What prepare-model notes for the verbs after it; lies in the model's folder and in checkpoints.
RECORD = "babelmix.json"
_CLOCK = "strftime_now"


@dataclass(frozen=True, slots=True)
class Patch:
    """A change to a template's text that lets it write a whole conversation as it was answered."""

    name: str
    replacements: tuple[tuple[str, str], ...]

    def apply(self, template: str) -> str:
        """The template with the change, or as it is where it does not have the place."""
        for pattern, replacement in self.replacements:
            template = re.sub(pattern, replacement, template)
        return template


#: Applied to `own` templates where, and only where, more conversations can then be proved.
PATCHES = (
    # Qwen3 and its successors take the block out of all turns but those after the last question.
    Patch(
        "every answer keeps its empty thinking block",
        (
            (r"loop\.index0\s*>\s*ns\.last_query_index", "true"),
            (r"loop\.last or \(not loop\.last and reasoning_content\)", "true"),
        ),
    ),
    # Mistral's write it before the last question, and not at all once that is answered.
    Patch(
        "the system prompt stands before the first question",
        (
            (
                r"loop\.last and system_message is defined",
                "loop.first and system_message is defined",
            ),
        ),
    ),
)
#: Arguments to suggest where a template cannot be proved without.
_SUGGESTED: tuple[dict[str, Any], ...] = (
    {"enable_thinking": False},
    {"thinking": False},
    {"enable_thinking": False, "preserve_thinking": True},
)


def read_template(name: str, where: str = "chat_template") -> str:
    """Text of one of our templates (``resources/templates/{name}.jinja``)."""
    root = RESOURCES / "templates"
    known = sorted(path.stem for path in root.glob("*.jinja"))
    if name not in known:
        raise unknown_name("chat template", name, [*known, "own"], where)
    return (root / f"{name}.jinja").read_text(encoding="utf-8")


def own_template(found: Any, where: str) -> str:
    """A tokenizer's own template for plain chats.

    Beside it there may be others for tools and for retrieval (Command R, Hermes): without either,
    transformers takes the one that is named `default`. Raises ``BabelmixError`` where there is
    none, or one for each of some other cases (Teuken: for each language).
    """
    if isinstance(found, str):
        return found
    names = sorted(found or {})
    if "default" in names and {*names} <= {"default", *_FOR_TOOLS}:
        return str(found["default"])
    several = f"several ({', '.join(names)})" if names else "none"
    raise BabelmixError(
        f"{where}: `chat_template: own`, but the tokenizer has {several}. Choose `study1` or "
        "`chatml`."
    )


def fix_template(template: str, arguments: Mapping[str, Any], today: date, where: str) -> str:
    """The template with its arguments and the date written into it.

    A caller that gives an argument still overrides it. Raises ``BabelmixError`` for an argument
    that the template does not read, and for a date that it reads in another way than
    ``strftime_now("…")``.
    """
    read = _undeclared(template, where) - {"messages", "add_generation_prompt"}
    unknown = sorted(set(arguments) - read)
    if unknown:
        raise unknown_name("argument", unknown[0], sorted(read), f"{where}.template_args")
    # Of the newline after a block nothing is left; of the template's own first one all must be.
    head = "".join(
        f"{{%- set {name} = {name} if {name} is defined else {_literal(value)} %}}\n"
        for name, value in sorted(arguments.items())
    )
    return head + _clock(template, today, where) + template


def _parse(template: str, where: str) -> Any:
    """A template's syntax tree."""
    from jinja2 import TemplateSyntaxError
    from transformers.utils.chat_template_utils import _compile_jinja_template

    try:
        # Nothing public gives the environment of transformers, which knows more tags than Jinja.
        return _compile_jinja_template(template).environment.parse(template)
    except TemplateSyntaxError as error:
        raise BabelmixError(f"{where}: its chat template cannot be read ({error}).") from None


def _undeclared(template: str, where: str) -> set[str]:
    """Names that a template reads from its caller."""
    from jinja2.meta import find_undeclared_variables

    return set(find_undeclared_variables(_parse(template, where)))


def _literal(value: Any) -> str:
    """A JSON value as Jinja writes it."""
    if value is None:
        return "none"
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(k)}: {_literal(v)}' for k, v in value.items())}}}"
    return json.dumps(value)


def _clock(template: str, today: date, where: str) -> str:
    """A macro in place of the clock, with the date in each of the template's formats.

    Empty for a template that does not read the clock.
    """
    from jinja2 import nodes

    tree = _parse(template, where)
    uses = [n for n in tree.find_all(nodes.Name) if n.name == _CLOCK and n.ctx == "load"]
    tests = [n for n in tree.find_all(nodes.Test) if n.node in uses and n.name == "defined"]
    formats = [
        call.args[0].value
        for call in tree.find_all(nodes.Call)
        if call.node in uses and len(call.args) == 1 and isinstance(call.args[0], nodes.Const)
    ]
    if len(formats) + len(tests) != len(uses):
        raise BabelmixError(
            f"{where}: its chat template reads the date in a form that cannot be fixed. Choose "
            "another `chat_template` (`study1`, `chatml`)."
        )
    if not formats:
        return ""
    dates = _literal({form: today.strftime(form) for form in dict.fromkeys(formats)})
    return f"{{%- macro {_CLOCK}(format) -%}}{{{{- {dates}[format] -}}}}{{%- endmacro %}}\n"


def refusals(formatter: Formatter) -> dict[str, str]:
    """Shapes of conversations -> why the template cannot be proved on them (empty: it can)."""
    from .chat import PROBES

    return {name: formatter.encode(chat).note for name, chat in PROBES.items()}


def patch_template(tokenizer: Any) -> list[str]:
    """Patch the tokenizer's own template where that proves more; returns what was changed."""
    original = tokenizer.chat_template
    best, found = _proved(tokenizer, original), original
    changes: tuple[Patch, ...] = ()
    fitting = [patch for patch in PATCHES if patch.apply(original) != original]
    for count in range(1, len(fitting) + 1):
        for chosen in combinations(fitting, count):
            text = original
            for patch in chosen:
                text = patch.apply(text)
            proved = _proved(tokenizer, text)
            if proved > best:
                best, found, changes = proved, text, chosen
    tokenizer.chat_template = found
    return [patch.name for patch in changes]


def suggest_arguments(
    own: str, tokenizer: Any, arguments: Mapping[str, Any], today: date, where: str
) -> dict[str, Any]:
    """Arguments with which a plain question and answer can be proved; empty: none is known."""
    read = _undeclared(own, where)
    for more in _SUGGESTED:
        if set(more) <= read:
            text = fix_template(own, {**arguments, **more}, today, where)
            if "one exchange" in _proved(tokenizer, text):
                return {**arguments, **more}
    return {}


def _proved(tokenizer: Any, template: str) -> frozenset[str]:
    """Shapes of conversations on which a template can be proved."""
    from .chat import Formatter

    before = tokenizer.chat_template
    tokenizer.chat_template = template
    try:
        notes = refusals(Formatter(tokenizer))
    finally:
        tokenizer.chat_template = before
    return frozenset(name for name, note in notes.items() if not note)


def rendered_digest(formatter: Formatter) -> str:
    """SHA-256 of what the template writes for each shape of conversation, and for its prompt."""
    from .chat import PROBES, Refused

    texts = []
    for chat in PROBES.values():
        for messages, prompt in ((chat, False), (chat[:-1], True)):
            try:
                texts.append(formatter.try_render(messages, prompt=prompt))
            except Refused:
                texts.append("refused")
    return digest(texts)


def check_rendering(formatter: Formatter, folder: Path) -> None:
    """Compare what a folder's template writes now with what it wrote when it was prepared."""
    record = folder / RECORD
    if not record.is_file():
        return  # prepared by an earlier release
    if read_json(record)["rendered_digest"] != rendered_digest(formatter):
        raise BabelmixError(
            f"{folder}: its chat template writes something else than when the model was prepared "
            "(another version of transformers or Jinja, or a file that was changed). Run "
            "prepare-model, tokenise and train again, or go back to those versions."
        )
