"""Published fine-tuning recipes, by name (`preset` of a recipe).

Marks as in the studies' tables of deviations: C confirmed in a public source, R recalled. What a
recipe leaves open (precision, packing, memory) is not set here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    # FastChat's trainer for Vicuna (C): global batch 128, 3 epochs, cosine, warm-up 3 %.
    "fastchat-vicuna": {
        "epochs": 3,
        "batch_size": 128,
        "learning_rate": 2e-5,
        "schedule": "cosine",
        "warmup_ratio": 0.03,
        "weight_decay": 0.0,
        "max_length": 2048,
    },
    # LIMA (R): 15 epochs, batch 32, linear from 1e-5 to 1e-6, no warm-up, betas 0.9 and 0.95.
    "lima": {
        "epochs": 15,
        "batch_size": 32,
        "learning_rate": 1e-5,
        "min_learning_rate": 1e-6,
        "schedule": "linear",
        "weight_decay": 0.1,
        "adam_beta1": 0.9,
        "adam_beta2": 0.95,
        "max_length": 2048,
    },
    # A Pinch of Multilinguality (R): 2,000 steps, batch 128, dropout, best dev ROUGE-L; its 1,024
    # tokens in and 512 out are one length here.
    "pinch": {
        "max_steps": 2000,
        "batch_size": 128,
        "learning_rate": 1e-5,
        "schedule": "constant",
        "dropout": 0.05,
        "max_length": 1536,
        "select": "best_dev_rouge_l",
    },
}


def with_preset(values: Any) -> Any:
    """A recipe as given, with its preset's values where it names none itself."""
    if not isinstance(values, Mapping) or values.get("preset") not in PRESETS:
        return values
    filled = dict(PRESETS[values["preset"]])
    if values.get("max_steps") is not None:
        filled.pop("epochs", None)
    if values.get("epochs") is not None:
        filled.pop("max_steps", None)
    return filled | {key: value for key, value in values.items() if value is not None}
