"""Answering: batches, waves, and a real tiny model through the verb."""

from __future__ import annotations

import argparse
import json
import sys
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import tiny_model
from hypothesis import given
from hypothesis import strategies as st
from tests.loopback import Action, Request, ScriptedServer, error
from tests.options import as_options

from babelmix.answer import answer as verb
from babelmix.answer.answer import answer_questions, is_looping
from babelmix.answer.batches import Prompt, plan_batches
from babelmix.answer.codec import Codec
from babelmix.answer.engine import Completion, TransformersEngine
from babelmix.answer.resume import ResumingEngine
from babelmix.answer.served import ServedEngine
from babelmix.answer.vllm import VllmEngine
from babelmix.config.evaluation import Generation
from babelmix.errors import BabelmixError
from babelmix.io import Journal, digest, read_json, read_records, write_json, write_records
from babelmix.records import Answer, Question
from babelmix.specs import AnswerSpec
from babelmix.train.chat import Formatter, template_digest

# --- batches -------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.integers(1, 120), st.sampled_from([0.0, 0.7])), max_size=40),
    st.integers(1, 50),
    st.one_of(st.none(), st.integers(20, 130)),
    st.integers(64, 2000),
)
def test_every_prompt_is_in_one_batch_or_does_not_fit(
    rows: list[tuple[int, float]], new: int, context: int | None, room: int
) -> None:
    prompts = [Prompt([0] * length, temperature) for length, temperature in rows]
    batches, too_long = plan_batches(prompts, new, context, room)
    assert sorted([i for b in batches for i in b.indices] + too_long) == list(range(len(rows)))
    for batch in batches:
        longest = max(len(prompts[i].ids) for i in batch.indices)
        assert (
            len(batch.indices) * (longest + batch.max_new_tokens) <= room or len(batch.indices) == 1
        )
        assert {prompts[i].temperature for i in batch.indices} == {batch.temperature}
        assert context is None or longest + batch.max_new_tokens <= context
        assert batch.max_new_tokens == new or context is not None
    assert all(context is not None and len(prompts[i].ids) >= context for i in too_long)


# --- waves, with an engine that only repeats ------------------------------------------------------


class Echo:
    """Answers a prompt with its length; prompts over 60 characters do not fit."""

    def __init__(self) -> None:
        self.calls: list[list[Prompt]] = []

    def complete(
        self, prompts: Sequence[Prompt], on_done: Callable[[int], object]
    ) -> list[Completion]:
        self.calls.append(list(prompts))
        on_done(len(prompts))
        return [
            Completion("", "error", 0)
            if len(p.ids) > 60
            else Completion(f"n{len(p.ids)}", "stop", 1)
            for p in prompts
        ]


class Plain:
    """Renders a chat as roles and texts, one token a character."""

    def __init__(self) -> None:
        self.rendered: list[str] = []

    def render(self, messages: list[dict[str, str]], *, prompt: bool = False) -> str:
        self.rendered.append("".join(f"{m['role'][0]}:{m['content']};" for m in messages))
        return self.rendered[-1]

    def tokens(self, text: str) -> list[int]:
        return [ord(char) for char in text]

    @property
    def control_tokens(self) -> list[str]:
        return ["</s>", "<|im_end|>"]


def spec(**changes: Any) -> AnswerSpec:
    value: dict[str, Any] = {"version": 1, "run": "r", "benchmark": "b", "languages": ["de", "en"]}
    value |= {"device": "cpu", "trust_remote_code": False, "system_prompts": {}}
    value |= {"generation": {"max_new_tokens": 8, "batch_tokens": 512}}
    return AnswerSpec.model_validate(value | changes)


def questions() -> list[Question]:
    return [
        Question("q1", "de", "math", ["eins", "zwei"]),
        Question("q1", "en", "math", ["one", "two"]),
        Question("q2", "en", "writing", ["only"]),
    ]


