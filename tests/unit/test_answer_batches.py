"""A batch gives each row what it gets alone; else rows are answered one by one, and it is said."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import tiny_model

from babelmix.answer import agreement
from babelmix.answer.batches import Prompt
from babelmix.answer.draws import Draws
from babelmix.answer.engine import TransformersEngine
from babelmix.config.evaluation import Generation
from babelmix.io import digest

COMMON: dict[str, Any] = {
    "vocab_size": 400, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 4,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256,
    "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "head_dim": 16,
}  # fmt: skip
MAMBA = {"mamba_d_state": 16, "mamba_n_groups": 1}
EXPERTS = {"num_experts": 2, "num_experts_per_tok": 1, "moe_intermediate_size": 32}
LINEAR = {
    "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
}  # fmt: skip
#: Architectures that keep a state beside the attention's, and two that keep none.
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "llama": COMMON,
    "gemma3_text": COMMON | {"sliding_window": 16},
    "lfm2": COMMON
    | {"layer_types": ["conv", "full_attention"] * 2, "block_auto_adjust_ff_dim": False},
    "falcon_h1": COMMON | MAMBA | {"mamba_d_ssm": 64, "mamba_n_heads": 4, "mamba_d_head": 16},
    "qwen3_next": COMMON | EXPERTS | LINEAR | {"shared_expert_intermediate_size": 32},
    "bamba": COMMON
    | MAMBA
    | {"mamba_n_heads": 8, "mamba_d_head": 16, "attn_layer_indices": [1], "attn_rotary_emb": 8},
    "mamba2": {
        "vocab_size": 400, "hidden_size": 64, "state_size": 8, "num_hidden_layers": 3,
        "num_heads": 8, "head_dim": 16, "n_groups": 1, "bos_token_id": 1, "eos_token_id": 2,
        "pad_token_id": 0,
    },
    "minimax": COMMON | {"num_local_experts": 2},
    "mixtral": COMMON | {"num_local_experts": 4},
}  # fmt: skip
#: Padding reaches the state of these.
ALONE: dict[str, dict[str, Any]] = {
    "recurrent_gemma": COMMON | {"lru_width": 64, "attention_window_size": 32},
    "rwkv": {"vocab_size": 400, "hidden_size": 64, "num_hidden_layers": 3},
}


def engine(folder: Path, stop_ids: Any = (2,), **settings: Any) -> TransformersEngine:
    generation = Generation.model_validate({"max_new_tokens": 24, "batch_tokens": 4096} | settings)

    def decode(ids: list[int]) -> str:
        return " ".join(map(str, ids))

    return TransformersEngine(folder, generation, stop_ids, decode, device="cpu", special_ids=[1])


def build(name: str, values: dict[str, Any], folder: Path) -> Path:
    """Save a random model of an architecture, its weights spread so that logits differ."""
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(CONFIG_MAPPING[name](**values))
    with torch.no_grad():
        for weights in model.parameters():
            weights.add_(0.05 * torch.randn_like(weights))
    model.save_pretrained(folder)
    return folder


def prompts(temperature: float = 0.0) -> list[Prompt]:
    return [
        Prompt([(7 * i + n) % 380 + 11 for i in range(n)], temperature)
        for n in (3, 30, 7, 12, 60, 5)
    ]


@pytest.mark.parametrize("name", [*ARCHITECTURES, *ALONE])
def test_batched_is_one_by_one(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    tested = engine(build(name, (ARCHITECTURES | ALONE)[name], tmp_path), range(0, 400, 8))
    together = tested.complete(prompts(), lambda n: None)
    warned = "are answered one by one: its logits differ" in capsys.readouterr().err
    assert warned == (name in ALONE)
    right = []
    with torch.inference_mode():  # without cache, batch or padding
        for prompt in prompts():
            new: list[int] = []
            while len(new) < 24 and (not new or new[-1] % 8):
                ids = torch.tensor([prompt.ids + new])
                logits = tested.model(ids, use_cache=False).logits[0, -1]
                new.append(int(logits.argmax()))
            right.append([token for token in new if token % 8])
    assert [c.text for c in together] == [" ".join(map(str, ids)) for ids in right]
    assert len({len(ids) for ids in right}) > 1  # some rows leave before others


def test_a_batch_that_fails_is_told_and_goes_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tested = engine(tiny_model.build(tmp_path))

    def select(cache: Any, keep: Any) -> Any:
        raise AttributeError("no rows here")

    monkeypatch.setattr(tested, "select", select)
    found = tested.complete(prompts(), lambda n: None)
    assert [c.n_tokens for c in found] == [24] * 6
    assert "a batch fails (AttributeError: no rows here)" in capsys.readouterr().err
    assert agreement.disagreement(engine(tmp_path)) == ""


# --- sampling -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model.build(tmp_path_factory.mktemp("tiny"))


def test_a_question_is_drawn_alike_whatever_is_asked_beside_it(folder: Path) -> None:
    tested = engine(folder, range(0, 400, 20), top_p=0.9, seed=3)
    asked = prompts(1.0)
    together = tested.complete(asked, lambda n: None)
    for k in random.Random(0).sample(range(6), 6):
        assert tested.complete([asked[k]], lambda n: None) == [together[k]]
    assert tested.complete(asked[::-1], lambda n: None) == together[::-1]
    other = engine(folder, range(0, 400, 20), top_p=0.9, seed=4)
    assert other.complete(asked, lambda n: None) != together
    again = [Prompt(p.ids, 1.0, sample=1) for p in asked]
    assert tested.complete(again, lambda n: None) != together


@pytest.mark.parametrize(("top_p", "nucleus"), [(1.0, 4), (0.85, 3), (0.5, 1), (0.01, 1)])
def test_draws_follow_the_probabilities_within_the_nucleus(top_p: float, nucleus: int) -> None:
    import torch

    chances = [0.2, 0.1, 0.6, 0.1 - 1e-6, 1e-6]
    scores = 0.7 * torch.tensor(chances).log().repeat(8_000, 1)
    draws = Draws([digest([7, row]) for row in range(len(scores))], 0.7, top_p)
    drawn = Counter(draws(None, scores).argmax(dim=-1).tolist())
    kept = sorted(range(5), key=lambda k: -chances[k])[:nucleus]
    assert set(drawn) <= {*kept, *([4] if top_p == 1.0 else [])}
    mass = sum(chances[k] for k in kept)
    for k in kept:
        assert drawn[k] / 8_000 == pytest.approx(chances[k] / mass, abs=0.02)


def test_control_tokens_within_an_answer_are_counted(folder: Path) -> None:
    done = engine(folder)._read([5, 1, 6, 1, 2, 9])
    assert (done.n_tokens, done.dropped, done.finish_reason) == (4, 2, "stop")
