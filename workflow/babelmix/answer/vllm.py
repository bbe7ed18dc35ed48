"""The engine of vLLM in this process, where it is installed: for GPUs, many prompts, one load."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config.evaluation import Generation
from ..errors import BabelmixError
from .batches import Prompt, drawn_by
from .codec import Codec

if TYPE_CHECKING:
    from .engine import Completion


def engine_arguments(
    generation: Generation, folder: Path, trust_remote_code: bool
) -> dict[str, Any]:
    """Return the arguments of vLLM's engine, by their Python names; only what is set.

    ``generation_config``: a checkpoint's own sampling defaults must not leak into what the
    configuration says.
    """
    told: dict[str, Any] = {"model": str(folder), "dtype": "auto", "seed": generation.seed}
    told |= {"generation_config": "vllm", "tensor_parallel_size": generation.tensor_parallel}
    if trust_remote_code:
        told["trust_remote_code"] = True
    for name in ("max_model_len", "gpu_memory_utilization"):
        if (value := getattr(generation, name)) is not None:
            told[name] = value
    return told | generation.vllm_options


class VllmEngine:
    """One loaded checkpoint; vLLM is handed all prompts at once, and batches by itself."""

    def __init__(
        self,
        folder: Path,
        generation: Generation,
        codec: Codec,
        trust_remote_code: bool = False,
    ) -> None:
        try:
            import vllm
            from vllm.sampling_params import RequestOutputKind
        except ImportError:
            raise BabelmixError(
                "generation.engine `vllm` needs the package vllm, which brings its own torch: "
                "install it into an environment of its own and name it with `engine: vllm-server` "
                "and `server_command`, or run this verb there."
            ) from None
        self._vllm: Any = vllm
        self._at_the_end: Any = RequestOutputKind.FINAL_ONLY
        self.generation = generation
        self.codec = codec
        self.model: Any = vllm.LLM(**engine_arguments(generation, folder, trust_remote_code))
        self.engine: Any = self.model.llm_engine
        self.context = int(self.engine.model_config.max_model_len)

    def recall(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Learn nothing: what a journal holds costs nothing more."""

    def complete(
        self, prompts: Sequence[Prompt], on_done: Callable[[int], object]
    ) -> list[Completion]:
        """Complete the prompts, in their order; one that does not fit comes back as ``error``."""
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
        """Hand each completion to ``keep`` as it comes, by its prompt's index; an ``error`` for one
        that does not fit.

        The longest prompts go first, so that the last to end are short ones.
        """
        from .engine import Completion

        for index in sorted(range(len(prompts)), key=lambda i: (-len(prompts[i].ids), i)):
            prompt = prompts[index]
            if len(prompt.ids) >= self.context:
                keep(index, Completion("", "error", 0), {})
                on_done(1)
                continue
            asked = {"prompt_token_ids": prompt.ids}
            self.engine.add_request(str(index), asked, self._sampling(prompt))
        while self.engine.has_unfinished_requests():
            ended = [output for output in self.engine.step() if output.finished]
            for output in ended:
                keep(_index(output.request_id), self._read(output.outputs[0]), {})
                on_done(1)
            if ended and sync is not None:
                sync()

    def _sampling(self, prompt: Prompt) -> Any:
        settings = self.generation
        room = min(settings.max_new_tokens, self.context - len(prompt.ids))
        return self._vllm.SamplingParams(
            temperature=prompt.temperature,
            top_p=settings.top_p if prompt.temperature > 0 else 1.0,
            max_tokens=room,
            stop_token_ids=self.codec.stop_ids,
            seed=int(drawn_by(settings.seed, prompt.ids, prompt.sample)[:8], 16),
            output_kind=self._at_the_end,
            detokenize=False,  # text is made here, by the checkpoint's own tokenizer
        )

    def _read(self, output: Any) -> Completion:
        from .engine import completed

        ids, stops = list(output.token_ids), self.codec.stop_ids
        ends = [place for place, token in enumerate(ids) if token in stops]
        finish = "length" if output.finish_reason == "length" else "stop"
        ids = ids[: ends[0]] if ends else ids
        return completed(ids, finish, self.codec.decode, self.codec.special_ids)


def _index(request_id: str) -> int:
    """The index in a request's id, to which some versions of vLLM add more after a dash."""
    return int(request_id.partition("-")[0])
