"""Correctness through the verbs: whole trainings, their exports and their answers."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from typing import Any

from .correct import BF16, require
from .runner import Context, Skip
from .shapes import BASE, SMALL, TINY, Study, demo_chats, run_verb, verb, verb_command


def zero(context: Context) -> dict[str, Any]:
    """ZeRO-3 on one rank against the plain trainer, by the verb: losses step by step."""
    import deepspeed  # noqa: F401

    study = Study(context, SMALL | {"num_hidden_layers": 4} if context.on_gpu else TINY)
    steps, seen = 6, {}
    verb(*study.words("plain", max_steps=steps))
    wanted = study.losses("plain")
    for stage in (3, 2) if context.on_gpu else (3,):
        name = f"zero{stage}"
        run_verb(*study.words(name, max_steps=steps, deepspeed={"stage": stage}), seconds=110)
        found = study.losses(name)
        require(len(found) == len(wanted) == steps, f"{name}: {len(found)} of {steps} steps")
        pairs = list(zip(found, wanted, strict=True))
        difference = max(abs(one - other) for one, other in pairs)
        seen[name] = difference
        require(difference < 2e-3, f"{name}: the losses differ: {pairs}")
    return {"largest_difference_of_losses": seen, "bound": 2e-3, "last_loss": wanted[-1]}


def lora_stops(context: Context) -> dict[str, Any]:
    """chatml and LoRA on the demo's base: the tuned model ends its turns."""
    import peft  # noqa: F401

    words = ("cat", "dog", "tree", "house", "river", "blue", "red", "green", "one", "two")
    chats = [(f"Say {a} and {b}.", f"{a} {b}") for a in words for b in words if a != b]
    study = Study(context, None, template="chatml", max_length=64, chats=chats[:72], dev=4)
    settings = {"lora": {"rank": 16, "alpha": 32}, "learning_rate": 5e-3, "batch_size": 16}
    settings |= {"micro_batch_size": 16, "max_steps": 60, "schedule": "constant"}
    if context.on_gpu:
        settings["precision"] = "bf16"
    verb(*study.words("lora", **settings))
    asked = [question for question, _ in chats[:20]]
    answers = study.answer("lora", asked, max_new_tokens=24)
    stopped = sum(answer.finish_reason == "stop" for answer in answers)
    losses = study.losses("lora")
    said = f"{stopped} of {len(answers)} answers stop"
    require(stopped >= 18, f"{said}; the loss is {losses[-1]:.3f}")
    return {"seen": said, "first_loss": losses[0], "loss": losses[-1]}


def resume(context: Context) -> dict[str, Any]:
    """A training killed by signal 9 and started again against one that was left alone."""
    study = Study(context, TINY)
    settings = {"max_steps": 120 if context.on_gpu else 24, "precision": "fp32"}
    settings["checkpoint_steps"] = settings["max_steps"] // 6
    verb(*study.words("whole", **settings))
    command = verb_command(*study.words("killed", **settings))
    work = study.root / "killed" / "work"
    child = subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL)
    try:
        while not list(work.glob("checkpoint-*/whole.json")):
            require(child.poll() is None, "the training ended before it could be killed")
            time.sleep(0.005)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    require(not (study.root / "killed" / "done.json").exists(), "it was killed too late")
    begun = max(json.loads(p.read_text())["step"] for p in work.glob("checkpoint-*/whole.json"))
    run_verb(*study.words("killed", **settings), seconds=100)
    found, wanted = study.losses("killed"), study.losses("whole")
    require(len(found) == len(wanted), f"{len(found)} of {len(wanted)} steps are recorded")
    difference = max(abs(one - other) for one, other in zip(found, wanted, strict=True))
    bound = 1e-3 if context.on_gpu else 0.0
    require(difference <= bound, f"the losses differ by {difference:.1e}")
    return {"resumed_at_step": begun, "largest_difference_of_losses": difference, "bound": bound}


