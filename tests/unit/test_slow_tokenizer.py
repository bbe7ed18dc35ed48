"""Slow remote tokenizers around SentencePiece: converted, compared, trained on, answered with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import slow_model
import tiny_model
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.options import as_options

from babelmix.cli import main
from babelmix.config.training import Model
from babelmix.errors import BabelmixError
from babelmix.io import read_json, read_table, write_json, write_records
from babelmix.records import Conversation, Message, Question
from babelmix.train.chat import IGNORED, Formatter
from babelmix.train.prepare import prepare_model

KINDS = [(m, n) for m in ("bpe", "unigram") for n in ("identity", "nmt_nfkc")]
TEXTS = (
    "Où est-elle ? Çà et là…",
    "  spaces   of\tall \n\n kinds \u00a0\u2009 ",
    "1234567890 ½ ﬁ ＡＢＣ e\u0301",
    "漢字 हिन्दी עברית العربية ไทย",
    "🙂 👩‍👩‍👧 \u200b",
    "the cat sees a house</s>\nUser: and the dog</s> runs",
)


@pytest.fixture(scope="module", params=KINDS, ids=["-".join(kind) for kind in KINDS])
def base(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with a slow tokenizer, in four kinds."""
    folder = tmp_path_factory.mktemp("slow") / "-".join(request.param)
    return slow_model.build(folder, *request.param)


def slow(folder: Path) -> Any:
    """The tokenizer as its own code runs it."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, trust_remote_code=True, local_files_only=True)


def prepare(base: Path, out: Path, **settings: Any) -> dict[str, Any]:
    """Prepare it for study 1's template."""
    settings = {"chat_template": "study1", "trust_remote_code": True} | settings
    return prepare_model("slow", Model(path=str(base), **settings), out)


def test_it_reads_as_its_own_code_does(base: Path, tmp_path: Path) -> None:
    prepare(base, tmp_path / "m")
    own, form = slow(base), Formatter.load(tmp_path / "m")
    for text in TEXTS:
        assert form.tokens(text) == own(text, add_special_tokens=False)["input_ids"]


def test_masks_are_those_of_the_slow_code(base: Path, tmp_path: Path) -> None:
    prepare(base, tmp_path / "m")
    own, form = slow(base), Formatter.load(tmp_path / "m")
    for seed in range(12):
        chat = tiny_model.chat(seed, 1 + seed % 3)
        if seed % 2:
            chat.insert(0, {"role": "system", "content": "Ein Gespräch."})
        encoded = form.encode(chat)
        assert encoded.note == ""
        # The same again with the slow code alone, turn by turn.
        labels: list[int] = []
        for number, message in enumerate(chat):
            if message["role"] != "assistant":
                continue
            prompt = form.render(chat[:number], prompt=True)
            answered = prompt + " " + message["content"] + "</s>"
            start, end = (
                len(own(text, add_special_tokens=False)["input_ids"]) for text in (prompt, answered)
            )
            labels += [IGNORED] * (start - len(labels))
            labels += encoded.input_ids[start:end]
        wanted = own(form.render(chat), add_special_tokens=False)["input_ids"]
        assert encoded.input_ids == wanted
        assert encoded.labels == labels + [IGNORED] * (len(wanted) - len(labels))


