"""What every translation backend offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Failure:
    """A text that could not be translated, and why. The same text may succeed in a later run."""

    reason: str


Result = str | Failure


class Backend(Protocol):
    """Translates texts of the pivot into one language.

    ``settings`` is what the translation depends on (no secrets, hosts or prices): with the text it
    makes the journal's key. ``whole_texts``: takes whole messages, unprotected and unsegmented.
    ``journalled``: results are worth keeping between runs. ``batch_size`` texts go into one call of
    ``translate``, and ``concurrency`` calls may run at once, in threads. ``batch_dependent``: a
    text's translation may depend on the others of its batch, so batches are kept or redone whole,
    and the result is the same whether or not a run was interrupted.
    """

    settings: dict[str, Any]
    whole_texts: bool
    journalled: bool
    batch_size: int
    concurrency: int
    batch_dependent: bool

    def translate(self, texts: list[str]) -> list[Result]:
        """One result a text, in order. Raises BabelmixError for what stops the whole job."""
        ...