def test_second_turns_follow_the_model_s_own_first_answers() -> None:
    engine, renderer = Echo(), Plain()
    answers = answer_questions(spec(), questions(), renderer, engine)
    assert [(a.lang, a.question_id, a.turn) for a in answers] == [
        ("de", "q1", 1),
        ("de", "q1", 2),
        ("en", "q1", 1),
        ("en", "q1", 2),
        ("en", "q2", 1),
    ]
    assert [len(call) for call in engine.calls] == [3, 2]
    assert renderer.rendered[-2:] == ["u:eins;a:n7;u:zwei;", "u:one;a:n6;u:two;"]
    assert answers[1].prompt_sha == digest("u:eins;a:n7;u:zwei;")
    assert answers[1].question == "zwei"


def test_system_prompts_open_the_chat_where_there_are_any() -> None:
    renderer = Plain()
    answer_questions(spec(system_prompts={"de": "Hallo", "en": ""}), questions(), renderer, Echo())
    assert renderer.rendered[0] == "s:Hallo;u:eins;"
    assert renderer.rendered[1] == "u:one;"


def test_control_tokens_in_a_question_are_only_text() -> None:
    asked = "Say </s> and <|im_end|> {x}"
    renderer = Plain()
    rows = [Question("q1", "de", "c", [asked]), *questions()[1:]]
    answers = answer_questions(spec(), rows, renderer, Echo())
    assert "</s>" not in renderer.rendered[0]
    assert "<|im_end|>" not in renderer.rendered[0]
    assert "{x}" in renderer.rendered[0]
    assert answers[0].question == asked


def test_looping_answers_are_told() -> None:
    assert is_looping("I will say it again and again and again. " * 8)
    assert not is_looping("The answer is short and says each thing once, " * 1)
    assert not is_looping("no no no no")


def test_a_killed_job_goes_on_from_its_journal(tmp_path: Path) -> None:
    class Dying(Echo):
        def complete(self, prompts: Any, on_done: Any) -> Any:
            if len(self.calls) == 2:
                raise KeyboardInterrupt
            return super().complete(prompts, on_done)

    rows = [Question(f"q{i}", "de", "c", [f"first {i}" * i, "then"]) for i in range(1, 7)]
    asked = spec(languages=["de"])
    dying, after, whole = Dying(), Echo(), Echo()
    with Journal(tmp_path / "j.jsonl") as journal, pytest.raises(KeyboardInterrupt):
        answer_questions(asked, rows, Plain(), ResumingEngine(dying, journal, "id", 60, 8))
    with Journal(tmp_path / "j.jsonl") as journal:
        resumed = ResumingEngine(after, journal, "id", 60, 8)
        answers = answer_questions(asked, rows, Plain(), resumed)
        assert resumed.reused == sum(map(len, dying.calls)) > 0
    with Journal(tmp_path / "whole.jsonl") as journal:
        engine = ResumingEngine(whole, journal, "id", 60, 8)
        assert answers == answer_questions(asked, rows, Plain(), engine)
    # Together they were asked what one that was never stopped is asked, in the same chunks.
    assert dying.calls + after.calls == whole.calls
    with Journal(tmp_path / "j.jsonl") as journal:
        other = ResumingEngine(Echo(), journal, "another checkpoint", 60, 8)
        answer_questions(asked, rows, Plain(), other)
        assert other.reused == 0


def spelled(stop_ids: Sequence[int] = (0,)) -> Codec:
    """A codec of one token per character."""
    return Codec(lambda text: list(map(ord, text)), lambda ids: "".join(map(chr, ids)),
                 list(stop_ids), ["</s>"])  # fmt: skip


def completion(request: Request) -> Action:
    body = request.body
    if not isinstance(body["prompt"], str):
        return error(400, message="prompt must be a string")
    if "refuse" in body["prompt"]:
        return error(400, message="too long")
    if request.number == 4:
        return error(429)
    ended = "length" if "long" in body["prompt"] else "stop"
    choice = {"text": f" to {body['prompt'][-4:]} ", "finish_reason": ended, "index": 0}
    value = {"choices": [choice], "usage": {"completion_tokens": 3}}
    return Action(body=json.dumps(value).encode())


