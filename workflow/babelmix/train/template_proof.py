"""A tokenizer's own chat template, proved before a model is prepared. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import BabelmixError
from .chat import Formatter, load_tokenizer

_TURNS = [
    {"role": "user", "content": "ping"},
    {"role": "assistant", "content": "pong"},
    {"role": "user", "content": "Ping again?"},
    {"role": "assistant", "content": "Pong again."},
]
_SYSTEM = {"role": "system", "content": "Be brief."}
_OTHER = "Choose another `chat_template` for this model (`study1`, `chatml`)"


def prove_template(folder: Path, where: str, *, system: str = "") -> None:
    """Prove that a tokenizer's own chat template can be masked and ends its turns.

    ``system`` names the setting that shows it system prompts. The same proof as `prepare-model`
    and `tokenise` make.

    Raises:
        BabelmixError: naming what the template does not do, and what to choose in its place.
    """
    tokenizer = _load(folder, where)
    if not isinstance(tokenizer.chat_template, str):
        raise BabelmixError(
            f"{where}: `chat_template: own`, but the tokenizer in {folder} has none (or several). "
            f"{_OTHER}."
        )
    if tokenizer.eos_token is None:
        raise BabelmixError(f"{where}: the tokenizer names no end-of-sequence token.")
    formatter = Formatter(tokenizer)
    try:
        formatter.end_of_turn_id()
    except BabelmixError as error:
        raise BabelmixError(f"{where}: {error}") from None
    if note := formatter.encode(_TURNS).note:
        raise BabelmixError(f"{where}: chat template: a dialogue of two turns is {note}. {_OTHER}.")
    if system and (note := formatter.encode([_SYSTEM, *_TURNS]).note):
        raise BabelmixError(
            f"{where}: chat template: a dialogue with a system prompt is {note}. {_OTHER}, or set "
            f"`{system}` to false."
        )


def _load(folder: Path, where: str) -> Any:
    if (folder / "tokenizer.json").is_file():
        return load_tokenizer(folder)  # spares importing torch
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (ValueError, OSError) as error:
        raise BabelmixError(f"{where}: {folder}: no tokenizer can be loaded ({error}).") from None
    if not tokenizer.is_fast:
        raise BabelmixError(f"{where}: {folder}: only slow tokenizer code; a fast one is needed.")
    return tokenizer
