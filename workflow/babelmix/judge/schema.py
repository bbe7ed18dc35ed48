"""Structured output: a judge's reply as JSON by a schema, where its server keeps to schemas.

Servers that know nothing of ``response_format`` often accept and ignore it. So one call asks for
one word under a schema that allows only another thing: only a server that keeps to the schema
answers with that.
"""

from __future__ import annotations

import json
from typing import Any

from ..config.evaluation import OpenAIJudge
from ..io import Journal, digest
from ..service import ChatService, Failure, Reply, Request

_SEAL = {"seal": "k7-amber"}
_PROBE = [{"role": "user", "content": "Reply with the single word: yes"}]
#: How a server says that it does not take the parameter (see ``failures``).
_REFUSALS = ("HTTP 400", "HTTP 422")

Format = dict[str, Any]


def _format(name: str, properties: dict[str, Any]) -> Format:
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    return {
        "type": "json_schema",
        "json_schema": {"name": name, "strict": True, "schema": schema},
    }


def verdict_format(protocol: str) -> Format:
    """The ``response_format`` of a protocol: the explanation first, then the verdict.

    The values are those that the prompts ask for: a grade of 1 to 10, or A, B, C (tie), D (both
    bad); ``side_by_side`` is made to pick. No other field's name is a label of verdicts.
    """
    explanation = {"explanation": {"type": "string"}}
    if protocol == "single":
        return _format("grade", explanation | {"rating": {"type": "number"}})
    letters = ["A", "B"] if protocol == "side_by_side" else ["A", "B", "C", "D"]
    return _format("preference", explanation | {"verdict": {"type": "string", "enum": letters}})


def probe_request(judge: OpenAIJudge) -> Request:
    """The call that tells whether the server keeps to a schema."""
    wanted = _format("probe", {n: {"type": "string", "enum": [v]} for n, v in _SEAL.items()})
    key = digest({"probe": wanted, "model": judge.model, "messages": _PROBE})
    return Request(key, _PROBE, options={"response_format": wanted})


def is_kept(text: str) -> bool:
    """Whether the reply to the probe is what its schema allows."""
    try:
        return bool(json.loads(text) == _SEAL)
    except (ValueError, RecursionError):
        return False


def probe(service: ChatService, journal: Journal) -> tuple[bool, Failure | None]:
    """Whether the server keeps to a schema, and why that could not be learned (else None).

    Asked once a journal: its reply, or that the parameter was refused, is noted there, so that a
    job that goes on keys its calls as before. A server that fails otherwise leaves no note.
    """
    assert isinstance(service.settings, OpenAIJudge)
    request = probe_request(service.settings)
    if request.key not in journal:

        def keep(reply: Reply) -> None:
            _note(journal, reply.entry())

        failure = service.ask([request], keep).get(request.key)
        if failure is not None:
            if not failure.reason.startswith(_REFUSALS):
                reason = f"the probe for structured output failed: {failure.reason}"
                return False, Failure(reason, retryable=True)
            _note(journal, {"key": request.key, "text": "", "truncated": False, "cost": 0.0})
    return is_kept(journal.entries[request.key]["text"]), None


def _note(journal: Journal, entry: dict[str, Any]) -> None:
    found = "kept to the schema" if is_kept(entry["text"]) else "plain text is asked for"
    journal.append(entry | {"probe": found})
