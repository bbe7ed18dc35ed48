"""The engine behind any OpenAI-compatible server (vLLM, SGLang, `transformers serve` …).

The rendered prompt goes to `/completions` as text, so that the chat template is ours and not the
server's. As many requests run at once as the server takes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..config.evaluation import Generation, OpenAIJudge
from ..errors import BabelmixError
from ..judge.client import open_client, post
from ..judge.failures import CallFailedError, Patience, classify
from ..judge.reach import check_reachable
from ..judge.window import Window
from .batches import Prompt, drawn_by

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from .engine import Completion


#: Seconds that a server may ask to wait at a time.
_LONGEST_WAIT_S = 60.0


class ServedEngine:
    """Completions of one served model; ``stop`` is the text of the template's end of turn."""

    def __init__(self, generation: Generation, model: str, stop: Sequence[str]) -> None:
        if not generation.base_url:
            raise BabelmixError("generation.engine `openai` needs a `base_url`, as …/v1.")
        self.generation = generation
        self.stop = list(stop)
        # The judge's client does the same: keys, patience, the window.
        self.server = OpenAIJudge(
            engine="openai",
            model=generation.served_model or model,
            base_url=generation.base_url,
            key_env=generation.key_env,
            max_tokens=generation.max_new_tokens,
            timeout_s=600.0,
        )

    def complete(
        self, prompts: Sequence[Prompt], on_done: Callable[[int], object]
    ) -> list[Completion]:
        """Complete the prompts, in their order; one refused for good is an ``error``."""
        if not prompts:
            return []
        check_reachable(str(self.server.base_url))
        return asyncio.run(self._all(prompts, on_done))

    async def _all(
        self, prompts: Sequence[Prompt], on_done: Callable[[int], object]
    ) -> list[Completion]:
        window, patience = Window(self.server.concurrency), Patience(self.server)
        async with open_client(self.server) as client:

            async def one(prompt: Prompt) -> Completion:
                found = await self._one(client, window, patience, prompt)
                on_done(1)
                return found

            tasks = [asyncio.create_task(one(prompt)) for prompt in prompts]
            try:
                return list(await asyncio.gather(*tasks))
            finally:
                for task in tasks:
                    task.cancel()

    async def _one(
        self, client: AsyncOpenAI, window: Window, patience: Patience, prompt: Prompt
    ) -> Completion:
        from .engine import Completion

        tries = 0
        while True:
            await patience.wait_for_server()
            ticket = await window.enter()
            try:
                found = _read(await post(client, self.server, "/completions", self._body(prompt)))
                window.served(ticket)
                patience.succeeded()
                return found
            except Exception as error:
                failure = error if isinstance(error, CallFailedError) else None
                failure = failure or classify(error, self.server)
                if failure.overload:
                    window.refused(ticket, not failure.limited)
                tries += not failure.limited
                if not failure.passing or tries > self.server.max_retries:
                    patience.gave_up(failure)
                    return Completion("", "error", 0)
            finally:
                window.leave()
            wait = failure.retry_after or patience.backoff(max(tries, 1), first=0.5)
            await asyncio.sleep(min(wait, _LONGEST_WAIT_S))

    def _body(self, prompt: Prompt) -> dict[str, Any]:
        settings = self.generation
        body: dict[str, Any] = {
            "model": self.server.model,
            "prompt": prompt.text,
            "max_tokens": settings.max_new_tokens,
            "temperature": prompt.temperature,
            "stop": self.stop,
        }
        if prompt.temperature > 0:
            seed = int(drawn_by(settings.seed, prompt.ids, prompt.sample)[:8], 16) % 2**31
            body |= {"top_p": settings.top_p, "seed": seed}
        return body


def _read(response: Any) -> Completion:
    """The text of a completion; its end of turn is not part of it."""
    from .engine import Completion

    value = response.json()
    choice = value["choices"][0]
    finish = "length" if choice.get("finish_reason") == "length" else "stop"
    tokens = int((value.get("usage") or {}).get("completion_tokens") or 0)
    return Completion(str(choice["text"]).strip(), finish, tokens)
