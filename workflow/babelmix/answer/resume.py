"""An engine that remembers: what a killed job had answered is not generated again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ..io import Journal, digest
from .batches import Prompt

if TYPE_CHECKING:
    from .engine import Completion, Engine

#: Padded tokens that are generated between two entries, in batches of the engine.
BATCHES_A_CHUNK = 8


@runtime_checkable
class StreamingEngine(Protocol):
    """An engine that is handed all prompts, and hands back each completion as it comes."""

    def recall(self, entries: Iterable[Mapping[str, Any]]) -> None: ...

    def complete_each(
        self,
        prompts: Sequence[Prompt],
        keep: Callable[[int, Completion, dict[str, Any]], object],
        on_done: Callable[[int], object],
        sync: Callable[[], None] | None = None,
    ) -> None: ...


class ResumingEngine:
    """Hands an engine one chunk of prompts after the other and notes each chunk when it is done; an
    engine that hands back one by one gets all at once.

    Chunks depend on the prompts alone, so that a resumed job generates the same batches (and draws
    the same samples) as one that was never stopped. Each holds one sample of its questions, so that
    more samples change nothing in the journal. ``identity`` is what else an answer depends on: the
    checkpoint's digest and the generation settings.
    """

    def __init__(
        self, engine: Engine, journal: Journal, identity: Any, chunk_tokens: int, new_tokens: int
    ) -> None:
        self.engine = engine
        self.journal = journal
        self.identity = digest(identity)
        self.chunk_tokens = chunk_tokens
        self.new_tokens = new_tokens
        self.reused = 0

    def complete(
        self, prompts: Sequence[Prompt], on_done: Callable[[int], object]
    ) -> list[Completion]:
        """Complete the prompts, in their order, those in the journal without the engine."""
        keys = self._keys(prompts)
        if isinstance(self.engine, StreamingEngine):
            return self._complete_each(self.engine, prompts, keys, on_done)
        for chunk in self._chunks(prompts):
            if all(keys[i] in self.journal for i in chunk):
                self.reused += len(chunk)
                on_done(len(chunk))
                continue
            completions = self.engine.complete([prompts[i] for i in chunk], on_done)
            self.journal.extend(
                _entry(keys[i], completion)
                for i, completion in zip(chunk, completions, strict=True)
            )
        return [_completion(self.journal.entries[key]) for key in keys]

    def _complete_each(
        self,
        engine: StreamingEngine,
        prompts: Sequence[Prompt],
        keys: Sequence[str],
        on_done: Callable[[int], object],
    ) -> list[Completion]:
        """Complete by an engine whose answers come one by one: each is noted as it comes.

        What failed is noted nowhere, and an ``error`` of an earlier run is asked for again.
        """
        engine.recall(self.journal.entries.values())
        errors: dict[int, Completion] = {}

        def known(i: int) -> bool:
            return (self.journal.get(keys[i]) or {}).get("finish_reason", "error") != "error"

        missing = [i for i in range(len(prompts)) if not known(i)]
        self.reused += len(prompts) - len(missing)
        on_done(len(prompts) - len(missing))

        def keep(place: int, completion: Completion, beside: dict[str, Any]) -> None:
            if completion.finish_reason == "error":
                errors[missing[place]] = completion
                return
            self.journal.hand_over(_entry(keys[missing[place]], completion) | beside)

        wanted = [prompts[i] for i in missing]
        engine.complete_each(wanted, keep, on_done, self.journal.sync)
        self.journal.sync()
        return [
            errors[i] if i in errors else _completion(self.journal.entries[key])
            for i, key in enumerate(keys)
        ]

    def _keys(self, prompts: Sequence[Prompt]) -> list[str]:
        """A key for each prompt; equal prompts are told apart by their turn among them."""
        seen: Counter[str] = Counter()
        keys = []
        for prompt in prompts:
            what = [self.identity, prompt.ids, prompt.temperature]
            if prompt.temperature > 0 and not isinstance(self.engine, StreamingEngine):
                what.append("drawn by row")  # answers of before were drawn by batch
            own = digest([*what, prompt.sample] if prompt.sample else what)
            keys.append(digest([own, seen[own]]))
            seen[own] += 1
        return keys

    def _chunks(self, prompts: Sequence[Prompt]) -> Iterator[list[int]]:
        """Alike prompts together, the longest first: the order of the engine's own batches."""

        def place(i: int) -> tuple[int, float, int, int]:
            return prompts[i].sample, prompts[i].temperature, -len(prompts[i].ids), i

        chunk: list[int] = []
        tokens = 0
        for index in sorted(range(len(prompts)), key=place):
            if chunk and prompts[index].sample != prompts[chunk[0]].sample:
                yield chunk
                chunk, tokens = [], 0
            chunk.append(index)
            tokens += len(prompts[index].ids) + self.new_tokens
            if tokens >= self.chunk_tokens:
                yield chunk
                chunk, tokens = [], 0
        if chunk:
            yield chunk


def _entry(key: str, completion: Completion) -> dict[str, Any]:
    """What a journal keeps of a completion."""
    held: dict[str, Any] = {"text": completion.text, "finish_reason": completion.finish_reason}
    held |= {"dropped": completion.dropped} if completion.dropped else {}
    return {"key": key, **held, "n_tokens": completion.n_tokens}


def _completion(entry: dict[str, Any]) -> Completion:
    from .engine import Completion

    known = entry["text"], entry["finish_reason"], entry["n_tokens"]
    return Completion(*known, entry.get("dropped", 0))
