"""Exports in words that transformers 4 and vLLM read, and that version 5 reads the same.

With BABELMIX_TRANSFORMERS4 (a Python that has transformers 4.57 and torch) the exports are loaded
there, and their tokens and logits compared.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import tiny_model
from tiny_model import SMALL

from babelmix.config.training import Model
from babelmix.io import read_json
from babelmix.train.portable import make_portable
from babelmix.train.prepare import prepare_model

OLD = os.environ.get("BABELMIX_TRANSFORMERS4", "")
#: Rotary positions in all the forms that version 5 writes.
SHAPES: dict[str, dict[str, Any]] = {
    "llama": {
        "rope_parameters": {
            "rope_type": "llama3",
            "rope_theta": 500000.0,
            "factor": 8.0,
            "high_freq_factor": 4.0,
            "low_freq_factor": 1.0,
            "original_max_position_embeddings": 64,
        }
    },
    "qwen2": {"rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0}},
    "gpt_neox": {"num_key_value_heads": None, "rotary_pct": 0.5},
    "phi3": {"rope_parameters": {"rope_type": "default", "rope_theta": 50000.0}},
    "gemma3_text": {"head_dim": 8, "sliding_window": 16},
    "olmo3": {
        "sliding_window": 16,
        "rope_parameters": {
            "rope_type": "yarn",
            "rope_theta": 500000.0,
            "factor": 8.0,
            "original_max_position_embeddings": 64,
        },
    },
    "gpt2": {},
}
_IN_VERSION_4 = """
import json, sys, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
folder, ids, text = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder).eval()
with torch.no_grad():
    logits = model(torch.tensor([ids]), use_cache=False).logits[0]
chat = [{"role": "user", "content": "the cat"}]
print(json.dumps({
    "tokens": tokenizer(text, add_special_tokens=False).input_ids,
    "prompt": tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True),
    "stops": model.generation_config.eos_token_id,
    "special": tokenizer.additional_special_tokens,
    "logits": logits.tolist(),
}))
"""


def build(kind: str, folder: Path) -> Path:
    """A random model as version 5 writes it, with the tiny tokenizer."""
    import torch
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    settings = {k: v for k, v in (SMALL | SHAPES[kind]).items() if v is not None}
    if kind == "gpt2":
        small = {"n_embd": 32, "n_layer": 2, "n_head": 4, "vocab_size": 400, "n_positions": 256}
        settings = small | {"bos_token_id": 1, "eos_token_id": 2}
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(CONFIG_MAPPING[kind](**settings))
    model.save_pretrained(folder)
    tiny_model.tokenizer().save_pretrained(folder)
    return folder


@pytest.mark.parametrize("kind", SHAPES)
def test_version_5_reads_the_same_model(kind: str, tmp_path: Path) -> None:
    from transformers import AutoConfig

    base = build(kind, tmp_path / "base")
    prepare_model("m", Model(path=str(base)), tmp_path / "m")
    wanted = AutoConfig.from_pretrained(base).to_dict() | {"_name_or_path": ""}
    found = AutoConfig.from_pretrained(tmp_path / "m").to_dict() | {"_name_or_path": ""}
    assert {name: found.get(name) for name in wanted} == wanted


def test_the_older_names_are_there(tmp_path: Path) -> None:
    folder = build("llama", tmp_path / "llama")
    make_portable(folder)
    config = read_json(folder / "config.json")
    assert config["torch_dtype"] == config["dtype"] == "float32"
    assert config["rope_theta"] == 500000.0
    assert config["rope_scaling"]["factor"] == 8.0
    assert config["rope_parameters"]["rope_theta"] == 500000.0
    before = {path: path.read_bytes() for path in folder.iterdir()}
    make_portable(folder)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    nested = build("gemma3_text", tmp_path / "gemma")
    make_portable(nested)
    config = read_json(nested / "config.json")
    assert (config["rope_theta"], config["rope_local_base_freq"]) == (1000000.0, 10000.0)


def test_what_version_5_would_read_otherwise_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from babelmix.train import portable

    folder = build("llama", tmp_path / "llama")
    before = (folder / "config.json").read_bytes()
    monkeypatch.setattr(portable, "_with_older_keys", lambda c: c | {"rope_scaling": {"a": 1}})
    make_portable(folder)
    assert json.loads(before) == read_json(folder / "config.json")


@pytest.mark.parametrize("template", ["own", "chatml"])
def test_the_tokenizer_names_a_class_that_all_know(template: str, tmp_path: Path) -> None:
    base = build("llama", tmp_path / "base")
    prepare_model("m", Model(path=str(base), chat_template=template), tmp_path / "m")
    settings = read_json(tmp_path / "m" / "tokenizer_config.json")
    assert settings["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert not isinstance(settings.get("extra_special_tokens"), list)
    special = {"<|system|>", "<|user|>", "<|assistant|>", "<|end|>"}
    special |= {"<|im_start|>", "<|im_end|>"} if template == "chatml" else set()
    assert set(settings["additional_special_tokens"]) == special
    from transformers import AutoTokenizer

    now = AutoTokenizer.from_pretrained(tmp_path / "m")
    assert set(now.extra_special_tokens) == special
    assert now.decode(now("<|end|>a")["input_ids"], skip_special_tokens=True) == "a"


@pytest.mark.skipif(not OLD, reason="BABELMIX_TRANSFORMERS4 names no Python with transformers 4")
@pytest.mark.parametrize("kind", SHAPES)
def test_version_4_loads_it_and_gives_the_same_logits(kind: str, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base = build(kind, tmp_path / "base")
    record = prepare_model("m", Model(path=str(base), chat_template="chatml"), tmp_path / "m")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "m")
    text = "<|im_start|>user\nthe cat sees 12 Grüße<|im_end|>\n" * 4
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    words = [str(tmp_path / "m"), json.dumps(ids), text]
    done = subprocess.run(
        [OLD, "-c", _IN_VERSION_4, *words], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["tokens"] == ids
    assert "<|im_end|>" in found["special"]
    assert set(record["end_of_turn_ids"]) <= set(found["stops"])
    chat = [{"role": "user", "content": "the cat"}]
    prompt = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert found["prompt"] == prompt
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "m", dtype=torch.float32).eval()
    with torch.no_grad():
        logits = model(torch.tensor([ids]), use_cache=False).logits[0]
    difference = torch.dist(torch.tensor(found["logits"]), logits) / logits.norm()
    assert difference < 1e-5


def test_experts_have_the_older_name_too(tmp_path: Path) -> None:
    from tiny_architectures import config

    config("qwen3_moe").save_pretrained(tmp_path)
    make_portable(tmp_path)
    assert read_json(tmp_path / "config.json")["num_experts"] == 4
