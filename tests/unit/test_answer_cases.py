"""Mistakes of generation that users of vLLM, transformers and lm-eval report, through the verb.

Each is a checkpoint or a question as people have them; what must come out is known without it.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import tiny_model
from tests.options import as_options
from tests.served_model import LikeVllm, varied

from babelmix.answer.batches import Prompt
from babelmix.answer.codec import context_of, load_codec
from babelmix.answer.engine import TransformersEngine
from babelmix.cli import main
from babelmix.config.evaluation import Generation
from babelmix.io import read_json, read_records, write_json, write_records
from babelmix.records import Answer, Question
from babelmix.train.chat import Formatter, template_digest

QUESTIONS = ["the cat", "a dog sees a blue house and a tree and a river", "Grüße: 12"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return varied(tiny_model.build(tmp_path_factory.mktemp("tiny")))


@pytest.fixture
def folder(base: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    return Path(shutil.copytree(base, tmp_path / "model"))


def answered(
    folder: Path, tmp_path: Path, *turns: list[str], name: str = "out", **generation: Any
) -> list[Answer]:
    rows = [Question(f"q{i}", "en", "c", list(t)) for i, t in enumerate(turns)]
    write_records(tmp_path / "q.parquet", rows or plain(), Question)
    template = Formatter.load(folder).template
    write_json(tmp_path / "done.json", {"template_digest": template_digest(template)})
    spec = {"version": 2, "run": "run-1", "benchmark": "b", "languages": ["en"], "device": "cpu"}
    spec |= {"generation": {"max_new_tokens": 24} | generation, "system_prompts": {}}
    spec |= {"trust_remote_code": False}
    words = ["answer", *as_options(json.dumps(spec)), "--questions", str(tmp_path / "q.parquet")]
    words += ["--checkpoint", str(folder), "--completed", str(tmp_path / "done.json")]
    words += ["--output", str(tmp_path / f"{name}.parquet")]
    assert main([*words, "--manifest", str(tmp_path / f"{name}.json")]) == 0
    return read_records(tmp_path / f"{name}.parquet", Answer)


def plain() -> list[Question]:
    return [Question(f"q{i}", "en", "c", [text]) for i, text in enumerate(QUESTIONS)]


def test_a_checkpoint_s_own_sampling_defaults_change_nothing(
    base: Path, folder: Path, tmp_path: Path
) -> None:
    right = answered(base, tmp_path)
    own = {"do_sample": True, "temperature": 0.01, "top_k": 3, "repetition_penalty": 1.9}
    own |= {"no_repeat_ngram_size": 2, "max_length": 12, "min_new_tokens": 20, "num_beams": 3}
    own |= {"suppress_tokens": list(range(10, 200)), "renormalize_logits": True}
    write_json(folder / "generation_config.json", own)
    assert answered(folder, tmp_path, name="own") == right


def test_a_server_is_told_to_leave_those_defaults(base: Path, tmp_path: Path) -> None:
    right = answered(base, tmp_path)

    class WithDefaults(LikeVllm):
        """As vLLM: what a request does not say is the checkpoint's own default."""

        def complete(self, body: dict[str, Any]) -> dict[str, Any]:
            for name in ("repetition_penalty", "top_k", "min_p", "presence_penalty", "temperature"):
                assert name in body, f"the checkpoint's own {name} would be used"
            return super().complete(body)

    with WithDefaults(base) as server:
        own = {"engine": "openai", "base_url": server.base_url}
        assert answered(base, tmp_path, name="served", **own) == right


def test_every_end_that_the_checkpoint_names_ends_an_answer(
    base: Path, folder: Path, tmp_path: Path
) -> None:
    formatter = Formatter.load(base)
    codec = load_codec(base, formatter)
    assert codec.further_stops == ()
    # Greedy ids of the first answer: its fourth token is made an end, as `<|eom_id|>` is one.
    engine = TransformersEngine(base, Generation(max_new_tokens=24), [2], json.dumps, device="cpu")
    text = formatter.render([{"role": "user", "content": QUESTIONS[0]}], prompt=True)
    ids = json.loads(engine.complete([Prompt(formatter.tokens(text))], lambda n: None)[0].text)
    fourth = next(token for token in ids[3:] if token not in ids[:3])
    write_json(folder / "generation_config.json", {"eos_token_id": [2, fourth]})
    first, *_ = answered(folder, tmp_path)
    assert first.finish_reason == "stop"
    assert first.n_tokens == ids.index(fourth)
    again = load_codec(folder, Formatter.load(folder))
    assert again.further_stops == (fourth,)


