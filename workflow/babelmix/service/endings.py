"""Why a reply ended, in OpenAI's words, whatever the server calls it.

Spellings of Anthropic, Bedrock, Cohere, DeepSeek, Gemini, Mistral, SGLang, TGI, Together, watsonx
and Zhipu, as they come through OpenAI-compatible layers. Words that are not listed stay as they
are, in lower case.
"""

from __future__ import annotations

from typing import Any

_SPELLINGS = {
    "stop": "stop eos eos_token end_of_text end_turn end stop_sequence complete completed finished",
    "length": "length max_tokens max_output_tokens max_completion_tokens max_new_tokens token_limit"
    " model_length model_context_window_exceeded context_length error_limit time_limit incomplete",
    "content_filter": "content_filter content_filtered safety image_safety prohibited_content "
    "blocklist recitation spii sensitive refusal guardrail_intervened error_toxic",
    "error": "error abort aborted cancelled network_error insufficient_system_resource "
    "user_cancel timeout malformed_response",
}
_NORMAL = {word: reason for reason, listed in _SPELLINGS.items() for word in listed.split()}


def normal_ending(told: Any, tokens_out: int = 0, most_out: int = 0) -> str:
    """Return ``stop``, ``length``, ``content_filter``, ``error`` or the server's own other word.

    A reply without a reason ended well, unless it has exactly as many tokens as it may.
    """
    if told is None or told == "":
        return "length" if 0 < tokens_out == most_out else "stop"
    word = str(told).strip().lower().replace("-", "_").replace(" ", "_")
    word = word.rpartition(".")[2].removeprefix("finish_reason_")
    return _NORMAL.get(word, word)
