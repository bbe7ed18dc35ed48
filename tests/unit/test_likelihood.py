"""Bits of held-out texts: the right tokens, the right bytes, whatever lies beside them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tiny_model
from tests.options import as_options

from babelmix.cli import main
from babelmix.errors import BabelmixError
from babelmix.io import read_json, read_records, write_json, write_records, write_table
from babelmix.mixtures.fingerprints import SCHEMA as PRINTS
from babelmix.mixtures.fingerprints import SKETCH, exact_key, plain
from babelmix.mixtures.pool import KEEP, ROW_OUT
from babelmix.records import Conversation, Likelihood, Message, Question
from babelmix.train.chat import Formatter
from babelmix.train.segments import ANSWER, PROMPT, TokenRow, token_row

CHAT = list[dict[str, Any]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared tiny model and its record."""
    from babelmix.config.training import Model
    from babelmix.train.prepare import prepare_model

    root = tmp_path_factory.mktemp("likelihood")
    tiny_model.build(root / "base")
    model = Model(path=str(root / "base"))  # type: ignore[call-arg]
    write_json(root / "tiny.json", prepare_model("tiny", model, root / "tiny"))
    return root


@pytest.fixture(scope="module")
def formatter(folder: Path) -> Formatter:
    return Formatter.load(folder / "tiny")


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    """The model in plain transformers, for sums that share nothing with ours."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder / "tiny").eval()


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def bot(text: str, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **more}


def alone(model: Any, ids: Sequence[int], start: int, end: int) -> float:
    """Bits of tokens ``start`` up to ``end`` of one row, the plain way: all logits, a softmax."""
    import torch

    with torch.no_grad():
        logits = model(torch.tensor([list(ids)]), use_cache=False).logits[0].double()
    probabilities = torch.softmax(logits, -1)
    wanted = [float(probabilities[i - 1, ids[i]]) for i in range(start, end)]
    return -sum(math.log2(p) for p in wanted)


def rows_of(formatter: Formatter, count: int = 24) -> list[TokenRow]:
    chats = [tiny_model.chat(seed, 1 + seed % 3) for seed in range(count)]
    return [token_row(chat, formatter) for chat in chats]


def scorer(folder: Path, **settings: Any) -> Any:
    from babelmix.train.scorer import Scorer

    return Scorer(folder / "tiny", **settings)


def sums(bits: Sequence[np.ndarray], rows: Sequence[TokenRow]) -> list[float]:
    return [
        float(b[s.start : s.end].sum()) for b, r in zip(bits, rows, strict=True) for s in r.segments
    ]


# --- the forward pass ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"batch_tokens": 1},
        {"batch_tokens": 97},
        {"logits": 400 * 7},  # the output layer in pieces of seven tokens
    ],
)
def test_packed_batches_equal_one_by_one(
    folder: Path, formatter: Formatter, model: Any, settings: dict[str, int]
) -> None:
    rows = rows_of(formatter)
    wanted = [alone(model, r.ids, s.start, s.end) for r in rows for s in r.segments]
    engine = scorer(folder, **settings)
    found = sums(engine.bits(rows), rows)
    assert found == pytest.approx(wanted, abs=1e-4)
    assert engine.mode == "packed"


def test_what_lies_beside_a_row_changes_nothing(folder: Path, formatter: Formatter) -> None:
    rows = rows_of(formatter, 12)
    engine = scorer(folder, batch_tokens=256)
    together = sums(engine.bits(rows), rows)
    backwards = sums(engine.bits(rows[::-1])[::-1], rows)
    single = [value for row in rows for value in sums(engine.bits([row]), [row])]
    assert backwards == pytest.approx(together, abs=1e-4)
    assert single == pytest.approx(together, abs=1e-4)


def test_a_model_that_mixes_packed_rows_is_given_padded_ones(
    folder: Path, formatter: Formatter, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from babelmix.train import scorer as module

    # Plain attention over the whole batch: what a model's own code may do with packed rows.
    monkeypatch.setattr(module, "attention_for", lambda config, packed: None)
    rows = rows_of(formatter, 8)
    engine = scorer(folder)
    plain_forward = engine.model.forward

    def blind(**inputs: Any) -> Any:
        inputs.pop("position_ids", None)
        return plain_forward(**inputs)

    engine.model.forward = blind
    found = sums(engine.bits(rows), rows)
    assert engine.mode == "padded"
    assert found == pytest.approx(
        [alone(model, r.ids, s.start, s.end) for r in rows for s in r.segments], abs=1e-4
    )


def test_padding_is_never_scored(folder: Path, formatter: Formatter) -> None:
    """mlx-lm added the padding token's log-probability to every row but the longest."""
    rows = [token_row([user("a cat"), bot("the dog")], formatter), *rows_of(formatter, 3)]
    engine = scorer(folder)
    engine.mode = "padded"
    padded = sums(engine.bits(rows), rows)
    engine.mode = "packed"
    assert padded == pytest.approx(sums(engine.bits(rows), rows), abs=1e-4)