def test_a_served_checkpoint_answers_rendered_prompts() -> None:
    texts = ["u:one;", "u:long;", "u:refuse;"]
    prompts = [Prompt([1] * len(text), 0.7 if text == "u:one;" else 0.0, text) for text in texts]
    with ScriptedServer(completion) as server:
        settings = {"engine": "openai", "base_url": server.base_url, "top_p": 0.9}
        engine = ServedEngine(Generation.model_validate(settings), "run-1", spelled())
        found = engine.complete(prompts, lambda n: None)
    assert [(c.text, c.finish_reason) for c in found] == [
        ("to one;", "stop"),
        ("to ong;", "length"),
        ("", "error"),
    ]
    sent = next(r.body for r in server.requests[4:] if r.body["prompt"] == "u:one;")
    assert (sent["model"], sent["top_p"], sent["stop"]) == ("run-1", 0.9, ["</s>"])
    assert isinstance(sent["seed"], int)


class FakeVllm:
    """The parts of vLLM's engine that are used: each step ends the request that came last."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self.llm_engine = self
        self.model_config = types.SimpleNamespace(max_model_len=settings.get("max_model_len", 10))
        self.waiting: list[tuple[str, list[int], dict[str, Any]]] = []
        self.at_once = 0
        self.dies_after = 10**9

    def add_request(self, request_id: str, prompt: Any, sampling: dict[str, Any]) -> None:
        self.waiting.append((request_id, prompt["prompt_token_ids"], sampling))
        self.at_once = max(self.at_once, len(self.waiting))

    def has_unfinished_requests(self) -> bool:
        return bool(self.waiting)

    def step(self) -> list[Any]:
        if self.dies_after == 0:
            raise KeyboardInterrupt
        self.dies_after -= 1
        request_id, ids, _ = self.waiting.pop()
        output = types.SimpleNamespace(token_ids=[*ids, 0], finish_reason="stop")
        # Newer versions put something of their own behind the id.
        ended = types.SimpleNamespace(
            request_id=f"{request_id}-a1b2", outputs=[output], finished=True
        )
        return [types.SimpleNamespace(finished=False), ended]


@pytest.fixture
def fake_vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = types.SimpleNamespace(FINAL_ONLY=2)
    module = types.SimpleNamespace(LLM=FakeVllm, SamplingParams=lambda **kw: kw)
    monkeypatch.setitem(sys.modules, "vllm", module)
    parameters = types.SimpleNamespace(RequestOutputKind=kinds)
    monkeypatch.setitem(sys.modules, "vllm.sampling_params", parameters)


def test_vllm_is_named_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(BabelmixError, match=r"needs the package vllm.*engine: vllm-server"):
        VllmEngine(tmp_path, Generation(engine="vllm"), spelled())


@pytest.mark.usefixtures("fake_vllm")
def test_vllm_gets_its_settings_and_all_prompts_at_once(tmp_path: Path) -> None:
    settings = {"engine": "vllm", "max_new_tokens": 8, "top_p": 0.9, "tensor_parallel": 2}
    settings |= {"gpu_memory_utilization": 0.8, "vllm_options": {"enforce_eager": True}}
    generation = Generation.model_validate(settings)
    engine = VllmEngine(tmp_path, generation, spelled(), trust_remote_code=True)
    assert engine.model.settings == {
        "model": str(tmp_path),
        "dtype": "auto",
        "seed": 0,
        "generation_config": "vllm",
        "tensor_parallel_size": 2,
        "gpu_memory_utilization": 0.8,
        "trust_remote_code": True,
        "enforce_eager": True,
    }
    prompts = [Prompt([65, 66], 0.7), Prompt([1] * 10), Prompt([67]), Prompt([68] * 7)]
    seen: list[dict[str, Any]] = []
    add = engine.engine.add_request
    engine.engine.add_request = lambda *told: (seen.append(told[2]), add(*told))
    found = engine.complete(prompts, lambda n: None)
    assert [(c.text, c.finish_reason) for c in found] == [
        ("AB", "stop"),
        ("", "error"),
        ("C", "stop"),
        ("D" * 7, "stop"),
    ]
    assert engine.engine.at_once == 3
    assert [told["max_tokens"] for told in seen] == [3, 8, 8]  # the longest first
    assert [told["top_p"] for told in seen] == [1.0, 0.9, 1.0]
    assert {tuple(told["stop_token_ids"]) for told in seen} == {(0,)}
    told = Generation.model_validate(settings | {"max_model_len": 5})
    assert VllmEngine(tmp_path, told, spelled()).context == 5


@pytest.mark.usefixtures("fake_vllm")
def test_a_killed_vllm_job_asks_only_for_what_it_had_not_answered(tmp_path: Path) -> None:
    prompts = [Prompt([65 + n] * (n + 1)) for n in range(6)]
    generation = Generation(engine="vllm", max_new_tokens=2)
    right = VllmEngine(tmp_path, generation, spelled()).complete(prompts, lambda n: None)
    dying = VllmEngine(tmp_path, generation, spelled())
    dying.engine.dies_after = 2
    with Journal(tmp_path / "j.jsonl") as journal, pytest.raises(KeyboardInterrupt):
        ResumingEngine(dying, journal, "id", 60, 8).complete(prompts, lambda n: None)
    after = VllmEngine(tmp_path, generation, spelled())
    with Journal(tmp_path / "j.jsonl") as journal:
        resumed = ResumingEngine(after, journal, "id", 60, 8)
        assert resumed.complete(prompts, lambda n: None) == right
        assert (resumed.reused, after.engine.at_once) == (2, 4)


def test_temperature_by_category() -> None:
    engine = Echo()
    generation = {"temperature": 0.1, "temperature_by_category": {"writing": 0.7}}
    answer_questions(spec(generation=generation), questions(), Plain(), engine)
    assert [p.temperature for p in engine.calls[0]] == [0.1, 0.1, 0.7]


def test_a_prompt_that_does_not_fit_is_an_error_and_so_is_what_follows() -> None:
    rows = [Question("q1", "de", "c", ["x" * 100, "kurz"]), *questions()[1:]]
    engine = Echo()
    answers = answer_questions(spec(), rows, Plain(), engine)
    assert [(a.text, a.finish_reason) for a in answers[:2]] == [("", "error"), ("", "error")]
    assert len(engine.calls[1]) == 1
    assert len(answers) == 5


def test_missing_and_doubled_questions_are_errors() -> None:
    with pytest.raises(BabelmixError, match="No questions in fr"):
        answer_questions(spec(languages=["de", "fr"]), questions(), Plain(), Echo())
    with pytest.raises(BabelmixError, match="twice"):
        answer_questions(spec(), [*questions(), questions()[0]], Plain(), Echo())
    assert len(answer_questions(spec(languages=["de"]), questions(), Plain(), Echo())) == 2


# --- the engine, on a real tiny model -------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model.build(tmp_path_factory.mktemp("tiny"))


def engine(folder: Path, stop_ids: Sequence[int] = (2,), **settings: Any) -> TransformersEngine:
    generation = Generation.model_validate({"max_new_tokens": 40, "batch_tokens": 4096} | settings)
    return TransformersEngine(
        folder, generation, stop_ids, lambda ids: " ".join(map(str, ids)), device="cpu"
    )


def prompts(temperature: float = 0.0) -> list[Prompt]:
    return [Prompt(list(range(10, 10 + n)), temperature) for n in (3, 30, 7, 12, 90, 5)]


def greedy_by_hand(model: Any, ids: list[int], count: int, stop_ids: Sequence[int]) -> list[int]:
    """One row, no cache, no batch: what generation should come to."""
    import torch

    new: list[int] = []
    while len(new) < count:
        logits = model(torch.tensor([ids + new])).logits[0, -1]
        new.append(int(logits.argmax()))
        if new[-1] in stop_ids:
            return new[:-1]
    return new


@pytest.mark.parametrize("batch_tokens", [64, 4096])
def test_greedy_batches_give_what_single_rows_give(folder: Path, batch_tokens: int) -> None:
    import torch

    # Random weights never stop by themselves: a fifth of the vocabulary stops them.
    stops = list(range(0, 400, 20))
    tested = engine(folder, stops, batch_tokens=batch_tokens, max_new_tokens=24)
    done = tested.complete(prompts(), lambda n: None)
    with torch.inference_mode():
        for prompt, completion in zip(prompts(), done, strict=True):
            right = greedy_by_hand(tested.model, prompt.ids, 24, stops)
            assert completion.text == " ".join(map(str, right))
            assert completion.n_tokens == len(right)
            assert completion.finish_reason == ("stop" if len(right) < 24 else "length")


def test_sampling_is_seeded_and_differs_by_seed(folder: Path) -> None:
    def texts(seed: int) -> list[str]:
        tested = engine(folder, seed=seed, top_p=0.9)
        return [c.text for c in tested.complete(prompts(1.0), lambda n: None)]

    assert texts(0) == texts(0)
    assert texts(0) != texts(1)


def test_the_context_bounds_a_row_and_not_its_neighbours(folder: Path) -> None:
    tested = engine(folder)
    assert tested.context == 256
    rows = [Prompt([5] * 250), Prompt([5] * 256), Prompt([5] * 20), Prompt([5] * 300)]
    done = tested.complete(rows, lambda n: None)
    assert [(c.finish_reason, c.n_tokens) for c in done] == [
        ("length", 6),
        ("error", 0),
        ("length", 40),
        ("error", 0),
    ]


def test_a_gpu_that_is_not_there_is_an_error(folder: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(BabelmixError, match="sees no GPU"):
        TransformersEngine(folder, Generation(), [2], str, device="cuda")


def test_short_memory_halves_the_batch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    tested = engine(folder)
    right = [c.text for c in tested.complete(prompts(), lambda n: None)]
    generate = tested._generate

    def small(rows: list[list[int]], batch: Any) -> list[list[int]]:
        if len(rows) > 2:
            raise torch.OutOfMemoryError("no")
        return generate(rows, batch)

    monkeypatch.setattr(tested, "_generate", small)
    assert [c.text for c in tested.complete(prompts(), lambda n: None)] == right


# --- the verb -------------------------------------------------------------------------------------


def arguments(folder: Path, tmp_path: Path, spec_: AnswerSpec, name: str = "out") -> list[str]:
    write_records(tmp_path / "q.parquet", questions(), Question)
    completed = tmp_path / "done.json"
    if not completed.exists():
        template = Formatter.load(folder).template
        write_json(completed, {"template_digest": template_digest(template)})
    words = [*as_options(spec_.model_dump_json()), "--questions", str(tmp_path / "q.parquet")]
    words += ["--checkpoint", str(folder), "--completed", str(completed), "--threads", "1"]
    words += ["--output", str(tmp_path / f"{name}.parquet")]
    return [*words, "--manifest", str(tmp_path / f"{name}.json")]


def run(words: list[str]) -> None:
    parser = argparse.ArgumentParser()
    verb.add_arguments(parser)
    verb.run(parser.parse_args(words))


def test_the_verb_writes_answers(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(arguments(folder, tmp_path, spec()))
    rows = read_records(tmp_path / "out.parquet", Answer)
    assert len(rows) == 5
    assert all(row.run == "r" and row.n_prompt_tokens > 0 for row in rows)
    assert all("<|" not in row.text and "</s>" not in row.text for row in rows)
    assert read_json(tmp_path / "out.json")["answers"] == 5
    assert len(capsys.readouterr().out.splitlines()) == 1
    run(arguments(folder, tmp_path, spec(), "again"))
    first = (tmp_path / "out.parquet").read_bytes()
    assert (tmp_path / "again.parquet").read_bytes() == first


def test_another_chat_template_is_refused(folder: Path, tmp_path: Path) -> None:
    write_json(tmp_path / "done.json", {"template_digest": digest("another")})
    with pytest.raises(BabelmixError, match="chat template"):
        run(arguments(folder, tmp_path, spec()))
    assert not (tmp_path / "out.parquet").exists()


def test_a_template_that_refuses_system_prompts_is_named(tmp_path: Path) -> None:
    refusing = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    own = tiny_model.tokenizer().chat_template
    changed = tiny_model.build(tmp_path / "m", template=refusing + own)
    with pytest.raises(BabelmixError, match="no system"):
        run(arguments(changed, tmp_path, spec(system_prompts={"de": "Hallo"})))


def test_a_folder_without_a_model_is_an_error(folder: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for path in folder.iterdir():
        if not path.name.endswith("safetensors"):
            (empty / path.name).write_bytes(path.read_bytes())
    with pytest.raises(BabelmixError, match="cannot be loaded"):
        run(arguments(empty, tmp_path, spec()))
