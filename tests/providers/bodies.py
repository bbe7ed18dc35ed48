"""What providers send with status 200: usages, replies, and what is none.

Each shape names the place it was seen. Ids and organisations are made up.
"""

from __future__ import annotations

import json
from typing import Any

from .server import Answer, as_json

# --- usage ---------------------------------------------------------------------------------------


def openai_usage(tokens_in: int, visible: int, reasoning: int = 0, cached: int = 0) -> Any:
    """OpenAI's: ``completion_tokens`` holds the reasoning (platform.openai.com, Chat object)."""
    return {
        "prompt_tokens": tokens_in,
        "completion_tokens": visible + reasoning,
        "total_tokens": tokens_in + visible + reasoning,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def plain_usage(tokens_in: int, visible: int, reasoning: int = 0, cached: int = 0) -> Any:
    """The three counts alone: Ollama, vLLM, Anthropic's layer (its details are always empty)."""
    out = visible + reasoning
    return {"prompt_tokens": tokens_in, "completion_tokens": out, "total_tokens": tokens_in + out}


def gemini_usage(tokens_in: int, visible: int, reasoning: int = 0, cached: int = 0) -> Any:
    """Gemini's: thoughts are in the total alone (mozilla-ai/any-llm#1290: 20 + 198 of 623)."""
    return {
        "completion_tokens": visible,
        "prompt_tokens": tokens_in,
        "total_tokens": tokens_in + visible + reasoning,
    }


def no_usage(tokens_in: int, visible: int, reasoning: int = 0, cached: int = 0) -> Any:
    """None: small servers, and batches of some hosts."""
    return None


# --- replies -------------------------------------------------------------------------------------


def completion(
    text: str | None,
    usage: Any,
    *,
    model: str = "m",
    finish: str | None = "stop",
    fingerprint: str | None = "fp_44709d6fcb",
    legacy: bool = False,
    **message: Any,
) -> dict[str, Any]:
    """A chat completion; ``legacy``: one of ``/completions``. ``message`` holds more fields."""
    choice: dict[str, Any] = {"index": 0, "finish_reason": finish, "logprobs": None}
    if legacy:
        choice["text"] = text
    else:
        choice["message"] = {"role": "assistant", "content": text, "refusal": None, **message}
    value = {
        "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "object": "text_completion" if legacy else "chat.completion",
        "created": 1764316800,
        "model": model,
        "choices": [choice],
        "system_fingerprint": fingerprint,
    }
    return value if usage is None else value | {"usage": usage}


# --- a status of 200 that is none ----------------------------------------------------------------


def error_in_200(code: int = 502, words: str = "Provider returned error") -> Answer:
    """OpenRouter: the model had begun, so the status is 200 (openrouter.ai/docs/errors,
    OpenRouterTeam/openrouter-examples#14)."""
    raw = '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'
    metadata = {"raw": raw, "provider_name": "Anthropic"}
    return as_json({"error": {"message": words, "code": code, "metadata": metadata}})


def comment_before_json(body: bytes) -> bytes:
    """OpenRouter keeps the connection alive with lines before the JSON
    (router-for-me/CLIProxyAPI#417 and #2690)."""
    return b"\n\n     \n\n" + body


def no_choices_in_200() -> Answer:
    """decolua/9router#2727."""
    return as_json({"id": None, "object": "chat.completion", "choices": None, "usage": None})


def html_in_200() -> Answer:
    """A portal that wants a log-in, or a base_url without `/v1`."""
    page = b"<!DOCTYPE html><html><head><title>Sign in to Contoso</title></head><body/></html>"
    return Answer(body=page, content_type="text/html; charset=utf-8")


def stream_in_200(text: str = "Rating: [[7]]") -> Answer:
    """A gateway that always streams, whatever `stream` says (router-for-me/CLIProxyAPI#2907)."""
    chunks = [
        {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": part}}]}
        for part in (text[:4], text[4:])
    ]
    lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
    body = "".join([*lines, "data: [DONE]\n\n"]).encode()
    return Answer(body=body, content_type="text/event-stream")


def batch_refused(code: str, message: str, line: int | None = None) -> dict[str, Any]:
    """``errors`` of a batch that failed its validation (openai/openai-python#2084)."""
    found = {"code": code, "line": line, "message": message, "param": None}
    return {"object": "list", "data": [found]}


def enqueued_limit(limit: int) -> dict[str, Any]:
    """The queue is full (openai/openai-python#2084)."""
    return batch_refused(
        "token_limit_exceeded",
        "Enqueued token limit reached for gpt-4o-mini in organization org-snq6hvcTYRCMyB87hjZjkoF"
        f"r. Limit: {limit:,} enqueued tokens. Please try again once some in_progress batches have "
        "been completed.",
    )
