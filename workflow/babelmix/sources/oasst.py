"""OpenAssistant's exports: messages of trees -> threads.

Both published forms are read: one message a row with ``parent_id`` (the messages export, and the
columns of the hub's parquet files), or one tree a row with ``prompt`` and nested ``replies``. What
a thread is follows from ``Source.threads``:

``first_turn``  the first message and its answer of rank 0 (study 2's rule)
``best_path``   from the first message down, always the best ranked message, to the end
``all_paths``   every way from the first message to a last answer, each a thread of its own

Messages that were deleted, or in another language, are never part of a thread.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..errors import BabelmixError
from ..records import Message
from .rows import BadRow, text_of


@dataclass
class Node:
    """A message and the replies to it, in file order."""

    raw: dict[str, Any]
    replies: list[Node] = field(default_factory=list)

    def usable(self, role: str, lang: str) -> bool:
        """Whether it can stand in a thread in ``lang`` as ``role`` (prompter, assistant)."""
        raw = self.raw
        return raw.get("role") == role and raw.get("lang") == lang and not raw.get("deleted")

    @property
    def rank(self) -> int | None:
        """0 is best; None where nobody ranked it (a single reply, for one)."""
        rank = self.raw.get("rank")
        # Parquet files hold ranks as numbers with a fraction where others in the column are null.
        if isinstance(rank, int | float) and not isinstance(rank, bool) and rank == rank:
            return int(rank)
        return None


@dataclass
class Thread:
    """One conversation to be, or (``reason``) why its tree gives none."""

    thread_id: Any
    nodes: list[Node]
    reason: str | None = None

    def messages(self) -> list[Message]:
        """Its turns; raises BadRow when there is a reason against it or a text is unusable."""
        if self.reason is not None:
            raise BadRow(self.reason)
        roles = ("user", "assistant")
        names = ("first message", "answer")
        return [
            Message(roles[i % 2], text_of(n.raw.get("text"), names[i] if i < 2 else "turn"))
            for i, n in enumerate(self.nodes)
        ]


def read_threads(raw: list[Any], rule: str, lang: str) -> tuple[list[Thread], dict[str, int]]:
    """Rows of an export -> threads in ``lang`` by ``rule``, and counts of the raw file.

    Every first message gives at least one thread, be it one with a reason. Messages whose parent
    is not in the file belong to no tree: they are counted as ``without_parent`` (with what hangs
    on them) and give no thread.
    """
    roots, counts = _trees(raw) if _is_tree_export(raw) else _from_messages(raw)
    threads = []
    for root in roots:
        found = list(_threads(root, rule, lang))
        threads += found or [Thread(root.raw.get("message_id"), [], f"no thread in {lang}")]
    return threads, counts


def _is_tree_export(raw: list[Any]) -> bool:
    return any(isinstance(row, dict) and "prompt" in row and "message_id" not in row for row in raw)


def _from_messages(raw: list[Any]) -> tuple[list[Node], dict[str, int]]:
    rows = [row if isinstance(row, dict) else {} for row in raw]
    nodes = [Node(row) for row in rows]
    by_id = {_key(n.raw["message_id"]): n for n in nodes if n.raw.get("message_id") is not None}
    roots = []
    for node in nodes:
        parent = node.raw.get("parent_id")
        if parent is None:
            roots.append(node)
        elif _key(parent) in by_id:
            by_id[_key(parent)].replies.append(node)
    reached = sum(1 for root in roots for _ in _walk(root))
    return roots, {"messages": len(raw), "trees": len(roots), "without_parent": len(raw) - reached}


def _trees(raw: list[Any]) -> tuple[list[Node], dict[str, int]]:
    roots = [_nested(row.get("prompt") if isinstance(row, dict) else None) for row in raw]
    messages = sum(1 for root in roots for _ in _walk(root))
    return roots, {"messages": messages, "trees": len(roots), "without_parent": 0}


def _nested(raw: Any) -> Node:
    """A nested message with its replies, without recursion: trees may be deep."""
    root = Node(raw if isinstance(raw, dict) else {})
    open_nodes = [root]
    while open_nodes:
        node = open_nodes.pop()
        replies = node.raw.get("replies")
        for reply in replies if isinstance(replies, list) else []:
            node.replies.append(Node(reply if isinstance(reply, dict) else {}))
        open_nodes += node.replies
    return root


def _walk(root: Node) -> Iterator[Node]:
    open_nodes = [root]
    while open_nodes:
        node = open_nodes.pop()
        yield node
        open_nodes += node.replies


def _key(value: Any) -> str:
    return str(value)


def _threads(root: Node, rule: str, lang: str) -> Iterator[Thread]:
    root_id = root.raw.get("message_id")
    reason = _against_root(root, lang)
    if reason is not None:
        yield Thread(root_id, [], reason)
    elif rule == "first_turn":
        best = [n for n in root.replies if n.usable("assistant", lang) and n.rank == 0]
        if len(best) == 1:
            yield Thread(root_id, [root, best[0]])
        else:
            many = "several answers of rank 0"
            yield Thread(root_id, [], many if best else f"no answer of rank 0 in {lang}")
    elif rule == "best_path":
        path = _best_path(root, lang)
        yield Thread(root_id, path, None if path else f"no answer in {lang}")
    else:
        for path in _all_paths(root, lang):
            yield Thread(path[-1].raw.get("message_id"), path)


def _against_root(root: Node, lang: str) -> str | None:
    if not root.raw:
        return "row is not an object"
    if root.raw.get("role") != "prompter":
        return "first message is not a prompter's"
    if root.raw.get("lang") != lang:
        return f"first message is not in {lang}"
    return "first message was deleted" if root.raw.get("deleted") else None


def _usable_replies(node: Node, depth: int, lang: str) -> list[Node]:
    """Replies that may follow at a depth, best rank first, the unranked last in file order."""
    role = "prompter" if depth % 2 == 0 else "assistant"
    usable = [n for n in node.replies if n.usable(role, lang)]
    return sorted(usable, key=lambda n: (n.rank is None, n.rank or 0))


def _best_path(root: Node, lang: str) -> list[Node]:
    path = [root]
    while replies := _usable_replies(path[-1], len(path), lang):
        path.append(replies[0])
    return path[: len(path) // 2 * 2]


def _all_paths(root: Node, lang: str) -> Iterator[list[Node]]:
    """Paths that end in an answer after which nothing usable leads to another answer."""
    open_paths = [[root]]
    while open_paths:
        path = open_paths.pop()
        replies = _usable_replies(path[-1], len(path), lang)
        if len(path) % 2 == 0:
            # A question that nobody answered does not continue a thread.
            replies = [n for n in replies if _usable_replies(n, len(path) + 1, lang)]
            if not replies:
                yield path
        open_paths += [[*path, n] for n in reversed(replies)]


def refuse_double_messages(raw: list[Any], place: str) -> None:
    """Raise BabelmixError for a message id that stands twice: trees could not be put together."""
    ids = Counter(
        str(r["message_id"]) for r in raw if isinstance(r, dict) and r.get("message_id") is not None
    )
    twice = [i for i, n in ids.items() if n > 1]
    if twice:
        raise BabelmixError(
            f"{place}: {len(twice)} message id(s) occur more than once: {', '.join(twice[:5])}. "
            "Are two exports in one file? Remove the copies."
        )