def test_token_zero_is_a_token_like_others(folder: Path, formatter: Formatter, model: Any) -> None:
    """deepsparse dropped it from texts, because padding is 0 too."""
    row = token_row([user("a cat"), bot("the dog runs")], formatter)
    answer = row.segments[-1]
    row.ids[answer.start + 1] = 0
    rows = [row, *rows_of(formatter, 3)]
    wanted = alone(model, row.ids, answer.start, answer.end)
    engine = scorer(folder)
    for mode in ("packed", "padded", "alone"):
        engine.mode = mode
        bits = engine.bits(rows)[0]
        assert bits[answer.start : answer.end].sum() == pytest.approx(wanted, abs=1e-4)
        assert (bits[answer.start : answer.end] > 0).all()


def tiny_gemma3() -> Any:
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    return Gemma3ForCausalLM(
        Gemma3TextConfig(
            **SIZES,
            num_key_value_heads=1,
            head_dim=8,
            sliding_window=8,  # far shorter than the rows
            layer_types=["sliding_attention", "full_attention"],
            query_pre_attn_scalar=8,
        )
    )


def tiny_gpt2() -> Any:
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2LMHeadModel(
        GPT2Config(vocab_size=400, n_positions=256, n_embd=32, n_layer=2, n_head=4)
    )


def tiny_bloom() -> Any:
    from transformers import BloomConfig, BloomForCausalLM

    return BloomForCausalLM(BloomConfig(vocab_size=400, hidden_size=32, n_layer=2, n_head=4))


def tiny_mamba() -> Any:
    from transformers import MambaConfig, MambaForCausalLM

    return MambaForCausalLM(MambaConfig(vocab_size=400, hidden_size=32, num_hidden_layers=2))


def tiny_granite() -> Any:
    """Its logits are scaled after the output layer."""
    from transformers import GraniteConfig, GraniteForCausalLM

    return GraniteForCausalLM(GraniteConfig(**SIZES, num_key_value_heads=2, logits_scaling=4.0))


SIZES: dict[str, Any] = {
    "vocab_size": 400,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 256,
}


@pytest.mark.parametrize(
    ("build", "mode"),
    [
        (tiny_gemma3, "packed"),
        (tiny_granite, "packed"),
        (tiny_gpt2, "packed"),
        (tiny_bloom, "padded"),  # its code has no place for our attention, nor for position ids
        (tiny_mamba, "padded"),
    ],
)
def test_other_architectures(tmp_path: Path, formatter: Formatter, build: Any, mode: str) -> None:
    """Whether a model can be packed or not, its bits are those of one row at a time."""
    import torch
    from transformers import AutoModelForCausalLM

    from babelmix.train.scorer import Scorer

    torch.manual_seed(1)
    build().save_pretrained(tmp_path)
    plain_model = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    rows = rows_of(formatter, 8)
    wanted = [alone(plain_model, r.ids, s.start, s.end) for r in rows for s in r.segments]
    engine = Scorer(tmp_path, batch_tokens=300)
    assert sums(engine.bits(rows), rows) == pytest.approx(wanted, abs=1e-4)
    assert engine.mode == mode
    single = Scorer(tmp_path)  # one row only: nothing beside it shows what the model does
    assert sums(single.bits(rows[:1]), rows[:1]) == pytest.approx(
        wanted[: len(rows[0].segments)], abs=1e-4
    )
    assert single.mode is None


