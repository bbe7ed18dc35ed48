"""The transformers engine: length-sorted, left-padded batches through ``generate``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from ..config.evaluation import Generation
from ..errors import BabelmixError
from .batches import Batch, Prompt, drawn_by, plan_batches


@dataclass(frozen=True, slots=True)
class Completion:
    """What the model wrote: ``finish_reason`` is ``stop``, ``length`` or ``error``."""

    text: str
    finish_reason: str
    n_tokens: int


#: Tokens between two looks at which rows have finished.
_PAUSE = 16


class Engine(Protocol):
    """Anything that completes prompts, in their order; ``on_done`` is told the rows finished."""

    def complete(
        self, prompts: Sequence[Prompt], on_done: Callable[[int], object]
    ) -> list[Completion]: ...


class TransformersEngine:
    """One loaded checkpoint. It computes in the precision that the checkpoint was stored in."""

    def __init__(
        self,
        folder: Path,
        generation: Generation,
        stop_ids: Sequence[int],
        decode: Callable[[list[int]], str],
        device: str = "auto",
        threads: int = 1,
        trust_remote_code: bool = False,
    ) -> None:
        import torch

        torch.set_num_threads(threads)
        self.generation = generation
        self.stop_ids = sorted(set(stop_ids))
        self.decode = decode
        self.device = _choose_device(device)
        self.model = _load(folder, self.device, trust_remote_code)
        config = self.model.config.get_text_config()
        self.context: int | None = getattr(config, "max_position_embeddings", None)
        # A checkpoint's own sampling defaults must not leak into what the configuration says.
        self.model.generation_config = type(self.model.generation_config)()

    def complete(
        self, prompts: Sequence[Prompt], on_done: Callable[[int], object]
    ) -> list[Completion]:
        """Complete the prompts, in their order; one that does not fit comes back as ``error``."""
        settings = self.generation
        batches, too_long = plan_batches(
            prompts, settings.max_new_tokens, self.context, settings.batch_tokens
        )
        done: dict[int, Completion] = dict.fromkeys(too_long, Completion("", "error", 0))
        on_done(len(too_long))
        for batch in batches:
            for index, new_ids in self._run(prompts, batch):
                done[index] = self._read(new_ids)
            on_done(len(batch.indices))
        return [done[index] for index in range(len(prompts))]

    def _read(self, new_ids: list[int]) -> Completion:
        """Cut a row at its first stop token."""
        for position, token in enumerate(new_ids):
            if token in self.stop_ids:
                return Completion(self.decode(new_ids[:position]).strip(), "stop", position)
        return Completion(self.decode(new_ids).strip(), "length", len(new_ids))

    def _run(self, prompts: Sequence[Prompt], batch: Batch) -> Iterator[tuple[int, list[int]]]:
        """Generate one batch; where the GPU's memory is short, in halves."""
        import torch

        try:
            rows = self._generate([prompts[i].ids for i in batch.indices], batch)
        except torch.OutOfMemoryError:
            rows = None
        if rows is not None:
            yield from zip(batch.indices, rows, strict=True)
            return
        if len(batch.indices) == 1:
            raise BabelmixError(
                "The GPU's memory does not hold this model and one prompt. Use a GPU with more, or "
                "a smaller `generation.max_new_tokens`."
            )
        torch.cuda.empty_cache()
        half = len(batch.indices) // 2
        for part in (batch.indices[:half], batch.indices[half:]):
            yield from self._run(prompts, replace(batch, indices=part))

    def _generate(self, rows: list[list[int]], batch: Batch) -> list[list[int]]:
        """New token ids of each row (those after a stop token mean nothing).

        Generation pauses every few tokens to let finished rows go: without that, one long answer
        keeps a whole batch busy.
        """
        import torch

        if batch.temperature > 0:
            torch.manual_seed(int(drawn_by(self.generation.seed, rows, batch.sample)[:15], 16))
        width = max(map(len, rows))
        pad = self.stop_ids[0]
        ids = torch.tensor([[pad] * (width - len(row)) + row for row in rows], device=self.device)
        mask = torch.tensor(
            [[0] * (width - len(row)) + [1] * len(row) for row in rows], device=self.device
        )
        written: list[list[int]] = [[] for _ in rows]
        live = list(range(len(rows)))
        cache: Any = None
        left = batch.max_new_tokens
        with torch.inference_mode():
            while live and left > 0:
                result = self.model.generate(
                    input_ids=ids,
                    attention_mask=mask,
                    past_key_values=cache,
                    generation_config=self._settings(batch.temperature, min(_PAUSE, left)),
                )
                new = result.sequences[:, ids.shape[1] :]
                left -= new.shape[1]
                for row, tokens in zip(live, new.tolist(), strict=True):
                    written[row] += tokens
                going = [k for k, row in enumerate(live) if not self._stopped(written[row])]
                live = [live[k] for k in going]
                keep = torch.tensor(going, dtype=torch.long, device=self.device)
                ids = result.sequences[keep]
                mask = torch.cat([mask, torch.ones_like(new)], dim=1)[keep]
                cache = result.past_key_values
                if len(going) < len(new):
                    cache.reorder_cache(keep)
        return written

    def _stopped(self, new_ids: list[int]) -> bool:
        return not set(self.stop_ids).isdisjoint(new_ids)

    def _settings(self, temperature: float, max_new_tokens: int) -> Any:
        """Greedy, or plain temperature and nucleus sampling."""
        from transformers import GenerationConfig

        sampling: dict[str, Any] = {"do_sample": False}
        if temperature > 0:
            # transformers samples from the 50 likeliest tokens unless told otherwise.
            top_p = self.generation.top_p
            sampling = {"do_sample": True, "temperature": temperature, "top_p": top_p, "top_k": 0}
        return GenerationConfig(
            max_new_tokens=max_new_tokens,
            eos_token_id=self.stop_ids,
            pad_token_id=self.stop_ids[0],
            return_dict_in_generate=True,
            **sampling,
        )


def _choose_device(wanted: str) -> str:
    """``cuda`` or ``cpu``; asking for a GPU that is not there is an error."""
    import torch

    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise BabelmixError(
            "This model's `device` is cuda, but torch sees no GPU here. Run on a machine with one, "
            "or set `device: cpu` for a small model."
        )
    return "cuda" if there and wanted != "cpu" else "cpu"


def _load(folder: Path, device: str, trust_remote_code: bool) -> Any:
    """The checkpoint, in its own precision (fp16 is widened on a CPU, which computes it badly)."""
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder, dtype="auto", trust_remote_code=trust_remote_code, local_files_only=True
        )
    except (OSError, ValueError) as error:
        raise BabelmixError(
            f"{folder}: cannot be loaded as a causal language model ({error})."
        ) from None
    if device == "cpu" and model.dtype == torch.float16:
        model = model.float()
    placed: Any = model
    return placed.to(device).eval()
