"""Training a tiny random model: the loss, its repeatability, kill and resume, the export."""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_model
from tests.peak import peak_mb

from babelmix.errors import BabelmixError
from babelmix.io import file_digest, read_json
from babelmix.train import train
from babelmix.train.checkpoints import read_whole
from babelmix.train.data import lay_rows, map_rows
from babelmix.train.schedule import FILLER, plan_schedule
from babelmix.train.settings import Layout

recipe = tiny_model.recipe
Study = dict[str, Any]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A prepared model, tokenised files and a mixture, shared and never written to."""
    return tiny_model.write_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(autouse=True)
def _same_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train in the test's process without hiding packages from other tests."""

    def here(job: Any) -> None:
        from babelmix.train.worker import work

        work(job)

    monkeypatch.setattr(train, "train_here", here)


def parse(words: list[str]) -> argparse.Namespace:
    """The verb's arguments."""
    parser = argparse.ArgumentParser()
    train.add_arguments(parser)
    return parser.parse_args(words)


def fit(study: Study, out: Path, **changes: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Train; returns `completed` and the metrics."""
    out.mkdir(exist_ok=True)
    train.run(parse(tiny_model.train_arguments(study, out, recipe(**changes))))
    return read_json(out / "done.json"), read_metrics(out)


def read_metrics(out: Path) -> list[dict[str, Any]]:
    """The metrics of a finished training."""
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def losses(metrics: list[dict[str, Any]]) -> list[float]:
    """Training losses by step."""
    found = {row["step"]: row["loss"] for row in metrics if "loss" in row}
    assert list(found) == list(range(1, len(found) + 1))
    return list(found.values())


@pytest.fixture(scope="module")
def plain(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished training with the plain recipe."""
    out = tmp_path_factory.mktemp("plain")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "train_here", lambda job: _work(job))
        fit(study, out / "run")
    return out / "run"


def _work(job: Any) -> None:
    from babelmix.train.worker import work

    work(job)


def test_our_labels_reach_the_loss(study: Study, plain: Path, tmp_path: Path) -> None:
    """The first step's loss is the mean over the trained tokens of its rows, computed apart."""
    import torch
    from transformers import AutoModelForCausalLM

    lay_rows(study["mixture"], study["tokenised"], tmp_path / "rows")
    rows = map_rows(tmp_path / "rows").train
    first = plan_schedule(rows, 1, Layout(8, 1, 4), 3).step(0)
    model = AutoModelForCausalLM.from_pretrained(study["model"])
    total, count = 0.0, 0
    for row in first:
        ids, labels = (
            torch.from_numpy(rows[row][name].astype(np.int64)) for name in ("input_ids", "labels")
        )
        with torch.no_grad():
            logits = model(ids[None]).logits[0, :-1].log_softmax(-1)
        for place in (labels[1:] != -100).nonzero().flatten():
            total -= float(logits[place, ids[place + 1]])
            count += 1
    assert losses(read_metrics(plain))[0] == pytest.approx(total / count, abs=1e-5)


def test_the_loss_falls_and_all_is_written(study: Study, plain: Path) -> None:
    done, metrics = read_json(plain / "done.json"), read_metrics(plain)
    values = losses(metrics)
    assert values[-1] < values[0] - 0.3
    assert done["steps"] == len(values) == 8
    assert done["final_loss"] == values[-1]
    assert done["dev_loss"] == next(r["dev_loss"] for r in reversed(metrics) if "dev_loss" in r)
    assert done["train_rows"] + done["dev_rows"] == done["mixture_rows"] == 40
    assert done["trained_tokens_seen"] == 2 * done["trained_tokens"]
    assert {"step", "loss", "lr", "tokens", "seconds"} <= set(metrics[0])
    for name, sha in done["files"].items():
        assert file_digest(plain / "result" / name) == sha
    assert (
        read_json(study["model"].parent / "tiny.json")["template_digest"] == done["template_digest"]
    )
    assert [p.name for p in (plain / "work").iterdir()] == ["metrics.jsonl"]
    assert "| optimizer steps | 8" in (plain / "result" / "README.md").read_text()


