"""Exports: the trained weights to the bit, in every precision and layout, and no false refusal."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tiny_architectures
import tiny_model

from babelmix.errors import BabelmixError
from babelmix.train import export, proof
from babelmix.train.places import weight_files
from babelmix.train.weights import stored_parameters

#: Tied and untied weights, experts that are stored one by one, scaled embeddings, state spaces.
KINDS = ("llama", "gpt2", "gemma2", "mixtral", "qwen3_moe", "falcon_h1", "lfm2", "opt", "falcon")


def trained(kind: str, seed: int) -> Any:
    """A float32 model whose weights are no bfloat16 numbers, as training leaves them."""
    import copy

    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    return AutoModelForCausalLM.from_config(copy.deepcopy(tiny_architectures.config(kind))).eval()


def cast(model: Any, dtype: Any) -> dict[str, Any]:
    """Weights after the declared cast."""
    return {
        name: weight.to(dtype) if weight.is_floating_point() else weight
        for name, weight in model.state_dict().items()
    }


def reload_(folder: Path, dtype: Any) -> Any:
    """The model on disk."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("half", [True, False])
def test_a_sound_export_is_never_refused(kind: str, half: bool, tmp_path: Path) -> None:
    import torch

    dtype = torch.bfloat16 if half else torch.float32
    draw = np.random.default_rng(0)
    for seed in range(3):
        model = trained(kind, seed)
        state = cast(model, dtype)
        digests = proof.weight_digests(state, dtype)
        tokens = [draw.integers(3, 400, 40) for _ in range(4)]
        logits = proof.logits_at_ends(proof.rebuild(model, state), tokens)
        model.save_pretrained(tmp_path, state_dict=state, max_shard_size="60KB")
        assert len(weight_files(tmp_path)) > 1
        found = reload_(tmp_path, dtype)
        proof.check_weights(found, digests, {"": dtype}, "r", "work")
        again = proof.logits_at_ends(proof.rebuild(found, found.state_dict()), tokens)
        proof.check_logits(again, logits, "r", "work")
        if not half:  # and they are the logits of the very model that was trained
            with torch.no_grad():
                alone = [model(torch.from_numpy(ids)[None]).logits[0, -1] for ids in tokens]
            proof.check_logits(logits, [row.numpy() for row in alone], "r", "work")