def test_ends_of_turn_within_a_prompt_are_read_and_no_padding(base: Path, tmp_path: Path) -> None:
    """Second turns hold the tokens that end an answer, one of which also pads short prompts."""
    turns = [["the cat", "a dog"], ["a dog sees a blue house and a tree", "the river runs"]]
    both = answered(base, tmp_path, *turns)
    for i, asked in enumerate(turns):
        alone = answered(base, tmp_path, asked, name="alone")
        assert [a.text for a in alone] == [a.text for a in both if a.question_id == f"q{i}"]


@pytest.mark.parametrize(
    "change",
    [
        {"padding_side": "right"},
        {"truncation_side": "left", "model_max_length": 8},
        {"add_bos_token": True, "add_eos_token": True},
        {"clean_up_tokenization_spaces": True},
    ],
)
def test_a_tokenizer_s_own_settings_change_nothing(
    base: Path, folder: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    right = answered(base, tmp_path)
    path = folder / "tokenizer_config.json"
    write_json(path, read_json(path) | change)
    assert answered(folder, tmp_path, name="own") == right
    assert right[0].n_prompt_tokens < 20


def test_spaces_before_french_punctuation_stay(base: Path) -> None:
    codec = load_codec(base, Formatter.load(base))
    text = "Bonjour ! Ça va ? Oui , n't 's"
    assert codec.decode(codec.encode(text)) == text


def test_an_answer_s_control_tokens_are_counted_in_the_manifest(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    written = [[70, 1, 71, 2], [70, 4, 71, 6], [70, 71, 6]]

    def generate(self: Any, rows: list[list[int]], batch: Any) -> list[list[int]]:
        return written[: len(rows)]

    monkeypatch.setattr(TransformersEngine, "_generate", generate)
    answers = answered(base, tmp_path)
    assert sorted(a.n_tokens for a in answers) == [2, 3, 3]
    assert read_json(tmp_path / "out.json")["control_tokens"] == 2
    assert "2 with control tokens that their text leaves out" in capsys.readouterr().out


def test_a_question_over_the_context_is_an_error_and_never_cut(base: Path, tmp_path: Path) -> None:
    long = "the cat " * 200
    answers = answered(base, tmp_path, [long, "a dog"], ["the cat"])
    assert [(a.finish_reason, a.text == "") for a in answers[:2]] == [("error", True)] * 2
    assert answers[0].n_prompt_tokens > 256
    with LikeVllm(base) as server:
        own = {"engine": "openai", "base_url": server.base_url}
        again = answered(base, tmp_path, [long, "a dog"], ["the cat"], name="served", **own)
        assert again == answers
        assert all(len(body["prompt"]) <= 256 for body in server.requests)


def test_the_words_of_a_stop_token_in_an_answer_end_nothing(base: Path, tmp_path: Path) -> None:
    """A question spells `<|end|>`: it is text, in the prompt and for the server."""
    asked = "What does <|end|> mean? </s> <s>"
    (here,) = answered(base, tmp_path, [asked])
    with LikeVllm(base) as server:
        own = {"engine": "openai", "base_url": server.base_url}
        (there,) = answered(base, tmp_path, [asked], name="served", **own)
        (ids,) = server.read[1:]
    assert here == there
    assert here.question == asked
    assert (ids.count(1), ids.count(2), ids.count(6)) == (1, 0, 1)


def test_a_checkpoint_in_half_precision_is_widened_on_a_cpu(folder: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float16)
    model.save_pretrained(folder)
    answers = answered(folder, tmp_path)
    assert all(a.n_tokens > 0 for a in answers)


@pytest.mark.parametrize(
    ("config", "context"),
    [
        ({"n_positions": 1024}, 1024),
        ({"text_config": {"max_position_embeddings": 8192}}, 8192),
        ({"max_seq_len": 2048}, 2048),
        ({"hidden_size": 64}, None),
    ],
)
def test_the_context_by_any_of_its_names(
    tmp_path: Path, config: dict[str, Any], context: int | None
) -> None:
    write_json(tmp_path / "config.json", config)
    assert context_of(tmp_path) == context
