"""A tokenizer's own chat template, proved before a model is prepared."""

from __future__ import annotations

from pathlib import Path

from ..config.training import Model
from ..errors import BabelmixError
from .chat import Formatter
from .prepare import templated_tokenizer

_TURNS = [
    {"role": "user", "content": "ping"},
    {"role": "assistant", "content": "pong"},
    {"role": "user", "content": "Ping again?"},
    {"role": "assistant", "content": "Pong again."},
]
_SYSTEM = {"role": "system", "content": "Be brief."}
_OTHER = "Choose another `chat_template` for this model (`study1`, `chatml`)"


def prove_template(folder: Path, model: Model, where: str, *, system: str = "") -> None:
    """Prove that a tokenizer's own chat template can be masked and ends its turns.

    ``system`` names the setting that shows it system prompts. The template is the one that
    `prepare-model` will set, and the proof the one of `tokenise`.

    Raises:
        BabelmixError: naming what the template does not do, and what to choose in its place.
    """
    formatter = Formatter(templated_tokenizer(folder, model, where))
    try:
        formatter.end_of_turn_ids()
    except BabelmixError as error:
        raise BabelmixError(f"{where}: {error}") from None
    if note := formatter.encode(_TURNS).note:
        raise BabelmixError(f"{where}: chat template: a dialogue of two turns is {note}. {_OTHER}.")
    if system and (note := formatter.encode([_SYSTEM, *_TURNS]).note):
        raise BabelmixError(
            f"{where}: chat template: a dialogue with a system prompt is {note}. {_OTHER}, or set "
            f"`{system}` to false."
        )
