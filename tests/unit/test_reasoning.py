"""Reasoning is taken off a reply, whatever marks the model writes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.growth import grows_with_length

from babelmix.text.reasoning import visible_text, without_reasoning

MARKED = [
    ("<think>a</think>b", "b"),
    ("<thinking>a</thinking>b", "b"),
    ("<think>\na\n</think>\n\nb", "b"),
    ('<reasoning effort="high">a</reasoning>b', "b"),
    ("<THOUGHT>a</THOUGHT>b", "b"),
    ("&lt;think&gt;a&lt;/think&gt;b", "b"),
    ("<seed:think>a</seed:think>b", "b"),
    ("<mm:think>a</mm:think>b", "b"),
    ("<longcat_think>a</longcat_think>b", "b"),
    ("[THINK]a[/THINK]b", "b"),
    ("◁think▷a◁/think▷b", "b"),
    ("<|START_THINKING|>a<|END_THINKING|>b", "b"),
    ("<|begin_of_thought|>a<|end_of_thought|>b", "b"),
    ("<|inner_prefix|>a<|inner_suffix|>b", "b"),
    ("<unused94>thought\na<unused95>b", "b"),
    ("<|channel>thought\na<channel|>b", "b"),
    ("<|think|>a<|end|>b", "b"),
    ('<details type="reasoning" done="true">a</details>b', "b"),
    ("Here is my thought process: a Here is my response: b", "b"),
    (
        "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b"
        "<|return|>",
        "b",
    ),
    (
        "<|start|>assistant<|channel|>commentary to=functions.x <|constrain|>json<|message|>{}"
        "<|call|><|start|>assistant<|channel|>final<|message|>b",
        "b",
    ),
    ("a<|end|><|start|>assistant<|channel|>final<|message|>b", "b"),
    ("<|channel|>final<|message|>b", "b"),
    ("analysisWe weigh it.assistantfinalb", "b"),
    ("assistantfinalb", "b"),
    ("a</think>b", "b"),
    ("a[/THINK]b", "b"),
    ("<think>a<think>a</think>a</think>b", "b"),
    ("<reasoning>a<think>a</think>a</reasoning>b", "b"),
    ("<think/>b", "<think/>b"),
    ("x <think>a</think> y", "x \n y"),
    ("b", "b"),
    ("", ""),
]
UNCLOSED = [
    "<think>a",
    "[THINK]a",
    "◁think▷a",
    "<seed:think>a",
    "<reasoning>a <think>b</think> c",
    "<|channel|>analysis<|message|>a",
    "<|START_THINKING|>a",
    "analysisWe weigh it.",
    "<think>a</think>b<think>c",
]
UNTOUCHED = [
    "Analysis: fine. The verdict is A.",
    "analysis of both answers",
    "The reply leaks `<think>` marks.",
    'It writes "</think>" at its end.',
    "if a<think and b>c",
    "[Thinking caps on] yes",
    "<details>More</details> text",
    "I think, therefore </details>",
]


@pytest.mark.parametrize(("text", "left"), MARKED)
def test_reasoning_is_taken_off(text: str, left: str) -> None:
    assert without_reasoning(text) == left
    assert not visible_text(text).unclosed


@pytest.mark.parametrize("text", UNCLOSED)
def test_a_reply_that_ends_in_its_reasoning_says_nothing(text: str) -> None:
    assert without_reasoning(text) == ""
    assert visible_text(text).unclosed


@pytest.mark.parametrize("text", UNTOUCHED)
def test_other_text_stays(text: str) -> None:
    assert without_reasoning(text) == text


# fmt: off
PIECES = st.sampled_from([
    "<think>", "</think>", "[THINK]", "[/THINK]", "◁think▷", "◁/think▷", "<reasoning>",
    "</reasoning>", "<details ", "reasoning", ">", "</details>", "analysis", "assistantfinal", "a",
    "`", "\n", "<<", "<|channel|>", "final", "<|message|>", "<|end|>",
    "<|channel|>final<|message|>",
])
# fmt: on


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=100), st.lists(PIECES, max_size=20).map("".join)))
def test_spans_are_ordered_parts_of_the_text(text: str) -> None:
    spans = visible_text(text).spans
    flat = [offset for span in spans for offset in span]
    assert flat == sorted(flat)
    assert all(0 <= start < end <= len(text) for start, end in spans)


@pytest.mark.parametrize(
    "run", ["<think>", "</think>", "[THINK]a", "<", "<|channel|>", "◁", "<|end|>"]
)
def test_time_grows_with_length(run: str) -> None:
    short, long = (run * (length // len(run)) for length in (100_000, 400_000))
    assert grows_with_length(visible_text, short, long)