def test_a_model_that_minds_padding_is_given_one_row_at_a_time(
    folder: Path, formatter: Formatter, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = rows_of(formatter, 6)
    engine = scorer(folder)
    plain_forward = engine.model.forward

    def shifting(**inputs: Any) -> Any:
        """A model whose logits depend on the width of its batch."""
        found = plain_forward(**inputs)
        if inputs["input_ids"].shape[0] > 1 or "document_lengths" in inputs:
            found.logits = found.logits * 1.01
        return found

    engine.model.forward = shifting
    wanted = [alone(model, r.ids, s.start, s.end) for r in rows for s in r.segments]
    assert sums(engine.bits(rows), rows) == pytest.approx(wanted, abs=1e-4)
    assert engine.mode == "alone"


def test_half_precision_still_sums_in_full(folder: Path, formatter: Formatter) -> None:
    rows = rows_of(formatter, 6)
    full, half = (sums(scorer(folder, precision=p).bits(rows), rows) for p in ("fp32", "bf16"))
    assert half == pytest.approx(full, rel=2e-2)
    assert half != full


# --- which tokens, which bytes -------------------------------------------------------------------


def test_bytes_are_those_of_the_text_and_tokens_are_the_text_s(formatter: Formatter) -> None:
    text = "Grüße, 日本語 и 😀"
    row = token_row([user("the cat"), bot(f"  {text}\n")], formatter)
    prompt, answer = row.segments
    assert (prompt.part, answer.part) == (PROMPT, ANSWER)
    assert answer.n_bytes == len(text.encode()) == 26
    written = formatter._backend.decode(row.ids[answer.start : answer.end])
    assert written.strip() == text
    assert prompt.n_bytes == 7


def test_the_end_of_turn_is_trained_on_and_not_scored(formatter: Formatter) -> None:
    chat = [user("the cat"), bot("runs")]
    encoded, row = formatter.encode(chat), token_row(chat, formatter)
    answer = row.segments[-1]
    assert encoded.labels[answer.end] == formatter.end_of_turn_id()
    assert formatter.end_of_turn_id() not in row.ids[answer.start : answer.end]


def test_the_start_token_is_there_once_and_never_scored(formatter: Formatter) -> None:
    """lm-evaluation-harness put it there twice for Gemma (issue 3333)."""
    row = token_row([user("the cat"), bot("runs")], formatter)
    assert row.ids.count(1) == 1
    assert row.ids[0] == 1
    assert all(segment.start > 0 for segment in row.segments)


def test_every_token_is_scored_once_over_many_turns(formatter: Formatter) -> None:
    chat = [
        user("a cat"),
        bot("a cat"),
        user("a cat"),
        bot("a cat"),
        user("user"),
        bot("assistant"),
    ]
    row = token_row(chat, formatter)
    places = [i for s in row.segments for i in range(s.start, s.end)]
    assert len(places) == len(set(places))
    assert [(s.part, s.turn) for s in row.segments] == [
        (part, turn) for turn in (1, 2, 3) for part in (PROMPT, ANSWER)
    ]
    texts = [formatter._backend.decode(row.ids[s.start : s.end]).strip() for s in row.segments]
    assert texts == [m["content"] for m in chat]


def test_words_of_the_template_are_not_taken_for_the_text(formatter: Formatter) -> None:
    row = token_row([user("user"), bot("assistant")], formatter)
    first = row.segments[0]
    before = formatter._backend.decode(row.ids[: first.start], skip_special_tokens=False)
    assert before.rstrip().endswith("<|user|>")


def test_turns_that_are_context_are_not_scored(formatter: Formatter) -> None:
    chat = [user("a"), bot("the dog", train=False), user("b"), bot("the cat")]
    row = token_row(chat, formatter)
    assert [(s.part, s.turn) for s in row.segments if s.part == ANSWER] == [(ANSWER, 2)]


def test_without_prompts(formatter: Formatter) -> None:
    row = token_row([user("a"), bot("the dog")], formatter, prompts=False)
    assert [s.part for s in row.segments] == [ANSWER]


@pytest.mark.parametrize(
    ("chat", "reason"),
    [
        ([user("a"), bot("  ")], "empty assistant turn"),
        ([user("a"), bot("the <|end|> token")], "control token"),
        ([user("a <s> b"), bot("the cat")], "control token"),
    ],
)
def test_what_cannot_be_scored_says_why(formatter: Formatter, chat: CHAT, reason: str) -> None:
    row = token_row(chat, formatter)
    assert not row.ids
    assert all(reason in segment.reason for segment in row.segments)


TEMPLATES = {
    # A space that the tokenizer joins to the first word of the answer.
    "leading space": (
        "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}User: {{ m.content }}\n"
        "Assistant:{% else %}{% generation %} {{ m.content }}<|end|>{% endgeneration %}\n"
        "{% endif %}{% endfor %}"
    ),
    # No header and no start token: the prompt begins at the very first token.
    "bare": (
        "{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}{% else %}"
        "{% generation %}{{ '\n' + m.content }}<|end|>{% endgeneration %}{% endif %}{% endfor %}"
    ),
}


def test_a_space_joined_to_the_first_word_is_in_its_token_and_not_in_the_bytes(
    folder: Path,
) -> None:
    """lighteval divided the bits of " answer" by the bytes of "answer" (pull request 1264); here
    the template always writes that space, and it is certain after training."""
    formatter = with_template(folder, TEMPLATES["leading space"])
    row = token_row([user("a cat"), bot("the dog")], formatter)
    answer = row.segments[-1]
    assert not answer.reason
    assert formatter._backend.decode(row.ids[answer.start : answer.end]) == " the dog"
    assert answer.n_bytes == len("the dog")


def test_a_text_with_nothing_before_it_is_not_scored(folder: Path) -> None:
    formatter = with_template(folder, TEMPLATES["bare"])
    row = token_row([user("a cat"), bot("the dog")], formatter)
    assert "nothing stands before" in row.segments[0].reason
    assert not row.segments[1].reason


def with_template(folder: Path, template: str) -> Formatter:
    from babelmix.train.chat import load_tokenizer

    tokenizer = load_tokenizer(folder / "tiny")
    tokenizer.chat_template = template
    return Formatter(tokenizer)


def test_bytes_do_not_come_from_tokens(tmp_path: Path, folder: Path) -> None:
    """`▁` falls back to three byte tokens, and stands for one byte (parameter-golf 897)."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = ["<unk>", *(f"<0x{i:02X}>" for i in range(256)), *"abcdefghijklmnopqrstuvwxyz"]
    vocabulary = {token: i for i, token in enumerate(dict.fromkeys(letters))}
    backend = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>", byte_fallback=True))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    backend.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token=AddedToken("<s>", special=True), unk_token="<unk>"
    )
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|end|>", "<|u|>", "<|a|>"]})
    tokenizer.chat_template = (
        "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}<|u|>{{ m.content }}<|end|>"
        "{% else %}<|a|>{% generation %}{{ m.content }}<|end|>{% endgeneration %}{% endif %}"
        "{% endfor %}{% if add_generation_prompt %}<|a|>{% endif %}"
    )
    row = token_row([user("ab cd"), bot("é ab")], Formatter(tokenizer), tokenizer.unk_token_id)
    prompt, answer = row.segments
    assert not prompt.reason
    assert not answer.reason
    assert (prompt.n_bytes, prompt.end - prompt.start) == (5, 4 + 3)
    assert (answer.n_bytes, answer.end - answer.start) == (5, 2 + 3 + 2)


def test_unknown_tokens_are_no_bits_of_the_text(formatter: Formatter) -> None:
    row = token_row([user("a cat"), bot("the dog")], formatter)
    some = row.ids[row.segments[-1].start]
    again = token_row([user("a cat"), bot("the dog")], formatter, unknown=some)
    assert again.segments[-1].reason.startswith("unknown token")
    assert again.segments[-1].end == 0


# --- the verb ------------------------------------------------------------------------------------


IDS = [f"r{i}" for i in range(10)]


def conversation(row_id: str, lang: str, seed: int | None = None) -> Conversation:
    number = int(row_id[1:]) if seed is None else seed
    messages = [Message(**m) for m in tiny_model.chat(number + 100 * len(lang) * ord(lang[0]))]
    return Conversation(row_id, lang, "d", "s", messages)


def write_pool(
    root: Path, langs: Sequence[str] = ("de", "en"), dev: int = 6, out: Sequence[str] = ()
) -> None:
    """A pool of ten ids, the first ``dev`` held out; those of ``out`` failed a check in German."""
    for lang in langs:
        rows = [conversation(row_id, lang) for row_id in IDS]
        write_records(root / f"d.{lang}.parquet", rows, Conversation)
        index = {
            "id": IDS,
            "dev": [i < dev for i in range(len(IDS))],
            "verdict": pa.array(
                [ROW_OUT if i in out and lang == "de" else KEEP for i in IDS], pa.int8()
            ),
        }
        write_table(root / f"pool.{lang}.parquet", pa.table(index))


def call(root: Path, folder: Path, *more: str, **changes: Any) -> int:
    """Call the verb on the pool of ``root``."""
    spec = {"version": 1, "run": "tiny.mix", "held_out": "d.dev", "kind": "dataset"}
    spec |= {"languages": ["de", "en"]} | changes
    langs = spec["languages"]
    words = ["likelihood", *as_options(json.dumps(spec)), "--device", "cpu"]
    words += ["--texts", *(str(root / f"d.{c}.parquet") for c in langs)]
    if spec["kind"] == "dataset":
        words += ["--indexes", *(str(root / f"pool.{c}.parquet") for c in langs)]
    words += ["--checkpoint", str(folder / "tiny"), "--completed", str(folder / "tiny.json")]
    words += ["--output", str(root / "out.parquet"), "--manifest", str(root / "out.json")]
    return main([*words, *more])


def test_the_held_out_rows_of_a_pool(
    tmp_path: Path, folder: Path, formatter: Formatter, model: Any
) -> None:
    write_pool(tmp_path)
    assert call(tmp_path, folder) == 0
    records = read_records(tmp_path / "out.parquet", Likelihood)
    assert len(records) == 6 * 2 * 2  # ids × languages × parts
    assert {r.id for r in records} == set(IDS[:6])
    for record in records:
        chat = [
            {"role": m.role, "content": m.content}
            for m in conversation(record.id, record.lang).messages
        ]
        row = token_row(chat, formatter)
        (segment,) = [s for s in row.segments if s.part == record.part]
        assert record.bits == pytest.approx(
            alone(model, row.ids, segment.start, segment.end), abs=1e-4
        )
    manifest = read_json(tmp_path / "out.json")
    assert (manifest["answers"], manifest["scored"], manifest["batches"]) == (12, 12, "packed")
    assert manifest["opens_with_start_token"] is True
    assert manifest["by_language"]["de"]["bytes"] == sum(
        r.n_bytes for r in records if r.lang == "de" and r.part == ANSWER
    )


def test_the_same_call_gives_the_same_bytes(tmp_path: Path, folder: Path) -> None:
    write_pool(tmp_path)
    call(tmp_path, folder)
    before = (tmp_path / "out.parquet").read_bytes()
    call(tmp_path, folder)
    assert (tmp_path / "out.parquet").read_bytes() == before


def test_a_row_that_failed_its_checks_in_one_language_is_scored_in_none(
    tmp_path: Path, folder: Path
) -> None:
    write_pool(tmp_path, out=["r1"])
    call(tmp_path, folder)
    records = read_records(tmp_path / "out.parquet", Likelihood)
    left = {(r.id, r.lang, r.reason) for r in records if r.bits is None}
    assert left == {("r1", c, "failed its checks in de") for c in ("de", "en")}
    assert read_json(tmp_path / "out.json")["not_scored_by_reason"] == {
        "failed its checks in de": 2
    }


def write_mixture(root: Path, rows: Sequence[tuple[str, str, str]]) -> list[str]:
    ids, langs, splits = zip(*rows, strict=True)
    table = {"id": ids, "lang": langs, "dataset": ["d"] * len(ids), "split": splits}
    write_table(root / "mixture.parquet", pa.table(table))
    return ["--mixture", str(root / "mixture.parquet")]


def test_a_row_that_was_trained_on_in_any_language_is_not_scored(
    tmp_path: Path, folder: Path
) -> None:
    write_pool(tmp_path)
    mixture = write_mixture(tmp_path, [("r0", "fr", "train"), ("r1", "en", "dev")])
    call(tmp_path, folder, *mixture)
    records = read_records(tmp_path / "out.parquet", Likelihood)
    assert {r.id for r in records if r.reason == "trained on"} == {"r0"}
    assert {r.id for r in records if r.bits is None} == {"r0"}


def test_a_text_that_was_trained_on_under_another_id_is_not_scored(
    tmp_path: Path, folder: Path
) -> None:
    write_pool(tmp_path)
    same = conversation("r2", "de")
    key = exact_key((m.role, plain(m.content.upper())) for m in same.messages)
    sketch = pa.FixedSizeListArray.from_arrays(pa.array([0] * 2 * SKETCH, pa.uint32()), SKETCH)
    prints = pa.Table.from_arrays(
        [pa.array(["x9", "x8"]), pa.array([key, 7], pa.uint64()), sketch], schema=PRINTS
    )
    write_table(tmp_path / "prints.parquet", prints)
    mixture = write_mixture(tmp_path, [("x9", "de", "train")])
    call(tmp_path, folder, *mixture, "--fingerprints", str(tmp_path / "prints.parquet"))
    records = read_records(tmp_path / "out.parquet", Likelihood)
    left = {(r.id, r.reason) for r in records if r.bits is None}
    assert left == {("r2", "equal to a row trained on")}


def test_a_row_over_the_context_is_counted_not_cut(tmp_path: Path, folder: Path) -> None:
    write_pool(tmp_path)
    rows = read_records(tmp_path / "d.de.parquet", Conversation)
    rows[3].messages[1].content = "the cat runs " * 200
    write_records(tmp_path / "d.de.parquet", rows, Conversation)
    call(tmp_path, folder)
    records = read_records(tmp_path / "out.parquet", Likelihood)
    left = {(r.id, r.lang, r.reason) for r in records if r.bits is None}
    assert left == {("r3", "de", "longer than the model's context (256 tokens)")}


def test_as_many_rows_as_wanted_the_same_in_all_languages(tmp_path: Path, folder: Path) -> None:
    write_pool(tmp_path, out=["r0"])
    call(tmp_path, folder, rows=2)
    records = read_records(tmp_path / "out.parquet", Likelihood)
    assert {r.id for r in records if r.bits is not None} == {"r1", "r2"}
    assert read_json(tmp_path / "out.json")["passed_over"] == 3


def test_a_benchmark_s_references(tmp_path: Path, folder: Path) -> None:
    for lang in ("de", "en"):
        questions = [
            Question(f"q{i}", lang, "c", ["the cat", "a dog"], ["runs", "sees"][: 2 - (i == 2)])
            for i in range(4)
        ]
        write_records(tmp_path / f"d.{lang}.parquet", questions, Question)
    assert call(tmp_path, folder, kind="benchmark", held_out="d.references") == 0
    records = read_records(tmp_path / "out.parquet", Likelihood)
    assert {r.id for r in records if r.reason == "no reference answer"} == {"q2"}
    assert {(r.part, r.turn) for r in records if r.bits is not None} == {
        (part, turn) for part in (ANSWER, PROMPT) for turn in (1, 2)
    }
    # Ids of a benchmark with a source of its own are none of a pool's; those of one made of a pool
    # are.
    mixture = write_mixture(tmp_path, [("q1", "en", "train")])
    for shared, left in ((False, set()), (True, {"q1"})):
        settings = {"kind": "benchmark", "held_out": "d.references", "shared_ids": shared}
        assert call(tmp_path, folder, *mixture, **settings) == 0
        records = read_records(tmp_path / "out.parquet", Likelihood)
        assert {r.id for r in records if r.reason == "trained on"} == left


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda root: write_pool(root, dev=0), "no row is held out"),
        (
            lambda root: write_records(
                root / "d.en.parquet",
                [conversation(i, "en") for i in IDS[::-1]],
                Conversation,
            ),
            "not parallel",
        ),
        (
            lambda root: write_records(
                root / "d.en.parquet", [conversation(i, "fr") for i in IDS], Conversation
            ),
            "is in 'fr', not 'en'",
        ),
        (
            lambda root: write_records(
                root / "d.en.parquet",
                [
                    Conversation(
                        i, "en", "d", "s", [Message("user", "a"), Message("assistant", "")]
                    )
                    for i in IDS
                ],
                Conversation,
            ),
            None,
        ),
    ],
)
def test_what_is_wrong_with_the_texts_is_said_before_a_model_is_loaded(
    tmp_path: Path, folder: Path, break_it: Any, message: str | None, capsys: Any
) -> None:
    write_pool(tmp_path)
    break_it(tmp_path)
    code = call(tmp_path, folder)
    if message is None:  # one language of empty answers: nothing to compare, and that is counted
        assert code == 0
        assert read_json(tmp_path / "out.json")["by_language"]["en"]["scored"] == 0
    else:
        assert code == 2
        assert message in capsys.readouterr().err
        assert not (tmp_path / "out.parquet").exists()


def test_files_must_go_with_the_languages(tmp_path: Path, folder: Path, capsys: Any) -> None:
    write_pool(tmp_path)
    code = call(tmp_path, folder, "--texts", str(tmp_path / "d.de.parquet"))
    assert code == 2
    assert "1 files for 2 languages (de, en)" in capsys.readouterr().err


def test_a_changed_template_is_refused(tmp_path: Path, folder: Path, capsys: Any) -> None:
    write_pool(tmp_path)
    record = read_json(folder / "tiny.json") | {"template_digest": "x"}
    write_json(tmp_path / "other.json", record)
    assert call(tmp_path, folder, "--completed", str(tmp_path / "other.json")) == 2
    assert "its chat template" in capsys.readouterr().err


def test_a_template_without_the_start_token_is_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Gemma's perplexity rises from 3.5 to 6e9 without it (lm-evaluation-harness 1465)."""
    from babelmix.config.training import Model
    from babelmix.train.prepare import prepare_model

    template = tiny_model.tokenizer().chat_template.replace("{{- bos_token -}}", "")
    tiny_model.build(tmp_path / "base", template)
    model = Model(path=str(tmp_path / "base"))  # type: ignore[call-arg]
    write_json(tmp_path / "tiny.json", prepare_model("tiny", model, tmp_path / "tiny"))
    write_pool(tmp_path)
    assert call(tmp_path, tmp_path) == 0
    assert "does not open with the tokenizer's start token '<s>'" in capsys.readouterr().err
    assert read_json(tmp_path / "out.json")["opens_with_start_token"] is False


def test_a_system_prompt_opens_the_texts_and_is_not_scored(tmp_path: Path, folder: Path) -> None:
    write_pool(tmp_path)
    call(tmp_path, folder)
    without = read_records(tmp_path / "out.parquet", Likelihood)
    call(tmp_path, folder, system_prompts={"de": "the blue house", "en": "the blue house"})
    having = read_records(tmp_path / "out.parquet", Likelihood)
    assert [(r.n_bytes, r.n_tokens) for r in having] == [(r.n_bytes, r.n_tokens) for r in without]
    assert [r.bits for r in having] != [r.bits for r in without]


def test_nothing_scored_is_an_error_unless_it_was_trained_on(
    tmp_path: Path, folder: Path, capsys: Any
) -> None:
    write_pool(tmp_path, out=IDS)
    assert call(tmp_path, folder) == 2
    assert "none of 12 answers could be scored" in capsys.readouterr().err
    write_pool(tmp_path)
    everything = write_mixture(tmp_path, [(i, "en", "train") for i in IDS])
    assert call(tmp_path, folder, *everything) == 0
    assert read_json(tmp_path / "out.json")["scored"] == 0


def test_a_checkpoint_that_is_none_is_named(tmp_path: Path) -> None:
    from babelmix.train.scorer import Scorer

    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(BabelmixError, match="cannot be loaded"):
        Scorer(tmp_path)
