"""What runs a sequence-to-sequence model: transformers, or CTranslate2."""

from __future__ import annotations

from typing import Any

from ...config.translators import Seq2SeqTranslator
from ...errors import BabelmixError


class TransformersEngine:
    """torch, on a GPU where there is one (`device: auto`)."""

    def __init__(
        self, model: str, translator: Seq2SeqTranslator, tokenizer: Any, forced: int | None
    ) -> None:
        import torch
        from transformers import AutoModelForSeq2SeqLM

        found = "cuda" if torch.cuda.is_available() else "cpu"
        self._device = found if translator.device == "auto" else translator.device
        loaded: Any = AutoModelForSeq2SeqLM.from_pretrained(
            model, revision=translator.revision, dtype=getattr(torch, translator.dtype)
        )
        self._model = loaded.to(self._device).eval()
        self._pad = tokenizer.pad_token_id
        self._ends = {tokenizer.eos_token_id, tokenizer.pad_token_id}
        self._options: dict[str, Any] = {
            "num_beams": translator.beams,
            "max_new_tokens": translator.max_tokens,
            "do_sample": False,
        }
        if forced is not None:
            self._options["forced_bos_token_id"] = forced

    def generate(self, batch: list[list[int]]) -> list[list[int]]:
        """Tokens of the best translation of each text, without what opens and ends them."""
        import torch

        longest = max(map(len, batch))
        ids = torch.tensor([row + [self._pad] * (longest - len(row)) for row in batch])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in batch])
        with torch.inference_mode():
            made = self._model.generate(
                input_ids=ids.to(self._device),
                attention_mask=mask.to(self._device),
                **self._options,
            )
        # The first token is the decoder's start, not one of the translation.
        return [[t for t in row[1:] if t not in self._ends] for row in made.tolist()]


class CTranslate2Engine:
    """CTranslate2, for converted models: quicker on CPUs, and int8."""

    def __init__(
        self, model: str, translator: Seq2SeqTranslator, tokenizer: Any, forced: int | None
    ) -> None:
        try:
            import ctranslate2
        except ImportError:
            raise BabelmixError(
                "CTranslate2 is not installed: `pip install babelmix[ctranslate2]`."
            ) from None
        self._translator = ctranslate2.Translator(
            model,
            device=translator.device,
            compute_type=translator.dtype,
            intra_threads=translator.threads,
        )
        self._tokenizer = tokenizer
        self._forced = None if forced is None else tokenizer.convert_ids_to_tokens(forced)
        self._beams = translator.beams
        self._longest = translator.max_tokens

    def generate(self, batch: list[list[int]]) -> list[list[int]]:
        """Tokens of the best translation of each text, without what opens and ends them."""
        tokens = [self._tokenizer.convert_ids_to_tokens(row) for row in batch]
        prefix = None if self._forced is None else [[self._forced]] * len(batch)
        found = self._translator.translate_batch(
            tokens,
            target_prefix=prefix,
            beam_size=self._beams,
            max_decoding_length=self._longest,
            max_input_length=0,
        )
        skip = 0 if prefix is None else 1
        return [
            self._tokenizer.convert_tokens_to_ids(result.hypotheses[0][skip:]) for result in found
        ]
