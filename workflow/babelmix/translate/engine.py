"""Rows through a backend: cut, translated, proved, tried anew, put together."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial

from ..io import digest
from ..records import TOOLS, Check, Conversation, Message, is_verbatim
from .backends.base import Backend, Limits
from .protect import protected_pieces
from .store import Translations
from .ways import LOST_MASK, Node, Part, assembled, cut, other_way, prove

#: The check that a row fails when a part of it could not be translated.
TRANSLATED = "translated"

#: A row's messages, each cut into its parts.
RowPlan = list[list[Part]]


def in_shard(row_id: str, shard: int, shards: int) -> bool:
    """Whether a row belongs to a shard: decided by its id, so that adding rows moves none."""
    return int(hashlib.sha256(row_id.encode("utf-8")).hexdigest()[:8], 16) % shards == shard


def plan_rows(rows: Sequence[Conversation], backend: Backend, pivot: str) -> list[RowPlan]:
    """The parts of every message of every row."""
    return [[_parts(m, backend, pivot) for m in row.messages] for row in rows]


def _parts(message: Message, backend: Backend, pivot: str) -> list[Part]:
    """One message cut for a backend; what tools are told and say is kept as it is."""
    if is_verbatim(message):
        return [message.content]
    text, tools = message.content, ""
    if message.role == "system":
        text, mark, rest = text.partition(TOOLS)
        tools = mark + rest
    parts = cut(text, backend.unit, backend.limits, pivot) if text else []
    return [*parts, tools] if tools else parts


def nodes_of(plan: RowPlan) -> list[Node]:
    """What a backend will be given of a row."""
    return [part for parts in plan for part in parts if isinstance(part, Node)]


def unique_texts(plans: Iterable[RowPlan]) -> dict[str, None]:
    """The texts that a backend will be given for these rows, each once."""
    return {node.masked.text: None for plan in plans for node in nodes_of(plan)}


def translate_rows(
    rows: Sequence[Conversation],
    plans: Sequence[RowPlan],
    translations: Translations,
    translator_name: str,
) -> list[Conversation]:
    """Pivot rows and their plans -> rows of the target language, in order.

    A row of which a part failed in every way keeps the source text and fails ``translated``.
    """
    translate_nodes([node for plan in plans for node in nodes_of(plan)], translations)
    return [
        _row(row, plan, translations, translator_name)
        for row, plan in zip(rows, plans, strict=True)
    ]


def translate_nodes(nodes: list[Node], translations: Translations) -> None:
    """Give every node its result; what is not proved is tried anew in smaller parts."""
    limits, pivot = translations.backend.limits, translations.pivot
    while nodes:
        by_text = {node.masked.text: node for node in nodes}
        translations.fill(by_text, partial(_has_other_way, by_text, limits, pivot))
        again: list[Node] = []
        for node in nodes:
            node.result, reason = prove(node, translations.results[node.masked.text])
            if reason is not None:
                node.parts = other_way(node, reason, limits, pivot)
                again += [part for part in node.parts or [] if isinstance(part, Node)]
        nodes = again


def _has_other_way(nodes: dict[str, Node], limits: Limits, pivot: str, text: str) -> bool:
    return other_way(nodes[text], "", limits, pivot) is not None


def _row(
    row: Conversation, plan: RowPlan, translations: Translations, translator_name: str
) -> Conversation:
    messages, reasons = [], []
    for message, parts in zip(row.messages, plan, strict=True):
        text, failures = assembled(parts)
        reasons += [failure.reason for failure in failures]
        if not failures and translations.backend.unit != "text" and _pieces_differ(message, text):
            reasons.append(LOST_MASK)
        messages.append(Message(message.role, text, message.train))
    if reasons:
        checks = [Check(TRANSLATED, False, float(len(reasons)), reasons[0])]
        messages = row.messages
    else:
        checks = [Check(TRANSLATED, True, 0.0)]
    return Conversation(
        id=row.id,
        lang=translations.lang,
        dataset=row.dataset,
        source=row.source,
        messages=messages,
        origin="translated",
        translator=translator_name,
        source_sha=source_digest(row),
        checks=checks,
    )


def _pieces_differ(message: Message, text: str) -> bool:
    """The last proof, over the whole message: its protected pieces are the same multiset."""
    return Counter(protected_pieces(message.content)) != Counter(protected_pieces(text))


def source_digest(row: Conversation) -> str:
    """Digest of the messages that a translation was made from."""
    return digest([[m.role, m.content] for m in row.messages])