@pytest.mark.parametrize("half", [True, False])
def test_one_bit_of_one_weight_is_refused(half: bool, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    dtype = torch.bfloat16 if half else torch.float32
    model = trained("llama", 0)
    state = cast(model, dtype)
    digests = proof.weight_digests(state, dtype)
    model.save_pretrained(tmp_path, state_dict=state)
    (path,) = weight_files(tmp_path)
    stored = load_file(path)
    for name in ("model.layers.1.mlp.up_proj.weight", "model.norm.weight"):
        changed = stored[name].clone().flatten()
        changed[5] = torch.nextafter(changed[5], torch.tensor(9.0, dtype=dtype))
        save_file(stored | {name: changed.view(stored[name].shape)}, path, {"format": "pt"})
        with pytest.raises(BabelmixError, match=rf"{name} differs \(1 of \d+ weights do\)"):
            proof.check_weights(reload_(tmp_path, dtype), digests, {"": dtype}, "r", "work")


def test_a_weight_that_is_missing_or_untied_is_refused(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    model = trained("llama", 0)
    digests = proof.weight_digests(model.state_dict(), torch.float32)
    model.save_pretrained(tmp_path)
    (path,) = weight_files(tmp_path)
    stored = load_file(path)
    del stored["model.layers.0.mlp.up_proj.weight"]  # transformers fills it with random numbers
    save_file(stored, path, {"format": "pt"})
    found = reload_(tmp_path, torch.float32)
    with pytest.raises(BabelmixError, match=r"up_proj\.weight differs"):
        proof.check_weights(found, digests, {"": torch.float32}, "r", "work")
    tied = trained("gpt2", 0)
    digests = proof.weight_digests(tied.state_dict(), torch.float32)
    tied.lm_head.weight = torch.nn.Parameter(tied.lm_head.weight.detach() + 1)
    with pytest.raises(BabelmixError, match=r"lm_head\.weight differs"):
        proof.check_weights(tied, digests, {"": torch.float32}, "r", "work")


def test_a_configuration_that_builds_another_model_is_refused() -> None:
    model = trained("llama", 0)
    tokens = [np.arange(3, 40)]
    wanted = proof.logits_at_ends(proof.rebuild(model, model.state_dict()), tokens)
    model.config.rms_norm_eps = 0.1
    found = proof.logits_at_ends(proof.rebuild(model, model.state_dict()), tokens)
    with pytest.raises(BabelmixError, match=r"logits in float32 differ by .*1e-04 is allowed"):
        proof.check_logits(found, wanted, "r", "work")
    with pytest.raises(BabelmixError, match="no usable logits"):
        proof.check_logits([found[0] * np.nan], wanted, "r", "work")


def test_a_large_model_is_computed_layer_by_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    tokens = [np.arange(3, 40)]
    for kind in ("llama", "mixtral", "gpt2"):
        model = trained(kind, 0)
        state = cast(model, torch.bfloat16)
        whole = proof.logits_at_ends(proof.rebuild(model, state), tokens)
        with monkeypatch.context() as patch:
            patch.setattr(proof, "_LARGE", 0)
            half = proof.rebuild(model, state)
            layered = proof.logits_at_ends(half, tokens)
        assert np.array_equal(whole[0], layered[0])
        kept = {p.dtype for n, p in half.named_parameters() if ".1." in n}
        assert kept == {torch.bfloat16}  # one layer at a time, and brought back


def test_a_vocabulary_with_spare_rows_is_compared_whole(tmp_path: Path) -> None:
    import torch

    model = trained("llama", 0)
    model.resize_token_embeddings(448, mean_resizing=False)
    digests = proof.weight_digests(cast(model, torch.bfloat16), torch.bfloat16)
    model.save_pretrained(tmp_path, state_dict=cast(model, torch.bfloat16))
    found = reload_(tmp_path, torch.bfloat16)
    proof.check_weights(found, digests, {"": torch.bfloat16}, "r", "work")
    with torch.no_grad():
        found.get_input_embeddings().weight[447, 3] += 1.0
    with pytest.raises(BabelmixError, match=r"embed_tokens\.weight differs"):
        proof.check_weights(found, digests, {"": torch.bfloat16}, "r", "work")


def test_only_the_first_process_copies_weights() -> None:
    """Under ZeRO-1 and 2 and plain data parallelism the others return at once."""
    import torch

    def refuse(*_: Any) -> Any:
        raise AssertionError("copied to the host")

    model = torch.nn.Linear(2, 2)
    accelerator = SimpleNamespace(get_state_dict=refuse, unwrap_model=lambda m: m)
    trainer: Any = SimpleNamespace(model=model, model_wrapped=model, accelerator=accelerator)
    trainer.is_world_process_zero = lambda: False
    assert export.gathered_weights(trainer) == {}
    trainer.is_world_process_zero = lambda: True
    assert set(export.gathered_weights(trainer)) == {"weight", "bias"}
    accelerator.get_state_dict = lambda _: {"gathered": 1}
    model.weight.ds_id = 7  # type: ignore[assignment]
    assert export.gathered_weights(trainer) == {"gathered": 1}


def test_weights_in_a_second_layout_are_left_out(tmp_path: Path) -> None:
    from babelmix.config.training import Model
    from babelmix.train.prepare import prepare_model

    source = tiny_model.build(tmp_path / "base")
    record = prepare_model("m", Model(path=str(source), device="cpu"), tmp_path / "plain")
    reload_(source, None).save_pretrained(source, max_shard_size="60KB")
    (source / "model.safetensors").rename(source / "consolidated.safetensors")
    assert len(weight_files(source)) > 1
    both = prepare_model("m", Model(path=str(source), device="cpu"), tmp_path / "both")
    assert both["parameters"] == record["parameters"]
    assert stored_parameters(source) == record["parameters"]
    assert not list((tmp_path / "both").glob("consolidated*"))
    assert reload_(tmp_path / "both", None).num_parameters() == record["parameters"]
    weight_files(source)[0].unlink()
    with pytest.raises(BabelmixError, match=r"is missing \(1 in all\)\. Download"):
        weight_files(source)
    (source / "model.safetensors.index.json").unlink()
    for shard in source.glob("model-*"):
        shard.unlink()
    with pytest.raises(BabelmixError, match="not the layout that transformers reads"):
        prepare_model("m", Model(path=str(source), device="cpu"), tmp_path / "none")
