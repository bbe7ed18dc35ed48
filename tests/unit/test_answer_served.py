"""Served answers: a server reads the checkpoint's own tokens, and answers as this process does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tiny_model
from tests.served_model import LikeVllm, varied

from babelmix.answer.batches import Prompt
from babelmix.answer.codec import Codec, load_codec
from babelmix.answer.engine import Completion, TransformersEngine
from babelmix.answer.served import ServedEngine
from babelmix.config.evaluation import Generation
from babelmix.errors import BabelmixError
from babelmix.train.chat import Formatter


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return varied(tiny_model.build(tmp_path_factory.mktemp("tiny")))


@pytest.fixture(scope="module")
def codec(folder: Path) -> Codec:
    return load_codec(folder, Formatter.load(folder))


def prompts(folder: Path, *contents: str) -> list[Prompt]:
    """Rendered questions, each opening with the template's own BOS."""
    formatter = Formatter.load(folder)
    found = []
    for content in contents or ("the cat", "a dog sees a blue house and a tree", "Grüße: 12"):
        text = formatter.render([{"role": "user", "content": content}], prompt=True)
        found.append(Prompt(formatter.tokens(text), 0.0, text))
    assert all(prompt.ids[:2] == [1, 4] for prompt in found)
    return found


def here(folder: Path, codec: Codec, asked: list[Prompt], most: int = 24) -> list[Completion]:
    """What the engine in this process answers."""
    engine = TransformersEngine(
        folder, Generation(max_new_tokens=most), codec.stop_ids, codec.decode, device="cpu",
        special_ids=codec.special_ids,
    )  # fmt: skip
    return engine.complete(asked, lambda n: None)


def served(
    server: LikeVllm, codec: Codec, asked: list[Prompt], most: int = 24, **settings: Any
) -> list[Completion]:
    told = {"engine": "openai", "base_url": server.base_url, "max_new_tokens": most} | settings
    engine = ServedEngine(Generation.model_validate(told), "run-1", codec, "bench")
    return engine.complete(asked, lambda n: None)


