"""The steps of the check, in order: correctness first, then speed."""

from __future__ import annotations

from . import correct, speed, verbs
from .runner import Step

_CORRECTNESS = "correctness"

STEPS = [
    Step("environment", "environment", correct.environment, "what was checked on what", 60),
    Step("varlen", _CORRECTNESS, correct.varlen, "packed attention = dense attention", 90),
    Step("packed", _CORRECTNESS, correct.packed, "packed rows = padded rows", 90),
    Step("soft-cap", _CORRECTNESS, correct.soft_cap, "loss without whole logits = dense", 90),
    Step("answers", _CORRECTNESS, verbs.answers, "answers in batches = one by one", 90),
    Step("export", _CORRECTNESS, verbs.export, "exported model = trained model", 120),
    Step("zero3", _CORRECTNESS, verbs.zero, "ZeRO-3 on one rank = plain", 170),
    Step("resume", _CORRECTNESS, verbs.resume, "killed and resumed = left alone", 150),
    Step("lora-stops", _CORRECTNESS, verbs.lora_stops, "chatml and LoRA learn to stop", 150),
    Step("vllm", _CORRECTNESS, verbs.vllm, "vLLM's greedy answers = transformers'", 150),
    Step("training-speed", "speed", speed.training, "training, ours and peers", 120),
    Step("answer-speed", "speed", speed.answering, "answers", 90),
    Step("liger-speed", "speed", speed.liger, "training with Liger's kernels", 90),
    Step("compile-speed", "speed", speed.compiled, "training through torch.compile", 120),
]
