"""What an engine must know of a checkpoint's tokenizer: read once, without torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..io import read_json

if TYPE_CHECKING:
    from ..train.chat import Formatter

#: Names under which configurations keep the model's longest sequence.
_CONTEXT = ("max_position_embeddings", "n_positions", "max_sequence_length", "max_seq_len")


@dataclass(frozen=True, slots=True)
class Codec:
    """Text to ids and back, the tokens that end an answer, and the model's longest sequence.

    ``bos``: text and id of the token that a template opens with; ``adds_bos``: whether the
    tokenizer puts one before plain text by itself, as a server that is sent text would.
    ``further_stops``: those of ``stop_ids`` that only the generation settings name.
    """

    encode: Callable[[str], list[int]]
    decode: Callable[[list[int]], str]
    stop_ids: list[int]
    stop_words: list[str]
    special_ids: frozenset[int] = frozenset()
    control_tokens: tuple[str, ...] = ()
    bos: tuple[str, int] | None = None
    adds_bos: bool = False
    context: int | None = None
    further_stops: tuple[int, ...] = ()


def load_codec(checkpoint: Path, formatter: Formatter) -> Codec:
    """Read a checkpoint's codec.

    An answer ends at the template's end of turn, at the tokenizer's end of text, and at what the
    checkpoint's ``generation_config.json`` names beside them (as Llama 3's `<|eom_id|>`).
    """
    from ..train.chat import load_tokenizer

    tokenizer = load_tokenizer(checkpoint)
    stops = set(formatter.end_of_turn_ids())
    if tokenizer.eos_token_id is not None:
        stops.add(tokenizer.eos_token_id)
    named = further_stops(checkpoint) - stops
    stops |= named

    def decode(ids: list[int]) -> str:
        # Some tokenizers' own setting would take the space before « ! » and « ? » away.
        text = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return str(text)

    bos = None
    if tokenizer.bos_token is not None and tokenizer.bos_token_id is not None:
        bos = (str(tokenizer.bos_token), int(tokenizer.bos_token_id))
    return Codec(
        encode=formatter.tokens,
        decode=decode,
        stop_ids=sorted(stops),
        stop_words=[str(tokenizer.decode([stop])) for stop in sorted(stops)],
        special_ids=frozenset(tokenizer.all_special_ids)
        | {i for i, token in tokenizer.added_tokens_decoder.items() if token.special},
        control_tokens=tuple(formatter.control_tokens),
        bos=bos,
        adds_bos=bos is not None and tokenizer("a").input_ids[:1] == [bos[1]],
        context=context_of(checkpoint),
        further_stops=tuple(sorted(named)),
    )


def further_stops(checkpoint: Path) -> set[int]:
    """Return the ids at which the checkpoint's own generation settings end a text."""
    path = checkpoint / "generation_config.json"
    held = read_json(path).get("eos_token_id") if path.is_file() else None
    ids = held if isinstance(held, list) else [held]
    return {token for token in ids if type(token) is int and token >= 0}


def context_of(checkpoint: Path) -> int | None:
    """Return a model's longest sequence, in tokens; None where its configuration names none."""
    path = checkpoint / "config.json"
    config = read_json(path) if path.is_file() else {}
    held = config.get("text_config")
    sections = [held, config] if isinstance(held, dict) else [config]
    found = [section[name] for section in sections for name in _CONTEXT if section.get(name)]
    return int(found[0]) if found else None
