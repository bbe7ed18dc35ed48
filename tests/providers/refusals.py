"""What providers send as errors, word for word where it matters.

Each shape names the place it was seen. Ids and organisations are made up.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from .server import Answer, as_json

# --- errors --------------------------------------------------------------------------------------


def error(
    status: int,
    message: str,
    kind: str | None = "invalid_request_error",
    code: Any = None,
    param: str | None = None,
    **more: Any,
) -> Answer:
    """OpenAI's envelope."""
    value = {"message": message, "type": kind, "param": param, "code": code}
    return as_json({"error": value}, status, **more)


def with_headers(answer: Answer, **headers: str) -> Answer:
    """The same with headers; ``retry_after`` is sent as ``retry-after``."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return dataclasses.replace(answer, headers=answer.headers | named)


#: griptape-ai/ComfyUI-Griptape#312, ITSpecialist111/ai_automation_suggester#38.
MAX_TOKENS_WORDS = (
    "Unsupported parameter: 'max_tokens' is not supported with this model. "
    "Use 'max_completion_tokens' instead."
)


def max_tokens_refused() -> Answer:
    """By OpenAI itself."""
    return error(400, MAX_TOKENS_WORDS, code="unsupported_parameter", param="max_tokens")


def max_tokens_refused_by_proxy() -> Answer:
    """Through a proxy that passes on the words alone (decolua/9router#560)."""
    return as_json({"error": {"message": f"[openai/gpt-5-mini] [400]: {MAX_TOKENS_WORDS}"}}, 400)


def max_tokens_refused_by_copilot() -> Answer:
    """With a code of its own (caozhiyuan/copilot-api#164)."""
    return as_json({"error": {"message": MAX_TOKENS_WORDS, "code": "invalid_request_body"}}, 400)


def max_tokens_refused_by_litellm() -> Answer:
    """LiteLLM's proxy: its own classes before the words, everything as text (OpenManus#555)."""
    words = f"litellm.BadRequestError: OpenAIException - {MAX_TOKENS_WORDS}. Received Model Group=j"
    value = {"message": words, "type": "invalid_request_error", "param": None, "code": "400"}
    return as_json({"error": value}, 400)


def temperature_refused(value: Any) -> Answer:
    """gabrii/Cursor-Azure-GPT-5#33, johny-b/llmcomp#69."""
    return error(
        400,
        f"Unsupported value: 'temperature' does not support {value} with this model. Only the "
        "default (1) value is supported.",
        code="unsupported_value",
        param="temperature",
    )


def temperature_unsupported() -> Answer:
    """o3-mini's other form (appatalks/eva-agent#83)."""
    return error(
        400,
        "Unsupported parameter: 'temperature' is not supported with this model.",
        code="unsupported_parameter",
        param="temperature",
    )


def temperature_deprecated() -> Answer:
    """Claude Opus 4.7 and later, any temperature (cognizant-ai-lab/neuro-san-studio#1072)."""
    words = "`temperature` is deprecated for this model."
    return as_json(
        {"type": "error", "error": {"type": "invalid_request_error", "message": words}}, 400
    )


def temperature_and_top_p() -> Answer:
    """Claude Opus 4.1 and later through LiteLLM (SalesforceAIResearch/MCP-Universe#49)."""
    words = (
        '{"message":"`temperature` and `top_p` cannot both be specified for this model. Please use '
        'only one."}. Received Model Group=claude-opus-4-5\nAvailable Model Group Fallbacks=None'
    )
    value = {"message": words, "type": "None", "param": "None", "code": "400"}
    return as_json({"error": value}, 400)


def budget_exceeded(status: int = 429) -> Answer:
    """LiteLLM's own cap of a key, as 400 or 429 by version (BerriAI/litellm#36729, #14144)."""
    value = {"message": "Budget has been exceeded! Current cost: 10.51, Max budget: 10.00"}
    value |= {"type": "budget_exceeded", "code": str(status)}
    return as_json({"error": value}, status)


def system_refused_by_openai() -> Answer:
    """o1-mini (animalnots/BetterChatGPT-PLUS#90)."""
    return error(
        400,
        "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
        code="unsupported_value",
        param="messages[0].role",
    )


def system_refused_by_vllm() -> Answer:
    """A template that raises, through vLLM: no `error` envelope (vllm-project/vllm#2964)."""
    value = {"object": "error", "message": "System role not supported", "type": "BadRequestError"}
    return as_json(value | {"param": None, "code": 400}, 400)


def system_refused_by_gemini() -> Answer:
    """Gemma behind Gemini's layer, a list around the error (BerriAI/litellm#15765)."""
    words = "Developer instruction is not enabled for models/gemma-3-27b-it"
    value = {"code": 400, "message": words, "status": "INVALID_ARGUMENT"}
    return as_json([{"error": value}], 400)


def request_too_large(requested: int = 36278, limit: int = 30000) -> Answer:
    """Never fits into the minute's tokens (Aider-AI/aider#1880)."""
    return error(
        429,
        "Request too large for gpt-4o in organization org-2itOgSdqw0DhUYp0QyLhttLL on tokens per "
        f"min (TPM): Limit {limit}, Requested {requested}. The input or output tokens must be "
        "reduced in order to run successfully. Visit https://platform.openai.com/account/"
        "rate-limits to learn more.",
        kind="tokens",
        code="rate_limit_exceeded",
    )


def rate_limited(wait: str = "9.816s") -> Answer:
    """One too many for this minute (FoundationAgents/MetaGPT#523)."""
    return error(
        429,
        "Rate limit reached for gpt-4 in organization org-uVqpjtJiKqvVJMVfvpaounIh on tokens per "
        f"min (TPM): Limit 10000, Used 8554, Requested 3082. Please try again in {wait}. Visit "
        "https://platform.openai.com/account/rate-limits to learn more.",
        kind="tokens",
        code="rate_limit_exceeded",
    )


def daily_openai() -> Answer:
    """OpenAI's requests per day (help.openai.com, error codes guide)."""
    return error(
        429,
        "Rate limit reached for gpt-4o in organization org-uVqpjtJiKqvVJMVfvpaounIh on requests "
        "per day (RPD): Limit 10000, Used 10000, Requested 1. Please try again in 7h12m0s. Visit "
        "https://platform.openai.com/account/rate-limits to learn more.",
        kind="requests",
        code="rate_limit_exceeded",
    )


def daily_gemini() -> Answer:
    """Gemini's free tier, per day (langgenius/dify#19838, google-gemini/gemini-cli#8437)."""
    violation = {
        "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
        "quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier",
        "quotaDimensions": {"location": "global", "model": "gemini-2.5-pro"},
        "quotaValue": "100",
    }
    value = {
        "code": 429,
        "message": "You exceeded your current quota, please check your plan and billing details. "
        "For more information on this error, head to: "
        "https://ai.google.dev/gemini-api/docs/rate-limits.",
        "status": "RESOURCE_EXHAUSTED",
        "details": [
            {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37s"},
        ],
    }
    return as_json([{"error": value}], 429)


def daily_azure() -> Answer:
    """Azure's, a day away (jasonacox/TinyLLM#17, vanderschaarlab/climb#1)."""
    value = {
        "code": "429",
        "message": "Requests to the ChatCompletions_Create Operation under Azure OpenAI API "
        "version 2024-08-01-preview have exceeded token rate limit of your current OpenAI S0 "
        "pricing tier. Please retry after 86400 seconds. Please go here: "
        "https://aka.ms/oai/quotaincrease if you would like to further increase the default rate "
        "limit.",
    }
    return with_headers(as_json({"error": value}, 429), retry_after="86400")


def insufficient_quota() -> Answer:
    """OpenAI's empty account (platform.openai.com, error codes)."""
    return error(
        429,
        "You exceeded your current quota, please check your plan and billing details. For more "
        "information on this error, read the docs: "
        "https://platform.openai.com/docs/guides/error-codes/api-errors.",
        kind="insufficient_quota",
        code="insufficient_quota",
    )


def credit_too_low() -> Answer:
    """Anthropic's empty account: a 400 without param or code (anthropics/claude-code#66314)."""
    words = (
        "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing "
        "to upgrade or purchase credits."
    )
    value = {"type": "error", "error": {"type": "invalid_request_error", "message": words}}
    return as_json(value | {"request_id": "req_011CbrFTcXhtiMzr3s6EocF7"}, 400)


def credits_402(requested: int = 65536, afford: int = 222) -> Answer:
    """OpenRouter: what is left does not cover this call's longest reply (babikov/doka-site#7)."""
    words = (
        f"This request requires more credits, or fewer max_tokens. You requested up to {requested} "
        f"tokens, but can only afford {afford}. To increase, visit "
        "https://openrouter.ai/settings/credits and upgrade to a paid account"
    )
    value = {"message": words, "code": 402, "metadata": {"provider_name": None}}
    return as_json({"error": value, "user_id": "user_"}, 402)


def moderated_403(text: str = "how to") -> Answer:
    """OpenRouter: this one prompt was flagged (openrouter.ai/docs/errors, moderation errors)."""
    metadata = {
        "reasons": ["violence"],
        "flagged_input": text[:100],
        "provider_name": "OpenAI",
        "model_slug": "openai/gpt-4o",
    }
    words = "Your chosen model requires moderation and your input was flagged"
    return as_json({"error": {"code": 403, "message": words, "metadata": metadata}}, 403)


def firewall_403() -> Answer:
    """A firewall that took a prompt's code for an attack (OpenHands/OpenHands#4480,
    different-ai/openwork#3419)."""
    page = (
        b"<!DOCTYPE html><html><head><title>Attention Required! | Cloudflare</title></head><body>"
        b"<h1>Sorry, you have been blocked</h1><p>The action you just performed triggered the "
        b"security solution. There are several actions that could trigger this block including "
        b"submitting a certain word or phrase, a SQL command or malformed data.</p></body></html>"
    )
    return Answer(status=403, body=page, content_type="text/html; charset=UTF-8")


def forbidden_key() -> Answer:
    """OpenAI: the project may not use the model; no other call may pass (error codes guide)."""
    words = "Project `proj_abc` does not have access to model `gpt-4o`"
    return error(403, words, code="model_not_found")


def unauthorised() -> Answer:
    """OpenAI's 401."""
    words = "Incorrect API key provided: sk-very-****cret. You can find your API key at https://p…"
    return error(401, words, code="invalid_api_key")


def azure_unauthorised() -> Answer:
    """Azure's 401 (openai/codex#1354)."""
    words = (
        "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide "
        "a valid key for an active subscription and use a correct regional API endpoint for your "
        "resource."
    )
    return as_json({"error": {"code": "401", "message": words}}, 401)


def azure_not_found() -> Answer:
    """Azure's broken path (rusiaaman/chat.md#2)."""
    return as_json({"error": {"code": "404", "message": "Resource not found"}}, 404)


def azure_filtered_prompt() -> Answer:
    """Azure's filter of prompts: this call alone (compl-ai/compl-ai#20)."""
    value = {
        "message": "The response was filtered due to the prompt triggering Azure OpenAI's content "
        "management policy. Please modify your prompt and retry. To learn more about our content "
        "filtering policies please read our documentation: "
        "https://go.microsoft.com/fwlink/?linkid=2198766",
        "type": None,
        "param": "prompt",
        "code": "content_filter",
        "status": 400,
        "innererror": {
            "code": "ResponsibleAIPolicyViolation",
            "content_filter_result": {"violence": {"filtered": True, "severity": "medium"}},
        },
    }
    return as_json({"error": value}, 400)


def context_vllm(window: int, asked: int, limit: int) -> Answer:
    """vLLM: prompt and reply do not fit (ogx-ai/ogx#4534)."""
    words = (
        f"This model's maximum context length is {window} tokens. However, you requested "
        f"{asked + limit} tokens ({asked} in the messages, {limit} in the completion). Please "
        "reduce the length of the messages or completion."
    )
    value = {"object": "error", "message": words, "type": "BadRequestError"}
    return as_json(value | {"param": None, "code": 400}, 400)


def context_openai(window: int, asked: int) -> Answer:
    """OpenAI: likewise, with a code (rahul2002m/ChatPDF#6)."""
    return error(
        400,
        f"This model's maximum context length is {window} tokens. However, your messages resulted "
        f"in {asked} tokens. Please reduce the length of the messages.",
        code="context_length_exceeded",
        param="messages",
    )


def model_not_found() -> Answer:
    """OpenAI's 404."""
    words = "The model `m` does not exist or you do not have access to it."
    return error(404, words, code="model_not_found")


def overloaded_529() -> Answer:
    """Anthropic's (docs.anthropic.com, errors)."""
    value = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    return as_json(value, 529)


def server_error(status: int = 500) -> Answer:
    """OpenAI's 5xx."""
    words = "The server had an error while processing your request. Sorry about that!"
    return error(status, words, kind="server_error")


def bad_gateway() -> Answer:
    """A load balancer's own page."""
    page = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>nginx</body></html>"
    return Answer(status=502, body=page, content_type="text/html")
