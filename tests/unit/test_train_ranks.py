"""Two ranks and more on the CPU: DeepSpeed, equal losses, deaths, resumption, export."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import tiny_model

from babelmix.io import read_json

Study = dict[str, Any]
HERE = Path(__file__).parent
STEPS = 8


def scenario(study: Study, root: Path, name: str, ranks: int, **given: Any) -> dict[str, Any]:
    """One training of ``ranks`` ranks in ``root / name``."""
    recipe = {"max_steps": STEPS, "checkpoint_steps": 3, "packing": True, "weight_decay": 0.1}
    recipe |= given.pop("recipe")
    out = root / given.pop("out", name)
    out.mkdir(exist_ok=True)
    more = ["--nproc", str(ranks), "--threads", str(ranks)]
    more += ["--restarts", str(given.pop("restarts", 0))]
    words = tiny_model.train_arguments(study, out, tiny_model.recipe(**recipe), *more)
    if "kill" in given:
        given["kill"]["mark"] = str(root / f"{name}.killed")
    return {"name": name, "words": words} | given


def all_scenarios(study: Study, root: Path) -> list[dict[str, Any]]:
    """Every training that the tests below look at."""

    def make(name: str, ranks: int, **given: Any) -> dict[str, Any]:
        return scenario(study, root, name, ranks, **given)

    def moved(name: str, recipe: dict[str, Any]) -> list[dict[str, Any]]:
        """Two ranks that die, one that goes on and dies, two that finish."""
        out = f"{name}-moved"
        return [
            make(f"{out}-1", 2, recipe=recipe, out=out, fails=True)
            | {"kill": {"ranks": [0, 1], "step": 4, "mark": str(root / f"{out}-1.killed")}},
            make(f"{out}-2", 1, recipe=recipe, out=out, fails=True)
            | {"kill": {"ranks": [0], "step": 7, "mark": str(root / f"{out}-2.killed")}},
            make(f"{out}-3", 2, recipe=recipe, out=out),
        ]

    rouge = {"select": "best_dev_rouge_l", "checkpoint_steps": 4}
    two, three = {"deepspeed": {"stage": 2}}, {"deepspeed": {"stage": 3}}
    half = {"precision": "bf16"} | three
    spread = {"batch_size": 8, "micro_batch_size": 2, "packing": False, "max_steps": 4}
    last = root / "zero3-killed" / "work" / "checkpoint-6"
    return [
        make("single", 1, recipe={}),
        make("zero2", 2, recipe=two),
        make("zero3", 2, recipe=three),
        make("bf16", 2, recipe=half),
        make("bf16-single", 1, recipe={"precision": "bf16"}),
        make("1x4", 1, recipe=spread),
        make("2x2", 2, recipe=spread),
        make("4x1", 4, recipe=spread),
        # One rank dies: the supervisor starts both again.
        make("zero2-killed", 2, recipe=two, restarts=1, kill={"ranks": [1], "step": 5}),
        # All die, and the newest checkpoint turns out torn: the one before it is taken.
        make(
            "zero3-killed",
            2,
            recipe=three | {"keep_checkpoints": 2},
            kill={"ranks": [0, 1], "step": 7},
            fails=True,
            then_tear=[str(last / "trainer_state.json")],
        ),
        make("zero3-resumed", 2, recipe=three | {"keep_checkpoints": 2}, out="zero3-killed"),
        *moved("zero2", two),
        *moved("zero3", three),
        *moved("bf16", half),
        # Without DeepSpeed one rank trains in this very process, which must live.
        moved("plain", {})[0],
        make("plain-moved-2", 1, recipe={}, out="plain-moved"),
        *moved("adapters", two | {"lora": {"rank": 2}}),
        make("plain", 2, recipe={}),
        make("adapters", 2, recipe=two | {"lora": {"rank": 2}}),
        make("rouge-zero3", 2, recipe=three | rouge),
        make("rouge-single", 1, recipe=rouge),
    ]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """All scenarios, run; their folder and what was printed."""
    root = tmp_path_factory.mktemp("ranks")
    study: Study = tiny_model.write_study(root / "study")
    chosen = all_scenarios(study, root)
    (root / "scenarios.json").write_text(json.dumps(chosen))
    run = subprocess.run(
        [sys.executable, HERE / "ranks.py", root / "scenarios.json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=1200,
        stdin=subprocess.DEVNULL,
    )
    assert run.returncode == 0, run.stdout + run.stderr[-5000:]
    return {"root": root, "study": study, "out": run.stdout, "err": run.stderr}


def metrics(ran: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """A training's metrics."""
    path = ran["root"] / name / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


def losses(ran: dict[str, Any], name: str) -> list[float]:
    """Training losses by step."""
    rows = [row for row in metrics(ran, name) if "loss" in row]
    assert [row["step"] for row in rows] == list(range(1, len(rows) + 1))
    return [row["loss"] for row in rows]


@pytest.mark.parametrize(
    ("name", "alone", "within"),
    [
        ("zero2", "single", 1e-5),
        ("zero3", "single", 1e-5),
        ("bf16", "single", 2e-2),
        ("bf16", "bf16-single", 2e-2),
    ],
)
def test_deepspeed_trains_like_one_process(
    ran: dict[str, Any], name: str, alone: str, within: float
) -> None:
    single = losses(ran, alone)
    assert len(single) == STEPS
    assert single[-1] < single[0]
    assert losses(ran, name) == pytest.approx(single, abs=within)


