"""Local translation models: tiny, randomly initialised ones of each family, made here.

They show that languages, tokens, batches and both engines are wired rightly; what they say is
noise. No trained weights are at hand in a test.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from babelmix.errors import BabelmixError
from babelmix.specs import TranslateSpec
from babelmix.translate.backends import Failure, make_backend
from babelmix.translate.backends.codes import backend_code as language_code

TEXTS = ["one two three", "two", "three one two one two three one", "one one"]


def build(folder: Path, family: str) -> Path:
    """Save a tiny model of a family and a word tokenizer that knows the family's codes."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import (
        M2M100Config,
        M2M100ForConditionalGeneration,
        PreTrainedTokenizerFast,
        T5Config,
        T5ForConditionalGeneration,
    )

    codes = {
        "nllb": ["eng_Latn", "deu_Latn"],
        "m2m100": ["__en__", "__de__"],
        "madlad": ["<2de>"],
        "opus-mt": [">>deu<<", ">>fra<<"],
    }[family]
    words = ["<s>", "<pad>", "</s>", "<unk>", "one", "two", "three", *codes]
    raw = Tokenizer(models.WordLevel({w: n for n, w in enumerate(words)}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    ends = [("</s>", 2)]
    raw.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=ends)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        additional_special_tokens=codes,
    )
    torch.manual_seed(0)
    common = {"vocab_size": len(words), "d_model": 16, "pad_token_id": 1, "eos_token_id": 2}
    if family == "madlad":
        model: Any = T5ForConditionalGeneration(
            T5Config(**common, d_ff=32, d_kv=8, num_layers=1, num_heads=2, decoder_start_token_id=1)
        )
    else:
        layers = {f"{side}_layers": 1 for side in ("encoder", "decoder")}
        heads = {f"{side}_attention_heads": 2 for side in ("encoder", "decoder")}
        ffn = {f"{side}_ffn_dim": 32 for side in ("encoder", "decoder")}
        config = M2M100Config(
            **common, **layers, **heads, **ffn, bos_token_id=0, decoder_start_token_id=2
        )
        config.max_position_embeddings = 64
        model = M2M100ForConditionalGeneration(config)
    model.generation_config.max_length = None
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    for family in ("nllb", "m2m100", "madlad", "opus-mt"):
        build(root / family, family)
    return root


def backend(model: Path, family: str, lang: str = "de", **more: Any) -> Any:
    translator = {"backend": "seq2seq", "family": family, "model": str(model), "max_tokens": 12}
    given = {"version": 1, "dataset": "d", "lang": lang, "pivot": "en", "shard": 0, "shards": 1}
    given |= {"translator_name": "mine", "translator": translator | {"beams": 2} | more}
    return make_backend(TranslateSpec.model_validate(given))


@pytest.mark.parametrize("family", ["nllb", "m2m100", "madlad", "opus-mt"])
def test_every_family_translates(folder: Path, family: str) -> None:
    """Order is kept, and a text's translation is the same alone and in any batch."""
    together = backend(folder / family, family).translate(TEXTS)
    assert len(together) == len(TEXTS)
    alone = [backend(folder / family, family, batch_tokens=16).translate([t])[0] for t in TEXTS]
    assert together == alone
    assert any(isinstance(r, str) for r in together) or all(
        r in (Failure("cut at max_tokens"), Failure("empty translation")) for r in together
    )


@pytest.mark.parametrize(
    ("family", "opening", "forced"),
    [
        ("nllb", "", 8),
        ("m2m100", "", 8),
        ("madlad", "<2de> ", None),
        ("opus-mt", ">>deu<< ", None),
    ],
)
def test_how_a_family_is_told_the_language(
    folder: Path, family: str, opening: str, forced: int | None
) -> None:
    made = backend(folder / family, family)
    assert (made._prefix, made._forced) == (opening, forced)


def test_the_forced_token_opens_the_translation(folder: Path) -> None:
    from babelmix.translate.backends.engines import TransformersEngine

    made = backend(folder / "nllb", "nllb")
    engine = TransformersEngine(made._model, made._translator, made._tokenizer, made._forced)
    assert [row[0] for row in engine.generate([[4, 5, 2], [6, 2]])] == [8, 8]


@pytest.mark.parametrize("family", ["nllb", "m2m100", "madlad", "opus-mt"])
def test_a_language_that_the_model_lacks_is_refused(folder: Path, family: str) -> None:
    with pytest.raises(BabelmixError, match="has no language token"):
        backend(folder / family, family, "fi")


def test_codes_can_be_configured(folder: Path) -> None:
    assert language_code("nllb", "xx", {"nllb": "xxx_Latn"}) == "xxx_Latn"
    assert [language_code("nllb", c, {}) for c in ("de", "ru", "zh", "ar", "hi")] == [
        "deu_Latn",
        "rus_Cyrl",
        "zho_Hans",
        "arb_Arab",
        "hin_Deva",
    ]
    assert language_code("opus-mt", "de", {}) == "deu"
    assert language_code("madlad", "de", {}) == language_code("m2m100", "de", {}) == "de"


def test_batches_are_of_like_lengths_and_within_their_tokens(folder: Path) -> None:
    made = backend(folder / "nllb", "nllb", batch_tokens=16)
    lengths = [3, 9, 2, 8, 4, 30]
    order = sorted(range(6), key=lambda n: -lengths[n])
    batches = list(made._batches(order, lengths))
    assert [[lengths[n] for n in batch] for batch in batches] == [[30], [9], [8, 4], [3, 2]]
    assert made.by_length


def test_a_model_that_is_not_there() -> None:
    with pytest.raises(BabelmixError, match="cannot load '/nowhere/en-de'"):
        backend(Path("/nowhere/{pivot}-{lang}"), "opus-mt")


def test_ctranslate2_says_the_same(folder: Path, tmp_path: Path) -> None:
    """The same weights through CTranslate2; its search is its own, so greedy on both sides."""
    converters = pytest.importorskip("ctranslate2.converters")
    converter = converters.TransformersConverter(str(folder / "nllb"))
    converter.convert(str(tmp_path / "ct2"))
    given = {"engine": "ctranslate2", "tokenizer": str(folder / "nllb"), "device": "cpu"}
    other = backend(tmp_path / "ct2", "nllb", beams=1, **given)
    plain = backend(folder / "nllb", "nllb", beams=1)
    assert other.translate(TEXTS) == plain.translate(TEXTS)
    assert other.settings["engine"] != plain.settings["engine"]
