"""The tiny base model: its data split, tokenizer, chat template, training; the committed one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from babelmix.errors import BabelmixError
from babelmix.train import base, base_data
from babelmix.train.base_fit import BaseSettings

FOLDER = Path(__file__).parents[2] / "resources" / "demo" / "base"
WORDS = {
    "en": ["the cat", "my sister", "a tall man", "sleeps", "is reading", "in 1987", "at home"],
    "de": ["die Katze", "meine Schwester", "ein Mann", "schläft", "liest", "1987", "zu Hause"],
    "fr": ["le chat", "ma sœur", "un homme", "dort", "lit", "en 1987", "à la maison"],
    "it": ["il gatto", "mia sorella", "un uomo", "dorme", "legge", "nel 1987", "a casa"],
    "es": ["el gato", "mi hermana", "un hombre", "duerme", "lee", "en 1987", "en casa"],
}
CHAT = [
    {"role": "system", "content": "Answer in German."},
    {"role": "user", "content": "Who are you?\n\nBe short: 1,234 words <b>at most</b>."},
    {"role": "assistant", "content": "\n Ich bin's – ein Modell.\n"},
    {"role": "user", "content": "¿Y ahora? 日本語 🙂\t x"},
    {"role": "assistant", "content": "  Ahora, nada."},
]


def sentences(lang: str) -> list[str]:
    words = WORDS[lang]
    return [f"{a} {b} {c}." for a in words[:3] for b in words[3:5] for c in words[5:]]


@pytest.fixture
def tatoeba(tmp_path: Path) -> Path:
    """A data folder in the shape of the real one, with a dozen sentences a language."""
    for lang, code in base_data.LANGUAGES.items():
        pair = tmp_path / "data" / "tatoeba" / f"pair-{code}"
        pair.mkdir(parents=True)
        text = "\n".join([*sentences(lang), sentences(lang)[0].upper()]) + "\n"
        (pair / f"{base_data.FILE_STEM}.{code}").write_text(text, encoding="utf-8")
    return tmp_path / "data"


TINY = BaseSettings(
    vocab_size=300,
    hidden_size=32,
    layers=1,
    intermediate_size=48,
    heads=2,
    kv_heads=1,
    context=64,
    batch_tokens=128,
    pool_tokens=512,
    heldout_least=2,
    dev=2,
)


def test_split_has_no_overlap_and_is_stable(tatoeba: Path) -> None:
    read = base_data.read_sentences(base_data.find_files(tatoeba))
    assert all(len(texts) == 12 for texts in read.values()), "duplicates are dropped"
    split = base_data.split_sentences(read, least=3, dev=2)
    again = base_data.split_sentences(
        {lang: list(reversed(texts)) for lang, texts in read.items()}, least=3, dev=2
    )
    assert split.heldout == again.heldout
    assert split.dev == again.dev
    for lang in read:
        parts = [split.train[lang], split.dev[lang], split.heldout[lang]]
        assert [len(part) for part in parts] == [7, 2, 3]
        assert sorted(text for part in parts for text in part) == sorted(read[lang])


def test_split_ignores_case_and_punctuation_and_spans_languages() -> None:
    assert base_data.sentence_rank("Tom?") == base_data.sentence_rank(" tom !")
    assert base_data.sentence_rank("Tom?") != base_data.sentence_rank("Tim?")
    assert base_data.sentence_rank("...") != base_data.sentence_rank("?!")
    assert base_data.sentence_rank("Tom?") == 15176198540039831032, "the split must never change"
    read = {lang: [f"{i}" for i in range(40)] for lang in ("en", "de")}
    read["de"] += [f"d{i}" for i in range(400)]
    split = base_data.split_sentences(read, least=4, dev=3)
    for lang in read:
        others = {text for part in (split.dev, split.heldout) for t in part.values() for text in t}
        assert not others & set(split.train[lang])
        assert not set(split.dev[lang]) & {t for texts in split.heldout.values() for t in texts}


def test_too_little_text_and_missing_files_are_explained(tmp_path: Path) -> None:
    with pytest.raises(BabelmixError, match="en: 3 sentences are too few"):
        base_data.split_sentences({"en": ["a", "b", "c"]})
    with pytest.raises(BabelmixError, match=r"tatoeba-test-v2021-08-07\.eng"):
        base_data.find_files(tmp_path)
    with pytest.raises(BabelmixError, match="no such setting"):
        base.parse_settings(["colour=red"])
    assert base.parse_settings(["layers=2", "matrix_lr=0.5"]).layers == 2


@pytest.fixture(scope="module")
def tokenizer():
    texts = [text for lang in WORDS for text in sentences(lang)]
    return base_data.train_tokenizer(texts, vocab_size=400, context=64)


def test_tokenizer_round_trips_text(tokenizer) -> None:
    plain = [text for lang in WORDS for text in sentences(lang)]
    for text in [*plain, *(m["content"] for m in CHAT)]:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(ids) == text
    assert tokenizer.convert_tokens_to_ids(base_data.SPECIAL_TOKENS) == list(range(7))
    assert tokenizer("x")["input_ids"][0] == tokenizer.bos_token_id
    digits = tokenizer.convert_ids_to_tokens(tokenizer("1987", add_special_tokens=False).input_ids)
    assert digits == list("1987")


def check_template(tokenizer) -> None:
    rendered = tokenizer.apply_chat_template(CHAT[1:3], tokenize=False)
    assert rendered == (
        f"<s><|user|>\n{CHAT[1]['content']}<|end|>\n<|assistant|>\n{CHAT[2]['content']}<|end|>\n"
    )
    whole = tokenizer.apply_chat_template(CHAT, return_dict=True, return_assistant_tokens_mask=True)
    ids, mask = whole["input_ids"], whole["assistant_masks"]
    for count in range(1, len(CHAT)):
        prompts = CHAT[count]["role"] == "assistant"
        part = tokenizer.apply_chat_template(
            CHAT[:count], add_generation_prompt=prompts, return_dict=True
        )["input_ids"]
        assert ids[: len(part)] == part, f"the first {count} messages are not a prefix"
    learnt = tokenizer.decode([token for token, on in zip(ids, mask, strict=True) if on])
    assert learnt == "".join(m["content"] + "<|end|>" for m in CHAT if m["role"] == "assistant")


def test_chat_template_is_prefix_preserving(tokenizer) -> None:
    check_template(tokenizer)
    with pytest.raises(Exception, match="unknown role"):
        tokenizer.apply_chat_template([{"role": "tool", "content": "x"}], tokenize=False)


def test_stream_goes_through_each_sentence_once_an_epoch_and_resumes(tokenizer) -> None:
    train = {lang: sentences(lang) for lang in WORDS}
    stream = base_data.DocumentStream(tokenizer, train, seed=1, context=64)
    stream.next_pool(2000)
    state = stream.state()
    rows = stream.next_batches(500, 128)
    other = base_data.DocumentStream(tokenizer, train, seed=1, context=64)
    other.restore(state)
    assert other.next_batches(500, 128) == rows
    assert all(len(row) * len(batch) <= 128 for batch in rows for row in batch)
    assert all(row[0] == tokenizer.bos_token_id for batch in rows for row in batch)
    first = base_data.DocumentStream(tokenizer, {"en": train["en"]}, seed=1)
    assert {first._next_sentence("en") for _ in train["en"]} == set(range(len(train["en"])))


def test_trains_three_steps_and_resumes(tatoeba: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    out = tmp_path / "model"
    out.mkdir()
    (out / "stale").write_text("old")
    metrics = base.pretrain_base(
        tatoeba, out, minutes=60, seed=3, threads=1, settings=TINY, max_steps=3
    )
    assert metrics["steps"] == 3
    assert {path.name for path in tmp_path.iterdir()} == {"data", "model"}, "nothing left behind"
    assert not (out / "stale").exists()
    assert json.loads((out / "metrics.json").read_text()) == json.loads(json.dumps(metrics))
    assert "CC BY 2.0 FR" in (out / "README.md").read_text(encoding="utf-8")
    model = AutoModelForCausalLM.from_pretrained(out)
    assert model.dtype == torch.float32
    assert model.generation_config.eos_token_id == [2, 6]
    check_template(AutoTokenizer.from_pretrained(out))
    for row in metrics["languages"].values():
        assert 0 < row["bpb"] <= row["bpb_with_eos"] < 20

    again = base.pretrain_base(
        tatoeba, tmp_path / "again", minutes=60, seed=3, threads=1, settings=TINY, max_steps=3
    )
    assert again["languages"] == metrics["languages"], "with steps given, a run repeats itself"


def test_interrupted_training_goes_on(tatoeba: Path, tmp_path: Path, monkeypatch) -> None:
    from babelmix.train import base_fit

    real, seen = base_fit.Optimiser.step, []

    def dies(self, scale: float) -> None:
        seen.append(scale)
        if len(seen) == 12:
            raise KeyboardInterrupt
        real(self, scale)

    def train(out: str) -> dict:
        return base.pretrain_base(
            tatoeba, tmp_path / out, minutes=600, settings=TINY, max_steps=20,
            checkpoint_seconds=0,
        )  # fmt: skip

    whole = train("whole")
    monkeypatch.setattr(base_fit.Optimiser, "step", dies)
    with pytest.raises(KeyboardInterrupt):
        train("cut")
    assert not (tmp_path / "cut").exists()
    resumed = train("cut")
    assert len(seen) < 12 + 20, "the steps before the checkpoint are not made again"
    assert resumed["languages"] == whole["languages"]
    assert resumed["steps"] == 20


@pytest.fixture(scope="module")
def committed():
    if not (FOLDER / "model.safetensors").exists():
        pytest.fail(f"{FOLDER} holds no model; `babelmix pretrain-base` writes it")
    return FOLDER


def test_committed_model_is_small_and_documented(committed: Path) -> None:
    from transformers import AutoModelForCausalLM

    size = sum(path.stat().st_size for path in committed.rglob("*") if path.is_file())
    assert size < 8_000_000
    model = AutoModelForCausalLM.from_pretrained(committed)
    count = sum(p.numel() for p in model.parameters())
    metrics = json.loads((committed / "metrics.json").read_text(encoding="utf-8"))
    assert 2_000_000 <= count <= 4_000_000
    assert count == metrics["parameters"]
    card = (committed / "README.md").read_text(encoding="utf-8")
    assert "bits per byte" in card.lower()
    assert "tatoeba.org" in card
    for lang, row in metrics["languages"].items():
        assert f"({lang}) | {row['bpb']:.3f} |" in card
        assert row["heldout_sentences"] >= 500


def test_committed_tokenizer(committed: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(committed)
    assert len(tokenizer) == 4096
    tokens = (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token)
    assert tokens == ("<s>", "</s>", "<pad>")
    check_template(tokenizer)


@pytest.mark.real
def test_committed_figures_hold_on_real_text(committed: Path, real_data: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from babelmix.train.base_fit import bits_per_byte

    split = base_data.split_sentences(base_data.read_sentences(base_data.find_files(real_data)))
    model = AutoModelForCausalLM.from_pretrained(committed)
    tokenizer = AutoTokenizer.from_pretrained(committed)
    metrics = json.loads((committed / "metrics.json").read_text(encoding="utf-8"))
    for lang, texts in split.heldout.items():
        known = {base_data.normalise_sentence(text) for text in split.train[lang]}
        assert not known & {base_data.normalise_sentence(text) for text in texts}
        without, with_eos = bits_per_byte(model, tokenizer, texts)
        assert without == pytest.approx(metrics["languages"][lang]["bpb"], abs=2e-3)
        assert with_eos == pytest.approx(metrics["languages"][lang]["bpb_with_eos"], abs=2e-3)
