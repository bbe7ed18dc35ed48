"""Conversations as token ids, and the proof of which of them are the assistant's.

Only the assistant's turns are trained on, each with the token that ends it. The template's
``{% generation %}`` markers say which text that is; without them it is what stands between a prompt
and the end of its answer. Either way the spans are proved a second time, with tokens: the prompt's
tokens must be a prefix of the conversation's, and the trained span must begin where they end. A row
in which the two disagree is refused, never guessed at.

No torch here; transformers is imported for its rendering of templates and costs about 2 s.
"""

from __future__ import annotations

import re
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
_MARKER = re.compile(r"\{%-?\s*generation\s*-?%\}")
#: Messages with ``role`` and ``content``; ``train: False`` marks a turn that is context only.
Chat = Sequence[Mapping[str, Any]]


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
        self.marked = bool(_MARKER.search(self.template))
        self._names: dict[str, Any] = dict(tokenizer.special_tokens_map)
        self._backend = tokenizer.backend_tokenizer
        self._backend.no_padding()
        self._backend.no_truncation()
        added = self._backend.get_added_tokens_decoder().values()
        self._control = sorted(token.content for token in added if token.special and token.content)

    @classmethod
    def load(cls, folder: Path | str) -> Formatter:
        """The formatter of a prepared model's folder."""
        return cls(load_tokenizer(folder))

    @property
    def control_tokens(self) -> list[str]:
        """Texts that the tokenizer reads as control tokens wherever they stand."""
        return list(self._control)

    def render(self, messages: Chat, *, prompt: bool = False) -> str:
        """The text of a conversation; ``prompt`` opens the assistant's next turn."""
        return self._render(messages, prompt=prompt)[0]

    def _render(
        self, messages: Chat, *, prompt: bool = False, marks: bool = False
    ) -> tuple[str, list[tuple[int, int]]]:
        from transformers.utils.chat_template_utils import render_jinja_template

        # Its annotation says text; it returns texts and, for each, the marked spans.
        rendered: Any = render_jinja_template(
            conversations=[[{n: v for n, v in m.items() if n != "train"} for m in messages]],
            chat_template=self.template,
            return_assistant_tokens_mask=marks,
            add_generation_prompt=prompt,
            **self._names,
        )
        texts, spans = rendered
        return texts[0], [(start, end) for start, end in spans[0]] if marks else []

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
        try:
            ids, labels = self._prove(messages)
            if max_length is None or len(ids) <= max_length:
                return Encoded(ids, labels)
            if truncation == "refuse":
                raise Refused("longer than max_length")
            if truncation == "turn":
                shorter = self._whole_turns(messages, max_length)
                if shorter is not None:
                    return shorter
        except Refused as refusal:
            return Encoded(note=f"refused: {refusal}")
        ids, labels = ids[:max_length], labels[:max_length]
        if all(label == IGNORED for label in labels):
            return Encoded(note="refused: no trained token within max_length")
        return Encoded(ids, labels, "cut: tokens")

    def _whole_turns(self, messages: Chat, max_length: int) -> Encoded | None:
        """The longest beginning that fits and ends in an answer; None where not even the first."""
        # A beginning whose answers are all context would train nothing.
        first = next(i for i, m in enumerate(messages) if _is_trained(m))
        ends = [i + 1 for i, m in enumerate(messages) if m["role"] == "assistant" and i >= first]
        for end in reversed([end for end in ends if end < len(messages)]):
            ids, labels = self._prove(messages[:end])
            if len(ids) <= max_length:
                return Encoded(ids, labels, "cut: turns")
        return None

    def _prove(self, messages: Chat) -> tuple[list[int], list[int]]:
        from jinja2 import TemplateError

        turns = [i for i, message in enumerate(messages) if message["role"] == "assistant"]
        if not turns:
            raise Refused("no assistant turn")
        self._check_contents(messages)
        try:
            text, marked = self._render(messages, marks=self.marked)
            prompts = [self.render(messages[:i], prompt=True) for i in turns]
            answered = [
                text if i + 1 == len(messages) else self.render(messages[: i + 1]) for i in turns
            ]
        except TemplateError as error:
            raise Refused(f"the chat template does not take it ({error})") from None
        contents = [messages[i]["content"].strip() for i in turns]
        spans = marked if self.marked else self._derive(text, prompts, answered, contents)
        if len(spans) != len(turns):
            raise Refused("the template marks another number of turns than the assistant has")
        self._check_texts(text, spans, contents)
        encoding = self._backend.encode(text, add_special_tokens=False)
        ids = list(encoding.ids)
        labels = [IGNORED] * len(ids)
        for turn, span, prompt, upto in zip(turns, spans, prompts, answered, strict=True):
            start, end = _token_span(encoding.offsets, span)
            self._check_prefix(ids, start, end, self.tokens(prompt), self.tokens(upto))
            if messages[turn].get("train", True):
                labels[start:end] = ids[start:end]
        if all(label == IGNORED for label in labels):
            raise Refused("no assistant turn is to be trained on")
        if labels[0] != IGNORED:
            raise Refused("the first token would be trained on, and nothing predicts it")
        return ids, labels

    def _check_contents(self, messages: Chat) -> None:
        for message in messages:
            if not message["content"].strip():
                raise Refused(f"empty {message['role']} turn")
            for control in self._control:
                if control in message["content"]:
                    # As text it would be read as the control token itself.
                    raise Refused(f"its text holds the control token {control!r}")

    def _derive(
        self, text: str, prompts: list[str], answered: list[str], contents: list[str]
    ) -> list[tuple[int, int]]:
        """Spans of a template without markers: from a prompt's end to its answer's end of turn."""
        spans = []
        for prompt, upto, content in zip(prompts, answered, contents, strict=True):
            if not (upto.startswith(prompt) and text.startswith(upto)):
                raise Refused("the template is not prefix-preserving")
            at = upto.rfind(content, len(prompt))
            if at < 0:
                raise Refused("the template changes the answer's text")
            after = at + len(content)
            spans.append((len(prompt), after + self._end_of_turn(upto[after:])))
        return spans

    def _end_of_turn(self, suffix: str) -> int:
        """Length of the end-of-turn mark at the head of what follows an answer."""
        ends = [suffix.find(c) + len(c) for c in self._control if c in suffix]
        return min(ends) if ends else len(suffix.rstrip())

    @staticmethod
    def _check_texts(text: str, spans: list[tuple[int, int]], contents: list[str]) -> None:
        for (start, end), content in zip(spans, contents, strict=True):
            answer, found, ending = text[start:end].partition(content)
            if not found or answer.strip():
                raise Refused("the marked text is not the answer")
            if not ending.strip():
                raise Refused("the template trains no end of turn")

    def _check_prefix(
        self, ids: list[int], start: int, end: int, prompt: list[int], upto: list[int]
    ) -> None:
        if ids[: len(prompt)] != prompt or ids[: len(upto)] != upto:
            raise Refused("the prompt's tokens are not a prefix of the conversation's")
        if start != len(prompt) or not start < end <= len(upto):
            raise Refused("text spans and token prefixes disagree on what is trained")
        rest = self._backend.decode(ids[end : len(upto)], skip_special_tokens=False)
        if rest.strip():
            raise Refused("a part of the assistant's turn would not be trained on")

    def end_of_turn_id(self) -> int:
        """The token that ends an assistant turn; an error where the template trains none."""
        probe = [{"role": "user", "content": "ping"}, {"role": "assistant", "content": "pong"}]
        encoded = self.encode(probe)
        if encoded.note:
            raise BabelmixError(
                f"chat template: a plain question and answer is {encoded.note}. Choose another "
                "`chat_template` for this model (`study1`, `chatml`)."
            )
        last = max(i for i, label in enumerate(encoded.labels) if label != IGNORED)
        token = self._backend.id_to_token(encoded.input_ids[last])
        if token not in self._control:
            raise BabelmixError(
                f"chat template: a turn ends in the ordinary token {token!r}, at which generation "
                "cannot stop. Choose another `chat_template` for this model (`study1`, `chatml`)."
            )
        return encoded.input_ids[last]


def _is_trained(message: Mapping[str, Any]) -> bool:
    """Whether a message is an assistant's turn that gets a loss."""
    return message["role"] == "assistant" and bool(message.get("train", True))


def _token_span(offsets: Sequence[tuple[int, int]], span: tuple[int, int]) -> tuple[int, int]:
    """The tokens that lie within a span of characters; refused where one straddles its edge."""
    inside = [i for i, (a, b) in enumerate(offsets) if a < b and a < span[1] and b > span[0]]
    if not inside:
        raise Refused("no token lies within the answer")
    if any(offsets[i][0] < span[0] or offsets[i][1] > span[1] for i in (inside[0], inside[-1])):
        raise Refused("a token straddles the edge of the answer")
    return inside[0], inside[-1] + 1
