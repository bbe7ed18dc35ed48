"""A chat translator's own prompt: its named slots, checked, and filled in once."""

from __future__ import annotations

import re
from collections.abc import Mapping

#: What a prompt may name. `{text}`: the prompt is the user's message with the text in it; without
#: it, the prompt is the system's message and the text the user's.
SLOTS = ("source", "target", "source_code", "target_code", "text")
_SLOT = re.compile(r"\{([A-Za-z_]\w*)\}")


def is_prompt_file(prompt: str) -> bool:
    """Whether a `prompt` names a file rather than being the prompt itself."""
    named = "\n" not in prompt and "{target" not in prompt
    return named and prompt.strip().endswith((".txt", ".md"))


def check_prompt(prompt: str) -> None:
    """Raise ValueError for an empty prompt, an unknown slot, or one that names no target."""
    if not prompt.strip():
        raise ValueError("the prompt is empty")
    named = _SLOT.findall(prompt)
    allowed = ", ".join(f"{{{slot}}}" for slot in SLOTS)
    if unknown := [name for name in named if name not in SLOTS]:
        raise ValueError(f"the prompt has an unknown slot {{{unknown[0]}}}; there are: {allowed}")
    if not {"target", "target_code"} & set(named):
        raise ValueError(
            "the prompt does not say into which language: it needs {target} or {target_code}"
        )
    if named.count("text") > 1:
        raise ValueError("the prompt has {text} more than once; each text is sent once")


def fill_in(prompt: str, values: Mapping[str, str]) -> str:
    """Fill in a prompt's slots, once: braces in what is filled in stay as they are."""
    return _SLOT.sub(lambda slot: values.get(slot[1], slot[0]), prompt)
