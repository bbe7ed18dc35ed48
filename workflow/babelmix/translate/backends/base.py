"""What every translation backend offers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from ...io import Journal

#: What one text is: a whole message as it stands (``text``: nothing masked), a message with its
#: protected pieces masked, a line's prose, or a sentence.
Unit = Literal["text", "message", "line", "sentence"]


@dataclass(frozen=True)
class Failure:
    """A text that could not be translated, and why.

    ``content``: the backend answered, but not with a usable translation, and would do so again;
    then smaller parts may fare better. Otherwise it gave no answer, and a later run may succeed.
    """

    reason: str
    content: bool = True


Result = str | Failure


@dataclass(frozen=True)
class Limits:
    """Most characters of one text, and most texts and characters of one call; None: no limit."""

    text_chars: int | None = None
    batch_texts: int = 1
    batch_chars: int | None = None


class Backend(Protocol):
    """Translates texts of the pivot into one language.

    Made only when the language is offered: a constructor raises BabelmixError otherwise, before
    anything is spent. ``settings`` is what the translation depends on (no secrets, hosts, speeds
    or prices): with the text it makes the journal's key. ``journalled``: results are worth keeping
    between runs. ``concurrency`` calls may run at once, in threads. ``by_length``: batches of like
    lengths are quicker. ``batch_dependent``: a text's translation may depend on the others of its
    batch, so batches are kept or redone whole, and the result is the same whether or not a run was
    interrupted.
    """

    settings: dict[str, Any]
    unit: Unit
    limits: Limits
    journalled: bool
    concurrency: int
    by_length: bool
    batch_dependent: bool

    def translate(self, texts: list[str]) -> list[Result]:
        """One result a text, in order. Raises BabelmixError for what stops the whole job."""
        ...


#: Takes the results of some texts as they come, by key, and what the journal keeps beside them.
Keep = Callable[[dict[str, Result], dict[str, Any]], None]


@runtime_checkable
class DeferredBackend(Protocol):
    """A backend that takes all texts at once, and answers each as it comes, perhaps hours later."""

    def translate_later(self, texts: dict[str, str], journal: Journal | None, keep: Keep) -> None:
        """Translate texts by their key. What was under way in an earlier run is collected first."""
        ...


class Local:
    """What backends on this machine have in common."""

    unit: Unit = "line"
    limits = Limits(batch_texts=10_000)
    journalled = False
    concurrency = 1
    by_length = False
    batch_dependent = False
