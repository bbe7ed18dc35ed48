"""The engine of vLLM in this process, where it is installed: for GPUs, many prompts, one load."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config.evaluation import Generation
from ..errors import BabelmixError
from .batches import Prompt, drawn_by

if TYPE_CHECKING:
    from .engine import Completion


class VllmEngine:
    """One loaded checkpoint; vLLM batches by itself, so it is handed all prompts at once."""

    def __init__(
        self,
        folder: Path,
        generation: Generation,
        stop_ids: Sequence[int],
        decode: Callable[[list[int]], str],
        trust_remote_code: bool = False,
    ) -> None:
        try:
            import vllm
        except ImportError:
            raise BabelmixError(
                "generation.engine `vllm` needs the package vllm, which brings its own torch: "
                "install it into an environment of its own and run this verb there, or serve the "
                "checkpoint with it and use the engine `openai`."
            ) from None
        self._vllm: Any = vllm
        self.generation = generation
        self.stop_ids = sorted(set(stop_ids))
        self.decode = decode
        self.model: Any = vllm.LLM(
            model=str(folder),
            dtype="auto",
            seed=generation.seed,
            trust_remote_code=trust_remote_code,
            generation_config="vllm",  # a checkpoint's own sampling defaults must not leak in
        )
        self.context = int(self.model.llm_engine.model_config.max_model_len)

    def complete(
        self, prompts: Sequence[Prompt], on_done: Callable[[int], object]
    ) -> list[Completion]:
        """Complete the prompts, in their order; one that does not fit comes back as ``error``."""
        from .engine import Completion

        fitting = [i for i, prompt in enumerate(prompts) if len(prompt.ids) < self.context]
        on_done(len(prompts) - len(fitting))
        outputs = self.model.generate(
            [{"prompt_token_ids": prompts[i].ids} for i in fitting],
            [self._sampling(prompts[i]) for i in fitting],
            use_tqdm=False,
        )
        found = dict.fromkeys(range(len(prompts)), Completion("", "error", 0))
        for index, output in zip(fitting, outputs, strict=True):
            found[index] = self._read(output.outputs[0])
        on_done(len(fitting))
        return [found[index] for index in range(len(prompts))]

    def _sampling(self, prompt: Prompt) -> Any:
        settings = self.generation
        room = min(settings.max_new_tokens, self.context - len(prompt.ids))
        return self._vllm.SamplingParams(
            temperature=prompt.temperature,
            top_p=settings.top_p if prompt.temperature > 0 else 1.0,
            max_tokens=room,
            stop_token_ids=self.stop_ids,
            seed=int(drawn_by(settings.seed, prompt.ids, prompt.sample)[:8], 16),
        )

    def _read(self, output: Any) -> Completion:
        from .engine import Completion

        ids = [token for token in output.token_ids if token not in self.stop_ids]
        finish = "length" if output.finish_reason == "length" else "stop"
        return Completion(self.decode(ids).strip(), finish, len(ids))