def test_a_server_like_vllm_is_sent_ids_and_answers_as_this_process(
    folder: Path, codec: Codec, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = prompts(folder)
    with LikeVllm(folder) as server:
        assert served(server, codec, asked) == here(folder, codec, asked)
        sent = server.requests[1:]
    assert sorted(server.read[1:]) == sorted(p.ids for p in asked)  # one BOS each
    for body in sent:
        assert isinstance(body["prompt"], list)
        assert body["stop_token_ids"] == codec.stop_ids == [2, 6]
        assert (body["repetition_penalty"], body["top_k"], body["temperature"]) == (1.0, -1, 0.0)
        assert body["add_special_tokens"] is False
        assert "stop" not in body  # its own words would also end an answer that only names them
    said = capsys.readouterr().err
    assert "as token ids, which it echoes" in said
    assert "unsure" not in said


def test_servers_that_know_less_are_asked_in_a_form_that_they_read_rightly(
    folder: Path, codec: Codec, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = prompts(folder)
    for style, form, words in (
        ("plain", list, "as token ids."),
        ("text", str, "as text without '<s>', which it writes itself."),
        ("silent", str, "as text without '<s>', which it writes itself."),
    ):
        with LikeVllm(folder, style) as server:
            found = served(server, codec, asked)
            assert sorted(server.read[-3:]) == sorted(p.ids for p in asked), style
            assert {type(body["prompt"]) for body in server.requests[-3:]} == {form}
            assert server.requests[-1]["stop"] == ["</s>", "<|end|>"]
        assert [c.finish_reason for c in found] == ["length"] * 3
        said = capsys.readouterr().err
        assert words in said
        assert ("only the number of a prompt's tokens was compared" in said) == (style == "plain")
        assert ("does not count the prompt's tokens" in said) == (style == "silent")


def test_a_second_bos_is_what_text_would_have_got(folder: Path) -> None:
    """The reason for all this: the same prompt sent as text, in the server's own default."""
    (asked,) = prompts(folder, "the cat")
    with LikeVllm(folder) as server:
        body = {"model": "run-1", "prompt": asked.text, "max_tokens": 1, "temperature": 0.0}
        server.complete(body)
        assert server.read == [[1, *asked.ids]]


def test_near_the_context_s_end_the_answer_gets_the_room_that_is_left(
    folder: Path, codec: Codec
) -> None:
    ids = prompts(folder, "the cat")[0].ids
    asked = [Prompt(ids + [9] * (length - len(ids)), 0.0) for length in (40, 250, 256, 300)]
    right = here(folder, codec, asked)
    assert [(c.finish_reason, c.n_tokens) for c in right][1:] == [
        ("length", 6),
        ("error", 0),
        ("error", 0),
    ]
    with LikeVllm(folder) as server:
        assert served(server, codec, asked) == right
        assert sorted(body["max_tokens"] for body in server.requests[1:]) == [6, 24]
    with LikeVllm(folder, context=128) as server:  # a server may have less room than the model
        found = served(server, codec, [*asked, Prompt(ids + [9] * (120 - len(ids)), 0.0)])
        assert [c.finish_reason for c in found] == ["length", "error", "error", "error", "length"]
        assert found[-1].n_tokens == 8
        asked_before = len(server.requests)
        assert [c.finish_reason for c in served(server, codec, asked[2:])] == ["error"] * 2
        assert len(server.requests) == asked_before


def test_sampled_answers_have_a_seed_of_their_question(folder: Path, codec: Codec) -> None:
    asked = [Prompt(p.ids, 0.7, p.text) for p in prompts(folder)]
    with LikeVllm(folder) as server:
        first = served(server, codec, asked, top_p=0.9)
        seeds = {tuple(b["prompt"]): b["seed"] for b in server.requests[1:]}
        assert all(body["top_p"] == 0.9 for body in server.requests[1:])
        assert len(set(seeds.values())) == 3
        assert served(server, codec, asked[::-1], top_p=0.9) == first[::-1]


def test_a_server_with_another_tokenizer_is_refused_before_a_question_is_asked(
    folder: Path, codec: Codec, tmp_path: Path
) -> None:
    other = tiny_model.tokenizer().train_new_from_iterator(["the cat sat on a mat"] * 50, 300)
    with LikeVllm(folder, tokenizer=other) as server:
        with pytest.raises(BabelmixError, match="tokenizer is not the checkpoint's") as caught:
            served(server, codec, prompts(folder))
        assert not server.requests
    assert "tokens there, " in str(caught.value)


def test_ids_of_another_vocabulary_are_not_sent_to_a_server_without_tokenize(
    folder: Path, codec: Codec
) -> None:
    other = tiny_model.tokenizer().train_new_from_iterator(["the cat sat on a mat"] * 50, 300)
    with LikeVllm(folder, "plain", tokenizer=other) as server:
        with pytest.raises(BabelmixError, match=r"not the checkpoint's: a prompt is \d+ tokens"):
            served(server, codec, prompts(folder, "Grüße an den Fluss: 12345"))
        assert all(body["max_tokens"] == 1 for body in server.requests)  # only tried


def test_a_server_that_reads_another_text_is_refused(folder: Path, codec: Codec) -> None:
    class Cutting(LikeVllm):
        def complete(self, body: dict[str, Any]) -> dict[str, Any]:
            return super().complete(body | {"prompt": body["prompt"][2:]})

    with Cutting(folder, "plain") as server, pytest.raises(BabelmixError, match="as it is meant"):
        served(server, codec, prompts(folder))


def test_prompts_that_are_cut_later_are_counted(
    folder: Path, codec: Codec, capsys: pytest.CaptureFixture[str]
) -> None:
    class CuttingLong(LikeVllm):
        def complete(self, body: dict[str, Any]) -> dict[str, Any]:
            asked = body["prompt"]
            return super().complete(body | {"prompt": asked[:14] if asked[0] == 1 else asked})

    with CuttingLong(folder, "plain") as server:
        served(server, codec, prompts(folder, "a", "the cat sees a dog and a tree and a river"))
    assert "for 1 of 2 prompts: it cut or changed them" in capsys.readouterr().err


def test_an_unknown_model_and_a_dead_server_are_named(folder: Path, codec: Codec) -> None:
    with LikeVllm(folder, name="another") as server:
        with pytest.raises(BabelmixError, match="run-1"):
            served(server, codec, prompts(folder))
        assert not server.read
    told = {"engine": "openai", "base_url": "http://127.0.0.1:9/v1"}
    engine = ServedEngine(Generation.model_validate(told), "run-1", codec)
    with pytest.raises(BabelmixError, match="No server answers"):
        engine.complete(prompts(folder), lambda n: None)