def test_the_export_loads_and_answers(plain: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(plain / "result")
    tokenizer = AutoTokenizer.from_pretrained(plain / "result")
    assert model.dtype == torch.float32
    assert model.generation_config.eos_token_id == [2, 6]
    prompt = tokenizer.apply_chat_template(
        tiny_model.chat(1)[:1], add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    assert model.generate(**prompt, max_new_tokens=3).shape[1] > prompt["input_ids"].shape[1]


def test_two_trainings_are_the_same(study: Study, plain: Path, tmp_path: Path) -> None:
    done, metrics = fit(study, tmp_path / "run")
    assert losses(metrics) == losses(read_metrics(plain))
    assert done == read_json(plain / "done.json")


@pytest.mark.parametrize(
    "changes",
    [{"packing": True}, {"packing": True, "micro_batch_size": 8}, {"micro_batch_size": 1}],
)
def test_packing_and_micro_batches_leave_the_loss(
    study: Study, plain: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    _, metrics = fit(study, tmp_path / "run", **changes)
    assert losses(metrics) == pytest.approx(losses(read_metrics(plain)), abs=1e-4)


def test_packing_that_leaks_is_refused(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from babelmix.train import attention

    def leaky(*args: Any, document_lengths: Any = None, **kwargs: Any) -> Any:
        return attention.packed_attention(*args, **kwargs)

    from transformers import AttentionInterface, AttentionMaskInterface

    from babelmix.train import worker
    from babelmix.train.architectures import Batching

    AttentionInterface.register("leaky", leaky)
    AttentionMaskInterface.register("leaky", lambda *_, **__: None)
    # As if a kernel of the device's leaked, which the trial on the CPU cannot see.
    monkeypatch.setattr(worker, "find_batching", lambda _: Batching("packed", "leaky"))
    for precision in ("fp32", "bf16"):
        with pytest.raises(BabelmixError, match="packing: false"):
            fit(study, tmp_path / precision, packing=True, precision=precision)


def test_an_uneven_last_step_counts_its_own_tokens(study: Study, tmp_path: Path) -> None:
    same = [
        losses(fit(study, tmp_path / f"{m}-{p}", batch_size=12, micro_batch_size=m, packing=p)[1])
        for m, p in [(12, False), (3, True)]
    ]
    assert len(same[0]) == 6
    assert same[0] == pytest.approx(same[1], abs=1e-4)


@pytest.mark.parametrize("packing", [True, False])
def test_a_micro_batch_without_rows_counts_nothing(packing: bool, tmp_path: Path) -> None:
    # The last step of a mixture may leave a whole micro-batch empty: fillers alone.
    import torch
    from transformers import AutoModelForCausalLM

    from babelmix.train.batches import Collator, Scheduled
    from babelmix.train.loss import TokenLoss

    model = AutoModelForCausalLM.from_pretrained(tiny_model.build(tmp_path / "model"))
    rows = Scheduled([], np.full((1, 4), FILLER), pad=0)  # type: ignore[arg-type]
    batch = Collator(0, packed=packing)([rows[0]])
    batch.pop("document_lengths", None)
    loss = TokenLoss(model)
    for sliced in (True, False):
        loss.sliced = sliced
        total, count = loss(model, batch)
        total.backward()
        assert (total.item(), count.item()) == (0.0, 0)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_the_best_held_out_loss_is_kept(study: Study, tmp_path: Path) -> None:
    # A rate far too high: the held-out loss rises again, and the last weights are not the best.
    done, metrics = fit(
        study,
        tmp_path / "run",
        select="best_dev_loss",
        epochs=10,
        learning_rate=0.1,
        schedule="constant",
        checkpoint_steps=3,
    )
    measured = {row["step"]: row["dev_loss"] for row in metrics if "dev_loss" in row}
    assert done["dev_loss"] == min(measured.values())
    assert measured[done["selected_step"]] == done["dev_loss"]
    assert done["selected_step"] < done["steps"]


def test_lora_is_merged_and_its_checkpoints_are_small(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from babelmix.train import watch

    sizes = []

    def weigh(folder: Path, **kwargs: Any) -> None:
        sizes.append(sum(p.stat().st_size for p in folder.glob("*.safetensors")))

    monkeypatch.setattr(watch, "mark_whole", weigh)
    monkeypatch.setattr(watch, "prune", lambda *_, **__: None)
    done, metrics = fit(study, tmp_path / "run", lora={"rank": 2}, checkpoint_steps=4)
    base = (study["model"] / "model.safetensors").stat().st_size
    assert sizes
    assert max(sizes) < base / 3
    assert (tmp_path / "run" / "result" / "model.safetensors").stat().st_size >= base
    assert not list((tmp_path / "run" / "result").glob("adapter*"))
    assert losses(metrics)[-1] < losses(metrics)[0]
    assert done["steps"] == 8


@pytest.mark.parametrize("part", ["lora_A", "base_layer"])
def test_adapters_or_a_base_that_are_not_the_trained_ones_are_refused(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    import torch

    from babelmix.train import models

    load = models.load_adapters

    def changed(*args: Any) -> Any:
        model = load(*args)
        weight = next(w for name, w in model.named_parameters() if part in name)
        with torch.no_grad():
            weight[0, 0] = torch.nextafter(weight[0, 0], torch.tensor(9.0))
        return model

    monkeypatch.setattr(models, "load_adapters", changed)
    with pytest.raises(BabelmixError, match=rf"{part}\S* differs .1 of"):
        fit(study, tmp_path / "run", lora={"rank": 2})
    assert not (tmp_path / "run" / "result").exists()


def test_four_bit_weights_train_and_merge(study: Study, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    done, metrics = fit(study, tmp_path / "run", lora={"rank": 2, "quantise": "nf4"})
    assert losses(metrics)[-1] < losses(metrics)[0]
    config = read_json(tmp_path / "run" / "result" / "config.json")
    assert "quantization_config" not in config
    assert done["steps"] == 8


def test_half_precision_is_exported_in_half(study: Study, plain: Path, tmp_path: Path) -> None:
    _, metrics = fit(study, tmp_path / "run", precision="bf16")
    assert losses(metrics) == pytest.approx(losses(read_metrics(plain)), abs=2e-2)
    assert read_json(tmp_path / "run" / "result" / "config.json")["dtype"] == "bfloat16"


def test_a_loss_that_is_no_number_stops_the_training(study: Study, tmp_path: Path) -> None:
    with pytest.raises(BabelmixError, match="Lower `learning_rate`"):
        fit(study, tmp_path / "run", learning_rate=1e30, schedule="constant")
    assert not (tmp_path / "run" / "done.json").exists()


def test_a_false_export_is_refused(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from babelmix.train import export

    def base_weights(kept: Path, fresh: Path) -> None:
        for name in ("model.safetensors", "config.json"):
            (fresh / name).write_bytes((study["model"] / name).read_bytes())

    monkeypatch.setattr(export, "_link_weights", base_weights)
    with pytest.raises(BabelmixError, match="is not the trained one"):
        fit(study, tmp_path / "run")
    assert not (tmp_path / "run" / "result").exists()
    monkeypatch.undo()
    monkeypatch.setattr(train, "train_here", _work)
    monkeypatch.setattr("babelmix.train.worker._train", None)  # only the export is left to do
    done, _ = fit(study, tmp_path / "run")
    assert math.isfinite(done["final_loss"])


KILLED = """
import argparse, os, signal, sys
sys.path.insert(0, {tests!r})
from babelmix.train import train, watch
after = watch.Recorder.on_step_end
def on_step_end(self, args, state, control, **kwargs):
    after(self, args, state, control, **kwargs)
    if state.global_step == 7:
        os.kill(os.getpid(), signal.SIGKILL)
watch.Recorder.on_step_end = on_step_end
parser = argparse.ArgumentParser()
train.add_arguments(parser)
train.run(parser.parse_args(sys.argv[1:]))
"""


def test_a_killed_training_resumes_to_the_same_loss(study: Study, tmp_path: Path) -> None:
    settings = {"checkpoint_steps": 3, "packing": True, "dropout": 0.1}
    whole, metrics = fit(study, tmp_path / "whole", **settings)
    out = tmp_path / "killed"
    out.mkdir()
    words = tiny_model.train_arguments(study, tmp_path / "whole", recipe(**settings))
    words = [word.replace(str(tmp_path / "whole"), str(out)) for word in words]
    code = KILLED.format(tests=str(Path(__file__).parent))
    killed = subprocess.run([sys.executable, "-c", code, *words], check=False, timeout=300)
    assert killed.returncode == -9
    assert not (out / "done.json").exists()
    assert read_whole(out / "work" / "checkpoint-6") is not None
    torn = out / "work" / "checkpoint-7"
    torn.mkdir()
    (torn / "model.safetensors").write_bytes(b"half of it")
    before = (out / "work" / "metrics.jsonl").read_text().splitlines()
    train.run(parse(words))
    after = (out / "metrics.jsonl").read_text().splitlines()
    assert after[:6] == before[:6]  # with their seconds: they were not trained again
    assert losses(read_metrics(out)) == losses(metrics)
    assert read_json(out / "done.json") == whole
    assert not list((out / "work").glob("checkpoint-*"))


def test_a_training_goes_on_in_smaller_micro_batches(
    study: Study, plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After running out of memory; the rule gives what changes no result beside the spec."""
    from babelmix.train import watch

    out = tmp_path / "run"
    out.mkdir()
    words = tiny_model.train_arguments(study, out, recipe().essence())
    given = recipe(checkpoint_steps=5, micro_batch_size=8).runtime()
    assert given["micro_batch_size"] == 8
    seal = watch.mark_whole

    def full(*args: Any, **kwargs: Any) -> None:
        seal(*args, **kwargs)
        raise RuntimeError("can't allocate memory")

    monkeypatch.setattr(watch, "mark_whole", full)
    with pytest.raises(BabelmixError, match="`micro_batch_size: 4`"):
        train.run(parse([*words, "--runtime", json.dumps(given)]))
    monkeypatch.setattr(watch, "mark_whole", seal)
    before = (out / "work" / "metrics.jsonl").read_text().splitlines()
    smaller = json.dumps(given | {"micro_batch_size": 2, "gradient_checkpointing": True})
    train.run(parse([*words, "--runtime", smaller, "--device", "cpu", "--gpus", "0"]))
    assert (out / "metrics.jsonl").read_text().splitlines()[:5] == before[:5]
    assert losses(read_metrics(out)) == pytest.approx(losses(read_metrics(plain)), abs=1e-4)
    assert '"micro_batch_size": 2' in (out / "result" / "README.md").read_text()


def test_nproc_is_for_the_cpu(study: Study, tmp_path: Path) -> None:
    words = tiny_model.train_arguments(study, tmp_path, recipe(), "--nproc", "9")
    with pytest.raises(BabelmixError, match="leaves some of 9 devices without rows"):
        train.run(parse(words))


def test_the_best_answers_to_held_out_rows_are_kept(study: Study, tmp_path: Path) -> None:
    done, metrics = fit(
        study, tmp_path / "run", select="best_dev_rouge_l", packing=True, checkpoint_steps=2
    )
    measured = {row["step"]: row["dev_rouge_l"] for row in metrics if "dev_rouge_l" in row}
    assert set(measured) == {2, 4, 6, 8}
    assert all(0 <= value <= 1 for value in measured.values())
    best = max(measured.values())
    assert done["selected_step"] == min(step for step, value in measured.items() if value == best)


def test_a_listed_epoch_is_chosen_by_hand_without_training_again(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = {"select": "listed", "keep_epochs": [1, 2], "select_epoch": 2}
    last, _ = fit(study, tmp_path / "run", **listed)
    weights = (tmp_path / "run" / "result" / "model.safetensors").read_bytes()
    monkeypatch.setattr("babelmix.train.worker._train", None)  # training again would fail
    first, _ = fit(study, tmp_path / "run", **listed | {"select_epoch": 1})
    assert (first["selected_step"], last["selected_step"]) == (4, 8)
    assert (tmp_path / "run" / "result" / "model.safetensors").read_bytes() != weights
    assert first["dev_loss"] != last["dev_loss"]


def test_logits_in_pieces_give_the_same_loss_and_gradients(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from babelmix.train.loss import TokenLoss

    model = AutoModelForCausalLM.from_pretrained(tiny_model.build(tmp_path / "model"))
    ids = torch.randint(0, 400, (2, 60), generator=torch.Generator().manual_seed(0))
    labels = ids.clone()
    labels[:, :20] = -100
    labels[1, 40:] = -100
    found = []
    for limit in (2**27, 400 * 7):  # whole, and seven positions at a time
        model.zero_grad()
        total, count = TokenLoss(model, limit)(model, {"input_ids": ids, "labels": labels})
        total.backward()
        assert count == 40 + 20
        found.append([total.item(), *(p.grad.clone() for p in model.parameters())])
    assert "forward" not in vars(model.lm_head)
    assert found[1][0] == pytest.approx(found[0][0], rel=1e-6)
    for whole, pieces in zip(found[0][1:], found[1][1:], strict=True):
        assert torch.allclose(whole, pieces, atol=1e-4)


def test_the_logits_of_a_large_vocabulary_are_never_held_at_once() -> None:
    import torch
    import torch.nn.functional as F
    from transformers import LlamaConfig, LlamaForCausalLM

    from babelmix.train.loss import TokenLoss

    vocabulary, length = 128_000, 320
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=8,
            intermediate_size=8,
            num_hidden_layers=1,
            num_attention_heads=1,
            tie_word_embeddings=False,
        )
    )
    ids = torch.randint(0, vocabulary, (1, length))
    labels = ids.clone()
    labels[:, :50] = -100
    found: dict[str, list[torch.Tensor]] = {}

    def plain() -> None:
        logits = model(input_ids=ids, use_cache=False).logits[0, :-1]
        loss = F.cross_entropy(logits, labels[0, 1:], reduction="sum")
        keep("plain", loss)

    def ours() -> None:
        token_loss = TokenLoss(model, limit=vocabulary * 80)
        keep("ours", token_loss(model, {"input_ids": ids, "labels": labels})[0])

    def keep(name: str, loss: torch.Tensor) -> None:
        loss.backward()
        found[name] = [loss.detach(), *(p.grad.clone() for p in model.parameters())]  # type: ignore[union-attr]
        model.zero_grad()

    peaks = {work.__name__: peak_mb(work) for work in (plain, ours)}
    for whole, pieces in zip(found["plain"], found["ours"], strict=True):
        assert torch.allclose(whole, pieces, rtol=1e-5, atol=1e-5)
    assert peaks["plain"] > 2 * length * vocabulary * 4 / 1e6  # the measure sees them
    assert peaks["ours"] < 0.5 * peaks["plain"]


def test_out_of_memory_ends_with_advice(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from babelmix.train.loop import MixtureTrainer

    def full(*_: Any, **__: Any) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 PB")

    monkeypatch.setattr(MixtureTrainer, "compute_loss", full)
    with pytest.raises(BabelmixError, match=r"9 PB.*weights .*`micro_batch_size: 2`"):
        fit(study, tmp_path / "run")


def test_packed_attention_ignores_other_documents_on_both_paths() -> None:
    import torch
    import torch.nn.functional as F

    from babelmix.train.attention import packed_attention

    torch.manual_seed(0)
    query, key, value = torch.randn(1, 4, 9, 8), torch.randn(1, 2, 9, 8), torch.randn(1, 2, 9, 8)
    module = torch.nn.Module()
    module.num_key_value_groups = 2  # type: ignore[assignment]
    bounds = torch.tensor([0, 4, 9], dtype=torch.int32)
    found, _ = packed_attention(
        module, query, key, value, None, document_lengths=(4, 5), cu_seq_lens_q=bounds
    )
    for start, end in ((0, 4), (4, 9)):
        wanted = F.scaled_dot_product_attention(
            query[:, :, start:end],
            key[:, :, start:end].repeat_interleave(2, 1),
            value[:, :, start:end].repeat_interleave(2, 1),
            is_causal=True,
        )
        assert torch.allclose(found[:, start:end], wanted.transpose(1, 2), atol=1e-6)


def test_metrics_say_how_fast(plain: Path) -> None:
    rows = [row for row in read_metrics(plain) if "loss" in row]
    assert all(row["tokens_per_s"] > 0 and row["memory_gb"] > 0.05 for row in rows)


def test_watchers_are_checked_before_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    from babelmix.train.watch import watchers

    monkeypatch.setenv("BABELMIX_REPORT_TO", "teletype")
    with pytest.raises(BabelmixError, match="none of tensorboard, wandb, trackio"):
        watchers()
    monkeypatch.setenv("BABELMIX_REPORT_TO", "wandb")
    with pytest.raises(BabelmixError, match="pip install wandb"):
        watchers()
    monkeypatch.delenv("BABELMIX_REPORT_TO")
    assert watchers() == []


def test_four_bit_weights_name_their_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    from babelmix.config.training import Lora
    from babelmix.train import models

    monkeypatch.setattr(models.importlib.util, "find_spec", lambda _: None)
    assert models.quantisation(Lora(), "r") is None
    with pytest.raises(BabelmixError, match=r"babelmix\[qlora\]"):
        models.quantisation(Lora(quantise="nf4"), "r")
