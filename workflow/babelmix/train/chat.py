"""Conversations as token ids, and the proof of which of them are the assistant's.

Only the assistant's turns are trained on, each with the token that ends it. Where a turn begins is
what the template says itself when it is asked to open the next one: the prompt at which generation
will start. That prompt's text must begin the conversation's text, its tokens must begin the
conversation's tokens, what follows must be the answer and nothing else, and a control token must
end it. A row in which any of these fails is refused, never guessed at. ``{% generation %}`` markers
are therefore not needed, and templates whose markers cover more than the answer do no harm.

One conversation costs one rendering per turn and one more, and encodes each of its texts twice:
a prompt is compared from its last control token on, as the tokenizer splits texts there.

No torch here; transformers is imported for its rendering of templates and costs about 2 s.
"""

from __future__ import annotations

import contextlib
import functools
import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BabelmixError
from ..io import digest

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

#: Label of a token that is not trained on (PyTorch's own default).
IGNORED = -100
#: Messages with ``role`` and ``content``; ``train: False`` marks a turn that is context only.
Chat = Sequence[Mapping[str, Any]]
_ASKED = {"role": "user", "content": "ping"}
_SAID = {"role": "assistant", "content": "pong"}
_SYSTEM = {"role": "system", "content": "Answer in one word."}
#: The shapes of conversations that a template is tried on.
PROBES: dict[str, Chat] = {
    "one exchange": [_ASKED, _SAID],
    "several exchanges": [_ASKED, _SAID, _ASKED, _SAID, _ASKED, _SAID],
    "a system prompt": [_SYSTEM, _ASKED, _SAID],
    "a system prompt and several exchanges": [_SYSTEM, _ASKED, _SAID, _ASKED, _SAID],
}


class Refused(Exception):
    """A row whose trained tokens cannot be proved; the text is the reason."""


@dataclass(slots=True)
class Encoded:
    """Token ids of one conversation, and labels of the same length (-100: not trained on).

    ``note`` is empty, ``cut: turns`` (later turns left out), ``cut: tokens`` (cut within a turn) or
    ``refused: …`` (then there are no tokens).
    """

    input_ids: list[int] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    note: str = ""

    @property
    def trained(self) -> int:
        """The number of tokens that are trained on."""
        return sum(label != IGNORED for label in self.labels)


def template_digest(template: Any) -> str:
    """SHA-256 of a chat template, given as text or as the tokenizer that holds it."""
    text = template if isinstance(template, str) else template.chat_template
    if not isinstance(text, str):
        raise BabelmixError("the tokenizer has no chat template, or several; one is needed.")
    return digest(text)


def load_tokenizer(folder: Path | str) -> PreTrainedTokenizerFast:
    """Load the tokenizer of a prepared model (``tokenizer.json``), without importing torch."""
    from transformers import PreTrainedTokenizerFast

    folder = Path(folder)
    if not (folder / "tokenizer.json").is_file():
        raise BabelmixError(
            f"{folder}: no tokenizer.json. This folder was not made by prepare-model; run it first."
        )
    return PreTrainedTokenizerFast.from_pretrained(str(folder), local_files_only=True)


