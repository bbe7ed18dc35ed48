"""What a row that no reader understood looks like: the settings that read it, in one line."""

from __future__ import annotations

from typing import Any

#: Pairs of columns that published sets have, with what else may stand beside the question.
_PAIRS = (
    ("instruction", "input", "output"),
    ("instruction", "context", "response"),
    ("instruction", "input", "response"),
    ("instruction", "input", "answer"),
    ("question", "context", "answer"),
    ("question", "context", "response"),
    ("query", "context", "answer"),
    ("query", "context", "response"),
    ("prompt", "context", "completion"),
    ("prompt", "context", "response"),
    ("prompt", "context", "answer"),
    ("inputs", "context", "targets"),
    ("input", "context", "output"),
    ("source", "context", "target"),
    ("prompt", "context", "chosen"),
    ("question", "context", "chosen"),
)
_SYSTEM = ("system", "system_prompt")


def suggest(row: dict[str, Any]) -> str:
    """Return the settings by which a row of a known shape is read; empty for any other."""
    if "message_id" in row and "parent_id" in row:
        return "`adapter: oasst`"
    for name in ("messages", "conversations", "conversation", "items", "chosen"):
        if found := _turns(row.get(name)):
            return "`adapter: sharegpt`" if name == "items" else found
    if _turns(row.get("prompt")) and _turns(row.get("completion")):
        return "`adapter: messages`"
    text = row.get("text")
    if isinstance(text, str) and "### Human:" in text:
        return "`adapter: guanaco`"
    return _pair(row)


def _turns(value: Any) -> str:
    """The adapter of a list of turns."""
    if not isinstance(value, list) or not value or not isinstance(value[0], dict):
        return ""
    first = value[0]
    if "from" in first and "value" in first:
        return "`adapter: sharegpt`"
    known = ("role" in first and "content" in first) or ("input" in first and "output" in first)
    return "`adapter: messages`" if known else ""


def _pair(row: dict[str, Any]) -> str:
    def there(name: str) -> bool:
        return isinstance(row.get(name), str) and bool(row[name].strip())

    for question, beside, answer in _PAIRS:
        if not (there(question) and there(answer)):
            continue
        prompt = f"[{question}, {beside}]" if beside in row else question
        system = next((f", system: {name}" for name in _SYSTEM if name in row), "")
        return f"`adapter: fields` with `fields: {{prompt: {prompt}, answer: {answer}{system}}}`"
    return ""
