"""prepare-model: what is copied, what is refused, what is proved."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny_model

from babelmix.config.training import Model
from babelmix.errors import BabelmixError
from babelmix.folders import whole_folder
from babelmix.io import file_digest, read_json
from babelmix.train import devices, places
from babelmix.train.chat import Formatter
from babelmix.train.prepare import prepare_model


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base model's folder, never written to by the tests."""
    return tiny_model.build(tmp_path_factory.mktemp("base"))


def prepare(base: Path, out: Path, **settings: Any) -> dict[str, Any]:
    """Prepare a model from a local folder."""
    return prepare_model("tiny", Model(path=str(base), **settings), out)


def test_weights_are_copied_byte_by_byte(base: Path, tmp_path: Path) -> None:
    record = prepare(base, tmp_path / "m")
    assert file_digest(tmp_path / "m" / "model.safetensors") == file_digest(
        base / "model.safetensors"
    )
    for name, sha in record["files"].items():
        assert file_digest(tmp_path / "m" / name) == sha
    assert record["parameters"] == 31_392
    assert record["end_of_turn"] == "<|end|>"
    assert read_json(tmp_path / "m" / "generation_config.json")["eos_token_id"] == [2, 6]
    assert prepare(base, tmp_path / "again")["files"] == record["files"]


@pytest.mark.parametrize(("template", "end"), [("study1", "</s>"), ("chatml", "<|im_end|>")])
def test_our_templates_end_turns(base: Path, tmp_path: Path, template: str, end: str) -> None:
    record = prepare(base, tmp_path / "m", chat_template=template)
    assert record["end_of_turn"] == end
    form = Formatter.load(tmp_path / "m")
    assert form.encode(tiny_model.chat(3, 3)).note == ""


def test_new_control_tokens_get_rows(base: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    prepare(base, tmp_path / "m", chat_template="chatml")
    end = Formatter.load(tmp_path / "m").end_of_turn_id()
    old = AutoModelForCausalLM.from_pretrained(base).get_input_embeddings().weight
    new = AutoModelForCausalLM.from_pretrained(tmp_path / "m").get_input_embeddings().weight
    start = Formatter.load(tmp_path / "m").tokens("<|im_start|>")[0]
    known = min(start, end)
    assert torch.equal(new[:known], old[:known])
    assert len(new) > max(start, end)
    distance = torch.dist(new[start], new[end])
    assert distance > 0.05 * old[:known].std(0).norm()  # no longer one and the same vector
    assert torch.dist(new[end], old[:known].mean(0)) < old[:known].std(0).norm()


def test_pickled_weights_are_never_loaded(base: Path, tmp_path: Path) -> None:
    shutil.copytree(base, tmp_path / "base")
    (tmp_path / "base" / "model.safetensors").rename(tmp_path / "base" / "pytorch_model.bin")
    with pytest.raises(BabelmixError, match="never loaded"):
        prepare(tmp_path / "base", tmp_path / "m")
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"path": "/nowhere"}, "no model folder"),
        ({"packaged": {"package": "no_such_package_x", "file": "*"}}, "is not installed"),
        ({"path": "/nowhere", "chat_template": "study2"}, "Did you mean 'study1'"),
        ({"repo": "a/b", "gated": True, "token_env": "NO_SUCH_TOKEN"}, "huggingface.co/a/b"),
    ],
)
def test_errors_say_how_to_mend(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(BabelmixError, match=message):
        prepare_model("m", Model.model_validate(settings), tmp_path / "m")


def test_a_tokenizer_without_template_needs_one(base: Path, tmp_path: Path) -> None:
    shutil.copytree(base, tmp_path / "base")
    (tmp_path / "base" / "chat_template.jinja").unlink()
    with pytest.raises(BabelmixError, match="study1"):
        prepare(tmp_path / "base", tmp_path / "m")


def test_a_package_is_found_without_being_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "fake_weights_pkg"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "a.gguf").touch()
    monkeypatch.syspath_prepend(tmp_path)
    packaged = Model.model_validate(
        {"packaged": {"package": "fake_weights_pkg", "file": "*.gguf"}}
    ).packaged
    assert packaged is not None
    assert places.find_gguf(packaged, "models.x") == package / "a.gguf"
    assert "fake_weights_pkg" not in sys.modules
    (package / "b.gguf").touch()
    with pytest.raises(BabelmixError, match="2 files"):
        places.find_gguf(packaged, "models.x")


def test_a_gpu_model_needs_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_physical_gpus", lambda: 0)
    with pytest.raises(BabelmixError, match="needs 2 GPU"):
        prepare_model("big", Model(repo="a/b", gpus=2), tmp_path / "m")
    devices.require_device(Model(repo="a/b"), "m")
    devices.require_device(Model(repo="a/b", device="cpu"), "m")
    with pytest.raises(BabelmixError, match="device: cuda"):
        devices.require_device(Model(repo="a/b", device="cuda"), "m")


def test_visible_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_physical_gpus", lambda: 4)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert devices.gpu_count() == 4
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    assert devices.visible_gpus() == ["2", "3"]
    for nothing in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", nothing)
        assert devices.gpu_count() == 0


def test_two_jobs_side_by_side_get_different_gpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "_physical_gpus", lambda: 2)
    monkeypatch.setattr(devices.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with devices.claim_gpus(1) as first:
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "0"
        del os.environ["CUDA_VISIBLE_DEVICES"]  # as another process would see it
        with devices.claim_gpus(1) as second:
            assert {*first, *second} == {"0", "1"}
            del os.environ["CUDA_VISIBLE_DEVICES"]
            with pytest.raises(BabelmixError, match="free GPU"), devices.claim_gpus(1, wait_s=0):
                pass
    with devices.claim_gpus(2) as both:
        assert both == ["0", "1"]
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "f"
    with whole_folder(target) as fresh:
        (fresh / "a").write_text("1")
    with pytest.raises(FileNotFoundError), whole_folder(target) as fresh:
        (fresh / "nowhere" / "a").write_text("2")
    assert (target / "a").read_text() == "1"
    with whole_folder(target) as fresh:
        (fresh / "b").write_text("3")
    assert [p.name for p in target.iterdir()] == ["b"]
    assert [p.name for p in tmp_path.iterdir()] == ["f"]
