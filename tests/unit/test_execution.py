"""What a recipe leaves to the machine: DeepSpeed's stage, checkpointing, the micro-batch."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_model
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.study import mini_config

from babelmix.config.load import build_config
from babelmix.config.training import Model, Recipe
from babelmix.errors import BabelmixError
from babelmix.io import read_json, write_json
from babelmix.plan import show_training
from babelmix.plan.graph import Plan
from babelmix.plan.jobs import Jobs
from babelmix.resources import ROOT
from babelmix.train import execution, train
from babelmix.train.checkpoints import mark_whole
from babelmix.train.costs import Machine, step_cost
from babelmix.train.data import Rows
from babelmix.train.execution import EXECUTION, choose, is_open, settle, this_machine
from babelmix.train.memory import ModelShape, memory_needs
from babelmix.train.schedule import plan_schedule
from babelmix.train.settings import check_recipe, deepspeed_config, lay_out

BILLION = 1_000_000_000
OPEN: dict[str, Any] = {"deepspeed": "auto", "micro_batch_size": "auto", "precision": "bf16"}


def recipe(preset: str = "lima", **changes: Any) -> Recipe:
    """A shipped recipe with all that concerns the machine left open."""
    return Recipe.model_validate({"preset": preset, "packing": True, **OPEN, **changes})


def on(devices: int = 8, gb: float = 80, **changes: Any) -> Machine:
    """Some H100s."""
    return Machine(devices, name="NVIDIA H100 80GB HBM3", memory=gb * 1e9, **changes)


def stage_of(found: execution.Execution) -> int | None:
    """The chosen stage; None without DeepSpeed."""
    ds = found.recipe.deepspeed
    return None if ds is None else ds.stage  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("billions", "stage", "checkpointing", "offload"),
    [(1, 1, False, False), (7, 2, False, False), (13, 2, True, False), (70, 3, True, True)],
)
def test_eight_gpus_of_80_gb(billions: int, stage: int, checkpointing: bool, offload: bool) -> None:
    found = choose(ModelShape.like_llama(billions * BILLION), recipe(), on(), "r")
    assert stage_of(found) == stage
    assert found.checkpointing is checkpointing
    assert found.recipe.deepspeed is not None
    assert found.recipe.deepspeed.offload_optimizer is offload
    assert found.needs.total < 0.85 * 80e9
    assert not is_open(found.recipe)
    # What the recipe means stays: rows per step, length, rate.
    assert (
        found.recipe.without_execution_settings()
        == recipe().without_execution_settings()
        == recipe(deepspeed={"stage": 3}).without_execution_settings()
    )
    assert found.layout.batch_size == 32


def test_smaller_and_other_machines() -> None:
    seven = ModelShape.like_llama(7 * BILLION)
    assert stage_of(choose(ModelShape.like_llama(BILLION // 8), recipe(), on(1), "r")) is None
    alone = choose(seven, recipe(), on(1), "r")  # 112 GB of state: on the host
    assert (stage_of(alone), alone.needs.host) == (2, 12 * 7e9)
    lora = choose(seven, recipe(lora={}), on(1, 40), "r")
    assert stage_of(lora) is None
    assert stage_of(choose(seven, recipe(lora={}), on(8, 40), "r")) in (None, 1, 2)  # never 3
    four = choose(seven, recipe(lora={"quantise": "nf4"}), on(1, 24), "r")
    assert (stage_of(four), four.needs.total < 21e9) == (None, True)
    with pytest.raises(BabelmixError, match=r"24 GB a device.*weights 14.*`lora: {}`.*is tried"):
        choose(seven, recipe(), on(1, 24), "r")
    with pytest.raises(BabelmixError, match="200 GB on the host"):
        choose(ModelShape.like_llama(70 * BILLION), recipe(), on(host=200e9), "r")
    # Off the GPU: the simplest that fits.
    cpu = Machine(2, name="CPU", memory=8e9, on_gpu=False)
    found = choose(ModelShape.like_llama(BILLION // 10), recipe(), cpu, "r")
    assert (stage_of(found), found.checkpointing) == (None, False)


@given(
    billions=st.floats(0.05, 80),
    devices=st.sampled_from([1, 2, 4, 8, 16]),
    gb=st.sampled_from([16, 24, 40, 80, 141]),
    preset=st.sampled_from(["lima", "fastchat-vicuna", "pinch"]),
    packing=st.booleans(),
    lora=st.sampled_from([None, {}, {"quantise": "nf4"}]),
)
@settings(max_examples=60, deadline=None)
def test_what_is_chosen_fits_and_leaves_the_batch(
    billions: float, devices: int, gb: int, preset: str, packing: bool, lora: Any
) -> None:
    asked = recipe(preset, packing=packing, lora=lora)
    shape = ModelShape.like_llama(int(billions * BILLION))
    try:
        found = choose(shape, asked, on(devices, gb), "r")
    except BabelmixError:
        with pytest.raises(BabelmixError, match="nothing that `auto` may choose fits"):
            choose(shape, asked, on(devices, gb), "r")
        return
    assert found.needs.total <= 0.85 * gb * 1e9
    check_recipe(found.recipe, Model(path="x"), "r", gpus=devices)
    spread = {"deepspeed": asked.deepspeed}  # none at all may be chosen
    assert (
        found.recipe.model_copy(update=spread).without_execution_settings()
        == asked.without_execution_settings()
    )
    layout = lay_out(found.recipe, devices, "r")
    assert layout.batch_size == asked.batch_size
    share = -(-asked.batch_size // devices)
    if packing:
        assert asked.max_length <= (layout.tokens or 0) <= share * asked.max_length
    else:
        assert 1 <= layout.micro <= share
    if found.recipe.deepspeed is not None:
        assert "auto" not in json.dumps(deepspeed_config(found.recipe, devices, found.cost.rounds))


def test_what_stays_as_the_recipe_says() -> None:
    seven = ModelShape.like_llama(7 * BILLION)
    fixed = choose(seven, recipe(micro_batch_size=2), on(), "r")
    assert fixed.layout.tokens == 2 * 2048
    assert choose(seven, recipe(micro_batch_tokens=3000), on(), "r").layout.tokens == 3000
    again = choose(seven, recipe(gradient_checkpointing=True), on(), "r")
    assert again.checkpointing
    three = choose(seven, recipe(deepspeed={"stage": 3}), on(), "r")
    assert stage_of(three) == 3
    given_ = {"stage": "auto", "overrides": {"wall_clock_breakdown": True}}
    own = choose(ModelShape.like_llama(BILLION // 8), recipe(deepspeed=given_), on(1), "r")
    assert own.recipe.deepspeed is not None  # overrides ask for DeepSpeed
    assert own.recipe.deepspeed.overrides == {"wall_clock_breakdown": True}
    assert recipe(deepspeed="auto") == recipe(deepspeed={"stage": "auto"})
    with pytest.raises(ValueError, match="deepspeed"):
        recipe(deepspeed="fast")
    with pytest.raises(ValueError, match="micro_batch_size"):
        recipe(micro_batch_size="many")


def test_nothing_reruns_because_of_auto() -> None:
    def job(quick: dict[str, Any]) -> str:
        raw = mini_config()
        raw["training"]["quick"] |= quick
        raw["models"]["tiny"] |= {"gpu_memory_gb": 24.0} if quick["deepspeed"] == "auto" else {}
        return Jobs(Plan(build_config(raw))).train("tiny.mono-EN.quick.s1")

    before = {"deepspeed": {"stage": 3}, "micro_batch_size": 2, "gradient_checkpointing": True}
    after = {"deepspeed": "auto", "micro_batch_size": "auto", "fused_kernels": False}
    assert job(before) == job(after)
    raw = mini_config()
    raw["training"]["quick"] |= after
    raw["models"]["tiny"] |= {"device": "cuda", "gpus": 8, "parameters_b": 70.0}
    jobs = Jobs(Plan(build_config(raw)))
    # 70 B on 8 x 80 GB: the optimizer's state is on the host, and its memory is asked for.
    assert jobs.train_memory("tiny.mono-EN.quick.s1") > 70e3 * (4 * 9 + 16)
    assert json.loads(jobs.train_runtime("tiny.mono-EN.quick.s1"))["deepspeed"]["stage"] == "auto"


def test_a_training_goes_on_under_the_stage_of_its_checkpoints(tmp_path: Path) -> None:
    shape = ModelShape.like_llama(7 * BILLION)
    assert settle(recipe(), shape, on(), "r", tmp_path).deepspeed.stage == 2  # type: ignore[union-attr]
    write_json(tmp_path / EXECUTION, {"zero_stage": 3})
    assert settle(recipe(), shape, on(), "r", tmp_path).deepspeed.stage == 2  # type: ignore[union-attr]
    folder = tmp_path / "checkpoint-5"
    folder.mkdir()
    mark_whole(folder, step=5, devices=8, training="t")
    assert settle(recipe(), shape, on(), "r", tmp_path).deepspeed.stage == 3  # type: ignore[union-attr]
    write_json(tmp_path / EXECUTION, {"zero_stage": None})
    small = ModelShape.like_llama(BILLION // 8)
    assert settle(recipe(), small, on(), "r", tmp_path).deepspeed is None
    # State on the host stays there on larger GPUs; what no longer fits is tried all the same.
    write_json(tmp_path / EXECUTION, {"zero_stage": 2, "offload_optimizer": True})
    again = settle(recipe(), shape, on(), "r", tmp_path).deepspeed
    assert again is not None
    assert (again.stage, again.offload_optimizer) == (2, True)
    write_json(tmp_path / EXECUTION, {"zero_stage": 1, "offload_optimizer": False})
    assert settle(recipe(), shape, on(8, 24), "r", tmp_path).deepspeed.stage == 1  # type: ignore[union-attr]


def test_the_driver_is_asked_for_the_smallest_gpu_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        "*--id=0,1*) echo 'NVIDIA H100 80GB HBM3, 81559'; echo 'NVIDIA L4, 23034' ;;\n"
        "*--id=0*) echo 'NVIDIA H100 80GB HBM3, 81559' ;;\n"
        "*-L*) echo 'GPU 0: x'; echo 'GPU 1: y' ;;\n"
        "*) exit 6 ;;\n"
        "esac\n"
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    found = this_machine(2, 1, on_gpu=True)
    assert (found.name, found.memory, found.peak) == ("NVIDIA L4", 23034 * 2**20, 121e12)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")  # the small one is not ours
    assert this_machine(1, 1, on_gpu=True).memory == 81559 * 2**20
    assert not capsys.readouterr().err
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-2a8f")  # a slice: nvidia-smi knows no such id
    assert this_machine(1, 1, on_gpu=True, gpu_memory_gb=10).memory == 10e9
    assert "counting on the model's `gpu_memory_gb`: 10" in capsys.readouterr().err
    cpu = this_machine(2, 1, on_gpu=False)
    assert cpu.memory is not None
    assert not cpu.on_gpu


def test_communication_and_recomputation_cost() -> None:
    shape = ModelShape.like_llama(7 * BILLION)

    def cost(stage: int, micro: int = 1, *, again: bool = False, nodes: int = 1) -> Any:
        chosen = recipe("fastchat-vicuna", deepspeed={"stage": stage}, micro_batch_size=micro)
        machine = on(8, nodes=nodes)
        return step_cost(
            shape, chosen, lay_out(chosen, 8, "r"), machine, checkpointing=again, row_tokens=512
        )

    # 14 GB of weights in bf16, seven eighths of them cross: twice, and gradients, per micro-batch.
    three = cost(3)
    assert three.sent == pytest.approx(3 * 14e9 * 7 / 8 * three.rounds)
    assert cost(1).sent == pytest.approx(2 * 14e9 * 7 / 8)
    assert cost(2).sent > cost(1).sent
    assert cost(3, 4).sent == pytest.approx(
        three.sent / 3
    )  # larger micro-batches gather less often
    assert cost(3, 4).step < three.step
    assert cost(2, again=True).arithmetic == pytest.approx(4 / 3 * cost(2).arithmetic)
    assert cost(2, nodes=2).communication > 5 * cost(2).communication
    assert 0.1 < cost(2, 4).mfu < 0.6


def test_the_estimate_of_activations_is_what_a_layer_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig

    from babelmix.train import attention
    from babelmix.train.batches import Collator, attention_for

    class Kernel(torch.autograd.Function):
        """Keeps what FlashAttention keeps: queries, keys, values, the output."""

        @staticmethod
        def forward(ctx: Any, *tensors: torch.Tensor) -> torch.Tensor:
            out = tensors[0].clone()
            ctx.save_for_backward(*tensors, out)
            return out

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            raise NotImplementedError

    monkeypatch.setattr(attention, "has_varlen_kernel", lambda *_: True)
    monkeypatch.setattr(
        attention,
        "varlen",
        lambda q, k, v, *_: Kernel.apply(*(x[0].transpose(0, 1).contiguous() for x in (q, k, v)))[
            None
        ],
    )
    tokens, hidden, inner = 250, 256, 768

    def kept(layers: int, precision: str, deepspeed: bool) -> int:
        config = LlamaConfig(
            vocab_size=64,
            hidden_size=hidden,
            intermediate_size=inner,
            num_hidden_layers=layers,
            num_attention_heads=4,
            num_key_value_heads=2,
        )
        name = attention_for(config, packed=True)
        model: Any = AutoModelForCausalLM.from_config(config, attn_implementation=name)
        if deepspeed and precision == "bf16":
            model = model.to(torch.bfloat16)
        weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
        seen: dict[int, int] = {}
        held = []

        def pack(x: torch.Tensor) -> torch.Tensor:
            storage = x.untyped_storage()
            # Autocast's copies of weights are counted with the weights.
            if storage.data_ptr() not in weights and (x.dim() != 2 or tokens in x.shape):
                seen[storage.data_ptr()] = storage.nbytes()
                held.append(x)
            return x

        rows = [{"input_ids": np.arange(tokens) % 64, "labels": np.arange(tokens) % 64}]
        batch = Collator(0, packed=True).pack(rows)
        batch.pop("labels")
        autocast = torch.autocast(
            "cpu", torch.bfloat16, enabled=precision == "bf16" and not deepspeed
        )
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x), autocast:
            model.model(**batch, use_cache=False)
        return sum(seen.values())

    for precision, deepspeed in (("fp32", False), ("bf16", True), ("bf16", False)):
        counted = (kept(5, precision, deepspeed) - kept(2, precision, deepspeed)) / 3
        ds = {"stage": 2} if deepspeed else None
        chosen = tiny_model.recipe(
            packing=True, micro_batch_tokens=tokens, precision=precision, deepspeed=ds
        )
        shape = ModelShape(BILLION, 64, hidden, inner, layers=1, keys=128)
        needs = memory_needs(shape, chosen, lay_out(chosen, 1, "r"), checkpointing=False)
        assert needs.activations == pytest.approx(counted, rel=0.01), (precision, deepspeed)


def test_plain_half_precision_counts_the_casts_of_weights() -> None:
    plain = recipe(deepspeed=None, micro_batch_size=1)
    needs = memory_needs(
        ModelShape.like_llama(BILLION), plain, lay_out(plain, 1, "r"), checkpointing=False
    )
    assert (needs.weights, needs.gradients, needs.optimizer) == (6e9, 4e9, 8e9)
    assert needs.buffers == 0  # one device sends nothing


def test_a_models_own_files_say_its_keys(tmp_path: Path) -> None:
    shape = ModelShape.read(tiny_model.build(tmp_path))
    assert (shape.hidden, shape.keys, shape.layers) == (32, 16, 2)


def test_show_training_prints_three_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    show_training.add_arguments(parser)
    words = ["--config", str(ROOT / "config" / "config.yaml"), "--recipe", "fastchat"]
    show_training.run(parser.parse_args([*words, "--parameters-b", "1", "7", "70"]))
    decoder, text, shown = json.JSONDecoder(), capsys.readouterr().out.strip(), []
    while text:
        value, end = decoder.raw_decode(text)
        shown.append(value)
        text = text[end:].strip()
    assert [s["zero_stage"] for s in shown] == [1, 2, 3]
    for one in shown:
        parts = one["memory_gb"]
        assert set(parts) >= {"weights", "gradients", "optimizer", "activations", "logits"}
        assert parts["total"] < 68
        assert one["device"] == "H100, 80 GB"
        assert one["step_s"] > 0
        assert 0.05 < one["mfu"] < 0.6
        assert one["deepspeed"]["zero_optimization"]["overlap_comm"] is True
        assert one["sent_gb_per_step_and_device"] > 0
    assert shown[2]["memory_gb"]["host"] == 105.0  # each of eight


def test_show_training_of_models_of_unknown_size_and_local_ones(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    parser = argparse.ArgumentParser()
    show_training.add_arguments(parser)
    args = parser.parse_args(["--config", "x"])
    quick = tiny_model.recipe(batch_size=32, deepspeed={"stage": 3})
    shown = show_training.describe(Model(repo="a/b", gpus=2), quick, "m", args)
    assert (shown["devices"], shown["micro_batch"]) == (2, "4 rows")
    assert shown["deepspeed"]["gradient_accumulation_steps"] == 4
    assert "parameters_b" in shown["estimate"]
    unknown = show_training.describe(Model(repo="a/b", gpus=2), recipe(), "m", args)
    assert set(unknown) == {"devices", "rows_per_step", "estimate"}
    tiny = Model(path=str(tiny_model.build(tmp_path)), device="cpu")
    local = show_training.describe(tiny, tiny_model.recipe(), "m", args)
    assert (local["device"], local["parameters_b"]) == ("CPU", 0.0)
    assert "step_s" not in local
    with pytest.raises(SystemExit):
        parser.parse_args(["--config", "x", "--gpus", "0"])


def uneven_rows(count: int = 24) -> Rows:
    """Random rows of 5 to 60 tokens."""
    rng = np.random.default_rng(4)
    lengths = rng.integers(5, 60, count)
    ids = rng.integers(3, tiny_model.VOCABULARY, int(lengths.sum())).astype(np.int32)
    labels = np.where(rng.random(len(ids)) < 0.6, ids, -100).astype(np.int32)
    return Rows(ids, labels, np.cumsum([0, *lengths]))


def test_a_step_does_not_depend_on_how_it_is_cut(tmp_path: Path) -> None:
    """Loss and gradient of one optimizer step, in micro-batches of any size and kind."""
    import torch
    from transformers import AutoModelForCausalLM

    from babelmix.train.batches import Collator, Scheduled, attention_for
    from babelmix.train.loop import MixtureTrainer, training_arguments

    rows, found = uneven_rows(), []
    base = tiny_model.build(tmp_path / "base")
    cuts: list[dict[str, Any]] = [
        {"packing": True, "micro_batch_tokens": tokens} for tokens in (64, 150, 100_000)
    ]
    cuts += [{"micro_batch_size": size} for size in (1, 5, 24)]
    for number, cut in enumerate(cuts):
        chosen = tiny_model.recipe(batch_size=24, max_length=64, **cut)
        schedule = plan_schedule(rows, 1, lay_out(chosen, 1, "r"), seed=1)
        model: Any = AutoModelForCausalLM.from_pretrained(base)
        model.set_attn_implementation(attention_for(model.config, packed=chosen.packing) or "sdpa")
        trainer = MixtureTrainer(
            recipe=chosen,
            steps=1,
            model=model,
            args=training_arguments(
                chosen, schedule.rounds, 1, 1, tmp_path / str(number), use_cpu=True
            ),
            train_dataset=Scheduled(rows, schedule.places, 0),
            data_collator=Collator(0, packed=chosen.packing),
        )
        trainer.current_gradient_accumulation_steps = schedule.rounds
        batches = list(trainer.get_train_dataloader())
        items = sum(int((batch["labels"] != -100).sum()) for batch in batches)
        loss = sum(
            float(trainer.training_step(model, batch, torch.tensor(items))) for batch in batches
        )
        gradient = torch.cat([p.grad.flatten() for p in model.parameters()])
        found.append((len(batches), loss, gradient))
    assert [n for n, *_ in found] != [1] * len(cuts)
    assert found[2][0] == 1
    for _, loss, gradient in found[1:]:
        assert loss == pytest.approx(found[0][1], rel=1e-5)
        assert float((gradient - found[0][2]).norm() / found[0][2].norm()) < 1e-5


def test_auto_through_the_verb(tmp_path: Path) -> None:
    study = tiny_model.write_study(tmp_path / "study", rows=16, dev=2)
    losses = []
    for name, changes in {"auto": OPEN | {"precision": "fp32"}, "plain": {}}.items():
        out = tmp_path / name
        chosen = tiny_model.recipe(max_steps=2, packing=True, **changes)
        parser = argparse.ArgumentParser()
        train.add_arguments(parser)
        train.run(parser.parse_args(tiny_model.train_arguments(study, out, chosen)))
        lines = (out / "metrics.jsonl").read_text().splitlines()
        losses.append([row["loss"] for row in map(json.loads, lines) if "loss" in row])
        said = read_json(out / "result" / EXECUTION)
        assert said["zero_stage"] is None
        assert said["attention"] == "sdpa, one document at a time"
        assert (said["fused_kernels"], said["device"]) == (False, "CPU")
    assert said["micro_batch"] == "256 tokens"
    assert read_json(tmp_path / "auto" / "result" / EXECUTION)["micro_batch"] == "512 tokens"
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
