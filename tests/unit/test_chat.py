"""Which tokens are trained on: proved for several templates, with and without markers."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import tiny_model
from hypothesis import given, settings
from hypothesis import strategies as st

from babelmix.errors import BabelmixError
from babelmix.train.chat import IGNORED, Formatter, template_digest
from babelmix.train.templates import read_template

#: ChatML as many published models ship it: no markers, a newline after each end of turn.
UNMARKED = (
    "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def formatter(template: str) -> Formatter:
    """The tiny tokenizer with a template: a name in resources/templates, `own`, or its text."""
    tokenizer = copy.deepcopy(tiny_model.tokenizer())
    if template == "chatml":
        tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    if template in ("study1", "chatml"):
        tokenizer.chat_template = read_template(template)
    elif template != "own":
        tokenizer.chat_template = template
    return Formatter(tokenizer)


TEMPLATES = {
    name: formatter(UNMARKED if name == "unmarked" else name)
    for name in ("own", "study1", "chatml", "unmarked")
}
ENDS = {"own": "<|end|>", "study1": "</s>", "chatml": "<|im_end|>", "unmarked": "<|end|>"}


def trained_texts(form: Formatter, ids: list[int], labels: list[int]) -> list[str]:
    """The runs of trained tokens, decoded."""
    runs: list[list[int]] = []
    before = IGNORED
    for token, label in zip(ids, labels, strict=True):
        if label != IGNORED:
            assert label == token
            if before == IGNORED:
                runs.append([])
            runs[-1].append(token)
        before = label
    return [form._backend.decode(run, skip_special_tokens=False) for run in runs]


@pytest.mark.parametrize("name", TEMPLATES)
@given(turns=st.integers(1, 4), seed=st.integers(0, 10_000), system=st.booleans())
@settings(max_examples=25, deadline=None)
def test_exactly_the_answers_are_trained(name: str, turns: int, seed: int, system: bool) -> None:
    messages = tiny_model.chat(seed, turns)
    if system:
        messages.insert(0, {"role": "system", "content": "the tree says hello"})
    encoded = TEMPLATES[name].encode(messages)
    assert encoded.note == ""
    answers = [m["content"] for m in messages if m["role"] == "assistant"]
    texts = trained_texts(TEMPLATES[name], encoded.input_ids, encoded.labels)
    assert [text.strip() for text in texts] == [answer + ENDS[name] for answer in answers]


@pytest.mark.parametrize("name", TEMPLATES)
@given(text=st.text(min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_any_text_is_proved_or_refused(name: str, text: str) -> None:
    messages = [{"role": "user", "content": text}, {"role": "assistant", "content": text}]
    form = TEMPLATES[name]
    encoded = form.encode(messages)
    if encoded.note:
        assert encoded.note.startswith("refused: ")
        assert not encoded.input_ids
        return
    (trained,) = trained_texts(form, encoded.input_ids, encoded.labels)
    assert trained.removesuffix(ENDS[name]).strip() == text.strip()
    prompt = form.tokens(form.render(messages[:1], prompt=True))
    assert encoded.input_ids[: len(prompt)] == prompt
    assert encoded.labels[: len(prompt)] == [IGNORED] * len(prompt)


@pytest.mark.parametrize("name", TEMPLATES)
def test_rendering_is_the_tokenizers_own(name: str) -> None:
    tokenizer = copy.deepcopy(tiny_model.tokenizer())
    tokenizer.chat_template = TEMPLATES[name].template
    messages = tiny_model.chat(5, 2)
    assert TEMPLATES[name].render(messages) == tokenizer.apply_chat_template(
        messages, tokenize=False
    )


def refusal(template: str, messages: list[dict[str, Any]]) -> str:
    """Why a row is refused."""
    encoded = formatter(template).encode(messages)
    assert encoded.note.startswith("refused: ")
    return encoded.note


CHAT = tiny_model.chat(1, 2)


def test_a_template_that_is_not_prefix_preserving_is_refused() -> None:
    total = "{{ messages | length }}" + UNMARKED
    assert "prefix" in refusal(total, CHAT)


def test_a_template_that_drops_earlier_answers_is_refused() -> None:
    dropping = (
        "{% for m in messages %}{{ '<|' + m['role'] + '|>' + (m['content'] if loop.last or "
        "m['role'] == 'user' else '') + '<|end|>' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
    )
    assert "refused" in refusal(dropping, CHAT)


def test_an_end_of_turn_outside_the_markers_is_refused() -> None:
    template = read_template("study1").replace(
        "{{- ' ' + message['content'] | trim + eos_token }}", "{{- ' ' + message['content'] }}"
    )
    assert "generation cannot stop" in refusal(template, CHAT)


def test_text_that_holds_a_control_token_is_refused() -> None:
    messages = [{"role": "user", "content": "what is </s>"}, {"role": "assistant", "content": "a"}]
    assert "control token '</s>'" in refusal("study1", messages)


def test_roles_a_template_does_not_know_are_refused() -> None:
    messages = [{"role": "tool", "content": "x"}, *CHAT]
    assert "unknown role" in refusal("chatml", messages)
    assert "no assistant turn" in refusal("own", CHAT[:1])
    assert "empty user turn" in refusal("own", [{"role": "user", "content": " "}, CHAT[1]])


def test_braces_in_a_text_stay_text() -> None:
    messages = [{"role": "user", "content": "{{ 7 * 7 }} {answer}"}, CHAT[1]]
    assert "{{ 7 * 7 }} {answer}" in TEMPLATES["study1"].render(messages)


def test_long_rows_are_cut_and_counted() -> None:
    form = TEMPLATES["own"]
    whole = form.encode(CHAT)
    cut = form.encode(CHAT, len(whole.input_ids) - 4)
    first = form.encode(CHAT[:2])
    assert cut.note == "cut: turns"  # the second exchange does not fit and goes as a whole
    assert (cut.input_ids, cut.labels) == (first.input_ids, first.labels)
    within = form.encode(CHAT, len(whole.input_ids) - 4, "token")
    assert within.note == "cut: tokens"
    assert within.input_ids == whole.input_ids[:-4]
    shorter = len(first.input_ids) - 2
    assert form.encode(CHAT, shorter).note == "cut: tokens"  # not even the first one fits
    assert form.encode(CHAT, shorter).input_ids == first.input_ids[:-2]
    prompt = form.tokens(form.render(CHAT[:1], prompt=True))
    assert "no trained token" in form.encode(CHAT, len(prompt)).note
    assert "longer" in form.encode(CHAT, shorter, "refuse").note
    for truncation in ("turn", "token", "refuse"):
        assert form.encode(CHAT, len(whole.input_ids), truncation).note == ""


def test_the_end_of_a_turn_must_be_a_token_that_stops() -> None:
    ids = {name: form.end_of_turn_id() for name, form in TEMPLATES.items()}
    for name, form in TEMPLATES.items():
        assert form._backend.id_to_token(ids[name]) == ENDS[name]
    plain = Formatter(copy.deepcopy(tiny_model.tokenizer()))
    plain.template = read_template("chatml")  # its tokens were not added
    with pytest.raises(BabelmixError, match="generation cannot stop"):
        plain.end_of_turn_id()


def test_template_digest() -> None:
    text = read_template("study1")
    assert template_digest(text) == template_digest(text)
    assert template_digest(text) != template_digest(text + " ")
    bare = copy.deepcopy(tiny_model.tokenizer())
    bare.chat_template = None
    with pytest.raises(BabelmixError, match="no chat template"):
        template_digest(bare)


def test_an_unknown_template_names_the_known_ones() -> None:
    with pytest.raises(BabelmixError, match="Did you mean 'chatml'"):
        read_template("chatmll")
