"""Bits of each token of many rows under one checkpoint: packed, in batches, one forward pass.

Rows lie end to end and attention is kept apart, as in training. Some rows prove first that this
changes nothing against one row at a time with the model's own attention; a model that cannot keep
rows apart is given padded rows, or one at a time. So what is beside a row in its batch changes
nothing but the last digits. Imports torch.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from tqdm import tqdm

from ..errors import BabelmixError
from .batches import PACKED_ATTENTION, Collator, attention_for
from .chat import IGNORED
from .loss import LIMIT, TokenLoss
from .models import DTYPES
from .segments import TokenRow

#: Tokens of one batch, padding among them; a row that is longer makes a batch of its own.
BATCH_TOKENS = 4096
#: Rows and tokens of each on which it is proved that batches change nothing.
_PROBE_ROWS, _PROBE_TOKENS = 4, 128
#: Largest relative difference (L2) of logits that is rounding; in bf16 and in float32.
_ROUNDING = {True: 5e-2, False: 1e-4}
#: How rows are put into a batch.
Mode = Literal["packed", "padded", "alone"]
Arrays = dict[str, np.ndarray]


class Scorer:
    """One loaded checkpoint."""

    def __init__(
        self,
        folder: Path,
        *,
        device: str = "cpu",
        precision: Literal["fp32", "bf16"] = "fp32",
        threads: int = 1,
        trust_remote_code: bool = False,
        batch_tokens: int = BATCH_TOKENS,
        logits: int = LIMIT,
    ) -> None:
        from transformers import AutoConfig, AutoModelForCausalLM

        torch.set_num_threads(threads)
        self.device, self.batch_tokens = device, batch_tokens
        self.half = precision != "fp32"
        places: dict[str, Any] = {
            "local_files_only": True,
            "trust_remote_code": trust_remote_code,
        }
        try:
            config = AutoConfig.from_pretrained(folder, **places)
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                folder,
                config=config,
                dtype=DTYPES[precision],
                use_safetensors=True,
                **places,
            )
        except (OSError, ValueError) as error:
            raise BabelmixError(
                f"{folder}: cannot be loaded as a causal language model ({error})."
            ) from None
        loaded.config.use_cache = False
        self.model = loaded.to(device).eval()
        self.context: int | None = getattr(
            loaded.config.get_text_config(), "max_position_embeddings", None
        )
        self.own_attention: str = loaded.config._attn_implementation
        if attention_for(config, packed=True) is not None:
            # Code that does not ask for an attention by name keeps its own: this changes nothing.
            loaded.set_attn_implementation(PACKED_ATTENTION)
        self.attention: str = loaded.config._attn_implementation
        self.loss = TokenLoss(loaded, logits)
        #: None until several rows have shown it.
        self.mode: Mode | None = None

    def bits(self, rows: Sequence[TokenRow]) -> list[np.ndarray]:
        """Bits of every scored token of each row, in the rows' order; 0 at all other tokens.

        Raises:
            BabelmixError: where the GPU's memory does not hold the model and one row.
        """
        found: list[np.ndarray] = [np.zeros(0)] * len(rows)
        ready = [_labelled(row) for row in rows]
        # Padding is least beside rows of the same length; long ones first, so that memory that is
        # too small shows at once.
        order = sorted(range(len(rows)), key=lambda i: (-len(rows[i].ids), i))
        progress = tqdm(
            total=len(rows),
            desc="likelihood",
            unit="row",
            disable=None,
            leave=False,
            file=sys.stderr,
        )
        with progress, torch.no_grad():
            mode = self.mode or (self._prove(ready) if ready else "alone")
            limit = 1 if mode == "alone" else self.batch_tokens
            for batch in _batches([(i, len(rows[i].ids)) for i in order], limit):
                some = [ready[i] for i in batch]
                for i, values in zip(batch, self._run(some, mode), strict=True):
                    found[i] = values
                progress.update(len(batch))
        return found

    def _run(self, rows: Sequence[Arrays], mode: Mode) -> Iterator[np.ndarray]:
        """One batch; where the GPU's memory is short, in halves."""
        try:
            nats = self._forward(rows, mode)
        except torch.OutOfMemoryError:
            nats = None
        if nats is not None:
            yield from (values / math.log(2) for values in nats)
            return
        if len(rows) == 1:
            raise BabelmixError(
                f"The GPU's memory does not hold this model and a row of "
                f"{len(rows[0]['input_ids'])} tokens. Use a GPU with more, `precision: bf16`, or a "
                "dataset with a smaller `max_chars`."
            )
        torch.cuda.empty_cache()
        half = len(rows) // 2
        for part in (rows[:half], rows[half:]):
            yield from self._run(part, mode)

    def _forward(self, rows: Sequence[Arrays], mode: Mode) -> list[np.ndarray]:
        """Nats of each token of each row."""
        losses = self.loss.by_token(self.model, self._collate(rows, mode))
        found = losses.double().cpu().numpy()
        lengths = [len(row["input_ids"]) for row in rows]
        if mode == "packed":
            return list(np.split(found[0], np.cumsum(lengths)[:-1]))
        return [found[i, :length] for i, length in enumerate(lengths)]

    def _collate(self, rows: Sequence[Arrays], mode: Mode) -> dict[str, Any]:
        collator = Collator(pad=0, packed=mode == "packed")
        batch = collator.pack(rows) if mode == "packed" else collator.pad_rows(rows)
        return {
            name: value.to(self.device) if isinstance(value, torch.Tensor) else value
            for name, value in batch.items()
        }

    def _prove(self, rows: Sequence[Arrays]) -> Mode:
        """The fastest way to batch that gives the logits of one row at a time.

        Those come from the model's own attention: a model whose code does not ask for ours might
        else lose its causal mask, and be equally wrong both ways.
        """
        some = [
            {name: values[:_PROBE_TOKENS] for name, values in row.items()}
            for row in rows[:_PROBE_ROWS]
        ]
        packed = self._try(some, "packed")
        self._attend_by(self.own_attention)
        wanted = torch.cat([self._logits([row], "alone") for row in some])
        mode: Mode = "packed"
        if self._is_same(packed, wanted):
            self._attend_by(self.attention)
        else:
            mode = "padded" if self._is_same(self._try(some, "padded"), wanted) else "alone"
            why = "this model's code does not keep packed rows apart"
            print(f"rows are {mode}, not packed: {why}", file=sys.stderr)
        if len(some) > 1:
            self.mode = mode
        return mode

    def _attend_by(self, name: str) -> None:
        if self.model.config._attn_implementation != name:
            self.model.set_attn_implementation(name)

    def _try(self, rows: Sequence[Arrays], mode: Mode) -> torch.Tensor | None:
        """Logits of rows in a batch; None where the model does not take such a batch."""
        try:
            return self._logits(rows, mode)
        except (TypeError, ValueError, IndexError):
            return None

    def _logits(self, rows: Sequence[Arrays], mode: Mode) -> torch.Tensor:
        """Logits ``[tokens of all rows, vocabulary]``."""
        inputs = self._collate(rows, mode)
        mask = inputs.get("attention_mask")
        del inputs["labels"]
        logits: torch.Tensor = self.model(**inputs, use_cache=False).logits.float()
        return logits[0] if mask is None else logits[mask.bool()]

    def _is_same(self, found: torch.Tensor | None, wanted: torch.Tensor) -> bool:
        if found is None:
            return False
        difference = (found - wanted).norm() / wanted.norm().clamp(min=1e-9)
        return bool(difference <= _ROUNDING[self.half])


def _labelled(row: TokenRow) -> Arrays:
    """Ids, and labels at the tokens of its segments."""
    ids = np.array(row.ids, dtype=np.int32)
    labels = np.full(len(ids), IGNORED, dtype=np.int32)
    for segment in row.segments:
        labels[segment.start : segment.end] = ids[segment.start : segment.end]
    return {"input_ids": ids, "labels": labels}


def _batches(rows: Sequence[tuple[int, int]], limit: int) -> Iterator[list[int]]:
    """Numbers of rows (number, length; longest first) by batches of at most ``limit`` slots."""
    batch: list[int] = []
    longest = 0
    for number, length in rows:
        if batch and (len(batch) + 1) * max(longest, length) > limit:
            yield batch
            batch, longest = [], 0
        batch.append(number)
        longest = max(longest, length)
    if batch:
        yield batch
