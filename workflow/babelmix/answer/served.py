"""The engine behind any OpenAI-compatible server (vLLM, SGLang, `transformers serve` …).

The rendered prompt goes to `/completions` as text, so that the chat template is ours and not the
server's. As many requests run at once as the server takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config.evaluation import Generation
from ..errors import BabelmixError
from ..service import ChatService, Reply, Request, require_complete
from ..service.budget import estimate_calls, require_confirmation
from .batches import Prompt, drawn_by

if TYPE_CHECKING:
    from .engine import Completion

#: Tokens of an answer, about, for the estimate.
ANSWER_TOKENS = 375


class ServedEngine:
    """Completions of one served model; ``stop`` is the text of the template's end of turn.

    ``model`` is the run, which the server knows by the same name unless ``served_model`` has
    another; ``folder``: where ledgers and rates lie.
    """

    def __init__(
        self,
        generation: Generation,
        model: str,
        stop: Sequence[str],
        benchmark: str = "",
        folder: Path | None = None,
    ) -> None:
        if not generation.base_url:
            raise BabelmixError("generation.engine `openai` needs a `base_url`, as …/v1.")
        self.generation = generation
        self.stop = list(stop)
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

        Raises IncompleteError when more than accepted got no reply for a passing reason.
        """
        from .engine import Completion

        service = self.service
        chars = float(sum(len(prompt.text) for prompt in prompts))
        tokens_out = len(prompts) * min(ANSWER_TOKENS, self.generation.max_new_tokens)
        estimate = estimate_calls(
            self.generation, len(prompts), chars, tokens_out, model=service.model
        )
        spent = service.ledger.total() if service.ledger else 0.0
        require_confirmation(self.generation, estimate, service.price, service.where, spent)

        def on_reply(reply: Reply) -> None:
            finish = "length" if reply.truncated else "stop"
            written = Completion(reply.text.strip(), finish, reply.usage.tokens_out)
            keep(int(reply.key), written, reply.provenance())

        requests = [self._request(str(i), prompt) for i, prompt in enumerate(prompts)]
        failures = service.ask(requests, on_reply, sync, progress=lambda: on_done(1))
        for key in failures:
            keep(int(key), Completion("", "error", 0), {})
        require_complete(self.generation, failures, len(requests), service.where)

    def _request(self, key: str, prompt: Prompt) -> Request:
        settings = self.generation
        options: dict[str, Any] = {"temperature": prompt.temperature, "stop": self.stop}
        if prompt.temperature > 0:
            seed = int(drawn_by(settings.seed, prompt.ids, prompt.sample)[:8], 16) % 2**31
            options |= {"top_p": settings.top_p, "seed": seed}
        return Request(key, prompt=prompt.text, options=options)
