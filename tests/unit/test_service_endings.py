"""Why a reply ended: one set of words, whatever the server calls it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from babelmix.judge.calls import _from_entry
from babelmix.service import Reply
from babelmix.service.failures import CallFailedError
from babelmix.service.replies import Request, read_reply


def read(finish: Any, tokens_out: int = 9, most_out: int = 100) -> Reply:
    choice = {"message": {"content": "Rating: [[7]]"}, "finish_reason": finish}
    usage = {"prompt_tokens": 5, "completion_tokens": tokens_out}
    body = json.dumps({"choices": [choice], "usage": usage}).encode()
    return read_reply(Request("k", [{"role": "user", "content": "p"}]), body, None, most_out)


@pytest.mark.parametrize(
    "told",
    [None, "", "stop", "STOP", "eos", "eos_token", "end_turn", "stop_sequence", "COMPLETE"],
)
def test_a_normal_end_in_any_words(told: str | None) -> None:
    assert (read(told).finish_reason, read(told).truncated) == ("stop", False)


@pytest.mark.parametrize("told", ["FinishReason.STOP", "FINISH_REASON_STOP", "Stop"])
def test_a_normal_end_as_enumerations_print_it(told: str) -> None:
    assert read(told).finish_reason == "stop"


@pytest.mark.parametrize(
    "told", ["length", "MAX_TOKENS", "max_tokens", "model_length", "FinishReason.MAX_TOKENS"]
)
def test_a_cut_in_any_words(told: str) -> None:
    assert (read(told).finish_reason, read(told).truncated) == ("length", True)


def test_without_a_reason_a_reply_of_exactly_the_limit_is_cut() -> None:
    assert read(None, tokens_out=100).truncated
    assert not read(None, tokens_out=99).truncated
    assert not read("stop", tokens_out=100).truncated


@pytest.mark.parametrize("told", ["SAFETY", "RECITATION", "refusal", "sensitive"])
def test_a_filter_in_any_words(told: str) -> None:
    with pytest.raises(CallFailedError, match="content filter"):
        read(told)


@pytest.mark.parametrize("told", ["error", "abort", "insufficient_system_resource"])
def test_a_reply_that_was_broken_off_is_asked_again(told: str) -> None:
    with pytest.raises(CallFailedError, match="broke off") as caught:
        read(told)
    assert caught.value.passing


def test_words_that_nobody_knows_are_kept() -> None:
    assert read("tool_calls").finish_reason == "tool_calls"


@pytest.mark.parametrize(("told", "cut"), [("MAX_TOKENS", True), ("end_turn", False)])
def test_entries_of_older_journals_are_read_so_too(told: str, cut: bool) -> None:
    entry = {"key": "k", "text": "Rating: [[7]]", "truncated": False, "finish_reason": told}
    raw = _from_entry(entry | {"tokens_in": 1, "tokens_out": 1, "cost": 0.0}, charge=False)
    assert raw.truncated is cut