def test_it_is_prepared_trained_and_answers_without_its_code(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    base = slow_model.build(tmp_path / "base")
    model = tmp_path / "models" / "tiny"
    write_json(model.parent / "tiny.json", prepare(base, model))
    assert not json.loads((model / "tokenizer_config.json").read_text()).get("auto_map")
    rows = [
        Conversation(f"c-{i}", "en", "d", "s", [Message(**m) for m in tiny_model.chat(i, 2)])
        for i in range(24)
    ]
    write_records(tmp_path / "rows.parquet", rows, Conversation)
    spec = {"version": 1, "dataset": "d", "lang": "en", "max_length": 64, "system_prompt": ""}
    words = [*as_options(json.dumps(spec)), "--conversations", str(tmp_path / "rows.parquet")]
    words += ["--model", str(model), "--output", str(tmp_path / "d.en.parquet")]
    assert main(["tokenise", *words, "--manifest", str(tmp_path / "d.json")]) == 0
    assert read_json(tmp_path / "d.json")["refused"] == 0
    import pyarrow as pa

    from babelmix.io import write_table

    mixture = {"id": [row.id for row in rows], "lang": ["en"] * 24, "split": ["train"] * 24}
    write_table(tmp_path / "mixture.parquet", pa.table(mixture))
    study: dict[str, Any] = {
        "model": model,
        "tokenised": [tmp_path / "d.en.parquet"],
        "mixture": tmp_path / "mixture.parquet",
    }
    tiny_model.train_in_this_process(study, tmp_path / "run", tiny_model.recipe(max_steps=2))
    question = Question("1", "en", "writing", ["say the cat", "and a dog"])
    write_records(tmp_path / "questions.parquet", [question], Question)
    answer = {
        "version": 1,
        "run": "run",
        "benchmark": "b",
        "languages": ["en"],
        "device": "cpu",
        "trust_remote_code": False,
        "generation": {"max_new_tokens": 8},
        "system_prompts": {},
    }
    words = [*as_options(json.dumps(answer)), "--questions", str(tmp_path / "questions.parquet")]
    words += ["--checkpoint", str(tmp_path / "run" / "result")]
    words += ["--completed", str(tmp_path / "run" / "done.json")]
    assert main(["answer", *words, "--output", str(tmp_path / "answers.parquet")]) == 0
    assert read_table(tmp_path / "answers.parquet").num_rows == 2


@given(texts=st.lists(st.text(min_size=1, max_size=30), min_size=4, max_size=8))
@settings(max_examples=40, deadline=None)
def test_prompts_are_prefixes_whatever_the_text(base: Path, texts: list[str]) -> None:
    """The proof looks at a prompt's end alone; here whole prompts are compared."""
    folder = base.parent / f"{base.name}-prepared"
    if not folder.is_dir():
        prepare(base, folder)
    form = Formatter.load(folder)
    chat = [
        {"role": role, "content": text}
        for role, text in zip(["user", "assistant"] * 4, texts[: len(texts) // 2 * 2], strict=False)
    ]
    encoded = form.encode(chat)
    if encoded.note:
        return
    for number in range(1, len(chat), 2):
        prompt = form.tokens(form.render(chat[:number], prompt=True))
        assert encoded.input_ids[: len(prompt)] == prompt
        assert encoded.labels[len(prompt) - 1] == IGNORED
        assert encoded.labels[len(prompt)] != IGNORED


def test_tokens_that_the_code_names_too_late_are_control_tokens(tmp_path: Path) -> None:
    base = slow_model.build(tmp_path / "base", code=slow_model.LATE)
    assert len(slow(base)("a</s>", add_special_tokens=False)["input_ids"]) > 2  # read as text
    record = prepare(base, tmp_path / "m")
    form = Formatter.load(tmp_path / "m")
    assert record["end_of_turn"] == "</s>"
    assert form.tokens("a</s>")[-1] == 2
    assert form.encode(tiny_model.chat(1, 2)).note == ""


def test_a_bos_that_the_code_writes_is_written_once_by_chatml(tmp_path: Path) -> None:
    code = (
        slow_model.CODE
        + """
    def build_inputs_with_special_tokens(self, token_ids_0, token_ids_1=None):
        return [self.bos_token_id] + token_ids_0
"""
    )
    base = slow_model.build(tmp_path / "base", code=code)
    assert slow(base)("a")["input_ids"][0] == 1
    prepare(base, tmp_path / "m", chat_template="chatml")
    ids = Formatter.load(tmp_path / "m").encode(tiny_model.chat(1, 2)).input_ids
    assert ids[0] == 1
    assert ids.count(1) == 1


def test_code_that_is_not_allowed_says_which_key(tmp_path: Path) -> None:
    base = slow_model.build(tmp_path / "base")
    with pytest.raises(BabelmixError, match="trust_remote_code: true"):
        prepare(base, tmp_path / "m", trust_remote_code=False)


def test_code_that_does_something_else_is_refused(tmp_path: Path) -> None:
    base = slow_model.build(tmp_path / "base")
    code = (base / "plain_sp_tokenizer.py").read_text()
    changed = code.replace("encode_as_pieces(text)", "encode_as_pieces(text.lower())")
    (base / "plain_sp_tokenizer.py").write_text(changed)
    with pytest.raises(BabelmixError, match="its own code as") as caught:
        prepare(base, tmp_path / "m")
    assert "tokenizer.json" in str(caught.value)
    assert not (tmp_path / "m").exists()


def test_a_model_that_cannot_be_converted_says_why(tmp_path: Path) -> None:
    base = slow_model.build(tmp_path / "base", "word")
    with pytest.raises(BabelmixError, match="unigram and BPE"):
        prepare(base, tmp_path / "m")
    shutil.copyfile(base / "tokenizer.model", base / "other.model")
    with pytest.raises(BabelmixError, match="2 SentencePiece models"):
        prepare(base, tmp_path / "m")
