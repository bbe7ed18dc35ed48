"""Bits of each token of many rows under one checkpoint: packed, in batches, one forward pass.

Rows lie end to end and attention is kept apart, as in training; the first batch proves on some of
its rows that they do not see each other, and a model that cannot keep them apart is given padded
rows instead. What is beside a row in its batch changes nothing but the last digits. Imports torch.
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
from .batches import Collator, attention_for, check_packing
from .chat import IGNORED
from .loss import LIMIT, TokenLoss
from .models import DTYPES
from .segments import TokenRow

#: Tokens of one batch, padding among them; a row that is longer makes a batch of its own.
BATCH_TOKENS = 4096
#: Rows and tokens of each on which packing is proved.
_PROBE_ROWS, _PROBE_TOKENS = 4, 128


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
                attn_implementation=attention_for(config, packed=True),
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
        self.loss = TokenLoss(loaded, logits)
        #: None until the first batch of several rows has shown it.
        self.packed: bool | None = None

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
            for batch in _batches([(i, len(rows[i].ids)) for i in order], self.batch_tokens):
                for i, values in zip(batch, self._run([ready[i] for i in batch]), strict=True):
                    found[i] = values
                progress.update(len(batch))
        return found

    def _run(self, rows: Sequence[dict[str, np.ndarray]]) -> Iterator[np.ndarray]:
        """One batch; where the GPU's memory is short, in halves."""
        if self.packed is None and len(rows) > 1:
            self.packed = self._packs(rows)
        try:
            nats = self._forward(rows)
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
            yield from self._run(part)

    def _forward(self, rows: Sequence[dict[str, np.ndarray]]) -> list[np.ndarray]:
        """Nats of each token of each row."""
        packed = self.packed is not False
        losses = self.loss.by_token(self.model, self._collate(rows, packed=packed))
        found = losses.double().cpu().numpy()
        lengths = [len(row["input_ids"]) for row in rows]
        if not packed:
            return [found[i, :length] for i, length in enumerate(lengths)]
        return list(np.split(found[0], np.cumsum(lengths)[:-1]))

    def _collate(self, rows: Sequence[dict[str, np.ndarray]], *, packed: bool) -> dict[str, Any]:
        collator = Collator(pad=0, packed=packed)
        batch = collator.pack(rows) if packed else collator.pad_rows(rows)
        on_device = {
            name: value.to(self.device) if isinstance(value, torch.Tensor) else value
            for name, value in batch.items()
        }
        return on_device

    def _packs(self, rows: Sequence[dict[str, np.ndarray]]) -> bool:
        """Whether packed rows do not see each other in this model."""
        some = [
            {name: values[:_PROBE_TOKENS] for name, values in row.items()}
            for row in rows[:_PROBE_ROWS]
        ]
        try:
            check_packing(
                self.model,
                self._collate(some, packed=True),
                self._collate(some, packed=False),
                half=self.half,
            )
        except (BabelmixError, TypeError) as error:
            print(f"rows are padded, not packed: {error}", file=sys.stderr)
            return False
        return True


def _labelled(row: TokenRow) -> dict[str, np.ndarray]:
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