@pytest.mark.parametrize("name", ["zero2", "zero3", "bf16"])
def test_its_export_is_whole_and_loads(ran: dict[str, Any], name: str) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    found, single = (
        AutoModelForCausalLM.from_pretrained(ran["root"] / folder / "result")
        for folder in (name, "single")
    )
    assert found.dtype == (torch.bfloat16 if name == "bf16" else torch.float32)
    ids = torch.arange(20)[None]
    with torch.no_grad():
        difference = (found(ids).logits.float() - single(ids).logits).abs().max()
    assert difference < (0.1 if name == "bf16" else 1e-3)
    stage = 2 if name == "zero2" else 3
    written = read_json(ran["root"] / name / "result" / "deepspeed.json")
    assert written["zero_optimization"]["stage"] == stage


def test_a_step_is_the_same_on_any_number_of_devices(ran: dict[str, Any]) -> None:
    one = losses(ran, "1x4")
    assert losses(ran, "2x2") == pytest.approx(one, abs=1e-5)
    assert losses(ran, "4x1") == pytest.approx(one, abs=1e-5)
    dev = [
        [row["dev_loss"] for row in metrics(ran, name) if "dev_loss" in row]
        for name in ("1x4", "2x2", "4x1")
    ]
    assert dev[1] == pytest.approx(dev[0], abs=1e-5)
    assert dev[2] == pytest.approx(dev[0], abs=1e-5)


def test_a_dead_rank_is_answered_by_a_restart(ran: dict[str, Any]) -> None:
    assert (ran["root"] / "zero2-killed.killed").exists()
    assert "starting again" in ran["err"]
    assert losses(ran, "zero2-killed") == losses(ran, "zero2")  # bit for bit
    seconds = [row["seconds"] for row in metrics(ran, "zero2-killed")]
    assert seconds == sorted(seconds)


def test_all_ranks_dead_and_the_last_checkpoint_torn(ran: dict[str, Any]) -> None:
    assert "zero3-killed: BabelmixError" in ran["out"]
    assert losses(ran, "zero3-killed") == losses(ran, "zero3")
    same = [
        (ran["root"] / name / "result" / "model.safetensors").read_bytes()
        for name in ("zero3", "zero3-killed")
    ]
    assert same[0] == same[1]
    assert not list((ran["root"] / "zero3-killed" / "work").glob("checkpoint-*"))


@pytest.mark.parametrize(
    ("name", "within"),
    [("zero2", 1e-5), ("zero3", 1e-5), ("bf16", 2e-3), ("plain", 1e-5), ("adapters", 1e-5)],
)
def test_a_training_moves_to_another_number_of_ranks(
    ran: dict[str, Any], name: str, within: float
) -> None:
    """Two ranks, one, two again: the curve of the training that nothing interrupted."""
    phases = (1,) if name == "plain" else (1, 2)
    killed = [(ran["root"] / f"{name}-moved-{phase}.killed").exists() for phase in phases]
    assert all(killed), ran["out"][-4000:]
    assert losses(ran, f"{name}-moved") == pytest.approx(losses(ran, name), abs=within)
    lines = [line for line in ran["err"].splitlines() if f"{name}-moved: " in line]
    said = [line for line in lines if "was written on" in line and "losses are the same" in line]
    assert any("on 2 device(s), and there are 1 now" in line for line in said)
    back = any("on 1 device(s), and there are 2 now" in line for line in said)
    assert back == (name != "plain")


def test_the_best_answers_are_found_on_gathered_weights(ran: dict[str, Any]) -> None:
    found, alone = (
        {row["step"]: row["dev_rouge_l"] for row in metrics(ran, name) if "dev_rouge_l" in row}
        for name in ("rouge-zero3", "rouge-single")
    )
    assert found == pytest.approx(alone, abs=1e-6)
    said = re.findall(r"gathered while answering: (\d+)", ran["err"])
    assert len(said) >= 2 * 2  # two ranks, two evaluations
    assert set(said) == {"0"}
    assert len(found) == 2


def test_the_launcher_killed_takes_its_ranks_along(ran: dict[str, Any], tmp_path: Path) -> None:
    """Through torchrun: kill -9 of the verb; the next call resumes."""
    out = tmp_path / "run"
    changes = {"deepspeed": {"stage": 2}, "packing": True}
    chosen = tiny_model.recipe(max_steps=24, checkpoint_steps=4, **changes)
    words = tiny_model.train_arguments(ran["study"], out, chosen, "--nproc", "2", "--threads", "2")
    command = [sys.executable, "-m", "babelmix", "train", *words]
    with (tmp_path / "log").open("w") as log:
        verb = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        until = time.monotonic() + 300
        while not list(out.glob("work/checkpoint-*/whole.json")):
            assert verb.poll() is None, (tmp_path / "log").read_text()[-3000:]
            assert time.monotonic() < until
            time.sleep(0.01)
        os.kill(verb.pid, signal.SIGKILL)
        verb.wait()
    assert not (out / "done.json").exists()
    while ranks_of(str(out / "work" / "job.0.json")):
        assert time.monotonic() < until, "ranks outlive their launcher"
        time.sleep(0.1)
    again = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert again.returncode == 0, again.stderr[-3000:]
    assert again.stdout.count("\n") == 1
    done = read_json(out / "done.json")
    assert done["steps"] == 24
    assert len((out / "metrics.jsonl").read_text().splitlines()) >= 24


def ranks_of(job: str) -> list[int]:
    """Living processes whose command line names a job."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if job in path.read_text() and int(path.parent.name) != os.getpid():
                found.append(int(path.parent.name))
        except (OSError, ValueError):
            continue
    return found