def export(context: Context) -> dict[str, Any]:
    """The exported bfloat16 model, loaded by transformers, against the trained one's loss."""
    import torch
    from safetensors import safe_open
    from transformers import AutoModelForCausalLM

    from babelmix.train.data import lay_rows, map_rows

    study = Study(context, SMALL if context.on_gpu else TINY)
    # The rows are deleted with the training: they are laid once more, to be measured here.
    verb(*study.words("bf16", max_steps=4, precision="bf16"))
    result = study.root / "bf16" / "result"
    stored = {}
    for path in sorted(result.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            stored |= {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
    require(set(stored.values()) == {"BF16"}, f"stored as {set(stored.values())}")
    lay_rows(study.root / "mixture.parquet", [study.root / "tokenised.parquet"], study.root / "dev")
    rows = map_rows(study.root / "dev").dev
    model = AutoModelForCausalLM.from_pretrained(result, dtype=torch.float32).to(context.device)
    total = count = 0.0
    with torch.no_grad():
        for number in range(len(rows)):
            ids = torch.from_numpy(rows[number]["input_ids"].astype("int64"))[None]
            labels = torch.from_numpy(rows[number]["labels"].astype("int64"))[1:].to(context.device)
            logits = model(input_ids=ids.to(context.device), use_cache=False).logits[0, :-1]
            total += float(torch.nn.functional.cross_entropy(logits, labels, reduction="sum"))
            count += int((labels != -100).sum())
    trained = [row["dev_loss"] for row in study.metrics("bf16") if "dev_loss" in row][-1]
    difference = abs(total / count - trained) / trained
    require(difference < BF16 / 2, f"held-out loss {total / count:.4f}, in training {trained:.4f}")
    return {"held_out_loss": trained, "of_the_export": total / count, "bound": BF16 / 2}


def answers(context: Context) -> dict[str, Any]:
    """Answers in batches against the same prompts one by one, greedy, in float32."""
    from babelmix.answer.batches import Prompt
    from babelmix.answer.engine import TransformersEngine
    from babelmix.config.evaluation import Generation
    from babelmix.train.chat import Formatter, load_tokenizer

    formatter, tokenizer = Formatter.load(BASE), load_tokenizer(BASE)
    stops = sorted({formatter.end_of_turn_id(), tokenizer.eos_token_id})
    chats = [[{"role": "user", "content": text}] for text, _ in demo_chats(12)]
    prompts = [Prompt(formatter.tokens(formatter.render(chat, prompt=True))) for chat in chats]
    settings = Generation(max_new_tokens=24, batch_tokens=4096)
    engine = TransformersEngine(
        BASE, settings, stops, lambda ids: str(tokenizer.decode(ids)), device=context.device
    )
    together = [c.text for c in engine.complete(prompts, lambda _: None)]
    alone = [engine.complete([prompt], lambda _: None)[0].text for prompt in prompts]
    same = sum(one == other for one, other in zip(together, alone, strict=True))
    needed = len(prompts) - (1 if context.on_gpu else 0)  # a near tie may fall the other way
    require(same >= needed, f"{same} of {len(prompts)} answers are the same")
    return {"same": f"{same} of {len(prompts)}"}


def vllm(context: Context) -> dict[str, Any]:
    """vLLM's greedy answers against transformers', from one checkpoint, by the verb."""
    if not context.on_gpu:
        raise Skip("vLLM is asked on a GPU alone")
    import vllm  # noqa: F401

    study = Study(context, None)
    verb(*study.words("tuned", max_steps=4, precision="bf16"))
    asked = [text for text, _ in demo_chats(12)]
    found = [
        [answer.text[:40] for answer in study.answer("tuned", asked, engine=e, max_new_tokens=24)]
        for e in ("transformers", "vllm")
    ]
    same = sum(one == other for one, other in zip(*found, strict=True))
    require(same >= 9, f"{same} of 12 answers begin the same")
    return {"begin_the_same": f"{same} of 12"}
