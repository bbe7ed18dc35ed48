"""The transformers engine: length-sorted, left-padded batches through ``generate``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from ..config.evaluation import Generation
from ..errors import BabelmixError
from .batches import Batch, Prompt, drawn_by, plan_batches
from .draws import Draws


@dataclass(frozen=True, slots=True)
class Completion:
    """What the model wrote: ``finish_reason`` is ``stop``, ``length`` or ``error``.

    ``dropped``: control tokens within the answer, which its text does not show.
    """

    text: str
    finish_reason: str
    n_tokens: int
    dropped: int = 0


def completed(
    ids: list[int],
    finish_reason: str,
    decode: Callable[[list[int]], str],
    special_ids: Collection[int] = (),
) -> Completion:
    """Read the token ids of an answer, without the stop token that ended it."""
    dropped = sum(token in special_ids for token in ids)
    return Completion(decode(ids).strip(), finish_reason, len(ids), dropped)


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
        special_ids: Collection[int] = (),
    ) -> None:
        import torch

        torch.set_num_threads(threads)
        self.folder = folder
        self.generation = generation
        self.special_ids = frozenset(special_ids)
        #: Why prompts are answered one by one; empty: they are not; None: not tried yet.
        self.alone_because: str | None = None
        self.stop_ids = sorted(set(stop_ids))
        self.decode = decode
        self.device = _choose_device(device)
        spread = generation.tensor_parallel > 1
        self.model = _load(folder, self.device, trust_remote_code, spread)
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
            prompts, settings.max_new_tokens, self.context, self._batch_tokens(prompts)
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
        ends = [place for place, token in enumerate(new_ids) if token in self.stop_ids]
        ids = new_ids[: ends[0]] if ends else new_ids
        return completed(ids, "stop" if ends else "length", self.decode, self.special_ids)

    def _batch_tokens(self, prompts: Sequence[Prompt]) -> int:
        """Padded tokens of a batch; 1, so that each prompt is by itself, where batches do not hold.

        Tried once, when there is more than one prompt.
        """
        from .agreement import disagreement

        if len(prompts) > 1 and self.alone_because is None:
            self.alone_because = disagreement(self)
            if self.alone_because:
                print(
                    f"warning: {self.folder}: this model's prompts are answered one by one: "
                    f"{self.alone_because}.",
                    file=sys.stderr,
                )
        return 1 if self.alone_because else self.generation.batch_tokens

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

        draws = None
        if batch.temperature > 0:
            settings = self.generation
            digests = [drawn_by(settings.seed, row, batch.sample) for row in rows]
            draws = Draws(digests, batch.temperature, settings.top_p)
        ids, mask = self.padded(rows)
        written: list[list[int]] = [[] for _ in rows]
        live = list(range(len(rows)))
        cache: Any = None
        left, pause = batch.max_new_tokens, _PAUSE
        with torch.inference_mode():
            while True:
                result = self.extend(ids, mask, cache, min(pause, left), draws=draws)
                new = result.sequences[:, ids.shape[1] :]
                left -= new.shape[1]
                for row, tokens in zip(live, new.tolist(), strict=True):
                    written[row] += tokens
                going = [k for k, row in enumerate(live) if not self._stopped(written[row])]
                live = [live[k] for k in going]
                if not live or left <= 0:
                    return written
                keep = torch.tensor(going, dtype=torch.long, device=self.device)
                ids = result.sequences[keep]
                mask = torch.cat([mask, torch.ones_like(new)], dim=1)[keep]
                if result.past_key_values is None:
                    pause = left  # this model hands no state on: each pause reads all again
                elif len(going) < len(new):
                    cache = self.select(result.past_key_values, keep)
                else:
                    cache = result.past_key_values
                if draws is not None:
                    draws.keep(going)

    def padded(self, rows: list[list[int]]) -> tuple[Any, Any]:
        """Return left-padded ids and their mask, both rows × longest row."""
        import torch

        width, pad = max(map(len, rows)), self.stop_ids[0]
        ids = [[pad] * (width - len(row)) + row for row in rows]
        mask = [[0] * (width - len(row)) + [1] * len(row) for row in rows]
        return torch.tensor(ids, device=self.device), torch.tensor(mask, device=self.device)

    def extend(
        self,
        ids: Any,
        mask: Any,
        cache: Any,
        new_tokens: int,
        draws: Draws | None = None,
        logits: bool = False,
    ) -> Any:
        """Continue all rows by so many tokens; greedy, or as drawn. Returns `generate`'s result.

        With ``logits`` no stop token ends a row, and the result holds the logits of each step.
        """
        from transformers import GenerationConfig, LogitsProcessorList

        settings = GenerationConfig(
            do_sample=False,
            max_new_tokens=new_tokens,
            eos_token_id=None if logits else self.stop_ids,
            pad_token_id=self.stop_ids[0],
            return_dict_in_generate=True,
            output_logits=logits,
        )
        return self.model.generate(
            input_ids=ids,
            attention_mask=mask,
            past_key_values=cache,
            generation_config=settings,
            logits_processor=LogitsProcessorList([] if draws is None else [draws]),
        )

    @staticmethod
    def select(cache: Any, keep: Any) -> Any:
        """Return the cache with these rows (by place) only."""
        if cache is None:
            return None
        layers = getattr(cache, "layers", [])
        if any(hasattr(layer, "recurrent_states") for layer in layers):
            cache.reorder_cache(keep)  # the other way leaves these layers' states as they are
        else:
            cache.batch_select_indices(keep)
        return cache

    def _stopped(self, new_ids: list[int]) -> bool:
        return not set(self.stop_ids).isdisjoint(new_ids)


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


def _load(folder: Path, device: str, trust_remote_code: bool, spread: bool = False) -> Any:
    """Load the checkpoint, in its own precision (fp16 is widened on a CPU, which computes it
    badly); ``spread``: its layers over all GPUs that this process may use."""
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype="auto",
            trust_remote_code=trust_remote_code,
            local_files_only=True,
            device_map="auto" if spread and device == "cuda" else None,
        )
    except (OSError, ValueError) as error:
        raise BabelmixError(
            f"{folder}: cannot be loaded as a causal language model ({error})."
        ) from None
    if device == "cpu" and model.dtype == torch.float16:
        model = model.float()
    placed: Any = model
    return (placed if getattr(model, "hf_device_map", None) else placed.to(device)).eval()
