"""In which form a server takes prompts: found out by asking it, before the first question.

Token ids are best: text gets a second BOS from most servers, as the template has written one. What
is checked: that the server's tokenizer is the checkpoint's, that it reads the prompt's tokens and
no others, and how long a prompt may be. What cannot be checked is said.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from ..errors import BabelmixError
from ..service import ChatService, Reply, Request, ServiceStoppedError
from ..service.client import address, open_batch_client
from ..service.connectivity import check_reachable
from .codec import Codec

if TYPE_CHECKING:
    from .batches import Prompt

#: Sampling that a server would else take from the checkpoint's `generation_config.json`.
NEUTRAL = {
    "top_k": -1,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}


@dataclass(frozen=True, slots=True)
class Dialect:
    """How prompts are sent: as ids or as text, with vLLM's own fields or without.

    ``echoes``: the server names the ids that it read. ``cut``: text of ours that is left out,
    because the server writes that token itself.
    """

    ids: bool
    extended: bool
    echoes: bool = False
    cut: str = ""
    context: int | None = None
    doubts: tuple[str, ...] = ()

    def request(self, key: str, prompt: Prompt, codec: Codec, room: int, options: Any) -> Request:
        """Build the request for a prompt whose answer may have ``room`` tokens."""
        told = dict(options)
        if self.extended:
            told |= NEUTRAL | {"stop_token_ids": codec.stop_ids, "return_token_ids": True}
            told["add_special_tokens"] = False
        if not self.echoes:  # whether it knows `stop_token_ids` is not known
            told["stop"] = codec.stop_words[:4]
        text = prompt.text.removeprefix(self.cut)
        ids = prompt.ids if self.ids else ()
        return Request(key, prompt=text, options=told, ids=ids, most_out=room)


def find_dialect(service: ChatService, codec: Codec, prompt: Prompt) -> Dialect:
    """Ask for one token after a prompt, in one form after the other, until one is read as meant.

    Raises BabelmixError where the server's tokenizer is another, or takes no form.
    """
    check_reachable(service.settings.url)
    context, checked = _tokenizer(service, codec, prompt)
    context = min((n for n in (context, codec.context) if n), default=None)
    if context is not None and len(prompt.ids) >= context:
        return Dialect(True, True, context=context)  # no prompt fits: nothing will be asked
    refusals = []
    for ids, extended in ((True, True), (True, False), (False, True), (False, False)):
        form = Dialect(ids, extended, context=context)
        try:
            form = _tried(service, codec, prompt, form)
            if ids and not checked:
                form = _compared_by_text(service, codec, prompt, form)
            return form
        except _NotTakenError as refusal:
            as_what = "token ids" if ids else "text"
            refusals.append(f"{as_what}{' with vLLM’s fields' if extended else ''}: {refusal}")
    raise BabelmixError(
        f"{service.where}: the server at {service.settings.url} takes no prompt as it is meant. "
        f"{'; '.join(refusals)}. Does it serve the checkpoint {service.model} through a "
        "completions endpoint?"
    )


def tell(dialect: Dialect, service: ChatService) -> None:
    """Say how the server is asked, and what could not be checked."""
    if dialect.ids:
        how = "as token ids" + (", which it echoes" if dialect.echoes else "")
    elif dialect.cut:
        how = f"as text without {dialect.cut!r}, which it writes itself"
    else:
        how = "as text"
    print(f"{service.where}: prompts go to {service.settings.url} {how}.", file=sys.stderr)
    if dialect.doubts:
        print(f"warning: {service.where}: unsure: {'; '.join(dialect.doubts)}.", file=sys.stderr)


class _NotTakenError(Exception):
    """The server refuses a form of the prompt, or reads it otherwise."""


def _tried(service: ChatService, codec: Codec, prompt: Prompt, form: Dialect) -> Dialect:
    reply = _ask(service, codec, prompt, form)
    counted = 0 if reply.usage.estimated else reply.usage.tokens_in
    if reply.prompt_ids is not None:
        if reply.prompt_ids == prompt.ids:
            return replace(form, echoes=True)
        raise _NotTakenError(
            f"it read {len(reply.prompt_ids)} tokens ({_shown(reply.prompt_ids)}) in place of "
            f"{len(prompt.ids)} ({_shown(prompt.ids)})"
        )
    unknown = "it names no token ids, so whether it knows" if form.extended else "it does not know"
    fields = "`stop_token_ids` and neutral sampling"
    doubts = (f"{unknown} {fields}: sampling of its own (a repetition penalty) may apply",)
    if counted == len(prompt.ids):
        return replace(form, doubts=doubts)
    if form.ids:
        if counted:
            raise _NotTakenError(f"it counts {counted} tokens, not {len(prompt.ids)}")
        return replace(form, doubts=(*doubts, "it does not count the prompt's tokens"))
    text, opens_with = codec.bos or ("", -1)
    opening = prompt.ids[:1] == [opens_with]
    if not counted:
        cut = text if codec.adds_bos and opening else ""
        told = f"it does not count the prompt's tokens; {text!r} is left to it" if cut else ""
        return replace(form, cut=cut, doubts=(*doubts, told or "it does not count tokens"))
    if opening and counted == len(prompt.ids) + 1:
        again = replace(form, cut=text)
        counted = _ask(service, codec, prompt, again).usage.tokens_in
        if counted == len(prompt.ids):
            return replace(again, doubts=doubts)
    raise _NotTakenError(
        f"it counts {counted} tokens where the checkpoint's tokenizer has {len(prompt.ids)}"
    )


def _compared_by_text(service: ChatService, codec: Codec, prompt: Prompt, form: Dialect) -> Dialect:
    """Compare tokenizers without `/tokenize`: by how many tokens the same prompt has as text.

    Ids of another vocabulary would be taken without a word, and answered with nonsense.
    """
    doubt = "it has no /tokenize, so its tokenizer was not compared"
    try:
        reply = _ask(service, codec, prompt, replace(form, ids=False))
    except _NotTakenError:
        return replace(form, doubts=(*form.doubts, doubt))
    counted = 0 if reply.usage.estimated else reply.usage.tokens_in
    if counted and counted - len(prompt.ids) not in (0, 1):  # one more is a BOS
        raise _other_tokenizer(service, f"a prompt is {counted} tokens there and {len(prompt.ids)}")
    if counted:
        doubt = "it has no /tokenize, so only the number of a prompt's tokens was compared"
    return replace(form, doubts=(*form.doubts, doubt))


def _other_tokenizer(service: ChatService, what: str) -> BabelmixError:
    return BabelmixError(
        f"{service.where}: the server's tokenizer is not the checkpoint's: {what} here. It serves "
        f"another model than {service.model}: start it with this run's checkpoint, or name it with "
        "`served_model`."
    )


def _shown(ids: list[int]) -> str:
    return ", ".join(map(str, ids[:4])) + (", …" if len(ids) > 4 else "")


def _ask(service: ChatService, codec: Codec, prompt: Prompt, form: Dialect) -> Reply:
    """One token after the prompt, in this form."""
    found: list[Reply] = []
    request = form.request("probe", prompt, codec, 1, {"temperature": 0.0})
    try:
        failures = service.ask([request], found.append, progress=lambda: None)
    except ServiceStoppedError as stopped:
        if not (form.ids or form.extended):  # the plainest form: it is not the form's fault
            raise
        raise _NotTakenError(str(stopped)) from None
    if failures:
        failure = failures["probe"]
        if failure.retryable:
            raise BabelmixError(f"{service.where}: {failure.reason}. Nothing was asked.")
        raise _NotTakenError(failure.reason)
    return found[0]


def _tokenizer(service: ChatService, codec: Codec, prompt: Prompt) -> tuple[int | None, bool]:
    """Return the server's longest sequence (None: not told), and whether its tokenizer was
    compared with the checkpoint's.

    vLLM and SGLang tokenize at ``/tokenize``; llama.cpp, too, under other names of the fields.
    Raises BabelmixError where the same text has other ids there.
    """
    text = prompt.text + "".join(codec.control_tokens)
    url = _beside(address(service.settings, service.model)[0], "tokenize")
    body = {"model": service.model, "prompt": text, "add_special_tokens": False}
    body |= {"content": text, "add_special": False, "parse_special": True}
    answer = _post(service, url, body)
    tokens = answer.get("tokens")
    longest = answer.get("max_model_len")
    context = longest if isinstance(longest, int) and longest > 0 else None
    if not (isinstance(tokens, list) and tokens and all(type(t) is int for t in tokens)):
        return context or _listed_context(service), False
    right = codec.encode(text)
    if tokens != right:
        at = next(
            (i for i, (a, b) in enumerate(zip(tokens, right, strict=False)) if a != b),
            min(len(tokens), len(right)),
        )
        raise _other_tokenizer(
            service,
            f"a prompt and all control tokens are {len(tokens)} tokens there, {len(right)} here; "
            f"token {at + 1} is {tokens[at : at + 1]} there and {right[at : at + 1]}",
        )
    return context, True


def _beside(base_url: str, name: str) -> str:
    """Address of an endpoint beside `/v1`."""
    parts = urlsplit(base_url)
    path = parts.path.rstrip("/").removesuffix("/v1")
    return urlunsplit((parts.scheme, parts.netloc, f"{path}/{name}", "", ""))


def _post(service: ChatService, url: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Post to an endpoint that few servers have; empty where this one has none."""
    return _object(service, lambda client, kind: client.post(url, body=dict(body), cast_to=kind))


def _listed_context(service: ChatService) -> int | None:
    """Return the longest sequence that `/v1/models` tells of the model (vLLM does)."""
    listed = _object(service, lambda client, kind: client.get("/models", cast_to=kind)).get("data")
    for entry in listed if isinstance(listed, list) else []:
        if isinstance(entry, dict) and entry.get("id") == service.model:
            longest = entry.get("max_model_len")
            return longest if isinstance(longest, int) and longest > 0 else None
    return None


def _object(service: ChatService, call: Any) -> dict[str, Any]:
    import httpx2
    import openai

    with open_batch_client(service.settings, service.model, service.where) as client:
        try:
            value = json.loads(call(client, httpx2.Response).content)
        except (openai.APIError, httpx2.HTTPError, ValueError):
            return {}
    return value if isinstance(value, dict) else {}
