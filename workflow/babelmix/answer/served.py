"""The engine behind any OpenAI-compatible server (vLLM, SGLang, `transformers serve` …).

The rendered prompt goes to `/completions`, so that the chat template is ours and not the server's:
as token ids where the server takes them (see ``dialect``). As many requests run at once as the
server takes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config.evaluation import Generation
from ..errors import BabelmixError
from ..service import ChatService, Reply, Request, require_complete
from ..service.budget import estimate_calls, require_confirmation
from .batches import Prompt, drawn_by
from .codec import Codec
from .dialect import Dialect, find_dialect, tell

if TYPE_CHECKING:
    from .engine import Completion

#: Tokens of an answer, about, for the estimate.
ANSWER_TOKENS = 375


class ServedEngine:
    """Completions of one served model.

    ``model`` is the run, which the server knows by the same name unless ``served_model`` has
    another; ``folder``: where ledgers and rates lie.
    """

    def __init__(
        self,
        generation: Generation,
        model: str,
        codec: Codec,
        benchmark: str = "",
        folder: Path | None = None,
    ) -> None:
        if not generation.base_url:
            raise BabelmixError("generation.engine `openai` needs a `base_url`, as …/v1.")
        self.generation = generation
        self.codec = codec
        self.dialect: Dialect | None = None
        self.misread = 0
        self.service = ChatService(
            generation,
            f"benchmarks.{benchmark}.generation",
            folder,
            model=generation.served_model or model,
            most_out=generation.max_new_tokens,
        )

    def recall(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Learn from a journal what was spent before."""
        self.service.recall(entry for entry in entries if "cost" in entry)

    def complete(
        self, prompts: Sequence[Prompt], on_done: Callable[[int], object]
    ) -> list[Completion]:
        """Complete the prompts, in their order; one refused for good is an ``error``."""
        found: dict[int, Completion] = {}
        self.complete_each(prompts, lambda i, completion, _: found.update({i: completion}), on_done)
        return [found[i] for i in range(len(prompts))]

    def complete_each(
        self,
        prompts: Sequence[Prompt],
        keep: Callable[[int, Completion, dict[str, Any]], object],
        on_done: Callable[[int], object],
        sync: Callable[[], None] | None = None,
    ) -> None:
        """Hand each completion to ``keep`` as it comes, by its prompt's index, with what a journal
        keeps beside it (nothing for an ``error``, which is no reply).

        A prompt that leaves no room for an answer is an ``error`` and is not asked; one near the
        context's end gets the room that is left. Raises IncompleteError when more than accepted got
        no reply for a passing reason.
        """
        from .engine import Completion

        service = self.service
        if not prompts:
            return
        self._agree_on_cost(prompts)
        if self.dialect is None:
            self.dialect = find_dialect(service, self.codec, min(prompts, key=lambda p: len(p.ids)))
            tell(self.dialect, service)
        rooms = [self._room(prompt) for prompt in prompts]

        def on_reply(reply: Reply) -> None:
            keep(int(reply.key), self._read(reply, prompts[int(reply.key)]), reply.provenance())

        requests = [
            self._request(str(i), prompt, room)
            for i, (prompt, room) in enumerate(zip(prompts, rooms, strict=True))
            if room > 0
        ]
        for i, room in enumerate(rooms):
            if room <= 0:
                keep(i, Completion("", "error", 0), {})
                on_done(1)
        failures = service.ask(requests, on_reply, sync, progress=lambda: on_done(1))
        for key in failures:
            keep(int(key), Completion("", "error", 0), {})
        if self.misread:
            print(
                f"warning: {service.where}: the server counted another number of tokens than was "
                f"sent for {self.misread} of {len(requests)} prompts: it cut or changed them.",
                file=sys.stderr,
            )
        require_complete(self.generation, failures, len(requests), service.where)

    def _agree_on_cost(self, prompts: Sequence[Prompt]) -> None:
        service = self.service
        chars = float(sum(len(prompt.text) for prompt in prompts))
        tokens_out = len(prompts) * min(ANSWER_TOKENS, self.generation.max_new_tokens)
        estimate = estimate_calls(
            self.generation, len(prompts), chars, tokens_out, model=service.model
        )
        spent = service.ledger.total() if service.ledger else 0.0
        require_confirmation(self.generation, estimate, service.price, service.where, spent)

    def _room(self, prompt: Prompt) -> int:
        """Tokens that the answer may have."""
        assert self.dialect is not None
        most, context = self.generation.max_new_tokens, self.dialect.context
        return most if context is None else min(most, context - len(prompt.ids))

    def _request(self, key: str, prompt: Prompt, room: int) -> Request:
        assert self.dialect is not None
        settings = self.generation
        options: dict[str, Any] = {"temperature": prompt.temperature}
        if prompt.temperature > 0:
            seed = int(drawn_by(settings.seed, prompt.ids, prompt.sample)[:8], 16) % 2**31
            options |= {"top_p": settings.top_p, "seed": seed}
        return self.dialect.request(key, prompt, self.codec, room, options)

    def _read(self, reply: Reply, prompt: Prompt) -> Completion:
        """Read a reply: by its token ids, as the engine in this process does, where it has some."""
        from .engine import Completion, completed

        counted = 0 if reply.usage.estimated else reply.usage.tokens_in
        self.misread += counted not in (0, len(prompt.ids))
        finish = "length" if reply.truncated else "stop"
        if reply.ids is None:
            return Completion(reply.text.strip(), finish, reply.usage.tokens_out)
        ends = [place for place, token in enumerate(reply.ids) if token in self.codec.stop_ids]
        ids = reply.ids[: ends[0]] if ends else reply.ids
        return completed(ids, finish, self.codec.decode, self.codec.special_ids)