class Formatter:
    """Renders and encodes conversations with one tokenizer and its chat template."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        template_digest(tokenizer)
        self.template: str = tokenizer.chat_template
        self._names: dict[str, Any] = dict(tokenizer.special_tokens_map)
        self._backend = tokenizer.backend_tokenizer
        self._backend.no_padding()
        self._backend.no_truncation()
        added = self._backend.get_added_tokens_decoder()
        special = {i: token for i, token in added.items() if token.special and token.content}
        self._control = sorted(token.content for token in special.values())
        self._control_ids = frozenset(special)
        self._in_text = re.compile("|".join(map(re.escape, self._control)) or r"(?!)")
        # Others are found only after the text was normalised, in one piece with what precedes them.
        self._cuts = frozenset(i for i, token in special.items() if not token.normalized)

    @classmethod
    def load(cls, folder: Path | str) -> Formatter:
        """The formatter of a prepared model's folder; an error where it renders differently now."""
        from .templates import check_rendering

        formatter = cls(load_tokenizer(folder))
        check_rendering(formatter, Path(folder))
        return formatter

    @property
    def control_tokens(self) -> list[str]:
        """Texts that the tokenizer reads as control tokens wherever they stand."""
        return list(self._control)

    def render(self, messages: Chat, *, prompt: bool = False) -> str:
        """The text of a conversation; ``prompt`` opens the assistant's next turn."""
        from transformers.utils.chat_template_utils import render_jinja_template

        # Its annotation says text; it returns texts and, for each, the marked spans.
        rendered: Any = render_jinja_template(
            conversations=[[{n: v for n, v in m.items() if n != "train"} for m in messages]],
            chat_template=self.template,
            add_generation_prompt=prompt,
            **self._names,
        )
        return str(rendered[0][0])

    def tokens(self, text: str) -> list[int]:
        """Token ids of rendered text: the template writes every special token itself."""
        return list(self._backend.encode(text, add_special_tokens=False).ids)

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Characters of rendered text that each of its ``tokens`` stands for: [start, end)."""
        return list(self._backend.encode(text, add_special_tokens=False).offsets)

    def encode(
        self, messages: Chat, max_length: int | None = None, truncation: str = "turn"
    ) -> Encoded:
        """One conversation as ids and labels; refused rows come back empty with their reason.

        ``truncation`` says what becomes of a row over ``max_length``: `turn`, `token` or `refuse`.
        """
        prompts: dict[int, str] = {}
        try:
            ids, labels, ends = self._prove(messages, prompts)
            self._check_ends({ids[end - 1] for end in ends.values()})
            if max_length is None or len(ids) <= max_length:
                return Encoded(ids, labels)
            if truncation == "refuse":
                raise Refused("longer than max_length")
            if truncation == "turn":
                shorter = self._whole_turns(messages, max_length, ends, prompts)
                if shorter is not None:
                    return shorter
        except Refused as refusal:
            return Encoded(note=f"refused: {refusal}")
        ids, labels = ids[:max_length], labels[:max_length]
        if all(label == IGNORED for label in labels):
            return Encoded(note="refused: no trained token within max_length")
        return Encoded(ids, labels, "cut: tokens")

    def _whole_turns(
        self, messages: Chat, max_length: int, ends: dict[int, int], prompts: dict[int, str]
    ) -> Encoded | None:
        """The longest beginning that fits and ends in an answer; None where not even the first.

        A beginning is rendered as a conversation of its own (templates close the last turn in their
        own way), so that one whose tokens up to its answer just fit may still be too long.
        """
        # A beginning whose answers are all context would train nothing.
        first = next(i for i, m in enumerate(messages) if _is_trained(m))
        fitting = [i + 1 for i, end in ends.items() if i >= first and end <= max_length]
        for end in sorted((end for end in fitting if end < len(messages)), reverse=True):
            ids, labels, _ = self._prove(messages[:end], prompts)
            if len(ids) <= max_length:
                return Encoded(ids, labels, "cut: turns")
        return None

    def _prove(
        self, messages: Chat, prompts: dict[int, str]
    ) -> tuple[list[int], list[int], dict[int, int]]:
        """Ids, labels, and where each assistant turn ends in them (by its message's number).

        ``prompts`` keeps what was rendered, for a shorter beginning of the same conversation.
        """
        turns = [i for i, message in enumerate(messages) if message["role"] == "assistant"]
        if not turns:
            raise Refused("no assistant turn")
        self._check_contents(messages)
        text = self.try_render(messages)
        for i in turns:
            if i not in prompts:
                prompts[i] = self.try_render(messages[:i], prompt=True)
        encoding = self._backend.encode(text, add_special_tokens=False)
        ids, offsets = list(encoding.ids), encoding.offsets
        labels = [IGNORED] * len(ids)
        controls = [k for k, token in enumerate(ids) if token in self._control_ids]
        cuts = [k for k in controls if ids[k] in self._cuts]
        ends: dict[int, int] = {}
        for turn in turns:
            prompt = prompts[turn]
            if not text.startswith(prompt):
                raise Refused("the template is not prefix-preserving")
            start = self._start(prompt, ids, offsets, cuts)
            place = bisect_left(controls, start)
            if place == len(controls):
                raise Refused("no control token ends the turn: generation cannot stop there")
            end = controls[place]
            self._check_answer(text[len(prompt) : offsets[end][0]], messages[turn]["content"])
            if start == end:
                raise Refused("no token lies within the answer")
            ends[turn] = end + 1
            if messages[turn].get("train", True):
                labels[start : end + 1] = ids[start : end + 1]
        if all(label == IGNORED for label in labels):
            raise Refused("no assistant turn is to be trained on")
        if labels[0] != IGNORED:
            raise Refused("the first token would be trained on, and nothing predicts it")
        return ids, labels, ends

    def try_render(self, messages: Chat, *, prompt: bool = False) -> str:
        """Render, or refuse the row where the template raises."""
        from jinja2 import TemplateError

        try:
            return self.render(messages, prompt=prompt)
        except (TemplateError, TypeError, ValueError, LookupError, AttributeError) as error:
            raise Refused(f"the chat template does not take it ({error})") from None

    def _start(
        self, prompt: str, ids: list[int], offsets: list[tuple[int, int]], cuts: list[int]
    ) -> int:
        """The number of tokens of a prompt whose text begins the conversation's.

        Texts are split at control tokens before anything else, so that all tokens up to the last
        one in the prompt are the conversation's own; from there on they are compared.
        """
        place = bisect_right(cuts, len(prompt), key=lambda k: offsets[k][0] + 1)
        first = cuts[place - 1] if place else 0
        tail = self.tokens(prompt[offsets[first][0] if place else 0 :])
        end = first + len(tail)
        if ids[first:end] != tail:
            raise Refused("the prompt's tokens are not a prefix of the conversation's")
        return end

    def _check_contents(self, messages: Chat) -> None:
        for message in messages:
            if not message["content"].strip():
                raise Refused(f"empty {message['role']} turn")
            found = self._in_text.search(message["content"])
            if found:
                # As text it would be read as the control token itself.
                raise Refused(f"its text holds the control token {found[0]!r}")

    @staticmethod
    def _check_answer(written: str, answer: str) -> None:
        """What the template writes between a prompt and the end of turn is the answer alone."""
        written, answer = written.strip(), answer.strip()
        if written == answer:
            return
        before, found, after = written.partition(answer)
        if not found:
            raise Refused("the template changes the answer's text")
        extra = f"{before.strip()} … {after.strip()}".strip(" …")
        raise Refused(f"the template adds {extra[:60]!r} to the answer, which no prompt opens")

    def _check_ends(self, found: set[int]) -> None:
        """Turns end in tokens at which generation stops."""
        unknown = found.difference(self._stops)
        if unknown:
            name = self._backend.id_to_token(min(unknown))
            raise Refused(f"a turn ends in {name!r}, at which generation does not stop")

    @functools.cached_property
    def _stops(self) -> tuple[int, ...]:
        """Tokens that end assistant turns, that of a last turn first."""
        found = []
        for name in ("one exchange", "several exchanges"):
            # Some templates do not take the longer one; its rows are then refused as well.
            with contextlib.suppress(Refused):
                ids, _, ends = self._prove(PROBES[name], {})
                found += [ids[end - 1] for end in sorted(ends.values(), reverse=True)]
        return tuple(dict.fromkeys(found))

    def end_of_turn_ids(self) -> list[int]:
        """Tokens that end assistant turns, that of a conversation's last turn first.

        Some templates end earlier turns in a token of their own. Raises ``BabelmixError`` where a
        plain question and answer cannot be proved.
        """
        note = self.encode(PROBES["one exchange"]).note
        if note:
            raise BabelmixError(
                f"chat template: a plain question and answer is {note}. Choose another "
                "`chat_template` for this model (`study1`, `chatml`)."
            )
        return list(self._stops)

    def end_of_turn_id(self) -> int:
        """The token that ends a conversation's last turn; raises as ``end_of_turn_ids`` does."""
        return self.end_of_turn_ids()[0]


def _is_trained(message: Mapping[str, Any]) -> bool:
    """Whether a message is an assistant's turn that gets a loss."""
    return message["role"] == "assistant" and bool(message.get("train", True))
